/* Which records lead into private networks: what an answer of the world must not do where rebinding.protect is set. Pure. */
#pragma once
#include "enforcer/dns.h"

/** Does this record of msg (A, AAAA, or SVCB and HTTPS by their hints) hold an address of a private, loopback, link-local, shared or unspecified network? */
bool fl__leads_inside(struct fl_span msg, const struct fl__rr *rr);
