#include "base/err.h"

#include <stdio.h>
#include <string.h>

struct row {
	int code;
	const char *name, *text;
	enum fl_next next;
};

static const struct row rows[] = {
#define FL_X(name, code, text, next) { code, #name, text, next },
	FL_ERRORS(FL_X)
#undef FL_X
};

static const struct row *row_of(int code)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

const char *fl_code_text(int code)
{
	const struct row *r = row_of(code);

	return code == FL_OK ? "done" : r ? r->text : "unknown error";
}

const char *fl_code_name(int code)
{
	const struct row *r = row_of(code);

	return code == FL_OK ? "FL_OK" : r ? r->name : "FL_?";
}

enum fl_next fl_code_next(int code)
{
	const struct row *r = row_of(code);

	return r ? r->next : FL_NEXT_STOP;
}

int fl_err_set(struct fl_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int fl_err_wrap(struct fl_err *err, int code, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	int n;

	if (!err)
		return code;
	memcpy(old, err->text, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	err->code = code;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text) && old[0])
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.400s", old);
	return code;
}
