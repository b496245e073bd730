/* Nothing vanishes: a stage's tally balances, in == out + sum(dropped[reason]). Reasons are one table for all stages, so
 * that metrics, `feed test` and `explain` use the same words. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FL_DROPS(X)                                                                                   \
	X(FL_DROP_COMMENT, "comment", "a comment, a header or a blank line")                          \
	X(FL_DROP_ADDRESS, "address", "an address literal, not a name")                               \
	X(FL_DROP_NUMERIC_TLD, "numeric_tld", "the last label is all digits")                         \
	X(FL_DROP_SINGLE_LABEL, "single_label", "one label only")                                     \
	X(FL_DROP_BAD_LABEL, "bad_label", "an empty label, one over 63 octets, or a character no name has") \
	X(FL_DROP_TOO_LONG, "too_long", "a name over 253 octets")                                     \
	X(FL_DROP_BAD_IDNA, "bad_idna", "not a name under UTS 46")                                    \
	X(FL_DROP_NOT_UTF8, "not_utf8", "bytes that are not UTF-8")                                   \
	X(FL_DROP_ICANN_SUFFIX, "icann_suffix", "a public suffix of the ICANN section")               \
	X(FL_DROP_PRIVATE_SUFFIX, "private_suffix", "subdomains of a public suffix of the private section") \
	X(FL_DROP_EXTRA_FIELDS, "extra_fields", "more on the line than the format allows")            \
	X(FL_DROP_LINE_TOO_LONG, "line_too_long", "a line over 4 KiB")                                \
	X(FL_DROP_SYNTAX, "syntax", "not in the grammar of the format")                               \
	X(FL_DROP_NO_SCOPE, "no_scope", "a bare name, and the scope is as_written: say exact, subdomains or subtree") \
	X(FL_DROP_LOCAL_NAME, "local_name", "localhost and its kin")                                  \
	X(FL_DROP_NOT_APPLICABLE, "not_applicable", "a rule that says nothing about DNS names")       \
	X(FL_DROP_PATTERN, "pattern", "a pattern, not a name")                                        \
	X(FL_DROP_MAPPING, "mapping", "maps a name to an address that is no sinkhole")                \
	X(FL_DROP_SHARED_HOST, "shared_host", "a URL on a host that many share: the page is bad, not the host") \
	X(FL_DROP_TRIGGER, "trigger", "a policy rule on addresses or name servers, not on the name asked for") \
	X(FL_DROP_OUT_OF_ZONE, "out_of_zone", "a record that is not in its zone")                   \
	X(FL_DROP_DISABLED, "disabled", "switched off by a $badfilter rule, or by an exception at any depth") \
	X(FL_DROP_DUPLICATE, "duplicate", "a claim that an earlier line made")                        \
	X(FL_DROP_EXPIRED, "expired", "past its time")                                                \
	X(FL_DROP_NOT_YET, "not_yet", "valid from a time to come")                                    \
	X(FL_DROP_REVOKED, "revoked", "withdrawn or replaced by its own source")                      \
	X(FL_DROP_PROTECTED, "protected", "a protected name, quarantined")                            \
	X(FL_DROP_SAMPLE, "sample", "a sample finding")                                               \
	X(FL_DROP_LOW_SEVERITY, "low_severity", "below the minimum severity")                         \
	X(FL_DROP_NO_DOMAIN, "no_domain", "a finding that names no domain")                           \
	X(FL_DROP_IGNORED, "ignored", "ignored by the policy for its type")                           \
	X(FL_DROP_MALFORMED, "malformed", "not a document of a known shape")

enum fl_drop {
#define FL_X(name, word, text) name,
	FL_DROPS(FL_X)
#undef FL_X
	FL_DROP_COUNT
};

struct fl_tally {
	uint64_t in;      /* lines, records or claims taken */
	uint64_t out;     /* passed on */
	uint64_t narrowed; /* of those passed on: subtree made exact on a private suffix */
	uint64_t dropped[FL_DROP_COUNT];
};

/** The stable word of a reason, as in metric labels. */
const char *fl_drop_word(enum fl_drop d);
/** The sentence of a reason. */
const char *fl_drop_text(enum fl_drop d);
uint64_t fl_tally_dropped(const struct fl_tally *t);
static inline bool fl_tally_balances(const struct fl_tally *t)
{
	return t->in == t->out + fl_tally_dropped(t);
}
