/* The parts of the Kafka door: clients and their settings (bus_kafka_client.c), a producer (bus_kafka_producer.c), a
 * consumer (bus_kafka_consumer.c), a member of a group (bus_kafka_member.c), the door over them (bus_kafka.c). Inside io/.
 *
 * Each producer and each consumer is for one thread at a time; different ones may be used by different threads. Opening
 * consumers and creating topics belongs to the thread of the control producer. */
#pragma once
#include <librdkafka/rdkafka.h>

#include "io/bus.h"

enum fl__kafka_kind { FL__KAFKA_CONTROL, FL__KAFKA_QUERY_LOG, FL__KAFKA_CONSUMER, FL__KAFKA_MEMBER };
enum { FL__KAFKA_METADATA_MS = 5000, FL__KAFKA_METADATA_AGAIN_MS = 250 };

struct fl__kafka_door;

/* One rd_kafka_t and what is known of its brokers. Stays where it is: librdkafka has its address. */
struct fl__kafka_client {
	rd_kafka_t *rk;
	bool down; /* no broker is connected, and all were tried */
	char error[256];
};

struct fl__kafka_flight {
	uint64_t tag;
	fl_mono_ns at;
	uint32_t prev, next; /* in order of time, or of the free ones; 0: none */
};

struct fl__kafka_report {
	uint64_t tag;
	int code;
	int32_t partition;
	int64_t offset;
};

/* flights[1..]: a message's index is its opaque. oldest -> ... -> newest are with librdkafka, done[] waits for poll. */
struct fl__kafka_producer {
	struct fl__kafka_client client;
	struct fl__kafka_door *door;
	enum fl__kafka_kind kind;
	struct fl__kafka_flight *flights;
	uint32_t n_flights, free_first, oldest, newest, out;
	struct fl__kafka_report *done;
	size_t n_done, cap_done;
	fl_mono_ns last_sign; /* of life: a report, or a broker that did not answer either */
};

struct fl__kafka_door {
	struct fl_bus bus;
	struct fl_arena own; /* settings */
	const char *brokers, *client_id;
	const char *const *settings, *const *query_log;
	bool create_topics;
	int wake; /* eventfd */
	struct fl__kafka_producer producers[2];
	struct fl__kafka_client *spare; /* a consumer's that found no broker yet: it goes on connecting */
};

/* --- bus_kafka_client.c --- */
/** opaque: of the delivery reports of a producer. FL_ECONFIG names the setting. */
int fl__kafka_client_open(struct fl__kafka_client *c, struct fl__kafka_door *d, enum fl__kafka_kind kind,
			  void (*dr)(rd_kafka_t *, const rd_kafka_message_t *, void *), struct fl_err *err);
/** Of a member: the client's address is what the callbacks get. */
struct fl__kafka_group_calls {
	const char *group;
	void (*rebalance)(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *parts, void *opaque);
	void (*committed)(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *offsets, void *opaque);
};
int fl__kafka_client_open_member(struct fl__kafka_client *c, struct fl__kafka_door *d, const struct fl__kafka_group_calls *calls, struct fl_err *err);
void fl__kafka_client_close(struct fl__kafka_client *c);
/** The settings alone, without connecting. */
int fl__kafka_settings_check(struct fl__kafka_door *d, enum fl__kafka_kind kind, struct fl_err *err);
/** How many partitions the topic has. FL_EUNAVAIL: no broker within wait_ms, or (*missing) no such topic. */
int fl__kafka_partitions(struct fl__kafka_client *c, rd_kafka_topic_t *topic, int wait_ms, int32_t *n, bool *missing, struct fl_err *err);
/** FL_EPERM, FL_EREFUSED or FL_EUNAVAIL. */
int fl__kafka_code(rd_kafka_resp_err_t e);
/** Make the queue write to the door's wake descriptor. */
void fl__kafka_wake_by(struct fl__kafka_door *d, rd_kafka_queue_t *q);

/* --- bus_kafka_producer.c --- */
int fl__kafka_producer_open(struct fl__kafka_producer *p, struct fl__kafka_door *d, enum fl__kafka_kind kind, struct fl_err *err);
void fl__kafka_producer_close(struct fl__kafka_producer *p);
int fl__kafka_produce(struct fl__kafka_producer *p, const char *topic, struct fl_span key, struct fl_span value,
		      const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err);
int fl__kafka_producer_poll(struct fl__kafka_producer *p, int timeout_ms, fl_bus_report *report, void *ctx);

/* --- bus_kafka_consumer.c --- */
int fl__kafka_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			    struct fl_err *err);
int fl__kafka_fetch(struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
int fl__kafka_watermarks(struct fl_bus_consumer *c, struct fl_bus_offsets *first, struct fl_bus_offsets *end, struct fl_err *err);
void fl__kafka_position(struct fl_bus_consumer *c, struct fl_bus_offsets *out);
void fl__kafka_consumer_close(struct fl_bus_consumer *c);

/* --- bus_kafka_member.c --- */
int fl__kafka_member_open(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err);
int fl__kafka_member_fetch(struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
void fl__kafka_member_pause(struct fl_bus_member *m, bool pause);
void fl__kafka_member_assigned(struct fl_bus_member *m, struct fl_bus_assigned *out);
int fl__kafka_member_commit(struct fl_bus_member *m, const struct fl_bus_offsets *next, struct fl_err *err);
void fl__kafka_member_close(struct fl_bus_member *m);

/** A message as the door gives it: all of it is the message's. */
void fl__kafka_read_message(const rd_kafka_message_t *m, struct fl_bus_msg *out);

/** For tests: put the producer in the state that librdkafka calls fatal. */
void fl__bus_kafka_make_fatal(struct fl_bus *b, enum fl_bus_producer which);
