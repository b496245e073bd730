/* Private to publisher/: what the stage keeps of each list, and the pieces it is made of.
 *
 *   heads of sources -> fl__next_inputs (pure) -> fl_list_commit -> outbox -> relay -> list-events
 *                                                                        ^ delivery report, then trim */
#pragma once
#include "publisher/publisher.h"
#include "sets/ledger.h"

/* A killed publisher's lists wait for its lease. It is renewed at half its time, so about every other tick; what lasts longer (a person's question about a large list) takes a longer one. */
enum { FL_RELAY_BATCH = 32, FL_LEASE_MS = 3000, FL_LEASE_REQUEST_MS = 30000, FL_TICK_MS = 1000, FL_RESEND_GRACE_MS = 5000, FL_RESEND_MS = 3600000, FL_RETAIN_MS = 600000, FL_ORPHANS_MAX = 16, FL_STALE_TRIES = 4 };

/* The guard by counts alone, where the old content is gone (DESIGN.md 3): at most this share of the entries may be missing. */
struct fl_guard_counts {
	double max_removed_ratio;
	uint64_t min_side;
};

struct fl_pub_source {
	struct fl_cfg_source cfg; /* strings in the publisher's arena */
	struct fl_head head;
	bool head_lost;	 /* the version that the head names is not in the store: nothing can be made of it */
	bool input_lost; /* nor is the one that the list's newest version names, or another has its number */
};

/* One outbox entry on its way: handed to the bus, not yet reported. */
struct fl_in_flight {
	bool used;
	bool resend; /* of the head, not from the outbox: nothing to trim */
	uint64_t tag;
	struct fl_outbox_entry entry;
};

/* The newest record of a list seen on list-events, and the highest version known from anywhere. */
struct fl_seen {
	struct fl_version_id last, highest;
	uint32_t n_epochs;
	struct fl_epoch epochs[FL_RECOVERED_OVER_MAX];
};

struct fl_pub_list {
	char name[FL_SET_NAME];
	struct fl_pub_source *sources;
	size_t n_sources;
	struct fl_lease lease;
	bool leased, dirty, outbox_due;
	bool orphan; /* dropped by the configuration, and here only until its deletion is sent */
	bool head_known;
	struct fl_head head;
	struct fl_arena arena; /* of current */
	struct fl_list_version current; /* the head's manifest */
	struct fl_in_flight flight[FL_RELAY_BATCH];
	uint64_t outbox_length;
	fl_unix_us outbox_oldest;
	struct fl_version_id sent; /* newest acknowledged by Kafka */
	struct fl_seen seen;
	struct fl_version_id decided; /* the last decision, known to be in the head's history since the head was read */
	fl_mono_ns retry_at, relay_at, resend_at, hourly_at, retain_at;
	uint32_t stale; /* commits in a row that found something moved */
	uint64_t published, unchanged, failed;
	char problem[200];
};

/* Decisions beside the store (audit.c). */
struct fl_decided;
struct fl_audit {
	struct fl_ledger *ledger; /* NULL: there is none */
	struct fl_bus_consumer *topic;
	bool local_read, read; /* all there is, so that the last decision is the last */
	struct fl_decided *v;
	size_t n;
	uint64_t unreadable, again;
	fl_mono_ns at, deleted_at;
	char problem[200];
};

struct fl_publisher {
	struct fl_publisher_config c;
	struct fl_arena arena; /* lists and their sources, by configuration */
	struct fl_pub_list *lists; /* room for FL_ORPHANS_MAX more */
	size_t n_lists;
	struct fl_bus_consumer *events, *enforcers; /* list-events, enforcer-state */
	fl_mono_ns tick_at, events_at;
	uint64_t next_tag;
	uint64_t produced_ok, produced_failed;
	bool store_up, bus_up;
	struct fl_audit audit;
};

/* next.c */
/**
 * The inputs of the next version: for each source by configuration its head, or what the current version has where that is pinned, has not moved, or where the head cannot be had. An
 * input that is not in the head's history (the source was lost, or went back) gives way to the head if the difference by counts is one the guard accepts, else it stays, marked gone. Pure.
 * @return true when they differ from the current version's.
 */
bool fl__next_inputs(const struct fl_list_version *current, const struct fl_pub_source *sources, size_t n, const struct fl_guard_counts *guard,
		     struct fl_list_input *out, uint32_t *n_out, fl_unix_us *source_at);
/* publisher.c */
struct fl_pub_list *fl__pub_list(struct fl_publisher *p, const char *name);
/** A row for a list that the configuration dropped; at the end, so that it can leave. NULL: as many as there may be are under way. */
struct fl_pub_list *fl__pub_adopt(struct fl_publisher *p, const char *name);
void fl__pub_let_go(struct fl_publisher *p, struct fl_pub_list *l);
/** Take the list's lease, or extend it when less than half of ttl_ms is left. FL_EFENCED: another has it. */
int fl__pub_lease(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now, int64_t ttl_ms, struct fl_err *err);
/** Read head and manifest of the list, and the heads of its sources. */
int fl__pub_reread(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err);
int fl__pub_read_sources(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err);
/** After a commit of ours: the version is the head now. */
void fl__pub_committed(struct fl_publisher *p, struct fl_pub_list *l, const struct fl_list_version *v);
void fl__pub_problem(struct fl_pub_list *l, const struct fl_err *err);
/* relay.c */
void fl__relay_reports(struct fl_publisher *p);
void fl__relay_read_events(struct fl_publisher *p, fl_mono_ns now);
void fl__relay_list(struct fl_publisher *p, struct fl_pub_list *l, fl_mono_ns now);
fl_bus_report fl__relay_report;
void fl__relay_know(struct fl_pub_list *l, const struct fl_version_id *id);
/* audit.c */
int fl__audit_open(struct fl_publisher *p, struct fl_err *err);
void fl__audit_close(struct fl_publisher *p);
/** 0: the decision that made v is durable beside the store. FL_EUNAVAIL. */
int fl__audit_keep(struct fl_publisher *p, const struct fl_list_version *v, struct fl_err *err);
/** Sends on, reads. Never waits. */
void fl__audit_step(struct fl_publisher *p, fl_mono_ns now);
/** Deletions of lists that the configuration does not name, now and then. */
void fl__audit_deletions(struct fl_publisher *p, fl_mono_ns now);
/** The last decision on the list is in its head's history, or is made again now. For whoever holds the lease, with head and sources read. */
int fl__audit_mend(struct fl_publisher *p, struct fl_pub_list *l, struct fl_err *err);
