/* list-events, reading hostile bytes (docs/formats/list-event.md): every field the apply protocol needs is checked, the
 * chain is recomputed, and inline deltas must lead from `from` to the input, link by link. Unknown fields are passed over. */
#include "model/event.h"

#include "base/text.h"
#include "model/json_int.h"
#include "model/version_int.h"

struct decoding {
	struct fl_arena *arena;
	struct fl_err *err;
	struct fl_buf data; /* scratch: one delta's octets */
	int code;	    /* the first failure */
};

static int fail(struct decoding *d, int code, const char *what)
{
	if (d->code == 0)
		d->code = fl_err_set(d->err, code, "event: %s", what);
	return d->code;
}

/* Takes over what went wrong in a read. */
static int settle(struct decoding *d, const struct fl__json_rd *r)
{
	if (r->bad && d->code == 0)
		d->code = FL_EFORMAT;
	return d->code;
}

static struct fl__json_rd reader(struct decoding *d, const json_t *obj)
{
	return (struct fl__json_rd){ obj, "event", d->err, d->code != 0 };
}

static void get_id(struct fl__json_rd *r, struct fl_version_id *id)
{
	fl__json_get_hex(r, "epoch", id->epoch.b, 16);
	fl__json_get_u64(r, "version", &id->number);
	fl__json_get_hex(r, "chain", id->chain, 32);
}

static int get_data(struct decoding *d, const json_t *obj, struct fl_event_delta *out)
{
	const json_t *v = json_object_get(obj, "data");

	fl_buf_reset(&d->data);
	if (!v || !json_is_string(v) || json_string_length(v) == 0 ||
	    !fl_unbase64(&d->data, fl_span(json_string_value(v), json_string_length(v))))
		return fail(d, d->data.failed ? FL_ENOMEM : FL_EFORMAT, "'data' is not base64");
	out->bytes = fl_span(fl_arena_dup(d->arena, d->data.p, d->data.n), d->data.n);
	return out->bytes.p ? 0 : fail(d, FL_ENOMEM, "out of memory");
}

static int get_delta(struct decoding *d, const json_t *obj, struct fl_event_delta *out)
{
	struct fl__json_rd r = reader(d, obj);

	if (!json_is_object(obj))
		return fail(d, FL_EFORMAT, "a delta is not an object");
	fl__json_get_u64(&r, "version", &out->number);
	fl__json_get_u64(&r, "parent", &out->parent);
	fl__json_get_hex(&r, "chain", out->chain, 32);
	fl__json_get_hex(&r, "parent_chain", out->parent_chain, 32);
	fl__json_get_u128(&r, "digest", &out->digest);
	if (settle(d, &r) < 0)
		return d->code;
	return get_data(d, obj, out);
}

/* The deltas lead from `from` to the input, each beginning where the one before ended. */
static bool path_holds(const struct fl_event_input *in, const struct fl_list_input *to)
{
	uint64_t number = in->from.number;
	const uint8_t *chain = in->from.chain;
	struct fl_u128 digest = { 0, 0 };

	for (uint32_t i = 0; i < in->n_deltas; i++) {
		const struct fl_event_delta *d = &in->deltas[i];

		if (d->parent != number || memcmp(d->parent_chain, chain, 32) != 0 || d->number <= d->parent)
			return false;
		number = d->number;
		chain = d->chain;
		digest = d->digest;
	}
	return number == to->id.number && memcmp(chain, to->id.chain, 32) == 0 && fl_u128_eq(digest, to->digest) &&
	       (in->from.number == 0 || fl_epoch_eq(&in->from.epoch, &to->id.epoch));
}

static int get_deltas(struct decoding *d, const json_t *list, const struct fl_list_input *to, struct fl_event_input *out)
{
	size_t n = json_array_size(list);

	out->deltas = fl_arena_array(d->arena, n, sizeof(*out->deltas));
	if (!out->deltas)
		return fail(d, FL_ENOMEM, "out of memory");
	out->n_deltas = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (get_delta(d, json_array_get(list, i), &out->deltas[i]) < 0)
			return d->code;
	return path_holds(out, to) ? 0 : fail(d, FL_ECORRUPT, "deltas do not lead to their input");
}

static int get_moved(struct decoding *d, const json_t *obj, const struct fl_list_input *to, struct fl_event_input *out)
{
	struct fl__json_rd r = reader(d, obj);
	const json_t *from = fl__json_get_object(&r, "from", true), *list = NULL;

	if (from) {
		struct fl__json_rd f = reader(d, from);

		get_id(&f, &out->from);
		if (settle(d, &f) < 0)
			return d->code;
		if (out->from.number == 0 || !fl__version_id_valid(&out->from))
			return fail(d, FL_EFORMAT, "'from' is no version");
	}
	if (!r.bad && json_object_get(obj, "fetch"))
		fl__json_get_bool(&r, "fetch", &out->fetch);
	if (!r.bad && !out->fetch)
		list = fl__json_get_array(&r, "deltas", FL_EVENT_DELTAS_MAX);
	if (settle(d, &r) < 0 || out->fetch)
		return d->code;
	return json_array_size(list) ? get_deltas(d, list, to, out) : fail(d, FL_EFORMAT, "'deltas' is empty");
}

