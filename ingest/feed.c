/* One feed. Whatever goes wrong, the last good version stands and the reason is kept for people. What fetching costs others is bounded: conditional requests, one transfer a
 * host, back-off with jitter, Retry-After. ETag, Last-Modified and the body's digest are read from the source's version: kept elsewhere, a store that lost
 * its tail and a 304 would lose names for ever. */
#include "ingest/feed_int.h"

#include <stdlib.h>

#include "base/text.h"

enum { BACKOFF_FIRST_MS = 30000, RETRY_AFTER_MAX_S = 86400, WATCH_MS = 2000, STORE_RETRY_MS = 1000, REDIRECTS_MAX = 5 };

const char *fl_feed_state_word(enum fl_feed_state s)
{
	static const char *const words[] = { "new", "ok", "unchanged", "fetching", "degraded", "held", "stale", "disabled" };

	return words[s];
}

static void hash_fields(struct fl_buf *b, const struct fl_cfg_fields *f)
{
	const char *const v[] = { f->value, f->type, f->category, f->confidence, f->first_seen, f->expires };

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		fl_buf_printf(b, "\n%s", v[i] ? v[i] : "");
}

/* Of all that decides what a body says. */
static void settings_hash(const struct fl_ingest *g, const struct fl_cfg_feed *cfg, char out[17])
{
	struct fl_buf b = { 0 };
	uint64_t h;

	fl_buf_printf(&b, "4 %s\n%s\n%llx %d %u %u %u %u %llu %d %d\n%s\n%s", cfg->url ? cfg->url : "", cfg->path ? cfg->path : "", (unsigned long long)g->protect_mark, cfg->format, cfg->scope, cfg->confidence, (unsigned)cfg->category, cfg->remove_after_absent,
		      (unsigned long long)cfg->min_names, cfg->delimiter, cfg->urls, cfg->items ? cfg->items : "", cfg->exceptions ? cfg->exceptions : "");
	hash_fields(&b, &cfg->columns);
	hash_fields(&b, &cfg->pointers);
	h = fl_checksum64(b.p, b.n);
	fl_hex(&h, sizeof(h), out);
	fl_buf_done(&b);
}

void fl__feed_init(const struct fl_ingest *g, struct fl_feed *f, const struct fl_cfg_feed *cfg)
{
	struct fl_span host = fl__url_authority(fl_span_str(cfg->url));

	f->cfg = cfg;
	settings_hash(g, cfg, f->settings);
	memcpy(f->s.name, cfg->name, strnlen(cfg->name, sizeof(f->s.name) - 1));
	memset(f->s.into, 0, sizeof(f->s.into));
	memcpy(f->s.into, cfg->into, strnlen(cfg->into, sizeof(f->s.into) - 1));
	snprintf(f->host, sizeof(f->host), "%.*s", (int)host.n, (const char *)host.p);
	if (!cfg->enabled)
		f->s.state = FL_FEED_DISABLED;
	else if (f->s.state == FL_FEED_DISABLED)
		f->s.state = FL_FEED_NEW;
}

static void release(struct fl_ingest *g, struct fl_feed *f)
{
	if (f->leased)
		fl_lease_release(g->c.sets, &f->lease, NULL);
	f->leased = false;
}

void fl__feed_done(struct fl_ingest *g, struct fl_feed *f)
{
	if (f->phase == FL_PHASE_FETCHING && f->transfer)
		g->c.http->ops->cancel(g->c.http, f->transfer);
	release(g, f);
	fl__collect_free(f->collect);
	f->collect = NULL;
	fl_set_done(&f->set);
	fl_arena_done(&f->guard_arena);
	f->s.quarantined = NULL;
	f->s.n_quarantined = f->s.quarantined_total = 0;
	f->recalled = false;
	f->phase = FL_PHASE_IDLE;
}

static int64_t jittered(struct fl_ingest *g, int64_t ms, uint32_t percent)
{
	uint64_t span = (uint64_t)ms * percent / 100;

	return ms - (int64_t)span + (int64_t)fl_random_below(g->c.random, 2 * span + 1);
}

static void schedule(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now, int64_t ms)
{
	if (f->again)
		ms = 0;
	f->due = now + ms * FL_NS_PER_MS;
	f->s.next_try = fl_now_unix(g->c.clock) + ms * 1000;
	f->s.took_ms = f->started ? (fl_now_mono(g->c.clock) - f->started) / FL_NS_PER_MS : 0;
	f->phase = FL_PHASE_IDLE;
	f->transfer = 0;
	fl__collect_free(f->collect);
	f->collect = NULL;
	f->again = false;
	fl_set_done(&f->set);
	release(g, f);
}

