/* The whole server on loopback sockets: UDP, views swapped under load, reload, stop, figures. */
#include "tests/unit/enforcer/world.h"

#include <fcntl.h>

static void test_udp(void **state)
{
	struct world *w = open_world();
	struct fl_server_stats s;
	uint8_t a[1500], b[1500];
	size_t n, k;
	int fd;

	(void)state;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.1");
	n = ask(fd, 1, "WWW.ok.example", 1, a, sizeof(a));
	assert_true(n > 0);
	assert_int_equal(a[3] & 15, 0);
	assert_int_equal(fl__be16(a + 6), 1);
	assert_memory_equal(a + 12, "\3WWW\2ok", 7);
	k = ask(fd, 2, "www.ok.example", 1, b, sizeof(b)); /* from the cache: the same address */
	assert_int_equal(k, n);
	assert_memory_equal(a + n - 11 - 4, b + n - 11 - 4, 4);
	assert_true(ask(fd, 3, "evil.example", 1, a, sizeof(a)) > 0);
	assert_int_equal(a[3] & 15, 3);
	assert_true(wait_for(w, &w->records, 3));
	fl_server_stats(w->server, &s);
	assert_int_equal(s.answers, 3);
	assert_int_equal(s.queries, 3);
	assert_int_equal(s.blocked, 1);
	assert_int_equal(s.cache_hits, 1);
	assert_int_equal(s.cache_misses, 1);
	assert_int_equal(s.qlog_written, 3);
	close(fd);
	close_world(w);
}

/* On a wildcard socket the answer leaves from the address that was asked. */
static void test_leaves_from_the_address_asked(void **state)
{
	struct world *w = open_world();
	uint8_t a[1500];
	int fd;

	(void)state;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.2");
	assert_true(ask(fd, 1, "evil.example", 1, a, sizeof(a)) > 0); /* by a worker */
	assert_true(ask(fd, 2, "ok.example", 1, a, sizeof(a)) > 0);   /* by the resolve thread */
	close(fd);
	close_world(w);
}

static void test_ipv6(void **state)
{
	struct world *w = open_world();
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, client;
	struct fl_server_config c = { .cfg = &w->cfg, .udp_fds = &fd, .n_udp = 1, .clock = fl_clock_sys(), .random = fl_random_sys(), .runtime = w->folder };
	uint8_t a[1500];
	size_t n;

	(void)state;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	at.sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		if (fd >= 0)
			close(fd);
		close_world(w);
		skip(); /* no IPv6 here */
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	assert_int_equal(fl_server_start(&c, &w->server, NULL), 0);
	fl_server_set_view(w->server, help_view(w->policy, 2));
	client = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	n = ask(client, 1, "evil.example", 1, a, sizeof(a)); /* by the worker */
	assert_int_equal(a[3] & 15, 3);
	assert_non_null(memmem(a, n, "list=bad", 8));
	assert_true(ask(client, 2, "ok.example", 28, a, sizeof(a)) > 0); /* by the resolve thread */
	assert_int_equal(fl__be16(a + 6), 1);
	close(client);
	close_world(w);
}

/* EDE, record and fl_server_ref speak of one reference. */
static void test_reference(void **state)
{
	struct world *w = open_world();
	struct fl_buf json = { 0 };
	uint8_t a[1500];
	char ref[9], *at;
	uint64_t v;
	size_t n;
	int fd;

	(void)state;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.1");
	n = ask(fd, 1, "evil.example", 1, a, sizeof(a));
	at = memmem(a, n, "ref=", 4);
	assert_non_null(at);
	memcpy(ref, at + 4, 8);
	ref[8] = '\0';
	assert_true(wait_for(w, &w->blocked, 1));
	assert_true(fl_unbase32_40(fl_span(ref, 8), &v));
	assert_int_equal(fl_server_ref(w->server, v, &json), 0);
	assert_non_null(strstr(fl_buf_cstr(&json), ref));
	assert_int_equal(fl_server_ref(w->server, v ^ 1, &json), FL_ENOTFOUND);
	fl_buf_done(&json);
	close(fd);
	close_world(w);
}

static void test_junk_is_silence_or_formerr(void **state)
{
	struct world *w = open_world();
	struct fl_server_stats s;
	uint8_t a[1500];
	int fd;

	(void)state;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.1");
	assert_true(send(fd, "x", 1, 0) == 1);
	assert_true(send(fd, "", 0, 0) == 0);
	assert_true(send(fd, "\0\1\x80\0\0\1\0\0\0\0\0\0", 12, 0) == 12); /* a response */
	assert_true(send(fd, "\0\2\1\0\0\1\0\0\0\0\0\0\77", 13, 0) == 13); /* FORMERR */
	assert_true(receive(fd, a, sizeof(a)) == 12);
	assert_int_equal(fl__be16(a), 2);
	assert_int_equal(a[3] & 15, 1);
	fl_server_stats(w->server, &s);
	assert_int_equal(s.queries, s.answers + s.dropped);
	assert_true(s.dropped >= 2);
	close(fd);
	close_world(w);
}

