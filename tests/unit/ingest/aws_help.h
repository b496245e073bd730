/* AWS in memory: a queue, a detector and who gives credentials, over the HTTP door's twin; time is virtual, and the test is the stage. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "ingest/aws_sources.h"
#include "io/clock.h"

enum { QUEUE_MAX = 200, ENV_MAX = 16 };
static const char queue_url[] = "https://sqs.eu-west-1.amazonaws.com/111122223333/findings";
static const fl_unix_us aws_start = INT64_C(1795435200) * FL_US_PER_S; /* 2026-11-23T12:00:00Z */

struct queued {
	char body[200];
	bool deleted;
	fl_mono_ns visible_at;
	unsigned receives;
	char receipt[24];
};

static struct {
	struct fl_clock_mem clock;
	struct fl_random_mem random;
	struct fl_http_mem *web;
	struct fl_http *http;
	struct fl_intake *intake;
	struct fl_bus_mem *broker;
	struct fl_bus *bus;
	struct fl_disk_mem *disk;
	struct fl_disk *state;
	struct fl_config cfg;
	struct fl_cfg_findings_source src;
	struct fl_aws_sources *sources;
	struct fl_aws_source_status status;
	/* the queue */
	struct queued q[QUEUE_MAX];
	size_t n;
	unsigned receives, deletes, extends, releases, most_receives;
	bool fail_first_entry; /* of the next deletion: it is not done */
	/* who may call */
	const char *key;
	const char *fail_code; /* the next calls fail with this */
	long fail_status;
	unsigned fail_n;
	int64_t retry_after_s, date_off_s;
	/* the environment */
	const char *env[ENV_MAX][2];
	bool stage_down;
	unsigned staged;
	/* metadata services: path -> answer */
	const char *(*metadata)(const struct fl_http_request *req, long *status);
	bool (*other)(const struct fl_http_request *req, const json_t *body, struct fl_http_response *out);
} aws;

static inline const char *aws_env(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; i < ENV_MAX; i++)
		if (aws.env[i][0] && strcmp(aws.env[i][0], name) == 0)
			return aws.env[i][1];
	return NULL;
}

static inline void set_env(const char *name, const char *value)
{
	size_t i = 0;

	while (aws.env[i][0] && strcmp(aws.env[i][0], name) != 0)
		i++;
	aws.env[i][0] = name;
	aws.env[i][1] = value;
}

static inline void answer_text(struct fl_http_response *out, long status, const char *text)
{
	out->status = status;
	fl_buf_str(&out->body, text);
}

static inline void answer_json(struct fl_http_response *out, json_t *take)
{
	char *text = json_dumps(take, 0);

	answer_text(out, 200, text);
	free(text);
	json_decref(take);
}

static inline bool visible(const struct queued *m)
{
	return !m->deleted && aws.clock.now_mono >= m->visible_at;
}

static inline bool receive_answer(const json_t *body, struct fl_http_response *out)
{
	json_t *v = json_array();
	json_int_t seconds = json_integer_value(json_object_get(body, "VisibilityTimeout"));

	for (size_t i = 0; i < aws.n && json_array_size(v) < 10; i++) {
		struct queued *m = &aws.q[i];
		char id[24], count[24];

		if (!visible(m))
			continue;
		m->visible_at = aws.clock.now_mono + seconds * FL_NS_PER_S;
		snprintf(m->receipt, sizeof(m->receipt), "r%zu.%u", i, ++m->receives);
		snprintf(id, sizeof(id), "m%zu", i);
		snprintf(count, sizeof(count), "%u", m->receives);
		json_array_append_new(v, json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "MessageId", id, "ReceiptHandle", m->receipt, "Body", m->body, "Attributes",
						   "ApproximateReceiveCount", count, "SentTimestamp", "1795435140000"));
	}
	aws.receives++;
	answer_json(out, json_array_size(v) ? json_pack("{s:o}", "Messages", v) : (json_decref(v), json_object()));
	return true;
}

static inline struct queued *by_receipt(const char *receipt)
{
	for (size_t i = 0; i < aws.n; i++)
		if (strcmp(aws.q[i].receipt, receipt) == 0)
			return &aws.q[i];
	return NULL;
}

