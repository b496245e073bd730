/* feed presets, feed add: what can be had, and the YAML of it. fireline never rewrites a configuration. */
#include "cli/cmd.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"
#include "feeds/catalog.h"
#include "feeds/feeds.h"

/* --- presets --- */

static json_t *preset_json(const struct fl_preset *p)
{
	char scope[FL_SCOPE_TEXT], every[16];
	enum fl_format f;

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:b, s:b, s:s}", "preset", p->name, "title", p->title, "url", p->url, "format",
			 p->format, "readable", fl_preset_format(p, &f), "scope", p->scope ? fl_scope_format(p->scope, scope) : "as_written", "category",
			 fl_category_word(p->category), "every", fl_preset_every(p, every), "min_names", (json_int_t)p->min_names, "licence", p->licence, "terms",
			 fl_terms_word(p->terms), "terms_text", fl_terms_text(p->terms), "terms_allow_default", fl_terms_allow_default(p->terms), "default", p->on,
			 "homepage", p->homepage);
}

static void print_presets(void)
{
	printf("%-27s %-8s %-10s %-12s %5s  %-7s %-14s %s\n", "PRESET", "FORMAT", "SCOPE", "CATEGORY", "EVERY", "DEFAULT", "TERMS", "LICENCE");
	for (size_t i = 0; fl_preset_at(i); i++) {
		const struct fl_preset *p = fl_preset_at(i);
		char scope[FL_SCOPE_TEXT], every[16];
		enum fl_format f;

		printf("%-27s %-8s %-10s %-12s %5s  %-7s %-14s %s\n", p->name, p->format, p->scope ? fl_scope_format(p->scope, scope) : "as_written",
		       fl_category_word(p->category), fl_preset_every(p, every), !fl_preset_format(p, &f) ? "later" : p->on ? "on" : "off", fl_terms_word(p->terms), p->licence);
	}
	printf("\nNothing is fetched unasked. on: free to use, threats only, small and steady. later: this build does not read the format.\n"
	       "use one:  fireline feed add NAME --preset PRESET\n");
}

int fl_cmd_feed_presets(struct fl_cli *c)
{
	json_t *items = json_array(), *o = json_pack("{s:o}", "items", items);

	for (size_t i = 0; fl_preset_at(i); i++)
		json_array_append_new(items, preset_json(fl_preset_at(i)));
	if (!fl_client_print(c, "FeedPresets", o))
		print_presets();
	json_decref(o);
	return 0;
}

static int unknown_preset(struct fl_cli *c, const char *name)
{
	const char *names[128], *near;
	size_t n = 0;

	for (; n < 128 && fl_preset_at(n); n++)
		names[n] = fl_preset_at(n)->name;
	near = fl_did_you_mean(name, names, n);
	return fl_cli_fail(FL_EXIT_USAGE, "FL2001", near ? fl_arena_printf(&c->arena, "did you mean '%s'?", near) : "fireline feed presets", "there is no preset '%s'", name);
}

/* --- add --- */

struct wanted {
	const struct fl_preset *preset; /* NULL: none */
	const char *name, *url, *path, *into, *format, *scope, *every;
	const char *value, *type, *items, *exceptions, *delimiter, *urls;
};

/* A list by what the feed is for, when none was named. */
static const char *list_of(const struct fl_preset *p)
{
	return p->category == FL_CAT_TRACKING || p->category == FL_CAT_POLICY ? fl_category_word(p->category) : "malware";
}

static const char *format_of(const struct wanted *w)
{
	return w->format ? w->format : w->preset ? w->preset->format : "auto";
}

/* A bare name says nothing of what is below it, and a list of them would be refused line by line. */
static int check_scope(const struct wanted *w)
{
	const char *format = format_of(w);
	bool bare = strcmp(format, "domains") == 0 || strcmp(format, "auto") == 0;

	if (!bare || w->scope || (w->preset && w->preset->scope))
		return 0;
	return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "--scope exact: the name alone; subtree: also what is below it; as_written: *.x and .x lines only",
			   "--scope must be given with format %s: exact, subdomains, subtree or as_written", format);
}