/* A start that fails closes what it was handed, and nothing else. */
static void test_failed_start(void **state)
{
	static const struct { size_t n_udp; const char *runtime, *says; } rows[] = { { 2, "/nonexistent/rings", "ring" }, { 15, NULL, "workers" } };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	for (size_t r = 0; r < HELP_N(rows); r++) {
		struct world *w = open_world();
		int udp[16], tcp, zero = fcntl(STDIN_FILENO, F_GETFD);
		struct fl_server_config c = { .cfg = &w->cfg, .udp_fds = udp, .n_udp = rows[r].n_udp, .tcp_fds = &tcp, .n_tcp = 1, .clock = fl_clock_sys(),
					      .upstream = fl_upstream_mem_open(forward, NULL), .random = fl_random_sys(),
					      .runtime = rows[r].runtime ? rows[r].runtime : w->folder };
		struct fl_server *server = NULL;
		struct fl_err err;

		for (size_t i = 0; i < rows[r].n_udp; i++)
			udp[i] = fcntl(null, F_DUPFD_CLOEXEC, 3);
		tcp = fcntl(null, F_DUPFD_CLOEXEC, 3);
		assert_true(fl_server_start(&c, &server, &err) < 0);
		assert_non_null(strstr(err.text, rows[r].says));
		assert_null(server);
		for (size_t i = 0; i < rows[r].n_udp; i++)
			assert_int_equal(fcntl(udp[i], F_GETFD), -1);
		assert_int_equal(fcntl(tcp, F_GETFD), -1);
		assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), zero);
		close_world(w);
	}
	close(null);
}

/* --- views swapped under load --- */

struct load {
	struct world *w;
	_Atomic uint64_t *set_from, *set_done, *answered; /* the version being set; the last one that is in force for all */
	_Atomic bool *stop;
	uint64_t answers, torn, lost;
	pthread_t id;
};

/* A block answer carries the version in its SOA; the version says which parity name it blocks. */
static uint64_t serial_of(const uint8_t *a, size_t n)
{
	static const uint8_t mname[] = "\x08" "fireline\x07invalid";
	const uint8_t *at = memmem(a, n, mname, sizeof(mname));

	return at ? fl__be32(at + sizeof(mname) + 2) : 0;
}

static void *load_main(void *arg)
{
	struct load *l = arg;
	int fd = udp_client(l->w, "127.0.0.1");
	uint8_t a[1500];
	uint16_t id = 0;

	while (!atomic_load(l->stop)) {
		unsigned parity = id & 1;
		uint64_t least = atomic_load(l->set_done), most, serial;
		size_t n = ask(fd, ++id, parity ? "parity-1.test" : "parity-0.test", 1, a, sizeof(a));

		most = atomic_load(l->set_from);
		if (n == 0) {
			l->lost++;
			continue;
		}
		l->answers++;
		atomic_fetch_add(l->answered, 1);
		serial = serial_of(a, n);
		if ((a[3] & 15) == 3) /* blocked: by a version of that parity, neither older nor newer than what was in force */
			l->torn += serial % 2 != parity || serial < least || serial > most;
		else /* allowed: some version of the other parity was in force meanwhile */
			l->torn += fl__be16(a + 6) != 1 || (least == most && least % 2 == parity);
	}
	close(fd);
	return NULL;
}

static void test_views_swap_under_load(void **state)
{
	enum { LOADS = 3, SWAPS = 150 };
	struct world *w = open_world();
	_Atomic uint64_t set_from = 2, set_done = 2, answered = 0;
	_Atomic bool end = false;
	struct fl_server_stats s;
	struct load l[LOADS];
	uint64_t answers = 0;

	(void)state;
	start(w, NULL);
	for (int i = 0; i < LOADS; i++) {
		l[i] = (struct load){ w, &set_from, &set_done, &answered, &end, .answers = 0 };
		assert_int_equal(pthread_create(&l[i].id, NULL, load_main, &l[i]), 0);
	}
	for (uint64_t v = 3; v < 3 + SWAPS; v++) {
		struct fl_view *view = help_view(w->policy, v);
		uint64_t before = atomic_load(&answered);

		for (int i = 0; i < WAIT_MS && atomic_load(&answered) == before; i++) /* whoever is slow: each view meets a question */
			usleep(1000);
		atomic_store(&set_from, v);
		fl_server_set_view(w->server, view);
		atomic_store(&set_done, v);
	}
	atomic_store(&end, true);
	for (int i = 0; i < LOADS; i++) {
		pthread_join(l[i].id, NULL);
		assert_int_equal(l[i].torn, 0);
		assert_int_equal(l[i].lost, 0);
		answers += l[i].answers;
	}
	assert_true(answers >= SWAPS);
	fl_server_stats(w->server, &s);
	assert_int_equal(s.answers, s.qlog_written + s.qlog_dropped); /* one record an answer; a log thread that is slow may cost some, and they are counted */
	assert_true(s.answers >= answers);
	assert_true(wait_for(w, &w->records, s.qlog_written));
	close_world(w);
}

