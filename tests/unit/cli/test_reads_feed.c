/* What can be read of one source: its versions, its names, and the comparison with all others against a slow, obvious one; over both stores. */
#include "base/text.h"
#include "cli/json.h"
#include "cli/reads.h"
#include "tests/support/sets_help.h"

static struct fl_reads reads;
static struct fl_cfg_list lists[] = { { .name = "l", .description = "" }, { .name = "m", .description = "" } };
static struct fl_cfg_feed feeds[] = { { .name = "a", .into = "l", .enabled = true },	{ .name = "b", .into = "l", .enabled = true },
				      { .name = "c", .into = "m", .enabled = true },	{ .name = "never", .into = "l", .enabled = true },
				      { .name = "off", .into = "l", .enabled = false } };
static struct fl_config cfg = { .lists = lists, .n_lists = 2, .feeds = feeds, .n_feeds = 5 };
static const char *asked_limit;
static int status;

static const char *query(const struct fl_admin_request *r, const char *name)
{
	(void)r;
	return strcmp(name, "limit") == 0 ? asked_limit : NULL;
}

/* The whole answer, a stream to its end, in small pieces. */
static json_t *get(const char *path)
{
	struct fl_admin_request req = { .method = "GET", .path = fl_arena_printf(&w.arena, "/v1/feeds/%s", path), .query = query, .arena = &w.arena };
	struct fl_admin_response res = { .status = 200 };
	char part[7];
	json_t *o;
	ssize_t n;

	fl_reads_feed(&reads, &req, &res);
	while (res.stream && (n = res.stream(res.stream_ctx, part, sizeof(part))) > 0)
		fl_buf_add(&res.body, part, (size_t)n);
	if (res.stream_done)
		res.stream_done(res.stream_ctx);
	status = res.status;
	o = json_loadb((const char *)res.body.p, res.body.n, JSON_DISABLE_EOF_CHECK, NULL);
	fl_buf_done(&res.body);
	return o;
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static json_int_t shared_with(const json_t *o, const char *source)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(o, "with"), i, row)
		if (strcmp(json_string_value(json_object_get(row, "source")), source) == 0)
			return number(row, "shared");
	return -1;
}

static void commit(const char *source, const char *names)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;

	assert_int_equal(commit_names(&w.s, source, &lease, names, &v), 0);
	assert_int_equal(fl_lease_release(&w.s, &lease, NULL), 0);
}

static void start(void)
{
	reads = (struct fl_reads){ .cfg = &cfg, .sets = w.s };
	asked_limit = NULL;
}

static void test_unique_and_shared(void **state)
{
	json_t *o;

	(void)state;
	start();
	commit("a", "one.example two.example three.example four.example");
	commit("b", "two.example five.example zz.example");
	commit("c", "three.example two.example aaa.example");
	commit("l.operator", "one.example");
	o = get("a/overlap");
	assert_int_equal(status, 200);
	assert_int_equal(number(o, "unique"), 2); /* three, four: c is of another list */
	assert_int_equal(number(o, "names"), 4);
	assert_int_equal(number(o, "compared"), 4);
	assert_true(json_is_true(json_object_get(o, "complete")));
	assert_int_equal(shared_with(o, "b"), 1);
	assert_int_equal(shared_with(o, "c"), 2);
	assert_int_equal(shared_with(o, "l.operator"), 1);
	assert_int_equal(shared_with(o, "never"), 0);
	assert_int_equal(shared_with(o, "off"), -1);
	assert_int_equal(shared_with(o, "a"), -1);
	json_decref(o);
	o = get("c/overlap");
	assert_int_equal(number(o, "unique"), 3);
	assert_int_equal(shared_with(o, "a"), 2);
	json_decref(o);
	o = get("never/overlap"); /* no version yet: nothing of it, and no error */
	assert_int_equal(number(o, "names"), 0);
	assert_true(json_is_true(json_object_get(o, "complete")));
	json_decref(o);
	json_decref(get("nowhere/overlap"));
	assert_int_equal(status, 404);
	json_decref(get("a/nothing"));
	assert_int_equal(status, 404);
}

