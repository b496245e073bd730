/* Feeds of many documents: only what changed is fetched, what is gone leaves, what the file lost is fetched again, and nothing half fetched becomes a version. */
#include "ingest_help.h"

#define MANIFEST "http://one.example/misp/manifest.json"
#define U1 "11111111-1111-4111-8111-111111111111"
#define U2 "22222222-2222-4222-8222-222222222222"
#define U3 "33333333-3333-4333-8333-333333333333"
#define EVENT(u) "http://one.example/misp/" u ".json"
#define TAXII "http://two.example/api/collections/c1/objects/?limit=1000&match%5Btype%5D=indicator"

static struct fl_ingest *ing;
static struct fl_disk_mem *mem;
static struct fl_disk *disk;

static void open_ingest(void)
{
	struct fl_ingest_config c = { .cfg = &cfg, .sets = &w.s, .http = &web.door, .state = disk, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib };

	assert_int_equal(fl_ingest_open(&c, &ing, &why), 0);
}

static int setup(void **state)
{
	(void)state;
	if (ingest_world() < 0)
		return -1;
	mem = fl_disk_mem_new();
	disk = fl_disk_mem_open(mem);
	feeds[0] = (struct fl_cfg_feed){ .name = "mf", .url = "http://one.example/misp/", .path = "", .format = FL_FORMAT_MISP, .into = "mal", .every_ms = 600000,
					 .stale_after_ms = 86400000, .timeout_ms = 30000, .max_bytes = 1 << 20, .enabled = true, .guard = { 1000, 1 } };
	feeds[1] = feeds[0];
	feeds[1].name = "tx";
	feeds[1].url = "http://two.example/api/collections/c1/";
	feeds[1].format = FL_FORMAT_TAXII2;
	cfg.n_feeds = 2;
	open_ingest();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_ingest_close(ing);
	disk->ops->close(disk);
	fl_disk_mem_free(mem);
	return ingest_world_end();
}

static void run(int64_t ms)
{
	for (int64_t t = 0; t <= ms; t += 100) {
		fl_mono_ns wake;

		fl_ingest_step(ing, fl_now_mono(&w.clock.door), &wake);
		fl_clock_mem_advance(&w.clock, 100 * FL_NS_PER_MS);
	}
}

static void give(const char *url, struct answer a)
{
	if (!asked_for(url))
		run(700000);
	web_answer(url, a);
	run(200);
}

static struct fl_feed_status status_of(size_t i)
{
	struct fl_feed_status *v;
	size_t n;

	fl_ingest_status(ing, &w.arena, &v, &n);
	return v[i];
}

#define ENTRY(u, t) "\"" u "\":{\"info\":\"x\",\"timestamp\":\"" t "\"}"
#define BODY(name) "{\"Event\": {\n \"Attribute\": [ {\"type\":\"domain\",\"to_ids\":true,\"value\":\"" name "\"} ] } }"

static void misp_first(void)
{
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}", .etag = "\"m1\"" });
	give(EVENT(U1), (struct answer){ .body = BODY("uno.example") });
	give(EVENT(U2), (struct answer){ .body = BODY("due.example") });
}

static void test_misp(void **state)
{
	(void)state;
	misp_first();
	assert_true(holds("mf", "uno.example due.example"));
	run(700000);
	assert_string_equal(asked_for(MANIFEST)->etag, "\"m1\"");
	give(MANIFEST, (struct answer){ .status = 304 });
	assert_int_equal(status_of(0).state, FL_FEED_UNCHANGED);
	/* one changed, one came, one left: two documents are fetched */
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U3, "1755989530") "," ENTRY(U2, "1755989521") "}" });
	give(EVENT(U3), (struct answer){ .body = BODY("three.example") });
	assert_null(asked_for(EVENT(U1)));
	give(EVENT(U2), (struct answer){ .body = BODY("dos.example") });
	assert_true(holds("mf", "dos.example three.example"));
	/* a new process: from the file, and the same again is no version */
	fl_ingest_close(ing);
	open_ingest();
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U3, "1755989530") "," ENTRY(U2, "1755989521") "}" });
	assert_int_equal(status_of(0).state, FL_FEED_UNCHANGED);
	assert_int_equal(status_of(0).version, 2);
}

/* Cut short: no version, and the next poll goes on where this one ended. */
static void test_misp_cut_short(void **state)
{
	(void)state;
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}" });
	give(EVENT(U1), (struct answer){ .body = BODY("uno.example") });
	give(EVENT(U2), (struct answer){ .status = 500 });
	assert_int_equal(status_of(0).state, FL_FEED_DEGRADED);
	assert_int_equal(status_of(0).version, 0);
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}" });
	assert_null(asked_for(EVENT(U1)));
	give(EVENT(U2), (struct answer){ .body = "<html>" });
	assert_non_null(strstr(status_of(0).reason, U2));
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}" });
	give(EVENT(U2), (struct answer){ .body = BODY("due.example") });
	assert_true(holds("mf", "uno.example due.example"));
}

/* Any damage of the file costs a fetch of all, and nothing else. */
static void test_damaged_file(void **state)
{
	struct fl_buf b = { 0 };
	size_t bits;

	(void)state;
	misp_first();
	assert_int_equal(disk->ops->read(disk, "mf.documents", 1 << 20, &b, NULL), 0);
	bits = b.n * 8;
	for (size_t bit = 5; bit < bits; bit += 97) {
		assert_int_equal(fl_disk_replace(disk, "mf.documents", fl_buf_span(&b), NULL), 0);
		assert_true(fl_disk_mem_corrupt(mem, "mf.documents", bit));
		give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}" });
		give(EVENT(U1), (struct answer){ .body = BODY("uno.example") });
		give(EVENT(U2), (struct answer){ .body = BODY("due.example") });
		assert_int_equal(status_of(0).state, FL_FEED_UNCHANGED);
	}
	fl_buf_done(&b);
	assert_true(holds("mf", "uno.example due.example"));
}

