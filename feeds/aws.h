/* What AWS answers, read: SQS (JSON protocol 1.0), GuardDuty (REST JSON), and who hands out credentials. Pure. An answer is hostile as any other: bounded in size, depth and count, and what
 * is of no concern is passed over. Start at aws.c:fl_aws_messages_parse(). */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "base/time.h"

enum {
	FL_AWS_BATCH = 10,	       /* messages of a receive, entries of a batch */
	FL_AWS_FINDINGS = 50,	       /* ids of a list, findings of a get */
	FL_AWS_ANSWER_MAX = 32 << 20,  /* octets: ten messages of 1 MiB, all of it quotes */
	FL_AWS_ID_MAX = 100, FL_AWS_RECEIPT_MAX = 2048, FL_AWS_TOKEN_MAX = 8192,
};

struct fl_aws_message {
	const char *id, *receipt; /* receipt: of this receive */
	struct fl_span body;
	uint32_t receives;  /* how often it was handed out, this time with it; 0: not said */
	fl_unix_us sent_at; /* 0: not said */
};
struct fl_aws_messages {
	struct fl_aws_message v[FL_AWS_BATCH];
	size_t n;
	size_t bad; /* without id, receipt or body: nothing can be done with them */
};
/** ReceiveMessage. In arena. {} is none. FL_EFORMAT, FL_ELIMIT, FL_ENOMEM. */
int fl_aws_messages_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_messages *out, struct fl_err *err);

enum fl_aws_entry { FL_AWS_ENTRY_UNSAID, FL_AWS_ENTRY_OK, FL_AWS_ENTRY_FAILED, FL_AWS_ENTRY_INVALID /* failed, and would again: its receipt is of the past */ };
/** DeleteMessageBatch, ChangeMessageVisibilityBatch: what became of the entries "0" to "9". An entry that the answer does not name is FL_AWS_ENTRY_UNSAID. why: of the last failure, "" none.
 * FL_EFORMAT, FL_ELIMIT. */
int fl_aws_batch_parse(struct fl_span body, enum fl_aws_entry out[FL_AWS_BATCH], char why[64], struct fl_err *err);

struct fl_aws_error {
	char code[64];	/* "ExpiredToken": without namespace, link and fault; "" the answer says none */
	char text[160]; /* for people, its first line: what AWS writes behind it may quote what was signed */
};
/** Of an answer that is none of 2xx: JSON, XML, or neither. type: the header x-amzn-errortype, "" none. */
void fl_aws_error_parse(struct fl_span body, const char *type, struct fl_aws_error *out);

struct fl_aws_finding_ids {
	const char *v[FL_AWS_FINDINGS];
	size_t n;
	const char *next; /* token of the next page; "": there is none */
};
/** ListFindings. In arena. FL_EFORMAT, FL_ELIMIT, FL_ENOMEM. */
int fl_aws_finding_ids_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_finding_ids *out, struct fl_err *err);

struct fl_aws_finding {
	const char *id;	       /* "" when it has none that can be kept */
	fl_unix_us updated_at; /* 0 likewise */
	struct fl_span json;
};
struct fl_aws_findings {
	struct fl_aws_finding v[FL_AWS_FINDINGS];
	size_t n;
};
/** GetFindings, finding by finding, in either spelling. In arena. FL_EFORMAT, FL_ELIMIT, FL_ENOMEM. */
int fl_aws_findings_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_findings *out, struct fl_err *err);

/* Secrets: never logged. */
struct fl_aws_credentials {
	char access_key[129], secret_key[129], token[FL_AWS_TOKEN_MAX + 1]; /* token "": they are not temporary */
	fl_unix_us expires_at; /* 0: not said */
};
/** As the metadata services of machine and container hand them out. FL_EFORMAT: none, or of characters that no key has; FL_ELIMIT. err quotes nothing of it. */
int fl_aws_credentials_parse(struct fl_span body, struct fl_aws_credentials *out, struct fl_err *err);
/** The section of a shared credentials file. FL_ENOTFOUND: no such profile, or one without keys; FL_EFORMAT. err quotes nothing but the profile. */
int fl_aws_profile_parse(struct fl_span text, const char *profile, struct fl_aws_credentials *out, struct fl_err *err);
/** As of the environment. token NULL or "": none. False: too long, or of characters that no key has. */
bool fl_aws_credentials_set(struct fl_aws_credentials *out, struct fl_span access_key, struct fl_span secret_key, struct fl_span token);
