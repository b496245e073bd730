/* What memory costs that is filled at once and given back at once, as the set that a feed is read into: a fault for each page, which is a third of the time
 * that a list of some thousand names is read in. */
#pragma once

/** For a process that does such work again and again, once at its start: blocks under 32 MiB come from the heap, and up to 64 MiB that are free stay in it. That
 * is what glibc comes to by itself once a large block was freed. Where malloc has no such settings, nothing. */
void fl_heap_keep(void);
