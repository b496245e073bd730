/* feed test: fetch or read, parse, and say what would come of it. --entries and --rejects are filters that need neither daemon nor configuration; what the deployment has to say is in feed_trial.c.
 * The text of a refused line is a stranger's: it reaches a terminal in printable form only. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/config.h"
#include "cli/feed_trial.h"
#include "io/clock.h"

enum { READ_MAX = 1 << 30 };

/* --- refused lines --- */

static void print_reject(const struct fl_rejects *r, const struct fl_reject *x, enum fl_drop why)
{
	json_t *o;

	if (r->print == FL_REJECTS_TEXT) {
		printf("%u\t%s\t%s\n", x->line, fl_drop_word(why), x->text);
		return;
	}
	o = json_pack("{s:I, s:s, s:s}", "line", (json_int_t)x->line, "reason", fl_drop_word(why), "text", x->text);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void on_reject(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	struct fl_rejects *r = ctx;
	struct fl_reject one, *x = &one;

	if (why == FL_DROP_COMMENT)
		return;
	r->n++;
	if (r->print == FL_REJECTS_KEEP && r->by[why] < FL_REJECTS_SHOWN)
		x = &r->first[why][r->by[why]];
	x->line = line;
	if (x != &one || r->print != FL_REJECTS_KEEP)
		fl_printable(text, x->text, sizeof(x->text));
	if (r->print != FL_REJECTS_KEEP)
		print_reject(r, x, why);
	r->by[why]++;
}

static json_t *rejects_json(const struct fl_trial *t)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < FL_DROP_COUNT; i++) {
		uint64_t n = t->t.claims.dropped[i] + t->t.parsed.lines.dropped[i];
		json_t *first = json_array();

		for (size_t k = 0; k < FL_REJECTS_SHOWN && k < t->rejects.by[i]; k++)
			json_array_append_new(first, json_pack("{s:I, s:s}", "line", (json_int_t)t->rejects.first[i][k].line, "text", t->rejects.first[i][k].text));
		if (n && i != FL_DROP_COMMENT)
			json_array_append_new(all, json_pack("{s:s, s:s, s:I, s:O}", "reason", fl_drop_word((enum fl_drop)i), "text", fl_drop_text((enum fl_drop)i), "count",
							     (json_int_t)n, "first", first));
		json_decref(first);
	}
	return all;
}

/* --- entries --- */

/* One line a group of bits: what is blocked, then what is excepted. */
static void print_entries(const struct fl_set *set, bool json)
{
	static const uint8_t groups[] = { FL_SCOPE_SUBTREE, FL_SCOPE_EXCEPT_SUBTREE };
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	for (size_t i = 0; i < set->n; i++) {
		fl_rkey_to_text(fl_set_key(set, i), name);
		for (size_t k = 0; k < 2; k++) {
			uint8_t bits = set->v[i].t.scope & groups[k];

			if (bits)
				printf(json ? "{\"scope\":\"%s\",\"name\":\"%s\"}\n" : "%s\t%s\n", fl_scope_format(bits, scope), name);
		}
	}
}

/* --- what is tested, and as what --- */

int fl_cli_find_config(const struct fl_cli *c, bool must, struct fl_config **out)
{
	bool named = c->config_path || getenv("FIRELINE_CONFIG");
	struct fl_diag diag = { 0 };
	int ret = 0;

	must = must || c->config_path;
	*out = NULL;
	if ((named || access(FL_CONFIG_DEFAULT_PATH, R_OK) == 0) && fl_config_load(c->config_path, out, &diag) < 0) {
		*out = NULL;
		if (must)
			fl_diag_print(&diag, stderr);
		ret = must ? FL_EXIT_CONFIG : 0;
	}
	fl_diag_done(&diag);
	return ret;
}

static int find_feed(struct fl_trial *t)
{
	const char *name = fl_cli_opt(t->c, "feed"), *what = t->c->args[0];

	t->preset = fl_preset_of_url(what);
	if (name && !t->cfg)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "-c FILE", "--feed %s needs the configuration that has it", name);
	if (name) {
		t->feed = fl_config_feed(t->cfg, name);
		return t->feed ? 0 : fl_cli_fail(FL_EXIT_USAGE, "FL2109", "fireline feed ls", "the configuration has no feed '%s'", name);
	}
	for (size_t i = 0; t->cfg && !t->feed && i < t->cfg->n_feeds; i++)
		if (strcmp(t->cfg->feeds[i].url, what) == 0 || strcmp(t->cfg->feeds[i].path, what) == 0)
			t->feed = &t->cfg->feeds[i];
	return 0;
}

