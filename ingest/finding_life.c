/* What people say of findings: dismissed, taken up again, another end, let in from quarantine. Each is one version a set, with actor and reason, and the claim keeps both. */
#include "ingest/findings_int.h"

static const char *const words[FL_CLAIM_OPS] = { "dismiss", "restore", "extend", "approve" };

const char *fl_claim_op_word(enum fl_claim_op op)
{
	return (unsigned)op < FL_CLAIM_OPS ? words[op] : "";
}

void fl__claim_quarantine(struct fl_claim *c, const struct fl_protected_name *protects)
{
	char name[FL_NAME_TEXT];

	c->state = FL_CLAIM_QUARANTINED;
	c->actor[0] = '\0';
	snprintf(c->reason, sizeof(c->reason), "would block the protected name %.150s (%s)", fl_rkey_to_text(fl_rkey_span(&protects->key), name), fl_protect_word(protects->why));
}

void fl__claim_keep_word(const struct fl_claim *stored, struct fl_claim *next)
{
	bool spoken = stored->state == FL_CLAIM_ACTIVE && stored->actor[0];

	next->word_at = stored->word_at;
	if (!spoken || (next->state != FL_CLAIM_ACTIVE && next->state != FL_CLAIM_QUARANTINED))
		return;
	next->state = FL_CLAIM_ACTIVE;
	if (!stored->expires_at || (next->expires_at && next->expires_at < stored->expires_at))
		next->expires_at = stored->expires_at;
	memcpy(next->actor, stored->actor, sizeof(next->actor));
	memcpy(next->reason, stored->reason, sizeof(next->reason));
}

/* --- one claim --- */

struct deciding {
	struct fl_findings_stage *f;
	const struct fl_claim_request *r;
	fl_unix_us now;
};

static bool past(const struct deciding *d, const struct fl_claim *c)
{
	return c->expires_at && c->expires_at <= d->now;
}

/* NULL: it may. "": it is so already. Else why it may not. */
static const char *may(const struct deciding *d, const struct fl_claim *c)
{
	switch (d->r->op) {
	case FL_CLAIM_DISMISS:
		return c->state == FL_CLAIM_DISMISSED ? "" : NULL;
	case FL_CLAIM_RESTORE:
		if (c->state != FL_CLAIM_DISMISSED)
			return "it is not dismissed";
		return past(d, c) ? "its time is past; a new finding blocks it again" : NULL;
	case FL_CLAIM_APPROVE:
		if (c->state != FL_CLAIM_QUARANTINED)
			return "it is not quarantined";
		return past(d, c) ? "its time is past" : NULL;
	default:
		if (c->state != FL_CLAIM_ACTIVE)
			return "only an active claim has an end to move";
		return c->expires_at == d->r->until ? "" : NULL;
	}
}

static void apply(const struct deciding *d, struct fl_claim *c)
{
	const struct fl_protected_name *protects = NULL;

	c->word_at = d->now > c->word_at ? d->now : c->word_at + 1;
	snprintf(c->actor, sizeof(c->actor), "%s", d->r->actor ? d->r->actor : "");
	snprintf(c->reason, sizeof(c->reason), "%s", d->r->reason);
	if (d->r->op == FL_CLAIM_EXTEND)
		c->expires_at = d->r->until;
	else
		c->state = d->r->op == FL_CLAIM_DISMISS ? FL_CLAIM_DISMISSED : FL_CLAIM_ACTIVE;
	if (d->r->op == FL_CLAIM_RESTORE)
		protects = fl__set_alerts(c->source) ? NULL : fl_protect_claim(&d->f->protected, fl_rkey_span(&c->key), c->scope);
	if (protects) /* back to where it waited */
		fl__claim_quarantine(c, protects);
}

/* Asked again after a lost race: of what the store has by then. */
static bool judge(void *ctx, size_t i, const struct fl_claim_view *view, struct fl_claim *c)
{
	const struct deciding *d = ctx;

	(void)i;
	if (view->broken || !view->stored || may(d, view->stored))
		return false;
	*c = *view->stored;
	apply(d, c);
	return true;
}

/* --- a finding --- */

static const char *list_of(const struct fl_findings_stage *f, const char *source)
{
	for (size_t i = 0; i < f->n_sets; i++)
		if (strcmp(f->sets[i].source, source) == 0)
			return f->sets[i].list;
	return "";
}

static bool is_operators(const char *set)
{
	size_t n = strlen(set);

	return n > 9 && strcmp(set + n - 9, ".operator") == 0;
}

