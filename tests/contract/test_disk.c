/* What the disk door promises, kept by a real folder and by the twin; then what only the twin can show (crashes, faults)
 * and what only a real folder can (links, other kinds of files, a full disk). */
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/disk.h"

struct world {
	struct fl_disk_mem *mem;
	struct fl_disk *d;
	char folder[64];
};

static int up_mem(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->mem = fl_disk_mem_new();
	w->d = fl_disk_mem_open(w->mem);
	*state = w;
	return 0;
}

static int up_posix(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char below[80];

	*state = w;
	snprintf(w->folder, sizeof(w->folder), "/tmp/fl-disk-XXXXXX");
	if (!mkdtemp(w->folder))
		return -1;
	snprintf(below, sizeof(below), "%s/state", w->folder);
	return fl_disk_posix_open(below, &w->d, NULL);
}

static int down(void **state)
{
	struct world *w = *state;
	struct fl_arena a = { 0 };
	const char *const *names = NULL;
	char path[400];

	for (size_t i = 0; w->folder[0] && w->d->ops->list(w->d, &a, &names, NULL) == 0 && names[i]; i++)
		w->d->ops->remove(w->d, names[i], NULL);
	fl_arena_done(&a);
	w->d->ops->close(w->d);
	fl_disk_mem_free(w->mem);
	if (w->folder[0]) {
		snprintf(path, sizeof(path), "%s/state", w->folder);
		rmdir(path);
		rmdir(w->folder);
	}
	free(w);
	return 0;
}

static struct fl_disk *disk(void **state)
{
	return ((struct world *)*state)->d;
}

static struct fl_disk_file *open_file(struct fl_disk *d, const char *name, bool truncate)
{
	struct fl_disk_file *f = NULL;
	struct fl_err err = { 0 };

