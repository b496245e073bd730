/* Public suffixes: which claims of a feed they refuse or narrow, and that our table never answers otherwise than libpsl does: over every
 * rule of two lists with what is above and below it, over names put together at random from pieces of rules, and over random ones. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <ctype.h>
#include <unistd.h>

#include "normalize/names.h"
#include "tests/support/skip.h"

static struct fl_names *names;

static void test_claims(void **state)
{
	static const struct {
		const char *name;
		uint8_t scope;
		enum fl_drop why;
		uint8_t out;
	} rows[] = {
		{ "example.com", 3, FL_DROP_COUNT, 3 },
		{ "example.co.uk", 3, FL_DROP_COUNT, 3 },
		{ "co.uk", 1, FL_DROP_ICANN_SUFFIX, 0 },
		{ "co.uk", 3, FL_DROP_ICANN_SUFFIX, 0 },
		{ "co.uk", 12, FL_DROP_COUNT, 12 },
		{ "co.uk", 15, FL_DROP_COUNT, 12 },
		{ "github.io", 1, FL_DROP_COUNT, 1 },
		{ "github.io", 3, FL_DROP_COUNT, 1 },
		{ "github.io", 2, FL_DROP_PRIVATE_SUFFIX, 0 },
		{ "github.io", 12, FL_DROP_COUNT, 12 },
		{ "someone.github.io", 3, FL_DROP_COUNT, 3 },
		{ "ec2-3-84-126-255.compute-1.amazonaws.com", 1, FL_DROP_COUNT, 1 },
		{ "ec2-3-84-126-255.compute-1.amazonaws.com", 3, FL_DROP_COUNT, 1 },
		{ "a.ec2-3-84-126-255.compute-1.amazonaws.com", 3, FL_DROP_COUNT, 3 },
		{ "www.ck", 3, FL_DROP_COUNT, 3 }, /* an exception of the list */
		{ "anything.ck", 3, FL_DROP_ICANN_SUFFIX, 0 },
		{ "bad.unheard-of-tld", 3, FL_DROP_COUNT, 3 },
		{ "\xe5\x85\xac\xe5\x8f\xb8.cn", 3, FL_DROP_ICANN_SUFFIX, 0 },
		{ "com", 1, FL_DROP_SINGLE_LABEL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_rkey key;
		uint8_t scope = rows[i].scope;
		bool narrowed = true;
		enum fl_drop why = fl_name_claim(names, fl_span_str(rows[i].name), &scope, &narrowed, &key);

		if (why != rows[i].why)
			fail_msg("row %zu, %s: %s", i, rows[i].name, fl_drop_word(why));
		if (why != FL_DROP_COUNT)
			continue;
		assert_int_equal(scope, rows[i].out);
		assert_int_equal(narrowed, rows[i].out != rows[i].scope);
	}
}

