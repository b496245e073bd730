#include "model/enforcer_state.h"

#include "model/json_int.h"

void fl_enforcer_state_encode(const struct fl_enforcer_state *s, struct fl_buf *out)
{
	fl__json_put_str(out, "{\"enforcer\":", s->enforcer);
	FL__JSON_LIT(out, ",\"at_us\":");
	fl__json_i64(out, s->at);
	FL__JSON_LIT(out, ",\"lists\":[");
	for (size_t i = 0; i < s->n; i++) {
		const struct fl_enforcer_list *l = &s->lists[i];

		if (i)
			fl_buf_u8(out, ',');
		fl__json_put_str(out, "{\"list\":", l->list);
		fl__json_put_hex(out, ",\"epoch\":", l->id.epoch.b, sizeof(l->id.epoch.b));
		fl__json_put_u64(out, ",\"version\":", l->id.number);
		fl__json_put_hex(out, ",\"chain\":", l->id.chain, sizeof(l->id.chain));
		FL__JSON_LIT(out, ",\"applied_at_us\":");
		fl__json_i64(out, l->applied_at);
		fl__json_put_str(out, ",\"state\":", l->state);
		fl_buf_u8(out, '}');
	}
	FL__JSON_LIT(out, "]}");
}

static bool read_list(const json_t *o, struct fl_enforcer_list *l, struct fl_err *err)
{
	struct fl__json_rd r = { .obj = o, .what = "enforcer state", .err = err };

	fl__json_get_str(&r, "list", l->list, sizeof(l->list));
	fl__json_get_hex(&r, "epoch", l->id.epoch.b, sizeof(l->id.epoch.b));
	fl__json_get_u64(&r, "version", &l->id.number);
	fl__json_get_hex(&r, "chain", l->id.chain, sizeof(l->id.chain));
	fl__json_get_time(&r, "applied_at_us", &l->applied_at);
	fl__json_get_str(&r, "state", l->state, sizeof(l->state));
	return !r.bad;
}

int fl_enforcer_state_decode(struct fl_span json, struct fl_arena *arena, struct fl_enforcer_state *out, struct fl_err *err)
{
	struct fl_enforcer_state s = { 0 };
	int code = FL_EFORMAT;
	json_t *root = fl__json_load(json, FL_ENFORCER_STATE_MAX, "enforcer state", &code, err);
	struct fl__json_rd r = { .obj = root, .what = "enforcer state", .err = err };
	const json_t *lists;
	bool ok;

	if (!root)
		return code;
	fl__json_get_str(&r, "enforcer", s.enforcer, sizeof(s.enforcer));
	fl__json_get_time(&r, "at_us", &s.at);
	lists = fl__json_get_array(&r, "lists", FL_ENFORCER_LISTS_MAX);
	ok = !r.bad;
	s.n = ok ? json_array_size(lists) : 0;
	s.lists = fl_arena_array(arena, s.n + 1, sizeof(*s.lists));
	for (size_t i = 0; ok && s.lists && i < s.n; i++) {
		const json_t *l = json_array_get(lists, i);

		ok = json_is_object(l) && read_list(l, &s.lists[i], err);
	}
	json_decref(root);
	if (!s.lists)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	if (!ok)
		return err && err->text[0] ? FL_EFORMAT : fl_err_set(err, FL_EFORMAT, "enforcer state: malformed");
	*out = s;
	return 0;
}
