/* The upstream door's twin: a function makes the replies, in the order of the queries; a mute one ends at its deadline.
 * As with the real one a query stays open after its reply. Out of memory ends the process. Start at mem_poll(). */
#include "io/upstream.h"

#include <stdlib.h>

enum { OPEN_MAX = 4096 };

struct query {
	struct query *next;
	uint64_t tag;
	fl_mono_ns deadline;
	char address[FL_UPSTREAM_ADDRESS];
	bool tcp, asked;
	struct fl_buf msg;
};

struct door {
	struct fl_upstream upstream;
	fl_upstream_answer *answer;
	void *ctx;
	struct query *first;
	size_t n;
	struct fl_buf reply;
};

static int mem_send(struct fl_upstream *u, const char *address, bool tcp, struct fl_span msg, fl_mono_ns deadline, uint64_t tag,
		    struct fl_err *err)
{
	struct door *d = (struct door *)u;
	struct query *q, **end = &d->first;

	if (d->n == OPEN_MAX)
		return fl_err_set(err, FL_ELIMIT, "upstream %s: %d queries are open", address, OPEN_MAX);
	q = calloc(1, sizeof(*q));
	if (!q)
		abort();
	*q = (struct query){ .tag = tag, .deadline = deadline, .tcp = tcp };
	snprintf(q->address, sizeof(q->address), "%s", address);
	fl_buf_add(&q->msg, msg.p, msg.n);
	if (q->msg.failed)
		abort();
	while (*end)
		end = &(*end)->next;
	*end = q;
	d->n++;
	return 0;
}

static void drop(struct door *d, struct query **at)
{
	struct query *q = *at;

	*at = q->next;
	d->n--;
	fl_buf_done(&q->msg);
	free(q);
}

/* True when the query has something to say; a code other than 0 closes it. */
static bool ask(struct door *d, struct query *q, fl_mono_ns now, struct fl_upstream_reply *out)
{
	int code = q->asked ? FL_ELIMIT : 0;

	if (!q->asked) {
		q->asked = true;
		fl_buf_reset(&d->reply);
		code = d->answer(d->ctx, q->address, q->tcp, fl_buf_span(&q->msg), &d->reply);
	}
	if (code == FL_ELIMIT && now < q->deadline)
		return false;
	*out = (struct fl_upstream_reply){ .tag = q->tag, .code = code };
	if (code == 0)
		out->msg = fl_buf_span(&d->reply);
	return true;
}

static int mem_poll(struct fl_upstream *u, fl_mono_ns now, struct fl_upstream_reply *out)
{
	struct door *d = (struct door *)u;

	for (struct query **at = &d->first; *at; at = &(*at)->next)
		if (ask(d, *at, now, out)) {
			if (out->code < 0)
				drop(d, at);
			return 1;
		}
	return 0;
}

static void mem_cancel(struct fl_upstream *u, uint64_t tag)
{
	struct door *d = (struct door *)u;

	for (struct query **at = &d->first; *at; at = &(*at)->next)
		if ((*at)->tag == tag) {
			drop(d, at);
			return;
		}
}

static int mem_fd(struct fl_upstream *u)
{
	(void)u;
	return -1;
}

static void mem_close(struct fl_upstream *u)
{
	struct door *d = (struct door *)u;

	while (d->first)
		drop(d, &d->first);
	fl_buf_done(&d->reply);
	free(d);
}

static const struct fl_upstream_ops mem_ops = { mem_send, mem_poll, mem_cancel, mem_fd, mem_close };

struct fl_upstream *fl_upstream_mem_open(fl_upstream_answer *answer, void *ctx)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->upstream.ops = &mem_ops;
	d->answer = answer;
	d->ctx = ctx;
	return &d->upstream;
}
