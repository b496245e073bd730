/* Ingest: when and how bytes are fetched, and what becomes of them: payload -> claims -> source set @n. Two stages, each stepped, each with its own store door, so that a
 * big feed never delays a finding: fl_ingest (feeds, config entries) and fl_findings (findings directory, injected findings, operator entries, expiry).
 * Every origin is a source. The last good source set stands on any failure. Start reading at ingest.c. */
#pragma once
#include "base/metrics.h"
#include "feeds/feeds.h"
#include "io/bus.h"
#include "io/disk.h"
#include "io/dropdir.h"
#include "io/http.h"
#include "model/config.h"
#include "normalize/normalize.h"
#include "sets/sets.h"

/* A local file: mtime, size and inode as a validator text, and the content unless out is NULL. FL_ENOTFOUND, FL_EIO, FL_ELIMIT. */
typedef int fl_read_file(void *ctx, const char *path, uint64_t max, struct fl_buf *out, char *validator, size_t cap, struct fl_err *err);

struct fl_ingest_config {
	const struct fl_config *cfg;
	struct fl_sets *sets;
	struct fl_http *http;
	fl_read_file *read_file; /* NULL: the system's files */
	void *file_ctx;
	struct fl_disk *state; /* keeps the documents of MISP and TAXII feeds; NULL: they are fetched anew each time */
	struct fl_clock *clock;
	struct fl_random *random;
	const struct fl_names *names;
};
struct fl_ingest;
int fl_ingest_open(const struct fl_ingest_config *c, struct fl_ingest **out, struct fl_err *err);
int fl_ingest_step(struct fl_ingest *g, fl_mono_ns now, fl_mono_ns *wake);
int fl_ingest_reload(struct fl_ingest *g, const struct fl_config *cfg);
/** Fetch now; NULL: all feeds. FL_ENOTFOUND. */
int fl_ingest_refresh(struct fl_ingest *g, const char *feed, fl_mono_ns now);
/* What a person says of what is held, or of quarantined names. */
struct fl_feed_word {
	bool approve; /* else reject */
	const char *const *names; /* none: of the content that is held */
	size_t n_names;
	const char *actor, *reason;
};
/** Keeps it with the source and fetches. An approval holds for this content upon this version, a rejection for this content ever. FL_ENOTFOUND, FL_EREFUSED: nothing is held, FL_EFORMAT, FL_EUNAVAIL. */
int fl_ingest_judge(struct fl_ingest *g, const char *feed, const struct fl_feed_word *w, fl_mono_ns now, struct fl_err *err);
void fl_ingest_close(struct fl_ingest *g);

enum fl_feed_state { FL_FEED_NEW, FL_FEED_OK, FL_FEED_UNCHANGED, FL_FEED_FETCHING, FL_FEED_DEGRADED, FL_FEED_HELD, FL_FEED_STALE, FL_FEED_DISABLED };
const char *fl_feed_state_word(enum fl_feed_state s);
enum { FL_QUARANTINE_LISTED = 200 };
/* An entry that would block a protected name. */
struct fl_quarantined {
	const char *entry, *name, *why; /* why the name is protected: fl_protect_word */
	uint8_t scope;
};
struct fl_feed_held {
	char digest[33]; /* of the set; "" = nothing is held */
	uint64_t before, after, added, removed;
	fl_unix_us since;
	char rejected[33]; /* of a set that was served last and is refused; "" = none */
};
struct fl_feed_status {
	char name[FL_SET_NAME], into[FL_SET_NAME];
	enum fl_feed_state state;
	char reason[256];	 /* of the last failure or hold; "" = none */
	fl_unix_us last_try, last_ok, last_changed, next_try;
	uint64_t version, names, failures_in_row, fetches_ok, fetches_unchanged, fetches_failed;
	struct fl_tally lines, claims; /* of the last accepted body */
	uint64_t bytes;
	int64_t took_ms, stale_after_ms;
	struct fl_feed_held held;
	const struct fl_quarantined *quarantined; /* at most FL_QUARANTINE_LISTED */
	size_t n_quarantined, quarantined_total;
};
void fl_ingest_status(struct fl_ingest *g, struct fl_arena *arena, struct fl_feed_status **out, size_t *n);
/** Why the `entries:` of a list are not committed, or a name in `protected:` is not protected; "" when all is well. */
const char *fl_ingest_problem(const struct fl_ingest *g);
void fl_ingest_metrics(struct fl_ingest *g, struct fl_buf *out);

