/* finding inject --dry-run: a filter. Documents in, one JSON value each, over any number of lines or one a line; for each name in them a line out: what the policy would make of it, or
 * why nothing. Neither daemon nor configuration is needed: without one the defaults hold. One document is held at a time. What stands in a finding is a stranger's text: a terminal
 * gets it in printable form only. */
#include "cli/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/config.h"
#include "feeds/feeds.h"
#include "ingest/ingest.h"
#include "io/clock.h"

enum { CHUNK = 65536, SHOWN = 200 };

struct try {
	struct fl_cli *c;
	struct fl_config *cfg;
	struct fl_names *names;
	struct fl_protected protected;
	struct fl_finding_policy policy;
	fl_unix_us now;
	uint32_t document;
	uint64_t taken, withdrawn, refused;
	bool headed; /* the table has its head */
};

/* --- a line out --- */

static void print_json(json_t *take)
{
	json_dumpf(take, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(take);
}

static void print_head(struct try *t)
{
	if (!t->headed)
		printf("%8s  %-8s  %-40s  %-10s  %-20s  %-20s  %s\n", "DOCUMENT", "ACTION", "ENTRY", "SCOPE", "LIST", "EXPIRES", "FINDING");
	t->headed = true;
}

static void print_claim(struct try *t, const struct fl_finding *f, const struct fl_finding_claims *made, size_t i)
{
	const struct fl_claim *c = &made->v[i];
	const char *action = c->state == FL_CLAIM_WITHDRAWN ? "withdraw" : fl_finding_action_word(made->action);
	char entry[FL_NAME_TEXT], scope[FL_SCOPE_TEXT], expires[FL_TIME_TEXT] = "", shown[SHOWN];
	bool ends = c->expires_at && c->state == FL_CLAIM_ACTIVE;

	fl_rkey_to_text(fl_rkey_span(&c->key), entry);
	fl_scope_format(c->scope, scope);
	if (ends)
		fl_time_format(c->expires_at / FL_US_PER_S * FL_US_PER_S, expires);
	if (t->c->out != FL_OUT_HUMAN) {
		print_json(json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s?, s:s}", "document", (json_int_t)t->document, "domain", made->domains[i], "entry", entry, "scope", scope,
				     "action", action, "list", made->into, "expires_at", ends ? expires : NULL, "finding", f->id));
		return;
	}
	print_head(t);
	printf("%8u  %-8s  %-40s  %-10s  %-20s  %-20s  %s\n", t->document, action, entry, scope, made->into, ends ? expires : "-",
	       fl_printable(fl_span_str(f->id), shown, sizeof(shown)));
}

/* finding and domain: NULL where they are not known. */
static void print_refused(struct try *t, const char *word, const char *text, const char *finding, const char *domain)
{
	char shown[SHOWN], shown_text[2 * SHOWN];

	t->refused++;
	if (t->c->out != FL_OUT_HUMAN) {
		json_t *o = json_pack("{s:I, s:s}", "document", (json_int_t)t->document, "refused", word);

		if (domain)
			json_object_set_new(o, "domain", json_string(domain));
		if (finding)
			json_object_set_new(o, "finding", json_string(finding));
		json_object_set_new(o, "text", json_string(text));
		print_json(o);
		return;
	}
	print_head(t);
	printf("%8u  %-8s  %-40s  %s\n", t->document, "refused", fl_printable(fl_span_str(domain ? domain : finding ? finding : "-"), shown, sizeof(shown)),
	       fl_printable(fl_span_str(text), shown_text, sizeof(shown_text)));
}

static void print_held(struct try *t, const struct fl_finding *f, const struct fl_finding_held *h)
{
	char name[FL_NAME_TEXT], text[FL_NAME_TEXT + 200];

	if (!h->protects) {
		print_refused(t, fl_drop_word(h->why), fl_drop_text(h->why), f->id, h->domain);
		return;
	}
	snprintf(text, sizeof(text), "%s: it would block %s (%s)", fl_drop_text(h->why), fl_rkey_to_text(fl_rkey_span(&h->protects->key), name), fl_protect_word(h->protects->why));
	print_refused(t, fl_drop_word(h->why), text, f->id, h->domain);
}

/* --- a document in --- */

static int try_finding(struct try *t, const struct fl_finding *f, struct fl_arena *arena)
{
	struct fl_finding_claims made;
	struct fl_tally tally = { 0 };
	int ret = fl_finding_claims(t->names, f, &t->policy, "cli", t->now, arena, &made, &tally);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < made.n; i++) {
		print_claim(t, f, &made, i);
		*(made.v[i].state == FL_CLAIM_ACTIVE ? &t->taken : &t->withdrawn) += 1;
	}
	for (size_t i = 0; i < made.n_held; i++)
		print_held(t, f, &made.held[i]);
	return 0;
}

