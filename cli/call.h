/* An admin request that runs in the thread of a role's loop. `struct role` is each role file's own. */
#pragma once
#include "admin/admin.h"
#include "cli/loop.h"

struct role;

struct fl_call {
	struct role *r;
	const struct fl_admin_request *req;
	struct fl_admin_response *res;
	void (*fn)(struct fl_call *c);
};

/** Runs fn in the loop's thread and waits for it, at most 30 s; a problem document with 503 when it was not run. `who` is the subject of that sentence. */
void fl_call_in_loop(struct fl_loop *l, struct role *r, const char *who, const struct fl_admin_request *req, struct fl_admin_response *res,
		     void (*fn)(struct fl_call *c));
