/* Streams made of streams: diff, patch and compose are each one merge of two sorted streams, in constant memory.
 *
 * Keys are borrowed from an input until that input's next call, so an input is advanced at the start of the call after
 * the one that used it (`taken`), never before. An error of an input ends the stream and passes through. */
#include "model/entry.h"

#include <stdlib.h>

/* scope 0 is "absent", whatever stands in the attributes */
static bool same(const struct fl_tuple *a, const struct fl_tuple *b)
{
	return a->scope == 0 ? b->scope == 0 : fl_tuple_eq(a, b);
}

/* One input: the entry in hand, and whether it has been used up. */
struct entries_in {
	struct fl_entry_iter *it;
	struct fl_entry e;
	bool taken, ended;
};
struct changes_in {
	struct fl_change_iter *it;
	struct fl_change c;
	bool taken, ended;
};

static int entries_fill(struct entries_in *in, struct fl_err *err)
{
	int ret;

	if (in->ended || !in->taken)
		return 0;
	ret = in->it->next(in->it, &in->e, err);
	in->taken = false;
	in->ended = ret <= 0;
	return ret < 0 ? ret : 0;
}

static int changes_fill(struct changes_in *in, struct fl_err *err)
{
	int ret;

	if (in->ended || !in->taken)
		return 0;
	ret = in->it->next(in->it, &in->c, err);
	in->taken = false;
	in->ended = ret <= 0;
	return ret < 0 ? ret : 0;
}

/* Which input is first: below zero a, above zero b, zero both. Not to be asked when both have ended. */
static int order(bool a_ended, struct fl_span a, bool b_ended, struct fl_span b)
{
	if (a_ended || b_ended)
		return a_ended ? 1 : -1;
	return fl_rkey_cmp(a, b);
}

struct diff_iter {
	struct fl_change_iter base;
	struct entries_in a, b;
};

/* Takes one step; 1 when it gives a change. */
static int diff_step(struct diff_iter *d, struct fl_change *out)
{
	int c = order(d->a.ended, d->a.e.key, d->b.ended, d->b.e.key);

	*out = (struct fl_change){ .key = c <= 0 ? d->a.e.key : d->b.e.key };
	if (c <= 0) {
		out->old = d->a.e.t;
		d->a.taken = true;
	}
	if (c >= 0) {
		out->new = d->b.e.t;
		d->b.taken = true;
	}
	return !same(&out->old, &out->new);
}

static int diff_next(struct fl_change_iter *base, struct fl_change *out, struct fl_err *err)
{
	struct diff_iter *d = (struct diff_iter *)base;
	int ret;

	for (;;) {
		ret = entries_fill(&d->a, err);
		if (ret == 0)
			ret = entries_fill(&d->b, err);
		if (ret < 0)
			d->a.ended = d->b.ended = true;
		if (ret < 0 || (d->a.ended && d->b.ended))
			return ret;
		if (diff_step(d, out))
			return 1;
	}
}

static void diff_close(struct fl_change_iter *base)
{
	struct diff_iter *d = (struct diff_iter *)base;

	fl_entries_close(d->a.it);
	fl_entries_close(d->b.it);
	free(d);
}

struct fl_change_iter *fl_diff_iter(struct fl_entry_iter *take_a, struct fl_entry_iter *take_b)
{
	struct diff_iter *d = take_a && take_b ? calloc(1, sizeof(*d)) : NULL;

	if (!d) {
		fl_entries_close(take_a);
		fl_entries_close(take_b);
		return NULL;
	}
	d->base = (struct fl_change_iter){ diff_next, diff_close };
	d->a = (struct entries_in){ .it = take_a, .taken = true };
	d->b = (struct entries_in){ .it = take_b, .taken = true };
	return &d->base;
}

struct patch_iter {
	struct fl_entry_iter base;
	struct entries_in set;
	struct changes_in changes;
};

/* 1 with an entry, 0 to go on, FL_ECORRUPT when the change does not fit what is there. */
static int patch_step(struct patch_iter *p, struct fl_entry *out, struct fl_err *err)
{
	static const struct fl_tuple absent;
	int c = order(p->set.ended, p->set.e.key, p->changes.ended, p->changes.c.key);
	const struct fl_tuple *here = c <= 0 ? &p->set.e.t : &absent;
	char name[FL_NAME_TEXT];

	if (c <= 0)
		p->set.taken = true;
	if (c < 0) {
		*out = p->set.e;
		return 1;
	}
	p->changes.taken = true;
	if (!same(&p->changes.c.old, here))
		return fl_err_set(err, FL_ECORRUPT, "a change of '%s' does not fit the set: %s",
				  fl_rkey_to_text(p->changes.c.key, name),
				  !p->changes.c.old.scope ? "it is there already" :
				  !here->scope		  ? "it is not there" :
							    "scope or attributes differ");
	*out = (struct fl_entry){ p->changes.c.key, p->changes.c.new };
	return out->t.scope != 0;
}

