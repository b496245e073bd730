/* The Kafka record of `list-events` (docs/formats/list-event.md, frozen): key = list name, value = JSON, one list version with
 * its whole manifest, so that any record alone says what is in force. For each input that moved, the stored bytes of its deltas
 * inline (base64) while the value stays under 700,000 octets, else `fetch`. The journal stores the same value. */
#pragma once
#include "model/version.h"

enum { FL_EVENT_MAX = 1000000, FL_EVENT_INLINE_MAX = 700000, FL_EVENT_DELTAS_MAX = 64 };

/* One stored delta of a source, on the way from `from` (in the parent's inputs) to the input's version. */
struct fl_event_delta {
	uint64_t number, parent;
	uint8_t chain[32], parent_chain[32];
	struct fl_u128 digest; /* after it */
	struct fl_span bytes;  /* encoded delta */
};

struct fl_event_input {
	/* parallel to version.inputs */
	bool moved;
	bool fetch; /* moved, but the deltas are not here */
	struct fl_version_id from; /* what the parent had; number 0 = nothing */
	struct fl_event_delta *deltas;
	uint32_t n_deltas;
};

struct fl_event {
	struct fl_list_version version;
	struct fl_event_input *inputs; /* version.n_inputs of them */
	fl_unix_us produced_at;	       /* when the relay handed it to Kafka; 0 in a journal of ours */
};

/** Appends the JSON. Inlines deltas in input order while the value stays under FL_EVENT_INLINE_MAX; the rest become `fetch`. */
int fl_event_encode(const struct fl_event *ev, struct fl_buf *out, struct fl_err *err);
/** Hostile bytes: strict about every field the apply protocol needs, tolerant of unknown ones. Recomputes the version's chain:
 * FL_ECORRUPT when it differs. All in arena. */
int fl_event_decode(struct fl_span json, struct fl_arena *arena, struct fl_event *out, struct fl_err *err);
