/* The configuration as data: what cli/config_yaml.c reads and every stage borrows. Immutable once loaded; a reload makes another. All strings
 * live in the config's arena; an absent string is "" unless said. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "model/entry.h"
#include "model/qlog.h"

/* Built-in lists. They exist in every deployment. */
#define FL_LIST_OPERATOR_ALLOW "operator-allow"
#define FL_LIST_OPERATOR_BLOCK "operator-block"
#define FL_LIST_FINDINGS_BLOCK "findings-block"
#define FL_LIST_FINDINGS_ALERT "findings-alert"
/* Topics, without prefix. */
#define FL_TOPIC_LIST_EVENTS "list-events"
#define FL_TOPIC_FINDINGS "findings"
#define FL_TOPIC_QUERY_LOG "query-log"
#define FL_TOPIC_QUERY_LOG_MARKS "query-log-marks"
#define FL_TOPIC_ENFORCER_STATE "enforcer-state"
#define FL_TOPIC_AUDIT "audit"
#define FL_TOPIC_DEAD_LETTER "dead-letter"

struct fl_cfg_listen {
	bool tcp;
	const char *address; /* "0.0.0.0:53", "[::]:53" */
	uint32_t workers;    /* udp: 0 = auto, one a core */
	int64_t idle_timeout_ms;
	uint32_t max_connections;
};
struct fl_cfg_upstream {
	const char *name;
	const char *const *zones; /* canonical text; n_zones 0: every name */
	size_t n_zones;
	const char *const *servers; /* "192.0.2.1:53" */
	size_t n_servers;
	int64_t timeout_ms;
	uint32_t retries;
	bool mixed_case; /* 0x20 */
	bool trust_ad;
};
struct fl_cfg_network {
	bool v6;
	uint8_t addr[16];
	uint8_t prefix;
};
struct fl_cfg_guard {
	double max_added_ratio, max_removed_ratio;
};
struct fl_cfg_list {
	const char *name, *description;
	const char *const *entries; /* as in AWS: a name, "*.name", or "*" */
	size_t n_entries;
	int64_t default_ttl_ms; /* 0: none */
	struct fl_cfg_guard guard;
	bool builtin;
};
struct fl_cfg_header {
	const char *name, *file;
};
/* Which field of a record says what; "": none. */
struct fl_cfg_fields {
	const char *value, *type, *category, *confidence, *first_seen, *expires;
};
struct fl_cfg_feed {
	const char *name, *url, *path; /* one of url and path */
	const char *preset;	       /* "" or a name of feeds/catalog.h, whose values stand where the feed has none of its own */
	int format;		       /* enum fl_format of feeds/feeds.h */
	uint8_t scope;		       /* FL_SCOPE_*; 0: as_written */
	const char *into;
	int64_t every_ms, stale_after_ms, timeout_ms;
	uint32_t jitter_percent;
	uint8_t confidence;
	enum fl_category category;
	uint64_t min_names, max_names, max_bytes;
	uint32_t remove_after_absent; /* 1: leaves with the first fetch that lacks it */
	const struct fl_cfg_header *headers;
	size_t n_headers;
	bool watch, enabled, allow_private;
	const char *ca_file; /* "": the system's authorities */
	const char *licence;
	struct fl_cfg_fields columns, pointers; /* csv; json and ndjson */
	const char *items, *exceptions;		/* json: pointers */
	char delimiter;				/* csv */
	int urls;				/* enum fl_feed_urls of feeds/feeds.h */
	struct fl_cfg_guard guard; /* of its list, unless it has its own */
};
enum fl_cfg_findings_type { FL_FINDINGS_DIRECTORY, FL_FINDINGS_WEBHOOK, FL_FINDINGS_KAFKA, FL_FINDINGS_SQS, FL_FINDINGS_GUARDDUTY };
/* Where the fields of a foreign record stand, each a JSON pointer (RFC 6901) or "". */
struct fl_cfg_finding_mapping {
	const char *id, *type, *domain, *severity, *reason, *updated_at, *expires_at, *archived;
};
struct fl_cfg_findings_source {
	const char *name;
	enum fl_cfg_findings_type type;
	bool enabled;
	const char *path;	      /* directory: the folder; webhook: the path of its URL */
	const char *glob;	      /* directory */
	bool done_move;		      /* directory; done: move; else delete */
	const char *hmac_secret_file; /* webhook */
	const char *topic, *group;    /* kafka; the topic as it is, without our prefix */
	struct fl_cfg_finding_mapping mapping;
	/* sqs, guardduty */
	const char *queue_url, *region, *detector_id;
	const char *endpoint;			/* in place of AWS's own, "" none: a proxy, or a double */
	const char *credentials_file, *profile; /* "" environment, then the usual file, then the metadata services */
	const char *ca_file;
	int64_t wait_ms, visibility_ms, every_ms;
	uint32_t max_receives; /* sqs: a message that was handed out more often and still cannot be read is set aside */
};
struct fl_cfg_finding_rule {
	const char *type;
	int action, scope; /* enum fl_finding_action; as in normalize.h */
	int64_t ttl_ms;
	const char *into; /* "" the list of its action */
};
struct fl_cfg_findings {
	const char *into, *alert_into;
	double min_severity;
	int64_t ttl_ms;
	bool ignore_samples;
	const char *const *own_exports; /* names and ids of our lists elsewhere */
	size_t n_own_exports;
	const struct fl_cfg_findings_source *sources;
	size_t n_sources;
	const char *webhook_address, *webhook_cert_file, *webhook_key_file; /* where webhooks are received; "" not */
	uint32_t webhook_rate;						    /* requests a second from one address */
	uint64_t webhook_max_bytes;
	const struct fl_cfg_finding_rule *rules;
	size_t n_rules;
};
enum fl_override_type { FL_OVERRIDE_CNAME, FL_OVERRIDE_A, FL_OVERRIDE_AAAA };
struct fl_cfg_address {
	bool v6;
	uint8_t addr[16];
};
struct fl_cfg_rule {
	const char *name;
	uint32_t priority;
	const char *list;
	enum fl_action action;
	enum fl_block_response block_response;
	enum fl_override_type override_type;
	const char *override_domain; /* CNAME: canonical text */
	const struct fl_cfg_address *override_addresses; /* A, AAAA: of that family */
	size_t n_override_addresses;
	uint32_t override_ttl; /* seconds */
	uint16_t q_types[16];
	size_t n_q_types; /* 0: all */
	bool trust_redirection;
	bool continue_;
};
struct fl_cfg_rule_group {
	const char *name;
	const struct fl_cfg_rule *rules; /* by rising priority */
	size_t n_rules;
};
struct fl_cfg_group_ref {
	const char *name;
	uint32_t priority;
};
struct fl_cfg_association {
	const char *name;
	const struct fl_cfg_network *networks;
	size_t n_networks;
	const struct fl_cfg_group_ref *groups; /* by rising priority */
	size_t n_groups;
	bool fail_open;
	bool mutation_protection; /* a reload does not change or remove it: matcher/protection.c */
};
enum fl_ede_text { FL_EDE_AUTO, FL_EDE_FULL, FL_EDE_REF, FL_EDE_OFF };
enum fl_mode { FL_MODE_RUN, FL_MODE_EMBEDDED, FL_MODE_DEMO };

