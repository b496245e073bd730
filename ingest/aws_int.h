/* Private: what the AWS sources share. A source is an object with the functions below; aws_sources.c steps them, brings them their answers and their documents back. */
#pragma once
#include <pthread.h>

#include "feeds/aws.h"
#include "ingest/aws_sources.h"

struct fl_aws_source;

/* --- credentials: aws_who.c --- */

enum fl__who_phase { FL__WHO_IDLE, FL__WHO_CONTAINER, FL__WHO_TOKEN, FL__WHO_ROLE, FL__WHO_MACHINE };
struct fl__who {
	const struct fl_aws_sources_config *c;
	const char *file, *profile; /* of the configuration */
	struct fl_aws_credentials *now; /* NULL: none */
	char from[128];		  /* where they are from */
	fl_unix_us refresh_at;
	fl_mono_ns retry_at; /* after a failure */
	enum fl__who_phase phase;
	uint64_t transfer;
	char machine_token[256];
	char role[160];
	char problem[256]; /* why there are none */
};
/** 1: w->now is good; 0: they are being asked for, an answer will come; FL_ENOTFOUND: none, problem says why, and it is asked again at retry_at. */
int fl__who_get(struct fl__who *w, fl_mono_ns now);
/** Was the answer for it? Takes nothing of it. */
bool fl__who_answer(struct fl__who *w, const struct fl_http_response *r, fl_mono_ns now);
/** They were refused: ask for them anew. */
void fl__who_refused(struct fl__who *w);
void fl__who_done(struct fl__who *w);
/** Is this URL of a container's credentials one that may be asked without TLS? Loopback, and the addresses of metadata services. */
bool fl__who_local(const char *url, bool *loopback);

/* --- signed calls: aws_call.c --- */

/* What an answer means; a row of the table there. */
enum fl__aws_class {
	FL__AWS_OK, FL__AWS_UNREACHABLE, FL__AWS_THROTTLED, FL__AWS_SERVER, FL__AWS_KEY, FL__AWS_SIGNATURE, FL__AWS_SKEW, FL__AWS_EXPIRED, FL__AWS_DENIED, FL__AWS_ABSENT,
	FL__AWS_UNREADABLE, FL__AWS_OTHER,
};
struct fl__aws {
	struct fl__who who;
	const char *region, *service, *url; /* url: of the endpoint, without a slash at its end */
	const char *ca_file;
	int64_t skew_s; /* the server's clock less ours, as of its last answer */
	unsigned failures; /* in a row */
	bool asked_anew; /* for credentials, since a call was answered well */
	fl_mono_ns retry_at; /* calls wait until then */
};
struct fl__aws_call {
	const char *path;   /* "/..." */
	const char *target; /* X-Amz-Target; NULL: REST */
	struct fl_span body;
	int timeout_ms;
};
/** Needs a->who.now. */
int fl__aws_start(struct fl__aws *a, const struct fl__aws_call *call, uint64_t *id, struct fl_err *err);
/** What the answer means. Notes the skew, asks for new credentials, sets retry_at; reason: for people, when it is not FL__AWS_OK. */
enum fl__aws_class fl__aws_judge(struct fl__aws *a, const struct fl_http_response *r, fl_mono_ns now, char reason[256]);
bool fl__aws_for_person(enum fl__aws_class c);
/** Another failure: wait. after_s: as the server asks, -1 none. */
void fl__aws_back_off(struct fl__aws *a, int64_t after_s, fl_mono_ns now);

/* --- sources --- */

/* A document on its way; the first member of what the source keeps for it. */
struct fl__document {
	struct fl_intake_item item; /* ctx: the source */
	struct fl__document *next;  /* of those that came back */
	bool out;		    /* with the stage */
	uint64_t tag;		    /* of its dead letter; 0 none is under way */
};

struct fl__aws_source_ops {
	const char *type;
	/* The earliest of *wake and its own. */
	void (*step)(struct fl_aws_source *s, fl_mono_ns now, fl_mono_ns *wake);
	bool (*answer)(struct fl_aws_source *s, struct fl_http_response *r, fl_mono_ns now); /* false: not for it */
	void (*back)(struct fl_aws_source *s, struct fl__document *d, fl_mono_ns now);
	/* code of the dead letter with this tag; false: not its. */
	bool (*set_aside)(struct fl_aws_source *s, uint64_t tag, int code, fl_mono_ns now);
	void (*stop)(struct fl_aws_source *s, fl_mono_ns now);
	bool (*idle)(const struct fl_aws_source *s); /* of one that is stopped */
	void (*status)(const struct fl_aws_source *s, fl_unix_us now, struct fl_aws_source_status *out); /* in_flight, oldest_age_s */
	void (*free)(struct fl_aws_source *s);
};
struct fl_aws_source {
	const struct fl__aws_source_ops *ops;
	struct fl_aws_sources *all;
	struct fl_aws_source *next;
	struct fl_arena arena;		   /* of cfg's texts */
	struct fl_cfg_findings_source cfg; /* a copy */
	struct fl_aws_source_status s;
	struct fl__aws aws;
	bool stopping;
};
struct fl_aws_sources {
	struct fl_aws_sources_config c;
	struct fl_aws_source *first;   /* in order of the configuration, then those that are leaving */
	pthread_mutex_t lock;	   /* of what comes back */
	struct fl__document *back;
	uint64_t last_tag;
	size_t letters; /* dead letters under way */
};

struct fl_aws_source *fl__sqs_new(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg);
struct fl_aws_source *fl__guardduty_new(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg);
/** What every source has: cfg copied, credentials and endpoint ready. False: no memory. */
bool fl__aws_source_init(struct fl_aws_source *s, struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg, const struct fl__aws_source_ops *ops, const char *service, const char *endpoint);
void fl__aws_source_done(struct fl_aws_source *s);
/** Hand it to the stage. FL_ELIMIT: full, later; FL_EUNAVAIL: closing. */
int fl__aws_source_push(struct fl_aws_source *s, struct fl__document *d);
/** Its bytes to topic dead-letter; set_aside tells the end. FL_ENOTFOUND: there is no bus. */
int fl__aws_source_letter(struct fl_aws_source *s, struct fl__document *d, const char *reason, const char *origin, struct fl_err *err);
/** Credentials: true when there are some; else state and wake say it. */
bool fl__aws_source_ready(struct fl_aws_source *s, fl_mono_ns now, fl_mono_ns *wake);
void fl__aws_source_ok(struct fl_aws_source *s);
void fl__aws_source_failed(struct fl_aws_source *s, enum fl__aws_class c, const char *reason);
void fl__aws_source_count(struct fl_aws_source *s, enum fl_aws_count c, uint64_t n);
static inline void fl__earlier(fl_mono_ns *wake, fl_mono_ns at)
{
	if (at < *wake)
		*wake = at;
}
