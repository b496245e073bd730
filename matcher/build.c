/* From old rows and operations to new rows. Start at fl__build_run() and fl__build_base(). */
#include "matcher/build.h"

#include <stdlib.h>

enum {
	OVERLAY_MIN = 4096,	  /* below it a new base is never worth its time */
	CLASSES_SPARE = 64 * 1024, /* classes that no name may use any more */
	OPS_AHEAD = 32,
};

bool fl__build_wants_base(const struct fl_image *old, size_t n_ops)
{
	uint64_t overlay = fl__image_overlay(old) + n_ops;

	return (overlay > OVERLAY_MIN && overlay > old->base->n / 4) || old->n_classes > old->names / 2 + CLASSES_SPARE;
}

static void members_load(struct fl__members *s, struct fl__class c, const int32_t *remap)
{
	s->n = 0;
	for (uint32_t i = 0; i < c.n; i++) {
		uint32_t input = fl__member_input(c.m[i]);

		if (!remap)
			s->v[s->n++] = c.m[i];
		else if (remap[input] >= 0)
			s->v[s->n++] = fl__member((uint32_t)remap[input], fl__member_scope(c.m[i]));
	}
}

/* False when the old scope is not what stands there. */
static bool members_apply(struct fl__members *s, const struct fl__op *op)
{
	uint32_t at = 0;
	bool there;

	while (at < s->n && fl__member_input(s->v[at]) < op->input)
		at++;
	there = at < s->n && fl__member_input(s->v[at]) == op->input;
	if ((there ? fl__member_scope(s->v[at]) : 0) != op->old)
		return false;
	if (!op->new && there) {
		memmove(s->v + at, s->v + at + 1, (s->n - at - 1) * sizeof(s->v[0]));
		s->n--;
	} else if (op->new) {
		if (!there) {
			memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof(s->v[0]));
			s->n++;
		}
		s->v[at] = fl__member(op->input, op->new);
	}
	return true;
}

/* The class after n operations on one name whose class was `from` (an id of the old store). Most names of an update make one of a
 * few steps, which the memo remembers. */
static int transition(struct fl__build *b, uint32_t from, const struct fl__op *op, size_t n, uint32_t *to)
{
	struct fl__memo *memo = &b->memo[(from * 31u + op->input * 7u + op->old * 16u + op->new) % FL__MEMO];

	if (n == 1 && memo->used && memo->from == from && memo->input == op->input && memo->old == op->old &&
	    memo->new == op->new) {
		*to = memo->to;
		return 0;
	}
	members_load(&b->scratch, fl__class_get(b->old->classes, from), b->remap);
	for (size_t i = 0; i < n; i++)
		if (!members_apply(&b->scratch, &op[i])) {
			b->bad_input = op[i].input;
			return FL_ECORRUPT;
		}
	*to = fl__classes_intern(b->img->classes, b->scratch.v, b->scratch.n);
	if (*to == FL__CLASS_NONE)
		return FL_ENOMEM;
	if (n == 1)
		*memo = (struct fl__memo){ from, *to, op->input, op->old, op->new, true };
	return 0;
}

/* How many operations from i on are on the same name. */
static size_t group_len(const struct fl__build *b, size_t i)
{
	size_t n = 1;

	while (i + n < b->n_ops && b->ops[i + n].hi == b->ops[i].hi && b->ops[i + n].lo == b->ops[i].lo)
		n++;
	return n;
}

/* Fetch the index for an operation further on, and the rows for a nearer one, of one table. */
static inline void prefetch_table(const struct fl__build *b, const struct fl__table *t, size_t i)
{
	const struct fl__row *r;

	if (i + OPS_AHEAD < b->n_ops)
		__builtin_prefetch(t->first + fl__table_bucket(t->bits, b->ops[i + OPS_AHEAD].hi));
	if (i + OPS_AHEAD / 2 >= b->n_ops)
		return;
	r = t->v + t->first[fl__table_bucket(t->bits, b->ops[i + OPS_AHEAD / 2].hi)];
	__builtin_prefetch(r);
	__builtin_prefetch((const uint8_t *)r + 64);
}

static void prefetch_op(const struct fl__build *b, size_t i)
{
	for (unsigned t = 0; t < b->old->n_runs; t++)
		prefetch_table(b, b->old->runs[t], i);
	prefetch_table(b, b->old->base, i);
}

static int run_rows(struct fl__build *b, struct fl__row *v, size_t *n_rows)
{
	uint64_t names = b->old->names;
	size_t n = 0;

	for (size_t i = 0, len; i < b->n_ops; i += len) {
		const struct fl__op *op = &b->ops[i];
		uint32_t from, to;
		int ret;

		prefetch_op(b, i);
		len = group_len(b, i);
		from = fl__image_find(b->old, (struct fl__print){ op->hi, op->lo });
		ret = transition(b, from, op, len, &to);
		if (ret < 0)
			return ret;
		names = names + (to != 0) - (from != 0);
		if (to != from)
			v[n++] = (struct fl__row){ op->hi, op->lo, to };
	}
	b->img->names = names;
	*n_rows = n;
	return 0;
}

