/* Rows: one name each, as its print and its class, sorted by print, with an index over the top bits of the print.
 *
 *   first[b] .. first[b + 1]   the rows whose top `bits` bits are b; three of them on average, since prints are uniform
 *
 * A table is immutable. Base and overlay runs are both tables; in a run class 0 says "no longer there". Also the merge of several
 * tables, newest first, and the operations (struct fl__op) that make new ones. */
#pragma once
#include <stdatomic.h>

#include "matcher/hash.h"

struct fl__row {
	uint64_t hi;
	uint32_t lo, cls;
};

struct fl__table {
	_Atomic uint32_t refs;
	const struct fl__row *v;
	const uint32_t *first; /* (1 << bits) + 1 of them */
	size_t n;
	unsigned bits;
	size_t bytes;
	/* who owns the memory: malloc, or a mapping */
	struct fl__row *own_v;
	uint32_t *own_first;
	void (*unmap)(void *handle);
	void *handle;
};

enum { FL__TABLE_BITS_MAX = 28 };
#define FL__ROWS_MAX ((size_t)UINT32_MAX - 1)

/** Index bits for n rows. */
unsigned fl__table_bits(size_t n);
/** Room for n rows, to be given to fl__table_new or free(). Large ones ask for huge pages. */
struct fl__row *fl__rows_alloc(size_t n);
/** Takes sorted rows (of fl__rows_alloc, also on failure); NULL when out of memory. */
struct fl__table *fl__table_new(struct fl__row *take_v, size_t n);
/** Rows and index in foreign memory; unmap(handle) when the last reference goes. NULL when out of memory (nothing is taken then). */
struct fl__table *fl__table_mapped(const struct fl__row *v, size_t n, const uint32_t *first, unsigned bits, size_t bytes,
				   void (*unmap)(void *), void *handle);
struct fl__table *fl__table_acquire(struct fl__table *t);
void fl__table_release(struct fl__table *t);

static inline size_t fl__table_bucket(unsigned bits, uint64_t hi)
{
	return (size_t)(hi >> 1 >> (63 - bits)); /* two shifts: bits may be 0 */
}
static inline const struct fl__row *fl__table_find(const struct fl__table *t, struct fl__print p)
{
	size_t b = fl__table_bucket(t->bits, p.hi);
	const struct fl__row *r = t->v + t->first[b], *end = t->v + t->first[b + 1];
	size_t below = 0;

	for (const struct fl__row *q = r; q < end; q++) /* counted, not searched: no branch that depends on the names */
		below += q->hi < p.hi;
	r += below;
	while (r < end && r->hi == p.hi && r->lo < p.lo)
		r++;
	return r < end && r->hi == p.hi && r->lo == p.lo ? r : NULL;
}

/* Several tables as one sorted stream; where prints are equal the first table given wins. */
enum { FL__MERGE_MAX = FL_IMAGE_RUNS_MAX + 2 };
struct fl__merge {
	struct {
		const struct fl__row *p, *end;
	} in[FL__MERGE_MAX];
	unsigned n;
};
void fl__merge_init(struct fl__merge *m, struct fl__table *const *newest_first, unsigned n);
/** The next row, class 0 included; NULL at the end. */
const struct fl__row *fl__merge_next(struct fl__merge *m);
/** Several tables into one, keeping rows of class 0. NULL when out of memory. */
struct fl__table *fl__table_fold(struct fl__table *const *newest_first, unsigned n);

/* One claim of one input changes: from scope `old` to scope `new` (0 = none). */
struct fl__op {
	uint64_t hi;
	uint32_t lo;
	uint16_t input;
	uint8_t old, new;
};
struct fl__ops {
	struct fl__op *v;
	size_t n, cap;
};
void fl__ops_done(struct fl__ops *o);
/** 0, FL_ENOMEM, or FL_ELIMIT. */
int fl__ops_add(struct fl__ops *o, const struct fl__op *op);
/** By print; operations on one name keep their order. False when out of memory. */
bool fl__ops_sort(struct fl__ops *o);
