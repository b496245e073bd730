/* The table for people: `config explain`, docs/configuration.md; and what a reload cannot change. */
#include "cli/config_table.h"

#include "base/text.h"

/* "feeds.every" is "feeds[].every". */
static bool same_path(const char *row, const char *asked)
{
	while (*row && *asked) {
		if (row[0] == '[' && asked[0] != '[')
			row += 2;
		if (*row++ != *asked++)
			return false;
	}
	return *asked == '\0' && (*row == '\0' || strcmp(row, "[]") == 0);
}

static void words_of(const struct fl_key *k, struct fl_buf *out)
{
	if (k->type == FL_KEY_CATEGORY) {
		for (int i = 0; i < FL_CAT_COUNT; i++)
			fl_buf_printf(out, "%s%s", i ? " | " : "", fl_category_word((enum fl_category)i));
		return;
	}
	for (const struct fl_word *w = k->words; w->word; w++)
		fl_buf_printf(out, "%s%s", w == k->words ? "" : " | ", w->word);
}

static void type_of(const struct fl_key *k, struct fl_buf *out)
{
	if (k->words || k->type == FL_KEY_CATEGORY)
		words_of(k, out);
	else
		fl_buf_str(out, fl__value_type(k->type));
	if (k->min && k->max && strcmp(k->min, k->max) != 0)
		fl_buf_printf(out, ", %s to %s", k->min, k->max);
}

static void default_of(const struct fl_key *k, struct fl_buf *out)
{
	if (k->required)
		fl_buf_str(out, "required");
	else if (k->dflt_text)
		fl_buf_str(out, k->dflt_text);
	else if (k->dflt && k->dflt[0])
		fl_buf_str(out, k->dflt);
	else
		fl_buf_str(out, "none");
}

static bool is_container(const struct fl_key *k)
{
	return k->type == FL_KEY_MAP || k->type == FL_KEY_LIST;
}

static void explain_children(const struct fl_key *k, struct fl_buf *out)
{
	char prefix[120];

	snprintf(prefix, sizeof(prefix), "%s%s", k->path, k->type == FL_KEY_LIST ? "[]" : "");
	for (size_t i = 0; i < fl__keys_n; i++) {
		const char *child = fl__key_child(&fl__keys[i], prefix);

		if (child)
			fl_buf_printf(out, "  %-28s %s\n", child, fl__keys[i].help);
	}
}

static void explain_one(const struct fl_key *k, struct fl_buf *out)
{
	fl_buf_printf(out, "%s\n  %s\n", k->path, k->help);
	if (is_container(k)) {
		fl_buf_printf(out, "\n%s of:\n", fl__value_type(k->type));
		explain_children(k, out);
	} else {
		fl_buf_str(out, "  type      ");
		type_of(k, out);
		fl_buf_str(out, "\n  default   ");
		default_of(k, out);
		fl_buf_str(out, "\n");
	}
	fl_buf_printf(out, "  reload    %s\n", k->frozen ? "no: restart to change it" : "yes");
}

static void cell(struct fl_buf *out, const struct fl_buf *text)
{
	for (size_t i = 0; i < text->n; i++) {
		if (text->p[i] == '|')
			fl_buf_u8(out, '\\');
		fl_buf_u8(out, text->p[i]);
	}
}

static void markdown_row(const struct fl_key *k, struct fl_buf *out)
{
	struct fl_buf text = { 0 };

	fl_buf_printf(out, "| `%s` | ", k->path);
	type_of(k, &text);
	cell(out, &text);
	fl_buf_reset(&text);
	if (!is_container(k) || k->required)
		default_of(k, &text);
	fl_buf_str(out, " | ");
	cell(out, &text);
	fl_buf_printf(out, " | %s | %s |\n", k->frozen ? "restart" : "reload", k->help);
	fl_buf_done(&text);
}

