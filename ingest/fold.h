/* Private to ingest/: what a ledger comes to. Records of claims in any order, repeats too, folded by claim id: one claim each, the one that says the last word
 * (fl_claim_says_nothing_new). About 200 octets a claim. */
#pragma once
#include "model/finding.h"

enum { FL_FOLD_SOURCES_MAX = 4096, FL_FOLD_NODES_MAX = 64 };

struct fl_fold;
/** NULL when out of memory. */
struct fl_fold *fl__fold_new(void);
void fl__fold_free(struct fl_fold *fold);
/** FL_ENOMEM; FL_ELIMIT: too many sources. */
int fl__fold_add(struct fl_fold *fold, const struct fl_claim_record *r);
size_t fl__fold_size(const struct fl_fold *fold);
/** Walk the claims of a source: start with *at 0. False at the end. */
bool fl__fold_next(const struct fl_fold *fold, const char *source, uint32_t *at, struct fl_claim_record *out);
/** The nodes that wrote a claim (by fl__fold_next's *at), one a call: start with *i 0. NULL at the end. */
const char *fl__fold_node(const struct fl_fold *fold, uint32_t at, unsigned *i);
/** Sources by number, from 0; NULL at the end. */
const char *fl__fold_source(const struct fl_fold *fold, size_t i);
