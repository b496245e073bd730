/* What the ledger promises its users: 0 from a flush means that topic or file has every record, in order; a broker that is away is not waited for twice; the file loses nothing to a crash, and is
 * cut only behind delivery reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sets/ledger_int.h"

static struct fl_clock_mem hours;
static struct fl_bus_mem *broker;
static struct fl_bus *bus;
static struct fl_disk_mem *files;
static struct fl_disk *disk;
static struct fl_ledger *l;
static struct fl_err why;
static enum fl_bus_fault bus_fault;
static const char *disk_fault; /* the call that fails; NULL none */
static int disk_code;
static unsigned produced;
static uint64_t others_tag;

static enum fl_bus_fault bus_plan(void *ctx, const char *what, const char *topic)
{
	(void)ctx, (void)topic;
	produced += strcmp(what, "produce") == 0;
	return bus_fault;
}

static int disk_plan(void *ctx, const char *what, const char *path)
{
	(void)ctx, (void)path;
	return disk_fault && strcmp(what, disk_fault) == 0 ? disk_code : 0;
}

static void others(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	(void)ctx, (void)code, (void)partition, (void)offset;
	others_tag = tag;
}

static void open_with(bool keeps, bool with_disk, uint64_t max)
{
	struct fl_ledger_config c = { .topic = "t", .type = "x.v1", .source = "/x", .bus = bus, .bus_keeps = keeps, .disk = with_disk ? disk : NULL, .file = "t", .clock = &hours.door,
				      .file_max = max, .others = others };

	assert_int_equal(fl_ledger_open(&c, &l, &why), 0);
}

static int setup(void **state)
{
	(void)state;
	fl_clock_mem_init(&hours, INT64_C(1790000000) * FL_US_PER_S);
	broker = fl_bus_mem_new(&hours.door, 1);
	fl_bus_mem_faults(broker, bus_plan, NULL);
	bus = fl_bus_mem_open(broker, "");
	files = fl_disk_mem_new();
	fl_disk_mem_faults(files, disk_plan, NULL);
	disk = fl_disk_mem_open(files);
	bus_fault = FL_BUS_OK;
	disk_fault = NULL;
	disk_code = FL_EIO;
	produced = 0;
	others_tag = 0;
	l = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_ledger_close(l);
	fl_bus_close(bus);
	disk->ops->close(disk);
	fl_bus_mem_free(broker);
	fl_disk_mem_free(files);
	return 0;
}

#define LEDGER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void put(const char *key, const char *value)
{
	assert_int_equal(fl_ledger_put(l, fl_span_str(key), fl_span_str(value), &why), 0);
}

static int flush(void)
{
	memset(&why, 0, sizeof(why));
	return fl_ledger_flush(l, &why);
}

static struct fl_ledger_status status(void)
{
	struct fl_ledger_status s;

	fl_ledger_status(l, &s);
	return s;
}

static int add_value(void *ctx, struct fl_span key, struct fl_span value)
{
	(void)key;
	fl_buf_add(ctx, value.p, value.n);
	fl_buf_u8(ctx, ' ');
	return 0;
}

static const char *in_file(void)
{
	static struct fl_buf b;

	fl_buf_reset(&b);
	assert_int_equal(fl_ledger_local(l, add_value, &b, &why), 0);
	return fl_buf_cstr(&b);
}

static const char *in_topic(void)
{
	static struct fl_buf b;
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	fl_buf_reset(&b);
	fl_bus_mem_faults(broker, NULL, NULL);
	if (fl_bus_consumer_open(bus, "t", NULL, &c, NULL) == 0) {
		while (fl_bus_fetch(bus, c, 0, &m, NULL) == 1)
			add_value(&b, m.key, m.value);
		fl_bus_consumer_close(bus, c);
	}
	fl_bus_mem_faults(broker, bus_plan, NULL);
	return fl_buf_cstr(&b);
}

static void seconds(int n)
{
	while (n--) {
		fl_clock_mem_advance(&hours, FL_NS_PER_S);
		for (int i = 0; i < 4; i++)
			fl_ledger_step(l);
	}
}

static size_t keep_nothing(void *ctx, size_t unsynced)
{
	(void)ctx, (void)unsynced;
	return 0;
}

