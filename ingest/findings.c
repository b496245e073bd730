/* The findings stage: documents come from directories or by inject; claims are decided by policy (normalize/), made durable by one commit a set, and expire by themselves. */
#include "ingest/findings_int.h"

#include <stdlib.h>

#include "base/text.h"

enum { DOCUMENT_MAX = 16 << 20, SETTLE_US = 2000000, FILES_A_STEP = 64 };

/* Findings of a detector that was given one of our lists say its name: the list's own, or with ours before it. */
static const char *const *own_lists(struct fl_arena *arena, const struct fl_config *cfg)
{
	const char **v = fl_arena_array(arena, cfg->n_lists * 2 + 1, sizeof(*v));

	for (size_t i = 0; v && i < cfg->n_lists; i++) {
		v[2 * i] = fl_arena_str(arena, cfg->lists[i].name);
		v[2 * i + 1] = fl_arena_printf(arena, "fireline-%s", cfg->lists[i].name);
		if (!v[2 * i] || !v[2 * i + 1])
			return NULL;
	}
	return v;
}

static int load_policy(struct fl_findings_stage *f, const struct fl_config *cfg)
{
	const struct fl_cfg_findings *p = &cfg->findings;
	struct fl_arena arena = { 0 };
	struct fl_finding_rule *rules = fl_arena_array(&arena, p->n_rules + 1, sizeof(*rules));
	struct fl_drop_place *places = fl_arena_array(&arena, p->n_sources + 1, sizeof(*places));
	const char *const *own = own_lists(&arena, cfg);

	if (!rules || !places || !own) {
		fl_arena_done(&arena);
		return FL_ENOMEM;
	}
	for (size_t i = 0; i < p->n_rules; i++)
		rules[i] = (struct fl_finding_rule){ p->rules[i].type, (enum fl_finding_action)p->rules[i].action, p->rules[i].scope, p->rules[i].ttl_ms };
	fl_arena_done(&f->arena);
	f->arena = arena;
	f->places = places;
	f->policy = (struct fl_finding_policy){ .rules = rules, .n_rules = p->n_rules, .min_severity = p->min_severity, .ttl_ms = p->ttl_ms,
						.ignore_samples = p->ignore_samples, .own_lists = own, .n_own_lists = cfg->n_lists * 2 };
	f->c.cfg = cfg;
	return 0;
}

static void add_pair(struct fl_findings_stage *f, const char *source)
{
	char name[FL_SET_NAME];

	snprintf(name, sizeof(name), "%.80s.block", source);
	fl__claim_set(f, name, f->c.cfg->findings.into);
	snprintf(name, sizeof(name), "%.80s.alert", source);
	fl__claim_set(f, name, f->c.cfg->findings.alert_into);
}

/* Every set that may hold claims is known from the start, so that what an earlier process left expires too. */
static void load_sets(struct fl_findings_stage *f)
{
	char name[FL_SET_NAME];

	add_pair(f, "cli");
	for (size_t i = 0; i < f->c.cfg->findings.n_sources; i++)
		add_pair(f, f->c.cfg->findings.sources[i].name);
	for (size_t i = 0; i < f->c.cfg->n_lists; i++) {
		snprintf(name, sizeof(name), "%.80s.operator", f->c.cfg->lists[i].name);
		fl__claim_set(f, name, f->c.cfg->lists[i].name);
	}
}

int fl_findings_open(const struct fl_findings_config *c, struct fl_findings_stage **out, struct fl_err *err)
{
	struct fl_findings_stage *f = calloc(1, sizeof(*f));

	if (f) {
		f->c = *c;
		f->sets = calloc(FL_CLAIM_SETS_MAX, sizeof(*f->sets));
	}
	if (!f || !f->sets || load_policy(f, c->cfg) < 0) {
		if (f)
			free(f->sets);
		free(f);
		return fl_err_set(err, FL_ENOMEM, "findings: out of memory");
	}
	load_sets(f);
	*out = f;
	return 0;
}

