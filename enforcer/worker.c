/* A UDP worker: receive a batch, answer what policy and cache can answer, hand the rest to the resolve thread, send the batch. Between receive and send it does not allocate, lock, log or
 * enter the kernel (one eventfd write a batch when something was handed on). */
#include "enforcer/server_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, PACKET = 4096, CONTROL = 64, IDLE_MS = 100 };

struct batch {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	union fl__addr peer[BATCH];
	uint8_t packet[BATCH][PACKET], answer[BATCH][FL__UDP_SIZE];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL], out_control[BATCH][CONTROL];
	struct fl_job job;
};

static void local_of(struct msghdr *m, struct fl__local *out)
{
	out->family = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo i;

			memcpy(&i, CMSG_DATA(c), sizeof(i));
			out->family = AF_INET;
			out->addr.v4 = i.ipi_spec_dst;
			out->ifindex = 0; /* routing chooses the way out */
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo i;

			memcpy(&i, CMSG_DATA(c), sizeof(i));
			out->family = AF_INET6;
			out->addr.v6 = i.ipi6_addr;
			out->ifindex = IN6_IS_ADDR_LINKLOCAL(&i.ipi6_addr) ? (unsigned)i.ipi6_ifindex : 0;
		}
	}
}

/* The control message that makes an answer leave from the address asked. */
static void local_put(struct msghdr *m, uint8_t *buf, const struct fl__local *l)
{
	struct cmsghdr *c;

	m->msg_control = NULL;
	m->msg_controllen = 0;
	if (!l->family)
		return;
	memset(buf, 0, CONTROL);
	m->msg_control = buf;
	m->msg_controllen = CONTROL;
	c = CMSG_FIRSTHDR(m);
	if (l->family == AF_INET) {
		struct in_pktinfo i = { .ipi_spec_dst = l->addr.v4 };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(i));
		memcpy(CMSG_DATA(c), &i, sizeof(i));
		m->msg_controllen = CMSG_SPACE(sizeof(i));
	} else {
		struct in6_pktinfo i = { .ipi6_addr = l->addr.v6, .ipi6_ifindex = l->ifindex };

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(i));
		memcpy(CMSG_DATA(c), &i, sizeof(i));
		m->msg_controllen = CMSG_SPACE(sizeof(i));
	}
}

static socklen_t addr_len(const union fl__addr *a)
{
	return a->sa.sa_family == AF_INET6 ? sizeof(a->in6) : sizeof(a->in);
}

bool fl__udp_send(int fd, const union fl__addr *peer, const struct fl__local *local, const uint8_t *p, size_t n)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL];
	union fl__addr to = *peer;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr m = { .msg_name = &to, .msg_namelen = addr_len(peer), .msg_iov = &iov, .msg_iovlen = 1 };

	local_put(&m, control, local);
	return sendmsg(fd, &m, MSG_DONTWAIT) == (ssize_t)n;
}

void fl__resolve_kick(struct fl_server *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->resolve_event, &one, sizeof(one));

	(void)n; /* full: it is readable already */
}

static void prepare(struct batch *b)
{
	memset(b, 0, sizeof(*b));
	for (int i = 0; i < BATCH; i++) {
		b->in_iov[i] = (struct iovec){ b->packet[i], PACKET };
		b->in[i].msg_hdr = (struct msghdr){ .msg_iov = &b->in_iov[i], .msg_iovlen = 1, .msg_name = &b->peer[i] };
		b->out[i].msg_hdr = (struct msghdr){ .msg_iov = &b->out_iov[i], .msg_iovlen = 1 };
	}
}

static int receive(struct fl__thread *t, struct batch *b)
{
	for (int i = 0; i < BATCH; i++) {
		struct msghdr *m = &b->in[i].msg_hdr;

		m->msg_namelen = sizeof(b->peer[i]);
		m->msg_control = b->control[i];
		m->msg_controllen = CONTROL;
		m->msg_flags = 0;
	}
	return recvmmsg(t->fd, b->in, BATCH, MSG_DONTWAIT, NULL);
}

