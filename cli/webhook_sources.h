/* Sources of type webhook: what the listener (admin/webhook.h) takes goes to the intake, and its sender hears what became of it. */
#pragma once
#include "ingest/intake.h"
#include "ingest/source_status.h"

struct fl_hooks;
/** Listens when the configuration says where; without that *out is a handle all the same, without a listener. FL_ECONFIG, FL_EUNAVAIL, FL_ENOMEM. */
int fl_hooks_open(const struct fl_config *cfg, struct fl_intake *intake, struct fl_hooks **out, struct fl_err *err);
/** Other paths and secrets. cfg is borrowed until the next. */
void fl_hooks_reload(struct fl_hooks *h, const struct fl_config *cfg);
/** Secrets are read again; what changed on disk holds from now on. */
void fl_hooks_look(struct fl_hooks *h);
/** Any thread; up to max, of all in the configuration. */
size_t fl_hooks_status(struct fl_hooks *h, struct fl_source_status *out, size_t max);
void fl_hooks_metrics(struct fl_hooks *h, struct fl_buf *out);
/** 0: no listener. */
unsigned fl_hooks_port(const struct fl_hooks *h);
/** The intake is closed before: what it still gives back may come later than this, and is dropped. */
void fl_hooks_close(struct fl_hooks *h);