int fl_findings_reload(struct fl_findings_stage *f, const struct fl_config *cfg)
{
	int ret = load_policy(f, cfg);

	if (ret == 0)
		load_sets(f);
	return ret;
}

void fl_findings_close(struct fl_findings_stage *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_sets; i++)
		if (f->sets[i].leased)
			fl_lease_release(f->c.sets, &f->sets[i].lease, NULL);
	fl_arena_done(&f->arena);
	free(f->sets);
	free(f);
}

/* --- one document --- */

/* Takes back more than is known to be taken back? A withdrawal without a date is taken as said now. */
static bool withdraws_nothing(const struct fl_claim *stored, const struct fl_claim *c)
{
	if (stored->state == FL_CLAIM_WITHDRAWN)
		return stored->updated_at >= c->updated_at;
	return c->updated_at && stored->updated_at > c->updated_at;
}

/* Is the stored claim at least as new, or beyond change? Then this one says nothing new. A withdrawn claim is revived by the source's own later word alone: one with a date after the
 * withdrawal's. A repeat, one that arrives late, and one without a date leave it withdrawn (docs/decisions/withdrawn.md). */
static bool nothing_new(const struct fl_claim *stored, const struct fl_claim *c)
{
	if (stored->state == FL_CLAIM_DISMISSED)
		return true;
	if (c->state == FL_CLAIM_WITHDRAWN)
		return withdraws_nothing(stored, c);
	if (stored->state == FL_CLAIM_WITHDRAWN && !stored->updated_at)
		return true;
	if (stored->updated_at != c->updated_at)
		return stored->updated_at > c->updated_at;
	return stored->state == FL_CLAIM_WITHDRAWN || (stored->state == c->state && c->updated_at != 0);
}

static void say_known(struct fl_findings_stage *f, const struct fl_claim *stored, const struct fl_claim *c, struct fl_finding_outcome *out)
{
	out->duplicate++;
	f->s.duplicate++;
	if (c->state == FL_CLAIM_ACTIVE && (stored->state == FL_CLAIM_WITHDRAWN || stored->state == FL_CLAIM_DISMISSED))
		snprintf(out->reason, sizeof(out->reason), "%s: it is %s, and this is no later word of it", c->type[0] ? c->type : "finding",
			 fl_claim_state_word(stored->state));
}

/* Sorts the claims of one finding: those that change something stay in v (to the front). A withdrawal of what was never claimed here is one of them: what it takes back may yet arrive. */
static int keep_new(struct fl_findings_stage *f, struct fl_claim *v, size_t *n, struct fl_finding_outcome *out, struct fl_err *err)
{
	size_t k = 0;

	for (size_t i = 0; i < *n; i++) {
		struct fl_claim stored;
		int ret = fl_claim_get(f->c.sets, v[i].source, v[i].id, &stored, err);

		if (ret < 0 && ret != FL_ENOTFOUND)
			return ret;
		if (ret == 0 && nothing_new(&stored, &v[i])) {
			say_known(f, &stored, &v[i], out);
			continue;
		}
		if (ret == 0 && stored.seen_at && stored.seen_at < v[i].seen_at && v[i].state != FL_CLAIM_ACTIVE)
			v[i].seen_at = stored.seen_at;
		v[k++] = v[i];
	}
	*n = k;
	return 0;
}

static void count_refused(struct fl_findings_stage *f, enum fl_drop why)
{
	switch (why) {
	case FL_DROP_SAMPLE:
		f->s.sample++;
		break;
	case FL_DROP_LOW_SEVERITY:
		f->s.low_severity++;
		break;
	case FL_DROP_NO_DOMAIN:
		f->s.no_domain++;
		break;
	case FL_DROP_IGNORED:
		f->s.ignored++;
		break;
	default:
		f->s.malformed++;
	}
}

static const char *const action_words[] = { "block", "alert", "ignore" };

