#include "base/heap.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, PAGE = 4096, HUGE_FROM = 4 * MIB };

void fl_heap_keep(void)
{
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
	mallopt(M_MMAP_THRESHOLD, 32 * MIB);
	mallopt(M_TRIM_THRESHOLD, 64 * MIB);
#endif
}

void fl_heap_fill(void *p, size_t bytes)
{
	/* outwards, so that a block of its own is one mapping still: of two, realloc would make a copy */
	uintptr_t start = (uintptr_t)p / PAGE * PAGE, end = ((uintptr_t)p + bytes + PAGE - 1) / PAGE * PAGE;

	if (p && bytes >= HUGE_FROM)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
}
