/* The guard over one feed's new set (DESIGN.md 6): what is protected is taken out of it and listed, then the rest is judged against the last accepted set. What a person said of this very
 * content, or of a name, stands in the store beside the source. */
#include "ingest/feed_int.h"

#include <stdlib.h>

#include "base/text.h"

enum { MIN_SIDE = 1000, FILE_MAX = 16 << 20, LISTED = FL_QUARANTINE_LISTED, DATE_AHEAD_S = 86400 };

/* --- what is protected --- */

/* The host of "scheme://user@host:port/..." or "host:port". */
static struct fl_span host_in(struct fl_span text)
{
	const char *from, *at;
	size_t n;
	char buf[512];

	n = text.n < sizeof(buf) - 1 ? text.n : sizeof(buf) - 1;
	memcpy(buf, text.p, n);
	buf[n] = '\0';
	from = strstr(buf, "://");
	from = from ? from + 3 : buf;
	n = strcspn(from, "/?#");
	at = memrchr(from, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - from);
		from = at + 1;
	}
	if (n && *from != '[' && memchr(from, ':', n))
		n = (size_t)((const char *)memchr(from, ':', n) - from);
	return fl_span(text.p + (from - buf), n);
}

static int add_host(struct fl_ingest *g, struct fl_span url, enum fl_protect_why why)
{
	struct fl_span host = host_in(url);
	int ret = 0;

	if (host.n)
		fl_protect_add_text(&g->protected, g->c.names, host, why, &ret); /* an address is no name, and need not be one */
	return ret;
}

static int add_brokers(struct fl_ingest *g)
{
	const char *s = g->c.cfg->kafka_brokers;
	int ret = 0;

	while (ret == 0 && s && *s) {
		size_t n = strcspn(s, ",");

		ret = add_host(g, fl_span(s, n), FL_PROTECT_PIPELINE);
		s += n + (s[n] == ',');
	}
	return ret;
}

static int add_zones(struct fl_ingest *g)
{
	int ret = 0;

	for (size_t i = 0; i < g->c.cfg->n_upstreams; i++)
		for (size_t k = 0; ret == 0 && k < g->c.cfg->upstreams[i].n_zones; k++) {
			struct fl_rkey key;

			if (fl_rkey_from_text(fl_span_str(g->c.cfg->upstreams[i].zones[k]), &key) && key.len)
				ret = fl_protect_add(&g->protected, fl_rkey_span(&key), true, FL_PROTECT_ZONE);
		}
	return ret;
}

/* A file that cannot be read, or a line that is no name, is said, and keeps nothing else from being protected. */
static int add_file(struct fl_ingest *g, const char *path)
{
	struct fl_buf b = { 0 };
	struct fl_span rest;
	struct fl_err err = { 0 };
	char validator[FL_ETAG];
	unsigned line = 0;
	int ret = g->c.read_file(g->c.file_ctx, path, FILE_MAX, &b, validator, sizeof(validator), &err);

	if (ret < 0) {
		snprintf(g->protect_problem, sizeof(g->protect_problem), "protected.files: %.180s", err.text);
		fl_buf_done(&b);
		return ret == FL_ENOMEM ? ret : 0;
	}
	for (rest = fl_buf_span(&b); ret == 0 && rest.n;) {
		const uint8_t *nl = memchr(rest.p, '\n', rest.n);
		size_t n = nl ? (size_t)(nl - rest.p) : rest.n;
		const uint8_t *hash = memchr(rest.p, '#', n);
		struct fl_span text = fl_span_trim(fl_span(rest.p, hash ? (size_t)(hash - rest.p) : n));

		line++;
		if (text.n && fl_protect_add_text(&g->protected, g->c.names, text, FL_PROTECT_OPERATOR, &ret) != FL_DROP_COUNT)
			snprintf(g->protect_problem, sizeof(g->protect_problem), "%.100s:%u: '%.*s' is no name", path, line, (int)(text.n < 60 ? text.n : 60),
				 (const char *)text.p);
		rest = fl_span(rest.p + n + (nl != NULL), rest.n - n - (nl != NULL));
	}
	fl_buf_done(&b);
	return ret;
}

static uint64_t mark_of(const struct fl_protected *p)
{
	struct fl_buf b = { 0 };
	uint64_t h;

	for (size_t i = 0; i < p->n; i++) {
		fl_buf_u8(&b, p->v[i].key.len);
		fl_buf_add(&b, p->v[i].key.b, p->v[i].key.len);
		fl_buf_u8(&b, p->v[i].zone);
	}
	h = fl_checksum64(b.p, b.n);
	fl_buf_done(&b);
	return h;
}

