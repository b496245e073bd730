/* The store of classes. Start at fl__classes_intern(). */
#include "matcher/classes.h"

#include <stdlib.h>

enum { BLOCK_MEMBERS = 16 * 1024, SLOTS_MIN = 256 };

struct fl__classes *fl__classes_new(void)
{
	struct fl__classes *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->slot = calloc(SLOTS_MIN, sizeof(*c->slot));
	if (!c->slot) {
		free(c);
		return NULL;
	}
	c->slots = SLOTS_MIN;
	c->bytes = sizeof(*c) + SLOTS_MIN * sizeof(*c->slot);
	pthread_mutex_init(&c->lock, NULL);
	atomic_init(&c->refs, 1);
	return c;
}

struct fl__classes *fl__classes_acquire(struct fl__classes *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void fl__classes_release(struct fl__classes *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (struct fl__class_block *b = c->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	for (size_t i = 0; i < FL__CLASS_LEVELS; i++)
		free(c->chunk[i]);
	free(c->slot);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static uint32_t content_hash(const uint16_t *m, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++) {
		h = (h ^ m[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

/* The slot that holds this content, or the free one where it belongs. */
static uint32_t *slot_find(const struct fl__classes *c, const uint16_t *m, uint32_t n, uint32_t hash)
{
	for (uint32_t i = hash & (c->slots - 1);; i = (i + 1) & (c->slots - 1)) {
		const struct fl__class *k;

		if (!c->slot[i])
			return &c->slot[i];
		k = fl__class_at(c, c->slot[i]);
		if (k->hash == hash && k->n == n && memcmp(k->m, m, n * sizeof(*m)) == 0)
			return &c->slot[i];
	}
}

static bool slots_grow(struct fl__classes *c)
{
	uint32_t cap = c->slots * 2, *fresh = calloc(cap, sizeof(*fresh));

	if (!fresh)
		return false;
	for (uint32_t id = 1; id <= c->n; id++) {
		uint32_t i = fl__class_at(c, id)->hash & (cap - 1);

		while (fresh[i])
			i = (i + 1) & (cap - 1);
		fresh[i] = id;
	}
	free(c->slot);
	c->slot = fresh;
	c->bytes += (cap - c->slots) * sizeof(*fresh);
	c->slots = cap;
	return true;
}

static uint16_t *members_keep(struct fl__classes *c, const uint16_t *m, uint32_t n)
{
	struct fl__class_block *b = c->blocks;

	if (!b || BLOCK_MEMBERS - b->used < n) {
		size_t size = sizeof(*b) + BLOCK_MEMBERS * sizeof(uint16_t);

		b = malloc(size);
		if (!b)
			return NULL;
		b->next = c->blocks;
		b->used = 0;
		c->blocks = b;
		c->bytes += size;
	}
	memcpy(b->m + b->used, m, n * sizeof(*m));
	b->used += n;
	return b->m + b->used - n;
}

/* Room for the record of id n + 1. */
static bool record_room(struct fl__classes *c)
{
	uint32_t x = c->n + FL__CLASS_FIRST;
	unsigned level = 31u - (unsigned)__builtin_clz(x) - 8;

	if (level >= FL__CLASS_LEVELS)
		return false;
	if (!c->chunk[level]) {
		size_t count = (size_t)FL__CLASS_FIRST << level;

		c->chunk[level] = calloc(count, sizeof(struct fl__class));
		c->bytes += c->chunk[level] ? count * sizeof(struct fl__class) : 0;
	}
	return c->chunk[level] != NULL;
}

uint32_t fl__classes_intern(struct fl__classes *c, const uint16_t *m, uint32_t n)
{
	uint32_t hash, *slot;
	const uint16_t *kept;

	if (n == 0)
		return 0;
	hash = content_hash(m, n);
	slot = slot_find(c, m, n, hash);
	if (*slot)
		return *slot;
	if (c->n >= c->slots / 2) {
		if (!slots_grow(c))
			return FL__CLASS_NONE;
		slot = slot_find(c, m, n, hash);
	}
	if (!record_room(c))
		return FL__CLASS_NONE;
	kept = members_keep(c, m, n);
	if (!kept)
		return FL__CLASS_NONE;
	*fl__class_at(c, c->n + 1) = (struct fl__class){ kept, n, hash };
	*slot = ++c->n;
	return c->n;
}
