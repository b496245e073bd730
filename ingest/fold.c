/* The fold of a ledger.
 *
 *   id -> slots (open addressing, numbers of entries) -> entries -> packed claim
 *   source -> first entry -> next entry of it -> ...
 *
 * Start at fl__fold_add(). */
#include "ingest/fold.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "base/text.h"

struct packed {
	fl_unix_us updated_at, seen_at, expires_at, word_at;
	double severity;
	uint8_t scope, state, key_n, finding_n, type_n, actor_n, reason_n;
	uint8_t bytes[];
};

struct entry {
	uint8_t id[16]; /* half of it: enough to tell claims apart */
	fl_unix_us at;
	uint64_t nodes; /* a bit each */
	struct packed *c;
	uint32_t next; /* of its source, 1 more than its number; 0: none */
	uint16_t source;
};

struct origin {
	char name[FL_SET_NAME];
	uint32_t first;
	fl_unix_us purged_at; /* what was written before is no more */
};

struct fl_fold {
	struct entry *v;
	uint32_t n, cap;
	uint32_t *slots; /* numbers of entries and 1; 0 free */
	uint32_t n_slots;
	struct origin *origins;
	size_t n_origins;
	char nodes[FL_FOLD_NODES_MAX][FL_ACTOR];
	unsigned n_nodes;
};

struct fl_fold *fl__fold_new(void)
{
	return calloc(1, sizeof(struct fl_fold));
}

void fl__fold_free(struct fl_fold *fold)
{
	if (!fold)
		return;
	for (uint32_t i = 0; i < fold->n; i++)
		free(fold->v[i].c);
	free(fold->v);
	free(fold->slots);
	free(fold->origins);
	free(fold);
}

size_t fl__fold_size(const struct fl_fold *fold)
{
	return fold->n;
}

/* --- sources and nodes --- */

static struct origin *origin_of(struct fl_fold *fold, const char *name, bool make)
{
	struct origin *v;

	for (size_t i = 0; i < fold->n_origins; i++)
		if (strcmp(fold->origins[i].name, name) == 0)
			return &fold->origins[i];
	if (!make)
		return NULL;
	if (fold->n_origins % 16 == 0) {
		v = reallocarray(fold->origins, fold->n_origins + 16, sizeof(*v));
		if (!v)
			return NULL;
		fold->origins = v;
	}
	v = &fold->origins[fold->n_origins++];
	memset(v, 0, sizeof(*v));
	memcpy(v->name, name, strnlen(name, sizeof(v->name) - 1));
	return v;
}

const char *fl__fold_source(const struct fl_fold *fold, size_t i)
{
	return i < fold->n_origins ? fold->origins[i].name : NULL;
}

static uint64_t node_bit(struct fl_fold *fold, const char *name)
{
	unsigned i = 0;

	while (i < fold->n_nodes && strcmp(fold->nodes[i], name) != 0)
		i++;
	if (i == FL_FOLD_NODES_MAX)
		return 0;
	if (i == fold->n_nodes)
		memcpy(fold->nodes[fold->n_nodes++], name, strnlen(name, FL_ACTOR - 1));
	return UINT64_C(1) << i;
}

const char *fl__fold_node(const struct fl_fold *fold, uint32_t at, unsigned *i)
{
	for (; *i < fold->n_nodes; *i += 1)
		if (fold->v[at - 1].nodes >> *i & 1)
			return fold->nodes[(*i)++];
	return NULL;
}

/* --- claims --- */

static struct packed *pack(const struct fl_claim *c)
{
	size_t n[] = { c->key.len, strlen(c->finding), strlen(c->type), strlen(c->actor), strlen(c->reason) };
	struct packed *p = malloc(offsetof(struct packed, bytes) + n[0] + n[1] + n[2] + n[3] + n[4]);
	const void *from[] = { c->key.b, c->finding, c->type, c->actor, c->reason };
	uint8_t *to;

	if (!p)
		return NULL;
	*p = (struct packed){ c->updated_at, c->seen_at, c->expires_at, c->word_at, c->severity, c->scope, (uint8_t)c->state, (uint8_t)n[0], (uint8_t)n[1], (uint8_t)n[2], (uint8_t)n[3],
			      (uint8_t)n[4] };
	to = p->bytes;
	for (int i = 0; i < 5; i++) {
		memcpy(to, from[i], n[i]);
		to += n[i];
	}
	return p;
}

static void unpack(const struct packed *p, const char *source, struct fl_claim *c)
{
	const uint8_t *from = p->bytes;
	uint8_t n[] = { p->key_n, p->finding_n, p->type_n, p->actor_n, p->reason_n };
	void *to[] = { c->key.b, c->finding, c->type, c->actor, c->reason };

	memset(c, 0, sizeof(*c));
	for (int i = 0; i < 5; i++) {
		memcpy(to[i], from, n[i]);
		from += n[i];
	}
	c->key.len = p->key_n;
	memcpy(c->source, source, strlen(source) + 1);
	c->scope = p->scope;
	c->state = (enum fl_claim_state)p->state;
	c->severity = p->severity;
	c->updated_at = p->updated_at;
	c->seen_at = p->seen_at;
	c->expires_at = p->expires_at;
	c->word_at = p->word_at;
	fl_claim_id(c);
}

