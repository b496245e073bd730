#include "base/dname.h"

static bool canonical_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

struct fl_span fl_rkey_parent(struct fl_span key)
{
	if (key.n)
		key.n--;
	while (key.n && key.p[key.n - 1] != 0)
		key.n--;
	return key;
}

bool fl_rkey_valid(struct fl_span key)
{
	size_t label = 0;

	if (key.n > FL_RKEY_MAX)
		return false;
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == 0) {
			if (label == 0)
				return false;
			label = 0;
		} else if (!canonical_octet(key.p[i]) || ++label > 63)
			return false;
	}
	return label == 0;
}

bool fl_rkey_from_text(struct fl_span t, struct fl_rkey *out)
{
	size_t end, pos = 0;

	if (t.n == 1 && t.p[0] == '.')
		t.n = 0;
	if (t.n > 253)
		return false;
	for (end = t.n; t.n && pos <= t.n;) {
		size_t start = end;

		while (start && t.p[start - 1] != '.')
			start--;
		if (end == start || end - start > 63)
			return false;
		for (size_t i = start; i < end; i++) {
			if (!canonical_octet(t.p[i]))
				return false;
			out->b[pos++] = t.p[i];
		}
		out->b[pos++] = 0;
		if (start == 0)
			break;
		end = start - 1;
	}
	out->len = (uint8_t)pos;
	return true;
}

char *fl_rkey_to_text(struct fl_span key, char out[FL_NAME_TEXT])
{
	size_t end = key.n, pos = 0;

	if (key.n == 0)
		out[pos++] = '.';
	while (end) {
		size_t start = --end;

		while (start && key.p[start - 1] != 0)
			start--;
		if (pos)
			out[pos++] = '.';
		memcpy(out + pos, key.p + start, end - start);
		pos += end - start;
		end = start;
	}
	out[pos] = '\0';
	return out;
}

bool fl_dname_read(struct fl_rd *r, struct fl_dname *out)
{
	size_t pos = 0;

	for (;;) {
		uint8_t n = fl_rd_u8(r);
		struct fl_span l;

		if (r->bad || n > 63 || pos + 1 + n + (n ? 1 : 0) > FL_DNAME_MAX)
			return false;
		out->b[pos++] = n;
		if (n == 0)
			break;
		l = fl_rd_bytes(r, n);
		if (r->bad)
			return false;
		for (size_t i = 0; i < n; i++)
			out->b[pos++] = lower(l.p[i]);
	}
	out->len = (uint8_t)pos;
	return true;
}

bool fl_dname_from_text(struct fl_span t, struct fl_dname *out)
{
	size_t pos = 1, len_at = 0, label = 0;

	if (t.n == 0)
		return false;
	if (t.n == 1 && t.p[0] == '.') {
		out->b[0] = 0;
		out->len = 1;
		return true;
	}
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = t.p[i];

		if (c == '.') {
			if (label == 0)
				return false;
			out->b[len_at] = (uint8_t)label;
			if (i + 1 == t.n) {
				out->b[pos++] = 0;
				out->len = (uint8_t)pos;
				return true;
			}
			len_at = pos++;
			label = 0;
			if (pos >= FL_DNAME_MAX)
				return false;
			continue;
		}
		if (c == '\\') {
			if (i + 3 < t.n && t.p[i + 1] >= '0' && t.p[i + 1] <= '9') {
				int v = 0;

				for (int k = 1; k <= 3; k++) {
					if (t.p[i + (size_t)k] < '0' || t.p[i + (size_t)k] > '9')
						return false;
					v = v * 10 + (t.p[i + (size_t)k] - '0');
				}
				if (v > 255)
					return false;
				c = (uint8_t)v;
				i += 3;
			} else if (i + 1 < t.n && !(t.p[i + 1] >= '0' && t.p[i + 1] <= '9'))
				c = t.p[++i];
			else
				return false;
		}
		if (++label > 63 || pos >= FL_DNAME_MAX - 1)
			return false;
		out->b[pos++] = lower(c);
	}
	out->b[len_at] = (uint8_t)label;
	out->b[pos++] = 0;
	out->len = (uint8_t)pos;
	return true;
}

char *fl_dname_to_text(const struct fl_dname *d, char out[FL_NAME_TEXT])
{
	size_t pos = 0;

	if (d->len <= 1)
		out[pos++] = '.';
	for (size_t i = 0; i < d->len && d->b[i]; i += d->b[i] + 1u) {
		for (unsigned k = 1; k <= d->b[i]; k++) {
			uint8_t c = d->b[i + k];

			if (c <= ' ' || c >= 0x7f) {
				out[pos++] = '\\';
				out[pos++] = (char)('0' + c / 100);
				out[pos++] = (char)('0' + c / 10 % 10);
				out[pos++] = (char)('0' + c % 10);
			} else {
				if (strchr(".\"\\;()@$", c))
					out[pos++] = '\\';
				out[pos++] = (char)c;
			}
		}
		out[pos++] = '.';
	}
	out[pos] = '\0';
	return out;
}
