/* Scenarios (docs/scenarios.md): one .scn file is one run of the whole pipeline on a virtual clock and the in-memory doors: ingest, findings, publisher, one or more enforcers, and the
 * answer path from the octets of a question to the octets of its answer and its query-log record. Nothing is random: a run repeats itself.
 *
 *   line.c    a line into words         policy.c   what a file declares, as the YAML that the product reads
 *   world.c   doors, processes, time    dns.c      questions and answers       zone.c    the Internet, as a forwarder sees it
 *   verbs.c   what a line does          expect.c   what a line claims          main.c    files in, verdict out
 *   wire.c    the same questions, by UDP and TCP, to a whole server */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "enforcer/bypass.h"
#include "enforcer/follow.h"
#include "enforcer/server_int.h"
#include "ingest/ingest.h"
#include "publisher/publisher.h"

enum { SCN_WORDS = 48, SCN_LINE = 4096, SCN_ENFORCERS = 4, SCN_ITEMS = 48, SCN_VALUES = 40, SCN_TEXT = 480 };

/* --- line.c --- */
struct scn_word {
	char *text;
	bool quoted;
};
/* The words before `->` and those after it. */
struct scn_line {
	const char *file;
	int number;
	char source[SCN_LINE], store[SCN_LINE];
	struct scn_word v[SCN_WORDS];
	size_t n;
	struct scn_word want[SCN_WORDS];
	size_t n_want;
	bool arrow;
};
/** NULL, or what is wrong with it. An empty line has no words. */
const char *scn_line_parse(struct scn_line *l, const char *text);
/** The value of an option `key=value`, or NULL. */
const char *scn_option(const struct scn_line *l, const char *key);
/** The word behind a bare word (`from 192.0.2.7`), or NULL. */
const char *scn_after(const struct scn_line *l, const char *word);
bool scn_has(const struct scn_line *l, const char *word);
/** The i-th word (0: the verb) that is no option, or NULL. */
const char *scn_word(const struct scn_line *l, size_t i);

