/* Sources of findings that AWS holds: SQS queues and GuardDuty detectors, all of a configuration in one thread on one HTTP door. They hand documents to the intake (intake.h) and let go of what
 * they took, a message or a position, only when the stage says that it is durable.
 *
 *   queue or detector -> document -> intake -> (stage) -> done -> delete the message, move the position
 *
 * Everything is at least once: a crash repeats, and the stage knows a repeat. Start at aws_sources.c:fl_aws_sources_step(). */
#pragma once
#include "ingest/ingest.h"
#include "ingest/intake.h"
#include "ingest/source_status.h"

struct fl_aws_sources_config {
	const struct fl_config *cfg;
	struct fl_http *http; /* of its own: nobody else polls it */
	struct fl_intake *intake;
	struct fl_bus *bus;    /* of its own: topic `dead-letter`; NULL: what cannot be read stays in its queue */
	struct fl_disk *state; /* positions; NULL: kept in memory */
	struct fl_clock *clock;
	struct fl_random *random;
	fl_read_file *read_file; /* NULL: the system's files */
	void *file_ctx;
	const char *(*env)(void *ctx, const char *name); /* NULL: getenv */
	void *env_ctx;
	void (*wake)(void *ctx); /* from the stage's thread: a document came back, step */
	void *wake_ctx;
};
struct fl_aws_sources;
int fl_aws_sources_open(const struct fl_aws_sources_config *c, struct fl_aws_sources **out, struct fl_err *err);
int fl_aws_sources_step(struct fl_aws_sources *s, fl_mono_ns now, fl_mono_ns *wake);
/** After a step: until wake, an answer, or fd (-1: none) is readable. */
void fl_aws_sources_wait(struct fl_aws_sources *s, fl_mono_ns wake, int fd);
/** Sources that are the same go on; others let go of what they hold. Nothing of the old configuration is used after. */
int fl_aws_sources_reload(struct fl_aws_sources *s, const struct fl_config *cfg);
/** No more is received; what the stage has taken is deleted, the rest given back to its queue. Step until fl_aws_sources_idle, or as long as one likes: what is left comes back by itself. */
void fl_aws_sources_stop(struct fl_aws_sources *s);
bool fl_aws_sources_idle(const struct fl_aws_sources *s);
/** The intake must be closed before: no document is with the stage then. */
void fl_aws_sources_close(struct fl_aws_sources *s);

/* What is counted of a source: metric label and status member. */
#define FL_AWS_COUNTS(X)                                                             \
	X(RECEIVED, "received")	      /* messages or findings handed to us */           \
	X(DURABLE, "durable")	      /* the stage's word */                            \
	X(UNREADABLE, "unreadable")   /* no finding of a known shape */                 \
	X(SET_ASIDE, "set_aside")     /* of these, to dead-letter */                    \
	X(REPEATED, "repeated")	      /* handed to us again, and known */  \
	X(DELETED, "deleted")	      /* from the queue */                              \
	X(RELEASED, "released")	      /* given back unfinished */                       \
	X(FAILED, "failed")	      /* entries of batches, and documents the stage could not take; tried again */
enum fl_aws_count {
#define FL_X(name, word) FL_AWS_N_##name,
	FL_AWS_COUNTS(FL_X)
#undef FL_X
	FL_AWS_COUNT_N
};
const char *fl_aws_count_word(enum fl_aws_count c);
struct fl_aws_source_status {
	char name[FL_SET_NAME];
	const char *type; /* "sqs", "guardduty" */
	enum fl_source_state state;
	char reason[256]; /* why not ok; "" */
	char note[256];	  /* what a person should know although all is well: the last unreadable one; "" */
	char credentials[128]; /* where they are from; "" none yet */
	fl_unix_us last_ok, next_try; /* 0: never; not waiting */
	int64_t clock_skew_s; /* the other side's clock less ours, when over a minute; 0 */
	int64_t oldest_age_s; /* of the documents held, since they were sent; 0: none */
	uint64_t in_flight;   /* documents held, and not yet let go */
	uint64_t errors;      /* calls that failed */
	uint64_t counts[FL_AWS_COUNT_N];
};
/** In arena, the sources in order of the configuration. */
void fl_aws_sources_status(struct fl_aws_sources *s, struct fl_arena *arena, struct fl_aws_source_status **out, size_t *n);
void fl_aws_sources_metrics(struct fl_aws_sources *s, struct fl_buf *out);