static void again(bool power_cut)
{
	fl_ledger_close(l);
	l = NULL;
	if (power_cut)
		fl_disk_mem_power_cut(files, keep_nothing, NULL);
	else
		fl_disk_mem_kill(files);
	disk->ops->close(disk);
	disk = fl_disk_mem_open(files);
	open_with(true, true, 0);
}

/* --- */

static void test_the_topic_has_it(void **state)
{
	(void)state;
	open_with(true, true, 0);
	assert_int_equal(flush(), 0);
	put("a", "1");
	put("b", "2");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_topic(), "1 2 ");
	assert_string_equal(in_file(), "");
	assert_int_equal(status().delivered, 2);
	assert_int_equal(status().pending, 0);
	assert_true(status().bus_keeps);
}

static void test_headers(void **state)
{
	struct fl_bus_consumer *c;
	struct fl_bus_msg m;

	(void)state;
	open_with(true, true, 0);
	put("a", "1");
	assert_int_equal(flush(), 0);
	assert_int_equal(fl_bus_consumer_open(bus, "t", NULL, &c, NULL), 0);
	assert_int_equal(fl_bus_fetch(bus, c, 0, &m, NULL), 1);
	assert_int_equal(m.n_headers, 7);
	assert_string_equal(m.headers[0].key, "ce_specversion");
	assert_true(fl_span_eqs(m.headers[2].value, "/x"));
	assert_true(fl_span_eqs(m.headers[3].value, "x.v1"));
	assert_true(fl_span_eqs(m.headers[5].value, "a"));
	fl_bus_consumer_close(bus, c);
}

static void test_the_file_has_it_and_sends_it_on(void **state)
{
	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DOWN;
	put("a", "1");
	put("b", "2");
	assert_int_equal(flush(), 0);
	assert_true(status().away);
	produced = 0;
	put("a", "3"); /* not tried again: behind the others, in order */
	assert_int_equal(flush(), 0);
	assert_int_equal(produced, 0);
	assert_string_equal(in_file(), "1 2 3 ");
	assert_int_equal(status().pending, 3);
	seconds(5);
	assert_int_equal(status().pending, 3);
	bus_fault = FL_BUS_OK;
	seconds(40);
	assert_string_equal(in_topic(), "1 2 3 ");
	assert_string_equal(in_file(), "");
	assert_int_equal(status().pending, 0);
	assert_int_equal(status().sent_on, 3);
	assert_false(status().away);
	put("a", "4");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_topic(), "1 2 3 4 ");
}

static void test_a_lost_report_is_a_repeat(void **state)
{
	(void)state;
	open_with(true, true, 0);
	put("a", "1");
	bus_fault = FL_BUS_LOST_ACK;
	put("a", "2");
	bus_fault = FL_BUS_OK;
	put("a", "3");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_file(), "2 3 "); /* the last word of a key stays the last */
	seconds(40);
	assert_string_equal(in_topic(), "1 2 3 2 3 ");
	assert_int_equal(status().pending, 0);
}

static void test_a_late_report(void **state)
{
	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DELAY;
	put("a", "1");
	assert_int_equal(flush(), 0); /* the report is not there in time: the file has it */
	assert_string_equal(in_file(), "1 ");
	bus_fault = FL_BUS_OK;
	put("b", "2");
	assert_int_equal(flush(), 0);
	seconds(40);
	assert_string_equal(in_file(), "");
	assert_non_null(strstr(in_topic(), "1 2 "));
}

static void test_reports_of_others(void **state)
{
	(void)state;
	open_with(true, true, 0);
	assert_int_equal(fl_bus_produce(bus, FL_BUS_CONTROL, "u", fl_span_str("k"), fl_span_str("v"), NULL, 0, 77, &why), 0);
	put("a", "1");
	assert_int_equal(flush(), 0);
	assert_int_equal(others_tag, 77);
	assert_false(fl_ledger_report(l, 77, 0));
	assert_true(fl_ledger_report(l, UINT64_C(1) << 63, 0));
}

