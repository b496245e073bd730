/* The query log of the whole server: records on the bus, rings of killed processes, the local file. */
#include "tests/unit/enforcer/world.h"

#include <fcntl.h>
#include <sys/stat.h>

/* The broker refuses some, loses acknowledgements of others: after the end each record is there, at least once. */
static enum fl_bus_fault flaky(void *ctx, const char *what, const char *topic)
{
	unsigned *n = ctx;

	(void)topic;
	if (strcmp(what, "produce") != 0)
		return FL_BUS_OK;
	(*n)++;
	return *n % 7 == 3 ? FL_BUS_DOWN : *n % 7 == 5 ? FL_BUS_LOST_ACK : FL_BUS_OK;
}

/* Distinct records on the bus, by (worker, seq) below n. */
static unsigned distinct_records(struct world *w, unsigned n)
{
	struct fl_bus *reader = fl_bus_mem_open(w->broker, "fireline.");
	bool *seen = calloc((size_t)(WORKERS + 2) * n, sizeof(*seen));
	struct fl_bus_consumer *c = NULL;
	unsigned distinct = 0;
	struct fl_bus_msg m;

	assert_int_equal(fl_bus_consumer_open(reader, FL_TOPIC_QUERY_LOG, NULL, &c, NULL), 0);
	while (fl_bus_fetch(reader, c, 0, &m, NULL) == 1) {
		struct fl_buf text = { 0 };
		unsigned long seq, worker;
		char *at;

		fl_buf_add(&text, m.value.p, m.value.n);
		at = strstr(fl_buf_cstr(&text), "\"seq\":");
		assert_non_null(at);
		seq = strtoul(at + 6, NULL, 10);
		worker = strtoul(strstr(fl_buf_cstr(&text), "\"worker\":") + 9, NULL, 10);
		assert_true(seq < n && worker < WORKERS + 2);
		distinct += !seen[worker * n + seq];
		seen[worker * n + seq] = true;
		fl_buf_done(&text);
	}
	fl_bus_consumer_close(reader, c);
	fl_bus_close(reader);
	free(seen);
	return distinct;
}

static void with_broker(struct world *w, fl_bus_fault_plan *plan, void *ctx)
{
	w->broker = fl_bus_mem_new(fl_clock_sys(), 1);
	fl_bus_mem_faults(w->broker, plan, ctx);
	w->bus = fl_bus_mem_open(w->broker, "fireline.");
}

static void test_records_reach_the_bus(void **state)
{
	enum { N = 200 };
	struct world *w = open_world();
	unsigned faults = 0;

	(void)state;
	with_broker(w, flaky, &faults);
	start(w, NULL);
	ask_some(w, N);
	stop(w);
	fl_bus_mem_faults(w->broker, NULL, NULL);
	assert_int_equal(distinct_records(w, N), N);
	assert_int_equal(empty_folder(w->folder, "ring-"), 0); /* all delivered: no ring stays */
	close_world(w);
}

static enum fl_bus_fault away(void *ctx, const char *what, const char *topic)
{
	(void)ctx, (void)what, (void)topic;
	return FL_BUS_DOWN;
}

/* No broker, and rings too small for what is asked: every question is answered all the same, each record is either kept or counted as dropped, and the next start delivers exactly those kept. */
static void test_broker_away(void **state)
{
	enum { N = 800 };
	struct world *w = open_world();
	struct fl_server_stats s;

	(void)state;
	w->cfg.ring_bytes = 64 << 10;
	with_broker(w, away, NULL);
	start(w, NULL);
	ask_some(w, N);
	fl_server_stats(w->server, &s);
	assert_int_equal(s.answers, N);
	assert_int_equal(s.qlog_written + s.qlog_dropped, N);
	assert_true(s.qlog_dropped > 0 && s.qlog_written > 0);
	assert_int_equal(s.qlog_delivered, 0);
	fl_server_stop(w->server, 50);
	fl_bus_mem_faults(w->broker, NULL, NULL);
	start(w, NULL);
	stop(w);
	assert_int_equal(distinct_records(w, N), s.qlog_written);
	assert_int_equal(empty_folder(w->folder, "ring-"), 0);
	close_world(w);
}

static bool has_line(struct world *w, const char *line)
{
	struct fl_buf out = { 0 };
	bool there;

	fl_server_metrics(w->server, &out);
	there = strstr(fl_buf_cstr(&out), line);
	fl_buf_done(&out);
	return there;
}

