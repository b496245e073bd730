/* Exit codes (UX.md 4): documented, and the only ones. */
#pragma once
#define FL_EXITS(X)                                                                     \
	X(FL_EXIT_OK, 0, "done")                                                        \
	X(FL_EXIT_FAILED, 1, "operation failed")                                        \
	X(FL_EXIT_GUARD, 2, "refused by the publish guard")                             \
	X(FL_EXIT_DEGRADED, 3, "works but degraded (status)")                           \
	X(FL_EXIT_BLOCK, 10, "BLOCK (only with --exit-code)")                           \
	X(FL_EXIT_ALERT, 11, "ALERT (only with --exit-code)")                           \
	X(FL_EXIT_DIFFERS, 20, "differences found (diff, export with --exit-code)")                  \
	X(FL_EXIT_USAGE, 64, "usage")                                                   \
	X(FL_EXIT_INPUT, 66, "input file")                                              \
	X(FL_EXIT_UNREACHABLE, 69, "daemon, Redis or Kafka unreachable")                \
	X(FL_EXIT_CANNOT_CREATE, 73, "cannot create")                                   \
	X(FL_EXIT_TEMPORARY, 75, "temporary, try again")                                \
	X(FL_EXIT_NOT_PERMITTED, 77, "not permitted")                                   \
	X(FL_EXIT_CONFIG, 78, "configuration")                                          \
	X(FL_EXIT_INTERRUPTED, 130, "interrupted")
enum fl_exit {
#define FL_X(name, code, text) name = code,
	FL_EXITS(FL_X)
#undef FL_X
};