static void test_cloaked_tracker_is_blocked(void **state)
{
	struct world *w = open_world();
	uint8_t a[1500];
	int fd;

	(void)state;
	with_forwarder(w);
	fd = udp_client(w, "127.0.0.1");
	for (uint16_t i = 0; i < 2; i++) { /* by the resolve thread, then from the cache */
		assert_true(ask(fd, i, "cloak.example", 1, a, sizeof(a)) > 0);
		assert_int_equal(a[3] & 15, 3);
		assert_int_equal(fl__be16(a + 6), 0);
		assert_true(wait_for(w, &w->blocked, i + 1u));
		assert_non_null(strstr(w->last, "\"hop\":1"));
	}
	close(fd);
	close_world(w);
}

/* A question that is out when the server is told to stop is still answered. */
static void test_stop_answers_what_is_out(void **state)
{
	struct world *w = open_world();
	struct fl_buf q = wquery(5, "mute.example", 1, 1232, false);
	struct fl_server_stats s = { 0 };
	uint8_t a[1500];
	int fd;

	(void)state;
	with_forwarder(w);
	fd = udp_client(w, "127.0.0.1");
	assert_true(send(fd, q.p, q.n, 0) == (ssize_t)q.n);
	for (int i = 0; i < WAIT_MS && s.cache_misses == 0; i++) {
		usleep(1000);
		fl_server_stats(w->server, &s);
	}
	assert_int_equal(s.cache_misses, 1);
	stop(w);
	assert_true(receive(fd, a, sizeof(a)) > 0);
	assert_int_equal(a[3] & 15, 2);
	assert_int_equal(fl__be16(a), 5);
	close(fd);
	fl_buf_done(&q);
	close_world(w);
}

/* --- reload --- */

static void test_reload(void **state)
{
	struct world *w = open_world();
	struct fl_config *next = malloc(sizeof(*next));
	uint8_t a[1500];
	size_t n;
	int fd;

	(void)state;
	w->cfg.query_log_file = w->file;
	w->cfg.query_log_file_rotate = 1 << 20;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.1");
	*next = w->cfg;
	next->ede_text = FL_EDE_OFF;
	next->query_log_file = "";
	assert_int_equal(fl_server_reload(w->server, next, NULL), 0);
	memset(&w->cfg, 0xaa, sizeof(w->cfg)); /* the old one may go */
	n = ask(fd, 1, "evil.example", 1, a, sizeof(a));
	assert_int_equal(a[3] & 15, 3);
	assert_null(memmem(a, n, "ref=", 4));
	assert_true(ask(fd, 2, "ok.example", 1, a, sizeof(a)) > 0);
	assert_true(wait_for(w, &w->records, 2));
	close(fd);
	stop(w);
	free(next);
	w->cfg = help_config();
	close_world(w);
}

static void test_metrics(void **state)
{
	static const char *const lines[] = {
		"fireline_dns_responses_total{rcode=\"NXDOMAIN\",source=\"policy\"} 5\n",
		"fireline_dns_responses_total{rcode=\"NOERROR\",source=\"upstream\"} 5\n",
		"fireline_dns_requests_total{proto=\"udp\"} 10\n",
		"fireline_policy_decisions_total{action=\"BLOCK\",response=\"NXDOMAIN\",rule_group=\"base\",rule=\"bad\",domain_list=\"bad\"} 5\n",
		"fireline_policy_decisions_total{action=\"NONE\",response=\"\",rule_group=\"\",rule=\"\",domain_list=\"\"} 5\n",
		"fireline_cache_misses_total 5\n",
		"fireline_cache_entries 5\n",
		"fireline_upstream_requests_total{upstream=\"builtin\",result=\"answered\"} 5\n",
		"fireline_dns_request_duration_seconds_count{source=\"policy\"} 5\n",
	};
	struct world *w = open_world();
	struct fl_buf out = { 0 };

	(void)state;
	start(w, NULL);
	ask_some(w, 10);
	fl_server_metrics(w->server, &out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!strstr(fl_buf_cstr(&out), lines[i]))
			fail_msg("no line %s", lines[i]);
	fl_buf_done(&out);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_leaves_from_the_address_asked),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_junk_is_silence_or_formerr),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_failed_start),
		cmocka_unit_test(test_views_swap_under_load),
		cmocka_unit_test(test_cloaked_tracker_is_blocked),
		cmocka_unit_test(test_stop_answers_what_is_out),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, up, down);
}
