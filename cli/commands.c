/* The table of commands: one row makes parsing, help, and tests. */
#include "cli/cmd.h"
#include "feeds/feeds.h"

/* "auto domains hosts ..." */
#define FL_X(name, word, text) word " "
#define FORMAT_WORDS "one of " FL_FORMATS(FL_X)
#define OPT_END { 0 }
#define OPTS(...) .opts = (const struct fl_command_opt[]){ __VA_ARGS__, OPT_END }
#define REASON { "reason", "TEXT", "why, for the log" }
#define FIELD_OPTS                                                                                                                                                                     \
	{ "value", "FIELD", "csv: the column, json: the pointer of the names" }, { "type", "FIELD", "the same of their type" }, { "items", "POINTER", "json: the records" },          \
		{ "exceptions", "POINTER", "json: names that are exceptions" }, { "delimiter", "C", "csv: a character, or tab" }, { "urls", "U", "what a URL claims: auto, host, skip" }
#define DRY { "dry-run", NULL, "only say what would happen" }

static const struct fl_command table[] = {
	{ .words = "demo", .args = "", .help = "See it work in seconds: offline, unprivileged, no configuration.", .run = fl_cmd_demo,
	  OPTS({ "once", NULL, "prove one block, one allowed answer, one finding turned into a block, and their log records; then end" },
	       { "query-log", "FILE", "with --once: keep those records as NDJSON" }, { "port", "PORT", "DNS port on 127.0.0.1 (default 5353, with --once a free one)" }) },
	{ .words = "run", .args = "", .help = "Run all roles, or one of them.", .run = fl_cmd_run,
	  OPTS({ "role", "ROLE", "ingest, publish, enforce or api (several with commas)" },
	       { "embedded", NULL, "one host: a private Redis and a mock bus as children" }, { "demo-folder", "DIR", "internal: the demo's folder" }),
	  .examples = "  fireline run -c /etc/fireline/fireline.yaml\n  fireline run --role enforce -c enforce.yaml\n" },
	{ .words = "config check", .args = "[FILE]", .help = "Check a configuration; what is wrong is shown with file, line and column.", .max_args = 1,
	  .run = fl_cmd_config_check },
	{ .words = "config explain", .args = "[KEY]", .help = "What a key means, its default and its range.", .max_args = 1, .run = fl_cmd_config_explain },
	{ .words = "feed ls", .args = "", .help = "Feeds with state, age and names.", .run = fl_cmd_feed_ls },
	{ .words = "feed presets", .args = "", .help = "Public feeds that fireline knows: format, scope, interval, licence and terms.", .run = fl_cmd_feed_presets },
	{ .words = "feed add", .args = "NAME", .help = "Print the YAML of a new feed, or write it to a conf.d folder.", .min_args = 1, .max_args = 1, .run = fl_cmd_feed_add,
	  OPTS({ "preset", "P", "a public feed (feed presets); what else is given stands above it" }, { "url", "URL", "where it is" }, { "path", "FILE", "a local file" }, { "into", "LIST", "the list it feeds" },
	       { "format", "F", FORMAT_WORDS }, { "scope", "S", "of bare names: exact, subdomains, subtree, as_written; must be given with domains and auto" },
	       { "every", "DUR", "how often" }, FIELD_OPTS,
	       { "write", "DIR", "write DIR/feed-NAME.yaml" }),
	  .examples = "  fireline feed add urlhaus --preset urlhaus-filter --into malware\n  fireline feed add corp --path /etc/fireline/corp.txt --format domains --scope subtree --into malware\n" },
	{ .words = "feed test", .args = "URL|FILE|-", .help = "What would come of a feed: names, refusals, overlap, protected names, the guard's verdict. Works without a daemon.", .min_args = 1, .max_args = 1, .run = fl_cmd_feed_test,
	  OPTS({ "format", "F", FORMAT_WORDS }, { "scope", "S", "of bare names: exact, subdomains, subtree" },
	       { "feed", "NAME", "judge it as the next version of this feed; default: the one with this URL" },
	       FIELD_OPTS,
	       { "at", "TIME", "judge expiry at this time (RFC 3339), not now" },
	       { "entries", NULL, "print scope<TAB>name of each entry" }, { "rejects", NULL, "print line<TAB>reason<TAB>text of each refusal" },
	       { "allow-private", NULL, "the server may have a private address" }),
	  .examples = "  fireline feed test https://feeds.example/list.txt --format domains --scope exact\n  fireline feed test ./new.txt --feed urlhaus        would it be held?\n"
		      "  fireline feed test ./new.txt --entries | sort | diff - expected\n" },
	{ .words = "feed refresh", .args = "[NAME...]", .help = "Fetch now.", .max_args = -1, .run = fl_cmd_feed_refresh,
	  OPTS({ "wait", NULL, "until the fetch has ended; exit 1 when it failed" }) },
	{ .words = "feed show", .args = "NAME", .help = "One feed: state, age, what is held and quarantined, its versions, and what it has that no other has.", .min_args = 1,
	  .max_args = 1, .run = fl_cmd_feed_show, OPTS({ "limit", "N", "so many versions (-n; default 10)" }) },
	{ .words = "feed approve", .args = "FEED [NAME...]", .help = "Take what is held, this once; or let quarantined names in.", .min_args = 1, .max_args = -1,
	  .run = fl_cmd_feed_approve, OPTS(REASON) },
	{ .words = "feed reject", .args = "FEED [NAME...]", .help = "Refuse what is held (approve takes it back); or put names back into quarantine.", .min_args = 1, .max_args = -1,
	  .run = fl_cmd_feed_reject, OPTS(REASON) },
	{ .words = "feed purge", .args = "NAME", .help = "Delete the sets of a source that the configuration no longer names.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_feed_purge },
	{ .words = "list ls", .args = "", .help = "Lists with version and size.", .run = fl_cmd_list_ls },
	{ .words = "list show", .args = "LIST[@V]", .help = "One version: its inputs, cause and chain.", .min_args = 1, .max_args = 1, .run = fl_cmd_list_show },
	{ .words = "list names", .args = "LIST[@V]", .help = "Its names with scope and source.", .min_args = 1, .max_args = 1, .run = fl_cmd_list_names,
	  OPTS({ "grep", "TEXT", "only names that contain TEXT" }) },
	{ .words = "list add", .args = "LIST NAME...", .help = "Add operator entries (name, *.name or *).", .min_args = 2, .max_args = -1, .run = fl_cmd_list_add,
	  OPTS({ "for", "DUR", "until then; default: the list's default_ttl, else no end" }, { "permanent", NULL, "no end, whatever the list says" }, REASON) },
	{ .words = "list rm", .args = "LIST NAME...", .help = "Remove operator entries.", .min_args = 2, .max_args = -1, .run = fl_cmd_list_rm, OPTS(REASON) },
	{ .words = "list purge", .args = "LIST", .help = "Delete a list that the configuration no longer names, all versions.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_list_purge, OPTS(REASON, DRY) },
	{ .words = "log", .args = "LIST[@V]", .help = "Versions of a list, newest first.", .min_args = 1, .max_args = 1, .run = fl_cmd_log,
	  OPTS({ "limit", "N", "so many (-n; default 20)" }) },
	{ .words = "diff", .args = "LIST [A..B]", .help = "What changed between two versions, by source.", .min_args = 1, .max_args = 2, .run = fl_cmd_diff,
	  OPTS({ "stat", NULL, "only counts" }, { "grep", "TEXT", "only names that contain TEXT" }, { "exit-code", NULL, "20 when there are differences" }),
	  .examples = "  fireline diff malware              the newest version against its parent\n  fireline diff malware 1836..1839\n" },
	{ .words = "export", .args = "LIST[@V]", .help = "The list as text for another resolver; what the format cannot say is reported on stderr.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_export,
	  OPTS({ "format", "F", "domains, hosts, adblock, dnsmasq, unbound or rpz" }, { "file", "FILE", "write it there, whole or not at all; default: stdout" },
	       { "zone", "NAME", "rpz: the zone it is for; longer owners than it leaves room for are dropped" },
	       { "exit-code", NULL, "20 when something is lost" }),
	  .examples = "  fireline export malware --format rpz --zone rpz.example --file malware.rpz\n"
		      "  fireline export malware@1842 --format unbound > malware.conf\n"
		      "  fireline export malware --format hosts --json      only the report\n" },
	{ .words = "rollback", .args = "LIST", .help = "A new version with an older content; its feeds stay pinned until unhold.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_rollback,
	  OPTS({ "to", "V", "that version; default: the one before" }, { "include-findings", NULL, "findings and operator entries go back too" }, REASON, DRY) },
	{ .words = "hold", .args = "LIST", .help = "Pin its feeds where they are.", .min_args = 1, .max_args = 1, .run = fl_cmd_hold,
	  OPTS({ "source", "NAME", "only this source" }, REASON, DRY) },
	{ .words = "unhold", .args = "LIST", .help = "Let its sources move again.", .min_args = 1, .max_args = 1, .run = fl_cmd_unhold,
	  OPTS({ "source", "NAME", "only this source" }, REASON, DRY) },
	{ .words = "recover", .args = "LIST", .help = "After a store lost history: go on from what it has now. A version above all known ones.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_recover, OPTS({ "without", "SOURCE", "leave this source out" }, REASON, DRY) },
	{ .words = "approve", .args = "LIST", .help = "Let an expiry go that waits because much ended at once, unwatched.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_approve, OPTS(REASON) },
	{ .words = "block", .args = "NAME...", .help = "Block now, before all rules.", .min_args = 1, .max_args = -1, .run = fl_cmd_block,
	  OPTS({ "for", "DUR", "until then" }, { "permanent", NULL, "no end" }, { "remove", NULL, "take it back" }, REASON) },
	{ .words = "allow", .args = "NAME...", .help = "Allow now, before all rules.", .min_args = 1, .max_args = -1, .run = fl_cmd_allow,
	  OPTS({ "for", "DUR", "until then" }, { "permanent", NULL, "no end" }, { "remove", NULL, "take it back" }, REASON) },
	{ .words = "bypass on", .args = "", .help = "Evaluate and log the rules of an association, or of every client, and enforce none, for a while; on this enforcer.", .run = fl_cmd_bypass_on,
	  OPTS({ "association", "A", "only its clients; default: every client" }, { "for", "DUR", "it ends by itself after this: 1s to 7d" }, REASON),
	  .examples = "  fireline bypass on --association guest-wifi --for 10m --reason \"captive portal\"\n" },
	{ .words = "bypass off", .args = "", .help = "Enforce again.", .run = fl_cmd_bypass_off, OPTS({ "association", "A", "that of this association; default: that of every client" }) },
	{ .words = "bypass status", .args = "", .help = "Which bypasses are on, until when, by whom and why.", .run = fl_cmd_bypass_status },
	{ .words = "policy show", .args = "", .help = "The rules in the order that clients meet them, by association.", .run = fl_cmd_policy_show,
	  OPTS({ "client", "IP", "only what this client meets" }) },
	{ .words = "policy test", .args = "NAME", .help = "What the rules say of a name to a client, rule by rule.", .min_args = 1, .max_args = 1, .run = fl_cmd_policy_test,
	  OPTS({ "client", "IP", "asked by this client; must be given" }, { "qtype", "T", "record type (default A)" }, { "exit-code", NULL, "10 for BLOCK, 11 for ALERT" }),
	  .examples = "  fireline policy test www.example.com --client 10.20.4.7 --exit-code\n" },
	{ .words = "finding inject", .args = "FILE|-", .help = "Take security findings now.", .min_args = 1, .max_args = 1, .run = fl_cmd_finding_inject,
	  OPTS({ "dry-run", NULL, "a filter: only say what would be made of each document; needs no daemon, no configuration" },
	       { "at", "TIME", "with --dry-run: as if it were this time (RFC 3339)" }),
	  .examples = "  fireline finding inject guardduty.json\n"
		      "  aws guardduty get-findings ... | fireline finding inject --dry-run -\n"
		      "  fireline finding inject --dry-run --json export.ndjson | jq .entry\n" },
	{ .words = "finding ls", .args = "", .help = "Findings and what became of them, the newest first.", .run = fl_cmd_finding_ls,
	  OPTS({ "source", "S", "of this source, or of one of its sets (guardduty.alert)" }, { "state", "STATE", "active, withdrawn, dismissed, expired or quarantined" },
	       { "type", "GLOB", "of types that fit" }, { "name", "N", "on exactly this name" }, { "limit", "N", "so many (-n; default 50)" },
	       { "after", "NEXT", "go on where an answer with so many ended" }),
	  .examples = "  fireline finding ls --state quarantined\n  fireline finding ls --source guardduty --type '*C&CActivity*'\n" },
	{ .words = "finding show", .args = "ID", .help = "One finding: its names, their state, versions and times, and who said what.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_finding_show },
	{ .words = "finding dismiss", .args = "ID", .help = "Let its names go, also over later updates of the finding.", .min_args = 1, .max_args = 1, .run = fl_cmd_finding_dismiss,
	  OPTS({ "undo", NULL, "take the dismissal back" }, REASON, DRY),
	  .examples = "  fireline finding dismiss 0cc1aa55e0f1 --reason \"our own scanner\"\n  fireline finding dismiss 0cc1aa55e0f1 --undo --reason \"it is bad after all\"\n" },
	{ .words = "finding extend", .args = "ID", .help = "Give its active claims another end; later updates do not make it shorter.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_finding_extend,
	  OPTS({ "for", "DUR", "so long from now" }, { "until", "TIME", "until then (RFC 3339)" }, { "permanent", NULL, "no end" }, REASON, DRY) },
	{ .words = "finding approve", .args = "ID", .help = "Let in what was quarantined, since its name is protected.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_finding_approve, OPTS(REASON, DRY) },
	{ .words = "finding sample", .args = "TYPE", .help = "Print a GuardDuty finding of this type, marked as a sample: for drills of what receives it.", .min_args = 1, .max_args = 1,
	  .run = fl_cmd_finding_sample, OPTS({ "name", "N", "the name it finds (default one under .example)" }, { "real", NULL, "not marked as a sample: it blocks" }),
	  .examples = "  fireline finding sample 'Backdoor:EC2/C&CActivity.B!DNS' | fireline finding inject --dry-run -\n  fireline finding sample Trojan:EC2/DNSDataExfiltration > sample.json\n" },
	{ .words = "explain", .args = "NAME|REF", .help = "Why a name is answered as it is.", .min_args = 1, .max_args = 1, .run = fl_cmd_explain,
	  OPTS({ "client", "IP", "asked by this client (default 127.0.0.1)" }, { "qtype", "T", "record type (default A)" },
	       { "exit-code", NULL, "10 for BLOCK, 11 for ALERT" }) },
	{ .words = "status", .args = "", .help = "What works and what does not; exit 3 when degraded.", .run = fl_cmd_status },
	{ .words = "tail", .args = "", .help = "The query log, live.", .run = fl_cmd_tail,
	  OPTS({ "action", "A", "BLOCK, ALERT, ALLOW or NONE" }, { "list", "LIST", "matched by this list" }, { "client", "IP", "of this client" },
	       { "name", "GLOB", "names that fit" }, { "qtype", "T", "of this type" }, { "limit", "N", "end after so many (-n)" }) },
	{ .words = "canon", .args = "[NAME...]", .help = "Filter: a name or URL a line in, its canonical form or !reason out.", .max_args = -1, .run = fl_cmd_canon,
	  OPTS({ "registrable", NULL, "print the registrable domain" }, { "psl-file", "FILE", "another public suffix list" }) },
	{ .words = "version", .args = "", .help = "Print the version.", .run = fl_cmd_version },
	{ .words = "help", .args = "[COMMAND]", .help = "Print help.", .max_args = 2, .run = fl_cmd_help },
};

enum { N_COMMANDS = sizeof(table) / sizeof(table[0]) };

const struct fl_command *fl_command_at(size_t i)
{
	return i < N_COMMANDS ? &table[i] : NULL;
}