static void stop(struct fl_ingest *g, struct fl_feed *f, enum fl_feed_state state, fl_mono_ns now, int64_t ms, const char *reason)
{
	f->s.state = state;
	f->s.failures_in_row++;
	f->s.fetches_failed++;
	snprintf(f->s.reason, sizeof(f->s.reason), "%s", reason);
	schedule(g, f, now, ms);
}

static void fail(struct fl_ingest *g, struct fl_feed *f, enum fl_feed_state state, fl_mono_ns now, int64_t retry_after_s, const char *reason)
{
	int64_t ms = BACKOFF_FIRST_MS;

	for (uint64_t i = 0; i < f->s.failures_in_row && ms < f->cfg->every_ms; i++)
		ms *= 2;
	if (ms > f->cfg->every_ms)
		ms = f->cfg->every_ms;
	ms = jittered(g, ms, 20);
	if (retry_after_s > 0) {
		int64_t asked = (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000;

		ms = asked > ms ? asked : ms;
	}
	stop(g, f, state, now, ms, reason);
}

/* When a fetch that went well is followed by the next. */
static int64_t interval(struct fl_ingest *g, const struct fl_feed *f)
{
	return f->cfg->path[0] && f->cfg->watch ? WATCH_MS : jittered(g, f->cfg->every_ms, f->cfg->jitter_percent);
}

static void succeed(struct fl_ingest *g, struct fl_feed *f, enum fl_feed_state state, fl_mono_ns now)
{
	fl_unix_us t = fl_now_unix(g->c.clock);

	f->s.state = state;
	f->s.failures_in_row = 0;
	f->s.reason[0] = '\0';
	f->s.last_ok = t;
	fl__guard_content_is_good(f);
	if (state == FL_FEED_OK) {
		f->s.last_changed = t;
		f->s.fetches_ok++;
	} else {
		f->s.fetches_unchanged++;
		fl__feed_end_absent(g, f, now);
	}
	f->s.version = f->head.id.number;
	f->s.names = f->head.entries;
	schedule(g, f, now, interval(g, f));
}

/* --- commit --- */

static struct fl_entry_iter *renewed(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err, int *ret)
{
	struct fl_entry_iter *old = NULL, *new = fl_set_iter(&f->set);
	uint32_t now_s = (uint32_t)(fl_now_unix(g->c.clock) / FL_US_PER_S);

	*ret = new ? 0 : FL_ENOMEM;
	if (*ret == 0 && f->head.id.number)
		*ret = fl_source_open(g->c.sets, f->cfg->name, f->head.id.number, &old, NULL, err);
	if (*ret == FL_ENOTFOUND || *ret == FL_ECORRUPT) { /* what the store lost or broke cannot be carried over: the new content heals it */
		*ret = 0;
		return new;
	}
	if (*ret < 0) {
		fl_entries_close(new);
		return NULL;
	}
	if (!old)
		return new;
	new = fl_renew_keep_iter(old, new, now_s, fl__feed_keep_s(f->cfg));
	if (!new)
		*ret = FL_ENOMEM;
	return new;
}

static int commit(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err)
{
	struct fl_source_version v;
	struct fl_source_commit c = { .name = f->cfg->name, .lease = &f->lease, .parent = &f->head, .cause = FL_CAUSE_FEED, .actor = "ingest", .reason = "",
				      .fetch = &f->next };
	struct fl_feed_ends ends = { 0 };
	struct fl_entry_iter *it;
	int ret;

	it = renewed(g, f, err, &ret);
	if (!it)
		return ret;
	it = fl__feed_watch(it, &ends);
	if (!it)
		return FL_ENOMEM;
	ret = fl_source_commit(g->c.sets, &c, it, &v, err);
	if (ret == 0) {
		f->s.state = f->head.id.number == v.id.number ? FL_FEED_UNCHANGED : FL_FEED_OK;
		f->seen = f->next;
		f->seen_id = v.id;
		f->reread = false;
		f->head.id = v.id;
		f->head.entries = v.digests.entries;
		f->version_seen = true;
		ends.version = v.id.number;
		f->ends = ends;
	}
	return ret;
}

int fl__feed_read_head(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err)
{
	struct fl_source_version v;
	int ret = fl_set_head(g->c.sets, FL_SOURCE, f->cfg->name, &f->head, err);

	memset(&f->known, 0, sizeof(f->known));
	if (ret == FL_ENOTFOUND)
		return 0;
	if (ret == 0 && f->head.id.number) {
		f->version_seen = true;
		ret = fl_source_version_get(g->c.sets, f->cfg->name, f->head.id.number, &v, err);
		if (ret == 0) {
			f->known = fl_version_id_eq(&f->seen_id, &v.id) ? f->seen : v.fetch;
			f->s.version = v.id.number;
			f->s.names = v.digests.entries;
			if (!f->s.last_changed)
				f->s.last_changed = v.at;
		} else if (ret == FL_ENOTFOUND || ret == FL_ECORRUPT)
			ret = 0; /* no fetch state: fetch whole */
	}
	return ret;
}

static void store_away(struct fl_feed *f, fl_mono_ns now, const struct fl_err *err)
{
	int64_t ms = STORE_RETRY_MS << (f->store_tries < 5 ? f->store_tries : 5);

	f->store_tries++;
	f->due = now + ms * FL_NS_PER_MS;
	snprintf(f->s.reason, sizeof(f->s.reason), "%s%.200s", f->phase == FL_PHASE_COMMITTING || f->phase == FL_PHASE_JUDGING ? "a new set is in hand, waiting for the store: " : "", err->text);
}

static void try_commit(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	struct fl_retention_report gone;
	struct fl_err err = { 0 };
	int ret = fl_lease_take(g->c.sets, FL_SOURCE, f->cfg->name, FL_FEED_LEASE_MS, &f->lease, &err);

	f->leased = ret == 0;
	if (ret == 0)
		ret = commit(g, f, &err);
	switch (ret) {
	case 0:
		f->store_tries = 0;
		fl_source_retain(g->c.sets, &f->lease, &gone, NULL); /* old versions leave under the same lease */
		succeed(g, f, f->s.state, now);
		break;
	case FL_ESTALE:
	case FL_EUNKNOWN:
		if (fl__feed_read_head(g, f, &err) == 0) {
			f->due = now; /* another ingester wrote: the same set upon its version */
			break;
		}
		store_away(f, now, &err);
		break;
	case FL_EFENCED:
	case FL_EUNAVAIL:
		store_away(f, now, &err);
		break;
	default:
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text[0] ? err.text : fl_code_text(ret));
	}
}

