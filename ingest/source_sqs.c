/* An SQS queue as a source: what becomes of a message.
 *
 *   receive -> WAITING -> WITH_STAGE -> DONE -> deleted
 *                 ^          |  |
 *                 '- stage --'  '- cannot be read: left to be handed out again; after max_receives LETTER -> POSTED -> DONE
 *                    is away
 *
 * A message is deleted when the stage says that it is durable, by the receipt of its latest receive. Until then it is kept from others by renewing its visibility, and given back at the stop. What is
 * lost on the way (our death, a deletion) comes again, and the stage knows it. Start at sqs_step(). */
#include "ingest/sqs_int.h"

#include <stdlib.h>

enum { STAGE_RETRY_MAX_S = 30, FULL_MS = 50, LETTER_RETRY_S = 5 };

static struct fl__sqs *sqs_of(struct fl_aws_source *s)
{
	return (struct fl__sqs *)s;
}

/* --- the messages that are held --- */

static size_t bucket_of(const char *id)
{
	uint32_t h = 2166136261;

	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 16777619;
	return h % FL__SQS_BUCKETS;
}

void fl__sqs_forget(struct fl__sqs *q, struct fl__sqs_message *m)
{
	struct fl__sqs_message **at = &q->bucket[bucket_of(m->id)];

	if (m->named || m->doc.out) { /* somebody still points to it */
		m->state = m->doc.out ? m->state : FL__SQS_GONE;
		return;
	}
	while (*at != m)
		at = &(*at)->same_bucket;
	*at = m->same_bucket;
	if (m->prev)
		m->prev->next = m->next;
	else
		q->first = m->next;
	if (m->next)
		m->next->prev = m->prev;
	q->held--;
	q->held_bytes -= m->doc.item.json.n;
	free(m->receipt);
	free(m);
}

/* id and body behind the struct. */
static struct fl__sqs_message *message_new(const struct fl_aws_message *from)
{
	size_t n = strlen(from->id) + 1;
	struct fl__sqs_message *m = calloc(1, sizeof(*m) + n + from->body.n);
	uint8_t *body;

	if (!m)
		return NULL;
	m->id = (char *)(m + 1);
	body = (uint8_t *)m->id + n;
	m->receipt = strdup(from->receipt);
	memcpy(m->id, from->id, n);
	if (from->body.n)
		memcpy(body, from->body.p, from->body.n);
	m->doc.item.json = fl_span(body, from->body.n);
	if (m->receipt)
		return m;
	free(m);
	return NULL;
}

static void renew(struct fl__sqs *q, struct fl__sqs_message *m, const struct fl_aws_message *from, fl_mono_ns now)
{
	char *receipt = strdup(from->receipt);

	fl__aws_source_count(&q->source, FL_AWS_N_REPEATED, 1);
	if (!receipt)
		return; /* it comes again */
	free(m->receipt);
	m->receipt = receipt;
	m->renewed = m->named;
	m->receives = from->receives;
	m->until = now + q->source.cfg.visibility_ms * FL_NS_PER_MS;
	if (m->state == FL__SQS_GONE) /* given up a moment ago: as if it came the first time */
		m->state = FL__SQS_WAITING;
	else if (m->state == FL__SQS_DONE)
		m->tries = 0;
}

void fl__sqs_take(struct fl__sqs *q, const struct fl_aws_message *from, fl_mono_ns now)
{
	size_t b = bucket_of(from->id);
	struct fl__sqs_message *m = q->bucket[b];

	fl__aws_source_count(&q->source, FL_AWS_N_RECEIVED, 1);
	while (m && strcmp(m->id, from->id) != 0)
		m = m->same_bucket;
	if (m) {
		renew(q, m, from, now);
		return;
	}
	m = message_new(from);
	if (!m)
		return; /* no memory: it comes again */
	m->sent_at = from->sent_at;
	m->receives = from->receives;
	m->received = now;
	m->until = now + q->source.cfg.visibility_ms * FL_NS_PER_MS;
	m->same_bucket = q->bucket[b];
	q->bucket[b] = m;
	m->next = q->first;
	if (q->first)
		q->first->prev = m;
	q->first = m;
	q->held++;
	q->held_bytes += from->body.n;
}

