/* Source sets over a store that lost or broke keys, and the claims beside them. */
#include "tests/support/sets_help.h"

/* --- what a store may do to us --- */

static void test_lost_head_is_a_new_epoch(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v1, v2, v;
	uint8_t chain[32];

	(void)state;
	assert_int_equal(commit_names(&w.s, "f", &lease, "a.example", &v1), 0);
	assert_int_equal(commit_names(&w.s, "f", &lease, "b.example", &v2), 0);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:head {fl}:source/f:lease"), 2);
	lease = (struct fl_lease){ 0 };
	assert_int_equal(commit_names(&w.s, "f", &lease, "c.example", &v), 0);
	assert_int_equal(v.id.number, 1);
	assert_false(fl_epoch_eq(&v.id.epoch, &v1.id.epoch));
	assert_true(names_are(&w.s, "f", 1, "c.example"));
	/* the lineage is of the new epoch alone */
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 2, chain, NULL), FL_ENOTFOUND);
	assert_int_equal(fl_set_lineage(&w.s, FL_SOURCE, "f", 1, chain, NULL), 0);
	assert_memory_equal(chain, v.id.chain, 32);
}

static void test_garbled_fields(void **state)
{
	static const char *const head_fields[] = { "epoch", "version", "chain", "entries" };
	static const char *const version_fields[] = { "epoch", "version", "chain", "parent", "parent_chain", "digest", "attrs_digest", "entries", "delta_sha256", "cause",
						      "at_us", "actor" };
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_head head;
	char line[160];

	(void)state;
	for (size_t i = 0; i < sizeof(version_fields) / sizeof(version_fields[0]); i++) {
		world_forget(&w);
		lease = (struct fl_lease){ 0 };
		assert_int_equal(commit_names(&w.s, "f", &lease, "a.example", &v), 0);
		snprintf(line, sizeof(line), "HSET {fl}:source/f:v:1 %s garbage!", version_fields[i]);
		redis_int(&w, line);
		if (fl_source_version_get(&w.s, "f", 1, &v, NULL) != FL_ECORRUPT)
			fail_msg("%s", version_fields[i]);
	}
	for (size_t i = 0; i < sizeof(head_fields) / sizeof(head_fields[0]); i++) {
		snprintf(line, sizeof(line), "HSET {fl}:source/f:head %s garbage!", head_fields[i]);
		redis_int(&w, line);
		if (fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL) != FL_ECORRUPT)
			fail_msg("%s", head_fields[i]);
		assert_int_equal(head.id.number, 0);
	}
	redis_int(&w, "DEL {fl}:source/f:head");
	redis_int(&w, "SET {fl}:source/f:head text"); /* another type altogether */
	assert_int_equal(fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL), FL_ECORRUPT);
}

/* Each bit of every stored block and delta: either the content is what it was, or the reader says so. Never another content. */
static void test_flipped_bits(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v[3];
	struct fl_set base = { 0 }, set = { 0 };
	char keys[8][96];
	size_t n_keys = 0, refused = 0, tried = 0;

	(void)state;
	if (w.kind != STORE_MEM)
		skip(); /* the bytes are the same; the twin can flip a bit */
	w.s.small_bytes = 64;
	w.s.delta_max = 1 << 20;
	many_set(300, 0, &base);
	many_set(300, 60, &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &base, (struct fl_source_commit){ 0 }, &v[0], NULL), 0);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v[1], NULL), 0);
	assert_true(v[0].attempt[0] && v[1].has_delta && !v[1].attempt[0]);
	for (uint32_t i = 0; i < v[0].blocks; i++)
		snprintf(keys[n_keys++], sizeof(keys[0]), "{fl}:source/f:k:1:%s:%u", v[0].attempt, i);
	snprintf(keys[n_keys++], sizeof(keys[0]), "{fl}:source/f:d:2");
	for (size_t k = 0; k < n_keys; k++) {
		char line[160];
		int64_t bits;

		snprintf(line, sizeof(line), "STRLEN %s", keys[k]);
		bits = redis_int(&w, line) * 8;
		assert_true(bits > 64);
		for (int64_t bit = 0; bit < bits; bit += bits > 4096 ? 13 : 1) {
			struct fl_set got = { 0 };
			int ret;

			assert_true(fl_store_mem_corrupt(w.mem, keys[k], (size_t)bit));
			ret = content_of(&w.s, "f", 2, &got);
			tried++;
			refused += ret == FL_ECORRUPT;
			if (ret != FL_ECORRUPT && !(ret == 0 && gen_sets_equal(&got, &set)))
				fail_msg("%s, bit %d: %s", keys[k], (int)bit, fl_code_name(ret));
			fl_set_done(&got);
			assert_true(fl_store_mem_corrupt(w.mem, keys[k], (size_t)bit));
		}
	}
	assert_int_equal(refused, tried);
	assert_true(content_is(&w.s, "f", 2, &set));
	fl_set_done(&base);
	fl_set_done(&set);
}

