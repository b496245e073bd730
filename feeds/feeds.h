/* What bytes mean: one file a format, pure, hostile input. A reader turns a body into claims as text (a name as it stands in the
 * feed, and its scope); normalize/ decides which names they are. A format with other precedence than nearest-wins (adblock: an
 * exception wins at any depth, $important) is resolved by its reader, so that nearest-wins gives the same answer.
 * Start reading at feeds.c: the table of formats. docs/formats/feeds.md has the grammars. */
#pragma once
#include "base/arena.h"
#include "base/dname.h"
#include "base/err.h"
#include "base/tally.h"
#include "model/entry.h"
#include "model/finding.h"

#define FL_FORMATS(X)                                                                        \
	X(FL_FORMAT_AUTO, "auto", "found out from the content; refused unless sure")         \
	X(FL_FORMAT_DOMAINS, "domains", "one name a line; *.x is below x, .x is x and below") \
	X(FL_FORMAT_HOSTS, "hosts", "hosts(5): a sinkhole address and names")                \
	X(FL_FORMAT_ADBLOCK, "adblock", "the DNS part of adblock filters, with exceptions") \
	X(FL_FORMAT_DNSMASQ, "dnsmasq", "address=, local= and server= of a dnsmasq configuration") \
	X(FL_FORMAT_UNBOUND, "unbound", "local-zone and local-data of an unbound configuration") \
	X(FL_FORMAT_URLS, "urls", "one URL a line: its host, unless many share it") \
	X(FL_FORMAT_MALTRAIL, "maltrail", "trails: a name itself, .x is x and below") \
	X(FL_FORMAT_ZEEK, "zeek", "Zeek intelligence: domains and the hosts of URLs") \
	X(FL_FORMAT_RPZ, "rpz", "a response policy zone: what it says of the name asked for") \
	X(FL_FORMAT_BIND, "bind", "zones of a BIND configuration that answer themselves") \
	X(FL_FORMAT_CSV, "csv", "comma-separated values (RFC 4180); columns by name or number") \
	X(FL_FORMAT_JSON, "json", "one JSON document; records and their fields by pointer (RFC 6901)") \
	X(FL_FORMAT_NDJSON, "ndjson", "JSON, one object a line") \
	X(FL_FORMAT_STIX2, "stix2", "a STIX 2 bundle or TAXII envelope: its indicators") \
	X(FL_FORMAT_MISP, "misp", "a MISP event or warning list; by URL also a MISP feed") \
	X(FL_FORMAT_TAXII2, "taxii2", "a TAXII 2.1 collection, by its URL: its indicators")
enum fl_format {
#define FL_X(name, word, text) name,
	FL_FORMATS(FL_X)
#undef FL_X
	FL_FORMAT_COUNT
};
const char *fl_format_word(enum fl_format f);
bool fl_format_parse(const char *s, enum fl_format *out);

/* The canonical form of a name, for readers that compare names within a body (adblock's exceptions): FL_DROP_COUNT, or why it is none.
 * feeds/ must not know normalize/, so the caller lends it. */
typedef enum fl_drop fl_feed_canon(const void *ctx, struct fl_span name, struct fl_rkey *out);

/* Which field of a record says what. CSV: a column by its name in the header (any case), or by number from 1. JSON: a pointer (RFC 6901) within the
 * record; "#" for value is the record's own key in an object of records. NULL or "": the field is not there. Without `value` the fields of a known
 * provider are used, recognised by header or shape. Borrowed. */
struct fl_feed_fields {
	const char *value;	/* the name or URL */
	const char *type;	/* what value is: domain, url, ip:port, sha256...; without it a value with "://" is a URL */
	const char *category;	/* a word, or tags: the first known one counts */
	const char *confidence; /* 1 to 100 */
	const char *first_seen, *expires;
};
/* What a URL claims: auto is host (its host, exact) for csv and json, skip for stix2 and misp, whose URLs often lie on hosts that are not to blame. */
enum fl_feed_urls { FL_URLS_AUTO, FL_URLS_HOST, FL_URLS_SKIP };

