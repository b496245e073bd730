/* The ledger's file: a header, then records that check themselves (docs/formats/ledger.md). Appended and synced; after a crash its tail may be torn, and is cut. What rotted within is set aside
 * whole, as NAME.bad, and the records around it stay. Start at fl__ledger_file_open(). */
#include "sets/ledger_int.h"

#include <stdio.h>

#include "model/digest.h"

static const uint8_t file_magic[FL_LEDGER_HEAD] = "FLLEDG1\n";
static const uint8_t magic[4] = "FLR1";

void fl__ledger_frame(struct fl_span key, struct fl_span value, struct fl_buf *out)
{
	size_t at = out->n;
	uint64_t sum;

	fl_buf_add(out, magic, sizeof(magic));
	fl_buf_u32le(out, (uint32_t)(2 + key.n + value.n));
	fl_buf_u64le(out, 0);
	fl_buf_u16le(out, (uint16_t)key.n);
	fl_buf_add(out, key.p, key.n);
	fl_buf_add(out, value.p, value.n);
	if (out->failed)
		return;
	sum = fl_checksum64(out->p + at + 16, out->n - at - 16);
	for (int i = 0; i < 8; i++)
		out->p[at + 8 + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

int fl__ledger_next(struct fl_span bytes, size_t *pos, struct fl_span *key, struct fl_span *value)
{
	struct fl_rd r;
	struct fl_span m, body;
	uint32_t n;
	uint64_t sum;

	if (*pos >= bytes.n)
		return 0;
	r = fl_rd(fl_span(bytes.p + *pos, bytes.n - *pos));
	m = fl_rd_bytes(&r, sizeof(magic));
	n = fl_rd_u32le(&r);
	sum = fl_rd_u64le(&r);
	if (r.bad)
		return FL_EGAP;
	if (memcmp(m.p, magic, sizeof(magic)) != 0 || n < 2 || n > FL_LEDGER_RECORD_MAX + FL_LEDGER_KEY_MAX + 2)
		return FL_ECORRUPT;
	body = fl_rd_bytes(&r, n);
	if (r.bad)
		return FL_EGAP;
	if (fl_checksum64(body.p, body.n) != sum)
		return FL_ECORRUPT;
	r = fl_rd(body);
	*key = fl_rd_bytes(&r, fl_rd_u16le(&r));
	*value = fl_rd_bytes(&r, fl_rd_left(&r));
	if (r.bad)
		return FL_ECORRUPT;
	*pos += 16 + n;
	return 1;
}

/* The next place where a whole record stands; the end when there is none. */
static size_t resume(struct fl_span bytes, size_t at)
{
	struct fl_span k, v;

	for (; at < bytes.n; at++) {
		const uint8_t *p = memchr(bytes.p + at, magic[0], bytes.n - at);
		size_t there;

		if (!p)
			return bytes.n;
		at = there = (size_t)(p - bytes.p);
		if (fl__ledger_next(bytes, &there, &k, &v) == 1)
			return at;
	}
	return bytes.n;
}

/* What of the file's content is whole, in good. True when something within it is not: a torn tail alone is no damage. */
static bool salvage(struct fl_span content, struct fl_buf *good, uint64_t *records)
{
	bool damaged = content.n >= FL_LEDGER_HEAD && memcmp(content.p, file_magic, FL_LEDGER_HEAD) != 0;
	struct fl_span bytes = content.n > FL_LEDGER_HEAD ? fl_span(content.p + FL_LEDGER_HEAD, content.n - FL_LEDGER_HEAD) : fl_span(NULL, 0), k, v;
	size_t pos = 0;

	*records = 0;
	while (pos < bytes.n) {
		size_t from = pos;
		int ret = fl__ledger_next(bytes, &pos, &k, &v);

		if (ret == 1) {
			fl_buf_add(good, bytes.p + from, pos - from);
			*records += 1;
			continue;
		}
		pos = resume(bytes, from + 1);
		damaged = damaged || pos < bytes.n;
	}
	return damaged;
}

static void unusable(struct fl__ledger_file *f, const struct fl_err *err)
{
	f->usable = false;
	snprintf(f->problem, sizeof(f->problem), "ledger file: %.180s", err->text);
}

static int set_aside(struct fl__ledger_file *f, struct fl_span content, struct fl_err *err)
{
	char name[72];
	int ret;

	snprintf(name, sizeof(name), "%.60s.bad", f->name);
	ret = fl_disk_replace(f->disk, name, content, err);
	if (ret == 0)
		snprintf(f->problem, sizeof(f->problem), "ledger file '%.50s' was damaged: a copy is '%.60s', its whole records are used", f->name, name);
	return ret;
}

static int reopen(struct fl__ledger_file *f, struct fl_err *err)
{
	if (f->f)
		f->disk->ops->close_file(f->f);
	f->f = NULL;
	return f->disk->ops->open(f->disk, f->name, false, &f->f, err);
}

int fl__ledger_file_replace(struct fl__ledger_file *f, struct fl_span frames, uint64_t records, struct fl_err *err)
{
	struct fl_buf all = { 0 };
	int ret;

	fl_buf_add(&all, file_magic, FL_LEDGER_HEAD);
	fl_buf_add(&all, frames.p, frames.n);
	ret = all.failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : fl_disk_replace(f->disk, f->name, fl_buf_span(&all), err);
	if (ret == 0) {
		f->bytes = all.n;
		f->records = records;
		f->dirty = false;
		ret = reopen(f, err);
	}
	fl_buf_done(&all);
	return ret;
}

/* Brings the file into a state that appends may go on from. */
static int settle(struct fl__ledger_file *f, struct fl_span content, struct fl_err *err)
{
	struct fl_buf good = { 0 };
	uint64_t records;
	bool damaged = salvage(content, &good, &records);
	int ret = good.failed ? fl_err_set(err, FL_ENOMEM, "out of memory") : 0;

	if (ret == 0 && damaged)
		ret = set_aside(f, content, err);
	if (ret == 0 && (damaged || content.n < FL_LEDGER_HEAD))
		ret = fl__ledger_file_replace(f, fl_buf_span(&good), records, err);
	else if (ret == 0) {
		f->bytes = FL_LEDGER_HEAD + good.n;
		f->records = records;
		ret = reopen(f, err);
		if (ret == 0 && content.n > f->bytes)
			ret = f->disk->ops->truncate(f->f, f->bytes, err);
	}
	fl_buf_done(&good);
	return ret;
}

void fl__ledger_file_open(struct fl__ledger_file *f)
{
	struct fl_disk_map m = { 0 };
	struct fl_err err = { 0 };
	int ret;

	if (!f->disk)
		return;
	f->problem[0] = '\0';
	ret = f->disk->ops->map(f->disk, f->name, &m, &err);
	if (ret == FL_ENOTFOUND)
		ret = fl__ledger_file_replace(f, fl_span(NULL, 0), 0, &err);
	else if (ret == 0) {
		ret = settle(f, m.bytes, &err);
		f->disk->ops->unmap(f->disk, &m);
	}
	f->usable = ret == 0;
	if (ret < 0)
		unusable(f, &err);
}

void fl__ledger_file_close(struct fl__ledger_file *f)
{
	if (f->f)
		f->disk->ops->close_file(f->f);
	f->f = NULL;
}

int fl__ledger_file_append(struct fl__ledger_file *f, struct fl_span frames, uint64_t records, struct fl_err *err)
{
	int ret = 0;

	if (!f->disk)
		return fl_err_set(err, FL_EUNAVAIL, "there is no ledger file");
	if (!f->usable)
		fl__ledger_file_open(f);
	if (!f->usable)
		return fl_err_set(err, FL_EIO, "%s", f->problem);
	if (f->bytes + frames.n > f->max)
		return fl_err_set(err, FL_ELIMIT, "the ledger file is full: it holds %llu records, %llu octets", (unsigned long long)f->records, (unsigned long long)f->bytes);
	if (f->dirty)
		ret = f->disk->ops->truncate(f->f, f->bytes, err);
	f->dirty = ret < 0;
	if (ret == 0)
		ret = f->disk->ops->append(f->f, frames, err);
	if (ret == 0)
		ret = f->disk->ops->sync(f->f, err);
	if (ret < 0) {
		f->dirty = true;
		snprintf(f->problem, sizeof(f->problem), "ledger file: %.180s", err ? err->text : fl_code_text(ret));
		return ret == FL_ELIMIT ? FL_ELIMIT : FL_EIO;
	}
	f->bytes += frames.n;
	f->records += records;
	f->problem[0] = '\0';
	return 0;
}

void fl__ledger_file_mend(struct fl__ledger_file *f)
{
	if (!f->disk || (f->usable && !f->dirty))
		return;
	if (!f->usable)
		fl__ledger_file_open(f);
	else if (f->disk->ops->truncate(f->f, f->bytes, NULL) == 0 && f->disk->ops->sync(f->f, NULL) == 0) {
		f->dirty = false;
		f->problem[0] = '\0';
	}
}

/* A cut that a power cut undoes only sends the records again. */
int fl__ledger_file_cut(struct fl__ledger_file *f, struct fl_err *err)
{
	int ret = f->disk->ops->truncate(f->f, FL_LEDGER_HEAD, err);

	if (ret < 0)
		return ret;
	f->bytes = FL_LEDGER_HEAD;
	f->records = 0;
	f->dirty = false;
	return f->disk->ops->sync(f->f, err);
}
