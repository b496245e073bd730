/* Whose name calls are signed in: each place that credentials come from, their end, and what is not asked. */
#include "aws_help.h"

static char asked[20][300];
static size_t n_asked;
static const char *file_text, *file_path;
static int64_t life_s; /* of the keys that a metadata service gives; 0 none is said */
static bool no_role;

static int read_file(void *ctx, const char *path, uint64_t max, struct fl_buf *out, char *validator, size_t cap, struct fl_err *err)
{
	(void)ctx, (void)max;
	snprintf(validator, cap, "1");
	if (!file_text || strcmp(path, file_path) != 0)
		return fl_err_set(err, FL_ENOTFOUND, "file '%s': absent", path);
	fl_buf_str(out, file_text);
	return 0;
}

/* Machine and container; what was asked is kept. */
static const char *give(const struct fl_http_request *req, long *status)
{
	static char text[400];
	char until[FL_TIME_TEXT];
	const char *path = strchr(req->url + 8, '/');

	snprintf(asked[n_asked++ % 20], sizeof(asked[0]), "%s %s %s", req->method ? req->method : "GET", req->url, req->headers[0] ? req->headers[0] : "");
	snprintf(text, sizeof(text), "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"tok%zu\",\"Expiration\":\"%s\"}", aws.key, n_asked,
		 life_s ? fl_time_format(aws.clock.now_unix + life_s * FL_US_PER_S, until) : "");
	if (strcmp(path, "/latest/api/token") == 0)
		return "AQ/token+==";
	if (strcmp(path, "/latest/meta-data/iam/security-credentials/") == 0) {
		*status = no_role ? 404 : 200;
		return no_role ? "Not Found" : "fireline-ingest\n";
	}
	return text;
}

static int setup(void **state)
{
	aws_setup(state);
	memset(aws.env, 0, sizeof(aws.env));
	n_asked = 0;
	file_text = file_path = NULL;
	life_s = 3600;
	no_role = false;
	return 0;
}

static void open_sources(void)
{
	struct fl_aws_sources_config c = { .cfg = &aws.cfg, .http = aws.http, .intake = aws.intake, .clock = &aws.clock.door, .random = &aws.random.door, .env = aws_env, .read_file = read_file,
				       .wake = no_wake };

	put("{\"domain\":\"a.example\"}");
	assert_int_equal(fl_aws_sources_open(&c, &aws.sources, NULL), 0);
	run(2);
}

static void good(const char *from)
{
	if (left() || status()->state != FL_SOURCE_OK || !strstr(status()->credentials, from))
		fail_msg("%s: %s; from '%s', not '%s'", fl_source_state_word(status()->state), status()->reason, status()->credentials, from);
}

static void bad(const char *why)
{
	if (left() == 0 || status()->state != FL_SOURCE_FAILED || !strstr(status()->reason, why))
		fail_msg("%s: '%s', not '%s'", fl_source_state_word(status()->state), status()->reason, why);
}

static void environment(void **state)
{
	(void)state;
	set_env("AWS_ACCESS_KEY_ID", "AKIDGOOD");
	set_env("AWS_SECRET_ACCESS_KEY", "x");
	set_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds");
	open_sources();
	good("environment");
	assert_int_equal(n_asked, 0);
}

static void half_an_environment(void **state)
{
	(void)state;
	set_env("AWS_ACCESS_KEY_ID", "AKIDGOOD");
	open_sources();
	bad("not both keys");
}

static void usual_file(void **state)
{
	(void)state;
	set_env("HOME", "/srv/x");
	file_path = "/srv/x/.aws/credentials";
	file_text = "[default]\naws_access_key_id=AKIDGOOD\naws_secret_access_key=x\n";
	open_sources();
	good("profile default of /srv/x/.aws/credentials");
}

static void named_profile(void **state)
{
	(void)state;
	set_env("AWS_SHARED_CREDENTIALS_FILE", "/run/keys");
	set_env("AWS_PROFILE", "soc");
	file_path = "/run/keys";
	file_text = "[soc]\naws_access_key_id=AKIDGOOD\naws_secret_access_key=x\n[default]\naws_access_key_id=no\naws_secret_access_key=x\n";
	open_sources();
	good("profile soc");
}

/* The file that the configuration names is the only place. */
static void configured_file(void **state)
{
	(void)state;
	set_env("AWS_ACCESS_KEY_ID", "AKIDGOOD");
	set_env("AWS_SECRET_ACCESS_KEY", "x");
	aws.src.credentials_file = file_path = "/etc/fireline/aws";
	open_sources();
	bad("/etc/fireline/aws");
	file_text = "[default]\naws_access_key_id=AKIDGOOD\naws_secret_access_key=x\n";
	run(20);
	good("/etc/fireline/aws");
}

