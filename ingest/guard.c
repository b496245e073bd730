/* The guard over one feed's new set (DESIGN.md 6): what is protected is taken out of it and listed, then the rest is judged against the last accepted set. What a person said of this very
 * content, or of a name, stands in the store beside the source. */
#include "ingest/feed_int.h"

#include "base/text.h"

enum { LISTED = FL_QUARANTINE_LISTED, DATE_AHEAD_S = 86400 };

/* --- what is protected --- */

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
	const struct fl_protected_from from = { .cfg = g->c.cfg, .names = g->c.names, .read_file = g->c.read_file, .file_ctx = g->c.file_ctx };
	int ret = fl_protected_from(&from, &g->protected, g->protect_problem);

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
	int ret = fl_list_only_allows(g->c.cfg, f->cfg->into) ? 0 : fl_protect_find(&g->protected, &f->set, a, &hits, &n);

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

/* How many there are, then one line each: entry, scope, protected name, why. */
static int keep_quarantine(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err)
{
	struct fl_buf text = { 0 };
	char scope[FL_SCOPE_TEXT];
	int ret;

	if (f->s.quarantined_total)
		fl_buf_printf(&text, "total %zu\n", f->s.quarantined_total);
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
	uint64_t total = 0;

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
		if (words == 2 && strcmp(at[0], "total") == 0)
			fl_u64_parse(fl_span_str(at[1]), &total);
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
		f->s.quarantined_total = total > f->s.n_quarantined ? (size_t)total : f->s.n_quarantined;
	}
	f->recalled = true;
	fl_arena_done(&a);
}

/* --- counts --- */

struct counts {
	uint64_t before, added, removed;
	uint64_t ended; /* of the removed: past their time */
};

/* The new set against the last accepted one: names that are only kept for a while (absent_since) are not of it. What the store lost or broke is judged by its size. */
static int compare(struct fl_ingest *g, const struct fl_feed *f, struct counts *c, struct fl_err *err)
{
	struct fl_entry_iter *old = NULL;
	uint32_t now_s = (uint32_t)(fl_now_unix(g->c.clock) / FL_US_PER_S);
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
		} else {
			c->removed += e.t.absent_since_s == 0;
			c->ended += e.t.expires_s && e.t.expires_s <= now_s;
		}
		c->before += e.t.absent_since_s == 0;
	}
	fl_entries_close(old);
	c->added += f->set.n - i;
	if (ret == FL_ENOTFOUND || ret == FL_ECORRUPT) {
		uint64_t before = f->head.entries, after = f->set.n;

		*c = (struct counts){ before, after > before ? after - before : 0, before > after ? before - after : 0, 0 };
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

/* An expiry by way of a new body is one all the same: a clock that leapt must not empty a feed. */
static bool ends_much(const struct counts *c, char *why, size_t cap)
{
	if (c->ended <= FL_EXPIRY_MIN || c->ended * 100 <= c->before * FL_EXPIRY_PERCENT)
		return false;
	snprintf(why, cap, "%llu of %llu names would expire at once, more than %d %%", (unsigned long long)c->ended, (unsigned long long)c->before, FL_EXPIRY_PERCENT);
	return true;
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

	if (!f->head.id.number || c->added + c->removed == 0 || strcmp(f->known.settings, f->settings) != 0) /* the dates of two URLs say nothing of each other */
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
					  .min_side = FL_GUARD_MIN_SIDE, .min_names = f->cfg->min_names };
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
		    ends_much(&c, why, cap) || is_older(f, &c, fl_now_unix(g->c.clock), why, cap)))
		*out = hold(f, &c, digest, fl_now_unix(g->c.clock));
	if (*out != FL_GUARD_HELD)
		f->s.held = (struct fl_feed_held){ 0 };
	if (*out == FL_GUARD_REJECTED)
		memcpy(f->s.held.rejected, digest, sizeof(digest));
out:
	fl_arena_done(&a);
	return ret;
}

/* --- an expiry of much at once --- */

static const char expiry[] = "expiry"; /* in the place of a set's digest */

void fl__guard_content_is_good(struct fl_feed *f)
{
	if (strcmp(f->s.held.digest, expiry) != 0)
		f->s.held = (struct fl_feed_held){ 0 };
}

void fl__guard_hold_expiry(struct fl_feed *f, uint64_t ended, fl_unix_us now)
{
	if (strcmp(f->s.held.digest, expiry) != 0)
		f->s.held.since = now;
	snprintf(f->s.held.digest, sizeof(f->s.held.digest), "%s", expiry);
	f->s.held.before = f->head.entries;
	f->s.held.after = f->head.entries - ended;
	f->s.held.added = 0;
	f->s.held.removed = ended;
}

