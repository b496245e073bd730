/* A GuardDuty source: pages, the overlap, what was seen, and the position, which moves only when all is durable. */
#include "aws_help.h"

struct finding {
	char id[24];
	int64_t updated_ms;
	bool broken;
};
static struct finding f[400];
static size_t n_f;
static unsigned lists, fetched;
static int64_t asked_from_ms[100];
static bool no_end, long_list, get_refused;

static int64_t ms_of(fl_unix_us t)
{
	return t / 1000;
}

static void add(const char *id, int64_t before_s)
{
	snprintf(f[n_f].id, sizeof(f[n_f].id), "%s", id);
	f[n_f].broken = false;
	f[n_f++].updated_ms = ms_of(aws.clock.now_unix) - before_s * 1000;
}

/* By updatedAt, 50 a page; the token is the number of the next. */
static bool list_answer(const json_t *body, struct fl_http_response *out)
{
	const json_t *at = json_object_get(json_object_get(json_object_get(body, "findingCriteria"), "criterion"), "updatedAt");
	int64_t from = json_integer_value(json_object_get(at, "greaterThanOrEqual"));
	const char *token = json_string_value(json_object_get(body, "nextToken"));
	size_t skip = token ? strtoul(token, NULL, 10) : 0, i = 0;
	json_t *ids = json_array();
	char next[24] = "";

	assert_true(json_is_integer(json_object_get(at, "greaterThanOrEqual")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(body, "sortCriteria"), "attributeName")), "updatedAt");
	assert_int_equal(json_integer_value(json_object_get(body, "maxResults")), 50);
	asked_from_ms[lists++ % 100] = from;
	for (; i < n_f && json_array_size(ids) < 50; i++)
		if (f[i].updated_ms >= from && i >= skip)
			json_array_append_new(ids, json_string(f[i].id));
	if (long_list && from == 0) { /* the first round: ever one more page, with nothing on it */
		if (skip)
			json_array_clear(ids);
		snprintf(next, sizeof(next), "%zu", skip + 1000);
	} else if (i < n_f || no_end)
		snprintf(next, sizeof(next), "%zu", no_end ? 7 : i);
	answer_json(out, json_pack("{s:o, s:s}", "findingIds", ids, "nextToken", next));
	return true;
}

static bool get_answer(const json_t *body, struct fl_http_response *out)
{
	json_t *v, *e;
	char at[FL_TIME_TEXT];
	size_t i;

	fetched++;
	if (get_refused)
		return refuse(out, 400, "BadRequestException");
	v = json_array();
	json_array_foreach (json_object_get(body, "findingIds"), i, e)
		for (size_t k = 0; k < n_f; k++)
			if (strcmp(f[k].id, json_string_value(e)) == 0)
				json_array_append_new(v, json_pack("{s:s, s:s}", "id", f[k].id, "updatedAt", fl_time_format(f[k].updated_ms * 1000, at)));
	answer_json(out, json_pack("{s:o}", "findings", v));
	return true;
}

static bool guardduty(const struct fl_http_request *req, const json_t *body, struct fl_http_response *out)
{
	assert_string_equal(req->sigv4->service, "guardduty");
	if (strcmp(req->url, "https://guardduty.eu-west-1.amazonaws.com/detector/aa11/findings") == 0)
		return list_answer(body, out);
	assert_string_equal(req->url, "https://guardduty.eu-west-1.amazonaws.com/detector/aa11/findings/get");
	return get_answer(body, out);
}

static int setup(void **state)
{
	aws_setup(state);
	aws.src.type = FL_FINDINGS_GUARDDUTY;
	aws.src.name = "gd-api";
	aws.other = guardduty;
	n_f = 0;
	lists = fetched = 0;
	no_end = long_list = get_refused = false;
	return 0;
}

static void pages_and_repeats(void **state)
{
	char id[24];

	(void)state;
	for (int i = 0; i < 120; i++) {
		snprintf(id, sizeof(id), "f%03d", i);
		add(id, 1000 - i);
	}
	aws_open();
	run(3);
	assert_int_equal(lists, 3);
	assert_int_equal(fetched, 3);
	assert_int_equal(aws.staged, 120);
	assert_int_equal(asked_from_ms[0], 0); /* never asked before: all there is */
	assert_int_equal(status()->state, FL_SOURCE_OK);
	/* the next round asks from a quarter of an hour before the last, and takes nothing twice */
	add("new", 0);
	f[3].updated_ms = ms_of(aws.clock.now_unix); /* updated: said once more */
	run(301);
	assert_int_equal(asked_from_ms[3], ms_of(aws_start) - 881 * 1000 - 900 * 1000);
	assert_int_equal(aws.staged, 122);
	assert_true(status()->counts[FL_AWS_N_REPEATED] > 100);
	run(301);
	assert_int_equal(aws.staged, 122);
}

