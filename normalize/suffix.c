/* Public suffixes. A feed has a million names, and one question to libpsl takes as long as all the rest of a name's
 * way; so the rules are read into a table of our own, which answers as libpsl does. libpsl stays: it is the answer
 * where there is no text to read (a compiled list, libpsl's own), it gives registrable domains, and the tests hold the
 * table against it.
 *
 *   rule foo.bar   -> foo.bar is a suffix
 *   rule *.foo.bar -> so is what is one label below it, and, as libpsl has it, foo.bar too
 *   rule !x.foo    -> x.foo is none
 *
 * Few names are suffixes: two arrays of bits (of hashes of all rules, and of the parents of wildcards, both as text) send
 * most away before the table, fl__suffix_maybe(). The packaged text is preferred over libpsl's built-in list, so that an update of the package is an
 * update here. */
#include "normalize/names.h"

#include <errno.h>
#include <libpsl.h>
#include <unistd.h>

#define PACKAGED_LIST "/usr/share/publicsuffix/public_suffix_list.dat"

enum { RULE_BITS = 1 << 18, WILD_BITS = 1 << 15, LIST_BYTES_MAX = 64 << 20, RULES_MAX = 1 << 20, PSL_TEXT_MAX = 127 };
enum { OF_ICANN = 1, OF_PRIVATE = 2, WILD = 4, EXCEPTION = 8 };

struct rule {
	uint32_t off; /* of its key, in keys */
	uint8_t len, flags;
};

struct table {
	struct rule *rules;
	size_t n, cap;
	struct fl_buf keys;
	uint32_t *slots; /* rule + 1; 0: free. Open addressing, at most a quarter full. */
	size_t mask;
	uint64_t rule_bits[RULE_BITS / 64], wild_bits[WILD_BITS / 64];
};

struct fl__suffixes {
	psl_ctx_t *psl;
	struct table *table; /* NULL: ask libpsl always */
};

/* Eight octets at a time; the last eight overlap. Not against an adversary: a list of rules is no hostile input, and a
 * name that collides costs one comparison. */
static uint64_t key_hash(struct fl_span key)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = key.n * k, w = 0;

	if (key.n < 8) {
		for (size_t i = 0; i < key.n; i++)
			w = w << 8 | key.p[i];
		h = (h ^ w) * k;
	} else
		for (size_t i = 0;; i += 8) {
			size_t at = i + 8 < key.n ? i : key.n - 8;

			memcpy(&w, key.p + at, 8);
			h = (h ^ w) * k;
			h ^= h >> 29;
			if (at + 8 == key.n)
				break;
		}
	return h ^ (h >> 32);
}

/* Two bits of one word: a name that is none has both set once in a few hundred times. */
static uint64_t two_bits(uint64_t hash)
{
	return UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63);
}

static void bit_put(uint64_t *bits, size_t n, uint64_t hash)
{
	bits[(hash >> 12) % (n / 64)] |= two_bits(hash);
}

static bool bit_has(const uint64_t *bits, size_t n, uint64_t hash)
{
	return (bits[(hash >> 12) % (n / 64)] & two_bits(hash)) == two_bits(hash);
}

static uint64_t octets_at(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(x) : x;
}

/* Of the last n octets of a text, n at least 1, and the text at least 8: their number, the first eight and the last eight, in either case. Misses the middle, so
 * that it can be had before the name is made canonical: a name that collides costs a look into the table. */
static inline uint64_t text_hash(struct fl_span text, size_t n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15), lower = UINT64_C(0x2020202020202020);
	const uint8_t *end = text.p + text.n;
	uint64_t last = octets_at(end - 8), first, h;

	if (n < 8)
		last >>= 8 * (8 - n);
	first = n < 8 ? last : octets_at(end - n);
	h = ((first | lower) ^ n) * k ^ (last | lower) * UINT64_C(0xd6e8feb86659fd93);
	return (h ^ h >> 32) * k >> 32;
}

static struct rule *table_find(const struct table *t, struct fl_span key, uint64_t hash)
{
	for (size_t at = hash & t->mask; t->slots[at]; at = (at + 1) & t->mask) {
		struct rule *r = &t->rules[t->slots[at] - 1];

		if (fl_span_eq(fl_span(t->keys.p + r->off, r->len), key))
			return r;
	}
	return NULL;
}

