/* Private to feeds/: what the readers share. A reader walks the lines of a body, gives claims to the sink and accounts for
 * every line: one that made a claim is out, one that did not is dropped for one reason. */
#pragma once
#include "feeds/feeds.h"

/* Real lists have two lines a name at most, and 2.2 million lines in the biggest one that was met. */
enum { FL__LINE_MAX = 4096, FL__LINES_MAX = 20000000 };

struct fl__reader {
	struct fl_span body; /* BOM off */
	const struct fl_feed_options *opt;
	fl_feed_sink *sink;
	fl_feed_reject *reject;
	void *ctx;
	struct fl_feed_result *result;
	struct fl_err *err;
	size_t pos;
	uint32_t line; /* of the text last given; 1-based */
	bool over;     /* there are more than FL__LINES_MAX */
	bool records;  /* typed records: an address among them is expected, and does not speak against the body */
	bool url_hosts; /* the format's habit: a URL claims its host */
};

/** The next line without its end and without white space at either side. False at the end of the body, or when there are too many. */
bool fl__reader_line(struct fl__reader *r, struct fl_span *text);
/**
 * The next line when it is `head` and one name of plain form, as nearly all lines of a list of names are: short, of octets that need no look at the grammar of
 * tokens, not in the last octets of the body, and without what could make it an address or begin with a dot. False: nothing has moved, fl__reader_line() has it.
 */
bool fl__reader_name(struct fl__reader *r, struct fl_span head, struct fl_span *name);
/** This line made no claim. */
void fl__reader_drop(struct fl__reader *r, uint32_t line, struct fl_span text, enum fl_drop why);
/** One claim to the sink; 0 or what the sink said. */
int fl__reader_claim(struct fl__reader *r, uint32_t line, struct fl_span name, uint8_t scope);

/** The same, with the claim's own attributes. */
int fl__reader_give(struct fl__reader *r, const struct fl_feed_claim *c);

/** The next run without white space; false when there is none. *rest moves on. */
bool fl__token(struct fl_span *rest, struct fl_span *tok);
/** What follows a '#' that stands first or behind white space is off. */
struct fl_span fl__comment_off(struct fl_span text);
/** Can this token be a name? FL_DROP_COUNT, or FL_DROP_ADDRESS or FL_DROP_PATTERN. The grammar of names comes later. */
enum fl_drop fl__token_judge(struct fl_span tok);
/** The same of a token that has no sign of a pattern in it. */
enum fl_drop fl__name_judge(struct fl_span tok);
/** Are there only letters, digits, dots, hyphens and underscores in it, as in nearly all lines of a list of names? Then it is one token without a comment. */
bool fl__all_name_octets(struct fl_span text);
/** Reasons that say nothing against a body: comments, rules of no concern, repeats. */
bool fl__drop_is_harmless(enum fl_drop why);

/* What came of the names of one line so far. Start with .first = FL_DROP_COUNT. */
struct fl__account {
	struct fl_span text;
	enum fl_drop first; /* the reason that matters most */
	bool claimed;
};
/** A name of the line: a claim when why is FL_DROP_COUNT, else a reason. 0, or what the sink said. */
int fl__account_name(struct fl__reader *r, struct fl__account *a, struct fl_span name, uint8_t scope, enum fl_drop why);
/** The line says something else that makes no claim. */
void fl__account_drop(struct fl__account *a, enum fl_drop why);
/** Counts the line: out, or dropped for its reason (FL_DROP_SYNTAX when it has none). */
void fl__account_end(struct fl__reader *r, const struct fl__account *a);
typedef int fl__account_read(struct fl__reader *r, struct fl__account *line, struct fl_span rest);
/** All lines of a body: blank ones, comments and those that are too long by themselves, the others, without a comment at their end, by `read`. */
int fl__account_lines(struct fl__reader *r, fl__account_read *read);

typedef int fl__read(struct fl__reader *r);
fl__read fl__plain_read, fl__hosts_read, fl__adblock_read;
fl__read fl__dnsmasq_read, fl__unbound_read;
fl__read fl__urls_read, fl__maltrail_read, fl__zeek_read;
fl__read fl__rpz_read, fl__bind_read;
/** A blank line, or one that starts with '#', '!', ';' or '//'. */
bool fl__plain_comment(struct fl_span text);
/** NULL, or why this body is no list at all. */
const char *fl__sniff(struct fl_span body);
/** The same for a body that must be of a format: for those of JSON it must be JSON, for the others it must not. auto: either. */
const char *fl__sniff_for(struct fl_span body, enum fl_format format);
struct fl_span fl__bom_off(struct fl_span body);

/** hosts(5): is this an address, and one that leads nowhere? */
enum fl__hosts_address { FL__HOSTS_NO_ADDRESS, FL__HOSTS_SINKHOLE, FL__HOSTS_OTHER };
enum fl__hosts_address fl__hosts_address(struct fl_span tok);

/** The rest of a resource record behind its owner, `[TTL] [class] type rdata` with TTL and class in either order (RFC 1035, 5.1):
 * *type is the word, *rest what follows it. False when there is no type, or the class is not IN. */
bool fl__record_type(struct fl_span *rest, struct fl_span *type);
/** An A or AAAA record whose address leads nowhere. */
bool fl__record_is_sinkhole(struct fl_span type, struct fl_span rdata);
/** Equal without regard to case. */
bool fl__word_is(struct fl_span s, const char *word);

/** Defanged text as it was meant; buf has room for text.n octets and owns the result. */
struct fl_span fl__refang(struct fl_span text, uint8_t *buf);
/**
 * The host of a URL that is refanged already, with or without a scheme; buf has room for url.n octets and owns *host. It may be where url stands.
 * FL_DROP_COUNT, or FL_DROP_ADDRESS, _PATTERN, _SHARED_HOST, or _SYNTAX when there is no host.
 */
enum fl_drop fl__url_host(struct fl_span url, uint8_t *buf, struct fl_span *host);
/** Does the path, not the name, say whose content a URL on this host is? Any case, maybe a trailing dot. */
bool fl__host_is_shared(struct fl_span host);

/* One adblock rule as written. */
struct fl__rule {
	struct fl_span name;	  /* in the line */
	uint8_t scope;		  /* exact, subdomains or subtree, of a block or of an exception */
	bool exception, important;
	bool badfilter;		  /* switches off the rule that has the same identity */
	struct fl_span denyallow; /* a|b|c: the rule does not hold for these and what is below them */
	uint64_t identity;	  /* of pattern and modifiers, as a set, without badfilter */
};
/** FL_DROP_COUNT for a rule about names; else why not. *out is filled as far as was read; badfilter rules give FL_DROP_DISABLED. */
enum fl_drop fl__adblock_rule(struct fl_span text, uint8_t bare, struct fl__rule *out);
/** Does the line look like an adblock rule, whatever it says? */
bool fl__adblock_looks(struct fl_span text);
bool fl__dnsmasq_looks(struct fl_span text);
bool fl__unbound_looks(struct fl_span text);
bool fl__bind_looks(struct fl_span text);
/** A CNAME, NS or SOA record with an owner of its own? */
bool fl__rpz_looks(struct fl_span text);
/** Does the line start with scheme:// ? */
bool fl__urls_looks(struct fl_span text);
/** Is it the line that names the columns? */
bool fl__zeek_header(struct fl_span text);
