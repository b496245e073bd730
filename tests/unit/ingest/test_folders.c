/* Folders of findings, and what may be purged: a file that cannot be taken or moved away, or a folder that cannot be read, keeps nothing else waiting, is said, and said no more when it is gone. */
#include "ingest/ingest.h"
#include "io/dropdir.h"
#include "tests/support/sets_help.h"

enum { FILES = 200 };

/* One folder, as a table in the order of names. */
static struct {
	struct file {
		char name[32], text[400];
		bool there, stuck; /* stuck: cannot be moved away */
	} v[FILES];
	size_t n;
	bool unreadable;
} folder;

static struct fl_names *names;
static struct fl_findings_stage *stage;
static struct fl_config cfg;

static int dir_list(void *ctx, const char *path, const char *glob, const char *after, struct fl_drop_file *v, size_t max, struct fl_err *err)
{
	size_t n = 0;

	(void)ctx, (void)glob;
	if (folder.unreadable)
		return fl_err_set(err, FL_EIO, "folder '%s': cannot be read", path);
	for (size_t i = 0; i < folder.n && n < max; i++)
		if (folder.v[i].there && strcmp(folder.v[i].name, after) > 0)
			snprintf(v[n++].name, sizeof(v->name), "%s", folder.v[i].name);
	for (size_t i = 0; i < n; i++)
		v[i].mtime = 0; /* long ago */
	return (int)n;
}

static struct file *file_of(const char *name)
{
	for (size_t i = 0; i < folder.n; i++)
		if (strcmp(folder.v[i].name, name) == 0)
			return &folder.v[i];
	fail_msg("no file %s", name);
	return NULL;
}

static int dir_read(void *ctx, const char *path, const char *name, size_t max, struct fl_buf *out, struct fl_err *err)
{
	(void)ctx, (void)path, (void)max, (void)err;
	fl_buf_str(out, file_of(name)->text);
	return 0;
}

static int put_away(const char *name, struct fl_err *err)
{
	if (file_of(name)->stuck)
		return fl_err_set(err, FL_EIO, "file '%s': read-only file system", name);
	file_of(name)->there = false;
	return 0;
}

static int dir_done(void *ctx, const char *path, const char *name, bool move, struct fl_err *err)
{
	(void)ctx, (void)path, (void)move;
	return put_away(name, err);
}

static int dir_failed(void *ctx, const char *path, const char *name, const char *reason, struct fl_err *err)
{
	(void)ctx, (void)path;
	assert_true(reason[0]);
	return put_away(name, err);
}

static const struct fl_drop_dir dir = { dir_list, dir_read, dir_done, dir_failed };

static struct file *put(const char *name, const char *domain)
{
	struct file *f = &folder.v[folder.n++];

	assert_true(folder.n <= FILES);
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->text, sizeof(f->text),
		 domain ? "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"Backdoor:EC2/C&CActivity.B!DNS\",\"severity\":8,\"updatedAt\":\"2026-01-06T10:35:22Z\",\"service\":{"
			  "\"archived\":false,\"action\":{\"actionType\":\"DNS_REQUEST\",\"dnsRequestAction\":{\"domain\":\"%s\"}}}}"
			: "no finding",
		 domain, domain);
	f->there = true;
	return f;
}

static int setup(void **state)
{
	static const struct fl_cfg_list lists[] = { { .name = "mal", .description = "" }, { .name = FL_LIST_FINDINGS_BLOCK, .description = "", .builtin = true } };
	static const struct fl_cfg_findings_source sources[] = { { .name = "drop", .type = FL_FINDINGS_DIRECTORY, .path = "/drop", .glob = "*.json", .enabled = true } };
	struct fl_findings_config c = { .cfg = &cfg, .sets = &w.f, .dir = &dir, .clock = &w.clock.door, .random = &w.random.door };

	(void)state;
	if (!world_open(&w, STORE_MEM) || fl_names_open(NULL, &names, NULL) < 0)
		return -1;
	memset(&folder, 0, sizeof(folder));
	memset(&cfg, 0, sizeof(cfg));
	cfg.lists = lists;
	cfg.n_lists = 2;
	cfg.findings = (struct fl_cfg_findings){ .into = FL_LIST_FINDINGS_BLOCK, .alert_into = FL_LIST_FINDINGS_ALERT, .ttl_ms = 86400000, .sources = sources, .n_sources = 1 };
	c.names = names;
	return fl_findings_open(&c, &stage, NULL);
}

static int teardown(void **state)
{
	(void)state;
	fl_findings_close(stage);
	fl_names_close(names);
	world_close(&w);
	return 0;
}