/* Keys that were replaced in the file are found when the old ones are refused, with no pause. */
static void replaced_keys(void **state)
{
	(void)state;
	aws.src.credentials_file = file_path = "/etc/fireline/aws";
	file_text = "[default]\naws_access_key_id=AKIDGOOD\naws_secret_access_key=x\n";
	open_sources();
	good("/etc/fireline/aws");
	aws.key = "AKIDNEXT";
	file_text = "[default]\naws_access_key_id=AKIDNEXT\naws_secret_access_key=x\n";
	put("{\"domain\":\"b.example\"}");
	settle();
	stage();
	settle();
	good("/etc/fireline/aws");
	assert_int_equal(status()->errors, 1);
}

static void container(void **state)
{
	(void)state;
	aws.metadata = give;
	set_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/abc");
	set_env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "tell me");
	open_sources();
	good("container");
	assert_string_equal(asked[0], "GET http://169.254.170.2/v2/credentials/abc Authorization: tell me");
}

static void pod(void **state)
{
	(void)state;
	aws.metadata = give;
	set_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
	set_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/token");
	file_path = "/var/run/token";
	file_text = "jwt\n";
	open_sources();
	good("container");
	assert_string_equal(asked[0], "GET http://169.254.170.23/v1/credentials Authorization: jwt");
}

static void servers_that_are_not_asked(void **state)
{
	static const char *const urls[] = { "http://evil.example/creds", "http://127.0.0.1.evil.example/", "http://localhost@evil.example/", "http://10.0.0.1/", "ftp://127.0.0.1/", "http://169.254.170.22/" };

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		aws.metadata = give;
		set_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i]);
		open_sources();
		bad("that credentials are not asked of");
		assert_int_equal(n_asked, 0);
		aws_teardown(NULL);
		setup(NULL);
	}
	open_sources();
}

/* Token, role, keys; anew five minutes before they end, and the old ones hold meanwhile. */
static void machine(void **state)
{
	(void)state;
	aws.metadata = give;
	open_sources();
	good("role fireline-ingest of this machine");
	assert_int_equal(n_asked, 3);
	assert_string_equal(asked[0], "PUT http://169.254.169.254/latest/api/token X-aws-ec2-metadata-token-ttl-seconds: 21600");
	assert_string_equal(asked[1], "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/ X-aws-ec2-metadata-token: AQ/token+==");
	assert_string_equal(asked[2], "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/fireline-ingest X-aws-ec2-metadata-token: AQ/token+==");
	for (int i = 0; i < 53; i++)
		run(60);
	assert_int_equal(n_asked, 3);
	aws.metadata = NULL; /* away for a while */
	for (int i = 0; i < 4; i++)
		run(60);
	assert_int_equal(status()->state, FL_SOURCE_OK);
	aws.metadata = give;
	run(60);
	assert_int_equal(n_asked, 6);
	assert_int_equal(status()->state, FL_SOURCE_OK);
}

static void nothing_anywhere(void **state)
{
	(void)state;
	open_sources();
	bad("the machine's metadata service does not answer");
	aws.metadata = give;
	no_role = true;
	run(12);
	bad("this machine has no role");
	no_role = false;
	run(12);
	good("role fireline-ingest");
}

static void machine_is_not_asked(void **state)
{
	(void)state;
	aws.metadata = give;
	set_env("AWS_EC2_METADATA_DISABLED", "true");
	open_sources();
	bad("the machine's are not asked for");
	assert_int_equal(n_asked, 0);
}

/* Refused as expired: asked for anew at once, once; then with pauses, and said. */
static void expired(void **state)
{
	(void)state;
	aws.metadata = give;
	open_sources();
	good("role fireline-ingest");
	aws.fail_n = 1;
	aws.fail_code = "ExpiredToken";
	aws.fail_status = 403;
	put("{\"domain\":\"b.example\"}");
	settle();
	stage();
	settle();
	good("role fireline-ingest");
	assert_int_equal(n_asked, 6);
	aws.fail_n = 1000;
	put("{\"domain\":\"b.example\"}");
	run(20);
	bad("have expired");
	assert_true(n_asked <= 3 * 8);
	aws.fail_n = 0;
	run(60);
	good("role fireline-ingest");
}

#define W(f) cmocka_unit_test_setup_teardown(f, setup, aws_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		W(environment), W(half_an_environment), W(usual_file), W(named_profile), W(configured_file), W(replaced_keys), W(container), W(pod), W(servers_that_are_not_asked),
		W(machine), W(nothing_anywhere), W(machine_is_not_asked), W(expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
