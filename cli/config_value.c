/* One scalar of the configuration: read by the type of its row, checked against its limits, stored by the size of its field. Lists and names are in
 * config_lists.c and config_names.c. Start at fl__value_read. */
#include "cli/config_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>

#include "base/text.h"
#include "base/time.h"
#include "feeds/feeds.h"
#include "model/version.h"

typedef void value_reader(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base);

const char *fl__key_name(const struct fl_key *k)
{
	const char *dot = strrchr(k->path, '.');

	return dot ? dot + 1 : k->path;
}

const char *fl__load_str(struct fl__load *l, const char *s)
{
	const char *copy = fl_arena_str(&l->cfg->arena, s);

	if (!copy)
		l->failed = true;
	return copy ? copy : "";
}

void *fl__load_array(struct fl__load *l, size_t n, size_t size)
{
	void *p = fl_arena_array(&l->cfg->arena, n, size);

	if (!p)
		l->failed = true;
	return p;
}

const char *fl__load_hint(struct fl__load *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fl_arena_str(&l->scratch, text);
}

const char *fl__load_suggest(struct fl__load *l, const char *word, const char *const *words, size_t n)
{
	const char *near = fl_did_you_mean(word, words, n);

	if (near && strlen(word) <= 4 && fl_edit_distance(word, near) > 1) /* short words are near to everything */
		near = NULL;
	if (!near) /* BLOCK for block */
		for (size_t i = 0; i < n && !near; i++)
			if (strcasecmp(words[i], word) == 0)
				near = words[i];
	return near ? fl__load_hint(l, "did you mean '%s'?", near) : NULL;
}

/* Remember where a field's value came from. The default's node has no file. */
static void mark(struct fl__load *l, const void *field, const struct fl_yaml_node *n)
{
	if (!n->file)
		return;
	if (l->marks_n == l->marks_cap) {
		size_t cap = l->marks_cap ? 2 * l->marks_cap : 256;
		struct fl__mark *v = realloc(l->marks, cap * sizeof(*v));

		if (!v) {
			l->failed = true;
			return;
		}
		l->marks = v;
		l->marks_cap = cap;
	}
	l->marks[l->marks_n++] = (struct fl__mark){ field, n };
}

void fl__load_mark(struct fl__load *l, const char *text, const struct fl_yaml_node *n)
{
	mark(l, text, n);
}

void fl__value_store(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, uint64_t v)
{
	char *field = (char *)base + k->off;

	if (k->size == 0)
		return;
	switch (k->size) { /* bool and uint8_t; enums, int and uint32_t; 64 bits */
	case 1:
		*(uint8_t *)field = (uint8_t)v;
		break;
	case 4: {
		uint32_t u = (uint32_t)v;

		memcpy(field, &u, 4);
		break;
	}
	default:
		memcpy(field, &v, 8);
	}
	mark(l, field, n);
}

void fl__value_store_text(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, const char *s)
{
	const char **field = (const char **)((char *)base + k->off);

	if (k->size == 0)
		return;
	*field = fl__load_str(l, s);
	mark(l, field, n);
}

void fl__value_store_array(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, const void *v, size_t count)
{
	char *field = (char *)base + k->off;

	if (k->size == sizeof(v))
		memcpy(field, &v, sizeof(v));
	memcpy((char *)base + k->count, &count, sizeof(count));
	mark(l, field, n);
}

const char *fl__value_text(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n)
{
	if (n->kind == FL_YAML_SCALAR)
		return n->text;
	fl__load_error(l, n, NULL, "'%s' wants %s, not %s", fl__key_name(k), fl__value_type(k->type), fl_yaml_kind_word(n->kind));
	return NULL;
}

bool fl__value_is_list(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n)
{
	if (n->kind == FL_YAML_SEQ) {
		bool ok = true;

		for (const struct fl_yaml_node *c = n->first; c; c = c->next)
			if (c->kind != FL_YAML_SCALAR) {
				fl__load_error(l, c, NULL, "'%s' wants %s, this item is %s", fl__key_name(k), fl__value_type(k->type),
					       fl_yaml_kind_word(c->kind));
				ok = false;
			}
		return ok;
	}
	fl__load_error(l, n, n->kind == FL_YAML_SCALAR ? fl__load_hint(l, "write [\"%.100s\"]", n->text) : NULL, "'%s' wants %s, not %s",
		       fl__key_name(k), fl__value_type(k->type), fl_yaml_kind_word(n->kind));
	return false;
}

