/* The Kafka door: two producers and any number of consumers over one set of settings. librdkafka has its own threads, and
 * reaches ours by one eventfd that is readable when a report or a message waits. Start at fl_bus_kafka_open(). */
#include "io/bus_kafka.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CREATE_MS = 5000 };

static struct fl__kafka_door *door_of(struct fl_bus *b)
{
	return (struct fl__kafka_door *)b;
}

/* The query log's is made when it is first used: not every role has one. */
static int producer_of(struct fl_bus *b, enum fl_bus_producer which, struct fl__kafka_producer **out, struct fl_err *err)
{
	struct fl__kafka_producer *p = &door_of(b)->producers[which];
	int ret = 0;

	if (!p->door)
		ret = fl__kafka_producer_open(p, door_of(b), which == FL_BUS_CONTROL ? FL__KAFKA_CONTROL : FL__KAFKA_QUERY_LOG, err);
	*out = p;
	return ret;
}

static int kafka_produce(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
			 const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err)
{
	struct fl__kafka_producer *p = NULL;
	int ret = producer_of(b, which, &p, err);

	return ret < 0 ? ret : fl__kafka_produce(p, topic, key, value, headers, n_headers, tag, err);
}

static int kafka_poll(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx)
{
	struct fl__kafka_door *d = door_of(b);

	if (which == FL_BUS_CONTROL && d->spare)
		rd_kafka_poll(d->spare->rk, 0); /* or its statistics would pile up */
	return fl__kafka_producer_poll(&d->producers[which], timeout_ms, report, ctx);
}

static size_t kafka_in_flight(struct fl_bus *b, enum fl_bus_producer which)
{
	const struct fl__kafka_producer *p = &door_of(b)->producers[which];

	return p->out + p->n_done;
}

/* --- topics --- */

