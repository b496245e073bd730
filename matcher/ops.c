/* Operations on names, sorted by print: one stable scatter over the top bits, then each small bucket by insertion. Linear, because
 * prints are uniform and their key is secret. */
#include <stdlib.h>

#include "matcher/rows.h"

#define OPS_MAX ((size_t)1 << 28) /* 4 GiB of memory; far above the names that lists have */
enum { SCATTER_BITS_MAX = 20, SCATTER_MIN = 64 };

void fl__ops_done(struct fl__ops *o)
{
	free(o->v);
	*o = (struct fl__ops){ NULL, 0, 0 };
}

int fl__ops_add(struct fl__ops *o, const struct fl__op *op)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 256;
		struct fl__op *v;

		if (cap > OPS_MAX)
			return FL_ELIMIT;
		v = realloc(o->v, cap * sizeof(*v));
		if (!v)
			return FL_ENOMEM;
		o->v = v;
		o->cap = cap;
	}
	o->v[o->n++] = *op;
	return 0;
}

static void insertion_sort(struct fl__op *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct fl__op x = v[i];
		size_t j = i;

		for (; j > 0 && fl__print_cmp(x.hi, x.lo, v[j - 1].hi, v[j - 1].lo) < 0; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

bool fl__ops_sort(struct fl__ops *o)
{
	unsigned bits = 0;
	size_t buckets, from = 0;
	uint32_t *end = NULL;
	struct fl__op *v;

	if (o->n < SCATTER_MIN) {
		insertion_sort(o->v, o->n);
		return true;
	}
	while (bits < SCATTER_BITS_MAX && o->n >> bits > 4)
		bits++;
	buckets = (size_t)1 << bits;
	end = calloc(buckets + 1, sizeof(*end));
	v = malloc(o->n * sizeof(*v));
	if (!end || !v) {
		free(end);
		free(v);
		return false;
	}
	for (size_t i = 0; i < o->n; i++)
		end[fl__table_bucket(bits, o->v[i].hi) + 1]++;
	for (size_t b = 1; b <= buckets; b++)
		end[b] += end[b - 1];
	for (size_t i = 0; i < o->n; i++) /* end[b] starts as the begin of b, and has become its end afterwards */
		v[end[fl__table_bucket(bits, o->v[i].hi)]++] = o->v[i];
	for (size_t b = 0; b < buckets; from = end[b++])
		insertion_sort(v + from, end[b] - from);
	free(end);
	free(o->v);
	o->v = v;
	o->cap = o->n;
	return true;
}
