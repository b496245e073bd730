/* Peers that mean no good, or have no right: the server before them, and the client before a daemon that is not ours. */
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "tests/support/skip.h"

struct fixture {
	char folder[64], path[96], tcp[32];
	struct fl_admin *admin;
	_Atomic int handled, open;
};

static void handle(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fixture *f = ctx;

	atomic_fetch_add(&f->handled, 1);
	fl_buf_printf(&res->body, "actor=%s change=%d body=%zu", req->actor, req->may_change, req->body.n);
}

static ssize_t nothing(void *ctx, char *buf, size_t cap)
{
	(void)ctx, (void)buf, (void)cap;
	return 0;
}

static void closed(void *ctx)
{
	struct fixture *f = ctx;

	atomic_fetch_sub(&f->open, 1);
}

static void stream(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct fixture *f = ctx;

	(void)req;
	atomic_fetch_add(&f->open, 1);
	res->stream = nothing;
	res->stream_done = closed;
	res->stream_ctx = f;
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/x", false, handle }, { "POST", "/v1/x", true, handle }, { "GET", "/metrics", false, handle }, { "GET", "/v1/tail", false, stream }
};

/* A port that was free a moment ago. */
static void free_port(char *out, size_t cap)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	snprintf(out, cap, "127.0.0.1:%u", ntohs(a.sin_port));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char group[16] = "no-such-group"; /* gone when the server asks for it: it must have kept its own */
	struct fl_admin_config c = { .mode = 0666, .group = group, .routes = routes, .n_routes = sizeof(routes) / sizeof(routes[0]), .ctx = f };

	snprintf(f->folder, sizeof(f->folder), "/tmp/fl-admin-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(chmod(f->folder, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/a.sock", f->folder);
	free_port(f->tcp, sizeof(f->tcp));
	c.unix_path = f->path;
	c.tcp_address = f->tcp;
	assert_int_equal(fl_admin_open(&c, &f->admin, NULL), 0);
	memset(group, 'x', sizeof(group));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_admin_close(f->admin);
	assert_int_equal(atomic_load(&f->open), 0); /* every stream that began has ended */
	rmdir(f->folder);
	free(f);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval t = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static int dial_tcp(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval t = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* What comes until the end, or until n octets. */
static size_t hear(int fd, char *out, size_t cap)
{
	size_t n = 0;
	ssize_t k;

	while (n < cap - 1 && (k = recv(fd, out + n, cap - 1 - n, 0)) > 0)
		n += (size_t)k;
	out[n] = '\0';
	return n;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void metrics_alone_are_served_on_tcp(void **state)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200" },
		{ "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "403" },
		{ "POST /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "403" },
		{ "GET /v1/tail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "403" },
		{ "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404" },
	};
	struct fixture *f = *state;
	char out[2048];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = dial_tcp(f->tcp);

		say(fd, rows[i].request);
		hear(fd, out, sizeof(out));
		assert_memory_equal(out + 9, rows[i].answer, 3);
		close(fd);
	}
	assert_int_equal(atomic_load(&f->handled), 1);
}

/* In a child: another user, no groups. Exits with the status, or 1. */
static int as_nobody(const char *path, const char *method, size_t body)
{
	struct fl_admin_answer a = { 0 };
	int status, ret;
	pid_t pid = fork();

	if (pid == 0) {
		char *big = calloc(1, body + 1);

		if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		ret = fl_admin_call(path, method, "/v1/x", fl_span(big, body), 20000, NULL, NULL, &a, NULL);
		_exit(ret < 0 ? 2 : a.status == 200 ? 100 : a.status == 403 ? 101 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void another_user_may_read_and_not_change(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		fl_test_skip("only root becomes another user");
	assert_int_equal(as_nobody(f->path, "GET", 0), 100);
	assert_int_equal(as_nobody(f->path, "POST", 2), 101);
	assert_int_equal(as_nobody(f->path, "POST", 40u << 20), 101); /* read to its end and not kept: the answer is heard */
	assert_int_equal(atomic_load(&f->handled), 1);
}

static void a_body_without_end_is_cut_off(void **state)
{
	static const char head[] = "POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char chunk[(1 << 20) + 16];
	struct fixture *f = *state;
	int fd = dial(f->path), n = snprintf(chunk, 16, "100000\r\n"), sent = 0;

	memset(chunk + n, 'x', 1 << 20);
	memcpy(chunk + n + (1 << 20), "\r\n", 2);
	say(fd, head);
	while (sent < 1000) {
		size_t left = (size_t)n + (1 << 20) + 2;
		const char *p = chunk;
		ssize_t k = 1;

		while (left && (k = send(fd, p, left, MSG_NOSIGNAL)) > 0) {
			p += k;
			left -= (size_t)k;
		}
		if (k <= 0)
			break;
		sent++;
	}
	close(fd);
	assert_in_range(sent, 32, 200);
	assert_int_equal(atomic_load(&f->handled), 0);
}

static void one_who_dawdles_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	struct fl_admin_answer a = { 0 };
	int fds[20];

	for (size_t i = 0; i < 20; i++) {
		fds[i] = dial(f->path);
		say(fds[i], i % 2 ? "GET /v1/x HT" : "POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
	}
	assert_int_equal(fl_admin_call(f->path, "GET", "/v1/x", fl_span(NULL, 0), 10000, NULL, NULL, &a, NULL), 0);
	assert_int_equal(a.status, 200);
	fl_buf_done(&a.body);
	for (size_t i = 0; i < 20; i++)
		close(fds[i]);
}

static void streams_leave_connections_for_others(void **state)
{
	struct fixture *f = *state;
	struct fl_admin_answer a = { 0 };
	int fds[34];
	char out[600];

	for (size_t i = 0; i < 34; i++) {
		fds[i] = dial(f->path);
		say(fds[i], "GET /v1/tail HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(recv(fds[i], out, sizeof(out) - 1, 0) > 12);
		out[12] = '\0';
		assert_string_equal(out + 9, i < 32 ? "200" : "503");
	}
	assert_int_equal(fl_admin_call(f->path, "GET", "/v1/x", fl_span(NULL, 0), 10000, NULL, NULL, &a, NULL), 0);
	assert_int_equal(a.status, 200);
	fl_buf_done(&a.body);
	for (size_t i = 0; i < 34; i++)
		close(fds[i]);
}

static void malformed_requests_are_answered_or_dropped(void **state)
{
	static const char *const rows[] = { "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01 hello", "GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
					    "POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
					    "POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" };
	struct fixture *f = *state;
	struct fl_admin_answer a = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[1024];
		int fd = dial(f->path);

		say(fd, rows[i]);
		shutdown(fd, SHUT_WR);
		hear(fd, out, sizeof(out));
		close(fd);
	}
	assert_int_equal(fl_admin_call(f->path, "GET", "/v1/x", fl_span(NULL, 0), 10000, NULL, NULL, &a, NULL), 0);
	fl_buf_done(&a.body);
	assert_int_equal(atomic_load(&f->handled), 1);
}

static void an_address_that_is_none(void **state)
{
	static const char *const rows[] = { "", ":", ":80", "[:80", "[]:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "localhost:80", "[::1:80", "::1" };
	struct fl_admin *a = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_admin_config c = { .tcp_address = rows[i], .routes = routes, .n_routes = 1 };

		assert_int_equal(fl_admin_open(&c, &a, NULL), FL_ECONFIG);
	}
}

/* --- the client --- */

struct liar {
	int listener;
	const char *text;
	int repeat; /* say text so often */
	bool mute;  /* and never close */
	_Atomic bool stop;
};

static void *lie(void *arg)
{
	struct liar *l = arg;
	int fd = accept(l->listener, NULL, NULL);
	char in[4096];

	if (fd < 0)
		return NULL;
	(void)!recv(fd, in, sizeof(in), 0);
	for (int i = 0; i < l->repeat; i++)
		if (send(fd, l->text, strlen(l->text), MSG_NOSIGNAL) < 0)
			break;
	while (l->mute && !atomic_load(&l->stop))
		usleep(1000);
	close(fd);
	return NULL;
}

static void a_daemon_that_lies_is_an_error(void **state)
{
	static const struct {
		const char *text;
		int repeat;
		bool mute;
		int code; /* of the call */
	} rows[] = {
		{ "", 0, false, FL_EUNAVAIL },
		{ "", 0, true, FL_EUNAVAIL },
		{ "HTTP/1.1 200 OK\r\nContent-Le", 1, false, FL_EUNAVAIL },
		{ "SSH-2.0-something\r\n", 1, false, FL_EFORMAT },
		{ "HTTP/1.1 xyz OK\r\n\r\n", 1, false, FL_EFORMAT },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 1, false, FL_EUNAVAIL },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 1, true, FL_EUNAVAIL },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 1, false, FL_EFORMAT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 1, false, FL_EUNAVAIL },
		{ "HTTP/1.1 200 OK\r\nX: y\r\n", 300, false, FL_EFORMAT },
		{ "HTTP/1.1 200 OK and a line that has no end ", 4000, false, FL_EUNAVAIL },
		{ "HTTP/1.1 200 OK\r\n\r\nuntil the end", 1, false, 0 },
	};
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char folder[64] = "/tmp/fl-admin-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/liar.sock", folder);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct liar l = { .listener = socket(AF_UNIX, SOCK_STREAM, 0), .text = rows[i].text, .repeat = rows[i].repeat, .mute = rows[i].mute };
		struct fl_admin_answer answer = { 0 };
		struct fl_err err = { 0 };
		pthread_t t;

		unlink(a.sun_path);
		assert_int_equal(bind(l.listener, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(listen(l.listener, 4), 0);
		assert_int_equal(pthread_create(&t, NULL, lie, &l), 0);
		assert_int_equal(fl_admin_call(a.sun_path, "GET", "/", fl_span(NULL, 0), l.mute ? 300 : 10000, NULL, NULL, &answer, &err), rows[i].code);
		assert_true(rows[i].code == 0 || err.text[0]);
		atomic_store(&l.stop, true);
		pthread_join(t, NULL);
		close(l.listener);
		fl_buf_done(&answer.body);
	}
	unlink(a.sun_path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(metrics_alone_are_served_on_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(another_user_may_read_and_not_change, setup, teardown),
		cmocka_unit_test_setup_teardown(a_body_without_end_is_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(one_who_dawdles_holds_up_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_leave_connections_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_requests_are_answered_or_dropped, setup, teardown),
		cmocka_unit_test(an_address_that_is_none),
		cmocka_unit_test(a_daemon_that_lies_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
