/* Real lists against an independent normaliser: its manifest holds, for each list, the number of names and the SHA-256 of the
 * sorted lines "name TAB scope". That normaliser leaves out every public suffix ("lenient") and every exception, so this test
 * does likewise: it asks for each name as a claim on what is below it, which suffixes of both sections refuse, and takes the
 * blocking bits alone. Where our rulings differ from its, each name is a row with its reason; with the rows applied every list
 * agrees to the octet, but for the two leftovers named below. */
#include <setjmp.h>
#include <stdarg.h>

#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <zstd.h>

#include "base/text.h"
#include "feeds/feeds.h"
#include "normalize/normalize.h"

static struct fl_names *names;

static struct fl_span file_read(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *p = NULL;
	long n;

	if (!f)
		return fl_span(NULL, 0);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	n = ftell(f);
	rewind(f);
	p = malloc((size_t)n + 1);
	assert_non_null(p);
	assert_int_equal(fread(p, 1, (size_t)n, f), n);
	fclose(f);
	return fl_span(p, (size_t)n);
}

/* A file of the shared feeds, unpacked. */
static struct fl_span feed_read(const char *path)
{
	char full[1024];
	struct fl_span packed, body;
	unsigned long long n;
	uint8_t *out;

	snprintf(full, sizeof(full), "%s/feeds/%s", FL_SHARED, path);
	packed = file_read(full);
	assert_non_null(packed.p);
	if (strlen(path) < 4 || strcmp(path + strlen(path) - 4, ".zst") != 0)
		return packed;
	n = ZSTD_getFrameContentSize(packed.p, packed.n);
	if (n > (256u << 20)) /* not stated: some are streamed */
		n = 128u << 20;
	out = malloc(n + 1);
	assert_non_null(out);
	body = fl_span(out, ZSTD_decompress(out, n, packed.p, packed.n));
	assert_false(ZSTD_isError(body.n));
	free((void *)(uintptr_t)packed.p);
	return body;
}

struct taken {
	struct fl_set set;
	struct fl_tally tally;
	struct fl_feed_result result;
};

static int take(void *ctx, const struct fl_feed_claim *c)
{
	struct taken *t = ctx;
	struct fl_tuple tuple = { .scope = c->scope & FL_SCOPE_SUBTREE };
	struct fl_rkey key;
	uint8_t below = FL_SCOPE_SUBDOMAINS;
	bool narrowed;
	enum fl_drop why = fl_name_claim(names, c->name, &below, &narrowed, &key);

	if (why != FL_DROP_COUNT)
		t->tally.dropped[why]++;
	else if (tuple.scope)
		assert_int_equal(fl_set_add(&t->set, fl_rkey_span(&key), &tuple), 0);
	return 0;
}

static enum fl_drop canon(const void *ctx, struct fl_span name, struct fl_rkey *out)
{
	return fl_name_canon(ctx, name, out);
}