static uint32_t *slot_of(struct fl_fold *fold, const uint8_t id[16])
{
	uint32_t i;

	memcpy(&i, id, sizeof(i)); /* of a hash */
	for (i &= fold->n_slots - 1; fold->slots[i]; i = (i + 1) & (fold->n_slots - 1))
		if (memcmp(fold->v[fold->slots[i] - 1].id, id, 16) == 0)
			break;
	return &fold->slots[i];
}

static bool room(struct fl_fold *fold)
{
	if (fold->n == fold->cap) {
		uint32_t cap = fold->cap ? 2 * fold->cap : 256;
		struct entry *v = cap > fold->cap ? reallocarray(fold->v, cap, sizeof(*v)) : NULL;

		if (!v)
			return false;
		fold->v = v;
		fold->cap = cap;
	}
	if (2 * (uint64_t)fold->n >= fold->n_slots) {
		uint32_t n = fold->n_slots ? 2 * fold->n_slots : 1024;
		uint32_t *slots = n > fold->n_slots ? calloc(n, sizeof(*slots)) : NULL;

		if (!slots)
			return false;
		free(fold->slots);
		fold->slots = slots;
		fold->n_slots = n;
		for (uint32_t i = 0; i < fold->n; i++)
			*slot_of(fold, fold->v[i].id) = i + 1;
	}
	return true;
}

/* Of two records of one claim the one with a person's later word stands; of one word the later record, if it says anything new. */
static bool replaces(const struct entry *e, const struct fl_claim_record *r)
{
	struct fl_claim had = { .state = (enum fl_claim_state)e->c->state, .updated_at = e->c->updated_at };

	if (FL_MUTANT(FL_MUTANT_REVIVED))
		return r->claim.state == FL_CLAIM_ACTIVE;
	if (r->claim.word_at != e->c->word_at)
		return r->claim.word_at > e->c->word_at;
	return r->at >= e->at ? !fl_claim_says_nothing_new(&had, &r->claim) : fl_claim_says_nothing_new(&r->claim, &had);
}

static void purge(struct fl_fold *fold, struct origin *o, fl_unix_us at)
{
	uint32_t *link = &o->first;

	if (at > o->purged_at)
		o->purged_at = at;
	while (*link) { /* its entries stay for their ids, and belong to nobody */
		struct entry *e = &fold->v[*link - 1];

		if (e->at <= o->purged_at)
			*link = e->next;
		else
			link = &e->next;
	}
}

static int add_new(struct fl_fold *fold, struct origin *o, const uint8_t id[16], const struct fl_claim_record *r, struct packed *take_c)
{
	struct entry *e = &fold->v[fold->n];

	*e = (struct entry){ .at = r->at, .nodes = node_bit(fold, r->node), .c = take_c, .next = o->first, .source = (uint16_t)(o - fold->origins) };
	memcpy(e->id, id, 16);
	o->first = ++fold->n;
	return 0;
}

int fl__fold_add(struct fl_fold *fold, const struct fl_claim_record *r)
{
	const char *source = r->purged[0] ? r->purged : r->claim.source;
	struct origin *o = origin_of(fold, source, fold->n_origins < FL_FOLD_SOURCES_MAX);
	struct packed *c;
	struct entry *e;
	uint8_t id[16];
	uint32_t *slot;

	if (!o)
		return fold->n_origins < FL_FOLD_SOURCES_MAX ? FL_ENOMEM : FL_ELIMIT;
	if (r->purged[0]) {
		purge(fold, o, r->at);
		return 0;
	}
	if (r->at <= o->purged_at || !fl_unhex(fl_span(r->claim.id, 32), id, sizeof(id)))
		return 0;
	if (!room(fold))
		return FL_ENOMEM;
	slot = slot_of(fold, id);
	e = *slot ? &fold->v[*slot - 1] : NULL;
	if (e)
		e->nodes |= node_bit(fold, r->node);
	if (e && e->at > o->purged_at && !replaces(e, r))
		return 0;
	c = pack(&r->claim);
	if (!c)
		return FL_ENOMEM;
	if (e && e->at > o->purged_at) {
		free(e->c);
		e->c = c;
		e->at = r->at;
		return 0;
	}
	*slot = fold->n + 1; /* a purged one loses its place here, too */
	return add_new(fold, o, id, r, c);
}

bool fl__fold_next(const struct fl_fold *fold, const char *source, uint32_t *at, struct fl_claim_record *out)
{
	const struct origin *o = origin_of((struct fl_fold *)fold, source, false);
	const struct entry *e;

	if (!o)
		return false;
	*at = *at ? fold->v[*at - 1].next : o->first;
	if (!*at)
		return false;
	e = &fold->v[*at - 1];
	memset(out, 0, sizeof(*out));
	unpack(e->c, source, &out->claim);
	out->at = e->at;
	return true;
}