static inline void batch_answer(const json_t *body, bool deletion, struct fl_http_response *out)
{
	json_t *ok = json_array(), *failed = json_array(), *e;
	size_t i;

	assert_true(json_array_size(json_object_get(body, "Entries")) <= 10);
	json_array_foreach (json_object_get(body, "Entries"), i, e) {
		struct queued *m = by_receipt(json_string_value(json_object_get(e, "ReceiptHandle")));
		json_int_t seconds = json_integer_value(json_object_get(e, "VisibilityTimeout"));
		const char *id = json_string_value(json_object_get(e, "Id"));

		if (!m) {
			json_array_append_new(failed, json_pack("{s:s, s:b, s:s}", "Id", id, "SenderFault", 1, "Code", "ReceiptHandleIsInvalid"));
			continue;
		}
		if (deletion && aws.fail_first_entry) {
			aws.fail_first_entry = false;
			json_array_append_new(failed, json_pack("{s:s, s:b, s:s}", "Id", id, "SenderFault", 0, "Code", "InternalError"));
			continue;
		}
		m->deleted = m->deleted || deletion;
		if (!deletion)
			m->visible_at = aws.clock.now_mono + seconds * FL_NS_PER_S;
		aws.deletes += deletion;
		aws.extends += !deletion && seconds;
		aws.releases += !deletion && !seconds;
		json_array_append_new(ok, json_pack("{s:s}", "Id", id));
	}
	answer_json(out, json_pack("{s:o, s:o}", "Successful", ok, "Failed", failed));
}

static inline const char *header_of(const struct fl_http_request *req, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; req->headers[i]; i++)
		if (strncasecmp(req->headers[i], name, n) == 0 && req->headers[i][n] == ':')
			return req->headers[i] + n + 2;
	return "";
}

static inline bool refuse(struct fl_http_response *out, long status, const char *code)
{
	json_t *o = json_pack("{s:s, s:s}", "__type", code, "message", "no");
	char *text = json_dumps(o, 0);

	answer_text(out, status, text);
	free(text);
	json_decref(o);
	return true;
}

/* A long poll ends when there is something, or when its time is over: here when nothing is visible it stays under way, but a first one of 0 or 1 s. */
static inline bool aws_serve(void *ctx, const struct fl_http_request *req, struct fl_http_response *out)
{
	json_t *body;
	const char *action;
	size_t ready = 0;

	(void)ctx;
	out->date = aws.clock.now_unix + aws.date_off_s * FL_US_PER_S;
	if (!req->sigv4) {
		long status = 200;
		const char *text = aws.metadata ? aws.metadata(req, &status) : NULL;

		assert_true(req->allow_metadata);
		if (text)
			answer_text(out, status, text);
		else
			out->code = FL_EUNAVAIL;
		return true;
	}
	assert_false(req->allow_metadata);
	assert_string_equal(req->sigv4->region, "eu-west-1");
	if (aws.fail_n) {
		aws.fail_n--;
		out->retry_after_s = aws.retry_after_s;
		return refuse(out, aws.fail_status, aws.fail_code);
	}
	if (strcmp(req->sigv4->access_key, aws.key) != 0)
		return refuse(out, 403, "InvalidClientTokenId");
	body = json_loadb((const char *)req->body.p, req->body.n, 0, NULL);
	assert_non_null(body);
	action = header_of(req, "X-Amz-Target");
	if (!action[0]) {
		bool answered = aws.other(req, body, out);

		json_decref(body);
		return answered;
	}
	assert_string_equal(req->url, "https://sqs.eu-west-1.amazonaws.com/");
	assert_string_equal(json_string_value(json_object_get(body, "QueueUrl")), queue_url);
	assert_string_equal(header_of(req, "Content-Type"), "application/x-amz-json-1.0");
	for (size_t i = 0; i < aws.n; i++)
		ready += visible(&aws.q[i]);
	if (strcmp(action, "AmazonSQS.ReceiveMessage") != 0)
		batch_answer(body, strcmp(action, "AmazonSQS.DeleteMessageBatch") == 0, out);
	else if (ready || json_integer_value(json_object_get(body, "WaitTimeSeconds")) <= 1)
		receive_answer(body, out);
	else {
		out->id = 1; /* under way */
		json_decref(body);
		return false;
	}
	json_decref(body);
	return true;
}

