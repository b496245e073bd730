/* The file that names the generation of image and journal: what it may say, and that anything else is set aside and the lists come from the store. */
#include "enforcer/follow.h"
#include "tests/support/sets_help.h"

static const struct fl_cfg_list lists[] = { { .name = "l", .description = "" } };
static struct fl_config cfg = { .lists = lists, .n_lists = 1 };
static struct fl_bus_mem *broker;
static struct fl_bus *bus;
static struct fl_disk_mem *files;
static struct fl_disk *disk;

static void on_image(void *ctx, struct fl_image *img)
{
	(void)ctx, (void)img;
}

static int setup(void **state)
{
	struct fl_lease la = { 0 }, ll = { 0 };
	struct fl_source_version sv;
	struct fl_list_version v;
	struct fl_list_input in;

	(void)state;
	if (!world_open(&w, STORE_MEM) || commit_names(&w.s, "a", &la, "bad.example", &sv) < 0)
		return -1;
	in = input_at(&w.s, "a", 1);
	broker = fl_bus_mem_new(&w.clock.door, 1);
	bus = fl_bus_mem_open(broker, "fireline.");
	files = fl_disk_mem_new();
	disk = fl_disk_mem_open(files);
	return commit_inputs(&w.s, "l", &ll, &in, 1, (struct fl_list_commit){ .cause = FL_CAUSE_SOURCES, .actor = "t" }, &w.arena, &v, NULL);
}

static int teardown(void **state)
{
	(void)state;
	disk->ops->close(disk);
	fl_disk_mem_free(files);
	fl_bus_close(bus);
	fl_bus_mem_free(broker);
	world_close(&w);
	return 0;
}

/* The version of the list that is held. */
static uint64_t held(struct fl_follow *f, struct fl_follow_status *st)
{
	struct fl_follow_list_status *v = NULL;
	size_t n = 0;

	fl_follow_status(f, st, &w.arena, &v, &n);
	return n ? v[0].applied_version : 0;
}

/* Starts, and gives what is held then, before any door was asked; until it holds the list, then ends. */
static uint64_t one_life(struct fl_follow_status *st)
{
	struct fl_follow_config c = { &cfg, &w.s, bus, disk, &w.clock.door, &w.random.door, on_image, NULL };
	struct fl_follow_status later;
	struct fl_follow *f = NULL;
	uint64_t first;
	fl_mono_ns wake;

	assert_int_equal(fl_follow_open(&c, &f, NULL), 0);
	first = held(f, st);
	for (int i = 0; i < 500 && held(f, &later) == 0; i++) {
		fl_follow_step(f, fl_now_mono(&w.clock.door), &wake);
		fl_clock_mem_advance(&w.clock, 100 * FL_NS_PER_MS);
	}
	assert_int_equal(held(f, &later), 1); /* from the store, if not from the disk */
	fl_follow_close(f);
	return first;
}

static const char *file(const char *name)
{
	struct fl_buf b = { 0 };
	const char *text;

	if (disk->ops->read(disk, name, 4096, &b, NULL) < 0)
		return NULL;
	text = fl_arena_strn(&w.arena, (const char *)b.p, b.n);
	fl_buf_done(&b);
	return text;
}

static bool sane(const char *current)
{
	return current && strlen(current) < 8 && current[0] >= '1' && current[0] <= '9';
}

static void test_restart(void **state)
{
	struct fl_follow_status st;

	(void)state;
	assert_int_equal(one_life(&st), 0);
	assert_true(sane(file("CURRENT")));
	assert_int_equal(one_life(&st), 1);
	assert_int_equal(st.files_set_aside, 0);
}

/* Whatever the file says: the enforcer starts, holds the list in the end, and the next start goes by its own disk again. */
static void test_damaged(void **state)
{
	static const char *const rows[] = { "18446744073709551615\n", "18446744073709551616\n", "9223372036854775807\n", "99999999999999999999999999\n", "0\n", "-1\n", " 3\n", "+3\n",
					    "3x\n", "", "\n", "\n\n", "nonsense",
					    "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_follow_status st;

		one_life(&st);
		assert_int_equal(fl_disk_replace(disk, "CURRENT", fl_span_str(rows[i]), NULL), 0);
		assert_int_equal(one_life(&st), 1); /* the newest sound generation is worth more than this file */
		if (st.files_set_aside != 1 || !strstr(st.problem, "CURRENT set aside as CURRENT.bad") || !file("CURRENT.bad") ||
		    strcmp(file("CURRENT.bad"), rows[i]) != 0 || !sane(file("CURRENT")))
			fail_msg("'%s': %d set aside, '%s', now '%s'", rows[i], (int)st.files_set_aside, st.problem, file("CURRENT"));
		assert_int_equal(one_life(&st), 1);
		assert_int_equal(st.files_set_aside, 0);
	}
}

/* A file of the folder that carries such a number does not carry it on. */
static void test_number_of_a_file(void **state)
{
	struct fl_follow_status st;

	(void)state;
	assert_int_equal(fl_disk_replace(disk, "image.18446744073709551615", fl_span_str("x"), NULL), 0);
	one_life(&st);
	assert_true(sane(file("CURRENT")));
	assert_null(file("image.18446744073709551615"));
	assert_int_equal(one_life(&st), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_restart, setup, teardown), cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
					    cmocka_unit_test_setup_teardown(test_number_of_a_file, setup, teardown) };

	return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
