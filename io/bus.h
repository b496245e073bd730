/* Bus door: Kafka by librdkafka (bus_kafka.c), and a twin in memory (bus_mem.c). Two producers: control (idempotent, acks=all,
 * linger 0) and query log (its own linger, batch and codec). Consumers assign themselves partitions, and their offsets are kept by the caller; a member of a
 * group reads another system's topic, and the broker keeps its offsets. A producer, consumer or member is for one thread at a time; consumers and members are opened and topics created by the
 * control producer's. librdkafka before 2.3 can turn a disconnect into a fatal producer error: the door destroys and re-creates the
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

/* What a member of a group has. A partition is its own from the fetch that said so until another fetch; turn counts these times: what was read in an earlier turn is no longer this member's to
 * commit, and comes again, to it or to another. */
struct fl_bus_assigned {
	int32_t n; /* partitions known of; the others were never this member's */
	bool ours[FL_BUS_PARTITIONS_MAX];
	uint32_t turn[FL_BUS_PARTITIONS_MAX];
	int64_t committed[FL_BUS_PARTITIONS_MAX]; /* as the broker confirmed to this member in this turn; -1: nothing yet */
	bool committing; /* a commit is under way */
};

struct fl_bus;
struct fl_bus_consumer;
struct fl_bus_member;
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
	/* Assign all partitions of a topic, from `from` (NULL: the beginning; next[i] < 0: beginning of that partition). FL_ENOTFOUND: the broker has no such topic (yet). */
	int (*consumer_open)(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			     struct fl_err *err);
	/* 1 and a message (borrowed until the next fetch on this consumer), 0 when none came within timeout_ms, FL_EUNAVAIL. */
	int (*fetch)(struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
	/* First and end offset of each partition, as the broker says. */
	int (*watermarks)(struct fl_bus_consumer *c, struct fl_bus_offsets *first, struct fl_bus_offsets *end, struct fl_err *err);
	/* Position: the next offset of each partition; -1: still at its beginning. */
	void (*position)(struct fl_bus_consumer *c, struct fl_bus_offsets *out);
	void (*consumer_close)(struct fl_bus_consumer *c);
	/* A member of a group: reads the partitions that the broker gives it, each from what the group has committed, else from its beginning. Never commits by itself. */
	int (*member_open)(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err);
	/* As fetch. To be called at least once a minute, paused or not: else the group goes on without it. Assignments change, and commits end, in here only. */
	int (*member_fetch)(struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
	/* No messages until told otherwise; what is ours stays ours. */
	void (*member_pause)(struct fl_bus_member *m, bool pause);
	void (*member_assigned)(struct fl_bus_member *m, struct fl_bus_assigned *out);
	/* The group goes on from next[i]; < 0: nothing is said of that partition, nor of one that is not ours. How it went is seen in committed, once committing has ended. FL_EUNAVAIL: nothing was sent,
	 * or another is under way. */
	int (*member_commit)(struct fl_bus_member *m, const struct fl_bus_offsets *next, struct fl_err *err);
	/* Waits for a commit under way while a broker is there, and leaves the group. */
	void (*member_close)(struct fl_bus_member *m);
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
/** Asked at produce ("produce") and fetch ("fetch"), and of a member also at "commit" (any fault: it fails); topic with its prefix, here and in fl_bus_mem_count. */
typedef enum fl_bus_fault fl_bus_fault_plan(void *ctx, const char *what, const char *topic);
void fl_bus_mem_faults(struct fl_bus_mem *w, fl_bus_fault_plan *plan, void *ctx);
/** Forget every record of a topic and start at offset 0 (a new broker). */
void fl_bus_mem_reset(struct fl_bus_mem *w);
size_t fl_bus_mem_count(const struct fl_bus_mem *w, const char *topic);
/** What a group has committed of a partition; -1: nothing. */
int64_t fl_bus_mem_committed(const struct fl_bus_mem *w, const char *topic, const char *group, int32_t partition);

/* Calls through the door, with the topic prefix put before `topic`. */
int fl_bus_produce(struct fl_bus *b, enum fl_bus_producer which, const char *topic, struct fl_span key, struct fl_span value,
		   const struct fl_bus_header *headers, size_t n_headers, uint64_t tag, struct fl_err *err);
int fl_bus_poll(struct fl_bus *b, enum fl_bus_producer which, int timeout_ms, fl_bus_report *report, void *ctx);
int fl_bus_create_topic(struct fl_bus *b, const char *topic, int partitions, const char *const *config, struct fl_err *err);
int fl_bus_consumer_open(struct fl_bus *b, const char *topic, const struct fl_bus_offsets *from, struct fl_bus_consumer **out,
			 struct fl_err *err);
int fl_bus_fetch(struct fl_bus *b, struct fl_bus_consumer *c, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
void fl_bus_consumer_close(struct fl_bus *b, struct fl_bus_consumer *c);
/** The topic as it stands, without the prefix: it is another system's. */
int fl_bus_member_open(struct fl_bus *b, const char *topic, const char *group, struct fl_bus_member **out, struct fl_err *err);
int fl_bus_member_fetch(struct fl_bus *b, struct fl_bus_member *m, int timeout_ms, struct fl_bus_msg *out, struct fl_err *err);
void fl_bus_member_close(struct fl_bus *b, struct fl_bus_member *m);
void fl_bus_close(struct fl_bus *b);