#define STAGE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static bool step(void)
{
	fl_mono_ns now = fl_now_mono(&w.clock.door), wake;

	assert_int_equal(fl_findings_step(stage, now, &wake), 0);
	fl_clock_mem_advance(&w.clock, FL_NS_PER_S);
	return wake <= now;
}

/* Until there is no more to do at once. */
static void pass(void)
{
	for (int i = 0; step(); i++)
		assert_true(i < FILES);
}

static const char *problem(void)
{
	static struct fl_findings_status s;

	fl_findings_status(stage, &s);
	return s.problem;
}

static uint64_t accepted(void)
{
	struct fl_findings_status s;

	fl_findings_status(stage, &s);
	return s.accepted;
}

static uint64_t names_blocked(void)
{
	struct fl_head head;

	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "drop.block", &head, NULL), 0);
	return head.entries;
}

static void test_unreadable_folder(void **state)
{
	(void)state;
	put("a.json", "a.example");
	folder.unreadable = true;
	pass();
	assert_non_null(strstr(problem(), "folder '/drop': cannot be read"));
	assert_int_equal(accepted(), 0);
	folder.unreadable = false;
	pass();
	assert_string_equal(problem(), "");
	assert_int_equal(accepted(), 1);
	assert_int_equal(names_blocked(), 1);
	assert_false(folder.v[0].there);
}

/* More of them than a step looks at, and they stand before the others: these are taken all the same, once, and what cannot be moved is claimed once however often it is read. */
static void test_files_that_cannot_be_moved(void **state)
{
	char name[32], domain[32];

	(void)state;
	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "a%03d.json", i);
		snprintf(domain, sizeof(domain), "a%03d.example", i);
		put(name, i % 2 ? domain : NULL)->stuck = true;
	}
	put("b.json", "b.example");
	pass();
	assert_int_equal(accepted(), 76);
	assert_false(file_of("b.json")->there);
	assert_non_null(strstr(problem(), "cannot be moved away"));
	pass();
	pass();
	assert_int_equal(accepted(), 76);
	put("c.json", "c.example");
	pass();
	assert_int_equal(accepted(), 77);
	for (size_t i = 0; i < folder.n; i++)
		folder.v[i].stuck = false;
	pass();
	pass();
	assert_string_equal(problem(), "");
	for (size_t i = 0; i < folder.n; i++)
		assert_false(folder.v[i].there);
	assert_int_equal(accepted(), 77);
	assert_int_equal(names_blocked(), 77);
}

/* A store that is away takes nothing: the file waits where it is, and says why. */
static void test_store_away(void **state)
{
	(void)state;
	put("a.json", "a.example");
	w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 1, UINT32_MAX - 1, FL_FAULT_BEFORE };
	pass();
	assert_true(folder.v[0].there);
	assert_non_null(strstr(problem(), "drop/a.json waits: "));
	w.lossy.at = 0;
	pass();
	assert_false(folder.v[0].there);
	assert_int_equal(accepted(), 1);
	pass();
	assert_string_equal(problem(), "");
}

/* --- purge --- */

static void commit_source(const char *name)
{
	struct fl_source_version v;
	struct fl_lease l = { 0 };

	assert_int_equal(commit_names(&w.s, name, &l, "kept.example", &v), 0);
	fl_lease_release(&w.s, &l, NULL);
}

/* A set that a list of the configuration is made of cannot be purged from under it; what nothing is made of can. */
static void test_a_set_in_use_is_not_purged(void **state)
{
	static const char *const used[] = { "mal.operator", "drop.block", "cli.block", "feed-of-mal" };
	static const struct fl_cfg_feed feed = { .name = "feed-of-mal", .into = "mal", .url = "http://a.example/", .path = "", .enabled = true };
	struct fl_err err = { 0 };
	struct fl_head head;

	(void)state;
	cfg.feeds = &feed;
	cfg.n_feeds = 1;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		commit_source(used[i]);
		if (fl_source_purge(stage, used[i], "mona", "because", &err) != FL_EREFUSED)
			fail_msg("%s is purged", used[i]);
		assert_non_null(strstr(err.text, used[i]));
		assert_true(names_are(&w.s, used[i], 1, "kept.example"));
	}
	commit_source("old.operator");
	assert_int_equal(fl_source_purge(stage, "old.operator", "mona", "because", &err), 0);
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "old.operator", &head, NULL), 0); /* its number is never given again */
	assert_int_equal(head.entries, 0);
	assert_int_equal(fl_source_purge(stage, "never.was", "mona", "because", &err), FL_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE(test_unreadable_folder),
		STAGE(test_files_that_cannot_be_moved),
		STAGE(test_store_away),
		STAGE(test_a_set_in_use_is_not_purged),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
