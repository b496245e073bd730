/* The whole server on loopback sockets: UDP and TCP, views swapped under load, rings of a killed process, records on the bus. */
#include "tests/unit/enforcer/wire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rcu.h"
#include "base/text.h"
#include "enforcer/server_int.h"
#include "tests/support/answer_help.h"

enum { WAIT_MS = 10000, WORKERS = 2, IDLE_MS = 400 };

struct world {
	struct fl_config cfg;
	struct fl_cfg_listen listen_tcp;
	struct fl_cfg_upstream upstream;
	struct fl_policy *policy;
	struct fl_server *server;
	struct fl_bus_mem *broker;
	struct fl_bus *bus;
	struct sockaddr_in udp, tcp;
	char folder[64], file[96];
	uint64_t tap;
	/* what the tap saw; written by the log thread */
	pthread_mutex_t lock;
	uint64_t records, blocked, old_boot;
	char last[4096];
};

static void on_record(void *ctx, const struct fl_qlog *q, struct fl_span json)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->records++;
	w->blocked += q->action == FL_ACTION_BLOCK;
	w->old_boot += q->boot == 1;
	snprintf(w->last, sizeof(w->last), "%.*s", (int)json.n, (const char *)json.p);
	pthread_mutex_unlock(&w->lock);
}

static int bound(int type, struct sockaddr_in *at, in_addr_t address, bool shared)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	socklen_t len = sizeof(*at);

	at->sin_family = AF_INET;
	at->sin_addr.s_addr = address;
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (type == SOCK_DGRAM)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* upstream NULL: the built-in one. */
static void start(struct world *w, struct fl_upstream *upstream)
{
	int udp[WORKERS], tcp;
	struct fl_server_config c = { .cfg = &w->cfg, .udp_fds = udp, .n_udp = WORKERS, .tcp_fds = &tcp, .n_tcp = 1, .upstream = upstream, .bus = w->bus,
				      .clock = fl_clock_sys(), .random = fl_random_sys(), .runtime = w->folder };
	struct fl_err err;

	w->udp.sin_port = 0;
	for (int i = 0; i < WORKERS; i++)
		udp[i] = bound(SOCK_DGRAM, &w->udp, htonl(INADDR_ANY), true);
	tcp = bound(SOCK_STREAM, &w->tcp, htonl(INADDR_LOOPBACK), false);
	w->udp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fl_server_start(&c, &w->server, &err) < 0)
		fail_msg("%s", err.text);
	w->tap = fl_server_tap_add(w->server, on_record, w);
	assert_int_not_equal(w->tap, 0);
	fl_server_set_view(w->server, help_view(w->policy, 2));
}

static const char *const servers[] = { "192.0.2.53:53" };

static struct world *open_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->folder, sizeof(w->folder), "/tmp/fl-server-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->file, sizeof(w->file), "%s/query.jsonl", w->folder);
	w->cfg = help_config();
	w->cfg.upstream_builtin = true;
	w->listen_tcp = (struct fl_cfg_listen){ .tcp = true, .address = "127.0.0.1:53", .idle_timeout_ms = IDLE_MS, .max_connections = 64 };
	w->cfg.listens = &w->listen_tcp;
	w->cfg.n_listens = 1;
	assert_int_equal(fl_policy_new(&w->cfg, &w->policy, NULL), 0);
	return w;
}

static void stop(struct world *w)
{
	fl_server_stop(w->server, WAIT_MS);
	w->server = NULL;
}

static unsigned empty_folder(const char *folder, const char *prefix)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
		unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return n;
}

static void close_world(struct world *w)
{
	if (w->server)
		stop(w);
	if (w->bus)
		fl_bus_close(w->bus);
	if (w->broker)
		fl_bus_mem_free(w->broker);
	fl_policy_free(w->policy);
	empty_folder(w->folder, "");
	assert_int_equal(rmdir(w->folder), 0);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static int udp_client(const struct world *w, const char *server)
{
	struct sockaddr_in to = w->udp;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, server, &to.sin_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0); /* so only answers from there come in */
	return fd;
}

/* Octets of the answer, 0: none came. */
static size_t receive(int fd, uint8_t *buf, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return 0;
	n = recv(fd, buf, cap, 0);
	return n > 0 ? (size_t)n : 0;
}

static size_t ask(int fd, uint16_t id, const char *name, unsigned type, uint8_t *buf, size_t cap)
{
	struct fl_buf q = wquery(id, name, type, 1232, false);
	size_t n = 0;

	for (int tries = 0; tries < 3 && n == 0; tries++) { /* UDP may lose one */
		assert_true(send(fd, q.p, q.n, 0) == (ssize_t)q.n);
		do
			n = receive(fd, buf, cap);
		while (n && fl__be16(buf) != id);
	}
	fl_buf_done(&q);
	return n;
}

static bool wait_for(struct world *w, const uint64_t *counter, uint64_t least)
{
	for (int i = 0; i < WAIT_MS; i++) {
		bool there;

		pthread_mutex_lock(&w->lock);
		there = *counter >= least;
		pthread_mutex_unlock(&w->lock);
		if (there)
			return true;
		usleep(1000);
	}
	return false;
}

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

