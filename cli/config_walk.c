/* The walk: a tree of nodes into struct fl_config, by the table alone. What one row cannot say is in config_check.c. Start at fl__walk. */
#include "cli/config_table.h"

#include <stdarg.h>

#include "base/text.h"

void fl__load_error(struct fl__load *l, const struct fl_yaml_node *at, const char *hint, const char *fmt, ...)
{
	struct fl_diag_place place = at && at->file ? fl_yaml_place(at) : (struct fl_diag_place){ .file = l->cfg->file };
	char text[600];
	va_list ap;

	if (at && at->broken)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fl_diag_add(l->diag, false, &place, hint, "%s", text);
}

void fl__load_warn(struct fl__load *l, const struct fl_yaml_node *at, const char *hint, const char *fmt, ...)
{
	struct fl_diag_place place = at && at->file ? fl_yaml_place(at) : (struct fl_diag_place){ .file = l->cfg->file };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fl_diag_add(l->diag, true, &place, hint, "%s", text);
}

const struct fl_yaml_node *fl__load_node(const struct fl__load *l, const void *field)
{
	for (size_t i = 0; i < l->marks_n; i++)
		if (l->marks[i].field == field)
			return l->marks[i].node;
	return NULL;
}

static void default_one(struct fl__load *l, const struct fl_key *k, void *base)
{
	struct fl_yaml_node n = { .kind = FL_YAML_SCALAR, .text = k->dflt ? k->dflt : "" };

	switch (k->type) {
	case FL_KEY_MAP:
		fl__defaults(l, k->path, base);
		return;
	case FL_KEY_STRING:
	case FL_KEY_PATH:
	case FL_KEY_NAME:
	case FL_KEY_DOMAIN:
	case FL_KEY_ADDRESS:
	case FL_KEY_URL:
		fl__value_store_text(l, k, &n, base, n.text);
		return;
	default:
		if (k->dflt)
			fl__value_read(l, k, &n, base);
	}
}

void fl__defaults(struct fl__load *l, const char *prefix, void *base)
{
	for (size_t i = 0; i < fl__keys_n; i++)
		if (fl__key_child(&fl__keys[i], prefix))
			default_one(l, &fl__keys[i], base);
}

void fl__key_unknown(struct fl__load *l, const char *prefix, const struct fl_yaml_node *key)
{
	const char *words[64], *hint, *instead = fl__key_later(prefix, key->text);
	char all[400] = "";
	size_t n = 0;

	if (instead) {
		fl__load_error(l, key, instead, "'%s' belongs to a later release", key->text);
		return;
	}
	for (size_t i = 0; i < fl__keys_n && n < sizeof(words) / sizeof(words[0]); i++) {
		const char *child = fl__key_child(&fl__keys[i], prefix);

		if (!child)
			continue;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", n ? ", " : "", child);
		words[n++] = child;
	}
	hint = fl__load_suggest(l, key->text, words, n);
	fl__load_error(l, key, hint ? hint : fl__load_hint(l, "known here: %s", all), "unknown key '%.80s'%s%s", key->text, *prefix ? " in " : "", prefix);
}

static void walk_map(struct fl__load *l, const char *prefix, const struct fl_yaml_node *n, void *base);

/* Things are told apart by name. */
static void check_names(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *list)
{
	for (const struct fl_yaml_node *c = list->first; c; c = c->next) {
		const struct fl_yaml_node *name = fl_yaml_get(c, "name"), *other = NULL;

		if (!name || name->kind != FL_YAML_SCALAR)
			continue;
		for (const struct fl_yaml_node *p = list->first; p != c && !other; p = p->next) {
			other = fl_yaml_get(p, "name");
			other = other && other->kind == FL_YAML_SCALAR && strcmp(other->text, name->text) == 0 ? other : NULL;
		}
		if (other)
			fl__load_error(l, name, fl__load_hint(l, "it is used already in %s, line %u", other->file->name, other->line),
				       "duplicate name '%.80s' in %s", name->text, k->path);
	}
}

enum { ITEMS_MAX = 10000 };

static void walk_list(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	char prefix[120], *items = NULL;
	size_t i = 0;

	if (n->kind == FL_YAML_NULL)
		return;
	if (n->kind != FL_YAML_SEQ) {
		fl__load_error(l, n, "each item begins with '- '", "'%s' wants %s, not %s", fl__key_name(k), fl__value_type(k->type), fl_yaml_kind_word(n->kind));
		return;
	}
	if (n->n > ITEMS_MAX) {
		fl__load_error(l, n, NULL, "'%s' has more than %d items", fl__key_name(k), ITEMS_MAX);
		return;
	}
	items = fl__load_array(l, n->n, k->elem);
	if (!items)
		return;
	check_names(l, k, n);
	fl__value_store_array(l, k, n, base, items, n->n);
	snprintf(prefix, sizeof(prefix), "%s[]", k->path);
	for (const struct fl_yaml_node *c = n->first; c; c = c->next, i++) {
		fl__defaults(l, prefix, items + i * k->elem);
		if (c->kind == FL_YAML_MAP)
			walk_map(l, prefix, c, items + i * k->elem);
		else
			fl__load_error(l, c, NULL, "an item of '%s' must be a map, not %s", fl__key_name(k), fl_yaml_kind_word(c->kind));
	}
}

static void walk_key(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *v, void *base)
{
	if (k->type == FL_KEY_LIST) {
		walk_list(l, k, v, base);
	} else if (k->type != FL_KEY_MAP) {
		fl__value_read(l, k, v, base);
	} else if (v->kind == FL_YAML_MAP) {
		walk_map(l, k->path, v, base);
	} else if (v->kind != FL_YAML_NULL) {
		fl__load_error(l, v, NULL, "'%s' wants a map, not %s", fl__key_name(k), fl_yaml_kind_word(v->kind));
	}
}

/* Is it there, if only misspelt? */
static bool is_meant(const struct fl_yaml_node *map, const char *prefix, const char *key)
{
	for (const struct fl_yaml_node *v = map->first; v; v = v->next)
		if (strcmp(v->key->text, key) == 0 || (!fl__key_find(prefix, v->key->text) && fl_did_you_mean(v->key->text, &key, 1)))
			return true;
	return false;
}

static void walk_map(struct fl__load *l, const char *prefix, const struct fl_yaml_node *n, void *base)
{
	for (const struct fl_yaml_node *v = n->first; v; v = v->next) {
		const struct fl_key *k = fl__key_find(prefix, v->key->text);

		if (k)
			walk_key(l, k, v, base);
		else
			fl__key_unknown(l, prefix, v->key);
	}
	for (size_t i = 0; i < fl__keys_n; i++) {
		const char *child = fl__keys[i].required ? fl__key_child(&fl__keys[i], prefix) : NULL;

		if (child && !is_meant(n, prefix, child))
			fl__load_error(l, n, NULL, "'%s' is missing in %s", child, prefix);
	}
}

void fl__load_walk(struct fl__load *l)
{
	fl__defaults(l, "", l->cfg);
	if (!l->root)
		return;
	if (l->root->kind == FL_YAML_MAP)
		walk_map(l, "", l->root, l->cfg);
	else
		fl__load_error(l, l->root, "as 'feeds:', with its value below", "a configuration is a map of keys, not %s", fl_yaml_kind_word(l->root->kind));
}