static int all_fit(struct fl_findings_stage *f, struct fl_arena *arena, struct fl_err *err)
{
	struct fl_claim_set **sets = fl_arena_array(arena, f->n_sets + 1, sizeof(*sets));

	if (!sets)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < f->n_sets; i++)
		sets[i] = &f->sets[i];
	return fl__claim_sets_fit(f, sets, f->n_sets, err);
}

static int find(struct fl_findings_stage *f, const char *id, struct fl_arena *arena, struct fl_claim_rows *out, struct fl_err *err)
{
	const char **sources = fl_arena_array(arena, f->n_sets + 1, sizeof(*sources));
	size_t n = 0;

	if (!sources)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < f->n_sets; i++) /* an operator's entries have commands of their own */
		if (!is_operators(f->sets[i].source))
			sources[n++] = f->sets[i].source;
	return fl_claims_find(f->c.sets, sources, n, id, arena, out, err);
}

/* Those of one set, from v[0] on: one version. */
static int commit_set(const struct deciding *d, struct fl_claim_change *v, size_t n, struct fl_arena *arena, struct fl_err *err)
{
	struct fl_claim *claims = fl_arena_array(arena, n, sizeof(*claims));
	struct fl_claim_batch b = { .set = fl__claim_set(d->f, v[0].before.source, v[0].list), .claims = claims, .n = n, .cause = FL_CAUSE_OPERATOR,
				    .actor = d->r->actor ? d->r->actor : "", .reason = d->r->reason, .seen_at = d->now, .judge = judge, .ctx = (void *)d };
	struct fl_source_version version;
	int ret;

	if (!b.set || !claims)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		claims[i] = v[i].before;
	ret = fl__claims_commit(d->f, &b, &version, err);
	for (size_t i = 0; ret == 0 && i < n; i++)
		v[i].version = version.id.number;
	return ret;
}

static int check(const struct deciding *d, struct fl_err *err)
{
	const struct fl_claim_request *r = d->r;

	if (!r->reason || !r->reason[0])
		return fl_err_set(err, FL_EUSAGE, "say why: a reason is needed");
	if (r->op == FL_CLAIM_EXTEND && r->until && r->until <= d->now)
		return fl_err_set(err, FL_EUSAGE, "that time is past; to let the name go: dismiss");
	return 0;
}

int fl_findings_decide(struct fl_findings_stage *f, const struct fl_claim_request *r, struct fl_arena *arena, struct fl_claim_answer *out, struct fl_err *err)
{
	struct deciding d = { f, r, fl_now_unix(f->c.clock) };
	struct fl_claim_answer a = { 0 };
	struct fl_claim_rows rows = { 0 };
	const char *why = NULL;
	int ret = check(&d, err);

	if (ret == 0)
		ret = all_fit(f, arena, err);
	if (ret == 0)
		ret = find(f, r->id, arena, &rows, err);
	if (ret < 0)
		return ret;
	a.v = fl_arena_array(arena, rows.n + 1, sizeof(*a.v));
	if (!a.v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < rows.n; i++) {
		const char *not = may(&d, &rows.v[i].claim);

		if (not) {
			why = why && !*not ? why : not;
			a.others++;
			if (!*not && !r->dry_run) /* a word whose acknowledgement failed may be repeated so */
				fl__keep_known(f, &rows.v[i].claim);
			continue;
		}
		a.v[a.n] = (struct fl_claim_change){ rows.v[i].claim, rows.v[i].claim, list_of(f, rows.v[i].claim.source), 0 };
		apply(&d, &a.v[a.n++].after);
	}
	if (!a.n && why && *why)
		return fl_err_set(err, FL_EREFUSED, "'%.100s' cannot be %s: it is %s, and %s", r->id,
				  r->op == FL_CLAIM_EXTEND ? "extended" : r->op == FL_CLAIM_APPROVE ? "approved" : "restored", fl_claim_state_word(rows.v[0].claim.state), why);
	/* rows come set by set */
	for (size_t i = 0, k; ret == 0 && !r->dry_run && i < a.n; i = k) {
		for (k = i + 1; k < a.n && strcmp(a.v[k].before.source, a.v[i].before.source) == 0; k++)
			;
		ret = commit_set(&d, a.v + i, k - i, arena, err);
	}
	if (ret == 0 && !r->dry_run)
		ret = fl__keep_flush(f, err);
	if (ret == 0)
		*out = a;
	return ret;
}
