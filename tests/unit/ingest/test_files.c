/* Local lists as they lie on a disk: a file, a folder of files, and what changes of them. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingest/feed_int.h"

static char folder[64];
static char stamp[FL_ETAG];
static struct fl_err err;

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/fireline-files-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf '%s'", folder);
	return system(line);
}

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int get(const char *name, uint64_t max, struct fl_buf *out)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s%s", folder, name[0] ? "/" : "", name);
	err = (struct fl_err){ 0 };
	return fl__read_system_file(NULL, path, max, out, stamp, sizeof(stamp), &err);
}

static void test_a_file(void **state)
{
	char before[FL_ETAG];
	struct fl_buf b = { 0 };

	(void)state;
	put("a", "one.example\n");
	assert_int_equal(get("a", 100, NULL), 0);
	memcpy(before, stamp, sizeof(before));
	assert_int_equal(get("a", 100, &b), 0);
	assert_string_equal(fl_buf_cstr(&b), "one.example\n");
	assert_string_equal(stamp, before);
	assert_false(fl__is_folder(stamp));
	put("a", "one.example\ntwo.example\n");
	assert_int_equal(get("a", 100, NULL), 0);
	assert_string_not_equal(stamp, before);
	fl_buf_reset(&b);
	assert_int_equal(get("a", 10, &b), FL_ELIMIT);
	assert_int_equal(get("none", 10, &b), FL_ENOTFOUND);
	fl_buf_done(&b);
}

/* By name, hidden files and folders within passed over; a last line without an end does not run into the next file. */
static void test_a_folder(void **state)
{
	char before[FL_ETAG], path[256];
	struct fl_buf b = { 0 };

	(void)state;
	put("20-b", "b.example");
	put("10-a", "a.example\n");
	put(".hidden", "hidden.example\n");
	snprintf(path, sizeof(path), "%s/sub", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(get("", 1000, &b), 0);
	assert_string_equal(fl_buf_cstr(&b), "a.example\n\nb.example\n");
	assert_true(fl__is_folder(stamp));
	memcpy(before, stamp, sizeof(before));
	assert_int_equal(get("", 1000, NULL), 0);
	assert_string_equal(stamp, before);
	put(".hidden", "other.example\n");
	assert_int_equal(get("", 1000, NULL), 0);
	assert_string_equal(stamp, before);
	put("30-c", "c.example\n");
	assert_int_equal(get("", 1000, NULL), 0);
	assert_string_not_equal(stamp, before);
	fl_buf_reset(&b);
	assert_int_equal(get("", 15, &b), FL_ELIMIT); /* of all together */
	snprintf(path, sizeof(path), "%s/10-a", folder);
	unlink(path);
	memcpy(before, stamp, sizeof(before));
	assert_int_equal(get("", 1000, NULL), 0);
	assert_string_not_equal(stamp, before);
	fl_buf_done(&b);
}

static void test_an_empty_folder(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	assert_int_equal(get("", 1000, &b), 0); /* the reader says that this is no list */
	assert_int_equal(b.n, 0);
	fl_buf_done(&b);
}

static void test_what_is_no_file(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(get("pipe", 100, NULL), FL_EIO); /* and nobody waits for it */
	assert_non_null(strstr(err.text, "neither a file nor a folder"));
	assert_int_equal(get("", 1000, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define F(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		F(test_a_file), F(test_a_folder), F(test_an_empty_folder), F(test_what_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
