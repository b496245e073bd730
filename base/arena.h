/* One unit of work (a poll, a version build) has one arena, freed in one call, also after an error.
 * Memory is zeroed. Not thread-safe. */
#pragma once
#include "base/span.h"

struct fl_arena_block;

struct fl_arena {
	struct fl_arena_block *head;
};

/** Zero-initialised storage is a valid empty arena. Frees everything reached from it; the arena is empty after. */
void fl_arena_done(struct fl_arena *a);
/** n zeroed bytes, aligned for any type; NULL when out of memory. n == 0 gives a valid pointer. */
void *fl_arena_alloc(struct fl_arena *a, size_t n);
/** n * size with an overflow check. */
void *fl_arena_array(struct fl_arena *a, size_t n, size_t size);
void *fl_arena_dup(struct fl_arena *a, const void *p, size_t n);
/** A terminated copy; NULL when s is NULL or out of memory. */
char *fl_arena_str(struct fl_arena *a, const char *s);
char *fl_arena_strn(struct fl_arena *a, const char *s, size_t n);
char *fl_arena_printf(struct fl_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
