/* Webhooks as sources: a document's way to the intake and its sender's answer, for each word of the stage; secrets and their file. The test is the stage. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "cli/webhook_sources.h"
#include "tests/support/webhook_client.h"

#define SECRET "sixteen octets or more"

struct world {
	char folder[64], secret[96];
	struct fl_config cfg;
	struct fl_cfg_findings_source sources[3];
	struct fl_intake *intake;
	struct fl_hooks *h;
};

static void wakes(void *ctx)
{
	(void)ctx;
}

static void write_secret(struct world *w, const char *text)
{
	FILE *f = fopen(w->secret, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fl_err err = { 0 };

	snprintf(w->folder, sizeof(w->folder), "/tmp/fl-hooks-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->secret, sizeof(w->secret), "%s/secret", w->folder);
	write_secret(w, "\n  " SECRET "\r\n");
	w->sources[0] = (struct fl_cfg_findings_source){ .name = "soar", .type = FL_FINDINGS_WEBHOOK, .enabled = true, .path = "/soar", .hmac_secret_file = w->secret,
							  .mapping = { .domain = "/ioc" } };
	w->sources[1] = (struct fl_cfg_findings_source){ .name = "drop", .type = FL_FINDINGS_DIRECTORY, .enabled = true, .path = "/tmp" };
	w->sources[2] = (struct fl_cfg_findings_source){ .name = "off", .type = FL_FINDINGS_WEBHOOK, .path = "/off", .hmac_secret_file = w->secret };
	w->cfg.findings = (struct fl_cfg_findings){ .sources = w->sources, .n_sources = 3, .webhook_address = "127.0.0.1:0", .webhook_cert_file = "", .webhook_key_file = "",
						    .webhook_rate = 100000, .webhook_max_bytes = 65536 };
	assert_int_equal(fl_intake_open(wakes, NULL, &w->intake, NULL), 0);
	if (fl_hooks_open(&w->cfg, w->intake, &w->h, &err) < 0)
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static int down(void **state)
{
	struct world *w = *state;

	fl_intake_close(w->intake);
	fl_hooks_close(w->h);
	fl_intake_free(w->intake);
	unlink(w->secret);
	rmdir(w->folder);
	free(w);
	return 0;
}

static struct fl_source_status status(struct world *w)
{
	struct fl_source_status v[4] = { 0 };
	size_t n = fl_hooks_status(w->h, v, 4);

	assert_int_equal(n, 2);
	return strcmp(v[0].name, "soar") == 0 ? v[0] : v[1];
}

static struct fl_intake_item *next(struct world *w)
{
	struct fl_intake_item *it = NULL;

	for (int i = 0; i < 4000 && !it; i++) {
		it = fl_intake_take(w->intake, 1, SIZE_MAX);
		if (!it)
			usleep(5000);
	}
	assert_non_null(it);
	return it;
}

static void each_word_of_the_stage_has_its_answer(void **state)
{
	static const struct {
		int ret, status;
		const char *says;
	} rows[] = {
		{ 0, 202, "\"accepted\":2,\"withdrawn\":1,\"duplicate\":4,\"refused\":3,\"reason\":\"say \\\"why\\\"\"" },
		{ FL_EFORMAT, 400, "because of it" },	{ FL_ELIMIT, 400, "because of it" },	{ FL_EUNAVAIL, 503, "Retry-After" },
		{ FL_EUNKNOWN, 503, "because of it" }, { FL_EFENCED, 503, "because of it" }, { FL_ENOMEM, 503, "because of it" },
	};
	struct world *w = *state;
	int fd = dial(fl_hooks_port(w->h));
	char text[4096];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fl_intake_item *it;

		post(fd, "/soar", SECRET, "", fl_span_str("{\"ioc\":1}"));
		it = next(w);
		assert_string_equal(it->source, "soar");
		assert_string_equal(it->actor, "soar");
		assert_string_equal(it->mapping->domain, "/ioc");
		assert_true(fl_span_eqs(it->json, "{\"ioc\":1}"));
		assert_false(it->dry_run);
		assert_int_equal(status(w).under_way, 1);
		it->ret = rows[i].ret;
		if (it->ret)
			fl_err_set(&it->err, it->ret, "because of it");
		else
			it->outcome = (struct fl_finding_outcome){ .findings = 9, .accepted = 2, .withdrawn = 1, .duplicate = 4, .refused = 3, .reason = "say \"why\"" };
		it->done(it->ctx, it);
		assert_int_equal(hear(fd, text, sizeof(text)), rows[i].status);
		assert_non_null(strstr(text, rows[i].says));
	}
	assert_int_equal(status(w).n[FL_SOURCE_N_RECEIVED], 7);
	assert_int_equal(status(w).n[FL_SOURCE_N_TAKEN], 1);
	assert_int_equal(status(w).n[FL_SOURCE_N_UNREADABLE], 2);
	assert_int_equal(status(w).n[FL_SOURCE_N_AGAIN], 4);
	assert_int_equal(status(w).n[FL_SOURCE_N_DUPLICATE], 4);
	assert_int_equal(status(w).under_way, 0);
	assert_true(status(w).last_at > 0);
	close(fd);
}

static void a_confirmation_of_sns_is_not_followed(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *it;
	int fd = dial(fl_hooks_port(w->h));
	char text[4096];

	post(fd, "/soar", SECRET, "", fl_span_str("{\"Type\":\"SubscriptionConfirmation\",\"SubscribeURL\":\"http://x\"}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 400);
	assert_non_null(strstr(text, "not followed"));
	post(fd, "/soar", SECRET, "", fl_span_str("{\"reason\":\"SubscriptionConfirmation\"}")); /* the word alone is no such thing */
	it = next(w);
	it->done(it->ctx, it);
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	close(fd);
}

