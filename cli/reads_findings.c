/* What can be read of findings from the store: their claims, newest first, in pages; one finding; and for `explain` what held a name once. Used by the roles api and ingest. */
#include "cli/reads_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/json.h"

enum { LS_DEFAULT = 50, LS_MAX = 1000, SCAN_MAX = 20000, PAST_NAMES = 4 };

/* Sets that hold claims, and the list each feeds. */
struct origins {
	struct fl_arena *arena;
	const char **source, **list;
	size_t n, cap;
	bool failed;
};

static bool has_source(const struct origins *o, const char *source)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->source[i], source) == 0)
			return true;
	return false;
}

static void origin_add(struct origins *o, const char *source, const char *list)
{
	if (!source || o->n == o->cap) {
		o->failed = true;
		return;
	}
	if (has_source(o, source))
		return;
	o->source[o->n] = source;
	o->list[o->n++] = list;
}

/* Those of findings, also of sources that are disabled now; operators' entries where they are asked for. */
static bool origins_of(const struct fl_config *cfg, bool operators, struct fl_arena *arena, struct origins *o)
{
	const struct fl_cfg_findings *f = &cfg->findings;

	*o = (struct origins){ .arena = arena };
	o->cap = 2 * f->n_sources;
	for (size_t i = 0; i < cfg->n_lists; i++) {
		struct fl_cfg_source *v = NULL;

		o->cap += fl_config_sources(cfg, cfg->lists[i].name, arena, &v);
	}
	o->source = fl_arena_array(arena, o->cap + 1, sizeof(*o->source));
	o->list = fl_arena_array(arena, o->cap + 1, sizeof(*o->list));
	if (!o->source || !o->list)
		return false;
	for (size_t i = 0; i < cfg->n_lists; i++) {
		struct fl_cfg_source *v = NULL;
		size_t n = fl_config_sources(cfg, cfg->lists[i].name, arena, &v);

		for (size_t k = 0; k < n; k++)
			if (v[k].kind == FL_SRC_FINDINGS || (operators && v[k].kind == FL_SRC_OPERATOR))
				origin_add(o, v[k].source, cfg->lists[i].name);
	}
	for (size_t i = 0; i < f->n_sources; i++) {
		origin_add(o, fl_arena_printf(arena, "%s.block", f->sources[i].name), f->into);
		origin_add(o, fl_arena_printf(arena, "%s.alert", f->sources[i].name), f->alert_into);
	}
	return !o->failed;
}

static json_t *row_json(const struct fl_claim_row *r, const char *list)
{
	const struct fl_claim *c = &r->claim;
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:s, s:s, s:I, s:I}", "id", c->id, "finding", c->finding, "source", c->source, "list",
			 list ? list : "", "type", c->type, "name", fl_rkey_to_text(fl_rkey_span(&c->key), name), "scope", fl_scope_format(c->scope, scope), "state",
			 fl_claim_state_word(c->state), "severity", c->severity, "seen", fl_json_time(c->seen_at), "updated", fl_json_time(c->updated_at), "expires",
			 fl_json_time(c->expires_at), "changed", fl_json_time(r->at), "actor", c->actor, "reason", c->reason, "first_version", (json_int_t)r->first, "version",
			 (json_int_t)r->version);
}

/* --- ls --- */

struct wanted {
	const char *source, *type;
	bool by_state, by_name;
	enum fl_claim_state state;
	struct fl_rkey name;
	uint64_t limit;
	struct fl_claim_place after;
};

struct found {
	const struct fl_claim_row *row;
	const char *list;
};

struct listing {
	struct fl_reads *r;
	struct wanted w;
	struct fl_arena *arena;
	struct found *v;
	size_t n, cap;
	bool cut;
	struct fl_claim_place cutoff; /* what is behind it is not known of every source */
};

static bool parse_place(const char *text, struct fl_claim_place *out)
{
	const char *dot = strchr(text, '.');
	uint64_t us;

	if (!dot || strlen(dot + 1) != 64 || !fl_u64_parse(fl_span(text, (size_t)(dot - text)), &us) || us > INT64_MAX)
		return false;
	out->seen_at = (fl_unix_us)us;
	snprintf(out->id, sizeof(out->id), "%s", dot + 1);
	return true;
}

static bool parse_name(const char *text, struct fl_rkey *out)
{
	char lower[FL_NAME_TEXT];
	size_t n = strlen(text);

	if (n && text[n - 1] == '.' && n > 1)
		n--;
	if (n >= sizeof(lower))
		return false;
	for (size_t i = 0; i < n; i++)
		lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
	lower[n] = '\0';
	return fl_rkey_from_text(fl_span_str(lower), out);
}

