#include "cli/context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/config.h"
#include "matcher/policy.h"

enum { STORE_TIMEOUT_MS = 5000, STORE_CONNECT_MS = 2000 };

const char *fl_role_socket(const struct fl_config *cfg, const char *role, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s/%s.sock", cfg->runtime, role);
	return buf;
}

/* The bus role writes its address here once it listens. */
static const char *bus_address(struct fl_config *cfg)
{
	char path[512], line[128] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/bus.addr", cfg->runtime);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
	line[strcspn(line, "\r\n")] = '\0';
	return fl_arena_str(&cfg->arena, line);
}

/* The mock broker does not wake a waiting fetch when a record comes: ask often (measured: 16 ms from produce to fetch with 50 ms, 6.5 ms with 10). */
static const char *const mock_options[] = { "fetch.wait.max.ms", "5", NULL };

void fl_mode_apply(struct fl_config *cfg, enum fl_mode mode)
{
	const char *brokers;

	cfg->mode = mode;
	if (mode == FL_MODE_RUN)
		return;
	cfg->redis_url = fl_arena_printf(&cfg->arena, "unix://%s/redis.sock", cfg->runtime);
	cfg->redis_username = cfg->redis_password_file = "";
	brokers = bus_address(cfg);
	cfg->kafka_brokers = brokers ? brokers : "";
	cfg->kafka_options = mock_options;
	cfg->kafka_qlog_options = NULL;
	cfg->create_topics = 0; /* the bus role has made them */
	if (mode == FL_MODE_EMBEDDED && !cfg->query_log_file[0]) {
		cfg->query_log_file = fl_arena_printf(&cfg->arena, "%s/query.jsonl", cfg->state);
		cfg->query_log_file_rotate = 256u << 20;
		cfg->query_log_file_keep = 4;
	}
}

int fl_context_config(const struct fl_run_args *args, struct fl_config **out)
{
	struct fl_diag diag = { 0 };
	int ret;

	if (args->mode == FL_MODE_DEMO)
		ret = fl_config_demo(args->demo_folder, out);
	else
		ret = fl_config_load(args->config_path, out, &diag);
	if (args->mode != FL_MODE_DEMO)
		fl_diag_print(&diag, stderr);
	fl_diag_done(&diag);
	if (ret == 0)
		fl_mode_apply(*out, args->mode);
	return ret;
}

static const char *reload_file(const struct fl_config *cfg, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s/reload.error", cfg->runtime);
	return buf;
}

void fl_context_reload_said(const struct fl_config *cfg, const char *why)
{
	char path[512];
	FILE *f = NULL;

	if (!why)
		unlink(reload_file(cfg, path, sizeof(path)));
	else
		f = fopen(reload_file(cfg, path, sizeof(path)), "we");
	if (f) {
		fprintf(f, "%s\n", *why ? why : "the file has errors: fireline config check");
		fclose(f);
	}
}

