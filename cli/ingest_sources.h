/* The sources of findings that receive by themselves: webhooks and Kafka topics, wired to the intake. Topics are stepped in a thread of this handle's own, webhooks have the listener's. */
#pragma once
#include <jansson.h>

#include "ingest/intake.h"

struct fl_sources;
/** cfg is borrowed until a reload gives another. FL_ECONFIG, FL_EUNAVAIL (the listener's address), FL_ENOMEM. */
int fl_sources_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_sources **out, struct fl_err *err);
/** Must not be called while the thread is stopped; the old configuration may be freed when it returns true. */
bool fl_sources_reload(struct fl_sources *s, const struct fl_config *cfg);
/** An array for status: one object a source. A new reference. Any thread. */
json_t *fl_sources_json(struct fl_sources *s);
/** Any thread. */
void fl_sources_metrics(struct fl_sources *s, struct fl_buf *out);
/** The intake is closed before, and freed after. */
void fl_sources_close(struct fl_sources *s);
