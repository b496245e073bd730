/* Private to the reads of lists. */
#pragma once
#include "cli/reads.h"

/** `at`: "V" a number, "-N" N versions before the head, "" or NULL the head. FL_ENOTFOUND and FL_EUSAGE are said in err; FL_EUNAVAIL. */
int fl__reads_version_at(struct fl_reads *r, const char *list, const char *at, struct fl_arena *arena, struct fl_list_version *out, struct fl_err *err);
/** GET /v1/domain-lists/NAME/export?format=F[&at=V][&zone=Z]: the text of publisher/export.h, streamed; cut off when the store fails under it. */
void fl__reads_export(struct fl_reads *r, const char *list, const struct fl_admin_request *req, struct fl_admin_response *res);
/** Appends the claims of a source on a name that are active, or those that are not, to a JSON array. */
void fl__reads_claims_json(struct fl_reads *r, const char *source, struct fl_span key, bool active, void *out_json);
/* What may follow a name in a path, and who answers. */
struct fl__reads_row {
	const char *rest; /* "/versions"; "" for the name alone */
	void (*answer)(struct fl_reads *r, const char *name, const struct fl_admin_request *req, struct fl_admin_response *res);
};
/** PREFIX NAME REST, by the table; 404 where none fits. */
void fl__reads_route(struct fl_reads *r, const char *prefix, const struct fl__reads_row *rows, size_t n, const struct fl_admin_request *req, struct fl_admin_response *res);
