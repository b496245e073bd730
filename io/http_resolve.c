/* The answers of resolvers that were named by the operator are believed: what address a feed may be fetched from is
 * judged where it is connected to, whoever gave it. Start at fl__resolver_poll(). */
#include "io/http_resolve.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/dname.h"
#include "io/clock.h"

enum { HEADER = 12, ROUNDS = 2, QUERY_MAX = HEADER + FL_DNAME_MAX + 4, TYPE_A = 1, TYPE_AAAA = 28, RCODE_NXDOMAIN = 3 };
#define PATIENCE (2 * FL_NS_PER_S) /* with one resolver */

struct query {
	uint16_t type, id;
	unsigned tries;
	bool tcp, done;
};

struct ask {
	struct ask *next;
	struct fl_dname name;
	fl_mono_ns deadline;
	struct query q[2];
	struct fl__resolved got;
};

struct fl__resolver {
	struct fl_upstream *up;
	char (*servers)[FL_UPSTREAM_ADDRESS];
	size_t n;
	struct ask *first;
};

int fl__resolver_open(const char *const *servers, size_t n, struct fl__resolver **out, struct fl_err *err)
{
	struct fl__resolver *r = calloc(1, sizeof(*r));
	int ret = FL_ENOMEM;

	if (!r)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	r->n = n;
	r->servers = calloc(n, sizeof(*r->servers));
	if (r->servers)
		ret = fl_upstream_net_open(&r->up, err);
	if (ret < 0) {
		fl__resolver_close(r);
		return ret;
	}
	for (size_t i = 0; i < n; i++)
		snprintf(r->servers[i], sizeof(r->servers[i]), "%s", servers[i]);
	*out = r;
	return 0;
}

void fl__resolver_close(struct fl__resolver *r)
{
	if (!r)
		return;
	while (r->first)
		fl__resolver_cancel(r, r->first->got.id);
	if (r->up)
		r->up->ops->close(r->up);
	free(r->servers);
	free(r);
}

int fl__resolver_fd(const struct fl__resolver *r)
{
	return r->up->ops->fd(r->up);
}

bool fl__resolver_idle(const struct fl__resolver *r)
{
	return !r->first;
}

static uint64_t tag_of(const struct ask *a, const struct query *q)
{
	return a->got.id * 2 + (q == &a->q[1]);
}

/* --- messages --- */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static size_t query_pack(const struct ask *a, const struct query *q, uint8_t out[QUERY_MAX])
{
	const uint8_t head[HEADER] = {
		(uint8_t)(q->id >> 8), (uint8_t)q->id, 1, 0, 0, 1
	}; /* recursion desired, one question */
	const uint8_t tail[4] = { (uint8_t)(q->type >> 8), (uint8_t)q->type, 0, 1 };

	memcpy(out, head, HEADER);
	memcpy(out + HEADER, a->name.b, a->name.len);
	memcpy(out + HEADER + a->name.len, tail, 4);
	return HEADER + a->name.len + 4u;
}

/* Is this an answer to that question? */
static bool is_reply(const struct ask *a, const struct query *q, struct fl_span msg)
{
	uint8_t asked[QUERY_MAX];
	size_t n = query_pack(a, q, asked);

	return msg.n >= n && be16(msg.p) == q->id && (msg.p[2] & 0xf8) == 0x80 && be16(msg.p + 4) == 1 &&
	       memcmp(msg.p + HEADER, asked + HEADER, n - HEADER) == 0;
}

/* Behind a name that may be compressed; SIZE_MAX when it is cut off. */
static size_t name_skip(struct fl_span msg, size_t at)
{
	while (at < msg.n) {
		if (msg.p[at] == 0)
			return at + 1;
		if (msg.p[at] >= 0xc0)
			return at + 2;
		at += msg.p[at] + 1u;
	}
	return SIZE_MAX;
}

/* The addresses of the answer section; of an alias's chain, the end is all that there is of this type. */
static void take_addresses(struct fl__resolved *got, const struct query *q, struct fl_span msg, size_t at)
{
	for (unsigned left = be16(msg.p + 6); left && got->n < FL__RESOLVED_MAX; left--) {
		size_t rdata;
		uint16_t n;

		at = name_skip(msg, at);
		if (at > msg.n || msg.n - at < 10)
			return;
		n = be16(msg.p + at + 8);
		rdata = at + 10;
		if (msg.n - rdata < n)
			return;
		if (be16(msg.p + at) == q->type && be16(msg.p + at + 2) == 1 && n == (q->type == TYPE_A ? 4 : 16) &&
		    inet_ntop(q->type == TYPE_A ? AF_INET : AF_INET6, msg.p + rdata, got->text[got->n],
			      INET6_ADDRSTRLEN))
			got->n++;
		at = rdata + n;
	}
}

