#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

char *fl_time_format(fl_unix_us t, char out[FL_TIME_TEXT])
{
	time_t s = (time_t)(t / FL_US_PER_S);
	int64_t us = t % FL_US_PER_S;
	struct tm tm;
	size_t n;

	if (us < 0) {
		us += FL_US_PER_S;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year > 8099 || tm.tm_year < -1899) {
		snprintf(out, FL_TIME_TEXT, "-");
		return out;
	}
	n = strftime(out, FL_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	if (us)
		snprintf(out + n, FL_TIME_TEXT - n, ".%06dZ", (int)us);
	else
		snprintf(out + n, FL_TIME_TEXT - n, "Z");
	return out;
}

static bool digits(const char *s, size_t n, int *out)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*out = v;
	return true;
}

bool fl_time_parse(const char *s, size_t n, fl_unix_us *out)
{
	static const int scale[] = { 100000, 10000, 1000, 100, 10, 1 };
	int y, mo, d, h, mi, se, us = 0, oh = 0, om = 0, sign = 0;
	struct tm tm = { 0 };
	size_t i = 19;

	if (n < 20 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') || s[13] != ':' || s[16] != ':')
		return false;
	if (!digits(s, 4, &y) || !digits(s + 5, 2, &mo) || !digits(s + 8, 2, &d) || !digits(s + 11, 2, &h) ||
	    !digits(s + 14, 2, &mi) || !digits(s + 17, 2, &se))
		return false;
	if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || se > 60)
		return false;
	if (s[i] == '.') {
		size_t k = 0;

		for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++, k++)
			if (k < 6)
				us += (s[i] - '0') * scale[k];
		if (k == 0 || k > 9)
			return false;
	}
	if (i >= n)
		return false;
	if (s[i] == 'Z' || s[i] == 'z')
		i++;
	else if ((s[i] == '+' || s[i] == '-') && n - i == 6 && s[i + 3] == ':' && digits(s + i + 1, 2, &oh) &&
		 digits(s + i + 4, 2, &om) && oh < 24 && om < 60) {
		sign = s[i] == '+' ? 1 : -1;
		i += 6;
	}
	if (i != n)
		return false;
	tm.tm_year = y - 1900;
	tm.tm_mon = mo - 1;
	tm.tm_mday = d;
	tm.tm_hour = h;
	tm.tm_min = mi;
	tm.tm_sec = se;
	*out = ((int64_t)timegm(&tm) - sign * (oh * 3600 + om * 60)) * FL_US_PER_S + us;
	return true;
}

static int month_of(const char *s)
{
	static const char names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int m = 0;

	while (m < 12 && memcmp(s, names[m], 3) != 0)
		m++;
	return m;
}

bool fl_time_parse_http(const char *s, fl_unix_us *out)
{
	struct tm tm = { 0 };
	int y;

	if (strlen(s) != 29 || s[3] != ',' || s[4] != ' ' || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' || s[19] != ':' || s[22] != ':' ||
	    strcmp(s + 25, " GMT") != 0)
		return false;
	if (!digits(s + 5, 2, &tm.tm_mday) || !digits(s + 12, 4, &y) || !digits(s + 17, 2, &tm.tm_hour) || !digits(s + 20, 2, &tm.tm_min) ||
	    !digits(s + 23, 2, &tm.tm_sec))
		return false;
	tm.tm_mon = month_of(s + 8);
	tm.tm_year = y - 1900;
	if (tm.tm_mon == 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	*out = (int64_t)timegm(&tm) * FL_US_PER_S;
	return true;
}

static bool number_unit(const char *s, uint64_t *v, const char **unit)
{
	char *end;

	if (s[0] < '0' || s[0] > '9')
		return false;
	errno = 0;
	*v = strtoull(s, &end, 10);
	*unit = end;
	return errno == 0;
}

bool fl_duration_parse(const char *s, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "ms", 1 },	 { "s", 1000 },	      { "m", 60000 },
		      { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };
	const char *unit;
	uint64_t v;

	if (!number_unit(s, &v, &unit))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return !__builtin_mul_overflow(v, units[i].ms, out_ms);
	return v == 0 && unit[0] == '\0' && (*out_ms = 0, true);
}

bool fl_size_parse(const char *s, uint64_t *out_bytes)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = { { "", 1 },	  { "B", 1 },	      { "KiB", 1024 },	{ "MiB", 1048576 }, { "GiB", 1073741824 },
		      { "kB", 1000 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 } };
	const char *unit;
	uint64_t v;

	if (!number_unit(s, &v, &unit))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return !__builtin_mul_overflow(v, units[i].bytes, out_bytes);
	return false;
}
