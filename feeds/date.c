/* Dates as feeds write them. Start at fl__date(). */
#include "feeds/fields.h"

#include <stdio.h>

#include "base/text.h"
#include "base/time.h"

static bool digits_at(struct fl_span s, const char *shape)
{
	if (s.n < strlen(shape))
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '9' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != (uint8_t)shape[i])
			return false;
	return true;
}

static uint32_t clamp(int64_t s)
{
	return s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

/* The zone words that feeds put where RFC 3339 has Z. */
static struct fl_span zone_off(struct fl_span s, bool *utc)
{
	static const char *const words[] = { " UTC", " (UTC)", "UTC", " GMT" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t n = strlen(words[i]);

		if (s.n > n && memcmp(s.p + s.n - n, words[i], n) == 0) {
			*utc = true;
			return fl_span_trim(fl_span(s.p, s.n - n));
		}
	}
	return s;
}

/* "22-08-2026[ time]" as "2026-08-22[ time]". */
static void day_first_turned(char *text)
{
	char day[2], month[2], year[4];

	memcpy(day, text, 2);
	memcpy(month, text + 3, 2);
	memcpy(year, text + 6, 4);
	memcpy(text, year, 4);
	text[4] = text[7] = '-';
	memcpy(text + 5, month, 2);
	memcpy(text + 8, day, 2);
}

static bool number_date(struct fl_span s, uint32_t *out)
{
	uint64_t v;

	if (s.n < 9 || s.n > 13 || !fl_u64_parse(s, &v))
		return false;
	*out = clamp((int64_t)(s.n > 11 ? v / 1000 : v));
	return true;
}

bool fl__date(struct fl_span s, uint32_t *out)
{
	bool utc = false;
	char text[64];
	fl_unix_us t;
	size_t n;

	s = zone_off(fl_span_trim(s), &utc);
	if (number_date(s, out))
		return true;
	if (s.n < 10 || s.n > 40)
		return false;
	n = s.n;
	memcpy(text, s.p, n);
	if (digits_at(s, "99-99-9999"))
		day_first_turned(text);
	else if (!digits_at(s, "9999-99-99"))
		return false;
	if (n == 10)
		n = (size_t)snprintf(text + 10, sizeof(text) - 10, "T00:00:00Z") + 10;
	else if (utc || memchr("0123456789", text[n - 1], 10)) {
		/* no zone: an offset would stand behind the seconds as +hh:mm or -hh:mm */
		bool offset = !utc && n > 19 && (memchr(text + 19, '+', n - 19) || memchr(text + 19, '-', n - 19));

		if (!offset)
			text[n++] = 'Z';
	}
	if (!fl_time_parse(text, n, &t))
		return false;
	*out = clamp(t / FL_US_PER_S);
	return true;
}