/* Every third name, every fifth: so many more reads than one slice has that the work goes on where it was. */
static void test_many_names_in_slices(void **state)
{
	struct fl_buf a = { 0 }, b = { 0 };
	json_t *o;
	int both = 0, only = 0;

	(void)state;
	start();
	for (int i = 0; i < 6000; i++) {
		if (i % 3 == 0)
			fl_buf_printf(&a, "%sn%05d.example", a.n ? " " : "", i);
		if (i % 5 == 0)
			fl_buf_printf(&b, "%sn%05d.example", b.n ? " " : "", i);
		both += i % 15 == 0;
		only += i % 3 == 0 && i % 5 != 0;
	}
	commit("a", fl_buf_cstr(&a));
	commit("b", fl_buf_cstr(&b));
	o = get("a/overlap");
	assert_int_equal(shared_with(o, "b"), both);
	assert_int_equal(number(o, "unique"), only);
	json_decref(o);
	o = get("a/entries");
	assert_int_equal(status, 200);
	assert_string_equal(json_string_value(json_object_get(o, "name")), "n00000.example");
	assert_string_equal(json_string_value(json_object_get(o, "scope")), "subtree");
	json_decref(o);
	fl_buf_done(&a);
	fl_buf_done(&b);
}

/* The time is over before the first name: it says so, and gives no number for the whole. */
static void test_a_limit_in_time(void **state)
{
	json_t *o;

	(void)state;
	start();
	reads.compare_ms = -1;
	commit("a", "one.example two.example");
	o = get("a/overlap");
	assert_int_equal(status, 200);
	assert_false(json_is_true(json_object_get(o, "complete")));
	assert_true(number(o, "compared") < 2);
	assert_int_equal(number(o, "names"), 2);
	json_decref(o);
}

static void test_versions(void **state)
{
	json_t *o, *v;

	(void)state;
	start();
	commit("a", "one.example");
	commit("a", "one.example two.example three.example");
	commit("a", "three.example");
	o = get("a/versions");
	v = json_object_get(o, "items");
	assert_int_equal(json_array_size(v), 3);
	assert_int_equal(number(json_array_get(v, 0), "version"), 3);
	assert_int_equal(number(json_array_get(v, 0), "added"), 0);
	assert_int_equal(number(json_array_get(v, 0), "removed"), 2);
	assert_int_equal(number(json_array_get(v, 1), "added"), 2);
	assert_int_equal(number(json_array_get(v, 2), "names"), 1);
	assert_true(json_is_string(json_object_get(json_array_get(v, 2), "at")));
	json_decref(o);
	asked_limit = "1";
	o = get("a/versions");
	assert_int_equal(json_array_size(json_object_get(o, "items")), 1);
	json_decref(o);
	asked_limit = NULL;
	redis_int(&w, "DEL {fl}:source/a:v:2"); /* retention ends the history */
	o = get("a/versions");
	assert_int_equal(json_array_size(json_object_get(o, "items")), 1);
	json_decref(o);
	o = get("never/versions");
	assert_int_equal(json_array_size(json_object_get(o, "items")), 0);
	json_decref(o);
}

/* What cannot be read is said, and passes for nothing else. */
static void test_a_source_that_cannot_be_read(void **state)
{
	json_t *o;

	(void)state;
	start();
	commit("a", "one.example");
	commit("b", "two.example");
	redis_int(&w, "DEL {fl}:source/b:v:1");
	o = get("a/overlap");
	assert_null(json_object_get(o, "unique"));
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(test_unique_and_shared), BOTH(test_many_names_in_slices), BOTH(test_a_limit_in_time), BOTH(test_versions),
					    BOTH(test_a_source_that_cannot_be_read) };

	return world_run("reads_feed", tests, sizeof(tests) / sizeof(tests[0]));
}
