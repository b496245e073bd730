/* Commands: one table row each makes parsing, help and tests. A command runs in a client: it parses, calls a role's socket, and prints. stdout is the
 * result, stderr everything else. */
#pragma once
#include <stdio.h>

#include "admin/admin.h"
#include "cli/exit.h"
#include "model/config.h"

enum fl_output { FL_OUT_HUMAN, FL_OUT_JSON, FL_OUT_NDJSON };

enum { FL_OPTS_MAX = 16, FL_ARGS_MAX = 64 };

/* An option of a command: "--for DUR" is {"for", "DUR", ...}; arg NULL: a switch. May be given several times (values are kept in order). */
struct fl_command_opt {
	const char *name, *arg, *help;
};

struct fl_cli;
struct fl_command {
	const char *words; /* "feed ls" */
	const char *args;  /* "LIST [A[..B]]" */
	const char *help;  /* one sentence */
	const struct fl_command_opt *opts; /* ended by name NULL; may be NULL */
	const char *examples; /* lines, or NULL */
	int (*run)(struct fl_cli *cli);
	int min_args, max_args; /* -1: any number */
};

/* Where the daemon's sockets are. */
struct fl_cli_daemon {
	char admin[512], runtime[512];
	char config_problem[400]; /* the configuration that would say it cannot be read, and why; "": none, or it was read */
};

struct fl_cli {
	const struct fl_command *cmd;
	const char *config_path, *socket;
	enum fl_output out;
	bool quiet, yes;
	int timeout_ms;
	const char *args[FL_ARGS_MAX];
	int n_args;
	struct {
		const char *name, *value;
	} opts[FL_OPTS_MAX * 4];
	int n_opts;
	struct fl_cli_daemon daemon; /* found at the first call */
	struct fl_arena arena;
};

/** Row i of the table, NULL past its end. */
const struct fl_command *fl_command_at(size_t i);

/** The last value of an option, or NULL; a switch gives "". */
const char *fl_cli_opt(const struct fl_cli *c, const char *name);
/** The exit code. */
int fl_cli_main(int argc, char **argv);
/** "fireline: error FLnnnn: ..." and a second line; returns code. */
int fl_cli_fail(enum fl_exit code, const char *fl, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
