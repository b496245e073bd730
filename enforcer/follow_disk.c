/* What a running enforcer writes. Image and journal are one generation, image.G and journal.G, made current by one rename of the file that names G. A journal record is written before
 * the swap, by write(2), unsynced: kill -9 loses nothing, a power cut loses a tail that Redis still has. A number G is never used twice, and what a refusing disk left half written goes.
 * Reading it all again is follow_start.c. Layout: docs/formats/journal.md. */
#include "enforcer/follow_int.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"

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

char *fl__generation_file(char out[FL_GENERATION_FILE], const char *stem, uint64_t generation)
{
	snprintf(out, FL_GENERATION_FILE, "%s.%" PRIu64, stem, generation);
	return out;
}

struct file_sink {
	const struct fl_disk_ops *ops;
	struct fl_disk_file *file;
	struct fl_err *err;
};

static int file_sink(void *ctx, struct fl_span bytes)
{
	struct file_sink *w = ctx;

	return w->ops->append(w->file, bytes, w->err);
}

static int write_image(struct fl_follow *f, struct fl_image *img, uint64_t generation, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct file_sink w = { d->ops, NULL, err };
	char name[FL_GENERATION_FILE];
	int ret = d->ops->open(d, fl__generation_file(name, "image", generation), true, &w.file, err);

	if (ret < 0)
		return ret;
	ret = fl_image_write(img, generation, file_sink, &w, err);
	if (ret == 0)
		ret = d->ops->sync(w.file, err);
	d->ops->close_file(w.file);
	if (ret < 0)
		d->ops->remove(d, name, NULL);
	return ret;
}

static int new_journal(struct fl_follow *f, uint64_t generation, struct fl_disk_file **out, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct fl_buf head = { 0 };
	char name[FL_GENERATION_FILE];
	int ret = d->ops->open(d, fl__generation_file(name, "journal", generation), true, out, err);

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

/* Numbers rise by one a generation: none that was ever written is near the end, where the next would be 0. */
static bool generation_parse(struct fl_span text, uint64_t *out)
{
	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	return fl_u64_parse(text, out) && *out > 0 && *out < FL_GENERATION_MAX;
}

int fl__generation_current(struct fl_follow *f, uint64_t *out)
{
	struct fl_buf b = { 0 };
	int ret = f->c.state->ops->read(f->c.state, "CURRENT", 64, &b, NULL);

	if (ret == FL_ELIMIT || (ret == 0 && !generation_parse(fl_buf_span(&b), out)))
		ret = FL_ECORRUPT;
	fl_buf_done(&b);
	return ret;
}

int fl__generation_name(struct fl_follow *f, uint64_t generation, struct fl_err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", generation);
	return fl_disk_replace(f->c.state, "CURRENT", fl_span_str(text), err);
}

/* A generation that was not finished. Where the rename took place and only its sync failed it is the current one, and stays. */
static void abandon(struct fl_follow *f, uint64_t generation)
{
	char name[FL_GENERATION_FILE];
	uint64_t current = 0;

	if (fl__generation_current(f, &current) == 0 && current == generation)
		return;
	f->c.state->ops->remove(f->c.state, fl__generation_file(name, "image", generation), NULL);
	f->c.state->ops->remove(f->c.state, fl__generation_file(name, "journal", generation), NULL);
}

int fl__generation_write(struct fl_follow *f, struct fl_image *img, struct fl_err *err)
{
	struct fl_disk *d = f->c.state;
	struct fl_disk_file *journal = NULL;
	uint64_t next = ++f->last_generation;
	int ret = write_image(f, img, next, err);

	if (ret == 0)
		ret = new_journal(f, next, &journal, err);
	if (ret == 0)
		ret = fl__generation_name(f, next, err);
	if (ret < 0) {
		if (journal)
			d->ops->close_file(journal);
		abandon(f, next);
		return ret;
	}
	if (f->journal)
		d->ops->close_file(f->journal);
	f->journal = journal;
	f->journal_bytes = FL_JOURNAL_HEADER;
	f->journal_records = 0;
	f->journal_broken = false;
	f->generation = next;
	fl__generation_sweep(f);
	return 0;
}

/* Files of other generations: those before this one, and what a crash left between writing and naming. */
void fl__generation_sweep(struct fl_follow *f)
{
	struct fl_arena arena = { 0 };
	const char *const *names = NULL;
	char image[FL_GENERATION_FILE], journal[FL_GENERATION_FILE];

	fl__generation_file(image, "image", f->generation);
	fl__generation_file(journal, "journal", f->generation);
	if (f->c.state->ops->list(f->c.state, &arena, &names, NULL) == 0)
		for (; names && *names; names++) {
			bool ours = strncmp(*names, "image.", 6) == 0 || strncmp(*names, "journal.", 8) == 0;

			if (ours && !fl__generation_is_bad(*names) && strcmp(*names, image) != 0 && strcmp(*names, journal) != 0)
				f->c.state->ops->remove(f->c.state, *names, NULL);
		}
	fl_arena_done(&arena);
}

bool fl__generation_is_bad(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".bad") == 0;
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
	if (f->disk_lost) /* what the disk lost may come again from the topic alone: repeats are harmless */
		return;
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

	if (f->journal_broken) /* what was taken since is in memory only */
		return fl_err_set(err, FL_EIO, "offsets wait for the journal");
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