static void position_outlives_us(void **state)
{
	(void)state;
	add("old", 50000);
	add("a", 10);
	aws_open();
	run(2);
	assert_int_equal(aws.staged, 2);
	fl_aws_sources_stop(aws.sources);
	fl_aws_sources_close(aws.sources);
	aws_open();
	run(2);
	assert_int_equal(asked_from_ms[1], ms_of(aws_start) - 10 * 1000 - 900 * 1000);
	assert_int_equal(aws.staged, 3); /* of the overlap alone; the stage knows it */
	/* of another detector: from the beginning */
	fl_aws_sources_stop(aws.sources);
	fl_aws_sources_close(aws.sources);
	aws.src.region = "eu-west-1";
	fl_disk_replace(aws.state, "gd-api.position", fl_span_str("FLGD1 eu-west-1 other 1795435200000000\n"), NULL);
	aws_open();
	run(2);
	assert_int_equal(asked_from_ms[2], 0);
}

/* A page the stage does not take moves nothing; a death in the middle asks for all of it again. */
static void nothing_is_skipped(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	add("a", 20);
	add("b", 10);
	aws.stage_down = true;
	aws_open();
	run(30);
	assert_int_equal(status()->state, FL_SOURCE_DEGRADED);
	assert_int_equal(status()->in_flight, 2);
	assert_int_equal(status()->oldest_age_s, 50);
	assert_int_equal(aws.state->ops->read(aws.state, "gd-api.position", 1000, &b, NULL), FL_ENOTFOUND);
	fl_intake_close(aws.intake); /* death */
	fl_aws_sources_close(aws.sources);
	fl_intake_free(aws.intake);
	assert_int_equal(fl_intake_open(no_wake, NULL, &aws.intake, NULL), 0);
	aws.stage_down = false;
	aws_open();
	run(3);
	assert_int_equal(aws.staged, 2);
	assert_int_equal(aws.state->ops->read(aws.state, "gd-api.position", 1000, &b, NULL), 0);
	fl_buf_done(&b);
}

static void a_failed_call_is_repeated(void **state)
{
	(void)state;
	add("a", 20);
	aws.fail_n = 2;
	aws.fail_code = "InternalServerErrorException";
	aws.fail_status = 500;
	aws_open();
	run(1);
	assert_int_equal(status()->state, FL_SOURCE_DEGRADED);
	run(15);
	assert_int_equal(aws.staged, 1);
	assert_int_equal(status()->state, FL_SOURCE_OK);
	assert_int_equal(status()->errors, 2);
}

static void a_list_without_end(void **state)
{
	(void)state;
	add("a", 20);
	no_end = true;
	aws_open();
	run(3);
	assert_int_equal(status()->state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status()->reason, "does not end"));
}

/* More pages than a round has: it ends there, its position is kept, and the next one goes on at once. */
static void a_long_first_round(void **state)
{
	struct fl_buf b = { 0 };
	unsigned before;

	(void)state;
	add("a", 20);
	long_list = true;
	aws_open();
	for (int i = 0; i < 100 && asked_from_ms[(lists + 99) % 100] == 0; i++)
		run(1);
	assert_int_equal(asked_from_ms[(lists + 99) % 100], ms_of(aws_start) - 20 * 1000 - 900 * 1000);
	assert_int_equal(lists, 4001);
	assert_int_equal(aws.staged, 1);
	assert_int_equal(aws.state->ops->read(aws.state, "gd-api.position", 1000, &b, NULL), 0);
	fl_buf_done(&b);
	assert_int_equal(status()->state, FL_SOURCE_OK);
	before = lists;
	run(100);
	assert_int_equal(lists, before); /* this one ended: the next is due in its time */
}

/* Ids that are refused are not asked for ever. */
static void findings_that_are_refused(void **state)
{
	(void)state;
	add("a", 20);
	get_refused = true;
	aws_open();
	run(20);
	assert_true(fetched > 1);
	assert_int_equal(lists, fetched);
	assert_int_equal(status()->state, FL_SOURCE_FAILED);
	get_refused = false;
	run(20);
	assert_int_equal(aws.staged, 1);
	assert_int_equal(status()->state, FL_SOURCE_OK);
}

static void no_such_detector(void **state)
{
	(void)state;
	aws.fail_n = 1000;
	aws.fail_code = "BadRequestException";
	aws.fail_status = 400;
	aws_open();
	run(3);
	assert_int_equal(status()->state, FL_SOURCE_FAILED);
	assert_non_null(strstr(status()->reason, "BadRequestException"));
}

#define G(fn) cmocka_unit_test_setup_teardown(fn, setup, aws_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = { G(pages_and_repeats), G(position_outlives_us), G(nothing_is_skipped), G(a_failed_call_is_repeated), G(a_list_without_end),
					    G(a_long_first_round), G(findings_that_are_refused), G(no_such_detector) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