/* A key that went away under the reader: it starts again from the head. */
static void test_missing_keys(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 }, got = { 0 };
	char line[160];

	(void)state;
	many_set(30000, 0, &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	snprintf(line, sizeof(line), "DEL {fl}:source/f:k:1:%s:0", v.attempt);
	assert_int_equal(redis_int(&w, line), 1);
	assert_int_equal(content_of(&w.s, "f", 1, &got), FL_ENOTFOUND);
	fl_set_done(&got);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:v:1"), 1);
	assert_int_equal(content_of(&w.s, "f", 1, &got), FL_ENOTFOUND);
	fl_set_done(&got);
	fl_set_done(&set);
}

/* The content went bad: the next commit does not need it, and readers are whole again. */
static void test_next_commit_heals(void **state)
{
	struct fl_lease lease = { 0 };
	struct fl_source_version v;
	struct fl_set set = { 0 };

	(void)state;
	assert_int_equal(commit_names(&w.s, "f", &lease, "a.example", &v), 0);
	assert_int_equal(redis_int(&w, "DEL {fl}:source/f:d:1"), 1);
	names_set("a.example b.example", &set);
	assert_int_equal(commit_set(&w.s, "f", &lease, &set, (struct fl_source_commit){ 0 }, &v, NULL), 0);
	assert_int_equal(v.id.number, 2);
	assert_true(v.attempt[0]);
	assert_true(content_is(&w.s, "f", 2, &set));
	fl_set_done(&set);
}

/* --- claims --- */

static struct fl_claim a_claim(const char *finding, const char *name, fl_unix_us expires)
{
	struct fl_claim c = { .source = "f", .type = "T", .scope = FL_SCOPE_EXACT, .state = FL_CLAIM_ACTIVE, .updated_at = 1, .seen_at = 1, .expires_at = expires };

	snprintf(c.finding, sizeof(c.finding), "%s", finding);
	c.key = gen_rkey(name);
	fl_claim_id(&c);
	return c;
}

static int commit_claims(struct fl_lease *lease, const struct fl_claim *v, size_t n)
{
	struct rows_iter rows = { { rows_next, rows_close }, NULL, 0 };
	struct fl_source_version out;
	struct fl_head head;
	struct fl_source_commit c = { .name = "f", .lease = lease, .parent = &head, .cause = FL_CAUSE_FINDING, .actor = "t", .reason = "", .claims = { v, n } };
	int ret = fl_set_head(&w.s, FL_SOURCE, "f", &head, NULL);

	return ret < 0 && ret != FL_ENOTFOUND ? ret : fl_source_commit_changes(&w.s, &c, &rows.it, &out, NULL);
}

