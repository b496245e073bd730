/* A member of a Kafka group. The group's protocol runs in librdkafka's threads; what it decides reaches us within a fetch, in our thread. Offsets are committed when the caller says so and
 * at no other time: not by a timer, not when partitions go to another member, not at the end. Start at fl__kafka_member_open(). */
#include "io/bus_kafka.h"

#include <stdlib.h>

enum { CLOSE_MS = 5000, CLOSE_SLICE_MS = 50 };

struct fl_bus_member {
	struct fl__kafka_client client; /* first: what callbacks are given */
	char topic[250];
	rd_kafka_message_t *lent;
	struct fl_bus_assigned a;
	bool paused;
	char trouble[256]; /* of the last commit that failed; "" none */
};

/* --- what librdkafka calls, from within a fetch of ours --- */

static bool known(const struct fl_bus_member *m, const rd_kafka_topic_partition_t *p)
{
	return p->partition >= 0 && p->partition < FL_BUS_PARTITIONS_MAX && strcmp(p->topic, m->topic) == 0;
}

static void pause_all(struct fl_bus_member *m)
{
	rd_kafka_topic_partition_list_t *parts = NULL;

	if (rd_kafka_assignment(m->client.rk, &parts))
		return;
	if (m->paused)
		rd_kafka_pause_partitions(m->client.rk, parts);
	else
		rd_kafka_resume_partitions(m->client.rk, parts);
	rd_kafka_topic_partition_list_destroy(parts);
}

/* Partitions beyond FL_BUS_PARTITIONS_MAX are nobody's to commit: fetch says so, and they come again. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *parts, void *opaque)
{
	struct fl_bus_member *m = opaque;
	bool given = e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	memset(m->a.ours, 0, sizeof(m->a.ours));
	if (!given) {
		rd_kafka_assign(rk, NULL);
		return;
	}
	for (int i = 0; i < parts->cnt; i++) {
		int32_t p = parts->elems[i].partition;

		if (!known(m, &parts->elems[i]))
			continue;
		m->a.ours[p] = true;
		m->a.turn[p]++;
		m->a.committed[p] = -1;
		if (p >= m->a.n)
			m->a.n = p + 1;
	}
	rd_kafka_assign(rk, parts);
	if (m->paused)
		rd_kafka_pause_partitions(rk, parts);
}

static void on_committed(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
	struct fl_bus_member *m = opaque;

	(void)rk;
	m->a.committing = false;
	m->trouble[0] = '\0';
	if (e)
		snprintf(m->trouble, sizeof(m->trouble), "offsets are not committed: %s", rd_kafka_err2str(e));
	for (int i = 0; offsets && i < offsets->cnt; i++) {
		const rd_kafka_topic_partition_t *p = &offsets->elems[i];

		/* opaque: the turn in which it was asked for */
		if (!e && !p->err && known(m, p) && m->a.ours[p->partition] && (uint32_t)(uintptr_t)p->opaque == m->a.turn[p->partition])
			m->a.committed[p->partition] = p->offset;
	}
}

/* --- the door --- */

int fl__kafka_member_open(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err)
{
	struct fl__kafka_door *d = (struct fl__kafka_door *)b;
	struct fl__kafka_group_calls calls = { group, on_rebalance, on_committed };
	rd_kafka_topic_partition_list_t *topics;
	struct fl_bus_member *m = calloc(1, sizeof(*m));
	rd_kafka_resp_err_t e;
	rd_kafka_queue_t *q;
	int ret;

	if (!m)
		return fl_err_set(err, FL_ENOMEM, "kafka: out of memory");
	snprintf(m->topic, sizeof(m->topic), "%s", topic);
	ret = fl__kafka_client_open_member(&m->client, d, &calls, err);
	if (ret < 0) {
		free(m);
		return ret;
	}
	rd_kafka_poll_set_consumer(m->client.rk);
	q = rd_kafka_queue_get_consumer(m->client.rk);
	fl__kafka_wake_by(d, q);
	rd_kafka_queue_destroy(q); /* our reference */
	topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	e = rd_kafka_subscribe(m->client.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	if (e) {
		fl__kafka_member_close(m);
		return fl_err_set(err, fl__kafka_code(e), "topic '%s': %s", topic, rd_kafka_err2str(e));
	}
	*out = m;
	return 0;
}

static int failed(struct fl_bus_member *m, const char *why, struct fl_err *err)
{
	return fl_err_set(err, FL_EUNAVAIL, "topic '%s': %s", m->topic, why);
}

int fl__kafka_member_fetch(struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	rd_kafka_message_t *msg;

	if (m->lent)
		rd_kafka_message_destroy(m->lent);
	m->lent = NULL;
	msg = rd_kafka_consumer_poll(m->client.rk, timeout_ms);
	if (!msg) {
		if (m->client.down)
			return failed(m, m->client.error, err);
		return m->trouble[0] ? failed(m, m->trouble, err) : 0;
	}
	m->lent = msg;
	if (msg->err)
		return msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ? 0 : failed(m, rd_kafka_message_errstr(msg), err);
	if (msg->partition < 0 || msg->partition >= FL_BUS_PARTITIONS_MAX)
		return failed(m, "more partitions than are read", err);
	fl__kafka_read_message(msg, out);
	return 1;
}

void fl__kafka_member_pause(struct fl_bus_member *m, bool pause)
{
	if (m->paused == pause)
		return;
	m->paused = pause;
	pause_all(m);
}

void fl__kafka_member_assigned(struct fl_bus_member *m, struct fl_bus_assigned *out)
{
	*out = m->a;
}

int fl__kafka_member_commit(struct fl_bus_member *m, const struct fl_bus_offsets *next, struct fl_err *err)
{
	rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_topic_partition_t *p;
	rd_kafka_resp_err_t e;

	if (m->a.committing)
		return failed(m, "a commit is under way", err);
	offsets = rd_kafka_topic_partition_list_new(next->n);
	for (int32_t i = 0; i < next->n && i < m->a.n; i++)
		if (next->next[i] >= 0 && m->a.ours[i]) {
			p = rd_kafka_topic_partition_list_add(offsets, m->topic, i);
			p->offset = next->next[i];
			p->opaque = (void *)(uintptr_t)m->a.turn[i];
		}
	e = offsets->cnt ? rd_kafka_commit(m->client.rk, offsets, 1) : 0;
	m->a.committing = offsets->cnt && !e;
	rd_kafka_topic_partition_list_destroy(offsets);
	return e ? failed(m, rd_kafka_err2str(e), err) : 0;
}

/* Messages that still come are not read: nobody commits them. */
static void wait_for_commit(struct fl_bus_member *m)
{
	rd_kafka_message_t *msg;

	m->paused = true;
	pause_all(m);
	for (int waited = 0; m->a.committing && !m->client.down && waited < CLOSE_MS; waited += CLOSE_SLICE_MS) {
		msg = rd_kafka_consumer_poll(m->client.rk, CLOSE_SLICE_MS);
		if (msg)
			rd_kafka_message_destroy(msg);
	}
}

/* Without a broker there is nobody to say farewell to, and it could take long. */
void fl__kafka_member_close(struct fl_bus_member *m)
{
	if (m->lent)
		rd_kafka_message_destroy(m->lent);
	if (m->a.committing)
		wait_for_commit(m);
	if (!m->client.down)
		rd_kafka_consumer_close(m->client.rk);
	rd_kafka_destroy_flags(m->client.rk, m->client.down ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : 0);
	free(m);
}
