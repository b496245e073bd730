/* Documents become claims, and claims versions, many at once:
 *
 *   documents -> findings -> claims by policy -> one slot a claim id, its newest word -> versions, a set at a time -> each document's own outcome
 *
 * What the first of a burst says is not delayed by the rest: a batch is what waits when the stage is free. Start at fl_findings_take(). */
#include "ingest/findings_int.h"
#include "ingest/intake.h"

#include <stdlib.h>

#include "base/text.h"

enum { CLAIMS_A_VERSION = 1000, WORDS_A_BATCH = 20000, WORDS_A_DOCUMENT = 50000, FINDING_ID = sizeof(((struct fl_claim *)0)->finding), TYPE_SHOWN = 80 };

/* One claim of one document. Several of a batch may say something of the same claim. */
struct word {
	struct fl_claim claim;
	struct fl_claim_set *set;
	enum fl_finding_action action;
	struct fl_intake_item *item;
	size_t order;
	size_t said; /* the finding's word that it is part of */
	bool moved;  /* no document names it: an update of its finding takes it back */
	bool back; /* a later document of the batch takes it back */
};

/* The words about one claim: v[0..n-1], in the order that they came; newest is what they come to. */
struct slot {
	struct word **v;
	size_t n;
	struct word *newest;
	bool known; /* the store has all of it: nothing is written */
	int ret;    /* 0, or why it could not be done */
	struct fl_err err;
	struct fl_claim stored; /* of a known one */
	struct fl_claim kept;	/* what the store has of it, if it is there: acknowledged again, so the ledger must have it */
	bool there;
	const struct fl_finding_said *said;
};

struct batch {
	struct fl_findings_stage *f;
	struct fl_arena arena;
	struct word **words;
	size_t n, cap;
	size_t of_document; /* words[of_document..] are of the document that is read now */
	struct fl_finding_said *said; /* in the order of the documents */
	size_t n_said, said_cap;
	struct slot *slots;
	size_t n_slots;
};

/* --- documents to words --- */

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

static int word_add(struct batch *b, const struct word *w)
{
	if (b->n - b->of_document >= WORDS_A_DOCUMENT)
		return fl_err_set(&w->item->err, FL_ELIMIT, "more than %d names in one document; send it in parts", WORDS_A_DOCUMENT);
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct word **v = realloc(b->words, cap * sizeof(*v));

		if (!v)
			return FL_ENOMEM;
		b->words = v;
		b->cap = cap;
	}
	b->words[b->n] = fl_arena_array(&b->arena, 1, sizeof(**b->words));
	if (!b->words[b->n])
		return FL_ENOMEM;
	*b->words[b->n] = *w;
	b->words[b->n]->order = b->n;
	b->n++;
	return 0;
}

/* The sender's own text, as people and JSON can have it. */
static const char *shown_type(const struct fl_finding *fi, char out[TYPE_SHOWN])
{
	return fl_printable(fl_span_str(fi->type && fi->type[0] ? fi->type : "finding"), out, TYPE_SHOWN);
}

static int said_add(struct batch *b, struct fl_intake_item *it, const struct fl_finding *fi, const char *finding, size_t n)
{
	if (b->n_said == b->said_cap) {
		size_t cap = b->said_cap ? b->said_cap * 2 : 64;
		struct fl_finding_said *v = realloc(b->said, cap * sizeof(*v));

		if (!v)
			return FL_ENOMEM;
		b->said = v;
		b->said_cap = cap;
	}
	b->said[b->n_said] = (struct fl_finding_said){ .source = it->source, .finding = fl_arena_str(&b->arena, finding), .updated_at = fi->updated_at,
						       .archived = fi->archived, .first = b->n, .n = n, .tag = it };
	return b->said[b->n_said++].finding ? 0 : FL_ENOMEM;
}

/* As claims carry it. False: it is too long for any claim to have it. */
static bool finding_id(const struct fl_finding *fi, char out[FINDING_ID])
{
	struct fl_claim like = { 0 };
	bool fits = fi->id && strlen(fi->id) < FINDING_ID;

	if (fits)
		memcpy(like.finding, fi->id, strlen(fi->id) + 1);
	fl_claim_id(&like);
	memcpy(out, like.finding, FINDING_ID);
	return fits;
}

