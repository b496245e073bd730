/* Private to normalize/: what fl_names_open() made, and the two third-party libraries behind narrow doors. */
#pragma once
#include "base/err.h"
#include "normalize/normalize.h"

struct fl__idna;     /* ICU, idna.c */
struct fl__suffixes; /* libpsl, suffix.c */

struct fl_names {
	struct fl__idna *idna;
	struct fl__suffixes *suffixes;
};

struct fl__idna *fl__idna_open(void);
void fl__idna_close(struct fl__idna *h);
/** UTF-8 to A-labels by UTS 46; out is not yet checked by our grammar. FL_DROP_COUNT, NOT_UTF8, TOO_LONG or BAD_IDNA. */
enum fl_drop fl__idna_to_ascii(const struct fl__idna *h, struct fl_span utf8, char *out, size_t cap, size_t *n);
/** False when it has no other form. out is terminated. */
bool fl__idna_to_unicode(const struct fl__idna *h, const char *ascii, char *out, size_t cap);

enum fl__suffix { FL__SUFFIX_NONE, FL__SUFFIX_ICANN, FL__SUFFIX_PRIVATE };
int fl__suffixes_open(const char *path, const struct fl__idna *idna, struct fl__suffixes **out, struct fl_err *err);
void fl__suffixes_close(struct fl__suffixes *s);
enum fl__suffix fl__suffix_kind(const struct fl__suffixes *s, struct fl_span key);
/** False: it is none, certainly. Nearly always right, and quick; text is a name of ASCII in any case, without a dot at its end, first_dot that of its first dot. */
bool fl__suffix_maybe(const struct fl__suffixes *s, struct fl_span text, size_t first_dot);
/** The same from libpsl alone, for the test that proves the table right. */
enum fl__suffix fl__suffix_kind_plain(const struct fl__suffixes *s, struct fl_span key);
/** Number of labels of the registrable domain; 0 when there is none. */
unsigned fl__suffix_registrable_labels(const struct fl__suffixes *s, struct fl_span key);

/** Canonical key of a text; single labels pass when asked. */
enum fl_drop fl__canon(const struct fl__idna *idna, struct fl_span text, bool single_ok, struct fl_rkey *out);
