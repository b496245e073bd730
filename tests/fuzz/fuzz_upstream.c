/* A forwarder's reply, through the chain reader into the cache and out again. The first octets choose type and DO; the question is the reply's own. */
#include <stdint.h>
#include <stdlib.h>

#include "base/rcu.h"
#include "enforcer/cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fl__chain_scratch *scratch;
static struct fl_cache *cache;

static void check_message(const uint8_t *p, size_t n)
{
	struct fl_span msg = fl_span(p, n);
	size_t pos = FL__DNS_HEADER;
	struct fl_dname name;
	struct fl__rr rr;

	if (!fl__name_read(msg, &pos, &name) || (pos += 4) > n)
		abort();
	for (unsigned k = (unsigned)fl__be16(p + 6) + fl__be16(p + 8) + fl__be16(p + 10); k; k--) {
		size_t at = pos;

		if (!fl__name_read(msg, &at, &name) || !fl__rr_read(msg, &pos, &rr))
			abort();
	}
	if (pos != n)
		abort();
}

static void ask_again(const struct fl_answer *a, const struct fl_dname *name, uint16_t qtype)
{
	static uint8_t out[FL__MSG_MAX];
	struct fl_question q = { .id = 1, .flags = 0x0100, .qtype = qtype, .qclass = 1, .udp_size = 1232, .edns = true, .has_name = true, .name = *name };
	struct fl__out o = { out, 0, sizeof(out) };

	memcpy(q.raw, name->b, name->len);
	fl__answer_kept(&q, a, a->stored + FL_NS_PER_S, false, FL__NO_REMARK, &o);
	check_message(o.p, o.n);
	o.cap = 512;
	fl__answer_kept(&q, a, a->stored, true, (struct fl__remark){ FL__EDE_STALE, NULL }, &o);
	check_message(o.p, o.n);
}

/* The answer behind itself: whatever two answers are, what they make is a message, and reading it ends. */
static void join(const struct fl_answer *a, const struct fl__asked *asked, const struct fl__ttl_limits *limits)
{
	static uint8_t out[FL__MSG_MAX];
	size_t n = fl__chain_join(a, a, out);
	struct fl_answer *whole = NULL;

	if (n == 0)
		return;
	check_message(out, n);
	fl__ede_read(fl_span(out, n));
	if (fl__chain_read(scratch, fl_span(out, n), asked, limits, FL_NS_PER_S, &whole) == 0)
		check_message(whole->msg, whole->msg_len);
	fl__answer_free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl__ttl_limits limits = { .min_s = 0, .max_s = 86400, .negative_max_s = 900, .stale_s = 60 };
	struct fl_dname name;
	struct fl__asked asked = { &name, 1, false, false };
	struct fl_answer *a = NULL;
	size_t pos = FL__DNS_HEADER;
	fl_mono_ns now = FL_NS_PER_S;
	uint64_t hash;

	if (!cache) {
		fl_rcu_thread_init();
		scratch = fl__chain_scratch_new();
		cache = fl__cache_new(1 << 20, 1);
	}
	if (size < 2)
		return 0;
	asked.dnssec_ok = data[0] & 1;
	asked.qtype = (data[0] & 2) ? FL__T_ANY : data[1];
	data += 2;
	size -= 2;
	if (!fl__name_read(fl_span(data, size), &pos, &name))
		return 0;
	fl__dname_lower(&name);
	fl__ede_read(fl_span(data, size));
	if (fl__chain_read(scratch, fl_span(data, size), &asked, &limits, now, &a) < 0)
		return 0;
	check_message(a->msg, a->msg_len);
	if (a->n_chain > FL__CHAIN_MAX)
		abort();
	ask_again(a, &name, asked.qtype);
	join(a, &asked, &limits);
	hash = fl__cache_hash(cache, &asked);
	if (a->expires <= now || !fl__cache_put(cache, hash, a, now)) {
		fl__answer_free(a);
		return 0;
	}
	if (fl__cache_get(cache, hash, &asked, now) != a)
		abort();
	fl__cache_reclaim(cache, false);
	return 0;
}
