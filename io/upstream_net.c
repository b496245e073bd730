/* The upstream door over sockets. Each UDP query has a socket of its own, connected to its upstream: the kernel draws the
 * source port, takes only what comes from that address and port, and tells of an ICMP refusal. Each TCP query has a
 * connection of its own. Nothing here waits: sockets do not block, and poll only looks.
 *
 *   slots[0..4095]: free or one query; gen counts its uses, so that an event of a query gone before is known as such
 *   by_tag: chains of open slots, for cancel
 *
 * Start at net_send() and net_poll(). */
#include "io/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

enum { OPEN_MAX = 4096, EVENTS = 64, MESSAGE_MAX = 65535, CHAINS = 4096 };
#define NONE (-1)

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct slot {
	int fd; /* -1: free */
	bool tcp, sending;
	uint32_t gen;
	uint64_t tag;
	fl_mono_ns deadline;
	int next; /* in its chain, or of the free ones */
	struct fl_buf out; /* TCP: length and message; sent up to `at` */
	struct fl_buf in;  /* TCP: length and message so far */
	size_t at;
};

struct door {
	struct fl_upstream upstream;
	int ep;
	int free_first, n_open, top; /* slots from top on were never used */
	fl_mono_ns earliest;	     /* no deadline is before it */
	struct epoll_event events[EVENTS];
	int n_events, next_event;
	int by_tag[CHAINS];
	struct slot slots[OPEN_MAX];
	uint8_t message[MESSAGE_MAX];
};

/* --- address --- */

static bool port_parse(const char *s, uint16_t *out)
{
	uint64_t v;

	if (!fl_u64_parse(fl_span_str(s), &v) || v == 0 || v > 65535)
		return false;
	*out = htons((uint16_t)v);
	return true;
}

static bool v6_parse(const char *text, size_t n, struct sockaddr_in6 *out)
{
	char host[FL_UPSTREAM_ADDRESS], *zone;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	zone = strchr(host, '%');
	if (zone) {
		*zone++ = '\0';
		out->sin6_scope_id = if_nametoindex(zone);
		if (out->sin6_scope_id == 0)
			return false;
	}
	out->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, host, &out->sin6_addr) == 1;
}

static socklen_t address_parse(const char *text, union address *out)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	char host[INET_ADDRSTRLEN];
	uint16_t port;

	*out = (union address){ 0 };
	if (!colon || !port_parse(colon + 1, &port))
		return 0;
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		out->v6.sin6_port = port;
		return v6_parse(text + 1, n - 2, &out->v6) ? sizeof(out->v6) : 0;
	}
	if (n >= sizeof(host))
		return 0;
	memcpy(host, text, n);
	host[n] = '\0';
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = port;
	return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? sizeof(out->v4) : 0;
}

/* --- slots --- */

