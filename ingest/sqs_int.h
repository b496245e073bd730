/* Private: an SQS source in two halves. source_sqs.c is what becomes of a message, sqs_calls.c the calls of the queue. */
#pragma once
#include "ingest/aws_int.h"

enum {
	FL__SQS_HELD = 4000, FL__SQS_HELD_BYTES = 64 << 20, /* of messages, together */
	FL__SQS_RECEIVES = 8, FL__SQS_CALLS = 24,
	FL__SQS_BUCKETS = 4096,
};

enum fl__sqs_state {
	FL__SQS_WAITING, /* to be handed to the stage, at retry_at */
	FL__SQS_WITH_STAGE,
	FL__SQS_LETTER,	 /* to be set aside, at retry_at */
	FL__SQS_POSTED,	 /* until its dead letter is reported */
	FL__SQS_DONE,	 /* to be deleted, at retry_at */
	FL__SQS_UNDONE,	 /* to be given back to the queue */
	FL__SQS_GONE,	 /* let go of as soon as no call names it */
};
struct fl__sqs_message {
	struct fl__document doc;
	struct fl__sqs_message *next, *prev; /* of all that are held */
	struct fl__sqs_message *same_bucket;
	char *id, *receipt;
	enum fl__sqs_state state;
	fl_mono_ns received, until; /* ours until then: as of the last receive or renewal */
	fl_mono_ns retry_at;
	unsigned tries, receives;
	fl_unix_us sent_at;
	bool named;   /* by a call under way */
	bool renewed; /* a receipt came while a call was under way: what that call says is of the past */
	char why[160]; /* it cannot be read */
};
enum fl__sqs_what { FL__SQS_NOTHING, FL__SQS_RECEIVE, FL__SQS_DELETE, FL__SQS_EXTEND, FL__SQS_RELEASE };
struct fl__sqs_call {
	enum fl__sqs_what what;
	uint64_t id;
	struct fl__sqs_message *v[FL_AWS_BATCH];
	size_t n;
};
struct fl__sqs {
	struct fl_aws_source source;
	struct fl__sqs_message *first, *bucket[FL__SQS_BUCKETS];
	size_t held, held_bytes;
	struct fl__sqs_call calls[FL__SQS_CALLS];
	unsigned parallel; /* receives side by side */
	bool stage_down;   /* it took none of the last: nothing is received until it does */
	unsigned stage_failures;
	fl_mono_ns stage_retry;
	fl_mono_ns batch_retry; /* deletions and renewals wait until then: a call of them failed as a whole */
};

/** Receive, delete, renew and give back whatever is due. */
void fl__sqs_call_all(struct fl__sqs *q, fl_mono_ns now, fl_mono_ns *wake);
/** False: not an answer of ours. */
bool fl__sqs_answered(struct fl__sqs *q, struct fl_http_response *r, fl_mono_ns now);
size_t fl__sqs_calls(const struct fl__sqs *q, enum fl__sqs_what what);
/** A message came; repeats are known by their id. Copies it. */
void fl__sqs_take(struct fl__sqs *q, const struct fl_aws_message *m, fl_mono_ns now);
void fl__sqs_forget(struct fl__sqs *q, struct fl__sqs_message *m);
