/* What an enforcer says of its policy, as the answers of its requests. The caller holds what the view and the bypasses need to stay. */
#pragma once
#include <jansson.h>

#include "admin/admin.h"
#include "enforcer/bypass.h"
#include "normalize/normalize.h"

/** GET /v1/explanations?name=N[&client=IP][&qtype=T]: the verdict of the rules, which matched, and each step; under a bypass `enforced` is false. */
void fl_policy_explain(const struct fl_view *v, const struct fl_bypasses *b, const struct fl_names *names, const struct fl_admin_request *req,
		       struct fl_admin_response *res);
/** GET /v1/policy[?client=IP]: each association with its rules in order, or only the one that the client has. */
void fl_policy_show(const struct fl_view *v, const struct fl_bypasses *b, const struct fl_admin_request *req, struct fl_admin_response *res);
/** A new reference: those that are on. */
json_t *fl_policy_bypasses(const struct fl_bypasses *b);
