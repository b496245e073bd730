/* A GuardDuty detector as a source, for where no queue can be had: every `every`, what was updated since the last time.
 *
 *   IDLE -> LISTING (a page of 50 ids) -> GETTING (these findings) -> STAGE (until each is durable) -> LISTING (next page) ... -> IDLE, position moved
 *
 * The position is the latest updatedAt that was seen, kept in STATE/sources/NAME.position. It moves when every page is durable, and a list begins a quarter of an hour before it, because findings become
 * visible out of order; what was seen in that time is known by id and updatedAt. Archived findings are listed too: they withdraw. A crash repeats, and never skips. Start at guardduty_step(). */
#include <stdlib.h>

#include "base/text.h"
#include "ingest/aws_int.h"

enum { OVERLAP_S = 900, READ_MS = 30000, SEEN_MAX = 20000, PAGES_MAX = 4000, FULL_MS = 50, STAGE_RETRY_S = 5, LETTER_RETRY_S = 5, POSITION_MAX = 512 };

enum phase { IDLE, LISTING, GETTING, STAGE };
enum doc_state { READY, WITH_STAGE, LETTER, POSTED, DONE };
struct doc {
	struct fl__document doc;
	enum doc_state state;
	const char *id;
	fl_unix_us updated_at;
	fl_mono_ns retry_at;
	char why[160];
};
struct seen {
	char id[64];
	fl_unix_us updated_at;
};
struct guardduty {
	struct fl_aws_source source;
	char path[FL_SET_NAME + 16]; /* of the position */
	fl_unix_us position, newest; /* kept; of this round */
	fl_mono_ns due;
	enum phase phase;
	bool calling;
	uint64_t call;
	unsigned pages;
	char token[FL_AWS_TOKEN_MAX + 1]; /* of the page to be listed; "" the first */
	struct fl_arena arena;		  /* of the page */
	struct fl_aws_finding_ids ids;
	struct doc *docs;
	size_t n_docs;
	struct seen *seen; /* of the last quarter of an hour before the position */
	size_t n_seen, cap_seen;
};

static struct guardduty *of(struct fl_aws_source *s)
{
	return (struct guardduty *)s;
}

/* --- the position --- */

static void position_read(struct guardduty *g)
{
	const struct fl_cfg_findings_source *cfg = &g->source.cfg;
	struct fl_disk *d = g->source.all->c.state;
	struct fl_buf b = { 0 };
	char detector[80], region[80];
	long long at;

	if (d && d->ops->read(d, g->path, POSITION_MAX, &b, NULL) == 0 && fl_buf_cstr(&b) && sscanf((const char *)b.p, "FLGD1 %79s %79s %lld", region, detector, &at) == 3 &&
	    strcmp(region, cfg->region) == 0 && strcmp(detector, cfg->detector_id) == 0 && at > 0)
		g->position = at;
	fl_buf_done(&b);
}

static int position_write(struct guardduty *g, struct fl_err *err)
{
	struct fl_disk *d = g->source.all->c.state;
	char text[POSITION_MAX];
	int n = snprintf(text, sizeof(text), "FLGD1 %.79s %.79s %lld\n", g->source.cfg.region, g->source.cfg.detector_id, (long long)g->position);

	return d ? fl_disk_replace(d, g->path, fl_span(text, (size_t)n), err) : 0;
}

static bool was_seen(const struct guardduty *g, const struct fl_aws_finding *f)
{
	for (size_t i = 0; i < g->n_seen; i++)
		if (g->seen[i].updated_at == f->updated_at && strcmp(g->seen[i].id, f->id) == 0)
			return true;
	return false;
}

static void prune_seen(struct guardduty *g, fl_unix_us latest)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_seen; i++)
		if (g->seen[i].updated_at >= latest - OVERLAP_S * FL_US_PER_S)
			g->seen[n++] = g->seen[i];
	g->n_seen = n;
}

/* Those that are not kept are handed over once more, which harms nothing. */
static void keep_seen(struct guardduty *g, const struct doc *d)
{
	struct seen *more;

	if (g->n_seen == SEEN_MAX) /* a long first round */
		prune_seen(g, g->newest);
	if (!d->id[0] || !d->updated_at || strlen(d->id) >= sizeof(g->seen->id) || g->n_seen == SEEN_MAX)
		return;
	if (g->n_seen == g->cap_seen) {
		more = realloc(g->seen, (g->cap_seen * 2 + 64) * sizeof(*more));
		if (!more)
			return;
		g->seen = more;
		g->cap_seen = g->cap_seen * 2 + 64;
	}
	snprintf(g->seen[g->n_seen].id, sizeof(g->seen->id), "%s", d->id);
	g->seen[g->n_seen++].updated_at = d->updated_at;
}

