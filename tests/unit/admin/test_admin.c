/* The admin server and its client over a socket of their own: routes, queries, bodies, streams, refusals, and what is found in the way. */
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
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin.h"

struct fixture {
	char folder[64], path[96];
	struct fl_admin *admin;
	_Atomic int pulls, left, ended;
};

static void echo(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *q = req->query(req, "q");

	(void)ctx;
	fl_buf_printf(&res->body, "%s %s q=%s body=%zu actor=%s change=%d", req->method, req->path, q ? q : "-", req->body.n, req->actor, req->may_change);
}

static ssize_t pull(void *ctx, char *buf, size_t cap)
{
	struct fixture *f = ctx;
	int n = atomic_fetch_add(&f->pulls, 1);

	(void)cap;
	if (n == 0)
		return (ssize_t)snprintf(buf, cap, "one\n");
	if (atomic_load(&f->left) == 0)
		return 0; /* wait for a wake */
	if (atomic_fetch_sub(&f->left, 1) == 1) {
		atomic_store(&f->left, -1);
		return (ssize_t)snprintf(buf, cap, "two\n");
	}
	return -1;
}

static void ended(void *ctx)
{
	struct fixture *f = ctx;

	atomic_store(&f->ended, 1);
}

static void stream(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	(void)req;
	res->status = 200;
	res->stream = pull;
	res->stream_done = ended;
	res->stream_ctx = ctx;
}

static void problem(void *ctx, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	(void)ctx, (void)req;
	fl_admin_problem(res, 409, "FL2301", "say \"why\"\n", "try");
}

static const struct fl_admin_route routes[] = {
	{ "GET", "/v1/echo", false, echo }, { "POST", "/v1/echo", true, echo },	  { "GET", "/v1/any/*", false, echo },
	{ "GET", "/v1/tail", false, stream }, { "GET", "/v1/problem", false, problem }, { "GET", "/metrics", false, echo },
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fl_admin_config c = { .mode = 0600, .routes = routes, .n_routes = sizeof(routes) / sizeof(routes[0]), .ctx = f };

	snprintf(f->folder, sizeof(f->folder), "/tmp/fl-admin-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/a.sock", f->folder);
	c.unix_path = f->path;
	assert_int_equal(fl_admin_open(&c, &f->admin, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_admin_close(f->admin);
	assert_int_not_equal(access(f->path, F_OK), 0); /* the socket file goes with the server */
	rmdir(f->folder);
	free(f);
	return 0;
}

static int call(struct fixture *f, const char *method, const char *target, struct fl_span body, char *out, size_t cap)
{
	struct fl_admin_answer a = { 0 };
	struct fl_err err = { 0 };
	int ret = fl_admin_call(f->path, method, target, body, 5000, NULL, NULL, &a, &err);

	snprintf(out, cap, "%.*s", (int)a.body.n, a.body.p ? (char *)a.body.p : "");
	fl_buf_done(&a.body);
	return ret < 0 ? ret : a.status;
}

static void routes_queries_and_bodies(void **state)
{
	struct fixture *f = *state;
	char out[512];

	assert_int_equal(call(f, "GET", "/v1/echo?q=a%26b%20c", fl_span(NULL, 0), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "GET /v1/echo q=a&b c body=0"));
	assert_int_equal(call(f, "POST", "/v1/echo", fl_span_str("{\"x\":1}"), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "body=7"));
	assert_non_null(strstr(out, "change=1")); /* our own user may */
	assert_int_equal(call(f, "GET", "/v1/any/thing/below", fl_span(NULL, 0), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "/v1/any/thing/below"));
	assert_int_equal(call(f, "GET", "/v1/nothing", fl_span(NULL, 0), out, sizeof(out)), 404);
	assert_int_equal(call(f, "DELETE", "/v1/echo", fl_span(NULL, 0), out, sizeof(out)), 405);
	assert_int_equal(call(f, "GET", "/v1/problem", fl_span(NULL, 0), out, sizeof(out)), 409);
	assert_non_null(strstr(out, "\"detail\":\"say \\\"why\\\"\\n\""));
}

static void a_large_body_arrives_whole_and_a_larger_one_is_refused(void **state)
{
	struct fixture *f = *state;
	size_t n = (32u << 20) + 1;
	char *big = calloc(1, n), out[512];

	assert_int_equal(call(f, "POST", "/v1/echo", fl_span(big, 3u << 20), out, sizeof(out)), 200);
	assert_non_null(strstr(out, "body=3145728"));
	assert_int_equal(call(f, "POST", "/v1/echo", fl_span(big, n), out, sizeof(out)), 413);
	free(big);
}

struct got {
	struct fixture *f;
	struct fl_buf b;
};

static int on_data(void *ctx, struct fl_span d)
{
	struct got *g = ctx;

	fl_buf_add(&g->b, d.p, d.n);
	return 0;
}

static void *read_stream(void *arg)
{
	struct got *g = arg;
	struct fl_admin_answer a = { 0 };

	fl_admin_call(g->f->path, "GET", "/v1/tail", fl_span(NULL, 0), 10000, on_data, g, &a, NULL);
	fl_buf_done(&a.body);
	return NULL;
}

static void a_stream_waits_and_goes_on_when_it_is_woken(void **state)
{
	struct fixture *f = *state;
	struct got g = { .f = f };
	pthread_t t;
	int seen;

	assert_int_equal(pthread_create(&t, NULL, read_stream, &g), 0);
	while (atomic_load(&f->pulls) < 2)
		usleep(1000);
	usleep(50000);
	seen = atomic_load(&f->pulls);
	usleep(100000);
	assert_true(atomic_load(&f->pulls) <= seen + 1); /* suspended: nobody asks in a loop */
	atomic_store(&f->left, 1);
	fl_admin_stream_wake(f->admin);
	pthread_join(t, NULL);
	assert_int_equal(g.b.n, 8);
	assert_memory_equal(g.b.p, "one\ntwo\n", 8);
	while (!atomic_load(&f->ended))
		usleep(1000);
	fl_buf_done(&g.b);
}

static void a_stream_that_waits_does_not_hold_up_the_end(void **state)
{
	struct fixture *f = *state;
	struct got g = { .f = f };
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, read_stream, &g), 0);
	while (atomic_load(&f->pulls) < 2)
		usleep(1000);
	fl_admin_close(f->admin);
	pthread_join(t, NULL);
	assert_int_equal(atomic_load(&f->ended), 1);
	fl_buf_done(&g.b);
	struct fl_admin_config c = { .unix_path = f->path, .routes = routes, .n_routes = 1, .ctx = f };

	assert_int_equal(fl_admin_open(&c, &f->admin, NULL), 0);
}

