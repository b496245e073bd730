/* DNS cookies (RFC 7873) in the interoperable form of RFC 9018: servers that share a secret take each other's.
 *
 *   client cookie 8 | version 1 | reserved 3 | time 4 | SipHash-2-4(client cookie, version, reserved, time, client's address) 8
 */
#pragma once
#include "enforcer/dns.h"
#include "matcher/policy.h"

struct fl__cookie_key {
	uint8_t secret[16], before[16]; /* before: the one that was in use until lately; equal to secret when there is none */
};
/**
 * Judges the cookie of q and puts ours in its place for the answer (q->cookie_out). now_s: seconds since 1970, modulo 2^32.
 * @return true: the client has shown that it receives what is sent to its address
 */
bool fl__cookie_turn(const struct fl__cookie_key *key, const struct fl_client *client, uint32_t now_s, struct fl_question *q);
