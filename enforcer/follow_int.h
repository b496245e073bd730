/* Private to follow*.c.
 *
 *   event or head -> fl__judge (pure) -> fl__follow_apply: deltas or contents -> image -> journal -> swap
 *
 * follow.c        the stage: events, heads, retries
 * follow_judge.c  may this version follow what is held?
 * follow_apply.c  from a manifest to the next image
 * follow_disk.c   image.G, journal.G, CURRENT, offsets: written
 * follow_start.c  the same, read at the start */
#pragma once
#include "enforcer/follow.h"

enum { FL_JOURNAL_MAX = 64 << 20, FL_JOURNAL_RECORD_MAX = 4 << 20, FL_FOLLOW_EVENTS_A_STEP = 64 };

/* What the judge says of a version, seen from what is held. */
enum fl_verdict {
	FL_V_HELD,	  /* it is what is held */
	FL_V_OLD,	  /* lower number of our epoch */
	FL_V_NEXT,	  /* its parent is what is held */
	FL_V_RECOVERED,	  /* a person's recovery that is to be followed */
	FL_V_GAP,	  /* higher number of our epoch, another parent: lineage decides */
	FL_V_OTHER,	  /* does not descend: same number and another chain, or another epoch without recovery */
	FL_V_FIRST,	  /* nothing is held */
};
enum fl_verdict fl__judge(const struct fl_image_list *held, const struct fl_list_version *v);
/** Would the store's present head, which does not descend from what is held, change nothing? Input by input the same content, none more, no pin lost, no recovery forgotten.
 * in: all n inputs of the image. */
bool fl__keeps_all(const struct fl_image_list *held, const struct fl_image_input *in, size_t n, const struct fl_list_version *v);

struct fl_follow_list {
	char name[FL_SET_NAME];
	enum fl_follow_state state;
	char reason[160];
	uint64_t known_version;
	bool head_due;	   /* ask the store for this list's head at the next chance */
	/* holding nothing: the newest event of each epoch seen, until the head or `recovered.over` tells which */
	struct fl_version_id seen[4];
	uint32_t n_seen;
};

struct fl_follow {
	struct fl_follow_config c;
	struct fl_arena lists_arena;
	struct fl_follow_list *lists;
	size_t n_lists;
	struct fl_image *image;
	/* disk */
	uint64_t generation, last_generation; /* the current one, the last one tried */
	struct fl_disk_file *journal;
	uint64_t journal_bytes, journal_records;
	bool journal_broken; /* an append failed: what follows is only in memory until a new generation stands */
	bool disk_lost;	     /* at the start the disk lacked something that was on it */
	bool no_memory; /* the start could not read what the disk has */
	fl_mono_ns generation_at;
	/* bus */
	struct fl_bus_consumer *events;
	struct fl_bus_offsets offsets;
	bool offsets_known, offsets_dirty;
	fl_mono_ns events_at, offsets_at, heads_at, heads_retry_at, beat_at;
	bool store_up, bus_up;
	struct fl_follow_status s;
	struct fl_histogram propagation;
};

struct fl_follow_list *fl__follow_list(struct fl_follow *f, const char *name);
const struct fl_image_list *fl__follow_held(struct fl_follow *f, const char *name);
void fl__follow_swap(struct fl_follow *f, struct fl_image *take_next);

/* follow_apply.c */
/**
 * Make `v` what is held of its list. ev: the event that carried it, for its deltas; NULL: all from the store. Journals, then swaps.
 * FL_EUNAVAIL (store needed and away), FL_ENOTFOUND (the store lacks what the manifest names), FL_ECORRUPT: the image is untouched.
 */
int fl__follow_apply(struct fl_follow *f, const struct fl_list_version *v, const struct fl_event *ev, struct fl_err *err);
/** Replay: an event with all its deltas inside; no store, no journal. */
int fl__follow_replay(struct fl_follow *f, const struct fl_event *ev, struct fl_err *err);

/* follow_disk.c */
/** Append one record: what was held, and the event. On failure the journal is cut back; journal_broken when even that fails. */
int fl__journal_append(struct fl_follow *f, const struct fl_version_id *from, struct fl_span event, struct fl_err *err);
enum { FL_GENERATION_FILE = 48 };
#define FL_GENERATION_MAX (UINT64_MAX / 2)
char *fl__generation_file(char out[FL_GENERATION_FILE], const char *stem, uint64_t generation);
/** Write img as a new generation with an empty journal and make it current. */
int fl__generation_write(struct fl_follow *f, struct fl_image *img, struct fl_err *err);
/** What CURRENT names. FL_ENOTFOUND: there is none; FL_ECORRUPT: it names no generation. */
int fl__generation_current(struct fl_follow *f, uint64_t *out);
int fl__generation_name(struct fl_follow *f, uint64_t generation, struct fl_err *err);
/** Removes the files of all generations but the current one; what was set aside stays. */
void fl__generation_sweep(struct fl_follow *f);
bool fl__generation_is_bad(const char *name);
void fl__offsets_load(struct fl_follow *f);
int fl__offsets_save(struct fl_follow *f, struct fl_err *err);
void fl__follow_disk_close(struct fl_follow *f);

/* follow_start.c */
int fl__follow_disk_open(struct fl_follow *f, struct fl_err *err);

/* A reader over journal bytes, for replay, tests and fuzzing. */
struct fl_journal_record {
	struct fl_version_id from;
	struct fl_span event;
};
enum { FL_JOURNAL_HEADER = 16 };
void fl__journal_header(uint64_t generation, struct fl_buf *out);
void fl__journal_encode(const struct fl_version_id *from, struct fl_span event, struct fl_buf *out);
bool fl__journal_check_header(struct fl_span bytes, uint64_t generation);
/** 1 and a record, *pos moved on; 0 at the clean end; FL_EGAP: a torn tail; FL_ECORRUPT. */
int fl__journal_next(struct fl_span bytes, size_t *pos, struct fl_journal_record *out);
