/* The query-log ring: what is written is read once, in order, whole; drops follow the policy; a killed writer's ring is read by the next process; damage ends it. */
#include "tests/unit/enforcer/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/record.h"

enum { SIZE = 64 << 10 };
static char folder[64];

static struct fl_ring *create(uint32_t boot, uint32_t thread)
{
	struct fl_ring *r = NULL;
	struct fl_err err;

	if (fl__ring_create(folder, "ns1", boot, thread, SIZE, &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

static bool put(struct fl_ring *r, size_t n, bool keep, uint64_t *seq)
{
	uint8_t *to;

	*seq = fl__ring_number(r);
	to = fl__ring_begin(r, n, keep);
	if (!to)
		return false;
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(*seq + i);
	fl__ring_commit(r, *seq, n);
	return true;
}

static void assert_frame(const struct fl__frame *f, uint64_t seq, size_t n)
{
	assert_int_equal(f->seq, seq);
	assert_int_equal(f->body.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(f->body.p[i], (uint8_t)(seq + i));
}

/* Many times round, with every alignment of the end. */
static void test_wraps(void **state)
{
	struct fl_ring *r = create(1, 0);
	uint64_t pos = 0, seq;
	struct fl__frame f;
	size_t n = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		n = (n * 31 + 7) % 1500;
		assert_true(put(r, n, false, &seq));
		assert_int_equal(seq, i);
		assert_int_equal(fl__ring_next(r, &pos, &f), 1);
		assert_frame(&f, seq, n);
		fl__ring_release(r, f.end);
		assert_int_equal(fl__ring_next(r, &pos, &f), 0);
	}
	assert_int_equal(fl__ring_used(r), 0);
	fl__ring_close(r, true);
}

static void test_drop_policy(void **state)
{
	struct fl_ring *r = create(1, 0);
	uint64_t seq, written = 0, pos = 0;
	struct fl__frame f;

	(void)state;
	while (put(r, 1000, false, &seq))
		written++;
	assert_true(fl__ring_used(r) > SIZE * 7 / 10 && fl__ring_used(r) <= SIZE * 3 / 4);
	while (put(r, 1000, true, &seq)) /* BLOCK and ALERT still find room */
		written++;
	assert_true(fl__ring_used(r) > SIZE * 9 / 10 && fl__ring_used(r) <= SIZE);
	assert_false(put(r, 1000, true, &seq));
	assert_int_equal(seq, written + 2); /* what was dropped had numbers */
	for (uint64_t i = 0; i < written; i++)
		assert_int_equal(fl__ring_next(r, &pos, &f), 1);
	assert_int_equal(fl__ring_next(r, &pos, &f), 0);
	fl__ring_release(r, f.end);
	assert_true(put(r, 1000, false, &seq)); /* room again */
	fl__ring_close(r, true);
}

static void test_too_big_a_record(void **state)
{
	struct fl_ring *r = create(1, 0);

	(void)state;
	assert_null(fl__ring_begin(r, FL__RING_BODY_MAX + 1, true));
	fl__ring_close(r, true);
}

/* A child writes and is killed between any two of its stores; the parent reads what was committed. */
static void test_killed_writer(void **state)
{
	(void)state;
	for (int cut = 0; cut < 4; cut++) {
		char path[128];
		struct fl_ring *r = NULL;
		struct fl__frame f;
		uint64_t pos, seq;
		struct fl_err err;
		pid_t pid = fork();

		if (pid == 0) {
			r = create(7, 3);
			for (int i = 0; i < 10; i++)
				put(r, 100, false, &seq);
			seq = cut > 0 ? fl__ring_number(r) : 0;
			if (cut > 1) {
				uint8_t *to = fl__ring_begin(r, 100, false);

				memset(to, 0xee, 50);
			}
			if (cut > 2)
				fl__ring_commit(r, seq, 100);
			kill(getpid(), SIGKILL);
		}
		waitpid(pid, NULL, 0);
		snprintf(path, sizeof(path), "%s/ring-3.7", folder);
		if (fl__ring_open(path, &r, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(r->page->boot, 7);
		assert_int_equal(r->page->thread, 3);
		assert_string_equal(r->page->enforcer, "ns1");
		pos = atomic_load(&r->page->tail);
		for (uint64_t i = 0; i < 10; i++) {
			assert_int_equal(fl__ring_next(r, &pos, &f), 1);
			assert_frame(&f, i, 100);
		}
		assert_int_equal(fl__ring_next(r, &pos, &f), cut == 3);
		/* a number that was given and not committed is missing by one */
		assert_int_equal(atomic_load(&r->page->next_seq), 10 + (cut > 0));
		fl__ring_close(r, true);
	}
}

/* A kill after a skip frame, before the frame that it made room for: nothing is left over. */
static void test_skip_at_the_end(void **state)
{
	struct fl_ring *r = create(1, 0);
	uint64_t pos = 0, seq;
	struct fl__frame f;

	(void)state;
	while (put(r, 15000, true, &seq)) {
		assert_int_equal(fl__ring_next(r, &pos, &f), 1);
		fl__ring_release(r, f.end);
		if (r->size - f.end % r->size < 15000)
			break;
	}
	assert_non_null(fl__ring_begin(r, 15000, true)); /* and no commit */
	assert_true(fl__ring_used(r) > 0);
	assert_int_equal(fl__ring_next(r, &pos, &f), 0);
	fl__ring_release(r, pos);
	assert_int_equal(fl__ring_used(r), 0);
	fl__ring_close(r, true);
}

static void test_living_process_keeps_its_ring(void **state)
{
	struct fl_ring *r = create(9, 0), *other = NULL;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/ring-0.9", folder);
	assert_int_equal(fl__ring_open(path, &other, NULL), FL_EREFUSED);
	assert_int_equal(fl__ring_boot(folder, 3), 10);
	assert_int_equal(fl__ring_boot(folder, 30), 30);
	fl__ring_close(r, true);
}

/* Any one octet changed: a frame is read as it was written, or the ring ends; never a wrong record. */
static void test_damage(void **state)
{
	struct fl_ring *r = create(1, 0);
	size_t whole = FL__RING_PAGE + SIZE;
	uint8_t *copy = aligned_alloc(4096, whole);
	uint64_t seq, head;

	(void)state;
	for (int i = 0; i < 8; i++)
		put(r, 90, false, &seq);
	head = atomic_load(&r->page->head);
	for (size_t at = 0; at < FL__RING_PAGE + head; at++) {
		struct fl_ring ring = { .fd = -1 };
		struct fl__frame f;
		uint64_t pos = 0, n = 0;
		int ret;

		if (at >= sizeof(struct fl__ring_page) && at < FL__RING_PAGE)
			continue;
		memcpy(copy, r->page, whole);
		copy[at] ^= 0x41;
		ret = fl__ring_attach(copy, whole, &ring, NULL);
		if (ret < 0)
			continue;
		pos = atomic_load(&ring.page->tail);
		while ((ret = fl__ring_next(&ring, &pos, &f)) == 1) {
			assert_true(n < 8);
			if (pos <= head && atomic_load(&ring.page->tail) == 0)
				assert_frame(&f, f.seq, 90);
			n++;
		}
		if (at >= FL__RING_PAGE)
			assert_true(n < 8 || ret == 0); /* padding may change unseen */
	}
	free(copy);
	fl__ring_close(r, true);
}

static void test_refused_files(void **state)
{
	char path[128];
	struct fl_ring *r = create(5, 0), *other = NULL;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/ring-0.5", folder);
	r->page->format = 99;
	fl__ring_close(r, false);
	assert_int_equal(fl__ring_open(path, &other, NULL), FL_ECORRUPT);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(write(fd, "short", 5) == 5);
	close(fd);
	assert_int_equal(fl__ring_open(path, &other, NULL), FL_ECORRUPT);
	unlink(path);
	assert_int_equal(fl__ring_open(path, &other, NULL), FL_EIO);
	assert_true(fl__ring_create("/nonexistent", "ns1", 1, 0, SIZE, &other, NULL) < 0);
}

/* A record goes in and comes out the same. */
static void test_record(void **state)
{
	struct fl_ring *r = create(1, 2);
	struct fl_buf q = wquery(1, "CDN.evil.example", 1, 0, false), resp = { 0 };
	struct fl_question question;
	struct fl_client client = { .addr = { 10, 20, 4, 7 } };
	struct fl_decision d = { .action = FL_ACTION_BLOCK, .response = FL_BLOCK_NXDOMAIN, .rule_group = "baseline", .rule_name = "malware-rule", .list = "malware",
				 .association = "corp-lan", .list_version = 1842, .entry_scope = 3, .hop = 2 };
	struct fl_rkey entry;
	struct fl__record rec = { .at = 123456789, .duration_us = 41, .q = &question, .client = &client, .client_port = 51514, .d = &d, .rcode = 3, .tcp = true,
				  .upstream = "isp", .sources = { "urlhaus", "guardduty" }, .n_sources = 2 };
	uint64_t pos = 0, seq = fl__ring_number(r);
	struct fl__frame f;
	struct fl_qlog out;
	char text[FL_NAME_TEXT];

	(void)state;
	assert_int_equal(fl__question_parse(fl_buf_span(&q), &question), 0);
	assert_true(fl_rkey_from_text(fl_span_str("evil.example"), &entry));
	rec.entry = fl_rkey_span(&entry);
	wheader(&resp, 1, 0x8180, 1, 1, 0, 0);
	rec.response = fl_buf_span(&resp);
	assert_true(fl__record_write(r, seq, &rec));
	assert_int_equal(fl__ring_next(r, &pos, &f), 1);
	assert_true(fl__record_read(f.body, &out));
	assert_int_equal(out.ts_us, 123456789);
	assert_int_equal(out.duration_us, 41);
	assert_string_equal(out.association, "corp-lan");
	assert_string_equal(out.rule_group, "baseline");
	assert_string_equal(out.rule, "malware-rule");
	assert_string_equal(out.list, "malware");
	assert_string_equal(out.upstream, "isp");
	assert_int_equal(out.n_sources, 2);
	assert_string_equal(out.sources[1], "guardduty");
	assert_string_equal(fl_dname_to_text(&out.qname, text), "cdn.evil.example.");
	assert_string_equal(fl_rkey_to_text(fl_rkey_span(&out.entry), text), "evil.example");
	assert_true(out.tcp && !out.cached && !out.client_v6);
	assert_int_equal(out.client_port, 51514);
	assert_memory_equal(out.client, client.addr, 4);
	assert_int_equal(out.action, FL_ACTION_BLOCK);
	assert_int_equal(out.block_response, FL_BLOCK_NXDOMAIN);
	assert_int_equal(out.hop, 2);
	assert_int_equal(out.response.n, resp.n);
	for (size_t n = 0; n < f.body.n; n++) /* no part of it is a record */
		assert_false(fl__record_read(fl_span(f.body.p, n), &out));
	fl_buf_done(&q);
	fl_buf_done(&resp);
	fl__ring_close(r, true);
}

static int up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/fl-ring-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}
static int down(void **state)
{
	(void)state;
	return rmdir(folder); /* every ring was removed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wraps), cmocka_unit_test(test_drop_policy), cmocka_unit_test(test_too_big_a_record), cmocka_unit_test(test_killed_writer),
		cmocka_unit_test(test_skip_at_the_end), cmocka_unit_test(test_living_process_keeps_its_ring), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_refused_files), cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, up, down);
}
