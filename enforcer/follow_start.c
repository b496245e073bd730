/* What a starting enforcer finds on its disk: the generation that CURRENT names, its journal replayed. What is corrupt is set aside as *.bad, never used, and said; where CURRENT is of no
 * use the newest sound generation is taken. Start reading at the end. Layout: docs/formats/journal.md. */
#include "enforcer/follow_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mutant.h"

static const char torn_tail[] = "a torn tail";

/* One of a kind is kept to look at, the newest: a disk that rots again and again must not fill up with what it spoiled. */
static void forget_older(struct fl_follow *f, const char *stem, const char *keep)
{
	struct fl_arena arena = { 0 };
	const char *const *names = NULL;

	if (f->c.state->ops->list(f->c.state, &arena, &names, NULL) == 0)
		for (; names && *names; names++)
			if (strncmp(*names, stem, strlen(stem)) == 0 && fl__generation_is_bad(*names) && strcmp(*names, keep) != 0)
				f->c.state->ops->remove(f->c.state, *names, NULL);
	fl_arena_done(&arena);
}

/* why NULL: it goes with another, which said why. */
static void set_aside(struct fl_follow *f, const char *stem, const char *why)
{
	char name[FL_GENERATION_FILE], bad[FL_GENERATION_FILE + 4];

	fl__generation_file(name, stem, f->generation);
	snprintf(bad, sizeof(bad), "%s.bad", name);
	f->disk_lost = true;
	if (f->c.state->ops->rename(f->c.state, name, bad, NULL) == 0) {
		f->s.files_set_aside++;
		forget_older(f, stem, bad);
	}
	if (why)
		snprintf(f->s.problem, sizeof(f->s.problem), "%s set aside as %s: %.80s", name, bad, why);
}

struct mapping {
	struct fl_disk *disk;
	struct fl_disk_map map;
};

static void unmap(void *handle)
{
	struct mapping *m = handle;

	m->disk->ops->unmap(m->disk, &m->map);
	free(m);
}

/* An image that does not check, or cannot be read at all: a journal is worth nothing without it. */
static void spoiled(struct fl_follow *f, const char *why)
{
	set_aside(f, "image", why);
	set_aside(f, "journal", NULL);
}

static struct fl_image *open_image(struct fl_follow *f)
{
	char name[FL_GENERATION_FILE];
	struct mapping *m = calloc(1, sizeof(*m));
	struct fl_image *img = NULL;
	struct fl_err err = { 0 };
	int ret;

	if (!m) {
		f->no_memory = true;
		return NULL;
	}
	m->disk = f->c.state;
	ret = m->disk->ops->map(m->disk, fl__generation_file(name, "image", f->generation), &m->map, &err);
	if (ret < 0) {
		free(m);
		f->no_memory = ret == FL_ENOMEM;
		if (ret == FL_ENOTFOUND || f->no_memory)
			snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err.text);
		else
			spoiled(f, err.text);
		return NULL;
	}
	ret = fl_image_open(m->map.bytes, unmap, m, &img, &err);
	if (ret < 0) {
		unmap(m);
		f->no_memory = ret == FL_ENOMEM;
		if (!f->no_memory)
			spoiled(f, err.text);
		return NULL;
	}
	return img;
}

/* Does the record follow what is held of its list? Held already: passed over. */
static bool fits(struct fl_follow *f, const struct fl_journal_record *r, const struct fl_list_version *v, bool *held_already)
{
	static const struct fl_version_id nothing;
	const struct fl_image_list *held = fl__follow_held(f, v->list);
	const struct fl_version_id *id = held ? &held->id : &nothing;

	*held_already = fl_version_id_eq(id, &v->id) || (fl_epoch_eq(&id->epoch, &v->id.epoch) && v->id.number < id->number);
	return *held_already || fl_version_id_eq(id, &r->from);
}

/* Returns the number of octets that were good; *why when it did not end at the end. */
static size_t replay(struct fl_follow *f, struct fl_span bytes, const char **why)
{
	size_t pos = FL_JOURNAL_HEADER, good = pos;
	struct fl_journal_record rec;
	int ret;

	*why = NULL;
	if (FL_MUTANT(FL_MUTANT_NO_REPLAY))
		return good;
	while ((ret = fl__journal_next(bytes, &pos, &rec)) == 1) {
		struct fl_arena arena = { 0 };
		struct fl_event ev;
		bool already = false;

		ret = fl_event_decode(rec.event, &arena, &ev, NULL);
		if (ret == 0 && !fits(f, &rec, &ev.version, &already))
			ret = FL_ESTALE;
		if (ret == 0 && !already)
			ret = fl__follow_replay(f, &ev, NULL);
		fl_arena_done(&arena);
		if (ret < 0)
			break;
		good = pos;
		f->journal_records++;
	}
	f->no_memory = ret == FL_ENOMEM;
	if (ret == FL_EGAP)
		*why = torn_tail;
	else if (ret < 0)
		*why = ret == FL_ESTALE ? "a record that does not follow what is held" : fl_code_text(ret);
	return good;
}

