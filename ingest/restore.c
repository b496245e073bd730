/* What the store lost of the claims is committed again from the ledger. A store that is away is not an empty store: then all of this waits. Start at fl__restore_step(). */
#include "ingest/findings_int.h"

#include <stdlib.h>

#include "base/text.h"

enum { RECORDS_A_STEP = 2000, FOLLOW_A_STEP = 256, COMPARE_BATCH = 1000, FETCH_MS = 20, HEADS_MS = 1000, AGAIN_MS = 5000, RETRY_MS = 500, SILENT_MS = 10000, PATIENCE_MS = 2000, SMALL_FROM = 16 << 20 };
#define KEEP_ENDED_US (400 * 86400 * FL_US_PER_S)

static void say(struct fl_keep *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct fl_keep *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->problem, sizeof(k->problem), fmt, ap);
	va_end(ap);
}

static bool by_topic(const struct fl_findings_stage *f)
{
	return f->c.bus && f->c.bus_keeps;
}

/* --- which sets --- */

/* All that the ledger has of a set is compared. `held`: nothing new is committed to it before. */
static void suspect(struct fl_claim_set *s, bool held)
{
	s->compare = true;
	s->held = s->held || held;
	s->head_known = s->leased = false; /* its lease may be lost with the rest */
	s->known = (struct fl_version_id){ 0 };
}

static void begin(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;

	if (k->state == FL_RESTORE_READ)
		return; /* what is read now serves every set */
	fl__fold_free(k->fold);
	k->fold = NULL;
	if (k->topic)
		fl_bus_consumer_close(f->c.bus, k->topic);
	k->topic = NULL;
	k->following = k->whole = k->again = false;
	k->state = FL_RESTORE_READ;
	k->retry_at = 0;
}

/* FL_ESTALE: it does not. */
static int descends(struct fl_findings_stage *f, const struct fl_claim_set *s, const struct fl_head *head, struct fl_err *err)
{
	uint8_t chain[32];
	int ret;

	if (!s->known.number || fl_version_id_eq(&s->known, &head->id))
		return 0;
	if (head->id.number <= s->known.number || !fl_epoch_eq(&head->id.epoch, &s->known.epoch))
		return FL_ESTALE;
	ret = fl_set_lineage(f->c.sets, FL_SOURCE, s->source, s->known.number, chain, err);
	if (ret == FL_ENOTFOUND || ret == FL_EGAP)
		return FL_ESTALE;
	return ret < 0 ? ret : memcmp(chain, s->known.chain, sizeof(chain)) == 0 ? 0 : FL_ESTALE;
}

void fl__restore_set(struct fl_findings_stage *f, struct fl_claim_set *s)
{
	if (!f->keep.ledger)
		return;
	suspect(s, true);
	begin(f);
}

int fl__restore_fits(struct fl_findings_stage *f, struct fl_claim_set *s, const struct fl_head *head, struct fl_err *err)
{
	int ret = f->keep.ledger ? descends(f, s, head, err) : 0;

	if (ret == 0)
		s->known = head->id;
	if (ret != FL_ESTALE)
		return ret;
	if (f->keep.running && !f->keep.whole) { /* what was followed since is not enough to fill it again */
		suspect(s, true);
		f->keep.again = true;
	} else if (f->keep.running) { /* lost again while it is restored: what was compared counts no more */
		s->known = (struct fl_version_id){ 0 };
		f->keep.at = 0;
		f->keep.head_asked = false;
	} else
		fl__restore_set(f, s);
	return fl_err_set(err, FL_EUNAVAIL, "source '%s' is not as it was in the store: it is restored from the ledger first", s->source);
}

