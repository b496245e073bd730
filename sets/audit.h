/* Audit: what people decided, one record each on the topic `audit` (docs/formats/audit.md). */
#pragma once
#include "base/time.h"
#include "io/bus.h"

enum { FL_AUDIT_RESULTS = 16 };

struct fl_audit {
	const char *actor;  /* a user; also the record's key */
	const char *action; /* "finding.dismiss": a noun and a verb, as commands have them */
	const char *object; /* what it was done to */
	const char *reason;
	const char *node;   /* who did it for them: node.name */
	fl_unix_us at;
	/* The versions that it made. */
	struct fl_audit_result {
		const char *set; /* "source/cli.block", "list/malware" */
		uint64_t version;
	} results[FL_AUDIT_RESULTS];
	size_t n_results; /* more than fit are left out */
};
/** Adds a version that was made; one without a number, and one past FL_AUDIT_RESULTS, is left out. `set` is borrowed. */
void fl_audit_result(struct fl_audit *a, const char *set, uint64_t version);
/** One JSON object, no newline. */
void fl_audit_encode(const struct fl_audit *a, struct fl_buf *out);
/** Hands it to the bus, and does not wait: the version that the decision made, with its actor and reason, is what is durable. bus NULL: nothing. In the thread of the bus. */
void fl_audit(struct fl_bus *bus, const struct fl_audit *a);
