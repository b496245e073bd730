/* The enforcer's own disk: started again from image and journal with everything else down, torn at every octet, rotten in every place, full. What is sound of it is in force, nothing else ever is,
 * the trouble is said, and what was lost comes again. */
#include "follow_help.h"

#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* The names of each version: any state of the disk holds exactly one of them, or nothing. */
static const char *const stages[] = { "| a.example b.example c.example d.example", "a.example | b.example c.example d.example", "a.example b.example | c.example d.example",
				      "a.example b.example c.example | d.example", "b.example c.example d.example | a.example" };
static const char *const contents[] = { "", "a.example", "a.example b.example", "a.example b.example c.example", "b.example c.example d.example" };
enum { LAST = 4 };

struct copy {
	struct fl_buf image, journal, current, offsets;
	char image_name[32], journal_name[32];
};

static void read_file(const char *name, struct fl_buf *out)
{
	assert_int_equal(disk->ops->read(disk, name, 1 << 24, out, NULL), 0);
}

static void write_file(const char *name, struct fl_span bytes)
{
	struct fl_disk_file *f = NULL;

	assert_int_equal(disk->ops->open(disk, name, true, &f, NULL), 0);
	assert_int_equal(disk->ops->append(f, bytes, NULL), 0);
	assert_int_equal(disk->ops->sync(f, NULL), 0);
	disk->ops->close_file(f);
}

/* Version 1 in the image, the others in the journal. */
static void four_versions(void)
{
	for (int i = 1; i <= LAST; i++) {
		send("mal", mal(contents[i]).id.number);
		fol_run(1000);
		assert_true(in_force(stages[i]));
		if (i == 1)
			assert_int_equal(fl__generation_write(fol, fol->image, NULL), 0);
	}
	assert_int_equal(fol_status().journal_records, LAST - 1);
}

static void everything_away(bool away)
{
	store_away(away);
	bus_away = away;
}

/* The process is killed, and its folder is kept aside. */
static void take_copy(struct copy *c)
{
	memset(c, 0, sizeof(*c));
	snprintf(c->image_name, sizeof(c->image_name), "image.%d", (int)fol->generation);
	snprintf(c->journal_name, sizeof(c->journal_name), "journal.%d", (int)fol->generation);
	fol_killed();
	read_file(c->image_name, &c->image);
	read_file(c->journal_name, &c->journal);
	read_file("CURRENT", &c->current);
	if (disk->ops->read(disk, "offsets", 4096, &c->offsets, NULL) < 0)
		fl_buf_reset(&c->offsets);
}

static void copy_done(struct copy *c)
{
	fl_buf_done(&c->image);
	fl_buf_done(&c->journal);
	fl_buf_done(&c->current);
	fl_buf_done(&c->offsets);
}

static struct fl_span cut(struct fl_span s, size_t n)
{
	return fl_span(s.p, n < s.n ? n : s.n);
}

/* The folder as it was, but for what the caller says of the journal. */
static void put_copy(const struct copy *c, struct fl_span journal)
{
	struct fl_disk_mem *old = platter;

	disk->ops->close(disk);
	platter = fl_disk_mem_new();
	fl_disk_mem_free(old);
	disk = fl_disk_mem_open(platter);
	write_file(c->image_name, fl_buf_span(&c->image));
	write_file(c->journal_name, journal);
	write_file("CURRENT", fl_buf_span(&c->current));
	if (c->offsets.n)
		write_file("offsets", fl_buf_span(&c->offsets));
}

/* What is in force is version n whole, and the status says no other. */
static void assert_holds(uint64_t n, const char *what, size_t at)
{
	if (fol_list("mal").applied_version != n || !in_force(stages[n]))
		fail_msg("%s at %zu: version %d, want %d", what, at, (int)fol_list("mal").applied_version, (int)n);
}

