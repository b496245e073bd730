/* A list under a lock: a finding's way is milliseconds of Redis and Kafka, so that this is never what it waits for. */
#include "ingest/intake.h"

#include <pthread.h>
#include <stdlib.h>

struct fl_intake {
	pthread_mutex_t lock;
	struct fl_intake_item *first, **last;
	size_t n, bytes;
	bool closed;
	void (*wake)(void *ctx);
	void *ctx;
};

int fl_intake_open(void (*wake)(void *ctx), void *ctx, struct fl_intake **out, struct fl_err *err)
{
	struct fl_intake *q = calloc(1, sizeof(*q));

	if (!q)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	pthread_mutex_init(&q->lock, NULL);
	q->last = &q->first;
	q->wake = wake;
	q->ctx = ctx;
	*out = q;
	return 0;
}

int fl_intake_push(struct fl_intake *q, struct fl_intake_item *item)
{
	bool was_empty = false;
	int ret = 0;

	item->next = NULL;
	pthread_mutex_lock(&q->lock);
	if (q->closed)
		ret = FL_EUNAVAIL;
	else if (q->n >= FL_INTAKE_ITEMS || (q->n && q->bytes + item->json.n > FL_INTAKE_BYTES))
		ret = FL_ELIMIT;
	else {
		was_empty = q->n == 0;
		*q->last = item;
		q->last = &item->next;
		q->n++;
		q->bytes += item->json.n;
	}
	pthread_mutex_unlock(&q->lock);
	if (was_empty)
		q->wake(q->ctx);
	return ret;
}

struct fl_intake_item *fl_intake_take(struct fl_intake *q, size_t max, size_t max_bytes)
{
	struct fl_intake_item *first, **at;
	size_t n = 0, bytes = 0;

	pthread_mutex_lock(&q->lock);
	first = q->first;
	for (at = &q->first; *at && n < max && (n == 0 || bytes + (*at)->json.n <= max_bytes); at = &(*at)->next) {
		n++;
		bytes += (*at)->json.n;
	}
	q->n -= n;
	q->bytes -= bytes;
	q->first = *at;
	if (first)
		*at = NULL;
	if (!q->first)
		q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return first;
}

void fl_intake_close(struct fl_intake *q)
{
	struct fl_intake_item *item, *next;

	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_mutex_unlock(&q->lock);
	for (item = fl_intake_take(q, SIZE_MAX, SIZE_MAX); item; item = next) {
		next = item->next;
		item->ret = fl_err_set(&item->err, FL_EUNAVAIL, "stopping; send it again");
		item->done(item->ctx, item);
	}
}

void fl_intake_free(struct fl_intake *q)
{
	if (!q)
		return;
	pthread_mutex_destroy(&q->lock);
	free(q);
}