static void runs_keep(struct fl_image *img, const struct fl_image *old, unsigned from)
{
	for (; from < old->n_runs; from++)
		img->runs[img->n_runs++] = fl__table_acquire(old->runs[from]);
}

/* Put a run before the old ones. It takes those in while it is more than half of the next one, or too many would stand there: so
 * every row is copied a number of times that grows with the logarithm of the overlay only, all of one fold in one merge. */
static int runs_push(struct fl_image *img, const struct fl_image *old, struct fl__table *take_run)
{
	struct fl__table *in[FL_IMAGE_RUNS_MAX + 1] = { take_run }, *run = take_run;
	size_t rows = take_run->n;
	unsigned from = 0;

	while (from < old->n_runs && (rows * 2 > old->runs[from]->n || old->n_runs - from >= FL_IMAGE_RUNS_MAX)) {
		rows += old->runs[from]->n;
		in[from + 1] = old->runs[from];
		from++;
	}
	if (from > 0) {
		run = fl__table_fold(in, from + 1);
		fl__table_release(take_run);
		if (!run)
			return FL_ENOMEM;
	}
	img->runs[img->n_runs++] = run;
	runs_keep(img, old, from);
	return 0;
}

int fl__build_run(struct fl__build *b)
{
	struct fl__row *v = fl__rows_alloc(b->n_ops);
	struct fl__table *run;
	size_t n = 0;
	int ret = FL_ENOMEM;

	b->img->base = fl__table_acquire(b->old->base);
	b->img->classes = fl__classes_acquire(b->old->classes);
	if (!v)
		return ret;
	pthread_mutex_lock(&b->img->classes->lock);
	ret = run_rows(b, v, &n);
	fl__image_seal(b->img);
	pthread_mutex_unlock(&b->img->classes->lock);
	if (ret < 0 || n == 0) {
		free(v);
		if (ret == 0)
			runs_keep(b->img, b->old, 0);
		return ret;
	}
	run = fl__table_new(v, n);
	return run ? runs_push(b->img, b->old, run) : FL_ENOMEM;
}

/* Old class to new class without operations, each worked out once. */
static int class_carry(struct fl__build *b, uint32_t *map, uint32_t from, uint32_t *to)
{
	if (map[from] == FL__CLASS_NONE) {
		members_load(&b->scratch, fl__class_get(b->old->classes, from), b->remap);
		map[from] = fl__classes_intern(b->img->classes, b->scratch.v, b->scratch.n);
		if (map[from] == FL__CLASS_NONE)
			return FL_ENOMEM;
	}
	*to = map[from];
	return 0;
}

/* The merge of old rows and operations. */
static int base_rows(struct fl__build *b, uint32_t *map, struct fl__row *v, size_t *n_rows)
{
	const struct fl__row *r;
	struct fl__merge m;
	size_t i = 0, n = 0;

	fl__image_merge(b->old, &m);
	r = fl__merge_next(&m);
	while (r || i < b->n_ops) {
		const struct fl__op *op = i < b->n_ops ? &b->ops[i] : NULL;
		int c = !r ? 1 : !op ? -1 : fl__print_cmp(r->hi, r->lo, op->hi, op->lo), ret;
		uint32_t to;

		if (c < 0) {
			v[n] = *r;
			ret = class_carry(b, map, r->cls, &to);
		} else {
			size_t len = group_len(b, i);

			v[n] = (struct fl__row){ op->hi, op->lo, 0 };
			ret = transition(b, c == 0 ? r->cls : 0, op, len, &to);
			i += len;
		}
		if (ret < 0)
			return ret;
		if (c <= 0)
			r = fl__merge_next(&m);
		v[n].cls = to;
		n += to != 0;
	}
	*n_rows = n;
	return 0;
}

int fl__build_base(struct fl__build *b)
{
	size_t cap = b->old->base->n + fl__image_overlay(b->old) + b->n_ops, n = 0;
	uint32_t *map = NULL;
	struct fl__row *v = NULL;
	int ret = FL_ENOMEM;

	if (cap > FL__ROWS_MAX)
		return FL_ELIMIT;
	b->img->classes = fl__classes_new();
	map = malloc(((size_t)b->old->n_classes + 1) * sizeof(*map));
	v = fl__rows_alloc(cap); /* what stays untouched of it costs no memory */
	if (!b->img->classes || !map || !v)
		goto out;
	memset(map, 0xff, ((size_t)b->old->n_classes + 1) * sizeof(*map)); /* FL__CLASS_NONE: not worked out yet */
	map[0] = 0;
	ret = base_rows(b, map, v, &n);
	if (ret < 0)
		goto out;
	b->img->base = fl__table_new(v, n);
	v = NULL; /* taken */
	ret = b->img->base ? 0 : FL_ENOMEM;
	b->img->names = n;
	fl__image_seal(b->img);
out:
	free(map);
	free(v);
	return ret;
}
