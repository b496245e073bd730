/* Private to the configuration: the descriptor table and the state of one load. A row is a key; its path names its place ("feeds[].every": the key `every` of
 * each item of `feeds`), and its offset is within the struct of the nearest list, or of struct fl_config. */
#pragma once
#include <stddef.h>

#include "cli/config.h"
#include "cli/config_yaml.h"
#include "normalize/normalize.h"

enum fl_key_type {
	FL_KEY_MAP,  /* children have the same base */
	FL_KEY_LIST, /* of maps: an array of structs */
	FL_KEY_STRING,
	FL_KEY_PATH,
	FL_KEY_NAME, /* of a list, feed, rule...: fl_set_name_valid, and no dot */
	FL_KEY_BOOL,
	FL_KEY_NUMBER,
	FL_KEY_REAL,
	FL_KEY_DURATION, /* int64_t milliseconds */
	FL_KEY_SECONDS,	 /* uint32_t; "60" or "60s" */
	FL_KEY_SIZE,
	FL_KEY_PERCENT,
	FL_KEY_WORD,
	FL_KEY_CATEGORY,
	FL_KEY_NAMES,	/* of rule groups */
	FL_KEY_PATHS,
	FL_KEY_DOMAIN,	/* one canonical name */
	FL_KEY_ENTRIES, /* names as in AWS */
	FL_KEY_ZONES,
	FL_KEY_SERVERS,
	FL_KEY_NETWORKS,
	FL_KEY_ADDRESSES,
	FL_KEY_QTYPES,
	FL_KEY_OPTIONS,
	FL_KEY_HEADERS,
	FL_KEY_BROKERS,
	FL_KEY_ADDRESS,
	FL_KEY_WORKERS,
	FL_KEY_MODE,
	FL_KEY_ACCOUNT,
	FL_KEY_REDIS,
	FL_KEY_PREFIX,
	FL_KEY_URL,
	FL_KEY_SINKS,
	FL_KEY_COLUMN,
	FL_KEY_POINTER,
	FL_KEY_POINTER_OR_KEY,
	FL_KEY_COUNT
};

struct fl_word {
	const char *word;
	int value;
};

struct fl_key {
	const char *path;
	enum fl_key_type type;
	uint32_t off, size;   /* size 0: checked and not stored */
	uint32_t count, elem; /* arrays: where their length is, the size of an item */
	const char *dflt;     /* as written in a file; NULL: none */
	const char *dflt_text; /* for people, when it is no value but a rule */
	const char *min, *max;
	const struct fl_word *words; /* ended by a NULL word */
	bool required, frozen;	     /* frozen: a reload cannot change it */
	const char *help;
};

extern const struct fl_key fl__keys[];
extern const size_t fl__keys_n;

/** The row at prefix + "." + name (prefix "" at the top), or NULL. */
const struct fl_key *fl__key_find(const char *prefix, const char *name);
/** Is k a direct child of prefix? Gives its last component. */
const char *fl__key_child(const struct fl_key *k, const char *prefix);
/** Keys of later releases, so that a file from there is told what is missing here; NULL when it is none of them. */
const char *fl__key_later(const char *prefix, const char *name);

/* One load. */
struct fl__load {
	struct fl_config *cfg;
	struct fl_diag *diag;
	struct fl_arena scratch;     /* texts and trees */
	struct fl_yaml_node *root;
	struct fl_names *names;	     /* opened when the first name is met */
	bool lint;		     /* warn of what the policy cannot mean, too */
	bool names_failed, failed;   /* failed: out of memory */
	struct fl__mark {
		const void *field;
		const struct fl_yaml_node *node;
	} *marks;
	size_t marks_n, marks_cap;
};

void fl__load_error(struct fl__load *l, const struct fl_yaml_node *at, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void fl__load_warn(struct fl__load *l, const struct fl_yaml_node *at, const char *hint, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** Text for a hint, in scratch. */
const char *fl__load_hint(struct fl__load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The node of a text of the configuration, by the text's address; for what moves in memory. */
void fl__load_mark(struct fl__load *l, const char *text, const struct fl_yaml_node *n);
/** "did you mean 'X'?", or NULL. */
const char *fl__load_suggest(struct fl__load *l, const char *word, const char *const *words, size_t n);
/** The node that set a field, or NULL when it has its default. */
const struct fl_yaml_node *fl__load_node(const struct fl__load *l, const void *field);
/** Read one value into base + k->off. Errors go to l. */
void fl__value_read(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
/** Every default of the rows below prefix that share its base. */
void fl__defaults(struct fl__load *l, const char *prefix, void *base);
/** "unknown key", with what is near, or with what stands in its place when it belongs to a later release. */
void fl__key_unknown(struct fl__load *l, const char *prefix, const struct fl_yaml_node *key);
/** A scalar's text; NULL with an error when the node is none. want: "a number". */
const char *fl__value_text(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n);
/* config_names.c: types whose values are names, addresses and lists of them. */
void fl__value_domain(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_entries(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_zones(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_servers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_networks(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_addresses(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_address(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_brokers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_redis(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_url(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
/* config_lists.c: other lists. */
void fl__value_names(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_qtypes(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_options(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_headers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
void fl__value_sinks(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);
/* Stores, after which the field is known to stem from n. */
void fl__value_store(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, uint64_t v);
void fl__value_store_text(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, const char *s);
void fl__value_store_array(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, const void *v, size_t count);
/** A list of single values; false with an error. */
bool fl__value_is_list(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n);
/** The last component of a path: "every" of "feeds[].every". */
const char *fl__key_name(const struct fl_key *k);
/** A copy that lives as long as the configuration; "" when out of memory (l->failed is set). */
const char *fl__load_str(struct fl__load *l, const char *s);
void *fl__load_array(struct fl__load *l, size_t n, size_t size);
/** The type in words, for the manual. */
const char *fl__value_type(enum fl_key_type t);
/** Does the field differ between two structs? For scalars and arrays of strings. */
bool fl__value_differs(const struct fl_key *k, const void *a, const void *b);
/** Cross-checks, derived defaults, built-in lists. */
void fl__check(struct fl__load *l);
void fl__check_policy(struct fl__load *l);
/** config_lint.c, when l->lint: before anything moves, and at the end. */
void fl__lint_places(struct fl__load *l);
void fl__lint(struct fl__load *l);
/** The suffix list, opened when it is first asked for; NULL: it cannot be read, which is said. */
const struct fl_names *fl__load_names(struct fl__load *l);
/** config_preset.c: what a preset says, where the feed does not say it itself. */
void fl__preset_fill(struct fl__load *l, struct fl_cfg_feed *f);
/** The list that `field` names must exist; who: "rule 'r1'", for the message. */
void fl__check_list_exists(struct fl__load *l, const char *const *field, const char *who);
/** Walk the tree by the table into l->cfg. */
void fl__load_walk(struct fl__load *l);
