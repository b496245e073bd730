#include "cli/dnsask.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/listen.h"
#include "io/clock.h"

static bool skip_name(struct fl_rd *r)
{
	for (int i = 0; i < 128; i++) {
		uint8_t n = fl_rd_u8(r);

		if (r->bad)
			return false;
		if (n == 0)
			return true;
		if ((n & 0xc0) == 0xc0) {
			fl_rd_u8(r);
			return !r->bad;
		}
		fl_rd_bytes(r, n);
	}
	return false;
}

static uint16_t be16(struct fl_rd *r)
{
	uint16_t hi = fl_rd_u8(r);

	return (uint16_t)(hi << 8 | fl_rd_u8(r));
}

static void read_opt(struct fl_span rdata, struct fl_dns_answer *out)
{
	struct fl_rd r = fl_rd(rdata);

	while (fl_rd_left(&r) >= 4) {
		uint16_t code = be16(&r), n = be16(&r);
		struct fl_span v = fl_rd_bytes(&r, n);

		if (r.bad || code != 15 || v.n < 2)
			continue;
		out->ede = v.p[0] << 8 | v.p[1];
		snprintf(out->ede_text, sizeof(out->ede_text), "%.*s", (int)(v.n - 2), (const char *)v.p + 2);
	}
}

static bool read_answer(struct fl_span msg, uint16_t id, struct fl_dns_answer *out)
{
	struct fl_rd r = fl_rd(msg);
	uint16_t counts[4], flags;
	unsigned records;

	if (be16(&r) != id)
		return false;
	flags = be16(&r);
	for (int i = 0; i < 4; i++)
		counts[i] = be16(&r);
	if (r.bad || !(flags & 0x8000))
		return false;
	out->rcode = flags & 15;
	out->answers = counts[1];
	for (unsigned i = 0; i < counts[0]; i++) {
		skip_name(&r);
		fl_rd_bytes(&r, 4);
	}
	records = counts[1] + counts[2] + (unsigned)counts[3];
	for (unsigned i = 0; i < records && skip_name(&r); i++) {
		uint16_t type = be16(&r), n;

		fl_rd_bytes(&r, 6);
		n = be16(&r);
		struct fl_span rdata = fl_rd_bytes(&r, n);

		if (!r.bad && type == 41)
			read_opt(rdata, out);
	}
	return true;
}

bool fl_dns_ask(const char *address, const char *name, uint16_t qtype, int timeout_ms, struct fl_dns_answer *out)
{
	static const uint8_t opt[] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	struct sockaddr_storage ss;
	struct fl_dname d;
	struct fl_buf q = { 0 };
	uint8_t reply[4096];
	unsigned len = 0;
	uint16_t id;
	bool got = false;
	int fd;

	*out = (struct fl_dns_answer){ .rcode = -1, .ede = -1 };
	if (!fl_address_parse(address, &ss, &len) || !fl_dname_from_text(fl_span_str(name), &d))
		return false;
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
		goto out;
	id = (uint16_t)fl_random_u64(fl_random_sys());
	uint8_t head[12] = { (uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1 };
	uint8_t tail[4] = { (uint8_t)(qtype >> 8), (uint8_t)qtype, 0, 1 };

	fl_buf_add(&q, head, sizeof(head));
	fl_buf_add(&q, d.b, d.len);
	fl_buf_add(&q, tail, sizeof(tail));
	fl_buf_add(&q, opt, sizeof(opt));
	if (!q.failed && send(fd, q.p, q.n, 0) == (ssize_t)q.n) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, timeout_ms) == 1) {
			ssize_t n = recv(fd, reply, sizeof(reply), 0);

			got = n > 0 && read_answer(fl_span(reply, (size_t)n), id, out);
		}
	}
out:
	fl_buf_done(&q);
	if (fd >= 0)
		close(fd);
	return got;
}
