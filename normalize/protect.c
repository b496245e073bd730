/* Which entries of a set would block a protected name. The set is sorted, so it is asked for each protected name and its ancestors, not the other way round. */
#include "normalize/normalize.h"

#include <stdlib.h>

const char *fl_protect_word(enum fl_protect_why w)
{
	static const char *const words[] = { "shipped", "operator", "own-zone", "feed-host", "pipeline-host" };

	return words[w];
}

int fl_protect_add(struct fl_protected *p, struct fl_span key, bool zone, enum fl_protect_why why)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 128;
		struct fl_protected_name *v = realloc(p->v, cap * sizeof(*v));

		if (!v)
			return FL_ENOMEM;
		p->v = v;
		p->cap = cap;
	}
	fl_rkey_set(&p->v[p->n].key, key);
	p->v[p->n].zone = zone;
	p->v[p->n++].why = why;
	return 0;
}

enum fl_drop fl_protect_add_text(struct fl_protected *p, const struct fl_names *n, struct fl_span text, enum fl_protect_why why, int *ret)
{
	bool zone = text.n > 1 && (text.p[0] == '.' || (text.n > 2 && text.p[0] == '*' && text.p[1] == '.'));
	size_t skip = !zone ? 0 : text.p[0] == '.' ? 1 : 2;
	struct fl_rkey key;
	enum fl_drop drop = fl_name_canon(n, fl_span(text.p + skip, text.n - skip), &key);

	*ret = drop == FL_DROP_COUNT ? fl_protect_add(p, fl_rkey_span(&key), zone, why) : 0;
	return drop;
}

void fl_protected_done(struct fl_protected *p)
{
	free(p->v);
	*p = (struct fl_protected){ 0 };
}

/* --- finding --- */

struct finding {
	const struct fl_set *set;
	struct fl_arena *arena;
	struct fl_protect_hit *v;
	size_t n, cap;
	int ret;
};

static void hit(struct finding *f, size_t entry, const struct fl_protected_name *name)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct fl_protect_hit *v = fl_arena_array(f->arena, cap, sizeof(*v));

		if (!v) {
			f->ret = FL_ENOMEM;
			return;
		}
		if (f->n)
			memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n++] = (struct fl_protect_hit){ entry, name };
}

static size_t lower_bound(const struct fl_set *s, struct fl_span key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (fl_rkey_cmp(fl_set_key(s, mid), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What decides on a question at `key` (self), or on one below it: the nearest entry that says something of it; where it says both, its exception. */
static void find_decision(struct finding *f, const struct fl_protected_name *name, bool self)
{
	struct fl_span key = fl_rkey_span(&name->key);

	for (;; key = fl_rkey_parent(key), self = false) {
		uint8_t bits = self ? FL_SCOPE_SELF_BITS : FL_SCOPE_BELOW_BITS;
		size_t i = fl_set_find(f->set, key);

		if (i != SIZE_MAX && (f->set->v[i].t.scope & bits)) {
			if (!(f->set->v[i].t.scope & bits & FL_SCOPE_EXCEPT_SUBTREE))
				hit(f, i, name);
			return;
		}
		if (key.n == 0)
			return;
	}
}

static void find_within(struct finding *f, const struct fl_protected_name *zone)
{
	struct fl_span top = fl_rkey_span(&zone->key);

	for (size_t i = lower_bound(f->set, top); i < f->set->n && fl_rkey_below_or_at(fl_set_key(f->set, i), top); i++)
		if (f->set->v[i].t.scope & FL_SCOPE_SUBTREE)
			hit(f, i, zone);
}

static int by_entry(const void *a, const void *b)
{
	const struct fl_protect_hit *x = a, *y = b;

	return x->entry != y->entry ? (x->entry < y->entry ? -1 : 1) : (x->name > y->name) - (x->name < y->name);
}

int fl_protect_find(const struct fl_protected *p, const struct fl_set *set, struct fl_arena *arena, struct fl_protect_hit **out, size_t *n)
{
	struct finding f = { .set = set, .arena = arena };
	size_t k = 0;

	for (size_t i = 0; i < p->n; i++) {
		find_decision(&f, &p->v[i], true);
		if (p->v[i].zone) {
			find_decision(&f, &p->v[i], false);
			find_within(&f, &p->v[i]);
		}
	}
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), by_entry);
	for (size_t i = 0; i < f.n; i++)
		if (k == 0 || f.v[k - 1].entry != f.v[i].entry)
			f.v[k++] = f.v[i];
	*out = f.v;
	*n = k;
	return f.ret;
}

/* Does an entry block the name itself? */
static bool blocks(struct fl_span key, uint8_t scope, struct fl_span name)
{
	if (fl_span_eq(key, name))
		return scope & FL_SCOPE_EXACT;
	return (scope & FL_SCOPE_SUBDOMAINS) && fl_rkey_below_or_at(name, key);
}

const struct fl_protected_name *fl_protect_claim(const struct fl_protected *p, struct fl_span key, uint8_t scope)
{
	for (size_t i = 0; i < p->n; i++) {
		struct fl_span name = fl_rkey_span(&p->v[i].key);

		if (blocks(key, scope, name) || (p->v[i].zone && (fl_rkey_below_or_at(key, name) || (fl_rkey_below_or_at(name, key) && (scope & FL_SCOPE_SUBDOMAINS)))))
			return &p->v[i];
	}
	return NULL;
}
