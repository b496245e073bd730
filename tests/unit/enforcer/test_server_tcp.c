/* TCP clients of the whole server: pipelining, slow, idle and foreign ones, answers that UDP cannot carry. */
#include "tests/unit/enforcer/world.h"

/* Many questions at once, some from the cache, some by the upstream, some blocked: each has its answer, in whatever order; after a half-close too. */
static void test_tcp_pipelining(void **state)
{
	enum { N = 100 };
	struct world *w = open_world();
	bool seen[N] = { false };
	struct fl_buf out = { 0 };
	uint8_t a[4096];
	char name[32];
	int fd;

	(void)state;
	start(w, NULL);
	fd = tcp_client(w);
	for (uint16_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), i % 3 ? "n%u.example" : "evil.example", i / 2);
		put_framed(&out, i, name);
	}
	assert_true(send(fd, out.p, out.n, 0) == (ssize_t)out.n);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	for (int i = 0; i < N; i++) {
		assert_true(read_framed(fd, a, sizeof(a)) > 14);
		assert_true(fl__be16(a + 2) < N && !seen[fl__be16(a + 2)]);
		seen[fl__be16(a + 2)] = true;
		assert_int_equal(a[5] & 15, fl__be16(a + 2) % 3 ? 0 : 3);
	}
	assert_int_equal(read_framed(fd, a, sizeof(a)), 0); /* then the server closes */
	close(fd);
	fl_buf_done(&out);
	close_world(w);
}

/* One octet at a time is slow, and served. */
static void test_tcp_dribble(void **state)
{
	struct world *w = open_world();
	struct fl_buf out = { 0 };
	uint8_t a[4096];
	int fd;

	(void)state;
	w->listen_tcp.idle_timeout_ms = WAIT_MS;
	start(w, NULL);
	fd = tcp_client(w);
	put_framed(&out, 7, "evil.example");
	for (size_t i = 0; i < out.n; i++) {
		assert_true(send(fd, out.p + i, 1, 0) == 1);
		usleep(500);
	}
	assert_true(read_framed(fd, a, sizeof(a)) > 14);
	close(fd);
	fl_buf_done(&out);
	close_world(w);
}

static void test_tcp_idle_and_bad_are_closed(void **state)
{
	struct world *w = open_world();
	uint8_t a[4096];
	int idle, half, empty, huge, foreign;

	(void)state;
	start(w, NULL);
	idle = tcp_client(w);
	half = tcp_client(w);
	empty = tcp_client(w);
	huge = tcp_client(w);
	foreign = tcp_client(w);
	assert_true(send(half, "\0\40abc", 5, 0) == 5);
	assert_true(send(empty, "\0\0", 2, 0) == 2);
	assert_true(send(huge, "\xff\xff", 2, 0) == 2);
	assert_true(send(foreign, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0) == 27);
	assert_int_equal(read_framed(empty, a, sizeof(a)), 0);
	assert_int_equal(read_framed(huge, a, sizeof(a)), 0);
	assert_int_equal(read_framed(foreign, a, sizeof(a)), 0);
	assert_int_equal(read_framed(idle, a, sizeof(a)), 0);
	assert_int_equal(read_framed(half, a, sizeof(a)), 0);
	close(idle), close(half), close(empty), close(huge), close(foreign);
	close_world(w);
}