static void markdown(struct fl_buf *out)
{
	fl_buf_str(out, "# Configuration\n\n"
			"Made from the table that the program reads: `fireline config explain --all`. A commented sample is\n"
			"[packaging/fireline.yaml](../packaging/fireline.yaml).\n\n"
			"The file is the one named with `-c`, else by `$FIRELINE_CONFIG`, else `" FL_CONFIG_DEFAULT_PATH "`. Files in `conf.d/` beside it that end\n"
			"in `.yaml` are joined to it in the order of their names: maps key by key, lists end to end. A name or value given twice is an error.\n"
			"`${NAME}` in a value is taken from the environment (`$${` is `${`); secrets stand in files of their own, named by keys that end in\n"
			"`_file`. Durations are written `90s`, `5m`, `24h`, `14d`; sizes `64KiB`, `64MiB`, `1GiB`. An unknown key is an error. `[]` stands for\n"
			"each item of a list.\n\n"
			"SIGHUP loads the file anew, all or nothing: after an error the old configuration stays. Keys marked *restart* are not changed by it.\n\n"
			"| key | value | default | change | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < fl__keys_n; i++)
		markdown_row(&fl__keys[i], out);
}

int fl_config_explain(const char *key, struct fl_buf *out)
{
	const char *near = NULL, *last;

	if (!key) {
		markdown(out);
		return out->failed ? FL_ENOMEM : 0;
	}
	for (size_t i = 0; i < fl__keys_n; i++)
		if (same_path(fl__keys[i].path, key)) {
			explain_one(&fl__keys[i], out);
			return out->failed ? FL_ENOMEM : 0;
		}
	last = strrchr(key, '.') ? strrchr(key, '.') + 1 : key;
	for (size_t i = 0, best = 3; i < fl__keys_n; i++) {
		size_t d = fl_edit_distance(last, fl__key_name(&fl__keys[i])), whole = fl_edit_distance(key, fl__keys[i].path);

		d = whole < d ? whole : d;
		if (d < best) {
			best = d;
			near = fl__keys[i].path;
		}
	}
	if (near)
		fl_buf_str(out, near);
	return FL_ENOTFOUND;
}

/* --- what a reload cannot change --- */

static bool is_text(enum fl_key_type t)
{
	switch (t) {
	case FL_KEY_STRING:
	case FL_KEY_PATH:
	case FL_KEY_NAME:
	case FL_KEY_DOMAIN:
	case FL_KEY_BROKERS:
	case FL_KEY_ADDRESS:
	case FL_KEY_ACCOUNT:
	case FL_KEY_REDIS:
	case FL_KEY_PREFIX:
	case FL_KEY_URL:
	case FL_KEY_COLUMN:
	case FL_KEY_POINTER:
	case FL_KEY_POINTER_OR_KEY:
		return true;
	default:
		return false;
	}
}

/* Name, value, ..., NULL. */
static bool options_differ(const char *const *a, const char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return true;
	return (a && *a) || (b && *b);
}

bool fl__value_differs(const struct fl_key *k, const void *a, const void *b)
{
	const char *x = (const char *)a + k->off, *y = (const char *)b + k->off;

	if (k->size == 0)
		return false;
	if (is_text(k->type))
		return strcmp(*(const char *const *)x, *(const char *const *)y) != 0;
	if (k->type == FL_KEY_OPTIONS)
		return options_differ(*(const char *const *const *)x, *(const char *const *const *)y);
	return memcmp(x, y, k->size) != 0;
}

static bool list_differs(const struct fl_key *list, const void *a, const void *b)
{
	const char *x = *(const char *const *)((const char *)a + list->off), *y = *(const char *const *)((const char *)b + list->off);
	size_t n, m;
	char prefix[120];

	memcpy(&n, (const char *)a + list->count, sizeof(n));
	memcpy(&m, (const char *)b + list->count, sizeof(m));
	snprintf(prefix, sizeof(prefix), "%s[]", list->path);
	for (size_t i = 0; i < fl__keys_n && n == m; i++)
		for (size_t j = 0; j < n && fl__key_child(&fl__keys[i], prefix); j++)
			if (fl__value_differs(&fl__keys[i], x + j * list->elem, y + j * list->elem))
				return true;
	return n != m;
}

size_t fl_config_frozen(const struct fl_config *a, const struct fl_config *b, const char **keys, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < fl__keys_n && n < cap; i++) {
		const struct fl_key *k = &fl__keys[i];

		if (!k->frozen || strchr(k->path, '[') || k->type == FL_KEY_MAP)
			continue;
		if (k->type == FL_KEY_LIST ? list_differs(k, a, b) : fl__value_differs(k, a, b))
			keys[n++] = k->path;
	}
	return n;
}
