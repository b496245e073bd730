/* Public suffixes, by libpsl. A feed has a million names and few are suffixes, so a filter stands before libpsl: one bit
 * for the hash of each rule of the list, one for the parent of each wildcard rule. No bit: no suffix. A bit: libpsl says.
 *
 *   rule foo.bar   -> bit RULE(foo.bar)
 *   rule *.foo.bar -> bit WILD(foo.bar), and bit RULE(foo.bar): libpsl takes the parent for a suffix too
 *   rule !x.foo    -> nothing: it only takes away
 *
 * The filter needs the list as text; without (a compiled list, libpsl's own) every question goes to libpsl.
 * The packaged text is preferred over libpsl's built-in list, so that an update of the package is an update here. */
#include "normalize/names.h"

#include <errno.h>
#include <libpsl.h>
#include <unistd.h>

#define PACKAGED_LIST "/usr/share/publicsuffix/public_suffix_list.dat"

enum { FILTER_BITS = 1 << 20, LIST_BYTES_MAX = 64 << 20, SALT_RULE = 1, SALT_WILD = 2 };

struct fl__suffixes {
	psl_ctx_t *psl;
	uint64_t *filter; /* NULL: ask libpsl always */
};

/* FNV-1a over the key, with a salt and a last mix: what matters is that it is quick for 20 octets. */
static uint64_t key_hash(struct fl_span key, uint64_t salt)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ salt;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ key.p[i]) * UINT64_C(0x100000001b3);
	return h ^ (h >> 29);
}

static void filter_put(uint64_t *filter, struct fl_span key, uint64_t salt)
{
	uint64_t bit = key_hash(key, salt) % FILTER_BITS;

	filter[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool filter_has(const uint64_t *filter, struct fl_span key, uint64_t salt)
{
	uint64_t bit = key_hash(key, salt) % FILTER_BITS;

	return filter[bit / 64] >> (bit % 64) & 1;
}

/* False when a rule has no canonical form: then the filter could not be trusted. */
static bool filter_rule(uint64_t *filter, struct fl_span rule, const struct fl__idna *idna)
{
	struct fl_rkey key;
	bool wild = rule.n > 2 && rule.p[0] == '*' && rule.p[1] == '.';

	if (rule.p[0] == '!')
		return true;
	if (rule.n == 1 && rule.p[0] == '*')
		return true;
	if (wild)
		rule = fl_span(rule.p + 2, rule.n - 2);
	if (fl__canon(idna, rule, true, &key) != FL_DROP_COUNT)
		return false;
	filter_put(filter, fl_rkey_span(&key), SALT_RULE);
	if (wild)
		filter_put(filter, fl_rkey_span(&key), SALT_WILD);
	return true;
}

/* The filter over a list in text form; NULL when there is none to be had. */
static uint64_t *filter_load(const char *path, const struct fl__idna *idna)
{
	uint64_t *filter = calloc(FILTER_BITS / 64, sizeof(*filter));
	FILE *f = fopen(path, "re");
	char line[1024];
	long total = 0;
	bool good = filter && f;

	while (good && fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, " \t\r\n");

		total += (long)n;
		good = total < LIST_BYTES_MAX && (n < sizeof(line) - 1 || feof(f));
		if (good && n && !(line[0] == '/' && line[1] == '/'))
			good = filter_rule(filter, fl_span(line, n), idna);
	}
	if (good && ferror(f))
		good = false;
	if (f)
		fclose(f);
	if (good)
		return filter;
	free(filter);
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
		s->filter = filter_load(path, idna);
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
	free(s->filter);
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

enum fl__suffix fl__suffix_kind(const struct fl__suffixes *s, struct fl_span key)
{
	if (s->filter && !filter_has(s->filter, key, SALT_RULE) &&
	    !filter_has(s->filter, fl_rkey_parent(key), SALT_WILD))
		return FL__SUFFIX_NONE;
	return fl__suffix_kind_plain(s, key);
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