static int patch_next(struct fl_entry_iter *base, struct fl_entry *out, struct fl_err *err)
{
	struct patch_iter *p = (struct patch_iter *)base;
	int ret;

	do {
		ret = entries_fill(&p->set, err);
		if (ret == 0)
			ret = changes_fill(&p->changes, err);
		if (ret == 0 && p->set.ended && p->changes.ended)
			return 0;
		if (ret == 0)
			ret = patch_step(p, out, err);
	} while (ret == 0);
	if (ret < 0)
		p->set.ended = p->changes.ended = true;
	return ret;
}

static void patch_close(struct fl_entry_iter *base)
{
	struct patch_iter *p = (struct patch_iter *)base;

	fl_entries_close(p->set.it);
	fl_changes_close(p->changes.it);
	free(p);
}

struct fl_entry_iter *fl_patch_iter(struct fl_entry_iter *take_set, struct fl_change_iter *take_changes)
{
	struct patch_iter *p = take_set && take_changes ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		fl_entries_close(take_set);
		fl_changes_close(take_changes);
		return NULL;
	}
	p->base = (struct fl_entry_iter){ patch_next, patch_close };
	p->set = (struct entries_in){ .it = take_set, .taken = true };
	p->changes = (struct changes_in){ .it = take_changes, .taken = true };
	return &p->base;
}

struct compose_iter {
	struct fl_change_iter base;
	struct changes_in first, second;
};

static int compose_step(struct compose_iter *m, struct fl_change *out, struct fl_err *err)
{
	int c = order(m->first.ended, m->first.c.key, m->second.ended, m->second.c.key);
	char name[FL_NAME_TEXT];

	*out = c <= 0 ? m->first.c : m->second.c;
	m->first.taken |= c <= 0;
	m->second.taken |= c >= 0;
	if (c == 0) {
		if (!same(&m->first.c.new, &m->second.c.old))
			return fl_err_set(err, FL_ECORRUPT, "two changes of '%s' do not follow each other",
					  fl_rkey_to_text(out->key, name));
		out->new = m->second.c.new;
	}
	return !same(&out->old, &out->new);
}

static int compose_next(struct fl_change_iter *base, struct fl_change *out, struct fl_err *err)
{
	struct compose_iter *m = (struct compose_iter *)base;
	int ret;

	do {
		ret = changes_fill(&m->first, err);
		if (ret == 0)
			ret = changes_fill(&m->second, err);
		if (ret == 0 && m->first.ended && m->second.ended)
			return 0;
		if (ret == 0)
			ret = compose_step(m, out, err);
	} while (ret == 0);
	if (ret < 0)
		m->first.ended = m->second.ended = true;
	return ret;
}

static void compose_close(struct fl_change_iter *base)
{
	struct compose_iter *m = (struct compose_iter *)base;

	fl_changes_close(m->first.it);
	fl_changes_close(m->second.it);
	free(m);
}

struct fl_change_iter *fl_compose_iter(struct fl_change_iter *take_first, struct fl_change_iter *take_second)
{
	struct compose_iter *m = take_first && take_second ? calloc(1, sizeof(*m)) : NULL;

	if (!m) {
		fl_changes_close(take_first);
		fl_changes_close(take_second);
		return NULL;
	}
	m->base = (struct fl_change_iter){ compose_next, compose_close };
	m->first = (struct changes_in){ .it = take_first, .taken = true };
	m->second = (struct changes_in){ .it = take_second, .taken = true };
	return &m->base;
}

static int no_entries(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	(void)it, (void)out, (void)err;
	return 0;
}

static void entries_free(struct fl_entry_iter *it)
{
	free(it);
}

struct fl_entry_iter *fl_entries_empty(void)
{
	struct fl_entry_iter *it = calloc(1, sizeof(*it));

	if (it)
		*it = (struct fl_entry_iter){ no_entries, entries_free };
	return it;
}

static int no_changes(struct fl_change_iter *it, struct fl_change *out, struct fl_err *err)
{
	(void)it, (void)out, (void)err;
	return 0;
}

static void changes_free(struct fl_change_iter *it)
{
	free(it);
}

struct fl_change_iter *fl_changes_empty(void)
{
	struct fl_change_iter *it = calloc(1, sizeof(*it));

	if (it)
		*it = (struct fl_change_iter){ no_changes, changes_free };
	return it;
}
