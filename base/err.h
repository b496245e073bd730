/* Errors: one table holds code, sentence and what the caller does next.
 * A function that can fail in one way returns bool or NULL; in several ways, 0 or a negative code of this table.
 * Below cli errors are returned, not logged. Where a person will read it, `struct fl_err *err` comes last and is filled
 * once, by whoever knows the detail. Passing NULL for err is always allowed. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum fl_next {
	FL_NEXT_SKIP,   /* drop, count, go on */
	FL_NEXT_RETRY,  /* back off, same work */
	FL_NEXT_REREAD, /* reread, redo */
	FL_NEXT_KEEP,   /* stay on last good */
	FL_NEXT_STOP,   /* cannot go on */
	FL_NEXT_PERSON, /* a person has to decide or mend */
};

#define FL_ERRORS(X)                                                        \
	X(FL_EFORMAT, -1, "malformed input", FL_NEXT_SKIP)                  \
	X(FL_ELIMIT, -2, "over a configured limit", FL_NEXT_SKIP)           \
	X(FL_EUNAVAIL, -3, "not reachable", FL_NEXT_RETRY)                  \
	X(FL_ESTALE, -4, "the set moved on", FL_NEXT_REREAD)                \
	X(FL_EGAP, -5, "a version is missing", FL_NEXT_REREAD)              \
	X(FL_ECORRUPT, -6, "checksum does not match", FL_NEXT_KEEP)         \
	X(FL_ENOMEM, -7, "out of memory", FL_NEXT_STOP)                     \
	X(FL_EFENCED, -8, "another writer holds the set", FL_NEXT_REREAD)   \
	X(FL_ENOTFOUND, -9, "no such thing", FL_NEXT_SKIP)                  \
	X(FL_EREFUSED, -10, "refused", FL_NEXT_PERSON)                      \
	X(FL_EUSAGE, -11, "used wrongly", FL_NEXT_PERSON)                   \
	X(FL_ECONFIG, -12, "configuration error", FL_NEXT_PERSON)           \
	X(FL_EIO, -13, "input/output error", FL_NEXT_RETRY)                 \
	X(FL_EPERM, -14, "not permitted", FL_NEXT_PERSON)                   \
	X(FL_EUNKNOWN, -15, "outcome unknown, the reply was lost", FL_NEXT_REREAD)

enum fl_code {
	FL_OK = 0,
#define FL_X(name, code, text, next) name = code,
	FL_ERRORS(FL_X)
#undef FL_X
};

struct fl_err {
	int code;       /* FL_OK or one of the table */
	char text[480]; /* one sentence, no newline; always terminated */
};

/** The table's sentence for a code; "unknown error" for a code outside it. */
const char *fl_code_text(int code);
/** The table's name for a code, as "FL_EFORMAT". */
const char *fl_code_name(int code);
/** What the caller does next; FL_NEXT_STOP for a code outside the table. */
enum fl_next fl_code_next(int code);
/** Fill *err (if not NULL) and return code, so that `return fl_err_set(...)` reads well. */
int fl_err_set(struct fl_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** Put "prefix: " before the text already in *err. Returns err->code, or code when err is NULL. */
int fl_err_wrap(struct fl_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
