/* Packed bodies: gzip (one member or several, RFC 1952) by zlib, zstd (one frame or several, RFC 8878). libcurl could
 * unpack too, but does not tell a gzip that ends early from a whole one, and cannot bound what a bomb unpacks to.
 *
 * A body may unpack to max_bytes, and to max_ratio times what was received; the ratio is judged above RATIO_FLOOR only,
 * since short texts of one repeated line are no bombs. Start at fl__unpack_feed(). */
#include "io/http_unpack.h"
#include "io/http.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { STEP = 64 * 1024, RATIO_DEFAULT = 100, WINDOW_LOG_MAX = 27 };
#define RATIO_FLOOR ((uint64_t)1 << 20)

struct fl__unpack {
	enum fl__packing packing;
	uint64_t max_bytes, max_ratio, taken, given;
	bool whole; /* at the end of a member or frame */
	z_stream z;
	ZSTD_DStream *zstd;
	uint8_t step[STEP];
};

struct fl__unpack *fl__unpack_new(enum fl__packing packing, uint64_t max_bytes, uint32_t max_ratio)
{
	struct fl__unpack *u = calloc(1, sizeof(*u));
	bool ok = u != NULL;

	if (!ok)
		return NULL;
	u->packing = packing;
	u->max_bytes = max_bytes;
	u->max_ratio = max_ratio ? max_ratio : RATIO_DEFAULT;
	if (packing == FL__PACKING_GZIP)
		ok = inflateInit2(&u->z, 16 + MAX_WBITS) == Z_OK;
	if (packing == FL__PACKING_ZSTD) {
		u->zstd = ZSTD_createDStream();
		/* 128 MiB: what the zstd tool takes too; a frame may ask for more than we want to give */
		ok = u->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX));
	}
	if (!ok) {
		ZSTD_freeDStream(u->zstd);
		free(u);
		return NULL;
	}
	u->whole = packing == FL__PACKING_NONE;
	return u;
}

void fl__unpack_free(struct fl__unpack *u)
{
	if (!u)
		return;
	if (u->packing == FL__PACKING_GZIP)
		inflateEnd(&u->z);
	ZSTD_freeDStream(u->zstd);
	free(u);
}

static int give(struct fl__unpack *u, const void *p, size_t n, struct fl_buf *out, struct fl_err *err)
{
	u->given += n;
	if (u->given > u->max_bytes)
		return fl_err_set(err, FL_ELIMIT, "the body is over %llu octets", (unsigned long long)u->max_bytes);
	if (u->packing != FL__PACKING_NONE && u->given > RATIO_FLOOR && u->given / u->max_ratio > u->taken)
		return fl_err_set(err, FL_ELIMIT, "the body unpacks to over %llu times its size", (unsigned long long)u->max_ratio);
	fl_buf_add(out, p, n);
	return out->failed ? fl_err_set(err, FL_ENOMEM, "the body: out of memory") : 0;
}

static int feed_gzip(struct fl__unpack *u, struct fl_span in, struct fl_buf *out, struct fl_err *err)
{
	u->z.next_in = (Bytef *)in.p;
	u->z.avail_in = (uInt)in.n;
	for (;;) {
		size_t n;
		int ret, z;

		if (u->whole && u->z.avail_in) { /* another member */
			inflateReset(&u->z);
			u->whole = false;
		}
		u->z.next_out = u->step;
		u->z.avail_out = STEP;
		z = inflate(&u->z, Z_NO_FLUSH);
		if (z == Z_MEM_ERROR)
			return fl_err_set(err, FL_ENOMEM, "gzip: out of memory");
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return fl_err_set(err, FL_EFORMAT, "gzip: %s", u->z.msg ? u->z.msg : "not what it says");
		u->whole = z == Z_STREAM_END;
		n = STEP - u->z.avail_out;
		ret = give(u, u->step, n, out, err);
		if (ret < 0)
			return ret;
		if (u->z.avail_in == 0 && n < STEP)
			return 0;
		if (z == Z_BUF_ERROR)
			return 0; /* nothing more comes from what there is */
	}
}

static int feed_zstd(struct fl__unpack *u, struct fl_span in, struct fl_buf *out, struct fl_err *err)
{
	ZSTD_inBuffer zin = { in.p, in.n, 0 };

	for (;;) {
		ZSTD_outBuffer zout = { u->step, STEP, 0 };
		size_t left = ZSTD_decompressStream(u->zstd, &zout, &zin);
		int ret;

		if (ZSTD_isError(left))
			return fl_err_set(err, FL_EFORMAT, "zstd: %s", ZSTD_getErrorName(left));
		u->whole = left == 0;
		ret = give(u, u->step, zout.pos, out, err);
		if (ret < 0)
			return ret;
		if (zin.pos == zin.size && (zout.pos < STEP || u->whole)) /* asked once more at its end, it would wait for a next frame */
			return 0;
	}
}

int fl__unpack_feed(struct fl__unpack *u, struct fl_span in, struct fl_buf *out, struct fl_err *err)
{
	while (in.n) {
		size_t n = in.n < STEP ? in.n : STEP; /* so that the ratio is judged as it goes, and zlib's counters suffice */
		int ret;

		u->taken += n;
		if (u->packing == FL__PACKING_GZIP)
			ret = feed_gzip(u, fl_span(in.p, n), out, err);
		else if (u->packing == FL__PACKING_ZSTD)
			ret = feed_zstd(u, fl_span(in.p, n), out, err);
		else
			ret = give(u, in.p, n, out, err);
		if (ret < 0)
			return ret;
		in.p += n;
		in.n -= n;
	}
	return 0;
}

bool fl__unpack_packed(const struct fl__unpack *u)
{
	return u->packing != FL__PACKING_NONE;
}

int fl__unpack_end(const struct fl__unpack *u, struct fl_err *err)
{
	if (u->whole)
		return 0;
	return fl_err_set(err, FL_EFORMAT, "%s: cut off", u->packing == FL__PACKING_GZIP ? "gzip" : "zstd");
}

enum fl__packing fl__packing_of(struct fl_span body)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (body.n >= sizeof(gzip) && memcmp(body.p, gzip, sizeof(gzip)) == 0)
		return FL__PACKING_GZIP;
	if (body.n >= sizeof(zstd) && memcmp(body.p, zstd, sizeof(zstd)) == 0)
		return FL__PACKING_ZSTD;
	return FL__PACKING_NONE;
}

int fl_http_unpack(struct fl_buf *body, uint64_t max_bytes, uint32_t max_ratio, struct fl_err *err)
{
	enum fl__packing packing = fl__packing_of(fl_buf_span(body));
	struct fl__unpack *u;
	struct fl_buf out = { 0 };
	int ret;

	if (packing == FL__PACKING_NONE)
		return body->n <= max_bytes ? 0 : fl_err_set(err, FL_ELIMIT, "the body is over %llu octets", (unsigned long long)max_bytes);
	u = fl__unpack_new(packing, max_bytes, max_ratio);
	if (!u)
		return fl_err_set(err, FL_ENOMEM, "the body: out of memory");
	ret = fl__unpack_feed(u, fl_buf_span(body), &out, err);
	if (ret == 0)
		ret = fl__unpack_end(u, err);
	if (ret == 0) {
		fl_buf_done(body);
		*body = out;
		out = (struct fl_buf){ 0 };
	}
	fl_buf_done(&out);
	fl__unpack_free(u);
	return ret;
}
