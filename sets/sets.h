/* Versioned sets over the store door (DESIGN.md 3): source sets with keyframes and deltas, lists as manifests of source versions. Epoch,
 * chain, one-script commit with compare-and-set and fencing, outbox, wake, retention. Redis keys: docs/formats/redis-keys.md.
 * Start reading at commit.c. No state but handles; any process may die at any instruction and another goes on. */
#pragma once
#include "io/clock.h"
#include "io/store.h"
#include "model/delta.h"
#include "model/event.h"
#include "model/finding.h"
#include "model/keyframe.h"
#include "model/version.h"

/* One process's view of the store. All pointers borrowed. */
struct fl_sets {
	struct fl_store *store;
	struct fl_clock *clock;
	struct fl_random *random;
	int64_t keep_age_ms;  /* retention: versions younger than this stay */
	uint64_t keep_bytes;  /* per set; older ones leave when a set weighs more, the age notwithstanding */
	uint32_t keep_floor;  /* at least so many versions stay (10) */
	/* Sizes of DESIGN.md 3; 0: the default. Tests make them small, so that small sets meet every path. */
	uint32_t small_bytes; /* 64 KiB: so much of deltas a small set may gather before a keyframe is cut */
	uint32_t delta_max;   /* 1 MiB: a heavier delta is not kept */
	uint32_t deltas_max;  /* 1,000: so many deltas, then a keyframe */
	uint32_t pack_max;    /* 256: so many old deltas a pack; that is also the most */
};

enum { FL_JUDGED_TEXT = FL_NAME_TEXT + 8 };

struct fl_head {
	struct fl_version_id id; /* number 0: the set was never created, or its head is gone */
	struct fl_u128 digest;
	uint64_t entries;
	uint64_t keyframe; /* source: version of the newest keyframe, 0 = none */
	char fence[33];
	char state[24];	   /* source: "ok", "held", ...; list: "ok", "deleted" */
	fl_unix_us published_at;
};

/** FL_ENOTFOUND when there is none (out->id.number 0); a head without epoch is no head. */
int fl_set_head(struct fl_sets *s, enum fl_set_kind kind, const char *name, struct fl_head *out, struct fl_err *err);
/** Heads of many sets in one round trip; a missing one has number 0. */
int fl_set_heads(struct fl_sets *s, enum fl_set_kind kind, const char *const *names, size_t n, struct fl_head *out, struct fl_err *err);
/** Names of all sets of this kind that the store knows, sorted, in arena. SCAN, not KEYS. */
int fl_set_names(struct fl_sets *s, enum fl_set_kind kind, struct fl_arena *arena, const char *const **out, size_t *n, struct fl_err *err);
/** Is each of these versions in the store, under its epoch and chain? One round trip; number 0 is there. */
int fl_set_versions_there(struct fl_sets *s, enum fl_set_kind kind, const char *const *names, const struct fl_version_id *ids, size_t n, bool *there,
			  struct fl_err *err);
int fl_source_version_get(struct fl_sets *s, const char *name, uint64_t number, struct fl_source_version *out, struct fl_err *err);
int fl_list_version_get(struct fl_sets *s, const char *name, uint64_t number, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err);
/** number -> chain by `lineage`: FL_ENOTFOUND when it does not know that number, FL_EGAP when the set has no lineage at all. */
int fl_set_lineage(struct fl_sets *s, enum fl_set_kind kind, const char *name, uint64_t number, uint8_t chain[32], struct fl_err *err);

/* The lease: who writes this set now. It only saves work; the compare-and-set is what is correct. */
struct fl_lease {
	enum fl_set_kind kind;
	char name[FL_SET_NAME];
	char fence[33]; /* random, written into head */
	fl_mono_ns until;
};
/** Take it, or extend ours. FL_EFENCED: another holds it. Creates the head's fence field only; never an epoch. */
int fl_lease_take(struct fl_sets *s, enum fl_set_kind kind, const char *name, int64_t ttl_ms, struct fl_lease *lease, struct fl_err *err);
int fl_lease_release(struct fl_sets *s, struct fl_lease *lease, struct fl_err *err);

