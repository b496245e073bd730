/* TCP clients: one thread, epoll, pipelining and answers out of order (RFC 7766, 9210). A client that is slow, idle or greedy is closed; UDP does not notice. A connection's number carries a
 * generation, so that an answer that comes late never reaches whoever has the slot now. */
#include "enforcer/server_int.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_FLIGHT_MAX = 32, OUT_MAX = 256 << 10, OUT_HOLD = 64 << 10, QUESTION_MAX = 4096, READ = 4096, LATE_S = 15, BREATH_US = 10000, EVENTS = 64, SWEEP_MS = 200, FIRST_MS = 5000, ADDRESS_MAX = 128, SLOTS_MAX = 65536 };

struct conn {
	int fd; /* -1: free */
	uint32_t generation;
	union fl__addr peer;
	struct fl_buf in, out;
	size_t out_at;
	uint32_t in_flight;
	bool eof;
	fl_mono_ns since; /* of the last whole message, or of the accept */
	bool served;	  /* one whole message came */
};

struct fl__tcp {
	struct fl_server *s;
	int epoll;
	struct conn *v;
	uint32_t n, open;
	fl_mono_ns idle, sweep_at;
	uint8_t *answer; /* FL__MSG_MAX */
	bool closed; /* takes no more questions */
};

static uint64_t number_of(const struct fl__tcp *x, const struct conn *c)
{
	return (uint64_t)c->generation << 32 | (uint64_t)(c - x->v);
}

static struct conn *conn_of(struct fl__tcp *x, uint64_t number)
{
	uint32_t slot = (uint32_t)number;

	if (slot >= x->n || x->v[slot].fd < 0 || x->v[slot].generation != (uint32_t)(number >> 32))
		return NULL;
	return &x->v[slot];
}

static void close_conn(struct fl__tcp *x, struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->generation++;
	fl_buf_done(&c->in);
	fl_buf_done(&c->out);
	x->open--;
}

