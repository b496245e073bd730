/* Diagnostics of a configuration, all of a load collected: place, sentence, source line with a caret, and what to do about it.
 *
 *   fireline.yaml:5:12: error: unknown key 'acton' in rule_groups[].rules[]
 *         - {name: a, acton: BLOCK}
 *                     ^~~~~
 *     did you mean 'action'?
 *
 * Everything is copied, so that a diagnostic outlives the text it is about. Of URLs the user, password and query values are masked in the copy: diagnostics reach logs. */
#pragma once
#include <stdio.h>

#include "base/arena.h"

enum { FL_DIAG_MAX = 50 };

/* Where in a text. line 0: about the whole file. */
struct fl_diag_place {
	const char *file;
	struct fl_span text;   /* the whole file, for the source line; may be empty */
	uint32_t line, column; /* from 1; columns count characters */
	uint32_t width;	       /* characters to underline, 0 and 1: the caret alone */
};
struct fl_diag_item {
	bool warning;
	const char *file;
	uint32_t line, column, width;
	const char *source; /* the line, or a window of it; NULL: none */
	uint32_t source_column; /* of the caret within source, from 1 */
	const char *text;
	const char *hint; /* NULL: none */
};
/* Zero-initialise; fl_diag_done frees. */
struct fl_diag {
	struct fl_arena arena;
	struct fl_diag_item v[FL_DIAG_MAX];
	size_t n;
	size_t errors, warnings; /* all of them, also those past FL_DIAG_MAX, which are only counted */
};

/** hint may be NULL. */
void fl_diag_add(struct fl_diag *d, bool warning, const struct fl_diag_place *at, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/** By file, line and column; files keep the order in which they were first named. */
void fl_diag_sort(struct fl_diag *d);
void fl_diag_format(const struct fl_diag *d, struct fl_buf *out);
void fl_diag_print(const struct fl_diag *d, FILE *f);
void fl_diag_done(struct fl_diag *d);
