/* YAML text to a tree whose every node knows its place. The only file that knows libfyaml is config_yaml.c. One document; no anchors, aliases or tags (a
 * configuration needs none, and an unquoted "*.example" is one by mistake); keys are plain words, each once in its map. */
#pragma once
#include "cli/diag.h"

enum { FL_YAML_DEPTH = 24, FL_YAML_NODES = 2000000, FL_YAML_BYTES = 32 << 20, FL_YAML_KEYS = 1000 };

enum fl_yaml_kind { FL_YAML_NULL, FL_YAML_SCALAR, FL_YAML_SEQ, FL_YAML_MAP };
struct fl_yaml_file {
	const char *name;
	struct fl_span text;
};
struct fl_yaml_node {
	enum fl_yaml_kind kind;
	const struct fl_yaml_file *file;
	uint32_t line, column, width;
	bool broken;		   /* an error about it has been said */
	const char *text;	   /* of a scalar */
	struct fl_yaml_node *key;  /* of a value in a map */
	struct fl_yaml_node *first, *last, *next; /* children of a sequence or map */
	size_t n;
};

/**
 * Parse. Nodes and texts are in arena; file is borrowed as long as the tree. *out NULL: an empty document.
 * @return 0 (what can be read past, as a duplicate key, is in diag and counted there), FL_ECONFIG, or FL_ENOMEM
 */
int fl_yaml_parse(const struct fl_yaml_file *file, struct fl_arena *arena, struct fl_diag *diag, struct fl_yaml_node **out);
/** ${NAME} in the values of a tree, from the environment; "$${" is "${". FL_ECONFIG when a variable is not set. */
int fl_yaml_expand(struct fl_yaml_node *root, struct fl_arena *arena, struct fl_diag *diag);
/** The value of a key in a map, or NULL. */
struct fl_yaml_node *fl_yaml_get(const struct fl_yaml_node *map, const char *key);
void fl_yaml_append(struct fl_yaml_node *parent, struct fl_yaml_node *child);
struct fl_diag_place fl_yaml_place(const struct fl_yaml_node *n);
/** "a scalar", "a list", "a map", "nothing". */
const char *fl_yaml_kind_word(enum fl_yaml_kind k);
