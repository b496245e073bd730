/* A ledger outside the store (DESIGN.md 3): records that are acknowledged to others, written side by side with the commits they belong to. A record is durable in a topic (acks=all) or,
 * while Kafka is away, in a file of this host's state folder, which is sent on, in order, when Kafka is back. Where no bus keeps records (the mock broker), the file is the ledger.
 *
 *   put, put, put -> topic --------- delivery reports --------\
 *                 \-> file (sync) -> sent on later, then cut   -> flush says 0: all that was put is durable
 *
 * Repeats are possible, loss is not. For one thread. Files: docs/formats/ledger.md. Start at fl_ledger_put(). */
#pragma once
#include "io/bus.h"
#include "io/clock.h"
#include "io/disk.h"

enum { FL_LEDGER_RECORD_MAX = 256 * 1024, FL_LEDGER_KEY_MAX = 512 };

struct fl_ledger_config {
	const char *topic;
	const char *type, *source; /* CloudEvents headers: "io.fireline.claim.v1", "/fireline/ingest" */
	struct fl_bus *bus;	   /* NULL: none */
	bool bus_keeps;		   /* else the file is the ledger, and the bus only hears of it */
	struct fl_disk *disk;	   /* NULL: no file */
	const char *file;
	struct fl_clock *clock;
	int64_t wait_ms;	/* for delivery reports; 0: 1,000 */
	uint64_t file_max;	/* octets; 0: 256 MiB */
	fl_bus_report *others; /* reports of the same producer that are not the ledger's; NULL: dropped */
	void *others_ctx;
};
struct fl_ledger;
/** Cuts a torn tail off the file, sets a corrupt file aside (its whole records stay). A file that cannot be had is no error here: status says so. All borrowed. FL_ENOMEM. */
int fl_ledger_open(const struct fl_ledger_config *c, struct fl_ledger **out, struct fl_err *err);
/** Copies; on its way, not durable yet. FL_ENOMEM, FL_ELIMIT: too long. */
int fl_ledger_put(struct fl_ledger *l, struct fl_span key, struct fl_span value, struct fl_err *err);
/** 0: all that was put is durable. Waits wait_ms for the broker; after a failure not again until it has answered. FL_ELIMIT: the file is full; FL_EUNAVAIL: neither topic nor file has it, and
 * what was put since the last flush is dropped. */
int fl_ledger_flush(struct fl_ledger *l, struct fl_err *err);
/** Reports, records that nobody flushes, sending on. Never waits. */
void fl_ledger_step(struct fl_ledger *l);
/** For others that poll the same producer: false when the tag is not of this ledger. */
bool fl_ledger_report(struct fl_ledger *l, uint64_t tag, int code);
/** The records of the file, in order, until read gives other than 0 (which is given on). FL_EIO. */
typedef int fl_ledger_read(void *ctx, struct fl_span key, struct fl_span value);
int fl_ledger_local(struct fl_ledger *l, fl_ledger_read *read, void *ctx, struct fl_err *err);
/** Where the file is the ledger: replaces it by the records that next gives (1; 0 at the end; negative ends it, and the old file stays). */
typedef int fl_ledger_next(void *ctx, struct fl_span *key, struct fl_span *value);
int fl_ledger_rewrite(struct fl_ledger *l, fl_ledger_next *next, void *ctx, struct fl_err *err);
void fl_ledger_close(struct fl_ledger *l);

struct fl_ledger_status {
	bool bus_keeps, away;	  /* away: the broker did not answer last */
	uint64_t pending;	  /* records in the file that wait for Kafka */
	uint64_t file_bytes;
	uint64_t delivered, kept, sent_on, failed; /* to the topic; to the file; from there to the topic; neither */
	char problem[200];
};
void fl_ledger_status(const struct fl_ledger *l, struct fl_ledger_status *out);