/* Claims that are written in the same commit (findings, timed operator entries). */
struct fl_claim_write {
	const struct fl_claim *v;
	size_t n;
};

/* A new version of a source. */
struct fl_source_commit {
	const char *name;
	const struct fl_lease *lease;
	const struct fl_head *parent;	   /* what the changes are based on; number 0: the first version, a new epoch */
	enum fl_cause cause;
	const char *actor, *reason;
	const struct fl_fetch_state *fetch; /* NULL: the parent's */
	struct fl_claim_write claims;
	bool even_unchanged;		    /* commit also when the set is the same (fetch state, deletion) */
};
/**
 * Commit the set `take_next` (a sorted stream, closed here) as the next version: diffs it against the parent's content, writes a delta or a keyframe
 * (before the commit, with NX and an hour's expiry), then one script. Bounded memory.
 *
 * @return 0 and *out; FL_OK with out->id equal to the parent's when nothing changed; FL_ESTALE: the head moved, reread; FL_EFENCED; FL_EUNAVAIL;
 *         FL_EUNKNOWN: the reply was lost, and again when the script was asked by its commit id: reread the head.
 */
int fl_source_commit(struct fl_sets *s, const struct fl_source_commit *c, struct fl_entry_iter *take_next, struct fl_source_version *out,
		     struct fl_err *err);
/** The same from changes (closed here) that are checked against nothing but the digest of a later reader: for findings and operator entries, whose writer
 * knows the old tuples. O(changes), but for a keyframe when one is due. */
int fl_source_commit_changes(struct fl_sets *s, const struct fl_source_commit *c, struct fl_change_iter *take_changes, struct fl_source_version *out,
			     struct fl_err *err);
/** Look-ups of single names in a source at its head, for a writer of changes: tuples[i].scope 0 = absent. Reads keyframe blocks by index and deltas. */
int fl_source_lookup(struct fl_sets *s, const char *name, const struct fl_head *at, const struct fl_span *keys, size_t n, struct fl_tuple *tuples,
		     struct fl_err *err);

/** The content at a version, as a sorted stream: keyframe at or below it (found by parent links) and the deltas since. FL_ENOTFOUND when a needed key is gone (retention):
 * the caller starts again from the head, five times at most. The stream may also give FL_ENOTFOUND, FL_ECORRUPT. The digest of a completely read stream
 * is checked against the version's: the last next() gives FL_ECORRUPT instead of 0 when it differs. */
int fl_source_open(struct fl_sets *s, const char *name, uint64_t number, struct fl_entry_iter **out, struct fl_version_id *id, struct fl_err *err);
/** The stored deltas on the parent path from `from` (exclusive) to `to`, oldest first, bytes in arena. FL_ENOTFOUND: a delta is missing or a keyframe
 * stands in between: take the content instead. FL_ESTALE: `from` is no ancestor of `to`. At most FL_EVENT_DELTAS_MAX. */
int fl_source_deltas(struct fl_sets *s, const char *name, const struct fl_version_id *from, const struct fl_version_id *to, struct fl_arena *arena,
		     struct fl_event_delta **out, uint32_t *n, struct fl_err *err);
/** What changed between two versions of one source (either direction), as a stream: by deltas where they exist, else by merging contents. */
int fl_source_diff(struct fl_sets *s, const char *name, uint64_t from, uint64_t to, struct fl_change_iter **out, struct fl_err *err);

