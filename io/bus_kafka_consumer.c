/* A Kafka consumer without a group: it takes all partitions of one topic from offsets that its caller keeps. All
 * partitions feed one queue. A message is lent until the next fetch. Start at fl__kafka_consumer_open(). */
#include "io/bus_kafka.h"

#include <stdlib.h>

#include "io/clock.h"

enum { WATERMARKS_MS = 2000 };

struct fl_bus_consumer {
	struct fl__kafka_client *client;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	int32_t started; /* partitions */
	rd_kafka_message_t *lent;
	struct fl_bus_offsets next;
};

/* A client that found no broker is kept and goes on connecting, so that later tries need not wait long, nor each start
 * threads: first try up to 5 s, later ones a quarter of a second. */
static int take_client(struct fl__kafka_door *d, struct fl__kafka_client **out, int *wait_ms, struct fl_err *err)
{
	struct fl__kafka_client *c = d->spare;
	int ret;

	*wait_ms = c ? FL__KAFKA_METADATA_AGAIN_MS : FL__KAFKA_METADATA_MS;
	d->spare = NULL;
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return fl_err_set(err, FL_ENOMEM, "kafka: out of memory");
		ret = fl__kafka_client_open(c, d, FL__KAFKA_CONSUMER, NULL, err);
		if (ret < 0) {
			free(c);
			return ret;
		}
	}
	rd_kafka_poll(c->rk, 0); /* what it has learned since */
	*out = c;
	return 0;
}

