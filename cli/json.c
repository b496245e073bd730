#include "cli/json.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

json_t *fl_json_time(fl_unix_us t)
{
	char text[FL_TIME_TEXT];

	return t ? json_string(fl_time_format(t, text)) : json_null();
}

static json_t *json_hex(const void *p, size_t n)
{
	char text[129];

	return json_string(fl_hex(p, n < 64 ? n : 64, text));
}

json_t *fl_json_key(struct fl_span rkey)
{
	char text[FL_NAME_TEXT];

	return json_string(fl_rkey_to_text(rkey, text));
}

static json_t *input(const struct fl_list_input *in)
{
	return json_pack("{s:s, s:o, s:I, s:o, s:I, s:b, s:b}", "source", in->source, "epoch", json_hex(in->id.epoch.b, 16), "version",
			 (json_int_t)in->id.number, "chain", json_hex(in->id.chain, 32), "entries", (json_int_t)in->entries, "pinned", in->pinned, "gone",
			 in->gone);
}

json_t *fl_json_list_version(const struct fl_list_version *v)
{
	json_t *inputs = json_array();

	for (uint32_t i = 0; i < v->n_inputs; i++)
		json_array_append_new(inputs, input(&v->inputs[i]));
	return json_pack("{s:s, s:o, s:I, s:I, s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o}", "list", v->list, "epoch",
			 json_hex(v->id.epoch.b, 16), "version", (json_int_t)v->id.number, "parent", (json_int_t)v->parent, "chain",
			 json_hex(v->id.chain, 32), "at", fl_json_time(v->at), "cause", fl_cause_word(v->cause), "actor", v->actor, "reason", v->reason,
			 "names", (json_int_t)v->names, "added", (json_int_t)v->added, "removed", (json_int_t)v->removed, "recovered",
			 (json_int_t)v->recovered.version, "inputs", inputs);
}

void fl_json_answer(struct fl_admin_response *res, json_t *take)
{
	char *text = take ? json_dumps(take, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	json_decref(take);
	if (!text) {
		fl_admin_problem(res, 500, "FL5000", "out of memory", "");
		return;
	}
	if (!res->status)
		res->status = 200;
	fl_buf_str(&res->body, text);
	fl_buf_u8(&res->body, '\n');
	free(text);
}

void fl_json_problem(struct fl_admin_response *res, int code, const char *text)
{
	static const struct {
		int code, status;
		const char *fl, *hint;
	} rows[] = {
		{ FL_EFORMAT, 422, "FL2101", "" },
		{ FL_ELIMIT, 413, "FL2102", "" },
		{ FL_EUNAVAIL, 503, "FL3101", "nothing was changed; try again" },
		{ FL_EUNKNOWN, 503, "FL3102", "the reply was lost; ask for the state before trying again" },
		{ FL_ESTALE, 409, "FL2201", "another writer was faster; try again" },
		{ FL_EFENCED, 409, "FL2202", "another writer holds it; try again in a few seconds" },
		{ FL_ENOTFOUND, 404, "FL2103", "" },
		{ FL_EREFUSED, 409, "FL2301", "" },
		{ FL_EUSAGE, 400, "FL2001", "" },
		{ FL_EPERM, 403, "FL1301", "" },
		{ FL_ECORRUPT, 500, "FL5101", "what is in force stays in force" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code) {
			fl_admin_problem(res, rows[i].status, rows[i].fl, text && text[0] ? text : fl_code_text(code), rows[i].hint);
			return;
		}
	fl_admin_problem(res, 500, "FL5000", text && text[0] ? text : fl_code_text(code), "");
}

json_t *fl_json_body(const struct fl_admin_request *req, struct fl_admin_response *res)
{
	json_error_t e;
	json_t *o = req->body.n ? json_loadb((const char *)req->body.p, req->body.n, JSON_REJECT_DUPLICATES, &e) : json_object();

	if (json_is_object(o))
		return o;
	if (o)
		fl_json_problem(res, FL_EUSAGE, "the body must be a JSON object");
	else
		fl_json_problem(res, FL_EUSAGE, e.text);
	json_decref(o);
	return NULL;
}

const char *fl_json_get_str(const json_t *o, const char *key, const char *dflt)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : dflt;
}

int64_t fl_json_get_int(const json_t *o, const char *key, int64_t dflt)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : dflt;
}

bool fl_json_get_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

const char *fl_request_actor(const struct fl_admin_request *req)
{
	const char *named = req->query(req, "actor");
	struct passwd pw, *found = NULL;
	char buf[1024];

	if (!named || getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) != 0 || !found)
		return req->actor;
	return strcmp(found->pw_name, req->actor) == 0 || strcmp(req->actor, "root") == 0 ? named : req->actor;
}
