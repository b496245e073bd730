#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct fl_arena_block {
	struct fl_arena_block *next;
	size_t used, cap;
	_Alignas(16) uint8_t data[];
};

enum { BLOCK_BYTES = 64 * 1024 };

void fl_arena_done(struct fl_arena *a)
{
	struct fl_arena_block *b = a->head, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct fl_arena){ 0 };
}

void *fl_arena_alloc(struct fl_arena *a, size_t n)
{
	struct fl_arena_block *b = a->head;
	size_t want, cap;

	if (n > SIZE_MAX - 64)
		return NULL;
	want = (n + 15) & ~(size_t)15;
	if (!b || b->cap - b->used < want) {
		cap = want > BLOCK_BYTES / 4 ? want : BLOCK_BYTES;
		b = calloc(1, sizeof(*b) + cap);
		if (!b)
			return NULL;
		b->cap = cap;
		if (a->head && want > BLOCK_BYTES / 4) { /* keep the block that still has room in front */
			b->next = a->head->next;
			a->head->next = b;
		} else {
			b->next = a->head;
			a->head = b;
		}
	}
	b->used += want;
	return b->data + b->used - want;
}

void *fl_arena_array(struct fl_arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return fl_arena_alloc(a, bytes);
}

void *fl_arena_dup(struct fl_arena *a, const void *p, size_t n)
{
	void *q = fl_arena_alloc(a, n);

	if (q && n)
		memcpy(q, p, n);
	return q;
}

char *fl_arena_strn(struct fl_arena *a, const char *s, size_t n)
{
	char *q = n == SIZE_MAX ? NULL : fl_arena_alloc(a, n + 1);

	if (q && n)
		memcpy(q, s, n);
	return q;
}

char *fl_arena_str(struct fl_arena *a, const char *s)
{
	return s ? fl_arena_strn(a, s, strlen(s)) : NULL;
}

char *fl_arena_printf(struct fl_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *q = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		q = fl_arena_alloc(a, (size_t)n + 1);
	if (q)
		vsnprintf(q, (size_t)n + 1, fmt, again);
	va_end(again);
	return q;
}
