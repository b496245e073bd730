/* The deterministic simulation (docs/simulation.md): one seed is one run. Two ingesters, two publishers, two enforcers, three lists and the built-in ones, on a virtual clock and the
 * in-memory doors; the store's twin runs the very scripts that ship. Faults, crashes included, come at every door call. After each step the invariants are checked, and
 * after healing that all has converged.
 *
 *   world.c   doors, faults, actors        truth.c   what was committed, captured by an observer without faults
 *   check.c   the invariants               main.c    seeds, mutants, the fault table */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "enforcer/follow.h"
#include "ingest/ingest.h"
#include "publisher/publisher.h"

enum { SIM_FEEDS = 4, SIM_NAMES = 48, SIM_PAIR = 2, SIM_SITES_MAX = 256 };

/* How often each fault fired at each call. One table for all seeds. */
struct sim_site {
	char what[48]; /* "store eval commit_source", "disk append journal" */
	uint64_t calls, before, after, crash;
};
struct sim_sites {
	struct sim_site v[SIM_SITES_MAX];
	size_t n;
};
extern struct sim_sites sim_sites;

struct sim_actor {
	const char *name;
	struct fl_store *store, *store2;
	struct fl_sets sets, sets2;
	struct fl_bus *bus;
	struct fl_disk *disk;
	struct fl_http *http;
	struct fl_ingest *ingest;
	struct fl_findings_stage *findings;
	struct fl_publisher *publisher;
	struct fl_follow *follow;
	struct fl_image *image; /* enforcer: as handed out */
	bool fresh;		/* not yet checked */
	fl_mono_ns wake;
	bool up;
};

/* A version of a source as it was committed, with its content. */
struct truth_source {
	char source[FL_SET_NAME];
	struct fl_version_id id;
	struct fl_set set;
};
struct truth_list {
	struct fl_list_version v;
	bool sent; /* a record of it was stored by the bus, or may have been lost there */
};
struct truth {
	struct truth_source *sources;
	size_t n_sources;
	struct truth_list *lists;
	size_t n_lists;
	struct fl_arena arena;
};

/* Operator entries that were acknowledged, or may have been carried out. */
struct sim_entry {
	char name[64];
	bool present, unsure;
};

/* A finding whose word on a name was acknowledged. */
struct sim_said {
	struct fl_claim claim;
};

struct sim {
	uint64_t seed;
	int step;
	bool verbose;
	struct fl_random_mem rnd; /* of the scenario: never given to the actors */
	struct fl_random_mem actor_rnd;
	struct fl_clock_mem clock;
	struct fl_store_mem *store;
	struct fl_bus_mem *bus;
	struct fl_http_mem *http;
	struct fl_disk_mem *disks[SIM_PAIR], *ledgers[SIM_PAIR]; /* of enforcers and ingesters */
	struct fl_names *names;
	struct fl_config *cfg, *enforcer_cfg[SIM_PAIR], *ingest_cfg[SIM_PAIR];
	struct sim_actor ingest[SIM_PAIR], publish[SIM_PAIR], enforce[SIM_PAIR];
	struct sim_actor *running; /* whose step it is */
	/* faults */
	bool observing, healing, dead; /* dead: the running actor has crashed; every call of it fails until it is down */
	bool store_down, bus_down;
	unsigned fault_permille;
	bool lossy; /* a record was reported stored and lost, or the broker was reset */
	bool snapshot, may_rewind; /* every other seed meets a store that loses commits */
	bool rewound; /* the store lost commits */
	bool ledger_lost; /* and the ledger's topic lost what it had said to have: no protocol survives both */
	/* what is true */
	uint64_t feed_bits[SIM_FEEDS]; /* which names each feed lists now */
	unsigned feed_rev[SIM_FEEDS];
	struct sim_entry entries[SIM_NAMES];
	uint64_t findings_sent;
	struct sim_said *said; /* what was acknowledged of findings */
	size_t n_said;
	struct truth truth;
	struct fl_store *observer_store;
	struct fl_sets observer;
	struct fl_bus *observer_bus;
	struct fl_bus_consumer *observer_events;
	char failure[600];
};

/* world.c */
void sim_open(struct sim *s, uint64_t seed, struct fl_names *names);
void sim_close(struct sim *s);
void sim_start(struct sim *s, struct sim_actor *a);
/** kill -9: nothing graceful happens. power: an enforcer's unsynced tails are torn too. */
void sim_crash(struct sim *s, struct sim_actor *a, bool power);
void sim_step_actor(struct sim *s, struct sim_actor *a);
void sim_feed_serve(struct sim *s, int feed);
const char *sim_name(int i, char buf[64]);
uint64_t sim_below(struct sim *s, uint64_t n);
bool sim_chance(struct sim *s, unsigned permille);
extern const char *const sim_feed_names[SIM_FEEDS];
/* truth.c */
/** Capture every version that is new in the store, and every record that is new on the bus. */
void truth_capture(struct sim *s);
const struct truth_source *truth_source_of(const struct sim *s, const char *source, const struct fl_version_id *id);
const struct truth_list *truth_list_of(const struct sim *s, const char *list, const struct fl_version_id *id);
void truth_done(struct sim *s);
/* check.c */
/** Record the first broken invariant; false when one is. */
bool check_step(struct sim *s);
bool check_enforcer(struct sim *s, const struct sim_actor *a);
bool check_restarted(struct sim *s, const struct sim_actor *a, const struct fl_image_list *before, size_t n);
bool check_converged(struct sim *s);
bool sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