static int get_input(struct decoding *d, const json_t *obj, struct fl_list_input *v, struct fl_event_input *in)
{
	struct fl__json_rd r = reader(d, obj);

	if (!json_is_object(obj))
		return fail(d, FL_EFORMAT, "an input is not an object");
	fl__json_get_str(&r, "source", v->source, sizeof(v->source));
	get_id(&r, &v->id);
	fl__json_get_u128(&r, "digest", &v->digest);
	fl__json_get_u64(&r, "entries", &v->entries);
	fl__json_get_bool(&r, "pinned", &v->pinned);
	fl__json_get_bool(&r, "gone", &v->gone);
	fl__json_get_bool(&r, "moved", &in->moved);
	if (settle(d, &r) < 0 || !in->moved)
		return d->code;
	return get_moved(d, obj, v, in);
}

static int get_inputs(struct decoding *d, const json_t *list, struct fl_event *ev)
{
	size_t n = json_array_size(list);

	ev->version.inputs = fl_arena_array(d->arena, n, sizeof(*ev->version.inputs));
	ev->inputs = fl_arena_array(d->arena, n, sizeof(*ev->inputs));
	if (!ev->version.inputs || !ev->inputs)
		return fail(d, FL_ENOMEM, "out of memory");
	ev->version.n_inputs = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (get_input(d, json_array_get(list, i), &ev->version.inputs[i], &ev->inputs[i]) < 0)
			return d->code;
	return 0;
}

static int get_recovered(struct decoding *d, const json_t *obj, struct fl_recovered *out)
{
	struct fl__json_rd r = reader(d, obj);
	const json_t *over;

	fl__json_get_u64(&r, "version", &out->version);
	over = fl__json_get_array(&r, "over", FL_RECOVERED_OVER_MAX);
	for (size_t i = 0; !r.bad && i < json_array_size(over); i++) {
		const json_t *s = json_array_get(over, i);

		if (!json_is_string(s) || !fl_unhex(fl_span(json_string_value(s), json_string_length(s)), out->over[i].b, 16))
			fl__json_bad(&r, "over", "holds something that is no epoch");
		out->n_over++;
	}
	if (!r.bad && out->version == 0)
		fl__json_bad(&r, "recovered", "is of no version");
	return settle(d, &r);
}

static void get_cause(struct fl__json_rd *r, enum fl_cause *out)
{
	char word[FL_CAUSE] = "";

	fl__json_get_str(r, "cause", word, sizeof(word));
	if (!r->bad && !fl_cause_parse(fl_span_str(word), out))
		fl__json_bad(r, "cause", "is no cause");
}

static int get_event(struct decoding *d, const json_t *root, struct fl_event *ev)
{
	struct fl__json_rd r = reader(d, root);
	struct fl_list_version *v = &ev->version;
	const json_t *recovered, *inputs;

	fl__json_get_str(&r, "list", v->list, sizeof(v->list));
	get_id(&r, &v->id);
	recovered = fl__json_get_object(&r, "recovered", true);
	fl__json_get_u64(&r, "parent", &v->parent);
	fl__json_get_hex(&r, "parent_chain", v->parent_chain, 32);
	inputs = fl__json_get_array(&r, "inputs", FL_INPUTS_MAX);
	fl__json_get_time(&r, "at_us", &v->at);
	fl__json_get_time(&r, "seen_at_us", &v->seen_at);
	fl__json_get_time(&r, "source_at_us", &v->source_at);
	fl__json_get_time(&r, "produced_at_us", &ev->produced_at);
	get_cause(&r, &v->cause);
	fl__json_get_str(&r, "actor", v->actor, sizeof(v->actor));
	fl__json_get_str(&r, "reason", v->reason, sizeof(v->reason));
	fl__json_get_u64(&r, "names", &v->names);
	fl__json_get_u64(&r, "added", &v->added);
	fl__json_get_u64(&r, "removed", &v->removed);
	if (settle(d, &r) == 0 && recovered)
		get_recovered(d, recovered, &v->recovered);
	return d->code < 0 ? d->code : get_inputs(d, inputs, ev);
}

int fl_event_decode(struct fl_span json, struct fl_arena *arena, struct fl_event *out, struct fl_err *err)
{
	struct decoding d = { .arena = arena, .err = err };
	struct fl_event ev = { 0 };
	const char *wrong;
	json_t *root = fl__json_load(json, FL_EVENT_MAX, "event", &d.code, err);

	if (!root)
		return d.code;
	if (get_event(&d, root, &ev) == 0) {
		wrong = fl__list_version_wrong(&ev.version);
		if (wrong)
			fail(&d, FL_ECORRUPT, wrong);
		else if (!fl__list_version_chain_holds(&ev.version))
			fail(&d, FL_ECORRUPT, "its chain does not follow from its content");
	}
	if (d.code == 0)
		*out = ev;
	fl_buf_done(&d.data);
	json_decref(root);
	return d.code;
}
