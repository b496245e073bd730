/* Intake: where findings wait between those who receive them, each in a thread of its own (webhook, SQS, Kafka, GuardDuty), and the findings stage, which takes all that wait as one
 * batch: while one batch becomes durable the next gathers, so that a burst makes few versions and the first finding waits for nobody. Bounded in items and bytes. */
#pragma once
#include "ingest/ingest.h"

enum { FL_INTAKE_ITEMS = 20000, FL_INTAKE_BYTES = 256 << 20 };

/* One document. The sender fills the upper part and keeps all of it alive, unchanged, until done is called, exactly once. */
struct fl_intake_item {
	const char *source; /* of the configuration's findings sources, or "cli" */
	struct fl_span json;
	const struct fl_cfg_finding_mapping *mapping; /* NULL: a known shape */
	const char *actor;	  /* who says so: a user, or the source's name */
	bool dry_run;
	fl_unix_us received_at;
	/* Called in the thread of the stage: it must not wait. The item is the sender's again. */
	void (*done)(void *ctx, struct fl_intake_item *item);
	void *ctx;

	/* The stage's word. ret 0: what the document says is durable, in the source version and in the ledger (or it says nothing new, or is refused for a reason that
	 * outcome tells). FL_EFORMAT, FL_ELIMIT: it cannot be read, now or ever; err says why. FL_EUNAVAIL and all else: nothing is acknowledged, send it again. */
	int ret;
	struct fl_err err;
	struct fl_finding_outcome outcome;

	struct fl_intake_item *next; /* the queue's */
};

struct fl_intake;
/** wake(ctx) is called, from any thread, when the queue was empty and is no more. */
int fl_intake_open(void (*wake)(void *ctx), void *ctx, struct fl_intake **out, struct fl_err *err);
/** Any thread. FL_ELIMIT: full, keep it and push it again later; FL_EUNAVAIL: closing. done is not called then. */
int fl_intake_push(struct fl_intake *q, struct fl_intake_item *item);
/** The stage's side: up to max items of together up to max_bytes (one at least), the oldest first, as a list by next; NULL: none wait. Each must be given back by its done. */
struct fl_intake_item *fl_intake_take(struct fl_intake *q, size_t max, size_t max_bytes);
/** No more are taken in; those that wait are given back with FL_EUNAVAIL. Senders must have ended, or end without pushing, before fl_intake_free. */
void fl_intake_close(struct fl_intake *q);
void fl_intake_free(struct fl_intake *q);
