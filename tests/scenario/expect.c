/* What a line claims. With several enforcers a claim holds for each that runs, but for `at NAME`. */
#include <string.h>

#include "scenario.h"

static bool concerns(const struct scn_role *r, const char *at)
{
	return r->up && (!at || strcmp(at, r->name) == 0);
}

/* ask NAME [TYPE] [from ADDRESS] [at ENFORCER] [do] [class=CH] -> RCODE [key=value ...] ["text of the EDE"] */
const char *scn_ask_line(struct scn *s, const struct scn_line *l)
{
	const char *from = scn_after(l, "from"), *at = scn_after(l, "at"), *name = scn_word(l, 1), *type = scn_word(l, 2), *cls = scn_option(l, "class");
	struct scn_question q = { name, type, from ? from : s->over_wire ? "127.0.0.7" : "192.0.2.7", scn_has(l, "do"), FL__CLASS_IN };
	bool asked = false;

	if (!name || !l->arrow || l->n_want == 0)
		return "ask NAME [TYPE] [from ADDRESS] [at ENFORCER] [do] [class=CH] -> RCODE ...";
	if (!type || strcmp(type, "from") == 0 || strcmp(type, "at") == 0 || strcmp(type, "do") == 0)
		q.qtype = "A";
	if (cls)
		q.qclass = strcmp(cls, "CH") == 0 ? 3 : strcmp(cls, "ANY") == 0 ? 255 : 4;
	for (size_t i = 0; i < s->n_enforcers; i++) {
		struct scn_role *r = &s->enforce[i];
		struct scn_result got;
		const char *why;

		if (!concerns(r, at))
			continue;
		asked = true;
		why = scn_ask(r, &q, &got);
		if (!why)
			scn_check(s, l, r->name, &got, l->want, l->n_want);
		for (int tcp = 0; r->wire && !why && tcp < 2; tcp++) {
			why = scn_wire_ask(r->wire, &q, tcp, &got);
			if (!why)
				scn_check(s, l, tcp ? "by TCP" : "by UDP", &got, l->want, l->n_want);
		}
		if (why)
			return why;
	}
	return asked ? NULL : "no such enforcer runs";
}

/* expect state LIST WORD ["reason"], expect version LIST N */
static const char *expect_list(struct scn *s, const struct scn_line *l, const char *list, bool version)
{
	const char *at = scn_after(l, "at"), *missing = "no enforcer that runs knows this list";

	for (size_t i = 0; i < s->n_enforcers; i++) {
		const struct scn_role *r = &s->enforce[i];
		struct fl_arena arena = { 0 };
		struct fl_follow_list_status *v;
		struct fl_follow_status st;
		size_t n;

		if (!concerns(r, at))
			continue;
		fl_follow_status(r->follow, &st, &arena, &v, &n);
		for (size_t k = 0; k < n; k++) {
			struct scn_result got = { 0 };

			if (strcmp(v[k].list, list) != 0)
				continue;
			missing = NULL;
			if (version)
				snprintf(got.word, sizeof(got.word), "%llu", (unsigned long long)v[k].applied_version);
			else
				snprintf(got.word, sizeof(got.word), "%s", fl_follow_state_word(v[k].state));
			snprintf(got.text, sizeof(got.text), "%s", v[k].reason);
			scn_check(s, l, r->name, &got, l->v + 3, l->n - 3 - (at ? 2 : 0));
		}
		fl_arena_done(&arena);
	}
	return missing;
}

/* expect feed NAME WORD ["reason"] */
static const char *expect_feed(struct scn *s, const struct scn_line *l, const char *name)
{
	const char *missing = "there is no such feed";
	struct fl_arena arena = { 0 };
	struct fl_feed_status *v;
	size_t n;

	if (!s->ingest.up)
		return "ingest does not run";
	fl_ingest_status(s->ingest.ingest, &arena, &v, &n);
	for (size_t i = 0; i < n; i++) {
		struct scn_result got = { 0 };

		if (strcmp(v[i].name, name) != 0)
			continue;
		missing = NULL;
		snprintf(got.word, sizeof(got.word), "%s", fl_feed_state_word(v[i].state));
		snprintf(got.text, sizeof(got.text), "%s", v[i].reason);
		scn_put(&got, "version", "%llu", (unsigned long long)v[i].version);
		scn_put(&got, "names", "%llu", (unsigned long long)v[i].names);
		scn_check(s, l, "", &got, l->v + 3, l->n - 3);
	}
	fl_arena_done(&arena);
	return missing;
}

