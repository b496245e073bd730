/* DNS messages off the wire (RFC 1035, 6891): the question of a client, and the records of an upstream's reply. Zero-copy, no allocation; every octet is hostile.
 * A name in a reply may be compressed: pointers go strictly backwards, so reading ends. Start reading at dns.c:fl__question_parse(). */
#pragma once
#include "base/dname.h"

enum {
	FL__DNS_HEADER = 12,
	FL__UDP_SIZE = 1232, /* what we send and offer over UDP (no fragments on any path that carries IPv6) */
	FL__UDP_PLAIN = 512,
	FL__MSG_MAX = 65535,
	FL__RRS_MAX = 1024, /* of one section that we read */
};
enum { FL__CLASS_IN = 1 };
enum {
	FL__T_A = 1, FL__T_NS = 2, FL__T_CNAME = 5, FL__T_SOA = 6, FL__T_PTR = 12, FL__T_HINFO = 13, FL__T_MX = 15, FL__T_TXT = 16, FL__T_AAAA = 28,
	FL__T_DNAME = 39, FL__T_OPT = 41, FL__T_DS = 43, FL__T_RRSIG = 46, FL__T_NSEC = 47, FL__T_NSEC3 = 50, FL__T_SVCB = 64, FL__T_HTTPS = 65, FL__T_TKEY = 249, FL__T_TSIG = 250,
	FL__T_IXFR = 251, FL__T_AXFR = 252, FL__T_MAILB = 253, FL__T_MAILA = 254, FL__T_ANY = 255,
};
enum {
	FL__NOERROR = 0, FL__FORMERR = 1, FL__SERVFAIL = 2, FL__NXDOMAIN = 3, FL__NOTIMP = 4, FL__REFUSED = 5, FL__BADVERS = 16,
	FL__BADCOOKIE = 23,
};
enum { /* bits of the second header word */
	FL__F_QR = 0x8000, FL__F_AA = 0x0400, FL__F_TC = 0x0200, FL__F_RD = 0x0100, FL__F_RA = 0x0080, FL__F_AD = 0x0020, FL__F_CD = 0x0010,
	FL__F_OPCODE = 0x7800,
};
enum { /* RFC 8914 */
	FL__EDE_NONE = 0xffff, FL__EDE_OTHER = 0, FL__EDE_STALE = 3, FL__EDE_FORGED = 4, FL__EDE_NOT_READY = 14, FL__EDE_BLOCKED = 15, FL__EDE_PROHIBITED = 18, FL__EDE_STALE_NXDOMAIN = 19,
	FL__EDE_NO_REACHABLE = 22, FL__EDE_NETWORK = 23,
};

enum { FL__OPTION_COOKIE = 10, FL__OPTION_KEEPALIVE = 11, FL__OPTION_EDE = 15 };
enum { FL__COOKIE_CLIENT = 8, FL__COOKIE_OURS = 24 /* client cookie and our server cookie */, FL__COOKIE_MAX = 40 };

static inline uint16_t fl__be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t fl__be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void fl__put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void fl__put32(uint8_t *p, uint32_t v)
{
	fl__put16(p, (uint16_t)(v >> 16));
	fl__put16(p + 2, (uint16_t)v);
}

struct fl_question {
	uint16_t id, flags; /* flags as received */
	uint16_t qtype, qclass;
	uint16_t udp_size; /* what the client takes over UDP: 512 to 1232 */
	bool edns, dnssec_ok;
	bool keepalive;		 /* the client asks how long an idle connection is kept (RFC 7828) */
	bool cookie_out;	 /* cookie holds what the answer says: FL__COOKIE_OURS octets */
	uint8_t cookie_len;	 /* 0: none; 8, or 16 to 40 octets as received */
	uint16_t keepalive_out;	 /* 0: nothing is said; else in 100 ms */
	uint8_t cookie[FL__COOKIE_MAX];
	bool has_name;	      /* the question itself was read: name, key, raw, qtype, qclass are set */
	uint8_t raw[FL_DNAME_MAX]; /* the name as sent, its case kept; name.len octets */
	struct fl_dname name;
	struct fl_rkey key; /* of every name, also of one with octets that no list can hold: `*` and suffixes cover it */
};

enum fl__parsed {
	FL__PARSED_PING = -2, /* no question, a cookie: answered with NOERROR (RFC 7873, 5.4) */
	FL__PARSED_DROP = -1, /* not a question: silence */
	FL__PARSED_OK = 0,    /* else an rcode to answer with */
};
/** Returns FL__PARSED_DROP, FL__PARSED_PING, FL__PARSED_OK, or the rcode to answer at once (FORMERR, NOTIMP, REFUSED, BADVERS). *q is valid as far as has_name says. */
int fl__question_parse(struct fl_span pkt, struct fl_question *q);
/** The matcher's key of a wire name in lower case. A zero octet in a label becomes 1: no stored name holds either. */
void fl__key_from_dname(const struct fl_dname *d, struct fl_rkey *out);

/* One record of a reply; offsets into the message. */
struct fl__rr {
	uint16_t owner; /* offset of the owner name */
	uint16_t type, rclass;
	uint32_t ttl;
	uint16_t rdata, rdlen;
};
/** The first EDE of a reply that was read so far as to be a message; FL__EDE_NONE: it has none. */
uint16_t fl__ede_read(struct fl_span msg);
/** Reads a possibly compressed name at *pos, case kept; *pos goes behind it. False on anything malformed or over 255 octets. */
bool fl__name_read(struct fl_span msg, size_t *pos, struct fl_dname *out);
/** *pos goes behind a name, without following pointers. */
bool fl__name_skip(struct fl_span msg, size_t *pos);
/** Reads one record at *pos; its rdata lies wholly in the message. */
bool fl__rr_read(struct fl_span msg, size_t *pos, struct fl__rr *out);
void fl__dname_lower(struct fl_dname *d);
/** Case-insensitive. */
bool fl__dname_eq(const struct fl_dname *a, const struct fl_dname *b);
/** Is `d` the name `top` or below it? Both in any case; *prefix is the number of octets of d before top. */
bool fl__dname_below_or_at(const struct fl_dname *d, const struct fl_dname *top, size_t *prefix);