static void test_misp_single_documents(void **state)
{
	(void)state;
	feeds[0].url = "http://one.example/misp/" U1 ".json";
	assert_int_equal(fl_ingest_reload(ing, &cfg), 0);
	give(EVENT(U1), (struct answer){ .body = BODY("alone.example") });
	assert_true(holds("mf", "alone.example"));
}

static void test_too_much(void **state)
{
	static char big[800 << 10];

	(void)state;
	memset(big, ' ', sizeof(big) - 1);
	memcpy(big, "{\"x\":\"", 6);
	for (size_t i = 6; i < sizeof(big) - 3; i++)
		big[i] = 'a';
	memcpy(big + sizeof(big) - 3, "\"}", 3);
	give(MANIFEST, (struct answer){ .body = "{" ENTRY(U1, "1755989510") "," ENTRY(U2, "1755989520") "}" });
	give(EVENT(U1), (struct answer){ .body = big });
	give(EVENT(U2), (struct answer){ .body = big });
	assert_int_equal(status_of(0).state, FL_FEED_DEGRADED);
	assert_non_null(strstr(status_of(0).reason, "1048576"));
}

#define IND(id, when, name) \
	"{\"type\":\"indicator\",\"id\":\"indicator--" id "\",\"modified\":\"" when "\",\"pattern_type\":\"stix\",\"pattern\":\"[domain-name:value = '" name "']\"}"

static void test_taxii(void **state)
{
	(void)state;
	run(1000);
	give(TAXII, (struct answer){ .body = "{\"more\":true,\"next\":\"p 2\",\"objects\":[" IND("1", "2026-01-01T00:00:00Z", "a.example") ",{\"type\":\"identity\",\"id\":\"identity--1\"}]}",
				     .wanted = "2026-01-01T00:00:00Z" });
	give(TAXII "&next=p%202", (struct answer){ .body = "{\"more\":true,\"objects\":[" IND("2", "2026-01-01T00:00:00Z", "b.example") "]}", .wanted = "2026-01-02T00:00:00Z" });
	assert_int_equal(status_of(1).version, 0); /* not before all of it is here */
	give(TAXII "&added_after=2026-01-02T00%3A00%3A00Z", (struct answer){ .body = "{\"objects\":[" IND("3", "2026-01-03T00:00:00Z", "c.example") "]}",
									     .wanted = "2026-01-03T00:00:00Z" });
	assert_true(holds("tx", "a.example b.example c.example"));
	/* from there on: nothing, then a later form of one, and one revoked */
	give(TAXII "&added_after=2026-01-03T00%3A00%3A00Z", (struct answer){ .body = "{}" });
	assert_int_equal(status_of(1).state, FL_FEED_UNCHANGED);
	give(TAXII "&added_after=2026-01-03T00%3A00%3A00Z",
	     (struct answer){ .body = "{\"objects\":[" IND("1", "2026-01-04T00:00:00Z", "aa.example") "," IND("2", "2025-01-01T00:00:00Z", "older.example")
				      ",{\"type\":\"indicator\",\"id\":\"indicator--3\",\"modified\":\"2026-01-04T00:00:00Z\",\"revoked\":true,\"pattern\":\"[domain-name:value = 'c.example']\"}]}",
			      .wanted = "2026-01-04T00:00:00Z" });
	assert_true(holds("tx", "aa.example b.example"));
	/* once a day all of it: what the server took away leaves */
	run(700000);
	fl_clock_mem_advance(&w.clock, 86400 * FL_NS_PER_S);
	give(TAXII "&added_after=2026-01-04T00%3A00%3A00Z", (struct answer){ .body = "{}" });
	give(TAXII, (struct answer){ .body = "{\"objects\":[" IND("2", "2026-01-01T00:00:00Z", "b.example") "]}", .wanted = "2026-01-04T00:00:00Z" });
	assert_true(holds("tx", "b.example"));
}

static void test_taxii_bad_answers(void **state)
{
	static const char *const rows[] = { "[]", "<html>", "{\"objects\":1}", "{\"more\":true,\"objects\":[]}", "{\"more\":true,\"next\":\"\",\"objects\":[" IND("9", "x", "z.example") "]}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		give(TAXII, (struct answer){ .body = rows[i] });
		if (status_of(1).state != FL_FEED_DEGRADED || !status_of(1).reason[0] || status_of(1).version)
			fail_msg("row %zu: %s: %s", i, fl_feed_state_word(status_of(1).state), status_of(1).reason);
	}
	give(TAXII, (struct answer){ .status = 406 });
	assert_non_null(strstr(status_of(1).reason, "406"));
	give(TAXII, (struct answer){ .body = "{\"more\":true,\"next\":\"n\"}" });
	give(TAXII "&next=n", (struct answer){ .body = "{\"more\":true,\"next\":\"n\"}" }); /* a server that goes round and round */
	assert_non_null(strstr(status_of(1).reason, "again and again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define C(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		C(test_misp), C(test_misp_cut_short), C(test_damaged_file), C(test_misp_single_documents), C(test_too_much), C(test_taxii), C(test_taxii_bad_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
