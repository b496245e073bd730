/* Exports against the matcher: random lists of up to three sources, every format. The text is read back by small evaluators of the formats' own rules, written from
 * their documents, and must decide every listed name, its parents, children and grandchildren as the image does. Where a format has losses, a different verdict must
 * be at or below a name of the report, and in the direction that it says. RPZ is asked in three ways: as the DNS does, and as servers do that look for all
 * ancestors' wildcards or for the neighbour's. FL_SEED=N repeats one run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "publisher/export.h"
#include "tests/support/image_help.h"

enum { SOURCES = 3, RUNS = 1500, RULES_MAX = 4000 };

/* --- the text, read back --- */

struct rule {
	char name[256]; /* without "*." */
	bool star, exact; /* what is below it only; itself only; else both */
	bool block;
	int level; /* adblock */
};
static struct rule rules[RULES_MAX];
static size_t n_rules;

static void rule_add(const char *name, size_t n, bool star, bool exact, bool block, int level)
{
	struct rule *r = &rules[n_rules++];

	assert_true(n_rules < RULES_MAX && n < sizeof(r->name));
	snprintf(r->name, sizeof(r->name), "%.*s", (int)n, name);
	if (strcmp(r->name, ".") == 0)
		r->name[0] = '\0';
	r->star = star;
	r->exact = exact;
	r->block = block;
	r->level = level;
}

/* "*.x", "*" or "x". */
static void rule_star(const char *name, size_t n, bool exact, bool block)
{
	bool star = n && name[0] == '*';
	size_t skip = star ? n > 1 ? 2 : 1 : 0;

	rule_add(name + skip, n - skip, star, exact && !star, block, 0);
}

static void read_domains(const char *l)
{
	rule_star(l, strlen(l), true, true);
}

static void read_hosts(const char *l)
{
	if (strncmp(l, "0.0.0.0 ", 8) == 0)
		rule_add(l + 8, strlen(l + 8), false, true, true, 0);
	else
		assert_int_equal(strncmp(l, ":: ", 3), 0);
}

static void read_adblock(const char *l)
{
	bool except = strncmp(l, "@@", 2) == 0, exact, star = false;
	const char *end = strchr(l, '^');

	assert_non_null(end);
	l += except ? 2 : 0;
	exact = strncmp(l, "||", 2) != 0;
	l += exact ? 1 : 2;
	if (l[0] == '*') {
		star = true;
		l += 2;
	}
	rule_add(l, (size_t)(end - l), star, exact, !except, (strcmp(end, "^$important") == 0 ? 2 : 0) + except);
}

static void read_dnsmasq(const char *l)
{
	const char *from = strchr(l, '/') + 1, *end = strrchr(l, '/');

	if (strcmp(l, "address=/#/#") == 0)
		rule_add("", 0, false, false, true, 0);
	else
		rule_star(from, (size_t)(end - from), false, strncmp(l, "local=", 6) == 0);
}

/* A transparent zone answers with the data it has, and it has some for its own name only. */
static void read_unbound(const char *l)
{
	const char *from = l + strlen("local-zone: \""), *end = strrchr(l, '"');
	size_t n;

	if (strncmp(l, "local-data: ", 12) == 0)
		return;
	assert_int_equal(strncmp(l, "local-zone: \"", 13), 0);
	n = (size_t)(end - from) - (from[0] != '.');
	rule_add(from, n, false, strcmp(end, "\" transparent") == 0, strcmp(end, "\" always_transparent") != 0, 0);
}

static void read_rpz(const char *l)
{
	const char *end = strchr(l, ' ');

	if (l[0] == '$' || l[0] == '@')
		return;
	rule_star(l, (size_t)(end - l), true, strcmp(end, " CNAME .") == 0);
	assert_true(rules[n_rules - 1].block || strcmp(end, " CNAME rpz-passthru.") == 0);
}

/* --- the formats' own rules --- */

/* Is q at (0) or below (1) name? -1: neither. */
static int place(const char *q, const char *name)
{
	size_t a = strlen(q), b = strlen(name);

	if (b == 0)
		return a ? 1 : 0;
	if (a == b)
		return strcmp(q, name) ? -1 : 0;
	return a > b && q[a - b - 1] == '.' && strcmp(q + a - b, name) == 0 ? 1 : -1;
}

static bool fits(const struct rule *r, const char *q)
{
	int at = place(q, r->name);

	return at >= 0 && !(at == 0 && r->star) && !(at == 1 && r->exact);
}

static bool any_fits(const char *q)
{
	for (size_t i = 0; i < n_rules; i++)
		if (fits(&rules[i], q))
			return true;
	return false;
}

static bool by_precedence(const char *q)
{
	int best = -1;

	for (size_t i = 0; i < n_rules; i++)
		if (fits(&rules[i], q) && rules[i].level > best)
			best = rules[i].level;
	return best >= 0 && best % 2 == 0;
}

/* The longest; "*.x" is longer than "x". */
static bool by_length(const char *q)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < n_rules; i++)
		if (fits(&rules[i], q) && (!best || strlen(rules[i].name) * 2 + rules[i].star > strlen(best->name) * 2 + best->star))
			best = &rules[i];
	return best && best->block;
}

