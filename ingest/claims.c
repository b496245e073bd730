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
		fl__restore_set(f, s);
	}
	memcpy(s->list, list, strlen(list) + 1); /* a reload may have given it another */
	return s;
}

static int lease_and_head(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	fl_mono_ns now = fl_now_mono(f->c.clock);
	int ret = fl__restore_ready(f, s, err);

	if (ret < 0)
		return ret;
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
		if (ret == 0)
			ret = fl__restore_fits(f, s, &s->head, err);
		s->head_known = ret == 0;
	}
	return ret;
}

/* Once more when a loss was found just now: then it is restored first. */
int fl__claim_sets_fit(struct fl_findings_stage *f, struct fl_claim_set *const *sets, size_t n, struct fl_err *err)
{
	int ret = f->keep.ledger ? FL_EUNAVAIL : 0;

	for (int i = 0; i < 2 && ret == FL_EUNAVAIL; i++) {
		ret = 0;
		for (size_t k = 0; ret == 0 && k < n; k++)
			ret = fl__restore_ready(f, sets[k], err);
		if (ret < 0)
			break;
		ret = fl__restore_heads(f, sets, n, err);
	}
	return ret;
}

/* A head that shows a loss is not gone on from: the ledger comes first, now if it can. */
int fl__claim_set_ready(struct fl_findings_stage *f, struct fl_claim_set *s, struct fl_err *err)
{
	bool was_held = s->held;
	int ret = lease_and_head(f, s, err);

	if (ret == FL_EUNAVAIL && s->held && !was_held)
		ret = lease_and_head(f, s, err);
	return ret;
}

/* One name that the batch touches. */
struct touched {
	struct fl_span key;
	struct fl_tuple old, new;
};

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

/* One claim that is to be written, and what the store has of it. */
struct row {
	struct fl_claim *c;
	const struct fl_claim_view *view;
};

static int by_name_and_id(const void *a, const void *b)
{
	const struct fl_claim *x = ((const struct row *)a)->c, *y = ((const struct row *)b)->c;
	int d = fl_rkey_cmp(fl_rkey_span(&x->key), fl_rkey_span(&y->key));

	return d ? d : strcmp(x->id, y->id);
}

static bool rewritten(const struct row *v, size_t n, const char *id)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int d = strcmp(v[mid].c->id, id);

		if (d == 0)
			return true;
		if (d < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* The tuple of a name, of which v are the claims that are written. Before: what the stored active claims give; after: what they give with these in place of their older selves. Claims and
 * set are written by one commit, so the two always agree, and no name has to be looked up in the set. */
static void tuples_of(const struct row *v, size_t n, bool set_exists, struct touched *t)
{
	bool endless_old = false, endless_new = false;

	for (size_t i = 0; set_exists && i < v->view->n_held; i++) {
		const struct fl_claim *held = v->view->held[i];

		fold(&t->old, &endless_old, held);
		if (!rewritten(v, n, held->id))
			fold(&t->new, &endless_new, held);
	}
	for (size_t i = 0; i < n; i++)
		fold(&t->new, &endless_new, v[i].c);
	if (endless_old)
		t->old.expires_s = 0;
	if (endless_new)
		t->new.expires_s = 0;
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

/* What is to be written of the batch, by name: copies, in arena, that the batch's judge has seen. */
static int rows_of(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct fl_arena *arena, struct row **out, size_t *n_out, struct fl_err *err)
{
	struct fl_claim *copy = fl_arena_array(arena, b->n + 1, sizeof(*copy));
	const struct fl_claim **asked = fl_arena_array(arena, b->n + 1, sizeof(*asked));
	struct fl_claim_view *view = fl_arena_array(arena, b->n + 1, sizeof(*view));
	struct row *rows = fl_arena_array(arena, b->n + 1, sizeof(*rows));
	char name[FL_NAME_TEXT];
	size_t n = 0;
	int ret;

	if (!copy || !asked || !view || !rows)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < b->n; i++) {
		copy[i] = b->claims[i];
		asked[i] = &copy[i];
	}
	ret = fl_claims_view(f->c.sets, b->set->source, asked, b->n, arena, view, err);
	for (size_t i = 0; ret == 0 && i < b->n; i++) {
		if (b->judge ? b->judge(b->ctx, i, &view[i], &copy[i]) : !view[i].broken)
			rows[n++] = (struct row){ &copy[i], &view[i] };
		else if (!b->judge)
			ret = fl_err_set(err, FL_ECORRUPT, "source '%s': a claim on %s in the store is malformed", b->set->source,
					 fl_rkey_to_text(fl_rkey_span(&copy[i].key), name));
	}
	qsort(rows, n, sizeof(*rows), by_name_and_id);
	*out = rows;
	*n_out = n;
	return ret;
}

static int touched_of(const struct row *rows, size_t n, bool set_exists, struct change_rows **out)
{
	struct change_rows *r = calloc(1, sizeof(*r));

	if (r)
		r->t = calloc(n + 1, sizeof(*r->t));
	if (!r || !r->t) {
		free(r);
		return FL_ENOMEM;
	}
	r->it = (struct fl_change_iter){ rows_next, rows_close };
	for (size_t i = 0, k; i < n; i = k) {
		struct touched *t = &r->t[r->n++];

		t->key = fl_rkey_span(&rows[i].c->key);
		for (k = i + 1; k < n && fl_rkey_cmp(fl_rkey_span(&rows[k].c->key), t->key) == 0; k++)
			;
		tuples_of(rows + i, k - i, set_exists, t);
	}
	*out = r;
	return 0;
}

static int commit_rows(struct fl_findings_stage *f, const struct fl_claim_batch *b, const struct row *rows, size_t n, struct fl_arena *arena,
		       struct fl_source_version *out, struct fl_err *err)
{
	struct fl_fetch_state fetch = { .seen_at = b->seen_at };
	struct fl_claim *claims = fl_arena_array(arena, n, sizeof(*claims));
	struct fl_source_commit c = { .name = b->set->source, .lease = &b->set->lease, .parent = &b->set->head, .cause = b->cause, .actor = b->actor,
				      .reason = b->reason, .fetch = &fetch, .claims = { claims, n }, .even_unchanged = true };
	struct change_rows *changes;
	int ret = claims ? touched_of(rows, n, b->set->head.id.number != 0, &changes) : FL_ENOMEM;

	if (ret < 0)
		return fl_err_set(err, ret, "out of memory");
	for (size_t i = 0; i < n; i++)
		claims[i] = *rows[i].c;
	ret = fl_source_commit_changes(f->c.sets, &c, &changes->it, out, err);
	if (ret == 0) {
		b->set->head.id = out->id;
		b->set->head.entries = out->digests.entries;
		b->set->head.digest = out->digests.scope;
		if (out->attempt[0])
			b->set->head.keyframe = out->id.number;
		b->set->known = out->id;
		fl__keep_claims(f, b->cause, claims, n, &out->id);
	}
	return ret;
}

static int commit_once(struct fl_findings_stage *f, const struct fl_claim_batch *b, struct fl_source_version *out, struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct row *rows = NULL;
	size_t n = 0;
	int ret = fl__claim_set_ready(f, b->set, err);

	memset(out, 0, sizeof(*out));
	if (ret == 0)
		ret = rows_of(f, b, &arena, &rows, &n, err);
	if (ret == 0 && n)
		ret = commit_rows(f, b, rows, n, &arena, out, err);
	fl_arena_done(&arena);
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