/* --- the stage's word --- */

static void unreadable(struct fl__sqs *q, struct fl__sqs_message *m, fl_mono_ns now)
{
	struct fl_aws_source *s = &q->source;
	bool often = m->receives >= s->cfg.max_receives;

	fl__aws_source_count(s, FL_AWS_N_UNREADABLE, 1);
	snprintf(m->why, sizeof(m->why), "%.150s", m->doc.item.err.text[0] ? m->doc.item.err.text : fl_code_text(m->doc.item.ret));
	snprintf(s->s.note, sizeof(s->s.note), "message %.60s cannot be read (handed out %u times): %.120s", m->id, m->receives, m->why);
	m->state = often && s->all->c.bus ? FL__SQS_LETTER : FL__SQS_GONE;
	m->retry_at = now;
	if (often && !s->all->c.bus)
		snprintf(s->s.note, sizeof(s->s.note), "message %.40s cannot be read, and without Kafka it cannot be set aside: the queue's own redrive policy has to; %.80s", m->id, m->why);
}

static void stage_away(struct fl__sqs *q, struct fl__sqs_message *m, fl_mono_ns now)
{
	struct fl_aws_source *s = &q->source;
	int64_t wait_s = q->stage_failures < 5 ? INT64_C(1) << q->stage_failures : STAGE_RETRY_MAX_S;

	fl__aws_source_count(s, FL_AWS_N_FAILED, 1);
	m->state = s->stopping ? FL__SQS_UNDONE : FL__SQS_WAITING;
	if (now >= q->stage_retry) { /* those of one batch fail together */
		q->stage_failures++;
		q->stage_retry = now + wait_s * FL_NS_PER_S + (fl_mono_ns)fl_random_below(s->all->c.random, (uint64_t)FL_NS_PER_S / 2);
	}
	q->stage_down = true;
	m->retry_at = q->stage_retry;
	if (!s->stopping) {
		s->s.state = FL_SOURCE_DEGRADED;
		snprintf(s->s.reason, sizeof(s->s.reason), "findings wait, they cannot be made durable: %.180s", m->doc.item.err.text);
	}
}

static void sqs_back(struct fl_aws_source *s, struct fl__document *d, fl_mono_ns now)
{
	struct fl__sqs *q = sqs_of(s);
	struct fl__sqs_message *m = (struct fl__sqs_message *)d;

	if (d->item.ret != 0 && d->item.ret != FL_EFORMAT && d->item.ret != FL_ELIMIT) {
		stage_away(q, m, now);
		return;
	}
	if (q->stage_down) {
		q->stage_down = false;
		q->stage_failures = 0;
		fl__aws_source_ok(s);
	}
	if (d->item.ret == 0) {
		fl__aws_source_count(s, FL_AWS_N_DURABLE, 1);
		m->state = FL__SQS_DONE;
		m->tries = 0;
		m->retry_at = now;
	} else
		unreadable(q, m, now);
}

static void hand_over(struct fl__sqs *q, struct fl__sqs_message *m, fl_mono_ns now, fl_mono_ns *wake)
{
	int ret;

	if (now < m->retry_at) {
		fl__earlier(wake, m->retry_at);
		return;
	}
	m->state = FL__SQS_WITH_STAGE; /* it may be back before push returns */
	ret = fl__aws_source_push(&q->source, &m->doc);
	if (ret == 0)
		return;
	m->state = FL__SQS_WAITING;
	m->retry_at = now + FULL_MS * FL_NS_PER_MS;
	fl__earlier(wake, m->retry_at);
}

static void post_letter(struct fl__sqs *q, struct fl__sqs_message *m, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl_err err = { 0 };
	char origin[700];

	if (now >= m->retry_at) {
		snprintf(origin, sizeof(origin), "%.500s %.120s", q->source.cfg.queue_url, m->id);
		m->state = FL__SQS_POSTED;
		if (fl__aws_source_letter(&q->source, &m->doc, m->why, origin, &err) == 0)
			return;
		m->state = FL__SQS_LETTER;
		m->retry_at = now + LETTER_RETRY_S * FL_NS_PER_S;
	}
	fl__earlier(wake, m->retry_at);
}

