/* What an update of a finding takes back (docs/decisions/moves.md):
 *
 *   a finding in the store     cli.block: bad.example @t1
 *   its update, later, says    cli.block: worse.example @t2      ->  bad.example is withdrawn, by the same commit
 *                              cli.alert: bad.example @t2        ->  bad.example is withdrawn in cli.block
 *                              archived @t2                      ->  all of it is withdrawn, in every set
 *   an older one, late, says   other.example @t0                 ->  nothing: it is no news
 *
 * Order is by the finding's own date. Without one on both sides no order is known, and nothing moves. Start at fl__finding_moves(). */
#include "ingest/findings_int.h"

#include <stdlib.h>

/* What is said of an id that more names share is no update of one finding, but the next of many: it takes nothing back, and costs no look at all of them. */
enum { CLAIMS_MAX = 4096 };

bool fl__set_of_source(const char *set, const char *source)
{
	static const char *const actions[] = { ".block", ".alert" };
	size_t n = strlen(source);

	if (strncmp(set, source, n) != 0)
		return false;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		size_t k = strlen(actions[i]);

		if (strncmp(set + n, actions[i], k) == 0 && (set[n + k] == '\0' || set[n + k] == '.'))
			return true;
	}
	return false;
}

bool fl__set_alerts(const char *set)
{
	const char *action = strchr(set, '.'); /* no source has a dot in its name */

	return action && strncmp(action, ".alert", 6) == 0 && (action[6] == '\0' || action[6] == '.');
}

/* One finding, what the store has of it, and what was said of it now. */
struct known {
	const char *source, *finding;
	struct fl_finding_said **said;
	size_t n_said;
	size_t first, n; /* its sets, in refs */
	fl_unix_us newest;
	struct fl_finding_said *last; /* the one that decides; NULL: none is newest */
};

struct moving {
	struct fl_findings_stage *f;
	struct fl_arena *arena;
	struct fl_finding_said **order; /* by source and finding */
	struct known *known;
	size_t n_known;
	struct fl_finding_ref *refs; /* a finding in one set */
	struct fl_claim_set **ref_set;
	struct fl_claim_rows *rows;
	size_t n_refs;
	struct fl_finding_said *said;
	bool (*names)(void *ctx, size_t i, const char *claim_id);
	void *ctx;
	struct fl_finding_moved *out;
	size_t n_out;
};

static int by_finding(const void *a, const void *b)
{
	const struct fl_finding_said *x = *(struct fl_finding_said *const *)a, *y = *(struct fl_finding_said *const *)b;
	int d = strcmp(x->source, y->source);

	if (d == 0)
		d = strcmp(x->finding, y->finding);
	return d ? d : x < y ? -1 : 1;
}

static int group(struct moving *m, size_t n, struct fl_err *err)
{
	m->order = fl_arena_array(m->arena, n + 1, sizeof(*m->order));
	m->known = fl_arena_array(m->arena, n + 1, sizeof(*m->known));
	if (!m->order || !m->known)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		m->order[i] = &m->said[i];
	if (n)
		qsort(m->order, n, sizeof(*m->order), by_finding);
	for (size_t i = 0; i < n; i++) {
		struct known *k = m->n_known ? &m->known[m->n_known - 1] : NULL;

		if (!k || strcmp(k->source, m->order[i]->source) != 0 || strcmp(k->finding, m->order[i]->finding) != 0) {
			k = &m->known[m->n_known++];
			*k = (struct known){ .source = m->order[i]->source, .finding = m->order[i]->finding, .said = m->order + i };
		}
		k->n_said++;
	}
	return 0;
}

static size_t sets_of(const struct moving *m, const char *source)
{
	size_t n = 0;

	for (size_t i = 0; i < m->f->n_sets; i++)
		n += fl__set_of_source(m->f->sets[i].source, source);
	return n;
}

static bool archives(const struct known *k)
{
	for (size_t i = 0; i < k->n_said; i++)
		if (k->said[i]->archived)
			return true;
	return false;
}

/* Of a store that lost something nothing is known to be taken back: the ledger comes first. Findings come by source, and so does the first that has a source's sets. */
static int sets_fit(struct moving *m, struct fl_err *err)
{
	struct fl_claim_set **sets = fl_arena_array(m->arena, m->n_refs + 1, sizeof(*sets));
	size_t n = 0;

	if (!sets)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < m->n_known; i++) {
		const struct known *k = &m->known[i];

		if (i && strcmp(k->source, k[-1].source) == 0)
			continue;
		memcpy(sets + n, m->ref_set + k->first, k->n * sizeof(*sets));
		n += k->n;
	}
	return fl__claim_sets_fit(m->f, sets, n, err);
}

static int read_all(struct moving *m, struct fl_err *err)
{
	size_t total = 0;
	int ret;

	for (size_t i = 0; i < m->n_known; i++)
		total += sets_of(m, m->known[i].source);
	m->refs = fl_arena_array(m->arena, total + 1, sizeof(*m->refs));
	m->ref_set = fl_arena_array(m->arena, total + 1, sizeof(*m->ref_set));
	m->rows = fl_arena_array(m->arena, total + 1, sizeof(*m->rows));
	if (!m->refs || !m->ref_set || !m->rows)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < m->n_known; i++) {
		struct known *k = &m->known[i];

		k->first = m->n_refs;
		for (size_t j = 0; j < m->f->n_sets; j++)
			if (fl__set_of_source(m->f->sets[j].source, k->source)) {
				m->refs[m->n_refs] = (struct fl_finding_ref){ m->f->sets[j].source, k->finding, archives(k) ? 0 : CLAIMS_MAX };
				m->ref_set[m->n_refs++] = &m->f->sets[j];
			}
		k->n = m->n_refs - k->first;
	}
	ret = sets_fit(m, err);
	return ret < 0 ? ret : fl_claims_by_finding(m->f->c.sets, m->refs, m->n_refs, m->arena, m->rows, err);
}

