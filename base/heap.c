#include "base/heap.h"

#include <malloc.h>

enum { MIB = 1 << 20 };

void fl_heap_keep(void)
{
#if defined(M_MMAP_THRESHOLD) && defined(M_TRIM_THRESHOLD)
	mallopt(M_MMAP_THRESHOLD, 32 * MIB);
	mallopt(M_TRIM_THRESHOLD, 64 * MIB);
#endif
}
