/* Ledger records of claims (docs/formats/ledger.md): the claim, and when, by whom and in which version of its source it was committed. */
#include "model/finding.h"

#include "model/json_int.h"
#include "model/version_int.h"

enum { RECORD_MAX = 72 * 1024 }; /* a claim of the longest kind, and what stands around it */

void fl_claim_record_encode(const struct fl_claim_record *r, struct fl_buf *out)
{
	fl__json_put_str(out, "{\"cause\":", fl_cause_word(r->cause));
	fl__json_put_str(out, ",\"node\":", r->node);
	fl__json_put_time(out, ",\"at_us\":", r->at);
	FL__JSON_LIT(out, ",\"version\":");
	if (r->in.number) {
		fl__json_put_hex(out, "{\"epoch\":", r->in.epoch.b, sizeof(r->in.epoch.b));
		fl__json_put_u64(out, ",\"number\":", r->in.number);
		fl__json_put_hex(out, ",\"chain\":", r->in.chain, sizeof(r->in.chain));
		fl_buf_u8(out, '}');
	} else
		FL__JSON_LIT(out, "null");
	if (r->purged[0])
		fl__json_put_str(out, ",\"purged\":", r->purged);
	else {
		FL__JSON_LIT(out, ",\"claim\":");
		fl_claim_encode(&r->claim, out);
	}
	fl_buf_u8(out, '}');
}

static void get_version(struct fl__json_rd *r, struct fl_version_id *out)
{
	const json_t *v = fl__json_get_object(r, "version", true);
	struct fl__json_rd in = { v, "version", r->err, false };

	if (!v)
		return;
	fl__json_get_hex(&in, "epoch", out->epoch.b, sizeof(out->epoch.b));
	fl__json_get_u64(&in, "number", &out->number);
	fl__json_get_hex(&in, "chain", out->chain, sizeof(out->chain));
	r->bad = r->bad || in.bad;
	if (!r->bad && (out->number == 0 || !fl__version_id_valid(out)))
		fl__json_bad(r, "version", "is none");
}

static void get_purged(struct fl__json_rd *r, char out[FL_SET_NAME])
{
	fl__json_get_str(r, "purged", out, FL_SET_NAME);
	if (!r->bad && !fl_set_name_valid(out))
		fl__json_bad(r, "purged", "is no source name");
}

static void get_cause(struct fl__json_rd *r, enum fl_cause *out)
{
	char word[FL_CAUSE] = "";

	fl__json_get_str(r, "cause", word, sizeof(word));
	if (!r->bad && !fl_cause_parse(fl_span_str(word), out))
		fl__json_bad(r, "cause", "is no cause");
}

int fl_claim_record_decode(struct fl_span json, struct fl_claim_record *out, struct fl_err *err)
{
	struct fl_claim_record rec = { 0 };
	int code = 0, ret = 0;
	json_t *root = fl__json_load(json, RECORD_MAX, "ledger record", &code, err);
	struct fl__json_rd r = { root, "ledger record", err, false };
	const json_t *claim;

	if (!root)
		return code;
	get_cause(&r, &rec.cause);
	fl__json_get_str(&r, "node", rec.node, sizeof(rec.node));
	fl__json_get_time(&r, "at_us", &rec.at);
	get_version(&r, &rec.in);
	claim = json_object_get(root, "purged") ? NULL : fl__json_get_object(&r, "claim", false);
	if (!claim)
		get_purged(&r, rec.purged);
	else if (!r.bad)
		ret = fl__claim_from(claim, &rec.claim, err);
	json_decref(root);
	if (r.bad)
		return FL_EFORMAT;
	if (ret == 0)
		*out = rec;
	return ret;
}
