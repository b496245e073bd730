/* The one table of the configuration. A new setting is a row here, a field in model/config.h, and a line in packaging/fireline.yaml. */
#include "cli/config_table.h"

#include "base/log.h"
#include "feeds/feeds.h"

#define AT(type, field) .off = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define CFG(field) AT(fl_config, field)
#define ARRAY(type, field, n) .off = offsetof(struct type, field), .count = offsetof(struct type, n), .size = sizeof(((struct type *)0)->field)
#define LIST(type, field, n, item) ARRAY(type, field, n), .elem = sizeof(struct item)

static const struct fl_word protos[] = { { "udp", false }, { "tcp", true }, { NULL, 0 } };
static const struct fl_word formats[] = {
#define FL_X(name, word, text) { word, name },
	FL_FORMATS(FL_X)
#undef FL_X
	{ NULL, 0 }
};
static const struct fl_word scopes[] = {
	{ "exact", FL_SCOPE_EXACT }, { "subdomains", FL_SCOPE_SUBDOMAINS }, { "subtree", FL_SCOPE_SUBTREE }, { "as_written", 0 }, { NULL, 0 }
};
static const struct fl_word feed_urls[] = { { "auto", FL_URLS_AUTO }, { "host", FL_URLS_HOST }, { "skip", FL_URLS_SKIP }, { NULL, 0 } };
static const struct fl_word delimiters[] = { { ",", ',' }, { ";", ';' }, { "|", '|' }, { "tab", '\t' }, { NULL, 0 } };
static const struct fl_word finding_types[] = { { "directory", FL_FINDINGS_DIRECTORY },
						 { "webhook", FL_FINDINGS_WEBHOOK },
						 { "kafka", FL_FINDINGS_KAFKA },
						 { "sqs", FL_FINDINGS_SQS },
						 { "guardduty", FL_FINDINGS_GUARDDUTY },
						 { NULL, 0 } };
static const struct fl_word done_words[] = { { "move", true }, { "delete", false }, { NULL, 0 } };
static const struct fl_word auto_only[] = { { "auto", 0 }, { NULL, 0 } };
static const struct fl_word finding_actions[] = { { "block", FL_FINDING_BLOCK }, { "alert", FL_FINDING_ALERT }, { "ignore", FL_FINDING_IGNORE }, { NULL, 0 } };
static const struct fl_word finding_scopes[] = { { "auto", 0 }, { "exact", 1 }, { "registrable", 2 }, { NULL, 0 } };
static const struct fl_word actions[] = { { "ALLOW", FL_ACTION_ALLOW }, { "ALERT", FL_ACTION_ALERT }, { "BLOCK", FL_ACTION_BLOCK }, { NULL, 0 } };
static const struct fl_word responses[] = {
	{ "NXDOMAIN", FL_BLOCK_NXDOMAIN }, { "NODATA", FL_BLOCK_NODATA }, { "OVERRIDE", FL_BLOCK_OVERRIDE }, { NULL, 0 }
};
static const struct fl_word redirections[] = { { "INSPECT_REDIRECTION_DOMAIN", false }, { "TRUST_REDIRECTION_DOMAIN", true }, { NULL, 0 } };
static const struct fl_word override_types[] = { { "CNAME", FL_OVERRIDE_CNAME }, { "A", FL_OVERRIDE_A }, { "AAAA", FL_OVERRIDE_AAAA }, { NULL, 0 } };
static const struct fl_word ede_texts[] = { { "auto", FL_EDE_AUTO }, { "full", FL_EDE_FULL }, { "ref", FL_EDE_REF }, { "off", FL_EDE_OFF }, { NULL, 0 } };
static const struct fl_word durabilities[] = { { "always", true }, { "everysec", false }, { NULL, 0 } };
static const struct fl_word create_words[] = { { "off", 0 }, { "check", 1 }, { "create", 2 }, { NULL, 0 } };
static const struct fl_word schemas[] = { { "route53", 0 }, { NULL, 0 } };
static const struct fl_word metric_paths[] = { { "/metrics", 0 }, { NULL, 0 } };
static const struct fl_word metric_auth[] = { { "none", 0 }, { NULL, 0 } };
static const struct fl_word overload_words[] = { { "drop_allow_first", 0 }, { NULL, 0 } };
static const struct fl_word strategies[] = { { "fastest", 0 }, { NULL, 0 } };
static const struct fl_word others_words[] = { { "refuse", false }, { "drop", true }, { NULL, 0 } };
static const struct fl_word levels[] = {
	{ "debug", FL_LOG_DEBUG }, { "info", FL_LOG_INFO }, { "notice", FL_LOG_NOTICE }, { "warn", FL_LOG_WARN }, { "error", FL_LOG_ERROR }, { NULL, 0 }
};
static const struct fl_word log_formats[] = { { "auto", FL_LOG_AUTO }, { "text", FL_LOG_TEXT }, { "json", FL_LOG_JSON }, { NULL, 0 } };

