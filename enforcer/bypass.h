/* Which associations are bypassed on this enforcer: rules evaluated and logged, not enforced, until a timer ends. Kept in the state folder, so that a restart
 * neither ends nor prolongs one. Not thread-safe: for the loop of the role, which shows the outcome to workers as a view (fl_view_bypass). */
#pragma once
#include "base/metrics.h"
#include "io/clock.h"
#include "io/disk.h"
#include "matcher/policy.h"
#include "model/bypass.h"

enum { FL_BYPASS_LEAST_MS = 1000, FL_BYPASS_LONGEST_MS = 7 * 86400000 };

struct fl_bypasses {
	struct fl_disk *state; /* borrowed */
	struct fl_clock *clock;
	struct fl_bypass v[FL_BYPASS_MAX];
	size_t n;
	char problem[160]; /* of the file; "": none */
};
/** Reads the file. What cannot be read is set aside as bypass.json.bad, and nothing is bypassed: rules are enforced. */
void fl_bypasses_open(struct fl_bypasses *b, struct fl_disk *state, struct fl_clock *clock);
/**
 * Begin one, or give one that runs another end. Written to the disk before it counts.
 *
 * @param association  "": every client
 * @return 0 and *out (borrowed until the next change); FL_ENOTFOUND: no such association; FL_EUSAGE: the duration, or no reason; FL_ELIMIT: too many;
 *         FL_EIO: the disk refused, and nothing changed
 */
int fl_bypasses_on(struct fl_bypasses *b, const struct fl_config *cfg, const char *association, int64_t for_ms, const char *actor, const char *reason,
		   const struct fl_bypass **out, struct fl_err *err);
/** End one now, in memory also where the disk refuses: then b->problem says that a restart would bring it back. *was: what ended. FL_ENOTFOUND: none ran. */
int fl_bypasses_off(struct fl_bypasses *b, const char *association, struct fl_bypass *was, struct fl_err *err);
/** Take out one that is past its end, or whose association the configuration lacks. Call until it is false. */
bool fl_bypasses_end(struct fl_bypasses *b, const struct fl_config *cfg, fl_mono_ns now, struct fl_bypass *ended);
/** When the next ends; FL_MONO_NEVER. */
fl_mono_ns fl_bypasses_next(const struct fl_bypasses *b);
/** Into a view that no worker sees yet. FL_ENOMEM. */
int fl_bypasses_apply(const struct fl_bypasses *b, struct fl_view *v);
/** The one in force for clients of an association (NULL: without one), or NULL. */
const struct fl_bypass *fl_bypasses_of(const struct fl_bypasses *b, const char *association);
/** fireline_policy_bypass_active for each association, and "*" for every client. */
void fl_bypasses_metrics(const struct fl_bypasses *b, const struct fl_config *cfg, struct fl_buf *out);
