/* policy show, policy test; bypass on, off, status. */
#include <string.h>

#include "base/time.h"
#include "cli/cmd.h"

/* --- bypass --- */

static void print_undo(const char *association)
{
	printf("undo: fireline bypass off%s%s\n", association[0] ? " --association " : "", association);
}

static void print_problem(const json_t *o)
{
	if (fl_str(o, "problem")[0])
		fprintf(stderr, "! %s\n", fl_str(o, "problem"));
}

int fl_cmd_bypass_on(struct fl_cli *c)
{
	const char *dur = fl_cli_opt(c, "for"), *reason = fl_cli_opt(c, "reason"), *association = fl_cli_opt(c, "association");
	json_t *body, *o;
	int64_t ms = 0;
	int ret;

	if (!dur)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --for 10m", "an end must be given");
	if (!fl_duration_parse(dur, &ms) || ms <= 0)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2001", NULL, "--for '%s' is no duration (10m, 1h)", dur);
	if (!reason || !reason[0])
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --reason \"...\"", "a reason must be given");
	body = json_pack("{s:s, s:I, s:s}", "association", association ? association : "", "for_ms", (json_int_t)ms, "reason", reason);
	ret = fl_client_call(c, "enforce", "POST", "/v1/bypasses", body, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "Bypass", o)) {
		association = fl_str(o, "association");
		printf("bypass ON for %s until %.19sZ on %s: rules evaluated and logged, not enforced\n", association[0] ? association : "every client", fl_str(o, "until"),
		       fl_str(o, "enforcer"));
		print_undo(association);
	}
	json_decref(o);
	return 0;
}

int fl_cmd_bypass_off(struct fl_cli *c)
{
	json_t *o;
	int ret = fl_client_call(c, "enforce", "DELETE", fl_client_target(c, "/v1/bypasses", "association", fl_cli_opt(c, "association"), NULL), NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Bypass", o)) {
		printf("bypass OFF for %s on %s: rules are enforced\n", fl_str(o, "association")[0] ? fl_str(o, "association") : "every client", fl_str(o, "enforcer"));
		print_problem(o);
	}
	json_decref(o);
	return 0;
}

int fl_cmd_bypass_status(struct fl_cli *c)
{
	const json_t *row;
	json_t *o;
	size_t i;
	int ret = fl_client_call(c, "enforce", "GET", "/v1/bypasses", NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Bypasses", o)) {
		if (json_array_size(json_object_get(o, "items")) == 0)
			printf("no bypass is on\n");
		json_array_foreach (json_object_get(o, "items"), i, row) {
			printf("%s: until %.19sZ, since %.19sZ by %s: %s\n  ", fl_str(row, "association")[0] ? fl_str(row, "association") : "every client",
			       fl_str(row, "until"), fl_str(row, "since"), fl_str(row, "actor"), fl_str(row, "reason"));
			print_undo(fl_str(row, "association"));
		}
		print_problem(o);
	}
	json_decref(o);
	return 0;
}

/* --- policy --- */

static void print_joined(const char *before, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		printf("%s%s", i ? ", " : before, json_string_value(v));
}

static void print_rule(const json_t *r)
{
	const json_t *o = json_object_get(r, "override");
	bool trusts = strcmp(fl_str(r, "domain_redirection_action"), "TRUST_REDIRECTION_DOMAIN") == 0;

	printf("  %-20s %-24s %7lld  %-5s", fl_str(r, "rule_group")[0] ? fl_str(r, "rule_group") : "(built-in)", fl_str(r, "rule")[0] ? fl_str(r, "rule") : "-",
	       (long long)fl_int(r, "priority"), fl_str(r, "action"));
	printf(" %-8s  %s", fl_str(r, "block_response"), fl_str(r, "list"));
	if (json_is_true(json_object_get(r, "held")))
		printf("@%lld", (long long)fl_int(r, "list_version"));
	else
		printf(" (never held)");
	print_joined("  q_type ", json_object_get(r, "q_type"));
	if (o) {
		printf("  -> %s", fl_str(o, "type"));
		print_joined(" ", json_object_get(o, "data"));
		printf(" ttl %lld", (long long)fl_int(o, "ttl"));
	}
	printf("%s%s\n", trusts ? "  trusts redirections" : "", json_is_true(json_object_get(r, "continue")) ? "  continues" : "");
}

