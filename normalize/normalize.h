/* Which names are the same name: canonical form, IDNA, public suffixes; and which claims policy makes of a finding.
 * Pure: no clock, no socket, no state between calls beyond the suffix list. Start reading at canon.c. */
#pragma once
#include "base/arena.h"
#include "base/tally.h"
#include "model/entry.h"
#include "model/finding.h"

/* The suffix list and ICU handle. Immutable after open: share it freely between threads. */
struct fl_names;
/** psl_path NULL or "": the packaged list. FL_ENOTFOUND, FL_EFORMAT. */
int fl_names_open(const char *psl_path, struct fl_names **out, struct fl_err *err);
void fl_names_close(struct fl_names *n);

/**
 * Canonical form of a name (DESIGN.md 1): trim, UTS 46 non-transitional when not ASCII, lower case, one trailing dot off, our grammar.
 * @return FL_DROP_COUNT when it is a name, else why not. Does not look at suffixes. A name of ASCII is taken as it stands.
 */
enum fl_drop fl_name_canon(const struct fl_names *n, struct fl_span text, struct fl_rkey *out);
/**
 * A feed's claim: canonical form, then the public suffix rules. scope is narrowed in place (subtree to exact on a private suffix,
 * *narrowed set). @return FL_DROP_COUNT, or why it is refused.
 */
enum fl_drop fl_name_claim(const struct fl_names *n, struct fl_span text, uint8_t *scope, bool *narrowed, struct fl_rkey *out);
/** An operator's claim: also "*" (the root, scope subdomains), "*.x" (subdomains), any suffix, single labels; scope 0: exact unless "*." says so. */
enum fl_drop fl_name_operator(const struct fl_names *n, struct fl_span text, uint8_t *scope, struct fl_rkey *out);
/** The registrable domain of a canonical key (a prefix of it); false for a public suffix itself or a single label. */
bool fl_name_registrable(const struct fl_names *n, struct fl_span key, struct fl_span *out);
/** For the `canon` filter: white space off, the host of a URL taken (scheme://user@host:port/...), then fl_name_canon. */
enum fl_drop fl_name_from_url(const struct fl_names *n, struct fl_span text, struct fl_rkey *out);
/** UTF-8 form for people; false when it has none or is the same. */
bool fl_name_unicode(const struct fl_names *n, struct fl_span key, char *out, size_t cap);

/* Turns claims into a source set, each name once. Feed one claim after the other, then finish. */
struct fl_normalizer {
	const struct fl_names *names;
	struct fl_tuple attrs; /* given to every entry: confidence, category, first_seen */
	size_t max;	       /* claims taken, repeats counted; 0: FL_ENTRIES_MAX */
	struct fl_set set;
	struct fl_tally tally; /* in: claims; out: entries in set after finish; duplicates are FL_DROP_DUPLICATE */
};
/** 0, FL_ENOMEM or FL_ELIMIT (over max). A refused claim is counted and 0. */
int fl_normalize_claim(struct fl_normalizer *z, struct fl_span name, uint8_t scope);
/** The same for a claim with attributes of its own: attrs in place of z->attrs, scope apart. A claim with expires_s that is not after now_s is FL_DROP_EXPIRED
 * (now_s 0: not judged). Claims of one name become one entry: scopes OR-ed, the highest confidence, the first category that is stated, the earliest first_seen,
 * the latest expiry, of which none at all is the latest. */
int fl_normalize_claim_as(struct fl_normalizer *z, struct fl_span name, uint8_t scope, const struct fl_tuple *attrs, uint32_t now_s);
int fl_normalize_finish(struct fl_normalizer *z);
enum { FL_ENTRIES_MAX = 50000000 };

/**
 * Carry attributes over from the old set while merging: a name that stays keeps the earlier first_seen, a name that is gone leaves.
 * Streams in, stream out; takes both. NULL when out of memory (both are closed then).
 */
struct fl_entry_iter *fl_renew_iter(struct fl_entry_iter *take_old, struct fl_entry_iter *take_new);
/** Has an entry expired at now_s, or been absent for keep_s seconds (0: absence is not judged)? */
bool fl_tuple_ended(const struct fl_tuple *t, uint32_t now_s, uint32_t keep_s);
/** The entries of a set that have not expired at now_s; and, with keep_s, none that has been absent for keep_s seconds (0: absence is not judged). Takes the
 * stream. NULL when out of memory (it is closed then). */
struct fl_entry_iter *fl_unexpired_iter(struct fl_entry_iter *take_set, uint32_t now_s, uint32_t keep_s);
/** The same, but a name that is gone stays, with absent_since, until it has been absent for keep_s seconds (0: leaves at once;
 * a feed's remove_after_absent N fetches are (N - 1) of its intervals). now_s: time of this fetch, unix seconds. */
struct fl_entry_iter *fl_renew_keep_iter(struct fl_entry_iter *take_old, struct fl_entry_iter *take_new, uint32_t now_s, uint32_t keep_s);

