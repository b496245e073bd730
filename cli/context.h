/* What every role needs: configuration, its mode, and doors opened from it. */
#pragma once
#include "admin/admin.h"
#include "cli/loop.h"
#include "io/bus.h"
#include "io/disk.h"
#include "model/config.h"
#include "sets/sets.h"

/* The command line of a role, the same for parent and child. */
struct fl_run_args {
	const char *config_path; /* -c; NULL: the search order */
	enum fl_mode mode;
	const char *demo_folder; /* demo: where everything lives */
	const char *role;	 /* NULL: the parent */
};

/** Load the configuration for this mode and put the mode's own endpoints into it (embedded: Redis' socket and the bus in `runtime`). Diagnostics go to stderr. */
int fl_context_config(const struct fl_run_args *args, struct fl_config **out);
/** Load again, to follow `old` by a reload; FL_EREFUSED, why in err, where mutation_protection forbids it. What is wrong in the file goes to stderr. */
int fl_context_next(const struct fl_run_args *args, const struct fl_config *old, struct fl_config **out, struct fl_err *err);
/** fl_context_next, in a role; what a reload cannot change is said (and stays as it was until a restart). */
int fl_context_reload(const struct fl_run_args *args, const struct fl_config *old, struct fl_config **out, struct fl_err *err);
/** That a reload was refused stands in RUNTIME/reload.error until one is taken (why NULL), for status and metrics: parent and roles both may refuse. */
void fl_context_reload_said(const struct fl_config *cfg, const char *why);
/** "": the last one was taken. */
const char *fl_context_reload_problem(const struct fl_config *cfg, char *buf, size_t cap);
/** The parts of loading that need no file: used by --embedded and demo. */
void fl_mode_apply(struct fl_config *cfg, enum fl_mode mode);

/** A door to the store by configuration, with the password read from its file. Opening never waits for the server. */
int fl_context_store(const struct fl_config *cfg, struct fl_store **out, struct fl_err *err);
/** A door to the bus; *out NULL and 0 when the configuration names no brokers. */
int fl_context_bus(const struct fl_config *cfg, const char *client, struct fl_bus **out, struct fl_err *err);
/* What a person must know of this Redis is asked once it answers: an evicting policy is refused, missing AOF is warned about. */
struct fl_store_watch {
	bool done;
	fl_mono_ns at;
};
/** FL_EREFUSED (why in err): this server may throw lists away, the role must not go on. 0 else, also while it is away. */
int fl_context_store_check(struct fl_store *store, struct fl_store_watch *w, fl_mono_ns now, struct fl_err *err);
/** The sets of one thread: its own store door. */
int fl_context_sets(const struct fl_config *cfg, struct fl_sets *out, struct fl_err *err);
/** The same for an enforcer, which needs none: without redis.url its store is one that is never there. */
int fl_context_sets_or_none(const struct fl_config *cfg, struct fl_sets *out, struct fl_err *err);
void fl_context_sets_done(struct fl_sets *s);
/** RUNTIME/ROLE.sock in buf. */
const char *fl_role_socket(const struct fl_config *cfg, const char *role, char *buf, size_t cap);
/** The folder STATE/ledger, for the files that stand in for a bus that is away. NULL, and said in the log, when it cannot be had. */
void fl_context_ledger(const struct fl_config *cfg, struct fl_disk **out);
/** The topics that fireline makes when create_topics is on, or that it says are missing. */
int fl_context_topics(const struct fl_config *cfg, struct fl_bus *bus, struct fl_err *err);
/** The same topics on the mock broker, with fewer partitions: it keeps 5 MiB each. */
int fl_context_mock_topics(struct fl_bus_mock *m, const char *prefix, struct fl_err *err);

/** The admin server of a role on its socket, in a thread of its own. */
int fl_context_admin(const struct fl_config *cfg, const char *role, const struct fl_admin_route *routes, size_t n, void *ctx, struct fl_admin **out,
		     struct fl_err *err);

/* Entry points of the roles; each returns the exit code. */
int fl_role_ingest(const struct fl_run_args *args);
int fl_role_publish(const struct fl_run_args *args);
int fl_role_enforce(const struct fl_run_args *args);
int fl_role_api(const struct fl_run_args *args);
int fl_role_bus(const struct fl_run_args *args);
/** The parent: roles as children, started again when they end. on_ready (may be NULL) is called once all roles answer; the parent ends when it returns false or with a signal. */
int fl_supervise(const struct fl_run_args *args, struct fl_config *cfg, const char *const *roles, size_t n, bool (*on_ready)(void *ctx), void *ctx);
