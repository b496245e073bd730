/* What can be read of lists from the store, over both stores: versions, names at a version, differences, and above all of a list that has an input without a version. */
#include "cli/reads.h"
#include "cli/json.h"
#include "tests/support/sets_help.h"

static struct fl_lease la, lb, ll;
static struct fl_reads reads;
static struct fl_cfg_list lists[] = { { .name = "l", .description = "" } };
static struct fl_config cfg = { .lists = lists, .n_lists = 1 };
static const char *asked_at, *asked_from, *asked_to;
static int status;

static const char *query(const struct fl_admin_request *r, const char *name)
{
	(void)r;
	return strcmp(name, "at") == 0 ? asked_at : strcmp(name, "from") == 0 ? asked_from : strcmp(name, "to") == 0 ? asked_to : NULL;
}

/* The whole answer, a stream to its end; in w.arena. */
static const char *get(const char *rest)
{
	struct fl_admin_request req = { .method = "GET", .path = fl_arena_printf(&w.arena, "/v1/domain-lists/l%s", rest), .query = query, .arena = &w.arena };
	struct fl_admin_response res = { .status = 200 };
	char part[7]; /* small: a line is handed over in pieces */
	const char *text;
	ssize_t n;

	fl_reads_list(&reads, &req, &res);
	while (res.stream && (n = res.stream(res.stream_ctx, part, sizeof(part))) > 0)
		fl_buf_add(&res.body, part, (size_t)n);
	if (res.stream_done)
		res.stream_done(res.stream_ctx);
	status = res.status;
	text = fl_arena_strn(&w.arena, (const char *)res.body.p, res.body.n);
	fl_buf_done(&res.body);
	return text;
}

static const char *names_at(const char *at)
{
	asked_at = at;
	return get("/entries");
}

static const char *diff(const char *from, const char *to)
{
	asked_from = from;
	asked_to = to;
	return get("/diff");
}

static int count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* l @1: a@1; @2: a@1 b@1; @3: rolled back to @1, b pinned without a version; @4: a@2; @5: let go, b@2. */
static void rolled_back(void)
{
	struct fl_list_input in[2];
	struct fl_source_version sv;
	struct fl_list_version v;
	const struct fl_list_commit by = { .actor = "mona", .reason = "test", .cause = FL_CAUSE_SOURCES };
	struct fl_list_commit back = by, go = by;

	la = lb = ll = (struct fl_lease){ 0 };
	back.cause = FL_CAUSE_ROLLBACK;
	go.cause = FL_CAUSE_UNHOLD;
	assert_int_equal(commit_names(&w.s, "a", &la, "one.example", &sv), 0);
	assert_int_equal(commit_names(&w.s, "a", &la, "one.example two.example", &sv), 0);
	assert_int_equal(commit_names(&w.s, "b", &lb, "bad.example worse.example", &sv), 0);
	assert_int_equal(commit_names(&w.s, "b", &lb, "bad.example", &sv), 0);
	in[0] = input_at(&w.s, "a", 1);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 1, by, &w.arena, &v, NULL), 0);
	in[1] = input_at(&w.s, "b", 1);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, by, &w.arena, &v, NULL), 0);
	in[1] = input_at(&w.s, "b", 0);
	in[1].pinned = true;
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, back, &w.arena, &v, NULL), 0);
	in[0] = input_at(&w.s, "a", 2);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, by, &w.arena, &v, NULL), 0);
	in[1] = input_at(&w.s, "b", 2);
	assert_int_equal(commit_inputs(&w.s, "l", &ll, in, 2, go, &w.arena, &v, NULL), 0);
	reads = (struct fl_reads){ &cfg, w.s };
	asked_at = asked_from = asked_to = NULL;
}

static void test_names_at(void **state)
{
	static const struct {
		const char *at;
		int names, of_b;
	} rows[] = { { "1", 1, 0 }, { "2", 3, 2 }, { "3", 1, 0 }, { "4", 2, 0 }, { "5", 3, 1 }, { NULL, 3, 1 }, { "-1", 2, 0 }, { "-3", 3, 2 } };

	(void)state;
	rolled_back();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = names_at(rows[i].at);

		if (count(text, "\"name\":") != rows[i].names || count(text, "\"source\":\"b\"") != rows[i].of_b || count(text, "error"))
			fail_msg("@%s: %s", rows[i].at ? rows[i].at : "", text);
	}
	names_at("9");
	assert_int_equal(status, 404);
}

/* Each change once, either way. */
static void test_diff(void **state)
{
	static const struct {
		const char *from, *to;
		int added, removed;
	} rows[] = { { "1", "2", 2, 0 }, { "2", "3", 0, 2 }, { "3", "2", 2, 0 }, { "3", "4", 1, 0 }, { "4", "5", 1, 0 }, { "5", "4", 0, 1 },
		     { "2", "5", 1, 1 }, { "1", "3", 0, 0 }, { "3", "1", 0, 0 }, { NULL, "3", 0, 2 }, { "5", "1", 0, 2 } };

	(void)state;
	rolled_back();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *text = diff(rows[i].from, rows[i].to);

		if (count(text, "\"op\":\"add\"") != rows[i].added || count(text, "\"op\":\"remove\"") != rows[i].removed || count(text, "error"))
			fail_msg("%s..%s: %s", rows[i].from ? rows[i].from : "", rows[i].to, text);
	}
}

static void test_log_and_show(void **state)
{
	const char *text;

	(void)state;
	rolled_back();
	text = get("/versions");
	assert_int_equal(count(text, "\"cause\""), 5);
	assert_non_null(strstr(text, "rollback"));
	asked_at = "3";
	text = get("");
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "\"b\""));
	assert_int_equal(count(text, "pinned"), 2);
}

/* Why a name is blocked: what the sources say of it now. Of a source that is held empty there is no row to ask for. */
static void test_explain(void **state)
{
	json_t *because;

	(void)state;
	rolled_back();
	because = json_pack("[{s:s, s:s}, {s:s, s:s}]", "source", "a", "entry", "two.example", "source", "nothing", "entry", "two.example");
	fl_reads_enrich(&reads, because);
	assert_non_null(json_object_get(json_array_get(because, 0), "since"));
	assert_null(json_object_get(json_array_get(because, 1), "since"));
	json_decref(because);
}

/* What a source no longer has is said, and no half list passes for a whole one. */
static void test_a_version_that_is_no_more(void **state)
{
	(void)state;
	rolled_back();
	redis_int(&w, "DEL {fl}:source/b:v:1");
	assert_non_null(strstr(names_at("2"), "b"));
	assert_true(status != 200);
	assert_int_equal(count(names_at("4"), "\"name\":"), 2);
	assert_int_equal(status, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = { BOTH(test_names_at), BOTH(test_diff), BOTH(test_log_and_show), BOTH(test_explain), BOTH(test_a_version_that_is_no_more) };

	return world_run("reads", tests, sizeof(tests) / sizeof(tests[0]));
}
