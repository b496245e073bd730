/* Private to feeds/: records of comma-separated values (RFC 4180, and what is met beside it). Start at fl__csv_next(). */
#pragma once
#include "feeds/fields.h"

enum { FL__CSV_FIELDS = 64 };

/* A walk over a body, record by record. */
struct fl__csv {
	struct fl_span body;
	char delimiter;
	size_t pos;
	uint32_t line;			      /* of the record last given; 1-based */
	uint32_t next_line;
	struct fl_span text;		      /* it, as it stands, without its end */
	struct fl_span fields[FL__CSV_FIELDS]; /* unquoted and trimmed; those behind the last one kept are passed over */
	size_t n;
	uint8_t *plain; /* FL__RECORD_MAX octets, for fields with doubled quotes */
	size_t plain_n;
};

enum fl__csv_got { FL__CSV_END, FL__CSV_COMMENT, FL__CSV_RECORD, FL__CSV_BROKEN, FL__CSV_TOO_LONG };
/** The next record, blank line or comment. BROKEN: its quotes make no sense; only its first line is passed over, so that a stray quote does not
 * take the rest of the body with it. */
enum fl__csv_got fl__csv_next(struct fl__csv *c);
/** The fields of one text, as of a header in a comment. */
bool fl__csv_split(struct fl__csv *c, struct fl_span text);
