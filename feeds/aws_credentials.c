/* Keys, as they are handed out: by a metadata service, in a file. What is read goes into request headers, so that nothing but printable ASCII is taken. Start at fl_aws_credentials_set(). */
#include "feeds/aws.h"

#include <jansson.h>

#include "feeds/finding.h"

enum { FILE_MAX = 1 << 20 };

static bool keep(char *out, size_t cap, struct fl_span s)
{
	if (s.n >= cap)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

bool fl_aws_credentials_set(struct fl_aws_credentials *out, struct fl_span access_key, struct fl_span secret_key, struct fl_span token)
{
	memset(out, 0, sizeof(*out));
	if (access_key.n && secret_key.n && keep(out->access_key, sizeof(out->access_key), access_key) && keep(out->secret_key, sizeof(out->secret_key), secret_key) &&
	    keep(out->token, sizeof(out->token), token))
		return true;
	memset(out, 0, sizeof(*out));
	return false;
}

static struct fl_span text_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? fl_span(json_string_value(v), json_string_length(v)) : fl_span(NULL, 0);
}

int fl_aws_credentials_parse(struct fl_span body, struct fl_aws_credentials *out, struct fl_err *err)
{
	json_t *root = body.n > FILE_MAX || fl__json_too_deep(body) ? NULL : json_loadb((const char *)body.p, body.n, 0, NULL);
	struct fl_span expires = text_of(root, "Expiration");
	int ret = 0;

	memset(out, 0, sizeof(*out));
	if (body.n > FILE_MAX)
		ret = fl_err_set(err, FL_ELIMIT, "what is given as credentials is over %d octets", FILE_MAX);
	else if (!json_is_object(root))
		ret = fl_err_set(err, FL_EFORMAT, "what is given as credentials is no JSON object");
	else if (!fl_aws_credentials_set(out, text_of(root, "AccessKeyId"), text_of(root, "SecretAccessKey"), text_of(root, "Token")))
		ret = fl_err_set(err, FL_EFORMAT, "what is given as credentials has no AccessKeyId and SecretAccessKey that could be");
	else if (expires.n && !fl_time_parse((const char *)expires.p, expires.n, &out->expires_at))
		ret = fl_err_set(err, FL_EFORMAT, "the Expiration of credentials is no date");
	if (ret < 0)
		memset(out, 0, sizeof(*out));
	json_decref(root);
	return ret;
}

/* --- the shared credentials file --- */

static struct fl_span line_of(struct fl_span *rest)
{
	const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	struct fl_span line = fl_span(rest->p, n);

	*rest = fl_span(rest->p + n + (end != NULL), rest->n - n - (end != NULL));
	return line;
}

/* "[name]" */
static bool is_section(struct fl_span line, struct fl_span *name)
{
	if (line.n < 2 || line.p[0] != '[' || line.p[line.n - 1] != ']')
		return false;
	*name = fl_span_trim(fl_span(line.p + 1, line.n - 2));
	return true;
}

static const char *const keys[] = { "aws_access_key_id", "aws_secret_access_key", "aws_session_token" };

static void take_key(struct fl_span line, struct fl_span found[3])
{
	const uint8_t *eq = line.n ? memchr(line.p, '=', line.n) : NULL;
	struct fl_span key;

	if (!eq)
		return;
	key = fl_span_trim(fl_span(line.p, (size_t)(eq - line.p)));
	for (size_t i = 0; i < 3; i++)
		if (key.n == strlen(keys[i]) && strncasecmp((const char *)key.p, keys[i], key.n) == 0)
			found[i] = fl_span_trim(fl_span(eq + 1, (size_t)(line.p + line.n - eq - 1)));
}

int fl_aws_profile_parse(struct fl_span text, const char *profile, struct fl_aws_credentials *out, struct fl_err *err)
{
	struct fl_span found[3] = { { NULL, 0 } }, rest = text, name;
	bool here = false, seen = false;

	memset(out, 0, sizeof(*out));
	if (text.n > FILE_MAX)
		return fl_err_set(err, FL_ELIMIT, "a credentials file over %d octets", FILE_MAX);
	while (rest.n) {
		struct fl_span line = fl_span_trim(line_of(&rest));

		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (is_section(line, &name)) {
			here = fl_span_eqs(name, profile);
			seen = seen || here;
		} else if (here)
			take_key(line, found);
	}
	if (!seen)
		return fl_err_set(err, FL_ENOTFOUND, "no profile '%.60s'", profile);
	if (!found[0].n || !found[1].n)
		return fl_err_set(err, FL_ENOTFOUND, "profile '%.60s' has no aws_access_key_id and aws_secret_access_key; role_arn, sso and credential_process are not followed", profile);
	return fl_aws_credentials_set(out, found[0], found[1], found[2]) ? 0 : fl_err_set(err, FL_EFORMAT, "the keys of profile '%.60s' have characters that no key has", profile);
}