/* expect published LIST N [outbox=N] [pinned=N] ["problem"]: the publisher's view. */
static const char *expect_published(struct scn *s, const struct scn_line *l, const char *list)
{
	const char *missing = "the publisher does not know this list";
	struct fl_arena arena = { 0 };
	struct fl_publish_status *v;
	size_t n;

	if (!s->publish.up)
		return "the publisher does not run";
	fl_publisher_status(s->publish.publisher, &arena, &v, &n);
	for (size_t i = 0; i < n; i++) {
		struct scn_result got = { 0 };

		if (strcmp(v[i].list, list) != 0)
			continue;
		missing = NULL;
		snprintf(got.word, sizeof(got.word), "%llu", (unsigned long long)v[i].version);
		snprintf(got.text, sizeof(got.text), "%s", v[i].problem);
		scn_put(&got, "outbox", "%llu", (unsigned long long)v[i].outbox);
		scn_put(&got, "pinned", "%u", v[i].pinned);
		scn_check(s, l, "", &got, l->v + 3, l->n - 3);
	}
	fl_arena_done(&arena);
	return missing;
}

/* expect waiting LIST|none [claims=N] ["reason"]: the expiry that waits for a person. */
static const char *expect_waiting(struct scn *s, const struct scn_line *l)
{
	struct fl_findings_status v;
	struct scn_result got = { 0 };

	if (!s->ingest.up)
		return "ingest does not run";
	fl_findings_status(s->ingest.findings, &v);
	snprintf(got.word, sizeof(got.word), "%.39s", v.waits_list[0] ? v.waits_list : "none");
	snprintf(got.text, sizeof(got.text), "%s", v.waits);
	scn_put(&got, "claims", "%llu", (unsigned long long)v.expiry_waits);
	scn_check(s, l, "", &got, l->v + 2, l->n - 2);
	return NULL;
}

/* expect head LIST N [epoch=same|other] [cause=WORD]: what the store says. epoch: against `note epoch LIST`. */
static const char *expect_head(struct scn *s, const struct scn_line *l, const char *list)
{
	struct fl_arena arena = { 0 };
	struct scn_result got = { .word = "none" };
	struct fl_list_version v;
	struct fl_head h;

	s->observing = true;
	if (fl_set_head(&s->observer, FL_LIST, list, &h, NULL) == 0) {
		snprintf(got.word, sizeof(got.word), "%llu", (unsigned long long)h.id.number);
		for (size_t i = 0; i < s->n_noted; i++)
			if (strcmp(s->noted[i].list, list) == 0)
				scn_put(&got, "epoch", "%s", fl_epoch_eq(&s->noted[i].epoch, &h.id.epoch) ? "same" : "other");
		if (fl_list_version_get(&s->observer, list, h.id.number, &arena, &v, NULL) == 0) {
			scn_put(&got, "cause", "%s", fl_cause_word(v.cause));
			scn_put(&got, "names", "%llu", (unsigned long long)v.names);
		}
	}
	s->observing = false;
	scn_check(s, l, "", &got, l->v + 3, l->n - 3);
	fl_arena_done(&arena);
	return NULL;
}

/* expect source NAME N [names=N]: what the store says of a source. */
static const char *expect_source(struct scn *s, const struct scn_line *l, const char *name)
{
	struct scn_result got = { .word = "none" };
	struct fl_head h;

	s->observing = true;
	if (fl_set_head(&s->observer, FL_SOURCE, name, &h, NULL) == 0) {
		snprintf(got.word, sizeof(got.word), "%llu", (unsigned long long)h.id.number);
		scn_put(&got, "names", "%llu", (unsigned long long)h.entries);
	}
	s->observing = false;
	scn_check(s, l, "", &got, l->v + 3, l->n - 3);
	return NULL;
}

static const char *note_epoch(struct scn *s, const char *list)
{
	struct fl_head h;
	int ret;

	s->observing = true;
	ret = fl_set_head(&s->observer, FL_LIST, list, &h, NULL);
	s->observing = false;
	if (ret < 0 || s->n_noted == sizeof(s->noted) / sizeof(s->noted[0]))
		return "the store has no such list";
	snprintf(s->noted[s->n_noted].list, sizeof(s->noted[0].list), "%s", list);
	s->noted[s->n_noted++].epoch = h.id.epoch;
	return NULL;
}

const char *scn_expect(struct scn *s, const struct scn_line *l)
{
	const char *what = scn_word(l, 1), *name = scn_word(l, 2);

	if (!what || !name || l->arrow)
		return "expect state|version|feed|published|head|source|waiting NAME ..., note epoch LIST";
	if (strcmp(l->v[0].text, "note") == 0)
		return strcmp(what, "epoch") == 0 ? note_epoch(s, name) : "note epoch LIST";
	if (strcmp(what, "waiting") == 0)
		return expect_waiting(s, l);
	if (l->n < 4)
		return "it expects nothing";
	if (strcmp(what, "state") == 0 || strcmp(what, "version") == 0)
		return expect_list(s, l, name, what[0] == 'v');
	if (strcmp(what, "feed") == 0)
		return expect_feed(s, l, name);
	if (strcmp(what, "published") == 0)
		return expect_published(s, l, name);
	if (strcmp(what, "head") == 0)
		return expect_head(s, l, name);
	if (strcmp(what, "source") == 0)
		return expect_source(s, l, name);
	return "expect state|version|feed|published|head|source|waiting NAME ...";
}
