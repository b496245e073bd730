/* The commands' functions; the table that names them is commands.c. */
#pragma once
#include <unistd.h>

#include "cli/client.h"

int fl_cmd_list_ls(struct fl_cli *c);
int fl_cmd_list_show(struct fl_cli *c);
int fl_cmd_list_names(struct fl_cli *c);
int fl_cmd_list_add(struct fl_cli *c);
int fl_cmd_list_rm(struct fl_cli *c);
int fl_cmd_list_purge(struct fl_cli *c);
int fl_cmd_log(struct fl_cli *c);
int fl_cmd_diff(struct fl_cli *c);
int fl_cmd_export(struct fl_cli *c);
int fl_cmd_rollback(struct fl_cli *c);
int fl_cmd_hold(struct fl_cli *c);
int fl_cmd_unhold(struct fl_cli *c);
int fl_cmd_recover(struct fl_cli *c);
int fl_cmd_approve(struct fl_cli *c);
int fl_cmd_block(struct fl_cli *c);
int fl_cmd_allow(struct fl_cli *c);
int fl_cmd_feed_ls(struct fl_cli *c);
int fl_cmd_feed_presets(struct fl_cli *c);
int fl_cmd_feed_add(struct fl_cli *c);
int fl_cmd_feed_test(struct fl_cli *c);
int fl_cmd_feed_refresh(struct fl_cli *c);
int fl_cmd_feed_show(struct fl_cli *c);
int fl_cmd_feed_approve(struct fl_cli *c);
int fl_cmd_feed_reject(struct fl_cli *c);
int fl_cmd_feed_purge(struct fl_cli *c);
int fl_cmd_bypass_on(struct fl_cli *c);
int fl_cmd_bypass_off(struct fl_cli *c);
int fl_cmd_bypass_status(struct fl_cli *c);
int fl_cmd_policy_show(struct fl_cli *c);
int fl_cmd_policy_test(struct fl_cli *c);
int fl_cmd_finding_inject(struct fl_cli *c);
int fl_cmd_finding_ls(struct fl_cli *c);
int fl_cmd_finding_show(struct fl_cli *c);
int fl_cmd_finding_dismiss(struct fl_cli *c);
int fl_cmd_finding_extend(struct fl_cli *c);
int fl_cmd_finding_approve(struct fl_cli *c);
int fl_cmd_finding_sample(struct fl_cli *c);
int fl_cmd_explain(struct fl_cli *c);
int fl_cmd_status(struct fl_cli *c);
int fl_cmd_tail(struct fl_cli *c);
int fl_cmd_canon(struct fl_cli *c);
int fl_cmd_run(struct fl_cli *c);
int fl_cmd_demo(struct fl_cli *c);
int fl_cmd_config_check(struct fl_cli *c);
int fl_cmd_config_explain(struct fl_cli *c);
int fl_cmd_version(struct fl_cli *c);
int fl_cmd_help(struct fl_cli *c);
/** "malware@1842" -> list, and version text or NULL. */
const char *fl_cli_split_version(struct fl_cli *c, const char *arg, const char **version);
/** The row of a feed in the answer of /v1/feeds; borrowed, NULL: no such feed. */
json_t *fl_feed_row(const json_t *feeds, const char *feed);
/** A whole file, or stdin for "-", appended. FL_ENOTFOUND, FL_EIO (also a folder), FL_ELIMIT (over 1 GiB), FL_ENOMEM. */
int fl_cli_read(const char *path, struct fl_buf *out, struct fl_err *err);
/** The configuration for a command that can do without: one that was named (or must be had) has to be good, one that was found is left out when it is not (*out NULL). 0, or the
 * exit code. fl_config_free. */
int fl_cli_find_config(const struct fl_cli *c, bool must, struct fl_config **out);
/** finding inject --dry-run: what the policy would make of each document, without a daemon. */
int fl_finding_try(struct fl_cli *c);
/** A destructive command asks on a terminal, and without one needs --yes: it never waits for nobody. 0: go on; else the exit code. `what`: "purge all of X". */
int fl_cli_confirm(struct fl_cli *c, const char *what);
/** Help of the whole, or of one command; for `help`. */
int fl_cli_help(FILE *out, int argc, const char *const *argv);
