/* list-events, writing (docs/formats/list-event.md). On the path from a finding to a block, so the JSON is appended by
 * hand in one pass: whether an input's deltas fit is decided from an upper bound of all that is not delta. */
#include "model/event.h"

#include "base/text.h"
#include "model/json_int.h"

enum {
	/* upper bounds, in octets: reason and actor escaped six-fold; an input without its deltas; a delta without its data */
	FIXED_MAX = 1024 + 6 * (FL_REASON + FL_ACTOR) + 40 * FL_RECOVERED_OVER_MAX,
	INPUT_MAX = 640,
	DELTA_MAX = 384,
};

static size_t deltas_bound(const struct fl_event_input *in)
{
	size_t n = 0;

	for (uint32_t i = 0; i < in->n_deltas; i++)
		n += DELTA_MAX + (in->deltas[i].bytes.n + 2) / 3 * 4;
	return n;
}

static void put_recovered(struct fl_buf *out, const struct fl_recovered *r)
{
	if (r->version == 0) {
		FL__JSON_LIT(out, "null");
		return;
	}
	fl__json_put_u64(out, "{\"version\":", r->version);
	FL__JSON_LIT(out, ",\"over\":[");
	for (uint32_t i = 0; i < r->n_over && i < FL_RECOVERED_OVER_MAX; i++) {
		if (i)
			fl_buf_u8(out, ',');
		fl__json_hex(out, r->over[i].b, 16);
	}
	FL__JSON_LIT(out, "]}");
}

/* epoch, version, chain: without braces */
static void put_id(struct fl_buf *out, const struct fl_version_id *id)
{
	fl__json_put_hex(out, "\"epoch\":", id->epoch.b, 16);
	fl__json_put_u64(out, ",\"version\":", id->number);
	fl__json_put_hex(out, ",\"chain\":", id->chain, 32);
}

static void put_delta(struct fl_buf *out, const struct fl_event_delta *d)
{
	fl__json_put_u64(out, "{\"version\":", d->number);
	fl__json_put_u64(out, ",\"parent\":", d->parent);
	fl__json_put_hex(out, ",\"chain\":", d->chain, 32);
	fl__json_put_hex(out, ",\"parent_chain\":", d->parent_chain, 32);
	fl__json_put_u128(out, ",\"digest\":", d->digest);
	FL__JSON_LIT(out, ",\"data\":\"");
	fl_base64(out, d->bytes);
	FL__JSON_LIT(out, "\"}");
}

static void put_moved(struct fl_buf *out, const struct fl_event_input *in, bool inlined)
{
	FL__JSON_LIT(out, ",\"from\":");
	if (in->from.number) {
		fl_buf_u8(out, '{');
		put_id(out, &in->from);
		fl_buf_u8(out, '}');
	} else
		FL__JSON_LIT(out, "null");
	if (!inlined) {
		FL__JSON_LIT(out, ",\"fetch\":true");
		return;
	}
	FL__JSON_LIT(out, ",\"deltas\":[");
	for (uint32_t i = 0; i < in->n_deltas; i++) {
		if (i)
			fl_buf_u8(out, ',');
		put_delta(out, &in->deltas[i]);
	}
	fl_buf_u8(out, ']');
}

static void put_input(struct fl_buf *out, const struct fl_list_input *v, const struct fl_event_input *in, size_t *budget)
{
	size_t need = deltas_bound(in);
	bool inlined = in->moved && !in->fetch && in->n_deltas && in->n_deltas <= FL_EVENT_DELTAS_MAX && need <= *budget;

	if (inlined)
		*budget -= need;
	fl__json_put_str(out, "{\"source\":", v->source);
	fl_buf_u8(out, ',');
	put_id(out, &v->id);
	fl__json_put_u128(out, ",\"digest\":", v->digest);
	fl__json_put_u64(out, ",\"entries\":", v->entries);
	fl__json_put_bool(out, ",\"pinned\":", v->pinned);
	fl__json_put_bool(out, ",\"gone\":", v->gone);
	fl__json_put_bool(out, ",\"moved\":", in->moved);
	if (in->moved)
		put_moved(out, in, inlined);
	fl_buf_u8(out, '}');
}

static void put_tail(struct fl_buf *out, const struct fl_event *ev)
{
	const struct fl_list_version *v = &ev->version;

	fl__json_put_time(out, "],\"at_us\":", v->at);
	fl__json_put_time(out, ",\"seen_at_us\":", v->seen_at);
	fl__json_put_time(out, ",\"source_at_us\":", v->source_at);
	fl__json_put_time(out, ",\"produced_at_us\":", ev->produced_at);
	fl__json_put_str(out, ",\"cause\":", fl_cause_word(v->cause));
	fl__json_put_str(out, ",\"actor\":", v->actor);
	fl__json_put_str(out, ",\"reason\":", v->reason);
	fl__json_put_u64(out, ",\"names\":", v->names);
	fl__json_put_u64(out, ",\"added\":", v->added);
	fl__json_put_u64(out, ",\"removed\":", v->removed);
	fl_buf_u8(out, '}');
}

int fl_event_encode(const struct fl_event *ev, struct fl_buf *out, struct fl_err *err)
{
	const struct fl_list_version *v = &ev->version;
	size_t start = out->n, rest = FIXED_MAX + (size_t)v->n_inputs * INPUT_MAX, budget = 0;

	if (v->n_inputs > FL_INPUTS_MAX)
		return fl_err_set(err, FL_ELIMIT, "list '%s': more than %d inputs", v->list, FL_INPUTS_MAX);
	if (rest < FL_EVENT_INLINE_MAX)
		budget = FL_EVENT_INLINE_MAX - rest;
	fl__json_put_str(out, "{\"list\":", v->list);
	fl__json_put_hex(out, ",\"epoch\":", v->id.epoch.b, 16);
	FL__JSON_LIT(out, ",\"recovered\":");
	put_recovered(out, &v->recovered);
	fl__json_put_u64(out, ",\"version\":", v->id.number);
	fl__json_put_u64(out, ",\"parent\":", v->parent);
	fl__json_put_hex(out, ",\"parent_chain\":", v->parent_chain, 32);
	fl__json_put_hex(out, ",\"chain\":", v->id.chain, 32);
	FL__JSON_LIT(out, ",\"inputs\":[");
	for (uint32_t i = 0; i < v->n_inputs; i++) {
		if (i)
			fl_buf_u8(out, ',');
		put_input(out, &v->inputs[i], &ev->inputs[i], &budget);
	}
	put_tail(out, ev);
	if (out->failed)
		return fl_err_set(err, FL_ENOMEM, "list '%s': event: out of memory", v->list);
	if (out->n - start > FL_EVENT_MAX)
		return fl_err_set(err, FL_ELIMIT, "list '%s': event of %zu octets", v->list, out->n - start);
	return 0;
}
