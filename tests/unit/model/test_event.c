/* List events: decode undoes encode, what does not fit becomes `fetch`, and hostile or altered values are refused. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "model/event.h"

#include <jansson.h>

struct made {
	struct fl_event ev;
	struct fl_list_input inputs[3];
	struct fl_event_input moves[3];
	struct fl_event_delta deltas[2];
};

static struct fl_version_id id(uint64_t number)
{
	struct fl_version_id v = { .epoch = { { 1 } }, .number = number };

	v.chain[0] = (uint8_t)number;
	v.chain[31] = 9;
	return v;
}

/* Inputs: one unmoved, one moved from 4 to 9 over 6, one that is new and pinned. */
static void make(struct made *m)
{
	*m = (struct made){ 0 };
	m->inputs[0] = (struct fl_list_input){ "alpha", id(2), { 5, 6 }, 7, false, true };
	m->inputs[1] = (struct fl_list_input){ "beta", id(9), { 8, 8 }, 100, false, false };
	m->inputs[2] = (struct fl_list_input){ "gamma", id(1), { 1, 2 }, 3, true, false };
	m->deltas[0] = (struct fl_event_delta){ .number = 6, .parent = 4, .digest = { 3, 3 }, .bytes = fl_span("\0\1\2\xff", 4) };
	m->deltas[1] = (struct fl_event_delta){ .number = 9, .parent = 6, .digest = { 8, 8 }, .bytes = fl_span("more", 4) };
	memcpy(m->deltas[0].parent_chain, id(4).chain, 32);
	memcpy(m->deltas[0].chain, id(6).chain, 32);
	memcpy(m->deltas[1].parent_chain, id(6).chain, 32);
	memcpy(m->deltas[1].chain, id(9).chain, 32);
	m->moves[1] = (struct fl_event_input){ .moved = true, .from = id(4), .deltas = m->deltas, .n_deltas = 2 };
	m->moves[2] = (struct fl_event_input){ .moved = true, .fetch = true };
	m->ev = (struct fl_event){
		.version = { .list = "malware", .id = { .epoch = { { 7 } }, .number = 12 }, .parent = 11, .parent_chain = { 1 },
			     .inputs = m->inputs, .n_inputs = 3, .names = 110, .added = 5, .removed = 1, .at = 1795442531000001,
			     .seen_at = 1795442530000001, .source_at = 1795442530500001, .cause = FL_CAUSE_SOURCES,
			     .actor = "publish", .reason = "say \"hi\"\\ gr\xc3\xbc\xc3\x9f" },
		.inputs = m->moves,
		.produced_at = 1795442531000900,
	};
	m->ev.version.recovered = (struct fl_recovered){ .version = 10, .n_over = 1, .over = { { { 5 } } } };
	fl_list_version_chain(&m->ev.version);
}

static void test_round_trip(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_buf json = { 0 }, again = { 0 };
	struct fl_err err = { 0 };
	struct fl_event got;
	struct made m;

	(void)state;
	make(&m);
	assert_int_equal(fl_event_encode(&m.ev, &json, NULL), 0);
	if (fl_event_decode(fl_buf_span(&json), &arena, &got, &err))
		fail_msg("%s", err.text);
	assert_string_equal(got.version.reason, m.ev.version.reason);
	assert_true(fl_version_id_eq(&got.version.id, &m.ev.version.id));
	assert_int_equal(got.version.cause, FL_CAUSE_SOURCES);
	assert_int_equal(got.produced_at, m.ev.produced_at);
	assert_memory_equal(&got.version.recovered, &m.ev.version.recovered, sizeof(got.version.recovered));
	assert_false(got.inputs[0].moved);
	assert_int_equal(got.inputs[1].n_deltas, 2);
	assert_true(fl_version_id_eq(&got.inputs[1].from, &m.moves[1].from));
	assert_true(fl_span_eq(got.inputs[1].deltas[0].bytes, m.deltas[0].bytes));
	assert_true(got.inputs[2].moved && got.inputs[2].fetch && got.version.inputs[2].pinned);
	assert_int_equal(got.inputs[2].from.number, 0);
	/* the same value again, so all fields came through */
	assert_int_equal(fl_event_encode(&got, &again, NULL), 0);
	assert_true(fl_span_eq(fl_buf_span(&json), fl_buf_span(&again)));
	fl_buf_done(&json);
	fl_buf_done(&again);
	fl_arena_done(&arena);
}