static bool table_slots(struct table *t, size_t n)
{
	free(t->slots);
	t->slots = calloc(n, sizeof(*t->slots));
	t->mask = n - 1;
	for (size_t i = 0; t->slots && i < t->n; i++) {
		size_t at = key_hash(fl_span(t->keys.p + t->rules[i].off, t->rules[i].len)) & t->mask;

		while (t->slots[at])
			at = (at + 1) & t->mask;
		t->slots[at] = (uint32_t)i + 1;
	}
	return t->slots != NULL;
}

static bool table_grow(struct table *t)
{
	size_t cap = t->cap ? 2 * t->cap : 4096;
	struct rule *v = t->n < RULES_MAX ? realloc(t->rules, cap * sizeof(*v)) : NULL;

	if (!v)
		return false;
	t->rules = v;
	t->cap = cap;
	return table_slots(t, 4 * cap);
}

/* The text of a rule, of at least eight octets: zeros before a shorter one do no harm, the hash does not see them. */
static void bits_put(struct table *t, struct fl_span key, uint8_t flags)
{
	char text[8 + FL_NAME_TEXT] = { 0 };
	size_t n = strlen(fl_rkey_to_text(key, text + 8));
	uint64_t hash = text_hash(fl_span(text, 8 + n), n);

	bit_put(t->rule_bits, RULE_BITS, hash);
	if (flags & WILD)
		bit_put(t->wild_bits, WILD_BITS, hash);
}

/* A rule that stands twice in one section has what both say. One in both sections is met in no list, and libpsl takes
 * one of the two: false. */
static bool table_put(struct table *t, struct fl_span key, uint8_t flags)
{
	uint64_t hash = key_hash(key);
	struct rule *old;
	size_t at;

	if (t->n == t->cap && !table_grow(t))
		return false;
	bits_put(t, key, flags);
	old = table_find(t, key, hash);
	if (old) {
		bool same = ((old->flags ^ flags) & (OF_ICANN | OF_PRIVATE)) == 0;

		old->flags |= flags;
		return same;
	}
	for (at = hash & t->mask; t->slots[at];)
		at = (at + 1) & t->mask;
	t->rules[t->n] = (struct rule){ (uint32_t)t->keys.n, (uint8_t)key.n, flags };
	t->slots[at] = (uint32_t)++t->n;
	fl_buf_add(&t->keys, key.p, key.n);
	return !t->keys.failed;
}

/* False when a rule has no canonical form: then the table could not be trusted. */
static bool table_rule(struct table *t, struct fl_span rule, uint8_t section, const struct fl__idna *idna)
{
	struct fl_rkey key;
	uint8_t flags = section;

	if (rule.p[0] == '*' && (rule.n < 3 || rule.p[1] != '.'))
		return true; /* libpsl passes it over */
	if (rule.n > PSL_TEXT_MAX)
		return false; /* and such a long one too, but by a length of its own */
	if (rule.p[0] == '*') {
		flags |= WILD;
		rule = fl_span(rule.p + 2, rule.n - 2);
	} else if (rule.p[0] == '!') {
		flags |= EXCEPTION;
		rule = fl_span(rule.p + 1, rule.n - 1);
	}
	return fl__canon(idna, rule, true, &key) == FL_DROP_COUNT && table_put(t, fl_rkey_span(&key), flags);
}

static void table_free(struct table *t)
{
	if (!t)
		return;
	free(t->rules);
	free(t->slots);
	fl_buf_done(&t->keys);
	free(t);
}

/* The sections are told by comments. */
static void table_section(const char *comment, uint8_t *section)
{
	if (strstr(comment, "===BEGIN ICANN DOMAINS==="))
		*section = OF_ICANN;
	else if (strstr(comment, "===BEGIN PRIVATE DOMAINS==="))
		*section = OF_PRIVATE;
	else if (strstr(comment, "===END ICANN DOMAINS===") || strstr(comment, "===END PRIVATE DOMAINS==="))
		*section = 0;
}

static bool table_read(struct table *t, FILE *f, const struct fl__idna *idna)
{
	char line[1024];
	uint8_t section = 0;
	size_t total = 0;

	while (fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, " \t\r\n");

		total += n;
		if (total > LIST_BYTES_MAX || (n >= sizeof(line) - 1 && !feof(f)))
			return false;
		if (line[0] == '/' && line[1] == '/')
			table_section(line, &section);
		else if (n && !table_rule(t, fl_span(line, n), section, idna))
			return false;
	}
	return !ferror(f) && t->n;
}