/* An archived finding takes back all of its claims, also when it names nothing any more. */
static int take_archived(struct batch *b, struct fl_intake_item *it, const struct fl_finding *fi)
{
	char id[FINDING_ID];

	return finding_id(fi, id) && !it->dry_run ? said_add(b, it, fi, id, 0) : 0;
}

static void say_quarantined(const struct fl_claim *c, struct fl_finding_outcome *out)
{
	char name[FL_NAME_TEXT], type[TYPE_SHOWN];

	out->refused++;
	snprintf(out->reason, sizeof(out->reason), "%s: %.70s %.100s", fl_printable(fl_span_str(c->type[0] ? c->type : "finding"), type, sizeof(type)),
		 fl_rkey_to_text(fl_rkey_span(&c->key), name), c->reason);
}

static int take_claim(struct batch *b, struct word *w, const struct fl_claim *c)
{
	struct fl_finding_outcome *out = &w->item->outcome;

	w->claim = *c;
	memcpy(w->claim.source, w->set->source, sizeof(w->claim.source));
	fl_claim_id(&w->claim);
	if (!w->item->dry_run)
		return word_add(b, w);
	if (w->claim.state == FL_CLAIM_QUARANTINED)
		say_quarantined(&w->claim, out);
	else
		out->accepted++;
	return 0;
}

/* Names that would block what is protected wait for a person, whatever else the finding names. */
static int take_held(struct batch *b, struct word *w, const struct fl_finding_claims *claims)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < claims->n_held; i++) {
		struct fl_claim c = claims->held[i].claim;

		if (!claims->held[i].protects)
			continue;
		fl__claim_quarantine(&c, claims->held[i].protects);
		ret = take_claim(b, w, &c);
	}
	return ret;
}

static int take_finding(struct batch *b, struct fl_intake_item *it, const struct fl_finding *fi)
{
	struct fl_findings_stage *f = b->f;
	struct fl_finding_outcome *out = &it->outcome;
	struct fl_finding_claims claims = { 0 };
	struct word w = { .item = it };
	char set[FL_SET_NAME], type[TYPE_SHOWN], id[FINDING_ID];
	uint32_t domains = fi->n_domains ? fi->n_domains : 1;
	size_t waiting = 0; /* names that are protected */
	int ret = fl_finding_claims(f->c.names, fi, &f->policy, it->source, fl_now_unix(f->c.clock), &b->arena, &claims, &out->tally);

	if (ret < 0)
		return ret;
	out->domains += domains;
	for (size_t i = 0; i < claims.n_held; i++)
		waiting += claims.held[i].protects != NULL;
	if (claims.n + waiting == 0) {
		out->refused++;
		snprintf(out->reason, sizeof(out->reason), "%s: %s", shown_type(fi, type), fl_drop_text(claims.why));
		count_refused(f, claims.why);
		return fi->archived ? take_archived(b, it, fi) : 0;
	}
	w.action = claims.action;
	w.set = fl_config_finding_set(f->c.cfg, it->source, fl_finding_action_word(claims.action), claims.into, set) ? fl__claim_set(f, set, claims.into) : NULL;
	if (!w.set)
		return fl_err_set(&it->err, FL_EUNAVAIL, "findings source '%s': over %d sets", it->source, FL_CLAIM_SETS_MAX);
	memcpy(out->list, w.set->list, sizeof(out->list));
	w.said = b->n_said;
	finding_id(fi, id);
	if (!it->dry_run)
		ret = said_add(b, it, fi, id, claims.n + waiting);
	for (size_t i = 0; ret == 0 && i < claims.n; i++)
		ret = take_claim(b, &w, &claims.v[i]);
	if (ret == 0)
		ret = take_held(b, &w, &claims);
	return ret;
}

/* What of a document could not be read, beside what could. */
static void say_unread(struct fl_findings_stage *f, struct fl_finding_outcome *out, const struct fl_findings *found)
{
	out->documents = 1;
	out->cut_off = found->cut_off;
	out->findings = out->refused = (uint32_t)found->n_refused;
	for (size_t i = 0; i < found->n_refused; i++)
		*(found->refused[i].word == FL_DROP_MALFORMED ? &f->s.malformed : &f->s.duplicate) += 1;
	if (found->n_refused)
		snprintf(out->reason, sizeof(out->reason), "finding %u: %.200s", found->refused->number, found->refused->why);
}

