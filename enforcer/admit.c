/* The door: who may ask, and how often. Before any look at policy or cache, so that a stranger costs a parse and at most one small answer.
 *
 * Over the rate a client that could be anyone (UDP without our cookie) hears nothing, or every second time so little that nobody is harmed by it: BADCOOKIE with a cookie to come back
 * with, or TC. One that has shown its address (TCP, our cookie) has an account of its own, which no forger can overdraw, and is told REFUSED. */
#include "enforcer/hash.h"
#include "enforcer/server_int.h"

#include "base/address.h"

static uint64_t account(const struct fl_server *s, const struct fl__settings *st, const struct fl_client *c, bool proven)
{
	uint8_t who[18];

	memset(who, 0, sizeof(who));
	memcpy(who, c->addr, c->v6 ? 16 : 4);
	fl_address_mask(who, c->v6 ? st->prefix_v6 : st->prefix_v4);
	who[16] = c->v6;
	who[17] = proven;
	return fl__hash(s->client_key, who, sizeof(who));
}

static enum fl__admitted drop(struct fl__thread *t, enum fl__lost why)
{
	fl__bump(&t->counters.lost[why]);
	return FL__ADMIT_DROP;
}

static enum fl__admitted refuse(struct fl__thread *t, struct fl__ask *a, const struct fl_job *job, const char *why, struct fl__out *o)
{
	fl__answer_error(&job->q, FL__REFUSED, (struct fl__remark){ FL__EDE_PROHIBITED, why }, o);
	fl__count_answer(&t->counters, FL__FROM_ERROR, FL__REFUSED, 0);
	a->parsed = (enum fl__parsed)FL__REFUSED;
	return FL__ADMIT_SAID;
}

static enum fl__admitted over_limit(struct fl__thread *t, struct fl__ask *a, const struct fl_job *job, bool proven, struct fl__out *o)
{
	uint64_t n = fl__peek(&t->counters.limited);
	unsigned rcode = job->q.cookie_out ? FL__BADCOOKIE : FL__NOERROR;

	fl__bump(&t->counters.limited);
	if (proven)
		return refuse(t, a, job, "over the rate limit", o);
	if (n & 1)
		return drop(t, FL__LOST_LIMIT);
	if (rcode == FL__BADCOOKIE)
		fl__answer_error(&job->q, rcode, FL__NO_REMARK, o);
	else
		fl__answer_truncated(&job->q, rcode, FL__NO_REMARK, o);
	fl__count_answer(&t->counters, FL__FROM_ERROR, rcode, 0);
	return FL__ADMIT_SAID;
}

bool fl__admit_peer(const struct fl__settings *st, const union fl__addr *peer)
{
	struct fl_client c;
	uint16_t port;

	fl__client_of(peer, &c, &port);
	return st->open || fl__ranges_hold(&st->allowed, fl__address_of(c.v6, c.addr));
}

enum fl__admitted fl__admit(struct fl__thread *t, const struct fl__settings *st, struct fl__ask *a, struct fl_job *job, fl_mono_ns now, fl_unix_us now_us,
			    struct fl__out *o)
{
	struct fl_server *s = t->server;
	fl__address who;
	bool proven = job->tcp;
	uint16_t port;

	fl__client_of(&job->peer, &a->client, &port);
	who = fl__address_of(a->client.v6, a->client.addr);
	if (!st->open && !fl__ranges_hold(&st->allowed, who)) {
		fl__bump(&t->counters.strangers);
		return st->drop_others ? drop(t, FL__LOST_STRANGER) : refuse(t, a, job, "not a client of this resolver", o);
	}
	if (st->cookies && job->q.cookie_len)
		proven = fl__cookie_turn(&st->cookie_key, &a->client, (uint32_t)(now_us / FL_US_PER_S), &job->q) || proven;
	if (job->tcp && job->q.keepalive)
		job->q.keepalive_out = st->keepalive;
	if (st->per_client && !fl__ranges_hold(&st->exempt, who) && !fl__rate_take(s->rate, account(s, st, &a->client, proven), now, st->per_client, st->burst))
		return over_limit(t, a, job, proven, o);
	return FL__ADMIT_ASK;
}
