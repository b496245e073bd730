/* How often each client asks: a fixed table of virtual schedules (the generic cell rate algorithm), shared by all answering threads without locks.
 *
 *   set = 4 slots;   slot = 20 bits of the client's hash | 44 bits: the microsecond at which all it asked so far would be paid for
 *
 * A client without a slot takes the one that is nearest to idle, so a flood of addresses makes others look idle, never guilty. Start reading at fl__rate_take(). */
#pragma once
#include "base/time.h"

struct fl__rate;
/** NULL: out of memory. 512 KiB, touched as it is used. */
struct fl__rate *fl__rate_new(void);
void fl__rate_free(struct fl__rate *r);
/** One question of the client with this (keyed) hash at `now`: true when it keeps within per_s a second and `burst` at once. per_s and burst are 1 to 1,000,000. */
bool fl__rate_take(struct fl__rate *r, uint64_t hash, fl_mono_ns now, uint32_t per_s, uint32_t burst);
