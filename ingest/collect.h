/* A feed whose list is many documents, fetched one after the other: MISP feeds and TAXII collections. Private to ingest/. */
#pragma once
#include "feeds/feeds.h"
#include "io/disk.h"
#include "io/http.h"
#include "model/config.h"

struct fl__collect;
bool fl__collect_is(const struct fl_cfg_feed *cfg);
/** One poll. disk keeps what was fetched between polls; NULL: all is fetched each time. NULL when out of memory. */
struct fl__collect *fl__collect_new(const struct fl_cfg_feed *cfg, struct fl_disk *disk, fl_unix_us now);
/** Also keeps what came, when it was cut short: the next poll goes on from there. */
void fl__collect_free(struct fl__collect *c);
/** What to ask for next; in arena. NULL when out of memory. */
const char *fl__collect_url(struct fl__collect *c, struct fl_arena *a);
/** The header that goes with it. */
const char *fl__collect_accept(const struct fl__collect *c);
/** The header whose value fl__collect_take looks at. */
#define FL__COLLECT_HEADER "X-TAXII-Date-Added-Last"
/** Has an answer been taken? Before that a 304 says that nothing changed. */
bool fl__collect_begun(const struct fl__collect *c);
/** Take an answer of status 200. 1: ask for more; 0: all is there. FL_EFORMAT, FL_ELIMIT (over the feed's max_bytes), FL_ENOMEM. */
int fl__collect_take(struct fl__collect *c, const struct fl_http_response *r, struct fl_err *err);
/** All documents as one body that the feed's reader takes, appended. */
int fl__collect_body(struct fl__collect *c, struct fl_buf *out, struct fl_err *err);
