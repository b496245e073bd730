/* What memory costs that is filled at once and given back at once, as the set that a feed is read into: a fault for each page, which is a third of the time
 * that a list of some thousand names is read in. */
#pragma once
#include <stddef.h>

/** For a process that does such work again and again, once at its start: blocks under 32 MiB come from the heap, and up to 64 MiB that are free stay in it. That
 * is what glibc comes to by itself once a large block was freed. Where malloc has no such settings, nothing. */
void fl_heap_keep(void);
/** A block that has just been allocated and will be filled: in pages of 2 MiB, if it is large and the system can. A wish only. */
void fl_heap_fill(void *p, size_t bytes);
