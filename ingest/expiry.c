/* Expiry: claims past their time leave, by a version of their set. How many may leave at once depends on whether their ends were watched:
 *
 *   look .... look .... look       the wall clock went on as the monotonic one did: time has really passed, and what ended meanwhile leaves, however many
 *   (start) ............ look      nobody looked when their time came,
 *   look .. clock jumps . look     or time itself came in a leap: more than 100 that are more than 30 % of the set wait, for a person or until they are fewer
 *
 * What ends after the leap is watched again, and does not wait with them (docs/decisions/expiry.md). Start at fl__claims_expire(). */
#include "ingest/findings_int.h"

#define DAY_US (INT64_C(86400) * FL_US_PER_S)

enum { DUE_MAX = 1000, WAIT_ABOVE = 100, WAIT_PERCENT = 30 };

/* A claim expires when both the local clock and the store's are past it; clocks far apart expire nothing, and status says so. */
bool fl__both_clocks(struct fl_findings_stage *f, fl_unix_us *until)
{
	fl_unix_us here = fl_now_unix(f->c.clock), there, apart;

	if (fl_store_time(f->c.sets->store, &there, NULL) < 0)
		return false;
	apart = here > there ? here - there : there - here;
	f->s.clock_skewed = apart > FL_CLOCK_APART_S * FL_US_PER_S;
	*until = here < there ? here : there;
	return !f->s.clock_skewed;
}

/* Did the wall clock come here from the last look by the time that passed? */
static bool watched(const struct fl_expiry_watch *x, fl_unix_us until, fl_mono_ns now)
{
	int64_t passed_us = (now - x->at) / (FL_NS_PER_S / FL_US_PER_S);

	return x->looked && until - x->until <= passed_us + FL_CLOCK_APART_S * FL_US_PER_S;
}

/* What of the set waits from now on. Asked again as long as some do: the set may grow, a clock may be set right. */
static int judge(struct fl_findings_stage *f, struct fl_claim_set *s, fl_unix_us until, fl_mono_ns now, struct fl_err *err)
{
	struct fl_expiry_watch *x = &s->expiry;
	fl_unix_us upto = watched(x, until, now) && x->waits_until < until ? x->waits_until : until;
	struct fl_head head = { 0 };
	uint64_t due = 0;
	int ret = upto ? fl_claims_due_count(f->c.sets, s->source, upto, &due, err) : 0;

	if (ret == 0 && due > WAIT_ABOVE) {
		ret = fl_set_head(f->c.sets, FL_SOURCE, s->source, &head, err);
		if (ret == FL_ENOTFOUND)
			ret = 0;
	}
	if (ret < 0)
		return ret;
	x->waits = due > WAIT_ABOVE && due * 100 > head.entries * WAIT_PERCENT ? due : 0;
	x->entries = head.entries;
	x->waits_until = x->waits ? upto : 0;
	return 0;
}

struct ending {
	fl_unix_us until;
	size_t gone, broken;
};

/* Of what the store has by then: another host may have moved the end, or have let a person dismiss it. A name of which another claim cannot be read stays as it is, since nobody knows what it would
 * be without this one. */
static bool ends(void *ctx, size_t i, const struct fl_claim_view *view, struct fl_claim *c)
{
	struct ending *e = ctx;

	if (i == 0)
		e->gone = e->broken = 0;
	if (view->broken || !view->stored) {
		e->broken++;
		return false;
	}
	if (view->stored->state != FL_CLAIM_ACTIVE || !view->stored->expires_at || view->stored->expires_at > e->until)
		return false;
	*c = *view->stored;
	c->state = FL_CLAIM_EXPIRED;
	e->gone++;
	return true;
}

/* The earliest claims that end after `after` and up to `until`; *gone of them left. */
static int expire_batch(struct fl_findings_stage *f, struct fl_claim_batch *b, fl_unix_us after, fl_unix_us until, size_t *gone, struct fl_err *err)
{
	struct ending e = { .until = until };
	struct fl_arena arena = { 0 };
	struct fl_source_version v;
	struct fl_claim *due = NULL;
	int ret = fl_claims_due(f->c.sets, b->set->source, after, until, DUE_MAX, &arena, &due, &b->n, &b->set->expiry.unreadable, err);

	*gone = 0;
	b->claims = due;
	b->cause = FL_CAUSE_EXPIRY;
	b->seen_at = until;
	b->judge = ends;
	b->ctx = &e;
	if (ret == 0 && b->n)
		ret = fl__claims_commit(f, b, &v, err);
	if (ret == 0) {
		*gone = e.gone;
		b->set->expiry.unreadable += e.broken;
	}
	f->s.expired += *gone;
	fl_arena_done(&arena);
	return ret;
}

