/* Files to configuration: read, parse, expand ${ENV}, merge conf.d, walk by the table, cross-check. Any error, and there is no configuration.
 * Start at fl_config_load. */
#include "cli/config_table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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
		fl__lint(l);
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

static int load_file(const char *path, bool lint, struct fl_config **out, struct fl_diag *diag)
{
	struct fl_yaml_file *file;
	struct fl__load l;

	path = fl_config_path(path);
	if (begin(&l, path, diag) < 0)
		return FL_ENOMEM;
	l.lint = lint;
	file = read_file(&l, path);
	if (file) {
		l.root = parse_file(&l, file);
		merge_confd(&l, path);
	}
	return finish(&l, out);
}

int fl_config_load(const char *path, struct fl_config **out, struct fl_diag *diag)
{
	return load_file(path, false, out, diag);
}

int fl_config_check(const char *path, struct fl_config **out, struct fl_diag *diag)
{
	return load_file(path, true, out, diag);
}

static int load_text(const char *name, struct fl_span text, bool lint, struct fl_config **out, struct fl_diag *diag)
{
	struct fl_yaml_file file = { name, text };
	struct fl__load l;

	if (begin(&l, name, diag) < 0)
		return FL_ENOMEM;
	l.lint = lint;
	l.root = parse_file(&l, &file);
	return finish(&l, out);
}

int fl_config_load_text(const char *name, struct fl_span text, struct fl_config **out, struct fl_diag *diag)
{
	return load_text(name, text, false, out, diag);
}

int fl_config_check_text(const char *name, struct fl_span text, struct fl_config **out, struct fl_diag *diag)
{
	return load_text(name, text, true, out, diag);
}
