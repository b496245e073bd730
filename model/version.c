/* Words, names and chains of versions (docs/formats/version.md). */
#include "model/version_int.h"

#include "base/text.h"
#include "model/keyframe.h"
#include "model/record_int.h"

bool fl_epoch_is_zero(const struct fl_epoch *e)
{
	static const struct fl_epoch zero;

	return fl_epoch_eq(e, &zero);
}

static const char *const causes[FL_CAUSE_COUNT] = {
#define FL_X(name, word) [name] = word,
	FL_CAUSES(FL_X)
#undef FL_X
};

const char *fl_cause_word(enum fl_cause c)
{
	return (unsigned)c < FL_CAUSE_COUNT ? causes[c] : "unknown";
}

bool fl_cause_parse(struct fl_span s, enum fl_cause *out)
{
	for (unsigned i = 0; i < FL_CAUSE_COUNT; i++) {
		if (fl_span_eqs(s, causes[i])) {
			*out = (enum fl_cause)i;
			return true;
		}
	}
	return false;
}

bool fl_set_name_valid(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n == 0 || n > 80 || *s == '.' || *s == '-' || *s == '_')
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
			return false;
	}
	return true;
}

void fl__text_clean(char *s, size_t size)
{
	uint8_t *p = (uint8_t *)s, *end;

	s[size - 1] = '\0';
	end = p + strlen(s);
	while (p < end) {
		size_t n = fl_utf8_len(p, (size_t)(end - p));

		if (n == 0)
			*p = '?';
		else if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
		p += n ? n : 1;
	}
}

static void add_u64(struct fl_sha256 *h, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	fl_sha256_add(h, b, sizeof(b));
}

static void add_str(struct fl_sha256 *h, const char *s)
{
	size_t n = strlen(s);
	uint8_t b[2] = { (uint8_t)n, (uint8_t)(n >> 8) };

	fl_sha256_add(h, b, sizeof(b));
	fl_sha256_add(h, s, n);
}

static void add_u128(struct fl_sha256 *h, struct fl_u128 v)
{
	uint8_t b[16];

	fl__u128_octets(v, b);
	fl_sha256_add(h, b, sizeof(b));
}

/* Both chains begin and end alike. */
static void add_identity(struct fl_sha256 *h, const char tag[8], const uint8_t parent_chain[32], const struct fl_version_id *id,
			 uint64_t parent)
{
	fl_sha256_add(h, tag, 8);
	fl_sha256_add(h, parent_chain, 32);
	fl_sha256_add(h, id->epoch.b, 16);
	add_u64(h, id->number);
	add_u64(h, parent);
}

static void add_why(struct fl_sha256 *h, enum fl_cause cause, const char *actor, const char *reason, fl_unix_us at)
{
	add_str(h, fl_cause_word(cause));
	add_str(h, actor);
	add_str(h, reason);
	add_u64(h, (uint64_t)at);
}

void fl_source_version_chain(struct fl_source_version *v)
{
	struct fl_sha256 h;

	fl__text_clean(v->actor, sizeof(v->actor));
	fl__text_clean(v->reason, sizeof(v->reason));
	fl_sha256_init(&h); /* when it fails the chain is all zero, which no reader takes */
	add_identity(&h, "FLSRC\0\0\1", v->parent_chain, &v->id, v->parent);
	add_u128(&h, v->digests.scope);
	add_u128(&h, v->digests.attrs);
	add_u64(&h, v->digests.entries);
	fl_sha256_add(&h, v->delta_sha256, 32);
	add_why(&h, v->cause, v->actor, v->reason, v->at);
	fl_sha256_done(&h, v->id.chain);
}

static void add_recovered(struct fl_sha256 *h, const struct fl_recovered *r)
{
	uint32_t n = r->n_over < FL_RECOVERED_OVER_MAX ? r->n_over : FL_RECOVERED_OVER_MAX;

	add_u64(h, r->version);
	add_u64(h, n);
	for (uint32_t i = 0; i < n; i++)
		fl_sha256_add(h, r->over[i].b, 16);
}

void fl_list_version_chain(struct fl_list_version *v)
{
	char line[FL__INPUT_LINE];
	struct fl_sha256 h;

	fl__text_clean(v->actor, sizeof(v->actor));
	fl__text_clean(v->reason, sizeof(v->reason));
	fl_sha256_init(&h);
	add_identity(&h, "FLLST\0\0\1", v->parent_chain, &v->id, v->parent);
	add_str(&h, v->list);
	add_u64(&h, v->n_inputs);
	for (uint32_t i = 0; i < v->n_inputs; i++)
		fl_sha256_add(&h, line, fl__input_format(&v->inputs[i], line));
	add_recovered(&h, &v->recovered);
	add_why(&h, v->cause, v->actor, v->reason, v->at);
	fl_sha256_done(&h, v->id.chain);
}

bool fl__version_id_valid(const struct fl_version_id *id)
{
	static const struct fl_version_id none;

	if (id->number == 0)
		return fl_version_id_eq(id, &none);
	return id->number <= INT64_MAX && !fl_epoch_is_zero(&id->epoch) && memcmp(id->chain, none.chain, 32) != 0;
}

static const char *identity_wrong(const struct fl_version_id *id, uint64_t parent, const uint8_t parent_chain[32])
{
	static const uint8_t zero[32];

	if (id->number == 0 || !fl__version_id_valid(id))
		return "number, epoch or chain is none";
	if (parent >= id->number)
		return "parent is not below it";
	if ((parent == 0) != (memcmp(parent_chain, zero, 32) == 0))
		return "parent and its chain disagree";
	return NULL;
}

const char *fl__source_version_wrong(const struct fl_source_version *v)
{
	const char *wrong = identity_wrong(&v->id, v->parent, v->parent_chain);

	if (!wrong && v->blocks > FL_KEYFRAME_BLOCKS_MAX)
		wrong = "too many blocks";
	return wrong;
}

const char *fl__list_version_wrong(const struct fl_list_version *v)
{
	const char *wrong = identity_wrong(&v->id, v->parent, v->parent_chain);

	if (!wrong && !fl_set_name_valid(v->list))
		wrong = "not a list name";
	if (!wrong && v->recovered.version > v->id.number)
		wrong = "recovered at a number above its own";
	if (!wrong && v->recovered.version == 0 && v->recovered.n_over)
		wrong = "recovered over epochs, but never recovered";
	if (!wrong && !fl__inputs_valid(v->inputs, v->n_inputs))
		wrong = "inputs malformed or out of order";
	return wrong;
}

bool fl__source_version_chain_holds(struct fl_source_version *v)
{
	uint8_t chain[32];

	memcpy(chain, v->id.chain, 32);
	fl_source_version_chain(v);
	return memcmp(chain, v->id.chain, 32) == 0;
}

bool fl__list_version_chain_holds(struct fl_list_version *v)
{
	uint8_t chain[32];

	memcpy(chain, v->id.chain, 32);
	fl_list_version_chain(v);
	return memcmp(chain, v->id.chain, 32) == 0;
}