static void watch(struct fl__tcp *x, struct conn *c)
{
	struct epoll_event e = { .data.u64 = number_of(x, c) };
	bool reading = !x->closed && !c->eof && c->in_flight < IN_FLIGHT_MAX && c->out.n - c->out_at < OUT_HOLD;

	e.events = (reading ? EPOLLIN : 0u) | (c->out.n > c->out_at ? EPOLLOUT : 0u);
	epoll_ctl(x->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

/* False: the connection was closed. */
static bool flush(struct fl__tcp *x, struct conn *c)
{
	while (c->out.n > c->out_at) {
		ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			c->out_at += (size_t)n;
		else if (n < 0 && errno == EINTR)
			continue;
		else if (n < 0 && errno == EAGAIN)
			break;
		else {
			close_conn(x, c);
			return false;
		}
	}
	if (c->out_at == c->out.n) {
		fl_buf_reset(&c->out);
		c->out_at = 0;
	}
	return true;
}

static bool queue_answer(struct fl__tcp *x, struct conn *c, const uint8_t *p, size_t n)
{
	uint8_t len[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	if (c->out.n - c->out_at + n + 2 > OUT_MAX) { /* it asks and does not read */
		close_conn(x, c);
		return false;
	}
	if (c->out_at) {
		memmove(c->out.p, c->out.p + c->out_at, c->out.n - c->out_at);
		c->out.n -= c->out_at;
		c->out_at = 0;
	}
	fl_buf_add(&c->out, len, 2);
	fl_buf_add(&c->out, p, n);
	if (c->out.failed) {
		close_conn(x, c);
		return false;
	}
	return true;
}

/* One whole message. False: the connection was closed. */
static bool handle(struct fl__tcp *x, struct conn *c, struct fl_span msg)
{
	struct fl_server *s = x->s;
	struct fl__thread *t = &s->threads[s->tcp_number];
	struct fl_job job = { .tcp = true, .conn = number_of(x, c), .peer = c->peer, .received = fl_now_mono(s->c.clock) };
	struct fl__out o = { x->answer, 0, FL__MSG_MAX };
	struct fl__ask a = { .job = &job };
	enum fl__admitted admitted;
	const struct fl__settings *st;
	fl_unix_us now_us = fl_now_unix(s->c.clock);
	bool answered, stranger;

	fl__bump(&t->counters.queries_tcp);
	a.parsed = fl__question_parse(msg, &job.q);
	if (a.parsed == FL__PARSED_DROP) { /* what speaks no DNS is not spoken to */
		fl__bump(&t->counters.lost[FL__LOST_MALFORMED]);
		close_conn(x, c);
		return false;
	}
	fl_rcu_read_lock();
	st = fl_rcu_load(&s->settings);
	admitted = fl__admit(t, st, &a, &job, job.received, now_us, &o);
	answered = admitted != FL__ADMIT_ASK;
	stranger = answered && !fl__admit_peer(st, &c->peer);
	if (!answered) {
		fl__look_up(t, &a, job.received);
		answered = fl__respond(t, fl_rcu_load(&s->view), st, &a, job.received, now_us, &o);
	}
	fl_rcu_read_unlock();
	if (admitted == FL__ADMIT_DROP) {
		close_conn(x, c);
		return false;
	}
	if (stranger) /* it has its answer: the slot is for others */
		c->eof = true;
	if (a.refresh && fl__hand_on_refresh(t, &job))
		fl__resolve_kick(s);
	if (answered)
		return o.n == 0 || queue_answer(x, c, o.p, o.n);
	if (!fl__hand_on(t, &job))
		return true;
	c->in_flight++;
	fl__resolve_kick(s);
	return true;
}

/* All whole messages in the buffer, as far as the connection may have questions and answers out. False: the connection was closed. */
static bool take_messages(struct fl__tcp *x, struct conn *c)
{
	size_t at = 0;

	while (!x->closed && c->in.n - at >= 2 && c->in_flight < IN_FLIGHT_MAX && c->out.n - c->out_at < OUT_HOLD) {
		size_t n = fl__be16(c->in.p + at);

		if (n == 0 || n > QUESTION_MAX) { /* no question is that long */
			fl__bump(&x->s->threads[x->s->tcp_number].counters.queries_tcp);
			fl__bump(&x->s->threads[x->s->tcp_number].counters.lost[FL__LOST_MALFORMED]);
			close_conn(x, c);
			return false;
		}
		if (c->in.n - at - 2 < n)
			break;
		c->since = fl_now_mono(x->s->c.clock);
		c->served = true;
		if (!handle(x, c, fl_span(c->in.p + at + 2, n)))
			return false;
		at += n + 2;
	}
	if (at) {
		memmove(c->in.p, c->in.p + at, c->in.n - at);
		c->in.n -= at;
	}
	return true;
}

static bool read_conn(struct fl__tcp *x, struct conn *c)
{
	for (int i = 0; i < 4; i++) {
		ssize_t n;

		if (c->in.n >= QUESTION_MAX + 2u)
			break;
		if (!fl_buf_reserve(&c->in, READ)) {
			close_conn(x, c);
			return false;
		}
		n = recv(c->fd, c->in.p + c->in.n, READ, MSG_DONTWAIT);
		if (n > 0) {
			c->in.n += (size_t)n;
			if (n < READ)
				break;
		} else if (n == 0) {
			c->eof = true;
			break;
		} else if (errno == EINTR)
			continue;
		else if (errno == EAGAIN)
			break;
		else {
			close_conn(x, c);
			return false;
		}
	}
	return true;
}

/* Answers out, questions in, until neither moves. */
static void pump(struct fl__tcp *x, struct conn *c)
{
	size_t before;

	do {
		if (!flush(x, c))
			return;
		before = c->in.n;
		if (!take_messages(x, c))
			return;
	} while (c->in.n != before);
	if (c->eof && c->in_flight == 0 && c->out.n == 0) /* half-closed: it has had all its answers */
		close_conn(x, c);
	else
		watch(x, c);
}

static void serve(struct fl__tcp *x, struct conn *c, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
		close_conn(x, c);
		return;
	}
	if (events & EPOLLIN && !read_conn(x, c))
		return;
	pump(x, c);
}

/* --- accept, idle, late answers --- */

static uint32_t connections_of(const struct fl__tcp *x, const union fl__addr *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < x->n; i++) {
		const struct conn *c = &x->v[i];

		if (c->fd < 0 || c->peer.sa.sa_family != a->sa.sa_family)
			continue;
		n += a->sa.sa_family == AF_INET6 ? memcmp(&c->peer.in6.sin6_addr, &a->in6.sin6_addr, 16) == 0 :
						   c->peer.in.sin_addr.s_addr == a->in.sin_addr.s_addr;
	}
	return n;
}

/* One that would hear nothing is not let in at all. */
static bool unwelcome(struct fl__tcp *x, const union fl__addr *peer)
{
	const struct fl__settings *st;
	bool out;

	fl_rcu_read_lock();
	st = fl_rcu_load(&x->s->settings);
	out = st->drop_others && !fl__admit_peer(st, peer);
	fl_rcu_read_unlock();
	if (out)
		fl__bump(&x->s->threads[x->s->tcp_number].counters.strangers);
	return out;
}

static struct conn *free_slot(struct fl__tcp *x)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (x->v[i].fd < 0)
			return &x->v[i];
	return NULL;
}