struct fl_config {
	struct fl_arena arena;
	enum fl_mode mode;
	const char *file;	     /* the main file; "" in demo */
	const char *state, *runtime; /* folders */
	const char *node_name, *site, *account_id;
	const struct fl_cfg_listen *listens;
	size_t n_listens;
	const struct fl_cfg_upstream *upstreams;
	size_t n_upstreams;
	bool upstream_builtin; /* demo: answers made by fireline itself */
	uint64_t cache_bytes;
	int64_t cache_min_ttl_ms, cache_max_ttl_ms, cache_negative_max_ttl_ms, serve_stale_ms;
	bool prefetch;
	const struct fl_cfg_network *allowed_clients; /* none: loopback and private networks */
	size_t n_allowed_clients;
	bool drop_others; /* clients that are not allowed hear nothing; else REFUSED */
	struct fl_cfg_rate {
		uint32_t per_client, burst; /* questions a second, 0: no limit; burst 0: twice per_client */
		uint32_t ipv4_prefix, ipv6_prefix;
		const struct fl_cfg_network *exempt;
		size_t n_exempt;
		uint32_t waiting; /* questions of one client that wait for an upstream; 0: 1,000 */
	} rate;
	bool cookies;
	const char *cookie_secret_file; /* 32 hexadecimal digits a line, the newest first; "": random */
	bool special_names, doh_canary;
	bool rebinding;
	const char *const *rebinding_allow; /* names at and below which private addresses are right */
	size_t n_rebinding_allow;
	const struct fl_cfg_list *lists; /* built-in ones included */
	size_t n_lists;
	const struct fl_cfg_feed *feeds;
	size_t n_feeds;
	const char *const *bootstrap_servers; /* that feed hosts are resolved through; none: the system's */
	size_t n_bootstrap_servers;
	const char *const *protected_names, *const *protected_files; /* "x", "*.x"; files hold one a line */
	size_t n_protected_names, n_protected_files;
	struct fl_cfg_findings findings;
	const struct fl_cfg_rule_group *rule_groups;
	size_t n_rule_groups;
	const char *const *org_before, *const *org_after; /* rule group names */
	size_t n_org_before, n_org_after;
	const struct fl_cfg_association *associations;
	size_t n_associations;
	enum fl_ede_text ede_text;
	const char *ede_contact;
	uint32_t block_ttl; /* seconds, of block answers: 30 */
	const char *redis_url, *redis_username, *redis_password_file, *redis_prefix, *redis_binary;
	bool durability_always;
	int64_t keep_age_ms;
	uint64_t keep_bytes;
	const char *kafka_brokers; /* joined by commas; "": none */
	const char *topic_prefix;
	int create_topics; /* 0 off, 1 check, 2 create */
	const char *const *kafka_options, *const *kafka_qlog_options; /* name, value, ..., NULL */
	bool query_log_enabled;
	const char *query_log_file; /* embedded: rotating local file; "": none */
	uint64_t query_log_file_rotate;
	uint32_t query_log_file_keep;
	uint64_t ring_bytes; /* of each answering thread */
	const char *admin_socket, *admin_group;
	uint32_t admin_mode;
	const char *metrics_address; /* "127.0.0.1:9853"; "": off */
	const char *psl_file;
	int64_t startup_grace_ms, head_poll_ms;
	int log_level, log_format;
};