/* Which fields hold what, as in the configuration: columns for csv, else pointers. */
static int settle_fields(struct fl_trial *t)
{
	static const char *const urls[] = { [FL_URLS_AUTO] = "auto", [FL_URLS_HOST] = "host", [FL_URLS_SKIP] = "skip" };
	const char *url = fl_cli_opt(t->c, "urls"), *delimiter = fl_cli_opt(t->c, "delimiter");
	const struct {
		const char *option, **to;
	} rows[] = { { "value", &t->opt.fields.value }, { "type", &t->opt.fields.type }, { "items", &t->opt.items }, { "exceptions", &t->opt.exceptions } };
	size_t at, u = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *given = fl_cli_opt(t->c, rows[i].option);

		if (given && t->opt.format != FL_FORMAT_CSV && strcmp(given, "#") != 0 && !fl_pointer_valid(given, &at))
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--%s '%s' is no JSON pointer", rows[i].option, given);
		*rows[i].to = given ? given : *rows[i].to;
	}
	while (url && u <= FL_URLS_SKIP && strcmp(urls[u], url) != 0)
		u++;
	if (u > FL_URLS_SKIP)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --urls '%s'", url);
	if (url)
		t->opt.urls = (enum fl_feed_urls)u;
	if (delimiter)
		t->opt.delimiter = strcmp(delimiter, "tab") == 0 ? '\t' : delimiter[0];
	return 0;
}

/* An option wins over the feed, the feed over the preset. */
static int settle_options(struct fl_trial *t)
{
	const char *format = fl_cli_opt(t->c, "format"), *scope = fl_cli_opt(t->c, "scope"), *text = fl_cli_opt(t->c, "at");
	fl_unix_us at = fl_now_unix(fl_clock_sys());

	if (text && !fl_time_parse(text, strlen(text), &at))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--at '%s' is no RFC 3339 time", text);
	t->opt.format = FL_FORMAT_AUTO;
	if (t->feed) {
		t->opt = fl_feed_options_of(t->feed, 0);
		t->min_names = t->feed->min_names;
	} else if (t->preset && fl_preset_format(t->preset, &t->opt.format)) {
		t->opt.scope = t->preset->scope;
		t->min_names = t->preset->min_names;
	}
	if (format && !fl_format_parse(format, &t->opt.format))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --format '%s'", format);
	if (scope && strcmp(scope, "as_written") == 0)
		t->opt.scope = 0;
	else if (scope && !fl_scope_parse(scope, &t->opt.scope))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --scope '%s'", scope);
	t->opt.now_s = (uint32_t)(at / FL_US_PER_S);
	return settle_fields(t);
}

/* --- the body --- */

/* A feed's key goes to that feed's own URL, and a private address is fine there alone. */
static bool own_url(const struct fl_trial *t, const char *url)
{
	return t->feed && strcmp(t->feed->url, url) == 0;
}

static int fetch(struct fl_trial *t, const char *url, struct fl_buf *body, struct fl_err *err)
{
	struct fl_http_request req = { .url = url, .max_bytes = 256u << 20, .connect_timeout_ms = 10000, .timeout_ms = t->c->timeout_ms, .low_speed_s = 20, .max_redirects = 5,
				       .allow_private = fl_cli_opt(t->c, "allow-private") || (own_url(t, url) && t->feed->allow_private) };
	struct fl_http_response r;
	struct fl_http *h = NULL;
	uint64_t id;
	int ret = own_url(t, url) ? fl_feed_headers(t->feed, NULL, NULL, &t->c->arena, &req.headers, err) : 0;

	if (ret == 0)
		ret = fl_http_curl_open("fireline/" FL_VERSION, &h, err);
	if (ret == 0)
		ret = h->ops->start(h, &req, &id, err);
	while (ret == 0 && h->ops->poll(h, 1000, &r) == 0)
		;
	if (ret == 0) {
		if (r.code < 0 || r.status != 200)
			ret = fl_err_set(err, FL_EUNAVAIL, "%s%s (status %ld)", r.reason, r.reason[0] ? "" : "the server did not give the list", r.status);
		else {
			*body = r.body;
			r.body = (struct fl_buf){ 0 };
		}
		fl_http_response_done(&r);
	}
	if (h)
		h->ops->close(h);
	return ret;
}

static int too_big(const char *path, struct fl_err *err)
{
	return fl_err_set(err, FL_ELIMIT, "%s: over 1 GiB, which is more than is read", path);
}

