/* Structured log: one event, a level, a message and typed fields. Text on a terminal, JSON otherwise, on stderr.
 * Only loops that decide call it; libraries below cli return errors instead. Thread-safe: one write(2) a line. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum fl_log_level { FL_LOG_DEBUG, FL_LOG_INFO, FL_LOG_NOTICE, FL_LOG_WARN, FL_LOG_ERROR };
enum fl_log_format { FL_LOG_AUTO, FL_LOG_TEXT, FL_LOG_JSON };

struct fl_field {
	const char *key;
	enum { FL_FIELD_STR, FL_FIELD_INT } kind;
	const char *s;
	int64_t i;
};

#define FL_F_STR(k, v) ((struct fl_field){ .key = (k), .kind = FL_FIELD_STR, .s = (v) })
#define FL_F_INT(k, v) ((struct fl_field){ .key = (k), .kind = FL_FIELD_INT, .i = (v) })
#define FL_F_END ((struct fl_field){ 0 })

/** role stands in every line; borrowed for the life of the process. fd: where lines go, usually 2. */
void fl_log_setup(const char *role, enum fl_log_level min, enum fl_log_format format, int fd);
/** fields end with FL_F_END; NULL is allowed. */
void fl_log(enum fl_log_level level, const char *msg, const struct fl_field *fields);
#define FL_LOG(level, msg, ...) fl_log((level), (msg), (const struct fl_field[]){ __VA_ARGS__ __VA_OPT__(, ) FL_F_END })