/* Fields of records: columns in csv, pointers in json and ndjson. */
static int check_fields(const struct wanted *w)
{
	const struct {
		const char *option, *value;
	} pointers[] = { { "value", w->value }, { "type", w->type }, { "items", w->items }, { "exceptions", w->exceptions } };
	bool csv = strcmp(format_of(w), "csv") == 0, one = strcmp(format_of(w), "json") == 0, json = one || strcmp(format_of(w), "ndjson") == 0;
	size_t at;

	if ((w->value || w->type) && !csv && !json)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--value and --type are for --format csv, json and ndjson");
	if ((w->items || w->exceptions) && !one)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--items and --exceptions are for --format json");
	if (w->delimiter && !csv)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--delimiter is for --format csv");
	if (!w->value && w->type)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--type without --value");
	for (size_t i = 0; json && i < sizeof(pointers) / sizeof(*pointers); i++)
		if (pointers[i].value && strcmp(pointers[i].value, "#") != 0 && !fl_pointer_valid(pointers[i].value, &at))
			return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--%s '%s' is no JSON pointer", pointers[i].option, pointers[i].value);
	if (w->delimiter && strcmp(w->delimiter, "tab") != 0 && (strlen(w->delimiter) != 1 || !strchr(",;|", w->delimiter[0])))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --delimiter '%s': , ; | or tab", w->delimiter);
	if (w->urls && strcmp(w->urls, "auto") != 0 && strcmp(w->urls, "host") != 0 && strcmp(w->urls, "skip") != 0)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown --urls '%s'", w->urls);
	return 0;
}

static int check_wanted(const struct wanted *w)
{
	enum fl_format f;
	uint8_t scope;
	int64_t ms;

	if (!fl_set_name_valid(w->name) || strchr(w->name, '.'))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "'%s' is no feed name: letters a-z, digits, hyphen, underscore", w->name);
	if (w->url && w->path)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "one of --url and --path");
	if (!w->preset && (!w->url == !w->path || !w->into))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", "fireline feed presets", "one of --url and --path, and --into LIST, must be given; or --preset P");
	if (w->into && !fl_set_name_valid(w->into))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "'%s' is no list name", w->into);
	if (w->format && !fl_format_parse(w->format, &f))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown format '%s'", w->format);
	if (w->scope && strcmp(w->scope, "as_written") != 0 && !fl_scope_parse(w->scope, &scope))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "unknown scope '%s'", w->scope);
	if (w->every && !fl_duration_parse(w->every, &ms))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "'%s' is no duration (1h, 30m)", w->every);
	if (w->preset && !fl_preset_format(w->preset, &f) && !w->format)
		return fl_cli_fail(FL_EXIT_FAILED, "FL2001", NULL, "preset '%s' has the format %s, which this build does not read", w->preset->name, w->preset->format);
	if (w->path && w->path[0] != '/')
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--path '%s' is a relative path: write it from the root", w->path);
	return check_scope(w) ? FL_EXIT_USAGE : check_fields(w);
}

static void yaml_text(struct fl_buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	fl_buf_printf(b, "    %s: ", key);
	fl_json_string(b, fl_span_str(value));
	fl_buf_str(b, "\n");
}

static void yaml_word(struct fl_buf *b, const char *key, const char *value)
{
	if (value)
		fl_buf_printf(b, "    %s: %s\n", key, value);
}

