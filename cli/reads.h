/* What can be read of lists straight from the store: used by role api. Answers are JSON; entries and differences are streams, so that a million names
 * need no memory. */
#pragma once
#include "admin/admin.h"
#include "model/config.h"
#include "sets/sets.h"

/* A thread's own store door is made for a stream and lives as long as it. */
struct fl_reads {
	const struct fl_config *cfg;
	struct fl_sets sets; /* of the admin thread */
	int64_t compare_ms;  /* a comparison of feeds ends after so long with what it has; 0: FL_READS_COMPARE_MS */
};
enum { FL_READS_COMPARE_MS = 20000 };

void fl_reads_lists(struct fl_reads *r, struct fl_admin_response *res);
/** /v1/domain-lists/NAME[/versions|/diff|/entries|/export] */
void fl_reads_list(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res);
/** /v1/feeds/NAME/versions|/entries|/overlap. versions: newest first, `limit`. overlap: {"unique", "with": [{"source", "shared", ...}], "complete"}: names of the feed that no other source of
 * its list has, and how many of them each other source has, by name alone; complete false: the time was over after `compared` names. */
void fl_reads_feed(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res);
/** GET /v1/findings?source&state&type&name&limit&after: {"items": claims, the one seen last first, "next": what `after` takes, or null}. */
void fl_reads_findings(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res);
/** GET /v1/findings/ID: {"finding", "claims"}, by fl_claims_find. */
void fl_reads_finding(struct fl_reads *r, const struct fl_admin_request *req, struct fl_admin_response *res);
/** What held the name or one of its parents once, or waits to: claims that are not active, as a JSON array. */
void *fl_reads_past(struct fl_reads *r, const char *name);
/** Adds to each row of `because` since when, until when, and the findings behind it. */
void fl_reads_enrich(struct fl_reads *r, void *because_json);
/** Sets that the store has and the configuration does not name, as {"lists":[...],"sources":[...]}. */
void *fl_reads_orphans(struct fl_reads *r);