static int creation_result(rd_kafka_event_t *ev, const char *topic, struct fl_err *err)
{
	const rd_kafka_CreateTopics_result_t *result = ev ? rd_kafka_event_CreateTopics_result(ev) : NULL;
	rd_kafka_resp_err_t e = ev ? rd_kafka_event_error(ev) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	const char *why = ev ? rd_kafka_event_error_string(ev) : "no answer";
	const rd_kafka_topic_result_t **v = NULL;
	size_t n = 0;

	if (!e && result) {
		v = rd_kafka_CreateTopics_result_topics(result, &n);
		e = n == 1 ? rd_kafka_topic_result_error(v[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
		why = n == 1 ? rd_kafka_topic_result_error_string(v[0]) : NULL;
	}
	if (!e || e == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return 0;
	return fl_err_set(err, fl__kafka_code(e), "topic '%s' cannot be created: %s", topic, why ? why : rd_kafka_err2str(e));
}

static rd_kafka_NewTopic_t *new_topic(const char *topic, int partitions, const char *const *config, struct fl_err *err)
{
	char why[256] = "";
	rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(topic, partitions, -1, why, sizeof(why)); /* -1: the broker's replication */

	if (!t) {
		fl_err_set(err, FL_EUSAGE, "topic '%s': %s", topic, why);
		return NULL;
	}
	for (; config && config[0] && config[1]; config += 2)
		if (rd_kafka_NewTopic_set_config(t, config[0], config[1])) {
			rd_kafka_NewTopic_destroy(t);
			fl_err_set(err, FL_EUSAGE, "topic '%s': bad setting '%s'", topic, config[0]);
			return NULL;
		}
	return t;
}

static int create(rd_kafka_t *rk, const char *topic, int partitions, const char *const *config, struct fl_err *err)
{
	rd_kafka_NewTopic_t *t = new_topic(topic, partitions, config, err);
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *ev;
	int ret;

	if (!t)
		return FL_EUSAGE;
	options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	queue = rd_kafka_queue_new(rk);
	rd_kafka_AdminOptions_set_request_timeout(options, CREATE_MS, NULL, 0);
	rd_kafka_CreateTopics(rk, &t, 1, options, queue);
	ev = rd_kafka_queue_poll(queue, CREATE_MS + 500);
	ret = creation_result(ev, topic, err);
	if (ev)
		rd_kafka_event_destroy(ev);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(t);
	return ret;
}

static int kafka_create_topic(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err)
{
	struct fl__kafka_producer *p = NULL;
	rd_kafka_topic_t *t;
	bool missing = false;
	int32_t n = 0;
	int ret;

	if (partitions < 1 || partitions > FL_BUS_PARTITIONS_MAX)
		return fl_err_set(err, FL_EUSAGE, "topic '%s': 1 to %d partitions, not %d", topic, FL_BUS_PARTITIONS_MAX, partitions);
	ret = producer_of(b, FL_BUS_CONTROL, &p, err);
	if (ret < 0)
		return ret;
	if (!p->client.rk)
		return fl_err_set(err, FL_EUNAVAIL, "topic '%s': the producer is being made anew", topic);
	t = rd_kafka_topic_new(p->client.rk, topic, NULL);
	if (!t)
		return fl_err_set(err, FL_EUSAGE, "topic '%s': %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	ret = fl__kafka_partitions(&p->client, t, FL__KAFKA_METADATA_MS, &n, &missing, err);
	rd_kafka_topic_destroy(t);
	if (ret < 0 && missing && door_of(b)->create_topics)
		ret = create(p->client.rk, topic, partitions, config, err);
	return ret;
}

/* --- the door --- */

static int kafka_wake_fd(struct fl_bus *b)
{
	return door_of(b)->wake;
}

static void kafka_close(struct fl_bus *b)
{
	struct fl__kafka_door *d = door_of(b);

	for (int i = 0; i < 2; i++)
		fl__kafka_producer_close(&d->producers[i]);
	if (d->spare)
		fl__kafka_client_close(d->spare);
	free(d->spare);
	if (d->wake >= 0)
		close(d->wake);
	fl_arena_done(&d->own);
	free(d);
}

static const struct fl_bus_ops kafka_ops = {
	.produce = kafka_produce,
	.poll = kafka_poll,
	.in_flight = kafka_in_flight,
	.create_topic = kafka_create_topic,
	.consumer_open = fl__kafka_consumer_open,
	.fetch = fl__kafka_fetch,
	.watermarks = fl__kafka_watermarks,
	.position = fl__kafka_position,
	.consumer_close = fl__kafka_consumer_close,
	.member_open = fl__kafka_member_open,
	.member_fetch = fl__kafka_member_fetch,
	.member_pause = fl__kafka_member_pause,
	.member_assigned = fl__kafka_member_assigned,
	.member_commit = fl__kafka_member_commit,
	.member_close = fl__kafka_member_close,
	.wake_fd = kafka_wake_fd,
	.close = kafka_close,
};

/* NULL when out of memory; no pairs give an empty table. */
static const char *const *copy_pairs(struct fl_arena *a, const char *const *pairs)
{
	const char **v;
	size_t n = 0;

	while (pairs && pairs[n])
		n++;
	v = fl_arena_array(a, n + 1, sizeof(*v));
	for (size_t i = 0; v && i < n; i++) {
		v[i] = fl_arena_str(a, pairs[i]);
		if (!v[i])
			return NULL;
	}
	return v;
}

static bool copy_config(struct fl__kafka_door *d, const struct fl_bus_kafka_config *cfg)
{
	d->brokers = fl_arena_str(&d->own, cfg->brokers);
	d->client_id = fl_arena_str(&d->own, cfg->client_id ? cfg->client_id : "fireline");
	d->bus.topic_prefix = fl_arena_str(&d->own, cfg->topic_prefix ? cfg->topic_prefix : "");
	d->settings = copy_pairs(&d->own, cfg->librdkafka);
	d->query_log = copy_pairs(&d->own, cfg->query_log);
	d->create_topics = cfg->create_topics;
	return d->brokers && d->client_id && d->bus.topic_prefix && d->settings && d->query_log;
}

/* All three kinds of settings are checked now: a wrong one is for the operator to see at the start, not on the first query. */
int fl_bus_kafka_open(const struct fl_bus_kafka_config *cfg, struct fl_bus **out, struct fl_err *err)
{
	struct fl__kafka_door *d = calloc(1, sizeof(*d));
	struct fl__kafka_producer *control;
	int ret;

	if (!d)
		return fl_err_set(err, FL_ENOMEM, "kafka: out of memory");
	d->bus.ops = &kafka_ops;
	d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake < 0)
		ret = fl_err_set(err, FL_EIO, "kafka: eventfd: %s", strerror(errno));
	else if (!copy_config(d, cfg))
		ret = fl_err_set(err, FL_ENOMEM, "kafka: out of memory");
	else
		ret = fl__kafka_settings_check(d, FL__KAFKA_QUERY_LOG, err);
	if (ret == 0)
		ret = fl__kafka_settings_check(d, FL__KAFKA_CONSUMER, err);
	if (ret == 0)
		ret = producer_of(&d->bus, FL_BUS_CONTROL, &control, err);
	if (ret < 0) {
		kafka_close(&d->bus);
		return ret;
	}
	*out = &d->bus;
	return 0;
}

void fl__bus_kafka_make_fatal(struct fl_bus *b, enum fl_bus_producer which)
{
	rd_kafka_test_fatal_error(door_of(b)->producers[which].client.rk, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "by a test");
}