/* --- a body in hand --- */

static void sha_of(struct fl_span body, char out[65])
{
	uint8_t sum[32];

	fl_sha256_of(body.p, body.n, sum);
	fl_hex(sum, sizeof(sum), out);
}

static bool known_body(const struct fl_feed *f)
{
	return f->head.id.number && !f->reread && strcmp(f->known.body_sha256, f->next.body_sha256) == 0 && strcmp(f->known.settings, f->settings) == 0;
}

/* The guard asks the store; while that is away the set stays in hand. */
static void judge(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	static const enum fl_feed_state states[] = { [FL_GUARD_HELD] = FL_FEED_HELD, [FL_GUARD_REJECTED] = FL_FEED_DEGRADED };
	enum fl_guard_verdict verdict;
	struct fl_err err = { 0 };
	char why[256];
	int ret = fl__guard_judge(g, f, why, sizeof(why), &verdict, &err);

	if (ret == FL_ENOMEM)
		fail(g, f, FL_FEED_DEGRADED, now, -1, "out of memory");
	else if (ret < 0)
		store_away(f, now, &err);
	else if (verdict != FL_GUARD_TAKE)
		stop(g, f, states[verdict], now, interval(g, f), why); /* the provider is well: it is asked no sooner */
	else {
		f->phase = FL_PHASE_COMMITTING;
		try_commit(g, f, now);
	}
}

struct fl_feed_options fl_feed_options_of(const struct fl_cfg_feed *cfg, uint32_t now_s)
{
	const struct fl_cfg_fields *v = cfg->format == FL_FORMAT_CSV ? &cfg->columns : &cfg->pointers;

	return (struct fl_feed_options){
		.format = (enum fl_format)cfg->format,
		.scope = cfg->scope,
		.fields = { v->value, v->type, v->category, v->confidence, v->first_seen, v->expires },
		.items = cfg->items,
		.exceptions = cfg->exceptions,
		.delimiter = cfg->delimiter,
		.urls = (enum fl_feed_urls)cfg->urls,
		.now_s = now_s,
		.max_names = cfg->max_names,
	};
}