/** How a feed's body is read, by its configuration, which it borrows. now_s as in fl_feed_options. */
struct fl_feed_options fl_feed_options_of(const struct fl_cfg_feed *cfg, uint32_t now_s);
/** A feed's request headers as "Name: value", ended by NULL, in arena: the values are read from their files now (read_file NULL: the system's). FL_ENOTFOUND, FL_EIO, FL_ELIMIT, FL_EFORMAT: more than
 * one line; FL_ENOMEM. They are secrets: not to be logged, and for the feed's own URL only. */
int fl_feed_headers(const struct fl_cfg_feed *f, fl_read_file *read_file, void *file_ctx, struct fl_arena *arena, const char *const **out, struct fl_err *err);

/* What no feed may block, by a configuration (protected.c). */
enum { FL_PROTECT_PROBLEM = 256, FL_GUARD_MIN_SIDE = 1000 /* smaller sets are not held by ratio */ };
struct fl_protected_from {
	const struct fl_config *cfg; /* NULL: the shipped names alone */
	const struct fl_names *names;
	fl_read_file *read_file; /* NULL: the system's files */
	void *file_ctx;
};
/** Replaces what out has. A file that cannot be read, or a line that is no name, is said in problem ("" none) and keeps nothing else out. 0 or FL_ENOMEM. */
int fl_protected_from(const struct fl_protected_from *from, struct fl_protected *out, char problem[FL_PROTECT_PROBLEM]);
/** Is the list used, and by ALLOW rules alone? What such a list holds blocks nothing, and no name is kept out of it. */
bool fl_list_only_allows(const struct fl_config *cfg, const char *list);

/* What `feed test` says of a body, without any set: format, tallies, rejects. Pure. */
struct fl_feed_trial {
	struct fl_feed_result parsed;
	struct fl_tally claims;
	uint64_t names;
	bool no_list;	   /* more refused than accepted */
	bool refused;	   /* it would not become a version by itself: no list, too few names, empty */
	char reason[256];
};
int fl_feed_try(const struct fl_names *names, const struct fl_feed_options *opt, struct fl_span body, uint64_t min_names, fl_feed_reject *reject, void *ctx,
		struct fl_set *set /* NULL, or gets the entries */, struct fl_feed_trial *out, struct fl_err *err);

/* --- findings and operator entries --- */
/** The policy of a configuration. Borrows from cfg, the rest is in arena; `protect` is left to the caller. 0 or FL_ENOMEM. */
int fl_finding_policy_of(const struct fl_config *cfg, struct fl_arena *arena, struct fl_finding_policy *out);
struct fl_intake;
struct fl_intake_item; /* intake.h */
struct fl_findings_config {
	const struct fl_config *cfg;
	struct fl_sets *sets;
	struct fl_bus *bus; /* topic `findings`, the ledger; NULL: none */
	const struct fl_drop_dir *dir; /* directory sources */
	void *dir_ctx;
	struct fl_clock *clock;
	struct fl_random *random;
	const struct fl_names *names;
	struct fl_intake *intake; /* where the other sources' documents wait; NULL: none */
	bool bus_keeps;	    /* else (the mock broker) the ledger is a file */
	struct fl_disk *ledger; /* folder of that file, which stands in for a bus that is away; NULL: none */
};
struct fl_findings_stage;
int fl_findings_open(const struct fl_findings_config *c, struct fl_findings_stage **out, struct fl_err *err);
int fl_findings_step(struct fl_findings_stage *f, fl_mono_ns now, fl_mono_ns *wake);
int fl_findings_reload(struct fl_findings_stage *f, const struct fl_config *cfg);
void fl_findings_close(struct fl_findings_stage *f);

struct fl_finding_outcome {
	uint32_t documents, findings, domains;
	uint32_t accepted, withdrawn, duplicate, refused;
	struct fl_tally tally;
	char source[FL_SET_NAME]; /* the set that changed last */
	uint64_t version;	  /* and its version; 0: none changed */
	char list[FL_SET_NAME];
	char reason[256];	  /* of the last refusal */
	bool cut_off;		  /* the document ends within a finding: of a file, more may follow */
};
/** Decode, decide and commit a list of documents (intake.h) as one batch: the claims of all go into few versions, at most a thousand in one, and a repeat in the batch costs nothing. Each gets its
 * own word, and its done is called when all is durable. */
void fl_findings_take(struct fl_findings_stage *f, struct fl_intake_item *first);
/** Decode, decide and commit; durable in the source version when it returns 0. source: "cli", or a findings source's name. dry_run commits nothing.
 * FL_EFORMAT; FL_EUNAVAIL: nothing acknowledged, try again. */
