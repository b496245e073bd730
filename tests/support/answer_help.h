/* A small policy and its image, for tests of the answer path:
 *
 *   everyone   let ALLOW, trusted ALLOW with its redirections, bad BLOCK NXDOMAIN, ads BLOCK OVERRIDE, nodata BLOCK NODATA, watched ALERT
 *   10.9/16    a walled garden: let ALLOW, everything else BLOCK
 *   10.8/16    a rule of a list that is not held, fail closed */
#pragma once
#include "matcher/policy.h"
#include "tests/support/image_help.h"

#define HELP_N(v) (sizeof(v) / sizeof((v)[0]))
static const struct fl_cfg_list help_lists[] = {
	{ .name = FL_LIST_OPERATOR_ALLOW, .builtin = true }, { .name = FL_LIST_OPERATOR_BLOCK, .builtin = true }, { .name = "let" }, { .name = "trusted" },
	{ .name = "bad" }, { .name = "ads" }, { .name = "nodata" }, { .name = "watched" }, { .name = "all" }, { .name = "absent" },
};
static const struct fl_cfg_rule help_base[] = {
	{ .name = "let", .priority = 100, .list = "let", .action = FL_ACTION_ALLOW },
	{ .name = "trusted", .priority = 110, .list = "trusted", .action = FL_ACTION_ALLOW, .trust_redirection = true },
	{ .name = "bad", .priority = 200, .list = "bad", .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_NXDOMAIN },
	{ .name = "ads", .priority = 210, .list = "ads", .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_OVERRIDE, .override_domain = "blocked.corp.example",
	  .override_ttl = 60 },
	{ .name = "nodata", .priority = 220, .list = "nodata", .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_NODATA },
	{ .name = "watched", .priority = 300, .list = "watched", .action = FL_ACTION_ALERT },
};
static const struct fl_cfg_rule help_garden[] = {
	{ .name = "let", .priority = 100, .list = "let", .action = FL_ACTION_ALLOW },
	{ .name = "rest", .priority = 200, .list = "all", .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_NXDOMAIN },
};
static const struct fl_cfg_rule help_closed[] = {
	{ .name = "absent", .priority = 100, .list = "absent", .action = FL_ACTION_BLOCK, .block_response = FL_BLOCK_NXDOMAIN },
};
static const struct fl_cfg_rule_group help_groups[] = {
	{ .name = "base", .rules = help_base, .n_rules = HELP_N(help_base) },
	{ .name = "garden", .rules = help_garden, .n_rules = HELP_N(help_garden) },
	{ .name = "closed", .rules = help_closed, .n_rules = HELP_N(help_closed) },
};
static const struct fl_cfg_network help_any[] = { { .prefix = 0 }, { .v6 = true, .prefix = 0 } };
static const struct fl_cfg_network help_garden_net[] = { { .addr = { 10, 9 }, .prefix = 16 } };
static const struct fl_cfg_network help_closed_net[] = { { .addr = { 10, 8 }, .prefix = 16 } };
static const struct fl_cfg_group_ref help_refs[] = { { "base", 100 }, { "garden", 100 }, { "closed", 100 } };
static const struct fl_cfg_association help_associations[] = {
	{ .name = "everyone", .networks = help_any, .n_networks = 2, .groups = &help_refs[0], .n_groups = 1 },
	{ .name = "guests", .networks = help_garden_net, .n_networks = 1, .groups = &help_refs[1], .n_groups = 1 },
	{ .name = "closed", .networks = help_closed_net, .n_networks = 1, .groups = &help_refs[2], .n_groups = 1 },
};

static inline struct fl_config help_config(void)
{
	return (struct fl_config){
		.node_name = "ns1", .site = "dc-a", .account_id = "000000000000", .state = "", .runtime = "", .ede_contact = "", .query_log_file = "",
		.lists = help_lists, .n_lists = HELP_N(help_lists), .rule_groups = help_groups, .n_rule_groups = HELP_N(help_groups),
		.associations = help_associations, .n_associations = HELP_N(help_associations), .block_ttl = 30, .query_log_enabled = true,
		.cache_bytes = 4 << 20, .cache_max_ttl_ms = 86400000, .cache_negative_max_ttl_ms = 900000, .serve_stale_ms = 3600000, .ring_bytes = 1 << 20,
	};
}

static inline void help_hold(struct fl_image **img, const char *list, uint64_t number, const char *const *names)
{
	struct fl_set s = { 0 };
	struct help_input in = { "feed", number, NULL, &s, true, false };

	for (; *names; names++)
		help_add(&s, *names, 3);
	help_sort(&s);
	if (help_apply(img, list, number, &in, 1, NULL, NULL) < 0)
		abort();
	fl_set_done(&s);
}
#define HELP_HOLD(img, list, number, ...) help_hold(img, list, number, (const char *const[]){ __VA_ARGS__, NULL })

/* The view at version n of list "bad": it blocks evil.example and bad-zone.test always, and parity-0.test or parity-1.test by n. */
static inline struct fl_view *help_view(const struct fl_policy *policy, uint64_t n)
{
	struct fl_image *img = NULL;
	struct fl_view *v = NULL;

	if (fl_image_new(&(struct fl_image_key){ { 5 } }, &img) < 0)
		abort();
	HELP_HOLD(&img, "let", 1, "good.example");
	HELP_HOLD(&img, "trusted", 1, "trusted.example");
	HELP_HOLD(&img, "bad", n, "bad-zone.test", "evil.example", n % 2 ? "parity-1.test" : "parity-0.test");
	HELP_HOLD(&img, "ads", 1, "ads.example");
	HELP_HOLD(&img, "nodata", 1, "nodata.example");
	HELP_HOLD(&img, "watched", 1, "watched.example");
	HELP_HOLD(&img, "all", 1, ".");
	if (fl_view_new(policy, img, false, &v) < 0)
		abort();
	fl_image_release(img);
	return v;
}
