/* The calls of an SQS queue (JSON protocol 1.0): one long poll when the queue is quiet, up to eight receives side by side when they come back full, deletions and renewals by ten. A batch answers 200 and
 * says in it which entries failed. Start at fl__sqs_call_all(). */
#include "ingest/sqs_int.h"

#include "base/text.h"

enum { READ_MS = 10000 /* beyond the long poll */, MORE_WAIT_S = 1, TRIES_MAX = 6 };

size_t fl__sqs_calls(const struct fl__sqs *q, enum fl__sqs_what what)
{
	size_t n = 0;

	for (size_t i = 0; i < FL__SQS_CALLS; i++)
		n += q->calls[i].what == what;
	return n;
}

static struct fl__sqs_call *free_call(struct fl__sqs *q)
{
	for (size_t i = 0; i < FL__SQS_CALLS; i++)
		if (!q->calls[i].what)
			return &q->calls[i];
	return NULL;
}

static bool start(struct fl__sqs *q, struct fl__sqs_call *call, enum fl__sqs_what what, const char *target, struct fl_buf *take_body, int timeout_ms, fl_mono_ns now)
{
	struct fl_aws_source *s = &q->source;
	const struct fl__aws_call c = { "/", target, fl_buf_span(take_body), timeout_ms };
	struct fl_err err = { 0 };
	int ret = take_body->failed ? FL_ENOMEM : fl__aws_start(&s->aws, &c, &call->id, &err);

	fl_buf_done(take_body);
	if (ret < 0) { /* not even begun: no URL, or no memory */
		fl__aws_back_off(&s->aws, -1, now);
		fl__aws_source_failed(s, ret == FL_EREFUSED ? FL__AWS_OTHER : FL__AWS_UNREACHABLE, err.text);
		return false;
	}
	call->what = what;
	for (size_t i = 0; i < call->n; i++) {
		call->v[i]->named = true;
		call->v[i]->renewed = false;
	}
	return true;
}

/* --- receive --- */

static bool room_for_more(const struct fl__sqs *q)
{
	size_t coming = FL_AWS_BATCH * (fl__sqs_calls(q, FL__SQS_RECEIVE) + 1);

	return q->held + coming <= FL__SQS_HELD && q->held_bytes < FL__SQS_HELD_BYTES;
}

static bool receive(struct fl__sqs *q, fl_mono_ns now)
{
	const struct fl_cfg_findings_source *cfg = &q->source.cfg;
	bool longest = fl__sqs_calls(q, FL__SQS_RECEIVE) == 0 && q->source.s.state == FL_SOURCE_OK; /* else soon an answer, so that the state is known */
	struct fl__sqs_call *call = free_call(q);
	int wait_s = longest || cfg->wait_ms < MORE_WAIT_S * 1000 ? (int)(cfg->wait_ms / 1000) : MORE_WAIT_S;
	struct fl_buf body = { 0 };

	if (!call)
		return false;
	call->n = 0;
	fl_buf_str(&body, "{\"QueueUrl\":");
	fl_json_string(&body, fl_span_str(cfg->queue_url));
	fl_buf_printf(&body,
		      ",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%d,\"VisibilityTimeout\":%d,\"AttributeNames\":[\"ApproximateReceiveCount\",\"SentTimestamp\"],"
		      "\"MessageSystemAttributeNames\":[\"ApproximateReceiveCount\",\"SentTimestamp\"]}",
		      FL_AWS_BATCH, wait_s, (int)(cfg->visibility_ms / 1000));
	return start(q, call, FL__SQS_RECEIVE, "AmazonSQS.ReceiveMessage", &body, wait_s * 1000 + READ_MS, now);
}

static void received(struct fl__sqs *q, const struct fl_http_response *r, fl_mono_ns now)
{
	struct fl_arena arena = { 0 };
	struct fl_aws_messages v;
	struct fl_err err = { 0 };

	if (fl_aws_messages_parse(fl_buf_span(&r->body), &arena, &v, &err) < 0) {
		fl__aws_back_off(&q->source.aws, -1, now);
		fl__aws_source_failed(&q->source, FL__AWS_UNREADABLE, err.text);
	} else {
		for (size_t i = 0; i < v.n; i++)
			fl__sqs_take(q, &v.v[i], now);
		fl__aws_source_count(&q->source, FL_AWS_N_UNREADABLE, v.bad);
		q->parallel = v.n == 0 ? 1 : v.n < FL_AWS_BATCH ? q->parallel : q->parallel * 2 > FL__SQS_RECEIVES ? FL__SQS_RECEIVES : q->parallel * 2;
		if (!q->stage_down)
			fl__aws_source_ok(&q->source);
	}
	fl_arena_done(&arena);
}

