/* All AWS sources of a configuration, stepped. Documents come back in the stage's thread, onto a list under a lock; everything else is of one thread. Start at fl_aws_sources_step(). */
#include "ingest/aws_int.h"

#include <stdlib.h>

#include "ingest/feed_int.h"

enum { LETTERS_MS = 50 };

static const char *const count_words[] = {
#define FL_X(name, word) word,
	FL_AWS_COUNTS(FL_X)
#undef FL_X
};

const char *fl_aws_count_word(enum fl_aws_count c)
{
	return count_words[c];
}

/* --- what every source does --- */

static const char *kept(struct fl_aws_source *s, const char *text)
{
	return fl_arena_str(&s->arena, text ? text : "");
}

/* Without the slash at its end; "scheme://authority" alone of a queue's URL. */
static const char *endpoint_of(struct fl_aws_source *s, const char *url, bool authority_only)
{
	const char *host = strstr(url, "://");
	size_t n = strlen(url);

	if (authority_only && host)
		n = (size_t)(host + 3 - url) + strcspn(host + 3, "/?#");
	while (n && url[n - 1] == '/')
		n--;
	return fl_arena_strn(&s->arena, url, n);
}

bool fl__aws_source_init(struct fl_aws_source *s, struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg, const struct fl__aws_source_ops *ops, const char *service, const char *endpoint)
{
	struct fl_cfg_findings_source *c = &s->cfg;

	s->ops = ops;
	s->all = all;
	*c = (struct fl_cfg_findings_source){ .name = kept(s, cfg->name), .type = cfg->type, .enabled = cfg->enabled, .queue_url = kept(s, cfg->queue_url), .region = kept(s, cfg->region),
					      .detector_id = kept(s, cfg->detector_id), .endpoint = kept(s, cfg->endpoint), .credentials_file = kept(s, cfg->credentials_file),
					      .profile = kept(s, cfg->profile), .ca_file = kept(s, cfg->ca_file), .wait_ms = cfg->wait_ms, .visibility_ms = cfg->visibility_ms,
					      .every_ms = cfg->every_ms, .max_receives = cfg->max_receives };
	if (!c->name || !c->queue_url || !c->region || !c->detector_id || !c->endpoint || !c->credentials_file || !c->profile || !c->ca_file)
		return false;
	s->aws = (struct fl__aws){ .who = { .c = &all->c, .file = c->credentials_file, .profile = c->profile[0] ? c->profile : "default" }, .region = c->region, .service = service,
				   .ca_file = c->ca_file };
	s->aws.url = endpoint_of(s, c->endpoint[0] ? c->endpoint : endpoint, !c->endpoint[0]);
	s->s.type = ops->type;
	snprintf(s->s.name, sizeof(s->s.name), "%s", c->name);
	return s->aws.url != NULL;
}

void fl__aws_source_done(struct fl_aws_source *s)
{
	fl__who_done(&s->aws.who);
	fl_arena_done(&s->arena);
}

void fl__aws_source_count(struct fl_aws_source *s, enum fl_aws_count c, uint64_t n)
{
	s->s.counts[c] += n;
}

void fl__aws_source_ok(struct fl_aws_source *s)
{
	s->s.state = FL_SOURCE_OK;
	s->s.reason[0] = '\0';
	s->s.last_ok = fl_now_unix(s->all->c.clock);
}

void fl__aws_source_failed(struct fl_aws_source *s, enum fl__aws_class c, const char *reason)
{
	s->s.errors++;
	s->s.state = fl__aws_for_person(c) ? FL_SOURCE_FAILED : FL_SOURCE_DEGRADED;
	snprintf(s->s.reason, sizeof(s->s.reason), "%s", reason);
}

bool fl__aws_source_ready(struct fl_aws_source *s, fl_mono_ns now, fl_mono_ns *wake)
{
	int ret;

	if (now < s->aws.retry_at) {
		fl__earlier(wake, s->aws.retry_at);
		return false;
	}
	ret = fl__who_get(&s->aws.who, now);
	if (ret < 0) {
		fl__earlier(wake, s->aws.who.retry_at);
		s->s.state = FL_SOURCE_FAILED;
		snprintf(s->s.reason, sizeof(s->s.reason), "%s", s->aws.who.problem);
	}
	return ret == 1;
}

static void came_back(void *ctx, struct fl_intake_item *item)
{
	struct fl_aws_source *s = ctx;
	struct fl_aws_sources *all = s->all;
	struct fl__document *d = (struct fl__document *)item;
	bool first;

	pthread_mutex_lock(&all->lock);
	first = !all->back;
	d->next = all->back;
	all->back = d;
	pthread_mutex_unlock(&all->lock);
	if (first && all->c.wake)
		all->c.wake(all->c.wake_ctx);
}

int fl__aws_source_push(struct fl_aws_source *s, struct fl__document *d)
{
	int ret;

	d->item.source = d->item.actor = s->cfg.name;
	d->item.received_at = d->item.received_at ? d->item.received_at : fl_now_unix(s->all->c.clock);
	d->item.done = came_back;
	d->item.ctx = s;
	d->item.ret = 0;
	d->item.err = (struct fl_err){ 0 };
	d->item.outcome = (struct fl_finding_outcome){ 0 };
	d->out = true; /* before: it may come back at once */
	ret = fl_intake_push(s->all->c.intake, &d->item);
	if (ret < 0)
		d->out = false;
	return ret;
}

