/* A question on its way through the threads, and the queues between them: single producer, single consumer, bounded, without locks. */
#pragma once
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/time.h"
#include "enforcer/dns.h"

union fl__addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};
/* The address the client asked: what the answer has to leave from. */
struct fl__local {
	uint8_t family; /* 0: not known */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} addr;
	unsigned ifindex;
};
struct fl_job {
	bool tcp;
	bool refresh; /* nobody waits: the cache's answer ends soon */
	int fd;		 /* UDP: the worker's socket */
	uint64_t conn;	 /* TCP: slot and generation */
	union fl__addr peer;
	struct fl__local local;
	fl_mono_ns received;
	struct fl_question q;
};

struct fl__spsc {
	_Alignas(64) _Atomic uint32_t head; /* written by the producer */
	_Alignas(64) _Atomic uint32_t tail; /* written by the consumer */
	_Alignas(64) uint32_t mask;
	size_t size;
	uint8_t *items;
};
/** n: a power of two. */
static inline bool fl__spsc_init(struct fl__spsc *s, uint32_t n, size_t size)
{
	s->items = calloc(n, size);
	s->mask = n - 1;
	s->size = size;
	return s->items;
}
static inline void fl__spsc_done(struct fl__spsc *s)
{
	free(s->items);
	s->items = NULL;
}
/** How many wait; a snapshot, for anyone. */
static inline uint32_t fl__spsc_used(struct fl__spsc *s)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_acquire);

	return atomic_load_explicit(&s->head, memory_order_acquire) - tail;
}
/** The next free item, or NULL when full; fill it, then push. */
static inline void *fl__spsc_slot(struct fl__spsc *s)
{
	uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&s->tail, memory_order_acquire) > s->mask)
		return NULL;
	return s->items + (size_t)(head & s->mask) * s->size;
}
static inline void fl__spsc_push(struct fl__spsc *s)
{
	atomic_store_explicit(&s->head, atomic_load_explicit(&s->head, memory_order_relaxed) + 1, memory_order_release);
}
/** The oldest item, or NULL; use it, then pop. */
static inline void *fl__spsc_peek(struct fl__spsc *s)
{
	uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&s->head, memory_order_acquire))
		return NULL;
	return s->items + (size_t)(tail & s->mask) * s->size;
}
static inline void fl__spsc_pop(struct fl__spsc *s)
{
	atomic_store_explicit(&s->tail, atomic_load_explicit(&s->tail, memory_order_relaxed) + 1, memory_order_release);
}
