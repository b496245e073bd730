/* Longest-prefix match of client addresses. Private to this folder. */
#pragma once
#include "matcher/policy_rules.h"

/** Sort and index; false when out of memory. *twice gets a network that two associations claim, or NULL. */
bool fl__networks_build(struct fl__networks *n, struct fl_arena *arena, const struct fl__network **twice);
/** The ruleset of the longest network that holds the address, or UINT32_MAX. */
uint32_t fl__networks_find(const struct fl__networks *n, const uint8_t addr[16]);
/** The network itself, or NULL. */
const struct fl__network *fl__networks_match(const struct fl__networks *n, const uint8_t addr[16]);
/** A v4-mapped v6 address (RFC 4291, 2.5.5.2) as v4 in place; *prefix likewise when not NULL. */
void fl__address_unmap(bool *v6, uint8_t addr[16], uint8_t *prefix);