static const char *query_of(const struct fl_admin_request *req, const char *key)
{
	const char *v = req->query(req, key);

	return v && v[0] ? v : NULL;
}

static int parse_wanted(const struct fl_admin_request *req, struct wanted *w, struct fl_err *err)
{
	const char *state = query_of(req, "state"), *name = query_of(req, "name"), *limit = query_of(req, "limit"), *after = query_of(req, "after");

	*w = (struct wanted){ .source = query_of(req, "source"), .type = query_of(req, "type"), .limit = LS_DEFAULT };
	w->by_state = state != NULL;
	w->by_name = name != NULL;
	if (state && !fl_claim_state_of(state, &w->state))
		return fl_err_set(err, FL_EUSAGE, "'%.60s' is no state: active, withdrawn, dismissed, expired or quarantined", state);
	if (name && !parse_name(name, &w->name))
		return fl_err_set(err, FL_EUSAGE, "'%.200s' is no name", name);
	if (limit && (!fl_u64_parse(fl_span_str(limit), &w->limit) || w->limit == 0 || w->limit > LS_MAX))
		return fl_err_set(err, FL_EUSAGE, "limit is a number from 1 to %d", LS_MAX);
	if (after && !parse_place(after, &w->after))
		return fl_err_set(err, FL_EUSAGE, "after is the `next` of an answer");
	return 0;
}

/* By the set's name, or by its source's. */
static bool source_fits(const char *wanted, const char *set)
{
	size_t n = strlen(wanted);

	return strcmp(wanted, set) == 0 || (strncmp(wanted, set, n) == 0 && set[n] == '.');
}

static bool row_fits(const struct wanted *w, const struct fl_claim *c)
{
	return (!w->by_state || c->state == w->state) && (!w->type || fl_glob(w->type, c->type));
}

/* A copy: a page of rows lives as long as it is looked through. */
static int keep(struct listing *l, const struct fl_claim_row *row, const char *list)
{
	struct fl_claim_row *mine;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct found *v = fl_arena_array(l->arena, cap, sizeof(*v));

		if (!v)
			return FL_ENOMEM;
		if (l->n)
			memcpy(v, l->v, l->n * sizeof(*v));
		l->v = v;
		l->cap = cap;
	}
	mine = fl_arena_array(l->arena, 1, sizeof(*mine));
	if (!mine)
		return FL_ENOMEM;
	*mine = *row;
	l->v[l->n++] = (struct found){ mine, list };
	return 0;
}

/* Newest first: does a come before b? */
static int order(fl_unix_us at, const char *id, fl_unix_us at2, const char *id2)
{
	return at != at2 ? (at > at2 ? -1 : 1) : strcmp(id2, id);
}

static int by_age(const void *a, const void *b)
{
	const struct fl_claim *x = &((const struct found *)a)->row->claim, *y = &((const struct found *)b)->row->claim;

	return order(x->seen_at, x->id, y->seen_at, y->id);
}

static int list_source(struct listing *l, const char *source, const char *list, struct fl_err *err)
{
	struct fl_claim_place at = l->w.after;
	size_t scanned = 0, matched = 0;
	bool more = true;
	int ret = 0;

	while (ret == 0 && more && scanned < SCAN_MAX && matched < l->w.limit) {
		struct fl_arena page = { 0 };
		struct fl_claim_row *v = NULL;
		size_t n = 0;

		ret = fl_claims_page(&l->r->sets, source, &at, FL_CLAIMS_PAGE_MAX, &page, &v, &n, &more, err);
		for (size_t i = 0; ret == 0 && i < n; i++)
			if (row_fits(&l->w, &v[i].claim)) {
				ret = keep(l, &v[i], list);
				matched++;
			}
		scanned += FL_CLAIMS_PAGE_MAX;
		fl_arena_done(&page);
	}
	if (ret == 0 && more && (!l->cut || order(at.seen_at, at.id, l->cutoff.seen_at, l->cutoff.id) < 0)) {
		l->cut = true;
		l->cutoff = at;
	}
	return ret;
}

static int list_name(struct listing *l, const char *source, const char *list, struct fl_err *err)
{
	struct fl_claim_row *v = NULL;
	size_t n = 0;
	int ret = fl_claims_on(&l->r->sets, source, fl_rkey_span(&l->w.name), l->arena, &v, &n, err);

	for (size_t i = 0; ret == 0 && i < n; i++)
		if (row_fits(&l->w, &v[i].claim))
			ret = keep(l, &v[i], list);
	return ret;
}

