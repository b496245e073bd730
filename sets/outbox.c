/* The outbox of a list, and the event of a version: its manifest and the stored deltas of the inputs that moved, never decoded. */
#include <stdio.h>

#include "sets/sets_int.h"

enum { EVENT_DELTAS_BYTES = 500000 };

static void entry_read(const struct fl_reply *r, struct fl_outbox_entry *e)
{
	const struct fl_reply *f = &r->v[1];

	snprintf(e->id, sizeof(e->id), "%.*s", (int)(r->v[0].s.n < 39 ? r->v[0].s.n : 39), (const char *)r->v[0].s.p);
	for (size_t i = 0; i + 1 < f->n; i += 2) {
		uint64_t v = 0;

		if (fl_span_eqs(f->v[i].s, "version"))
			fl_u64_parse(f->v[i + 1].s, &e->number);
		else if (fl_span_eqs(f->v[i].s, "chain"))
			fl_unhex(f->v[i + 1].s, e->chain, 32);
		else if (fl_span_eqs(f->v[i].s, "at_us") && fl_u64_parse(f->v[i + 1].s, &v))
			e->at = (fl_unix_us)v;
	}
}

int fl_outbox_read(struct fl_sets *s, const char *list, size_t max, struct fl_arena *arena, struct fl_outbox_entry **out, size_t *n, uint64_t *length,
		   struct fl_err *err)
{
	struct fl_span key = fl__key(s, arena, FL_LIST, list, ":outbox");
	struct fl_span range[] = { fl_span_str("XRANGE"), key, fl_span_str("-"), fl_span_str("+"), fl_span_str("COUNT"), fl__num(arena, (int64_t)max) };
	struct fl_span len[] = { fl_span_str("XLEN"), key };
	struct fl_cmd cmds[] = { { range, 6 }, { len, 2 } };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, cmds, 2, arena, &r, err);

	if (ret < 0)
		return ret == FL_EUNKNOWN ? FL_EUNAVAIL : ret;
	if (r[0].type != FL_REPLY_ARRAY || r[1].type != FL_REPLY_INT)
		return fl_err_set(err, FL_ECORRUPT, "list '%s': the outbox is no stream", list);
	*out = fl_arena_array(arena, r[0].n + 1, sizeof(**out));
	if (!*out)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	*n = 0;
	for (size_t i = 0; i < r[0].n; i++)
		if (r[0].v[i].type == FL_REPLY_ARRAY && r[0].v[i].n == 2 && r[0].v[i].v[1].type == FL_REPLY_ARRAY)
			entry_read(&r[0].v[i], &(*out)[(*n)++]);
	*length = (uint64_t)r[1].i;
	return 0;
}

int fl_outbox_trim(struct fl_sets *s, const char *list, const struct fl_outbox_entry *v, size_t n, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_args argv = { .arena = &a };
	struct fl_reply *r = NULL;
	int ret;

	fl__args_str(&argv, "XDEL");
	fl__args_add(&argv, fl__key(s, &a, FL_LIST, list, ":outbox"));
	for (size_t i = 0; i < n; i++)
		fl__args_str(&argv, v[i].id);
	ret = argv.failed ? FL_ENOMEM : n ? fl_store_call(s->store, &(struct fl_cmd){ argv.v, argv.n }, 1, &a, &r, err) : 0;
	fl_arena_done(&a);
	return ret;
}

static int load_input(struct fl_sets *s, const struct fl_list_input *to, const struct fl_list_input *from, struct fl_arena *arena, struct fl_event_input *out,
		      size_t *budget, struct fl_err *err)
{
	struct fl_version_id nothing = { 0 };
	const struct fl_version_id *base = from ? &from->id : &nothing;
	size_t bytes = 0;
	int ret;

	if (fl_version_id_eq(base, &to->id))
		return 0;
	out->moved = true;
	out->from = *base;
	if (base->number && !fl_epoch_eq(&base->epoch, &to->id.epoch)) {
		out->fetch = true;
		return 0;
	}
	ret = fl_source_deltas(s, to->source, base, &to->id, arena, &out->deltas, &out->n_deltas, err);
	if (ret == FL_ENOTFOUND || ret == FL_ESTALE || ret == FL_ECORRUPT) {
		out->fetch = true;
		out->n_deltas = 0;
		return 0;
	}
	for (uint32_t i = 0; ret == 0 && i < out->n_deltas; i++)
		bytes += out->deltas[i].bytes.n;
	if (ret == 0 && (bytes > *budget || out->n_deltas == 0)) {
		out->fetch = true;
		out->n_deltas = 0;
	} else if (ret == 0)
		*budget -= bytes;
	return ret;
}

int fl_event_load(struct fl_sets *s, const char *list, uint64_t number, struct fl_arena *arena, struct fl_event *out, struct fl_err *err)
{
	struct fl_list_version parent = { 0 };
	size_t budget = EVENT_DELTAS_BYTES;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = fl_list_version_get(s, list, number, arena, &out->version, err);
	if (ret == 0 && out->version.parent) {
		ret = fl_list_version_get(s, list, out->version.parent, arena, &parent, err);
		if (ret == FL_ENOTFOUND) /* retention took it: the manifest alone still says what is in force */
			ret = 0;
	}
	if (ret < 0)
		return ret;
	out->inputs = fl_arena_array(arena, out->version.n_inputs + 1, sizeof(*out->inputs));
	if (!out->inputs)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (uint32_t i = 0; ret == 0 && i < out->version.n_inputs; i++) {
		const struct fl_list_input *to = &out->version.inputs[i];

		ret = load_input(s, to, fl_list_input_find(parent.inputs, parent.n_inputs, to->source), arena, &out->inputs[i], &budget, err);
	}
	return ret;
}
