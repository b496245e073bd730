/* One librdkafka client: its settings, its view of the brokers, metadata in bounded time. librdkafka prints nothing: what
 * it has to say of an error is kept, and told with the next call that fails. Start at fl__kafka_client_open(). */
#include "io/bus_kafka.h"

#include <unistd.h>

#include "io/clock.h"

enum { METADATA_SLICE_MS = 250 };

struct setting {
	const char *name, *value;
};

static const struct setting common[] = {
	{ "socket.keepalive.enable", "true" },
	{ "socket.nagle.disable", "true" },
	{ "reconnect.backoff.ms", "100" },
	{ "reconnect.backoff.max.ms", "2000" },
	{ "allow.auto.create.topics", "false" }, /* a topic made by accident has the broker's partitions and retention */
	{ "log.connection.close", "false" },
	{ NULL, NULL },
};
static const struct setting control[] = {
	{ "enable.idempotence", "true" }, { "acks", "all" }, { "linger.ms", "0" }, { "message.timeout.ms", "30000" }, { NULL, NULL },
};
static const struct setting query_log[] = {
	{ "acks", "all" },
	{ "linger.ms", "20" },
	{ "compression.codec", "zstd" },
	{ "message.timeout.ms", "30000" },
	{ "queue.buffering.max.messages", "1000000" },
	{ "queue.buffering.max.kbytes", "262144" },
	{ NULL, NULL },
};
static const struct setting consumer[] = {
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "earliest" },
	{ "fetch.min.bytes", "1" },
	{ "fetch.wait.max.ms", "50" },
	{ "fetch.error.backoff.ms", "100" },
	{ "queued.max.messages.kbytes", "16384" },
	/* How we learn that a broker is back. Not for producers: in one that nobody polls for long they would pile up. */
	{ "statistics.interval.ms", "1000" },
	{ NULL, NULL },
};
/* A member that was killed is missed after ten seconds, and its partitions go to another. The broker's own auto.offset.reset is for what the group never read. */
static const struct setting member[] = {
	{ "session.timeout.ms", "10000" },
	{ "heartbeat.interval.ms", "2500" },
	{ "auto.offset.reset", "earliest" },
	{ "fetch.min.bytes", "1" },
	{ "fetch.wait.max.ms", "50" },
	{ "fetch.error.backoff.ms", "100" },
	{ "queued.max.messages.kbytes", "16384" },
	{ "statistics.interval.ms", "1000" },
	{ NULL, NULL },
};
/* What no operator's setting may undo: an offset is committed when its record is durable, and at no other time. */
static const struct setting member_always[] = { { "enable.auto.commit", "false" }, { "enable.auto.offset.store", "false" }, { NULL, NULL } };
static const struct setting *const of_kind[] = { control, query_log, consumer, member };

/* --- what librdkafka calls, from within a poll of ours --- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct fl__kafka_client *c = opaque;

	(void)rk;
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		c->down = true;
	snprintf(c->error, sizeof(c->error), "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason ? reason : "");
}

/* Broker states are in the statistics and nowhere else; other states in them are written in lower case. */
static int on_statistics(rd_kafka_t *rk, char *json, size_t n, void *opaque)
{
	static const char word[] = "\"state\":\"UP\"";
	struct fl__kafka_client *c = opaque;

	(void)rk;
	if (memmem(json, n, word, sizeof(word) - 1))
		c->down = false;
	return 0; /* librdkafka frees it */
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

/* --- settings --- */

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct fl_err *err)
{
	char why[256] = "";

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return fl_err_set(err, FL_ECONFIG, "kafka setting '%.100s': %s", name, why);
}

static int set_table(rd_kafka_conf_t *conf, const struct setting *s, struct fl_err *err)
{
	int ret = 0;

	for (; ret == 0 && s->name; s++)
		ret = set(conf, s->name, s->value, err);
	return ret;
}

static int set_pairs(rd_kafka_conf_t *conf, const char *const *pairs, struct fl_err *err)
{
	int ret = 0;

	for (; ret == 0 && pairs && pairs[0] && pairs[1]; pairs += 2)
		ret = set(conf, pairs[0], pairs[1], err);
	return ret;
}

/* The operator's settings come last: they win. */
static int make_conf(struct fl__kafka_door *d, enum fl__kafka_kind kind, rd_kafka_conf_t **out, struct fl_err *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int ret = set(conf, "bootstrap.servers", d->brokers, err);

	if (ret == 0)
		ret = set(conf, "client.id", d->client_id, err);
	if (ret == 0)
		ret = set_table(conf, common, err);
	if (ret == 0)
		ret = set_table(conf, of_kind[kind], err);
	if (ret == 0)
		ret = set_pairs(conf, d->settings, err);
	if (ret == 0 && kind == FL__KAFKA_QUERY_LOG)
		ret = set_pairs(conf, d->query_log, err);
	if (ret == 0 && kind == FL__KAFKA_MEMBER)
		ret = set_table(conf, member_always, err);
	if (ret < 0) {
		rd_kafka_conf_destroy(conf);
		return ret;
	}
	*out = conf;
	return 0;
}