	if (d->ops->open(d, name, truncate, &f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static void write_file(struct fl_disk *d, const char *name, const char *text, bool sync)
{
	struct fl_disk_file *f = open_file(d, name, true);

	assert_int_equal(d->ops->append(f, fl_span_str(text), NULL), 0);
	if (sync)
		assert_int_equal(d->ops->sync(f, NULL), 0);
	d->ops->close_file(f);
}

static void assert_content(struct fl_disk *d, const char *name, const char *text)
{
	struct fl_buf b = { 0 };

	assert_int_equal(d->ops->read(d, name, 1 << 20, &b, NULL), 0);
	assert_true(fl_span_eqs(fl_buf_span(&b), text));
	fl_buf_done(&b);
}

/* --- promises of both --- */

static void what_is_appended_is_read(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_disk_file *f = open_file(d, "journal.1", true);
	struct fl_buf b = { 0 };

	assert_int_equal(d->ops->append(f, fl_span_str("one "), NULL), 0);
	assert_int_equal(d->ops->append(f, fl_span("two\0", 4), NULL), 0);
	assert_int_equal(d->ops->append(f, fl_span(NULL, 0), NULL), 0);
	fl_buf_str(&b, "before:");
	assert_int_equal(d->ops->read(d, "journal.1", 8, &b, NULL), 0); /* appended to b */
	assert_true(fl_span_eq(fl_buf_span(&b), fl_span("before:one two\0", 15)));
	d->ops->close_file(f);
	f = open_file(d, "journal.1", false);
	assert_int_equal(d->ops->append(f, fl_span_str("three"), NULL), 0);
	assert_int_equal(d->ops->sync(f, NULL), 0);
	d->ops->close_file(f);
	fl_buf_reset(&b);
	assert_int_equal(d->ops->read(d, "journal.1", 13, &b, NULL), 0);
	assert_int_equal(b.n, 13);
	fl_buf_done(&b);
	f = open_file(d, "journal.1", true);
	assert_content(d, "journal.1", "");
	d->ops->close_file(f);
}

static void a_read_over_its_limit_leaves_the_buffer(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_buf b = { 0 };

	write_file(d, "f", "12345678", false);
	fl_buf_str(&b, "x");
	assert_int_equal(d->ops->read(d, "f", 7, &b, NULL), FL_ELIMIT);
	assert_int_equal(d->ops->read(d, "f", 0, &b, NULL), FL_ELIMIT);
	assert_int_equal(d->ops->read(d, "none", 7, &b, NULL), FL_ENOTFOUND);
	assert_true(fl_span_eqs(fl_buf_span(&b), "x"));
	fl_buf_done(&b);
}

static void a_file_is_cut(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_disk_file *f = open_file(d, "f", true);

	assert_int_equal(d->ops->append(f, fl_span_str("12345678"), NULL), 0);
	assert_int_equal(d->ops->truncate(f, 3, NULL), 0);
	assert_int_equal(d->ops->append(f, fl_span_str("x"), NULL), 0);
	assert_content(d, "f", "123x");
	assert_int_equal(d->ops->truncate(f, 100, NULL), FL_EUSAGE);
	assert_content(d, "f", "123x");
	d->ops->close_file(f);
}

static void rename_replaces(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_disk_map m = { 0 };
	struct fl_disk_file *f;

	write_file(d, "old", "old", true);
	write_file(d, "new", "new", true);
	assert_int_equal(d->ops->map(d, "old", &m, NULL), 0);
	f = open_file(d, "old", false);
	assert_int_equal(d->ops->rename(d, "new", "old", NULL), 0);
	assert_content(d, "old", "new");
	assert_int_equal(d->ops->read(d, "new", 10, &(struct fl_buf){ 0 }, NULL), FL_ENOTFOUND);
	assert_true(fl_span_eqs(m.bytes, "old")); /* who had it open keeps what it was */
	assert_int_equal(d->ops->append(f, fl_span_str("more"), NULL), 0);
	assert_content(d, "old", "new");
	d->ops->close_file(f);
	d->ops->unmap(d, &m);
	assert_int_equal(d->ops->rename(d, "none", "old", NULL), FL_ENOTFOUND);
	assert_content(d, "old", "new");
}

static void maps_are_whole(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_disk_map m = { 0 };

	write_file(d, "f", "content", false);
	write_file(d, "empty", "", false);
	assert_int_equal(d->ops->map(d, "f", &m, NULL), 0);
	assert_true(fl_span_eqs(m.bytes, "content"));
	assert_int_equal((uintptr_t)m.bytes.p % 4096, 0);
	d->ops->unmap(d, &m);
	assert_int_equal(d->ops->map(d, "empty", &m, NULL), 0);
	assert_int_equal(m.bytes.n, 0);
	d->ops->unmap(d, &m);
	assert_int_equal(d->ops->map(d, "none", &m, NULL), FL_ENOTFOUND);
}

static void list_is_sorted_and_remove_removes(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_arena a = { 0 };
	const char *const *names;

	assert_int_equal(d->ops->list(d, &a, &names, NULL), 0);
	assert_null(names[0]);
	write_file(d, "image.2", "", false);
	write_file(d, "CURRENT", "", false);
	write_file(d, "image.1", "", false);
	assert_int_equal(d->ops->list(d, &a, &names, NULL), 0);
	assert_string_equal(names[0], "CURRENT");
	assert_string_equal(names[1], "image.1");
	assert_string_equal(names[2], "image.2");
	assert_null(names[3]);
	assert_int_equal(d->ops->remove(d, "image.1", NULL), 0);
	assert_int_equal(d->ops->remove(d, "image.1", NULL), FL_ENOTFOUND);
	assert_int_equal(d->ops->list(d, &a, &names, NULL), 0);
	assert_string_equal(names[1], "image.2");
	fl_arena_done(&a);
}

static void replace_is_old_or_new(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_arena a = { 0 };
	const char *const *names;

	assert_int_equal(fl_disk_replace(d, "CURRENT", fl_span_str("1"), NULL), 0);
	assert_int_equal(fl_disk_replace(d, "CURRENT", fl_span_str("2"), NULL), 0);
	assert_content(d, "CURRENT", "2");
	assert_int_equal(d->ops->list(d, &a, &names, NULL), 0);
	assert_string_equal(names[0], "CURRENT");
	assert_null(names[1]);
	fl_arena_done(&a);
}

static void paths_stay_in_the_folder(void **state)
{
	static const char *const bad[] = { "", ".", "..", "/etc/passwd", "../x", "a/b", "a/../../x" };
	struct fl_disk *d = disk(state);
	struct fl_buf b = { 0 };
	struct fl_disk_file *f = NULL;
	struct fl_disk_map m;
	char longest[300];

	memset(longest, 'a', 299);
	longest[299] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		const char *path = i < sizeof(bad) / sizeof(bad[0]) ? bad[i] : longest;

		assert_int_equal(d->ops->read(d, path, 100, &b, NULL), FL_EUSAGE);
		assert_int_equal(d->ops->map(d, path, &m, NULL), FL_EUSAGE);
		assert_int_equal(d->ops->open(d, path, false, &f, NULL), FL_EUSAGE);
		assert_int_equal(d->ops->rename(d, path, "x", NULL), FL_EUSAGE);
		assert_int_equal(d->ops->rename(d, "x", path, NULL), FL_EUSAGE);
		assert_int_equal(d->ops->remove(d, path, NULL), FL_EUSAGE);
	}
	write_file(d, "..x", "fine", false);
	assert_int_equal(fl_disk_replace(d, "", fl_span_str("x"), NULL) < 0, 1);
	d->ops->close_file(NULL);
}

/* --- the twin alone --- */

static size_t keep_n(void *ctx, size_t unsynced)
{
	size_t n = *(size_t *)ctx;

	return n < unsynced ? n : unsynced;
}

static void a_power_cut_takes_the_unsynced_tail(void **state)
{
	struct world *w = *state;
	struct fl_disk_file *f = open_file(w->d, "f", true);
	size_t keep = 2;

	w->d->ops->append(f, fl_span_str("synced"), NULL);
	w->d->ops->sync(f, NULL);
	w->d->ops->append(f, fl_span_str("tail"), NULL);
	fl_disk_mem_power_cut(w->mem, keep_n, &keep);
	assert_int_equal(w->d->ops->append(f, fl_span_str("ghost"), NULL), FL_EIO);
	assert_int_equal(w->d->ops->sync(f, NULL), FL_EIO);
	assert_int_equal(w->d->ops->truncate(f, 0, NULL), FL_EIO);
	assert_int_equal(w->d->ops->remove(w->d, "f", NULL), FL_EIO);
	w->d->ops->close_file(f);
	w->d->ops->close(w->d);
	w->d = fl_disk_mem_open(w->mem);
	assert_content(w->d, "f", "syncedta");
}

static void a_kill_loses_nothing(void **state)
{
	struct world *w = *state;
	struct fl_disk_file *f = open_file(w->d, "f", true);
	struct fl_disk_map m;

	w->d->ops->append(f, fl_span_str("unsynced"), NULL);
	assert_int_equal(w->d->ops->map(w->d, "f", &m, NULL), 0);
	fl_disk_mem_kill(w->mem);
	assert_int_equal(w->d->ops->append(f, fl_span_str("ghost"), NULL), FL_EIO);
	w->d->ops->unmap(w->d, &m);
	w->d->ops->close_file(f);
	w->d->ops->close(w->d);
	w->d = fl_disk_mem_open(w->mem);
	assert_content(w->d, "f", "unsynced");
}

static int fail_what(void *ctx, const char *what, const char *path)
{
	(void)path;
	return strcmp(ctx, what) == 0 ? FL_ELIMIT : 0;
}

static void a_fault_leaves_old_or_new(void **state)
{
	static const char *const what[] = { "open", "append", "sync", "rename" };
	struct world *w = *state;
	struct fl_disk_file *f;
	struct fl_buf b = { 0 };

	assert_int_equal(fl_disk_replace(w->d, "CURRENT", fl_span_str("old"), NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		fl_disk_mem_faults(w->mem, fail_what, (void *)what[i]);
		assert_int_equal(fl_disk_replace(w->d, "CURRENT", fl_span_str("new"), NULL), FL_ELIMIT);
		fl_disk_mem_faults(w->mem, NULL, NULL);
		assert_content(w->d, "CURRENT", "old");
	}
	f = open_file(w->d, "j", true);
	w->d->ops->append(f, fl_span_str("good"), NULL);
	fl_disk_mem_faults(w->mem, fail_what, (void *)"append");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(w->d->ops->append(f, fl_span_str("partial"), NULL), FL_ELIMIT);
		fl_buf_reset(&b);
		assert_int_equal(w->d->ops->read(w->d, "j", 100, &b, NULL), 0);
		assert_in_range(b.n, 4, 11);
		assert_int_equal(w->d->ops->truncate(f, 4, NULL), 0); /* what the caller does then */
	}
	w->d->ops->close_file(f);
	fl_buf_done(&b);
}

static void rot_is_one_bit(void **state)
{
	struct world *w = *state;

	write_file(w->d, "f", "abc", true);
	assert_true(fl_disk_mem_corrupt(w->mem, "f", 8));
	assert_content(w->d, "f", "acc");
	assert_false(fl_disk_mem_corrupt(w->mem, "f", 24));
	assert_false(fl_disk_mem_corrupt(w->mem, "none", 0));
}

/* --- a real folder alone --- */

static void only_regular_files_are_opened(void **state)
{
	struct world *w = *state;
	struct fl_disk *d = w->d;
	struct fl_disk_file *f = NULL;
	struct fl_arena a = { 0 };
	struct fl_buf b = { 0 };
	struct fl_disk_map m;
	const char *const *names;
	char path[128];
	struct stat st;

	write_file(d, "real", "secret", false);
	snprintf(path, sizeof(path), "%s/state/link", w->folder);
	assert_int_equal(symlink("real", path), 0);
	snprintf(path, sizeof(path), "%s/state/fifo", w->folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/state/sub", w->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	for (int i = 0; i < 3; i++) {
		const char *name = (const char *[]){ "link", "fifo", "sub" }[i];

		assert_int_equal(d->ops->read(d, name, 100, &b, NULL), FL_EIO);
		assert_int_equal(d->ops->map(d, name, &m, NULL), FL_EIO);
		assert_int_equal(d->ops->open(d, name, true, &f, NULL), FL_EIO);
	}
	assert_int_equal(d->ops->list(d, &a, &names, NULL), 0);
	assert_string_equal(names[0], "real");
	assert_null(names[1]);
	assert_content(d, "real", "secret");
	rmdir(path);
	d->ops->remove(d, "link", NULL);
	d->ops->remove(d, "fifo", NULL);
	snprintf(path, sizeof(path), "%s/state", w->folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0007, 0);
	fl_arena_done(&a);
}

/* RLIMIT_FSIZE stands in for a full disk. */
static void a_full_disk_is_a_limit(void **state)
{
	struct fl_disk *d = disk(state);
	struct fl_disk_file *f = open_file(d, "f", true);
	struct rlimit was, small;
	char block[4096];

	memset(block, 'x', sizeof(block));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 6000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(d->ops->append(f, fl_span(block, sizeof(block)), NULL), 0);
	assert_int_equal(d->ops->append(f, fl_span(block, sizeof(block)), NULL), FL_ELIMIT);
	assert_int_equal(d->ops->truncate(f, sizeof(block), NULL), 0);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(d->ops->append(f, fl_span(block, sizeof(block)), NULL), 0);
	d->ops->close_file(f);
}

static void a_folder_that_cannot_be_is_named(void **state)
{
	struct fl_err err = { 0 };
	struct fl_disk *d = NULL;

	(void)state;
	assert_int_equal(fl_disk_posix_open("/dev/null/state", &d, &err), FL_EIO);
	assert_non_null(strstr(err.text, "/dev/null/state"));
	assert_int_equal(fl_disk_posix_open("/dev/null", &d, &err), FL_EIO);
	assert_null(d);
}

#define OF_BOTH(up)                                                                             \
	cmocka_unit_test_setup_teardown(what_is_appended_is_read, up, down),                    \
		cmocka_unit_test_setup_teardown(a_read_over_its_limit_leaves_the_buffer, up, down), \
		cmocka_unit_test_setup_teardown(a_file_is_cut, up, down),                       \
		cmocka_unit_test_setup_teardown(rename_replaces, up, down),                     \
		cmocka_unit_test_setup_teardown(maps_are_whole, up, down),                      \
		cmocka_unit_test_setup_teardown(list_is_sorted_and_remove_removes, up, down),   \
		cmocka_unit_test_setup_teardown(replace_is_old_or_new, up, down),               \
		cmocka_unit_test_setup_teardown(paths_stay_in_the_folder, up, down)

int main(void)
{
	const struct CMUnitTest mem[] = {
		OF_BOTH(up_mem),
		cmocka_unit_test_setup_teardown(a_power_cut_takes_the_unsynced_tail, up_mem, down),
		cmocka_unit_test_setup_teardown(a_kill_loses_nothing, up_mem, down),
		cmocka_unit_test_setup_teardown(a_fault_leaves_old_or_new, up_mem, down),
		cmocka_unit_test_setup_teardown(rot_is_one_bit, up_mem, down),
	};
	const struct CMUnitTest posix[] = {
		OF_BOTH(up_posix),
		cmocka_unit_test_setup_teardown(only_regular_files_are_opened, up_posix, down),
		cmocka_unit_test_setup_teardown(a_full_disk_is_a_limit, up_posix, down),
		cmocka_unit_test(a_folder_that_cannot_be_is_named),
	};

	return cmocka_run_group_tests_name("twin", mem, NULL, NULL) + cmocka_run_group_tests_name("folder", posix, NULL, NULL);
}