static void test_no_inputs_no_history(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_buf json = { 0 };
	struct fl_event got;
	struct made m;

	(void)state;
	make(&m);
	m.ev.version.n_inputs = 0;
	m.ev.version.recovered = (struct fl_recovered){ 0 };
	m.ev.version.parent = 0;
	memset(m.ev.version.parent_chain, 0, 32);
	fl_list_version_chain(&m.ev.version);
	assert_int_equal(fl_event_encode(&m.ev, &json, NULL), 0);
	assert_int_equal(fl_event_decode(fl_buf_span(&json), &arena, &got, NULL), 0);
	assert_int_equal(got.version.n_inputs, 0);
	assert_int_equal(got.version.recovered.version, 0);
	fl_buf_done(&json);
	fl_arena_done(&arena);
}

static void test_what_does_not_fit_is_fetched(void **state)
{
	static uint8_t big[400000];
	static const struct {
		size_t first, second; /* octets of the deltas of alpha and of beta */
		bool fetch_first, fetch_second;
	} rows[] = {
		{ 1000, 1000, false, false },
		{ 250000, 250000, false, false },
		{ 400000, 400000, false, true },
		{ 400000, 100, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_event_delta d = { .number = 2, .digest = { 5, 6 } };
		struct fl_arena arena = { 0 };
		struct fl_buf json = { 0 };
		struct fl_event got;
		struct made m;

		make(&m);
		memcpy(d.chain, id(2).chain, 32);
		d.bytes = fl_span(big, rows[i].first);
		m.moves[0] = (struct fl_event_input){ .moved = true, .deltas = &d, .n_deltas = 1 };
		m.deltas[1].bytes = fl_span(big, rows[i].second);
		assert_int_equal(fl_event_encode(&m.ev, &json, NULL), 0);
		assert_true(json.n < FL_EVENT_INLINE_MAX);
		assert_int_equal(fl_event_decode(fl_buf_span(&json), &arena, &got, NULL), 0);
		assert_int_equal(got.inputs[0].fetch, rows[i].fetch_first);
		assert_int_equal(got.inputs[1].fetch, rows[i].fetch_second);
		fl_buf_done(&json);
		fl_arena_done(&arena);
	}
}

/* The worst manifest there is still fits. */
static void test_largest_manifest(void **state)
{
	static struct fl_list_input in[FL_INPUTS_MAX];
	static struct fl_event_input moves[FL_INPUTS_MAX];
	struct fl_arena arena = { 0 };
	struct fl_buf json = { 0 };
	struct fl_event got;
	struct made m;

	(void)state;
	make(&m);
	for (int i = 0; i < FL_INPUTS_MAX; i++) {
		in[i] = m.inputs[1];
		in[i].id.number = in[i].entries = INT64_MAX;
		snprintf(in[i].source, sizeof(in[i].source), "%03d%077d", i, 0);
		moves[i] = (struct fl_event_input){ .moved = true, .fetch = true, .from = in[i].id };
	}
	m.ev.version.inputs = in;
	m.ev.version.n_inputs = FL_INPUTS_MAX;
	m.ev.inputs = moves;
	memset(m.ev.version.reason, '"', FL_REASON - 1);
	fl_list_version_chain(&m.ev.version);
	assert_int_equal(fl_event_encode(&m.ev, &json, NULL), 0);
	assert_true(json.n < FL_EVENT_INLINE_MAX);
	assert_int_equal(fl_event_decode(fl_buf_span(&json), &arena, &got, NULL), 0);
	m.ev.version.n_inputs++;
	assert_int_equal(fl_event_encode(&m.ev, &json, NULL), FL_ELIMIT);
	fl_buf_done(&json);
	fl_arena_done(&arena);
}

static json_t *good(void)
{
	struct fl_buf json = { 0 };
	struct made m;
	json_t *root;

	make(&m);
	assert_int_equal(fl_event_encode(&m.ev, &json, NULL), 0);
	root = json_loadb((char *)json.p, json.n, 0, NULL);
	fl_buf_done(&json);
	return root;
}

static int decode(json_t *take_root, struct fl_err *err)
{
	char *text = json_dumps(take_root, JSON_COMPACT);
	struct fl_arena arena = { 0 };
	struct fl_event got;
	int ret = fl_event_decode(fl_span_str(text), &arena, &got, err);

	free(text);
	json_decref(take_root);
	fl_arena_done(&arena);
	return ret;
}

/* Walks "inputs.1.from" to the object that holds the last word. */
static json_t *holder(json_t *root, const char *path, const char **last)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)(dot - path), path);
		root = json_is_array(root) ? json_array_get(root, strtoul(word, NULL, 10)) : json_object_get(root, word);
		assert_non_null(root);
		path = dot + 1;
	}
	*last = path;
	return root;
}

