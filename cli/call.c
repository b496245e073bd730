#include "cli/call.h"

#include <stdio.h>

#include "cli/json.h"

enum { WAIT_MS = 30000 };

static void run(void *arg)
{
	struct fl_call *c = arg;

	c->fn(c);
}

void fl_call_in_loop(struct fl_loop *l, struct role *r, const char *who, const struct fl_admin_request *req, struct fl_admin_response *res,
		     void (*fn)(struct fl_call *c))
{
	struct fl_call c = { r, req, res, fn };
	char text[80];

	if (fl_loop_call(l, run, &c, WAIT_MS) == 0)
		return;
	snprintf(text, sizeof(text), "%.40s is busy", who);
	fl_json_problem(res, FL_EUNAVAIL, text);
}