int fl__restore_heads(struct fl_findings_stage *f, struct fl_claim_set *const *sets, size_t n, struct fl_err *err)
{
	struct fl_head *heads = calloc(n + 1, sizeof(*heads));
	const char **names = calloc(n + 1, sizeof(*names));
	int ret = heads && names ? 0 : FL_ENOMEM, one;

	for (size_t i = 0; ret == 0 && i < n; i++)
		names[i] = sets[i]->source;
	if (ret == 0 && n)
		ret = fl_set_heads(f->c.sets, FL_SOURCE, names, n, heads, err);
	for (size_t i = 0, read = ret == 0 ? n : 0; i < read; i++) {
		one = fl__restore_fits(f, sets[i], &heads[i], ret < 0 ? NULL : err);
		ret = ret < 0 ? ret : one;
	}
	free(heads);
	free(names);
	return ret;
}

/* A second is soon enough to find a loss while nothing is committed; a commit finds it by itself. */
static void watch_heads(struct fl_findings_stage *f, fl_mono_ns now)
{
	struct fl_claim_set **sets = calloc(f->n_sets + 1, sizeof(*sets));
	size_t n = 0;

	f->keep.heads_at = now + HEADS_MS * FL_NS_PER_MS;
	for (size_t i = 0; sets && i < f->n_sets; i++)
		if (!f->sets[i].held)
			sets[n++] = &f->sets[i];
	fl__restore_heads(f, sets, n, NULL);
	free(sets);
}

/* --- reading --- */

static int take(struct fl_findings_stage *f, const struct fl_claim_record *r)
{
	struct fl_keep *k = &f->keep;
	int ret;

	if (!k->fold)
		k->fold = fl__fold_new();
	ret = k->fold ? fl__fold_add(k->fold, r) : FL_ENOMEM;
	if (ret == FL_ELIMIT) {
		k->unreadable++;
		ret = 0;
	}
	return ret;
}

static int take_local(void *ctx, struct fl_span key, struct fl_span value)
{
	struct fl_findings_stage *f = ctx;
	struct fl_claim_record r;

	(void)key;
	f->keep.records++;
	if (fl_claim_record_decode(value, &r, NULL) < 0) {
		f->keep.unreadable++;
		return 0;
	}
	if (!r.purged[0])
		fl__known_add(&f->keep.known, fl__keep_hash(&r.claim));
	return take(f, &r);
}

static int open_topic(struct fl_findings_stage *f, struct fl_err *err)
{
	struct fl_keep *k = &f->keep;
	struct fl_bus_offsets first;
	int ret = fl_bus_consumer_open(f->c.bus, FL_TOPIC_FINDINGS, NULL, &k->topic, err);

	if (ret < 0) {
		k->topic = NULL;
		return ret;
	}
	ret = f->c.bus->ops->watermarks(k->topic, &first, &k->end, err);
	if (ret < 0) {
		fl_bus_consumer_close(f->c.bus, k->topic);
		k->topic = NULL;
		return ret;
	}
	for (int32_t i = 0; i < k->end.n; i++)
		if (k->end.next[i] <= first.next[i])
			k->end.next[i] = 0; /* nothing there */
	k->silent_since = fl_now_mono(f->c.clock);
	k->asked = k->no_more = false;
	return 0;
}

static bool at_end(struct fl_findings_stage *f)
{
	struct fl_bus_offsets now;

	f->c.bus->ops->position(f->keep.topic, &now);
	for (int32_t i = 0; i < f->keep.end.n; i++)
		if (f->keep.end.next[i] > 0 && (i >= now.n || now.next[i] < f->keep.end.next[i]))
			return false;
	return true;
}

/* 1: a record, 0: none now. Records of our own node need no comparing when they are followed: we know what we committed. */
static int fetch(struct fl_findings_stage *f, int timeout_ms, struct fl_err *err)
{
	struct fl_keep *k = &f->keep;
	struct fl_claim_record r;
	struct fl_bus_msg m;
	int ret = fl_bus_fetch(f->c.bus, k->topic, timeout_ms, &m, err);

	if (ret != 1 || !m.value.p)
		return ret;
	k->records++;
	if (fl_claim_record_decode(m.value, &r, NULL) < 0) {
		k->unreadable++;
		return 1;
	}
	if (!r.purged[0])
		fl__known_add(&k->known, fl__keep_hash(&r.claim));
	if (k->following && strcmp(r.node, f->c.cfg->node_name) == 0)
		return 1;
	ret = take(f, &r);
	return ret < 0 ? ret : 1;
}