int fl_findings_inject(struct fl_findings_stage *f, const char *source, struct fl_span json, bool dry_run, const char *actor, struct fl_finding_outcome *out,
		       struct fl_err *err);

/* An operator's entry in LIST.operator. */
struct fl_operator_entry {
	const char *name; /* "x", "*.x", "*" */
	uint8_t scope;	  /* 0: by the name's form */
	fl_unix_us expires_at; /* 0: by the list's default_ttl, else never */
	bool permanent;	       /* never, whatever the list says */
};
/** When an entry that is added now would end, unix us; 0: never. */
fl_unix_us fl_operator_end(const struct fl_findings_stage *f, const char *list, const struct fl_operator_entry *e);
/** Add (or renew) or remove entries; one version. Durable when it returns 0. refused entries are listed in reason; any refused: nothing is committed. */
int fl_operator_change(struct fl_findings_stage *f, const char *list, bool add, const struct fl_operator_entry *v, size_t n, const char *actor,
		       const char *reason, struct fl_source_version *out, struct fl_err *err);
/** The deleting version of a source, then its keys. FL_EREFUSED, and nothing is done: the configuration names it, or the newest version of a list is made of it (which, in err).
 * Older versions of lists keep their manifests, but what they had of the source cannot be read any more. */
int fl_source_purge(struct fl_findings_stage *f, const char *source, const char *actor, const char *reason, struct fl_err *err);

/** A person's word that what waits in the sets of a list is past its time (docs/decisions/expiry.md): it leaves now, by versions with this actor and reason; *expired claims. Durable when it
 * returns 0. FL_ENOTFOUND: nothing of this list waits. FL_EUNAVAIL: the store is away, or the clocks are apart; what has not left waits on. */
int fl_expiry_approve(struct fl_findings_stage *f, const char *list, const char *actor, const char *reason, uint64_t *expired, struct fl_err *err);

/* What a person says of a finding's claims. */
enum fl_claim_op {
	FL_CLAIM_DISMISS, /* out, and so over later updates of the finding */
	FL_CLAIM_RESTORE, /* takes a dismissal back */
	FL_CLAIM_EXTEND,  /* another end, of what is active */
	FL_CLAIM_APPROVE, /* lets in what was quarantined */
	FL_CLAIM_OPS
};
/** "dismiss", "restore", "extend", "approve". */
const char *fl_claim_op_word(enum fl_claim_op op);
struct fl_claim_request {
	enum fl_claim_op op;
	const char *id;	  /* of a finding: all its claims; of a claim; or the beginning of one (fl_claims_find) */
	fl_unix_us until; /* extend; 0: no end */
	const char *actor, *reason;
	bool dry_run;
};
struct fl_claim_change {
	struct fl_claim before, after;
	const char *list;
	uint64_t version; /* of its source, that has it; 0: dry run */
};
struct fl_claim_answer {
	struct fl_claim_change *v; /* in arena */
	size_t n;
	size_t others; /* claims of the finding that are as they were */
};
/** One version a set. Durable when it returns 0. FL_ENOTFOUND; FL_EUSAGE: the beginning of several ids, no reason, an end that is past; FL_EREFUSED: no claim of it can be changed like this,
 * why in err; FL_EUNAVAIL and the like: what was not changed stays as it was, say it again. Dismissing what is dismissed is 0 and changes nothing. */
int fl_findings_decide(struct fl_findings_stage *f, const struct fl_claim_request *r, struct fl_arena *arena, struct fl_claim_answer *out, struct fl_err *err);

struct fl_findings_status {
	uint64_t accepted, duplicate, sample, low_severity, no_domain, ignored, protected, malformed, withdrawn, expired;
	bool clock_skewed;	 /* local and store clock more than 60 s apart: nothing expires */
	uint64_t expiry_waits;	 /* claims past their time that wait for fl_expiry_approve */
	uint64_t unreadable;	 /* claims past their time that cannot be read: they stay */
	char waits_list[FL_SET_NAME]; /* the first list of which some wait, and why; "" none */
	char waits[200];
	char problem[200];
	bool ledger, ledger_file; /* there is one; it is a file (else a topic) */
	bool restoring;		  /* what the store may have lost is looked for; what comes meanwhile waits */
	uint64_t ledger_pending;  /* records that this host holds until Kafka is back */
	uint64_t ledger_delivered, ledger_kept, ledger_sent_on, ledger_failed, ledger_unreadable, restored; /* records; claims */
	char ledger_problem[200];
};
void fl_findings_status(struct fl_findings_stage *f, struct fl_findings_status *out);
void fl_findings_metrics(struct fl_findings_stage *f, struct fl_buf *out);
