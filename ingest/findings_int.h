/* Private to ingest/: findings and operator entries.
 *
 *   document -> findings -> policy -> claims -> (what the set says of these names now) -> changes + claims -> one commit a set
 *
 * A name stays in a set as long as one active claim holds it. Each set is written under a lease that is kept while there is work. */
#pragma once
#include "ingest/ingest.h"
#include "ingest/keep.h"

enum { FL_CLAIM_SETS_MAX = 4096, FL_FINDINGS_LEASE_MS = 3000, FL_EXPIRY_TICK_MS = 500, FL_CLOCK_APART_S = 60, FL_FILES_A_STEP = 256 };

/* How far the ends of a set's claims were watched, and what of them waits for a person (expiry.c). */
struct fl_expiry_watch {
	bool looked;
	fl_unix_us until; /* wall clock of the last look that came through */
	fl_mono_ns at;	  /* and the monotonic one */
	fl_unix_us waits_until; /* claims that end up to here wait; 0: none do */
	uint64_t waits, entries; /* so many, of a set of so many names */
	uint64_t unreadable;	 /* past their time, and not to be read: they stay */
};

/* One source set that this stage writes. */
struct fl_claim_set {
	char source[FL_SET_NAME], list[FL_SET_NAME];
	struct fl_lease lease;
	bool leased, head_known;
	struct fl_head head;
	fl_mono_ns retain_at;
	struct fl_version_id known; /* the newest version that this process knows; 0: none, or to be found out */
	bool held, compare;	    /* by the ledger (restore.c): nothing new yet; what the store lost is looked for */
	uint64_t trim_at; /* how far its list of claims was looked through for those that are no more */
	struct fl_expiry_watch expiry;
};

/* Where the reading of one findings folder is, file by file in the order of their names, and what stood in the way. */
struct fl_drop_place {
	char after[256];
	char trouble[200]; /* of this pass */
	char said[200];	   /* of the last whole one */
};

struct fl_findings_stage {
	struct fl_findings_config c;
	struct fl_arena arena; /* policy and places: as long as the configuration */
	struct fl_finding_policy policy;
	struct fl_protected protected; /* the policy's */
	struct fl_claim_set *sets;
	size_t n_sets;
	struct fl_drop_file *listed;  /* FL_FILES_A_STEP of them */
	struct fl_drop_place *places; /* parallel to the configuration's findings sources */
	fl_mono_ns expiry_at;
	char expiry_trouble[200];
	struct fl_keep keep;
	struct fl_findings_status s;
};

/* What one commit of a set is to do: claims written with it, each id once, and the names they touch. */
struct fl_claim_batch {
	struct fl_claim_set *set;
	const struct fl_claim *claims; /* with their new state */
	size_t n;
	enum fl_cause cause;
	const char *actor, *reason;
	fl_unix_us seen_at;
	/* Asked for each claim when the store was read, and again after a lost race: is it to be written? It may change the claim. NULL: all are, and a name that cannot be read is
	 * FL_ECORRUPT for the whole batch. */
	bool (*judge)(void *ctx, size_t i, const struct fl_claim_view *view, struct fl_claim *claim);
	void *ctx;
};

/** The set by source name, made on demand (bounded). NULL when there are too many. */
struct fl_claim_set *fl__claim_set(struct fl_findings_stage *f, const char *source, const char *list);
int fl__claim_set_ready(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err);
/** Before something is decided by what the store has: 0 when the heads of these sets descend from what is known; what they lost comes back first, or FL_EUNAVAIL. One round trip; none without a
 * ledger. */
int fl__claim_sets_fit(struct fl_findings_stage *f, struct fl_claim_set *const *sets, size_t n, struct fl_err *err);
/** Commit a batch: for each name the tuple that all its active claims give. Retries a lost race. 0 also when nothing changes, or nothing is to be written: then out->id.number is 0. */
int fl__claims_commit(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct fl_source_version *out, struct fl_err *err);
/** The earlier of this host's clock and the store's; false when they are apart, or the store is away. */
bool fl__both_clocks(struct fl_findings_stage *f, fl_unix_us *until);
/** Claims past their time, in every set; a version each. What ends in numbers while nobody looked waits. */
void fl__claims_expire(struct fl_findings_stage *f, fl_mono_ns now);
/** Directory sources. Returns true when there was a file. */
bool fl__findings_directories(struct fl_findings_stage *f);

/* --- the life of a finding (finding_moves.c, finding_life.c) --- */

/* What one document said of one finding. */
struct fl_finding_said {
	const char *source;  /* a findings source, or "cli" */
	const char *finding; /* its id, as claims carry it */
	fl_unix_us updated_at;
	bool archived;
	size_t first, n; /* its claims, in the stage's own numbering */
	const void *tag; /* the caller's: the document */
	/* what it comes to */
	bool stale; /* a later word of this finding is known: these claims are not news */
	bool dismissed; /* a person dismissed the finding: what it claims anew stays out too */
	const struct fl_finding_said *taken_back; /* another document of the batch takes all of it back; NULL: none does */
};
/* A claim that an update takes back, since the finding names it no more. */
struct fl_finding_moved {
	struct fl_claim claim; /* withdrawn */
	struct fl_claim_set *set;
	const struct fl_finding_said *by;
};
/** Which claims of the store these documents take back, and which of the documents are too old to say anything: by what each finding has in all sets of its source. names(ctx, i, claim): does
 * said[i] claim this id? In arena. Reads the store, in two round trips. */
int fl__finding_moves(struct fl_findings_stage *f, struct fl_finding_said *said, size_t n, bool (*names)(void *ctx, size_t i, const char *claim_id), void *ctx,
		      struct fl_arena *arena, struct fl_finding_moved **out, size_t *n_out, struct fl_err *err);
/** Is the set, by its name, of this findings source: SOURCE.block, SOURCE.alert, or one of these and a list? */
bool fl__set_of_source(const char *set, const char *source);
/** Is it the set of a source's alerts, whatever its list? */
bool fl__set_alerts(const char *set);
/** What a person said of the claim that is stored holds for the one that takes its place: an end that was moved out, a protected name that was let in. */
void fl__claim_keep_word(const struct fl_claim *stored, struct fl_claim *next);
/** The claim becomes quarantined, since it would block this. */
void fl__claim_quarantine(struct fl_claim *c, const struct fl_protected_name *protects);
