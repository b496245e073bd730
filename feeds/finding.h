/* Private to feeds/: the findings decoder. finding.c finds the findings in a document, finding_shapes.c has the table of shapes and of the field paths of each,
 * finding_fields.c walks a path and takes what all shapes have; finding_aws.c and finding_open.c take what only some have. */
#pragma once
#include "feeds/feeds.h"

#include <jansson.h>

/** Member by name without case; NULL when absent or obj is no object. */
json_t *fl__finding_member(const json_t *obj, const char *key, size_t n);
enum { FL__JSON_DEPTH_MAX = 64 };
/** Is the text nested deeper than that? jansson recurses as deep as the text says, up to a limit of its own; ours comes first. */
bool fl__json_too_deep(struct fl_span text);
/** One value as a tree, bounded in depth; a key twice in its object, text that is not UTF-8 and U+0000 are refused. NULL and *err otherwise. */
json_t *fl__finding_load(struct fl_span text, struct fl_err *err);

/* Names of one finding, each once. */
struct fl__names {
	const char **v;
	uint32_t n, cap;
};

/* One finding while it is read. */
struct fl__reading {
	struct fl_arena *arena;
	struct fl_finding f;
	struct fl__names domains, withdrawn, threat_lists;
	bool judged_false;	/* the names that are taken now are so: they go to withdrawn */
	const char *wrong;	/* a field that cannot be read: refuses the finding, unless that is archived */
	const json_t *signals, *indicators; /* of GuardDuty's sequence: what agrees with an endpoint */
	const char *list_id;	/* DNS Firewall: whose match it is */
	uint32_t work;
	bool severity_stated;
	struct fl_err *err;
	int ret;
};
typedef void fl__taker(struct fl__reading *r, const json_t *v);

/* A path is member names joined by dots; "[]" goes through an array. Rows are taken in their order. */
struct fl__path {
	const char *path;
	fl__taker *take;
};
struct fl__shape {
	const char *word;
	const char *const *keys; /* any of them at the top says it is this shape; ended by NULL */
	/* Says more than the keys do: NULL when it is this shape, else why it cannot be read. NULL: the keys suffice. */
	const char *(*judge)(const json_t *obj);
	const struct fl__path *paths;
	size_t n_paths;
	void (*finish)(struct fl__reading *r); /* may be NULL */
};
/** Is a member of this name, at the top, what tells a shape? */
bool fl__finding_key_tells(struct fl_span key);
/** The shape of an object; NULL, and why it is none. */
const struct fl__shape *fl__finding_shape(const json_t *obj, const char **why);
/** An object of a STIX bundle that is context and no indicator. */
bool fl__finding_is_context(const json_t *obj);

/**
 * One finding of a known shape, or by a mapping (then shape is NULL). Strings are copied into arena.
 * @param out  one, or two: what is claimed, and, by the same id, what of it was judged false
 * @return how many; FL_EFORMAT, FL_ENOMEM
 */
int fl__finding_read(json_t *obj, const struct fl__shape *shape, const struct fl_finding_mapping *map, struct fl_arena *arena, struct fl_finding out[2],
		     struct fl_err *err);

/* --- for takers --- */
void fl__path_each(struct fl__reading *r, const json_t *v, const char *path, fl__taker *take);
/** The value at a path without arrays; NULL. */
const json_t *fl__path_get(const json_t *v, const char *path);
/** The text at it; "" when there is none. */
const char *fl__path_str(const json_t *v, const char *path);
/** The number at it, also written as text; dflt when there is none. */
double fl__path_num(const json_t *v, const char *path, double dflt);
bool fl__path_true(const json_t *v);
/** Is it the same name, but for letter case and a last dot? */
bool fl__name_eq(const char *a, const char *b);
/** A name that means "this is the bad name". */
void fl__take_name(struct fl__reading *r, struct fl_span name);
/** On GuardDuty's scale. */
void fl__take_score(struct fl__reading *r, double severity);
void fl__wrong(struct fl__reading *r, const char *why);
/** A formatted text in the arena; NULL and r->ret set when out of memory. */
const char *fl__reading_printf(struct fl__reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The length of a text in UTF-8 that is cut at max octets, at a character's end. */
int fl__cut(const char *s, size_t max);
/** "A.Example." as it stands in an id: lower case, without its last dot, cut at 100 octets: the claim's id has the whole name. */
const char *fl__id_name(const char *name, char out[101]);

fl__taker fl__take_id, fl__take_arn_id, fl__take_type, fl__take_types, fl__take_severity, fl__take_archived, fl__take_sample, fl__take_title, fl__take_created,
	fl__take_updated, fl__take_expires, fl__take_not_before, fl__take_reason, fl__take_domain, fl__take_threat_list;
/* finding_aws.c */
fl__taker fl__take_additional_value, fl__take_sequence, fl__take_endpoint, fl__take_indicator;
fl__taker fl__take_label, fl__take_normalized, fl__take_record_state, fl__take_workflow, fl__take_verification, fl__take_network, fl__take_intel, fl__take_product_fields;
fl__taker fl__take_firewall_action, fl__take_firewall_list;
void fl__finish_firewall(struct fl__reading *r);
/* finding_open.c */
fl__taker fl__take_activity, fl__take_status, fl__take_verdict, fl__take_severity_id, fl__take_evidence, fl__take_osint;
fl__taker fl__take_stix;
void fl__finish_stix(struct fl__reading *r);