const char *fl_context_reload_problem(const struct fl_config *cfg, char *buf, size_t cap)
{
	char path[512];
	FILE *f = fopen(reload_file(cfg, path, sizeof(path)), "re");

	if (!f || !fgets(buf, (int)cap, f))
		buf[0] = '\0';
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

int fl_context_next(const struct fl_run_args *args, const struct fl_config *old, struct fl_config **out, struct fl_err *err)
{
	struct fl_config *next = NULL;
	int ret = fl_context_config(args, &next);

	if (ret < 0)
		return ret;
	ret = fl_policy_protected(old, next, err);
	if (ret < 0) {
		fl_config_free(next);
		return ret;
	}
	*out = next;
	return 0;
}

int fl_context_reload(const struct fl_run_args *args, const struct fl_config *old, struct fl_config **out, struct fl_err *err)
{
	const char *keys[16];
	int ret = fl_context_next(args, old, out, err);
	size_t n = ret == 0 ? fl_config_frozen(old, *out, keys, 16) : 0;

	for (size_t i = 0; i < n && i < 16; i++)
		FL_LOG(FL_LOG_WARN, "this key takes effect only after a restart", FL_F_STR("key", keys[i]));
	return ret;
}

static int read_secret(const char *path, char *out, size_t cap, struct fl_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return fl_err_set(err, FL_ECONFIG, "redis.password_file '%s' cannot be read", path);
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

int fl_context_store(const struct fl_config *cfg, struct fl_store **out, struct fl_err *err)
{
	struct fl_store_redis_config c = { .url = cfg->redis_url, .prefix = cfg->redis_prefix, .connect_timeout_ms = STORE_CONNECT_MS,
					   .timeout_ms = STORE_TIMEOUT_MS };
	char password[1024] = "";
	int ret = 0;

	if (!cfg->redis_url[0])
		return fl_err_set(err, FL_ECONFIG, "redis.url: this role needs a store");
	if (cfg->redis_password_file[0])
		ret = read_secret(cfg->redis_password_file, password, sizeof(password), err);
	c.username = cfg->redis_username[0] ? cfg->redis_username : NULL;
	c.password = password[0] ? password : NULL;
	if (ret == 0)
		ret = fl_store_redis_open(&c, out, err);
	explicit_bzero(password, sizeof(password));
	return ret;
}

int fl_context_store_check(struct fl_store *store, struct fl_store_watch *w, fl_mono_ns now, struct fl_err *err)
{
	char warning[300] = "";
	int ret;

	if (w->done || now < w->at)
		return 0;
	w->at = now + 5 * FL_NS_PER_S;
	ret = fl_store_redis_check(store, warning, sizeof(warning), err);
	w->done = ret == 0;
	if (warning[0])
		FL_LOG(FL_LOG_WARN, "redis", FL_F_STR("why", warning));
	return ret == FL_EREFUSED ? ret : 0;
}

int fl_context_bus(const struct fl_config *cfg, const char *client, struct fl_bus **out, struct fl_err *err)
{
	struct fl_bus_kafka_config c = { .brokers = cfg->kafka_brokers, .topic_prefix = cfg->topic_prefix, .client_id = client,
					 .librdkafka = cfg->kafka_options, .query_log = cfg->kafka_qlog_options, .create_topics = cfg->create_topics == 2 };

	*out = NULL;
	if (!cfg->kafka_brokers[0])
		return 0;
	return fl_bus_kafka_open(&c, out, err);
}

int fl_context_sets(const struct fl_config *cfg, struct fl_sets *out, struct fl_err *err)
{
	memset(out, 0, sizeof(*out));
	out->clock = fl_clock_sys();
	out->random = fl_random_sys();
	out->keep_age_ms = cfg->keep_age_ms;
	out->keep_bytes = cfg->keep_bytes;
	out->keep_floor = 10;
	return fl_context_store(cfg, &out->store, err);
}

int fl_context_sets_or_none(const struct fl_config *cfg, struct fl_sets *out, struct fl_err *err)
{
	if (cfg->redis_url[0])
		return fl_context_sets(cfg, out, err);
	memset(out, 0, sizeof(*out));
	out->clock = fl_clock_sys();
	out->random = fl_random_sys();
	out->store = fl_store_none();
	return 0;
}

void fl_context_sets_done(struct fl_sets *s)
{
	if (s->store)
		fl_store_close(s->store);
	s->store = NULL;
}

void fl_context_ledger(const struct fl_config *cfg, struct fl_disk **out)
{
	char folder[600];
	struct fl_err err = { 0 };

	snprintf(folder, sizeof(folder), "%.580s/ledger", cfg->state);
	mkdir(cfg->state, 0750);
	*out = NULL;
	if (fl_disk_posix_open(folder, out, &err) < 0)
		FL_LOG(FL_LOG_WARN, "what is acknowledged cannot be kept here: while Kafka is away nothing is acknowledged", FL_F_STR("why", err.text));
}

/* UX.md 10. */
static const struct topic {
	const char *name;
	int partitions;
	const char *config[5];
} topics[] = {
	{ FL_TOPIC_LIST_EVENTS, 6, { "cleanup.policy", "compact", "min.compaction.lag.ms", "604800000", NULL } },
	{ FL_TOPIC_FINDINGS, 3, { "cleanup.policy", "compact", "min.compaction.lag.ms", "604800000", NULL } }, /* the ledger: docs/decisions/ledger.md */
	{ FL_TOPIC_QUERY_LOG, 12, { "retention.ms", "604800000", NULL } },
	{ FL_TOPIC_QUERY_LOG_MARKS, 1, { "retention.ms", "604800000", NULL } },
	{ FL_TOPIC_ENFORCER_STATE, 1, { "cleanup.policy", "compact", NULL } },
	{ FL_TOPIC_AUDIT, 1, { "retention.ms", "34560000000", NULL } },
	{ FL_TOPIC_DEAD_LETTER, 1, { "retention.ms", "1209600000", NULL } },
};

int fl_context_topics(const struct fl_config *cfg, struct fl_bus *bus, struct fl_err *err)
{
	if (!bus || cfg->create_topics != 2)
		return 0;
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		int ret = fl_bus_create_topic(bus, topics[i].name, topics[i].partitions, topics[i].config, err);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int fl_context_mock_topics(struct fl_bus_mock *m, const char *prefix, struct fl_err *err)
{
	char name[256];

	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		int ret;

		snprintf(name, sizeof(name), "%s%s", prefix, topics[i].name);
		ret = fl_bus_mock_topic(m, name, topics[i].partitions > 4 ? 4 : topics[i].partitions, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int fl_context_admin(const struct fl_config *cfg, const char *role, const struct fl_admin_route *routes, size_t n, void *ctx, struct fl_admin **out,
		     struct fl_err *err)
{
	char path[512];
	struct fl_admin_config c = { .unix_path = fl_role_socket(cfg, role, path, sizeof(path)), .mode = cfg->admin_mode, .group = cfg->admin_group,
				     .routes = routes, .n_routes = n, .ctx = ctx };

	if (mkdir(cfg->runtime, 0755) < 0 && access(cfg->runtime, W_OK) < 0)
		return fl_err_set(err, FL_EIO, "runtime folder '%s' cannot be used", cfg->runtime);
	return fl_admin_open(&c, out, err);
}