static void feed_take(struct taken *t, struct fl_span body, const char *format, uint8_t scope)
{
	struct fl_feed_options opt = { .scope = scope, .canon = canon, .canon_ctx = names };
	struct fl_err err = { 0 };
	size_t folded;

	assert_true(fl_format_parse(format, &opt.format));
	if (fl_feed_parse(body, &opt, take, NULL, t, &t->result, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(fl_tally_balances(&t->result.lines));
	assert_int_equal(fl_set_sort(&t->set, &folded), 0);
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The hash that the manifest has. */
static void set_hash(const struct fl_set *s, char hex[65])
{
	char **lines = calloc(s->n + 1, sizeof(*lines)), text[FL_NAME_TEXT];
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct fl_buf b = { 0 };

	assert_non_null(lines);
	for (size_t i = 0; i < s->n; i++)
		assert_true(asprintf(&lines[i], "%s\t%u\n", fl_rkey_to_text(fl_set_key(s, i), text), s->v[i].t.scope) > 0);
	qsort(lines, s->n, sizeof(*lines), line_cmp);
	for (size_t i = 0; i < s->n; i++) {
		fl_buf_str(&b, lines[i]);
		free(lines[i]);
	}
	free(lines);
	assert_false(b.failed);
	SHA256(b.p ? b.p : (const uint8_t *)"", b.n, digest);
	fl_hex(digest, sizeof(digest), hex);
	fl_buf_done(&b);
}

/* Where our rulings and that normaliser's differ, name by name. */
#define AGH "adblock/adfilt-antimalware-adguardhome.txt"
#define UNDECODABLE "an A-label that IDNA 2008 does not decode: DNS serves it, so it stays (DESIGN: names)"
#define DENYALLOW "$denyallow: the rule holds but for the names in it"
#define BARS "|x| speaks of x itself, as |x^ does"
#define SHARED "a URL on a host that many share says nothing about the host"
#define ABOVE "a name above suffixes is none itself"
#define TWEETFEED_URLS "urls/tweetfeed-urls.txt"
#define WILDCARD "the parent of a wildcard rule is a suffix to libpsl"

static const struct ruling {
	const char *path; /* NULL: whatever list has it */
	const char *name;
	uint8_t theirs; /* its scope in the manifest; 0: not there */
	const char *why;
} rulings[] = {
	{ NULL, "_dc-mx.59fd809352b3.xn--789-pkl3a1luf6d.com", 0, UNDECODABLE },
	{ NULL, "xn--14h.com", 0, UNDECODABLE },
	{ NULL, "xn--57h.coinigy.com", 0, UNDECODABLE },
	{ NULL, "xn--80a6aa.xn--u-8sb8bf7hf80l.xn--rgflxiwpwiftwp-fgk76nga3f86ade1028mjaj.kryptonix.business", 0, UNDECODABLE },
	{ NULL, "xn--80a6aa.xn--u-8sb8bf7hf80l.xn--rgmnaflexa-gqh04m3af12agj796aha0299kiai.kryptonix.business", 0, UNDECODABLE },
	{ NULL, "xn--_-7sbnylvv.restored.domasq.ru", 0, UNDECODABLE },
	{ NULL, "xn--acnms-gzu.dmdoc.dynv6.net", 0, UNDECODABLE },
	{ NULL, "xn--clart-gha91b.tron6val4ky.ru", 0, UNDECODABLE },
	{ NULL, "xn--cnms-kjr.dmdoc.dynv6.net", 0, UNDECODABLE },
	{ NULL, "xn--currentlyatupdates-ju9j.weebly.com", 0, UNDECODABLE },
	{ NULL, "xn--dns-2y6a.cdnforever.com", 0, UNDECODABLE },
	{ NULL, "xn--fedex-si-mr3d.an64728288.live", 0, UNDECODABLE },
	{ NULL, "xn--hpnewdoc-lf5aa.hcaredocs.o-r.kr", 0, UNDECODABLE },
	{ NULL, "xn--ildcard-0c2c.facture-rapide.fr", 0, UNDECODABLE },
	{ NULL, "xn--n-cop-iyu.anav.iposepo.dns.army", 0, UNDECODABLE },
	{ NULL, "xn--nid-mo0a.naverccrp.com", 0, UNDECODABLE },
	{ NULL, "xn--nidlogin-2p3d.apollo.r-e.kr", 0, UNDECODABLE },
	{ NULL, "xn--o38h.abrdns.com", 0, UNDECODABLE },
	{ NULL, "xn--qei013y37ya.pages.dev", 0, UNDECODABLE },
	{ NULL, "xn--rihy934p.ws", 0, UNDECODABLE },
	{ NULL, "xn--sfing-3vee.xn--tvigntte-digitle-nline-mzro9iql9672eya.osterreich-kaufen.com", 0, UNDECODABLE },
	{ NULL, "xn--stay-p96a.decentralappps.com", 0, UNDECODABLE },
	{ NULL, "xn--supportforum-tqa.org", 0, UNDECODABLE },
	{ NULL, "xn--three-hw3b.startperfectsolutions.com", 0, UNDECODABLE },
	{ NULL, "xn--userinfo-mr3d.ninlineid46s.dynv6.net", 0, UNDECODABLE },
	{ NULL, "xn--ut9h.eu.org", 0, UNDECODABLE },
	{ NULL, "xn--ypd.dssdhome.xyz", 0, UNDECODABLE },
	{ AGH, "aussie-gamer.com", 0, DENYALLOW },
	{ AGH, "githu.com", 0, DENYALLOW },
	{ AGH, "githubt.com", 0, DENYALLOW },
	{ AGH, "githubu.com", 0, DENYALLOW },
	{ AGH, "githubuser.com", 0, DENYALLOW },
	{ AGH, "rgithub.com", 0, DENYALLOW },
	{ AGH, "snapchat.cm", 0, DENYALLOW },
	{ AGH, "speedtest.com", 0, DENYALLOW },
	{ AGH, "ubuntu.org", 0, DENYALLOW },
	{ AGH, "wgithub.com", 0, DENYALLOW },
	{ AGH, "wix.cm", 0, DENYALLOW },
	{ AGH, "1x1.cz", 0, BARS },
	{ AGH, "dominiosvision.com", 0, BARS },
	{ AGH, "id.server", 0, BARS },
	{ AGH, "pizzaseo.com", 0, BARS },
	{ "adblock/adfilt-nordic-adguardhome.txt", "cluster.chart.dk", FL_SCOPE_SUBTREE,
	  "@@||chart.dk^ above it: an exception wins at any depth, so the claim is dropped as disabled" },
	{ TWEETFEED_URLS, "api.telegram.org", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "cold5.gofile.io", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "drive.google.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "drive.usercontent.google.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "gist.githubusercontent.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "github.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "litterbox.catbox.moe", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "lnkd.in", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "mail.google.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "pastebin.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "raw.githubusercontent.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "release-assets.githubusercontent.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "storage.googleapis.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "www.dropbox.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "www.facebook.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "www.npmjs.com", FL_SCOPE_EXACT, SHARED },
	{ TWEETFEED_URLS, "www.tiktok.com", FL_SCOPE_EXACT, SHARED },
	{ "other/vxvault-sample.txt", "raw.githubusercontent.com", FL_SCOPE_EXACT, SHARED },
	{ "wildcard/gaso-ublacklist.txt", "amazonaws.com", 0, ABOVE },
	{ "wildcard/gaso-ublacklist.txt", "canva.site", 0, ABOVE },
	{ "wildcard/1hosts-mini-wildcards.txt.zst", "elastx.net", 0, ABOVE },
	{ "big/maltrail-2026-08-21.txt.zst", "localto.net", FL_SCOPE_EXACT, WILDCARD },
	{ "big/maltrail-2026-08-23.txt.zst", "localto.net", FL_SCOPE_EXACT, WILDCARD },
};

/* Lists where one difference is left that no ruling names; the counts that are left must not move. */
static const struct leftover {
	const char *path;
	size_t names; /* ours, once the rulings are applied */
} leftovers[] = {
	{ "big/maltrail-2026-08-21.txt.zst", 1158635 },
	{ "big/maltrail-2026-08-23.txt.zst", 1159346 },
};

static const struct leftover *leftover_find(const char *path)
{
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(*leftovers); i++)
		if (strcmp(leftovers[i].path, path) == 0)
			return &leftovers[i];
	return NULL;
}

/* Makes of our set the one that the manifest should have. Returns the number of names that it took. */
static size_t rulings_apply(struct fl_set *s, const char *path)
{
	size_t applied = 0, folded;

	for (size_t i = 0; i < sizeof(rulings) / sizeof(*rulings); i++) {
		const struct ruling *r = &rulings[i];
		struct fl_tuple t = { .scope = r->theirs };
		struct fl_rkey key;
		size_t at;

		if (r->path && strcmp(r->path, path) != 0)
			continue;
		assert_true(fl_rkey_from_text(fl_span_str(r->name), &key));
		at = fl_set_find(s, fl_rkey_span(&key));
		if (r->path && (at == SIZE_MAX) != (r->theirs != 0))
			fail_msg("%s: %s: %s", path, r->name, r->why);
		if (r->theirs) {
			assert_int_equal(fl_set_add(s, fl_rkey_span(&key), &t), 0);
			assert_int_equal(fl_set_sort(s, &folded), 0);
		} else if (at != SIZE_MAX) {
			memmove(&s->v[at], &s->v[at + 1], (s->n - at - 1) * sizeof(*s->v));
			s->n--;
		} else
			continue;
		applied++;
	}
	return applied;
}

/* The manifest's word for a format, and ours; the others have no reader yet. */
static const struct {
	const char *theirs, *ours;
} formats[] = {
	{ "plain", "domains" }, { "maltrail", "maltrail" }, { "wildcard", "domains" }, { "match-pattern", "domains" }, { "hosts", "hosts" }, { "adblock", "adblock" },
	{ "dnsmasq", "dnsmasq" }, { "unbound", "unbound" }, { "url-list", "urls" }, { "rpz", "rpz" }, { "bind-zones", "bind" }, { "zeek-intel", "zeek" },
};

static const char *our_format(const char *theirs)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (strcmp(formats[i].theirs, theirs) == 0)
			return formats[i].ours;
	return NULL;
}

static const char *text_of(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

static struct taken row_take(const json_t *row, const char *format)
{
	uint8_t scope = strcmp(text_of(row, "scope"), "subtree") == 0 ? FL_SCOPE_SUBTREE : FL_SCOPE_EXACT;
	struct fl_span body = feed_read(text_of(row, "path"));
	struct taken t = { 0 };

	feed_take(&t, body, format, scope);
	free((void *)(uintptr_t)body.p);
	return t;
}

/* The number of lists compared: 0 or 1. */
static size_t row_check(const json_t *row, unsigned *bad)
{
	const char *path = text_of(row, "path"), *format = our_format(text_of(row, "format"));
	const struct leftover *left = leftover_find(path);
	size_t ours, applied, want = (size_t)json_integer_value(json_object_get(row, "names"));
	struct taken t;
	char hex[65];
	bool same;

	if (!format || strstr(path, ".gz"))
		return 0;
	t = row_take(row, format);
	ours = t.set.n;
	applied = rulings_apply(&t.set, path);
	set_hash(&t.set, hex);
	same = strcmp(hex, text_of(row, "sha256_normalised")) == 0;
	if (applied)
		print_message("%s: %zu names, %zu in the manifest; %zu explained by rulings\n", path, ours, want, applied);
	if (left ? t.set.n != left->names : !same) {
		print_error("%s: %zu names, manifest %zu, hash %s\n", path, t.set.n, want, same ? "same" : "differs");
		++*bad;
	}
	fl_set_done(&t.set);
	return 1;
}

static void test_every_list_agrees(void **state)
{
	char path[1024];
	json_error_t je;
	json_t *manifest, *row;
	size_t i, compared = 0;
	unsigned bad = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/feeds/manifest.json", FL_SHARED);
	manifest = json_load_file(path, 0, &je);
	assert_non_null(manifest);
	json_array_foreach(manifest, i, row)
		compared += row_check(row, &bad);
	print_message("%zu lists compared\n", compared);
	assert_int_equal(bad, 0);
	assert_true(compared > 50);
	json_decref(manifest);
}

/* What `auto` makes of each list: its own format, or a refusal; never another one. */
static void test_every_list_is_found_out(void **state)
{
	json_t *manifest, *row;
	size_t i, sure = 0, refused = 0;

	(void)state;
	manifest = json_load_file(FL_SHARED "/feeds/manifest.json", 0, NULL);
	assert_non_null(manifest);
	json_array_foreach(manifest, i, row) {
		const char *path = text_of(row, "path"), *want = our_format(text_of(row, "format"));
		enum fl_format found;
		struct fl_err err = { 0 };
		struct fl_span body;

		if (!want || strstr(path, ".gz"))
			continue;
		body = feed_read(path);
		if (fl_feed_detect(body, &found, &err) < 0) {
			print_message("%s: %s\n", path, err.text);
			refused++;
		} else if (strcmp(fl_format_word(found), want) != 0)
			fail_msg("%s is %s, found out as %s", path, want, fl_format_word(found));
		else
			sure++;
		free((void *)(uintptr_t)body.p);
	}
	print_message("%zu lists found out, %zu refused\n", sure, refused);
	assert_true(sure > 60);
	assert_int_equal(refused, 1); /* the accident: comments only */
	json_decref(manifest);
}

/* One set of claims, published in three formats at one moment. */
static void test_one_set_in_three_formats(void **state)
{
	struct taken plain = { 0 }, hosts = { 0 }, adblock = { 0 };
	struct fl_span a = feed_read("plain/tweetfeed-domains.txt"), b = feed_read("hosts/tweetfeed-hosts.txt"),
		       c = feed_read("adblock/tweetfeed-adguard.txt");

	(void)state;
	feed_take(&plain, a, "auto", FL_SCOPE_EXACT);
	feed_take(&hosts, b, "auto", 0);
	feed_take(&adblock, c, "auto", 0);
	assert_int_equal(plain.result.format, FL_FORMAT_DOMAINS);
	assert_int_equal(hosts.result.format, FL_FORMAT_HOSTS);
	assert_int_equal(adblock.result.format, FL_FORMAT_ADBLOCK);
	assert_true(plain.set.n == hosts.set.n && plain.set.n == adblock.set.n && plain.set.n == 4873);
	for (size_t i = 0; i < plain.set.n; i++) {
		assert_true(fl_span_eq(fl_set_key(&plain.set, i), fl_set_key(&hosts.set, i)));
		assert_true(fl_span_eq(fl_set_key(&plain.set, i), fl_set_key(&adblock.set, i)));
		assert_int_equal(plain.set.v[i].t.scope, FL_SCOPE_EXACT);
		assert_int_equal(adblock.set.v[i].t.scope, FL_SCOPE_SUBTREE);
	}
	free((void *)(uintptr_t)a.p);
	free((void *)(uintptr_t)b.p);
	free((void *)(uintptr_t)c.p);
	fl_set_done(&plain.set);
	fl_set_done(&hosts.set);
	fl_set_done(&adblock.set);
}

static void test_the_accident_is_an_empty_list(void **state)
{
	struct taken t = { 0 };
	struct fl_span body = feed_read("series/blocklistproject-scam-accident/03-2026-06-22.txt");

	(void)state;
	feed_take(&t, body, "hosts", 0);
	assert_int_equal(t.result.claims, 0);
	assert_int_equal(t.result.refused, 0);
	assert_int_equal(t.result.lines.dropped[FL_DROP_COMMENT], t.result.lines.in);
	free((void *)(uintptr_t)body.p);
	fl_set_done(&t.set);
}

/* Two million lines of trails, most of them names; what is none is counted by its reason. */
static void test_trails_read_as_domains(void **state)
{
	struct taken t = { 0 };
	struct fl_span body = feed_read("big/maltrail-2026-08-23.txt.zst");
	size_t subtrees = 0;

	(void)state;
	feed_take(&t, body, "domains", FL_SCOPE_EXACT);
	for (size_t i = 0; i < t.set.n; i++)
		subtrees += t.set.v[i].t.scope == FL_SCOPE_SUBTREE;
	assert_int_equal(subtrees, 82);
	assert_int_equal(t.result.lines.in, 2207498);
	assert_int_equal(t.result.lines.dropped[FL_DROP_COMMENT], 375370);
	assert_true(t.result.lines.dropped[FL_DROP_ADDRESS] > 350000);
	assert_true(t.result.lines.dropped[FL_DROP_PATTERN] > 100000);
	assert_int_equal(t.tally.dropped[FL_DROP_SINGLE_LABEL], 52);
	assert_int_equal(t.tally.dropped[FL_DROP_NUMERIC_TLD], 1);
	assert_int_equal(t.tally.dropped[FL_DROP_BAD_LABEL], 1);
	assert_true(t.result.claims > t.result.refused);
	free((void *)(uintptr_t)body.p);
	fl_set_done(&t.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_list_agrees),
		cmocka_unit_test(test_every_list_is_found_out),
		cmocka_unit_test(test_one_set_in_three_formats),
		cmocka_unit_test(test_the_accident_is_an_empty_list),
		cmocka_unit_test(test_trails_read_as_domains),
	};
	struct fl_err err;
	int failed;

	if (access(FL_SHARED "/feeds/allow/public_suffix_list.dat", R_OK) < 0)
		return 77;
	if (fl_names_open(FL_SHARED "/feeds/allow/public_suffix_list.dat", &names, &err) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