/* --- batches --- */

static bool is_due(const struct fl__sqs *q, const struct fl__sqs_message *m, enum fl__sqs_what what, fl_mono_ns now)
{
	fl_mono_ns half = q->source.cfg.visibility_ms / 2 * FL_NS_PER_MS;

	if (m->named)
		return false;
	switch (what) {
	case FL__SQS_DELETE:
		return m->state == FL__SQS_DONE && now >= m->retry_at;
	case FL__SQS_RELEASE:
		return m->state == FL__SQS_UNDONE;
	case FL__SQS_EXTEND: /* what waits to be deleted as well, while deletions fail */
		return m->state < FL__SQS_UNDONE && now >= m->until - half && (m->state != FL__SQS_DONE || now < m->retry_at);
	default:
		return false;
	}
}

static size_t gather(struct fl__sqs *q, enum fl__sqs_what what, struct fl__sqs_message *v[FL_AWS_BATCH], fl_mono_ns now)
{
	size_t n = 0;

	for (struct fl__sqs_message *m = q->first; m && n < FL_AWS_BATCH; m = m->next)
		if (is_due(q, m, what, now))
			v[n++] = m;
	return n;
}

static bool call_batch(struct fl__sqs *q, enum fl__sqs_what what, fl_mono_ns now)
{
	struct fl__sqs_call *call = free_call(q);
	struct fl_buf body = { 0 };

	if (!call)
		return false;
	call->n = gather(q, what, call->v, now);
	if (call->n == 0)
		return false;
	fl_buf_str(&body, "{\"QueueUrl\":");
	fl_json_string(&body, fl_span_str(q->source.cfg.queue_url));
	for (size_t i = 0; i < call->n; i++) {
		fl_buf_printf(&body, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":", i ? "," : ",\"Entries\":[", i);
		fl_json_string(&body, fl_span_str(call->v[i]->receipt));
		if (what != FL__SQS_DELETE)
			fl_buf_printf(&body, ",\"VisibilityTimeout\":%d", what == FL__SQS_RELEASE ? 0 : (int)(q->source.cfg.visibility_ms / 1000));
		fl_buf_str(&body, "}");
	}
	fl_buf_str(&body, "]}");
	return start(q, call, what, what == FL__SQS_DELETE ? "AmazonSQS.DeleteMessageBatch" : "AmazonSQS.ChangeMessageVisibilityBatch", &body, READ_MS, now);
}

/* One entry's end. GONE: the receipt was of the past, so that the queue hands it out again, or has it no more. */
static void entry_ended(struct fl__sqs *q, struct fl__sqs_message *m, enum fl__sqs_what what, enum fl_aws_entry e, fl_mono_ns now)
{
	bool ok = e == FL_AWS_ENTRY_OK;

	if (!ok)
		fl__aws_source_count(&q->source, FL_AWS_N_FAILED, 1);
	if (m->renewed && what != FL__SQS_RELEASE)
		return; /* said of the receipt before: again, with the new one */
	if (what == FL__SQS_EXTEND) {
		m->until = ok ? now + q->source.cfg.visibility_ms * FL_NS_PER_MS : m->until + FL_NS_PER_S * 5; /* failed: once more, later */
	} else if (ok || e == FL_AWS_ENTRY_INVALID || what == FL__SQS_RELEASE || ++m->tries >= TRIES_MAX) {
		fl__aws_source_count(&q->source, what == FL__SQS_DELETE ? FL_AWS_N_DELETED : FL_AWS_N_RELEASED, ok);
		m->state = FL__SQS_GONE;
	} else
		m->retry_at = now + (FL_NS_PER_S << m->tries) / 2;
}