static void accept_some(struct fl__tcp *x, int listener)
{
	for (int i = 0; i < 32; i++) {
		union fl__addr peer;
		socklen_t len = sizeof(peer);
		int fd = accept4(listener, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event e = { .events = EPOLLIN };
		struct conn *c;

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				usleep(BREATH_US); /* the listener stays readable: no busy loop */
			return;
		}
		if (unwelcome(x, &peer)) {
			close(fd);
			continue;
		}
		c = connections_of(x, &peer) < ADDRESS_MAX ? free_slot(x) : NULL;
		if (!c) {
			fl__bump(&x->s->threads[x->s->tcp_number].counters.tcp_refused);
			close(fd);
			continue;
		}
		c->fd = fd;
		c->peer = peer;
		c->in_flight = 0;
		c->out_at = 0;
		c->eof = c->served = false;
		c->since = fl_now_mono(x->s->c.clock);
		x->open++;
		e.data.u64 = number_of(x, c);
		if (epoll_ctl(x->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
			close_conn(x, c);
	}
}

static void sweep(struct fl__tcp *x, fl_mono_ns now)
{
	if (now < x->sweep_at)
		return;
	x->sweep_at = now + SWEEP_MS * FL_NS_PER_MS;
	for (uint32_t i = 0; i < x->n; i++) {
		struct conn *c = &x->v[i];
		fl_mono_ns limit = c->served || x->idle < FIRST_MS * FL_NS_PER_MS ? x->idle : FIRST_MS * FL_NS_PER_MS;

		if (x->open * 10 >= x->n * 9 && limit > 2 * FL_NS_PER_S)
			limit = 2 * FL_NS_PER_S; /* nearly full: less patience */
		if (c->in_flight)
			limit = LATE_S * FL_NS_PER_S; /* every answer comes within 5 s, or got lost on the way */
		if (c->fd >= 0 && now - c->since > limit)
			close_conn(x, c);
	}
}

static void late_answers(struct fl__tcp *x)
{
	struct fl_server *s = x->s;
	struct fl__tcp_reply *r;

	while ((r = fl__spsc_peek(&s->tcp_replies))) {
		struct conn *c = conn_of(x, r->conn);

		if (c) {
			c->in_flight--;
			c->since = fl_now_mono(s->c.clock);
			if (!r->msg || queue_answer(x, c, r->msg, r->n))
				pump(x, c);
		}
		free(r->msg);
		fl__spsc_pop(&s->tcp_replies);
	}
}

/* Before the end: what is out is still answered. */
static void close_door(struct fl__tcp *x)
{
	x->closed = true;
	for (size_t i = 0; i < x->s->n_tcp; i++)
		epoll_ctl(x->epoll, EPOLL_CTL_DEL, x->s->tcp_fds[i], NULL);
	for (uint32_t i = 0; i < x->n; i++)
		if (x->v[i].fd >= 0)
			watch(x, &x->v[i]);
}

void *fl__tcp_main(void *arg)
{
	struct fl__thread *t = arg;
	struct fl_server *s = t->server;
	struct fl__tcp *x = s->tcp;

	fl_rcu_thread_init();
	while (!atomic_load_explicit(&s->stopping, memory_order_relaxed)) {
		struct epoll_event e[EVENTS];
		int n = epoll_wait(x->epoll, e, EVENTS, SWEEP_MS / 2);

		for (int i = 0; i < n; i++) {
			uint64_t number = e[i].data.u64, drop;
			struct conn *c;

			if (number >= UINT64_MAX - FL__THREADS_MAX * 4) { /* a listener, or the event of late answers */
				size_t k = (size_t)(UINT64_MAX - number);

				if (k == 0) {
					if (read(s->tcp_event, &drop, sizeof(drop)) < 0)
						continue;
				} else
					accept_some(x, s->tcp_fds[k - 1]);
				continue;
			}
			c = conn_of(x, number);
			if (c)
				serve(x, c, e[i].events);
		}
		if (!x->closed && atomic_load_explicit(&s->closed, memory_order_relaxed))
			close_door(x);
		late_answers(x);
		sweep(x, fl_now_mono(s->c.clock));
	}
	fl_rcu_thread_done();
	return NULL;
}

int fl__tcp_open(struct fl_server *s, struct fl_err *err)
{
	struct fl__tcp *x = calloc(1, sizeof(*x));
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = UINT64_MAX };

	if (!x)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	x->s = s;
	s->tcp = x;
	x->n = 1024;
	x->idle = 10 * FL_NS_PER_S;
	for (size_t i = 0; i < s->c.cfg->n_listens; i++)
		if (s->c.cfg->listens[i].tcp) {
			if (s->c.cfg->listens[i].max_connections)
				x->n = s->c.cfg->listens[i].max_connections;
			if (s->c.cfg->listens[i].idle_timeout_ms)
				x->idle = s->c.cfg->listens[i].idle_timeout_ms * FL_NS_PER_MS;
		}
	if (x->n > SLOTS_MAX)
		x->n = SLOTS_MAX;
	x->v = calloc(x->n, sizeof(*x->v));
	for (uint32_t i = 0; x->v && i < x->n; i++)
		x->v[i].fd = -1;
	x->answer = malloc(FL__MSG_MAX);
	x->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!x->v || !x->answer || x->epoll < 0 || epoll_ctl(x->epoll, EPOLL_CTL_ADD, s->tcp_event, &e) < 0)
		return fl_err_set(err, FL_ENOMEM, "tcp: out of memory or descriptors");
	for (size_t i = 0; i < s->n_tcp; i++) {
		e.data.u64 = UINT64_MAX - 1 - i;
		if (epoll_ctl(x->epoll, EPOLL_CTL_ADD, s->tcp_fds[i], &e) < 0)
			return fl_err_set(err, FL_ELIMIT, "tcp: a listener cannot be watched");
	}
	return 0;
}

void fl__tcp_close(struct fl_server *s)
{
	struct fl__tcp *x = s->tcp;

	if (!x)
		return;
	for (uint32_t i = 0; x->v && i < x->n; i++)
		if (x->v[i].fd >= 0)
			close_conn(x, &x->v[i]);
	if (x->epoll >= 0)
		close(x->epoll);
	free(x->v);
	free(x->answer);
	free(x);
	s->tcp = NULL;
}