/* --- rounds --- */

static void end_page(struct guardduty *g)
{
	fl_arena_done(&g->arena);
	memset(&g->ids, 0, sizeof(g->ids));
	g->docs = NULL;
	g->n_docs = 0;
}

static void begin_round(struct guardduty *g)
{
	end_page(g);
	g->phase = LISTING;
	g->token[0] = '\0';
	g->pages = 0;
	g->newest = g->position;
}

static void end_round(struct guardduty *g, fl_mono_ns now)
{
	struct fl_err err = { 0 };

	end_page(g);
	g->phase = IDLE;
	g->due = now + g->source.cfg.every_ms * FL_NS_PER_MS;
	fl__aws_source_ok(&g->source);
	if (g->newest == g->position)
		return;
	g->position = g->newest;
	prune_seen(g, g->position);
	if (position_write(g, &err) < 0)
		snprintf(g->source.s.note, sizeof(g->source.s.note), "the position is not kept, a restart asks for more than it has to: %.150s", err.text);
}

static void next_page(struct guardduty *g, fl_mono_ns now)
{
	bool more = g->token[0] != '\0';

	end_page(g);
	g->phase = LISTING;
	if (more && (g->pages < PAGES_MAX || g->newest == g->position))
		return;
	end_round(g, now);
	if (more) /* of so many pages not all is lost when one fails: the next round goes on from here */
		g->due = now;
}

/* --- calls --- */

static void call(struct guardduty *g, const char *what, struct fl_buf *take_body, fl_mono_ns now)
{
	struct fl_aws_source *s = &g->source;
	struct fl_err err = { 0 };
	char path[256];
	const struct fl__aws_call c = { path, NULL, fl_buf_span(take_body), READ_MS };
	int ret;

	snprintf(path, sizeof(path), "/detector/%.100s/%s", s->cfg.detector_id, what);
	ret = take_body->failed ? FL_ENOMEM : fl__aws_start(&s->aws, &c, &g->call, &err);
	fl_buf_done(take_body);
	g->calling = ret == 0;
	if (ret < 0) {
		fl__aws_back_off(&s->aws, -1, now);
		fl__aws_source_failed(s, ret == FL_EREFUSED ? FL__AWS_OTHER : FL__AWS_UNREACHABLE, err.text);
	}
}

static void list(struct guardduty *g, fl_mono_ns now)
{
	int64_t from = g->position / 1000 - OVERLAP_S * 1000;
	struct fl_buf body = { 0 };

	fl_buf_printf(&body, "{\"findingCriteria\":{\"criterion\":{\"updatedAt\":{\"greaterThanOrEqual\":%lld}}},\"sortCriteria\":{\"attributeName\":\"updatedAt\",\"orderBy\":\"ASC\"},\"maxResults\":%d",
		      (long long)(from > 0 ? from : 0), FL_AWS_FINDINGS);
	if (g->token[0]) {
		fl_buf_str(&body, ",\"nextToken\":");
		fl_json_string(&body, fl_span_str(g->token));
	}
	fl_buf_str(&body, "}");
	call(g, "findings", &body, now);
}

static void get(struct guardduty *g, fl_mono_ns now)
{
	struct fl_buf body = { 0 };

	fl_buf_str(&body, "{\"findingIds\":[");
	for (size_t i = 0; i < g->ids.n; i++) {
		fl_buf_str(&body, i ? "," : "");
		fl_json_string(&body, fl_span_str(g->ids.v[i]));
	}
	fl_buf_str(&body, "]}");
	call(g, "findings/get", &body, now);
}

static int listed(struct guardduty *g, const struct fl_http_response *r, fl_mono_ns now, struct fl_err *err)
{
	int ret = fl_aws_finding_ids_parse(fl_buf_span(&r->body), &g->arena, &g->ids, err);

	if (ret < 0)
		return ret;
	if (++g->pages > PAGES_MAX || (g->ids.next[0] && strcmp(g->ids.next, g->token) == 0))
		return fl_err_set(err, FL_EFORMAT, "the list of findings does not end");
	snprintf(g->token, sizeof(g->token), "%s", g->ids.next);
	if (g->ids.n)
		g->phase = GETTING;
	else
		next_page(g, now);
	return 0;
}