static void take_body(struct fl_ingest *g, struct fl_feed *f, struct fl_buf *body, fl_mono_ns now)
{
	struct fl_feed_options opt = fl_feed_options_of(f->cfg, fl__feed_states_times(f->cfg) ? fl__feed_now_s(g) : 0);
	struct fl_tuple attrs = { .confidence = f->cfg->confidence, .category = (uint8_t)f->cfg->category,
				  .first_seen_s = (uint32_t)(fl_now_unix(g->c.clock) / FL_US_PER_S) };
	struct fl_feed_trial trial;
	struct fl_err err = { 0 };
	int ret;

	sha_of(fl_buf_span(body), f->next.body_sha256);
	memcpy(f->next.settings, f->settings, sizeof(f->next.settings));
	f->next.seen_at = fl_now_unix(g->c.clock);
	f->s.bytes = body->n;
	if (known_body(f)) {
		succeed(g, f, FL_FEED_UNCHANGED, now);
		return;
	}
	ret = fl__feed_read(g->c.names, &opt, fl_buf_span(body), f->cfg->min_names, &attrs, NULL, NULL, &f->set, &trial, &err);
	fl_buf_done(body); /* names are copied: a big body is not kept through the commit */
	if (ret < 0) {
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text);
		return;
	}
	f->s.lines = trial.parsed.lines;
	f->s.claims = trial.claims;
	f->next_valid_s = trial.parsed.next_valid_s;
	if (trial.no_list) {
		fail(g, f, FL_FEED_DEGRADED, now, -1, trial.reason);
		return;
	}
	f->filtered = false;
	f->phase = FL_PHASE_JUDGING;
	judge(g, f, now);
}

/* --- fetching --- */

/* Of an answer that only its connection ends; half a name may be another name. Real lists without a last newline come with their length, and JSON has an end of its own. */
static bool cut_off(const struct fl_http_response *r)
{
	return r->unframed && r->body.n && !memchr("\n}]", r->body.p[r->body.n - 1], 3);
}

static void ask(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now);

static void keep_validators(struct fl_feed *f, const struct fl_http_response *r)
{
	memset(&f->next, 0, sizeof(f->next));
	memcpy(f->next.etag, r->etag, sizeof(f->next.etag));
	memcpy(f->next.last_modified, r->last_modified, sizeof(f->next.last_modified));
}

/* One document more: the next is asked for, or all of them are a body. */
static void take_document(struct fl_ingest *g, struct fl_feed *f, struct fl_http_response *r, fl_mono_ns now)
{
	bool first = !fl__collect_begun(f->collect);
	struct fl_err err = { 0 };
	struct fl_buf body = { 0 };
	int more;

	if (first)
		keep_validators(f, r);
	more = fl__collect_take(f->collect, r, &err);
	if (more == FL_EFORMAT && first && f->cfg->format == FL_FORMAT_MISP) { /* no manifest: the URL is that of one event, or of a warning list */
		take_body(g, f, &r->body, now);
		return;
	}
	if (more == 0)
		more = fl__collect_body(f->collect, &body, &err);
	if (more < 0)
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text);
	else if (more > 0)
		ask(g, f, now);
	else
		take_body(g, f, &body, now);
	fl_buf_done(&body);
}

void fl__feed_answer(struct fl_ingest *g, struct fl_feed *f, struct fl_http_response *r, fl_mono_ns now)
{
	struct fl_err err = { 0 };
	char why[320];

	f->transfer = 0;
	if (r->code < 0)
		fail(g, f, FL_FEED_DEGRADED, now, r->retry_after_s, r->reason);
	else if (r->status == 304 && f->head.id.number && !(f->collect && fl__collect_begun(f->collect)))
		succeed(g, f, FL_FEED_UNCHANGED, now);
	else if (r->status != 200) {
		snprintf(why, sizeof(why), "server answered %ld%s%s", r->status, r->reason[0] ? ": " : "", r->reason);
		fail(g, f, FL_FEED_DEGRADED, now, r->retry_after_s, why);
	} else if (cut_off(r))
		fail(g, f, FL_FEED_DEGRADED, now, -1, "the answer came without a length and ends within a line: it was cut off");
	else if (fl_http_unpack(&r->body, f->cfg->max_bytes, 0, &err) < 0)
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text);
	else if (f->collect)
		take_document(g, f, r, now);
	else {
		keep_validators(f, r);
		take_body(g, f, &r->body, now);
	}
}