static void test_registrable(void **state)
{
	static const struct {
		const char *name, *top; /* NULL: none */
	} rows[] = {
		{ "48656c6c6f.chunk1.tunnel.example", "tunnel.example" },
		{ "www.example.co.uk", "example.co.uk" },
		{ "example.co.uk", "example.co.uk" },
		{ "a.b.github.io", "b.github.io" },
		{ "github.io", NULL },
		{ "co.uk", NULL },
		{ "a.www.ck", "www.ck" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_rkey key;
		struct fl_span top;
		char text[FL_NAME_TEXT];

		assert_int_equal(fl_name_canon(names, fl_span_str(rows[i].name), &key), FL_DROP_COUNT);
		assert_int_equal(fl_name_registrable(names, fl_rkey_span(&key), &top), rows[i].top != NULL);
		if (rows[i].top)
			assert_string_equal(fl_rkey_to_text(top, text), rows[i].top);
	}
}

static void same_answer(const struct fl_names *n, const char *text)
{
	struct fl_rkey key;

	if (fl__canon(n->idna, fl_span_str(text), true, &key) != FL_DROP_COUNT)
		return;
	for (struct fl_span k = fl_rkey_span(&key); k.n; k = fl_rkey_parent(k)) {
		char name[FL_NAME_TEXT], *dot = strchr(fl_rkey_to_text(k, name), '.');
		enum fl__suffix kind = fl__suffix_kind(n->suffixes, k);

		if (kind != fl__suffix_kind_plain(n->suffixes, k))
			fail_msg("%s: the table and libpsl differ", text);
		if (kind == FL__SUFFIX_NONE || !dot)
			continue;
		assert_true(fl__suffix_maybe(n->suffixes, fl_span_str(name), (size_t)(dot - name)));
		for (char *c = name; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		if (!fl__suffix_maybe(n->suffixes, fl_span_str(name), (size_t)(dot - name)))
			fail_msg("%s: a suffix that was said to be none", name);
	}
}

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static unsigned draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

/* The rules of a list as they stand in it. */
struct rules {
	char (*v)[256];
	size_t n;
};

static struct rules rules_read(const char *path)
{
	struct rules r = { 0 };
	FILE *f = fopen(path, "re");
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (!*line || strncmp(line, "//", 2) == 0)
			continue;
		if (r.n % 1024 == 0)
			assert_non_null(r.v = realloc(r.v, (r.n + 1024) * sizeof(*r.v)));
		snprintf(r.v[r.n++], sizeof(*r.v), "%.255s", line + strspn(line, "!*."));
	}
	fclose(f);
	return r;
}

/* A rule from a label of it on: what stands before, and what is cut off, fits no rule or another one. */
static const char *tail_of(const struct rules *r)
{
	const char *p = r->v[draw((unsigned)r->n)];

	for (unsigned skip = draw(3); skip && strchr(p, '.'); skip--)
		p = strchr(p, '.') + 1;
	return p;
}

static void random_names(const struct fl_names *n, const struct rules *r)
{
	static const char octets[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	char name[1024];

	for (unsigned i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "%s.%s", tail_of(r), tail_of(r));
		same_answer(n, name);
		name[strcspn(name, ".")] = '\0'; /* the first label of a rule under another */
		snprintf(name + strlen(name), 300, ".%s", tail_of(r));
		same_answer(n, name);
	}
	for (unsigned i = 0; i < 50000; i++) {
		size_t at = 0;

		for (unsigned labels = 1 + draw(4); labels; labels--) {
			for (unsigned k = 1 + draw(4); k; k--)
				name[at++] = octets[draw(sizeof(octets) - 1)];
			name[at++] = labels > 1 ? '.' : '\0';
		}
		same_answer(n, name);
	}
}

static void list_check(const char *path)
{
	struct rules r = rules_read(path);
	struct fl_names *n;
	struct fl_err err;
	char name[640];

	assert_int_equal(fl_names_open(path, &n, &err), 0);
	for (size_t i = 0; i < r.n; i++) {
		same_answer(n, r.v[i]);
		snprintf(name, sizeof(name), "b.a.%s", r.v[i]);
		same_answer(n, name);
	}
	assert_true(r.n > 5000);
	random_names(n, &r);
	free(r.v);
	fl_names_close(n);
}

static void test_the_table_agrees_with_libpsl(void **state)
{
	(void)state;
	list_check("/usr/share/publicsuffix/public_suffix_list.dat");
	if (access(FL_SHARED "/feeds/allow/public_suffix_list.dat", R_OK) < 0)
		fl_test_skip("the shared suffix list is not here");
	list_check(FL_SHARED "/feeds/allow/public_suffix_list.dat");
}

/* What no list has today, and libpsl reads in its own way: a rule twice, in both sections, outside of any, exceptions beside wildcards. */
static void test_odd_lists_agree_with_libpsl(void **state)
{
	static const char text[] = "stray.example\n// ===BEGIN ICANN DOMAINS===\ncom\n*.ck\n!www.ck\nboth.com\n*.wild.com\nwild.com\n*\n*x.com\nUPPER.com\n"
				   "// ===END ICANN DOMAINS===\nbetween.com\n// ===BEGIN PRIVATE DOMAINS===\np.example   # a comment\n*.q.example\n!a.q.example\n"
				   "both.com\n*.both.com\n!a.both.com\n// ===END PRIVATE DOMAINS===\n";
	static const char *const asked[] = { "stray.example", "com", "ck", "a.ck", "www.ck", "b.www.ck", "both.com", "a.both.com", "b.both.com", "c.b.both.com",
					     "wild.com", "a.wild.com", "b.a.wild.com", "x.com", "ax.com", "between.com", "p.example", "a.p.example", "q.example", "b.q.example", "a.q.example", "net" };
	const size_t lengths[] = { sizeof(text) - 1, (size_t)(strstr(text, "both.com\n*.both") - text) }; /* with the second both.com no table is made */

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		char path[] = "/tmp/fl-psl-XXXXXX";
		int fd = mkstemp(path);
		struct fl_names *n;
		struct fl_err err;

		assert_int_equal(write(fd, text, lengths[k]), lengths[k]);
		close(fd);
		assert_int_equal(fl_names_open(path, &n, &err), 0);
		for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
			same_answer(n, asked[i]);
		fl_names_close(n);
		unlink(path);
	}
}

static void test_without_a_text_list_libpsl_answers(void **state)
{
	struct fl_names *n;
	struct fl_err err;

	(void)state;
	assert_int_equal(fl_names_open("/usr/share/publicsuffix/public_suffix_list.dafsa", &n, &err), 0);
	same_answer(n, "a.github.io");
	same_answer(n, "a.co.uk");
	fl_names_close(n);
}

static void test_a_bad_list_is_refused(void **state)
{
	char path[] = "/tmp/fl-psl-XXXXXX";
	int fd = mkstemp(path);
	struct fl_names *n;
	struct fl_err err = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "// nothing\n", 11), 11);
	close(fd);
	assert_int_equal(fl_names_open(path, &n, &err), FL_EFORMAT);
	unlink(path);
	assert_int_equal(fl_names_open(path, &n, &err), FL_ENOTFOUND);
	assert_non_null(strstr(err.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_registrable),
		cmocka_unit_test(test_the_table_agrees_with_libpsl),
		cmocka_unit_test(test_odd_lists_agree_with_libpsl),
		cmocka_unit_test(test_without_a_text_list_libpsl_answers),
		cmocka_unit_test(test_a_bad_list_is_refused),
	};
	struct fl_err err;
	int failed;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
