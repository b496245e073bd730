/* Octets of the journal: a header, then records that check themselves. Layout: docs/formats/journal.md; files and generations are in follow_disk.c. */
#include "enforcer/follow_int.h"

static const char magic[8] = "FLJRNL1\n";
enum { RECORD_HEAD = 4 + 8, FROM_BYTES = 16 + 8 + 32 };

void fl__journal_header(uint64_t generation, struct fl_buf *out)
{
	fl_buf_add(out, magic, sizeof(magic));
	fl_buf_u64le(out, generation);
}

bool fl__journal_check_header(struct fl_span bytes, uint64_t generation)
{
	struct fl_rd r = fl_rd(bytes);
	struct fl_span m = fl_rd_bytes(&r, sizeof(magic));

	return fl_span_eq(m, fl_span(magic, sizeof(magic))) && fl_rd_u64le(&r) == generation && !r.bad;
}

/* length u32 of what follows the checksum | XXH3-64 of it | epoch, number, chain held before | event value */
void fl__journal_encode(const struct fl_version_id *from, struct fl_span event, struct fl_buf *out)
{
	size_t at = out->n;
	uint64_t sum;

	fl_buf_u32le(out, (uint32_t)(FROM_BYTES + event.n));
	fl_buf_u64le(out, 0);
	fl_buf_add(out, from->epoch.b, sizeof(from->epoch.b));
	fl_buf_u64le(out, from->number);
	fl_buf_add(out, from->chain, sizeof(from->chain));
	fl_buf_add(out, event.p, event.n);
	if (out->failed)
		return;
	sum = fl_checksum64(out->p + at + RECORD_HEAD, out->n - at - RECORD_HEAD);
	for (int i = 0; i < 8; i++)
		out->p[at + 4 + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

int fl__journal_next(struct fl_span bytes, size_t *pos, struct fl_journal_record *out)
{
	struct fl_rd r;
	struct fl_span body, e;
	uint64_t sum;
	uint32_t n;

	if (*pos >= bytes.n)
		return 0;
	r = fl_rd(fl_span(bytes.p + *pos, bytes.n - *pos));
	n = fl_rd_u32le(&r);
	sum = fl_rd_u64le(&r);
	if (r.bad)
		return FL_EGAP;
	if (n < FROM_BYTES || n > FL_JOURNAL_RECORD_MAX)
		return FL_ECORRUPT;
	body = fl_rd_bytes(&r, n);
	if (r.bad)
		return FL_EGAP;
	if (fl_checksum64(body.p, body.n) != sum)
		return FL_ECORRUPT;
	r = fl_rd(body);
	e = fl_rd_bytes(&r, sizeof(out->from.epoch.b));
	memcpy(out->from.epoch.b, e.p, e.n);
	out->from.number = fl_rd_u64le(&r);
	e = fl_rd_bytes(&r, sizeof(out->from.chain));
	memcpy(out->from.chain, e.p, e.n);
	out->event = fl_rd_bytes(&r, fl_rd_left(&r));
	*pos += RECORD_HEAD + n;
	return 1;
}