/* The stage: {"domain": ...} is durable, all else cannot be read. */
static inline void stage(void)
{
	for (struct fl_intake_item *i = fl_intake_take(aws.intake, SIZE_MAX, SIZE_MAX), *next; i; i = next) {
		next = i->next;
		assert_string_equal(i->source, aws.src.name);
		i->ret = aws.stage_down ? FL_EUNAVAIL : i->json.n && i->json.p[0] == '{' ? 0 : FL_EFORMAT;
		if (i->ret)
			fl_err_set(&i->err, i->ret, "%s", aws.stage_down ? "the store is away" : "not JSON");
		aws.staged += i->ret == 0;
		i->done(i->ctx, i);
	}
}

static inline void no_wake(void *ctx)
{
	(void)ctx;
}

/* Steps without the stage until nothing happens at this moment. Returns the next wake. */
static inline fl_mono_ns settle(void)
{
	fl_mono_ns wake = 0;

	for (int i = 0; i < 60; i++)
		fl_aws_sources_step(aws.sources, aws.clock.now_mono, &wake);
	return wake;
}

static inline void run(int seconds)
{
	for (int i = 0; i < seconds * 4; i++) {
		settle();
		stage();
		settle();
		fl_clock_mem_advance(&aws.clock, FL_NS_PER_S / 4);
	}
	settle();
}

static inline const struct fl_aws_source_status *status(void)
{
	struct fl_arena arena = { 0 };
	struct fl_aws_source_status *v;
	size_t n;

	fl_aws_sources_status(aws.sources, &arena, &v, &n);
	assert_int_equal(n, 1);
	aws.status = v[0];
	fl_arena_done(&arena);
	return &aws.status;
}

static inline void put(const char *body)
{
	assert_true(aws.n < QUEUE_MAX);
	memset(&aws.q[aws.n], 0, sizeof(aws.q[0]));
	snprintf(aws.q[aws.n++].body, sizeof(aws.q[0].body), "%s", body);
}

static inline size_t left(void)
{
	size_t n = 0;

	for (size_t i = 0; i < aws.n; i++)
		n += !aws.q[i].deleted;
	return n;
}

static inline void aws_open(void)
{
	struct fl_aws_sources_config c = { .cfg = &aws.cfg, .http = aws.http, .intake = aws.intake, .bus = aws.bus, .state = aws.state, .clock = &aws.clock.door, .random = &aws.random.door,
				       .env = aws_env, .wake = no_wake };

	assert_int_equal(fl_aws_sources_open(&c, &aws.sources, NULL), 0);
}

static inline int aws_setup(void **state)
{
	(void)state;
	memset(&aws, 0, sizeof(aws));
	fl_clock_mem_init(&aws.clock, aws_start);
	fl_random_mem_init(&aws.random, 7);
	aws.web = fl_http_mem_new();
	fl_http_mem_server(aws.web, aws_serve, NULL);
	aws.http = fl_http_mem_open(aws.web);
	aws.broker = fl_bus_mem_new(&aws.clock.door, 1);
	aws.bus = fl_bus_mem_open(aws.broker, "fireline.");
	aws.disk = fl_disk_mem_new();
	aws.state = fl_disk_mem_open(aws.disk);
	assert_int_equal(fl_intake_open(no_wake, NULL, &aws.intake, NULL), 0);
	aws.src = (struct fl_cfg_findings_source){ .name = "gd-queue", .type = FL_FINDINGS_SQS, .enabled = true, .queue_url = queue_url, .region = "eu-west-1", .detector_id = "aa11",
						   .endpoint = "", .credentials_file = "", .profile = "default", .ca_file = "", .wait_ms = 20000, .visibility_ms = 60000,
						   .every_ms = 300000, .max_receives = 3 };
	aws.cfg.findings.sources = &aws.src;
	aws.cfg.findings.n_sources = 1;
	aws.key = "AKIDGOOD";
	aws.retry_after_s = -1;
	set_env("AWS_ACCESS_KEY_ID", "AKIDGOOD");
	set_env("AWS_SECRET_ACCESS_KEY", "secret");
	return 0;
}

static inline int aws_teardown(void **state)
{
	(void)state;
	fl_intake_close(aws.intake);
	fl_aws_sources_close(aws.sources);
	fl_intake_free(aws.intake);
	aws.http->ops->close(aws.http);
	fl_http_mem_free(aws.web);
	fl_bus_close(aws.bus);
	fl_bus_mem_free(aws.broker);
	aws.state->ops->close(aws.state);
	fl_disk_mem_free(aws.disk);
	return 0;
}