/* Slow clients fill every slot; UDP does not notice, and slots come free. */
static void test_slow_tcp_does_not_hurt_udp(void **state)
{
	enum { N = 100 };
	struct world *w = open_world();
	int slow[N], fd, again;
	struct fl_buf out = { 0 };
	uint8_t a[4096];

	(void)state;
	start(w, NULL);
	for (int i = 0; i < N; i++) {
		slow[i] = tcp_client(w);
		assert_true(send(slow[i], "\0", 1, MSG_NOSIGNAL) >= -1);
	}
	fd = udp_client(w, "127.0.0.1");
	for (uint16_t i = 0; i < 200; i++)
		assert_true(ask(fd, i, i % 2 ? "evil.example" : "ok.example", 1, a, sizeof(a)) > 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(read_framed(slow[i], a, sizeof(a)), 0);
		close(slow[i]);
	}
	again = tcp_client(w);
	put_framed(&out, 7, "evil.example");
	assert_true(send(again, out.p, out.n, 0) == (ssize_t)out.n);
	assert_true(read_framed(again, a, sizeof(a)) > 14);
	close(again);
	close(fd);
	fl_buf_done(&out);
	close_world(w);
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* One client that means no good: pieces of questions, foreign octets, resets with answers out. */
static void annoy(const struct world *w, unsigned seed)
{
	struct linger reset = { .l_onoff = 1 };
	struct fl_buf out = { 0 };
	int fd = tcp_client(w);
	char name[32];

	for (unsigned i = 0; i < seed % 7; i++) {
		snprintf(name, sizeof(name), "a%u.example", seed + i);
		put_framed(&out, (uint16_t)i, i % 2 ? name : "evil.example");
	}
	if (seed % 3 == 0 && out.n)
		out.p[(seed * 31) % out.n] ^= (uint8_t)(1 + seed % 255);
	if (seed % 4 == 0 && out.n)
		out.n -= (seed * 17) % out.n;
	if (out.n)
		send(fd, out.p, out.n, MSG_NOSIGNAL);
	if (seed % 5 == 0)
		shutdown(fd, SHUT_WR);
	if (seed % 2)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	fl_buf_done(&out);
}

/* No descriptor stays, no question is lost from the books, and who asks properly is answered. */
static void test_tcp_hostile(void **state)
{
	enum { N = 500 };
	struct world *w = open_world();
	struct fl_server_stats s = { 0 };
	struct fl_buf out = { 0 };
	uint8_t a[4096];
	unsigned before;
	int fd;

	(void)state;
	start(w, NULL);
	before = open_files();
	for (unsigned seed = 1; seed <= N; seed++)
		annoy(w, seed);
	fd = tcp_client(w);
	put_framed(&out, 7, "evil.example");
	assert_true(send(fd, out.p, out.n, 0) == (ssize_t)out.n);
	assert_true(read_framed(fd, a, sizeof(a)) > 14);
	close(fd);
	for (int i = 0; i < WAIT_MS && (open_files() != before || s.queries == 0 || s.queries != s.answers + s.dropped); i++) {
		usleep(1000);
		fl_server_stats(w->server, &s);
	}
	assert_int_equal(open_files(), before);
	assert_int_equal(s.queries, s.answers + s.dropped);
	fl_buf_done(&out);
	close_world(w);
}

static void test_big_answer(void **state)
{
	struct world *w = open_world();
	struct fl_buf out = { 0 };
	uint8_t a[8192];
	int fd, tcp;

	(void)state;
	with_forwarder(w);
	fd = udp_client(w, "127.0.0.1");
	assert_true(ask(fd, 1, "big.example", 1, a, sizeof(a)) > 0);
	assert_true(a[2] & 2); /* TC */
	assert_int_equal(fl__be16(a + 6), 0);
	tcp = tcp_client(w);
	put_framed(&out, 9, "big.example");
	assert_true(send(tcp, out.p, out.n, 0) == (ssize_t)out.n);
	assert_true(read_framed(tcp, a, sizeof(a)) > 3200);
	assert_int_equal(fl__be16(a + 8), 200);
	close(tcp);
	close(fd);
	fl_buf_done(&out);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_pipelining),
		cmocka_unit_test(test_tcp_dribble),
		cmocka_unit_test(test_tcp_idle_and_bad_are_closed),
		cmocka_unit_test(test_slow_tcp_does_not_hurt_udp),
		cmocka_unit_test(test_tcp_hostile),
		cmocka_unit_test(test_big_answer),
	};

	return cmocka_run_group_tests(tests, up, down);
}