/* The nearest zone, be it one that has data for its own name only. */
static bool by_zone(const char *q)
{
	const struct rule *best = NULL;

	for (size_t i = 0; i < n_rules; i++)
		if (place(q, rules[i].name) >= 0 && (!best || strlen(rules[i].name) > strlen(best->name)))
			best = &rules[i];
	return best && best->block && fits(best, q);
}

static const struct rule *rpz_owner(const char *name, bool star)
{
	for (size_t i = 0; i < n_rules; i++)
		if (rules[i].star == star && strcmp(rules[i].name, name) == 0)
			return &rules[i];
	return NULL;
}

static const char *up(const char *q)
{
	const char *dot = strchr(q, '.');

	return dot ? dot + 1 : "";
}

/* RFC 4592: a name exists when it or anything below it owns a record; the wildcard of the closest encloser, and no other, speaks for a name that does not. */
static bool rpz_exists(const char *name)
{
	for (size_t i = 0; i < n_rules; i++)
		if (place(rules[i].name, name) >= 0)
			return true;
	return name[0] == '\0';
}

static bool by_dns(const char *q)
{
	const struct rule *r = rpz_owner(q, false);

	if (!r && !rpz_exists(q)) {
		const char *encloser = up(q);

		while (!rpz_exists(encloser))
			encloser = up(encloser);
		r = rpz_owner(encloser, true);
	}
	return r && r->block;
}

static bool by_ancestors(const char *q)
{
	const struct rule *r = rpz_owner(q, false);

	for (const char *at = q; !r && at[0];) {
		at = up(at);
		r = rpz_owner(at, true);
	}
	return r && r->block;
}

/* Sort key with stars: '*' sorts below all octets of names. */
static void sort_key(const char *name, bool star, struct fl_rkey *k)
{
	assert_true(fl_rkey_from_text(fl_span_str(name), k));
	if (star) {
		k->b[k->len++] = '*';
		k->b[k->len++] = 0;
	}
}

/* The owner that is next below q in sort order says which encloser's wildcard is looked for. */
static bool by_neighbour(const char *q)
{
	const struct rule *exact = rpz_owner(q, false), *r;
	struct fl_rkey key, best = { 0 }, k;
	char text[FL_NAME_TEXT];
	size_t same = 0, end = 0;
	bool found = false;

	if (exact)
		return exact->block;
	sort_key(q, false, &key);
	for (size_t i = 0; i < n_rules; i++) {
		sort_key(rules[i].name, rules[i].star, &k);
		if (fl_rkey_cmp(fl_rkey_span(&k), fl_rkey_span(&key)) < 0 && (!found || fl_rkey_cmp(fl_rkey_span(&k), fl_rkey_span(&best)) > 0)) {
			best = k;
			found = true;
		}
	}
	if (!found)
		return false;
	for (; same < key.len && same < best.len && key.b[same] == best.b[same]; same++)
		if (key.b[same] == 0)
			end = same + 1;
	fl_rkey_to_text(fl_span(key.b, end), text);
	r = rpz_owner(strcmp(text, ".") ? text : "", true);
	return r && r->block;
}

