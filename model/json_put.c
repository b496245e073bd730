/* Pieces of JSON, appended by hand: no tree, no printf. */
#include "model/json_int.h"

#include "base/text.h"

void fl__json_u64(struct fl_buf *out, uint64_t v)
{
	char t[20];
	size_t n = sizeof(t);

	do {
		t[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	fl_buf_add(out, t + n, sizeof(t) - n);
}

void fl__json_i64(struct fl_buf *out, int64_t v)
{
	if (v < 0)
		fl_buf_u8(out, '-');
	fl__json_u64(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void fl__json_str(struct fl_buf *out, const char *s)
{
	if (s)
		fl_json_string(out, fl_span_str(s));
	else
		FL__JSON_LIT(out, "null");
}

void fl__json_bool(struct fl_buf *out, bool v)
{
	fl_buf_str(out, v ? "true" : "false");
}

void fl__json_hex(struct fl_buf *out, const void *p, size_t n)
{
	fl_buf_u8(out, '"');
	if (fl_buf_reserve(out, 2 * n + 1)) {
		fl_hex(p, n, (char *)out->p + out->n);
		out->n += 2 * n;
	}
	fl_buf_u8(out, '"');
}

void fl__json_u128(struct fl_buf *out, struct fl_u128 v)
{
	char t[33];

	fl_u128_format(v, t);
	fl_buf_u8(out, '"');
	fl_buf_add(out, t, 32);
	fl_buf_u8(out, '"');
}

void fl__json_put_str(struct fl_buf *out, const char *key, const char *s)
{
	fl_buf_str(out, key);
	fl__json_str(out, s);
}

void fl__json_put_u64(struct fl_buf *out, const char *key, uint64_t v)
{
	fl_buf_str(out, key);
	fl__json_u64(out, v);
}

void fl__json_put_bool(struct fl_buf *out, const char *key, bool v)
{
	fl_buf_str(out, key);
	fl__json_bool(out, v);
}

void fl__json_put_time(struct fl_buf *out, const char *key, fl_unix_us t)
{
	fl_buf_str(out, key);
	fl__json_i64(out, t < 0 ? 0 : t);
}

void fl__json_put_hex(struct fl_buf *out, const char *key, const void *p, size_t n)
{
	fl_buf_str(out, key);
	fl__json_hex(out, p, n);
}

void fl__json_put_u128(struct fl_buf *out, const char *key, struct fl_u128 v)
{
	fl_buf_str(out, key);
	fl__json_u128(out, v);
}
