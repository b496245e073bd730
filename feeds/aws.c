/* Answers of SQS and GuardDuty. Start at fl_aws_messages_parse(). */
#include "feeds/aws.h"

#include <stdio.h>

#include "base/text.h"
#include "feeds/finding.h"

/* An object, or NULL with *ret and *err. */
static json_t *load(struct fl_span body, const char *what, int *ret, struct fl_err *err)
{
	json_t *root = NULL;

	*ret = 0;
	if (body.n > FL_AWS_ANSWER_MAX)
		*ret = fl_err_set(err, FL_ELIMIT, "the answer to %s is over %d octets", what, FL_AWS_ANSWER_MAX);
	else if (fl__json_too_deep(body))
		*ret = fl_err_set(err, FL_EFORMAT, "the answer to %s is nested too deep", what);
	else if (body.n == 0)
		root = json_object();
	else
		root = json_loadb((const char *)body.p, body.n, JSON_DECODE_INT_AS_REAL, NULL);
	if (*ret == 0 && !json_is_object(root)) {
		*ret = fl_err_set(err, FL_EFORMAT, "the answer to %s is no JSON object", what);
		json_decref(root);
		root = NULL;
	}
	return root;
}

/* A member's text of 1 to max octets, or "". */
static const char *text_of(const json_t *o, const char *key, size_t max)
{
	const json_t *v = fl__finding_member(o, key, strlen(key));
	size_t n = json_string_length(v);

	return json_is_string(v) && n <= max && n == strlen(json_string_value(v)) ? json_string_value(v) : "";
}

/* A member that is an array, or NULL. Of another type: *ret. */
static const json_t *array_of(const json_t *o, const char *key, int *ret, struct fl_err *err)
{
	const json_t *v = fl__finding_member(o, key, strlen(key));

	if (!v || json_is_null(v) || json_is_array(v))
		return v && json_is_array(v) ? v : NULL;
	*ret = fl_err_set(err, FL_EFORMAT, "%s of the answer is no list", key);
	return NULL;
}

/* --- SQS --- */

static uint64_t number_of(const json_t *attributes, const char *key)
{
	uint64_t n = 0;

	fl_u64_parse(fl_span_str(text_of(attributes, key, 20)), &n);
	return n;
}

/* 1: taken; 0: it cannot be used; or FL_ENOMEM. */
static int take_message(const json_t *o, struct fl_arena *arena, struct fl_aws_message *out)
{
	const json_t *body = json_object_get(o, "Body"), *attributes = json_object_get(o, "Attributes");
	const char *id = text_of(o, "MessageId", FL_AWS_ID_MAX), *receipt = text_of(o, "ReceiptHandle", FL_AWS_RECEIPT_MAX);
	uint64_t receives = number_of(attributes, "ApproximateReceiveCount"), sent_ms = number_of(attributes, "SentTimestamp");

	if (!id[0] || !receipt[0] || !json_is_string(body))
		return 0;
	out->id = fl_arena_str(arena, id);
	out->receipt = fl_arena_str(arena, receipt);
	out->body = fl_span(fl_arena_dup(arena, json_string_value(body), json_string_length(body)), json_string_length(body));
	out->receives = receives > UINT32_MAX ? UINT32_MAX : (uint32_t)receives;
	out->sent_at = sent_ms < (uint64_t)(INT64_MAX / 1000) ? (fl_unix_us)sent_ms * 1000 : 0;
	return out->id && out->receipt && out->body.p ? 1 : FL_ENOMEM;
}

int fl_aws_messages_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_messages *out, struct fl_err *err)
{
	int ret;
	json_t *root = load(body, "ReceiveMessage", &ret, err), *o;
	const json_t *v = root ? array_of(root, "Messages", &ret, err) : NULL;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (ret == 0 && json_array_size(v) > FL_AWS_BATCH)
		ret = fl_err_set(err, FL_EFORMAT, "ReceiveMessage gives more messages than were asked for");
	if (ret == 0)
		json_array_foreach (v, i, o) {
			int took = take_message(o, arena, &out->v[out->n]);

			if (took < 0)
				ret = fl_err_set(err, took, "out of memory");
			out->n += took == 1;
			out->bad += took == 0;
		}
	json_decref(root);
	return ret;
}

static int entry_of(const json_t *o)
{
	const char *id = text_of(o, "Id", 1);

	return id[0] >= '0' && id[0] <= '9' ? id[0] - '0' : -1;
}

int fl_aws_batch_parse(struct fl_span body, enum fl_aws_entry out[FL_AWS_BATCH], char why[64], struct fl_err *err)
{
	int ret;
	json_t *root = load(body, "a batch", &ret, err), *o;
	const json_t *ok = root ? array_of(root, "Successful", &ret, err) : NULL, *failed = root ? array_of(root, "Failed", &ret, err) : NULL;
	size_t i;

	memset(out, 0, FL_AWS_BATCH * sizeof(*out));
	why[0] = '\0';
	json_array_foreach (ok, i, o)
		if (entry_of(o) >= 0)
			out[entry_of(o)] = FL_AWS_ENTRY_OK;
	json_array_foreach (failed, i, o) { /* what is said to be both has failed */
		const char *code = text_of(o, "Code", 60);

		if (entry_of(o) < 0)
			continue;
		out[entry_of(o)] = strstr(code, "ReceiptHandle") || strstr(code, "MessageNotInflight") ? FL_AWS_ENTRY_INVALID : FL_AWS_ENTRY_FAILED;
		snprintf(why, 64, "%s", code);
	}
	json_decref(root);
	return ret;
}