/* Half of what is said of a claim that ended long ago has no use any more; its records leave the topic. */
static void forget_old(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;
	fl_unix_us before = fl_now_unix(f->c.clock) - KEEP_ENDED_US;
	const char *source;

	for (size_t i = 0; k->fold && (source = fl__fold_source(k->fold, i)); i++) {
		struct fl_claim_record r;

		for (uint32_t at = 0; fl__fold_next(k->fold, source, &at, &r);) {
			unsigned n = 0;
			const char *node;

			while (r.claim.state != FL_CLAIM_ACTIVE && r.at < before && (node = fl__fold_node(k->fold, at, &n))) {
				char key[FL_LEDGER_KEY_MAX];
				int len = snprintf(key, sizeof(key), "%s@%s", r.claim.id, node);

				fl_bus_produce(f->c.bus, FL_BUS_CONTROL, FL_TOPIC_FINDINGS, fl_span(key, (size_t)len), fl_span(NULL, 0), NULL, 0, UINT64_MAX, NULL);
			}
		}
	}
}

/* Where the file is the ledger it is made small again: one record a claim, those that ended long ago not. */
struct rewriting {
	struct fl_findings_stage *f;
	size_t source;
	uint32_t at;
	struct fl_buf key, value;
};

static int next_kept(void *ctx, struct fl_span *key, struct fl_span *value)
{
	struct rewriting *w = ctx;
	const struct fl_fold *fold = w->f->keep.fold;
	fl_unix_us before = fl_now_unix(w->f->c.clock) - KEEP_ENDED_US;
	struct fl_claim_record r;
	const char *source;

	for (; (source = fl__fold_source(fold, w->source)); w->source++, w->at = 0)
		while (fl__fold_next(fold, source, &w->at, &r)) {
			if (r.claim.state == FL_CLAIM_EXPIRED || (r.claim.state != FL_CLAIM_ACTIVE && r.at < before))
				continue;
			snprintf(r.node, sizeof(r.node), "%.63s", w->f->c.cfg->node_name);
			r.cause = FL_CAUSE_RECOVER;
			fl_buf_reset(&w->key);
			fl_buf_reset(&w->value);
			fl_buf_printf(&w->key, "%s@%s", r.claim.id, r.node);
			fl_claim_record_encode(&r, &w->value);
			if (w->key.failed || w->value.failed)
				return FL_ENOMEM;
			*key = fl_buf_span(&w->key);
			*value = fl_buf_span(&w->value);
			return 1;
		}
	return 0;
}

static void make_small(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;
	struct rewriting w = { .f = f };

	if (k->fold && k->records > 2 * fl__fold_size(k->fold) + 1000)
		fl_ledger_rewrite(k->ledger, next_kept, &w, NULL);
	k->small = 0;
	fl_buf_done(&w.key);
	fl_buf_done(&w.value);
}

static void compare_from_here(struct fl_keep *k)
{
	k->state = FL_RESTORE_COMPARE;
	k->set = 0;
	k->at = 0;
	k->head_asked = k->skipped = false;
}

static void all_read(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;

	if (by_topic(f))
		forget_old(f);
	else
		make_small(f);
	k->whole = true;
	k->read_once = true;
	k->following = k->topic != NULL;
	compare_from_here(k);
	k->problem[0] = '\0';
	if (k->unreadable)
		say(k, "%llu records of the ledger cannot be read", (unsigned long long)k->unreadable);
}

