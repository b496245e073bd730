/* Configuration: YAML files to struct fl_config (model/config.h), all or nothing, every error with its place. One table (config_table.c) drives loading,
 * defaults, "did you mean", `config explain` and docs/configuration.md. Start reading at config_load.c. */
#pragma once
#include "cli/diag.h"
#include "model/config.h"

#define FL_CONFIG_DEFAULT_PATH "/etc/fireline/fireline.yaml"

/** The file to read: the option, else $FIRELINE_CONFIG, else FL_CONFIG_DEFAULT_PATH. option may be NULL. */
const char *fl_config_path(const char *option);
/**
 * Load the main file and conf.d/ *.yaml beside it, merged by name. path NULL: fl_config_path(NULL).
 *
 * @param diag  gets all errors (up to FL_DIAG_MAX) and warnings, sorted; a success may leave warnings
 * @return 0, FL_ECONFIG (exit code 78), or FL_ENOMEM. *out is written on success only: fl_config_free
 */
int fl_config_load(const char *path, struct fl_config **out, struct fl_diag *diag);
/** The same of a text in memory; name stands in the diagnostics. No conf.d. */
int fl_config_load_text(const char *name, struct fl_span text, struct fl_config **out, struct fl_diag *diag);
/** The same two for `config check`: they also warn of what the policy cannot mean (docs/policy.md, what config check warns of). */
int fl_config_check(const char *path, struct fl_config **out, struct fl_diag *diag);
int fl_config_check_text(const char *name, struct fl_span text, struct fl_config **out, struct fl_diag *diag);
/**
 * The configuration of `fireline demo`: everything below folder (state in FOLDER/state, sockets in FOLDER/run, findings in FOLDER/findings), feed demo-threats
 * read from FOLDER/feeds/demo-threats.txt (domains, exact) into the list malware, answers made by fireline itself. The DNS address is the
 * first line of FOLDER/listen, else 127.0.0.1:5353; the metrics address that of FOLDER/metrics, else none. Goes through the same loader.
 */
int fl_config_demo(const char *folder, struct fl_config **out);
/** What the manual says of a key ("feeds[].every", also "feeds.every"), or of all (NULL) as Markdown. FL_ENOTFOUND, the nearest key in out. */
int fl_config_explain(const char *key, struct fl_buf *out);
/** Keys that differ and that a reload cannot change, at most cap of them; returns their number. */
size_t fl_config_frozen(const struct fl_config *a, const struct fl_config *b, const char **keys, size_t cap);