static int got(struct guardduty *g, const struct fl_http_response *r, struct fl_err *err)
{
	struct fl_aws_findings v;
	int ret = fl_aws_findings_parse(fl_buf_span(&r->body), &g->arena, &v, err);

	if (ret < 0)
		return ret;
	g->docs = fl_arena_array(&g->arena, v.n + 1, sizeof(*g->docs));
	if (!g->docs)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	fl__aws_source_count(&g->source, FL_AWS_N_RECEIVED, v.n);
	for (size_t i = 0; i < v.n; i++) {
		if (was_seen(g, &v.v[i])) {
			fl__aws_source_count(&g->source, FL_AWS_N_REPEATED, 1);
			if (v.v[i].updated_at > g->newest) /* of a round that was broken off */
				g->newest = v.v[i].updated_at;
			continue;
		}
		g->docs[g->n_docs].id = v.v[i].id;
		g->docs[g->n_docs].updated_at = v.v[i].updated_at;
		g->docs[g->n_docs++].doc.item.json = v.v[i].json;
	}
	g->phase = STAGE;
	return 0;
}

static bool guardduty_answer(struct fl_aws_source *s, struct fl_http_response *r, fl_mono_ns now)
{
	struct guardduty *g = of(s);
	enum fl__aws_class c;
	char reason[256];
	struct fl_err err = { 0 };
	int ret;

	if (!g->calling || r->id != g->call)
		return false;
	g->calling = false;
	c = fl__aws_judge(&s->aws, r, now, reason);
	if (c != FL__AWS_OK) {
		fl__aws_source_failed(s, c, reason);
		if (c == FL__AWS_OTHER && (g->phase == GETTING || g->token[0])) /* a token may be too old, or an id unknown by now */
			begin_round(g);
		return true;
	}
	ret = g->phase == LISTING ? listed(g, r, now, &err) : got(g, r, &err);
	if (ret < 0) {
		begin_round(g);
		fl__aws_back_off(&s->aws, -1, now);
		fl__aws_source_failed(s, FL__AWS_UNREADABLE, err.text);
	}
	return true;
}

/* --- the stage's word --- */

static void guardduty_back(struct fl_aws_source *s, struct fl__document *doc, fl_mono_ns now)
{
	struct doc *d = (struct doc *)doc;
	int ret = doc->item.ret;

	if (ret == 0) {
		d->state = DONE;
		fl__aws_source_count(s, FL_AWS_N_DURABLE, 1);
	} else if (ret == FL_EFORMAT || ret == FL_ELIMIT) {
		fl__aws_source_count(s, FL_AWS_N_UNREADABLE, 1);
		snprintf(d->why, sizeof(d->why), "%.150s", doc->item.err.text);
		snprintf(s->s.note, sizeof(s->s.note), "finding %.60s cannot be read: %.150s", d->id, d->why);
		d->state = s->all->c.bus ? LETTER : DONE;
		d->retry_at = now;
	} else {
		fl__aws_source_count(s, FL_AWS_N_FAILED, 1);
		d->state = READY;
		d->retry_at = now + STAGE_RETRY_S * FL_NS_PER_S;
		if (!s->stopping) {
			s->s.state = FL_SOURCE_DEGRADED;
			snprintf(s->s.reason, sizeof(s->s.reason), "findings wait, they cannot be made durable: %.180s", doc->item.err.text);
		}
	}
}

static bool guardduty_set_aside(struct fl_aws_source *s, uint64_t tag, int code, fl_mono_ns now)
{
	struct guardduty *g = of(s);

	for (size_t i = 0; i < g->n_docs; i++)
		if (g->docs[i].doc.tag == tag) {
			g->docs[i].doc.tag = 0;
			g->docs[i].state = code == 0 ? DONE : LETTER;
			g->docs[i].retry_at = now + LETTER_RETRY_S * FL_NS_PER_S;
			fl__aws_source_count(s, FL_AWS_N_SET_ASIDE, code == 0);
			return true;
		}
	return false;
}