/* Topic `findings`: the normalised finding and what was decided. Best effort: the source version is what is durable. */
static void tell(struct fl_findings_stage *f, const struct fl_finding *fi, const struct fl_claim *v, size_t n, enum fl_finding_action action)
{
	struct fl_buf b = { 0 };

	if (!f->c.bus)
		return;
	for (size_t i = 0; i < n; i++) {
		fl_buf_reset(&b);
		fl_buf_printf(&b, "{\"action\":\"%s\",\"claim\":", action_words[action]);
		fl_claim_encode(&v[i], &b);
		fl_buf_u8(&b, '}');
		if (!b.failed)
			fl_bus_produce(f->c.bus, FL_BUS_CONTROL, FL_TOPIC_FINDINGS, fl_span_str(fi->id ? fi->id : ""), fl_buf_span(&b), NULL, 0, 0, NULL);
	}
	fl_buf_done(&b);
}

static int take_finding(struct fl_findings_stage *f, const char *source, const struct fl_finding *fi, bool dry_run, const char *actor, struct fl_arena *arena,
			struct fl_finding_outcome *out, struct fl_err *err)
{
	struct fl_finding_claims claims = { 0 };
	struct fl_claim_batch b = { .cause = FL_CAUSE_FINDING, .actor = actor, .reason = fi->type ? fi->type : "", .seen_at = fl_now_unix(f->c.clock) };
	struct fl_source_version v;
	char set[FL_SET_NAME];
	uint32_t domains = fi->n_domains ? fi->n_domains : 1;
	int ret = fl_finding_claims(f->c.names, fi, &f->policy, source, b.seen_at, arena, &claims, &out->tally);

	if (ret < 0)
		return ret;
	out->domains += domains;
	if (claims.n == 0) {
		out->refused++;
		snprintf(out->reason, sizeof(out->reason), "%s: %s", fi->type ? fi->type : "finding", fl_drop_text(claims.why));
		count_refused(f, claims.why);
		return 0;
	}
	snprintf(set, sizeof(set), "%.80s.%s", source, action_words[claims.action]);
	b.set = fl__claim_set(f, set, claims.action == FL_FINDING_BLOCK ? f->c.cfg->findings.into : f->c.cfg->findings.alert_into);
	if (!b.set)
		return fl_err_set(err, FL_ELIMIT, "findings source '%s': over %d sets", source, FL_CLAIM_SETS_MAX);
	for (size_t i = 0; i < claims.n; i++) {
		memcpy(claims.v[i].source, set, strlen(set) + 1);
		fl_claim_id(&claims.v[i]);
	}
	memcpy(out->list, b.set->list, sizeof(out->list));
	if (dry_run) {
		out->accepted += (uint32_t)claims.n;
		return 0;
	}
	ret = keep_new(f, claims.v, &claims.n, out, err);
	if (ret < 0 || claims.n == 0)
		return ret;
	b.claims = claims.v;
	b.n = claims.n;
	ret = fl__claims_commit(f, &b, &v, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < claims.n; i++) {
		bool active = claims.v[i].state == FL_CLAIM_ACTIVE;

		*(active ? &out->accepted : &out->withdrawn) += 1;
		*(active ? &f->s.accepted : &f->s.withdrawn) += 1;
	}
	memcpy(out->source, set, strlen(set) + 1);
	out->version = v.id.number;
	tell(f, fi, claims.v, claims.n, claims.action);
	return 0;
}

int fl_findings_inject(struct fl_findings_stage *f, const char *source, struct fl_span json, bool dry_run, const char *actor, struct fl_finding_outcome *out,
		       struct fl_err *err)
{
	struct fl_arena arena = { 0 };
	struct fl_findings found = { 0 };
	int ret;

	memset(out, 0, sizeof(*out));
	ret = fl_finding_parse(json, &arena, &found, err);
	if (ret < 0)
		f->s.malformed++;
	else
		out->documents = 1;
	for (size_t i = 0; ret == 0 && i < found.n; i++) {
		out->findings++;
		ret = take_finding(f, source, &found.v[i], dry_run, actor, &arena, out, err);
	}
	fl_arena_done(&arena);
	return ret;
}

/* --- directories --- */