static void fetch_file(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	struct fl_buf body = { 0 };
	struct fl_err err = { 0 };
	char validator[FL_ETAG] = "";
	bool same = f->head.id.number && strcmp(f->known.settings, f->settings) == 0 && !f->reread;
	int ret = g->c.read_file(g->c.file_ctx, f->cfg->path, f->cfg->max_bytes, NULL, validator, sizeof(validator), &err);

	if (ret == 0 && same && strcmp(validator, f->known.etag) == 0) {
		succeed(g, f, FL_FEED_UNCHANGED, now);
		return;
	}
	if (ret == 0 && fl__is_folder(validator) && f->cfg->format != FL_FORMAT_AUTO && fl__feed_states_times(f->cfg))
		ret = fl_err_set(&err, FL_EFORMAT, "'%s' is a folder; format %s is one document: name a file", f->cfg->path, fl_format_word((enum fl_format)f->cfg->format));
	if (ret == 0)
		ret = g->c.read_file(g->c.file_ctx, f->cfg->path, f->cfg->max_bytes, &body, validator, sizeof(validator), &err);
	if (ret == 0)
		ret = fl_http_unpack(&body, f->cfg->max_bytes, 0, &err);
	if (ret < 0)
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text);
	else {
		memset(&f->next, 0, sizeof(f->next));
		memcpy(f->next.etag, validator, strnlen(validator, sizeof(f->next.etag) - 1));
		take_body(g, f, &body, now);
	}
	fl_buf_done(&body);
}

/* Header values come from files, read at each fetch, and go nowhere else. */
int fl_feed_headers(const struct fl_cfg_feed *f, fl_read_file *read_file, void *file_ctx, struct fl_arena *arena, const char *const **out, struct fl_err *err)
{
	const char **v = fl_arena_array(arena, f->n_headers + 1, sizeof(*v));
	char validator[FL_ETAG];
	int ret = v ? 0 : FL_ENOMEM;

	if (!read_file)
		read_file = fl__read_system_file;
	for (size_t i = 0; ret == 0 && i < f->n_headers; i++) {
		struct fl_buf b = { 0 };
		struct fl_span value;

		ret = read_file(file_ctx, f->headers[i].file, 4096, &b, validator, sizeof(validator), err);
		value = fl_span_trim(fl_buf_span(&b));
		if (ret == 0 && (memchr(value.p ? value.p : (const uint8_t *)"", '\n', value.n) || memchr(value.p ? value.p : (const uint8_t *)"", '\r', value.n)))
			ret = fl_err_set(err, FL_EFORMAT, "header file '%s' has more than one line", f->headers[i].file);
		if (ret == 0)
			v[i] = fl_arena_printf(arena, "%s: %.*s", f->headers[i].name, (int)value.n, (const char *)value.p);
		fl_buf_done(&b);
	}
	*out = v;
	return ret;
}

/* The feed's headers, and the one that a collection asks with. */
static int all_headers(struct fl_ingest *g, const struct fl_feed *f, struct fl_arena *arena, const char *const **out, struct fl_err *err)
{
	const char *const *own = NULL;
	const char **v;
	size_t n = 0;
	int ret = fl_feed_headers(f->cfg, g->c.read_file, g->c.file_ctx, arena, &own, err);

	*out = own;
	if (ret < 0 || !f->collect)
		return ret;
	while (own[n])
		n++;
	v = fl_arena_array(arena, n + 2, sizeof(*v));
	if (!v)
		return FL_ENOMEM;
	v[0] = fl__collect_accept(f->collect);
	memcpy(v + 1, own, n * sizeof(*v));
	*out = v;
	return 0;
}