/* What a line came to: a word, named values, a sentence. */
struct scn_result {
	char word[40], text[SCN_TEXT];
	struct {
		char key[24], value[256];
	} v[SCN_VALUES];
	size_t n;
};
void scn_put(struct scn_result *r, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** Does it say all of this? A bare word is the result's word, `k=v` one of its values, a quoted text part of its sentence. */
bool scn_matches(const struct scn_result *r, const struct scn_word *want, size_t n);
void scn_result_format(const struct scn_result *r, struct fl_buf *out);

/* --- policy.c --- */
struct scn_policy; /* what was declared so far */
struct scn_policy *scn_policy_new(void);
void scn_policy_free(struct scn_policy *p);
/** Takes a declaring line (list, rule, association, organisation, findings, set, drop, the options of feed). NULL, or what is wrong. */
const char *scn_policy_declare(struct scn_policy *p, const struct scn_line *l);
void scn_policy_yaml(const struct scn_policy *p, const char *node, struct fl_buf *out);

/* --- the world --- */
enum scn_kind { SCN_INGEST, SCN_PUBLISH, SCN_ENFORCE };
struct scn;
struct scn_dns;
struct scn_wire;

/* A process. */
struct scn_role {
	struct scn *s;
	char name[24];
	enum scn_kind kind;
	bool up;
	struct fl_config *cfg;
	struct fl_store *store, *store2;
	struct fl_sets sets, sets2;
	struct fl_bus *bus;
	struct fl_http *http;
	struct fl_disk *disk;
	struct fl_disk_mem *platter; /* outlives the process */
	struct fl_ingest *ingest;
	struct fl_findings_stage *findings;
	struct fl_publisher *publisher;
	struct fl_follow *follow;
	struct fl_policy *policy;
	struct fl_view *view;
	struct fl_image *image; /* as handed out last */
	struct fl_bypasses bypasses;
	bool grace;
	fl_mono_ns grace_until, wake;
	struct scn_dns *dns;
	struct scn_wire *wire; /* NULL without --wire */
};

struct scn {
	const char *file;
	char folder[256]; /* of the rings */
	struct fl_names *names;
	struct fl_clock_mem clock, store_clock; /* `jump` moves the hosts', not the store's */
	struct fl_random_mem random;
	struct fl_store_mem *store;
	struct fl_bus_mem *bus;
	struct fl_http_mem *http;
	bool store_down, bus_down, observing, dead; /* dead: the process that closes is killed; nothing of it reaches a door */
	bool upstream_down;
	struct scn_policy *policy;
	bool started; /* what is declared from then on waits for `reload` */
	struct scn_role ingest, publish, enforce[SCN_ENFORCERS];
	size_t n_enforcers;
	uint32_t boots;
	struct fl_store *observer_store;
	struct fl_sets observer;
	struct scn_zone *zone;
	struct {
		char list[FL_SET_NAME];
		struct fl_epoch epoch;
	} noted[8];
	size_t n_noted;
	bool over_wire; /* questions are asked over loopback sockets too */
	unsigned checks, failures;
};

/* --- world.c --- */
void scn_open(struct scn *s, const char *file, struct fl_names *names, bool over_wire);
void scn_close(struct scn *s);
/** All roles, once. NULL, or what is wrong (a configuration that does not load). */
const char *scn_start_all(struct scn *s);
const char *scn_start(struct scn_role *r);
/** kill -9; power: what was not synced is gone too. */
void scn_kill(struct scn_role *r, bool power);
/** Another view of what the enforcer has. */
void scn_show(struct scn_role *r);
/** A process with an empty disk joins. */
const char *scn_join(struct scn *s, const char *name);
/** SIGHUP to all: all or nothing in each; the first refusal. */
const char *scn_reload(struct scn *s);
/** Everybody does what is due now; no time passes. */
void scn_settle(struct scn *s);
void scn_tick(struct scn *s, int64_t ms);
/** Both clocks; nobody acts. */
void scn_advance(struct scn *s, fl_mono_ns ns);
struct scn_role *scn_role_named(struct scn *s, const char *name);

/* --- dns.c --- */
struct scn_dns *scn_dns_open(struct scn_role *r);
void scn_dns_reload(struct scn_role *r);
/** The resolve core's timers. */
void scn_dns_step(struct scn_dns *d, fl_mono_ns now, fl_mono_ns *wake);
void scn_dns_close(struct scn_dns *d);
struct scn_question {
	const char *name, *qtype, *from;
	bool dnssec_ok;
	uint16_t qclass;
};
/** Ask this enforcer, in octets; the answer and its record into out. NULL, or what is wrong with the question, or with an answer that no question should get. */
const char *scn_ask(struct scn_role *r, const struct scn_question *q, struct scn_result *out);
const char *scn_write_question(const struct scn_question *q, struct fl_buf *out);
/** The answer to a question, held to what every answer must be. */
const char *scn_read_answer(struct fl_span msg, struct fl_span question, struct scn_result *out);
void scn_put_record(const struct fl_qlog *q, struct scn_result *out);

/* --- wire.c --- */
struct scn_wire *scn_wire_open(struct scn_role *r);
/** What the role has now; NULL is fine. */
void scn_wire_show(struct scn_wire *w);
void scn_wire_reload(struct scn_wire *w);
void scn_wire_close(struct scn_wire *w);
const char *scn_wire_ask(struct scn_wire *w, const struct scn_question *q, bool tcp, struct scn_result *out);

/* --- zone.c --- */
struct scn_zone;
struct scn_zone *scn_zone_new(void);
void scn_zone_free(struct scn_zone *z);
/** type: A, CNAME, NXDOMAIN. */
const char *scn_zone_set(struct scn_zone *z, const char *name, const char *type, const char *value);
fl_upstream_answer scn_zone_answer; /* ctx: struct scn */

/* --- verbs.c, expect.c --- */
/** Carries a line out and checks it; prints what differs. False: the rest of the file makes no sense any more. */
bool scn_run_line(struct scn *s, const struct scn_line *l);
/** A failed claim: file:line, the line, expected and got. */
void scn_differs(struct scn *s, const struct scn_line *l, const char *who, const char *got);
void scn_check(struct scn *s, const struct scn_line *l, const char *who, const struct scn_result *got, const struct scn_word *want, size_t n);
/** NULL, or what is wrong with the line. */
const char *scn_expect(struct scn *s, const struct scn_line *l);
const char *scn_ask_line(struct scn *s, const struct scn_line *l);
