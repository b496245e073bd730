/* An SQS source: what is durable is deleted, and nothing else is. */
#include "aws_help.h"

static void durable_is_deleted(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		put("{\"domain\":\"a.example\"}");
	aws_open();
	settle();
	assert_int_equal(aws.deletes, 0); /* the stage has not said it yet */
	assert_int_equal(status()->in_flight, 3);
	assert_int_equal(status()->oldest_age_s, 60);
	stage();
	settle();
	assert_int_equal(left(), 0);
	assert_int_equal(status()->state, FL_SOURCE_OK);
	assert_int_equal(status()->counts[FL_AWS_N_RECEIVED], 3);
	assert_int_equal(status()->counts[FL_AWS_N_DURABLE], 3);
	assert_int_equal(status()->counts[FL_AWS_N_DELETED], 3);
	assert_int_equal(status()->in_flight, 0);
	assert_string_equal(status()->credentials, "environment");
}

/* One poll while the queue is quiet, more side by side while they come back full. */
static void a_burst_widens(void **state)
{
	(void)state;
	aws_open();
	run(1);
	assert_int_equal(aws.http->ops->running(aws.http), 1);
	for (int i = 0; i < QUEUE_MAX; i++)
		put("{\"domain\":\"a.example\"}");
	run(1);
	assert_int_equal(left(), 0);
	assert_int_equal(aws.staged, QUEUE_MAX);
	run(3);
	assert_int_equal(aws.http->ops->running(aws.http), 1);
}

static void a_failed_entry_is_tried_again(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++)
		put("{\"domain\":\"a.example\"}");
	aws_open();
	aws.fail_first_entry = true;
	settle();
	stage();
	settle();
	assert_int_equal(left(), 1);
	run(5);
	assert_int_equal(left(), 0);
	assert_int_equal(aws.staged, 12); /* it was not handed over again */
	assert_int_equal(status()->counts[FL_AWS_N_FAILED], 1);
}

static void what_cannot_be_read_is_set_aside(void **state)
{
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	(void)state;
	put("<html>");
	put("{\"domain\":\"a.example\"}");
	aws_open();
	run(2);
	assert_int_equal(left(), 1);
	assert_int_equal(fl_bus_mem_count(aws.broker, "fireline.dead-letter"), 0);
	run(62 * 3); /* handed out again when its visibility ends: three times in all */
	assert_int_equal(left(), 0);
	assert_int_equal(aws.q[0].receives, 3);
	assert_int_equal(status()->counts[FL_AWS_N_SET_ASIDE], 1);
	assert_int_equal(fl_bus_mem_count(aws.broker, "fireline.dead-letter"), 1);
	assert_int_equal(fl_bus_consumer_open(aws.bus, FL_TOPIC_DEAD_LETTER, NULL, &c, NULL), 0);
	assert_int_equal(fl_bus_fetch(aws.bus, c, 0, &m, NULL), 1);
	assert_true(fl_span_eqs(m.value, "<html>"));
	assert_true(fl_span_eqs(m.key, "gd-queue"));
	assert_int_equal(m.n_headers, 2);
	assert_string_equal(m.headers[0].key, "reason");
	assert_true(fl_span_eqs(m.headers[0].value, "not JSON"));
	assert_string_equal(m.headers[1].key, "origin");
	fl_bus_consumer_close(aws.bus, c);
}

static enum fl_bus_fault bus_down(void *ctx, const char *what, const char *topic)
{
	(void)what, (void)topic;
	return *(bool *)ctx ? FL_BUS_DOWN : FL_BUS_OK;
}

/* Deleted after the broker's word alone; until then it is kept from others. */
static void not_deleted_before_it_is_set_aside(void **state)
{
	bool down = true;

	(void)state;
	aws.src.max_receives = 1;
	put("<html>");
	fl_bus_mem_faults(aws.broker, bus_down, &down);
	aws_open();
	run(120);
	assert_int_equal(left(), 1);
	assert_int_equal(aws.q[0].receives, 1);
	assert_true(aws.extends >= 2);
	down = false;
	run(10);
	assert_int_equal(left(), 0);
	assert_int_equal(fl_bus_mem_count(aws.broker, "fireline.dead-letter"), 1);
}

