/* What is the same over every HTTP door. */
#include "io/http.h"

void fl_http_response_done(struct fl_http_response *r)
{
	fl_buf_done(&r->body);
}
