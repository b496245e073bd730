/* Role bus: librdkafka's mock broker in a process of its own, for demo and --embedded. A transport only: it keeps 5 MiB a partition and forgets on exit. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/context.h"

int fl_role_bus(const struct fl_run_args *args)
{
	char brokers[128], path[512], temp[520];
	struct fl_bus_mock *mock = NULL;
	struct fl_config *cfg = NULL;
	struct fl_loop loop = { 0 };
	struct fl_err err = { 0 };
	FILE *f;
	int ret = fl_context_config(args, &cfg);

	if (ret < 0)
		return 78;
	fl_log_setup("bus", (enum fl_log_level)cfg->log_level, (enum fl_log_format)cfg->log_format, 2);
	fl_loop_block_signals();
	ret = fl_loop_init(&loop, true);
	if (ret == 0)
		ret = fl_bus_mock_start(&mock, brokers, sizeof(brokers), &err);
	if (ret == 0)
		ret = fl_context_mock_topics(mock, cfg->topic_prefix, &err);
	if (ret == 0) {
		mkdir(cfg->runtime, 0755);
		snprintf(path, sizeof(path), "%s/bus.addr", cfg->runtime);
		snprintf(temp, sizeof(temp), "%s.tmp", path);
		f = fopen(temp, "we");
		ret = f && fprintf(f, "%s\n", brokers) > 0 && fclose(f) == 0 && rename(temp, path) == 0 ? 0 : fl_err_set(&err, FL_EIO, "%s cannot be written", path);
	}
	if (ret < 0)
		FL_LOG(FL_LOG_ERROR, "cannot start", FL_F_STR("why", err.text));
	else
		FL_LOG(FL_LOG_INFO, "listening", FL_F_STR("brokers", brokers));
	while (ret == 0 && fl_loop_wait(&loop, FL_MONO_NEVER))
		atomic_store(&loop.reload, false);
	if (ret == 0)
		unlink(path);
	if (mock)
		fl_bus_mock_stop(mock);
	fl_loop_done(&loop);
	fl_config_free(cfg);
	return ret < 0 ? 69 : 0;
}
