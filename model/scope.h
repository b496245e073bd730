/* Scope: what an entry speaks for. Four bits (docs/formats/names.md):
 *
 *   exact 1              the name itself                      example.com
 *   subdomains 2         what is below it, not itself         *.example.com
 *   except-exact 4       an exception for the name itself     @@|example.com^
 *   except-subdomains 8  an exception for what is below       @@||example.com^ is 12
 *
 * Claims of one source for one name are OR-ed. Within one source the nearest entry that has a bit for the question
 * decides, and an exception wins in its own entry. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FL_SCOPE_EXACT = 1,
	FL_SCOPE_SUBDOMAINS = 2,
	FL_SCOPE_SUBTREE = 3,
	FL_SCOPE_EXCEPT_EXACT = 4,
	FL_SCOPE_EXCEPT_SUBDOMAINS = 8,
	FL_SCOPE_EXCEPT_SUBTREE = 12,
	FL_SCOPE_ALL = 15,
	/* the bits that speak for the name itself, and for what is below it */
	FL_SCOPE_SELF_BITS = 5,
	FL_SCOPE_BELOW_BITS = 10,
	FL_SCOPE_TEXT = 48,
};

/** "exact", "subdomains", "subtree", "except-subtree", "subtree+except-exact", ...; "none" for 0. Returns out. */
char *fl_scope_format(uint8_t scope, char out[FL_SCOPE_TEXT]);
/** The same words, joined by '+'. False on anything else. */
bool fl_scope_parse(const char *s, uint8_t *out);