/* --- TCP --- */

static int tcp_client(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&w->tcp, sizeof(w->tcp)), 0);
	return fd;
}
static void put_framed(struct fl_buf *out, uint16_t id, const char *name)
{
	struct fl_buf q = wquery(id, name, 1, 0, false);

	w16(out, (unsigned)q.n);
	fl_buf_add(out, q.p, q.n);
	fl_buf_done(&q);
}
/* One framed message; its length, 0 at the end of the stream, -1: nothing came. */
static int read_framed(int fd, uint8_t *buf, size_t cap)
{
	size_t have = 0, want = 2;

	while (have < want) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) <= 0)
			return -1;
		n = recv(fd, buf + have, want - have, 0);
		if (n <= 0)
			return 0;
		have += (size_t)n;
		if (have == 2)
			want = 2u + fl__be16(buf);
		assert_true(want <= cap);
	}
	return (int)have;
}

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

/* --- views swapped under load --- */

struct load {
	struct world *w;
	_Atomic uint64_t *set_from, *set_done; /* the version being set; the last one that is in force for all */
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
	_Atomic uint64_t set_from = 2, set_done = 2;
	_Atomic bool end = false;
	struct load l[LOADS];
	uint64_t answers = 0;

	(void)state;
	start(w, NULL);
	for (int i = 0; i < LOADS; i++) {
		l[i] = (struct load){ w, &set_from, &set_done, &end, .answers = 0 };
		assert_int_equal(pthread_create(&l[i].id, NULL, load_main, &l[i]), 0);
	}
	for (uint64_t v = 3; v < 3 + SWAPS; v++) {
		struct fl_view *view = help_view(w->policy, v);

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
	assert_true(answers > 0);
	assert_true(wait_for(w, &w->records, answers)); /* one record an answer */
	close_world(w);
}

/* --- a forwarder in the test's hands --- */

static int forward(void *ctx, const char *address, bool tcp, struct fl_span query, struct fl_buf *reply)
{
	struct fl_question q;

	(void)ctx, (void)address;
	if (fl__question_parse(query, &q) != FL__PARSED_OK)
		return FL_ELIMIT;
	if (memmem(q.raw, q.name.len, "mute", 4))
		return FL_ELIMIT;
	if (memmem(q.raw, q.name.len, "big", 3) && !tcp) {
		fl_buf_add(reply, query.p, 12u + q.name.len + 4u);
		reply->p[2] = 0x83, reply->p[3] = 0x80, reply->p[11] = 0;
		return 0;
	}
	wheader(reply, q.id, 0x8180, 1, memmem(q.raw, q.name.len, "cloak", 5) ? 2 : memmem(q.raw, q.name.len, "big", 3) ? 200 : 1, 0, 0);
	fl_buf_add(reply, q.raw, q.name.len);
	w16(reply, q.qtype);
	w16(reply, 1);
	if (memmem(q.raw, q.name.len, "cloak", 5)) {
		fl_buf_add(reply, "\xc0\xc\0\5\0\1\0\0\0\74\0\20\1t\10bad-zone\4test\0", 12 + 17);
		reply->p[reply->n - 18] = 17; /* rdlength */
		fl_buf_add(reply, "\1t\10bad-zone\4test\0\0\1\0\1\0\0\0\74\0\4\300\0\2\1", 17 + 14);
		return 0;
	}
	for (int i = 0; i < (memmem(q.raw, q.name.len, "big", 3) ? 200 : 1); i++)
		fl_buf_add(reply, "\xc0\xc\0\1\0\1\0\0\0\74\0\4\300\0\2\1", 16);
	return 0;
}

static void with_forwarder(struct world *w)
{
	w->upstream = (struct fl_cfg_upstream){ .name = "isp", .servers = servers, .n_servers = 1, .timeout_ms = 2000, .retries = 0 };
	w->cfg.upstream_builtin = false;
	w->cfg.upstreams = &w->upstream;
	w->cfg.n_upstreams = 1;
	start(w, fl_upstream_mem_open(forward, NULL));
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

/* --- the query log --- */

static void ask_some(struct world *w, unsigned n)
{
	int fd = udp_client(w, "127.0.0.1");
	uint8_t a[1500];
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), i % 2 ? "evil.example" : "n%u.example", i);
		assert_true(ask(fd, (uint16_t)i, name, 1, a, sizeof(a)) > 0);
	}
	close(fd);
}

/* The broker refuses some, loses acknowledgements of others: after the end each record is there, at least once. */
static enum fl_bus_fault flaky(void *ctx, const char *what, const char *topic)
{
	unsigned *n = ctx;

	(void)topic;
	if (strcmp(what, "produce") != 0)
		return FL_BUS_OK;
	(*n)++;
	return *n % 7 == 3 ? FL_BUS_DOWN : *n % 7 == 5 ? FL_BUS_LOST_ACK : FL_BUS_OK;
}

