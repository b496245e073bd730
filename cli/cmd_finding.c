/* finding ls|show|dismiss|extend|approve|sample. */
#include "cli/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/time.h"
#include "model/digest.h"
#include "model/finding.h"

/* "2026-11-23 14:02" of an RFC 3339 time; "-" when there is none. */
static const char *when(const json_t *o, const char *key, const char *none, char buf[24])
{
	const char *t = fl_str(o, key);

	if (strlen(t) < 16)
		return none;
	snprintf(buf, 24, "%.10s %.5s", t, t + 11);
	return buf;
}

static const char *first_of(const json_t *rows, const char *key)
{
	return fl_str(json_array_get(rows, 0), key);
}

/* --- ls --- */

int fl_cmd_finding_ls(struct fl_cli *c)
{
	const char *target = fl_client_target(c, "/v1/findings", "source", fl_cli_opt(c, "source"), "state", fl_cli_opt(c, "state"), "type", fl_cli_opt(c, "type"), "name",
					      fl_cli_opt(c, "name"), "limit", fl_cli_opt(c, "limit"), "after", fl_cli_opt(c, "after"), NULL);
	json_t *o, *row;
	char seen[24], ends[24];
	size_t i;
	int ret = fl_client_call(c, "ingest", "GET", target, NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Findings", o)) {
		printf("%-12s  %-11s  %-36s  %-18s  %-16s  %-16s  %s\n", "CLAIM", "STATE", "NAME", "SOURCE", "SEEN", "EXPIRES", "TYPE");
		json_array_foreach (json_object_get(o, "items"), i, row)
			printf("%-12.12s  %-11s  %-36s  %-18s  %-16s  %-16s  %s\n", fl_str(row, "id"), fl_str(row, "state"), fl_str(row, "name"), fl_str(row, "source"),
			       when(row, "seen", "-", seen), when(row, "expires", "never", ends), fl_str(row, "type"));
		if (fl_str(o, "next")[0])
			printf("more: --after %s\n", fl_str(o, "next"));
	}
	json_decref(o);
	return 0;
}

/* --- show --- */

static const char *id_path(struct fl_cli *c, const char *rest)
{
	struct fl_buf b = { 0 };
	const char *out = NULL;

	fl_buf_str(&b, "/v1/findings/");
	fl_percent_encode(&b, c->args[0]);
	fl_buf_str(&b, rest);
	if (fl_buf_cstr(&b))
		out = fl_arena_str(&c->arena, fl_buf_cstr(&b));
	fl_buf_done(&b);
	return out ? out : "";
}

static void print_claim(const json_t *row)
{
	char a[24], b[24], d[24];

	printf("  %s (%s)   %s\n", fl_str(row, "name"), fl_str(row, "scope"), fl_str(row, "state"));
	printf("    claim    %.12s   %s, severity %.1f\n", fl_str(row, "id"), fl_str(row, "type"), json_number_value(json_object_get(row, "severity")));
	printf("    list     %s   by %s@%lld, first in @%lld\n", fl_str(row, "list"), fl_str(row, "source"), (long long)fl_int(row, "version"), (long long)fl_int(row, "first_version"));
	printf("    seen     %s   updated %s   expires %s\n", when(row, "seen", "-", a), when(row, "updated", "-", b), when(row, "expires", "never", d));
	if (fl_str(row, "actor")[0] || fl_str(row, "reason")[0])
		printf("    because  %s%s%s%s%s\n", fl_str(row, "actor"), fl_str(row, "actor")[0] && fl_str(row, "reason")[0] ? ": " : "", fl_str(row, "reason"),
		       fl_str(row, "changed")[0] ? "   " : "", when(row, "changed", "", a));
}

/* What a person can do next. */
static void print_next(const json_t *o)
{
	const char *finding = fl_str(o, "finding"), *state = first_of(json_object_get(o, "claims"), "state");

	if (strcmp(state, "active") == 0)
		printf("next: fireline finding dismiss '%s' --reason \"...\"   or: extend '%s' --for 30d --reason \"...\"\n", finding, finding);
	else if (strcmp(state, "quarantined") == 0)
		printf("next: fireline finding approve '%s' --reason \"...\"   or: dismiss '%s' --reason \"...\"\n", finding, finding);
	else if (strcmp(state, "dismissed") == 0)
		printf("next: fireline finding dismiss '%s' --undo --reason \"...\"\n", finding);
}

