/* The Redis door against a server that lies, stalls or hangs up: every call ends in its time, says whether it can have
 * been carried out, and the door works again as soon as the server does. The server is a child that speaks from a
 * table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/store.h"
#include "tests/support/redis.h"

enum { TIMEOUT_MS = 400, DRIP = -1, HANG_UP = 0, KEEP_OPEN = 1 };

/* hello answers the door's PING, reply the command behind it. */
static const struct row {
	const char *about, *hello, *reply;
	int then;
	int code;
} rows[] = {
	{ "works", "+PONG\r\n", "$1\r\nx\r\n", KEEP_OPEN, 0 },
	{ "hangs up at once", "", "", HANG_UP, FL_EUNAVAIL },
	{ "never greets", "", "", KEEP_OPEN, FL_EUNAVAIL },
	{ "greets with HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "", KEEP_OPEN, FL_EUNAVAIL },
	{ "is loading", "-LOADING Redis is loading the dataset in memory\r\n", "", KEEP_OPEN, FL_EUNAVAIL },
	{ "is full", "-ERR max number of clients reached\r\n", "", HANG_UP, FL_EUNAVAIL },
	{ "wants a password", "-NOAUTH Authentication required.\r\n", "", KEEP_OPEN, FL_EUNAVAIL },
	{ "does not let us ping", "-NOPERM no\r\n", "$1\r\nx\r\n", KEEP_OPEN, 0 },
	{ "hangs up instead of the reply", "+PONG\r\n", "", HANG_UP, FL_EUNKNOWN },
	{ "never replies", "+PONG\r\n", "", KEEP_OPEN, FL_EUNKNOWN },
	{ "stops in the middle", "+PONG\r\n", "$100\r\nabc", KEEP_OPEN, FL_EUNKNOWN },
	{ "hangs up in the middle", "+PONG\r\n", "*2\r\n$1\r\nx\r\n", HANG_UP, FL_EUNKNOWN },
	{ "drips", "+PONG\r\n", "", DRIP, FL_EUNKNOWN },
	{ "speaks nonsense", "+PONG\r\n", "nonsense\r\n", KEEP_OPEN, FL_EUNKNOWN },
	{ "has a negative length", "+PONG\r\n", "$-5\r\n", KEEP_OPEN, FL_EUNKNOWN },
	{ "has a huge length", "+PONG\r\n", "$99999999999999999999\r\n", KEEP_OPEN, FL_EUNKNOWN },
	{ "has a huge array", "+PONG\r\n", "*4294967296\r\n", KEEP_OPEN, FL_EUNKNOWN },
	{ "nests too deep", "+PONG\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
	  KEEP_OPEN, FL_EUNKNOWN },
	{ "says BUSY", "+PONG\r\n", "-BUSY a script runs\r\n", KEEP_OPEN, FL_EUNAVAIL },
	{ "is a replica", "+PONG\r\n", "-READONLY You can't write against a read only replica.\r\n", KEEP_OPEN,
	  FL_EUNAVAIL },
	{ "says an error", "+PONG\r\n", "-ERR no\r\n", KEEP_OPEN, FL_ECORRUPT },
	{ "says BUSYKEY, which is no BUSY", "+PONG\r\n", "-BUSYKEY there\r\n", KEEP_OPEN, FL_ECORRUPT },
};

static void say(int fd, const char *text)
{
	if (*text)
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Wait for what the client says; false when it has gone. */
static bool hear(int fd)
{
	char in[4096];

	return recv(fd, in, sizeof(in), 0) > 0;
}

static void serve(int fd, const struct row *row)
{
	if (!hear(fd))
		return;
	say(fd, row->hello);
	if (*row->hello && !hear(fd))
		return;
	say(fd, row->reply);
	for (int i = 0; row->then == DRIP && i < 200; i++) {
		say(fd, i ? "a" : "$100000\r\n");
		poll(NULL, 0, 20);
	}
	if (row->then == KEEP_OPEN)
		while (hear(fd))
			;
}

static pid_t start_server(const struct row *row, char *url, size_t cap)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(url, cap, "redis://127.0.0.1:%u", ntohs(sa.sin_port));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int c = accept(fd, NULL, NULL);

			if (c < 0)
				_exit(1);
			serve(c, row);
			close(c);
		}
	}
	close(fd);
	return pid;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_store_redis_config cfg = {
			.prefix = "{fl}:", .connect_timeout_ms = TIMEOUT_MS, .timeout_ms = TIMEOUT_MS
		};
		struct fl_arena arena = { 0 };
		struct fl_err err = { 0 };
		struct fl_store *s = NULL;
		struct fl_reply r;
		char url[64];
		pid_t pid = start_server(&rows[i], url, sizeof(url));
		int ret;

		assert_true(pid > 0);
		cfg.url = url;
		assert_int_equal(fl_store_redis_open(&cfg, &s, &err), 0);
		ret = fl_store_cmd(s, &arena, &r, &err, "GET", "x", (char *)NULL);
		if (ret != rows[i].code)
			fail_msg("a server that %s: %s: %s", rows[i].about, fl_code_name(ret), err.text);
		if (ret < 0)
			assert_true(err.code == ret && err.text[0]);
		fl_arena_done(&arena);
		fl_store_close(s);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* Subscriptions fed with nonsense, refusals and floods never make a wake, and never wait. */
