/* What time takes from a feed's set. An entry may end (STIX valid_until, a column `expires`), and a name that fetches lack may be at the end of its stay; the
 * body need not change for either, nor the server answer. So the version in force is looked at when the first of its entries ends, and those leave in a
 * version of their own, cause `expiry`; its fetch state is the old one, so that the next poll is as conditional as it was.
 *
 * Absence is counted in fetches: it is judged after a good one only, and a source that is away loses no names to it. Start at fl__feed_expire(). */
#include "ingest/feed_int.h"

#include <stdlib.h>

enum { APART_MAX_S = 60, LOOK_AGAIN_S = 10, HELD_AGAIN_S = 600 };

uint32_t fl__feed_now_s(struct fl_ingest *g)
{
	fl_unix_us here = fl_now_unix(g->c.clock), there;

	if (fl_store_time(g->c.sets->store, &there, NULL) < 0 || llabs((long long)(here - there)) > APART_MAX_S * FL_US_PER_S)
		return 0;
	return (uint32_t)((here < there ? here : there) / FL_US_PER_S);
}

/* N fetches in a row lack it: the last of them comes N - 1 intervals after the first, or as much earlier as jitter allows. */
uint32_t fl__feed_keep_s(const struct fl_cfg_feed *cfg)
{
	int64_t ms = cfg->remove_after_absent > 1 ? (int64_t)(cfg->remove_after_absent - 1) * cfg->every_ms : 0;

	return (uint32_t)(ms / 100 * (100 - cfg->jitter_percent) / 1000);
}

bool fl__feed_states_times(const struct fl_cfg_feed *cfg)
{
	static const bool records[FL_FORMAT_COUNT] = { [FL_FORMAT_AUTO] = true,	 [FL_FORMAT_CSV] = true,  [FL_FORMAT_JSON] = true,  [FL_FORMAT_NDJSON] = true,
						       [FL_FORMAT_STIX2] = true, [FL_FORMAT_MISP] = true, [FL_FORMAT_TAXII2] = true };

	return cfg->format >= 0 && cfg->format < FL_FORMAT_COUNT && records[cfg->format];
}

/* --- the first end of a stream --- */

struct watch {
	struct fl_entry_iter it, *from;
	struct fl_feed_ends *ends;
};

static void note(uint32_t *first, uint32_t s)
{
	if (s && (!*first || s < *first))
		*first = s;
}

static int watch_next(struct fl_entry_iter *it, struct fl_entry *out, struct fl_err *err)
{
	struct watch *w = (struct watch *)it;
	int ret = w->from->next(w->from, out, err);

	if (ret > 0) {
		note(&w->ends->first_expiry_s, out->t.expires_s);
		note(&w->ends->first_absent_s, out->t.absent_since_s);
	}
	return ret;
}

static void watch_close(struct fl_entry_iter *it)
{
	fl_entries_close(((struct watch *)it)->from);
	free(it);
}

struct fl_entry_iter *fl__feed_watch(struct fl_entry_iter *take, struct fl_feed_ends *ends)
{
	struct watch *w = take ? calloc(1, sizeof(*w)) : NULL;

	if (!w) {
		fl_entries_close(take);
		return NULL;
	}
	*w = (struct watch){ .it = { watch_next, watch_close }, .from = take, .ends = ends };
	return &w->it;
}

/* --- leaving --- */

static int open_head(struct fl_ingest *g, struct fl_feed *f, struct fl_entry_iter **out, struct fl_err *err)
{
	return fl_source_open(g->c.sets, f->cfg->name, f->head.id.number, out, NULL, err);
}

/* How many entries of the head have ended, and what will end of the rest. */
static int count_ended(struct fl_ingest *g, struct fl_feed *f, uint32_t now_s, uint32_t keep_s, uint64_t *ended, struct fl_err *err)
{
	struct fl_feed_ends ends = { .version = f->head.id.number };
	struct fl_entry_iter *it = NULL;
	struct fl_entry e;
	int ret = open_head(g, f, &it, err);

	*ended = 0;
	while (ret >= 0 && it && (ret = it->next(it, &e, err)) > 0) {
		*ended += fl_tuple_ended(&e.t, now_s, keep_s);
		note(&ends.first_expiry_s, e.t.expires_s);
		note(&ends.first_absent_s, e.t.absent_since_s);
	}
	fl_entries_close(it);
	if (ret == 0)
		f->ends = ends;
	return ret;
}