int fl__aws_source_letter(struct fl_aws_source *s, struct fl__document *d, const char *reason, const char *origin, struct fl_err *err)
{
	const struct fl_bus_header headers[] = { { "reason", fl_span_str(reason) }, { "origin", fl_span_str(origin) } };
	uint64_t tag = s->all->last_tag + 1;
	int ret;

	if (!s->all->c.bus)
		return FL_ENOTFOUND;
	ret = fl_bus_produce(s->all->c.bus, FL_BUS_CONTROL, FL_TOPIC_DEAD_LETTER, fl_span_str(s->cfg.name), d->item.json, headers, 2, tag, err);
	if (ret == 0) {
		d->tag = s->all->last_tag = tag;
		s->all->letters++;
	}
	return ret;
}

/* --- all of them --- */

static struct fl_aws_source *source_new(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg)
{
	return cfg->type == FL_FINDINGS_SQS ? fl__sqs_new(all, cfg) : fl__guardduty_new(all, cfg);
}

static bool is_ours(const struct fl_cfg_findings_source *cfg)
{
	return cfg->enabled && (cfg->type == FL_FINDINGS_SQS || cfg->type == FL_FINDINGS_GUARDDUTY);
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same(const struct fl_cfg_findings_source *a, const struct fl_cfg_findings_source *b)
{
	return a->type == b->type && same_text(a->name, b->name) && same_text(a->queue_url, b->queue_url) && same_text(a->region, b->region) &&
	       same_text(a->detector_id, b->detector_id) && same_text(a->endpoint, b->endpoint) && same_text(a->credentials_file, b->credentials_file) &&
	       same_text(a->profile, b->profile) && same_text(a->ca_file, b->ca_file) && a->wait_ms == b->wait_ms && a->visibility_ms == b->visibility_ms &&
	       a->every_ms == b->every_ms && a->max_receives == b->max_receives;
}

/* The one that is as cfg says, taken out of the list; NULL: none. */
static struct fl_aws_source *take_same(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg)
{
	for (struct fl_aws_source **at = &all->first, *s; (s = *at); at = &s->next)
		if (!s->stopping && same(&s->cfg, cfg)) {
			*at = s->next;
			s->next = NULL;
			return s;
		}
	return NULL;
}

static void stop_one(struct fl_aws_source *s, fl_mono_ns now)
{
	if (s->stopping)
		return;
	s->stopping = true;
	s->aws.retry_at = 0; /* one more try: to let go of what is held */
	s->ops->stop(s, now);
}

int fl_aws_sources_reload(struct fl_aws_sources *all, const struct fl_config *cfg)
{
	struct fl_aws_source *first = NULL, **end = &first, *s;
	fl_mono_ns now = fl_now_mono(all->c.clock);
	int ret = 0;

	for (size_t i = 0; i < cfg->findings.n_sources; i++) {
		const struct fl_cfg_findings_source *f = &cfg->findings.sources[i];

		if (!is_ours(f))
			continue;
		s = take_same(all, f);
		if (!s)
			s = source_new(all, f);
		if (!s) {
			ret = FL_ENOMEM;
			continue;
		}
		*end = s;
		end = &s->next;
	}
	*end = all->first;
	for (s = all->first; s; s = s->next)
		stop_one(s, now);
	all->first = first ? first : all->first;
	all->c.cfg = cfg;
	return ret;
}

int fl_aws_sources_open(const struct fl_aws_sources_config *c, struct fl_aws_sources **out, struct fl_err *err)
{
	struct fl_aws_sources *all = calloc(1, sizeof(*all));

	if (!all)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	all->c = *c;
	pthread_mutex_init(&all->lock, NULL);
	if (fl_aws_sources_reload(all, c->cfg) < 0) {
		fl_aws_sources_close(all);
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	*out = all;
	return 0;
}

static void take_back(struct fl_aws_sources *all, fl_mono_ns now)
{
	struct fl__document *d, *next;

	pthread_mutex_lock(&all->lock);
	d = all->back;
	all->back = NULL;
	pthread_mutex_unlock(&all->lock);
	for (; d; d = next) {
		struct fl_aws_source *s = d->item.ctx;

		next = d->next;
		d->out = false;
		s->ops->back(s, d, now);
	}
}

static void take_answers(struct fl_aws_sources *all, fl_mono_ns now)
{
	struct fl_http_response r;

	while (all->c.http->ops->poll(all->c.http, 0, &r) == 1) {
		for (struct fl_aws_source *s = all->first; s; s = s->next)
			if (fl__who_answer(&s->aws.who, &r, now) || s->ops->answer(s, &r, now))
				break;
		fl_http_response_done(&r);
	}
}

struct reports {
	struct fl_aws_sources *all;
	fl_mono_ns now;
};

static void report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	struct reports *r = ctx;

	(void)partition, (void)offset;
	if (r->all->letters)
		r->all->letters--;
	for (struct fl_aws_source *s = r->all->first; s; s = s->next)
		if (s->ops->set_aside(s, tag, code, r->now))
			return;
}

static void drop_idle(struct fl_aws_sources *all)
{
	for (struct fl_aws_source **at = &all->first, *s; (s = *at);) {
		if (!s->stopping || !s->ops->idle(s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->ops->free(s);
	}
}

int fl_aws_sources_step(struct fl_aws_sources *all, fl_mono_ns now, fl_mono_ns *wake)
{
	struct reports r = { all, now };

	*wake = now + 60 * FL_NS_PER_S;
	take_back(all, now);
	take_answers(all, now);
	if (all->c.bus)
		fl_bus_poll(all->c.bus, FL_BUS_CONTROL, 0, report, &r);
	for (struct fl_aws_source *s = all->first; s; s = s->next)
		s->ops->step(s, now, wake);
	drop_idle(all);
	if (all->letters)
		fl__earlier(wake, now + LETTERS_MS * FL_NS_PER_MS);
	return 0;
}

void fl_aws_sources_wait(struct fl_aws_sources *all, fl_mono_ns wake, int fd)
{
	fl_mono_ns left = wake - fl_now_mono(all->c.clock);
	bool back;

	pthread_mutex_lock(&all->lock);
	back = all->back != NULL;
	pthread_mutex_unlock(&all->lock);
	if (left > 0 && !back)
		all->c.http->ops->wait(all->c.http, (int)((left + FL_NS_PER_MS - 1) / FL_NS_PER_MS), fd);
}

void fl_aws_sources_stop(struct fl_aws_sources *all)
{
	for (struct fl_aws_source *s = all->first; s; s = s->next)
		stop_one(s, fl_now_mono(all->c.clock));
}

bool fl_aws_sources_idle(const struct fl_aws_sources *all)
{
	return all->first == NULL;
}

void fl_aws_sources_close(struct fl_aws_sources *all)
{
	struct fl_aws_source *s, *next;

	if (!all)
		return;
	take_back(all, fl_now_mono(all->c.clock));
	for (s = all->first; s; s = next) {
		next = s->next;
		s->ops->free(s);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* --- what they say --- */

static void status_of(const struct fl_aws_source *s, struct fl_aws_source_status *out)
{
	fl_unix_us at = fl_now_unix(s->all->c.clock);
	fl_mono_ns left = s->aws.retry_at - fl_now_mono(s->all->c.clock);

	*out = s->s;
	snprintf(out->credentials, sizeof(out->credentials), "%s", s->aws.who.from);
	out->next_try = left > 0 ? at + left / 1000 : 0;
	out->clock_skew_s = s->aws.skew_s;
	s->ops->status(s, at, out);
}

void fl_aws_sources_status(struct fl_aws_sources *all, struct fl_arena *arena, struct fl_aws_source_status **out, size_t *n)
{
	size_t count = 0;

	for (const struct fl_aws_source *s = all->first; s; s = s->next)
		count += !s->stopping;
	*n = 0;
	*out = fl_arena_array(arena, count + 1, sizeof(**out));
	for (const struct fl_aws_source *s = all->first; s && *out; s = s->next)
		if (!s->stopping)
			status_of(s, &(*out)[(*n)++]);
}

void fl_aws_sources_metrics(struct fl_aws_sources *all, struct fl_buf *out)
{
	struct fl_arena arena = { 0 };
	struct fl_aws_source_status *v;
	size_t n;

	fl_aws_sources_status(all, &arena, &v, &n);
	fl_metric_family(out, "fireline_findings_aws_documents_total", FL_COUNTER, "Messages and findings of an AWS source, by what became of them.");
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < FL_AWS_COUNT_N; k++)
			fl_metric_u64(out, "fireline_findings_aws_documents_total", "", FL_LABELS("source", v[i].name, "result", count_words[k]), v[i].counts[k]);
	fl_metric_family(out, "fireline_findings_aws_errors_total", FL_COUNTER, "Calls of an AWS source that failed.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_aws_errors_total", "", FL_LABELS("source", v[i].name), v[i].errors);
	fl_metric_family(out, "fireline_findings_aws_up", FL_GAUGE, "1: the last call of an AWS source was answered well.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_aws_up", "", FL_LABELS("source", v[i].name), v[i].state == FL_SOURCE_OK);
	fl_metric_family(out, "fireline_findings_aws_in_flight", FL_GAUGE, "Documents of an AWS source that are held, and not yet durable or not yet deleted.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_aws_in_flight", "", FL_LABELS("source", v[i].name), v[i].in_flight);
	fl_metric_family(out, "fireline_findings_aws_oldest_age_seconds", FL_GAUGE, "Since the oldest held document was sent.");
	for (size_t i = 0; i < n; i++)
		fl_metric_u64(out, "fireline_findings_aws_oldest_age_seconds", "", FL_LABELS("source", v[i].name), (uint64_t)v[i].oldest_age_s);
	fl_arena_done(&arena);
}
