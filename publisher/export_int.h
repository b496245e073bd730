/* Private to the exporters: what a format's file is asked. */
#pragma once
#include "base/text.h"
#include "publisher/export.h"

/* A verdict has two parts: for the name itself, and for the names below it that no nearer entry speaks for. */
enum { FL__SELF = 1, FL__BELOW = 2, FL__BOTH = 3 };

struct fl__node {
	struct fl_span key;
	uint8_t want;	   /* parts that the list covers */
	uint8_t inherited; /* FL__BOTH or 0: what the lines so far say of both parts */
	int8_t level;	   /* adblock: precedence of the rule that decides below the parent, -1 for none; in: the parent's, out: this name's */
	enum fl_export_reason why; /* out, when what is said differs from want */
};

struct fl__out {
	struct fl_buf *buf;
	uint64_t rules;
	unsigned zone_octets; /* rpz: of the zone's name on the wire, the root label included */
	struct fl_rkey made;  /* rpz: the last owner, and which of its ancestors are owners, by key length */
	uint8_t is_made[FL_RKEY_MAX + 1];
};

struct fl__format {
	const char *name, *comment;
	bool flat;	/* no rule speaks for what is below: nothing is inherited */
	bool takes_zone;
	void (*head)(struct fl_buf *out, const struct fl_list_version *v);	/* after the comments; may be NULL */
	uint8_t (*node)(struct fl__out *o, struct fl__node *n); /* writes; gives the parts that are covered now */
};

/** One rule: printf with the name's text for %s, and a newline. */
void fl__rule(struct fl__out *o, struct fl_span key, const char *before, const char *after);

uint8_t fl__domains_node(struct fl__out *o, struct fl__node *n);
uint8_t fl__hosts_node(struct fl__out *o, struct fl__node *n);
uint8_t fl__adblock_node(struct fl__out *o, struct fl__node *n);
void fl__adblock_head(struct fl_buf *out, const struct fl_list_version *v);
uint8_t fl__dnsmasq_node(struct fl__out *o, struct fl__node *n);
uint8_t fl__unbound_node(struct fl__out *o, struct fl__node *n);
void fl__unbound_head(struct fl_buf *out, const struct fl_list_version *v);
uint8_t fl__rpz_node(struct fl__out *o, struct fl__node *n);
void fl__rpz_head(struct fl_buf *out, const struct fl_list_version *v);