/* A new version of a list. */
struct fl_list_commit {
	const char *name;
	const struct fl_lease *lease;
	const struct fl_head *parent; /* number 0: first version: a new epoch, and number is `first_number` (1 when 0) */
	uint64_t first_number;
	const struct fl_list_input *inputs; /* all of them, sorted */
	uint32_t n_inputs;
	enum fl_cause cause;
	const char *actor, *reason;
	uint64_t at_least;	      /* number is above this too (recover, lost-tail); 0 */
	struct fl_recovered recovered; /* cause recover: version is set to the new number by the commit; else the parent's is carried on by the commit */
	fl_unix_us seen_at, source_at;
};
/** One script: parent is the head, fence ours, inputs exist with their chains and do not go back and pins are the parent's unless the cause allows it; then version, lineage, outbox, `needed`, head, wake. */
int fl_list_commit(struct fl_sets *s, const struct fl_list_commit *c, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err);

/* Outbox: (number, chain) not yet acknowledged by Kafka. */
struct fl_outbox_entry {
	char id[40]; /* stream id, for trim */
	uint64_t number;
	uint8_t chain[32];
	fl_unix_us at;
};
int fl_outbox_read(struct fl_sets *s, const char *list, size_t max, struct fl_arena *arena, struct fl_outbox_entry **out, size_t *n, uint64_t *length,
		   struct fl_err *err);
/** Remove exactly these, after their delivery reports. */
int fl_outbox_trim(struct fl_sets *s, const char *list, const struct fl_outbox_entry *v, size_t n, struct fl_err *err);
/** The event of a list version: its manifest and the stored deltas of the inputs that moved, read by one script, never decoded. All in arena. */
int fl_event_load(struct fl_sets *s, const char *list, uint64_t number, struct fl_arena *arena, struct fl_event *out, struct fl_err *err);

/* Claims. */
/** FL_ENOTFOUND; FL_ECORRUPT: it cannot be read. */
int fl_claim_get(struct fl_sets *s, const char *source, const char *id, struct fl_claim *out, struct fl_err *err);
enum fl_claim_there { FL_CLAIM_NOT_THERE, FL_CLAIM_THERE, FL_CLAIM_UNREADABLE };
/** Many by their ids, in one round trip: out[i] when there[i] is FL_CLAIM_THERE. */
int fl_claims_get(struct fl_sets *s, const char *source, const char *const *ids, size_t n, struct fl_claim *out, enum fl_claim_there *there, struct fl_err *err);
/** Claims of a source that end after `after` (0: from the first on) and at or before `until`, the earliest first, at most max, in arena. One that cannot be read or is not there is passed over,
 * counted in *unreadable, and the next takes its place. */
int fl_claims_due(struct fl_sets *s, const char *source, fl_unix_us after, fl_unix_us until, size_t max, struct fl_arena *arena, struct fl_claim **out, size_t *n,
		  uint64_t *unreadable, struct fl_err *err);
/** How many claims of a source end at or before `until`, readable or not. One round trip, O(log n). */
int fl_claims_due_count(struct fl_sets *s, const char *source, fl_unix_us until, uint64_t *n, struct fl_err *err);
/* What the store has of a claim that is to be written, and of its name. */
struct fl_claim_view {
	const struct fl_claim *stored; /* of this id; NULL: none */
	const struct fl_claim *const *held; /* the active claims on its name */
	size_t n_held;
	bool broken; /* one of them cannot be read */
};
/** The views of n claims (by id and key), in two round trips at most, in arena. Not one instant: a writer's compare-and-set is what makes it so. */
int fl_claims_view(struct fl_sets *s, const char *source, const struct fl_claim *const *asked, size_t n, struct fl_arena *arena, struct fl_claim_view *out,
		   struct fl_err *err);

/* A claim with the versions of its source that brought it in and that wrote it last, and when that was. */
struct fl_claim_row {
	struct fl_claim claim;
	uint64_t first, version;
	fl_unix_us at;
};
enum { FL_CLAIMS_PAGE_MAX = 1000, FL_CLAIMS_FIND_MAX = 20000 };
/* Where a page begins: behind this claim, newest first. id "": from the newest on. */
struct fl_claim_place {
	fl_unix_us seen_at;
	char id[65];
};
/** The claims of a source of any state, the one seen last first, at most max (FL_CLAIMS_PAGE_MAX), in arena; *at moves on. *more: there may be others. What cannot be read is left out, and
 * what is past its 400 days. O(log n + max). */