int fl__protected_load(struct fl_ingest *g)
{
	const struct fl_config *cfg = g->c.cfg;
	int ret;

	fl_protected_done(&g->protected);
	g->protect_problem[0] = '\0';
	ret = fl_protect_add_shipped(&g->protected, g->c.names);
	for (size_t i = 0; ret == 0 && i < cfg->n_protected_names; i++)
		fl_protect_add_text(&g->protected, g->c.names, fl_span_str(cfg->protected_names[i]), FL_PROTECT_OPERATOR, &ret);
	for (size_t i = 0; ret == 0 && i < cfg->n_protected_files; i++)
		ret = add_file(g, cfg->protected_files[i]);
	if (ret == 0)
		ret = add_zones(g);
	for (size_t i = 0; ret == 0 && i < cfg->n_feeds; i++)
		ret = add_host(g, fl_span_str(cfg->feeds[i].url ? cfg->feeds[i].url : ""), FL_PROTECT_FEED);
	if (ret == 0 && cfg->redis_url && strncmp(cfg->redis_url, "redis", 5) == 0)
		ret = add_host(g, fl_span_str(cfg->redis_url), FL_PROTECT_PIPELINE);
	if (ret == 0)
		ret = add_brokers(g);
	g->protect_mark = mark_of(&g->protected);
	return ret;
}

/* --- what people said --- */

static const struct fl_judgement *said(const struct fl_judgement *v, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].what, what) == 0)
			return &v[i];
	return NULL;
}

static const char *name_key(struct fl_arena *a, struct fl_span key)
{
	char name[FL_NAME_TEXT];

	return fl_arena_printf(a, "name:%s", fl_rkey_to_text(key, name));
}

/* An approval is of one step: this content upon that version. */
static const char *step_key(struct fl_arena *a, const struct fl_feed *f, const char *digest)
{
	return fl_arena_printf(a, "%s@%llu", digest, (unsigned long long)f->head.id.number);
}

/* --- quarantine --- */

/* A list that only ALLOW rules use opens names; what it holds blocks nothing. */
static bool only_allows(const struct fl_config *cfg, const char *list)
{
	bool used = false;

	for (size_t i = 0; i < cfg->n_rule_groups; i++)
		for (size_t k = 0; k < cfg->rule_groups[i].n_rules; k++) {
			const struct fl_cfg_rule *r = &cfg->rule_groups[i].rules[k];

			if (strcmp(r->list, list) != 0)
				continue;
			if (r->action != FL_ACTION_ALLOW)
				return false;
			used = true;
		}
	return used;
}

static void forget(struct fl_feed *f)
{
	fl_arena_done(&f->guard_arena);
	f->s.quarantined = NULL;
	f->s.n_quarantined = f->s.quarantined_total = 0;
}

static bool list_one(struct fl_feed *f, struct fl_quarantined *q, struct fl_span entry, uint8_t scope, const struct fl_protected_name *name)
{
	char text[FL_NAME_TEXT];

	q->entry = fl_arena_str(&f->guard_arena, fl_rkey_to_text(entry, text));
	q->name = fl_arena_str(&f->guard_arena, fl_rkey_to_text(fl_rkey_span(&name->key), text));
	q->scope = scope;
	q->why = fl_protect_word(name->why);
	return q->entry && q->name;
}

/* Takes the hits out of the set that nobody approved; the rows keep their order. */
static int quarantine(struct fl_ingest *g, struct fl_feed *f, const struct fl_judgement *j, size_t nj, struct fl_arena *a)
{
	struct fl_protect_hit *hits = NULL;
	struct fl_quarantined *q;
	size_t n = 0, to = 0, k = 0;
	int ret = only_allows(g->c.cfg, f->cfg->into) ? 0 : fl_protect_find(&g->protected, &f->set, a, &hits, &n);

	forget(f);
	if (ret < 0 || n == 0)
		return ret;
	q = fl_arena_array(&f->guard_arena, LISTED, sizeof(*q));
	if (!q)
		return FL_ENOMEM;
	for (size_t i = 0; i < f->set.n; i++) {
		bool hit = k < n && hits[k].entry == i;
		const struct fl_judgement *word = hit ? said(j, nj, name_key(a, fl_set_key(&f->set, i))) : NULL;

		if (hit && !(word && word->approved)) {
			if (f->s.n_quarantined < LISTED && list_one(f, &q[f->s.n_quarantined], fl_set_key(&f->set, i), f->set.v[i].t.scope, hits[k].name))
				f->s.n_quarantined++;
			f->s.quarantined_total++;
		} else
			f->set.v[to++] = f->set.v[i];
		k += hit;
	}
	f->set.n = to;
	f->s.quarantined = q;
	return 0;
}

