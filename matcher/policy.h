/* Policy: the rules of a configuration, bound to an image (DESIGN.md 1, FIELD.md K4). Pure. The longest matching association gives a client its rule groups;
 * organisation groups apply to every client, around them; operator-allow and operator-block stand before all. Rules by ascending priority; the first whose list covers the name and
 * whose q_type fits decides. */
#pragma once
#include "matcher/image.h"
#include "model/config.h"

struct fl_policy;
/** Compile. Borrows cfg, which must outlive it. FL_ENOMEM, or FL_ECONFIG for what config check would have refused. */
int fl_policy_new(const struct fl_config *cfg, struct fl_policy **out, struct fl_err *err);
void fl_policy_free(struct fl_policy *p);

/* What workers read under RCU: policy and image of one moment, with the lists of the rules resolved to the image's. Immutable. */
struct fl_view {
	const struct fl_policy *policy; /* borrowed: outlives the view */
	struct fl_image *image;		/* a reference of its own */
	int *list_index;		/* policy's list number -> image list, -1: never held */
	bool grace; /* startup_grace: lists never held fail open */
	bool *bypassed; /* a flag for each association and for clients without; NULL: none is */
};
int fl_view_new(const struct fl_policy *p, struct fl_image *img, bool grace, struct fl_view **out);
void fl_view_free(struct fl_view *v);
/** Before it is shown: the clients of an association ("": all) have their rules evaluated and not enforced. A name that is none changes nothing. FL_ENOMEM. */
int fl_view_bypass(struct fl_view *v, const char *association);

struct fl_client {
	bool v6;
	uint8_t addr[16];
};

struct fl_decision {
	enum fl_action action;
	enum fl_block_response response; /* FL_BLOCK_SERVFAIL: fail closed */
	bool degraded;			 /* a list never held was passed over (fail open) or made it fail closed */
	bool bypass;			 /* rules are not enforced for this client now */
	bool would_block;		 /* bypass: it was a BLOCK, and fl_decision_enforce made an ALERT of it */
	bool trust;			 /* the deciding rule trusts redirections: the chain is not asked further */
	const struct fl_cfg_rule *rule;	 /* NULL: none matched, or operator lists */
	const char *rule_group, *rule_name, *list; /* NULL when none */
	const char *association;	 /* NULL: no association */
	uint64_t list_version;
	uint16_t entry_len; /* of the matched entry's key: a prefix of the name's */
	uint8_t entry_scope;
	uint8_t hop;	/* 0: the question */
	uint32_t ttl;	/* of the block answer */
	const char *override_domain; /* CNAME; addresses stand in the rule */
	/* ALERT rules with continue that matched on the way: the first of them. It is the decision itself when no later rule decides. */
	const struct fl_cfg_rule *alerted;
};
/** Decide one name. `so_far` is the decision of the chain up to here (NULL for the question): a rule that trusts redirections stays in charge. No allocation or lock. */
void fl_decide(const struct fl_view *v, const struct fl_client *client, struct fl_span key, uint16_t qtype, uint8_t hop, const struct fl_decision *so_far,
	       struct fl_decision *out);
/**
 * The decision of a chain after one more hop. A BLOCK stands, as does what trusts redirections; else the one that says more (BLOCK, ALERT, ALLOW, none), the earlier
 * where both say the same. `degraded` and `alerted` add up, and whether the chain is still asked is up to the rule that matched last.
 */
void fl_decision_combine(struct fl_decision *so_far, const struct fl_decision *hop);

/** What becomes of a decision that is complete, question and chain: under a bypass a BLOCK is answered and logged, which is what ALERT says; it becomes one, and says would_block. */
void fl_decision_enforce(struct fl_decision *d);
/** Does an OVERRIDE rule have a record for this question? A CNAME has one for all; addresses only for their type and ANY, and the rest is NODATA. */
bool fl_override_answers(const struct fl_cfg_rule *r, uint16_t qtype);
/**
 * mutation_protection: may `next` follow `old` by a reload? FL_EREFUSED, with the association and what changed in err, when `next` lacks a protected association, has other
 * networks, rule groups or fail mode for it, or gives clients of it to another association by a longer network. Switching the protection off is allowed when it comes alone.
 */
int fl_policy_protected(const struct fl_config *old, const struct fl_config *next, struct fl_err *err);

/* One step of the evaluation, for explain and policy test. */
struct fl_decide_step {
	const char *rule_group, *rule, *list;
	uint32_t priority;
	enum fl_action action;
	enum { FL_STEP_MATCHED, FL_STEP_NO_MATCH, FL_STEP_QTYPE, FL_STEP_NOT_HELD, FL_STEP_NOT_REACHED } what;
};
/** As fl_decide, and each rule in order. Returns the number of steps (at most cap). */
size_t fl_decide_explain(const struct fl_view *v, const struct fl_client *client, struct fl_span key, uint16_t qtype, struct fl_decision *out,
			 struct fl_decide_step *steps, size_t cap);

/* What `policy show` says. Set i is association i of the configuration, and the last one is that of clients without: fl_view_config(v)->n_associations. */
enum fl_policy_band { FL_BAND_OPERATOR, FL_BAND_BEFORE, FL_BAND_ASSOCIATION, FL_BAND_AFTER };
struct fl_policy_row {
	enum fl_policy_band band;
	const char *rule_group, *list;	/* rule_group NULL: an operator list */
	const struct fl_cfg_rule *rule; /* NULL: an operator list */
	enum fl_action action;
	enum fl_block_response response;
	bool held; /* false: the list was never held */
	uint64_t list_version, list_names;
};
const struct fl_config *fl_view_config(const struct fl_view *v);
size_t fl_view_set_of(const struct fl_view *v, const struct fl_client *client);
/** The rules of a set, in the order that they are asked in; returns their number, and fills at most cap rows. */
size_t fl_view_order(const struct fl_view *v, size_t set, struct fl_policy_row *rows, size_t cap);
/** The network that gives the client its association; false: none. */
bool fl_view_network(const struct fl_view *v, const struct fl_client *client, struct fl_cfg_network *out);

/**
 * For config check: what such a policy cannot mean, one sentence each. `what` tells where: the text (by its address) of the name of a rule, group, list or association, of a
 * group's name in an association, or of an entry, as they stand in cfg; NULL: the whole. hint may be NULL. Returns 0, or what fl_policy_new does, and then nothing was looked at.
 */
typedef void fl_policy_warn(void *ctx, const void *what, const char *hint, const char *text);
int fl_policy_lint(const struct fl_config *cfg, fl_policy_warn *warn, void *ctx, struct fl_err *err);