static void take_document(struct batch *b, struct fl_intake_item *it)
{
	const struct fl_cfg_finding_mapping none = { 0 }, *m = it->mapping ? it->mapping : &none;
	const struct fl_finding_mapping mapping = { .domain = m->domain, .id = m->id, .type = m->type, .severity = m->severity, .expires_at = m->expires_at,
						    .reason = m->reason, .updated_at = m->updated_at, .archived = m->archived };
	const struct fl_finding_options opt = { .mapping = &mapping };
	struct fl_findings found = { 0 };
	size_t before = b->n, said_before = b->n_said;

	b->of_document = before;

	memset(&it->outcome, 0, sizeof(it->outcome));
	memset(&it->err, 0, sizeof(it->err));
	it->ret = fl_finding_parse(it->json, m->domain && m->domain[0] ? &opt : NULL, &b->arena, &found, &it->err);
	if (it->ret < 0)
		b->f->s.malformed++;
	else
		say_unread(b->f, &it->outcome, &found);
	for (size_t i = 0; it->ret == 0 && i < found.n; i++) {
		it->outcome.findings++;
		it->ret = take_finding(b, it, &found.v[i]);
	}
	if (it->ret < 0) {
		b->n = before; /* all of a document or nothing */
		b->n_said = said_before;
		if (!it->err.text[0])
			fl_err_set(&it->err, it->ret, "%s", fl_code_text(it->ret));
	}
}

/* --- what updates take back --- */

static bool said_names(void *ctx, size_t i, const char *claim_id)
{
	const struct batch *b = ctx;
	const struct fl_finding_said *s = &b->said[i];

	for (size_t k = s->first; k < s->first + s->n; k++)
		if (strcmp(b->words[k]->claim.id, claim_id) == 0)
			return true;
	return false;
}

/* What one document of the batch says, and a later one of it takes back with the whole finding: written as taken back, so that it stays so when it comes again. */
static void word_back(struct batch *b, const struct fl_finding_said *s)
{
	for (size_t i = s->first; i < s->first + s->n; i++) {
		struct fl_claim *c = &b->words[i]->claim;

		b->words[i]->back = true;
		c->state = FL_CLAIM_WITHDRAWN;
		if (s->taken_back->updated_at)
			c->updated_at = s->taken_back->updated_at;
		snprintf(c->reason, sizeof(c->reason), "the finding was archived");
	}
}

/* Claims that no document names any more become words of the document that took them back. */
static int add_moves(struct batch *b, struct fl_err *err)
{
	struct fl_finding_moved *v = NULL;
	size_t n = 0;
	int ret = b->n_said ? fl__finding_moves(b->f, b->said, b->n_said, said_names, b, &b->arena, &v, &n, err) : 0;

	for (size_t i = 0; ret == 0 && i < b->n_said; i++)
		if (b->said[i].taken_back)
			word_back(b, &b->said[i]);
	for (size_t i = 0; ret == 0 && i < n; i++) {
		struct word w = { .claim = v[i].claim, .set = v[i].set, .item = (struct fl_intake_item *)v[i].by->tag, .said = (size_t)(v[i].by - b->said), .moved = true };

		w.action = fl__set_alerts(v[i].set->source) ? FL_FINDING_ALERT : FL_FINDING_BLOCK;
		ret = word_add(b, &w);
	}
	return ret;
}

/* --- words to slots --- */

static int by_set_and_id(const void *a, const void *b)
{
	const struct word *x = *(struct word *const *)a, *y = *(struct word *const *)b;
	int d;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	d = strcmp(x->claim.id, y->claim.id);
	return d ? d : x->order < y->order ? -1 : 1;
}

