/* A redis-server of a test's own: private folder, Unix socket, no TCP port unless the options open one. It dies with
 * the test. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct fl_test_redis {
	pid_t pid; /* 0: not running */
	char dir[64], socket[96], url[112];
	const char *const *options;
};

/** Is there a redis-server on PATH? With FL_REQUIRE_ALL=1 in the environment a missing one ends the test as failed. */
bool fl_test_redis_present(void);
/** options: words as on its command line ("--appendonly", "yes", ..., NULL), or NULL; they must outlive *r. False when
 * it does not come up within ten seconds; nothing is left then. */
bool fl_test_redis_start(struct fl_test_redis *r, const char *const *options);
/** kill -9; the folder stays. */
void fl_test_redis_kill(struct fl_test_redis *r);
/** Again, over the same folder, with the same options. */
bool fl_test_redis_restart(struct fl_test_redis *r);
/** Kill it and remove the folder. */
void fl_test_redis_stop(struct fl_test_redis *r);