static void batch_ended(struct fl__sqs *q, const struct fl__sqs_call *call, const struct fl_http_response *r, fl_mono_ns now)
{
	enum fl_aws_entry e[FL_AWS_BATCH];
	struct fl_err err = { 0 };
	char why[64];

	if (fl_aws_batch_parse(fl_buf_span(&r->body), e, why, &err) < 0)
		fl__aws_source_failed(&q->source, FL__AWS_UNREADABLE, err.text); /* every entry unsaid */
	for (size_t i = 0; i < call->n; i++)
		entry_ended(q, call->v[i], call->what, e[i], now);
}

/* The call failed as a whole: what it named waits for another. While we stop there is none. */
static void call_failed(struct fl__sqs *q, const struct fl__sqs_call *call, fl_mono_ns now)
{
	fl_mono_ns again = q->source.aws.retry_at > now ? q->source.aws.retry_at : now;

	if (call->what == FL__SQS_RECEIVE)
		q->parallel = 1;
	else
		q->batch_retry = again;
	for (size_t i = 0; i < call->n; i++)
		if (q->source.stopping && again > now)
			call->v[i]->state = call->v[i]->doc.out ? call->v[i]->state : FL__SQS_GONE;
}

bool fl__sqs_answered(struct fl__sqs *q, struct fl_http_response *r, fl_mono_ns now)
{
	struct fl__sqs_call *at = q->calls, call;
	enum fl__aws_class c;
	char reason[256];

	while (at < q->calls + FL__SQS_CALLS && (!at->what || at->id != r->id))
		at++;
	if (at == q->calls + FL__SQS_CALLS)
		return false;
	call = *at;
	at->what = FL__SQS_NOTHING;
	for (size_t i = 0; i < call.n; i++)
		call.v[i]->named = false;
	c = fl__aws_judge(&q->source.aws, r, now, reason);
	if (c != FL__AWS_OK) {
		fl__aws_source_failed(&q->source, c, reason);
		call_failed(q, &call, now);
	} else if (call.what == FL__SQS_RECEIVE)
		received(q, r, now);
	else
		batch_ended(q, &call, r, now);
	return true;
}

/* --- what is due --- */

/* When the next renewal or repetition is due. */
static void wake_for(const struct fl__sqs *q, fl_mono_ns *wake)
{
	fl_mono_ns half = q->source.cfg.visibility_ms / 2 * FL_NS_PER_MS;

	for (const struct fl__sqs_message *m = q->first; m; m = m->next) {
		if (m->named)
			continue;
		if (m->state == FL__SQS_DONE)
			fl__earlier(wake, m->retry_at > q->batch_retry ? m->retry_at : q->batch_retry);
		if (m->state < FL__SQS_UNDONE)
			fl__earlier(wake, m->until - half > q->batch_retry ? m->until - half : q->batch_retry);
	}
}

/* Nothing will be called any more: what would be let go of is left to its visibility. */
static void give_up(struct fl__sqs *q)
{
	for (struct fl__sqs_message *m = q->first; m; m = m->next)
		if (!m->named && !m->doc.out && !m->doc.tag)
			m->state = FL__SQS_GONE;
}

void fl__sqs_call_all(struct fl__sqs *q, fl_mono_ns now, fl_mono_ns *wake)
{
	static const enum fl__sqs_what batches[] = { FL__SQS_EXTEND, FL__SQS_DELETE, FL__SQS_RELEASE };
	struct fl_aws_source *s = &q->source;
	bool idle = s->stopping && !q->first; /* nothing to ask credentials for */

	if (idle)
		return;
	if (!fl__aws_source_ready(s, now, wake)) {
		if (s->stopping && (now < s->aws.retry_at || (!s->aws.who.now && s->aws.who.phase == FL__WHO_IDLE)))
			give_up(q);
		return;
	}
	for (size_t i = 0; now >= q->batch_retry && i < sizeof(batches) / sizeof(batches[0]); i++)
		while (call_batch(q, batches[i], now))
			;
	wake_for(q, wake);
	while (!s->stopping && !q->stage_down && fl__sqs_calls(q, FL__SQS_RECEIVE) < q->parallel && now >= s->aws.retry_at && room_for_more(q) && receive(q, now))
		;
}
