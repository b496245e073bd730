#include "enforcer/inside.h"

#include "enforcer/answer.h"

/* An address that names no host of the internet: RFC 6890's private, loopback, link-local, shared and unspecified ones, mapped ones like what they map. */
static bool private_address(const uint8_t *p, size_t n)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, zero[16] = { 0 };
	struct fl_client c = { .v6 = n == 16 && memcmp(p, mapped, 12) != 0 };

	if (n != 4 && n != 16)
		return false;
	memcpy(c.addr, n == 16 && !c.v6 ? p + 12 : p, c.v6 ? 16 : 4);
	return fl__client_private(&c) || (c.v6 ? memcmp(p, zero, 16) == 0 : c.addr[0] == 0);
}

/* The address hints of SVCB and HTTPS (RFC 9460, 7.3) are addresses, too. */
static bool private_hint(const uint8_t *p, size_t n)
{
	size_t at = 2;

	while (at < n && p[at] && p[at] < 64)
		at += 1u + p[at];
	for (at++; at + 4 <= n;) {
		uint16_t key = fl__be16(p + at), len = fl__be16(p + at + 2), one = key == 4 ? 4 : key == 6 ? 16 : 0;

		at += 4;
		if (len > n - at)
			return false;
		for (size_t i = 0; one && i + one <= len; i += one)
			if (private_address(p + at + i, one))
				return true;
		at += len;
	}
	return false;
}

bool fl__leads_inside(struct fl_span msg, const struct fl__rr *rr)
{
	const uint8_t *p = msg.p + rr->rdata;

	if (rr->type == FL__T_A || rr->type == FL__T_AAAA)
		return private_address(p, rr->rdlen);
	return (rr->type == FL__T_HTTPS || rr->type == FL__T_SVCB) && private_hint(p, rr->rdlen);
}