int fl__kafka_settings_check(struct fl__kafka_door *d, enum fl__kafka_kind kind, struct fl_err *err)
{
	rd_kafka_conf_t *conf = NULL;
	int ret = make_conf(d, kind, &conf, err);

	if (ret == 0)
		rd_kafka_conf_destroy(conf);
	return ret;
}

/* --- open, close --- */

/* Takes conf. */
static int open_with(struct fl__kafka_client *c, enum fl__kafka_kind kind, rd_kafka_conf_t *conf, struct fl_err *err)
{
	char why[256] = "";

	*c = (struct fl__kafka_client){ 0 };
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_stats_cb(conf, on_statistics);
	rd_kafka_conf_set_log_cb(conf, on_log);
	c->rk = rd_kafka_new(kind == FL__KAFKA_CONSUMER || kind == FL__KAFKA_MEMBER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!c->rk) {
		bool settings = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG;

		rd_kafka_conf_destroy(conf); /* still ours after a failure */
		return fl_err_set(err, settings ? FL_ECONFIG : FL_EUNAVAIL, "kafka: %s", why);
	}
	return 0;
}

int fl__kafka_client_open(struct fl__kafka_client *c, struct fl__kafka_door *d, enum fl__kafka_kind kind,
			  void (*dr)(rd_kafka_t *, const rd_kafka_message_t *, void *), struct fl_err *err)
{
	rd_kafka_conf_t *conf = NULL;
	int ret = make_conf(d, kind, &conf, err);

	if (ret < 0)
		return ret;
	if (dr)
		rd_kafka_conf_set_dr_msg_cb(conf, dr);
	return open_with(c, kind, conf, err);
}

int fl__kafka_client_open_member(struct fl__kafka_client *c, struct fl__kafka_door *d, const struct fl__kafka_group_calls *calls, struct fl_err *err)
{
	rd_kafka_conf_t *conf = NULL;
	int ret = make_conf(d, FL__KAFKA_MEMBER, &conf, err);

	if (ret == 0)
		ret = set(conf, "group.id", calls->group, err);
	if (ret < 0) {
		if (conf)
			rd_kafka_conf_destroy(conf);
		return ret;
	}
	rd_kafka_conf_set_rebalance_cb(conf, calls->rebalance);
	rd_kafka_conf_set_offset_commit_cb(conf, calls->committed);
	return open_with(c, FL__KAFKA_MEMBER, conf, err);
}

void fl__kafka_client_close(struct fl__kafka_client *c)
{
	if (c->rk)
		rd_kafka_destroy(c->rk);
	c->rk = NULL;
}

void fl__kafka_wake_by(struct fl__kafka_door *d, rd_kafka_queue_t *q)
{
	static const uint64_t one = 1; /* an eventfd takes eight octets */

	rd_kafka_queue_io_event_enable(q, d->wake, &one, sizeof(one));
}

/* --- metadata --- */

int fl__kafka_code(rd_kafka_resp_err_t e)
{
	switch (e) {
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		return FL_EPERM;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
	case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
	case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
	case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
		return FL_EREFUSED;
	default:
		return FL_EUNAVAIL;
	}
}

static int read_metadata(const struct rd_kafka_metadata *md, const char *name, int32_t *n, bool *missing, struct fl_err *err)
{
	const struct rd_kafka_metadata_topic *t = md->topic_cnt == 1 ? &md->topics[0] : NULL;

	*missing = !t || t->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || (t->err == 0 && t->partition_cnt == 0);
	if (*missing)
		return fl_err_set(err, FL_ENOTFOUND, "topic '%s': the broker has none of this name", name);
	if (t->err && t->partition_cnt == 0)
		return fl_err_set(err, fl__kafka_code(t->err), "topic '%s': %s", name, rd_kafka_err2str(t->err));
	if (t->partition_cnt > FL_BUS_PARTITIONS_MAX)
		return fl_err_set(err, FL_ELIMIT, "topic '%s': %d partitions, over %d", name, t->partition_cnt, FL_BUS_PARTITIONS_MAX);
	*n = t->partition_cnt;
	return 0;
}

/* In slices, so that "all brokers are down" ends the wait at once. */
int fl__kafka_partitions(struct fl__kafka_client *c, rd_kafka_topic_t *topic, int wait_ms, int32_t *n, bool *missing, struct fl_err *err)
{
	fl_mono_ns end = fl_now_mono(fl_clock_sys()) + wait_ms * FL_NS_PER_MS;
	const char *name = rd_kafka_topic_name(topic);
	rd_kafka_resp_err_t e;

	*missing = false;
	do {
		const struct rd_kafka_metadata *md = NULL;
		int ret;

		e = rd_kafka_metadata(c->rk, 0, topic, &md, METADATA_SLICE_MS < wait_ms ? METADATA_SLICE_MS : wait_ms);
		rd_kafka_poll(c->rk, 0);
		if (e)
			continue;
		c->down = false;
		ret = read_metadata(md, name, n, missing, err);
		rd_kafka_metadata_destroy(md);
		return ret;
	} while (!c->down && fl_now_mono(fl_clock_sys()) < end);
	return fl_err_set(err, fl__kafka_code(e), "topic '%s': %s", name, c->error[0] ? c->error : rd_kafka_err2str(e));
}