/* scope of a bare name in `domains` (never guessed: the feed's definition says), and of a bare name in adblock lists. */
struct fl_feed_options {
	enum fl_format format;
	uint8_t scope; /* FL_SCOPE_EXACT, _SUBDOMAINS, _SUBTREE; 0: as written (domains then refuses bare names) */
	uint64_t max_names; /* more claims than that, repeats counted, are FL_ELIMIT; 0: no limit of the feed's own. Kept by whoever takes the claims. */
	fl_feed_canon *canon; /* NULL: ASCII names are compared in lower case, others are passed on as they stand */
	const void *canon_ctx;
	struct fl_feed_fields fields;	/* csv, json, ndjson */
	const char *items, *exceptions; /* json: pointers to the records, and to names that are exceptions at any depth; NULL or "" */
	char delimiter;			/* csv; 0: a comma */
	enum fl_feed_urls urls;
	uint32_t now_s; /* unix seconds, for what has expired or is not yet valid; 0: neither is judged */
};

struct fl_feed_claim {
	struct fl_span name; /* as in the feed: any case, maybe UTF-8, maybe a trailing dot; borrowed for the call */
	uint8_t scope;
	uint32_t line; /* 1-based; where the record begins */
	/* Of this claim alone; 0 or FL_CAT_NONE: the feed's own. Times are unix seconds. */
	uint8_t confidence; /* 1 to 100 */
	enum fl_category category;
	uint32_t first_seen_s, expires_s; /* expires_s 0: it does not say */
};
/* A negative return ends the reading with that code. */
typedef int fl_feed_sink(void *ctx, const struct fl_feed_claim *c);
/* A line that made no claim, for `feed test --rejects`; may be NULL. */
typedef void fl_feed_reject(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why);

struct fl_feed_result {
	enum fl_format format; /* the one used */
	struct fl_tally lines; /* in: lines, or records where the format has them; out: those that made at least one claim */
	uint64_t claims;
	uint64_t refused; /* lines the grammar or the name rules refused (not comments, blanks, not-applicable) */
	uint64_t addresses; /* of those: lines with an address in place of a name, of which real lists are full */
	uint32_t next_valid_s; /* when the first of the records that are not valid yet will be; 0: none */
};

/**
 * Read a whole body. BOM, CRLF, a missing final newline, NUL bytes and lines over 4 KiB are survived.
 * A body that is no list at all (HTML, JSON error text, binary) is FL_EFORMAT, one of over 20 million lines FL_ELIMIT, with the reason in err; nothing that the
 * sink got before counts then.
 */
int fl_feed_parse(struct fl_span body, const struct fl_feed_options *opt, fl_feed_sink *sink, fl_feed_reject *reject, void *ctx,
		  struct fl_feed_result *result, struct fl_err *err);
/** The format of a body, sure or refused (FL_EFORMAT, the reason names the two candidates). */
int fl_feed_detect(struct fl_span body, enum fl_format *out, struct fl_err *err);
/** Is it a JSON pointer (RFC 6901, section 3)? "" is one: the whole document. *at is the offset of what is wrong. */
bool fl_pointer_valid(const char *pointer, size_t *at);

/* A MISP feed's manifest: which events there are, and when each changed. */
struct fl_misp_event {
	const char *uuid; /* lower case; the document is UUID.json beside the manifest */
	uint32_t timestamp_s;
};
enum { FL_MISP_EVENTS_MAX = 1000000 };
/** All in arena, in the order of the document. FL_EFORMAT: not a manifest; FL_ELIMIT: over FL_MISP_EVENTS_MAX; FL_ENOMEM. An entry without a UUID for a key
 * or without a timestamp is left out and counted in *skipped (may be NULL): a name that becomes part of a URL is never taken on trust. */
int fl_misp_manifest_parse(struct fl_span body, struct fl_arena *arena, struct fl_misp_event **out, size_t *n, size_t *skipped, struct fl_err *err);

/* A page of a TAXII 2.1 collection: its indicators, as text (STIX 2), and how to go on. */
enum { FL_TAXII_ID_MAX = 127 };
struct fl_taxii_object {
	const char *id, *modified;
	struct fl_span json; /* compact, keys sorted */
};
struct fl_taxii_page {
	struct fl_taxii_object *v;
	size_t n;
	bool more;
	const char *next; /* opaque; "": go on by the date of the last object */
};
/** All in arena. `{}` is a page without objects. FL_EFORMAT: no envelope; FL_ELIMIT: over 64 MiB; FL_ENOMEM. */
int fl_taxii_page_parse(struct fl_span body, struct fl_arena *arena, struct fl_taxii_page *out, struct fl_err *err);

