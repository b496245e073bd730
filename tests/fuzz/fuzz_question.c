/* A packet from a client, through the parser, the door and every writer of answers, under a fixed policy. Every answer is a message that ends where it says. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "enforcer/server_int.h"
#include "tests/support/answer_help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fl_server *server;
static struct fl_view *view;
static struct fl__settings *settings;
static uint64_t ring_pos;

/* An answer with a chain, for any question; the name is put in as for a cache hit. */
static struct fl_answer *make_kept(const struct fl_dname *name)
{
	static struct fl__chain_scratch *scratch;
	struct fl__asked asked = { name, 1, false, false };
	struct fl__ttl_limits limits = { .max_s = 86400 };
	struct fl_answer *a = NULL;
	struct fl_buf b = { 0 };

	if (!scratch)
		scratch = fl__chain_scratch_new();
	fl_buf_add(&b, "\0\0\x81\x80\0\1\0\2\0\0\0\0", 12);
	fl_buf_add(&b, name->b, name->len);
	fl_buf_add(&b, "\0\1\0\1", 4);
	fl_buf_add(&b, "\xc0\xc\0\5\0\1\0\0\1\0\0\6\4edge\0", 18);
	fl_buf_add(&b, "\4edge\0\0\1\0\1\0\0\1\0\0\4\300\0\2\1", 20);
	fl__chain_read(scratch, fl_buf_span(&b), &asked, &limits, FL_NS_PER_S, &a);
	fl_buf_done(&b);
	return a;
}

static void init(void)
{
	static struct fl_config cfg;
	struct fl_policy *policy = NULL;
	char folder[] = "/tmp/fl-fuzz-XXXXXX";

	cfg = help_config();
	cfg.cookies = cfg.special_names = cfg.doh_canary = cfg.rebinding = cfg.prefetch = true;
	cfg.ede_contact = "soc@corp.example";
	cfg.rate = (struct fl_cfg_rate){ .per_client = 1000, .burst = 10, .ipv4_prefix = 32, .ipv6_prefix = 64 };
	server = aligned_alloc(64, (sizeof(*server) + 63) & ~(size_t)63);
	memset(server, 0, sizeof(*server));
	snprintf(server->enforcer, sizeof(server->enforcer), "ns1");
	server->c.clock = fl_clock_sys();
	server->threads[0].server = server;
	server->rate = fl__rate_new();
	settings = fl__settings_new(&cfg, (const uint8_t *)"a secret of 16..", NULL);
	if (!server->rate || !settings)
		abort();
	if (!mkdtemp(folder) || fl__ring_create(folder, "ns1", 1, 0, 1 << 20, &server->threads[0].ring, NULL) < 0 || fl_policy_new(&cfg, &policy, NULL) < 0)
		abort();
	unlink(server->threads[0].ring->path); /* the mapping stays */
	rmdir(folder);
	view = help_view(policy, 3);
}

/* Walks an answer: counts fit, and nothing is left over. */
static void check_answer(const struct fl__out *o)
{
	struct fl_span msg = fl_span(o->p, o->n);
	size_t pos = FL__DNS_HEADER;
	struct fl__rr rr;

	if (o->n < FL__DNS_HEADER || o->n > o->cap || !(o->p[2] & 0x80))
		abort();
	if (fl__be16(o->p + 4) && (!fl__name_skip(msg, &pos) || (pos += 4) > o->n))
		abort();
	for (unsigned n = (unsigned)fl__be16(o->p + 6) + fl__be16(o->p + 8) + fl__be16(o->p + 10); n; n--)
		if (!fl__rr_read(msg, &pos, &rr))
			abort();
	if (pos != o->n)
		abort();
}

static void check_record(void)
{
	struct fl__frame f;
	struct fl_qlog q;

	while (fl__ring_next(server->threads[0].ring, &ring_pos, &f) == 1) {
		if (!fl__record_read(f.body, &q))
			abort();
		fl__ring_release(server->threads[0].ring, f.end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[1232];
	/* the first octet chooses the client, and whether an answer is at hand */
	struct fl_job job = { .received = 2 * FL_NS_PER_S,
			      .peer.in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(size && data[0] & 1 ? 0x0a090101 : size && data[0] & 2 ? 0xcb007101 : 0x7f000001) } };
	struct fl__resolved failed = { .remark = { FL__EDE_NO_REACHABLE, "no answer from upstream" } };
	struct fl__ask a = { .job = &job };
	struct fl__out o = { out, 0, 1232 };
	struct fl_answer *kept = NULL;
	static fl_mono_ns now = 2 * FL_NS_PER_S;
	enum fl__admitted admitted;

	if (!server)
		init();
	if (size == 0)
		return 0;
	a.parsed = (enum fl__parsed)fl__question_parse(fl_span(data + 1, size - 1), &job.q);
	if (a.parsed == FL__PARSED_DROP)
		return 0;
	o.cap = job.q.udp_size;
	if (data[0] & 4 && a.parsed == FL__PARSED_OK)
		a.kept = kept = make_kept(&job.q.name);
	if (data[0] & 8 && !a.kept)
		a.resolved = &failed;
	/* each packet finds its client's account as the last one left it; one in eight comes when it is paid for */
	now += data[0] >> 5 ? 0 : FL_NS_PER_S;
	admitted = fl__admit(&server->threads[0], settings, &a, &job, now, now / 1000, &o);
	if (kept)
		kept->inside = data[0] & 16;
	if (admitted == FL__ADMIT_ASK)
		fl__respond(&server->threads[0], view, settings, &a, 2 * FL_NS_PER_S, 1, &o);
	if (o.n)
		check_answer(&o);
	check_record();
	fl__answer_free(kept);
	return 0;
}
