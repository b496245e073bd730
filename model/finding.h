/* A security finding as decoded (feeds/finding.c), a claim as policy made it (normalize/), and its life.
 * A claim has an id (finding and source and name), a state, a name, a scope and times; it is kept 400 days after its end. */
#pragma once
#include "base/arena.h"
#include "base/tally.h"
#include "base/time.h"
#include "model/entry.h"
#include "model/version.h"

struct fl_finding {
	const char *id;	  /* stable across updates */
	const char *type; /* "Backdoor:EC2/C&CActivity.B!DNS" */
	const char *shape; /* docs/formats/findings.md: "guardduty-api", "guardduty-event", "asff", "ocsf", "dns-firewall", "stix", "mapped", "plain" */
	double severity;   /* GuardDuty's scale, 0 to 10 */
	bool sample;
	bool archived; /* closed, suppressed, revoked or judged false: it takes back what it claimed */
	fl_unix_us created_at, updated_at; /* 0 = not stated */
	fl_unix_us expires_at;		   /* 0 = by policy */
	fl_unix_us not_before;		   /* not valid until then; 0 = at once */
	enum fl_drop no_domain;		   /* why it names no domain, when that is known better than FL_DROP_NO_DOMAIN; else 0 */
	const char *reason;
	const char *const *domains; /* as they stand in the finding, not yet canonical */
	uint32_t n_domains;
	const char *const *threat_lists;
	uint32_t n_threat_lists;
};

/* Only an active claim holds its name. Quarantined: it names what is protected, and waits for a person's word. */
enum fl_claim_state { FL_CLAIM_ACTIVE, FL_CLAIM_WITHDRAWN, FL_CLAIM_DISMISSED, FL_CLAIM_EXPIRED, FL_CLAIM_QUARANTINED };
enum { FL_CLAIM_STATES = FL_CLAIM_QUARANTINED + 1 };
const char *fl_claim_state_word(enum fl_claim_state s);
/** False when it is no word of a state. */
bool fl_claim_state_of(const char *word, enum fl_claim_state *out);

struct fl_claim {
	char id[65]; /* hex of SHA-256 over source, finding id and name: fits every finding id */
	char source[FL_SET_NAME];
	char finding[192], type[112];
	struct fl_rkey key;
	uint8_t scope;
	enum fl_claim_state state;
	double severity;
	fl_unix_us updated_at; /* of the finding: a newer update replaces */
	fl_unix_us seen_at, expires_at;
	fl_unix_us word_at; /* of the last word of a person on it: dismissed, taken up again, another end, let in; 0: none. A later one goes before whatever a finding says */
	char actor[FL_ACTOR], reason[FL_REASON];
};

/* Types of findings that name a domain, as their products call them, and how severe they are by default: for samples, and as what policy must know (finding_types.c). */
struct fl_finding_type {
	const char *type;
	double severity;
	bool sequence; /* the name stands in an attack sequence, not in a question */
	const char *title;
};
extern const struct fl_finding_type fl_finding_types[];
extern const size_t fl_finding_types_n;
/** By its whole name, or what follows the ':', or the '/', where that is one's alone; NULL. */
const struct fl_finding_type *fl_finding_type(const char *word);

/** One JSON object, no newline: the value of `claim:ID`, and part of a ledger record. */
void fl_claim_encode(const struct fl_claim *c, struct fl_buf *out);
int fl_claim_decode(struct fl_span json, struct fl_claim *out, struct fl_err *err);
void fl_claim_id(struct fl_claim *c);
/** Is the claim that is known at least as new, or beyond change? Then this one (of the same id) says nothing new. What was dismissed stays so. A withdrawn claim is revived by the source's own
 * later word alone: one with a date after the withdrawal's; a repeat, one that arrives late, and one without a date leave it withdrawn (docs/decisions/withdrawn.md). */
bool fl_claim_says_nothing_new(const struct fl_claim *had, const struct fl_claim *c);

/* What the ledger keeps of a claim, each time it changed (docs/formats/ledger.md). */
struct fl_claim_record {
	struct fl_claim claim;
	char purged[FL_SET_NAME]; /* "": of a claim. Else there is none: a source was purged, and what its claims were before is no more */
	struct fl_version_id in; /* the version of its source that it was committed in; number 0: not said */
	enum fl_cause cause;	 /* of that version */
	fl_unix_us at;		 /* when it was written */
	char node[FL_ACTOR];	 /* by whom */
};
/** One JSON object, no newline. */
void fl_claim_record_encode(const struct fl_claim_record *r, struct fl_buf *out);
/** FL_EFORMAT, FL_ELIMIT, FL_ECORRUPT: the id is not the claim's. */
int fl_claim_record_decode(struct fl_span json, struct fl_claim_record *out, struct fl_err *err);
