/* Which entries stand at or above a name, and what they mean for a list.
 *
 * The walk works in three passes, so that the memory of all levels is fetched at once and not one level after the other: print and
 * index, rows, comparison. Most questions hit nothing, and then a decision has no more to do. */
#include "matcher/root.h"

static inline void prefetch_index(const struct fl__table *t, struct fl__print p)
{
	__builtin_prefetch(t->first + fl__table_bucket(t->bits, p.hi));
}

/* A bucket stands in one or two cache lines, most often. */
static inline void prefetch_rows(const struct fl__table *t, struct fl__print p)
{
	const struct fl__row *r = t->v + t->first[fl__table_bucket(t->bits, p.hi)];

	__builtin_prefetch(r);
	__builtin_prefetch((const uint8_t *)r + 64);
}

void fl_image_walk(const struct fl_image *img, struct fl_span key, struct fl_walk *out)
{
	const uint8_t *p = key.p, *end = key.n ? key.p + key.n : key.p;
	/* of the runs only the oldest is large */
	const struct fl__table *big = img->n_runs ? img->runs[img->n_runs - 1] : NULL;
	struct fl__print print[FL_WALK_HITS_MAX];
	uint16_t len[FL_WALK_HITS_MAX];
	struct fl__hash h = { 0, 0 };
	unsigned n = 0;

	out->key = key;
	out->n_hits = 0;
	for (;;) {
		const uint8_t *z;
		size_t label;

		print[n] = fl__hash_print(&h);
		len[n] = (uint16_t)(p - key.p);
		prefetch_index(img->base, print[n]);
		if (big)
			prefetch_index(big, print[n]);
		n++;
		if (p >= end || n == FL_WALK_HITS_MAX)
			break;
		z = memchr(p, 0, (size_t)(end - p));
		label = z ? (size_t)(z - p) : (size_t)(end - p);
		fl__hash_label(&img->hash, &h, p, label, end);
		p += label + (z != NULL);
	}
	for (unsigned i = 0; i < n; i++) {
		prefetch_rows(img->base, print[i]);
		if (big)
			prefetch_rows(big, print[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t cls = fl__image_find(img, print[i]);

		if (cls)
			out->hits[out->n_hits++] = (struct fl_walk_hit){ cls, len[i], len[i] == key.n };
	}
}

/* Each input's nearest entry that speaks for the name, from the name up; `seen` has a bit for each input that is settled. */
struct verdicts {
	uint64_t seen[FL_IMAGE_INPUTS_MAX / 64];
};

static void verdicts_init(struct verdicts *v, const struct fl_image *img)
{
	memset(v->seen, 0, (img->n_inputs + 63) / 64 * sizeof(v->seen[0]));
}

/* Does member m of hit h settle its input? True only the first time, and only when it has a bit for the question. */
static bool settles(struct verdicts *v, const struct fl_walk_hit *h, uint16_t m, bool *covers)
{
	uint8_t bits = fl__member_scope(m) & (h->self ? FL_SCOPE_SELF_BITS : FL_SCOPE_BELOW_BITS);
	uint32_t input = fl__member_input(m);
	uint64_t mask = UINT64_C(1) << (input & 63), *word = &v->seen[input / 64];

	if (!bits || (*word & mask))
		return false;
	*word |= mask;
	*covers = !(bits & FL_SCOPE_EXCEPT_SUBTREE);
	return true;
}

bool fl_walk_list(const struct fl_image *img, const struct fl_walk *w, int list, struct fl_match *out)
{
	struct verdicts v;
	bool found = false, covers;

	if (w->n_hits == 0 || list < 0)
		return false;
	verdicts_init(&v, img);
	for (unsigned i = w->n_hits; i-- > 0;) {
		const struct fl_walk_hit *h = &w->hits[i];
		struct fl__class c = fl__class_get(img->classes, h->cls);

		for (uint32_t j = 0; j < c.n; j++) {
			uint32_t input = fl__member_input(c.m[j]);

			if (img->list_of[input] != list || !settles(&v, h, c.m[j], &covers) || !covers)
				continue;
			if (found && input > out->input)
				continue;
			found = true;
			*out = (struct fl_match){ (uint16_t)input, h->key_len, fl__member_scope(c.m[j]) };
		}
	}
	return found;
}

/* Keep `out` sorted by input and at most cap long. */
static size_t match_insert(struct fl_match *out, size_t n, size_t cap, struct fl_match m)
{
	size_t at = n;

	while (at > 0 && out[at - 1].input > m.input)
		at--;
	if (at == cap)
		return n;
	if (n == cap)
		n--;
	memmove(out + at + 1, out + at, (n - at) * sizeof(*out));
	out[at] = m;
	return n + 1;
}

static size_t collect(const struct fl_image *img, const struct fl_walk *w, bool exceptions, struct fl_match *out, size_t cap)
{
	struct verdicts v;
	bool covers;
	size_t n = 0;

	if (w->n_hits == 0)
		return 0;
	verdicts_init(&v, img);
	for (unsigned i = w->n_hits; i-- > 0;) {
		const struct fl_walk_hit *h = &w->hits[i];
		struct fl__class c = fl__class_get(img->classes, h->cls);

		for (uint32_t j = 0; j < c.n; j++)
			if (settles(&v, h, c.m[j], &covers) && (covers || exceptions))
				n = match_insert(out, n, cap,
						 (struct fl_match){ (uint16_t)fl__member_input(c.m[j]), h->key_len,
								    fl__member_scope(c.m[j]) });
	}
	return n;
}

size_t fl_walk_inputs(const struct fl_image *img, const struct fl_walk *w, struct fl_match *out, size_t cap)
{
	return collect(img, w, false, out, cap);
}

size_t fl_walk_claims(const struct fl_image *img, const struct fl_walk *w, struct fl_match *out, size_t cap)
{
	return collect(img, w, true, out, cap);
}
