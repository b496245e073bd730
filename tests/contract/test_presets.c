/* The catalogue of public feeds: every row is whole and keeps the rules for what may be on by default; real copies of the lists read as their rows say; the document is made of the table. */
#include <setjmp.h>
#include <stdarg.h>

#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "feeds/catalog.h"
#include "ingest/ingest.h"
#include "io/http.h"

static bool said(const char *s)
{
	return s && s[0];
}

/* What is wrong with a row; NULL: nothing. */
static const char *fault(const struct fl_preset *p)
{
	enum fl_format f;

	if (!said(p->name) || !fl_set_name_valid(p->name) || strchr(p->name, '.'))
		return "its name is no name";
	if (!said(p->title) || !said(p->homepage) || strncmp(p->homepage, "https://", 8) != 0)
		return "no title or homepage";
	if (!said(p->url) || strncmp(p->url, "https://", 8) != 0 || strpbrk(p->url, " \t\"@"))
		return "no https url";
	if (!said(p->licence))
		return "no licence";
	if (p->every_s < 300 || p->every_s > 30 * 86400 || p->every_s % 60)
		return "no polite interval";
	if (!said(p->format) || !fl_preset_format(p, &f))
		return "a format that does not exist";
	if (strcmp(p->format, "auto") == 0)
		return "a format that is guessed";
	if ((strcmp(p->format, "domains") == 0) != (p->scope != 0) && strcmp(p->format, "hosts") != 0)
		return "a scope that is not said, or that the format says";
	if (strcmp(p->format, "misp") == 0 && (!strchr(p->url + 8, '/') || p->url[strlen(p->url) - 1] == '/' || strstr(p->url, ".json")))
		return "not the folder of a MISP feed"; /* its manifest is looked for below it */
	if (p->min_names == 0 || p->category == FL_CAT_NONE || (unsigned)p->category >= FL_CAT_COUNT || (unsigned)p->terms >= FL_TERMS_COUNT)
		return "min_names, category or terms are missing";
	if (p->on && !fl_terms_allow_default(p->terms))
		return "it is on by default, and its terms do not allow it";
	if (p->on && (p->category == FL_CAT_TRACKING || p->category == FL_CAT_POLICY))
		return "it is on by default, and is not of threats";
	if (fl_preset_keyed_url(p) && p->terms != FL_TERMS_KEY)
		return "a key in its url, and none in its terms";
	return NULL;
}

static void test_every_row_is_whole(void **state)
{
	size_t n = 0, on = 0;

	(void)state;
	for (const struct fl_preset *p; (p = fl_preset_at(n)); n++) {
		char every[16];
		int64_t ms;

		if (fault(p))
			fail_msg("%s: %s", p->name, fault(p));
		if (n && strcmp(fl_preset_at(n - 1)->name, p->name) >= 0)
			fail_msg("%s is not in order of name, or there twice", p->name);
		assert_ptr_equal(fl_preset_find(p->name), p);
		assert_ptr_equal(fl_preset_of_url(p->url), p);
		assert_true(fl_duration_parse(fl_preset_every(p, every), &ms));
		assert_int_equal(ms, (int64_t)p->every_s * 1000);
		on += p->on;
	}
	assert_true(n >= 30);
	assert_true(on >= 3 && on < n / 2);
	assert_null(fl_preset_find("nonsense"));
	assert_null(fl_preset_of_url("https://x.example/"));
}

static void test_a_bad_row_is_seen(void **state)
{
	const struct fl_preset good = *fl_preset_find("tweetfeed");
	struct fl_preset v[9];

	(void)state;
	for (size_t i = 0; i < 9; i++)
		v[i] = good;
	v[0].format = "hostz";
	v[1].licence = NULL;
	v[2].every_s = 0;
	v[3].url = "";
	v[4].terms = FL_TERMS_NON_COMMERCIAL;
	v[5].scope = 0;
	v[6].min_names = 0;
	v[7].category = FL_CAT_TRACKING;
	v[8] = *fl_preset_find("botvrij");
	v[8].url = "https://www.botvrij.eu/data/feed-osint/manifest.json";
	assert_null(fault(&good));
	for (size_t i = 0; i < 9; i++)
		assert_non_null(fault(&v[i]));
}

static void test_non_commercial_is_never_on(void **state)
{
	static const char *const names[] = { "openphish", "phishing-army", "phishing-filter", "phishtank", "urlhaus", "threatfox", "hagezi-tif", "circl-osint", "botvrij", "oisd-big" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_non_null(fl_preset_find(names[i]));
		assert_false(fl_preset_find(names[i])->on);
		assert_false(fl_terms_allow_default(fl_preset_find(names[i])->terms));
	}
}

/* --- real copies --- */

static const struct {
	const char *preset, *path;
} samples[] = {
	{ "adfilt-antimalware", "adblock/adfilt-antimalware-adguardhome.txt" },
	{ "amnesty-nso", "stix/amnesty-pegasus.stix2.zst" },
	{ "disposable-email", "plain/disposable-email-blocklist.conf" },
	{ "durablenapkin-scam", "series/durablenapkin-hosts/2026-08-22.txt" },
	{ "durablenapkin-scam", "other/durablenapkin-2026-08-22.hosts.gz" },
	{ "eth-phishing-detect", "json/eth-phishing-detect-config.json" },
	{ "jarelllama-scam", "series/jarelllama-scams/2024-09-05.txt.zst" },
	{ "shadowwhisperer-scam", "plain/shadowwhisperer-scam.txt" },
	{ "stalkerware", "plain/stalkerware-hosts_full.txt" },
	{ "tweetfeed", "plain/tweetfeed-domains.txt" },
};