static void test_wake_rows(void **state)
{
	static const struct row wake_rows[] = {
		{ "nonsense", "HTTP/1.1 400\r\n", "", KEEP_OPEN, 0 },
		{ "refuses", "+PONG\r\n-NOPERM no channel\r\n", "", KEEP_OPEN, 0 },
		{ "hangs up", "", "", HANG_UP, 0 },
		{ "odd shapes",
		  "+PONG\r\n*3\r\n:1\r\n:2\r\n:3\r\n*0\r\n*-1\r\n:5\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$0\r\n\r\n",
		  "", KEEP_OPEN, 0 },
		{ "a name too long", "+PONG\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$20\r\naaaaaaaaaaaaaaaaaaaa\r\n", "",
		  KEEP_OPEN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wake_rows) / sizeof(wake_rows[0]); i++) {
		struct fl_store_redis_config cfg = {
			.prefix = "{fl}:", .connect_timeout_ms = TIMEOUT_MS, .timeout_ms = TIMEOUT_MS
		};
		struct fl_store *s = NULL;
		struct fl_err err = { 0 };
		char url[64], name[16];
		pid_t pid = start_server(&wake_rows[i], url, sizeof(url));

		assert_true(pid > 0);
		cfg.url = url;
		assert_int_equal(fl_store_redis_open(&cfg, &s, &err), 0);
		for (int k = 0; k < 20; k++) {
			assert_int_equal(s->ops->wake_next(s, name, sizeof(name)), 0);
			poll(NULL, 0, 5);
		}
		fl_store_close(s);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void test_nobody_there(void **state)
{
	struct fl_store_redis_config cfg = { .url = "redis://127.0.0.1:1", .prefix = "{fl}:" };
	struct fl_arena arena = { 0 };
	struct fl_store *s = NULL;
	struct fl_err err = { 0 };
	struct fl_reply r;
	char name[16];

	(void)state;
	assert_int_equal(fl_store_redis_open(&cfg, &s, &err), 0);
	for (int i = 0; i < 3; i++) { /* the second and third within 100 ms: the same words, without an attempt */
		assert_int_equal(fl_store_cmd(s, &arena, &r, &err, "PING", (char *)NULL), FL_EUNAVAIL);
		assert_non_null(strstr(err.text, "127.0.0.1:1"));
	}
	assert_int_equal(s->ops->wake_next(s, name, sizeof(name)), 0);
	fl_arena_done(&arena);
	fl_store_close(s);
}

/* A port that nobody has just now. */
static unsigned free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

/* By TCP and by a name, with a database of its own; the subscription goes to the address that the first call has found.
 */
static void test_tcp(void **state)
{
	char port[8], url[64], name[16];
	const char *options[] = { "--port", port, "--bind", "127.0.0.1", NULL };
	struct fl_store_redis_config cfg = { .url = url, .prefix = "{fl}:" };
	struct fl_arena arena = { 0 };
	struct fl_store *s = NULL;
	struct fl_err err = { 0 };
	struct fl_test_redis r;
	struct fl_reply reply;
	bool woken = false;

	(void)state;
	if (!fl_test_redis_present())
		skip();
	snprintf(port, sizeof(port), "%u", free_port());
	assert_true(fl_test_redis_start(&r, options));
	snprintf(url, sizeof(url), "redis://localhost:%s/3", port);
	assert_int_equal(fl_store_redis_open(&cfg, &s, &err), 0);
	assert_int_equal(s->ops->wake_fd(s), -1); /* a name is not resolved for it */
	assert_int_equal(fl_store_cmd(s, &arena, &reply, &err, "SET", "a", "1", (char *)NULL), 0);
	for (int i = 0; i < 300 && !woken; i++) {
		assert_int_equal(fl_store_cmd(s, &arena, &reply, &err, "PUBLISH", "{fl}:wake", "list/a", (char *)NULL),
				 0);
		woken = s->ops->wake_next(s, name, sizeof(name)) == 1;
		if (!woken)
			poll(NULL, 0, 10);
	}
	assert_true(woken);
	assert_string_equal(name, "list/a");
	assert_int_equal(fl_store_cmd(s, &arena, &reply, &err, "INFO", "keyspace", (char *)NULL), 0);
	assert_non_null(memmem(reply.s.p, reply.s.n, "db3:keys=1", 10));
	fl_arena_done(&arena);
	fl_store_close(s);
	fl_test_redis_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_wake_rows),
					    cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_tcp) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