/* The guard (guard.c), pure: judges a source version by counts. Here the part that no feed may do without; the rest comes with the feeds. */
struct fl_guard_limits {
	double max_removed_ratio, max_added_ratio; /* 0.30, 1.0 */
	uint64_t min_side;			   /* 1000: smaller sets are not held by ratio */
	uint64_t min_names;			   /* 0: none */
};
/* Protected names (protect.c): no feed may block them, nor, of a zone, anything in it. What would is quarantined alone, and the rest goes on. */
enum fl_protect_why { FL_PROTECT_SHIPPED, FL_PROTECT_OPERATOR, FL_PROTECT_ZONE, FL_PROTECT_FEED, FL_PROTECT_PIPELINE };
/** "shipped", "operator", "own-zone", "feed-host", "pipeline-host". */
const char *fl_protect_word(enum fl_protect_why w);
struct fl_protected {
	struct fl_protected_name {
		struct fl_rkey key;
		bool zone; /* all below it too */
		enum fl_protect_why why;
	} *v;
	size_t n, cap;
};
/** 0 or FL_ENOMEM. */
int fl_protect_add(struct fl_protected *p, struct fl_span key, bool zone, enum fl_protect_why why);
/** "x": that name. "*.x" and ".x": x and all below. FL_DROP_COUNT, or why it is none; *ret FL_ENOMEM. */
enum fl_drop fl_protect_add_text(struct fl_protected *p, const struct fl_names *n, struct fl_span text, enum fl_protect_why why, int *ret);
/** The names that are shipped: certificate status, time, connectivity checks, control planes of clouds (protect_names.c). */
int fl_protect_add_shipped(struct fl_protected *p, const struct fl_names *n);
void fl_protected_done(struct fl_protected *p);
struct fl_protect_hit {
	size_t entry; /* index in the set, rising, each once */
	const struct fl_protected_name *name;
};
/** The entries of a sorted set that would block what is protected. In arena. O(names x labels x log entries), and what is in the zones. 0 or FL_ENOMEM. */
int fl_protect_find(const struct fl_protected *p, const struct fl_set *set, struct fl_arena *arena, struct fl_protect_hit **out, size_t *n);
/** The protected name that a claim of this scope on this name would block; NULL. O(names). */
const struct fl_protected_name *fl_protect_claim(const struct fl_protected *p, struct fl_span key, uint8_t scope);

/* Policy by type (DESIGN.md 7, AWS.md 4.4): the first row whose glob fits. */
enum fl_finding_action { FL_FINDING_BLOCK, FL_FINDING_ALERT, FL_FINDING_IGNORE };
/** "block", "alert", "ignore": also the second part of a set's name. */
const char *fl_finding_action_word(enum fl_finding_action a);
struct fl_finding_rule {
	const char *type; /* glob over the type, '-' and '/' as AWS and ASFF spell it */
	enum fl_finding_action action;
	int scope;	  /* 0: auto (exact), 1: exact, 2: registrable (exact claim on the registrable domain and below: subtree) */
	int64_t ttl_ms;	  /* 0: the default */
	const char *into; /* the list; NULL or "": the action's own */
};
struct fl_finding_policy {
	const struct fl_finding_rule *rules; /* the operator's, asked before the built-in table */
	size_t n_rules;
	double min_severity;
	int64_t ttl_ms;
	bool ignore_samples;
	const char *into, *alert_into; /* the lists of what is to be blocked, and alerted; NULL: the caller knows */
	const char *const *own_lists; /* names and ids of our own exports: a finding whose threat list is one of them is an echo */
	size_t n_own_lists;
	const struct fl_protected *protect; /* what no finding may block; NULL: nothing */
};
/* A name of the finding that makes no claim. */
struct fl_finding_held {
	const char *domain; /* as it stands in the finding; NULL: the finding names none, or as a whole makes none */
	enum fl_drop why;
	struct fl_claim claim; /* FL_DROP_PROTECTED: what it would have been, to be quarantined with the finding; else empty */
	const struct fl_protected_name *protects; /* FL_DROP_PROTECTED: what it would have blocked */
};
struct fl_finding_claims {
	enum fl_finding_action action;
	const char *into;     /* the list; NULL where the policy names none */
	struct fl_claim *v;   /* in arena */
	const char **domains; /* of each claim, as it stands in the finding */
	size_t n;
	struct fl_finding_held *held; /* in arena */
	size_t n_held;
	enum fl_drop why; /* when n is 0 */
};
/** The claims a finding makes: one a domain; counted in tally (in: domains, or 1 when it has none). archived makes them FL_CLAIM_WITHDRAWN. 0 or FL_ENOMEM. */
int fl_finding_claims(const struct fl_names *n, const struct fl_finding *f, const struct fl_finding_policy *p, const char *source,
		      fl_unix_us now, struct fl_arena *arena, struct fl_finding_claims *out, struct fl_tally *tally);

/** NULL when accepted; else one sentence in buf. before 0 and first: the first load. */
const char *fl_guard_judge(const struct fl_guard_limits *l, bool first, uint64_t before, uint64_t after, uint64_t added, uint64_t removed,
			   char *buf, size_t cap);
