/* Classes: each a distinct set of (input, scope), so that a name's row says all its claims in one number.
 *
 *   id -> chunk[level] of 256 << level records -> members, sorted by input: input << 4 | scope
 *
 * The store only grows, and is shared by an image and those made from it: a record never moves or changes once its id is handed
 * out, so a reader that got an id from a published row needs no lock. Writers hold the lock. What no name uses any more goes when
 * a new base gets a new store. Id 0 is the empty set. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "matcher/image.h"

enum { FL__CLASS_LEVELS = 22, FL__CLASS_FIRST = 256 };
#define FL__CLASS_NONE UINT32_MAX

struct fl__class {
	const uint16_t *m;
	uint32_t n, hash;
};
struct fl__classes {
	_Atomic uint32_t refs;
	pthread_mutex_t lock; /* writers */
	struct fl__class *chunk[FL__CLASS_LEVELS];
	uint32_t n; /* ids 1 to n are in use; writers only */
	uint32_t *slot, slots; /* open addressing over content, a power of two; writers only */
	struct fl__class_block {
		struct fl__class_block *next;
		uint32_t used;
		uint16_t m[];
	} *blocks;
	size_t bytes;
};

static inline uint16_t fl__member(uint32_t input, uint8_t scope)
{
	return (uint16_t)(input << 4 | scope);
}
static inline uint32_t fl__member_input(uint16_t m)
{
	return m >> 4;
}
static inline uint8_t fl__member_scope(uint16_t m)
{
	return m & 15;
}

struct fl__classes *fl__classes_new(void);
struct fl__classes *fl__classes_acquire(struct fl__classes *c);
void fl__classes_release(struct fl__classes *c);
/** The id of a content; 0 for the empty one, FL__CLASS_NONE when out of memory. The lock must be held. */
uint32_t fl__classes_intern(struct fl__classes *c, const uint16_t *m, uint32_t n);

static inline struct fl__class *fl__class_at(const struct fl__classes *c, uint32_t id)
{
	uint32_t x = id + FL__CLASS_FIRST - 1;
	unsigned level = 31u - (unsigned)__builtin_clz(x) - 8;

	return &c->chunk[level][x - ((uint32_t)FL__CLASS_FIRST << level)];
}
static inline struct fl__class fl__class_get(const struct fl__classes *c, uint32_t id)
{
	return id ? *fl__class_at(c, id) : (struct fl__class){ NULL, 0, 0 };
}
