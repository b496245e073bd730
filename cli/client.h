/* The client's side of a call: which socket, errors to exit codes, JSON envelope. */
#pragma once
#include <jansson.h>

#include "cli/command.h"

/**
 * Call a role. Tries the admin socket, then RUNTIME/ROLE.sock beside it. On success *out is the parsed answer (a new reference). Otherwise the problem is
 * printed and the exit code returned. body: taken, may be NULL.
 */
int fl_client_call(struct fl_cli *c, const char *role, const char *method, const char *target, json_t *take_body, json_t **out);
int fl_client_call_raw(struct fl_cli *c, const char *role, const char *method, const char *target, struct fl_span body, json_t **out);
/** Ask the api role for what a command can do without: nothing is printed. FL_EUNAVAIL, FL_ENOTFOUND, FL_EFORMAT; err says why. *out is a new reference. */
int fl_client_try(struct fl_cli *c, const char *target, json_t **out, struct fl_err *err);
int fl_client_try_stream(struct fl_cli *c, const char *target, int (*on_line)(void *ctx, struct fl_span line), void *ctx, struct fl_err *err);
/** A stream of lines (NDJSON) to on_line, each parsed; a negative return ends it. direct: only the role's own socket (tail). */
int fl_client_stream(struct fl_cli *c, const char *role, const char *target, bool direct, int (*on_line)(void *ctx, struct fl_span line), void *ctx);
/** "?a=b&c=d" appended to path, percent-encoded: key, value, ..., NULL; NULL values are left out. In the cli's arena. */
const char *fl_client_target(struct fl_cli *c, const char *path, ...) __attribute__((sentinel));
/** Print data in the envelope of UX.md 4 (json), bare (ndjson); for human output the caller prints. Returns true when it printed. Takes nothing. */
bool fl_client_print(const struct fl_cli *c, const char *kind, json_t *data);
void fl_client_envelope(const char *kind, json_t *data);

/* Human output. */
const char *fl_human_count(uint64_t n, char buf[40]);		  /* 1 204 */
const char *fl_human_ago(const char *rfc3339, char buf[40]);	  /* "2 min ago", "-" */
const char *fl_str(const json_t *o, const char *key);		  /* "" when it is none */
json_int_t fl_int(const json_t *o, const char *key);