static bool read_sample(const char *path, struct fl_buf *out)
{
	char full[1024];
	FILE *f;
	size_t n = 1;

	snprintf(full, sizeof(full), "%s/feeds/%s", FL_SHARED, path);
	f = fopen(full, "re");
	while (f && n && fl_buf_reserve(out, 65536)) {
		n = fread(out->p + out->n, 1, 65536, f);
		out->n += n;
	}
	if (f)
		fclose(f);
	return f && !out->failed;
}

static void check_sample(const struct fl_names *names, const struct fl_preset *p, const char *path)
{
	struct fl_feed_options opt = { .scope = p->scope };
	struct fl_feed_trial t;
	struct fl_buf body = { 0 };
	struct fl_err err = { 0 };

	if (!fl_preset_format(p, &opt.format)) {
		print_message("%s: passed over, this build does not read %s\n", path, p->format);
		return;
	}
	if (!read_sample(path, &body) || fl_http_unpack(&body, 1u << 30, 0, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	if (fl_feed_try(names, &opt, fl_buf_span(&body), p->min_names, NULL, NULL, NULL, &t, &err) < 0 || t.refused)
		fail_msg("%s as %s: %s%s", path, p->name, err.text, t.reason);
	assert_int_equal(t.parsed.format, opt.format);
	assert_true(t.names >= p->min_names);
	fl_buf_done(&body);
}

static void test_real_copies_read_as_the_rows_say(void **state)
{
	struct fl_names *names = NULL;
	struct fl_err err;

	(void)state;
	if (access(FL_SHARED "/feeds", R_OK) < 0)
		skip();
	assert_int_equal(fl_names_open(NULL, &names, &err), 0);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_non_null(fl_preset_find(samples[i].preset));
		check_sample(names, fl_preset_find(samples[i].preset), samples[i].path);
	}
	fl_names_close(names);
}

/* --- docs/presets.md --- */

static void document(struct fl_buf *b)
{
	fl_buf_str(b, "# Public feeds\n\nMade from the table in `feeds/catalog.c`; `fireline feed presets` prints it. Nothing is fetched that a configuration does not name: `fireline feed add NAME "
		      "--preset PRESET`\nprints the YAML, and `feeds[].preset` fills url, format, scope, every, category, min_names and licence where the feed does not say them itself.\n\n"
		      "*on*: fit for everybody - free to use, of threats only, small and steady. Check the terms before you use any of them; they are the providers', and change.\n\n"
		      "| preset | what | format, scope | category | every | min_names | on | terms | licence |\n|---|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; fl_preset_at(i); i++) {
		const struct fl_preset *p = fl_preset_at(i);
		char scope[FL_SCOPE_TEXT], every[16];

		fl_buf_printf(b, "| `%s` | [%s](%s) | %s, %s | %s | %s | %u | %s | %s | %s |\n", p->name, p->title, p->homepage, p->format,
			      p->scope ? fl_scope_format(p->scope, scope) : "as_written", fl_category_word(p->category), fl_preset_every(p, every), p->min_names, p->on ? "on" : "off",
			      fl_terms_word(p->terms), p->licence);
	}
	fl_buf_str(b, "\nTerms: ");
	for (unsigned t = 0; t < FL_TERMS_COUNT; t++)
		fl_buf_printf(b, "%s*%s* %s", t ? "; " : "", fl_terms_word((enum fl_terms)t), fl_terms_text((enum fl_terms)t));
	fl_buf_str(b, ".\n\nA format that a build does not read yet is refused with a sentence when its preset is used. A new feed in a known format is a row of the table, and a test asks each row for\n"
		      "its licence, interval and terms.\n");
}

static void test_the_document_is_up_to_date(void **state)
{
	const char *write = getenv("FL_WRITE_DOCS");
	struct fl_buf made = { 0 };
	char *held = calloc(1, 1 << 18);
	FILE *f = fopen(FL_SOURCE_DIR "/docs/presets.md", write ? "w+" : "r");

	(void)state;
	assert_non_null(f);
	assert_non_null(held);
	document(&made);
	if (write)
		assert_int_equal(fwrite(made.p, 1, made.n, f), made.n);
	rewind(f);
	held[fread(held, 1, (1 << 18) - 1, f)] = '\0';
	fclose(f);
	if (strcmp(held, fl_buf_cstr(&made)) != 0)
		fail_msg("docs/presets.md differs from the table: run this test with FL_WRITE_DOCS=1");
	free(held);
	fl_buf_done(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_whole),
		cmocka_unit_test(test_a_bad_row_is_seen),
		cmocka_unit_test(test_non_commercial_is_never_on),
		cmocka_unit_test(test_real_copies_read_as_the_rows_say),
		cmocka_unit_test(test_the_document_is_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