static int try_document(void *ctx, const struct fl_finding_document *d)
{
	struct try *t = ctx;
	struct fl_findings found = { 0 };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	char text[400];
	int ret;

	t->document = d->number;
	if (d->too_long) {
		print_refused(t, fl_drop_word(FL_DROP_LINE_TOO_LONG), "a document over 16 MiB", NULL, NULL);
		return 0;
	}
	ret = fl_finding_parse(d->text, NULL, &arena, &found, &err);
	if (ret == FL_EFORMAT || ret == FL_ELIMIT) {
		print_refused(t, fl_drop_word(FL_DROP_MALFORMED), err.text, NULL, NULL);
		ret = 0;
	} else if (ret == 0 && found.n == 0)
		print_refused(t, fl_drop_word(FL_DROP_NO_DOMAIN), "a document without a finding", NULL, NULL);
	for (size_t i = 0; ret == 0 && i < found.n; i++)
		ret = try_finding(t, &found.v[i], &arena);
	for (size_t i = 0; ret == 0 && i < found.n_refused; i++) {
		snprintf(text, sizeof(text), "finding %u: %s", found.refused[i].number, found.refused[i].why);
		print_refused(t, fl_drop_word(found.refused[i].word), text, NULL, NULL);
	}
	fl_arena_done(&arena);
	if (ret == 0 && ferror(stdout))
		ret = FL_EIO;
	return ret;
}

static int try_stream(struct try *t, FILE *in, const char *path, struct fl_err *err)
{
	struct fl_finding_split s = { .sink = try_document, .ctx = t };
	uint8_t *chunk = malloc(CHUNK);
	size_t n = 1;
	int ret = chunk ? 0 : FL_ENOMEM;

	while (ret == 0 && n) {
		n = fread(chunk, 1, CHUNK, in);
		ret = fl_finding_split_push(&s, fl_span(chunk, n));
	}
	if (ret == 0 && ferror(in))
		ret = fl_err_set(err, FL_ENOTFOUND, "%s: %s", path, strerror(errno));
	if (ret == 0)
		ret = fl_finding_split_end(&s);
	fl_finding_split_done(&s);
	free(chunk);
	return ret;
}

/* --- by which policy --- */

static int load(struct try *t, struct fl_err *err)
{
	struct fl_protected_from with;
	struct fl_diag diag = { 0 };
	char problem[FL_PROTECT_PROBLEM];
	int ret = 0;

	if (!t->cfg)
		ret = fl_config_load_text("defaults", fl_span_str("version: 1\n"), &t->cfg, &diag);
	fl_diag_done(&diag);
	if (ret == 0)
		ret = fl_names_open(t->cfg->psl_file, &t->names, err);
	with = (struct fl_protected_from){ .names = t->names, .cfg = t->cfg };
	if (ret == 0)
		ret = fl_protected_from(&with, &t->protected, problem);
	if (ret == 0 && problem[0] && !t->c->quiet)
		fprintf(stderr, "fireline: %s\n", problem);
	if (ret == 0)
		ret = fl_finding_policy_of(t->cfg, &t->c->arena, &t->policy);
	t->policy.protect = &t->protected;
	return ret;
}

static int run(struct try *t)
{
	const char *path = t->c->args[0], *at = fl_cli_opt(t->c, "at");
	bool from_stdin = strcmp(path, "-") == 0;
	struct fl_err err = { 0 };
	FILE *in;
	int ret;

	t->now = fl_now_unix(fl_clock_sys());
	if (at && !fl_time_parse(at, strlen(at), &t->now))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--at '%s' is no RFC 3339 time", at);
	in = from_stdin ? stdin : fopen(path, "re");
	if (!in)
		return fl_cli_fail(FL_EXIT_INPUT, "FL2107", NULL, "%s: %s", path, strerror(errno));
	ret = load(t, &err);
	if (ret == 0)
		ret = try_stream(t, in, path, &err);
	if (!from_stdin)
		fclose(in);
	if (ret == FL_ENOTFOUND)
		return fl_cli_fail(FL_EXIT_INPUT, "FL2107", NULL, "%s", err.text);
	if (ret < 0)
		return fl_cli_fail(FL_EXIT_FAILED, "FL2107", NULL, "%s: %s", path, err.text[0] ? err.text : fl_code_text(ret));
	if (t->c->out == FL_OUT_HUMAN)
		printf("would take %llu, withdraw %llu; refused %llu\n", (unsigned long long)t->taken, (unsigned long long)t->withdrawn, (unsigned long long)t->refused);
	return 0;
}

int fl_finding_try(struct fl_cli *c)
{
	struct try t = { .c = c };
	int ret = fl_cli_find_config(c, false, &t.cfg);

	if (ret == 0)
		ret = run(&t);
	fl_protected_done(&t.protected);
	fl_names_close(t.names);
	fl_config_free(t.cfg);
	return ret;
}
