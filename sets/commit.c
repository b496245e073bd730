/* What commits share: argument vectors, blobs before, and the one script whose lost reply is asked again. */
#include "sets/sets_int.h"

void fl__args_add(struct fl_args *a, struct fl_span s)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 64;
		struct fl_span *v = fl_arena_array(a->arena, cap, sizeof(*v));

		if (!v) {
			a->failed = true;
			return;
		}
		if (a->n)
			memcpy(v, a->v, a->n * sizeof(*v));
		a->v = v;
		a->cap = cap;
	}
	a->v[a->n++] = s;
}

void fl__args_str(struct fl_args *a, const char *s)
{
	fl__args_add(a, fl_span_str(s));
}

void fl__args_num(struct fl_args *a, int64_t v)
{
	fl__args_add(a, fl__num(a->arena, v));
}

static int word_code(struct fl_span w, struct fl_err *err)
{
	static const struct {
		const char *word;
		int code;
		const char *text;
	} rows[] = {
		{ "ok", 0, "" },
		{ "done", 0, "" },
		{ "stale", FL_ESTALE, "the head moved" },
		{ "fenced", FL_EFENCED, "another writer holds the set" },
		{ "missing", FL_ENOTFOUND, "a block or an input that the version names is not in the store" },
		{ "back", FL_EREFUSED, "an input would go back" },
		{ "pins", FL_EREFUSED, "a pin would change" },
		{ "needed", FL_EREFUSED, "a version that a list needs would be deleted" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (fl_span_eqs(w, rows[i].word))
			return rows[i].code ? fl_err_set(err, rows[i].code, "commit: %s", rows[i].text) : 0;
	return fl_err_set(err, FL_ECORRUPT, "commit: the store answered '%.*s'", (int)(w.n < 60 ? w.n : 60), (const char *)w.p);
}

int fl__commit_eval(struct fl_sets *s, const struct fl_script *script, const struct fl_args *keys, const struct fl_args *args, struct fl_err *err)
{
	int ret = FL_EUNKNOWN;

	if (keys->failed || args->failed)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (int i = 0; i < FL_REPLY_TRIES && (ret == FL_EUNKNOWN || (i && ret == FL_EUNAVAIL)); i++) {
		struct fl_arena a = { 0 };
		struct fl_reply r;

		ret = fl_store_eval(s->store, script, keys->v, keys->n, args->v, args->n, &a, &r, err);
		if (ret == 0)
			ret = word_code(fl__is_string(&r) ? r.s : fl_span(NULL, 0), err);
		else if (i && ret == FL_EUNAVAIL)
			ret = FL_EUNKNOWN; /* an earlier try may have been carried out */
		fl_arena_done(&a);
		if (FL_MUTANT(FL_MUTANT_LOST_REPLY) && ret == FL_EUNKNOWN)
			break;
	}
	return ret;
}

int fl__blobs_write(struct fl_sets *s, const struct fl_blob *v, size_t n, struct fl_err *err)
{
	size_t from = 0;

	while (from < n) {
		struct fl_arena a = { 0 };
		struct fl_span(*argv)[6];
		struct fl_cmd *cmds;
		struct fl_reply *r = NULL;
		size_t k = 0, bytes = 0;
		int ret;

		while (from + k < n && (k == 0 || bytes + v[from + k].bytes.n < FL_PIPELINE_BYTES))
			bytes += v[from + k++].bytes.n;
		argv = fl_arena_array(&a, k, sizeof(*argv));
		cmds = fl_arena_array(&a, k, sizeof(*cmds));
		ret = argv && cmds ? 0 : FL_ENOMEM;
		for (size_t i = 0; ret == 0 && i < k; i++) {
			argv[i][0] = fl_span_str("SET");
			argv[i][1] = v[from + i].key;
			argv[i][2] = v[from + i].bytes;
			argv[i][3] = fl_span_str("NX");
			argv[i][4] = fl_span_str("PX");
			argv[i][5] = fl__num(&a, FL_BLOB_TTL_MS);
			cmds[i] = (struct fl_cmd){ argv[i], 6 };
		}
		if (ret == 0)
			ret = fl_store_call(s->store, cmds, k, &a, &r, err);
		for (size_t i = 0; ret == 0 && i < k; i++)
			if (r[i].type == FL_REPLY_ERROR) /* out of memory there: the last good version stands */
				ret = fl_err_set(err, FL_EUNAVAIL, "the store refused a block: %.*s", (int)(r[i].s.n < 200 ? r[i].s.n : 200),
						 (const char *)r[i].s.p);
		fl_arena_done(&a);
		if (ret == FL_EUNKNOWN)
			ret = fl_err_set(err, FL_EUNAVAIL, "the store went away while blocks were written; nothing was committed");
		if (ret < 0)
			return ret;
		from += k;
	}
	return 0;
}