static void damage_newest(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint64_t head, tail, size;

	assert_true(fd >= 0);
	assert_true(pread(fd, &size, 8, 24) == 8 && pread(fd, &head, 8, 256) == 8 && pread(fd, &tail, 8, 320) == 8);
	if (head > tail)
		assert_true(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16, (off_t)(4096 + (head - 16) % size)) == 16);
	close(fd);
}

/* A frame that goes bad in a ring in use costs itself, and not the log of all that comes after. */
static void test_damage_in_a_living_ring(void **state)
{
	struct world *w = open_world();
	int fd;
	uint8_t a[1500];
	char path[160];

	(void)state;
	start(w, NULL);
	fd = udp_client(w, "127.0.0.1"); /* one socket: one worker */
	pthread_mutex_lock(&w->lock);	 /* the log thread stays in the tap with the first record */
	for (uint16_t i = 0; i < 6; i++)
		assert_true(ask(fd, i, "evil.example", 1, a, sizeof(a)) > 0);
	for (int i = 0; i < WORKERS; i++) {
		snprintf(path, sizeof(path), "%s/ring-%d.%u", w->folder, i, w->server->boot);
		damage_newest(path);
	}
	pthread_mutex_unlock(&w->lock);
	assert_true(wait_for(w, &w->records, 5));
	for (int i = 0; i < WAIT_MS && !has_line(w, "fireline_querylog_rings_lost_total{reason=\"damaged\"} 1\n"); i++)
		usleep(1000);
	for (uint16_t i = 10; i < 15; i++)
		assert_true(ask(fd, i, "evil.example", 1, a, sizeof(a)) > 0);
	assert_true(wait_for(w, &w->records, 10));
	assert_int_equal(w->records, 10);
	assert_true(has_line(w, "fireline_querylog_rings_lost_total{reason=\"damaged\"} 1\n"));
	close(fd);
	close_world(w);
}

