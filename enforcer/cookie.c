#include "enforcer/cookie.h"
#include "enforcer/siphash.h"

enum { VERSION = 1, FIXED = FL__COOKIE_CLIENT + 8, OLD_S = 3600, RENEW_S = 1800, AHEAD_S = 300 }; /* RFC 9018, 4.3 */

static void sign(const uint8_t secret[16], const uint8_t fixed[FIXED], const struct fl_client *c, uint8_t out[8])
{
	uint8_t text[FIXED + 16];
	size_t n = c->v6 ? 16 : 4;
	uint64_t h;

	memcpy(text, fixed, FIXED);
	memcpy(text + FIXED, c->addr, n);
	h = fl__siphash(secret, text, FIXED + n);
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(h >> (8 * i));
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	uint8_t d = 0;

	for (int i = 0; i < 8; i++)
		d |= a[i] ^ b[i];
	return d == 0;
}

static bool valid(const struct fl__cookie_key *key, const struct fl_client *client, uint32_t now_s, const struct fl_question *q, int32_t *age)
{
	uint8_t want[8];

	if (q->cookie_len != FL__COOKIE_OURS || q->cookie[FL__COOKIE_CLIENT] != VERSION)
		return false;
	*age = (int32_t)(now_s - fl__be32(q->cookie + FL__COOKIE_CLIENT + 4));
	if (*age > OLD_S || *age < -AHEAD_S)
		return false;
	sign(key->secret, q->cookie, client, want);
	if (same(want, q->cookie + FIXED))
		return true;
	sign(key->before, q->cookie, client, want);
	*age = OLD_S; /* a new one is given */
	return same(want, q->cookie + FIXED);
}

bool fl__cookie_turn(const struct fl__cookie_key *key, const struct fl_client *client, uint32_t now_s, struct fl_question *q)
{
	int32_t age = OLD_S;
	bool ok = valid(key, client, now_s, q, &age);

	if (!ok || age > RENEW_S || age < 0) {
		memset(q->cookie + FL__COOKIE_CLIENT, 0, 8);
		q->cookie[FL__COOKIE_CLIENT] = VERSION;
		fl__put32(q->cookie + FL__COOKIE_CLIENT + 4, now_s);
		sign(key->secret, q->cookie, client, q->cookie + FIXED);
	}
	q->cookie_out = true;
	return ok;
}