static void test_records_reach_the_bus(void **state)
{
	enum { N = 200 };
	struct world *w = open_world();
	struct fl_bus_consumer *c = NULL;
	struct fl_bus_msg m;
	struct fl_bus *reader;
	unsigned faults = 0, distinct = 0;
	bool seen[WORKERS + 2][N] = { { false } };

	(void)state;
	w->broker = fl_bus_mem_new(fl_clock_sys(), 1);
	fl_bus_mem_faults(w->broker, flaky, &faults);
	w->bus = fl_bus_mem_open(w->broker, "fireline.");
	start(w, NULL);
	ask_some(w, N);
	stop(w);
	fl_bus_mem_faults(w->broker, NULL, NULL);
	reader = fl_bus_mem_open(w->broker, "fireline.");
	assert_int_equal(fl_bus_consumer_open(reader, FL_TOPIC_QUERY_LOG, NULL, &c, NULL), 0);
	while (fl_bus_fetch(reader, c, 0, &m, NULL) == 1) {
		struct fl_buf text = { 0 };
		unsigned long seq, worker;
		char *at;

		fl_buf_add(&text, m.value.p, m.value.n);
		at = strstr(fl_buf_cstr(&text), "\"seq\":");
		assert_non_null(at);
		seq = strtoul(at + 6, NULL, 10);
		worker = strtoul(strstr(fl_buf_cstr(&text), "\"worker\":") + 9, NULL, 10);
		assert_true(seq < N && worker < WORKERS + 2);
		distinct += !seen[worker][seq];
		seen[worker][seq] = true;
		fl_buf_done(&text);
	}
	assert_int_equal(distinct, N);
	fl_bus_consumer_close(reader, c);
	fl_bus_close(reader);
	assert_int_equal(empty_folder(w->folder, "ring-"), 0); /* all delivered: no ring stays */
	close_world(w);
}

/* A process that was killed leaves its ring; the next one delivers it, and a damaged one is set aside. */
static void test_rings_of_a_killed_process(void **state)
{
	struct world *w = open_world();
	char path[160];
	FILE *f;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct fl_ring *r = NULL;
		struct fl_buf b = wquery(1, "before.example", 1, 0, false);
		struct fl_question q;
		struct fl_client client = { .addr = { 10, 1, 1, 1 } };
		struct fl_decision d = { 0 };
		struct fl__record rec = { .q = &q, .client = &client, .d = &d };

		fl__question_parse(fl_buf_span(&b), &q);
		fl__ring_create(w->folder, "ns1", 1, 0, 1 << 20, &r, NULL);
		for (int i = 0; i < 50; i++)
			fl__record_write(r, fl__ring_number(r), &rec);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/ring-9.1", w->folder);
	f = fopen(path, "w");
	for (int i = 0; i < 80000; i++)
		fputc('x', f);
	fclose(f);
	start(w, NULL);
	/* the tap may come after the first of them was read; they are gone from the folder when all were */
	snprintf(path, sizeof(path), "%s/ring-0.1", w->folder);
	for (int i = 0; i < WAIT_MS && access(path, F_OK) == 0; i++)
		usleep(1000);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/ring-9.1.bad", w->folder);
	assert_int_equal(access(path, F_OK), 0);
	ask_some(w, 4);
	close_world(w);
}

static void test_local_file_rotates(void **state)
{
	struct world *w = open_world();
	char path[128], line[4096];
	unsigned lines = 0;

	(void)state;
	w->cfg.query_log_file = w->file;
	w->cfg.query_log_file_rotate = 8192;
	w->cfg.query_log_file_keep = 100;
	start(w, NULL);
	ask_some(w, 60);
	stop(w);
	for (int i = 0; i <= 100; i++) {
		FILE *f;

		snprintf(path, sizeof(path), i ? "%s.%d" : "%s", w->file, i);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			assert_true(line[0] == '{' && strstr(line, "}\n"));
			lines++;
		}
		if (f)
			fclose(f);
	}
	assert_int_equal(lines, 60);
	snprintf(path, sizeof(path), "%s.1", w->file);
	assert_int_equal(access(path, F_OK), 0);
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

static int up(void **state)
{
	(void)state;
	fl_rcu_thread_init();
	return 0;
}
static int down(void **state)
{
	(void)state;
	fl_rcu_thread_done();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp), cmocka_unit_test(test_leaves_from_the_address_asked), cmocka_unit_test(test_reference),
		cmocka_unit_test(test_junk_is_silence_or_formerr), cmocka_unit_test(test_tcp_pipelining), cmocka_unit_test(test_tcp_dribble),
		cmocka_unit_test(test_tcp_idle_and_bad_are_closed), cmocka_unit_test(test_slow_tcp_does_not_hurt_udp),
		cmocka_unit_test(test_views_swap_under_load), cmocka_unit_test(test_cloaked_tracker_is_blocked), cmocka_unit_test(test_big_answer),
		cmocka_unit_test(test_stop_answers_what_is_out), cmocka_unit_test(test_reload), cmocka_unit_test(test_records_reach_the_bus),
		cmocka_unit_test(test_rings_of_a_killed_process), cmocka_unit_test(test_local_file_rotates), cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, up, down);
}