static void a_dead_socket_file_is_replaced_and_a_live_one_is_not(void **state)
{
	struct fixture *f = *state;
	struct fl_admin_config c = { .unix_path = f->path, .routes = routes, .n_routes = 1 };
	struct fl_admin *second = NULL;
	struct fl_err err = { 0 };
	char dead[100], out[512];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	assert_int_equal(fl_admin_open(&c, &second, &err), FL_EUNAVAIL);
	assert_non_null(strstr(err.text, "in use"));
	assert_int_equal(call(f, "GET", "/v1/echo", fl_span(NULL, 0), out, sizeof(out)), 200);
	snprintf(dead, sizeof(dead), "%.80s/dead.sock", f->folder);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", dead);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); /* a killed process leaves its file */
	c.unix_path = dead;
	assert_int_equal(fl_admin_open(&c, &second, &err), 0);
	fl_admin_close(second);
}

static void nobody_there_is_unavailable(void **state)
{
	struct fl_admin_answer a = { 0 };
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_admin_call("/nonexistent/x.sock", "GET", "/", fl_span(NULL, 0), 1000, NULL, NULL, &a, &err), FL_EUNAVAIL);
	assert_true(err.text[0]);
}

static void the_file_has_the_mode_that_was_asked(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(routes_queries_and_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_body_arrives_whole_and_a_larger_one_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_waits_and_goes_on_when_it_is_woken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stream_that_waits_does_not_hold_up_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_socket_file_is_replaced_and_a_live_one_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(the_file_has_the_mode_that_was_asked, setup, teardown),
		cmocka_unit_test(nobody_there_is_unavailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
