/* A whole set in memory (struct fl_set): append claims in any order, sort once, read in order.
 *
 * The sort is of an array of (octets of the key as a number, row): six bits order the octets of a key, so that 16 of them fit
 * into 96 bits. The first ten are sorted digit by digit (of a small set, the first seven), what is equal then by merging, and what
 * ties in all 16 again by its next 16. It is stable, so that "first" in the folding rules means "added first", and O(n log n)
 * whatever a hostile feed sends. Peak: 40 octets a row beside the set itself. */
#include "model/entry.h"

#include "base/heap.h"
#include "base/lanes.h"

#include <stdlib.h>

struct item {
	uint64_t start; /* of 16 octets of the key, at six bits each, the first 64 bits */
	uint32_t more;	/* the last 32 */
	uint32_t row;
};

enum { OCTETS = 16, RUN = 16, AHEAD = 8, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6, PASSES_SMALL = 4, SMALL = 1 << 15, FEW = 256 };

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

int fl__set_grow(struct fl_set *s)
{
	size_t need = s->keys_n + sizeof(struct fl_rkey);
	void *p = s->v;

	if (need > UINT32_MAX || s->n >= UINT32_MAX)
		return FL_ELIMIT;
	if (!grow(&p, &s->cap, s->n + 1, 64, sizeof(*s->v)))
		return FL_ENOMEM;
	s->v = p;
	p = s->keys;
	if (!grow(&p, &s->keys_cap, need, 1024, 1))
		return FL_ENOMEM;
	s->keys = p;
	return 0;
}

void fl_set_reserve(struct fl_set *s, size_t rows, size_t octets)
{
	void *v = s->v, *keys = s->keys;

	if (grow(&v, &s->cap, rows, 64, sizeof(*s->v)))
		s->v = v;
	if (grow(&keys, &s->keys_cap, octets, 1024, 1))
		s->keys = keys;
	fl_heap_fill(s->v, s->cap * sizeof(*s->v));
	fl_heap_fill(s->keys, s->keys_cap);
}

int fl_set_add(struct fl_set *s, struct fl_span key, const struct fl_tuple *t)
{
	struct fl_rkey *to = NULL;
	int ret;

	if (key.n > FL_RKEY_MAX)
		return FL_ELIMIT;
	ret = fl_set_next(s, &to);
	if (ret < 0)
		return ret;
	fl_rkey_set(to, key);
	fl_set_take_next(s, t);
	return 0;
}

typedef uint16_t pairs __attribute__((vector_size(16)));
typedef uint32_t fours __attribute__((vector_size(16)));

/* Sixteen octets of a key from `from`; missing ones are zero. */
static inline fl_lanes octets_at(const struct fl_set *s, const struct fl_set_row *r, size_t from)
{
	static const fl_lanes place = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	size_t at = r->key_off + from, n = r->key_len > from ? r->key_len - from : 0;

	if (n == 0)
		return (fl_lanes){ 0 };
	if (at + OCTETS > s->keys_n) /* of the last keys; else what follows the key is cut off */
		return n < OCTETS ? fl_lanes_load_short(fl_span(s->keys + at, n)) : fl_lanes_load(s->keys + at);
	return fl_lanes_load(s->keys + at) & (fl_lanes)(place < (uint8_t)n);
}

/* Ranks of sixteen octets, different and in their order: of a letter and of a zero six bits of it, of a digit, hyphen or underscore five. *odd notes any other
 * octet, of which this says nothing. */
static inline fl_lanes ranks_of(fl_lanes x, fl_lanes *odd)
{
	*odd |= ~(fl_lanes_within(x, 'a', 'z') | fl_lanes_within(x, '0', '9') | (fl_lanes)(x == '-') | (fl_lanes)(x == '_') | (fl_lanes)(x == 0));
	return (x & 0x1f) | (x & x >> 1 & 0x20);
}

/* The ranks close together, the first uppermost. */
static inline struct item item_of(const struct fl_set *s, uint32_t row, size_t from, fl_lanes *odd)
{
	const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	pairs two = (pairs)ranks_of(octets_at(s, &s->v[row], from), odd);
	fours four;
	uint64_t w[4];

	two = little ? (two & 0xff) << 6 | two >> 8 : two >> 8 << 6 | (two & 0xff);
	four = (fours)two;
	four = little ? (four & 0xffff) << 12 | four >> 16 : four >> 16 << 12 | (four & 0xffff);
	for (int i = 0; i < 4; i++)
		w[i] = four[i]; /* 24 bits */
	return (struct item){ w[0] << 40 | w[1] << 16 | w[2] >> 8, (uint32_t)(w[2] << 24 | w[3]), row };
}

/* By the numbers; with a set, by the whole keys. */
static inline bool item_after(const struct fl_set *s, const struct item *a, const struct item *b)
{
	if (s)
		return fl_rkey_cmp(fl_set_key(s, a->row), fl_set_key(s, b->row)) > 0;
	return a->start > b->start || (a->start == b->start && a->more > b->more);
}