static void bad_value(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, const char *hint)
{
	fl__load_error(l, n, hint, "'%s' wants %s, not '%.80s'", fl__key_name(k), fl__value_type(k->type), n->text);
}

static void out_of_range(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n)
{
	const char *hint = k->min && k->max ? fl__load_hint(l, "%s to %s", k->min, k->max) : NULL;

	fl__load_error(l, n, hint, "'%s' is out of range: %.80s", fl__key_name(k), n->text);
}

static void read_string(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = n->kind == FL_YAML_NULL ? "" : fl__value_text(l, k, n);

	if (!s)
		return;
	for (const char *p = s; *p; p++)
		if ((uint8_t)*p < 0x20) {
			bad_value(l, k, n, "control characters are not allowed");
			return;
		}
	if (*s == '\0' && k->required)
		fl__load_error(l, n, NULL, "'%s' is empty", fl__key_name(k));
	fl__value_store_text(l, k, n, base, s);
}

static void read_path(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	if (n->kind == FL_YAML_SCALAR && n->text[0] && n->text[0] != '/')
		fl__load_error(l, n, fl__load_hint(l, "write it from the root, as /etc/fireline/%.200s", n->text), "'%s' is a relative path",
			       fl__key_name(k));
	else if (n->kind == FL_YAML_SCALAR && strlen(n->text) > 900)
		fl__load_error(l, n, NULL, "'%s' is too long a path", fl__key_name(k));
	read_string(l, k, n, base);
}

/* Feeds and lists make names of sources and keys: a dot joins them ("LIST.operator"), so none may stand in a name, and 80 octets hold the whole. */
enum { NAME_MAX_OCTETS = 64 };

static void read_name(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);
	char fixed[NAME_MAX_OCTETS + 1];
	size_t i;

	if (!s)
		return;
	if (fl_set_name_valid(s) && !strchr(s, '.') && strlen(s) <= NAME_MAX_OCTETS) {
		fl__value_store_text(l, k, n, base, s);
		return;
	}
	for (i = 0; s[i] && i < sizeof(fixed) - 1; i++) {
		unsigned char c = (unsigned char)s[i];

		fixed[i] = (char)(isalnum(c) && c < 0x80 ? tolower(c) : c == '_' && i ? '_' : '-');
	}
	fixed[i] = '\0';
	i = strspn(fixed, "-_");
	fl__load_error(l, n, fixed[i] ? fl__load_hint(l, "did you mean '%s'?", fixed + i) : NULL,
		       "'%.80s' is no name: 1 to %d of a-z 0-9 _ -, a letter or digit first", s, NAME_MAX_OCTETS);
	fl__value_store_text(l, k, n, base, s);
}

static void read_bool(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	static const char *const yes[] = { "yes", "on", "True", "TRUE", "Yes", "y", "1" }, *const no[] = { "no", "off", "False", "FALSE", "No", "n", "0" };
	const char *s = fl__value_text(l, k, n), *hint = NULL;

	if (!s)
		return;
	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
		fl__value_store(l, k, n, base, s[0] == 't');
		return;
	}
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		hint = strcmp(s, yes[i]) == 0 ? "did you mean 'true'?" : strcmp(s, no[i]) == 0 ? "did you mean 'false'?" : hint;
	if (!hint)
		hint = fl__load_suggest(l, s, (const char *const[]){ "true", "false" }, 2);
	bad_value(l, k, n, hint);
}

/* Whole numbers in one of several spellings; each gives false when s is none. */
static bool as_number(const char *s, uint64_t *v)
{
	return fl_u64_parse(fl_span_str(s), v);
}

static bool as_duration(const char *s, uint64_t *v)
{
	int64_t ms;

	if (!fl_duration_parse(s, &ms))
		return false;
	*v = (uint64_t)ms;
	return true;
}

static bool as_seconds(const char *s, uint64_t *v)
{
	int64_t ms;

	if (fl_u64_parse(fl_span_str(s), v))
		return true;
	if (!fl_duration_parse(s, &ms) || ms % 1000)
		return false;
	*v = (uint64_t)ms / 1000;
	return true;
}

static bool as_size(const char *s, uint64_t *v)
{
	return fl_size_parse(s, v);
}

static bool as_percent(const char *s, uint64_t *v)
{
	size_t n = strlen(s);

	return n && fl_u64_parse(fl_span(s, s[n - 1] == '%' ? n - 1 : n), v);
}