const struct fl_key fl__keys[] = {
	{ "version", FL_KEY_NUMBER, .dflt = "1", .min = "1", .max = "1", .help = "Format of this file." },
	{ "state", FL_KEY_PATH, CFG(state), .dflt = "/var/lib/fireline", .frozen = true, .help = "Folder of image, journal and spool." },
	{ "runtime", FL_KEY_PATH, CFG(runtime), .dflt = "/run/fireline", .frozen = true, .help = "Folder of rings, sockets and pids; a tmpfs." },
	{ "startup_grace", FL_KEY_DURATION, CFG(startup_grace_ms), .dflt = "60s", .min = "0s", .max = "1h",
	  .help = "A fresh enforcer answers openly for so long while first versions arrive." },
	{ "head_poll", FL_KEY_DURATION, CFG(head_poll_ms), .dflt = "10s", .min = "1s", .max = "10m",
	  .help = "How often an enforcer asks Redis for heads, beside following Kafka: the silence of a dead relay looks like no news." },
	{ "psl_file", FL_KEY_PATH, CFG(psl_file), .dflt = "", .help = "Public suffix list; empty: the packaged one." },
	{ "block_ttl", FL_KEY_SECONDS, CFG(block_ttl), .dflt = "30s", .min = "0", .max = "86400",
	  .help = "TTL of block answers; short, so that unblocking is quick." },

	{ "node", FL_KEY_MAP, .help = "This host." },
	{ "node.name", FL_KEY_NAME, CFG(node_name), .dflt_text = "the host name", .frozen = true, .help = "Name of this enforcer in status and query log." },
	{ "node.site", FL_KEY_STRING, CFG(site), .dflt = "local", .frozen = true, .help = "Goes to the query log's `region`." },
	{ "node.account_id", FL_KEY_ACCOUNT, CFG(account_id), .dflt = "000000000000", .frozen = true, .help = "Goes to the query log's `account_id`: 12 digits." },

	{ "listen", FL_KEY_LIST, LIST(fl_config, listens, n_listens, fl_cfg_listen), .frozen = true, .help = "DNS listeners of the enforcer." },
	{ "listen[].proto", FL_KEY_WORD, AT(fl_cfg_listen, tcp), .words = protos, .required = true, .frozen = true, .help = "Transport." },
	{ "listen[].address", FL_KEY_ADDRESS, AT(fl_cfg_listen, address), .required = true, .frozen = true,
	  .help = "Address and port, as \"0.0.0.0:53\" or \"[::]:53\"." },
	{ "listen[].workers", FL_KEY_WORKERS, AT(fl_cfg_listen, workers), .dflt = "auto", .min = "1", .max = "64", .frozen = true,
	  .help = "Threads of a UDP listener; auto: one a core." },
	{ "listen[].idle_timeout", FL_KEY_DURATION, AT(fl_cfg_listen, idle_timeout_ms), .dflt = "10s", .min = "1s", .max = "10m", .frozen = true,
	  .help = "An idle TCP connection is closed after this." },
	{ "listen[].max_connections", FL_KEY_NUMBER, AT(fl_cfg_listen, max_connections), .dflt = "4096", .min = "1", .max = "65536", .frozen = true,
	  .help = "TCP connections at once." },

	{ "upstreams", FL_KEY_LIST, LIST(fl_config, upstreams, n_upstreams, fl_cfg_upstream), .help = "Forwarders; the group with the longest zone that holds the name is asked, and the one without zones for all other names." },
	{ "upstreams[].name", FL_KEY_NAME, AT(fl_cfg_upstream, name), .required = true, .help = "Name of the group." },
	{ "upstreams[].zones", FL_KEY_ZONES, ARRAY(fl_cfg_upstream, zones, n_zones), .dflt_text = "every name", .help = "Names at and below these." },
	{ "upstreams[].servers", FL_KEY_SERVERS, ARRAY(fl_cfg_upstream, servers, n_servers), .required = true, .help = "Addresses, port 53 unless given." },
	{ "upstreams[].strategy", FL_KEY_WORD, .words = strategies, .dflt = "fastest", .help = "Order of the servers: by measured latency." },
	{ "upstreams[].timeout", FL_KEY_DURATION, AT(fl_cfg_upstream, timeout_ms), .dflt = "2s", .min = "100ms", .max = "10s", .help = "Wait for one server." },
	{ "upstreams[].retries", FL_KEY_NUMBER, AT(fl_cfg_upstream, retries), .dflt = "2", .min = "0", .max = "10", .help = "Further tries after the first." },

	{ "upstreams[].mixed_case", FL_KEY_BOOL, AT(fl_cfg_upstream, mixed_case), .dflt = "false",
	  .help = "Ask with letters of random case, and believe over UDP only what repeats it (0x20). A server that does not keep case is asked over TCP." },
	{ "upstreams[].trust_ad", FL_KEY_BOOL, AT(fl_cfg_upstream, trust_ad), .dflt = "false",
	  .help = "The servers validate DNSSEC and the way to them is safe: their AD bit is passed on to clients that ask for it." },

	{ "cache", FL_KEY_MAP, .help = "Response cache. It holds upstream answers, never verdicts." },
	{ "cache.size", FL_KEY_SIZE, CFG(cache_bytes), .dflt = "256MiB", .min = "1MiB", .max = "64GiB", .frozen = true, .help = "Memory." },
	{ "cache.min_ttl", FL_KEY_DURATION, CFG(cache_min_ttl_ms), .dflt = "0s", .min = "0s", .max = "1h", .help = "A shorter TTL is raised to this." },
	{ "cache.max_ttl", FL_KEY_DURATION, CFG(cache_max_ttl_ms), .dflt = "1d", .min = "1s", .max = "7d", .help = "A longer TTL is cut to this." },
	{ "cache.negative_max_ttl", FL_KEY_DURATION, CFG(cache_negative_max_ttl_ms), .dflt = "15m", .min = "0s", .max = "3h",
	  .help = "The same for NXDOMAIN and NODATA." },
	{ "cache.serve_stale", FL_KEY_DURATION, CFG(serve_stale_ms), .dflt = "1d", .min = "0s", .max = "7d",
	  .help = "Expired answers are served so long when no upstream answers; 0s: never." },

	{ "cache.prefetch", FL_KEY_BOOL, CFG(prefetch), .dflt = "true", .help = "An answer that is used in the last tenth of its time is asked for anew." },

	{ "clients", FL_KEY_MAP, .help = "Who may ask." },
	{ "clients.allow", FL_KEY_NETWORKS, ARRAY(fl_config, allowed_clients, n_allowed_clients), .dflt_text = "loopback, private, link-local and unique local networks, 100.64.0.0/10",
	  .help = "Networks whose clients are answered; they take the place of the default. [\"0.0.0.0/0\", \"::/0\"] is an open resolver." },
	{ "clients.others", FL_KEY_WORD, CFG(drop_others), .words = others_words, .dflt = "refuse", .help = "What everyone else hears: REFUSED with EDE 18, or nothing." },

	{ "rate_limit", FL_KEY_MAP, .help = "Limits of a client. TCP and clients with a valid cookie have an account apart, which forged questions cannot use up." },
	{ "rate_limit.per_client", FL_KEY_NUMBER, CFG(rate.per_client), .dflt = "0", .min = "0", .max = "1000000", .help = "Questions a second; 0: no limit." },
	{ "rate_limit.burst", FL_KEY_NUMBER, CFG(rate.burst), .dflt_text = "twice per_client", .dflt = "0", .min = "0", .max = "1000000", .help = "Questions at once." },
	{ "rate_limit.ipv4_prefix", FL_KEY_NUMBER, CFG(rate.ipv4_prefix), .dflt = "32", .min = "8", .max = "32", .help = "Clients of one such network are one client." },
	{ "rate_limit.ipv6_prefix", FL_KEY_NUMBER, CFG(rate.ipv6_prefix), .dflt = "64", .min = "16", .max = "128", .help = "The same for IPv6." },
	{ "rate_limit.exempt", FL_KEY_NETWORKS, ARRAY(fl_config, rate.exempt, rate.n_exempt), .dflt_text = "none", .help = "Networks without a limit." },
	{ "rate_limit.waiting", FL_KEY_NUMBER, CFG(rate.waiting), .dflt = "1000", .min = "1", .max = "10000",
	  .help = "Questions of one client address that wait for an upstream at once; more are dropped." },

	{ "cookies", FL_KEY_MAP, .help = "DNS cookies (RFC 7873, 9018): a client that has one is not taken for a forger." },
	{ "cookies.enabled", FL_KEY_BOOL, CFG(cookies), .dflt = "true", .help = "Answer a client's cookie with one of ours." },
	{ "cookies.secret_file", FL_KEY_PATH, CFG(cookie_secret_file), .dflt = "",
	  .help = "32 hexadecimal digits: the secret of servers that share an address; a second line holds the one before. Empty: random at each start." },

	{ "special_names", FL_KEY_MAP, .help = "Names that no upstream hears of, unless a zone of `upstreams` holds them." },
	{ "special_names.enabled", FL_KEY_BOOL, CFG(special_names), .dflt = "true",
	  .help = "localhost, invalid, test, local, onion, alt, home.arpa, and reverse zones of private and reserved networks are answered here (RFC 6761, 6303)." },
	{ "special_names.doh_canary", FL_KEY_BOOL, CFG(doh_canary), .dflt = "false",
	  .help = "use-application-dns.net does not exist: browsers then leave DNS over HTTPS alone that nobody asked for." },

	{ "rebinding", FL_KEY_MAP, .help = "DNS rebinding: a name of the world that leads to an address of this network." },
	{ "rebinding.protect", FL_KEY_BOOL, CFG(rebinding), .dflt = "false",
	  .help = "Answers with private, loopback or link-local addresses become empty, but for names in a zone of `upstreams`." },
	{ "rebinding.allow", FL_KEY_ZONES, ARRAY(fl_config, rebinding_allow, n_rebinding_allow), .dflt_text = "none", .help = "Names at and below these may have private addresses." },

	{ "domain_lists", FL_KEY_LIST, LIST(fl_config, lists, n_lists, fl_cfg_list),
	  .help = "Domain lists, each versioned. operator-allow, operator-block, findings-block and findings-alert always exist." },
	{ "domain_lists[].name", FL_KEY_NAME, AT(fl_cfg_list, name), .required = true, .help = "Name of the list." },
	{ "domain_lists[].description", FL_KEY_STRING, AT(fl_cfg_list, description), .dflt = "", .help = "For people." },
	{ "domain_lists[].entries", FL_KEY_ENTRIES, ARRAY(fl_cfg_list, entries, n_entries),
	  .help = "Names written here: \"x.example\" (exact), \"*.x.example\" (subdomains only), \"*\" (everything)." },
	{ "domain_lists[].default_ttl", FL_KEY_DURATION, AT(fl_cfg_list, default_ttl_ms), .dflt = "0s", .min = "0s", .max = "400d",
	  .help = "An entry that nothing renews, one added by hand without an end, leaves after this; 0s: never." },
	{ "domain_lists[].publish_guard", FL_KEY_MAP, .help = "Limits for the sources of this list: a source version outside them is held." },
	{ "domain_lists[].publish_guard.max_added_ratio", FL_KEY_REAL, AT(fl_cfg_list, guard.max_added_ratio), .dflt = "1.0", .min = "0", .max = "1000",
	  .help = "Added names over the source's last accepted set." },
	{ "domain_lists[].publish_guard.max_removed_ratio", FL_KEY_REAL, AT(fl_cfg_list, guard.max_removed_ratio), .dflt = "0.30", .min = "0", .max = "1",
	  .help = "Removed names over the source's last accepted set." },

	{ "feeds", FL_KEY_LIST, LIST(fl_config, feeds, n_feeds, fl_cfg_feed), .help = "Where lists come from." },
	{ "feeds[].name", FL_KEY_NAME, AT(fl_cfg_feed, name), .required = true, .help = "Name of the feed." },
	{ "feeds[].preset", FL_KEY_STRING, AT(fl_cfg_feed, preset), .dflt = "",
	  .help = "A public feed that fireline knows (`fireline feed presets`): gives url, format, scope, every, category, min_names and licence where they are not set here." },
	{ "feeds[].url", FL_KEY_URL, AT(fl_cfg_feed, url), .dflt = "", .help = "http or https; this or path." },
	{ "feeds[].path", FL_KEY_PATH, AT(fl_cfg_feed, path), .dflt = "", .help = "A local file, or a folder whose files are one list together; this or url." },
	{ "feeds[].format", FL_KEY_WORD, AT(fl_cfg_feed, format), .words = formats, .dflt = "auto", .help = "Format of the body." },
	{ "feeds[].scope", FL_KEY_WORD, AT(fl_cfg_feed, scope), .words = scopes, .dflt = "as_written",
	  .help = "What a bare name speaks for. Must be given for format domains: it is never guessed." },
	{ "feeds[].into", FL_KEY_NAME, AT(fl_cfg_feed, into), .required = true, .help = "The list it feeds." },
	{ "feeds[].every", FL_KEY_DURATION, AT(fl_cfg_feed, every_ms), .dflt = "1h", .min = "1s", .max = "30d", .help = "How often it is fetched." },
	{ "feeds[].jitter", FL_KEY_PERCENT, AT(fl_cfg_feed, jitter_percent), .dflt = "10%", .min = "0", .max = "50", .help = "Spread of `every`." },
	{ "feeds[].confidence", FL_KEY_NUMBER, AT(fl_cfg_feed, confidence), .dflt = "0", .min = "0", .max = "100", .help = "1 to 100; 0: not stated." },
	{ "feeds[].category", FL_KEY_CATEGORY, AT(fl_cfg_feed, category), .dflt = "none", .help = "What its names are." },
	{ "feeds[].min_names", FL_KEY_NUMBER, AT(fl_cfg_feed, min_names), .dflt = "1", .min = "0", .max = "50000000",
	  .help = "Fewer is a broken download: the old copy stays." },
	{ "feeds[].max_names", FL_KEY_NUMBER, AT(fl_cfg_feed, max_names), .dflt = "10000000", .min = "1", .max = "50000000",
	  .help = "More names in one body, repeats counted, are refused: the old copy stays. Bounds memory: about 90 octets a name, beside the body." },
	{ "feeds[].max_bytes", FL_KEY_SIZE, AT(fl_cfg_feed, max_bytes), .dflt = "256MiB", .min = "1KiB", .max = "4GiB",
	  .help = "A larger body, as received or after unpacking, is refused: the old copy stays." },
	{ "feeds[].timeout", FL_KEY_DURATION, AT(fl_cfg_feed, timeout_ms), .dflt = "2m", .min = "1s", .max = "1h", .help = "For one whole fetch." },
	{ "feeds[].stale_after", FL_KEY_DURATION, AT(fl_cfg_feed, stale_after_ms), .dflt_text = "3 times every, at least 1h", .min = "1s", .max = "400d",
	  .help = "Without a good fetch for so long the feed is STALE." },
	{ "feeds[].remove_after_absent", FL_KEY_NUMBER, AT(fl_cfg_feed, remove_after_absent), .dflt = "1", .min = "1", .max = "1000",
	  .help = "A name leaves when so many fetches in a row lack it." },
	{ "feeds[].headers_file", FL_KEY_HEADERS, ARRAY(fl_cfg_feed, headers, n_headers), .help = "Request headers: name, and the file that holds the value." },
	{ "feeds[].watch", FL_KEY_BOOL, AT(fl_cfg_feed, watch), .dflt = "false", .help = "Read a local file as soon as it changes." },
	{ "feeds[].enabled", FL_KEY_BOOL, AT(fl_cfg_feed, enabled), .dflt = "true", .help = "false: not fetched, and its names leave the list." },
	{ "feeds[].allow_private", FL_KEY_BOOL, AT(fl_cfg_feed, allow_private), .dflt = "false",
	  .help = "Allow private and loopback addresses of the server that the url names. Redirects go to public addresses or back to it; link-local and metadata ones are never asked." },
	{ "feeds[].ca_file", FL_KEY_PATH, AT(fl_cfg_feed, ca_file), .dflt = "", .help = "Authorities (PEM) that vouch for the server; empty: the system's." },
	{ "feeds[].licence", FL_KEY_STRING, AT(fl_cfg_feed, licence), .dflt = "", .help = "Licence of the feed, for people." },
	{ "feeds[].columns", FL_KEY_MAP,
	  .help = "Format csv: columns by their name in the header, or by number from 1. Without them the columns of a known provider are used." },
	{ "feeds[].columns.value", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.value), .dflt = "", .help = "The name or URL." },
	{ "feeds[].columns.type", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.type), .dflt = "", .help = "What value is: domain, url, ip:port, sha256. Without it a value with :// is a URL." },
	{ "feeds[].columns.category", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.category), .dflt = "", .help = "A category, or tags." },
	{ "feeds[].columns.confidence", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.confidence), .dflt = "", .help = "1 to 100." },
	{ "feeds[].columns.first_seen", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.first_seen), .dflt = "", .help = "A date." },
	{ "feeds[].columns.expires", FL_KEY_COLUMN, AT(fl_cfg_feed, columns.expires), .dflt = "", .help = "A date; the name leaves then." },
	{ "feeds[].delimiter", FL_KEY_WORD, AT(fl_cfg_feed, delimiter), .words = delimiters, .dflt = ",", .help = "Format csv: what stands between columns." },
	{ "feeds[].pointers", FL_KEY_MAP,
	  .help = "Formats json and ndjson: fields by JSON pointer (RFC 6901). Without them the fields of a known provider are used." },
	{ "feeds[].pointers.items", FL_KEY_POINTER, AT(fl_cfg_feed, items), .dflt = "", .help = "Format json: the records, an array or object in the document." },
	{ "feeds[].pointers.exceptions", FL_KEY_POINTER, AT(fl_cfg_feed, exceptions), .dflt = "", .help = "Format json: names that are exceptions at any depth, within this feed." },
	{ "feeds[].pointers.value", FL_KEY_POINTER_OR_KEY, AT(fl_cfg_feed, pointers.value), .dflt = "",
	  .help = "The name or URL, within a record; # is the record's own key in an object of records." },
	{ "feeds[].pointers.type", FL_KEY_POINTER, AT(fl_cfg_feed, pointers.type), .dflt = "", .help = "As in columns." },
	{ "feeds[].pointers.category", FL_KEY_POINTER, AT(fl_cfg_feed, pointers.category), .dflt = "", .help = "As in columns." },
	{ "feeds[].pointers.confidence", FL_KEY_POINTER, AT(fl_cfg_feed, pointers.confidence), .dflt = "", .help = "As in columns." },
	{ "feeds[].pointers.first_seen", FL_KEY_POINTER, AT(fl_cfg_feed, pointers.first_seen), .dflt = "", .help = "As in columns." },
	{ "feeds[].pointers.expires", FL_KEY_POINTER, AT(fl_cfg_feed, pointers.expires), .dflt = "", .help = "As in columns." },
	{ "feeds[].urls", FL_KEY_WORD, AT(fl_cfg_feed, urls), .words = feed_urls, .dflt = "auto",
	  .help = "What a URL in csv, json, stix2 and misp claims: its host, or nothing. auto: host for csv and json." },
	{ "feeds[].publish_guard", FL_KEY_MAP, .help = "Limits of this feed alone." },
	{ "feeds[].publish_guard.max_added_ratio", FL_KEY_REAL, AT(fl_cfg_feed, guard.max_added_ratio), .dflt_text = "its list's", .min = "0", .max = "1000",
	  .help = "As in domain_lists." },
	{ "feeds[].publish_guard.max_removed_ratio", FL_KEY_REAL, AT(fl_cfg_feed, guard.max_removed_ratio), .dflt_text = "its list's", .min = "0", .max = "1",
	  .help = "As in domain_lists." },

	{ "bootstrap", FL_KEY_MAP, .help = "How the hosts of feeds are resolved where fireline is this host's own resolver." },
	{ "bootstrap.servers", FL_KEY_SERVERS, ARRAY(fl_config, bootstrap_servers, n_bootstrap_servers), .frozen = true,
	  .help = "Asked directly, one after the other, port 53 unless given; none: the system resolves." },

	{ "protected", FL_KEY_MAP, .help = "Names that no feed may block, beside the shipped ones, the zones of upstreams, and the hosts of feeds, Redis and Kafka. What would is quarantined." },
	{ "protected.names", FL_KEY_ENTRIES, ARRAY(fl_config, protected_names, n_protected_names), .help = "\"x.example\": that name; \"*.x.example\": x.example and all below it." },
	{ "protected.files", FL_KEY_PATHS, ARRAY(fl_config, protected_files, n_protected_files), .help = "Files with one such name a line; # begins a comment." },

	{ "findings", FL_KEY_MAP, .help = "Detections that become entries with an expiry." },
	{ "findings.defaults", FL_KEY_MAP, .help = "For all findings." },
	{ "findings.defaults.into", FL_KEY_NAME, CFG(findings.into), .dflt = FL_LIST_FINDINGS_BLOCK, .help = "List of what is to be blocked." },
	{ "findings.defaults.alert_into", FL_KEY_NAME, CFG(findings.alert_into), .dflt = FL_LIST_FINDINGS_ALERT, .help = "List of what is to be logged only." },
	{ "findings.defaults.min_severity", FL_KEY_REAL, CFG(findings.min_severity), .dflt = "4.0", .min = "0", .max = "10", .help = "Lower ones are passed over." },
	{ "findings.defaults.ttl", FL_KEY_DURATION, CFG(findings.ttl_ms), .dflt = "14d", .min = "1m", .max = "400d", .help = "An entry leaves after this." },
	{ "findings.defaults.scope", FL_KEY_WORD, .words = auto_only, .dflt = "auto", .help = "By type: the registrable domain for exfiltration, else exact." },
	{ "findings.defaults.ignore_samples", FL_KEY_BOOL, CFG(findings.ignore_samples), .dflt = "true", .help = "Sample findings are passed over." },
	{ "findings.defaults.own_exports", FL_KEY_NAMES, ARRAY(fl_config, findings.own_exports, findings.n_own_exports),
	  .help = "What our own lists are called elsewhere, as rslvr-fdl-...: a finding of theirs is an echo. NAME and fireline-NAME of each list are known." },
	{ "findings.sources", FL_KEY_LIST, LIST(fl_config, findings.sources, findings.n_sources, fl_cfg_findings_source), .help = "Where findings come from." },
	{ "findings.sources[].name", FL_KEY_NAME, AT(fl_cfg_findings_source, name), .required = true, .help = "Name of the source." },
	{ "findings.sources[].type", FL_KEY_WORD, AT(fl_cfg_findings_source, type), .words = finding_types, .required = true, .help = "Kind of source." },
	{ "findings.sources[].path", FL_KEY_PATH, AT(fl_cfg_findings_source, path), .dflt = "",
	  .help = "directory: the folder that is watched; webhook: the path of its URL, as /v1/findings/NAME." },
	{ "findings.sources[].glob", FL_KEY_STRING, AT(fl_cfg_findings_source, glob), .dflt = "*.json", .help = "directory: names of the files." },
	{ "findings.sources[].done", FL_KEY_WORD, AT(fl_cfg_findings_source, done_move), .words = done_words, .dflt = "move",
	  .help = "directory: what becomes of a file that was taken: moved to done/, or deleted." },
	{ "findings.sources[].hmac_secret_file", FL_KEY_PATH, AT(fl_cfg_findings_source, hmac_secret_file), .dflt = "",
	  .help = "webhook: file that holds the secret of the sender's HMAC-SHA256 signature, 16 octets at least; several, one a line, while it is changed." },
	{ "findings.sources[].topic", FL_KEY_STRING, AT(fl_cfg_findings_source, topic), .dflt = "", .help = "kafka: the topic, without fireline's prefix." },
	{ "findings.sources[].group", FL_KEY_STRING, AT(fl_cfg_findings_source, group), .dflt = "fireline-findings", .help = "kafka: the consumer group." },
	{ "findings.sources[].mapping", FL_KEY_MAP, .help = "kafka, webhook: where the fields of a record of another shape stand; JSON pointers." },
	{ "findings.sources[].mapping.id", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.id), .dflt = "", .help = "What stays the same when it is sent again." },
	{ "findings.sources[].mapping.type", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.type), .dflt = "", .help = "Its type, for findings.actions." },
	{ "findings.sources[].mapping.domain", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.domain), .dflt = "", .help = "The bad name." },
	{ "findings.sources[].mapping.severity", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.severity), .dflt = "", .help = "0 to 10, or a word." },
	{ "findings.sources[].mapping.reason", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.reason), .dflt = "", .help = "A text for people." },
	{ "findings.sources[].mapping.updated_at", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.updated_at), .dflt = "", .help = "When it was last said." },
	{ "findings.sources[].mapping.expires_at", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.expires_at), .dflt = "", .help = "When it ends." },
	{ "findings.sources[].mapping.archived", FL_KEY_POINTER, AT(fl_cfg_findings_source, mapping.archived), .dflt = "", .help = "true: it is closed or judged false, and taken back." },
	{ "findings.sources[].queue_url", FL_KEY_URL, AT(fl_cfg_findings_source, queue_url), .dflt = "", .help = "sqs: the queue's URL." },
	{ "findings.sources[].region", FL_KEY_STRING, AT(fl_cfg_findings_source, region), .dflt = "", .help = "sqs, guardduty: the AWS region, as us-east-1." },
	{ "findings.sources[].detector_id", FL_KEY_STRING, AT(fl_cfg_findings_source, detector_id), .dflt = "", .help = "guardduty: the detector." },
	{ "findings.sources[].endpoint", FL_KEY_URL, AT(fl_cfg_findings_source, endpoint), .dflt = "",
	  .help = "sqs, guardduty: ask there in place of AWS's own endpoint: an interface endpoint, or a test server." },
	{ "findings.sources[].credentials_file", FL_KEY_PATH, AT(fl_cfg_findings_source, credentials_file), .dflt = "",
	  .help = "sqs, guardduty: AWS credentials; empty: environment, ~/.aws/credentials, container and instance metadata, in this order." },
	{ "findings.sources[].profile", FL_KEY_STRING, AT(fl_cfg_findings_source, profile), .dflt = "default", .help = "sqs, guardduty: the section of the credentials file." },
	{ "findings.sources[].ca_file", FL_KEY_PATH, AT(fl_cfg_findings_source, ca_file), .dflt = "", .help = "sqs, guardduty: authorities of the endpoint; empty: the system's." },
	{ "findings.sources[].wait", FL_KEY_DURATION, AT(fl_cfg_findings_source, wait_ms), .dflt = "20s", .min = "0s", .max = "20s", .help = "sqs: long poll." },
	{ "findings.sources[].visibility", FL_KEY_DURATION, AT(fl_cfg_findings_source, visibility_ms), .dflt = "60s", .min = "10s", .max = "12h",
	  .help = "sqs: so long a message is ours; renewed while it waits to become durable." },
	{ "findings.sources[].max_receives", FL_KEY_NUMBER, AT(fl_cfg_findings_source, max_receives), .dflt = "5", .min = "1", .max = "1000",
	  .help = "sqs: a message that cannot be read is set aside (topic dead-letter) when it was handed out so often." },
	{ "findings.sources[].every", FL_KEY_DURATION, AT(fl_cfg_findings_source, every_ms), .dflt = "5m", .min = "1s", .max = "1d", .help = "guardduty: how often it is asked." },
	{ "findings.sources[].enabled", FL_KEY_BOOL, AT(fl_cfg_findings_source, enabled), .dflt = "true", .help = "false: not read." },
	{ "findings.webhook", FL_KEY_MAP, .help = "The listener of sources of type webhook." },
	{ "findings.webhook.address", FL_KEY_ADDRESS, CFG(findings.webhook_address), .dflt_text = "off", .frozen = true, .help = "As \"127.0.0.1:8454\"." },
	{ "findings.webhook.cert_file", FL_KEY_PATH, CFG(findings.webhook_cert_file), .dflt = "", .frozen = true, .help = "TLS certificate, PEM; empty: no TLS." },
	{ "findings.webhook.key_file", FL_KEY_PATH, CFG(findings.webhook_key_file), .dflt = "", .frozen = true, .help = "Its key." },
	{ "findings.webhook.rate", FL_KEY_NUMBER, CFG(findings.webhook_rate), .dflt = "1000", .min = "1", .max = "1000000", .frozen = true,
	  .help = "Requests a second from one address; more are told to wait (429)." },
	{ "findings.webhook.max_bytes", FL_KEY_SIZE, CFG(findings.webhook_max_bytes), .dflt = "1MiB", .min = "1KiB", .max = "16MiB", .frozen = true,
	  .help = "Of a request's body; more is refused (413)." },
	{ "findings.actions", FL_KEY_LIST, LIST(fl_config, findings.rules, findings.n_rules, fl_cfg_finding_rule),
	  .help = "Policy by type, asked before the built-in one; the first that fits decides." },
	{ "findings.actions[].type", FL_KEY_STRING, AT(fl_cfg_finding_rule, type), .required = true, .help = "Finding type, with * and ?." },
	{ "findings.actions[].action", FL_KEY_WORD, AT(fl_cfg_finding_rule, action), .words = finding_actions, .dflt = "block", .help = "What it does." },
	{ "findings.actions[].scope", FL_KEY_WORD, AT(fl_cfg_finding_rule, scope), .words = finding_scopes, .dflt = "auto", .help = "What the claim covers." },
	{ "findings.actions[].into", FL_KEY_NAME, AT(fl_cfg_finding_rule, into), .dflt_text = "findings.defaults.into or alert_into", .help = "The list it goes into." },
	{ "findings.actions[].ttl", FL_KEY_DURATION, AT(fl_cfg_finding_rule, ttl_ms), .dflt_text = "findings.defaults.ttl", .min = "1m", .max = "400d",
	  .help = "An entry leaves after this." },

	{ "rule_groups", FL_KEY_LIST, LIST(fl_config, rule_groups, n_rule_groups, fl_cfg_rule_group), .help = "Rules, grouped; lowest priority number first." },
	{ "rule_groups[].name", FL_KEY_NAME, AT(fl_cfg_rule_group, name), .required = true, .help = "Name of the group." },
	{ "rule_groups[].rules", FL_KEY_LIST, LIST(fl_cfg_rule_group, rules, n_rules, fl_cfg_rule), .required = true,
	  .help = "The first whose list covers the name and whose q_type fits decides." },
	{ "rule_groups[].rules[].name", FL_KEY_NAME, AT(fl_cfg_rule, name), .required = true, .help = "Name of the rule." },
	{ "rule_groups[].rules[].priority", FL_KEY_NUMBER, AT(fl_cfg_rule, priority), .required = true, .min = "1", .max = "1000000", .help = "Its place." },
	{ "rule_groups[].rules[].domain_list", FL_KEY_NAME, AT(fl_cfg_rule, list), .required = true, .help = "The list it asks." },
	{ "rule_groups[].rules[].action", FL_KEY_WORD, AT(fl_cfg_rule, action), .words = actions, .required = true, .help = "ALERT answers and logs." },
	{ "rule_groups[].rules[].block_response", FL_KEY_WORD, AT(fl_cfg_rule, block_response), .words = responses, .dflt_text = "NXDOMAIN for BLOCK",
	  .help = "The answer of a BLOCK." },
	{ "rule_groups[].rules[].block_override_domain", FL_KEY_DOMAIN, AT(fl_cfg_rule, override_domain), .dflt_text = "none",
	  .help = "Target of an OVERRIDE with a CNAME." },
	{ "rule_groups[].rules[].block_override_address", FL_KEY_ADDRESSES, ARRAY(fl_cfg_rule, override_addresses, n_override_addresses), .dflt_text = "none",
	  .help = "Data of an OVERRIDE with A or AAAA: one address or up to 8; other query types get NODATA." },
	{ "rule_groups[].rules[].block_override_dns_type", FL_KEY_WORD, AT(fl_cfg_rule, override_type), .words = override_types,
	  .dflt_text = "that of the address, else CNAME", .help = "Record type of an OVERRIDE." },
	{ "rule_groups[].rules[].block_override_ttl", FL_KEY_SECONDS, AT(fl_cfg_rule, override_ttl), .dflt = "60", .min = "0", .max = "604800",
	  .help = "TTL of an OVERRIDE's record." },
	{ "rule_groups[].rules[].q_type", FL_KEY_QTYPES, ARRAY(fl_cfg_rule, q_types, n_q_types), .dflt_text = "all",
	  .help = "One type or a list of up to 16, by name or as TYPE1 to TYPE65534. ANY is a type of its own." },
	{ "rule_groups[].rules[].domain_redirection_action", FL_KEY_WORD, AT(fl_cfg_rule, trust_redirection), .words = redirections,
	  .dflt = "INSPECT_REDIRECTION_DOMAIN", .help = "Whether names behind a CNAME or DNAME are asked too." },
	{ "rule_groups[].rules[].continue", FL_KEY_BOOL, AT(fl_cfg_rule, continue_), .dflt = "false", .help = "true: an ALERT goes on to the next rule." },

	{ "organisation", FL_KEY_MAP, .help = "Rule groups round every client's own." },
	{ "organisation.before", FL_KEY_NAMES, ARRAY(fl_config, org_before, n_org_before), .help = "Asked first." },
	{ "organisation.after", FL_KEY_NAMES, ARRAY(fl_config, org_after, n_org_after), .help = "Asked last." },

	{ "associations", FL_KEY_LIST, LIST(fl_config, associations, n_associations, fl_cfg_association),
	  .help = "Which clients have which rule groups; the longest matching network decides." },
	{ "associations[].name", FL_KEY_NAME, AT(fl_cfg_association, name), .required = true, .help = "Name of the association." },
	{ "associations[].networks", FL_KEY_NETWORKS, ARRAY(fl_cfg_association, networks, n_networks), .required = true, .help = "Client networks." },
	{ "associations[].rule_groups", FL_KEY_LIST, LIST(fl_cfg_association, groups, n_groups, fl_cfg_group_ref), .help = "Groups, by priority." },
	{ "associations[].rule_groups[].name", FL_KEY_NAME, AT(fl_cfg_group_ref, name), .required = true, .help = "The group." },
	{ "associations[].rule_groups[].priority", FL_KEY_NUMBER, AT(fl_cfg_group_ref, priority), .required = true, .min = "1", .max = "1000000", .help = "Its place." },
	{ "associations[].fail_open", FL_KEY_BOOL, AT(fl_cfg_association, fail_open), .dflt = "false",
	  .help = "When a rule names a list this enforcer never held: true passes the rule over, false answers SERVFAIL." },
	{ "associations[].mutation_protection", FL_KEY_BOOL, AT(fl_cfg_association, mutation_protection), .dflt = "false",
	  .help = "true: a reload that changes or removes this association is refused, until one has switched this off and changed nothing else of it." },

	{ "ede", FL_KEY_MAP, .help = "Extended DNS errors in block answers (RFC 8914), for clients that speak EDNS." },
	{ "ede.text", FL_KEY_WORD, CFG(ede_text), .words = ede_texts, .dflt = "auto", .help = "auto: in full to private client addresses, the reference to others." },
	{ "ede.contact", FL_KEY_STRING, CFG(ede_contact), .dflt = "", .help = "Whom a blocked person can ask." },

	{ "redis", FL_KEY_MAP, .help = "The store." },
	{ "redis.url", FL_KEY_REDIS, CFG(redis_url), .dflt = "", .frozen = true, .help = "redis://host:port/db or unix:///path; empty: none." },
	{ "redis.username", FL_KEY_STRING, CFG(redis_username), .dflt = "", .frozen = true, .help = "ACL user; it needs the channels fl:*." },
	{ "redis.password_file", FL_KEY_PATH, CFG(redis_password_file), .dflt = "", .frozen = true, .help = "File that holds the password." },
	{ "redis.prefix", FL_KEY_PREFIX, CFG(redis_prefix), .dflt = "fl:", .frozen = true,
	  .help = "Deployment name before all keys; it is put in braces, {fl}:, so that a cluster keeps the keys in one slot." },
	{ "redis.binary", FL_KEY_PATH, CFG(redis_binary), .dflt = "", .frozen = true, .help = "redis-server for --embedded and demo; empty: searched." },
	{ "redis.durability", FL_KEY_WORD, CFG(durability_always), .words = durabilities, .dflt = "always", .frozen = true,
	  .help = "How Redis syncs: with always its reply is the promise." },
	{ "redis.keep", FL_KEY_MAP, .help = "Retention of versions." },
	{ "redis.keep.age", FL_KEY_DURATION, CFG(keep_age_ms), .dflt = "30d", .min = "1h", .max = "400d", .frozen = true, .help = "Versions older than this go." },
	{ "redis.keep.bytes", FL_KEY_SIZE, CFG(keep_bytes), .dflt = "1GiB", .min = "1MiB", .max = "1024GiB", .frozen = true, .help = "And earlier, past so many bytes." },

	{ "kafka", FL_KEY_MAP, .help = "The bus." },
	{ "kafka.brokers", FL_KEY_BROKERS, CFG(kafka_brokers), .dflt = "", .frozen = true, .help = "Bootstrap servers; none: no bus." },
	{ "kafka.topic_prefix", FL_KEY_STRING, CFG(topic_prefix), .dflt = "fireline.", .frozen = true, .help = "Before every topic." },
	{ "kafka.create_topics", FL_KEY_WORD, CFG(create_topics), .words = create_words, .dflt = "check", .frozen = true,
	  .help = "Whether missing topics are made, said, or passed over." },
	{ "kafka.librdkafka", FL_KEY_OPTIONS, CFG(kafka_options), .frozen = true, .help = "Passed through to every client, names as in librdkafka's manual." },
	{ "kafka.query_log", FL_KEY_OPTIONS, CFG(kafka_qlog_options), .frozen = true, .help = "The same, for the producer of the query log." },

	{ "query_log", FL_KEY_MAP, .help = "One record an answered query." },
	{ "query_log.enabled", FL_KEY_BOOL, CFG(query_log_enabled), .dflt = "true", .frozen = true, .help = "false: no records." },
	{ "query_log.schema", FL_KEY_WORD, .words = schemas, .dflt = "route53", .help = "Shape of a record." },
	{ "query_log.ring", FL_KEY_SIZE, CFG(ring_bytes), .dflt = "16MiB", .min = "64KiB", .max = "1GiB", .frozen = true,
	  .help = "Ring of each answering thread, in `runtime`." },
	{ "query_log.on_overload", FL_KEY_WORD, .words = overload_words, .dflt = "drop_allow_first", .help = "BLOCK and ALERT records go last." },
	{ "query_log.sinks", FL_KEY_SINKS, .dflt_text = "kafka", .frozen = true,
	  .help = "Where records go: {type: kafka}, and {type: file} with the keys of query_log.file." },
	{ "query_log.file", FL_KEY_MAP, .help = "A local copy, rotated." },
	{ "query_log.file.path", FL_KEY_PATH, CFG(query_log_file), .dflt = "", .frozen = true, .help = "The file; empty: none." },
	{ "query_log.file.rotate", FL_KEY_SIZE, CFG(query_log_file_rotate), .dflt = "256MiB", .min = "64KiB", .max = "64GiB", .frozen = true, .help = "A new file after so many bytes." },
	{ "query_log.file.keep", FL_KEY_NUMBER, CFG(query_log_file_keep), .dflt = "8", .min = "1", .max = "1000", .frozen = true, .help = "Files kept." },

	{ "admin", FL_KEY_MAP, .help = "How commands and metrics reach the roles." },
	{ "admin.unix_socket", FL_KEY_MAP, .help = "Commands. The peer's credentials decide: root and the group may change, others read." },
	{ "admin.unix_socket.path", FL_KEY_PATH, CFG(admin_socket), .dflt_text = "RUNTIME/admin.sock", .frozen = true, .help = "The socket." },
	{ "admin.unix_socket.mode", FL_KEY_MODE, CFG(admin_mode), .dflt = "0666", .frozen = true, .help = "Its permissions, octal." },
	{ "admin.unix_socket.group", FL_KEY_STRING, CFG(admin_group), .dflt = "fireline", .frozen = true, .help = "The group that may change." },
	{ "admin.metrics", FL_KEY_MAP, .help = "Prometheus metrics." },
	{ "admin.metrics.address", FL_KEY_ADDRESS, CFG(metrics_address), .dflt_text = "off", .frozen = true, .help = "Where /metrics is served." },

	{ "admin.metrics.path", FL_KEY_WORD, .words = metric_paths, .dflt = "/metrics", .frozen = true, .help = "Its path." },
	{ "admin.metrics.auth", FL_KEY_WORD, .words = metric_auth, .dflt = "none", .frozen = true, .help = "Keep the address on loopback." },

	{ "log", FL_KEY_MAP, .help = "fireline's own log, on stderr." },
	{ "log.level", FL_KEY_WORD, CFG(log_level), .words = levels, .dflt = "info", .frozen = true, .help = "The least that is logged." },
	{ "log.format", FL_KEY_WORD, CFG(log_format), .words = log_formats, .dflt = "auto", .frozen = true, .help = "auto: text on a terminal, else JSON." },
};
const size_t fl__keys_n = sizeof(fl__keys) / sizeof(fl__keys[0]);

