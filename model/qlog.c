/* The query-log record (docs/formats/query-log.md): a Route 53 Resolver query-log object with one more member, `fireline`.
 * Written once for every answered question, so pieces are appended without printf. */
#include "model/qlog.h"

#include "base/text.h"
#include "model/json_int.h"

#include <arpa/inet.h>

static const char *const actions[] = {
	[FL_ACTION_NONE] = "NONE",
	[FL_ACTION_ALLOW] = "ALLOW",
	[FL_ACTION_ALERT] = "ALERT",
	[FL_ACTION_BLOCK] = "BLOCK",
};

static const char *const block_responses[] = {
	[FL_BLOCK_NXDOMAIN] = "NXDOMAIN",
	[FL_BLOCK_NODATA] = "NODATA",
	[FL_BLOCK_OVERRIDE] = "OVERRIDE",
	[FL_BLOCK_SERVFAIL] = "SERVFAIL",
};

const char *fl_action_word(enum fl_action a)
{
	return (unsigned)a <= FL_ACTION_BLOCK ? actions[a] : actions[FL_ACTION_NONE];
}

const char *fl_block_response_word(enum fl_block_response r)
{
	return (unsigned)r <= FL_BLOCK_SERVFAIL ? block_responses[r] : NULL;
}

uint64_t fl_ref(const char *enforcer, uint32_t thread, uint64_t seq)
{
	uint64_t name = fl_checksum64(enforcer, strlen(enforcer)) & 0xff;

	return name << 32 | (uint64_t)(thread & 15) << 28 | (seq & 0xfffffff);
}

/* A word of ours: nothing to escape. */
static void put_word(struct fl_buf *out, const char *key, const char *word)
{
	fl_buf_str(out, key);
	fl_buf_u8(out, '"');
	fl_buf_str(out, word);
	fl_buf_u8(out, '"');
}

static void put_question(struct fl_buf *out, const struct fl_qlog *q)
{
	char name[FL_NAME_TEXT], word[16];

	fl__json_put_str(out, ",\"query_name\":", fl_dname_to_text(&q->qname, name));
	put_word(out, ",\"query_type\":", fl_qtype_format(q->qtype, word));
	put_word(out, ",\"query_class\":", fl_qclass_format(q->qclass, word));
	put_word(out, ",\"rcode\":", fl_rcode_format(q->rcode, word));
}

static void put_client(struct fl_buf *out, const struct fl_qlog *q)
{
	char addr[INET6_ADDRSTRLEN];

	if (!inet_ntop(q->client_v6 ? AF_INET6 : AF_INET, q->client, addr, sizeof(addr)))
		addr[0] = '\0';
	put_word(out, ",\"srcaddr\":", addr);
	fl__json_put_u64(out, ",\"srcport\":\"", q->client_port);
	put_word(out, "\",\"transport\":", q->tcp ? "TCP" : "UDP");
	FL__JSON_LIT(out, ",\"srcids\":{}");
}

/* As in AWS: an ALLOW match leaves no trace here. */
static void put_firewall(struct fl_buf *out, const struct fl_qlog *q)
{
	if (q->action != FL_ACTION_ALERT && q->action != FL_ACTION_BLOCK)
		return;
	put_word(out, ",\"firewall_rule_action\":", fl_action_word(q->action));
	if (q->rule_group)
		fl__json_put_str(out, ",\"firewall_rule_group_id\":", q->rule_group);
	if (q->list)
		fl__json_put_str(out, ",\"firewall_domain_list_id\":", q->list);
}

static void put_entry(struct fl_buf *out, const struct fl_qlog *q)
{
	char name[FL_NAME_TEXT], scope[FL_SCOPE_TEXT];

	fl__json_put_str(out, ",\"list\":", q->list);
	if (!q->list) {
		FL__JSON_LIT(out, ",\"list_version\":null,\"entry\":null,\"scope\":null");
		return;
	}
	fl__json_put_u64(out, ",\"list_version\":", q->list_version);
	put_word(out, ",\"entry\":", fl_rkey_to_text(fl_rkey_span(&q->entry), name));
	put_word(out, ",\"scope\":", fl_scope_format(q->entry_scope, scope));
}

static void put_sources(struct fl_buf *out, const struct fl_qlog *q)
{
	uint32_t max = sizeof(q->sources) / sizeof(q->sources[0]);

	FL__JSON_LIT(out, ",\"sources\":[");
	for (uint32_t i = 0; i < q->n_sources && i < max; i++) {
		if (i)
			fl_buf_u8(out, ',');
		fl__json_str(out, q->sources[i]);
	}
	fl_buf_u8(out, ']');
}

static void put_fireline(struct fl_buf *out, const struct fl_qlog *q)
{
	char ref[9];

	put_word(out, ",\"fireline\":{\"ref\":", fl_base32_40(fl_ref(q->enforcer ? q->enforcer : "", q->thread, q->seq), ref));
	FL__JSON_LIT(out, ",\"ts_us\":");
	fl__json_i64(out, q->ts_us);
	fl__json_put_str(out, ",\"enforcer\":", q->enforcer ? q->enforcer : "");
	fl__json_put_u64(out, ",\"boot\":", q->boot);
	fl__json_put_u64(out, ",\"worker\":", q->thread);
	fl__json_put_u64(out, ",\"seq\":", q->seq);
	put_word(out, ",\"action\":", fl_action_word(q->action));
	fl__json_put_str(out, ",\"rule\":", q->rule);
	put_entry(out, q);
	fl__json_put_u64(out, ",\"hop\":", q->hop);
	fl__json_put_str(out, ",\"block_response\":", fl_block_response_word(q->block_response));
	put_sources(out, q);
	fl__json_put_bool(out, ",\"cached\":", q->cached);
	fl__json_put_str(out, ",\"upstream\":", q->upstream);
	fl__json_put_u64(out, ",\"duration_us\":", q->duration_us);
	fl__json_put_str(out, ",\"would\":", q->would);
	fl__json_put_bool(out, ",\"bypass\":", q->bypass);
	if (q->degraded)
		FL__JSON_LIT(out, ",\"degraded\":true");
	fl_buf_u8(out, '}');
}

void fl_qlog_format(const struct fl_qlog *q, fl_answers_format *answers, struct fl_buf *out)
{
	fl_unix_us second = q->ts_us - (q->ts_us % FL_US_PER_S + FL_US_PER_S) % FL_US_PER_S;
	char time[FL_TIME_TEXT];

	fl__json_put_str(out, "{\"version\":\"1.100000\",\"account_id\":", q->account_id ? q->account_id : "000000000000");
	fl__json_put_str(out, ",\"region\":", q->region ? q->region : "");
	FL__JSON_LIT(out, ",\"vpc_id\":\"vpc-");
	fl_json_text(out, fl_span_str(q->association ? q->association : "none"));
	fl_buf_u8(out, '"');
	put_word(out, ",\"query_timestamp\":", fl_time_format(second, time));
	put_question(out, q);
	FL__JSON_LIT(out, ",\"answers\":");
	if (answers)
		answers(out, q->response);
	else
		FL__JSON_LIT(out, "[]");
	put_client(out, q);
	put_firewall(out, q);
	put_fireline(out, q);
	fl_buf_u8(out, '}');
}