/* One line each: entry, scope, protected name, why. */
static int keep_quarantine(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	char scope[FL_SCOPE_TEXT];
	int ret;

	for (size_t i = 0; i < f->s.n_quarantined; i++) {
		const struct fl_quarantined *q = &f->s.quarantined[i];

		fl_buf_printf(&text, "%s %s %s %s\n", q->entry, fl_scope_format(q->scope, scope), q->name, q->why);
	}
	ret = text.failed ? FL_ENOMEM : fl_source_quarantine_put(g->c.sets, f->cfg->name, fl_buf_span(&text), err);
	fl_buf_done(&text);
	return ret;
}

/* Of a source that is not read again, since it did not change. */
void fl__guard_recall(struct fl_ingest *g, struct fl_feed *f)
{
	struct fl_arena a = { 0 };
	struct fl_span text, rest;
	struct fl_quarantined *q;

	if (f->recalled || fl_source_quarantine_get(g->c.sets, f->cfg->name, &a, &text, NULL) < 0)
		text = fl_span(NULL, 0);
	q = text.n ? fl_arena_array(&f->guard_arena, LISTED, sizeof(*q)) : NULL;
	for (rest = text; q && rest.n && f->s.n_quarantined < LISTED;) {
		const uint8_t *nl = memchr(rest.p, '\n', rest.n);
		struct fl_quarantined *x = &q[f->s.n_quarantined];
		char scope[FL_SCOPE_TEXT], *line, *at[4] = { NULL };
		int words = 0;

		if (!nl)
			break;
		line = fl_arena_strn(&f->guard_arena, (const char *)rest.p, (size_t)(nl - rest.p));
		rest = fl_span(nl + 1, rest.n - (size_t)(nl + 1 - rest.p));
		for (char *save = NULL, *w = line ? strtok_r(line, " ", &save) : NULL; w && words < 4; w = strtok_r(NULL, " ", &save))
			at[words++] = w;
		if (words != 4)
			continue;
		x->entry = at[0];
		snprintf(scope, sizeof(scope), "%s", at[1]);
		x->scope = 0;
		fl_scope_parse(scope, &x->scope);
		x->name = at[2];
		x->why = at[3];
		f->s.n_quarantined++;
	}
	if (q) {
		f->s.quarantined = q;
		f->s.quarantined_total = f->s.n_quarantined;
	}
	f->recalled = true;
	fl_arena_done(&a);
}

/* --- counts --- */

struct counts {
	uint64_t before, added, removed;
};

/* The new set against the last accepted one: names that are only kept for a while (absent_since) are not of it. What the store lost or broke is judged by its size. */
static int compare(struct fl_ingest *g, const struct fl_feed *f, struct counts *c, struct fl_err *err)
{
	struct fl_entry_iter *old = NULL;
	struct fl_entry e;
	size_t i = 0;
	int ret = f->head.id.number ? fl_source_open(g->c.sets, f->cfg->name, f->head.id.number, &old, NULL, err) : FL_ENOTFOUND;

	memset(c, 0, sizeof(*c));
	while (ret == 0 && (ret = old->next(old, &e, err)) == 1) {
		int order = -1;

		ret = 0;
		while (i < f->set.n && (order = fl_rkey_cmp(fl_set_key(&f->set, i), e.key)) < 0) {
			c->added++;
			i++;
		}
		if (i < f->set.n && order == 0) {
			c->added += e.t.absent_since_s != 0;
			i++;
		} else
			c->removed += e.t.absent_since_s == 0;
		c->before += e.t.absent_since_s == 0;
	}
	fl_entries_close(old);
	c->added += f->set.n - i;
	if (ret == FL_ENOTFOUND || ret == FL_ECORRUPT) {
		uint64_t before = f->head.entries, after = f->set.n;

		*c = (struct counts){ before, after > before ? after - before : 0, before > after ? before - after : 0 };
		return 0;
	}
	return ret;
}

/* --- the verdict --- */

static void digest_of(const struct fl_set *set, char out[33])
{
	struct fl_digests d = { 0 };

	for (size_t i = 0; i < set->n; i++)
		fl_digests_add(&d, fl_set_key(set, i), &set->v[i].t);
	fl_u128_format(d.scope, out);
}

static enum fl_guard_verdict hold(struct fl_feed *f, const struct counts *c, const char *digest, fl_unix_us now)
{
	if (strcmp(f->s.held.digest, digest) != 0)
		f->s.held.since = now;
	memcpy(f->s.held.digest, digest, sizeof(f->s.held.digest));
	f->s.held.before = c->before;
	f->s.held.after = f->set.n;
	f->s.held.added = c->added;
	f->s.held.removed = c->removed;
	return FL_GUARD_HELD;
}

/* A cache in between, or a mirror that lags, gives a copy again that has been overtaken, and takes back what was listed since. Its server says so itself, by Last-Modified; without
 * one an older copy is not told from a change of mind, and is judged like any other. What claims to be of tomorrow proves nothing. */
