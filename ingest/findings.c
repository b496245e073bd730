/* The findings stage: documents come from directories or by inject; claims are decided by policy (normalize/), made durable by one commit a set, and expire by themselves. */
#include "ingest/findings_int.h"

#include <stdlib.h>

#include "base/text.h"
#include "ingest/intake.h"

enum { DOCUMENT_MAX = 16 << 20, SETTLE_US = 2000000, BATCH_ITEMS = 1000, BATCHES_A_STEP = 8 };

static int load_policy(struct fl_findings_stage *f, const struct fl_config *cfg)
{
	struct fl_arena arena = { 0 };
	struct fl_finding_policy policy;
	const struct fl_protected_from from = { .cfg = cfg, .names = f->c.names };
	char problem[FL_PROTECT_PROBLEM]; /* said by the feeds' side, which reads the same */
	struct fl_drop_place *places = fl_arena_array(&arena, cfg->findings.n_sources + 1, sizeof(*places));

	if (!places || fl_finding_policy_of(cfg, &arena, &policy) < 0 || (from.names && fl_protected_from(&from, &f->protected, problem) < 0)) {
		fl_arena_done(&arena);
		return FL_ENOMEM;
	}
	fl_arena_done(&f->arena);
	f->arena = arena;
	f->places = places;
	f->policy = policy;
	f->policy.protect = &f->protected;
	f->c.cfg = cfg;
	return 0;
}

static void add_set(struct fl_findings_stage *f, const char *source, const char *action, const char *list)
{
	char name[FL_SET_NAME];

	if (fl_config_finding_set(f->c.cfg, source, action, list, name))
		fl__claim_set(f, name, list);
}

static void add_sets(struct fl_findings_stage *f, const char *source)
{
	const struct fl_cfg_findings *c = &f->c.cfg->findings;

	add_set(f, source, "block", c->into);
	add_set(f, source, "alert", c->alert_into);
	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].into && c->rules[i].into[0])
			add_set(f, source, fl_finding_action_word((enum fl_finding_action)c->rules[i].action), c->rules[i].into);
}

/* Every set that may hold claims is known from the start, so that what an earlier process left expires too. */
static void load_sets(struct fl_findings_stage *f)
{
	char name[FL_SET_NAME];

	add_sets(f, "cli");
	for (size_t i = 0; i < f->c.cfg->findings.n_sources; i++)
		add_sets(f, f->c.cfg->findings.sources[i].name);
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
		f->listed = calloc(FL_FILES_A_STEP, sizeof(*f->listed));
	}
	if (!f || !f->sets || !f->listed || load_policy(f, c->cfg) < 0) {
		if (f) {
			fl_protected_done(&f->protected);
			free(f->sets);
			free(f->listed);
		}
		free(f);
		return fl_err_set(err, FL_ENOMEM, "findings: out of memory");
	}
	if (fl__keep_open(f, err) < 0) {
		fl_findings_close(f);
		return FL_ENOMEM;
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
	fl__keep_close(f);
	fl_arena_done(&f->arena);
	fl_protected_done(&f->protected);
	free(f->sets);
	free(f->listed);
	free(f);
}

/* --- directories --- */

static void trouble(struct fl_drop_place *p, const struct fl_cfg_findings_source *s, const char *name, const char *what, const struct fl_err *err)
{
	snprintf(p->trouble, sizeof(p->trouble), "%.50s/%.50s %s: %.55s", s->name, name, what, err->text);
}

struct drop_file {
	struct fl_intake_item item;
	struct fl_buf body;
	const struct fl_drop_file *at;
};

static void nobody_waits(void *ctx, struct fl_intake_item *item)
{
	(void)ctx, (void)item;
}

/* What becomes of a file whose document was taken, refused, or not acknowledged. False: the store is away, the pass over the folder ends here. */
static bool put_away(struct fl_findings_stage *f, const struct fl_cfg_findings_source *s, struct fl_drop_place *p, struct drop_file *file)
{
	const struct fl_drop_dir *d = f->c.dir;
	struct fl_intake_item *it = &file->item;
	struct fl_err err = { 0 };

	if (it->ret == 0 && it->outcome.cut_off && fl_now_unix(f->c.clock) - file->at->mtime <= SETTLE_US) {
		f->s.malformed -= f->s.malformed > 0;
		return true; /* what it says so far is taken; it is read again when more of it is there */
	}
	if (it->ret == 0) {
		if (d->done(f->c.dir_ctx, s->path, file->at->name, s->done_move, &err) < 0)
			trouble(p, s, file->at->name, "is taken but cannot be moved away", &err);
	} else if (it->ret == FL_EFORMAT || it->ret == FL_ELIMIT) {
		/* a file that is still being written is not yet a document: give it time to settle */
		if (fl_now_unix(f->c.clock) - file->at->mtime > SETTLE_US) {
			if (d->failed(f->c.dir_ctx, s->path, file->at->name, it->err.text, NULL) < 0)
				trouble(p, s, file->at->name, "is refused and cannot be moved away", &it->err);
		} else if (f->s.malformed)
			f->s.malformed--;
	} else if (it->ret != FL_ENOTFOUND)
		trouble(p, s, file->at->name, "waits", &it->err);
	return it->ret != FL_EUNAVAIL && it->ret != FL_EUNKNOWN && it->ret != FL_EFENCED;
}

