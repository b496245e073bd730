/* A whole set in memory (struct fl_set): append claims in any order, sort once, read in order.
 *
 * The sort merges an array of (first eight octets of the key as a big-endian number, row): most comparisons stay in that
 * array, and only ties touch the keys. It is stable, so that "first" in the folding rules means "added first", and
 * O(n log n) whatever a hostile feed sends. Rows are then moved in place. Peak: 32 octets a row beside the set itself. */
#include "model/entry.h"

#include <stdlib.h>

struct item {
	uint64_t prefix;
	uint32_t row;
};

enum { RUN = 16, AHEAD = 8 };

void fl_set_done(struct fl_set *s)
{
	free(s->v);
	free(s->keys);
	*s = (struct fl_set){ 0 };
}

static bool grow(void **p, size_t *cap, size_t need, size_t first, size_t size)
{
	size_t want = *cap ? *cap : first, bytes;
	void *q;

	if (need <= *cap)
		return true;
	while (want < need)
		want = want > SIZE_MAX / 3 ? need : want + want / 2 + 1;
	if (__builtin_mul_overflow(want, size, &bytes))
		return false;
	q = realloc(*p, bytes);
	if (!q)
		return false;
	*p = q;
	*cap = want;
	return true;
}

int fl_set_add(struct fl_set *s, struct fl_span key, const struct fl_tuple *t)
{
	void *v = s->v, *keys = s->keys;
	bool ok;

	if (key.n > FL_RKEY_MAX || s->keys_n + key.n > UINT32_MAX || s->n >= UINT32_MAX)
		return FL_ELIMIT;
	ok = grow(&v, &s->cap, s->n + 1, 64, sizeof(*s->v));
	s->v = v;
	ok = ok && grow(&keys, &s->keys_cap, s->keys_n + key.n + 1, 1024, 1);
	s->keys = keys;
	if (!ok)
		return FL_ENOMEM;
	s->v[s->n++] = (struct fl_set_row){ .key_off = (uint32_t)s->keys_n, .key_len = (uint8_t)key.n, .t = *t };
	if (key.n)
		memcpy(s->keys + s->keys_n, key.p, key.n);
	s->keys_n += key.n;
	return 0;
}

static uint64_t key_prefix(struct fl_span key)
{
	uint64_t v = 0;

	if (key.n >= 8) {
		memcpy(&v, key.p, 8);
		return __builtin_bswap64(v);
	}
	for (size_t i = 0; i < key.n; i++)
		v |= (uint64_t)key.p[i] << (56 - 8 * i);
	return v;
}

/* Zero padding of a short prefix is safe: equal prefixes go on to the whole keys, where the shorter sorts first. */
static inline bool item_after(const struct fl_set *s, const struct item *a, const struct item *b)
{
	if (a->prefix != b->prefix)
		return a->prefix > b->prefix;
	return fl_rkey_cmp(fl_set_key(s, a->row), fl_set_key(s, b->row)) > 0;
}

