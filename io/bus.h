/* Bus door: Kafka by librdkafka (bus_kafka.c), and a twin in memory (bus_mem.c). Two producers: control (idempotent, acks=all,
 * linger 0) and query log (its own linger, batch and codec). Consumers assign themselves partitions; no groups, no commits: offsets
 * are kept by the caller. A producer or consumer is for one thread at a time; consumers are opened and topics created by the control producer's. librdkafka before 2.3 can turn a disconnect into a fatal producer error: the door destroys and re-creates the
 * producer and reports every message that was in flight as failed, so that callers send again. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/time.h"

enum fl_bus_producer { FL_BUS_CONTROL, FL_BUS_QUERY_LOG };
enum { FL_BUS_PARTITIONS_MAX = 64, FL_BUS_HEADERS_MAX = 16 };

struct fl_bus_header {
	const char *key;
	struct fl_span value;
};

struct fl_bus_msg {
	int32_t partition;
	int64_t offset;
	fl_unix_us timestamp;
	struct fl_span key, value; /* value.p NULL: a tombstone */
	struct fl_bus_header headers[FL_BUS_HEADERS_MAX];
	size_t n_headers;
};

/* code 0: stored by the broker at (partition, offset); negative: not, or not known. */
typedef void fl_bus_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset);

struct fl_bus_offsets {
	int32_t n; /* partitions */
	int64_t next[FL_BUS_PARTITIONS_MAX];
};

struct fl_bus;
struct fl_bus_consumer;
struct fl_bus_ops {
	/* Copies key, value and headers. FL_ELIMIT: the queue is full, poll and try again. tag comes back in the report. */
	int (*produce)(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
		       const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err);
	/* Delivery reports, waiting at most timeout_ms for the first. Returns their number. report may produce, but not poll. */
	int (*poll)(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx);
	/* Messages handed in and not yet reported. */
	size_t (*in_flight)(struct fl_bus *b, enum fl_bus_producer which);
	/* Create the topic unless it exists; 0 also when it exists. config: name, value pairs ended by NULL. */
	int (*create_topic)(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err);
	/* Assign all partitions of a topic, from `from` (NULL: the beginning; next[i] < 0: beginning of that partition). */
	int (*consumer_open)(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			     struct fl_err *err);
	/* 1 and a message (borrowed until the next fetch on this consumer), 0 when none came within timeout_ms, FL_EUNAVAIL. */
	int (*fetch)(struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
	/* First and end offset of each partition, as the broker says. */
	int (*watermarks)(struct fl_bus_consumer *c, struct fl_bus_offsets *first, struct fl_bus_offsets *end, struct fl_err *err);
	/* Position: the next offset of each partition; -1: still at its beginning. */
	void (*position)(struct fl_bus_consumer *c, struct fl_bus_offsets *out);
	void (*consumer_close)(struct fl_bus_consumer *c);
	/* Readable when a fetch or a report may be due; -1: none. The caller reads and drops the bytes. */
	int (*wake_fd)(struct fl_bus *b);
	void (*close)(struct fl_bus *b);
};
struct fl_bus {
	const struct fl_bus_ops *ops;
	const char *topic_prefix; /* "fireline." */
};

struct fl_bus_kafka_config {
	const char *brokers; /* comma-separated */
	const char *topic_prefix;
	const char *client_id;
	const char *const *librdkafka; /* name, value pairs for every client, ended by NULL; NULL: none */
	const char *const *query_log;  /* the same, for the query-log producer */
	bool create_topics;
};
int fl_bus_kafka_open(const struct fl_bus_kafka_config *cfg, struct fl_bus **out, struct fl_err *err);

/* The mock broker (librdkafka's), for demo and --embedded, in a process of its own. */
struct fl_bus_mock;
int fl_bus_mock_start(struct fl_bus_mock **out, char *brokers, size_t cap, struct fl_err *err);
int fl_bus_mock_topic(struct fl_bus_mock *m, const char *topic, int partitions, struct fl_err *err);
void fl_bus_mock_stop(struct fl_bus_mock *m);

/* The twin in memory: one broker shared by any number of doors. */
struct fl_bus_mem;
struct fl_clock;
struct fl_bus_mem *fl_bus_mem_new(struct fl_clock *clock, int partitions);
void fl_bus_mem_free(struct fl_bus_mem *w);
struct fl_bus *fl_bus_mem_open(struct fl_bus_mem *w, const char *topic_prefix);
enum fl_bus_fault {
	FL_BUS_OK,
	FL_BUS_DOWN,	  /* FL_EUNAVAIL, or (every second time) the produce is reported failed and not stored */
	FL_BUS_LOST_ACK,  /* stored, reported failed */
	FL_BUS_LOST,	  /* reported stored, and lost (a consumer never sees it) */
	FL_BUS_REPEAT,	  /* stored twice */
	FL_BUS_REORDER,	  /* stored before the record before it, unless a consumer has had that one */
	FL_BUS_CORRUPT,	  /* one bit of the value flipped */
	FL_BUS_DELAY,	  /* visible and reported only 2 s later, also when the door is closed meanwhile */
};
/** Asked at produce ("produce") and fetch ("fetch"); topic with its prefix, here and in fl_bus_mem_count. */
typedef enum fl_bus_fault fl_bus_fault_plan(void *ctx, const char *what, const char *topic);
void fl_bus_mem_faults(struct fl_bus_mem *w, fl_bus_fault_plan *plan, void *ctx);
/** Forget every record of a topic and start at offset 0 (a new broker). */
void fl_bus_mem_reset(struct fl_bus_mem *w);
size_t fl_bus_mem_count(const struct fl_bus_mem *w, const char *topic);

/* Calls through the door, with the topic prefix put before `topic`. */
int fl_bus_produce(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
		   const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err);
int fl_bus_poll(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx);
int fl_bus_create_topic(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err);
int fl_bus_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			 struct fl_err *err);
int fl_bus_fetch(struct fl_bus *b, struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
void fl_bus_consumer_close(struct fl_bus *b, struct fl_bus_consumer *c);
void fl_bus_close(struct fl_bus *b);
