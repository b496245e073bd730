/* The ledger of claims, written: a record for each claim of each commit, and for what is acknowledged though it says nothing new: a crash may have come between its commit and its record. */
#include "ingest/findings_int.h"

#include <stdlib.h>

#include "base/text.h"

/* --- what the ledger is known to have --- */

static size_t place(const struct fl_known *k, uint64_t hash)
{
	size_t i = hash & (k->cap - 1);

	while (k->v[i] && k->v[i] != hash)
		i = (i + 1) & (k->cap - 1);
	return i;
}

void fl__known_done(struct fl_known *k)
{
	free(k->v);
	*k = (struct fl_known){ 0 };
}

static bool known_room(struct fl_known *k)
{
	struct fl_known more = { .cap = k->cap ? 2 * k->cap : 1024, .n = k->n };

	if (k->n >= FL_KNOWN_MAX)
		fl__known_done(k);
	else if (2 * k->n < k->cap)
		return true;
	if (k->cap == 0)
		more.cap = 1024;
	more.v = calloc(more.cap, sizeof(*more.v));
	if (!more.v)
		return false;
	more.n = k->n;
	for (size_t i = 0; i < k->cap; i++)
		if (k->v[i])
			more.v[place(&more, k->v[i])] = k->v[i];
	free(k->v);
	*k = more;
	return true;
}

void fl__known_add(struct fl_known *k, uint64_t hash)
{
	size_t i;

	hash += hash == 0;
	if (!known_room(k))
		return; /* then it is put once more */
	i = place(k, hash);
	k->n += k->v[i] == 0;
	k->v[i] = hash;
}

bool fl__known_has(const struct fl_known *k, uint64_t hash)
{
	hash += hash == 0;
	return k->cap && k->v[place(k, hash)] == hash;
}

uint64_t fl__keep_hash(const struct fl_claim *c)
{
	struct {
		char id[64];
		int64_t state, updated_at, seen_at, expires_at, word_at;
	} said = { .word_at = c->word_at, .state = c->state, .updated_at = c->updated_at, .seen_at = c->seen_at, .expires_at = c->expires_at };

	memcpy(said.id, c->id, sizeof(said.id));
	return fl_checksum64(&said, sizeof(said));
}

/* --- life --- */

int fl__keep_open(struct fl_findings_stage *f, struct fl_err *err)
{
	struct fl_ledger_config c = { .topic = FL_TOPIC_FINDINGS, .type = "io.fireline.claim.v1", .source = "/fireline/ingest", .bus = f->c.bus, .bus_keeps = f->c.bus_keeps,
				      .disk = f->c.ledger, .file = "findings", .clock = f->c.clock };

	if (!f->c.ledger && !f->c.bus_keeps)
		return 0;
	return fl_ledger_open(&c, &f->keep.ledger, err);
}

void fl__keep_close(struct fl_findings_stage *f)
{
	struct fl_keep *k = &f->keep;

	if (k->ledger)
		fl_ledger_flush(k->ledger, NULL);
	fl_ledger_close(k->ledger);
	if (k->topic)
		fl_bus_consumer_close(f->c.bus, k->topic);
	fl__fold_free(k->fold);
	fl__known_done(&k->known);
	free(k->fresh);
	*k = (struct fl_keep){ 0 };
}

/* --- writing --- */

static void remember(struct fl_keep *k, uint64_t hash)
{
	if (k->n_fresh == k->cap_fresh) {
		size_t cap = k->cap_fresh ? 2 * k->cap_fresh : 64;
		uint64_t *v = reallocarray(k->fresh, cap, sizeof(*v));

		if (!v)
			return; /* then it is put once more */
		k->fresh = v;
		k->cap_fresh = cap;
	}
	k->fresh[k->n_fresh++] = hash;
}

/* The key has the node in it: a node writes its own records in order, so that what compaction leaves is the last word of each; two nodes have no order between them, and neither must
 * displace the other's (docs/decisions/ledger.md). */
static void put(struct fl_findings_stage *f, const char *subject, struct fl_claim_record *r)
{
	char key[FL_LEDGER_KEY_MAX];
	struct fl_buf value = { 0 };
	int n = snprintf(key, sizeof(key), "%.100s@%.63s", subject, f->c.cfg->node_name), ret;

	r->at = fl_now_unix(f->c.clock);
	snprintf(r->node, sizeof(r->node), "%.63s", f->c.cfg->node_name);
	fl_claim_record_encode(r, &value);
	ret = value.failed ? FL_ENOMEM : fl_ledger_put(f->keep.ledger, fl_span(key, (size_t)n), fl_buf_span(&value), NULL);
	if (ret < 0)
		f->keep.failed = ret;
	fl_buf_done(&value);
}

void fl__keep_claims(struct fl_findings_stage *f, enum fl_cause cause, const struct fl_claim *v, size_t n, const struct fl_version_id *in)
{
	struct fl_claim_record r = { .in = *in, .cause = cause };

	if (!f->keep.ledger || cause == FL_CAUSE_RECOVER) /* it came from there */
		return;
	for (size_t i = 0; i < n; i++) {
		r.claim = v[i];
		put(f, r.claim.id, &r);
		remember(&f->keep, fl__keep_hash(&r.claim));
	}
}

void fl__keep_known(struct fl_findings_stage *f, const struct fl_claim *c)
{
	struct fl_claim_record r = { .cause = FL_CAUSE_FINDING, .claim = *c };

	if (!f->keep.ledger || fl__known_has(&f->keep.known, fl__keep_hash(c)))
		return;
	put(f, c->id, &r);
	remember(&f->keep, fl__keep_hash(c));
}

void fl__keep_purge(struct fl_findings_stage *f, const char *source, const struct fl_version_id *in)
{
	struct fl_claim_record r = { .in = *in, .cause = FL_CAUSE_DELETE };

	if (!f->keep.ledger)
		return;
	snprintf(r.purged, sizeof(r.purged), "%s", source);
	put(f, source, &r);
}

int fl__keep_flush(struct fl_findings_stage *f, struct fl_err *err)
{
	struct fl_keep *k = &f->keep;
	int ret = k->ledger ? fl_ledger_flush(k->ledger, err) : 0;

	if (ret == 0 && k->failed)
		ret = fl_err_set(err, FL_EUNAVAIL, "not acknowledged: a record of the ledger cannot be made: %s", fl_code_text(k->failed));
	for (size_t i = 0; ret == 0 && i < k->n_fresh; i++)
		fl__known_add(&k->known, k->fresh[i]);
	k->failed = 0;
	k->n_fresh = 0;
	return ret < 0 ? FL_EUNAVAIL : 0; /* whatever it is, it is not the document's fault: it may be sent again */
}
