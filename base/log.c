#include "base/log.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"
#include "base/text.h"
#include "base/time.h"

static const char *const level_words[] = { "debug", "info", "notice", "warn", "error" };

static struct {
	const char *role;
	enum fl_log_level min;
	enum fl_log_format format;
	int fd;
} setup = { "fireline", FL_LOG_INFO, FL_LOG_AUTO, 2 };

void fl_log_setup(const char *role, enum fl_log_level min, enum fl_log_format format, int fd)
{
	setup.role = role;
	setup.min = min;
	setup.format = format != FL_LOG_AUTO ? format : isatty(fd) ? FL_LOG_TEXT : FL_LOG_JSON;
	setup.fd = fd;
}

static void add_value(struct fl_buf *b, const struct fl_field *f)
{
	switch (f->kind) {
	case FL_FIELD_STR:
		fl_json_string(b, fl_span_str(f->s ? f->s : ""));
		break;
	case FL_FIELD_INT:
		fl_buf_printf(b, "%lld", (long long)f->i);
		break;
	}
}

void fl_log(enum fl_log_level level, const char *msg, const struct fl_field *fields)
{
	char when[FL_TIME_TEXT];
	struct fl_buf b = { 0 };
	struct timespec ts;
	ssize_t n;

	if (level < setup.min)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	fl_time_format((fl_unix_us)ts.tv_sec * FL_US_PER_S + ts.tv_nsec / 1000, when);
	if (setup.format == FL_LOG_TEXT) {
		fl_buf_printf(&b, "%s %-6s %-8s %s", when, level_words[level], setup.role, msg);
		for (const struct fl_field *f = fields; f && f->key; f++) {
			fl_buf_printf(&b, " %s=", f->key);
			add_value(&b, f);
		}
	} else {
		fl_buf_printf(&b, "{\"ts\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"msg\":", when, level_words[level], setup.role);
		fl_json_string(&b, fl_span_str(msg));
		for (const struct fl_field *f = fields; f && f->key; f++) {
			fl_buf_printf(&b, ",\"%s\":", f->key);
			add_value(&b, f);
		}
		fl_buf_u8(&b, '}');
	}
	fl_buf_u8(&b, '\n');
	if (!b.failed) {
		n = write(setup.fd, b.p, b.n);
		(void)n; /* nowhere left to say that the log itself is gone */
	}
	fl_buf_done(&b);
}
