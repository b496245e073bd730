/* Image and journal are one generation, image.G and journal.G, made current by one rename of the file that names G. A journal record is written before the swap, by write(2),
 * unsynced: kill -9 loses nothing, a power cut loses a tail that Redis still has. Corrupt files are set aside as *.bad, never used.
 * Layout: docs/formats/journal.md. */
#include "enforcer/follow_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/text.h"

#define GENERATION_MAX (UINT64_MAX / 2)

int fl__journal_append(struct fl_follow *f, const struct fl_version_id *from, struct fl_span event, struct fl_err *err)
{
	struct fl_buf b = { 0 };
	int ret;

	fl__journal_encode(from, event, &b);
	if (b.failed || b.n > FL_JOURNAL_RECORD_MAX) {
		fl_buf_done(&b);
		return fl_err_set(err, FL_ELIMIT, "journal: a record of %zu octets", event.n);
	}
	ret = f->c.state->ops->append(f->journal, fl_buf_span(&b), err);
	if (ret == 0) {
		f->journal_bytes += b.n;
		f->journal_records++;
	} else { /* half a record would end every later replay: cut it off */
		fl_err_wrap(err, ret, "journal.%" PRIu64, f->generation);
		if (f->c.state->ops->truncate(f->journal, f->journal_bytes, NULL) < 0)
			f->journal_broken = true;
	}
	fl_buf_done(&b);
	return ret;
}

static char *file_name(char out[48], const char *stem, uint64_t generation)
{
	snprintf(out, 48, "%s.%" PRIu64, stem, generation);
	return out;
}

struct file_sink {
	const struct fl_disk_ops *ops;
	struct fl_disk_file *file;
};

static int file_sink(void *ctx, struct fl_span bytes)
{
	struct file_sink *w = ctx;

	return w->ops->append(w->file, bytes, NULL);
}

static int write_image(struct fl_follow *f, struct fl_image *img, uint64_t generation, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct file_sink w = { d->ops, NULL };
	char name[48];
	int ret = d->ops->open(d, file_name(name, "image", generation), true, &w.file, err);

	if (ret < 0)
		return ret;
	ret = fl_image_write(img, generation, file_sink, &w, err);
	if (ret == 0)
		ret = d->ops->sync(w.file, err);
	else if (err && !err->text[0])
		fl_err_set(err, ret, "%s: %s", name, fl_code_text(ret));
	d->ops->close_file(w.file);
	if (ret < 0)
		d->ops->remove(d, name, NULL);
	return ret;
}

static int new_journal(struct fl_follow *f, uint64_t generation, struct fl_disk_file **out, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct fl_buf head = { 0 };
	char name[48];
	int ret = d->ops->open(d, file_name(name, "journal", generation), true, out, err);

	if (ret < 0)
		return ret;
	fl__journal_header(generation, &head);
	ret = head.failed ? FL_ENOMEM : d->ops->append(*out, fl_buf_span(&head), err);
	if (ret == 0)
		ret = d->ops->sync(*out, err);
	fl_buf_done(&head);
	if (ret < 0) {
		d->ops->close_file(*out);
		*out = NULL;
		d->ops->remove(d, name, NULL);
	}
	return ret;
}

int fl__generation_write(struct fl_follow *f, struct fl_image *img, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct fl_disk_file *journal = NULL;
	uint64_t next = f->generation + 1;
	char name[48], text[32];
	int ret = write_image(f, img, next, err);

	if (ret == 0)
		ret = new_journal(f, next, &journal, err);
	if (ret == 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "\n", next);
		ret = fl_disk_replace(d, "CURRENT", fl_span_str(text), err);
	}
	if (ret < 0) {
		if (journal)
			d->ops->close_file(journal);
		return ret;
	}
	if (f->journal)
		d->ops->close_file(f->journal);
	if (f->generation) {
		d->ops->remove(d, file_name(name, "image", f->generation), NULL);
		d->ops->remove(d, file_name(name, "journal", f->generation), NULL);
	}
	f->journal = journal;
	f->journal_bytes = FL_JOURNAL_HEADER;
	f->journal_records = 0;
	f->journal_broken = false;
	f->generation = next;
	return 0;
}