/* Reopen the journal for appending, cut to what was good. */
static int open_journal(struct fl_follow *f, const char *name, size_t good, struct fl_err *err)
{
	int ret = f->c.state->ops->open(f->c.state, name, false, &f->journal, err);

	if (ret == 0)
		ret = f->c.state->ops->truncate(f->journal, good, err);
	f->journal_bytes = good;
	if (ret < 0) {
		if (f->journal)
			f->c.state->ops->close_file(f->journal);
		f->journal = NULL;
		f->journal_broken = true;
	}
	return ret;
}

static bool open_generation(struct fl_follow *f, uint64_t generation)
{
	struct fl_image *img;
	struct fl_buf b = { 0 };
	const char *why = NULL;
	char journal[FL_GENERATION_FILE];
	int ret;

	f->generation = generation;
	fl__generation_file(journal, "journal", generation);
	img = open_image(f);
	if (!img) {
		f->disk_lost = true;
		return false;
	}
	fl_image_release(f->image);
	f->image = img;
	ret = f->c.state->ops->read(f->c.state, journal, (size_t)FL_JOURNAL_MAX * 2, &b, NULL);
	f->no_memory = ret == FL_ENOMEM;
	if (f->no_memory) {
		fl_buf_done(&b);
		return false;
	}
	if (ret < 0 || !fl__journal_check_header(fl_buf_span(&b), generation)) {
		set_aside(f, "journal", "no journal of this generation");
		f->journal_broken = true;
	} else {
		size_t good = replay(f, fl_buf_span(&b), &why);

		if (f->no_memory) { /* what follows may be good: nothing is cut off */
			fl_buf_done(&b);
			return false;
		}
		open_journal(f, journal, good, NULL);
		f->disk_lost = f->disk_lost || why;
		if (why && strcmp(why, torn_tail) != 0) {
			f->s.files_set_aside++; /* what does not fit is cut off; the store still has it */
			snprintf(f->s.problem, sizeof(f->s.problem), "%s: the end was dropped: %.100s", journal, why);
		}
	}
	fl_buf_done(&b);
	return true;
}

/* The highest number below `below` that a file of this folder carries; bad: one set aside counts too. 0: none. */
static uint64_t highest_generation(struct fl_follow *f, uint64_t below, bool bad)
{
	struct fl_arena arena = { 0 };
	const char *const *names = NULL;
	uint64_t top = 0;

	if (f->c.state->ops->list(f->c.state, &arena, &names, NULL) == 0)
		for (; names && *names; names++) {
			const char *dot = strchr(*names, '.');
			uint64_t g = dot ? strtoull(dot + 1, NULL, 10) : 0;

			if ((strncmp(*names, "image.", 6) == 0 || strncmp(*names, "journal.", 8) == 0) && g > top && g < below &&
			    (bad || !fl__generation_is_bad(*names)))
				top = g;
		}
	fl_arena_done(&arena);
	return top;
}

/* CURRENT is gone, or names nothing that can be used: the newest generation that is sound is worth more than that file. It may be one that was never made current; it holds what was held
 * all the same. */
static bool open_newest(struct fl_follow *f)
{
	for (uint64_t g = highest_generation(f, FL_GENERATION_MAX, false); g && !f->no_memory; g = highest_generation(f, g, false))
		if (open_generation(f, g)) {
			f->disk_lost = true;
			fl__generation_name(f, g, NULL);
			return true;
		}
	return false;
}

int fl__follow_disk_open(struct fl_follow *f, struct fl_err *err)
{
	struct fl_image_key key;
	uint64_t current;
	int ret;

	f->c.random->bytes(f->c.random, key.b, sizeof(key.b));
	ret = fl_image_new(&key, &f->image);
	if (ret < 0)
		return fl_err_set(err, ret, "image: out of memory");
	f->last_generation = highest_generation(f, FL_GENERATION_MAX, true);
	ret = fl__generation_current(f, &current);
	if (ret < 0)
		current = 0;
	if (ret == FL_ECORRUPT && f->c.state->ops->rename(f->c.state, "CURRENT", "CURRENT.bad", NULL) == 0) {
		f->s.files_set_aside++;
		snprintf(f->s.problem, sizeof(f->s.problem), "CURRENT set aside as CURRENT.bad: it names no generation");
	}
	if (current > f->last_generation)
		f->last_generation = current;
	if (!(current && open_generation(f, current)) && !open_newest(f))
		f->generation = 0;
	if (f->no_memory) /* it passes, and the disk is as it was: whoever starts us tries again */
		return fl_err_set(err, FL_ENOMEM, "not enough memory to read the image or its journal");
	if (f->journal && !f->journal_broken) {
		fl__generation_sweep(f);
		return 0;
	}
	if (fl__generation_write(f, f->image, err) < 0) { /* a full or read-only disk: serve from memory, and say so */
		f->journal_broken = true;
		snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err ? err->text : "state folder cannot be written");
	}
	return 0;
}
