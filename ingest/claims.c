/* Claims become changes of a set. The tuple of a name is made of all its active claims: the union of scopes, the latest end (none wins). So a
 * withdrawal takes a name away only when no other claim of the set holds it, and a renewal only moves its end. */
#include "ingest/findings_int.h"

#include <stdlib.h>

enum { RACES_MAX = 8 };

static struct fl_claim_set *set_by_name(struct fl_findings_stage *f, const char *source)
{
	for (size_t i = 0; i < f->n_sets; i++)
		if (strcmp(f->sets[i].source, source) == 0)
			return &f->sets[i];
	return NULL;
}

struct fl_claim_set *fl__claim_set(struct fl_findings_stage *f, const char *source, const char *list)
{
	struct fl_claim_set *s = set_by_name(f, source);

	if (strlen(source) >= FL_SET_NAME || strlen(list) >= FL_SET_NAME || (!s && f->n_sets == FL_CLAIM_SETS_MAX))
		return NULL;
	if (!s) {
		s = &f->sets[f->n_sets++];
		memset(s, 0, sizeof(*s));
		memcpy(s->source, source, strlen(source) + 1);
	}
	memcpy(s->list, list, strlen(list) + 1); /* a reload may have given it another */
	return s;
}

int fl__claim_set_ready(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	fl_mono_ns now = fl_now_mono(f->c.clock);
	int ret = 0;

	if (!s->leased || s->lease.until - now < FL_FINDINGS_LEASE_MS * FL_NS_PER_MS / 2) {
		ret = fl_lease_take(f->c.sets, FL_SOURCE, s->source, FL_FINDINGS_LEASE_MS, &s->lease, err);
		if (ret == 0 && !s->leased)
			s->head_known = false; /* another may have written meanwhile */
		s->leased = ret == 0;
	}
	if (ret == 0 && !s->head_known) {
		ret = fl_set_head(f->c.sets, FL_SOURCE, s->source, &s->head, err);
		if (ret == FL_ENOTFOUND)
			ret = 0;
		s->head_known = ret == 0;
	}
	return ret;
}

/* One name that the batch touches. */
struct touched {
	struct fl_span key;
	struct fl_tuple old, new;
};

static int by_key(const void *a, const void *b)
{
	return fl_rkey_cmp(((const struct touched *)a)->key, ((const struct touched *)b)->key);
}

static size_t distinct_keys(const struct fl_claim_batch *b, struct touched *t)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		t[n++].key = fl_rkey_span(&b->claims[i].key);
	qsort(t, n, sizeof(*t), by_key);
	if (n) {
		size_t k = 1;

		for (size_t i = 1; i < n; i++)
			if (fl_rkey_cmp(t[i].key, t[k - 1].key) != 0)
				t[k++] = t[i];
		n = k;
	}
	return n;
}

static uint32_t seconds_up(fl_unix_us t)
{
	int64_t s = (t + FL_US_PER_S - 1) / FL_US_PER_S;

	return t <= 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static void fold(struct fl_tuple *t, bool *endless, const struct fl_claim *c)
{
	uint32_t ends = seconds_up(c->expires_at), seen = (uint32_t)(c->seen_at / FL_US_PER_S);

	if (c->state != FL_CLAIM_ACTIVE)
		return;
	t->scope |= c->scope;
	*endless = *endless || ends == 0;
	if (ends > t->expires_s)
		t->expires_s = ends;
	if (!t->first_seen_s || (seen && seen < t->first_seen_s))
		t->first_seen_s = seen;
}

static const struct fl_claim *in_batch(const struct fl_claim_batch *b, const char *id)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->claims[i].id, id) == 0)
			return &b->claims[i];
	return NULL;
}

/* The tuple before is what the stored active claims give, the tuple after what they give with the batch in place of their older selves: claims and set are
 * written by one commit, so the two always agree, and no name has to be looked up in the set. */
static int tuples_of(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct touched *t, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_claim *stored = NULL;
	bool endless_old = false, endless_new = false;
	size_t n = 0;
	int ret = 0;

	if (b->set->head.id.number)
		ret = fl_claims_of(f->c.sets, b->set->source, t->key, &arena, &stored, &n, err);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		fold(&t->old, &endless_old, &stored[i]);
		if (!in_batch(b, stored[i].id))
			fold(&t->new, &endless_new, &stored[i]);
	}
	for (size_t i = 0; ret == 0 && i < b->n; i++)
		if (fl_rkey_cmp(fl_rkey_span(&b->claims[i].key), t->key) == 0)
			fold(&t->new, &endless_new, &b->claims[i]);
	if (endless_old)
		t->old.expires_s = 0;
	if (endless_new)
		t->new.expires_s = 0;
	fl_arena_done(&arena);
	return ret;
}

/* The changes as a stream: owns its rows. */
struct change_rows {
	struct fl_change_iter it;
	struct touched *t;
	size_t n, at;
};

static int rows_next(struct fl_change_iter *it, struct fl_change *out, struct fl_err *err)
{
	struct change_rows *r = (struct change_rows *)it;

	(void)err;
	for (; r->at < r->n; r->at++)
		if (!fl_tuple_eq(&r->t[r->at].old, &r->t[r->at].new)) {
			*out = (struct fl_change){ r->t[r->at].key, r->t[r->at].old, r->t[r->at].new };
			r->at++;
			return 1;
		}
	return 0;
}

static void rows_close(struct fl_change_iter *it)
{
	struct change_rows *r = (struct change_rows *)it;

	free(r->t);
	free(r);
}

static int commit_once(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct fl_source_version *out, struct fl_err *err)
{
	struct fl_fetch_state fetch = { .seen_at = b->seen_at };
	struct fl_source_commit c = { .name = b->set->source, .lease = &b->set->lease, .parent = &b->set->head, .cause = b->cause, .actor = b->actor,
				      .reason = b->reason, .fetch = &fetch, .claims = { b->claims, b->n }, .even_unchanged = true };
	struct change_rows *rows;
	int ret = fl__claim_set_ready(f, b->set, err);

	if (ret < 0)
		return ret;
	rows = calloc(1, sizeof(*rows));
	if (rows)
		rows->t = calloc(b->n + 1, sizeof(*rows->t));
	if (!rows || !rows->t) {
		free(rows);
		return FL_ENOMEM;
	}
	rows->it = (struct fl_change_iter){ rows_next, rows_close };
	rows->n = distinct_keys(b, rows->t);
	for (size_t i = 0; ret == 0 && i < rows->n; i++)
		ret = tuples_of(f, b, &rows->t[i], err);
	if (ret < 0) {
		rows_close(&rows->it);
		return ret;
	}
	ret = fl_source_commit_changes(f->c.sets, &c, &rows->it, out, err);
	if (ret == 0) {
		b->set->head.id = out->id;
		b->set->head.entries = out->digests.entries;
		b->set->head.digest = out->digests.scope;
		if (out->attempt[0])
			b->set->head.keyframe = out->id.number;
	}
	return ret;
}

int fl__claims_commit(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct fl_source_version *out, struct fl_err *err)
{
	int ret = FL_ESTALE;

	for (int i = 0; i < RACES_MAX && (ret == FL_ESTALE || ret == FL_EUNKNOWN || ret == FL_ENOTFOUND); i++) {
		if (i)
			b->set->head_known = false;
		ret = commit_once(f, b, out, err);
	}
	if (ret < 0)
		b->set->head_known = b->set->leased = false;
	return ret;
}