/* So many at once look like a broken clock or a broken feed: people decide (feed approve). */
static bool held(struct fl_ingest *g, struct fl_feed *f, uint64_t ended, fl_mono_ns now)
{
	if (ended <= FL_EXPIRY_MIN || ended * 100 <= f->head.entries * FL_EXPIRY_PERCENT || fl__guard_expiry_approved(g, f))
		return false;
	fl__guard_hold_expiry(f, ended, fl_now_unix(g->c.clock));
	f->s.state = FL_FEED_HELD;
	snprintf(f->s.reason, sizeof(f->s.reason), "%llu of %llu names would expire at once, more than %d %%", (unsigned long long)ended,
		 (unsigned long long)f->head.entries, FL_EXPIRY_PERCENT);
	f->expire_at = now + HELD_AGAIN_S * FL_NS_PER_S;
	return true;
}

static int commit_rest(struct fl_ingest *g, struct fl_feed *f, uint32_t now_s, uint32_t keep_s, struct fl_err *err)
{
	struct fl_source_commit c = { .name = f->cfg->name, .lease = &f->lease, .parent = &f->head, .cause = FL_CAUSE_EXPIRY, .actor = "ingest",
				      .reason = "past its time", .fetch = &f->known };
	struct fl_feed_ends ends = { 0 };
	struct fl_source_version v;
	struct fl_entry_iter *it = NULL;
	int ret = open_head(g, f, &it, err);

	if (ret < 0)
		return ret;
	it = fl__feed_watch(fl_unexpired_iter(it, now_s, keep_s), &ends);
	if (!it)
		return FL_ENOMEM;
	ret = fl_source_commit(g->c.sets, &c, it, &v, err);
	if (ret < 0)
		return ret;
	ends.version = v.id.number;
	f->ends = ends;
	f->head.id = v.id;
	f->head.entries = v.digests.entries;
	f->s.version = v.id.number;
	f->s.names = v.digests.entries;
	f->s.last_changed = fl_now_unix(g->c.clock);
	return 0;
}

/* With the lease in hand. keep_s 0: absence is not judged. */
static void end_entries(struct fl_ingest *g, struct fl_feed *f, uint32_t keep_s, fl_mono_ns now)
{
	uint32_t now_s = fl__feed_now_s(g);
	struct fl_head was = f->head;
	struct fl_err err = { 0 };
	uint64_t ended = 0;
	int ret = now_s ? fl__feed_read_head(g, f, &err) : 0;

	f->expire_at = now + LOOK_AGAIN_S * FL_NS_PER_S;
	if (!now_s || ret < 0)
		return;
	if (f->head.id.number < was.id.number || !fl_epoch_eq(&f->head.id.epoch, &was.id.epoch)) {
		f->head = was; /* the store lost it: that is for fetching whole to heal, and it looks at what was */
		return;
	}
	ret = count_ended(g, f, now_s, keep_s, &ended, &err);
	if (ret == 0 && ended && !held(g, f, ended, now))
		ret = commit_rest(g, f, now_s, keep_s, &err);
	if (ret == 0 && f->s.held.removed && f->s.state != FL_FEED_HELD)
		f->s.held = (struct fl_feed_held){ 0 };
	if (ret < 0)
		snprintf(f->s.reason, sizeof(f->s.reason), "names past their time are still in force: %.180s", err.text[0] ? err.text : fl_code_text(ret));
}

/* A version made with these settings, which give entries no end: a large list of lines need not be read at each start. */
static bool nothing_can_end(const struct fl_feed *f)
{
	return !fl__feed_states_times(f->cfg) && f->cfg->remove_after_absent <= 1 && strcmp(f->known.settings, f->settings) == 0;
}

static bool something_ends(struct fl_ingest *g, const struct fl_feed *f)
{
	if (nothing_can_end(f))
		return false;
	if (f->ends.version != f->head.id.number)
		return true; /* it has to be looked at */
	return f->ends.first_expiry_s && fl_now_unix(g->c.clock) / FL_US_PER_S >= f->ends.first_expiry_s;
}

void fl__feed_expire(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	if (!f->cfg->enabled || f->phase != FL_PHASE_IDLE || !f->head.id.number || now < f->expire_at || !something_ends(g, f))
		return;
	f->expire_at = now + LOOK_AGAIN_S * FL_NS_PER_S;
	if (fl_lease_take(g->c.sets, FL_SOURCE, f->cfg->name, FL_FEED_LEASE_MS, &f->lease, NULL) < 0)
		return;
	end_entries(g, f, 0, now);
	fl_lease_release(g->c.sets, &f->lease, NULL);
}

void fl__feed_end_absent(struct fl_ingest *g, struct fl_feed *f, fl_mono_ns now)
{
	uint32_t keep_s = fl__feed_keep_s(f->cfg), now_s = (uint32_t)(fl_now_unix(g->c.clock) / FL_US_PER_S);
	bool absent = keep_s && (f->ends.version != f->head.id.number ||
				 (f->ends.first_absent_s && now_s >= f->ends.first_absent_s && now_s - f->ends.first_absent_s >= keep_s));

	if (f->leased && (absent || something_ends(g, f))) /* what was held is judged anew */
		end_entries(g, f, keep_s, now);
}