const char *fl__key_child(const struct fl_key *k, const char *prefix)
{
	size_t n = strlen(prefix);
	const char *rest;

	if (n == 0)
		rest = k->path;
	else if (strncmp(k->path, prefix, n) == 0 && k->path[n] == '.')
		rest = k->path + n + 1;
	else
		return NULL;
	return strchr(rest, '.') ? NULL : rest;
}

const struct fl_key *fl__key_find(const char *prefix, const char *name)
{
	for (size_t i = 0; i < fl__keys_n; i++) {
		const char *child = fl__key_child(&fl__keys[i], prefix);

		if (child && strcmp(child, name) == 0)
			return &fl__keys[i];
	}
	return NULL;
}

const char *fl__key_later(const char *prefix, const char *name)
{
	static const struct {
		const char *prefix, *name, *instead;
	} later[] = {
		{ "", "traffic_record", "leave it out; traffic is not recorded yet" },
		{ "domain_lists[]", "builtin", "leave it out; computed lists come later" },
		{ "domain_lists[].publish_guard", "max_newly_blocked_clients", "max_added_ratio and max_removed_ratio are checked" },
		{ "domain_lists[].publish_guard", "max_popular_names", "max_added_ratio and max_removed_ratio are checked" },
		{ "domain_lists[].publish_guard", "popular_rank", "max_added_ratio and max_removed_ratio are checked" },
		{ "domain_lists[].publish_guard", "window", "max_added_ratio and max_removed_ratio are checked" },
		{ "domain_lists[].publish_guard", "on_trip", "a source version outside the limits is held" },
		{ "query_log", "privacy", "client addresses are logged in full" },
		{ "query_log.sinks[]", "filter", "every record goes to every sink" },
		{ "admin", "http", "use the Unix socket" },
		{ "listen[]", "cert_file", "udp and tcp are served" },
		{ "listen[]", "key_file", "udp and tcp are served" },
	};

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		if (strcmp(later[i].prefix, prefix) == 0 && strcmp(later[i].name, name) == 0)
			return later[i].instead;
	return NULL;
}