static int start(struct fl_bus_consumer *c, const char *topic, const struct fl_bus_offsets *from, struct fl_err *err)
{
	for (int32_t i = 0; i < c->next.n; i++) {
		bool given = from && i < from->n && from->next[i] >= 0;

		c->next.next[i] = given ? from->next[i] : -1;
		if (rd_kafka_consume_start_queue(c->topic, i, given ? from->next[i] : RD_KAFKA_OFFSET_BEGINNING, c->queue) < 0)
			return fl_err_set(err, FL_EUNAVAIL, "topic '%s': %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
		c->started = i + 1;
	}
	return 0;
}

static void stop(struct fl_bus_consumer *c)
{
	if (c->lent)
		rd_kafka_message_destroy(c->lent);
	c->lent = NULL;
	for (int32_t i = 0; i < c->started; i++)
		rd_kafka_consume_stop(c->topic, i);
	if (c->queue)
		rd_kafka_queue_destroy(c->queue);
	if (c->topic)
		rd_kafka_topic_destroy(c->topic);
}

int fl__kafka_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			    struct fl_err *err)
{
	struct fl__kafka_door *d = (struct fl__kafka_door *)b;
	struct fl_bus_consumer *c = calloc(1, sizeof(*c));
	bool missing = false;
	int wait_ms = 0, ret;

	if (!c)
		return fl_err_set(err, FL_ENOMEM, "kafka: out of memory");
	ret = take_client(d, &c->client, &wait_ms, err);
	if (ret < 0) {
		free(c);
		return ret;
	}
	c->topic = rd_kafka_topic_new(c->client->rk, topic, NULL);
	c->queue = rd_kafka_queue_new(c->client->rk);
	if (!c->topic || !c->queue)
		ret = fl_err_set(err, FL_EUNAVAIL, "topic '%s': %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	if (ret == 0)
		ret = fl__kafka_partitions(c->client, c->topic, wait_ms, &c->next.n, &missing, err);
	if (ret == 0) {
		fl__kafka_wake_by(d, c->queue);
		ret = start(c, topic, from, err);
	}
	if (ret < 0) {
		stop(c);
		d->spare = c->client;
		free(c);
		return ret;
	}
	*out = c;
	return 0;
}

/* --- fetch --- */

static void read_headers(const rd_kafka_message_t *m, struct fl_bus_msg *out)
{
	rd_kafka_headers_t *headers = NULL;
	const char *key;
	const void *value;
	size_t n;

	if (rd_kafka_message_headers(m, &headers)) /* none */
		return;
	while (out->n_headers < FL_BUS_HEADERS_MAX && rd_kafka_header_get_all(headers, out->n_headers, &key, &value, &n) == 0)
		out->headers[out->n_headers++] = (struct fl_bus_header){ key, fl_span(value, n) };
}

void fl__kafka_read_message(const rd_kafka_message_t *m, struct fl_bus_msg *out)
{
	rd_kafka_timestamp_type_t kind;

	*out = (struct fl_bus_msg){ .partition = m->partition, .offset = m->offset, .key = fl_span(m->key, m->key_len), .value = fl_span(m->payload, m->len) };
	out->timestamp = rd_kafka_message_timestamp(m, &kind) * 1000; /* -1000: the broker has none */
	read_headers(m, out);
}

static int failed(struct fl_bus_consumer *c, const char *why, struct fl_err *err)
{
	return fl_err_set(err, FL_EUNAVAIL, "topic '%s': %s", rd_kafka_topic_name(c->topic), why);
}

int fl__kafka_fetch(struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	rd_kafka_message_t *m;

	if (c->lent)
		rd_kafka_message_destroy(c->lent);
	c->lent = NULL;
	rd_kafka_poll(c->client->rk, 0); /* errors and statistics */
	m = rd_kafka_consume_queue(c->queue, timeout_ms);
	if (!m)
		return c->client->down ? failed(c, c->client->error, err) : 0;
	c->lent = m;
	if (m->err)
		return m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? 0 : failed(c, rd_kafka_message_errstr(m), err);
	fl__kafka_read_message(m, out);
	if (m->partition >= 0 && m->partition < c->next.n)
		c->next.next[m->partition] = m->offset + 1;
	return 1;
}

/* Offsets of all partitions, RD_KAFKA_OFFSET_BEGINNING or _END: as "times" these two are what Kafka itself calls earliest and latest. Not by rd_kafka_query_watermark_offsets:
 * when the broker goes away under it, that (2.0.2) waits for ever, whatever its timeout says. */
static int offsets_at(struct fl_bus_consumer *c, int64_t which, int timeout_ms, struct fl_bus_offsets *out, struct fl_err *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->next.n);
	rd_kafka_resp_err_t e = list ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__FAIL;

	for (int32_t i = 0; !e && i < c->next.n; i++)
		rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(c->topic), i)->offset = which;
	if (!e)
		e = rd_kafka_offsets_for_times(c->client->rk, list, timeout_ms);
	out->n = c->next.n;
	for (int i = 0; !e && i < list->cnt; i++) {
		e = list->elems[i].err;
		if (list->elems[i].partition >= 0 && list->elems[i].partition < out->n)
			out->next[list->elems[i].partition] = list->elems[i].offset;
	}
	if (list)
		rd_kafka_topic_partition_list_destroy(list);
	return e ? failed(c, rd_kafka_err2str(e), err) : 0;
}

int fl__kafka_watermarks(struct fl_bus_consumer *c, struct fl_bus_offsets *first, struct fl_bus_offsets *end, struct fl_err *err)
{
	struct fl_bus_offsets lo = { 0 }, hi = { 0 };
	int ret;

	rd_kafka_poll(c->client->rk, 0);
	if (c->client->down)
		return failed(c, c->client->error, err);
	ret = offsets_at(c, RD_KAFKA_OFFSET_BEGINNING, WATERMARKS_MS / 2, &lo, err);
	if (ret == 0)
		ret = offsets_at(c, RD_KAFKA_OFFSET_END, WATERMARKS_MS / 2, &hi, err);
	if (ret < 0)
		return ret;
	*first = lo;
	*end = hi;
	return 0;
}

void fl__kafka_position(struct fl_bus_consumer *c, struct fl_bus_offsets *out)
{
	*out = c->next;
}

void fl__kafka_consumer_close(struct fl_bus_consumer *c)
{
	stop(c);
	fl__kafka_client_close(c->client);
	free(c->client);
	free(c);
}