/* Everything comes back: the newest is in force, and after one more kill it still is, from the disk alone. */
static void assert_heals(const char *what, size_t at)
{
	everything_away(false);
	fol_run(12000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_holds(LAST, what, at);
	everything_away(true);
	fol_restart();
	assert_holds(LAST, what, at);
	assert_int_equal(fol_status().files_set_aside, 0);
}

static size_t count_files(const char *stem, const char *end)
{
	const char *const *names = NULL;
	size_t n = 0;

	assert_int_equal(disk->ops->list(disk, &w.arena, &names, NULL), 0);
	for (; *names; names++)
		n += strncmp(*names, stem, strlen(stem)) == 0 && strlen(*names) >= strlen(end) && strcmp(*names + strlen(*names) - strlen(end), end) == 0;
	return n;
}

static void test_everything_else_is_down(void **state)
{
	(void)state;
	four_versions();
	everything_away(true);
	for (int life = 0; life < 3; life++) {
		fol_restart();
		assert_int_equal(shows, 2 * life + 6); /* one at the start, one a version, one a life so far */
		shows += 1;
		assert_holds(LAST, "life", (size_t)life);
		ASSERT_STATE("mal", FL_FOLLOW_BEHIND); /* whether there is something newer is not known */
		fol_run(15000);
		assert_holds(LAST, "life", (size_t)life);
		assert_false(fol_status().store_up);
		assert_false(fol_status().bus_up);
		assert_string_equal(fol_status().problem, "");
	}
	everything_away(false);
	fol_run(1000);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
}

/* Cut anywhere: the records that are whole count, and no other. What a torn tail lost is no trouble of the disk. */
static void test_torn_journal(void **state)
{
	struct fl_journal_record rec;
	uint64_t whole = 1;
	size_t next = FL_JOURNAL_HEADER;
	struct copy c;

	(void)state;
	four_versions();
	take_copy(&c);
	everything_away(true);
	assert_int_equal(fl__journal_next(fl_buf_span(&c.journal), &next, &rec), 1);
	for (size_t n = FL_JOURNAL_HEADER; n <= c.journal.n; n++) {
		if (n == next) {
			whole++;
			if (whole < LAST)
				assert_int_equal(fl__journal_next(fl_buf_span(&c.journal), &next, &rec), 1);
		}
		put_copy(&c, cut(fl_buf_span(&c.journal), n));
		fol_open();
		assert_holds(whole, "cut", n);
		assert_int_equal(fol_status().files_set_aside, 0);
		assert_string_equal(fol_status().problem, "");
		if (n % 97 == 0)
			assert_heals("cut", n);
		everything_away(true);
		fol_killed();
	}
	assert_int_equal(whole, LAST);
	for (size_t n = 0; n < FL_JOURNAL_HEADER; n++) { /* not even its head: the image counts alone */
		put_copy(&c, cut(fl_buf_span(&c.journal), n));
		fol_open();
		assert_holds(1, "cut", n);
		assert_int_equal(fol_status().files_set_aside, 1);
		assert_non_null(strstr(fol_status().problem, c.journal_name));
		assert_heals("cut", n);
		fol_killed();
	}
	fol_open();
	copy_done(&c);
}

/* A bit flipped anywhere in the journal: the records before it count, it and what follows do not. */
static void test_rotten_journal(void **state)
{
	struct copy c;

	(void)state;
	four_versions();
	take_copy(&c);
	everything_away(true);
	for (size_t i = 0; i < c.journal.n; i++) {
		size_t record = 0, pos = FL_JOURNAL_HEADER, start = pos;
		struct fl_journal_record rec;

		while (pos <= i) { /* which record is hit */
			start = pos;
			record++;
			assert_int_equal(fl__journal_next(fl_buf_span(&c.journal), &pos, &rec), 1);
		}
		c.journal.p[i] ^= (uint8_t)(1 << i % 8);
		put_copy(&c, fl_buf_span(&c.journal));
		c.journal.p[i] ^= (uint8_t)(1 << i % 8);
		fol_open();
		assert_holds(record ? record : 1, "flip", i);
		if (record == 0 || i >= start + 4) { /* a length gone wrong looks like a torn tail */
			assert_int_equal(fol_status().files_set_aside, 1);
			assert_non_null(strstr(fol_status().problem, c.journal_name));
		}
		if (i % 97 == 0)
			assert_heals("flip", i);
		everything_away(true);
		fol_killed();
	}
	fol_open();
	copy_done(&c);
}

/* A bit flipped anywhere in the image: it is set aside and never used. */
static void test_rotten_image(void **state)
{
	struct copy c;

	(void)state;
	four_versions();
	take_copy(&c);
	everything_away(true);
	for (size_t i = 0; i < c.image.n; i++) {
		c.image.p[i] ^= (uint8_t)(1 << i % 8);
		put_copy(&c, fl_buf_span(&c.journal));
		c.image.p[i] ^= (uint8_t)(1 << i % 8);
		fol_open();
		assert_holds(0, "flip", i);
		ASSERT_STATE("mal", FL_FOLLOW_WAITING);
		assert_non_null(strstr(fol_status().problem, c.image_name));
		assert_true(fol_status().files_set_aside >= 1);
		assert_int_equal(count_files("image.", ".bad"), 1);
		if (i % 97 == 0)
			assert_heals("flip", i);
		everything_away(true);
		fol_killed();
	}
	fol_open();
	copy_done(&c);
}

static int image_unreadable(void *ctx, const char *what, const char *path)
{
	(void)ctx;
	return strcmp(what, "map") == 0 && strncmp(path, "image.", 6) == 0 ? FL_EIO : 0;
}

/* A disk that gives the image no more: what lies there is not deleted. */
static void test_unreadable_image(void **state)
{
	(void)state;
	four_versions();
	everything_away(true);
	fol_killed();
	fl_disk_mem_faults(platter, image_unreadable, NULL);
	fol_open();
	assert_holds(0, "unreadable", 0);
	assert_non_null(strstr(fol_status().problem, "image."));
	assert_int_equal(count_files("image.", ".bad"), 1);
	assert_int_equal(count_files("journal.", ".bad"), 1);
	fl_disk_mem_faults(platter, NULL, NULL);
	assert_heals("unreadable", 0);
}

/* The file that names the generation is as small as files are, and the image is worth more than it. */
static void test_rotten_current(void **state)
{
	static const char *const texts[] = { "", "\n", "x\n", "0\n", "9\n", "18446744073709551615\n", "-1\n", "1x" };
	struct copy c;

	(void)state;
	four_versions();
	take_copy(&c);
	everything_away(true);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put_copy(&c, fl_buf_span(&c.journal));
		write_file("CURRENT", fl_span_str(texts[i]));
		fol_open();
		assert_holds(LAST, "CURRENT", i);
		assert_heals("CURRENT", i);
		fol_killed();
	}
	put_copy(&c, fl_buf_span(&c.journal));
	assert_int_equal(disk->ops->remove(disk, "CURRENT", NULL), 0);
	fol_open();
	assert_holds(LAST, "no CURRENT", 0);
	copy_done(&c);
}