/* The slots of a batch, those of one set beside each other. */
static int make_slots(struct batch *b)
{
	b->slots = calloc(b->n + 1, sizeof(*b->slots));
	if (!b->slots)
		return FL_ENOMEM;
	if (b->n)
		qsort(b->words, b->n, sizeof(*b->words), by_set_and_id);
	for (size_t i = 0, k; i < b->n; i = k) {
		struct slot *s = &b->slots[b->n_slots++];

		s->v = b->words + i;
		s->newest = b->words[i];
		for (k = i + 1; k < b->n && b->words[k]->set == s->newest->set && strcmp(b->words[k]->claim.id, s->newest->claim.id) == 0; k++)
			if (!fl_claim_says_nothing_new(&s->newest->claim, &b->words[k]->claim) || (s->newest->back && b->words[k]->claim.state == FL_CLAIM_WITHDRAWN))
				s->newest = b->words[k];
		s->n = k - i;
		s->said = &b->said[s->newest->said];
	}
	return 0;
}

/* --- slots to versions --- */

/* A withdrawal of what was never claimed here is written too: what it takes back may yet arrive. */
static bool judge(void *ctx, size_t i, const struct fl_claim_view *view, struct fl_claim *c)
{
	struct slot *s = (struct slot *)ctx + i;
	const struct fl_claim *stored = view->stored;
	bool out = c->state != FL_CLAIM_WITHDRAWN && s->said->dismissed;

	s->ret = 0;
	s->known = s->there = false;
	if (view->broken) {
		s->ret = fl_err_set(&s->err, FL_ECORRUPT, "source '%s': a claim on this name in the store is malformed", c->source);
		return false;
	}
	if (stored)
		fl__claim_keep_word(stored, c);
	if (s->said->stale || out || (stored && fl_claim_says_nothing_new(stored, c))) {
		s->known = true;
		s->there = stored != NULL;
		if (stored)
			s->kept = *stored;
		s->stored = stored ? *stored : *c;
		if (!stored || out)
			s->stored.state = out ? FL_CLAIM_DISMISSED : FL_CLAIM_WITHDRAWN;
		return false;
	}
	if (stored && stored->seen_at && stored->seen_at < c->seen_at && c->state != FL_CLAIM_ACTIVE)
		c->seen_at = stored->seen_at;
	s->newest->claim = *c; /* what is said of it later */
	return true;
}

static void say_news(struct fl_findings_stage *f, const struct word *w, uint64_t version)
{
	struct fl_finding_outcome *out = &w->item->outcome;
	const struct fl_claim *c = &w->claim;

	switch (c->state) {
	case FL_CLAIM_ACTIVE:
		out->accepted++;
		f->s.accepted++;
		break;
	case FL_CLAIM_QUARANTINED:
		f->s.protected++;
		say_quarantined(c, out);
		break;
	default:
		out->withdrawn++;
		f->s.withdrawn++;
	}
	if (w->moved && out->version)
		return;
	memcpy(out->source, w->set->source, sizeof(out->source));
	memcpy(out->list, w->set->list, sizeof(out->list));
	out->version = version;
}

/* What one word came to, in its document's outcome. */
static void say(struct fl_findings_stage *f, const struct slot *s, const struct word *w, uint64_t version)
{
	struct fl_finding_outcome *out = &w->item->outcome;
	const struct fl_claim *c = &w->claim;

	if (s->ret < 0) {
		w->item->ret = s->ret;
		w->item->err = s->err;
	} else if (s->known || (w != s->newest && fl_claim_says_nothing_new(&s->newest->claim, c))) {
		const struct fl_claim *by = s->known ? &s->stored : &s->newest->claim;

		out->duplicate++;
		f->s.duplicate++;
		if (c->state == FL_CLAIM_ACTIVE && (by->state == FL_CLAIM_WITHDRAWN || by->state == FL_CLAIM_DISMISSED))
			snprintf(out->reason, sizeof(out->reason), "%s: it is %s, and this is no later word of it", c->type[0] ? c->type : "finding",
				 fl_claim_state_word(by->state));
	} else {
		say_news(f, w, version);
	}
}