/** A JSON document on one line, appended: no white space between its values. FL_EFORMAT: it is none, or nested over 64 deep; FL_ELIMIT: over 64 MiB. */
int fl_json_one_line(struct fl_span document, struct fl_buf *out, struct fl_err *err);

/* Findings: one tolerant decoder of GuardDuty (API and event spelling), Security Hub ASFF, OCSF 2004, DNS Firewall events, STIX indicators, foreign JSON by a
 * mapping, and plain {domain, severity, type, expires_at, reason} (docs/formats/findings.md). Keys are compared case-insensitively at every level, an envelope
 * decides nothing. A domain is taken only from fields that mean "this is the bad name". */
enum {
	FL_FINDING_DOCUMENT_MAX = 16 << 20, /* octets of a document */
	FL_FINDING_MAX = 1 << 20,	    /* of one finding in it */
	FL_FINDINGS_MAX = 1 << 16,	    /* findings of a document, the refused ones too */
	FL_FINDING_WRAPS_MAX = 3,	    /* raw, EventBridge, SNS, SQS */
};

/* Where foreign JSON has what a finding needs: JSON pointers (RFC 6901) from the finding. NULL or "": not there. Borrowed. */
struct fl_finding_mapping {
	const char *domain; /* a text, or a list of texts; needed */
	const char *id, *type, *severity, *expires_at, *reason, *updated_at, *archived;
};
struct fl_finding_options {
	const struct fl_finding_mapping *mapping; /* NULL: the known shapes */
};

/* One finding of a document that is not given: it could not be read (FL_DROP_MALFORMED), or a later version of it stands in the same document (FL_DROP_REVOKED). */
struct fl_finding_refused {
	uint32_t number; /* in the document, from 1 */
	enum fl_drop word;
	const char *why;
};
struct fl_findings {
	struct fl_finding *v; /* one, or two when a part of its names is withdrawn */
	size_t n;
	struct fl_finding_refused *refused; /* in the order of the document */
	size_t n_refused;
	bool cut_off; /* the text ends within its last finding: it may be a file that is still being written */
};
/**
 * Read a document: one JSON value, or several one after the other (a line each, as exports have them). What cannot be read is in out->refused and costs nothing else.
 * Of several versions of one finding in it the last updated counts, and the others are refused.
 *
 * @param opt  NULL: no mapping
 * @param out  all in arena; written on success only
 * @return 0; FL_EFORMAT: nothing in it could be read, err says why of the first; FL_ELIMIT: over FL_FINDINGS_MAX; FL_ENOMEM. A document without any finding ({"Findings":[]}) is 0.
 */
int fl_finding_parse(struct fl_span json, const struct fl_finding_options *opt, struct fl_arena *arena, struct fl_findings *out, struct fl_err *err);

/* Cuts a stream into documents: a JSON value each, over any number of lines, or one a line. A broken one ends where the next begins: at a line that starts with
 * `{` where none may stand, or behind a text that a line end breaks. At most FL_FINDING_DOCUMENT_MAX octets are held. */
struct fl_finding_document {
	uint32_t number;     /* from 1 */
	struct fl_span text; /* borrowed for the call; not checked. Empty when too long */
	bool too_long;
};
/** A negative return ends it. */
typedef int fl_finding_document_sink(void *ctx, const struct fl_finding_document *d);
struct fl_finding_split {
	fl_finding_document_sink *sink;
	void *ctx;
	/* private */
	struct fl_buf buf;
	uint32_t number;
	unsigned depth;
	char open[64]; /* of the levels up to there: '{' or '[' */
	char last;     /* significant character; 0: none yet */
	bool in_string, escaped, mid_line, skipping, too_long;
};
/** Zero-initialised but for sink and ctx. 0, FL_ENOMEM, or what the sink said. */
int fl_finding_split_push(struct fl_finding_split *s, struct fl_span chunk);
/** The last document. */
int fl_finding_split_end(struct fl_finding_split *s);
void fl_finding_split_done(struct fl_finding_split *s);