static void test_nobody_flushes(void **state)
{
	(void)state;
	open_with(true, true, 0);
	put("a", "1");
	seconds(1);
	assert_int_equal(status().delivered, 1);
	bus_fault = FL_BUS_DOWN;
	put("a", "2");
	put("a", "3");
	seconds(2);
	assert_int_equal(status().pending, 2);
}

static void test_neither(void **state)
{
	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DOWN;
	disk_fault = "append";
	put("a", "1");
	assert_int_equal(flush(), FL_EUNAVAIL);
	assert_non_null(strstr(why.text, "not acknowledged"));
	assert_non_null(strstr(status().problem, "nothing is acknowledged"));
	assert_int_equal(status().failed, 1);
	assert_int_equal(flush(), 0); /* nothing is left over */
	disk_fault = "sync";
	put("a", "2");
	assert_int_equal(flush(), FL_EUNAVAIL);
	disk_fault = NULL;
	put("a", "3");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_file(), "3 "); /* what a failed append left is cut */
	again(true);
	assert_string_equal(in_file(), "3 ");
}

static void test_no_file_but_a_broker(void **state)
{
	(void)state;
	open_with(true, false, 0);
	put("a", "1");
	assert_int_equal(flush(), 0);
	bus_fault = FL_BUS_DOWN;
	put("a", "2");
	assert_int_equal(flush(), FL_EUNAVAIL);
	bus_fault = FL_BUS_OK;
	put("a", "3");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_topic(), "1 3 ");
}

/* The file is broken while the broker is thought to be away: then it is asked after all. */
static void test_last_resort(void **state)
{
	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DOWN;
	put("a", "1");
	assert_int_equal(flush(), 0);
	bus_fault = FL_BUS_OK;
	disk_fault = "truncate"; /* sent on, and cannot be cut yet */
	seconds(3);
	assert_int_equal(status().pending, 1);
	assert_non_null(strstr(status().problem, "truncate"));
	disk_fault = NULL;
	seconds(40);
	assert_int_equal(status().pending, 0);
	assert_string_equal(in_topic(), "1 ");
	assert_string_equal(status().problem, "");
	bus_fault = FL_BUS_DOWN;
	put("a", "2");
	assert_int_equal(flush(), 0);
	disk_fault = "append";
	put("a", "3");
	assert_int_equal(flush(), FL_EUNAVAIL); /* never before what waits */
}

static void test_full(void **state)
{
	(void)state;
	open_with(true, true, 60);
	bus_fault = FL_BUS_DOWN;
	put("a", "0123456789");
	assert_int_equal(flush(), 0);
	put("a", "0123456789");
	assert_int_equal(flush(), FL_ELIMIT);
	assert_non_null(strstr(status().problem, "full"));
	bus_fault = FL_BUS_OK;
	seconds(40);
	put("a", "0123456789");
	assert_int_equal(flush(), 0);
	assert_string_equal(status().problem, "");
	assert_int_equal(fl_ledger_put(l, fl_span_str("a"), fl_span(why.text, FL_LEDGER_RECORD_MAX + 1), &why), FL_ELIMIT);
}

static void test_crashes(void **state)
{
	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DOWN;
	put("a", "1");
	put("b", "2");
	assert_int_equal(flush(), 0);
	again(false);
	assert_string_equal(in_file(), "1 2 ");
	again(true);
	assert_string_equal(in_file(), "1 2 ");
	assert_int_equal(status().pending, 2);
	/* sent on, and dead before the cut: again */
	bus_fault = FL_BUS_OK;
	disk_fault = "truncate";
	seconds(3);
	again(true);
	disk_fault = NULL;
	seconds(3);
	assert_non_null(strstr(in_topic(), "1 2 1 2 "));
	assert_int_equal(status().pending, 0);
}

static void whole_file(struct fl_buf *b)
{
	fl_buf_reset(b);
	assert_int_equal(disk->ops->read(disk, "t", 1 << 20, b, &why), 0);
}

