/* Judgements: the hash `judged` of a source. One field each: "approved|rejected AT ACTOR REASON". */
#include <stdlib.h>

#include "sets/sets_int.h"

static bool word_take(struct fl_span *s, struct fl_span *out)
{
	const uint8_t *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;

	if (!blank)
		return false;
	*out = fl_span(s->p, (size_t)(blank - s->p));
	*s = fl_span(blank + 1, s->n - out->n - 1);
	return true;
}

static void text_take(struct fl_span from, char *to, size_t cap)
{
	size_t n = from.n < cap - 1 ? from.n : cap - 1;

	memset(to, 0, cap);
	if (n)
		memcpy(to, from.p, n);
}

static bool read_one(const struct fl_kv *kv, struct fl_judgement *j)
{
	struct fl_span rest = kv->value, word, at, actor;
	uint64_t us;

	if (kv->key.n >= sizeof(j->what) || !word_take(&rest, &word) || !word_take(&rest, &at) || !word_take(&rest, &actor) || !fl_u64_parse(at, &us))
		return false;
	j->approved = fl_span_eqs(word, "approved");
	if (!j->approved && !fl_span_eqs(word, "rejected"))
		return false;
	text_take(kv->key, j->what, sizeof(j->what));
	text_take(actor, j->actor, sizeof(j->actor));
	text_take(rest, j->reason, sizeof(j->reason));
	j->at = (fl_unix_us)us;
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct fl_judgement *x = a, *y = b;

	return x->at != y->at ? (x->at > y->at ? -1 : 1) : strcmp(x->what, y->what);
}

int fl_source_judgements(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_judgement **out, size_t *n, struct fl_err *err)
{
	struct fl_judgement *v;
	struct fl_kv *kv;
	size_t fields;
	int ret = fl__hash_get(s, fl__key(s, arena, FL_SOURCE, source, ":judged"), arena, &kv, &fields, err);

	*n = 0;
	if (ret < 0)
		return ret;
	v = fl_arena_array(arena, fields + 1, sizeof(*v));
	if (!v)
		return fl_err_set(err, FL_ENOMEM, "out of memory");
	for (size_t i = 0; i < fields; i++)
		*n += read_one(&kv[i], &v[*n]);
	if (*n)
		qsort(v, *n, sizeof(*v), newest_first);
	*out = v;
	return 0;
}

/* Spaces part the fields, so an actor has none. */
static const char *one_word(struct fl_arena *a, const char *s)
{
	char *w = fl_arena_str(a, s[0] ? s : "-");

	for (char *c = w; c && *c; c++)
		*c = *c == ' ' ? '_' : *c;
	return w ? w : "-";
}

int fl_source_judge(struct fl_sets *s, const char *source, const struct fl_judgement *j, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_judgement *all = NULL;
	const char *key = (const char *)fl__key(s, &a, FL_SOURCE, source, ":judged").p;
	const char *value = fl_arena_printf(&a, "%s %llu %s %s", j->approved ? "approved" : "rejected", (unsigned long long)j->at, one_word(&a, j->actor), j->reason);
	struct fl_reply r;
	size_t n = 0;
	int ret = key && value ? fl_store_cmd(s->store, &a, &r, err, "HSET", key, j->what, value, NULL) : fl_err_set(err, FL_ENOMEM, "out of memory");

	if (ret == 0 && r.type != FL_REPLY_INT)
		ret = fl_err_set(err, FL_EUNAVAIL, "source '%s': the store did not take the judgement", source);
	if (ret == 0)
		ret = fl_source_judgements(s, source, &a, &all, &n, err);
	for (size_t i = FL_JUDGEMENTS_MAX; ret == 0 && i < n; i++) /* by their dates, but never the word that was just given: a clock may be behind */
		ret = strcmp(all[i].what, j->what) == 0 ? 0 : fl_store_cmd(s->store, &a, &r, err, "HDEL", key, all[i].what, NULL);
	fl_arena_done(&a);
	return ret;
}

/* --- quarantine --- */

int fl_source_quarantine_put(struct fl_sets *s, const char *source, struct fl_span text, struct fl_err *err)
{
	struct fl_arena a = { 0 };
	struct fl_span argv[] = { fl_span_str(text.n ? "SET" : "DEL"), fl__key(s, &a, FL_SOURCE, source, ":quarantine"), text };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, text.n ? 3 : 2 }, 1, &a, &r, err);

	if (ret == 0 && r->type == FL_REPLY_ERROR)
		ret = fl_err_set(err, FL_EUNAVAIL, "source '%s': the store did not take its quarantine", source);
	fl_arena_done(&a);
	return ret;
}

int fl_source_quarantine_get(struct fl_sets *s, const char *source, struct fl_arena *arena, struct fl_span *text, struct fl_err *err)
{
	struct fl_span argv[] = { fl_span_str("GET"), fl__key(s, arena, FL_SOURCE, source, ":quarantine") };
	struct fl_reply *r = NULL;
	int ret = fl_store_call(s->store, &(struct fl_cmd){ argv, 2 }, 1, arena, &r, err);

	if (ret == 0 && r->type != FL_REPLY_STRING)
		return FL_ENOTFOUND;
	if (ret == 0)
		*text = r->s;
	return ret;
}