static int *chain_of(struct door *d, uint64_t tag)
{
	return &d->by_tag[(tag * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
}

static struct slot *slot_take(struct door *d)
{
	struct slot *s;

	if (d->free_first != NONE) {
		s = &d->slots[d->free_first];
		d->free_first = s->next;
	} else
		s = &d->slots[d->top++];
	d->n_open++;
	return s;
}

static void slot_give(struct door *d, struct slot *s)
{
	s->fd = -1;
	s->gen++;
	s->next = d->free_first;
	d->free_first = (int)(s - d->slots);
	d->n_open--;
}

static void slot_close(struct door *d, struct slot *s)
{
	int *at = chain_of(d, s->tag), index = (int)(s - d->slots);

	while (*at != index)
		at = &d->slots[*at].next;
	*at = s->next;
	close(s->fd); /* leaves the epoll set by itself */
	fl_buf_done(&s->out);
	fl_buf_done(&s->in);
	slot_give(d, s);
}

/* --- sending --- */

static int unreachable(struct fl_err *err, const char *address, const char *what)
{
	return fl_err_set(err, FL_EUNAVAIL, "upstream %s: %s: %s", address, what, strerror(errno));
}

/* The source port: connect() binds an unbound socket to one that the kernel draws at random. */
static int open_socket(struct slot *s, const char *address, bool tcp, struct fl_err *err)
{
	union address to;
	socklen_t n = address_parse(address, &to);
	int one = 1;

	if (n == 0)
		return fl_err_set(err, FL_EUSAGE, "upstream '%.100s': not an address with a port", address);
	s->fd = socket(to.sa.sa_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return fl_err_set(err, errno == EMFILE || errno == ENFILE ? FL_ELIMIT : FL_EUNAVAIL, "upstream %s: socket: %s", address,
				  strerror(errno));
	if (tcp)
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(s->fd, &to.sa, n) < 0 && errno != EINPROGRESS)
		return unreachable(err, address, "connect");
	return 0;
}

static int send_first(struct slot *s, const char *address, struct fl_span msg, struct fl_err *err)
{
	const uint8_t length[2] = { (uint8_t)(msg.n >> 8), (uint8_t)msg.n };

	if (s->tcp) { /* goes out once connected */
		fl_buf_add(&s->out, length, sizeof(length));
		fl_buf_add(&s->out, msg.p, msg.n);
		return s->out.failed ? fl_err_set(err, FL_ENOMEM, "upstream %s: out of memory", address) : 0;
	}
	return send(s->fd, msg.p, msg.n, MSG_NOSIGNAL) < 0 ? unreachable(err, address, "send") : 0;
}

static int watch(struct door *d, struct slot *s, int op)
{
	struct epoll_event ev = { .events = s->sending ? EPOLLOUT : EPOLLIN };

	ev.data.u64 = (uint64_t)s->gen << 32 | (uint64_t)(s - d->slots);
	return epoll_ctl(d->ep, op, s->fd, &ev);
}

static int net_send(struct fl_upstream *u, const char *address, bool tcp, struct fl_span msg, fl_mono_ns deadline, uint64_t tag,
		    struct fl_err *err)
{
	struct door *d = (struct door *)u;
	struct slot *s;
	int ret, *chain;

	if (msg.n > MESSAGE_MAX)
		return fl_err_set(err, FL_EUSAGE, "upstream %s: a message has at most %d octets", address, MESSAGE_MAX);
	if (d->n_open == OPEN_MAX)
		return fl_err_set(err, FL_ELIMIT, "upstream %s: %d queries are open", address, OPEN_MAX);
	s = slot_take(d);
	*s = (struct slot){ .fd = -1, .tcp = tcp, .sending = tcp, .gen = s->gen, .tag = tag, .deadline = deadline };
	ret = open_socket(s, address, tcp, err);
	if (ret == 0)
		ret = send_first(s, address, msg, err);
	if (ret == 0 && watch(d, s, EPOLL_CTL_ADD) < 0)
		ret = unreachable(err, address, "epoll");
	if (ret < 0) {
		if (s->fd >= 0)
			close(s->fd);
		fl_buf_done(&s->out);
		slot_give(d, s);
		return ret;
	}
	chain = chain_of(d, tag);
	s->next = *chain;
	*chain = (int)(s - d->slots);
	if (deadline < d->earliest)
		d->earliest = deadline;
	return 0;
}

/* --- receiving: each returns 1 and a reply, or 0 --- */

static int closed(struct door *d, struct slot *s, int code, struct fl_upstream_reply *out)
{
	*out = (struct fl_upstream_reply){ .tag = s->tag, .code = code };
	slot_close(d, s);
	return 1;
}

static int take_datagram(struct door *d, struct slot *s, struct fl_upstream_reply *out)
{
	ssize_t n = recv(s->fd, d->message, sizeof(d->message), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0; /* a bad checksum is found out only now */
	if (n < 0)
		return closed(d, s, FL_EUNAVAIL, out);
	*out = (struct fl_upstream_reply){ .tag = s->tag, .msg = fl_span(d->message, (size_t)n) };
	return 1;
}

static int push_stream(struct door *d, struct slot *s, struct fl_upstream_reply *out)
{
	ssize_t n = send(s->fd, s->out.p + s->at, s->out.n - s->at, MSG_NOSIGNAL); /* a failed connect shows here too */

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return closed(d, s, FL_EUNAVAIL, out);
	s->at += (size_t)n;
	if (s->at < s->out.n)
		return 0;
	fl_buf_done(&s->out);
	s->sending = false;
	return watch(d, s, EPOLL_CTL_MOD) < 0 ? closed(d, s, FL_EUNAVAIL, out) : 0;
}

/* Reads up to the end of one message and no further: the next one stays in the socket. */
static int take_stream(struct door *d, struct slot *s, struct fl_upstream_reply *out)
{
	size_t whole = s->in.n < 2 ? 2 : 2 + ((size_t)s->in.p[0] << 8 | s->in.p[1]);
	ssize_t n;

	if (!fl_buf_reserve(&s->in, whole - s->in.n))
		return closed(d, s, FL_EUNAVAIL, out);
	n = recv(s->fd, s->in.p + s->in.n, whole - s->in.n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return closed(d, s, FL_EUNAVAIL, out);
	s->in.n += (size_t)n;
	if (s->in.n == 2)
		whole = 2 + ((size_t)s->in.p[0] << 8 | s->in.p[1]);
	if (s->in.n < 2 || s->in.n < whole)
		return 0;
	memcpy(d->message, s->in.p + 2, whole - 2);
	fl_buf_reset(&s->in);
	*out = (struct fl_upstream_reply){ .tag = s->tag, .msg = fl_span(d->message, whole - 2) };
	return 1;
}

static int take_event(struct door *d, const struct epoll_event *ev, struct fl_upstream_reply *out)
{
	struct slot *s = &d->slots[ev->data.u64 & UINT32_MAX];

	if (s->fd < 0 || s->gen != (uint32_t)(ev->data.u64 >> 32))
		return 0; /* cancelled since */
	if (!s->tcp)
		return take_datagram(d, s, out);
	return s->sending ? push_stream(d, s, out) : take_stream(d, s, out);
}

static int take_overdue(struct door *d, fl_mono_ns now, struct fl_upstream_reply *out)
{
	struct slot *late = NULL;
	fl_mono_ns earliest = FL_MONO_NEVER;

	if (now < d->earliest)
		return 0;
	for (int i = 0; i < d->top; i++) {
		struct slot *s = &d->slots[i];

		if (s->fd < 0)
			continue;
		if (!late && s->deadline <= now)
			late = s;
		else if (s->deadline < earliest)
			earliest = s->deadline;
	}
	d->earliest = earliest;
	return late ? closed(d, late, FL_ELIMIT, out) : 0;
}

/* Replies before deadlines: what arrived in time counts, however late we look. */
static int net_poll(struct fl_upstream *u, fl_mono_ns now, struct fl_upstream_reply *out)
{
	struct door *d = (struct door *)u;

	for (int rounds = 0; rounds < 2; rounds++) {
		while (d->next_event < d->n_events)
			if (take_event(d, &d->events[d->next_event++], out))
				return 1;
		d->next_event = 0;
		d->n_events = epoll_wait(d->ep, d->events, EVENTS, 0);
		if (d->n_events <= 0) {
			d->n_events = 0;
			break;
		}
	}
	return take_overdue(d, now, out);
}

static void net_cancel(struct fl_upstream *u, uint64_t tag)
{
	struct door *d = (struct door *)u;

	for (int i = *chain_of(d, tag); i != NONE; i = d->slots[i].next)
		if (d->slots[i].tag == tag) {
			slot_close(d, &d->slots[i]);
			return;
		}
}

static int net_fd(struct fl_upstream *u)
{
	return ((struct door *)u)->ep;
}

static void net_close(struct fl_upstream *u)
{
	struct door *d = (struct door *)u;

	for (int i = 0; i < d->top; i++)
		if (d->slots[i].fd >= 0)
			slot_close(d, &d->slots[i]);
	close(d->ep);
	free(d);
}

static const struct fl_upstream_ops net_ops = { net_send, net_poll, net_cancel, net_fd, net_close };

int fl_upstream_net_open(struct fl_upstream **out, struct fl_err *err)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		return fl_err_set(err, FL_ENOMEM, "upstream: out of memory");
	d->upstream.ops = &net_ops;
	d->free_first = NONE;
	d->earliest = FL_MONO_NEVER;
	for (int i = 0; i < CHAINS; i++)
		d->by_tag[i] = NONE;
	d->ep = epoll_create1(EPOLL_CLOEXEC);
	if (d->ep < 0) {
		free(d);
		return fl_err_set(err, FL_EUNAVAIL, "upstream: epoll: %s", strerror(errno));
	}
	*out = &d->upstream;
	return 0;
}
