/* A signed call and what becomes of it. Errors are told apart by one table: what AWS calls them, what it means, what a person reads. Start at fl__aws_judge(). */
#include "ingest/aws_int.h"

enum { ANSWER_MAX = FL_AWS_ANSWER_MAX, BACK_OFF_MAX_S = 60, PERSON_MAX_S = 15 /* who mends it looks whether it is mended */, SKEW_SAID_S = 60, AFTER_MAX_S = 300 };

static const struct meaning {
	const char *text; /* what is wrong; "" what was read says it */
	bool for_person;
	bool credentials; /* others may help */
} meanings[] = {
	[FL__AWS_OK] = { "", false, false },
	[FL__AWS_UNREACHABLE] = { "not reachable", false, false },
	[FL__AWS_THROTTLED] = { "AWS asks to slow down", false, false },
	[FL__AWS_SERVER] = { "an error on the side of AWS", false, false },
	[FL__AWS_KEY] = { "AWS does not know this access key", true, true },
	[FL__AWS_SIGNATURE] = { "the signature does not fit: a wrong secret key", true, true },
	[FL__AWS_SKEW] = { "the signature's time is not AWS's: set this host's clock", true, false },
	[FL__AWS_EXPIRED] = { "the credentials have expired", true, true },
	[FL__AWS_DENIED] = { "these credentials are not permitted to do this", true, true },
	[FL__AWS_ABSENT] = { "there is no such queue or detector", true, false },
	[FL__AWS_UNREADABLE] = { "an answer that AWS would not give: is the endpoint the right one?", false, false },
	[FL__AWS_OTHER] = { "refused", true, false },
};

static const struct {
	const char *code;
	enum fl__aws_class means;
} codes[] = {
	{ "InvalidClientTokenId", FL__AWS_KEY },
	{ "UnrecognizedClientException", FL__AWS_KEY },
	{ "InvalidAccessKeyId", FL__AWS_KEY },
	{ "AuthFailure", FL__AWS_KEY },
	{ "InvalidToken", FL__AWS_KEY },
	{ "SignatureDoesNotMatch", FL__AWS_SIGNATURE },
	{ "InvalidSignatureException", FL__AWS_SIGNATURE },
	{ "IncompleteSignature", FL__AWS_SIGNATURE },
	{ "IncompleteSignatureException", FL__AWS_SIGNATURE },
	{ "RequestTimeTooSkewed", FL__AWS_SKEW },
	{ "RequestExpired", FL__AWS_SKEW },
	{ "RequestInTheFuture", FL__AWS_SKEW },
	{ "ExpiredToken", FL__AWS_EXPIRED },
	{ "ExpiredTokenException", FL__AWS_EXPIRED },
	{ "AccessDenied", FL__AWS_DENIED },
	{ "AccessDeniedException", FL__AWS_DENIED },
	{ "OptInRequired", FL__AWS_DENIED },
	{ "KmsAccessDenied", FL__AWS_DENIED },
	{ "QueueDoesNotExist", FL__AWS_ABSENT },
	{ "NonExistentQueue", FL__AWS_ABSENT },
	{ "ResourceNotFoundException", FL__AWS_ABSENT },
	{ "InvalidAddress", FL__AWS_ABSENT },
	{ "Throttling", FL__AWS_THROTTLED },
	{ "ThrottlingException", FL__AWS_THROTTLED },
	{ "ThrottledException", FL__AWS_THROTTLED },
	{ "RequestThrottled", FL__AWS_THROTTLED },
	{ "RequestThrottledException", FL__AWS_THROTTLED },
	{ "TooManyRequestsException", FL__AWS_THROTTLED },
	{ "RequestLimitExceeded", FL__AWS_THROTTLED },
	{ "KmsThrottled", FL__AWS_THROTTLED },
	{ "OverLimit", FL__AWS_THROTTLED }, /* too many messages handed out and not deleted */
};

int fl__aws_start(struct fl__aws *a, const struct fl__aws_call *call, uint64_t *id, struct fl_err *err)
{
	const struct fl_http_sigv4 sign = { a->region, a->service, a->who.now->access_key, a->who.now->secret_key, a->who.now->token };
	char url[1200], target[96];
	const char *const rpc[] = { "Content-Type: application/x-amz-json-1.0", target, NULL }, *const rest[] = { "Content-Type: application/json", NULL };
	struct fl_http_request req = { .url = url, .body = call->body, .sigv4 = &sign, .headers = call->target ? rpc : rest, .max_bytes = ANSWER_MAX, .timeout_ms = call->timeout_ms,
				       .connect_timeout_ms = 5000, .allow_private = true, .keep = true, .ca_file = a->ca_file, .want_header = "x-amzn-errortype" };

	snprintf(url, sizeof(url), "%.900s%.250s", a->url, call->path);
	snprintf(target, sizeof(target), "X-Amz-Target: %.80s", call->target ? call->target : "");
	return a->who.c->http->ops->start(a->who.c->http, &req, id, err);
}

