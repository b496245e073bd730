/* The AWS sources of role ingest, in a thread of their own. What they say is kept as of a moment ago, so that nobody waits for them. */
#pragma once
#include <jansson.h>

#include "ingest/aws_sources.h"

struct fl_ingest_aws;
/** Has this configuration any? */
bool fl_ingest_aws_wanted(const struct fl_config *cfg);
/** Starts the thread. The intake outlives it. */
int fl_ingest_aws_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_ingest_aws **out, struct fl_err *err);
/** cfg is not used after. */
int fl_ingest_aws_reload(struct fl_ingest_aws *a, const struct fl_config *cfg);
/** Appends an object for each source to v. a NULL: none. */
void fl_ingest_aws_status(struct fl_ingest_aws *a, json_t *v);
void fl_ingest_aws_metrics(struct fl_ingest_aws *a, struct fl_buf *out);
/** The intake must be closed. Lets go of what is held, for some seconds at most. */
void fl_ingest_aws_close(struct fl_ingest_aws *a);