/* Kafka is away: what the file has must do for now. Read again as soon as it is back. A topic that is not there yet, at a first start, has nothing. */
static void without_topic(struct fl_findings_stage *f, int code, const struct fl_err *err, fl_mono_ns now)
{
	struct fl_keep *k = &f->keep;

	if (k->topic)
		fl_bus_consumer_close(f->c.bus, k->topic);
	k->topic = NULL;
	k->read_once = false;
	k->whole = true; /* all that can be had now */
	fl__fold_free(k->fold); /* half a topic has words without those that took them back */
	k->fold = fl__fold_new();
	if (k->fold)
		fl_ledger_local(k->ledger, take_local, f, NULL);
	compare_from_here(k);
	k->topic_at = now + (code == FL_ENOTFOUND ? RETRY_MS : AGAIN_MS) * FL_NS_PER_MS;
	k->problem[0] = '\0';
	if (code != FL_ENOTFOUND)
		say(k, "the ledger in Kafka cannot be read, what the store may have lost waits: %.110s", err->text);
}

/* Nothing comes, and the end is not reached: the broker is stuck, or the last records of a partition are gone. If it answers now and still nothing comes for as long again, they are. */
static int ask_again(struct fl_findings_stage *f, fl_mono_ns now, struct fl_err *err)
{
	struct fl_keep *k = &f->keep;
	struct fl_bus_offsets first, end;
	int ret = f->c.bus->ops->watermarks(k->topic, &first, &end, err);

	k->no_more = ret == 0 && k->asked;
	k->asked = ret == 0;
	k->silent_since = now;
	return ret;
}

static bool read_some(struct fl_findings_stage *f, fl_mono_ns now)
{
	struct fl_keep *k = &f->keep;
	struct fl_err err = { 0 };
	int ret = 0, i;

	if (!k->fold) {
		k->records = k->unreadable = 0;
		k->fold = fl__fold_new();
		ret = k->fold ? fl_ledger_local(k->ledger, take_local, f, &err) : FL_ENOMEM;
		if (ret < 0 && ret != FL_ENOMEM) /* the file is in trouble, as status says: the topic may have it */
			ret = 0;
	}
	if (ret == 0 && !by_topic(f)) {
		all_read(f);
		return true;
	}
	if (ret == 0 && !k->topic)
		ret = open_topic(f, &err);
	for (i = 0; ret >= 0 && i < RECORDS_A_STEP && !at_end(f); i++) {
		ret = fetch(f, FETCH_MS, &err);
		if (ret == 1) {
			k->silent_since = now;
			k->asked = false;
		}
		else if (ret == 0)
			break;
	}
	if (ret >= 0 && !at_end(f) && now - k->silent_since > SILENT_MS * FL_NS_PER_MS)
		ret = ask_again(f, now, &err);
	if (ret >= 0 && (at_end(f) || k->no_more)) {
		all_read(f);
		return true;
	}
	if (ret == FL_ENOMEM) {
		say(k, "out of memory while the ledger is read");
		k->state = FL_RESTORE_IDLE;
		begin(f);
		k->retry_at = now + AGAIN_MS * FL_NS_PER_MS;
		return false;
	}
	if (ret < 0) {
		without_topic(f, ret, &err, now);
		return true;
	}
	return i > 0;
}

/* --- comparing --- */

/* Has the store less than the ledger says? A person's later word goes before what findings say. */
static bool lacks(const struct fl_claim *stored, const struct fl_claim *c)
{
	if (stored->state == FL_CLAIM_EXPIRED && c->state == FL_CLAIM_ACTIVE && stored->updated_at >= c->updated_at && stored->expires_at >= c->expires_at)
		return false;
	if (c->word_at != stored->word_at)
		return c->word_at > stored->word_at;
	if (fl_claim_says_nothing_new(stored, c))
		return false;
	return stored->state != c->state || stored->updated_at != c->updated_at || c->seen_at > stored->seen_at;
}

/* What has ended by itself stays ended. */
static bool of_use(const struct fl_claim_record *r, fl_unix_us until, fl_unix_us now)
{
	if (r->claim.state == FL_CLAIM_EXPIRED)
		return false;
	if (r->claim.state == FL_CLAIM_ACTIVE)
		return !r->claim.expires_at || r->claim.expires_at > until;
	return r->at + KEEP_ENDED_US > now;
}