int fl_cmd_finding_show(struct fl_cli *c)
{
	json_t *o, *row;
	size_t i;
	int ret = fl_client_call(c, "ingest", "GET", id_path(c, ""), NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Finding", o)) {
		printf("finding %s\n", fl_str(o, "finding"));
		json_array_foreach (json_object_get(o, "claims"), i, row)
			print_claim(row);
		print_next(o);
	}
	json_decref(o);
	return 0;
}

/* --- decisions --- */

static void print_change(const json_t *row, bool extend, bool dry)
{
	const char *was = fl_str(row, "expires_was"), *now = fl_str(row, "expires");
	bool shorter = now[0] && (!was[0] || strcmp(now, was) < 0);
	char a[24], b[24];

	printf("%s%s (%s): ", dry ? "would change " : "", fl_str(row, "name"), fl_str(row, "list"));
	if (extend)
		printf("ends %s, was %s%s", when(row, "expires", "never", a), when(row, "expires_was", "never", b), shorter ? "   SHORTER than it was" : "");
	else
		printf("%s -> %s", fl_str(row, "was"), fl_str(row, "state"));
	if (!dry)
		printf("   %s@%lld", fl_str(row, "source"), (long long)fl_int(row, "version"));
	putchar('\n');
}

static void print_undo(const char *op, const json_t *o)
{
	const json_t *changed = json_object_get(o, "changed");
	const char *finding = fl_str(o, "finding"), *was = first_of(changed, "expires_was");

	if (strcmp(op, "dismiss") == 0)
		printf("undo: fireline finding dismiss '%s' --undo --reason \"...\"\n", finding);
	else if (strcmp(op, "extend") == 0 && was[0])
		printf("undo: fireline finding extend '%s' --until %s --reason \"...\"\n", finding, was);
	else if (strcmp(op, "extend") == 0)
		printf("undo: fireline finding extend '%s' --permanent --reason \"...\"\n", finding);
	else
		printf("undo: fireline finding dismiss '%s' --reason \"...\"\n", finding);
}

/* take_body: what the operation needs beside reason and dry_run. */
static int decide(struct fl_cli *c, const char *op, json_t *take_body)
{
	const char *reason = fl_cli_opt(c, "reason");
	bool dry = fl_cli_opt(c, "dry-run") != NULL;
	json_t *o, *row;
	size_t i;
	int ret;

	if (!reason || !reason[0]) {
		json_decref(take_body);
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --reason \"...\"", "a decision on a finding needs a reason");
	}
	json_object_set_new(take_body, "reason", json_string(reason));
	json_object_set_new(take_body, "dry_run", json_boolean(dry));
	ret = fl_client_call(c, "ingest", "POST", id_path(c, fl_arena_printf(&c->arena, "/%s", op)), take_body, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "FindingDecision", o)) {
		json_array_foreach (json_object_get(o, "changed"), i, row)
			print_change(row, strcmp(op, "extend") == 0, dry);
		if (!json_array_size(json_object_get(o, "changed")))
			printf("%s: nothing to change, it is so already\n", fl_str(o, "finding"));
		else if (!dry)
			print_undo(op, o);
	}
	json_decref(o);
	return 0;
}

int fl_cmd_finding_dismiss(struct fl_cli *c)
{
	return decide(c, fl_cli_opt(c, "undo") ? "restore" : "dismiss", json_object());
}

int fl_cmd_finding_approve(struct fl_cli *c)
{
	return decide(c, "approve", json_object());
}

int fl_cmd_finding_extend(struct fl_cli *c)
{
	const char *dur = fl_cli_opt(c, "for"), *until = fl_cli_opt(c, "until");
	bool permanent = fl_cli_opt(c, "permanent") != NULL;
	fl_unix_us end = 0;
	int64_t ms;

	if ((dur != NULL) + (until != NULL) + permanent != 1)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --for 30d, --until 2027-01-31T00:00:00Z, or --permanent", "one end must be given");
	if (dur && (!fl_duration_parse(dur, &ms) || ms <= 0 || ms > INT64_C(36500) * 86400000))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--for '%s' is no duration (12h, 30d)", dur);
	if (dur)
		end = (fl_unix_us)time(NULL) * FL_US_PER_S + ms * 1000;
	if (until && (!fl_time_parse(until, strlen(until), &end) || end <= 0))
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--until '%s' is no time (2027-01-31T00:00:00Z)", until);
	return decide(c, "extend", permanent ? json_pack("{s:b}", "permanent", true) : json_pack("{s:I}", "until_us", (json_int_t)end));
}