static void a_full_intake_is_said(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *others = calloc(FL_INTAKE_ITEMS, sizeof(*others));
	int fd = dial(fl_hooks_port(w->h));
	char text[4096];

	for (int i = 0; i < FL_INTAKE_ITEMS; i++)
		assert_int_equal(fl_intake_push(w->intake, &others[i]), 0);
	post(fd, "/soar", SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(fd, text, sizeof(text)), 503);
	assert_non_null(strstr(text, "Retry-After: 1"));
	fl_intake_take(w->intake, SIZE_MAX, SIZE_MAX);
	assert_int_equal(status(w).under_way, 0);
	free(others);
	close(fd);
}

static void secrets_follow_their_file(void **state)
{
	static const struct {
		const char *file, *secret;
		int status;
	} rows[] = {
		{ SECRET "\nanother secret, long enough\n", "another secret, long enough", 202 },
		{ "\n\n\tanother secret, long enough  \n", SECRET, 401 },
		{ "too short\n", "too short", 503 },
		{ SECRET "\nshort\n", SECRET, 503 },
		{ "", "", 503 },
		{ "sixteen octets 1\nsixteen octets 2\nsixteen octets 3\nsixteen octets 4\n", "sixteen octets 4", 202 },
		{ "sixteen octets 1\nsixteen octets 2\nsixteen octets 3\nsixteen octets 4\nsixteen octets 5", "sixteen octets 1", 503 },
		{ SECRET, SECRET, 202 },
	};
	struct world *w = *state;
	int fd = dial(fl_hooks_port(w->h));
	char text[4096];

	fl_log_setup("test", FL_LOG_ERROR + 1, FL_LOG_TEXT, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got;

		write_secret(w, rows[i].file);
		fl_hooks_look(w->h);
		assert_int_equal(status(w).state, rows[i].status == 503 ? FL_SOURCE_FAILED : FL_SOURCE_OK);
		assert_int_equal(status(w).reason[0] != '\0', rows[i].status == 503);
		post(fd, "/soar", rows[i].secret, "", fl_span_str("{}"));
		if (rows[i].status == 202) {
			struct fl_intake_item *it = next(w);

			it->done(it->ctx, it);
		}
		got = hear(fd, text, sizeof(text));
		if (got != rows[i].status)
			fail_msg("row %zu: %d %s", i, got, text);
	}
	unlink(w->secret);
	fl_hooks_look(w->h);
	assert_int_equal(status(w).state, FL_SOURCE_FAILED);
	assert_non_null(strstr(status(w).reason, "cannot be read"));
	close(fd);
}

static void counters_go_on_over_a_reload(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *it;
	int fd = dial(fl_hooks_port(w->h)), later = dial(fl_hooks_port(w->h));
	struct fl_buf metrics = { 0 };
	char text[4096];

	post(fd, "/soar", SECRET, "", fl_span_str("{}"));
	it = next(w);
	w->sources[0].path = "/moved";
	fl_hooks_reload(w->h, &w->cfg);
	post(later, "/soar", SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(later, text, sizeof(text)), 404);
	post(later, "/off", SECRET, "", fl_span_str("{}"));
	assert_int_equal(hear(later, text, sizeof(text)), 404);
	it->done(it->ctx, it);
	assert_int_equal(hear(fd, text, sizeof(text)), 202);
	post(later, "/moved", SECRET, "", fl_span_str("{}"));
	it = next(w);
	it->done(it->ctx, it);
	assert_int_equal(hear(later, text, sizeof(text)), 202);
	assert_int_equal(status(w).n[FL_SOURCE_N_TAKEN], 2);
	fl_hooks_metrics(w->h, &metrics);
	assert_non_null(strstr(fl_buf_cstr(&metrics), "fireline_findings_webhook_unknown_path_total 2"));
	fl_buf_done(&metrics);
	close(fd);
	close(later);
}

/* The end, with a document that the stage still has: its word comes later, and nothing breaks. */
static void it_ends_with_a_document_under_way(void **state)
{
	struct world *w = *state;
	struct fl_intake_item *it;
	int fd = dial(fl_hooks_port(w->h));
	char text[4096];

	post(fd, "/soar", SECRET, "", fl_span_str("{}"));
	it = next(w);
	fl_hooks_close(w->h);
	w->h = NULL;
	assert_int_not_equal(hear(fd, text, sizeof(text)), 202);
	it->done(it->ctx, it);
	close(fd);
}

static void a_certificate_that_is_none(void **state)
{
	struct world *w = *state;
	struct fl_hooks *h = NULL;
	struct fl_err err = { 0 };

	w->cfg.findings.webhook_cert_file = w->cfg.findings.webhook_key_file = w->secret;
	assert_int_equal(fl_hooks_open(&w->cfg, w->intake, &h, &err), FL_ECONFIG);
	w->cfg.findings.webhook_cert_file = "/nonexistent/cert.pem";
	assert_int_equal(fl_hooks_open(&w->cfg, w->intake, &h, &err), FL_ECONFIG);
	assert_non_null(strstr(err.text, "/nonexistent/cert.pem"));
	assert_null(h);
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_word_of_the_stage_has_its_answer), T(a_confirmation_of_sns_is_not_followed), T(a_full_intake_is_said),	 T(secrets_follow_their_file),
		T(counters_go_on_over_a_reload),	  T(it_ends_with_a_document_under_way),	    T(a_certificate_that_is_none),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
