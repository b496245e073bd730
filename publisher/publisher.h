/* Publisher: what a list is now. On a wake, on reconnect and every second it reads the heads of a list's sources; if one that is not pinned has moved it commits the next manifest and relays it to
 * Kafka. Holds no names; its work does not depend on the size of a list. Pins, holds, rollback, deletion and recover live here. Start reading at publisher.c; relay.c sends the outbox; export.h,
 * which is pure, makes text for other resolvers. */
#pragma once
#include "base/metrics.h"
#include "io/bus.h"
#include "io/disk.h"
#include "model/config.h"
#include "sets/sets.h"

struct fl_publisher_config {
	const struct fl_config *cfg;
	struct fl_sets *sets;
	struct fl_bus *bus;
	struct fl_clock *clock;
	struct fl_random *random;
	bool bus_keeps;		/* decisions are kept in the topic `audit`; else (the mock broker) in a file */
	struct fl_disk *ledger; /* folder of that file, which stands in for a bus that is away; NULL: none */
};
struct fl_publisher;
int fl_publisher_open(const struct fl_publisher_config *c, struct fl_publisher **out, struct fl_err *err);
int fl_publisher_step(struct fl_publisher *p, fl_mono_ns now, fl_mono_ns *wake);
int fl_publisher_reload(struct fl_publisher *p, const struct fl_config *cfg);
void fl_publisher_close(struct fl_publisher *p);

/* What a person may ask. dry_run: only says what would happen. All give the version committed, or that would be. */
enum fl_publish_op { FL_OP_ROLLBACK, FL_OP_HOLD, FL_OP_UNHOLD, FL_OP_RECOVER, FL_OP_PURGE };
struct fl_publish_request {
	enum fl_publish_op op;
	const char *list;
	uint64_t to;		/* rollback: version; 0: the parent of the head */
	const char *source;	/* hold, unhold: one source; NULL: all feeds of the list */
	bool include_findings;	/* rollback */
	const char *const *without; /* recover: sources without a good version to leave out, NULL-ended */
	const char *actor, *reason;
	bool dry_run;
};
struct fl_publish_answer {
	struct fl_list_version version; /* in arena */
	struct fl_list_version before;
	uint64_t would_add, would_remove; /* recover and rollback: entries, counted from the sources' contents */
	uint64_t lost_version; /* recover: a version that was published and that the store lacks: what it held is not in the counts; 0: none */
	char note[256];
};
/** FL_EREFUSED (why in err), FL_ENOTFOUND, FL_EUNAVAIL: also when it is committed, but neither Kafka nor a file has the decision (err says so). */
int fl_publisher_request(struct fl_publisher *p, const struct fl_publish_request *r, struct fl_arena *arena, struct fl_publish_answer *out, struct fl_err *err);

struct fl_publish_status {
	char list[FL_SET_NAME];
	uint64_t version, sent_version; /* head; newest acknowledged by Kafka */
	fl_unix_us published_at, outbox_oldest;
	uint64_t outbox;
	uint32_t pinned, gone, waiting_sources;
	bool leader;
	char problem[200];
};
void fl_publisher_status(struct fl_publisher *p, struct fl_arena *arena, struct fl_publish_status **out, size_t *n);
/* Where decisions are, beside the store. */
struct fl_publish_ledger {
	bool there, file;
	uint64_t pending; /* records that this host holds until Kafka is back */
	uint64_t again;	  /* decisions that the store had lost */
	char problem[200];
};
void fl_publisher_ledger(const struct fl_publisher *p, struct fl_publish_ledger *out);
void fl_publisher_metrics(struct fl_publisher *p, struct fl_buf *out);
