/* JSON for the roles' answers: small helpers over jansson. */
#pragma once
#include <jansson.h>

#include "admin/admin.h"
#include "base/time.h"
#include "model/version.h"

/** RFC 3339 text, or null for 0. A new reference. */
json_t *fl_json_time(fl_unix_us t);
json_t *fl_json_key(struct fl_span rkey);
/** Identity, inputs, counts and reason of a list version. */
json_t *fl_json_list_version(const struct fl_list_version *v);
/** Serialise and give up the reference; status 200. */
void fl_json_answer(struct fl_admin_response *res, json_t *take);
/** A problem from an error of the table: its HTTP status, stable code and hint. */
void fl_json_problem(struct fl_admin_response *res, int code, const char *text);
/** The request's body as an object, or NULL and a problem in res. */
json_t *fl_json_body(const struct fl_admin_request *req, struct fl_admin_response *res);
const char *fl_json_get_str(const json_t *o, const char *key, const char *dflt);
int64_t fl_json_get_int(const json_t *o, const char *key, int64_t dflt);
bool fl_json_get_bool(const json_t *o, const char *key);
/** Who asks: the peer, or whom the api role names when the peer is our own user. */
const char *fl_request_actor(const struct fl_admin_request *req);