static json_t *listing_json(struct listing *l)
{
	json_t *items = json_array();
	struct fl_claim_place next = l->cutoff;
	bool more = l->cut;
	char text[100] = "";

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_age);
	for (size_t i = 0; i < l->n; i++) {
		const struct fl_claim *c = &l->v[i].row->claim;

		if (l->cut && order(c->seen_at, c->id, l->cutoff.seen_at, l->cutoff.id) > 0)
			break;
		if (json_array_size(items) == l->w.limit) {
			more = true;
			break;
		}
		json_array_append_new(items, row_json(l->v[i].row, l->v[i].list));
		if (json_array_size(items) == l->w.limit) {
			next.seen_at = c->seen_at;
			memcpy(next.id, c->id, sizeof(next.id));
			more = more || i + 1 < l->n;
		}
	}
	if (more && next.id[0] && !l->w.by_name)
		snprintf(text, sizeof(text), "%llu.%s", (unsigned long long)next.seen_at, next.id);
	return json_pack("{s:o, s:o}", "items", items, "next", text[0] ? json_string(text) : json_null());
}

void fl_reads_findings(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	struct listing l = { .r = r, .arena = req->arena };
	struct origins o;
	struct fl_err err = { 0 };
	bool some = false;
	int ret = parse_wanted(req, &l.w, &err);

	if (ret == 0 && !origins_of(r->cfg, l.w.source != NULL, req->arena, &o))
		ret = FL_ENOMEM;
	for (size_t i = 0; ret == 0 && i < o.n; i++) {
		if (l.w.source && !source_fits(l.w.source, o.source[i]))
			continue;
		some = true;
		ret = l.w.by_name ? list_name(&l, o.source[i], o.list[i], &err) : list_source(&l, o.source[i], o.list[i], &err);
	}
	if (ret == 0 && !some)
		ret = fl_err_set(&err, FL_ENOTFOUND, "no findings source is called '%.90s'", l.w.source ? l.w.source : "");
	if (ret < 0)
		fl_json_problem(res, ret, err.text);
	else
		fl_json_answer(res, listing_json(&l));
}

/* --- show --- */

static const char *list_of(const struct origins *o, const char *source)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->source[i], source) == 0)
			return o->list[i];
	return "";
}

void fl_reads_finding(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res)
{
	const char *id = req->path + strlen("/v1/findings/");
	struct fl_claim_rows rows = { 0 };
	struct origins o;
	struct fl_err err = { 0 };
	json_t *claims;
	int ret = origins_of(r->cfg, false, req->arena, &o) ? fl_claims_find(&r->sets, o.source, o.n, id, req->arena, &rows, &err) : FL_ENOMEM;

	if (ret < 0) {
		fl_json_problem(res, ret, err.text);
		return;
	}
	claims = json_array();
	for (size_t i = 0; i < rows.n; i++)
		json_array_append_new(claims, row_json(&rows.v[i], list_of(&o, rows.v[i].claim.source)));
	fl_json_answer(res, json_pack("{s:s, s:o}", "finding", rows.v[0].claim.finding, "claims", claims));
}

/* --- explain --- */

void fl__reads_claims_json(struct fl_reads *r, const char *source, struct fl_span key, bool active, void *out_json)
{
	struct fl_arena arena = { 0 };
	struct fl_claim_row *v = NULL;
	size_t n = 0;

	if (fl_claims_on(&r->sets, source, key, &arena, &v, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			if ((v[i].claim.state == FL_CLAIM_ACTIVE) == active) {
				json_t *o = row_json(&v[i], NULL);

				json_object_del(o, "list");
				json_object_set_new(o, "since", fl_json_time(v[i].claim.seen_at));
				json_array_append_new(out_json, o);
			}
	fl_arena_done(&arena);
}

void *fl_reads_past(struct fl_reads *r, const char *name)
{
	struct fl_arena arena = { 0 };
	json_t *out = json_array();
	struct origins o;
	struct fl_rkey key;
	struct fl_span k;

	if (parse_name(name, &key) && origins_of(r->cfg, true, &arena, &o))
		for (int depth = 0; depth < PAST_NAMES; depth++) {
			k = depth ? fl_rkey_parent(k) : fl_rkey_span(&key);
			if (depth && fl_rkey_parent(k).n == 0) /* of one label: no finding names it */
				break;
			for (size_t i = 0; i < o.n; i++)
				fl__reads_claims_json(r, o.source[i], k, false, out);
		}
	fl_arena_done(&arena);
	return out;
}