/* --- start --- */

static void set_aside(struct fl_follow *f, const char *name, const char *why)
{
	char bad[64];

	snprintf(bad, sizeof(bad), "%.50s.bad", name);
	f->c.state->ops->rename(f->c.state, name, bad, NULL);
	f->s.files_set_aside++;
	snprintf(f->s.problem, sizeof(f->s.problem), "%s set aside as %s: %.100s", name, bad, why);
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

static struct fl_image *open_image(struct fl_follow *f, const char *name)
{
	struct mapping *m = calloc(1, sizeof(*m));
	struct fl_image *img = NULL;
	struct fl_err err = { 0 };

	if (!m)
		return NULL;
	m->disk = f->c.state;
	if (m->disk->ops->map(m->disk, name, &m->map, &err) < 0) {
		snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err.text);
		free(m);
		return NULL;
	}
	if (fl_image_open(m->map.bytes, unmap, m, &img, &err) < 0) {
		unmap(m);
		set_aside(f, name, err.text);
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
	if (ret == FL_EGAP)
		*why = "a torn tail";
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

/* Numbers rise by one a generation: none that was ever written is near the end, where the next would be 0. */
static bool generation_parse(struct fl_span text, uint64_t *out)
{
	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	return fl_u64_parse(text, out) && *out > 0 && *out < GENERATION_MAX;
}

/* False when there is none, or when what the file says is no generation: then it is set aside, and the lists come from the store. */
static bool current_generation(struct fl_follow *f, uint64_t *out)
{
	struct fl_buf b = { 0 };
	int ret = f->c.state->ops->read(f->c.state, "CURRENT", 64, &b, NULL);
	bool ok = ret == 0 && generation_parse(fl_buf_span(&b), out);

	if (!ok && (ret == 0 || ret == FL_ELIMIT))
		set_aside(f, "CURRENT", "it names no generation");
	fl_buf_done(&b);
	return ok;
}

static void open_generation(struct fl_follow *f)
{
	char image[48], journal[48];
	struct fl_buf b = { 0 };
	const char *why = NULL;
	struct fl_image *img = open_image(f, file_name(image, "image", f->generation));

	file_name(journal, "journal", f->generation);
	if (!img) {
		set_aside(f, journal, "its image cannot be used");
		return;
	}
	fl_image_release(f->image);
	f->image = img;
	if (f->c.state->ops->read(f->c.state, journal, (size_t)FL_JOURNAL_MAX * 2, &b, NULL) < 0 ||
	    !fl__journal_check_header(fl_buf_span(&b), f->generation)) {
		set_aside(f, journal, "no journal of this generation");
		f->journal_broken = true;
	} else {
		size_t good = replay(f, fl_buf_span(&b), &why);

		open_journal(f, journal, good, NULL);
		if (why && strcmp(why, "a torn tail") != 0) {
			f->s.files_set_aside++; /* what does not fit is cut off; the store still has it */
			snprintf(f->s.problem, sizeof(f->s.problem), "%s: the end was dropped: %.100s", journal, why);
		}
	}
	fl_buf_done(&b);
}

/* Files of other generations: left by a crash between writing and naming. */
static void sweep(struct fl_follow *f)
{
	struct fl_arena arena = { 0 };
	const char *const *names = NULL;
	char image[48], journal[48];

	file_name(image, "image", f->generation);
	file_name(journal, "journal", f->generation);
	if (f->c.state->ops->list(f->c.state, &arena, &names, NULL) == 0)
		for (; names && *names; names++) {
			size_t n = strlen(*names);
			bool ours = strncmp(*names, "image.", 6) == 0 || strncmp(*names, "journal.", 8) == 0;
			bool bad = n > 4 && strcmp(*names + n - 4, ".bad") == 0;

			if (ours && !bad && strcmp(*names, image) != 0 && strcmp(*names, journal) != 0)
				f->c.state->ops->remove(f->c.state, *names, NULL);
		}
	fl_arena_done(&arena);
}

/* Past every number that a file of this folder carries: a generation number is never used twice. */
static uint64_t highest_generation(struct fl_follow *f)
{
	struct fl_arena arena = { 0 };
	const char *const *names = NULL;
	uint64_t top = 0;

	if (f->c.state->ops->list(f->c.state, &arena, &names, NULL) == 0)
		for (; names && *names; names++) {
			const char *dot = strchr(*names, '.');
			uint64_t g = dot ? strtoull(dot + 1, NULL, 10) : 0;

			if ((strncmp(*names, "image.", 6) == 0 || strncmp(*names, "journal.", 8) == 0) && g > top && g < GENERATION_MAX)
				top = g;
		}
	fl_arena_done(&arena);
	return top;
}

int fl__follow_disk_open(struct fl_follow *f, struct fl_err *err)
{
	struct fl_image_key key;
	uint64_t top;
	int ret;

	f->c.random->bytes(f->c.random, key.b, sizeof(key.b));
	ret = fl_image_new(&key, &f->image);
	if (ret < 0)
		return fl_err_set(err, ret, "image: out of memory");
	if (current_generation(f, &f->generation))
		open_generation(f);
	else
		f->generation = 0;
	if (f->journal && !f->journal_broken) {
		sweep(f);
		return 0;
	}
	top = highest_generation(f);
	if (top > f->generation)
		f->generation = top;
	if (fl__generation_write(f, f->image, err) < 0) { /* a full or read-only disk: serve from memory, and say so */
		f->journal_broken = true;
		snprintf(f->s.problem, sizeof(f->s.problem), "%.190s", err ? err->text : "state folder cannot be written");
	} else
		sweep(f);
	return 0;
}

void fl__follow_disk_close(struct fl_follow *f)
{
	if (f->journal) {
		f->c.state->ops->sync(f->journal, NULL);
		f->c.state->ops->close_file(f->journal);
	}
	f->journal = NULL;
}

/* --- offsets: text, one `partition next` a line; behind what is journaled, never ahead --- */

void fl__offsets_load(struct fl_follow *f)
{
	struct fl_buf b = { 0 };
	char *s, *end;

	for (int i = 0; i < FL_BUS_PARTITIONS_MAX; i++)
		f->offsets.next[i] = -1;
	f->offsets.n = 0;
	if (f->c.state->ops->read(f->c.state, "offsets", 4096, &b, NULL) == 0 && (s = fl_buf_cstr(&b)))
		while (*s) {
			unsigned long p = strtoul(s, &end, 10);
			long long next = end != s && *end == ' ' ? strtoll(end + 1, &s, 10) : -1;

			if (p >= FL_BUS_PARTITIONS_MAX || next < 0 || *s != '\n')
				break;
			f->offsets.next[p] = next;
			if ((int32_t)p >= f->offsets.n)
				f->offsets.n = (int32_t)p + 1;
			s++;
		}
	fl_buf_done(&b);
}

int fl__offsets_save(struct fl_follow *f, struct fl_err *err)
{
	struct fl_buf b = { 0 };
	int ret = 0;

	if (f->journal)
		ret = f->c.state->ops->sync(f->journal, err); /* a power cut must not leave offsets ahead of the journal */
	for (int32_t i = 0; i < f->offsets.n; i++)
		if (f->offsets.next[i] >= 0)
			fl_buf_printf(&b, "%d %" PRId64 "\n", i, f->offsets.next[i]);
	if (ret == 0)
		ret = b.failed ? FL_ENOMEM : fl_disk_replace(f->c.state, "offsets", fl_buf_span(&b), err);
	if (ret == 0)
		f->offsets_dirty = false;
	fl_buf_done(&b);
	return ret;
}
