/* Claims (docs/formats/claim.md): one JSON object, the value of `claim:ID`, and part of a ledger record. */
#include "model/finding.h"

#include "base/text.h"
#include "model/json_int.h"
#include "model/version_int.h"

#include <math.h>

enum { CLAIM_MAX = 64 * 1024 };

static const char *const states[FL_CLAIM_STATES] = {
	[FL_CLAIM_ACTIVE] = "active",
	[FL_CLAIM_WITHDRAWN] = "withdrawn",
	[FL_CLAIM_DISMISSED] = "dismissed",
	[FL_CLAIM_EXPIRED] = "expired",
	[FL_CLAIM_QUARANTINED] = "quarantined",
};

const char *fl_claim_state_word(enum fl_claim_state s)
{
	return (unsigned)s < FL_CLAIM_STATES ? states[s] : "unknown";
}

bool fl_claim_state_of(const char *word, enum fl_claim_state *out)
{
	for (unsigned i = 0; i < FL_CLAIM_STATES; i++)
		if (strcmp(word, states[i]) == 0) {
			*out = (enum fl_claim_state)i;
			return true;
		}
	return false;
}

void fl_claim_id(struct fl_claim *c)
{
	char name[FL_NAME_TEXT];
	uint8_t sum[32];
	struct fl_sha256 h;

	fl__text_clean(c->finding, sizeof(c->finding)); /* what JSON carries is what the id is of */
	fl_rkey_to_text(fl_rkey_span(&c->key), name);
	fl_sha256_init(&h);
	/* with their terminators: no two triples run together alike */
	fl_sha256_add(&h, c->source, strlen(c->source) + 1);
	fl_sha256_add(&h, c->finding, strlen(c->finding) + 1);
	fl_sha256_add(&h, name, strlen(name) + 1);
	fl_sha256_done(&h, sum);
	fl_hex(sum, sizeof(sum), c->id);
}

static void put_severity(struct fl_buf *out, double v)
{
	char t[40];

	if (!isfinite(v))
		v = 0;
	snprintf(t, sizeof(t), "%.15g", v);
	if (strtod(t, NULL) != v)
		snprintf(t, sizeof(t), "%.17g", v);
	fl_buf_str(out, t);
}

void fl_claim_encode(const struct fl_claim *c, struct fl_buf *out)
{
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	fl__json_put_str(out, "{\"id\":", c->id);
	fl__json_put_str(out, ",\"source\":", c->source);
	fl__json_put_str(out, ",\"finding\":", c->finding);
	fl__json_put_str(out, ",\"type\":", c->type);
	fl__json_put_str(out, ",\"name\":", fl_rkey_to_text(fl_rkey_span(&c->key), name));
	fl__json_put_str(out, ",\"scope\":", fl_scope_format(c->scope, scope));
	fl__json_put_str(out, ",\"state\":", fl_claim_state_word(c->state));
	FL__JSON_LIT(out, ",\"severity\":");
	put_severity(out, c->severity);
	fl__json_put_time(out, ",\"updated_at_us\":", c->updated_at);
	fl__json_put_time(out, ",\"seen_at_us\":", c->seen_at);
	fl__json_put_time(out, ",\"expires_at_us\":", c->expires_at);
	if (c->word_at)
		fl__json_put_time(out, ",\"word_at_us\":", c->word_at);
	fl__json_put_str(out, ",\"actor\":", c->actor);
	fl__json_put_str(out, ",\"reason\":", c->reason);
	fl_buf_u8(out, '}');
}

static void get_name(struct fl__json_rd *r, struct fl_rkey *out)
{
	char name[FL_NAME_TEXT] = "";

	fl__json_get_str(r, "name", name, sizeof(name));
	if (!r->bad && (name[0] == '\0' || !fl_rkey_from_text(fl_span_str(name), out)))
		fl__json_bad(r, "name", "is not a canonical name");
}

static void get_scope(struct fl__json_rd *r, uint8_t *out)
{
	char word[FL_SCOPE_TEXT] = "";

	fl__json_get_str(r, "scope", word, sizeof(word));
	if (!r->bad && (!fl_scope_parse(word, out) || *out == 0))
		fl__json_bad(r, "scope", "is no scope");
}

static void get_state(struct fl__json_rd *r, enum fl_claim_state *out)
{
	char word[16] = "";

	fl__json_get_str(r, "state", word, sizeof(word));
	if (!r->bad && !fl_claim_state_of(word, out))
		fl__json_bad(r, "state", "is no state");
}

static void get_claim(struct fl__json_rd *r, struct fl_claim *c)
{
	fl__json_get_str(r, "id", c->id, sizeof(c->id));
	fl__json_get_str(r, "source", c->source, sizeof(c->source));
	fl__json_get_str(r, "finding", c->finding, sizeof(c->finding));
	fl__json_get_str(r, "type", c->type, sizeof(c->type));
	get_name(r, &c->key);
	get_scope(r, &c->scope);
	get_state(r, &c->state);
	fl__json_get_number(r, "severity", &c->severity);
	fl__json_get_time(r, "updated_at_us", &c->updated_at);
	fl__json_get_time(r, "seen_at_us", &c->seen_at);
	fl__json_get_time(r, "expires_at_us", &c->expires_at);
	if (json_object_get(r->obj, "word_at_us"))
		fl__json_get_time(r, "word_at_us", &c->word_at);
	fl__json_get_str(r, "actor", c->actor, sizeof(c->actor));
	fl__json_get_str(r, "reason", c->reason, sizeof(c->reason));
}

int fl__claim_from(const json_t *obj, struct fl_claim *out, struct fl_err *err)
{
	struct fl_claim c = { 0 }, again;
	struct fl__json_rd r = { obj, "claim", err, false };

	get_claim(&r, &c);
	if (r.bad)
		return FL_EFORMAT;
	if (!fl_set_name_valid(c.source))
		return fl_err_set(err, FL_EFORMAT, "claim: 'source' is no source name");
	again = c;
	fl_claim_id(&again);
	if (strcmp(again.id, c.id) != 0)
		return fl_err_set(err, FL_ECORRUPT, "claim: 'id' is not of its source, finding and name");
	*out = c;
	return 0;
}

int fl_claim_decode(struct fl_span json, struct fl_claim *out, struct fl_err *err)
{
	int code = 0, ret;
	json_t *root = fl__json_load(json, CLAIM_MAX, "claim", &code, err);

	if (!root)
		return code;
	ret = fl__claim_from(root, out, err);
	json_decref(root);
	return ret;
}

/* Takes back more than is known to be taken back? A withdrawal without a date is taken as said now. */
static bool withdraws_nothing(const struct fl_claim *had, const struct fl_claim *c)
{
	if (had->state == FL_CLAIM_WITHDRAWN)
		return had->updated_at >= c->updated_at;
	return c->updated_at && had->updated_at > c->updated_at;
}

bool fl_claim_says_nothing_new(const struct fl_claim *had, const struct fl_claim *c)
{
	if (had->state == FL_CLAIM_DISMISSED)
		return true;
	if (c->state == FL_CLAIM_DISMISSED)
		return false;
	if (c->state == FL_CLAIM_WITHDRAWN)
		return withdraws_nothing(had, c);
	if (had->state == FL_CLAIM_WITHDRAWN && !had->updated_at)
		return true;
	if (had->updated_at != c->updated_at)
		return had->updated_at > c->updated_at;
	return had->state == FL_CLAIM_WITHDRAWN || (had->state == c->state && c->updated_at != 0);
}
