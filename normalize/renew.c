/* Carries attributes over from one version of a source to the next, in one merge of two sorted streams.
 *
 *   in both       the new tuple with the earlier first_seen, present again
 *   new only      as it comes
 *   old only      gone; or, while it may stay and has not expired, kept with absent_since: the time of the first fetch that lacked it
 */
#include "normalize/normalize.h"

struct renew {
	struct fl_entry_iter it;
	struct fl_entry_iter *old, *new;
	struct fl_entry o, n;
	bool have_o, have_n, end_o, end_n, done;
	uint32_t now_s, keep_s;
};

/* Reads ahead whichever side is empty; 0, or a negative code. */
static int fill(struct fl_entry_iter *from, struct fl_entry *e, bool *have, bool *ended, struct fl_err *err)
{
	int ret;

	if (*have || *ended)
		return 0;
	ret = from->next(from, e, err);
	if (ret < 0)
		return ret;
	*have = ret > 0;
	*ended = ret == 0;
	return 0;
}

/* An old name that the new set lacks: true when it stays for now. */
static bool stays(const struct renew *r, struct fl_tuple *t)
{
	if (r->keep_s == 0 || (t->expires_s && t->expires_s <= r->now_s))
		return false;
	if (t->absent_since_s == 0)
		t->absent_since_s = r->now_s;
	return r->now_s < t->absent_since_s || r->now_s - t->absent_since_s < r->keep_s;
}

static int renew_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct renew *r = (struct renew *)it;

	while (!r->done) {
		int c, ret = fill(r->old, &r->o, &r->have_o, &r->end_o, err);

		if (ret == 0)
			ret = fill(r->new, &r->n, &r->have_n, &r->end_n, err);
		if (ret < 0 || (!r->have_o && !r->have_n)) {
			r->done = true;
			return ret;
		}
		c = !r->have_o ? 1 : !r->have_n ? -1 : fl_rkey_cmp(r->o.key, r->n.key);
		if (c < 0) {
			*out = r->o;
			r->have_o = false;
			if (stays(r, &out->t))
				return 1;
			continue;
		}
		*out = r->n;
		r->have_n = false;
		if (c == 0) {
			if (r->o.t.first_seen_s && (!out->t.first_seen_s || r->o.t.first_seen_s < out->t.first_seen_s))
				out->t.first_seen_s = r->o.t.first_seen_s;
			r->have_o = false;
		}
		return 1;
	}
	return 0;
}

static void renew_close(struct fl_entry_iter *it)
{
	struct renew *r = (struct renew *)it;

	fl_entries_close(r->old);
	fl_entries_close(r->new);
	free(r);
}

struct fl_entry_iter *fl_renew_keep_iter(struct fl_entry_iter *take_old, struct fl_entry_iter *take_new, uint32_t now_s,
					 uint32_t keep_s)
{
	struct renew *r = take_old && take_new ? calloc(1, sizeof(*r)) : NULL;

	if (!r) {
		fl_entries_close(take_old);
		fl_entries_close(take_new);
		return NULL;
	}
	*r = (struct renew){ .it = { renew_next, renew_close }, .old = take_old, .new = take_new, .now_s = now_s,
			     .keep_s = keep_s };
	return &r->it;
}

struct fl_entry_iter *fl_renew_iter(struct fl_entry_iter *take_old, struct fl_entry_iter *take_new)
{
	return fl_renew_keep_iter(take_old, take_new, 0, 0);
}

/* --- what time takes away, without a fetch --- */

struct unexpired {
	struct fl_entry_iter it, *from;
	uint32_t now_s, keep_s;
};

bool fl_tuple_ended(const struct fl_tuple *t, uint32_t now_s, uint32_t keep_s)
{
	if (t->expires_s && t->expires_s <= now_s)
		return true;
	return keep_s && t->absent_since_s && now_s >= t->absent_since_s && now_s - t->absent_since_s >= keep_s;
}

static int unexpired_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct unexpired *u = (struct unexpired *)it;
	int ret;

	do
		ret = u->from->next(u->from, out, err);
	while (ret > 0 && fl_tuple_ended(&out->t, u->now_s, u->keep_s));
	return ret;
}

static void unexpired_close(struct fl_entry_iter *it)
{
	fl_entries_close(((struct unexpired *)it)->from);
	free(it);
}

struct fl_entry_iter *fl_unexpired_iter(struct fl_entry_iter *take_set, uint32_t now_s, uint32_t keep_s)
{
	struct unexpired *u = take_set ? calloc(1, sizeof(*u)) : NULL;

	if (!u) {
		fl_entries_close(take_set);
		return NULL;
	}
	*u = (struct unexpired){ .it = { unexpired_next, unexpired_close }, .from = take_set, .now_s = now_s, .keep_s = keep_s };
	return &u->it;
}
