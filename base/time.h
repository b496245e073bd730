/* Two clocks that never mix: the wall clock for what people and other systems read, the monotonic clock for waiting.
 * The clock door is io/clock.h; here are only the types and their text. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t fl_unix_us; /* microseconds since 1970-01-01T00:00:00Z */
typedef int64_t fl_mono_ns; /* nanoseconds of CLOCK_MONOTONIC */

#define FL_US_PER_S INT64_C(1000000)
#define FL_NS_PER_S INT64_C(1000000000)
#define FL_NS_PER_MS INT64_C(1000000)
#define FL_MONO_NEVER INT64_MAX

enum { FL_TIME_TEXT = 32 };

/** RFC 3339 UTC with microseconds when they are not zero: 2026-11-23T14:02:11Z. Writes into out, returns out. */
char *fl_time_format(fl_unix_us t, char out[FL_TIME_TEXT]);
/** RFC 3339 with Z or an offset, 0 to 9 fraction digits, 'T' or a space. False when it is not one. */
bool fl_time_parse(const char *s, size_t n, fl_unix_us *out);
/** "Sun, 06 Nov 1994 08:49:37 GMT", as in HTTP headers (RFC 9110, 5.6.7; not its two obsolete forms). */
bool fl_time_parse_http(const char *s, fl_unix_us *out);
/** "90s", "5m", "24h", "14d", "1500ms", "2w": to milliseconds. A bare number is refused. */
bool fl_duration_parse(const char *s, int64_t *out_ms);
/** "64MiB", "1GiB", "512KiB", "10MB", "100" (bytes). */
bool fl_size_parse(const char *s, uint64_t *out_bytes);
