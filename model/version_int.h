/* Inside model/: what the version codecs share. */
#pragma once
#include "model/version.h"

/** Makes text that JSON carries unchanged: octets that are not UTF-8 become '?', control characters a space. In place. */
void fl__text_clean(char *s, size_t size);
/** One line of the inputs; returns its length. */
enum { FL__INPUT_LINE = FL_SET_NAME + 33 + 21 + 65 + 33 + 21 + 4 };
size_t fl__input_format(const struct fl_list_input *in, char out[FL__INPUT_LINE]);
/** Number and epoch and chain: none of them, or all of them. */
bool fl__version_id_valid(const struct fl_version_id *id);
/** The rules every list version obeys, chain included; what is wrong, or NULL. Not the chain: see below. */
const char *fl__list_version_wrong(const struct fl_list_version *v);
const char *fl__source_version_wrong(const struct fl_source_version *v);
/** Recomputes the chain and compares. */
bool fl__list_version_chain_holds(struct fl_list_version *v);
bool fl__source_version_chain_holds(struct fl_source_version *v);
/** Input names are valid and rise. */
bool fl__inputs_valid(const struct fl_list_input *v, uint32_t n);