static void read_limited(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base, bool (*as)(const char *, uint64_t *))
{
	const char *s = fl__value_text(l, k, n), *hint = NULL;
	uint64_t v, min = 0, max = UINT64_MAX, plain;

	if (!s)
		return;
	if (!as(s, &v)) {
		if (k->type == FL_KEY_DURATION && fl_u64_parse(fl_span_str(s), &plain))
			hint = fl__load_hint(l, "with its unit: did you mean '%ss'?", s);
		else if (k->type == FL_KEY_DURATION || k->type == FL_KEY_SECONDS)
			hint = "units are ms, s, m, h, d and w, as in 90s or 5m";
		else if (k->type == FL_KEY_SIZE)
			hint = "units are KiB, MiB and GiB, as in 64MiB";
		bad_value(l, k, n, hint);
		return;
	}
	if ((k->min && as(k->min, &min) && v < min) || (k->max && as(k->max, &max) && v > max)) {
		out_of_range(l, k, n);
		return;
	}
	fl__value_store(l, k, n, base, v);
}

static void read_number(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	read_limited(l, k, n, base, as_number);
}

static void read_duration(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	read_limited(l, k, n, base, as_duration);
}

static void read_seconds(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	read_limited(l, k, n, base, as_seconds);
}

static void read_size(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	read_limited(l, k, n, base, as_size);
}

static void read_percent(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	read_limited(l, k, n, base, as_percent);
}

static void read_workers(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	if (n->kind == FL_YAML_SCALAR && strcmp(n->text, "auto") == 0)
		fl__value_store(l, k, n, base, 0);
	else
		read_limited(l, k, n, base, as_number);
}

static void read_real(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);
	char *end;
	double v;
	uint64_t bits;

	if (!s)
		return;
	v = strtod(s, &end);
	if (!((s[0] >= '0' && s[0] <= '9') || s[0] == '.') || end == s || *end || strspn(s, "0123456789.") != strlen(s)) {
		bad_value(l, k, n, NULL);
		return;
	}
	if (v < strtod(k->min, NULL) || v > strtod(k->max, NULL)) {
		out_of_range(l, k, n);
		return;
	}
	memcpy(&bits, &v, sizeof(bits));
	fl__value_store(l, k, n, base, bits);
}

enum { WORDS_MAX = 48 };

static void read_word(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n), *words[WORDS_MAX], *hint;
	char list[400] = "";
	size_t count = 0;

	if (!s)
		return;
	for (const struct fl_word *w = k->words; w->word && count < WORDS_MAX; w++) {
		if (strcmp(w->word, s) == 0) {
			fl__value_store(l, k, n, base, (uint64_t)w->value);
			return;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", count ? ", " : "", w->word);
		words[count++] = w->word;
	}
	hint = fl__load_suggest(l, s, words, count);
	fl__load_error(l, n, hint ? hint : fl__load_hint(l, count > 1 ? "one of %s" : "only %s", list), "'%.60s' is no %s", s, fl__key_name(k));
}

static void read_category(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n), *words[FL_CAT_COUNT];
	enum fl_category c;

	if (!s)
		return;
	if (fl_category_parse(s, &c)) {
		fl__value_store(l, k, n, base, c);
		return;
	}
	for (int i = 0; i < FL_CAT_COUNT; i++)
		words[i] = fl_category_word((enum fl_category)i);
	fl__load_error(l, n, fl__load_suggest(l, s, words, FL_CAT_COUNT), "'%.60s' is no category", s);
}

/* A number is a place, counted from 1; anything else is looked for in the header of the body. */
static void read_column(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);
	uint64_t v;

	if (!s)
		return;
	if (n->file && !*s)
		bad_value(l, k, n, "a name in the header, or a number from 1");
	else if (*s && strspn(s, "0123456789") == strlen(s) && (!fl_u64_parse(fl_span_str(s), &v) || v < 1 || v > 64))
		bad_value(l, k, n, "columns are counted from 1, and the first 64 are read");
	else
		fl__value_store_text(l, k, n, base, s);
}

static void read_pointer(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n), *hint = NULL;
	size_t at;

	if (!s)
		return;
	if (fl_pointer_valid(s, &at)) {
		fl__value_store_text(l, k, n, base, s);
		return;
	}
	if (at == 0)
		hint = fl__load_hint(l, "a JSON pointer begins with '/': write \"/%.60s\"", s);
	else if (s[at] == '~')
		hint = fl__load_hint(l, "character %zu: '~' is written ~0, and '/' within a key ~1", at + 1);
	bad_value(l, k, n, hint);
}

static void read_pointer_or_key(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	if (n->kind == FL_YAML_SCALAR && strcmp(n->text, "#") == 0)
		fl__value_store_text(l, k, n, base, "#");
	else
		read_pointer(l, k, n, base);
}

