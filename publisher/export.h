/* What other resolvers can be told of a list: its joint content as text of their formats, and a report of what a format cannot say.
 *
 *   sources' sorted streams -> joint verdict of each name -> the format's lines
 *                              (exactly what matcher/ decides)   |
 *                                                                +-> counted: said as it is, covered, or lost (why, and which way)
 *
 * Pure: streams in, text out; no store, clock or global. One pass; memory is O(labels x sources), whatever the list's size. Start reading at export.c; a format
 * is a row of the table there and a file of its own (docs/export.md says what each line means). */
#pragma once
#include "model/entry.h"
#include "model/version.h"

enum { FL_EXPORT_EXAMPLES = 3, FL_EXPORT_ZONE_DEFAULT_OCTETS = 64 };

/* Why a format cannot say what an entry says. */
#define FL_EXPORT_REASONS(X)                                                                                          \
	X(FL_LOST_BELOW, "below", "the format has exact names only: what is below is not blocked")                    \
	X(FL_LOST_EXCEPTION, "exception", "the format has no exceptions: the name is blocked")                        \
	X(FL_LOST_APEX, "apex", "a rule for what is below speaks for the name itself too: it is blocked")             \
	X(FL_LOST_EXCEPTION_BELOW, "exception-below", "an exception for the name speaks for what is below too: not blocked") \
	X(FL_LOST_NESTING, "nesting", "exceptions within exceptions are deeper than the format can order")            \
	X(FL_LOST_ROOT, "root", "the format has no rule for all names")                                               \
	X(FL_LOST_LENGTH, "length", "with the zone's name the owner would be over 255 octets")                        \
	X(FL_LOST_RESERVED, "reserved", "the format gives the name another meaning")
enum fl_export_reason {
#define FL_X(name, word, text) name,
	FL_EXPORT_REASONS(FL_X)
#undef FL_X
	FL_LOST_COUNT
};
/* Which way: widened blocks what the list does not, narrowed blocks less than the entry says, dropped says nothing of it. */
enum fl_export_effect { FL_EXPORT_WIDENED, FL_EXPORT_NARROWED, FL_EXPORT_DROPPED, FL_EXPORT_EFFECTS };
const char *fl_export_reason_word(enum fl_export_reason r);
const char *fl_export_reason_text(enum fl_export_reason r);
const char *fl_export_effect_word(enum fl_export_effect e);

/* names == said + covered + sum of lost[][].count: nothing vanishes. */
struct fl_export_report {
	uint64_t names;	  /* distinct names of the list */
	uint64_t said;	  /* have lines that say what the list says */
	uint64_t covered; /* need none: what is said above them says the same */
	uint64_t rules;	  /* lines that are rules */
	struct fl_export_loss {
		uint64_t count;
		struct fl_rkey example[FL_EXPORT_EXAMPLES]; /* the first in sort order */
	} lost[FL_EXPORT_EFFECTS][FL_LOST_COUNT];
};
uint64_t fl_export_lost(const struct fl_export_report *r);

struct fl_export;
struct fl_export_config {
	const char *format;			 /* "rpz", ... */
	const struct fl_list_version *version;	 /* what is exported; borrowed until close */
	struct fl_span zone;			 /* rpz: the zone's name as text; empty: only its greatest length is assumed, FL_EXPORT_ZONE_DEFAULT_OCTETS on the wire */
};

/** The names of all formats, NULL-ended. */
const char *const *fl_export_formats(void);
/**
 * Begin. take_inputs: n streams, one a source of the list, each sorted by rkey and without repeats; closed by fl_export_close, and here on an error.
 *
 * @return 0, FL_EUSAGE (no such format, or a zone that is no name or no option of it; err says which are), FL_ENOMEM
 */
int fl_export_open(const struct fl_export_config *c, struct fl_entry_iter *const *take_inputs, size_t n, struct fl_export **out, struct fl_err *err);
/**
 * The next part of the text, appended to *out: the head, the lines of at least one name, or the foot with the report.
 *
 * The same version gives the same octets: the time in the head is the version's. A text without its last line, `end {...}`, is a part only.
 *
 * @return 1: something was appended; 0: all is said; else the code of the stream that failed (FL_ECORRUPT when one is out of order), or FL_ENOMEM
 */
int fl_export_next(struct fl_export *x, struct fl_buf *out, struct fl_err *err);
/** So far; whole once fl_export_next gave 0. */
const struct fl_export_report *fl_export_report(const struct fl_export *x);
/** The format's comment sign, before each line of head and foot: "#", ";" or "!". */
const char *fl_export_comment(const struct fl_export *x);
void fl_export_close(struct fl_export *x);