/* Every length of a torn tail, and every flipped bit: what is whole stays, nothing else comes. */
static void test_torn_and_rotten(void **state)
{
	struct fl_buf good = { 0 }, now = { 0 };

	(void)state;
	open_with(true, true, 0);
	bus_fault = FL_BUS_DOWN;
	put("a", "first");
	put("b", "second");
	put("c", "third");
	assert_int_equal(flush(), 0);
	whole_file(&good);
	for (size_t n = 0; n < good.n; n++) {
		assert_int_equal(fl_disk_replace(disk, "t", fl_span(good.p, n), &why), 0);
		again(false);
		assert_string_equal(status().problem, "");
		assert_true(strncmp("first second third ", in_file(), strlen(in_file())) == 0);
		put("d", "fourth");
		assert_int_equal(flush(), 0);
		assert_non_null(strstr(in_file(), "fourth "));
	}
	for (size_t bit = 0; bit < good.n * 8; bit++) {
		assert_int_equal(fl_disk_replace(disk, "t", fl_buf_span(&good), &why), 0);
		assert_true(fl_disk_mem_corrupt(files, "t", bit));
		again(false);
		assert_true(status().pending >= 2);
		assert_true(bit < 8 * FL_LEDGER_HEAD || strcmp(in_file(), "first second third ") != 0);
		if (status().pending == 3)
			assert_string_equal(in_file(), "first second third ");
		if (strcmp(in_file(), "first third ") == 0 || strcmp(in_file(), "second third ") == 0) { /* not at its tail */
			assert_non_null(strstr(status().problem, "damaged"));
			fl_buf_reset(&now);
			assert_int_equal(disk->ops->read(disk, "t.bad", 1 << 20, &now, &why), 0);
			assert_int_equal(now.n, good.n);
		}
	}
	fl_buf_done(&good);
	fl_buf_done(&now);
}

static int three(void *ctx, struct fl_span *key, struct fl_span *value)
{
	static const char *const words[] = { "x", "y", "z" };
	int *i = ctx;

	if (*i < 0 || *i == 3)
		return *i < 0 ? FL_ENOMEM : 0;
	*key = *value = fl_span_str(words[(*i)++]);
	return 1;
}

static void test_the_file_is_the_ledger(void **state)
{
	int i = -1;

	(void)state;
	open_with(false, true, 0);
	put("a", "1");
	put("a", "2");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_file(), "1 2 ");
	assert_string_equal(in_topic(), "1 2 "); /* the bus hears of it */
	assert_int_equal(status().pending, 0);
	seconds(40);
	assert_string_equal(in_file(), "1 2 ");
	assert_int_equal(fl_ledger_rewrite(l, three, &i, &why), FL_ENOMEM);
	assert_string_equal(in_file(), "1 2 ");
	disk_fault = "rename";
	i = 0;
	assert_int_equal(fl_ledger_rewrite(l, three, &i, &why), FL_EIO);
	disk_fault = NULL;
	assert_string_equal(in_file(), "1 2 ");
	i = 0;
	assert_int_equal(fl_ledger_rewrite(l, three, &i, &why), 0);
	put("a", "3");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_file(), "x y z 3 ");
	fl_ledger_close(l);
	open_with(true, true, 0);
	i = 0;
	assert_int_equal(fl_ledger_rewrite(l, three, &i, &why), FL_EREFUSED);
}

static void test_a_folder_that_comes_later(void **state)
{
	(void)state;
	disk_fault = "open";
	open_with(true, true, 0);
	assert_non_null(strstr(status().problem, "ledger file"));
	bus_fault = FL_BUS_DOWN;
	put("a", "1");
	assert_int_equal(flush(), FL_EUNAVAIL);
	disk_fault = NULL;
	put("a", "2");
	assert_int_equal(flush(), 0);
	assert_string_equal(in_file(), "2 ");
	assert_string_equal(status().problem, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEDGER(test_the_topic_has_it),		  LEDGER(test_headers),
		LEDGER(test_the_file_has_it_and_sends_it_on), LEDGER(test_a_lost_report_is_a_repeat),
		LEDGER(test_a_late_report),		  LEDGER(test_reports_of_others),
		LEDGER(test_nobody_flushes),		  LEDGER(test_neither),
		LEDGER(test_no_file_but_a_broker),	  LEDGER(test_last_resort),
		LEDGER(test_full),			  LEDGER(test_crashes),
		LEDGER(test_torn_and_rotten),		  LEDGER(test_the_file_is_the_ledger),
		LEDGER(test_a_folder_that_comes_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