static enum fl__aws_class class_of(const struct fl_http_response *r, struct fl_aws_error *e)
{
	memset(e, 0, sizeof(*e));
	if (r->code == FL_EFORMAT || r->code == FL_ELIMIT)
		return FL__AWS_UNREADABLE;
	if (r->code < 0)
		return r->code == FL_EREFUSED ? FL__AWS_OTHER : FL__AWS_UNREACHABLE;
	if (r->status >= 200 && r->status < 300)
		return FL__AWS_OK;
	fl_aws_error_parse(fl_buf_span(&r->body), r->wanted, e);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].code, e->code) == 0)
			return codes[i].means;
	if (r->status == 429)
		return FL__AWS_THROTTLED;
	if (r->status >= 500)
		return FL__AWS_SERVER;
	return r->status == 403 ? FL__AWS_DENIED : e->code[0] ? FL__AWS_OTHER : FL__AWS_UNREADABLE;
}

bool fl__aws_for_person(enum fl__aws_class c)
{
	return meanings[c].for_person;
}

void fl__aws_back_off(struct fl__aws *a, int64_t after_s, fl_mono_ns now)
{
	int64_t ms = a->failures < 6 ? INT64_C(1000) << a->failures : BACK_OFF_MAX_S * 1000;

	a->failures++;
	ms = ms / 2 + (int64_t)fl_random_below(a->who.c->random, (uint64_t)ms / 2 + 1);
	if (after_s > AFTER_MAX_S)
		after_s = AFTER_MAX_S;
	if (after_s >= 0 && ms < after_s * 1000)
		ms = after_s * 1000;
	a->retry_at = now + ms * FL_NS_PER_MS;
}

/* A person reads this. A signature may not fit because of the clock alone, so that it is said whenever the clocks differ. */
static void say(const struct fl__aws *a, enum fl__aws_class c, const struct fl_http_response *r, const struct fl_aws_error *e, char reason[256])
{
	char clock[100] = "", all[512];
	const char *what = meanings[c].text;

	if (c == FL__AWS_SIGNATURE && a->skew_s)
		what = "the signature does not fit: this host's clock is wrong, or the secret key";
	if (a->skew_s && (c == FL__AWS_SIGNATURE || c == FL__AWS_SKEW || c == FL__AWS_EXPIRED))
		snprintf(clock, sizeof(clock), "; this host's clock is %lld s %s AWS's", (long long)(a->skew_s > 0 ? a->skew_s : -a->skew_s), a->skew_s > 0 ? "behind" : "ahead of");
	if (r->code < 0)
		snprintf(all, sizeof(all), "%.80s: %.160s", what, r->reason);
	else if (meanings[c].credentials && c != FL__AWS_DENIED) /* what is said of that names user and action */
		snprintf(all, sizeof(all), "%.80s (%.60s; credentials: %.60s)%s", what, e->code, a->who.from, clock);
	else
		snprintf(all, sizeof(all), "%.80s (%ld %.60s%s%.100s)%s", what, r->status, e->code, e->text[0] ? ": " : "", e->text, clock);
	snprintf(reason, 256, "%.255s", all);
}

enum fl__aws_class fl__aws_judge(struct fl__aws *a, const struct fl_http_response *r, fl_mono_ns now, char reason[256])
{
	struct fl_aws_error e;
	enum fl__aws_class c = class_of(r, &e);
	int64_t skew = r->date ? (r->date - fl_now_unix(a->who.c->clock)) / FL_US_PER_S : 0;

	if (r->code == 0)
		a->skew_s = skew > SKEW_SAID_S || skew < -SKEW_SAID_S ? skew : 0;
	reason[0] = '\0';
	if (c == FL__AWS_OK) {
		a->failures = 0;
		a->asked_anew = false;
		return c;
	}
	say(a, c, r, &e, reason);
	if (meanings[c].credentials) {
		fl__who_refused(&a->who);
		if (!a->asked_anew) { /* once without a pause: they may have been replaced meanwhile */
			a->asked_anew = true;
			return c;
		}
	}
	if (now < a->retry_at) /* calls side by side fail together: that is one failure */
		return c;
	fl__aws_back_off(a, r->retry_after_s, now);
	if (meanings[c].for_person && r->retry_after_s < 0 && a->retry_at > now + PERSON_MAX_S * FL_NS_PER_S)
		a->retry_at = now + PERSON_MAX_S * FL_NS_PER_S;
	return c;
}