static const struct {
	const char *format, *comment;
	void (*read)(const char *line);
	bool (*blocked)(const char *q);
	bool lossless;
} formats[] = {
	{ "domains", "#", read_domains, any_fits, false },     { "hosts", "#", read_hosts, any_fits, false },
	{ "adblock", "!", read_adblock, by_precedence, false }, { "dnsmasq", "#", read_dnsmasq, by_length, true },
	{ "unbound", "#", read_unbound, by_zone, false },      { "rpz", ";", read_rpz, by_dns, true },
	{ "rpz", ";", read_rpz, by_ancestors, true },	       { "rpz", ";", read_rpz, by_neighbour, true },
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* --- the list --- */

static struct gen g;
static struct fl_set set[SOURCES];
static struct fl_image *img;
static uint64_t asked, differing;

static void list_make(void)
{
	static const char *const names[SOURCES] = { "a", "b", "c" };
	static const struct fl_image_key key = { { 3 } };
	struct help_input in[SOURCES] = { 0 };
	struct fl_err err = { 0 };
	uint32_t bad;
	unsigned kind = gen_below(&g, 4);

	for (uint32_t s = 0; s < SOURCES; s++) {
		set[s] = (struct fl_set){ 0 };
		for (unsigned i = gen_below(&g, s ? 6 : 14); i; i--) {
			struct fl_tuple t = { .scope = (uint8_t)(kind == 0 ? 3 : kind == 1 ? 1 + gen_below(&g, 3) : 1 + gen_below(&g, 15)) };
			struct fl_rkey k = { 0 };

			for (unsigned labels = gen_below(&g, 30) ? 1 + gen_below(&g, 5) : 0; labels; labels--) {
				k.b[k.len++] = (uint8_t)"abc-"[gen_below(&g, 4)];
				k.b[k.len++] = 0;
			}
			assert_int_equal(fl_set_add(&set[s], fl_rkey_span(&k), &t), 0);
		}
		help_sort(&set[s]);
		in[s] = (struct help_input){ names[s], 1, NULL, &set[s], true, false };
	}
	assert_int_equal(fl_image_new(&key, &img), 0);
	assert_int_equal(help_apply(&img, "ads", 1, in, SOURCES, &bad, &err), 0);
}

static void list_free(void)
{
	for (int s = 0; s < SOURCES; s++)
		fl_set_done(&set[s]);
	fl_image_release(img);
}

static bool list_blocks(const char *q)
{
	struct fl_walk walk;
	struct fl_match m;
	struct fl_rkey k;

	assert_true(fl_rkey_from_text(fl_span_str(q), &k));
	fl_image_walk(img, fl_rkey_span(&k), &walk);
	return fl_walk_list(img, &walk, fl_image_list_index(img, "ads"), &m);
}

static struct fl_export_report report;

static void export_read(size_t f)
{
	struct fl_list_version v = { .list = "ads", .id = help_id(1) };
	struct fl_export_config c = { formats[f].format, &v, fl_span(NULL, 0) };
	struct fl_entry_iter *in[SOURCES];
	struct fl_export *x = NULL;
	struct fl_buf text = { 0 };
	char *save = NULL;
	struct fl_err err;
	int ret;

	for (int s = 0; s < SOURCES; s++)
		in[s] = fl_set_iter(&set[s]);
	assert_int_equal(fl_export_open(&c, in, SOURCES, &x, &err), 0);
	while ((ret = fl_export_next(x, &text, &err)) == 1)
		;
	assert_int_equal(ret, 0);
	report = *fl_export_report(x);
	fl_export_close(x);
	assert_int_equal(report.names, report.said + report.covered + fl_export_lost(&report));
	n_rules = 0;
	for (char *l = strtok_r(fl_buf_cstr(&text), "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (l[0] != formats[f].comment[0] && strcmp(l, "server:"))
			formats[f].read(l);
	fl_buf_done(&text);
}

/* Does the report name q or an ancestor of it, with an effect that explains this verdict? Not known when it has more losses than examples. */
static bool excused(const char *q, bool more)
{
	char text[FL_NAME_TEXT];

	for (int e = 0; e < FL_EXPORT_EFFECTS; e++)
		for (int w = 0; w < FL_LOST_COUNT; w++) {
			const struct fl_export_loss *l = &report.lost[e][w];

			if (!l->count || (more ? e == FL_EXPORT_NARROWED : e == FL_EXPORT_WIDENED))
				continue;
			if (l->count > FL_EXPORT_EXAMPLES)
				return true;
			for (size_t i = 0; i < l->count; i++) {
				fl_rkey_to_text(fl_rkey_span(&l->example[i]), text);
				if (place(q, strcmp(text, ".") ? text : "") >= 0)
					return true;
			}
		}
	return false;
}

static void ask(size_t f, const char *q)
{
	bool want = list_blocks(q), is = formats[f].blocked(q);

	if (q[0] == '\0') /* no format speaks of the root's own name */
		return;
	asked++;
	if (want == is)
		return;
	differing++;
	if (formats[f].lossless || !excused(q, is)) {
		print_error("%s: '%s' is %sblocked, in the list it is %sblocked\n", formats[f].format, q, is ? "" : "not ", want ? "" : "not ");
		for (size_t i = 0; i < n_rules; i++)
			print_error("  %s%s%s %s %d\n", rules[i].star ? "*." : "", rules[i].name, rules[i].exact ? " (exact)" : "", rules[i].block ? "block" : "pass", rules[i].level);
		fail();
	}
}

static void ask_around(size_t f, const char *name)
{
	static const char *const below[] = { "", "a.", "c.", "-.", "x.", "a.b.", "x.y.", "b.-.", "z.a.c." };
	char q[300];

	for (const char *at = name;; at = up(at)) {
		for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
			size_t n = strlen(below[i]);

			snprintf(q, sizeof(q), "%.*s%s%s", (int)(at[0] ? n : n - (n > 0)), below[i], "", at);
			ask(f, q);
		}
		if (!at[0])
			break;
	}
}

static void formats_decide_as_the_image(void **state)
{
	uint64_t seed = gen_first_seed();

	(void)state;
	for (unsigned run = 0; run < RUNS; run++) {
		g.state = seed * 1000003 + run;
		list_make();
		for (size_t f = 0; f < FORMATS; f++) {
			export_read(f);
			for (int s = 0; s < SOURCES; s++)
				for (size_t i = 0; i < set[s].n; i++) {
					char name[FL_NAME_TEXT];

					fl_rkey_to_text(fl_set_key(&set[s], i), name);
					ask_around(f, strcmp(name, ".") ? name : "");
				}
		}
		list_free();
	}
	printf("%llu questions, %llu answered otherwise as reported\n", (unsigned long long)asked, (unsigned long long)differing);
	assert_true(differing > 0 && differing < asked / 4); /* losses were met, and the questions were no mere losses */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(formats_decide_as_the_image) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
