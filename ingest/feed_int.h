/* Private to ingest/: one feed's life.
 *
 *   due -> lease -> head and fetch state -> GET / read -> [parse -> normalize -> guard] -> set in hand -> commit -> due again
 *                                                 any failure: the last good version stands, back off      |
 *                                                              store away: keep the set in hand, try again  */
#pragma once
#include "ingest/collect.h"
#include "ingest/ingest.h"

enum fl_feed_phase { FL_PHASE_IDLE, FL_PHASE_FETCHING, FL_PHASE_JUDGING, FL_PHASE_COMMITTING };

/* What time alone will take from a version: known once all of its entries were seen. */
struct fl_feed_ends {
	uint64_t version;	 /* of which it is known; 0: of none */
	uint32_t first_expiry_s; /* 0: nothing expires */
	uint32_t first_absent_s; /* the earliest absent_since; 0: nothing is absent */
};

struct fl_feed {
	const struct fl_cfg_feed *cfg;
	struct fl_feed_status s;
	enum fl_feed_phase phase;
	fl_mono_ns due, started;
	uint64_t transfer;
	struct fl__collect *collect; /* while a feed of many documents is being fetched */
	char host[256];
	char settings[17];
	bool reread;	   /* a person spoke: read the body again, though it be the same */
	bool again;	   /* asked for while one was under way: its body may be older than the question */
	bool version_seen; /* the store had a version of it: when it is gone, fetch at once */
	struct fl_lease lease;
	bool leased;
	/* what the last good version says of its fetch */
	struct fl_head head;
	struct fl_fetch_state known;
	/* a later fetch than that of `seen_id`, whose content was the same and made no version */
	struct fl_fetch_state seen;
	struct fl_version_id seen_id;
	struct fl_arena guard_arena; /* of s.quarantined */
	bool recalled;		     /* what is quarantined is known */
	uint32_t next_valid_s;	     /* when a record of the last body begins to count; 0: all do */
	bool filtered;		     /* the set in hand is without it */
	/* set in hand, while the store is away */
	struct fl_set set;
	struct fl_fetch_state next;
	uint32_t store_tries;
	struct fl_feed_ends ends;
	fl_mono_ns expire_at; /* not before */
};

struct fl_ingest {
	struct fl_ingest_config c;
	struct fl_feed *feeds;
	size_t n_feeds;
	fl_mono_ns heads_at, config_at;
	uint64_t config_failures;
	char config_problem[200];
	struct fl_protected protected;
	uint64_t protect_mark; /* another mark: bodies are read anew */
	char protect_problem[FL_PROTECT_PROBLEM];
};

/* An expiry of more than both at once waits. */
enum { FL_EXPIRY_MIN = 100, FL_EXPIRY_PERCENT = 30 };
enum { FL_TRANSFERS_MAX = 4, FL_FEED_LEASE_MS = 15000, FL_HEADS_MS = 10000 };

/* ingest.c */
/** As fl_ingest_config.read_file, of the system's files. */
/* files.c */
fl_read_file fl__read_system_file;
/** Is this the validator of a folder, whose files are one list together? */
bool fl__is_folder(const char *validator);
/* feed.c */
void fl__feed_init(const struct fl_ingest *g, struct fl_feed *f, const struct fl_cfg_feed *cfg);
void fl__feed_done(struct fl_ingest *g, struct fl_feed *f);
/** Move one feed on. Starts a transfer only when `may_start`. */
void fl__feed_step(struct fl_ingest *g, struct fl_feed *f, bool may_start, fl_mono_ns now);
void fl__feed_answer(struct fl_ingest *g, struct fl_feed *f, struct fl_http_response *r, fl_mono_ns now);
/** The store's head and what it says of its fetch, into f. */
int fl__feed_read_head(struct fl_ingest *g, struct fl_feed *f, struct fl_err *err);
/* feed_expiry.c */
/** Now, where both the local clock and the store's agree that it is: the earlier; 0 when they are far apart, and then nothing expires. */
uint32_t fl__feed_now_s(struct fl_ingest *g);
/** Can a body of this feed say when a name expires? */
bool fl__feed_states_times(const struct fl_cfg_feed *cfg);
/** How long a name that a fetch lacked may stay, seconds; 0: it leaves with that fetch. */
uint32_t fl__feed_keep_s(const struct fl_cfg_feed *cfg);
/** The stream, noting what of it will end. Takes it; NULL when out of memory (it is closed then). ends outlives it. */
struct fl_entry_iter *fl__feed_watch(struct fl_entry_iter *take, struct fl_feed_ends *ends);
/** Entries whose time is over leave, without a fetch, in a version of their own; nothing is written when there are none. */
void fl__feed_expire(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now);
/** After a fetch that brought nothing new: what it lacks as the ones before it did is absent once more. */
void fl__feed_end_absent(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now);
/* protected.c */
/** "host:port" of "scheme://user@host:port/..." or of "host:port", borrowed. For URLs of the configuration, which were checked. */
struct fl_span fl__url_authority(struct fl_span url);
/* guard.c */
enum fl_guard_verdict { FL_GUARD_TAKE, FL_GUARD_HELD, FL_GUARD_REJECTED };
/** What no feed may block, from the configuration. 0 or FL_ENOMEM. */
int fl__protected_load(struct fl_ingest *g);
/** Takes quarantined names out of f->set and judges the rest; why: one sentence unless it is taken. An error of the store: nothing is decided. */
int fl__guard_judge(struct fl_ingest *g, struct fl_feed *f, char *why, size_t cap, enum fl_guard_verdict *out, struct fl_err *err);
/** What is in force is what the provider has: nothing waits for a person, but an expiry. */
void fl__guard_content_is_good(struct fl_feed *f);
/** An expiry of much at once waits for a person, as a content does. */
void fl__guard_hold_expiry(struct fl_feed *f, uint64_t ended, fl_unix_us now);
bool fl__guard_expiry_approved(struct fl_ingest *g, const struct fl_feed *f);
/** What is quarantined of a feed whose body is not read again. */
void fl__guard_recall(struct fl_ingest *g, struct fl_feed *f);
/* config_entries.c */
/** `entries:` of the configuration as source LIST.config; one commit a list when they differ. */
int fl__config_entries_commit(struct fl_ingest *g, struct fl_err *err);
/* trial.c */
int fl__feed_read(const struct fl_names *names, const struct fl_feed_options *opt, struct fl_span body, uint64_t min_names, const struct fl_tuple *attrs,
		  fl_feed_reject *reject, void *ctx, struct fl_set *set, struct fl_feed_trial *out, struct fl_err *err);
