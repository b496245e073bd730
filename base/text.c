#include "base/text.h"

static const char hexdigits[] = "0123456789abcdef";
static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b32[] = "abcdefghijklmnopqrstuvwxyz234567";

char *fl_hex(const void *p, size_t n, char *out)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hexdigits[b[i] >> 4];
		out[2 * i + 1] = hexdigits[b[i] & 15];
	}
	out[2 * n] = '\0';
	return out;
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool fl_unhex(struct fl_span hex, void *out, size_t n)
{
	uint8_t *b = out;

	if (hex.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = nibble(hex.p[2 * i]), lo = nibble(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		b[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

void fl_base64(struct fl_buf *out, struct fl_span in)
{
	size_t i;

	if (!fl_buf_reserve(out, (in.n + 2) / 3 * 4))
		return;
	for (i = 0; i < in.n; i += 3) {
		size_t left = in.n - i;
		uint32_t v = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) | (left > 2 ? in.p[i + 2] : 0);

		out->p[out->n++] = (uint8_t)b64[v >> 18];
		out->p[out->n++] = (uint8_t)b64[v >> 12 & 63];
		out->p[out->n++] = left > 1 ? (uint8_t)b64[v >> 6 & 63] : '=';
		out->p[out->n++] = left > 2 ? (uint8_t)b64[v & 63] : '=';
	}
}

static int b64value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool fl_unbase64(struct fl_buf *out, struct fl_span in)
{
	if (in.n % 4)
		return false;
	for (size_t i = 0; i < in.n; i += 4) {
		bool last = i + 4 == in.n;
		int pad = last ? (in.p[i + 3] == '=') + (in.p[i + 2] == '=' && in.p[i + 3] == '=') : 0;
		uint32_t v = 0;

		for (int k = 0; k < 4; k++) {
			int d = k >= 4 - pad ? 0 : b64value(in.p[i + (size_t)k]);

			if (d < 0)
				return false;
			v = v << 6 | (uint32_t)d;
		}
		if ((pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff)))
			return false;
		fl_buf_u8(out, (uint8_t)(v >> 16));
		if (pad < 2)
			fl_buf_u8(out, (uint8_t)(v >> 8));
		if (pad < 1)
			fl_buf_u8(out, (uint8_t)v);
	}
	return !out->failed;
}

char *fl_base32_40(uint64_t v, char out[9])
{
	for (int i = 0; i < 8; i++)
		out[i] = b32[v >> (35 - 5 * i) & 31];
	out[8] = '\0';
	return out;
}

bool fl_unbase32_40(struct fl_span in, uint64_t *v)
{
	uint64_t x = 0;

	if (in.n != 8)
		return false;
	for (size_t i = 0; i < 8; i++) {
		const char *d = in.p[i] ? strchr(b32, in.p[i] >= 'A' && in.p[i] <= 'Z' ? in.p[i] + 32 : in.p[i]) : NULL;

		if (!d)
			return false;
		x = x << 5 | (uint64_t)(d - b32);
	}
	*v = x;
	return true;
}

bool fl_u64_parse(struct fl_span s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

size_t fl_edit_distance(const char *a, const char *b)
{
	size_t row[3][66], na = strlen(a), nb = strlen(b);

	if (na > 64 || nb > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[1][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *cur = row[(i + 1) % 3], *prev = row[i % 3], *prev2 = row[(i + 2) % 3];

		cur[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = prev[j - 1] + (a[i - 1] != b[j - 1]);

			if (prev[j] + 1 < best)
				best = prev[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && prev2[j - 2] + 1 < best)
				best = prev2[j - 2] + 1;
			cur[j] = best;
		}
	}
	return row[(na + 1) % 3][nb];
}

const char *fl_did_you_mean(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t best_d = 2 + strlen(word) / 3;

	for (size_t i = 0; i < n; i++) {
		size_t d = fl_edit_distance(word, candidates[i]);

		if (d < best_d) {
			best_d = d;
			best = candidates[i];
		}
	}
	return best;
}

size_t fl_utf8_len(const uint8_t *s, size_t n)
{
	uint8_t c = n ? s[0] : 0xff;
	size_t len = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

void fl_json_string(struct fl_buf *out, struct fl_span s)
{
	fl_buf_u8(out, '"');
	fl_json_text(out, s);
	fl_buf_u8(out, '"');
}

void fl_json_text(struct fl_buf *out, struct fl_span s)
{
	size_t i = 0;

	while (i < s.n) {
		uint8_t c = s.p[i];
		size_t len;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			size_t from = i;

			while (i < s.n && s.p[i] >= 0x20 && s.p[i] < 0x7f && s.p[i] != '"' && s.p[i] != '\\')
				i++;
			fl_buf_add(out, s.p + from, i - from);
			continue;
		}
		if (c == '"' || c == '\\') {
			fl_buf_u8(out, '\\');
			fl_buf_u8(out, c);
			i++;
			continue;
		}
		if (c < 0x20 || c == 0x7f) {
			const char *at = strchr("\bb\tt\nn\ff\rr", c);

			if (c && at && c < 0x20)
				fl_buf_printf(out, "\\%c", at[1]);
			else if (c == 0x7f)
				fl_buf_u8(out, c);
			else
				fl_buf_printf(out, "\\u%04x", c);
			i++;
			continue;
		}
		len = fl_utf8_len(s.p + i, s.n - i);
		if (len)
			fl_buf_add(out, s.p + i, len);
		else
			fl_buf_str(out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
}

void fl_percent_encode(struct fl_buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~", c))
			fl_buf_u8(out, c);
		else
			fl_buf_printf(out, "%%%02X", c);
	}
}

bool fl_glob(const char *p, const char *t)
{
	const char *star = NULL, *mark = NULL;

	while (*t) {
		if (*p == '*') {
			star = p++;
			mark = t;
		} else if (*p == '?' || *p == *t) {
			p++;
			t++;
		} else if (star) {
			p = star + 1;
			t = ++mark;
		} else
			return false;
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

char *fl_printable(struct fl_span s, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + 1 < cap;) {
		size_t len = fl_utf8_len(s.p + i, s.n - i);
		bool control = len == 0 || (len == 1 && (s.p[i] < 0x20 || s.p[i] == 0x7f)) || (len == 2 && s.p[i] == 0xc2 && s.p[i + 1] < 0xa0);

		if (n + len >= cap)
			break;
		if (control)
			out[n++] = '?';
		else {
			memcpy(out + n, s.p + i, len);
			n += len;
		}
		i += len ? len : 1;
	}
	out[n] = '\0';
	return out;
}
