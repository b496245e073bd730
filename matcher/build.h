/* New rows from old ones and sorted operations: a run for a small change, a base for a large one. Private to this folder. */
#pragma once
#include "matcher/root.h"

struct fl__members {
	uint32_t n;
	uint16_t v[FL_IMAGE_INPUTS_MAX];
};
struct fl__memo {
	uint32_t from, to;
	uint16_t input;
	uint8_t old, new;
	bool used;
};
enum { FL__MEMO = 512 };

struct fl__build {
	const struct fl_image *old;
	struct fl_image *img; /* its lists and inputs are set; base, runs, classes and names come here */
	/* old input -> new input, -1: its claims are taken out. NULL: inputs kept their numbers and content. Rising where not -1. */
	const int32_t *remap;
	const struct fl__op *ops;
	size_t n_ops;
	uint32_t bad_input; /* of an operation that does not fit what is held: its input, after FL_ECORRUPT */
	struct fl__members scratch;
	struct fl__memo memo[FL__MEMO];
};

/** A further run over the old base; folds runs. 0, FL_ENOMEM, FL_ELIMIT or FL_ECORRUPT. */
int fl__build_run(struct fl__build *b);
/** One base without runs, and a class store of its own. 0, FL_ENOMEM, FL_ELIMIT or FL_ECORRUPT. */
int fl__build_base(struct fl__build *b);
/** Is the change better made as a base? */
bool fl__build_wants_base(const struct fl_image *old, size_t n_ops);
