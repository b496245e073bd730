/* Files to configuration: read, parse, expand ${ENV}, merge conf.d, walk by the table, cross-check. Any error, and there is no configuration.
 * Start at fl_config_load. */
#include "cli/config_table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* --- the walk --- */

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

/* --- files --- */

static struct fl_yaml_file *read_file(struct fl__load *l, const char *path)
{
	struct fl_diag_place at = { .file = path };
	struct fl_yaml_file *file = fl_arena_alloc(&l->scratch, sizeof(*file));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), bad = fd < 0 ? errno : 0;
	struct fl_buf b = { 0 };
	struct stat st;
	ssize_t n = 1;

	if (!bad && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		bad = EINVAL;
	while (!bad && n > 0 && b.n <= FL_YAML_BYTES && fl_buf_reserve(&b, 65536)) {
		n = read(fd, b.p + b.n, 65536);
		if (n < 0)
			bad = errno;
		else
			b.n += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (file && !bad && !b.failed)
		*file = (struct fl_yaml_file){ fl_arena_str(&l->scratch, path), fl_span(fl_arena_dup(&l->scratch, b.p, b.n), b.n) };
	if (bad)
		fl_diag_add(l->diag, false, &at, bad == ENOENT ? "name another with -c, or with FIRELINE_CONFIG" : NULL, "cannot be read: %s",
			    bad == EINVAL ? "not a regular file" : strerror(bad));
	l->failed = l->failed || !file || b.failed;
	fl_buf_done(&b);
	return bad || l->failed || (file->text.n && !file->text.p) ? NULL : file;
}

static struct fl_yaml_node *parse_file(struct fl__load *l, const struct fl_yaml_file *file)
{
	struct fl_yaml_node *root = NULL;
	int ret = fl_yaml_parse(file, &l->scratch, l->diag, &root);

	if (ret == 0 && root)
		ret = fl_yaml_expand(root, &l->scratch, l->diag);
	l->failed = l->failed || ret == FL_ENOMEM;
	return root;
}

/* Maps are joined key by key and lists end to end; a value set twice is an error that names both places. */
static void merge(struct fl__load *l, struct fl_yaml_node *into, struct fl_yaml_node *from)
{
	struct fl_yaml_node *next;

	for (struct fl_yaml_node *v = from->first; v; v = next) {
		struct fl_yaml_node *old = fl_yaml_get(into, v->key->text);

		next = v->next;
		v->next = NULL;
		if (!old) {
			fl_yaml_append(into, v);
		} else if (old->kind == FL_YAML_MAP && v->kind == FL_YAML_MAP) {
			merge(l, old, v);
		} else if (old->kind == FL_YAML_SEQ && v->kind == FL_YAML_SEQ) {
			if (v->first) {
				if (old->last)
					old->last->next = v->first;
				else
					old->first = v->first;
				old->last = v->last;
				old->n += v->n;
			}
		} else if (strcmp(v->key->text, "version") != 0) {
			fl__load_error(l, v->key, fl__load_hint(l, "it is set already in %s, line %u", old->file->name, old->key->line), "duplicate key '%.80s'",
				       v->key->text);
		}
	}
}

static int is_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && e->d_name[0] != '.' && strcmp(e->d_name + n - 5, ".yaml") == 0;
}

static void merge_file(struct fl__load *l, const char *path)
{
	struct fl_yaml_file *file = read_file(l, path);
	struct fl_yaml_node *root = file ? parse_file(l, file) : NULL;

	if (!root)
		return;
	if (root->kind != FL_YAML_MAP)
		fl__load_error(l, root, NULL, "a configuration is a map of keys, not %s", fl_yaml_kind_word(root->kind));
	else if (!l->root)
		l->root = root;
	else if (l->root->kind == FL_YAML_MAP)
		merge(l, l->root, root);
}

static void merge_confd(struct fl__load *l, const char *main_path)
{
	const char *slash = strrchr(main_path, '/');
	char *folder = fl_arena_printf(&l->scratch, "%.*sconf.d", slash ? (int)(slash + 1 - main_path) : 0, main_path);
	struct dirent **v = NULL;
	int n = folder ? scandir(folder, &v, is_yaml, alphasort) : -1;

	for (int i = 0; i < n; i++) {
		char *path = fl_arena_printf(&l->scratch, "%s/%s", folder, v[i]->d_name);

		if (path)
			merge_file(l, path);
		free(v[i]);
	}
	free(v);
}

/* Everything after reading. Takes l's trees; gives the configuration or nothing. */
static int finish(struct fl__load *l, struct fl_config **out)
{
	int ret;

	if (l->root || !l->diag->errors) { /* else nothing was read, and the rest would be its echo */
		fl__load_walk(l);
		fl__check(l);
	}
	fl_diag_sort(l->diag);
	ret = l->failed ? FL_ENOMEM : l->diag->errors ? FL_ECONFIG : 0;
	if (ret == 0) {
		*out = l->cfg;
		l->cfg = NULL;
	}
	fl_names_close(l->names);
	free(l->marks);
	fl_arena_done(&l->scratch);
	fl_config_free(l->cfg);
	return ret;
}

static int begin(struct fl__load *l, const char *name, struct fl_diag *diag)
{
	*l = (struct fl__load){ .cfg = calloc(1, sizeof(*l->cfg)), .diag = diag };
	if (!l->cfg)
		return FL_ENOMEM;
	l->cfg->file = fl__load_str(l, name);
	return 0;
}

const char *fl_config_path(const char *option)
{
	const char *env = getenv("FIRELINE_CONFIG");

	return option ? option : env && *env ? env : FL_CONFIG_DEFAULT_PATH;
}

int fl_config_load(const char *path, struct fl_config **out, struct fl_diag *diag)
{
	struct fl_yaml_file *file;
	struct fl__load l;

	path = fl_config_path(path);
	if (begin(&l, path, diag) < 0)
		return FL_ENOMEM;
	file = read_file(&l, path);
	if (file) {
		l.root = parse_file(&l, file);
		merge_confd(&l, path);
	}
	return finish(&l, out);
}

int fl_config_load_text(const char *name, struct fl_span text, struct fl_config **out, struct fl_diag *diag)
{
	struct fl_yaml_file file = { name, text };
	struct fl__load l;

	if (begin(&l, name, diag) < 0)
		return FL_ENOMEM;
	l.root = parse_file(&l, &file);
	return finish(&l, out);
}