/* What other documents of the batch say of the finding, and it takes back with the rest: as it would of what was committed before. */
static void take_back_said(struct known *k)
{
	for (size_t i = 0; i < k->n_said; i++) {
		struct fl_finding_said *s = k->said[i], *last = k->last;

		if (!s->archived && s->tag != last->tag && (last->updated_at ? s->updated_at <= last->updated_at : s < last)) {
			s->taken_back = last;
			s->stale = false; /* it is written, as taken back */
		}
	}
}

/* Which of what was said is the newest word; and is the finding one that a person dismissed, with nothing of it in force? */
static void date(struct moving *m, struct known *k)
{
	bool dismissed = false, active = false;

	for (size_t i = k->first; i < k->first + k->n; i++)
		for (size_t j = 0; j < m->rows[i].n; j++) {
			const struct fl_claim *c = &m->rows[i].v[j].claim;

			if (c->updated_at > k->newest)
				k->newest = c->updated_at;
			dismissed = dismissed || c->state == FL_CLAIM_DISMISSED;
			active = active || c->state == FL_CLAIM_ACTIVE;
		}
	for (size_t i = 0; i < k->n_said; i++)
		if (k->said[i]->updated_at > k->newest)
			k->newest = k->said[i]->updated_at;
	for (size_t i = 0; i < k->n_said; i++) {
		struct fl_finding_said *s = k->said[i];

		s->dismissed = dismissed && !active;
		s->stale = !s->archived && s->updated_at && s->updated_at < k->newest;
		if (s->archived ? !s->updated_at || s->updated_at >= k->newest : s->updated_at && !s->stale)
			k->last = s;
	}
	if (k->last && k->last->archived)
		take_back_said(k);
}

/* Does the finding's newest word take this claim back? */
static bool takes_back(const struct moving *m, const struct known *k, const struct fl_claim *c)
{
	const struct fl_finding_said *s = k->last;
	bool named_elsewhere = false;

	if (c->state != FL_CLAIM_ACTIVE && c->state != FL_CLAIM_QUARANTINED)
		return false;
	for (size_t i = 0; i < k->n_said; i++)
		if (!k->said[i]->stale && !k->said[i]->taken_back && m->names(m->ctx, (size_t)(k->said[i] - m->said), c->id))
			return false; /* it is said anew: nothing to take back */
	if (s->archived)
		return !s->updated_at || c->updated_at <= s->updated_at;
	if (!c->updated_at || c->updated_at > s->updated_at)
		return false;
	if (c->updated_at < s->updated_at)
		return true;
	/* the same word again: only from one set to another, when a rule has changed meanwhile */
	for (size_t i = 0; i < k->n && !named_elsewhere; i++) {
		struct fl_claim there = *c;

		memcpy(there.source, m->ref_set[k->first + i]->source, sizeof(there.source));
		fl_claim_id(&there);
		named_elsewhere = m->names(m->ctx, (size_t)(s - m->said), there.id);
	}
	return named_elsewhere;
}

static void take_back(struct moving *m, const struct known *k)
{
	for (size_t i = k->first; i < k->first + k->n; i++)
		for (size_t j = 0; j < m->rows[i].n; j++) {
			struct fl_finding_moved *out = &m->out[m->n_out];

			if (!takes_back(m, k, &m->rows[i].v[j].claim))
				continue;
			*out = (struct fl_finding_moved){ m->rows[i].v[j].claim, m->ref_set[i], k->last };
			out->claim.state = FL_CLAIM_WITHDRAWN;
			if (k->last->updated_at)
				out->claim.updated_at = k->last->updated_at;
			out->claim.actor[0] = '\0';
			snprintf(out->claim.reason, sizeof(out->claim.reason), "%s", k->last->archived ? "the finding was archived" : "its finding was updated, and names it here no more");
			m->n_out++;
		}
}

int fl__finding_moves(struct fl_findings_stage *f, struct fl_finding_said *said, size_t n, bool (*names)(void *ctx, size_t i, const char *claim_id), void *ctx,
		      struct fl_arena *arena, struct fl_finding_moved **out, size_t *n_out, struct fl_err *err)
{
	struct moving m = { .f = f, .arena = arena, .said = said, .names = names, .ctx = ctx };
	size_t total = 0;
	int ret = group(&m, n, err);

	if (ret == 0)
		ret = read_all(&m, err);
	for (size_t i = 0; ret == 0 && i < m.n_refs; i++)
		total += m.rows[i].n;
	m.out = fl_arena_array(arena, total + 1, sizeof(*m.out));
	if (ret == 0 && !m.out)
		ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; ret == 0 && i < m.n_known; i++) {
		date(&m, &m.known[i]);
		if (m.known[i].last)
			take_back(&m, &m.known[i]);
	}
	*out = m.out;
	*n_out = ret == 0 ? m.n_out : 0;
	return ret;
}