static void test_claims(void **state)
{
	struct fl_claim v[3] = { a_claim("one", "a.example", 1000), a_claim("two", "a.example", 2000), a_claim("one", "b.example", 0) }, got, *many;
	struct fl_lease lease = { 0 };
	char line[160];
	uint64_t unreadable;
	size_t n;

	(void)state;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &lease, NULL), 0);
	assert_int_equal(fl_claim_get(&w.s, "f", v[0].id, &got, NULL), FL_ENOTFOUND);
	assert_int_equal(commit_claims(&lease, v, 3), 0);
	assert_int_equal(fl_claim_get(&w.s, "f", v[0].id, &got, NULL), 0);
	assert_string_equal(got.finding, "one");
	assert_int_equal(claims_on_name(&w.s, "f", fl_rkey_span(&v[0].key), &w.arena, &many, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 999, 10, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 1000, 10, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 5000, 1, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 1); /* at most */
	/* an end takes it out of both indexes, and the claim itself stays 400 days */
	v[0].state = FL_CLAIM_EXPIRED;
	assert_int_equal(commit_claims(&lease, v, 1), 0);
	assert_int_equal(claims_on_name(&w.s, "f", fl_rkey_span(&v[0].key), &w.arena, &many, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(many[0].finding, "two");
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 5000, 10, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(fl_claim_get(&w.s, "f", v[0].id, &got, NULL), 0);
	assert_int_equal(got.state, FL_CLAIM_EXPIRED);
	snprintf(line, sizeof(line), "TTL {fl}:source/f:claim:%s", v[0].id);
	assert_true(redis_int(&w, line) > 399 * 86400 && redis_int(&w, line) <= 400 * 86400);
	/* revived: no end, and back in the index of names */
	v[0].state = FL_CLAIM_ACTIVE;
	v[0].expires_at = 0;
	assert_int_equal(commit_claims(&lease, v, 1), 0);
	assert_int_equal(redis_int(&w, line), -1);
	assert_int_equal(claims_on_name(&w.s, "f", fl_rkey_span(&v[0].key), &w.arena, &many, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 5000, 10, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 1);
	/* of another source: nothing */
	assert_int_equal(claims_on_name(&w.s, "g", fl_rkey_span(&v[0].key), &w.arena, &many, &n), 0);
	assert_int_equal(n, 0);
}

/* What is due is read past what is broken, and in the order of the ends. */
static void test_claims_due(void **state)
{
	struct fl_claim v[5], *many;
	struct fl_lease lease = { 0 };
	uint64_t unreadable, count;
	size_t n;

	(void)state;
	for (int i = 0; i < 5; i++)
		v[i] = a_claim(fl_arena_printf(&w.arena, "id%d", i), "a.example", 1000 + i);
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &lease, NULL), 0);
	assert_int_equal(commit_claims(&lease, v, 5), 0);
	redis_int(&w, fl_arena_printf(&w.arena, "HSET {fl}:source/f:claim:%s json broken", v[0].id));
	redis_int(&w, fl_arena_printf(&w.arena, "DEL {fl}:source/f:claim:%s", v[2].id));
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 1004, 2, &w.arena, &many, &n, &unreadable, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(many[0].finding, "id1");
	assert_string_equal(many[1].finding, "id3");
	assert_int_equal(unreadable, 2);
	assert_int_equal(fl_claims_due(&w.s, "f", 1002, 1003, 10, &w.arena, &many, &n, &unreadable, NULL), 0); /* after the one, up to the other */
	assert_int_equal(n, 1);
	assert_string_equal(many[0].finding, "id3");
	assert_int_equal(unreadable, 0);
	assert_int_equal(fl_claims_due_count(&w.s, "f", 1003, &count, NULL), 0);
	assert_int_equal(count, 4);
	assert_int_equal(fl_claims_due_count(&w.s, "g", 1003, &count, NULL), 0);
	assert_int_equal(count, 0);
	redis_int(&w, "DEL {fl}:source/f:due");
	redis_int(&w, "SADD {fl}:source/f:due x");
	assert_int_equal(fl_claims_due(&w.s, "f", 0, 1004, 2, &w.arena, &many, &n, &unreadable, NULL), FL_ECORRUPT);
	assert_int_equal(fl_claims_due_count(&w.s, "f", 1003, &count, NULL), FL_ECORRUPT);
}

/* Refused commits write no claim. */
static void test_claims_go_with_their_commit(void **state)
{
	struct fl_claim v = a_claim("one", "a.example", 0), got;
	struct fl_lease lease = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(fl_lease_take(&w.s, FL_SOURCE, "f", 60000, &lease, NULL), 0);
	other = lease;
	other.fence[0] = other.fence[0] == '0' ? '1' : '0';
	assert_int_equal(commit_claims(&other, &v, 1), FL_EFENCED);
	assert_int_equal(fl_claim_get(&w.s, "f", v.id, &got, NULL), FL_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_lost_head_is_a_new_epoch), BOTH(test_garbled_fields), BOTH(test_flipped_bits),	      BOTH(test_missing_keys),
		BOTH(test_next_commit_heals),	     BOTH(test_claims),		BOTH(test_claims_due), BOTH(test_claims_go_with_their_commit),
	};

	return world_run("sets_hostile", tests, sizeof(tests) / sizeof(tests[0]));
}