static inline bool item_ties(const struct item *a, const struct item *b)
{
	return a->start == b->start && a->more == b->more;
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

/* Merge sort in place; scratch has room for n. */
static void merge_sort(const struct fl_set *s, struct item *v, struct item *scratch, size_t n)
{
	struct item *from = v, *to = scratch;

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
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
}

static inline size_t digit_of(const struct item *x, unsigned pass)
{
	return x->start >> (pass * DIGIT_BITS) & (DIGITS - 1);
}

/* One stable pass over a digit of `start`; count becomes where each digit goes on. */
static void radix_pass(const struct item *from, struct item *to, size_t n, unsigned pass, uint32_t count[DIGITS])
{
	uint32_t sum = 0;

	for (size_t d = 0; d < DIGITS; d++) {
		uint32_t here = count[d];

		count[d] = sum;
		sum += here;
	}
	for (size_t i = 0; i < n; i++)
		to[count[digit_of(&from[i], pass)]++] = from[i];
}

/* By the digits of `start` from `first` on, in place. A digit that is the same everywhere is passed over. */
static void radix_sort(struct item *v, struct item *scratch, size_t n, unsigned first)
{
	uint32_t count[PASSES][DIGITS] = { 0 };
	struct item *from = v, *to = scratch;

	for (size_t i = 0; i < n; i++)
		for (unsigned p = first; p < PASSES; p++)
			count[p][digit_of(&v[i], p)]++;
	for (unsigned p = first; p < PASSES; p++) {
		struct item *swap = from;

		if (count[p][digit_of(&from[0], p)] == n)
			continue;
		radix_pass(from, to, n, p, count[p]);
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof(*v));
}

/* Keys that tie are far from each other: they are asked for before they are needed. */
static void ask_early(const struct fl_set *s, const struct item *v, size_t n, size_t at)
{
	size_t key = at + AHEAD, row = at + 2 * AHEAD;

	if (row + 1 < n && (item_ties(&v[row], &v[row + 1]) || item_ties(&v[row], &v[row - 1])))
		__builtin_prefetch(&s->v[v[row].row]);
	if (key + 1 < n && (item_ties(&v[key], &v[key + 1]) || item_ties(&v[key], &v[key - 1])))
		__builtin_prefetch(s->keys + s->v[v[key].row].key_off);
}

static void sort_items(const struct fl_set *s, struct item *v, struct item *scratch, size_t n, size_t from);

/* Items that tie in all octets before `from`. Where no key goes on they are of one name; and a key with octets that no name has is compared as a whole. */
static void sort_ties(const struct fl_set *s, struct item *v, struct item *scratch, size_t n, size_t from)
{
	fl_lanes odd = { 0 };
	bool more = false;

	for (size_t i = 0; i < n; i++) {
		more = more || s->v[v[i].row].key_len > from;
		v[i] = item_of(s, v[i].row, from, &odd);
	}
	if (more && !fl_lanes_bits(odd))
		sort_items(s, v, scratch, n, from);
	else
		merge_sort(s, v, scratch, n);
}

/* By the 16 octets from `from` on, which the items hold, and then by what follows. In place. */
static void sort_items(const struct fl_set *s, struct item *v, struct item *scratch, size_t n, size_t from)
{
	unsigned first = n < SMALL ? PASSES - PASSES_SMALL : 0, low = first * DIGIT_BITS;

	if (n < FEW)
		merge_sort(NULL, v, scratch, n);
	else
		radix_sort(v, scratch, n, first);
	for (size_t i = 0, end; n >= FEW && i < n; i = end) {
		for (end = i + 1; end < n && v[end].start >> low == v[i].start >> low;)
			end++;
		if (end - i > 1)
			merge_sort(NULL, v + i, scratch, end - i);
	}
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && item_ties(&v[end], &v[i]);)
			end++;
		ask_early(s, v, n, end);
		if (end - i > 1)
			sort_ties(s, v + i, scratch, end - i, from + OCTETS);
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

/* Rows in the order of the items, into an array of their own: each is far from the one before, so they are asked for early. Only equal items may have
 * equal keys. */
static size_t gather(const struct fl_set *s, const struct item *order, struct fl_set_row *to)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct fl_set_row *r = &s->v[order[i].row];

		if (i + AHEAD < s->n)
			__builtin_prefetch(&s->v[order[i + AHEAD].row]);
		if (i && item_ties(&order[i], &order[i - 1]))
			n = fold_row(s, to, n, r);
		else
			to[n++] = *r;
	}
	return n;
}

static int sort_rows(struct fl_set *s)
{
	struct item *v = reallocarray(NULL, s->n, sizeof(*v)), *scratch = reallocarray(NULL, s->n, sizeof(*scratch));
	struct fl_set_row *rows = NULL;
	int ret = FL_ENOMEM;

	if (!v || !scratch)
		goto out;
	fl_heap_fill(v, s->n * sizeof(*v));
	fl_heap_fill(scratch, s->n * sizeof(*scratch));
	for (size_t i = 0; i < s->n; i++)
		v[i] = (struct item){ .row = (uint32_t)i };
	sort_ties(s, v, scratch, s->n, 0);
	rows = reallocarray(scratch, s->n, sizeof(*rows)); /* memory that is there already */
	if (!rows)
		goto out;
	scratch = NULL;
	s->cap = s->n;
	s->n = gather(s, v, rows);
	free(s->v);
	s->v = rows;
	ret = 0;
out:
	free(v);
	free(scratch);
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
