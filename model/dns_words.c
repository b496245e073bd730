/* DNS mnemonics of types, classes and response codes (IANA registry "Domain Name System (DNS) Parameters"; the spelling of
 * unknown ones is RFC 3597, section 5). */
#include "model/qlog.h"

#include "base/text.h"

#include <strings.h>

struct word {
	uint16_t value;
	const char *text;
};

static const struct word qtypes[] = {
	{ 1, "A" },	    { 2, "NS" },	{ 5, "CNAME" },	      { 6, "SOA" },	  { 12, "PTR" },      { 13, "HINFO" },
	{ 15, "MX" },	    { 16, "TXT" },	{ 17, "RP" },	      { 18, "AFSDB" },	  { 24, "SIG" },      { 25, "KEY" },
	{ 28, "AAAA" },	    { 29, "LOC" },	{ 33, "SRV" },	      { 35, "NAPTR" },	  { 36, "KX" },	      { 37, "CERT" },
	{ 39, "DNAME" },    { 41, "OPT" },	{ 42, "APL" },	      { 43, "DS" },	  { 44, "SSHFP" },    { 45, "IPSECKEY" },
	{ 46, "RRSIG" },    { 47, "NSEC" },	{ 48, "DNSKEY" },     { 49, "DHCID" },	  { 50, "NSEC3" },    { 51, "NSEC3PARAM" },
	{ 52, "TLSA" },	    { 53, "SMIMEA" },	{ 55, "HIP" },	      { 59, "CDS" },	  { 60, "CDNSKEY" },  { 61, "OPENPGPKEY" },
	{ 62, "CSYNC" },    { 63, "ZONEMD" },	{ 64, "SVCB" },	      { 65, "HTTPS" },	  { 99, "SPF" },      { 108, "EUI48" },
	{ 109, "EUI64" },   { 249, "TKEY" },	{ 250, "TSIG" },      { 251, "IXFR" },	  { 252, "AXFR" },    { 253, "MAILB" },
	{ 254, "MAILA" },   { 255, "ANY" },	{ 256, "URI" },	      { 257, "CAA" },	  { 258, "AVC" },     { 260, "AMTRELAY" },
	{ 32768, "TA" },    { 32769, "DLV" },
};

static const struct word qclasses[] = { { 1, "IN" }, { 3, "CH" }, { 4, "HS" }, { 254, "NONE" }, { 255, "ANY" } };

static const struct word rcodes[] = {
	{ 0, "NOERROR" }, { 1, "FORMERR" },  { 2, "SERVFAIL" }, { 3, "NXDOMAIN" }, { 4, "NOTIMP" },
	{ 5, "REFUSED" }, { 6, "YXDOMAIN" }, { 7, "YXRRSET" },	{ 8, "NXRRSET" },  { 9, "NOTAUTH" },
	{ 10, "NOTZONE" }, { 16, "BADVERS" }, { 23, "BADCOOKIE" },
};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static char *format(const struct word *table, size_t rows, const char *unknown, unsigned value, char out[16])
{
	for (size_t i = 0; i < rows; i++) {
		if (table[i].value == value) {
			snprintf(out, 16, "%s", table[i].text);
			return out;
		}
	}
	snprintf(out, 16, "%s%u", unknown, value);
	return out;
}

char *fl_qtype_format(uint16_t t, char out[16])
{
	return format(qtypes, ROWS(qtypes), "TYPE", t, out);
}

char *fl_qclass_format(uint16_t c, char out[16])
{
	return format(qclasses, ROWS(qclasses), "CLASS", c, out);
}

char *fl_rcode_format(unsigned rcode, char out[16])
{
	return format(rcodes, ROWS(rcodes), "RCODE", rcode & 0xfff, out);
}

bool fl_qtype_parse(const char *s, uint16_t *out)
{
	uint64_t v;

	for (size_t i = 0; i < ROWS(qtypes); i++) {
		if (strcasecmp(s, qtypes[i].text) == 0) {
			*out = qtypes[i].value;
			return true;
		}
	}
	if (strncasecmp(s, "TYPE", 4) != 0 || !fl_u64_parse(fl_span_str(s + 4), &v) || v > UINT16_MAX)
		return false;
	*out = (uint16_t)v;
	return true;
}