static bool is_older(const struct fl_feed *f, const struct counts *c, fl_unix_us now, char *why, size_t cap)
{
	fl_unix_us have, got;

	if (!f->head.id.number || c->added + c->removed == 0)
		return false;
	if (!fl_time_parse_http(f->known.last_modified, &have) || !fl_time_parse_http(f->next.last_modified, &got))
		return false;
	if (got >= have || have > now + DATE_AHEAD_S * FL_US_PER_S)
		return false;
	snprintf(why, cap, "an older copy: the server says %s, and what is in force is of %s", f->next.last_modified, f->known.last_modified);
	return true;
}

int fl__guard_judge(struct fl_ingest *g, struct fl_feed *f, char *why, size_t cap, enum fl_guard_verdict *out, struct fl_err *err)
{
	struct fl_guard_limits limits = { .max_removed_ratio = f->cfg->guard.max_removed_ratio, .max_added_ratio = f->cfg->guard.max_added_ratio,
					  .min_side = MIN_SIDE, .min_names = f->cfg->min_names };
	const struct fl_judgement *word;
	struct fl_judgement *j = NULL;
	struct fl_arena a = { 0 };
	struct counts c;
	char digest[33];
	size_t nj = 0;
	int ret = fl_source_judgements(g->c.sets, f->cfg->name, &a, &j, &nj, err);

	if (ret == 0 && !f->filtered) /* once a body: what is taken out is not found again */
		ret = quarantine(g, f, j, nj, &a);
	f->filtered = f->filtered || ret == 0;
	f->recalled = f->recalled || ret == 0;
	if (ret == 0)
		ret = keep_quarantine(g, f, err);
	if (ret == 0)
		ret = compare(g, f, &c, err);
	if (ret < 0)
		goto out;
	digest_of(&f->set, digest);
	*out = FL_GUARD_TAKE;
	word = said(j, nj, digest);
	if (word && !word->approved) {
		snprintf(why, cap, "this content was rejected by %.64s%s%.150s", word->actor, word->reason[0] ? ": " : "", word->reason);
		*out = FL_GUARD_REJECTED;
	} else if (!said(j, nj, step_key(&a, f, digest)) &&
		   (fl_guard_judge(&limits, f->head.id.number == 0, c.before, f->set.n, c.added, c.removed, why, cap) ||
		    is_older(f, &c, fl_now_unix(g->c.clock), why, cap)))
		*out = hold(f, &c, digest, fl_now_unix(g->c.clock));
	if (*out != FL_GUARD_HELD)
		f->s.held = (struct fl_feed_held){ 0 };
out:
	fl_arena_done(&a);
	return ret;
}

/* --- a person's word --- */

static int judge_names(struct fl_ingest *g, struct fl_feed *f, struct fl_judgement *j, const char *const *names, size_t n, struct fl_err *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		struct fl_arena a = { 0 };
		struct fl_rkey key;

		if (fl_name_canon(g->c.names, fl_span_str(names[i]), &key) != FL_DROP_COUNT)
			ret = fl_err_set(err, FL_EFORMAT, "'%.80s' is no name", names[i]);
		else {
			snprintf(j->what, sizeof(j->what), "%s", name_key(&a, fl_rkey_span(&key)));
			ret = fl_source_judge(g->c.sets, f->cfg->name, j, err);
		}
		fl_arena_done(&a);
	}
	f->reread = f->reread || n > 0; /* the body may be as it was */
	return ret;
}

int fl_ingest_judge(struct fl_ingest *g, const char *feed, const struct fl_feed_word *w, fl_mono_ns now, struct fl_err *err)
{
	struct fl_judgement j = { .approved = w->approve, .at = fl_now_unix(g->c.clock) };
	struct fl_arena a = { 0 };
	struct fl_feed *f = NULL;
	int ret;

	for (size_t i = 0; i < g->n_feeds; i++)
		if (strcmp(g->feeds[i].s.name, feed) == 0)
			f = &g->feeds[i];
	if (!f)
		return fl_err_set(err, FL_ENOTFOUND, "the configuration has no feed '%.90s'", feed);
	snprintf(j.actor, sizeof(j.actor), "%s", w->actor);
	snprintf(j.reason, sizeof(j.reason), "%s", w->reason);
	if (w->n_names)
		ret = judge_names(g, f, &j, w->names, w->n_names, err);
	else if (!f->s.held.digest[0])
		ret = fl_err_set(err, FL_EREFUSED, "nothing of feed '%s' is held", feed);
	else {
		snprintf(j.what, sizeof(j.what), "%s", w->approve ? step_key(&a, f, f->s.held.digest) : f->s.held.digest);
		ret = fl_source_judge(g->c.sets, f->cfg->name, &j, err);
	}
	fl_arena_done(&a);
	return ret < 0 ? ret : fl_ingest_refresh(g, feed, now);
}