static void read_one(struct fl_findings_stage *f, const struct fl_cfg_findings_source *s, struct drop_file *file)
{
	struct fl_intake_item *it = &file->item;

	it->source = it->actor = s->name;
	it->done = nobody_waits;
	it->received_at = fl_now_unix(f->c.clock);
	it->ret = f->c.dir->read(f->c.dir_ctx, s->path, file->at->name, DOCUMENT_MAX, &file->body, &it->err);
	it->json = fl_buf_span(&file->body);
}

/* The files listed, from the first on, as one batch. How many of them it took: fewer when they are big. */
static size_t batch_of(struct fl_findings_stage *f, const struct fl_cfg_findings_source *s, struct fl_drop_place *p, struct drop_file *v, size_t n, bool *go_on)
{
	struct fl_intake_item *first = NULL, **last = &first;
	size_t taken = 0, bytes = 0;

	for (; taken < n && bytes < DOCUMENT_MAX; taken++) {
		v[taken].at = &f->listed[taken];
		read_one(f, s, &v[taken]);
		if (v[taken].item.ret == 0) {
			*last = &v[taken].item;
			last = &v[taken].item.next;
		}
		bytes += v[taken].body.n;
	}
	if (first)
		fl_findings_take(f, first);
	for (size_t i = 0; i < taken; i++) {
		*go_on = put_away(f, s, p, &v[i]) && *go_on;
		fl_buf_done(&v[i].body);
	}
	memcpy(p->after, f->listed[taken - 1].name, sizeof(p->after));
	return taken;
}

/* Are there more? */
static bool some_files(struct fl_findings_stage *f, const struct fl_cfg_findings_source *s, struct fl_drop_place *p)
{
	struct fl_err err = { 0 };
	int n = f->c.dir->list(f->c.dir_ctx, s->path, s->glob, p->after, f->listed, FL_FILES_A_STEP, &err);
	struct drop_file *v;
	bool go_on = true;
	size_t taken;

	if (n < 0 && n != FL_ENOTFOUND)
		snprintf(p->trouble, sizeof(p->trouble), "%.190s", err.text);
	v = n > 0 ? calloc((size_t)n, sizeof(*v)) : NULL;
	if (!v)
		return false;
	taken = batch_of(f, s, p, v, (size_t)n, &go_on);
	free(v);
	return go_on && (n == FL_FILES_A_STEP || taken < (size_t)n);
}

/* A step takes a few files, the next goes on behind them: what cannot be taken or moved away does not keep the rest waiting. */
bool fl__findings_directories(struct fl_findings_stage *f)
{
	bool more = false;

	for (size_t i = 0; f->c.dir && i < f->c.cfg->findings.n_sources; i++) {
		const struct fl_cfg_findings_source *s = &f->c.cfg->findings.sources[i];
		struct fl_drop_place *p = &f->places[i];

		if (!s->enabled || s->type != FL_FINDINGS_DIRECTORY)
			continue;
		if (some_files(f, s, p))
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
	const char *what = f->expiry_trouble[0] ? f->expiry_trouble : f->keep.problem;

	for (size_t i = 0; i < f->c.cfg->findings.n_sources && !*what; i++)
		what = f->places[i].trouble[0] ? f->places[i].trouble : f->places[i].said;
	snprintf(f->s.problem, sizeof(f->s.problem), "%s", what);
}

/* What waits in the intake, in a few batches: what comes meanwhile makes the next. */
static bool drain(struct fl_findings_stage *f)
{
	struct fl_intake_item *first = NULL;

	for (int i = 0; f->c.intake && i < BATCHES_A_STEP; i++) {
		first = fl_intake_take(f->c.intake, BATCH_ITEMS, DOCUMENT_MAX);
		if (!first)
			return false;
		fl_findings_take(f, first);
	}
	return first != NULL;
}

int fl_findings_step(struct fl_findings_stage *f, fl_mono_ns now, fl_mono_ns *wake)
{
	bool more = fl__restore_step(f, now);

	more = drain(f) || more;
	more = fl__findings_directories(f) || more;
	fl__claims_expire(f, now);
	say_problem(f);
	*wake = more ? now : f->expiry_at;
	return 0;
}