bool fl__guard_expiry_approved(struct fl_ingest *g, const struct fl_feed *f)
{
	struct fl_judgement *j = NULL;
	struct fl_arena a = { 0 };
	const struct fl_judgement *word;
	size_t n = 0;
	bool ok = fl_source_judgements(g->c.sets, f->cfg->name, &a, &j, &n, NULL) == 0;

	word = ok ? said(j, n, step_key(&a, f, expiry)) : NULL;
	ok = word && word->approved;
	fl_arena_done(&a);
	return ok;
}

/* --- a person's word --- */

/* Only what waits there can be let in: a slip of the pen must not stand as a word for later. More may be quarantined than is listed. */
static bool is_quarantined(const struct fl_feed *f, struct fl_span key)
{
	char name[FL_NAME_TEXT];

	fl_rkey_to_text(key, name);
	for (size_t i = 0; i < f->s.n_quarantined; i++)
		if (strcmp(f->s.quarantined[i].entry, name) == 0)
			return true;
	return f->s.quarantined_total > f->s.n_quarantined;
}

static int judge_names(struct fl_ingest *g, struct fl_feed *f, struct fl_judgement *j, const char *const *names, size_t n, struct fl_err *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i++) {
		struct fl_arena a = { 0 };
		struct fl_rkey key;

		if (fl_name_canon(g->c.names, fl_span_str(names[i]), &key) != FL_DROP_COUNT)
			ret = fl_err_set(err, FL_EFORMAT, "'%.80s' is no name", names[i]);
		else if (j->approved && !is_quarantined(f, fl_rkey_span(&key)))
			ret = fl_err_set(err, FL_EREFUSED, "'%.80s' is not quarantined in feed '%.90s'", names[i], f->s.name);
		else {
			snprintf(j->what, sizeof(j->what), "%s", name_key(&a, fl_rkey_span(&key)));
			ret = fl_source_judge(g->c.sets, f->cfg->name, j, err);
		}
		fl_arena_done(&a);
	}
	f->reread = f->reread || n > 0; /* the body may be as it was */
	return ret;
}

/* Of the content that is held, or that was refused and is served still: then the refusal is taken back too. */
static int judge_content(struct fl_ingest *g, struct fl_feed *f, struct fl_judgement *j, struct fl_err *err)
{
	const char *digest = f->s.held.digest[0] ? f->s.held.digest : j->approved ? f->s.held.rejected : "";
	struct fl_arena a = { 0 };
	int ret = 0;

	if (!digest[0])
		return fl_err_set(err, FL_EREFUSED, "nothing of feed '%.90s' is held", f->s.name);
	if (!j->approved && strcmp(digest, expiry) == 0)
		return fl_err_set(err, FL_EREFUSED, "an expiry is not rejected: it waits until it is approved, or the feed renews its names");
	f->expire_at = 0;
	snprintf(j->what, sizeof(j->what), "%s", digest);
	if (!j->approved || digest == f->s.held.rejected)
		ret = fl_source_judge(g->c.sets, f->cfg->name, j, err);
	snprintf(j->what, sizeof(j->what), "%s", step_key(&a, f, digest));
	if (ret == 0 && j->approved)
		ret = fl_source_judge(g->c.sets, f->cfg->name, j, err);
	fl_arena_done(&a);
	return ret;
}

int fl_ingest_judge(struct fl_ingest *g, const char *feed, const struct fl_feed_word *w, fl_mono_ns now, struct fl_err *err)
{
	struct fl_judgement j = { .approved = w->approve, .at = fl_now_unix(g->c.clock) };
	struct fl_feed *f = NULL;
	int ret;

	for (size_t i = 0; i < g->n_feeds; i++)
		if (strcmp(g->feeds[i].s.name, feed) == 0)
			f = &g->feeds[i];
	if (!f)
		return fl_err_set(err, FL_ENOTFOUND, "the configuration has no feed '%.90s'", feed);
	snprintf(j.actor, sizeof(j.actor), "%s", w->actor);
	snprintf(j.reason, sizeof(j.reason), "%s", w->reason);
	ret = w->n_names ? judge_names(g, f, &j, w->names, w->n_names, err) : judge_content(g, f, &j, err);
	return ret < 0 ? ret : fl_ingest_refresh(g, feed, now);
}
