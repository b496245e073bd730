#include "tests/support/redis.h"
#include "tests/support/skip.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGS_MAX = 48, TRIES = 500, TRY_MS = 20 };

bool fl_test_redis_present(void)
{
	const char *path = getenv("PATH");
	char whole[4096];
	bool found = false;

	while (path && *path && !found) {
		size_t n = strcspn(path, ":");

		snprintf(whole, sizeof(whole), "%.*s/redis-server", (int)n, path);
		found = access(whole, X_OK) == 0;
		path += n + (path[n] == ':');
	}
	if (!found && fl_test_required()) {
		fprintf(stderr, "redis-server is not on PATH, and FL_REQUIRE_ALL=1 wants it\n");
		exit(1);
	}
	return found;
}

/* In the child; returns only when it cannot be started. */
static void run_server(const struct fl_test_redis *r)
{
	const char *argv[ARGS_MAX] = { "redis-server", "--port", "0", "--unixsocket", r->socket, "--dir",
				       r->dir,         "--save", "",  "--daemonize",  "no",      "--logfile",
				       "redis.log" };
	size_t n = 13;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; r->options && r->options[i] && n + 1 < ARGS_MAX; i++)
		argv[n++] = r->options[i];
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execvp("redis-server", (char *const *)argv);
}

/* Answers it, and is it done loading? Anything but -LOADING is an answer: it may ask for a password. */
static bool answers(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { fd, POLLIN, 0 };
	char text[64] = "";
	bool up = false;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
	    send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && poll(&p, 1, 1000) > 0)
		up = recv(fd, text, sizeof(text) - 1, 0) > 0 && strncmp(text, "-LOADING", 8) != 0;
	if (fd >= 0)
		close(fd);
	return up;
}

static bool launch(struct fl_test_redis *r)
{
	unlink(r->socket); /* one left by a kill would refuse us */
	r->pid = fork();
	if (r->pid == 0) {
		run_server(r);
		_exit(127);
	}
	for (int i = 0; r->pid > 0 && i < TRIES; i++) {
		if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
			r->pid = 0;
			return false;
		}
		if (answers(r->socket))
			return true;
		nanosleep(&(struct timespec){ 0, TRY_MS * 1000000L }, NULL);
	}
	fl_test_redis_kill(r);
	return false;
}

bool fl_test_redis_start(struct fl_test_redis *r, const char *const *options)
{
	const char *tmp = getenv("TMPDIR");

	*r = (struct fl_test_redis){ .options = options };
	if (!tmp || strlen(tmp) > 24) /* a socket's path is short */
		tmp = "/tmp";
	snprintf(r->dir, sizeof(r->dir), "%s/fl-redis-XXXXXX", tmp);
	if (!mkdtemp(r->dir))
		return false;
	snprintf(r->socket, sizeof(r->socket), "%s/s", r->dir);
	snprintf(r->url, sizeof(r->url), "unix://%s", r->socket);
	if (launch(r))
		return true;
	fl_test_redis_stop(r);
	return false;
}

void fl_test_redis_kill(struct fl_test_redis *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}

bool fl_test_redis_restart(struct fl_test_redis *r)
{
	fl_test_redis_kill(r);
	return launch(r);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fl_test_redis_stop(struct fl_test_redis *r)
{
	fl_test_redis_kill(r);
	if (r->dir[0])
		nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	*r = (struct fl_test_redis){ 0 };
}