static void drive(struct guardduty *g, struct doc *d, fl_mono_ns now, fl_mono_ns *wake)
{
	struct fl_aws_source *s = &g->source;
	char origin[200];

	if (now >= d->retry_at && d->state == READY) {
		d->state = WITH_STAGE; /* it may be back before push returns */
		if (fl__aws_source_push(s, &d->doc) == 0)
			return;
		d->state = READY;
		d->retry_at = now + FULL_MS * FL_NS_PER_MS;
	} else if (now >= d->retry_at && d->state == LETTER) {
		snprintf(origin, sizeof(origin), "guardduty detector %.60s finding %.100s", s->cfg.detector_id, d->id);
		d->state = POSTED;
		if (fl__aws_source_letter(s, &d->doc, d->why, origin, NULL) == 0)
			return;
		d->state = LETTER;
		d->retry_at = now + LETTER_RETRY_S * FL_NS_PER_S;
	}
	if (d->state == READY || d->state == LETTER)
		fl__earlier(wake, d->retry_at);
}

/* True when the page is durable. */
static bool drive_page(struct guardduty *g, fl_mono_ns now, fl_mono_ns *wake)
{
	size_t done = 0;

	for (size_t i = 0; i < g->n_docs; i++) {
		drive(g, &g->docs[i], now, wake);
		done += g->docs[i].state == DONE;
	}
	if (done < g->n_docs)
		return false;
	for (size_t i = 0; i < g->n_docs; i++) {
		if (g->docs[i].updated_at > g->newest)
			g->newest = g->docs[i].updated_at;
		keep_seen(g, &g->docs[i]);
	}
	return true;
}

/* --- the source --- */

static void guardduty_step(struct fl_aws_source *s, fl_mono_ns now, fl_mono_ns *wake)
{
	struct guardduty *g = of(s);

	if (s->stopping || g->calling)
		return;
	if (g->phase == IDLE && now >= g->due)
		begin_round(g);
	if (g->phase == STAGE && drive_page(g, now, wake))
		next_page(g, now);
	if (g->phase == IDLE)
		fl__earlier(wake, g->due);
	if ((g->phase != LISTING && g->phase != GETTING) || !fl__aws_source_ready(s, now, wake))
		return;
	if (g->phase == LISTING)
		list(g, now);
	else
		get(g, now);
	if (!g->calling)
		fl__earlier(wake, s->aws.retry_at);
}

static void guardduty_stop(struct fl_aws_source *s, fl_mono_ns now)
{
	struct guardduty *g = of(s);

	(void)now;
	if (g->calling)
		s->all->c.http->ops->cancel(s->all->c.http, g->call);
	g->calling = false;
}

static bool guardduty_idle(const struct fl_aws_source *s)
{
	const struct guardduty *g = (const struct guardduty *)s;

	for (size_t i = 0; i < g->n_docs; i++)
		if (g->docs[i].doc.out || g->docs[i].doc.tag)
			return false;
	return true;
}

static void guardduty_status(const struct fl_aws_source *s, fl_unix_us now, struct fl_aws_source_status *out)
{
	const struct guardduty *g = (const struct guardduty *)s;
	fl_unix_us oldest = now;

	for (size_t i = 0; i < g->n_docs; i++) {
		out->in_flight += g->docs[i].state != DONE;
		if (g->docs[i].state != DONE && g->docs[i].updated_at && g->docs[i].updated_at < oldest)
			oldest = g->docs[i].updated_at;
	}
	out->oldest_age_s = (now - oldest) / FL_US_PER_S;
}

static void guardduty_free(struct fl_aws_source *s)
{
	struct guardduty *g = of(s);

	guardduty_stop(s, 0);
	end_page(g);
	free(g->seen);
	fl__aws_source_done(s);
	free(g);
}

static const struct fl__aws_source_ops guardduty_ops = { "guardduty",     guardduty_step, guardduty_answer, guardduty_back, guardduty_set_aside,
						     guardduty_stop, guardduty_idle, guardduty_status, guardduty_free };

struct fl_aws_source *fl__guardduty_new(struct fl_aws_sources *all, const struct fl_cfg_findings_source *cfg)
{
	struct guardduty *g = calloc(1, sizeof(*g));
	char endpoint[200];

	snprintf(endpoint, sizeof(endpoint), "https://guardduty.%.60s.amazonaws.com%s", cfg->region, strncmp(cfg->region, "cn-", 3) == 0 ? ".cn" : "");
	if (g && fl__aws_source_init(&g->source, all, cfg, &guardduty_ops, "guardduty", endpoint)) {
		snprintf(g->path, sizeof(g->path), "%s.position", cfg->name);
		position_read(g);
		return &g->source;
	}
	if (g)
		fl__aws_source_done(&g->source);
	free(g);
	return NULL;
}