/* --- errors --- */

/* What lies between the last of `# .` and the first of `: ;` and blanks: "com.amazonaws.sqs#QueueDoesNotExist", "AccessDeniedException:http://...". */
static void keep_code(struct fl_aws_error *out, struct fl_span s)
{
	size_t from = 0, n;

	for (n = 0; n < s.n && s.p[n] > ' ' && s.p[n] != ':' && s.p[n] != ';' && s.p[n] != '<'; n++)
		if (s.p[n] == '#' || s.p[n] == '.')
			from = n + 1;
	if (n - from == 0 || n - from >= sizeof(out->code))
		return;
	for (size_t i = from; i < n; i++)
		if (s.p[i] > '~')
			return;
	memcpy(out->code, s.p + from, n - from);
	out->code[n - from] = '\0';
}

static void keep_text(struct fl_aws_error *out, struct fl_span s)
{
	size_t n = 0;

	while (n < s.n && n + 1 < sizeof(out->text) && s.p[n] >= ' ' && s.p[n] != 0x7f)
		n++;
	while (n > 0 && n < s.n && (s.p[n] & 0xc0) == 0x80) /* no part of a character */
		n--;
	if (n)
		memcpy(out->text, s.p, n);
	out->text[n] = '\0';
}

/* What stands between <tag> and </. */
static struct fl_span element(struct fl_span xml, const char *tag)
{
	size_t n = strlen(tag);
	const uint8_t *at = xml.n ? memmem(xml.p, xml.n, tag, n) : NULL, *end;

	if (!at)
		return fl_span(NULL, 0);
	at += n;
	end = memchr(at, '<', (size_t)(xml.p + xml.n - at));
	return fl_span(at, end ? (size_t)(end - at) : 0);
}

void fl_aws_error_parse(struct fl_span body, const char *type, struct fl_aws_error *out)
{
	int ret;
	json_t *root = load(body, "a call", &ret, NULL);
	static const char *const codes[] = { "__type", "Code" };
	const json_t *text = fl__finding_member(root, "message", 7);

	memset(out, 0, sizeof(*out));
	keep_code(out, fl_span_str(type));
	for (size_t i = 0; i < 2 && !out->code[0]; i++)
		keep_code(out, fl_span_str(text_of(root, codes[i], 300)));
	if (json_is_string(text))
		keep_text(out, fl_span(json_string_value(text), json_string_length(text)));
	if (!root && body.n <= FL_AWS_ANSWER_MAX) {
		if (!out->code[0])
			keep_code(out, element(body, "<Code>"));
		keep_text(out, element(body, "<Message>"));
	}
	json_decref(root);
}

/* --- GuardDuty --- */

int fl_aws_finding_ids_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_finding_ids *out, struct fl_err *err)
{
	int ret;
	json_t *root = load(body, "ListFindings", &ret, err), *o;
	const json_t *v = root ? array_of(root, "findingIds", &ret, err) : NULL;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (ret == 0 && json_array_size(v) > FL_AWS_FINDINGS)
		ret = fl_err_set(err, FL_EFORMAT, "ListFindings gives more ids than were asked for");
	json_array_foreach (v, i, o) {
		if (ret < 0 || !json_is_string(o) || json_string_length(o) == 0 || json_string_length(o) > FL_AWS_ID_MAX)
			continue;
		out->v[out->n] = fl_arena_str(arena, json_string_value(o));
		if (!out->v[out->n++])
			ret = fl_err_set(err, FL_ENOMEM, "out of memory");
	}
	out->next = ret == 0 ? fl_arena_str(arena, text_of(root, "nextToken", FL_AWS_TOKEN_MAX)) : "";
	json_decref(root);
	return out->next ? ret : fl_err_set(err, FL_ENOMEM, "out of memory");
}

static int take_finding(const json_t *o, struct fl_arena *arena, struct fl_aws_finding *out)
{
	const char *updated = text_of(o, "updatedAt", 40);
	char *json = json_dumps(o, JSON_COMPACT);
	size_t n = json ? strlen(json) : 0;

	out->id = fl_arena_str(arena, text_of(o, "id", FL_AWS_ID_MAX));
	out->json = fl_span(json ? fl_arena_dup(arena, json, n) : NULL, n);
	free(json);
	if (!fl_time_parse(updated, strlen(updated), &out->updated_at))
		out->updated_at = 0;
	return out->id && out->json.p ? 0 : FL_ENOMEM;
}

int fl_aws_findings_parse(struct fl_span body, struct fl_arena *arena, struct fl_aws_findings *out, struct fl_err *err)
{
	int ret;
	json_t *root = load(body, "GetFindings", &ret, err), *o;
	const json_t *v = root ? array_of(root, "findings", &ret, err) : NULL;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (ret == 0 && json_array_size(v) > FL_AWS_FINDINGS)
		ret = fl_err_set(err, FL_EFORMAT, "GetFindings gives more findings than were asked for");
	json_array_foreach (v, i, o) {
		if (ret < 0 || !json_is_object(o))
			continue;
		ret = take_finding(o, arena, &out->v[out->n]);
		if (ret < 0)
			fl_err_set(err, ret, "out of memory");
		else
			out->n++;
	}
	json_decref(root);
	return ret;
}
