/* Private to feeds/: what the formats of records share (csv, json, stix2, misp). A record is begun, given its attributes and one or more values,
 * and ended; each value claims a name or has a reason why not, and a record that made no claim is dropped for its first reason. */
#pragma once
#include "feeds/reader.h"

enum {
	FL__RECORD_MAX = 1 << 16, /* octets of a CSV record */
	FL__ITEM_MAX = 1 << 20,	  /* of a JSON record */
};

/* What the value of a record is. */
enum fl__kind {
	FL__KIND_OTHER, /* no name and no URL: a hash, an address and port, a file */
	FL__KIND_NAME,
	FL__KIND_NAME_FIRST, /* "name|address": what stands before the bar */
	FL__KIND_URL,
	FL__KIND_ANY, /* not said: a URL if it has a scheme or a path, else a name */
};
/** By the words that providers use: "domain", "hostname", "url", "ip:port", "domain|ip"...; any case. Unknown words are OTHER. */
enum fl__kind fl__kind_of(struct fl_span word);

struct fl__record {
	struct fl_span text; /* as it stands in the body */
	uint32_t line;
	bool defang;   /* undo hxxp:// and [.]: where people write the values */
	uint8_t scope; /* of a bare name */
	uint8_t confidence;
	enum fl_category category;
	uint32_t first_seen_s, expires_s;
	size_t claims;
	enum fl_drop why; /* the first reason met; FL_DROP_COUNT: none */
	/* Does the source except the name of a claim? Such a claim is FL_DROP_DISABLED. NULL: it excepts none. */
	bool (*excepted)(const void *ctx, struct fl_span name);
	const void *ctx;
};
/** Counted; scope as the feed's definition says, else exact. */
struct fl__record fl__record_begin(struct fl__reader *r, struct fl_span text, uint32_t line);
/** A reason, if it is the first. */
void fl__record_why(struct fl__record *rec, enum fl_drop why);
/** Not claimed when it is expired, of a kind that claims nothing, or no name. 0, or what the sink said. */
int fl__record_value(struct fl__reader *r, struct fl__record *rec, enum fl__kind kind, struct fl_span value);
void fl__record_end(struct fl__reader *r, const struct fl__record *rec);



/** Unix seconds of a date as feeds write them: RFC 3339, "2026-08-22 02:53:35[ UTC]", "2026-08-22", "22-08-2026" (day first), seconds or
 * milliseconds since 1970. Without a zone it is UTC. False for anything else. Before 1970 is 1; after 2106 the last second there is. */
bool fl__date(struct fl_span text, uint32_t *out);
/** The first known word among tags ("#phishing #scam", "payload_delivery"); FL_CAT_NONE. */
enum fl_category fl__category(struct fl_span text);
/** 1 to 100; 0 for anything else. */
uint8_t fl__confidence(struct fl_span text);

fl__read fl__csv_read, fl__json_read, fl__ndjson_read, fl__stix_read, fl__misp_read;
/** Has it the header of a known provider? */
bool fl__csv_detect(struct fl_span body);
/** Which format of JSON, by shape; sure or refused. */
int fl__json_detect(struct fl_span body, enum fl_format *out, struct fl_err *err);
/** The whole body as one checked JSON value; FL_EFORMAT says where it is broken. */
int fl__json_document(struct fl__reader *r, struct fl_span *document);
/** The line of a place in the body; 1-based. Cheap when places come in order. */
uint32_t fl__json_line(struct fl__reader *r, const uint8_t *p);
/** By shape, in text that was checked. */
bool fl__stix_looks(struct fl_span document);
bool fl__misp_looks(struct fl_span document);
