/* A whole server on loopback sockets, for tests: a policy (answer_help.h), a tap that counts records, a forwarder that is the test's own, clients by UDP and TCP. */
#pragma once
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

static inline void on_record(void *ctx, const struct fl_qlog *q, struct fl_span json)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->records++;
	w->blocked += q->action == FL_ACTION_BLOCK;
	w->old_boot += q->boot == 1;
	snprintf(w->last, sizeof(w->last), "%.*s", (int)json.n, (const char *)json.p);
	pthread_mutex_unlock(&w->lock);
}

static inline int bound(int type, struct sockaddr_in *at, in_addr_t address, bool shared)
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
static inline void start(struct world *w, struct fl_upstream *upstream)
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

static inline struct world *open_world(void)
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

static inline void stop(struct world *w)
{
	fl_server_stop(w->server, WAIT_MS);
	w->server = NULL;
}

static inline unsigned empty_folder(const char *folder, const char *prefix)
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

static inline void close_world(struct world *w)
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

static inline int udp_client(const struct world *w, const char *server)
{
	struct sockaddr_in to = w->udp;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(inet_pton(AF_INET, server, &to.sin_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0); /* so only answers from there come in */
	return fd;
}

/* Octets of the answer, 0: none came. */
static inline size_t receive(int fd, uint8_t *buf, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return 0;
	n = recv(fd, buf, cap, 0);
	return n > 0 ? (size_t)n : 0;
}

static inline size_t ask(int fd, uint16_t id, const char *name, unsigned type, uint8_t *buf, size_t cap)
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

static inline bool wait_for(struct world *w, const uint64_t *counter, uint64_t least)
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


static inline int forward(void *ctx, const char *address, bool tcp, struct fl_span query, struct fl_buf *reply)
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

static inline void with_forwarder(struct world *w)
{
	static const char *const servers[] = { "192.0.2.53:53" };

	w->upstream = (struct fl_cfg_upstream){ .name = "isp", .servers = servers, .n_servers = 1, .timeout_ms = 2000, .retries = 0 };
	w->cfg.upstream_builtin = false;
	w->cfg.upstreams = &w->upstream;
	w->cfg.n_upstreams = 1;
	start(w, fl_upstream_mem_open(forward, NULL));
}


static inline int tcp_client(const struct world *w)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&w->tcp, sizeof(w->tcp)), 0);
	return fd;
}
static inline void put_framed(struct fl_buf *out, uint16_t id, const char *name)
{
	struct fl_buf q = wquery(id, name, 1, 0, false);

	w16(out, (unsigned)q.n);
	fl_buf_add(out, q.p, q.n);
	fl_buf_done(&q);
}
/* One framed message; its length, 0 at the end of the stream, -1: nothing came. */
static inline int read_framed(int fd, uint8_t *buf, size_t cap)
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


static inline void ask_some(struct world *w, unsigned n)
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

static inline int up(void **state)
{
	(void)state;
	fl_rcu_thread_init();
	return 0;
}
static inline int down(void **state)
{
	(void)state;
	fl_rcu_thread_done();
	return 0;
}
