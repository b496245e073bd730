/* What a webhook's sender is told. */
#include <stdio.h>

#include "admin/webhook_int.h"

#include "admin/admin.h"
#include "admin/webhook_mhd.h"

static const struct refusal {
	int status;
	const char *code, *text;
} refusals[] = {
#define FL_X(name, status, code, text) [FL_WEBHOOK_##name] = { status, code, text },
	FL_WEBHOOK_REFUSALS(FL_X)
#undef FL_X
};

void fl_webhook_problem(struct fl_webhook_reply *reply, int status, const char *code, const char *detail, const char *hint)
{
	struct fl_admin_response res = { .body = reply->body };

	fl_admin_problem(&res, status, code, detail, hint);
	reply->status = res.status;
	reply->content_type = res.content_type;
	reply->body = res.body;
}

void fl__webhook_refusal(struct fl_webhook_reply *reply, enum fl_webhook_refusal why, unsigned retry_after_s)
{
	const struct refusal *r = &refusals[why];

	fl_webhook_problem(reply, r->status, r->code, r->text, "");
	reply->retry_after_s = retry_after_s;
}

static void add_headers(struct MHD_Response *r, const struct fl_webhook_reply *reply)
{
	char text[16];

	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type ? reply->content_type : "application/json");
	if (reply->retry_after_s) {
		snprintf(text, sizeof(text), "%u", reply->retry_after_s);
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, text);
	}
	/* what RFC 9110 asks of these: 15.5.2, 15.5.6, 15.5.16 */
	if (reply->status == 401)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "HMAC-SHA256 header=\"X-Fireline-Signature\"");
	if (reply->status == 405)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "POST");
	if (reply->status == 415)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity");
}

enum MHD_Result fl__webhook_send(struct MHD_Connection *conn, const struct fl_webhook_reply *reply)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(reply->body.n, reply->body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	add_headers(r, reply);
	ok = MHD_queue_response(conn, (unsigned)reply->status, r);
	MHD_destroy_response(r);
	return ok;
}
