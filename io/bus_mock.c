/* librdkafka's mock broker: a real listener that speaks the protocol, in this process, on a loopback port of its own. It
 * keeps about 5 MiB a partition, forgets on exit, and cannot create topics on request: they are made here. */
#include "io/bus.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

struct fl_bus_mock {
	rd_kafka_t *rk; /* the cluster runs inside a client that talks to nobody */
	rd_kafka_mock_cluster_t *cluster;
};

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

int fl_bus_mock_start(struct fl_bus_mock **out, char *brokers, size_t cap, struct fl_err *err)
{
	struct fl_bus_mock *m = calloc(1, sizeof(*m));
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256] = "out of memory";
	const char *at = NULL;

	rd_kafka_conf_set_log_cb(conf, on_log);
	if (m)
		m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!m || !m->rk)
		rd_kafka_conf_destroy(conf);
	else
		m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
	if (m && m->cluster)
		at = rd_kafka_mock_cluster_bootstraps(m->cluster);
	if (!at || (size_t)snprintf(brokers, cap, "%s", at) >= cap) {
		fl_bus_mock_stop(m);
		return fl_err_set(err, FL_EUNAVAIL, "the built-in broker cannot be started: %s", why);
	}
	*out = m;
	return 0;
}

int fl_bus_mock_topic(struct fl_bus_mock *m, const char *topic, int partitions, struct fl_err *err)
{
	rd_kafka_resp_err_t e = rd_kafka_mock_topic_create(m->cluster, topic, partitions, 1);

	if (!e || e == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return 0;
	return fl_err_set(err, FL_EUNAVAIL, "topic '%s': %s", topic, rd_kafka_err2str(e));
}

void fl_bus_mock_stop(struct fl_bus_mock *m)
{
	if (!m)
		return;
	if (m->cluster)
		rd_kafka_mock_cluster_destroy(m->cluster);
	if (m->rk)
		rd_kafka_destroy(m->rk);
	free(m);
}
