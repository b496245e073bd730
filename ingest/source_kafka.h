/* A Kafka topic as a source of findings: its records are handed to the intake, and an offset is committed when all before it is durable (docs/findings-kafka.md).
 *
 *   record -> intake -> done: durable ------------------------------------\
 *                  \-> done: unreadable -> topic dead-letter, reported ----+-> dealt with -> the partition's offset goes on, in order
 *                  \-> done: not durable -> again, after a while, in order
 *
 * Whatever ends without a commit comes again: claims make repeats harmless. Stepped, one thread; done is called in the stage's. */
#pragma once
#include "ingest/intake.h"
#include "ingest/source_status.h"

enum {
	FL_KAFKA_UNDER_WAY = 10000,		/* records of a source */
	FL_KAFKA_UNDER_WAY_BYTES = 32 << 20,	/* and their octets, one record over */
	FL_KAFKA_DOCUMENT_MAX = 16 << 20,	/* a larger record cannot be read */
	FL_KAFKA_AGAIN_MIN_MS = 500, FL_KAFKA_AGAIN_MAX_MS = 30000,
};

struct fl_kafka_source_config {
	struct fl_bus *bus; /* of the thread that steps; its control producer brings the dead letters away */
	struct fl_intake *intake;
	struct fl_clock *clock;
	const struct fl_cfg_findings_source *source; /* copied */
	void (*wake)(void *ctx); /* from the stage's thread: a step is due */
	void *ctx;
};
struct fl_kafka_source;
int fl_kafka_source_open(const struct fl_kafka_source_config *c, struct fl_kafka_source **out, struct fl_err *err);
/** Polls the bus's control producer too: several sources may share a bus, each step brings all their reports. The bus is used for nothing else. */
void fl_kafka_source_step(struct fl_kafka_source *s, fl_mono_ns now, fl_mono_ns *wake);
void fl_kafka_source_status(const struct fl_kafka_source *s, struct fl_source_status *out);
/** Was it opened with these settings? */
bool fl_kafka_source_is(const struct fl_kafka_source *s, const struct fl_cfg_findings_source *c);
/** Leaves the group. What the intake and the producer still have of it is kept until it comes back. */
void fl_kafka_source_close(struct fl_kafka_source *s);
/** Reports of dead letters of sources that were closed, before the bus is: their records are freed with them. */
void fl_kafka_source_letters(struct fl_bus *bus, int timeout_ms);