static void read_mode(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);

	if (!s)
		return;
	if (strlen(s) < 3 || strlen(s) > 4 || strspn(s, "01234567") != strlen(s) || strtoul(s, NULL, 8) > 0777) {
		bad_value(l, k, n, "as \"0660\"");
		return;
	}
	fl__value_store(l, k, n, base, strtoul(s, NULL, 8));
}

static void read_account(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);

	if (!s)
		return;
	if (strlen(s) != 12 || strspn(s, "0123456789") != 12)
		bad_value(l, k, n, "12 digits in quotes, as \"000000000000\"");
	else
		fl__value_store_text(l, k, n, base, s);
}

/* "fl:" becomes "{fl}:": the braces put all keys of a deployment into one slot of a cluster. */
static void read_prefix(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	const char *s = fl__value_text(l, k, n);
	size_t len = s ? strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") : 0;

	if (!s)
		return;
	if (len == 0 || len > 32 || (s[len] != '\0' && strcmp(s + len, ":") != 0)) {
		bad_value(l, k, n, "as \"fl:\"");
		return;
	}
	fl__value_store_text(l, k, n, base, fl__load_hint(l, "{%.*s}:", (int)len, s));
}

static const struct {
	const char *word;
	value_reader *read;
} types[FL_KEY_COUNT] = {
	[FL_KEY_MAP] = { "a map", NULL },
	[FL_KEY_LIST] = { "a list of maps", NULL },
	[FL_KEY_STRING] = { "a text", read_string },
	[FL_KEY_PATH] = { "a path", read_path },
	[FL_KEY_NAME] = { "a name", read_name },
	[FL_KEY_BOOL] = { "true or false", read_bool },
	[FL_KEY_NUMBER] = { "a whole number", read_number },
	[FL_KEY_REAL] = { "a number", read_real },
	[FL_KEY_DURATION] = { "a duration", read_duration },
	[FL_KEY_SECONDS] = { "seconds", read_seconds },
	[FL_KEY_SIZE] = { "a size", read_size },
	[FL_KEY_PERCENT] = { "a percentage", read_percent },
	[FL_KEY_WORD] = { "a word", read_word },
	[FL_KEY_CATEGORY] = { "a category", read_category },
	[FL_KEY_NAMES] = { "a list of names", fl__value_names },
	[FL_KEY_PATHS] = { "a list of files", fl__value_names },
	[FL_KEY_DOMAIN] = { "a domain name", fl__value_domain },
	[FL_KEY_ENTRIES] = { "a list of domain names", fl__value_entries },
	[FL_KEY_ZONES] = { "a list of domain names", fl__value_zones },
	[FL_KEY_SERVERS] = { "a list of addresses", fl__value_servers },
	[FL_KEY_NETWORKS] = { "a list of networks", fl__value_networks },
	[FL_KEY_ADDRESSES] = { "an address, or a list of them", fl__value_addresses },
	[FL_KEY_QTYPES] = { "a query type, or a list of them", fl__value_qtypes },
	[FL_KEY_OPTIONS] = { "a map of options", fl__value_options },
	[FL_KEY_HEADERS] = { "a map of header names to files", fl__value_headers },
	[FL_KEY_BROKERS] = { "a list of host:port", fl__value_brokers },
	[FL_KEY_ADDRESS] = { "an address and port", fl__value_address },
	[FL_KEY_WORKERS] = { "auto or a whole number", read_workers },
	[FL_KEY_MODE] = { "octal permissions", read_mode },
	[FL_KEY_ACCOUNT] = { "an account number", read_account },
	[FL_KEY_REDIS] = { "a Redis URL", fl__value_redis },
	[FL_KEY_PREFIX] = { "a deployment name", read_prefix },
	[FL_KEY_URL] = { "a URL", fl__value_url },
	[FL_KEY_COLUMN] = { "a column", read_column },
	[FL_KEY_POINTER] = { "a JSON pointer", read_pointer },
	[FL_KEY_POINTER_OR_KEY] = { "a JSON pointer or #", read_pointer_or_key },
	[FL_KEY_SINKS] = { "a list of maps", fl__value_sinks },
};

const char *fl__value_type(enum fl_key_type t)
{
	return types[t].word;
}

void fl__value_read(struct fl__load *l, const struct fl_key *k, const struct fl_yaml_node *n, void *base)
{
	if (types[k->type].read)
		types[k->type].read(l, k, n, base);
}
