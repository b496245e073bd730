/* The drop folder over the system's files: the order of names, what is work in progress, what is no file, and where files go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/dropdir.h"

static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/fl-drop-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	return system(cmd);
}

static void put(const char *name)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(name, f);
	fclose(f);
}

static int list(const char *after, struct fl_drop_file *v, size_t max)
{
	struct fl_err err = { 0 };

	return fl_drop_dir_posix.list(NULL, folder, "*.json", after, v, max, &err);
}

static void test_listing(void **state)
{
	struct fl_drop_file v[8];
	char name[300], after[256] = "";
	int n, seen = 0;

	(void)state;
	assert_int_equal(list("", v, 8), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%02d.json", (i * 37) % 100);
		put(name);
	}
	put(".hidden.json");
	put("a.json.tmp");
	put("b.part");
	put("c.txt");
	snprintf(name, sizeof(name), "%s/d.json", folder);
	assert_int_equal(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "%s/e.json", folder);
	assert_int_equal(symlink("/etc/passwd", name), 0);
	while ((n = list(after, v, 8)) > 0) {
		for (int i = 0; i < n; i++, seen++) {
			snprintf(name, sizeof(name), "%02d.json", seen);
			assert_string_equal(v[i].name, name);
			assert_true(v[i].mtime > 0);
		}
		memcpy(after, v[n - 1].name, sizeof(after));
	}
	assert_int_equal(seen, 100);
	assert_int_equal(list("50.json", v, 1), 1);
	assert_string_equal(v[0].name, "51.json");
	snprintf(folder + strlen(folder), 8, "/not");
	assert_int_equal(list("", v, 8), FL_ENOTFOUND);
	folder[strlen(folder) - 4] = '\0';
}

static void test_put_away(void **state)
{
	struct fl_drop_file v[8];
	struct fl_err err = { 0 };
	struct fl_buf text = { 0 };
	char path[200];

	(void)state;
	put("1.json");
	put("2.json");
	put("3.json");
	assert_int_equal(fl_drop_dir_posix.read(NULL, folder, "1.json", 100, &text, &err), 0);
	assert_int_equal(text.n, 6);
	fl_buf_done(&text);
	assert_int_equal(fl_drop_dir_posix.read(NULL, folder, "1.json", 3, &text, &err), FL_ELIMIT);
	fl_buf_done(&text);
	assert_int_equal(fl_drop_dir_posix.done(NULL, folder, "1.json", true, &err), 0);
	assert_int_equal(fl_drop_dir_posix.done(NULL, folder, "2.json", false, &err), 0);
	assert_int_equal(fl_drop_dir_posix.failed(NULL, folder, "3.json", "why", &err), 0);
	assert_int_equal(list("", v, 8), 0);
	snprintf(path, sizeof(path), "%s/done/1.json", folder);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/failed/3.json.reason", folder);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/done/2.json", folder);
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_away, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
