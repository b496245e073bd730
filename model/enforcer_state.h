/* The record of `enforcer-state` (docs/formats/enforcer-state.md): what one enforcer has applied, said every 10 s; key = enforcer id, compacted. Publishers read it, so that a
 * number is never given twice although the store lost it. */
#pragma once
#include "model/version.h"

enum { FL_ENFORCER_STATE_MAX = 1 << 20, FL_ENFORCER_LISTS_MAX = 1024 };

struct fl_enforcer_list {
	char list[FL_SET_NAME];
	struct fl_version_id id;
	fl_unix_us applied_at;
	char state[16]; /* "ok", "DEGRADED", ... */
};
struct fl_enforcer_state {
	char enforcer[FL_SET_NAME];
	fl_unix_us at;
	struct fl_enforcer_list *lists;
	size_t n;
};
/** Appends the JSON. */
void fl_enforcer_state_encode(const struct fl_enforcer_state *s, struct fl_buf *out);
/** Hostile bytes; lists in arena. FL_EFORMAT, FL_ELIMIT. */
int fl_enforcer_state_decode(struct fl_span json, struct fl_arena *arena, struct fl_enforcer_state *out, struct fl_err *err);
