/* Bypasses: for a while, the rules of an association (or of all clients) are evaluated and logged, and not enforced. This is the noun and its file, `bypass.json` in an
 * enforcer's state folder (docs/formats/bypass.md); who keeps it is enforcer/bypass.h. */
#pragma once
#include "base/err.h"
#include "model/version.h"

enum { FL_BYPASS_MAX = 64, FL_BYPASS_FILE_MAX = 1 << 16, FL_BYPASS_ACTOR = 65, FL_BYPASS_REASON = 257 };

struct fl_bypass {
	char association[FL_SET_NAME]; /* "": every client */
	fl_unix_us since, until;       /* since < until */
	fl_mono_ns ends;	       /* this process' clock; not in the file */
	char actor[FL_BYPASS_ACTOR], reason[FL_BYPASS_REASON];
};
/** Appends the file. */
void fl_bypass_encode(const struct fl_bypass *v, size_t n, struct fl_buf *out);
/** Hostile bytes into v[FL_BYPASS_MAX]. Each association once. FL_EFORMAT, FL_ELIMIT. `ends` is left 0. */
int fl_bypass_decode(struct fl_span json, struct fl_bypass *v, size_t *n, struct fl_err *err);
