/* Is this text an address and not a name? Lists of names are full of them, in every disguise: 1.2.3.4, 1.2.3.0/24,
 * 1.2.3.4:8443, [::1]:53, 0x5bf076a8, 0056.0151.0121.0114 (inet_aton's hexadecimal and octal). */
#pragma once
#include "base/span.h"

/** An IPv4 or IPv6 literal in any of these forms, maybe with a zone, a port, a prefix length or a path behind it. */
bool fl_address_literal(struct fl_span text);
/** Clears every bit behind the prefix, in network order: 0 to 128 bits, of which an IPv4 address fills the first 32. */
void fl_address_mask(uint8_t addr[16], unsigned prefix);