static void without_a_bus_the_queue_has_to(void **state)
{
	struct fl_bus *bus = aws.bus;

	(void)state;
	aws.bus = NULL;
	aws.src.max_receives = 1;
	put("<html>");
	aws_open();
	run(2);
	assert_int_equal(left(), 1);
	assert_non_null(strstr(status()->note, "redrive"));
	assert_int_equal(status()->state, FL_SOURCE_OK);
	aws.bus = bus;
}

static void throttled(void **state)
{
	(void)state;
	aws.fail_n = 1;
	aws.fail_code = "ThrottlingException";
	aws.fail_status = 400;
	aws.retry_after_s = 30;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	run(29);
	assert_int_equal(status()->state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status()->reason, "slow down"));
	assert_true(status()->next_try > aws.clock.now_unix);
	assert_int_equal(aws.receives, 0);
	run(3);
	assert_int_equal(left(), 0);
	assert_int_equal(status()->state, FL_SOURCE_OK);
	assert_string_equal(status()->reason, "");
}

/* A Retry-After of a month is not believed. */
static void told_to_wait_too_long(void **state)
{
	(void)state;
	aws.fail_n = 1;
	aws.fail_code = "ThrottlingException";
	aws.fail_status = 400;
	aws.retry_after_s = 31 * 86400;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	run(299);
	assert_int_equal(aws.receives, 0);
	run(3);
	assert_int_equal(left(), 0);
}

