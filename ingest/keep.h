/* Private to ingest/: the ledger of claims (DESIGN.md 3). keep.c writes: every change of a claim, before it is acknowledged. restore.c reads: what the store lost is committed again, before
 * anything new.
 *
 *   start, or a head that does not descend from what is known -> read: file, topic to its end -> fold -> compare with the store by claim id -> commit what it lacks
 *   and in between: the topic is followed, and what other hosts wrote is compared as it comes */
#pragma once
#include "ingest/fold.h"
#include "ingest/ingest.h"
#include "sets/ledger.h"

struct fl_findings_stage;
struct fl_claim_set;

/* Claims that the ledger is known to have, as hashes of what they say; forgotten as a whole when there are too many. */
enum { FL_KNOWN_MAX = 1 << 20 };
struct fl_known {
	uint64_t *v; /* open addressing; 0 free */
	size_t n, cap;
};
void fl__known_add(struct fl_known *k, uint64_t hash);
bool fl__known_has(const struct fl_known *k, uint64_t hash);
void fl__known_done(struct fl_known *k);

enum fl_restore_state { FL_RESTORE_IDLE, FL_RESTORE_READ, FL_RESTORE_COMPARE };

struct fl_keep {
	struct fl_ledger *ledger; /* NULL: there is none */
	struct fl_known known;
	uint64_t *fresh; /* put since the last flush */
	size_t n_fresh, cap_fresh;
	int failed; /* of a put: the next flush says it */

	enum fl_restore_state state;
	bool running;	/* commits of our own are not kept waiting by it */
	bool read_once; /* the topic was read to its end */
	struct fl_bus_consumer *topic; /* first from its beginning, then behind its end */
	struct fl_bus_offsets end;
	bool following;
	struct fl_fold *fold;
	size_t set; /* compared now, and how far */
	uint32_t at;
	bool whole, again; /* the fold is all that the ledger has, not what was followed; all of it must be read again */
	bool head_asked, skipped; /* skipped: a set could not be compared, and is asked again */
	uint64_t small; /* octets of the file when it was made small last; 0: to be found out */
	bool asked, no_more; /* while the topic is silent before its end */
	fl_mono_ns retry_at, topic_at, silent_since, heads_at;
	uint64_t records, unreadable, restored;
	char problem[200];
};

/* keep.c */
int fl__keep_open(struct fl_findings_stage *f, struct fl_err *err);
void fl__keep_close(struct fl_findings_stage *f);
/** Claims as they were committed in `in`. On their way when it returns; fl__keep_flush makes them durable. */
void fl__keep_claims(struct fl_findings_stage *f, enum fl_cause cause, const struct fl_claim *v, size_t n, const struct fl_version_id *in);
/** A claim that the store has and that is acknowledged again: put unless the ledger is known to have it. */
void fl__keep_known(struct fl_findings_stage *f, const struct fl_claim *c);
void fl__keep_purge(struct fl_findings_stage *f, const char *source, const struct fl_version_id *in);
/** Before anything is acknowledged: 0 when all that was put is durable. */
int fl__keep_flush(struct fl_findings_stage *f, struct fl_err *err);
uint64_t fl__keep_hash(const struct fl_claim *c);

/* restore.c */
/** A set that is new here: nothing is committed to it before it was compared. */
void fl__restore_set(struct fl_findings_stage *f, struct fl_claim_set *s);
/** Reads, compares, follows; bounded work. True: there is more to do at once. */
bool fl__restore_step(struct fl_findings_stage *f, fl_mono_ns now);
/** 0: the set may be written. Drives the restoration for a while if it may not yet. FL_EUNAVAIL: it must wait. */
int fl__restore_ready(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err);
/** The same for sets whose heads are read now, in one round trip: each is judged, the first that does not fit is said. */
int fl__restore_heads(struct fl_findings_stage *f, struct fl_claim_set *const *sets, size_t n, struct fl_err *err);
/** Does the head that was just read descend from what is known of the set? If not, the set is restored first: FL_EUNAVAIL. */
int fl__restore_fits(struct fl_findings_stage *f, struct fl_claim_set *s, const struct fl_head *head, struct fl_err *err);
