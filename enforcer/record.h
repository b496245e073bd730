/* The body of a ring frame: one answered question, written by the thread that answered it, read by the log thread as a struct fl_qlog. Fixed part, then terminated strings,
 * names and the answer's octets. Native byte order: it never leaves the machine. */
#pragma once
#include "enforcer/answer.h"
#include "enforcer/ring.h"

enum { FL__RECORD_SOURCES = 16, FL__RECORD_RESPONSE = 4096 };

struct fl__record {
	fl_unix_us at;
	uint32_t duration_us;
	const struct fl_question *q;
	const struct fl_client *client;
	uint16_t client_port;
	const struct fl_decision *d;
	struct fl_span entry; /* key of the matched entry; empty when none */
	uint8_t rcode;
	bool tcp, cached;
	const char *upstream; /* NULL: none asked */
	const char *sources[FL__RECORD_SOURCES];
	uint32_t n_sources;
	struct fl_span response; /* kept only when it has answers, and at most FL__RECORD_RESPONSE of it */
};
/** Writes the frame with number seq, or drops it: false. No allocation, lock or system call. */
bool fl__record_write(struct fl_ring *ring, uint64_t seq, const struct fl__record *r);
/** Checks everything; strings and response point into body. ts, qname ... are filled; account_id, region, enforcer, boot, thread, seq are the caller's. */
bool fl__record_read(struct fl_span body, struct fl_qlog *out);
