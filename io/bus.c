/* What is the same over every bus door: the topic prefix. */
#include "io/bus.h"

#include <stdio.h>

enum { TOPIC_MAX = 249 }; /* Kafka's limit for a topic's name */

static int full_name(const struct fl_bus *b, const char *topic, char out[TOPIC_MAX + 1], struct fl_err *err)
{
	int n = snprintf(out, TOPIC_MAX + 1, "%s%s", b->topic_prefix ? b->topic_prefix : "", topic);

	if (n <= 0 || n > TOPIC_MAX)
		return fl_err_set(err, FL_EUSAGE, "topic '%.200s': a name has 1 to %d octets, its prefix counted", topic, TOPIC_MAX);
	return 0;
}

int fl_bus_produce(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
		   const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err)
{
	char name[TOPIC_MAX + 1];
	int ret = full_name(b, topic, name, err);

	return ret < 0 ? ret : b->ops->produce(b, which, name, key, value, headers, n_headers, tag, err);
}

int fl_bus_poll(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx)
{
	return b->ops->poll(b, which, timeout_ms, report, ctx);
}

int fl_bus_create_topic(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err)
{
	char name[TOPIC_MAX + 1];
	int ret = full_name(b, topic, name, err);

	return ret < 0 ? ret : b->ops->create_topic(b, name, partitions, config, err);
}

int fl_bus_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			 struct fl_err *err)
{
	char name[TOPIC_MAX + 1];
	int ret = full_name(b, topic, name, err);

	return ret < 0 ? ret : b->ops->consumer_open(b, name, from, out, err);
}

int fl_bus_fetch(struct fl_bus *b, struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	return b->ops->fetch(c, timeout_ms, out, err);
}

void fl_bus_consumer_close(struct fl_bus *b, struct fl_bus_consumer *c)
{
	if (c)
		b->ops->consumer_close(c);
}

int fl_bus_member_open(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err)
{
	size_t n = strlen(topic);

	if (n == 0 || n > TOPIC_MAX || !*group)
		return fl_err_set(err, FL_EUSAGE, "topic '%.200s', group '%.100s': a topic has 1 to %d octets, a group a name", topic, group, TOPIC_MAX);
	return b->ops->member_open(b, topic, group, out, err);
}

int fl_bus_member_fetch(struct fl_bus *b, struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err)
{
	return b->ops->member_fetch(m, timeout_ms, out, err);
}

void fl_bus_member_close(struct fl_bus *b, struct fl_bus_member *m)
{
	if (m)
		b->ops->member_close(m);
}

void fl_bus_close(struct fl_bus *b)
{
	if (b)
		b->ops->close(b);
}