/* What was set aside is for a person to look at; the newest will do. A disk that rots again and again does not fill up with it. */
static void test_set_aside_is_bounded(void **state)
{
	(void)state;
	four_versions();
	for (int i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "image.%d", (int)fol->generation);
		fol_killed();
		assert_true(fl_disk_mem_corrupt(platter, name, 900));
		fol_open();
		assert_int_equal(count_files("image.", ".bad"), 1);
		assert_int_equal(count_files("journal.", ".bad"), 1);
		fol_run(12000);
		assert_true(in_force(stages[LAST]));
	}
	for (int i = 0; i < 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "journal.%d", (int)fol->generation);
		fol_killed();
		assert_true(fl_disk_mem_corrupt(platter, name, 9));
		fol_open();
		assert_int_equal(count_files("journal.", ".bad"), 1);
		fol_run(12000);
		assert_true(in_force(stages[LAST]));
	}
}

/* With the store away and the bus there: what the disk lost is read again from the topic, from its beginning. */
static void test_lost_records_come_again_from_the_bus(void **state)
{
	struct copy c;

	(void)state;
	four_versions();
	fol_run(6000); /* offsets are written */
	take_copy(&c);
	store_away(true);
	c.journal.p[c.journal.n - 1] ^= 1;
	put_copy(&c, fl_buf_span(&c.journal));
	fol_open();
	assert_holds(LAST - 1, "flip", 0);
	fol_run(1000);
	assert_holds(LAST, "flip", 0);
	fol_killed();
	c.image.p[200] ^= 1;
	put_copy(&c, fl_buf_span(&c.journal));
	fol_open();
	assert_holds(0, "flip", 0);
	fol_run(1000);
	assert_holds(LAST, "flip", 0);
	copy_done(&c);
}

/* --- full --- */

static int only_small_files(void *ctx, const char *what, const char *path)
{
	(void)ctx;
	return strcmp(what, "append") == 0 && (strncmp(path, "image.", 6) == 0 || strncmp(path, "journal.", 8) == 0) ? FL_ELIMIT : 0;
}

/* The disk takes offsets, and neither image nor journal: the place in the topic must not run ahead of what is kept, or a killed process would never read it again. */
static void test_offsets_stay_behind_the_journal(void **state)
{
	(void)state;
	send("mal", mal(contents[1]).id.number);
	fol_run(6000);
	fl_disk_mem_faults(platter, only_small_files, NULL);
	send("mal", mal(contents[2]).id.number);
	fol_run(20000);
	assert_holds(2, "full", 0);
	assert_true(fol_status().problem[0]);
	fl_disk_mem_faults(platter, NULL, NULL);
	store_away(true);
	fol_restart();
	assert_holds(1, "full", 0);
	fol_run(1000);
	assert_holds(2, "full", 0);
}