/* --- sample --- */

static json_t *sample_action(const struct fl_finding_type *t, const char *name)
{
	const char *dot = strchr(name, '.');

	if (t->sequence)
		return NULL;
	return json_pack("{s:s, s:{s:s, s:s, s:s, s:b}}", "actionType", "DNS_REQUEST", "dnsRequestAction", "domain", name, "domainWithSuffix", dot && strchr(dot + 1, '.') ? dot + 1 : name,
			 "protocol", "UDP", "blocked", false);
}

static json_t *sample_detection(const struct fl_finding_type *t, const char *name)
{
	return t->sequence ? json_pack("{s:{s:[{s:s, s:[s]}]}}", "sequence", "sequenceIndicators", "key", "MALICIOUS_DOMAIN", "values", name) : NULL;
}

/* An event as EventBridge delivers it (docs/formats/findings.md); the same type and name give the same finding. */
static json_t *sample(const struct fl_finding_type *t, const char *name, bool real)
{
	char now[FL_TIME_TEXT], id[33], hex[65];
	uint8_t sum[32];
	struct fl_sha256 h;
	json_t *detail, *service, *info = real ? json_object() : json_pack("{s:b}", "sample", true);

	fl_sha256_init(&h);
	fl_sha256_add(&h, t->type, strlen(t->type) + 1);
	fl_sha256_add(&h, name, strlen(name) + 1);
	fl_sha256_done(&h, sum);
	snprintf(id, sizeof(id), "%.32s", fl_hex(sum, sizeof(sum), hex));
	fl_time_format((fl_unix_us)time(NULL) * FL_US_PER_S, now);
	service = json_pack("{s:s, s:s, s:s, s:b, s:i, s:o*, s:o*, s:o, s:s, s:s}", "serviceName", "guardduty", "detectorId", "5a5a00000000000000000000000000aa", "resourceRole", "ACTOR",
			    "archived", false, "count", 1, "action", sample_action(t, name), "detection", sample_detection(t, name), "additionalInfo", info, "eventFirstSeen", now,
			    "eventLastSeen", now);
	detail = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:{s:s, s:{s:s}}, s:o, s:f, s:s, s:s, s:o, s:s}", "schemaVersion", "2.0", "accountId", "000000000000", "region", "eu-west-1",
			   "partition", "aws", "id", id, "arn", json_sprintf("arn:aws:guardduty:eu-west-1:000000000000:detector/5a5a00000000000000000000000000aa/finding/%s", id), "type", t->type,
			   "createdAt", now, "resource", "resourceType", "Instance", "instanceDetails", "instanceId", "i-00000000000000000", "service", service, "severity", t->severity,
			   "updatedAt", now, "description", t->title, "title", json_sprintf("%s%s", real ? "" : "[SAMPLE] ", t->title), "fireline", "finding sample");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:o}", "version", "0", "id", id, "detail-type", "GuardDuty Finding", "source", "aws.guardduty", "account", "000000000000",
			 "time", now, "region", "eu-west-1", "resources", "detail", detail);
}

static int unknown_type(const char *word)
{
	fprintf(stderr, "types:\n");
	for (size_t i = 0; i < fl_finding_types_n; i++)
		fprintf(stderr, "  %-52s %4.1f  %s\n", fl_finding_types[i].type, fl_finding_types[i].severity, fl_finding_types[i].title);
	return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "'%s' is no type that is known, or stands for several; the whole of one from above", word);
}

int fl_cmd_finding_sample(struct fl_cli *c)
{
	const struct fl_finding_type *t = fl_finding_type(c->args[0]);
	const char *name = fl_cli_opt(c, "name");
	json_t *o;

	if (!t)
		return unknown_type(c->args[0]);
	o = sample(t, name ? name : "drill.fireline-sample.example", fl_cli_opt(c, "real") != NULL);
	if (!o)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "'%s' is no text", name ? name : "");
	json_dumpf(o, stdout, c->out == FL_OUT_HUMAN ? JSON_INDENT(1) : JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	return 0;
}
