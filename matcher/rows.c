/* Tables of rows and their merge. */
#include "matcher/rows.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* A name's row stands anywhere in its table: with pages of 4 KiB a look-up in a large one pays for a page walk beside the miss. */
struct fl__row *fl__rows_alloc(size_t n)
{
	size_t bytes = (n + 1) * sizeof(struct fl__row);
	struct fl__row *v;

	if (bytes < 2 * HUGE_PAGE)
		return malloc(bytes);
	bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	v = aligned_alloc(HUGE_PAGE, bytes);
	if (v)
		(void)madvise(v, bytes, MADV_HUGEPAGE); /* only a wish */
	return v;
}

unsigned fl__table_bits(size_t n)
{
	unsigned bits = 0;

	while (bits < FL__TABLE_BITS_MAX && n >> bits > 4)
		bits++;
	return bits;
}

/* first[b] = number of rows in buckets below b. One pass, since the rows are sorted. */
static uint32_t *index_build(const struct fl__row *v, size_t n, unsigned bits)
{
	size_t buckets = (size_t)1 << bits, b = 0;
	uint32_t *first = malloc((buckets + 1) * sizeof(*first));

	if (!first)
		return NULL;
	for (size_t i = 0; i < n; i++)
		for (size_t at = fl__table_bucket(bits, v[i].hi); b <= at; b++)
			first[b] = (uint32_t)i;
	for (; b <= buckets; b++)
		first[b] = (uint32_t)n;
	return first;
}

struct fl__table *fl__table_mapped(const struct fl__row *v, size_t n, const uint32_t *first, unsigned bits, size_t bytes,
				   void (*unmap)(void *), void *handle)
{
	struct fl__table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	t->v = v;
	t->n = n;
	t->first = first;
	t->bits = bits;
	t->bytes = bytes;
	t->unmap = unmap;
	t->handle = handle;
	return t;
}

struct fl__table *fl__table_new(struct fl__row *take_v, size_t n)
{
	unsigned bits = fl__table_bits(n);
	uint32_t *first = index_build(take_v, n, bits);
	struct fl__table *t = NULL;

	if (first)
		t = fl__table_mapped(take_v, n, first, bits, n * sizeof(*take_v) + (((size_t)1 << bits) + 1) * sizeof(*first),
				     NULL, NULL);
	if (!t) {
		free(first);
		free(take_v);
		return NULL;
	}
	t->own_v = take_v;
	t->own_first = first;
	return t;
}

struct fl__table *fl__table_acquire(struct fl__table *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void fl__table_release(struct fl__table *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (t->unmap)
		t->unmap(t->handle);
	free(t->own_v);
	free(t->own_first);
	free(t);
}

void fl__merge_init(struct fl__merge *m, struct fl__table *const *newest_first, unsigned n)
{
	m->n = 0;
	for (unsigned i = 0; i < n && m->n < FL__MERGE_MAX; i++)
		if (newest_first[i]->n > 0) {
			m->in[m->n].p = newest_first[i]->v;
			m->in[m->n++].end = newest_first[i]->v + newest_first[i]->n;
		}
}

const struct fl__row *fl__merge_next(struct fl__merge *m)
{
	const struct fl__row *best;
	unsigned at = 0;

	if (m->n == 0)
		return NULL;
	best = m->in[0].p;
	for (unsigned i = 1; i < m->n; i++) {
		const struct fl__row *r = m->in[i].p;

		if (fl__print_cmp(r->hi, r->lo, best->hi, best->lo) < 0) {
			best = r;
			at = i;
		}
	}
	/* those behind the winner may hold an older row of the same name; those before it cannot */
	for (unsigned i = m->n; i-- > at;) {
		if (m->in[i].p->hi != best->hi || m->in[i].p->lo != best->lo)
			continue;
		if (++m->in[i].p == m->in[i].end) {
			for (unsigned j = i; j + 1 < m->n; j++)
				m->in[j] = m->in[j + 1];
			m->n--;
		}
	}
	return best;
}

struct fl__table *fl__table_fold(struct fl__table *const *newest_first, unsigned n)
{
	const struct fl__row *r;
	struct fl__row *v;
	struct fl__merge m;
	size_t rows = 0;

	for (unsigned i = 0; i < n; i++)
		rows += newest_first[i]->n;
	v = fl__rows_alloc(rows);
	if (!v)
		return NULL;
	fl__merge_init(&m, newest_first, n);
	for (rows = 0; (r = fl__merge_next(&m)); rows++)
		v[rows] = *r;
	return fl__table_new(v, rows);
}