/* 1: an answer stands in o; 0: none (dropped, or handed on). */
static int handle(struct fl__thread *t, struct batch *b, int i, const struct fl_view *view, const struct fl__settings *st, fl_mono_ns now, fl_unix_us now_us,
		  bool *handed_on, struct fl__out *o)
{
	struct fl_job *job = &b->job;
	struct fl__ask a = { .job = job };

	fl__bump(&t->counters.queries_udp);
	job->tcp = job->refresh = false;
	job->fd = t->fd;
	job->peer = b->peer[i];
	job->received = now;
	local_of(&b->in[i].msg_hdr, &job->local);
	a.parsed = b->in[i].msg_hdr.msg_flags & MSG_TRUNC ? FL__PARSED_DROP : fl__question_parse(fl_span(b->packet[i], b->in[i].msg_len), &job->q);
	if (a.parsed == FL__PARSED_DROP) {
		fl__bump(&t->counters.lost[FL__LOST_MALFORMED]);
		return 0;
	}
	o->cap = job->q.udp_size;
	switch (fl__admit(t, st, &a, job, now, now_us, o)) {
	case FL__ADMIT_SAID:
		return 1;
	case FL__ADMIT_DROP:
		return 0;
	case FL__ADMIT_ASK:
		break;
	}
	fl__look_up(t, &a, now);
	if (fl__respond(t, view, st, &a, now, now_us, o)) {
		if (a.refresh && fl__hand_on_refresh(t, job))
			*handed_on = true;
		return 1;
	}
	if (fl__hand_on(t, job))
		*handed_on = true;
	return 0;
}

static void send_all(struct fl__thread *t, struct batch *b, int n)
{
	int sent = 0;

	while (sent < n) {
		int k = sendmmsg(t->fd, b->out + sent, (unsigned)(n - sent), MSG_DONTWAIT);

		if (k > 0)
			sent += k;
		else if (k < 0 && errno == EINTR)
			continue;
		else { /* this one cannot leave; the rest still may */
			fl__bump(&t->counters.lost[FL__LOST_SEND]);
			sent++;
		}
	}
}

static void answer_batch(struct fl__thread *t, struct batch *b, int n)
{
	struct fl_server *s = t->server;
	fl_mono_ns now = fl_now_mono(s->c.clock);
	fl_unix_us now_us = fl_now_unix(s->c.clock);
	bool handed_on = false;
	int out = 0;

	fl_rcu_read_lock();
	const struct fl_view *view = fl_rcu_load(&s->view);
	const struct fl__settings *st = fl_rcu_load(&s->settings);

	for (int i = 0; i < n; i++) {
		struct fl__out o = { b->answer[out], 0, FL__UDP_SIZE };

		if (!handle(t, b, i, view, st, now, now_us, &handed_on, &o) || o.n == 0)
			continue;
		b->out_iov[out] = (struct iovec){ o.p, o.n };
		b->out[out].msg_hdr.msg_name = &b->peer[i];
		b->out[out].msg_hdr.msg_namelen = addr_len(&b->peer[i]);
		local_put(&b->out[out].msg_hdr, b->out_control[out], &b->job.local);
		out++;
	}
	fl_rcu_read_unlock();
	if (handed_on)
		fl__resolve_kick(s);
	send_all(t, b, out);
}

void *fl__worker_main(void *arg)
{
	struct fl__thread *t = arg;
	struct batch *b = malloc(sizeof(*b));

	if (!b)
		abort(); /* at start only; nothing can be answered */
	prepare(b);
	fl_rcu_thread_init();
	while (!atomic_load_explicit(&t->server->closed, memory_order_relaxed)) {
		int n = receive(t, b);

		if (n > 0)
			answer_batch(t, b, n);
		else {
			struct pollfd p = { .fd = t->fd, .events = POLLIN };

			poll(&p, 1, IDLE_MS);
		}
	}
	fl_rcu_thread_done();
	free(b);
	return NULL;
}
