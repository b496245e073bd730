/* What people decide of findings, as requests; and the audit of a reload. */
#pragma once
#include "admin/admin.h"
#include "ingest/ingest.h"
#include "sets/audit.h"

struct fl_decider {
	struct fl_findings_stage *findings;
	struct fl_bus *bus; /* NULL: no audit */
	const char *node;
};
/** POST /v1/findings/ID/dismiss|restore|extend|approve, {reason, until_us or permanent: true (extend), dry_run}. In the thread of the stage. */
void fl_finding_decision(const struct fl_decider *d, const struct fl_admin_request *req, struct fl_admin_response *res);
/** A role took another configuration; nobody is known to have said so but whoever may signal it. */
void fl_audit_reload(struct fl_bus *bus, const char *node, const char *role);