static void ask(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	bool whole = !f->collect || !fl__collect_begun(f->collect);
	bool conditional = whole && f->cfg->format != FL_FORMAT_TAXII2 && f->head.id.number && strcmp(f->known.settings, f->settings) == 0 && !f->reread;
	struct fl_http_request req = { .url = f->cfg->url, .max_bytes = f->cfg->max_bytes, .connect_timeout_ms = 10000, .timeout_ms = (int)f->cfg->timeout_ms,
				       .low_speed_s = 20, .max_redirects = REDIRECTS_MAX, .allow_private = f->cfg->allow_private, .ca_file = f->cfg->ca_file };
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	int ret = all_headers(g, f, &arena, &req.headers, &err);

	if (conditional) {
		req.etag = f->known.etag;
		req.last_modified = f->known.last_modified;
	}
	if (f->collect) {
		req.url = fl__collect_url(f->collect, &arena);
		req.want_header = FL__COLLECT_HEADER;
		ret = ret == 0 && !req.url ? FL_ENOMEM : ret;
	}
	if (ret == 0)
		ret = g->c.http->ops->start(g->c.http, &req, &f->transfer, &err);
	if (ret < 0)
		fail(g, f, FL_FEED_DEGRADED, now, -1, err.text[0] ? err.text : fl_code_text(ret));
	else {
		f->phase = FL_PHASE_FETCHING;
		f->s.state = FL_FEED_FETCHING;
	}
	fl_arena_done(&arena);
}

static void fetch_url(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	if (fl__collect_is(f->cfg)) {
		f->collect = fl__collect_new(f->cfg, g->c.state, fl_now_unix(g->c.clock));
		if (!f->collect) {
			fail(g, f, FL_FEED_DEGRADED, now, -1, "out of memory");
			return;
		}
	}
	ask(g, f, now);
}

static void start(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	struct fl_err err = { 0 };
	int ret = fl_lease_take(g->c.sets, FL_SOURCE, f->cfg->name, FL_FEED_LEASE_MS, &f->lease, &err);

	f->leased = ret == 0;
	if (ret == 0)
		ret = fl__feed_read_head(g, f, &err);
	if (ret == FL_EFENCED) { /* another ingester is at it: look again in a while */
		f->due = now + jittered(g, 5000, 50) * FL_NS_PER_MS;
		return;
	}
	if (ret < 0) {
		store_away(f, now, &err);
		return;
	}
	if (!f->recalled)
		fl__guard_recall(g, f);
	if (!f->started && (f->cfg->format == FL_FORMAT_STIX2 || f->cfg->format == FL_FORMAT_TAXII2))
		f->reread = true; /* what of the last body is not valid yet is known to no version */
	f->store_tries = 0;
	f->started = now;
	f->s.last_try = fl_now_unix(g->c.clock);
	if (f->cfg->path[0])
		fetch_file(g, f, now);
	else
		fetch_url(g, f, now);
}

static void check_stale(struct fl_ingest *g, struct fl_feed *f)
{
	fl_unix_us since = f->s.last_ok ? f->s.last_ok : f->s.last_changed;
	bool calm = f->s.state == FL_FEED_DEGRADED || f->s.state == FL_FEED_HELD || f->s.state == FL_FEED_NEW;

	if (calm && since && f->cfg->stale_after_ms && fl_now_unix(g->c.clock) - since > f->cfg->stale_after_ms * 1000)
		f->s.state = FL_FEED_STALE;
}

/* A transfer may take minutes. The lease does not: who comes after a killed ingester must not wait that long. It only saves work, so a failure to renew it is no failure. */
static void renew_lease(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	if (f->phase == FL_PHASE_FETCHING && f->leased && f->lease.until - now < FL_FEED_LEASE_MS * FL_NS_PER_MS / 2)
		f->leased = fl_lease_take(g->c.sets, FL_SOURCE, f->cfg->name, FL_FEED_LEASE_MS, &f->lease, NULL) == 0;
}

/* A record that was not valid yet is now: the body is read again, though it be the same. */
static void begin_validity(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	if (!f->next_valid_s || f->phase != FL_PHASE_IDLE || fl_now_unix(g->c.clock) / FL_US_PER_S < f->next_valid_s)
		return;
	f->next_valid_s = 0;
	f->reread = true;
	f->due = now;
}

void fl__feed_step(struct fl_ingest *g, struct fl_feed *f, bool may_start, fl_mono_ns now)
{
	check_stale(g, f);
	renew_lease(g, f, now);
	begin_validity(g, f, now);
	fl__feed_expire(g, f, now);
	if (!f->cfg->enabled || now < f->due)
		return;
	if (f->phase == FL_PHASE_COMMITTING)
		try_commit(g, f, now);
	else if (f->phase == FL_PHASE_JUDGING)
		judge(g, f, now);
	else if (f->phase == FL_PHASE_IDLE && may_start)
		start(g, f, now);
}
