/* Follow: the apply protocol of DESIGN.md 3 and 5. Reads list-events from all partitions, polls heads, judges ancestry by chain, fetches what an event lacks,
 * journals, builds the next image and hands it out: build, verify, journal, swap. Never goes back by itself: what does not descend from what is held keeps the image and says DEGRADED.
 * Stepped; no threads, no sockets of its own. Start reading at follow.c; judge.c is the decision table; generation.c is image and journal on disk. */
#pragma once
#include "base/metrics.h"
#include "io/bus.h"
#include "io/disk.h"
#include "matcher/policy.h"
#include "sets/sets.h"

struct fl_follow_config {
	const struct fl_config *cfg;
	struct fl_sets *sets; /* borrowed; store down is a state, not an error */
	struct fl_bus *bus;
	struct fl_disk *state; /* image.G, journal.G, CURRENT, offsets */
	struct fl_clock *clock;
	struct fl_random *random;
	/* Called with each image to serve, borrowed: take a reference. */
	void (*on_image)(void *ctx, struct fl_image *img);
	void *ctx;
};

struct fl_follow;
/** Maps the last image, checks it, replays its journal. Corrupt files are set aside (renamed *.bad) and counted; never an error by themselves. on_image is called once. */
int fl_follow_open(const struct fl_follow_config *c, struct fl_follow **out, struct fl_err *err);
/** One step: at most a few events or fetches, bounded time. *wake: when to call again at the latest. */
int fl_follow_step(struct fl_follow *f, fl_mono_ns now, fl_mono_ns *wake);
/** Lists come and go with the configuration; a list no longer named is dropped from the image. */
int fl_follow_reload(struct fl_follow *f, const struct fl_config *cfg);
struct fl_image *fl_follow_image(struct fl_follow *f); /* borrowed */
/** Write image and offsets, close. The object is freed. */
void fl_follow_close(struct fl_follow *f);

enum fl_follow_state {
	FL_FOLLOW_WAITING,  /* never held a version */
	FL_FOLLOW_OK,	    /* holds the newest version known */
	FL_FOLLOW_BEHIND,   /* a newer version is known and is being fetched */
	FL_FOLLOW_DEGRADED, /* the newest head is known not to descend from what is held: a person decides (recover) */
	FL_FOLLOW_STALE,    /* ancestry cannot be known now; asking again */
};
const char *fl_follow_state_word(enum fl_follow_state s);

struct fl_follow_list_status {
	char list[FL_SET_NAME];
	enum fl_follow_state state;
	char reason[160];
	uint64_t applied_version, known_version;
	fl_unix_us published_at, applied_at;
	uint64_t names;
};
struct fl_follow_status {
	bool store_up, bus_up;
	uint64_t events_applied, events_dropped, events_corrupt, resyncs, journal_records, journal_bytes, files_set_aside;
	uint64_t swaps_ok, swaps_failed;
	struct fl_image_stats image;
	char problem[200]; /* disk full, corrupt files ...; "" = none */
};
void fl_follow_status(struct fl_follow *f, struct fl_follow_status *out, struct fl_arena *arena, struct fl_follow_list_status **lists, size_t *n);
void fl_follow_metrics(struct fl_follow *f, struct fl_buf *out);