/* Killed again and again while the broker is away: the rings that stay behind are bounded, the newest are kept. */
static void test_old_rings_are_bounded(void **state)
{
	enum { LEFT = 80, OPEN = 64 };
	struct world *w = open_world();
	char path[160];
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (uint32_t boot = 1; boot <= LEFT; boot++) {
			struct fl_ring *r = NULL;
			struct fl_question q = { .has_name = false };
			struct fl_client client = { .v6 = false };
			struct fl_decision d = { 0 };
			struct fl__record rec = { .q = &q, .client = &client, .d = &d };

			fl__ring_create(w->folder, "ns1", boot, 0, 64 << 10, &r, NULL);
			fl__record_write(r, fl__ring_number(r), &rec);
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	with_broker(w, away, NULL);
	start(w, NULL);
	assert_true(has_line(w, "fireline_querylog_rings_lost_total{reason=\"surplus\"} 20\n"));
	snprintf(path, sizeof(path), "%s/ring-0.%d", w->folder, LEFT - (OPEN - WORKERS - 2));
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/ring-0.%d", w->folder, LEFT - (OPEN - WORKERS - 2) + 1);
	assert_int_equal(access(path, F_OK), 0);
	fl_server_stop(w->server, 0);
	w->server = NULL;
	close_world(w);
}

/* The file's folder is not there yet, or its disk was away: the log goes on when it comes. */
static void test_local_file_comes_back(void **state)
{
	struct world *w = open_world();
	char folder[96], file[128], line[4096];
	unsigned lines = 0;
	FILE *f;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/later", w->folder);
	snprintf(file, sizeof(file), "%s/query.jsonl", folder);
	w->cfg.query_log_file = file;
	start(w, NULL);
	ask_some(w, 2);
	assert_true(wait_for(w, &w->records, 2));
	for (int i = 0; i < WAIT_MS && !has_line(w, "fireline_querylog_records_total{sink=\"file\",result=\"failed\"} 2\n"); i++)
		usleep(1000);
	assert_int_equal(mkdir(folder, 0700), 0);
	for (int i = 0; i < 100 && access(file, F_OK) != 0; i++) {
		ask_some(w, 2);
		usleep(100000);
	}
	stop(w);
	f = fopen(file, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		assert_true(line[0] == '{' && strstr(line, "}\n"));
		lines++;
	}
	fclose(f);
	assert_true(lines > 0);
	unlink(file);
	rmdir(folder);
	close_world(w);
}

/* A process that was killed leaves its ring; the next one delivers it, and a damaged one is set aside. */
static void test_rings_of_a_killed_process(void **state)
{
	struct world *w = open_world();
	char path[160];
	FILE *f;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct fl_ring *r = NULL;
		struct fl_buf b = wquery(1, "before.example", 1, 0, false);
		struct fl_question q;
		struct fl_client client = { .addr = { 10, 1, 1, 1 } };
		struct fl_decision d = { 0 };
		struct fl__record rec = { .q = &q, .client = &client, .d = &d };

		fl__question_parse(fl_buf_span(&b), &q);
		fl__ring_create(w->folder, "ns1", 1, 0, 1 << 20, &r, NULL);
		for (int i = 0; i < 50; i++)
			fl__record_write(r, fl__ring_number(r), &rec);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/ring-9.1", w->folder);
	f = fopen(path, "w");
	for (int i = 0; i < 80000; i++)
		fputc('x', f);
	fclose(f);
	start(w, NULL);
	/* the tap may come after the first of them was read; they are gone from the folder when all were */
	snprintf(path, sizeof(path), "%s/ring-0.1", w->folder);
	for (int i = 0; i < WAIT_MS && access(path, F_OK) == 0; i++)
		usleep(1000);
	assert_int_not_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/ring-9.1.bad", w->folder);
	assert_int_equal(access(path, F_OK), 0);
	ask_some(w, 4);
	close_world(w);
}

static unsigned count_bad(const char *folder, char *one, size_t cap)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned n = 0;

	while (dir && (e = readdir(dir)))
		if (strstr(e->d_name, ".bad")) {
			snprintf(one, cap, "%s", e->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

/* Rings that rot again and again do not fill the memory that the folder is: the newest set aside is kept, and each is counted. */
static void test_set_aside_is_bounded(void **state)
{
	struct world *w = open_world();
	char path[160], one[300] = "";
	struct fl_server_stats s;

	(void)state;
	for (int life = 1; life <= 3; life++) {
		for (int i = 0; i < 3; i++) {
			FILE *f;

			snprintf(path, sizeof(path), "%s/ring-%d.%d", w->folder, i, life);
			f = fopen(path, "w");
			assert_non_null(f);
			fputs("no ring", f);
			fclose(f);
		}
		start(w, NULL);
		assert_int_equal(count_bad(w->folder, one, sizeof(one)), 1);
		snprintf(path, sizeof(path), ".%d.bad", life);
		assert_non_null(strstr(one, path));
		fl_server_stats(w->server, &s);
		assert_int_equal(s.qlog_rings_damaged, 3);
		assert_true(has_line(w, "fireline_querylog_rings_lost_total{reason=\"damaged\"} 3\n"));
		ask_some(w, 4);
		stop(w);
	}
	close_world(w);
}

static void test_local_file_rotates(void **state)
{
	struct world *w = open_world();
	char path[128], line[4096];
	unsigned lines = 0;

	(void)state;
	w->cfg.query_log_file = w->file;
	w->cfg.query_log_file_rotate = 8192;
	w->cfg.query_log_file_keep = 100;
	start(w, NULL);
	ask_some(w, 60);
	stop(w);
	for (int i = 0; i <= 100; i++) {
		FILE *f;

		snprintf(path, sizeof(path), i ? "%s.%d" : "%s", w->file, i);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			assert_true(line[0] == '{' && strstr(line, "}\n"));
			lines++;
		}
		if (f)
			fclose(f);
	}
	assert_int_equal(lines, 60);
	snprintf(path, sizeof(path), "%s.1", w->file);
	assert_int_equal(access(path, F_OK), 0);
	close_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_reach_the_bus),
		cmocka_unit_test(test_broker_away),
		cmocka_unit_test(test_damage_in_a_living_ring),
		cmocka_unit_test(test_old_rings_are_bounded),
		cmocka_unit_test(test_local_file_comes_back),
		cmocka_unit_test(test_rings_of_a_killed_process),
		cmocka_unit_test(test_set_aside_is_bounded),
		cmocka_unit_test(test_local_file_rotates),
	};

	return cmocka_run_group_tests(tests, up, down);
}
