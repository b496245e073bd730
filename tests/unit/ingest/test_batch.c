/* What many findings at once come to: few versions, each finding its own word, nothing of one lost by another's fault. And the intake that they wait in. */
#include "ingest/intake.h"
#include "ingest_help.h"

#include <pthread.h>

enum { BURST = 10000, SENDERS = 4, EACH = 2000 };

static struct fl_findings_stage *st;
static struct fl_intake *queue;
static _Atomic unsigned wakes; /* senders are threads */

static void woken(void *ctx)
{
	(void)ctx;
	wakes++;
}

static int setup(void **state)
{
	struct fl_findings_config c;

	(void)state;
	if (ingest_world() < 0)
		return -1;
	wakes = 0;
	assert_int_equal(fl_intake_open(woken, NULL, &queue, &why), 0);
	c = (struct fl_findings_config){ .cfg = &cfg, .sets = &w.f, .clock = &w.clock.door, .random = &w.random.door, .names = names_lib, .intake = queue };
	assert_int_equal(fl_findings_open(&c, &st, &why), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fl_intake_close(queue);
	fl_findings_close(st);
	fl_intake_free(queue);
	return ingest_world_end();
}

#define BATCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void step(void)
{
	fl_mono_ns wake;

	assert_int_equal(fl_findings_step(st, fl_now_mono(&w.clock.door), &wake), 0);
}

/* A document of ours on its way. */
struct sent {
	struct fl_intake_item item;
	bool done;
};

static void is_done(void *ctx, struct fl_intake_item *item)
{
	struct sent *s = ctx;

	assert_ptr_equal(&s->item, item);
	assert_false(s->done);
	s->done = true;
}

static void send(struct sent *s, const char *json)
{
	*s = (struct sent){ .item = { .source = "q", .actor = "q", .json = fl_span_str(json), .received_at = fl_now_unix(&w.clock.door), .done = is_done, .ctx = s } };
	assert_int_equal(fl_intake_push(queue, &s->item), 0);
}

#define C2 "Backdoor:EC2/C&CActivity.B!DNS"

static const char *finding(const char *id, const char *domain, bool archived, int updated_s)
{
	return fl_arena_printf(&w.arena,
			       "{\"schemaVersion\":\"2.0\",\"id\":\"%s\",\"type\":\"" C2 "\",\"severity\":8,\"updatedAt\":\"2026-09-01T00:00:%02dZ\",\"service\":{\"archived\":%s,"
			       "\"action\":{\"dnsRequestAction\":{\"domain\":\"%s\"}}}}",
			       id, updated_s, archived ? "true" : "false", domain);
}

static const char *nth(const char *what, size_t i)
{
	return fl_arena_printf(&w.arena, "%s%zu.example", what, i);
}

static uint64_t entries(void)
{
	struct fl_source_version v;

	return version_of("q.block", &v) ? v.digests.entries : 0;
}

/* The first is not kept waiting by those that come while it becomes durable; they make few versions; each is told its own outcome. */
static void test_burst(void **state)
{
	struct sent *v = calloc(BURST, sizeof(*v));
	uint64_t first, last;

	(void)state;
	assert_non_null(v);
	send(&v[0], finding("0", nth("n", 0), false, 1));
	step();
	assert_true(v[0].done);
	first = version_of("q.block", NULL);
	for (size_t i = 1; i < BURST; i++)
		send(&v[i], finding(fl_arena_printf(&w.arena, "%zu", i), nth("n", i), false, 1));
	for (int i = 0; i < 4; i++)
		step();
	for (size_t i = 0; i < BURST; i++)
		if (!v[i].done || v[i].item.ret || v[i].item.outcome.accepted != 1 || strcmp(v[i].item.outcome.source, "q.block") != 0 || !v[i].item.outcome.version)
			fail_msg("finding %zu: %d, accepted %u", i, v[i].item.ret, v[i].item.outcome.accepted);
	assert_int_equal(entries(), BURST);
	last = version_of("q.block", NULL);
	assert_true(last - first <= 10);
	/* the same again: nothing is written */
	for (size_t i = 0; i < BURST; i++)
		send(&v[i], finding(fl_arena_printf(&w.arena, "%zu", i), nth("n", i), false, 1));
	for (int i = 0; i < 4; i++)
		step();
	for (size_t i = 0; i < BURST; i++)
		assert_true(v[i].done && v[i].item.ret == 0 && v[i].item.outcome.duplicate == 1);
	assert_int_equal(version_of("q.block", NULL), last);
	free(v);
}

/* Words about one claim in one batch come to what they would one by one. */
static void test_words_of_one_claim(void **state)
{
	struct sent v[6];

	(void)state;
	send(&v[0], finding("1", "a.example", false, 1));
	send(&v[1], finding("1", "a.example", false, 1)); /* a repeat */
	send(&v[2], finding("2", "b.example", false, 1));
	send(&v[3], finding("2", "b.example", true, 2)); /* taken back */
	send(&v[4], finding("3", "c.example", true, 5));
	send(&v[5], finding("3", "c.example", false, 4)); /* late: the withdrawal is later */
	step();
	for (size_t i = 0; i < 6; i++)
		assert_true(v[i].done && v[i].item.ret == 0);
	assert_int_equal(v[0].item.outcome.accepted + v[1].item.outcome.accepted, 1);
	assert_int_equal(v[0].item.outcome.duplicate + v[1].item.outcome.duplicate, 1);
	assert_int_equal(v[3].item.outcome.withdrawn, 1);
	assert_int_equal(v[4].item.outcome.withdrawn, 1);
	assert_int_equal(v[5].item.outcome.duplicate, 1);
	assert_true(holds("q.block", "a.example"));
	assert_int_equal(version_of("q.block", NULL), 1);
}

/* A document of the batch takes back what others of it say of the same finding, whatever name it has itself, as it would of what was there before; and it stays so when they come again. */
static void test_archive_in_one_batch(void **state)
{
	static const char say_a[] = "{\"id\":\"case-7\",\"domain\":\"a.example\"}", close_b[] = "{\"id\":\"case-7\",\"domain\":\"b.example\",\"archived\":true}";
	struct sent v[5];

	(void)state;
	send(&v[0], say_a);
	send(&v[1], close_b);
	send(&v[2], finding("9", "c.example", false, 3));
	send(&v[3], finding("9", "d.example", true, 3));
	send(&v[4], finding("9", "e.example", false, 2)); /* late: it was closed since */
	step();
	for (size_t i = 0; i < 5; i++)
		assert_true(v[i].done && v[i].item.ret == 0);
	assert_true(holds("q.block", ""));
	send(&v[0], say_a);
	send(&v[2], finding("9", "c.example", false, 3));
	send(&v[4], finding("9", "e.example", false, 2));
	step();
	assert_true(holds("q.block", ""));
	send(&v[2], finding("9", "c.example", false, 4)); /* opened again */
	step();
	assert_true(holds("q.block", "c.example"));
}

/* One document cannot be of any size, and says so. */
static void test_too_many_names(void **state)
{
	struct fl_buf b = { 0 };
	struct sent v[2];

	(void)state;
	fl_buf_str(&b, "[");
	for (int i = 0; i < 50001; i++)
		fl_buf_printf(&b, "%s{\"id\":\"%d\",\"domain\":\"n%d.example\"}", i ? "," : "", i, i);
	fl_buf_str(&b, "]");
	send(&v[0], fl_buf_cstr(&b));
	send(&v[1], finding("1", "a.example", false, 1));
	step();
	assert_int_equal(v[0].item.ret, FL_ELIMIT);
	assert_non_null(strstr(v[0].item.err.text, "in parts"));
	assert_int_equal(v[1].item.ret, 0);
	assert_true(holds("q.block", "a.example"));
	fl_buf_done(&b);
}

/* Several findings name one domain: it leaves with the last of them, in whatever batches they come. */
static void test_one_name_many_findings(void **state)
{
	struct sent v[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		send(&v[i], finding(fl_arena_printf(&w.arena, "%zu", i), "a.example", false, 1));
	step();
	assert_true(holds("q.block", "a.example"));
	for (size_t i = 0; i < 3; i++)
		send(&v[i], finding(fl_arena_printf(&w.arena, "%zu", i), "a.example", true, 2));
	step();
	assert_true(holds("q.block", "a.example"));
	send(&v[3], finding("3", "a.example", true, 2));
	step();
	assert_true(holds("q.block", ""));
}

/* What cannot be read, or cannot be written, keeps no other. */
static void test_each_its_own_word(void **state)
{
	struct fl_claim c = { .source = "q.block", .finding = "1", .key = gen_rkey("a.example") };
	struct sent v[5];

	(void)state;
	send(&v[0], finding("1", "a.example", false, 1));
	step();
	fl_claim_id(&c);
	redis_int(&w, fl_arena_printf(&w.arena, "HSET {fl}:source/q.block:claim:%s json broken", c.id));
	send(&v[0], finding("1", "a.example", false, 2));
	send(&v[1], "{\"half\":");
	send(&v[2], finding("2", "b.example", false, 1));
	send(&v[3], finding("3", "co.uk", false, 1));
	send(&v[4], finding("4", "a.example", false, 1)); /* whose other claim is broken: nobody knows what the name is */
	step();
	assert_int_equal(v[0].item.ret, FL_ECORRUPT);
	assert_true(v[0].item.err.text[0]);
	assert_int_equal(v[1].item.ret, FL_EFORMAT);
	assert_int_equal(v[2].item.ret, 0);
	assert_int_equal(v[2].item.outcome.accepted, 1);
	assert_int_equal(v[3].item.ret, 0);
	assert_int_equal(v[3].item.outcome.refused, 1);
	assert_true(v[3].item.outcome.reason[0]);
	assert_int_equal(v[4].item.ret, FL_ECORRUPT);
	assert_true(holds("q.block", "a.example b.example"));
}

static void test_nothing_is_acknowledged_without_store(void **state)
{
	struct sent v[2];

	(void)state;
	send(&v[0], finding("1", "a.example", false, 1));
	store_away(true);
	step();
	assert_true(v[0].done);
	assert_int_equal(v[0].item.ret, FL_EUNAVAIL);
	assert_int_equal(v[0].item.outcome.accepted, 0);
	store_away(false);
	send(&v[0], finding("1", "a.example", false, 1));
	send(&v[1], finding("2", "b.example", false, 1));
	step();
	assert_int_equal(v[0].item.ret + v[1].item.ret, 0);
	assert_true(holds("q.block", "a.example b.example"));
}

/* Every call of a batch lost in turn, before or after it was carried out: what is acknowledged is there, and a repeat finds it. */
static void test_every_lost_call(void **state)
{
	(void)state;
	for (int i = 1; i <= 24; i++) {
		struct sent v[3];
		bool again = true;

		w.lossy = (struct lossy){ w.lossy.door, w.lossy.inner, 0, 1 + (uint32_t)i / 2 % 8, 1 + (uint32_t)i % 5, i % 2 ? FL_FAULT_AFTER : FL_FAULT_BEFORE };
		for (int round = 0; round < 4 && again; round++) {
			again = false;
			for (size_t k = 0; k < 3; k++)
				send(&v[k], finding(fl_arena_printf(&w.arena, "%d.%zu", i, k), nth(fl_arena_printf(&w.arena, "n%d-", i), k), false, 1));
			step();
			for (size_t k = 0; k < 3; k++) {
				assert_true(v[k].done);
				again = again || v[k].item.ret < 0;
				if (v[k].item.ret == 0)
					assert_int_equal(v[k].item.outcome.accepted + v[k].item.outcome.duplicate, 1);
			}
			w.lossy.at = 0;
		}
		assert_false(again);
		assert_int_equal(entries(), 3 * i);
	}
}

/* --- the intake --- */

static void test_intake_bounds(void **state)
{
	struct sent *v = calloc(FL_INTAKE_ITEMS + 1, sizeof(*v));
	struct fl_intake_item *first, *last;
	size_t n = 0;

	(void)state;
	assert_non_null(v);
	for (size_t i = 0; i < FL_INTAKE_ITEMS; i++)
		send(&v[i], "{}");
	assert_int_equal(wakes, 1); /* of an empty queue, once */
	assert_int_equal(fl_intake_push(queue, &v[FL_INTAKE_ITEMS].item), FL_ELIMIT);
	first = fl_intake_take(queue, 10, SIZE_MAX);
	assert_ptr_equal(first, &v[0].item);
	for (last = first; last; last = last->next)
		n++;
	assert_int_equal(n, 10);
	for (struct fl_intake_item *it = first, *next; it; it = next) {
		next = it->next;
		it->done(it->ctx, it);
	}
	send(&v[0], "{}");
	fl_intake_close(queue); /* those that wait are given back */
	for (size_t i = 0; i < FL_INTAKE_ITEMS; i++)
		assert_true(v[i].done);
	assert_int_equal(v[11].item.ret, FL_EUNAVAIL);
	assert_int_equal(fl_intake_push(queue, &v[0].item), FL_EUNAVAIL);
	free(v);
}

static void test_intake_bytes(void **state)
{
	static uint8_t big[FL_INTAKE_BYTES / 4];
	struct sent v[6];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		v[i] = (struct sent){ .item = { .source = "q", .actor = "q", .json = fl_span(big, sizeof(big)), .done = is_done, .ctx = &v[i] } };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(fl_intake_push(queue, &v[i].item), 0);
	assert_int_equal(fl_intake_push(queue, &v[4].item), FL_ELIMIT);
	/* a batch is bounded in bytes too, and never empty */
	assert_ptr_equal(fl_intake_take(queue, 10, 1), &v[0].item);
	assert_null(v[0].item.next);
	assert_ptr_equal(fl_intake_take(queue, 10, 2 * sizeof(big)), &v[1].item);
	assert_ptr_equal(v[1].item.next, &v[2].item);
	assert_null(v[2].item.next);
	fl_intake_close(queue);
	assert_true(v[3].done && v[3].item.ret == FL_EUNAVAIL);
}

static void *sender(void *arg)
{
	struct sent *v = arg;

	for (size_t i = 0; i < EACH; i++) {
		v[i] = (struct sent){ .item = { .source = "q", .actor = "q", .json = fl_span_str("{"), .done = is_done, .ctx = &v[i] } };
		assert_int_equal(fl_intake_push(queue, &v[i].item), 0);
	}
	return NULL;
}

/* Senders of many threads: each document comes out once, those of one sender in its order. */
static void test_intake_threads(void **state)
{
	struct sent *v = calloc(SENDERS * EACH, sizeof(*v));
	pthread_t t[SENDERS];
	size_t next[SENDERS] = { 0 }, n = 0;

	(void)state;
	assert_non_null(v);
	for (size_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sender, v + i * EACH), 0);
	while (n < SENDERS * EACH)
		for (struct fl_intake_item *it = fl_intake_take(queue, 100, SIZE_MAX), *after; it; it = after) {
			size_t at = (size_t)((struct sent *)it->ctx - v);

			after = it->next;
			assert_int_equal(at % EACH, next[at / EACH]);
			next[at / EACH]++;
			it->done(it->ctx, it);
			n++;
		}
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(t[i], NULL);
	assert_null(fl_intake_take(queue, 1, 1));
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BATCH(test_burst),		BATCH(test_words_of_one_claim),
		BATCH(test_archive_in_one_batch), BATCH(test_too_many_names), BATCH(test_one_name_many_findings), BATCH(test_each_its_own_word),
		BATCH(test_nothing_is_acknowledged_without_store), BATCH(test_every_lost_call),
		BATCH(test_intake_bounds),	BATCH(test_intake_bytes),
		BATCH(test_intake_threads),
	};

	return cmocka_run_group_tests(tests, NULL, names_free);
}