static bool sqs_set_aside(struct fl_aws_source *s, uint64_t tag, int code, fl_mono_ns now)
{
	struct fl__sqs_message *m = sqs_of(s)->first;

	while (m && m->doc.tag != tag)
		m = m->next;
	if (!m)
		return false;
	m->doc.tag = 0;
	m->state = code == 0 ? FL__SQS_DONE : FL__SQS_LETTER;
	m->retry_at = code == 0 ? now : now + LETTER_RETRY_S * FL_NS_PER_S;
	if (code == 0)
		fl__aws_source_count(s, FL_AWS_N_SET_ASIDE, 1);
	return true;
}

/* --- the source --- */

static void sqs_step(struct fl_aws_source *s, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl__sqs *q = sqs_of(s);
	struct fl__sqs_message *m, *next;

	for (m = q->first; m; m = next) {
		next = m->next;
		if (s->stopping && (m->state == FL__SQS_WAITING || m->state == FL__SQS_LETTER))
			m->state = FL__SQS_UNDONE;
		if (m->state == FL__SQS_WAITING)
			hand_over(q, m, now, wake);
		else if (m->state == FL__SQS_LETTER)
			post_letter(q, m, now, wake);
		else if (m->state == FL__SQS_GONE)
			fl__sqs_forget(q, m);
	}
	fl__sqs_call_all(q, now, wake);
}

static bool sqs_answer(struct fl_aws_source *s, struct fl_http_response *r, fl_mono_ns now)
{
	return fl__sqs_answered(sqs_of(s), r, now);
}

/* Receives that are under way are given up: what they would bring comes again when its visibility ends. */
static void sqs_stop(struct fl_aws_source *s, fl_mono_ns now)
{
	struct fl__sqs *q = sqs_of(s);

	(void)now;
	q->batch_retry = 0;
	for (size_t i = 0; i < FL__SQS_CALLS; i++)
		if (q->calls[i].what == FL__SQS_RECEIVE) {
			s->all->c.http->ops->cancel(s->all->c.http, q->calls[i].id);
			q->calls[i].what = FL__SQS_NOTHING;
		}
}

static bool sqs_idle(const struct fl_aws_source *s)
{
	const struct fl__sqs *q = (const struct fl__sqs *)s;

	for (size_t i = 0; i < FL__SQS_CALLS; i++)
		if (q->calls[i].what)
			return false;
	return q->held == 0;
}

static void sqs_status(const struct fl_aws_source *s, fl_unix_us now, struct fl_aws_source_status *out)
{
	const struct fl__sqs *q = (const struct fl__sqs *)s;
	fl_unix_us oldest = now;

	for (const struct fl__sqs_message *m = q->first; m; m = m->next)
		if (m->sent_at && m->sent_at < oldest)
			oldest = m->sent_at;
	out->in_flight = q->held;
	out->oldest_age_s = (now - oldest) / FL_US_PER_S;
}

static void sqs_free(struct fl_aws_source *s)
{
	struct fl__sqs *q = sqs_of(s);

	for (size_t i = 0; i < FL__SQS_CALLS; i++)
		if (q->calls[i].what)
			s->all->c.http->ops->cancel(s->all->c.http, q->calls[i].id);
	while (q->first) {
		q->first->named = q->first->doc.out = false;
		fl__sqs_forget(q, q->first);
	}
	fl__aws_source_done(s);
	free(q);
}

static const struct fl__aws_source_ops sqs_ops = { "sqs", sqs_step, sqs_answer, sqs_back, sqs_set_aside, sqs_stop, sqs_idle, sqs_status, sqs_free };

struct fl_aws_source *fl__sqs_new(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg)
{
	struct fl__sqs *q = calloc(1, sizeof(*q));

	if (q && fl__aws_source_init(&q->source, all, cfg, &sqs_ops, "sqs", cfg->queue_url)) {
		q->parallel = 1;
		return &q->source;
	}
	if (q)
		fl__aws_source_done(&q->source);
	free(q);
	return NULL;
}
