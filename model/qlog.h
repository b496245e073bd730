/* One answered question (struct fl_qlog) and its record on the wire: the Route 53 Resolver query-log shape with one `fireline`
 * object (docs/formats/query-log.md, frozen). Pure: the frame in the ring is enforcer's, the JSON is made here. */
#pragma once
#include "base/dname.h"
#include "base/time.h"
#include "model/version.h"

enum fl_action { FL_ACTION_NONE, FL_ACTION_ALLOW, FL_ACTION_ALERT, FL_ACTION_BLOCK };
enum fl_block_response { FL_BLOCK_NONE, FL_BLOCK_NXDOMAIN, FL_BLOCK_NODATA, FL_BLOCK_OVERRIDE, FL_BLOCK_SERVFAIL };
const char *fl_action_word(enum fl_action a);		   /* "NONE", "ALLOW", "ALERT", "BLOCK" */
const char *fl_block_response_word(enum fl_block_response r); /* NULL for FL_BLOCK_NONE */

struct fl_qlog {
	fl_unix_us ts_us;
	const char *account_id, *region, *enforcer, *association; /* association NULL: none matched */
	uint32_t boot, thread;
	uint64_t seq;
	struct fl_dname qname;
	uint16_t qtype, qclass;
	uint8_t rcode;
	bool tcp, cached;
	bool client_v6;
	uint8_t client[16];
	uint16_t client_port;
	enum fl_action action;
	enum fl_block_response block_response;
	const char *rule_group, *rule, *list; /* NULL when no rule matched */
	uint64_t list_version;
	struct fl_rkey entry; /* the matched entry; meaningful when list != NULL */
	uint8_t entry_scope;
	uint8_t hop;
	const char *sources[16];
	uint32_t n_sources;
	const char *upstream; /* NULL: none asked */
	uint32_t duration_us;
	const char *would; /* a shadow verdict; NULL */
	bool bypass, degraded;
	struct fl_span response; /* the DNS message sent, for `answers`; may be empty */
};

/* Turns rdata into RFC text. The answer formatter lives off the hot path (enforcer, ldns). Appends the JSON array of `answers`. */
typedef void fl_answers_format(struct fl_buf *out, struct fl_span response);

/** The ref of a record: 8 bits of the enforcer's name hash, 4 of the thread, 28 low bits of seq; 8 base32 characters. */
uint64_t fl_ref(const char *enforcer, uint32_t thread, uint64_t seq);
/** One JSON object, no newline. answers may be NULL: then "answers":[]. */
void fl_qlog_format(const struct fl_qlog *q, fl_answers_format *answers, struct fl_buf *out);
/** "A", "AAAA", "HTTPS", ..., "TYPE65400"; out has room for 16. */
char *fl_qtype_format(uint16_t t, char out[16]);
/** By mnemonic or TYPEnnn, case-insensitive. */
bool fl_qtype_parse(const char *s, uint16_t *out);
char *fl_qclass_format(uint16_t c, char out[16]);
char *fl_rcode_format(unsigned rcode, char out[16]);