static int nothing_new(void *ctx, const char *what, const char *path)
{
	const char *refused = ctx;

	return strcmp(what, refused) == 0 && strcmp(path, "offsets") != 0 && strcmp(path, "offsets.tmp") != 0 ? FL_EIO : 0;
}

/* Whichever call the disk refuses: the new version is in force from memory, what is on disk stays whole, nothing half written stays behind, and when the disk takes it again it is kept. */
static void test_each_refused_call(void **state)
{
	static const char *const calls[] = { "append", "sync", "open", "rename" };

	(void)state;
	send("mal", mal(contents[1]).id.number);
	fol_run(1000);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int now = i % 2 ? 1 : 2;

		fl_disk_mem_faults(platter, nothing_new, (void *)(uintptr_t)calls[i]);
		fol->journal_bytes = FL_JOURNAL_MAX; /* it is long enough: a new generation is due */
		send("mal", mal(contents[now]).id.number);
		fol_run(1000);
		ASSERT_STATE("mal", FL_FOLLOW_OK);
		if (!in_force(stages[now]))
			fail_msg("%s refused", calls[i]);
		assert_true(fol_status().problem[0]);
		assert_int_equal(count_files("image.", ""), 1);
		assert_int_equal(count_files("journal.", ""), 1);
		fl_disk_mem_faults(platter, NULL, NULL);
		fol_run(31000);
		assert_string_equal(fol_status().problem, "");
		everything_away(true);
		fol_restart();
		if (!in_force(stages[now]))
			fail_msg("%s refused, then not", calls[i]);
		everything_away(false);
		fol_run(12000);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

/* The same on a real file system, where a write is cut short: a limit on the size of files stands for a full disk. */
static void test_full_disk(void **state)
{
	char folder[] = "/tmp/fl-follow-XXXXXX", big[4096] = "";
	struct rlimit before, limit;
	struct fl_list_input in;
	struct fl_disk *mem;
	uint64_t generation;

	(void)state;
	assert_non_null(mkdtemp(folder));
	fol_killed();
	mem = disk;
	assert_int_equal(fl_disk_posix_open(folder, &disk, NULL), 0);
	fol_open();
	for (int i = 0; i < 150; i++)
		snprintf(big + strlen(big), sizeof(big) - strlen(big), "name-%04d.example ", i * 7919 % 10000);
	send("mal", mal(contents[1]).id.number);
	fol_run(1000);
	generation = fol->generation;
	source("fa", big);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){ 900, before.rlim_max };
	in = input_now("fa");
	send("mal", commit("mal", &mal_lease, &in, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES }).id.number);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	fol_run(1000);
	setrlimit(RLIMIT_FSIZE, &before);
	ASSERT_STATE("mal", FL_FOLLOW_OK);
	assert_true(in_force("name-7919.example | a.example"));
	assert_non_null(strstr(fol_status().problem, "too large"));
	assert_int_equal(fol->generation, generation);
	assert_int_equal(count_files("image.", "") + count_files("journal.", ""), 2);
	everything_away(true);
	fl_follow_close(fol); /* a kill is no different here: there is nothing more to write */
	fol_open();
	assert_true(in_force(stages[1]));
	everything_away(false);
	fol_run(12000);
	assert_true(in_force("name-7919.example | a.example"));
	assert_string_equal(fol_status().problem, "");
	everything_away(true);
	fl_follow_close(fol);
	fol_open();
	assert_true(in_force("name-7919.example | a.example"));
	fl_follow_close(fol);
	fol = NULL;
	fl_image_release(shown);
	shown = NULL;
	disk->ops->close(disk);
	disk = mem;
	fol_open();
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOL(test_everything_else_is_down), FOL(test_torn_journal), FOL(test_rotten_journal), FOL(test_rotten_image), FOL(test_unreadable_image), FOL(test_rotten_current),
		FOL(test_set_aside_is_bounded), FOL(test_lost_records_come_again_from_the_bus), FOL(test_offsets_stay_behind_the_journal), FOL(test_each_refused_call),
		FOL(test_full_disk),
	};

	return cmocka_run_group_tests_name("follow_disk", tests, NULL, NULL);
}