/* What is seen before a read: a folder would be an empty file, and a file that is too big is not worth the wait. */
static int readable(FILE *f, const char *path, struct fl_err *err)
{
	struct stat st;

	if (fstat(fileno(f), &st) < 0)
		return fl_err_set(err, FL_EIO, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fl_err_set(err, FL_EIO, "%s is a folder: a feed reads its files as one list, and here  cat %s/* | fireline feed test -  does", path, path);
	return S_ISREG(st.st_mode) && st.st_size > READ_MAX ? too_big(path, err) : 0;
}

int fl_cli_read(const char *path, struct fl_buf *out, struct fl_err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int ret = f ? readable(f, path, err) : fl_err_set(err, FL_ENOTFOUND, "%s: %s", path, strerror(errno));
	size_t n = 1;

	while (ret == 0 && n) {
		if (!fl_buf_reserve(out, 65536)) {
			ret = fl_err_set(err, FL_ENOMEM, "%s: out of memory", path);
			break;
		}
		n = fread(out->p + out->n, 1, 65536, f);
		out->n += n;
		if (out->n > READ_MAX)
			ret = too_big(path, err);
	}
	if (ret == 0 && ferror(f))
		ret = fl_err_set(err, FL_EIO, "%s: %s", path, strerror(errno));
	if (f && f != stdin)
		fclose(f);
	return ret;
}

static int read_trial(struct fl_trial *t, struct fl_err *err)
{
	const char *what = t->c->args[0];
	fl_mono_ns start = fl_now_mono(fl_clock_sys());
	struct fl_buf body = { 0 };
	int ret = fl_names_open(t->cfg ? t->cfg->psl_file : NULL, &t->names, err);

	if (ret == 0)
		ret = strstr(what, "://") ? fetch(t, what, &body, err) : fl_cli_read(what, &body, err);
	t->took_ms = (fl_now_mono(fl_clock_sys()) - start) / 1000000;
	if (ret == 0)
		ret = fl_http_unpack(&body, READ_MAX, 0, err);
	t->bytes = body.n;
	if (ret == 0)
		ret = fl_feed_try(t->names, &t->opt, fl_buf_span(&body), t->min_names, on_reject, &t->rejects, &t->set, &t->t, err);
	fl_buf_done(&body);
	return ret;
}

/* --- the answer --- */

static json_t *answer_json(const struct fl_trial *t)
{
	char scope[FL_SCOPE_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:o}", "format", fl_format_word(t->t.parsed.format), "scope",
			      t->opt.scope ? fl_scope_format(t->opt.scope, scope) : "as_written", "bytes", (json_int_t)t->bytes, "took_ms", (json_int_t)t->took_ms, "lines",
			      (json_int_t)t->t.parsed.lines.in, "lines_used", (json_int_t)t->t.parsed.lines.out, "names", (json_int_t)t->t.names, "rejected",
			      (json_int_t)t->rejects.n, "refused", t->t.refused, "reason", t->t.reason, "rejects", rejects_json(t));

	json_object_set_new(o, "feed", t->feed ? json_string(t->feed->name) : json_null());
	json_object_set_new(o, "preset", t->preset ? json_string(t->preset->name) : json_null());
	json_object_set_new(o, "licence", json_string(t->feed && t->feed->licence[0] ? t->feed->licence : t->preset ? t->preset->licence : ""));
	return o;
}

static int answer(struct fl_trial *t)
{
	json_t *o = answer_json(t);
	struct fl_err err = { 0 };
	bool held = false;
	int ret = fl_trial_judge(t, o, &held, &err);

	if (ret < 0)
		ret = fl_cli_fail(FL_EXIT_FAILED, "FL2104", NULL, "%s: %s", t->c->args[0], err.text[0] ? err.text : fl_code_text(ret));
	else {
		if (!fl_client_print(t->c, "FeedTest", o))
			fl_trial_print(t, o);
		ret = t->t.refused ? FL_EXIT_FAILED : held ? FL_EXIT_GUARD : 0;
	}
	json_decref(o);
	return ret;
}

static int run(struct fl_trial *t)
{
	bool entries = fl_cli_opt(t->c, "entries") != NULL, rejects = fl_cli_opt(t->c, "rejects") != NULL, json = t->c->out != FL_OUT_HUMAN;
	const char *what = t->c->args[0];
	struct fl_err err = { 0 };
	int ret = fl_cli_find_config(t->c, fl_cli_opt(t->c, "feed") != NULL, &t->cfg);

	if (rejects)
		t->rejects.print = json ? FL_REJECTS_JSON : FL_REJECTS_TEXT;
	if (ret == 0)
		ret = find_feed(t);
	if (ret == 0)
		ret = settle_options(t);
	if (ret)
		return ret;
	ret = read_trial(t, &err);
	if (ret < 0) {
		bool said = strstr(err.text, what) != NULL;

		return fl_cli_fail(ret == FL_EUNAVAIL ? FL_EXIT_UNREACHABLE : FL_EXIT_INPUT, "FL2104", NULL, "%s%s%s", said ? "" : what, said ? "" : ": ",
				   err.text[0] ? err.text : fl_code_text(ret));
	}
	if (entries)
		print_entries(&t->set, json);
	if (entries || rejects)
		return t->t.refused ? FL_EXIT_FAILED : 0;
	return answer(t);
}

int fl_cmd_feed_test(struct fl_cli *c)
{
	struct fl_trial *t = calloc(1, sizeof(*t));
	int ret = FL_EXIT_FAILED;

	if (t) {
		t->c = c;
		ret = run(t);
		fl_set_done(&t->set);
		fl_names_close(t->names);
		fl_config_free(t->cfg);
	}
	free(t);
	return ret;
}