/* The table over a list in text form; NULL when there is none to be had. */
static struct table *table_load(const char *path, const struct fl__idna *idna)
{
	struct table *t = calloc(1, sizeof(*t));
	FILE *f = fopen(path, "re");
	bool good = t && f && table_read(t, f, idna);

	if (f)
		fclose(f);
	if (good)
		return t;
	table_free(t);
	return NULL;
}

static bool is_text_list(const char *path)
{
	FILE *f = fopen(path, "re");
	char head[16] = "";
	size_t n = f ? fread(head, 1, sizeof(head) - 1, f) : 0;

	if (f)
		fclose(f);
	return n && memcmp(head, ".DAFSA", n < 6 ? n : 6) != 0;
}

int fl__suffixes_open(const char *path, const struct fl__idna *idna, struct fl__suffixes **out, struct fl_err *err)
{
	struct fl__suffixes *s = calloc(1, sizeof(*s));
	bool given = path && *path;

	if (!s)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (!given)
		path = PACKAGED_LIST;
	if (given && access(path, R_OK) < 0) {
		free(s);
		return fl_err_set(err, FL_ENOTFOUND, "public suffix list '%s': %s", path, strerror(errno));
	}
	s->psl = psl_load_file(path);
	if (s->psl && is_text_list(path)) {
		if (psl_suffix_count(s->psl) == 0) {
			fl__suffixes_close(s);
			return fl_err_set(err, FL_EFORMAT, "public suffix list '%s': no rule in it", path);
		}
		s->table = table_load(path, idna);
	} else if (!s->psl && !given)
		s->psl = psl_latest(NULL);
	if (!s->psl) {
		free(s);
		return fl_err_set(err, FL_EFORMAT, "public suffix list '%s': not readable as one", path);
	}
	*out = s;
	return 0;
}

void fl__suffixes_close(struct fl__suffixes *s)
{
	if (!s)
		return;
	psl_free(s->psl);
	table_free(s->table);
	free(s);
}

enum fl__suffix fl__suffix_kind_plain(const struct fl__suffixes *s, struct fl_span key)
{
	char text[FL_NAME_TEXT];

	fl_rkey_to_text(key, text);
	if (psl_is_public_suffix2(s->psl, text, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE))
		return FL__SUFFIX_ICANN;
	if (psl_is_public_suffix2(s->psl, text, PSL_TYPE_PRIVATE | PSL_TYPE_NO_STAR_RULE))
		return FL__SUFFIX_PRIVATE;
	return FL__SUFFIX_NONE;
}

static enum fl__suffix of_section(const struct rule *r)
{
	return r->flags & OF_ICANN ? FL__SUFFIX_ICANN : r->flags & OF_PRIVATE ? FL__SUFFIX_PRIVATE : FL__SUFFIX_NONE;
}

/* A rule of the very name decides, and only without one a wildcard above it. */
enum fl__suffix fl__suffix_kind(const struct fl__suffixes *s, struct fl_span key)
{
	const struct table *t = s->table;
	const struct rule *r;

	if (!t)
		return fl__suffix_kind_plain(s, key);
	r = table_find(t, key, key_hash(key));
	if (r)
		return r->flags & EXCEPTION ? FL__SUFFIX_NONE : of_section(r);
	key = fl_rkey_parent(key);
	r = table_find(t, key, key_hash(key));
	return r && (r->flags & WILD) ? of_section(r) : FL__SUFFIX_NONE;
}

bool fl__suffix_maybe(const struct fl__suffixes *s, struct fl_span text, size_t first_dot)
{
	const struct table *t = s->table;

	if (!t || text.n < 8)
		return true;
	return bit_has(t->rule_bits, RULE_BITS, text_hash(text, text.n)) || bit_has(t->wild_bits, WILD_BITS, text_hash(text, text.n - first_dot - 1));
}

unsigned fl__suffix_registrable_labels(const struct fl__suffixes *s, struct fl_span key)
{
	char text[FL_NAME_TEXT];
	const char *top;
	unsigned labels = 1;

	top = psl_registrable_domain(s->psl, fl_rkey_to_text(key, text));
	if (!top)
		return 0;
	for (; *top; top++)
		labels += *top == '.';
	return labels;
}
