/* Answers of AWS: what an error is called, what a batch says of its entries, which keys can be keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feeds/aws.h"

static void names_of_errors(void **state)
{
	static const struct {
		const char *type, *body, *code, *text;
	} rows[] = {
		{ "", "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"No queue.\"}", "QueueDoesNotExist", "No queue." },
		{ "", "{\"__type\":\"com.amazon.coral.service#ExpiredTokenException\",\"Message\":\"x\"}", "ExpiredTokenException", "x" },
		{ "AccessDeniedException:http://internal.amazon.com/coral/", "{\"message\":null}", "AccessDeniedException", "" },
		{ "", "{\"Error\":{\"Code\":\"Hidden\"}}", "", "" },
		{ "", "<?xml?><ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The token</Message></Error></ErrorResponse>", "InvalidClientTokenId", "The token" },
		{ "", "{\"__type\":\"AWS.SimpleQueueService.NonExistentQueue;Sender\"}", "NonExistentQueue", "" },
		{ "", "{\"__type\":\"SignatureDoesNotMatch\",\"message\":\"does not match.\\n\\nThe Canonical String was secret\"}", "SignatureDoesNotMatch", "does not match." },
		{ "", "<html>", "", "" },
		{ "", "", "", "" },
		{ "", "{\"__type\":7,\"message\":[]}", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_aws_error e;

		fl_aws_error_parse(fl_span_str(rows[i].body), rows[i].type, &e);
		assert_string_equal(e.code, rows[i].code);
		assert_string_equal(e.text, rows[i].text);
	}
}

static void entries_of_a_batch(void **state)
{
	enum fl_aws_entry e[FL_AWS_BATCH];
	char why[64];

	(void)state;
	assert_int_equal(fl_aws_batch_parse(fl_span_str("{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"},{\"Id\":\"10\"}],\"Failed\":[{\"Id\":\"1\",\"Code\":\"ReceiptHandleIsInvalid\"},"
							"{\"Id\":\"2\",\"Code\":\"InternalError\"}]}"),
					    e, why, NULL),
			 0);
	assert_int_equal(e[0], FL_AWS_ENTRY_OK);
	assert_int_equal(e[1], FL_AWS_ENTRY_INVALID);
	assert_int_equal(e[2], FL_AWS_ENTRY_FAILED); /* said to be both */
	assert_int_equal(e[3], FL_AWS_ENTRY_UNSAID);
	assert_string_equal(why, "InternalError");
	assert_int_equal(fl_aws_batch_parse(fl_span_str("{\"Failed\":7}"), e, why, NULL), FL_EFORMAT);
	assert_int_equal(fl_aws_batch_parse(fl_span_str("[]"), e, why, NULL), FL_EFORMAT);
}

static void messages(void **state)
{
	struct fl_arena arena = { 0 };
	struct fl_aws_messages m;

	(void)state;
	assert_int_equal(fl_aws_messages_parse(fl_span_str("{\"Messages\":[{\"MessageId\":\"a\",\"ReceiptHandle\":\"r\",\"Body\":\"b\",\"Attributes\":{\"ApproximateReceiveCount\":\"4\","
							   "\"SentTimestamp\":\"1795435140000\"}},{\"MessageId\":\"b\"},{\"MessageId\":\"c\",\"ReceiptHandle\":\"r\",\"Body\":\"\"}]}"),
					       &arena, &m, NULL),
			 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.bad, 1);
	assert_int_equal(m.v[0].receives, 4);
	assert_int_equal(m.v[0].sent_at, INT64_C(1795435140) * FL_US_PER_S);
	assert_int_equal(m.v[1].receives, 0);
	fl_arena_done(&arena);
}

static void keys(void **state)
{
	struct fl_aws_credentials c;
	struct fl_err err = { 0 };

	(void)state;
	assert_int_equal(fl_aws_credentials_parse(fl_span_str("{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"a/b+\",\"Token\":\"t==\",\"Expiration\":\"2026-11-23T12:00:00Z\"}"), &c, NULL), 0);
	assert_string_equal(c.token, "t==");
	assert_int_equal(c.expires_at, INT64_C(1795435200) * FL_US_PER_S);
	/* what would add a header of its own is no key, and no error quotes one */
	assert_int_equal(fl_aws_credentials_parse(fl_span_str("{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"hush\",\"Token\":\"t\\r\\nX: y\"}"), &c, &err), FL_EFORMAT);
	assert_null(strstr(err.text, "hush"));
	assert_string_equal(c.secret_key, "");
	assert_int_equal(fl_aws_profile_parse(fl_span_str("[a]\naws_access_key_id=x\naws_secret_access_key = y z\n"), "a", &c, &err), FL_EFORMAT);
	assert_null(strstr(err.text, "y z"));
	assert_int_equal(fl_aws_profile_parse(fl_span_str("[a]\nrole_arn=x\n"), "a", &c, &err), FL_ENOTFOUND);
	assert_int_equal(fl_aws_profile_parse(fl_span_str("[a]\n"), "b", &c, &err), FL_ENOTFOUND);
	assert_int_equal(fl_aws_profile_parse(fl_span_str("[ a ]\r\n AWS_ACCESS_KEY_ID = x \r\naws_secret_access_key=y=\r\n[b]\naws_access_key_id=no"), "a", &c, &err), 0);
	assert_string_equal(c.access_key, "x");
	assert_string_equal(c.secret_key, "y=");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names_of_errors), cmocka_unit_test(entries_of_a_batch), cmocka_unit_test(messages), cmocka_unit_test(keys) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
