/* A whole set in memory (struct fl_set): append claims in any order, sort once, read in order.
 *
 * The sort is of an array of (start of the key as a number, row): a key has 39 different octets only, so that 18 of them fit
 * into 96 bits. Twelve are sorted digit by digit, what is equal then by merging, and only ties of all 18 touch the keys. It is
 * stable, so that "first" in the folding rules means "added first", and O(n log n) whatever a hostile feed sends. Peak: 40
 * octets a row beside the set itself. */
#include "model/entry.h"

#include <stdlib.h>

struct item {
	uint64_t start; /* the first 12 octets of the key, in base 39 */
	uint32_t more;	/* the next 6 */
	uint32_t row;
};

enum { RUN = 16, AHEAD = 8, BASE = 39, START = 12, MORE = 6, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6 };

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

/* Rank of an octet among those of a key. It never falls as the octet rises, so that no octet at all can break the order. A table: the
 * octets of a name cannot be guessed, so that branches on them cost more than all the rest. */
static const uint8_t rank[256] = {
	[1 ... '0' - 1] = 1, ['0'] = 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ['9' + 1 ... 'a' - 1] = 12,
	['a'] = 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, ['z' + 1 ... 255] = BASE - 1,
};

/* Missing octets count as zero, which is safe: equal starts go on to the whole keys, where the shorter sorts first. */
static uint64_t key_number(struct fl_span key, size_t from, size_t n)
{
	size_t to = from + n, there = key.n < to ? key.n : to, i = from;
	uint64_t v = 0;

	for (; i < there; i++)
		v = v * BASE + rank[key.p[i]];
	for (; i < to; i++)
		v *= BASE;
	return v;
}

static struct item item_of(const struct fl_set *s, size_t row)
{
	struct fl_span key = fl_set_key(s, row);

	return (struct item){ key_number(key, 0, START), (uint32_t)key_number(key, START, MORE), (uint32_t)row };
}

static inline bool item_after(const struct fl_set *s, const struct item *a, const struct item *b)
{
	if (a->start != b->start)
		return a->start > b->start;
	if (a->more != b->more)
		return a->more > b->more;
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

/* Merge sort; gives the one of the two arrays that holds the result. */
static struct item *merge_sort(const struct fl_set *s, struct item *from, struct item *to, size_t n)
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

/* One stable counting pass over a digit of `start`. */
static void radix_pass(const struct item *from, struct item *to, size_t n, unsigned shift)
{
	size_t at[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i].start >> shift & (DIGITS - 1)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t count = at[d];

		at[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].start >> shift & (DIGITS - 1)]++] = from[i];
}

/* By `start` digit by digit, then each run of equal starts by merging; the result stands in v. PASSES is even. */
static void sort_items(const struct fl_set *s, struct item *v, struct item *scratch, size_t n)
{
	for (unsigned p = 0; p < PASSES; p += 2) {
		radix_pass(v, scratch, n, p * DIGIT_BITS);
		radix_pass(scratch, v, n, (p + 1) * DIGIT_BITS);
	}
	for (size_t i = 0, end; i < n; i = end) {
		struct item *got;

		for (end = i + 1; end < n && v[end].start == v[i].start;)
			end++;
		got = merge_sort(s, v + i, scratch, end - i);
		if (got != v + i)
			memcpy(v + i, got, (end - i) * sizeof(*got));
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

/* Row `r` becomes the next of `to`, or part of the last when it has its name. */
static size_t fold_row(const struct fl_set *s, struct fl_set_row *to, size_t n, const struct fl_set_row *r)
{
	struct fl_span key = fl_span(s->keys + r->key_off, r->key_len);

	if (n && fl_span_eq(fl_span(s->keys + to[n - 1].key_off, to[n - 1].key_len), key)) {
		fold_into(&to[n - 1].t, &r->t);
		return n;
	}
	to[n] = *r;
	return n + 1;
}

/* Rows in the order of the items, into an array of their own: each is far from the one before, so they are asked for early. */
static size_t gather(const struct fl_set *s, const struct item *order, struct fl_set_row *to)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (i + 2 * AHEAD < s->n)
			__builtin_prefetch(&s->v[order[i + 2 * AHEAD].row]);
		if (i + AHEAD < s->n)
			__builtin_prefetch(s->keys + s->v[order[i + AHEAD].row].key_off);
		n = fold_row(s, to, n, &s->v[order[i].row]);
	}
	return n;
}

static int sort_rows(struct fl_set *s)
{
	struct item *a = calloc(s->n, sizeof(*a)), *b = calloc(s->n, sizeof(*b));
	struct fl_set_row *rows = NULL;
	int ret = FL_ENOMEM;

	if (!a || !b)
		goto out;
	for (size_t i = 0; i < s->n; i++)
		a[i] = item_of(s, i);
	sort_items(s, a, b, s->n);
	free(b);
	b = NULL;
	rows = calloc(s->n, sizeof(*rows));
	if (!rows)
		goto out;
	s->cap = s->n;
	s->n = gather(s, a, rows);
	free(s->v);
	s->v = rows;
	ret = 0;
out:
	free(a);
	free(b);
	return ret;
}

int fl_set_sort(struct fl_set *s, size_t *folded)
{
	size_t was = s->n, n = 0;
	int ret = 0;

	if (!sorted(s))
		ret = sort_rows(s);
	else {
		for (size_t i = 0; i < was; i++)
			n = fold_row(s, s->v, n, &s->v[i]);
		s->n = n;
	}
	if (ret == 0 && folded)
		*folded = was - s->n;
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