static void test_alterations_are_refused(void **state)
{
	static const struct {
		const char *path, *value; /* value as JSON; NULL: the field is taken out */
		int ret;
	} rows[] = {
		{ "of_later_days", "[1,{}]", 0 },
		{ "inputs.0.of_later_days", "null", 0 },
		{ "inputs.1.deltas.0.of_later_days", "1", 0 },
		{ "produced_at_us", "0", 0 },
		{ "list", "\"phishing\"", FL_ECORRUPT },
		{ "list", "7", FL_EFORMAT },
		{ "list", "\"../x\"", FL_ECORRUPT },
		{ "list", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", FL_EFORMAT },
		{ "epoch", "\"00000000000000000000000000000000\"", FL_ECORRUPT },
		{ "epoch", "\"07\"", FL_EFORMAT },
		{ "version", "13", FL_ECORRUPT },
		{ "version", "0", FL_ECORRUPT },
		{ "version", "-1", FL_EFORMAT },
		{ "version", "12.0", FL_EFORMAT },
		{ "version", "\"12\"", FL_EFORMAT },
		{ "parent", "12", FL_ECORRUPT },
		{ "parent", "0", FL_ECORRUPT },
		{ "parent_chain", "null", FL_EFORMAT },
		{ "chain", "\"0100000000000000000000000000000000000000000000000000000000000000\"", FL_ECORRUPT },
		{ "recovered", "null", FL_ECORRUPT },
		{ "recovered", "true", FL_EFORMAT },
		{ "recovered.version", "13", FL_ECORRUPT },
		{ "recovered.version", "0", FL_EFORMAT },
		{ "recovered.over", "[\"x\"]", FL_EFORMAT },
		{ "recovered.over", "[1,2,3,4,5,6,7,8,9]", FL_EFORMAT },
		{ "at_us", "1795442531000002", FL_ECORRUPT },
		{ "at_us", "-5", FL_EFORMAT },
		{ "cause", "\"whim\"", FL_EFORMAT },
		{ "cause", "\"recover\"", FL_ECORRUPT },
		{ "reason", "\"other\"", FL_ECORRUPT },
		{ "inputs", "{}", FL_EFORMAT },
		{ "inputs", "[]", FL_ECORRUPT },
		{ "inputs", "[1]", FL_EFORMAT },
		{ "inputs.0.source", "\"beta\"", FL_ECORRUPT },
		{ "inputs.0.source", "\"zeta\"", FL_ECORRUPT },
		{ "inputs.0.entries", "8", FL_ECORRUPT },
		{ "inputs.0.gone", "false", FL_ECORRUPT },
		{ "inputs.0.gone", "0", FL_EFORMAT },
		{ "inputs.0.version", "0", FL_ECORRUPT },
		{ "inputs.0.moved", "1", FL_EFORMAT },
		{ "inputs.0.moved", "true", FL_EFORMAT }, /* and no word about how */
		{ "inputs.1.fetch", "true", 0 },	  /* the reader fetches */
		{ "inputs.1.fetch", "\"yes\"", FL_EFORMAT },
		{ "inputs.2.fetch", "false", FL_EFORMAT },
		{ "inputs.1.from", "null", FL_ECORRUPT },
		{ "inputs.1.from", "[]", FL_EFORMAT },
		{ "inputs.1.from.version", "5", FL_ECORRUPT },
		{ "inputs.1.from.version", "0", FL_EFORMAT },
		{ "inputs.1.from.epoch", "\"02000000000000000000000000000000\"", FL_ECORRUPT },
		{ "inputs.1.deltas", "[]", FL_EFORMAT },
		{ "inputs.1.deltas", "7", FL_EFORMAT },
		{ "inputs.1.deltas.0.version", "7", FL_ECORRUPT },
		{ "inputs.1.deltas.0.chain", "\"0700000000000000000000000000000000000000000000000000000000000000\"", FL_ECORRUPT },
		{ "inputs.1.deltas.1.digest", "\"00000000000000000000000000000000\"", FL_ECORRUPT },
		{ "inputs.1.deltas.1.parent", "5", FL_ECORRUPT },
		{ "inputs.1.deltas.0.data", "\"\"", FL_EFORMAT },
		{ "inputs.1.deltas.0.data", "\"AAA\"", FL_EFORMAT },
		{ "inputs.1.deltas.0.data", "\"AAA \"", FL_EFORMAT },
		{ "inputs.1.deltas.0.data", "5", FL_EFORMAT },
		{ "list", NULL, FL_EFORMAT },
		{ "recovered", NULL, FL_EFORMAT },
		{ "inputs", NULL, FL_EFORMAT },
		{ "produced_at_us", NULL, FL_EFORMAT },
		{ "removed", NULL, FL_EFORMAT },
		{ "inputs.0.digest", NULL, FL_EFORMAT },
		{ "inputs.1.from", NULL, FL_EFORMAT },
		{ "inputs.1.deltas", NULL, FL_EFORMAT },
		{ "inputs.1.deltas.1.data", NULL, FL_EFORMAT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_err err = { 0 };
		json_t *root = good(), *at;
		const char *last;
		int ret;

		at = holder(root, rows[i].path, &last);
		if (rows[i].value)
			json_object_set_new(at, last, json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(at, last);
		ret = decode(root, &err);
		if (ret != rows[i].ret || (ret < 0 && !err.text[0]))
			fail_msg("%s = %s: %s (%s)", rows[i].path, rows[i].value ? rows[i].value : "(none)", fl_code_name(ret), err.text);
	}
}

static void test_no_event_at_all(void **state)
{
	static const struct {
		const char *text;
		int ret;
	} rows[] = {
		{ "", FL_EFORMAT },
		{ "null", FL_EFORMAT },
		{ "[]", FL_EFORMAT },
		{ "{}", FL_EFORMAT },
		{ "{\"list\":\"a\",\"list\":\"a\"}", FL_EFORMAT },
		{ "{\"list\":\"a\"} x", FL_EFORMAT },
		{ "{\"list\":\"\xff\"}", FL_EFORMAT },
		{ "{\"list\":\"a\\u0000b\"}", FL_EFORMAT },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[", FL_EFORMAT },
	};
	struct fl_arena arena = { 0 };
	struct fl_event got;
	struct fl_buf big = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(fl_event_decode(fl_span_str(rows[i].text), &arena, &got, NULL), rows[i].ret);
	assert_int_equal(fl_event_decode(fl_span(NULL, 0), &arena, &got, NULL), FL_EFORMAT);
	fl_buf_reserve(&big, FL_EVENT_MAX + 1);
	memset(big.p, '[', FL_EVENT_MAX + 1);
	assert_int_equal(fl_event_decode(fl_span(big.p, FL_EVENT_MAX + 1), &arena, &got, NULL), FL_ELIMIT);
	assert_int_equal(fl_event_decode(fl_span(big.p, FL_EVENT_MAX), &arena, &got, NULL), FL_EFORMAT);
	fl_buf_done(&big);
	fl_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_no_inputs_no_history),
		cmocka_unit_test(test_what_does_not_fit_is_fetched),
		cmocka_unit_test(test_largest_manifest),
		cmocka_unit_test(test_alterations_are_refused),
		cmocka_unit_test(test_no_event_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
