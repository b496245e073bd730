/* The twin's container: a hash map that iterates in the order of insertion.
 *
 *   slot: [ 0 | 3 | 0 | 1 | x | 2 ]      open addressing, linear probing; x = deleted
 *   v:    [ a, b, NULL, d ]              insertion order; seq rises along v
 *
 * Start at find_slot(). */
#include "io/store_mem.h"

enum { SLOTS_MIN = 8 };
#define SLOT_DELETED UINT32_MAX

void *fl__mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		abort();
	return p;
}

void *fl__mem_grow(void *p, size_t n, size_t size)
{
	void *q = reallocarray(p, n, size);

	if (!q)
		abort();
	return q;
}

struct fl__mem_str *fl__mem_str(struct fl_span s)
{
	struct fl__mem_str *str = fl__mem_alloc(sizeof(*str) + s.n);

	str->n = s.n;
	if (s.n)
		memcpy(str->p, s.p, s.n);
	return str;
}

int fl__mem_span_cmp(struct fl_span a, struct fl_span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

/* FNV-1a: the same everywhere and every time. */
static uint64_t hash_of(struct fl_span s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * UINT64_C(0x100000001b3);
	return h ^ (h >> 29);
}

static bool is_item(const struct fl__mem_item *it, uint64_t hash, struct fl_span key)
{
	return it->hash == hash && fl_span_eq(fl__mem_item_key(it), key);
}

/* The slot that holds the key, or SIZE_MAX. */
static size_t find_slot(const struct fl__mem_map *m, uint64_t hash, struct fl_span key)
{
	if (!m->slots)
		return SIZE_MAX;
	for (size_t i = hash & (m->slots - 1);; i = (i + 1) & (m->slots - 1)) {
		if (m->slot[i] == 0)
			return SIZE_MAX;
		if (m->slot[i] != SLOT_DELETED && is_item(m->v[m->slot[i] - 1], hash, key))
			return i;
	}
}

static void link_item(struct fl__mem_map *m, size_t index)
{
	size_t i = m->v[index]->hash & (m->slots - 1);

	while (m->slot[i] != 0)
		i = (i + 1) & (m->slots - 1);
	m->slot[i] = (uint32_t)index + 1;
	m->used++;
}

/* Squeeze the holes out of v and index it anew, with room to double. */
static void rebuild(struct fl__mem_map *m)
{
	size_t n = 0, slots = SLOTS_MIN;

	for (size_t i = 0; i < m->n; i++)
		if (m->v[i])
			m->v[n++] = m->v[i];
	m->n = n;
	while (slots < (n + 1) * 3)
		slots *= 2;
	free(m->slot);
	m->slot = fl__mem_alloc(slots * sizeof(*m->slot));
	m->slots = slots;
	m->used = 0;
	for (size_t i = 0; i < n; i++)
		link_item(m, i);
}

struct fl__mem_item *fl__mem_map_get(const struct fl__mem_map *m, struct fl_span key)
{
	size_t i = find_slot(m, hash_of(key), key);

	return i == SIZE_MAX ? NULL : m->v[m->slot[i] - 1];
}

struct fl__mem_item *fl__mem_map_put(struct fl__mem_map *m, struct fl_span key, bool *added)
{
	uint64_t hash = hash_of(key);
	size_t i = find_slot(m, hash, key);
	struct fl__mem_item *it;

	*added = i == SIZE_MAX;
	if (!*added)
		return m->v[m->slot[i] - 1];
	if ((m->used + 1) * 4 > m->slots * 3)
		rebuild(m);
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : SLOTS_MIN;
		m->v = fl__mem_grow(m->v, m->cap, sizeof(*m->v));
	}
	it = fl__mem_alloc(sizeof(*it) + key.n);
	it->hash = hash;
	it->seq = ++m->seq;
	it->n = key.n;
	if (key.n)
		memcpy(it->key, key.p, key.n);
	m->v[m->n++] = it;
	m->live++;
	link_item(m, m->n - 1);
	return it;
}

void fl__mem_map_del(struct fl__mem_map *m, struct fl__mem_item *it)
{
	size_t i = find_slot(m, it->hash, fl__mem_item_key(it));

	m->v[m->slot[i] - 1] = NULL;
	m->slot[i] = SLOT_DELETED;
	m->live--;
	free(it);
	if (m->n > 32 && m->live < m->n / 2)
		rebuild(m);
}

void fl__mem_map_done(struct fl__mem_map *m, void (*drop)(struct fl__mem_item *it))
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i] && drop)
			drop(m->v[i]);
		free(m->v[i]);
	}
	free(m->v);
	free(m->slot);
	*m = (struct fl__mem_map){ 0 };
}
