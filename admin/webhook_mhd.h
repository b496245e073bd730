/* Private to the webhook listener: what speaks libmicrohttpd. */
#pragma once
#include <microhttpd.h>

#include "admin/webhook.h"

/* --- webhook_reply.c --- */
/** Into an empty reply. */
void fl__webhook_refusal(struct fl_webhook_reply *reply, enum fl_webhook_refusal why, unsigned retry_after_s);
enum MHD_Result fl__webhook_send(struct MHD_Connection *conn, const struct fl_webhook_reply *reply);