static void trouble(struct fl_drop_place *p, const struct fl_cfg_findings_source *s, const char *name, const char *what, const struct fl_err *err)
{
	snprintf(p->trouble, sizeof(p->trouble), "%.50s/%.50s %s: %.55s", s->name, name, what, err->text);
}

/* False: the pass over the folder ends here. */
static bool one_file(struct fl_findings_stage *f, const struct fl_cfg_findings_source *s, struct fl_drop_place *p)
{
	const struct fl_drop_dir *d = f->c.dir;
	struct fl_finding_outcome out;
	struct fl_buf body = { 0 };
	struct fl_err err = { 0 };
	fl_unix_us mtime = 0;
	char name[256];
	int ret = d->next(f->c.dir_ctx, s->path, s->glob, p->after, name, sizeof(name), &mtime, &err);

	if (ret != 1) {
		if (ret < 0 && ret != FL_ENOTFOUND)
			snprintf(p->trouble, sizeof(p->trouble), "%.190s", err.text);
		return false;
	}
	memcpy(p->after, name, sizeof(p->after));
	ret = d->read(f->c.dir_ctx, s->path, name, DOCUMENT_MAX, &body, &err);
	if (ret == 0)
		ret = fl_findings_inject(f, s->name, fl_buf_span(&body), false, s->name, &out, &err);
	fl_buf_done(&body);
	if (ret == 0) {
		if (d->done(f->c.dir_ctx, s->path, name, s->done_move, &err) < 0)
			trouble(p, s, name, "is taken but cannot be moved away", &err);
	} else if (ret == FL_EFORMAT || ret == FL_ELIMIT) {
		/* a file that is still being written is not yet a document: give it time to settle */
		if (fl_now_unix(f->c.clock) - mtime > SETTLE_US) {
			if (d->failed(f->c.dir_ctx, s->path, name, err.text, NULL) < 0)
				trouble(p, s, name, "is refused and cannot be moved away", &err);
		} else if (f->s.malformed)
			f->s.malformed--;
	} else if (ret != FL_ENOTFOUND)
		trouble(p, s, name, "waits", &err);
	return ret != FL_EUNAVAIL && ret != FL_EUNKNOWN && ret != FL_EFENCED;
}

/* A step takes a few files, the next goes on behind them: what cannot be taken or moved away does not keep the rest waiting. */
bool fl__findings_directories(struct fl_findings_stage *f)
{
	bool more = false;

	for (size_t i = 0; f->c.dir && i < f->c.cfg->findings.n_sources; i++) {
		const struct fl_cfg_findings_source *s = &f->c.cfg->findings.sources[i];
		struct fl_drop_place *p = &f->places[i];
		int n = 0;

		if (!s->enabled || s->type != FL_FINDINGS_DIRECTORY)
			continue;
		while (n < FILES_A_STEP && one_file(f, s, p))
			n++;
		if (n == FILES_A_STEP)
			more = true;
		else {
			memcpy(p->said, p->trouble, sizeof(p->said));
			p->trouble[0] = p->after[0] = '\0';
		}
	}
	return more;
}

/* What stands in the way now: gone when it is. */
static void say_problem(struct fl_findings_stage *f)
{
	const char *what = f->expiry_trouble;

	for (size_t i = 0; i < f->c.cfg->findings.n_sources && !*what; i++)
		what = f->places[i].trouble[0] ? f->places[i].trouble : f->places[i].said;
	snprintf(f->s.problem, sizeof(f->s.problem), "%s", what);
}

static void ignore_report(void *ctx, uint64_t tag, int code, int32_t partition, int64_t offset)
{
	(void)ctx, (void)tag, (void)code, (void)partition, (void)offset;
}

int fl_findings_step(struct fl_findings_stage *f, fl_mono_ns now, fl_mono_ns *wake)
{
	bool more = fl__findings_directories(f);

	fl__claims_expire(f, now);
	say_problem(f);
	if (f->c.bus)
		fl_bus_poll(f->c.bus, FL_BUS_CONTROL, 0, ignore_report, NULL);
	*wake = more ? now : f->expiry_at;
	return 0;
}