/* --- one question --- */

/* To the next resolver, or to nobody any more. */
static void query_send(struct fl__resolver *r, struct ask *a, struct query *q, fl_mono_ns now)
{
	uint8_t msg[QUERY_MAX];
	fl_mono_ns until = now + PATIENCE < a->deadline ? now + PATIENCE : a->deadline;

	for (; q->tries < ROUNDS * r->n && now < a->deadline; q->tries++) {
		size_t n;

		q->id = (uint16_t)fl_random_u64(fl_random_sys());
		n = query_pack(a, q, msg);
		if (r->up->ops->send(r->up, r->servers[q->tries % r->n], q->tcp, fl_span(msg, n), until, tag_of(a, q),
				     NULL) == 0)
			return;
	}
	q->done = true;
}

static void query_next(struct fl__resolver *r, struct ask *a, struct query *q, fl_mono_ns now)
{
	q->tries++;
	q->tcp = false;
	query_send(r, a, q, now);
}

static void query_reply(struct fl__resolver *r, struct ask *a, struct query *q, struct fl_span msg, fl_mono_ns now)
{
	unsigned rcode;

	if (!is_reply(a, q, msg))
		return; /* the wait goes on */
	rcode = msg.p[3] & 15;
	if ((msg.p[2] & 2) == 0 && rcode == 0)
		take_addresses(&a->got, q, msg, HEADER + a->name.len + 4u);
	r->up->ops->cancel(r->up, tag_of(a, q));
	if ((msg.p[2] & 2) && !q->tcp) {
		q->tcp = true;
		query_send(r, a, q, now);
	} else if (rcode == 0 || rcode == RCODE_NXDOMAIN) {
		a->got.absent = a->got.absent || rcode == RCODE_NXDOMAIN;
		q->done = true;
	} else
		query_next(r, a, q, now);
}

/* --- names --- */

int fl__resolver_ask(struct fl__resolver *r, uint64_t id, const char *host, fl_mono_ns now, fl_mono_ns deadline)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return FL_ENOMEM;
	if (!fl_dname_from_text(fl_span_str(host), &a->name)) {
		free(a);
		return FL_EFORMAT;
	}
	a->got.id = id;
	a->deadline = deadline;
	a->q[0].type = TYPE_A;
	a->q[1].type = TYPE_AAAA;
	a->next = r->first;
	r->first = a;
	query_send(r, a, &a->q[0], now);
	query_send(r, a, &a->q[1], now);
	return 0;
}

void fl__resolver_cancel(struct fl__resolver *r, uint64_t id)
{
	struct ask **at = &r->first, *a;

	while (*at && (*at)->got.id != id)
		at = &(*at)->next;
	a = *at;
	if (!a)
		return;
	for (size_t i = 0; i < 2; i++)
		if (!a->q[i].done)
			r->up->ops->cancel(r->up, tag_of(a, &a->q[i]));
	*at = a->next;
	free(a);
}

static void take_replies(struct fl__resolver *r, fl_mono_ns now)
{
	struct fl_upstream_reply reply;

	while (r->up->ops->poll(r->up, now, &reply) == 1) {
		struct ask *a = r->first;
		struct query *q;

		while (a && a->got.id != reply.tag / 2)
			a = a->next;
		q = a ? &a->q[reply.tag % 2] : NULL;
		if (!q || q->done)
			continue;
		if (reply.code < 0)
			query_next(r, a, q, now);
		else
			query_reply(r, a, q, reply.msg, now);
	}
}

int fl__resolver_poll(struct fl__resolver *r, fl_mono_ns now, struct fl__resolved *out)
{
	take_replies(r, now);
	for (struct ask *a = r->first; a; a = a->next)
		if (a->q[0].done && a->q[1].done) {
			*out = a->got;
			fl__resolver_cancel(r, a->got.id);
			return 1;
		}
	return 0;
}