static void sort_run(const struct fl_set *s, struct item *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct item x = v[i];
		size_t j = i;

		for (; j && item_after(s, &v[j - 1], &x); j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static void merge_two(const struct fl_set *s, struct item *to, const struct item *a, size_t na, const struct item *b, size_t nb)
{
	if (na && nb && !item_after(s, &a[na - 1], &b[0])) { /* already in order */
		memcpy(to, a, na * sizeof(*a));
		memcpy(to + na, b, nb * sizeof(*b));
		return;
	}
	while (na && nb) {
		if (item_after(s, a, b)) {
			*to++ = *b++;
			nb--;
		} else {
			*to++ = *a++;
			na--;
		}
	}
	memcpy(to, a, na * sizeof(*a));
	memcpy(to + na, b, nb * sizeof(*b));
}

/* Sorts `from`; gives the one of the two arrays that holds the result. */
static struct item *sort_items(const struct fl_set *s, struct item *from, struct item *to, size_t n)
{
	for (size_t i = 0; i < n; i += RUN)
		sort_run(s, from + i, n - i < RUN ? n - i : RUN);
	for (size_t width = RUN; width < n; width *= 2) {
		struct item *swap = from;

		for (size_t i = 0; i < n; i += 2 * width) {
			size_t na = n - i < width ? n - i : width;
			size_t nb = n - i - na < width ? n - i - na : width;

			merge_two(s, to + i, from + i, na, from + i + na, nb);
		}
		from = to;
		to = swap;
	}
	return from;
}

/* Row order[i].row goes to place i, cycle by cycle; marks what is done by order[i].row = i. */
static void place_rows(struct fl_set *s, struct item *order)
{
	for (size_t i = 0; i < s->n; i++) {
		struct fl_set_row first = s->v[i];
		size_t at = i;

		while (order[at].row != i) {
			size_t from = order[at].row;

			s->v[at] = s->v[from];
			order[at].row = (uint32_t)at;
			at = from;
		}
		s->v[at] = first;
		order[at].row = (uint32_t)at;
	}
}

static bool sorted(const struct fl_set *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (fl_rkey_cmp(fl_set_key(s, i - 1), fl_set_key(s, i)) > 0)
			return false;
	return true;
}

static void fold_into(struct fl_tuple *to, const struct fl_tuple *t)
{
	to->scope |= t->scope;
	if (t->confidence > to->confidence)
		to->confidence = t->confidence;
	if (to->category == FL_CAT_NONE)
		to->category = t->category;
	if (t->first_seen_s && (!to->first_seen_s || t->first_seen_s < to->first_seen_s))
		to->first_seen_s = t->first_seen_s;
	/* present in one claim is present; never expiring in one claim is never expiring */
	if (!t->absent_since_s || (to->absent_since_s && t->absent_since_s > to->absent_since_s))
		to->absent_since_s = t->absent_since_s;
	if (!t->expires_s || (to->expires_s && t->expires_s > to->expires_s))
		to->expires_s = t->expires_s;
}

static size_t fold(struct fl_set *s)
{
	size_t kept = 0, was = s->n;

	for (size_t i = 0; i < s->n; i++) {
		if (kept && fl_span_eq(fl_set_key(s, kept - 1), fl_set_key(s, i)))
			fold_into(&s->v[kept - 1].t, &s->v[i].t);
		else
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
	return was - kept;
}

int fl_set_sort(struct fl_set *s, size_t *folded)
{
	struct item *a = NULL, *b = NULL;
	size_t gone;
	int ret = FL_ENOMEM;

	if (!sorted(s)) {
		a = calloc(s->n, sizeof(*a));
		b = calloc(s->n, sizeof(*b));
		if (!a || !b)
			goto out;
		for (size_t i = 0; i < s->n; i++)
			a[i] = (struct item){ key_prefix(fl_set_key(s, i)), (uint32_t)i };
		place_rows(s, sort_items(s, a, b, s->n));
	}
	gone = fold(s);
	if (folded)
		*folded = gone;
	ret = 0;
out:
	free(a);
	free(b);
	return ret;
}

size_t fl_set_find(const struct fl_set *s, struct fl_span key)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = fl_rkey_cmp(fl_set_key(s, mid), key);

		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return SIZE_MAX;
}

struct set_iter {
	struct fl_entry_iter base;
	const struct fl_set *set;
	size_t i;
};

static int set_iter_next(struct fl_entry_iter *base, struct fl_entry *out, struct fl_err *err)
{
	struct set_iter *it = (struct set_iter *)base;
	const struct fl_set *s = it->set;

	(void)err;
	if (it->i >= s->n)
		return 0;
	if (it->i + AHEAD < s->n) /* keys lie in the order they were added in */
		__builtin_prefetch(s->keys + s->v[it->i + AHEAD].key_off);
	out->key = fl_set_key(s, it->i);
	out->t = s->v[it->i].t;
	it->i++;
	return 1;
}

static void set_iter_close(struct fl_entry_iter *base)
{
	free(base);
}

struct fl_entry_iter *fl_set_iter(const struct fl_set *s)
{
	struct set_iter *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	*it = (struct set_iter){ { set_iter_next, set_iter_close }, s, 0 };
	return &it->base;
}

int fl_set_read(struct fl_set *s, struct fl_entry_iter *it, struct fl_err *err)
{
	struct fl_entry e;
	int ret;

	while ((ret = it->next(it, &e, err)) > 0) {
		if (s->n && fl_rkey_cmp(fl_set_key(s, s->n - 1), e.key) >= 0)
			return fl_err_set(err, FL_ECORRUPT, "entries out of order");
		ret = fl_set_add(s, e.key, &e.t);
		if (ret < 0)
			return fl_err_set(err, ret, "set of %zu names: %s", s->n, fl_code_text(ret));
	}
	return ret;
}
