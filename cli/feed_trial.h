/* Private to `feed test`: one trial of one body, and what would become of it in this deployment. */
#pragma once
#include "cli/client.h"
#include "feeds/catalog.h"
#include "ingest/ingest.h"

enum { FL_REJECTS_SHOWN = 5, FL_REJECT_TEXT = 200 };

/* The first refused lines of each reason, and how many there are. */
struct fl_rejects {
	enum fl_rejects_print { FL_REJECTS_KEEP, FL_REJECTS_TEXT, FL_REJECTS_JSON } print; /* or each as it is met */
	uint64_t n, by[FL_DROP_COUNT];
	struct fl_reject {
		uint32_t line;
		char text[FL_REJECT_TEXT + 1]; /* printable, UTF-8 */
	} first[FL_DROP_COUNT][FL_REJECTS_SHOWN];
};

struct fl_trial {
	struct fl_cli *c;
	struct fl_config *cfg;		   /* NULL: none was found */
	const struct fl_cfg_feed *feed;	   /* of cfg, that this is the next version of; NULL: a new one */
	const struct fl_preset *preset;	   /* that has this URL; NULL: none */
	struct fl_names *names;
	struct fl_feed_options opt;
	uint64_t min_names, bytes;
	int64_t took_ms;
	struct fl_feed_trial t;
	struct fl_set set;
	struct fl_rejects rejects;
};

/** Adds "protected", "overlap" and "guard" to the answer. Takes what is protected out of t->set. *held: the guard would hold it. 0 or FL_ENOMEM. */
int fl_trial_judge(struct fl_trial *t, json_t *answer, bool *held, struct fl_err *err);
/** For people. */
void fl_trial_print(const struct fl_trial *t, const json_t *answer);