static void expire_set(struct fl_findings_stage *f, struct fl_claim_set *s, fl_unix_us until, fl_mono_ns now)
{
	struct fl_claim_batch b = { .set = s, .actor = "ingest", .reason = "past its time" };
	struct fl_expiry_watch *x = &s->expiry;
	struct fl_err err = { 0 };
	size_t gone;
	int ret = judge(f, s, until, now, &err);

	if (ret == 0)
		ret = expire_batch(f, &b, x->waits_until, until, &gone, &err);
	if (ret < 0) {
		snprintf(f->expiry_trouble, sizeof(f->expiry_trouble), "expiry in '%.60s': %.110s", s->source, err.text[0] ? err.text : fl_code_text(ret));
		return;
	}
	x->looked = true;
	x->until = until;
	x->at = now;
	if (x->unreadable)
		snprintf(f->expiry_trouble, sizeof(f->expiry_trouble), "expiry in '%.60s': %llu claims past their time cannot be read, or their names cannot; they stay", s->source,
			 (unsigned long long)x->unreadable);
}

/* Old versions leave under the same lease, now and then. */
static void retain(struct fl_findings_stage *f, struct fl_claim_set *s, fl_mono_ns now)
{
	struct fl_retention_report gone;

	if (!s->leased || !s->head_known || !s->head.id.number || now < s->retain_at)
		return;
	s->retain_at = now + 600 * FL_NS_PER_S;
	fl_source_retain(f->c.sets, &s->lease, &gone, NULL);
	fl_claims_trim(f->c.sets, s->source, fl_now_unix(f->c.clock) - 400 * DAY_US, &s->trim_at, NULL);
}

void fl__claims_expire(struct fl_findings_stage *f, fl_mono_ns now)
{
	fl_unix_us until;

	if (now < f->expiry_at)
		return;
	f->expiry_at = now + FL_EXPIRY_TICK_MS * FL_NS_PER_MS;
	if (!fl__both_clocks(f, &until))
		return;
	f->expiry_trouble[0] = '\0';
	for (size_t i = 0; i < f->n_sets; i++) {
		if (f->sets[i].held)
			continue; /* first it is made whole */
		expire_set(f, &f->sets[i], until, now);
		retain(f, &f->sets[i], now);
	}
}

/* --- a person's word --- */

static int let_go(struct fl_findings_stage *f, struct fl_claim_set *s, fl_unix_us until, const char *actor, const char *reason, uint64_t *expired, struct fl_err *err)
{
	struct fl_claim_batch b = { .set = s, .actor = actor ? actor : "", .reason = reason && *reason ? reason : "past its time, approved" };
	struct fl_expiry_watch *x = &s->expiry;
	size_t gone = 1;
	int ret = 0;

	if (until > x->waits_until)
		until = x->waits_until;
	while (ret == 0 && gone) {
		ret = expire_batch(f, &b, 0, until, &gone, err);
		*expired += gone;
	}
	if (ret == 0) {
		x->waits = 0;
		x->waits_until = 0;
	}
	return ret;
}

int fl_expiry_approve(struct fl_findings_stage *f, const char *list, const char *actor, const char *reason, uint64_t *expired, struct fl_err *err)
{
	bool waited = false;
	fl_unix_us until;
	int ret = 0;

	*expired = 0;
	if (!fl__both_clocks(f, &until))
		return fl_err_set(err, FL_EUNAVAIL, "the store cannot be asked, or its clock and this host's are more than %d s apart: nothing expires", FL_CLOCK_APART_S);
	for (size_t i = 0; ret == 0 && i < f->n_sets; i++) {
		if (!f->sets[i].expiry.waits_until || strcmp(f->sets[i].list, list) != 0)
			continue;
		waited = true;
		ret = let_go(f, &f->sets[i], until, actor, reason, expired, err);
	}
	return ret < 0 || waited ? ret : fl_err_set(err, FL_ENOTFOUND, "no expiry of list '%.100s' waits", list);
}
