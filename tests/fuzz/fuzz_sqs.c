/* Fuzz entry: what AWS answers, read as each kind of answer. What is kept is within its bounds, and keys are such that a header can hold them. */
#include "feeds/aws.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_keys(const struct fl_aws_credentials *c)
{
	assert(c->access_key[0] && c->secret_key[0]);
	for (const char *p = c->token; *p; p++)
		assert(*p > ' ' && *p <= '~');
}

static void check_answers(struct fl_span s, struct fl_arena *arena)
{
	struct fl_aws_messages messages;
	struct fl_aws_finding_ids ids;
	struct fl_aws_findings findings;
	enum fl_aws_entry entries[FL_AWS_BATCH];
	char why[64];

	if (fl_aws_messages_parse(s, arena, &messages, NULL) == 0) {
		assert(messages.n + messages.bad <= FL_AWS_BATCH);
		for (size_t i = 0; i < messages.n; i++)
			assert(messages.v[i].id[0] && strlen(messages.v[i].receipt) <= FL_AWS_RECEIPT_MAX && messages.v[i].sent_at >= 0);
	}
	if (fl_aws_batch_parse(s, entries, why, NULL) == 0)
		assert(strlen(why) < sizeof(why));
	if (fl_aws_finding_ids_parse(s, arena, &ids, NULL) == 0)
		assert(ids.n <= FL_AWS_FINDINGS && strlen(ids.next) <= FL_AWS_TOKEN_MAX);
	if (fl_aws_findings_parse(s, arena, &findings, NULL) == 0)
		for (size_t i = 0; i < findings.n; i++)
			assert(findings.v[i].json.n && findings.v[i].json.p[0] == '{');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_aws_credentials *c = malloc(sizeof(*c));
	struct fl_arena arena = { 0 };
	struct fl_span s = fl_span(data, size);
	struct fl_aws_error e;

	check_answers(s, &arena);
	fl_aws_error_parse(s, "", &e);
	assert(strlen(e.code) < sizeof(e.code) && !strpbrk(e.text, "\r\n"));
	if (c && fl_aws_credentials_parse(s, c, NULL) == 0)
		check_keys(c);
	if (c && fl_aws_profile_parse(s, "default", c, NULL) == 0)
		check_keys(c);
	free(c);
	fl_arena_done(&arena);
	return 0;
}