int fl_claims_page(struct fl_sets *s, const char *source, struct fl_claim_place *at, size_t max, struct fl_arena *arena, struct fl_claim_row **out, size_t *n, bool *more,
		   struct fl_err *err);
/** The claims on a name, of any state: all that are active, and the newest of those that ended or wait; in arena. */
int fl_claims_on(struct fl_sets *s, const char *source, struct fl_span key, struct fl_arena *arena, struct fl_claim_row **out, size_t *n, struct fl_err *err);
/* A finding, as one of its sources' sets may have claims of it. */
struct fl_finding_ref {
	const char *source, *finding;
	uint32_t max; /* of one with more claims than this none are given; 0: all */
};
/** All claims of n findings, of any state, in arena; v[i] belong to refs[i]. Three round trips at most, one when there are none. */
struct fl_claim_rows {
	struct fl_claim_row *v;
	size_t n;
};
int fl_claims_by_finding(struct fl_sets *s, const struct fl_finding_ref *refs, size_t n, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err);
/** What an id means in these sources: a finding's id (all its claims), a claim's id (that one), or the beginning, of 4 characters or more, of one finding's id or one claim's among the newest
 * FL_CLAIMS_FIND_MAX of each source. FL_ENOTFOUND; FL_EUSAGE: the beginning of several, said in err. */
int fl_claims_find(struct fl_sets *s, const char *const *sources, size_t n_sources, const char *id, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err);
/** Of claims that were last seen before `before`, those that are no more leave the list: a page a call, *at says where the next begins (0 at first). */
int fl_claims_trim(struct fl_sets *s, const char *source, fl_unix_us before, uint64_t *at, struct fl_err *err);

/* What people said of a source's content that the guard would not take by itself: of a whole set by its digest, of a name that is protected. */
struct fl_judgement {
	char what[FL_JUDGED_TEXT]; /* 32 hex digits of a set's digest, or "name:" and the name */
	bool approved;		   /* else rejected */
	fl_unix_us at;
	char actor[FL_ACTOR], reason[FL_REASON];
};
enum { FL_JUDGEMENTS_MAX = 1000 };
/** Kept with the source until its purge; a later word on the same replaces an earlier one, and past FL_JUDGEMENTS_MAX the oldest leave. Needs no lease: it is a person's. */
int fl_source_judge(struct fl_sets *s, const char *source, const struct fl_judgement *j, struct fl_err *err);
/** All of them, the newest first, in arena. What cannot be read is left out. */
int fl_source_judgements(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_judgement **out, size_t *n, struct fl_err *err);

/** Names that a source's newest content would block and must not, as its writer lists them; replaced as a whole. Empty: the key goes. */
int fl_source_quarantine_put(struct fl_sets *s, const char *source, struct fl_span text, struct fl_err *err);
/** FL_ENOTFOUND: none. In arena. */
int fl_source_quarantine_get(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_span *text, struct fl_err *err);

/* Retention and purge: fenced scripts, in bounded batches, each of which decides and deletes on the same state. */
struct fl_retention_report {
	uint64_t versions_removed, keys_removed, bytes_removed, deltas_packed;
};
/** Packs small old deltas, then deletes what is past its time. */
int fl_source_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err);
int fl_list_retain(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err);
/* A list that is made of a source now. */
struct fl_source_user {
	char list[FL_SET_NAME];
	uint64_t version; /* its newest */
};
/** The lists whose newest version has the source as an input, by another version than a deleting one that is its head; in arena. */
int fl_source_users(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_source_user **out, size_t *n, struct fl_err *err);
/** After the deleting version (empty, cause delete): removes all older keys of the set, and what a list needed of its sources; head and that version stay. */
int fl_set_purge(struct fl_sets *s, const struct fl_lease *lease, struct fl_retention_report *out, struct fl_err *err);
