#include "model/bypass.h"

#include "model/json_int.h"

enum { FORMAT = 1 };

void fl_bypass_encode(const struct fl_bypass *v, size_t n, struct fl_buf *out)
{
	fl__json_put_u64(out, "{\"format\":", FORMAT);
	FL__JSON_LIT(out, ",\"bypasses\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			fl_buf_u8(out, ',');
		fl__json_put_str(out, "{\"association\":", v[i].association);
		FL__JSON_LIT(out, ",\"since_us\":");
		fl__json_i64(out, v[i].since);
		FL__JSON_LIT(out, ",\"until_us\":");
		fl__json_i64(out, v[i].until);
		fl__json_put_str(out, ",\"actor\":", v[i].actor);
		fl__json_put_str(out, ",\"reason\":", v[i].reason);
		fl_buf_u8(out, '}');
	}
	FL__JSON_LIT(out, "]}");
}

static bool read_one(const json_t *o, struct fl_bypass *b, struct fl_err *err)
{
	struct fl__json_rd r = { .obj = o, .what = "bypass", .err = err };

	memset(b, 0, sizeof(*b));
	fl__json_get_str(&r, "association", b->association, sizeof(b->association));
	fl__json_get_time(&r, "since_us", &b->since);
	fl__json_get_time(&r, "until_us", &b->until);
	fl__json_get_str(&r, "actor", b->actor, sizeof(b->actor));
	fl__json_get_str(&r, "reason", b->reason, sizeof(b->reason));
	if (!r.bad && b->until <= b->since)
		fl__json_bad(&r, "until_us", "is not after since_us");
	if (!r.bad && b->association[0] && !fl_set_name_valid(b->association))
		fl__json_bad(&r, "association", "is no name");
	return !r.bad;
}

int fl_bypass_decode(struct fl_span json, struct fl_bypass *v, size_t *n, struct fl_err *err)
{
	int code = FL_EFORMAT;
	json_t *root = fl__json_load(json, FL_BYPASS_FILE_MAX, "bypass", &code, err);
	struct fl__json_rd r = { .obj = root, .what = "bypass", .err = err };
	const json_t *list;
	uint64_t format = FORMAT;
	size_t count = 0;

	if (!root)
		return code;
	fl__json_get_u64(&r, "format", &format);
	if (format != FORMAT)
		fl__json_bad(&r, "format", "is unknown here");
	list = fl__json_get_array(&r, "bypasses", FL_BYPASS_MAX);
	for (size_t i = 0; !r.bad && i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);

		if (!json_is_object(o) || !read_one(o, &v[count], err))
			r.bad = true;
		for (size_t k = 0; !r.bad && k < count; k++)
			if (strcmp(v[k].association, v[count].association) == 0)
				fl__json_bad(&r, "association", "stands there twice");
		count += !r.bad;
	}
	json_decref(root);
	if (r.bad)
		return err && err->code ? err->code : fl_err_set(err, FL_EFORMAT, "bypass: malformed");
	*n = count;
	return 0;
}