/* What the preset says is not written down again: a later release may know a better place. Terms are. */
static void yaml_preset(struct fl_buf *b, const struct wanted *w)
{
	const struct fl_preset *p = w->preset;

	fl_buf_printf(b, "# %s\n# licence: %s; terms: %s\n# %s\n", p->title, p->licence, fl_terms_text(p->terms), p->homepage);
	fl_buf_printf(b, "feeds:\n  - name: %s\n    preset: %s\n", w->name, p->name);
	if (!w->url && !w->path && fl_preset_keyed_url(p)) {
		fl_buf_printf(b, "    # your key for %s:\n", FL_PRESET_KEY);
		yaml_text(b, "url", p->url);
	} else if (!w->url && !w->path && p->terms == FL_TERMS_KEY)
		fl_buf_str(b, "    # the file holds your key:\n    headers_file: {Auth-Key: /etc/fireline/auth-key}\n");
}

static void yaml_item(struct fl_buf *b, const char **open, const char *key, const char *value)
{
	if (!value)
		return;
	fl_buf_printf(b, "%s%s: ", *open, key);
	fl_json_string(b, fl_span_str(value));
	*open = ", ";
}

static void yaml_fields(struct fl_buf *b, const struct wanted *w)
{
	const char *open = "{";

	if (w->value || w->type || w->items || w->exceptions) {
		fl_buf_printf(b, "    %s: ", strcmp(format_of(w), "csv") == 0 ? "columns" : "pointers");
		yaml_item(b, &open, "items", w->items);
		yaml_item(b, &open, "value", w->value);
		yaml_item(b, &open, "type", w->type);
		yaml_item(b, &open, "exceptions", w->exceptions);
		fl_buf_str(b, "}\n");
	}
	yaml_text(b, "delimiter", w->delimiter);
	yaml_word(b, "urls", w->urls);
}

static void yaml_of(struct fl_buf *b, const struct wanted *w)
{
	bool p = w->preset != NULL;

	if (p)
		yaml_preset(b, w);
	else
		fl_buf_printf(b, "feeds:\n  - name: %s\n", w->name);
	yaml_text(b, "url", w->url);
	yaml_text(b, "path", w->path);
	yaml_word(b, "format", w->format ? w->format : p ? NULL : "auto");
	yaml_word(b, "scope", w->scope ? w->scope : p ? NULL : "as_written");
	yaml_fields(b, w);
	yaml_word(b, "into", w->into ? w->into : list_of(w->preset));
	yaml_word(b, "every", w->every ? w->every : p ? NULL : "1h");
}

static int write_file(struct fl_cli *c, const char *folder, const char *name, const struct fl_buf *b)
{
	const char *path = fl_arena_printf(&c->arena, "%s/feed-%s.yaml", folder, name);
	FILE *out = fopen(path, "wxe");

	if (!out || fwrite(b->p, 1, b->n, out) != b->n || fclose(out) != 0)
		return fl_cli_fail(FL_EXIT_CANNOT_CREATE, "FL2106", NULL, "%s: %s", path, strerror(errno));
	printf("%s written; reload to use it\n", path);
	return 0;
}

int fl_cmd_feed_add(struct fl_cli *c)
{
	const char *preset = fl_cli_opt(c, "preset"), *folder = fl_cli_opt(c, "write");
	struct wanted w = { .preset = preset ? fl_preset_find(preset) : NULL, .name = c->args[0], .url = fl_cli_opt(c, "url"), .path = fl_cli_opt(c, "path"),
			    .into = fl_cli_opt(c, "into"), .format = fl_cli_opt(c, "format"), .scope = fl_cli_opt(c, "scope"), .every = fl_cli_opt(c, "every"),
			    .value = fl_cli_opt(c, "value"), .type = fl_cli_opt(c, "type"), .items = fl_cli_opt(c, "items"), .exceptions = fl_cli_opt(c, "exceptions"),
			    .delimiter = fl_cli_opt(c, "delimiter"), .urls = fl_cli_opt(c, "urls") };
	struct fl_buf b = { 0 };
	int ret = preset && !w.preset ? unknown_preset(c, preset) : check_wanted(&w);

	if (ret)
		return ret;
	yaml_of(&b, &w);
	if (folder)
		ret = write_file(c, folder, w.name, &b);
	else
		fwrite(b.p, 1, b.n, stdout);
	fl_buf_done(&b);
	return ret;
}