/* One version: slots of one set. Its actor and reason are the finding's own when there is but one. */
static void commit_slots(struct batch *b, struct slot *v, size_t n)
{
	struct fl_findings_stage *f = b->f;
	struct word *first = v[0].newest;
	struct fl_claim *claims = fl_arena_array(&b->arena, n, sizeof(*claims));
	struct fl_claim_batch c = { .set = first->set, .claims = claims, .n = n, .cause = FL_CAUSE_FINDING, .actor = first->item->actor, .reason = first->claim.type,
				    .seen_at = first->item->received_at, .judge = judge, .ctx = v };
	struct fl_source_version version = { 0 };
	struct fl_err err = { 0 };
	int ret = claims ? 0 : fl_err_set(&err, FL_ENOMEM, "out of memory");

	for (size_t i = 0; ret == 0 && i < n; i++) {
		const struct word *w = v[i].newest;

		claims[i] = w->claim;
		if (w->item->received_at < c.seen_at)
			c.seen_at = w->item->received_at;
		if (strcmp(w->claim.type, first->claim.type) != 0)
			c.reason = fl_arena_printf(&b->arena, "%zu findings", n);
		if (strcmp(w->item->actor, first->item->actor) != 0)
			c.actor = "ingest";
	}
	if (ret == 0 && !c.reason)
		c.reason = "";
	if (ret == 0)
		ret = fl__claims_commit(f, &c, &version, &err);
	for (size_t i = 0; i < n; i++) {
		if (ret < 0) {
			v[i].ret = ret;
			v[i].err = err;
		}
		for (size_t k = 0; k < v[i].n; k++)
			say(f, &v[i], v[i].v[k], version.id.number);
		if (v[i].ret == 0 && v[i].there)
			fl__keep_known(f, &v[i].kept);
	}
}

static void commit_all(struct batch *b)
{
	for (size_t i = 0, k; i < b->n_slots; i = k) {
		for (k = i + 1; k < b->n_slots && k - i < CLAIMS_A_VERSION && b->slots[k].newest->set == b->slots[i].newest->set; k++)
			;
		commit_slots(b, b->slots + i, k - i);
	}
}

/* Acknowledged is what the ledger has, too: one wait for the whole batch. */
static void keep(struct batch *b)
{
	struct fl_err err = { 0 };
	int ret = fl__keep_flush(b->f, &err);

	for (size_t i = 0; ret < 0 && i < b->n; i++) {
		struct fl_intake_item *it = b->words[i]->item;

		if (it->ret == 0) {
			it->ret = ret;
			it->err = err;
		}
	}
}

/* As many of the documents as one batch holds; those that are left. */
static struct fl_intake_item *take_batch(struct fl_findings_stage *f, struct fl_intake_item *first)
{
	struct batch b = { .f = f };
	struct fl_intake_item *next, *rest = NULL;
	struct fl_err err = { 0 };
	int ret;

	for (struct fl_intake_item *it = first; it; it = it->next) {
		take_document(&b, it);
		if (b.n >= WORDS_A_BATCH && it->next) { /* the rest makes a batch of its own */
			rest = it->next;
			it->next = NULL;
		}
	}
	ret = add_moves(&b, &err);
	if (ret == 0)
		ret = make_slots(&b);
	if (ret == 0)
		commit_all(&b);
	for (size_t i = 0; ret < 0 && i < b.n_said; i++) {
		struct fl_intake_item *it = (struct fl_intake_item *)b.said[i].tag;

		it->ret = fl_err_set(&it->err, ret, "%s", err.text[0] ? err.text : fl_code_text(ret));
	}
	keep(&b);
	for (struct fl_intake_item *it = first; it; it = next) {
		next = it->next; /* done gives the item away */
		it->done(it->ctx, it);
	}
	free(b.slots);
	free(b.words);
	free(b.said);
	fl_arena_done(&b.arena);
	return rest;
}

void fl_findings_take(struct fl_findings_stage *f, struct fl_intake_item *first)
{
	while (first)
		first = take_batch(f, first);
}

static void is_done(void *ctx, struct fl_intake_item *item)
{
	(void)ctx, (void)item;
}

int fl_findings_inject(struct fl_findings_stage *f, const char *source, struct fl_span json, bool dry_run, const char *actor, struct fl_finding_outcome *out,
		       struct fl_err *err)
{
	struct fl_intake_item item = { .source = source, .json = json, .dry_run = dry_run, .actor = actor, .received_at = fl_now_unix(f->c.clock), .done = is_done };

	fl_findings_take(f, &item);
	*out = item.outcome;
	if (item.ret < 0 && err)
		*err = item.err;
	return item.ret;
}
