/* Everything at once: clients over UDP and TCP, views and settings that change, figures that are read, taps that come and go, a cache too small and a broker that fails. Afterwards the books
 * balance: queries = answers + dropped, answers = records written + dropped. Made for the thread sanitizer. */
#include "tests/unit/enforcer/world.h"

enum { UDP_LOADS = 3, UDP_ASKS = 400, TCP_ROUNDS = 25, TCP_ASKS = 24 };

struct load {
	struct world *w;
	unsigned number, answers, wrong;
	_Atomic bool done;
	pthread_t id;
};

/* Blocked names are blocked in every view; others get the built-in answer. */
static bool right(const uint8_t *a, bool blocked)
{
	return blocked ? (a[3] & 15) == 3 && fl__be16(a + 6) == 0 : (a[3] & 15) == 0 && fl__be16(a + 6) == 1;
}

static void *udp_main(void *arg)
{
	struct load *l = arg;
	int fd = udp_client(l->w, l->number % 2 ? "127.0.0.1" : "127.0.0.3");
	uint8_t a[1500];
	char name[64];

	for (unsigned i = 0; i < UDP_ASKS; i++) {
		snprintf(name, sizeof(name), i % 4 == 0 ? "sub.evil.example" : i % 4 == 1 ? "same.example" : "n%u-%u.example", l->number, i / 2);
		if (ask(fd, (uint16_t)(i + 1), name, 1, a, sizeof(a)) == 0)
			continue;
		l->answers++;
		l->wrong += !right(a, i % 4 == 0);
	}
	close(fd);
	atomic_store(&l->done, true);
	return NULL;
}

static void *tcp_main(void *arg)
{
	struct load *l = arg;
	uint8_t a[4096];

	for (unsigned round = 0; round < TCP_ROUNDS; round++) {
		struct fl_buf out = { 0 };
		int fd = tcp_client(l->w);
		char name[64];

		for (unsigned i = 0; i < TCP_ASKS; i++) {
			snprintf(name, sizeof(name), i % 3 ? "t%u-%u.example" : "evil.example", round, i);
			put_framed(&out, (uint16_t)i, name);
		}
		if (send(fd, out.p, out.n, MSG_NOSIGNAL) != (ssize_t)out.n)
			l->wrong++;
		/* every fifth leaves without reading */
		for (unsigned i = 0; round % 5 != 4 && i < TCP_ASKS && read_framed(fd, a, sizeof(a)) > 14; i++) {
			l->answers++;
			l->wrong += !right(a + 2, fl__be16(a + 2) % 3 == 0);
		}
		close(fd);
		fl_buf_done(&out);
	}
	atomic_store(&l->done, true);
	return NULL;
}

struct watcher {
	_Atomic bool gone;
	_Atomic unsigned late, calls;
};
static void on_watch(void *ctx, const struct fl_qlog *q, struct fl_span json)
{
	struct watcher *x = ctx;

	(void)q, (void)json;
	atomic_fetch_add(&x->calls, 1);
	if (atomic_load(&x->gone))
		atomic_fetch_add(&x->late, 1);
}

static enum fl_bus_fault sometimes(void *ctx, const char *what, const char *topic)
{
	unsigned *n = ctx;

	(void)topic;
	return strcmp(what, "produce") != 0 ? FL_BUS_OK : ++*n % 11 == 3 ? FL_BUS_DOWN : FL_BUS_OK;
}

/* One round of all that changes from outside. */
static void disturb(struct world *w, struct fl_config *other, uint64_t version)
{
	struct watcher x = { .gone = false };
	struct fl_buf out = { 0 };
	struct fl_server_stats s;
	uint64_t tap = fl_server_tap_add(w->server, on_watch, &x);

	fl_server_set_view(w->server, help_view(w->policy, version));
	*other = w->cfg;
	other->ede_text = version % 2 ? FL_EDE_FULL : FL_EDE_REF;
	other->cache_max_ttl_ms = version % 3 ? 86400000 : 1000;
	assert_int_equal(fl_server_reload(w->server, other, NULL), 0);
	fl_server_stats(w->server, &s);
	fl_server_metrics(w->server, &out);
	fl_buf_reset(&out);
	fl_server_ref(w->server, version, &out);
	fl_server_tap_remove(w->server, tap);
	atomic_store(&x.gone, true);
	usleep(1000);
	assert_int_equal(atomic_load(&x.late), 0);
	fl_buf_done(&out);
}

static void assert_balance(struct world *w)
{
	struct fl_server_stats s;

	for (int i = 0; i < WAIT_MS; i++) {
		fl_server_stats(w->server, &s);
		if (s.queries == s.answers + s.dropped)
			break;
		usleep(1000);
	}
	assert_int_equal(s.queries, s.answers + s.dropped);
	assert_int_equal(s.answers, s.qlog_written + s.qlog_dropped);
	assert_int_equal(s.qlog_dropped, 0);
	assert_true(s.queries >= UDP_LOADS * UDP_ASKS);
}

static void test_everything_at_once(void **state)
{
	struct world *w = open_world();
	struct fl_config *other = calloc(1, sizeof(*other));
	struct load l[UDP_LOADS + 1] = { { 0 } };
	uint64_t version = 3;
	unsigned faults = 0;

	(void)state;
	w->cfg.cache_bytes = 64 << 10;
	w->listen_tcp.idle_timeout_ms = WAIT_MS;
	w->broker = fl_bus_mem_new(fl_clock_sys(), 1);
	fl_bus_mem_faults(w->broker, sometimes, &faults);
	w->bus = fl_bus_mem_open(w->broker, "fireline.");
	start(w, NULL);
	for (unsigned i = 0; i <= UDP_LOADS; i++) {
		l[i].w = w;
		l[i].number = i;
		assert_int_equal(pthread_create(&l[i].id, NULL, i < UDP_LOADS ? udp_main : tcp_main, &l[i]), 0);
	}
	for (unsigned i = 0; i <= UDP_LOADS; i++) {
		while (!atomic_load(&l[i].done))
			disturb(w, other, version++);
		pthread_join(l[i].id, NULL);
		assert_int_equal(l[i].wrong, 0);
		assert_int_equal(l[i].answers, i < UDP_LOADS ? UDP_ASKS : TCP_ROUNDS * TCP_ASKS / 5 * 4);
	}
	assert_balance(w);
	stop(w);
	close_world(w);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_everything_at_once) };

	return cmocka_run_group_tests(tests, up, down);
}
