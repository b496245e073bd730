/* `tail`: a tap on the query log with a filter, and a bounded buffer between the log thread, which never waits, and a reader, which may. What the buffer cannot
 * take is counted and said in the stream. */
#pragma once
#include "admin/admin.h"
#include "enforcer/server.h"

/** Answer a request with the stream. Query parameters: action, list, client, name (glob), qtype. */
void fl_tail_start(struct fl_server *s, struct fl_admin *a, const struct fl_admin_request *req, struct fl_admin_response *res);