static void print_set(const json_t *set)
{
	const json_t *b = json_object_get(set, "bypass"), *r;
	const char *band = "";
	size_t i;

	printf("%s", fl_str(set, "association")[0] ? fl_str(set, "association") : "clients without an association");
	print_joined("  ", json_object_get(set, "networks"));
	printf("  fail %s%s\n", json_is_true(json_object_get(set, "fail_open")) ? "open" : "closed",
	       json_is_true(json_object_get(set, "mutation_protection")) ? "  mutation protection" : "");
	if (json_is_object(b))
		printf("! bypass until %.19sZ by %s (%s): rules evaluated and logged, not enforced\n", fl_str(b, "until"), fl_str(b, "actor"), fl_str(b, "reason"));
	json_array_foreach (json_object_get(set, "rules"), i, r) {
		if (strcmp(band, fl_str(r, "band")) != 0)
			printf(" %s\n", fl_str(r, "band"));
		band = fl_str(r, "band");
		print_rule(r);
	}
}

int fl_cmd_policy_show(struct fl_cli *c)
{
	json_t *o, *set;
	size_t i;
	int ret = fl_client_call(c, "enforce", "GET", fl_client_target(c, "/v1/policy", "client", fl_cli_opt(c, "client"), NULL), NULL, &o);

	if (ret)
		return ret;
	if (!fl_client_print(c, "Policy", o)) {
		if (fl_str(o, "client")[0])
			printf("client %s: %s%s\n", fl_str(o, "client"), fl_str(o, "network")[0] ? "by network " : "in no association's network", fl_str(o, "network"));
		if (json_is_true(json_object_get(o, "startup_grace")))
			printf("! startup_grace: lists that were never held are passed over\n");
		json_array_foreach (json_object_get(o, "items"), i, set)
			print_set(set);
		if (fl_int(o, "left_out"))
			printf("... %lld further associations: ask with --client\n", (long long)fl_int(o, "left_out"));
	}
	json_decref(o);
	return 0;
}

static void print_test(const json_t *o)
{
	const json_t *r = json_object_get(o, "rule"), *m = json_object_get(o, "matched"), *b = json_object_get(o, "bypass"), *row;
	size_t i;

	printf("%s %s from %s (association %s): %s%s%s", fl_str(o, "name"), fl_str(o, "qtype"), fl_str(o, "client"),
	       fl_str(o, "association")[0] ? fl_str(o, "association") : "none", fl_str(o, "verdict"), fl_str(o, "response")[0] ? " -> " : "", fl_str(o, "response"));
	if (r)
		printf("   by %s%s%s, list %s@%lld", fl_str(r, "rule_group"), fl_str(r, "rule")[0] ? "/" : "operators", fl_str(r, "rule"), fl_str(r, "list"),
		       (long long)fl_int(r, "list_version"));
	if (m)
		printf(", entry %s (%s)", fl_str(m, "entry"), fl_str(m, "scope"));
	putchar('\n');
	if (json_is_true(json_object_get(o, "degraded")))
		printf("! a list of these rules was never held\n");
	if (json_is_object(b))
		printf("! bypass until %.19sZ by %s (%s): logged, not enforced\n", fl_str(b, "until"), fl_str(b, "actor"), fl_str(b, "reason"));
	json_array_foreach (json_object_get(o, "steps"), i, row)
		printf("  %-20s %-24s %7lld  %-5s %-24s %s\n", fl_str(row, "rule_group")[0] ? fl_str(row, "rule_group") : "(built-in)",
		       fl_str(row, "rule")[0] ? fl_str(row, "rule") : "-", (long long)fl_int(row, "priority"), fl_str(row, "action"), fl_str(row, "list"), fl_str(row, "result"));
}

int fl_cmd_policy_test(struct fl_cli *c)
{
	const char *client = fl_cli_opt(c, "client"), *verdict;
	json_t *o;
	int ret;

	if (!client)
		return fl_cli_fail(FL_EXIT_USAGE, "FL2004", "add --client 192.0.2.7", "a client must be given: rules depend on it");
	ret = fl_client_call(c, "enforce", "GET",
			     fl_client_target(c, "/v1/explanations", "name", c->args[0], "client", client, "qtype", fl_cli_opt(c, "qtype"), NULL), NULL, &o);
	if (ret)
		return ret;
	if (!fl_client_print(c, "PolicyTest", o))
		print_test(o);
	verdict = fl_str(o, "verdict");
	if (fl_cli_opt(c, "exit-code"))
		ret = strcmp(verdict, "BLOCK") == 0 ? FL_EXIT_BLOCK : strcmp(verdict, "ALERT") == 0 ? FL_EXIT_ALERT : 0;
	json_decref(o);
	return ret;
}