/** One source of a list, by configuration. */
struct fl_cfg_source {
	const char *source; /* set name */
	enum fl_cfg_source_kind { FL_SRC_FEED, FL_SRC_OPERATOR, FL_SRC_CONFIG, FL_SRC_FINDINGS } kind;
};
/**
 * The sources that feed a list, sorted by name: its enabled feeds (the feed's name), "LIST.operator", "LIST.config" when it has entries, and for the
 * findings lists "SOURCE.block" or "SOURCE.alert" of each findings source and of the built-in source "cli", for the list of a rule of its own "SOURCE.block.LIST"
 * (fl_config_finding_set). Returns the count, *out in arena;
 * 0 and NULL when out of memory (a list has one source at least).
 */
size_t fl_config_sources(const struct fl_config *c, const char *list, struct fl_arena *arena, struct fl_cfg_source **out);
/**
 * The set that holds what a findings source claims for one list: "SOURCE.ACTION", or "SOURCE.ACTION.LIST" when a rule names another list than its action has. Action: "block" or
 * "alert". A set feeds one list, so that list and claim never part. False when the name is too long (config check has refused it).
 */
bool fl_config_finding_set(const struct fl_config *c, const char *source, const char *action, const char *list, char out[FL_SET_NAME]);
const struct fl_cfg_list *fl_config_list(const struct fl_config *c, const char *name);
const struct fl_cfg_feed *fl_config_feed(const struct fl_config *c, const char *name);
const struct fl_cfg_rule_group *fl_config_rule_group(const struct fl_config *c, const char *name);
void fl_config_free(struct fl_config *c);