/* Asked again after a lost race: another host may have brought it back, or have heard a later word. */
static bool still_lacks(void *ctx, size_t i, const struct fl_claim_view *view, struct fl_claim *c)
{
	(void)ctx, (void)i;
	return !view->broken && (!view->stored || lacks(view->stored, c));
}

static int commit_lacking(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_claim *v, size_t n, struct fl_arena *arena, struct fl_err *err)
{
	struct fl_claim_batch b = { .set = s, .claims = v, .cause = FL_CAUSE_RECOVER, .actor = "ingest", .reason = "from the ledger", .seen_at = fl_now_unix(f->c.clock),
				    .judge = still_lacks };
	const char **ids = fl_arena_array(arena, n + 1, sizeof(*ids));
	struct fl_claim *stored = fl_arena_array(arena, n + 1, sizeof(*stored));
	enum fl_claim_there *there = fl_arena_array(arena, n + 1, sizeof(*there));
	struct fl_source_version version;
	int ret = ids && stored && there ? 0 : FL_ENOMEM;

	for (size_t i = 0; ret == 0 && i < n; i++)
		ids[i] = v[i].id;
	if (ret == 0)
		ret = fl_claims_get(f->c.sets, s->source, ids, n, stored, there, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		if (there[i] == FL_CLAIM_NOT_THERE || (there[i] == FL_CLAIM_THERE && lacks(&stored[i], &v[i])))
			v[b.n++] = v[i];
	if (ret == 0 && b.n) {
		ret = fl__claims_commit(f, &b, &version, err);
		if (ret == 0)
			f->keep.restored += b.n;
	}
	return ret;
}

/* A batch of the set that is compared now. 1: it is done. */
static int compare_some(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	struct fl_keep *k = &f->keep;
	struct fl_arena arena = { 0 };
	struct fl_claim *v = fl_arena_array(&arena, COMPARE_BATCH, sizeof(*v));
	fl_unix_us until = 0, now = fl_now_unix(f->c.clock);
	struct fl_claim_record r;
	uint32_t at = k->at, last = at;
	bool more = true;
	size_t n = 0;
	int ret = v ? 0 : FL_ENOMEM;

	if (!fl__both_clocks(f, &until))
		until = 0; /* what is past its time comes back, and leaves when the clocks agree */
	while (ret == 0 && n < COMPARE_BATCH && (more = k->fold && fl__fold_next(k->fold, s->source, &at, &r))) {
		last = at;
		if (of_use(&r, until, now))
			v[n++] = r.claim;
	}
	if (ret == 0 && n)
		ret = commit_lacking(f, s, v, n, &arena, err);
	if (ret == 0)
		k->at = last;
	fl_arena_done(&arena);
	return ret < 0 ? ret : !more;
}

static void compared(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;

	fl__fold_free(k->fold);
	k->fold = NULL;
	k->whole = false;
	k->state = FL_RESTORE_IDLE;
}

/* What is compared is the content of this head or a later one: known, so that a loss in the meantime is seen. */
static int ask_head(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	struct fl_head head;
	int ret = f->keep.head_asked ? 0 : fl_set_head(f->c.sets, FL_SOURCE, s->source, &head, err);

	if (ret == FL_ENOTFOUND)
		ret = 0;
	if (ret == 0 && !f->keep.head_asked && !f->keep.whole)
		ret = fl__restore_fits(f, s, &head, err);
	if (ret == 0 && !f->keep.head_asked) {
		s->known = head.id;
		f->keep.head_asked = true;
	}
	return ret;
}

static void next_set(struct fl_keep *k)
{
	k->set++;
	k->at = 0;
	k->head_asked = false;
}

/* A batch of claims a step, and all sets of which the ledger has none. One that cannot be compared now keeps no other waiting: it is asked again when all have been. */
static bool compare(struct fl_findings_stage *f, fl_mono_ns now)
{
	struct fl_keep *k = &f->keep;
	struct fl_claim_set *s;
	struct fl_err err = { 0 };
	int ret = 1;

	while (ret == 1) {
		while (k->set < f->n_sets && !f->sets[k->set].compare)
			k->set++;
		if (k->set >= f->n_sets && k->skipped) {
			k->skipped = false;
			k->set = 0;
			k->retry_at = now + RETRY_MS * FL_NS_PER_MS;
			return false;
		}
		if (k->set >= f->n_sets) {
			compared(f);
			return true;
		}
		s = &f->sets[k->set];
		ret = ask_head(f, s, &err);
		if (ret == 0)
			ret = compare_some(f, s, &err);
		if (ret == 1) {
			s->compare = s->held = false;
			next_set(k);
		}
	}
	if (ret >= 0)
		return true;
	if (k->again) {
		begin(f);
		return true;
	}
	k->skipped = true;
	next_set(k);
	if (ret != FL_EFENCED && ret != FL_EUNAVAIL)
		say(k, "source '%.60s' cannot be restored from the ledger: %.100s", s->source, err.text[0] ? err.text : fl_code_text(ret));
	return true;
}

/* --- in between --- */

/* Where the file is the ledger it is made small again when it has doubled since. */
static bool has_grown(struct fl_findings_stage *f)
{
	struct fl_ledger_status s;

	if (by_topic(f))
		return false;
	fl_ledger_status(f->keep.ledger, &s);
	if (!f->keep.small)
		f->keep.small = s.file_bytes;
	return s.file_bytes > SMALL_FROM && s.file_bytes / 2 > f->keep.small;
}

/* What other hosts wrote since: the store has it, unless it lost it. */
static bool follow(struct fl_findings_stage *f, fl_mono_ns now)
{
	struct fl_keep *k = &f->keep;
	const char *source;
	int ret = 1, i;

	if (has_grown(f)) {
		begin(f);
		return true;
	}
	if (by_topic(f) && !k->read_once && now >= k->topic_at) {
		for (size_t n = 0; n < f->n_sets; n++)
			f->sets[n].compare = true;
		begin(f);
		return true;
	}
	for (i = 0; k->following && ret == 1 && i < FOLLOW_A_STEP; i++)
		ret = fetch(f, 0, NULL);
	for (size_t n = 0; k->fold && (source = fl__fold_source(k->fold, n)); n++)
		for (size_t q = 0; q < f->n_sets; q++)
			f->sets[q].compare = f->sets[q].compare || strcmp(f->sets[q].source, source) == 0;
	if (k->fold)
		compare_from_here(k);
	return k->fold || (k->following && ret == 1);
}

bool fl__restore_step(struct fl_findings_stage *f, fl_mono_ns now)
{
	struct fl_keep *k = &f->keep;
	bool more = false;

	if (!k->ledger || k->running)
		return false;
	k->running = true;
	fl_ledger_step(k->ledger);
	if (k->state == FL_RESTORE_READ && now >= k->retry_at)
		more = read_some(f, now);
	else if (k->state == FL_RESTORE_COMPARE && now >= k->retry_at)
		more = compare(f, now);
	else if (k->state == FL_RESTORE_IDLE)
		more = follow(f, now);
	k->running = false;
	if (k->state == FL_RESTORE_IDLE && now >= k->heads_at)
		watch_heads(f, now);
	return more;
}

int fl__restore_ready(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	fl_mono_ns start = fl_now_mono(f->c.clock), now = start;

	if (!s->held || f->keep.running || !f->keep.ledger)
		return 0;
	while (s->held && now - start < PATIENCE_MS * FL_NS_PER_MS) {
		bool more = fl__restore_step(f, now);
		fl_mono_ns then = fl_now_mono(f->c.clock);

		if (!more && (then == now || f->keep.retry_at > then))
			break;
		now = then;
	}
	if (s->held)
		return fl_err_set(err, FL_EUNAVAIL, "source '%s' is compared with the ledger first; send it again", s->source);
	return 0;
}