/* Each is said in words, and whether it passes by itself. */
static void errors_are_told_apart(void **state)
{
	static const struct {
		const char *code, *said;
		long status;
		enum fl_source_state state;
	} rows[] = {
		{ "com.amazonaws.sqs#QueueDoesNotExist", "no such queue", 400, FL_SOURCE_FAILED },
		{ "InvalidClientTokenId", "does not know this access key", 403, FL_SOURCE_FAILED },
		{ "SignatureDoesNotMatch", "wrong secret key", 403, FL_SOURCE_FAILED },
		{ "ExpiredToken", "have expired", 403, FL_SOURCE_FAILED },
		{ "AccessDeniedException", "not permitted", 400, FL_SOURCE_FAILED },
		{ "RequestTimeTooSkewed", "clock", 403, FL_SOURCE_FAILED },
		{ "InternalFailure", "side of AWS", 500, FL_SOURCE_DEGRADED },
		{ "Strange", "Strange", 400, FL_SOURCE_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		aws.fail_n = 1000;
		aws.fail_code = rows[i].code;
		aws.fail_status = rows[i].status;
		aws_open();
		run(10);
		if (status()->state != rows[i].state || !strstr(status()->reason, rows[i].said))
			fail_msg("%s: state %d, %s", rows[i].code, status()->state, status()->reason);
		assert_true(1000 - aws.fail_n < 12); /* it backs off */
		assert_null(strstr(status()->reason, "secret\""));
		fl_aws_sources_close(aws.sources);
		aws.sources = NULL;
		aws_teardown(NULL);
		aws_setup(NULL);
	}
	aws_open();
}

/* libcurl signs with the system's time: a clock that is wrong is measured and said. */
static void a_wrong_clock_is_said(void **state)
{
	(void)state;
	aws.fail_n = 1000;
	aws.fail_code = "SignatureDoesNotMatch";
	aws.fail_status = 403;
	aws.date_off_s = 412;
	aws_open();
	run(3);
	assert_int_equal(status()->clock_skew_s, 412);
	assert_non_null(strstr(status()->reason, "this host's clock is 412 s behind AWS's"));
	aws.fail_n = 0;
	run(60);
	assert_int_equal(status()->state, FL_SOURCE_OK);
}

/* A message that waits is kept from others, and never more than once with the stage. */
static void visibility_is_renewed(void **state)
{
	(void)state;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	for (int i = 0; i < 300; i++) {
		settle();
		fl_clock_mem_advance(&aws.clock, FL_NS_PER_S);
	}
	assert_int_equal(aws.q[0].receives, 1);
	assert_true(aws.extends >= 9 && aws.extends <= 12);
	assert_int_equal(status()->in_flight, 1);
	stage();
	settle();
	assert_int_equal(left(), 0);
}

/* Handed out once more while we have it: one document, and the newest receipt deletes it. */
static void handed_out_again(void **state)
{
	(void)state;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	settle();
	aws.q[0].visible_at = 0;
	settle();
	assert_int_equal(aws.q[0].receives, 2);
	assert_int_equal(status()->counts[FL_AWS_N_REPEATED], 1);
	stage();
	settle();
	assert_int_equal(aws.staged, 1);
	assert_int_equal(left(), 0);
}

static void the_stage_is_away(void **state)
{
	(void)state;
	aws.stage_down = true;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	run(120);
	assert_int_equal(left(), 1);
	assert_int_equal(aws.q[0].receives, 1); /* kept, so that its count of receives does not rise */
	assert_int_equal(status()->state, FL_SOURCE_DEGRADED);
	assert_non_null(strstr(status()->reason, "the store is away"));
	for (int i = 0; i < 30; i++)
		put("{\"domain\":\"b.example\"}");
	run(10);
	assert_int_equal(status()->in_flight, 11); /* what the poll brought that was under way, and nothing more */
	aws.stage_down = false;
	run(40);
	assert_int_equal(left(), 0);
	assert_int_equal(status()->state, FL_SOURCE_OK);
}

static void given_back_at_the_stop(void **state)
{
	(void)state;
	for (int i = 0; i < 15; i++)
		put("{\"domain\":\"a.example\"}");
	aws_open();
	settle();
	assert_int_equal(status()->in_flight, 15);
	fl_intake_close(aws.intake); /* comes back undone */
	fl_aws_sources_stop(aws.sources);
	settle();
	assert_true(fl_aws_sources_idle(aws.sources));
	assert_int_equal(aws.releases, 15);
	assert_int_equal(left(), 15);
	for (size_t i = 0; i < aws.n; i++)
		assert_true(visible(&aws.q[i]));
}

/* What the stage took before the stop is deleted, not given back. */
static void stop_deletes_what_is_durable(void **state)
{
	(void)state;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	settle();
	stage();
	fl_aws_sources_stop(aws.sources);
	settle();
	assert_int_equal(left(), 0);
	assert_true(fl_aws_sources_idle(aws.sources));
}

/* A source that is the same goes on; another lets go, and nothing of the old configuration is needed. */
static void reload(void **state)
{
	struct fl_config next = { 0 };
	struct fl_cfg_findings_source same = aws.src, other = aws.src;
	char url[sizeof(queue_url)];

	(void)state;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	settle();
	memcpy(url, queue_url, sizeof(url));
	same.queue_url = url;
	next.findings.sources = &same;
	next.findings.n_sources = 1;
	assert_int_equal(fl_aws_sources_reload(aws.sources, &next), 0);
	memset(url, 'x', sizeof(url) - 1);
	settle();
	assert_int_equal(status()->in_flight, 1);
	other.visibility_ms = 30000;
	next.findings.sources = &other;
	assert_int_equal(fl_aws_sources_reload(aws.sources, &next), 0);
	settle();
	assert_int_equal(status()->in_flight, 0); /* of the new one; the old waits for the stage */
	stage();
	settle();
	assert_int_equal(left(), 0);
	next.findings.n_sources = 0;
	assert_int_equal(fl_aws_sources_reload(aws.sources, &next), 0);
	settle();
	assert_true(fl_aws_sources_idle(aws.sources));
}

static void metrics(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	put("{\"domain\":\"a.example\"}");
	aws_open();
	run(1);
	fl_aws_sources_metrics(aws.sources, &b);
	assert_non_null(strstr(fl_buf_cstr(&b), "fireline_findings_aws_documents_total{source=\"gd-queue\",result=\"deleted\"} 1\n"));
	assert_non_null(strstr((char *)b.p, "fireline_findings_aws_up{source=\"gd-queue\"} 1\n"));
	fl_buf_done(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, aws_setup, aws_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(durable_is_deleted), T(a_burst_widens), T(a_failed_entry_is_tried_again), T(what_cannot_be_read_is_set_aside), T(not_deleted_before_it_is_set_aside),
		T(without_a_bus_the_queue_has_to), T(throttled), T(told_to_wait_too_long), T(errors_are_told_apart), T(a_wrong_clock_is_said), T(visibility_is_renewed), T(handed_out_again),
		T(the_stage_is_away), T(given_back_at_the_stop), T(stop_deletes_what_is_durable), T(reload), T(metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
