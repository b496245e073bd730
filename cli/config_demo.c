/* The configuration of `fireline demo`, as text through the same loader as any other. */
#include "cli/config.h"

#include <stdio.h>

/* First line of FOLDER/NAME, or what stands for it. */
static const char *setting(const char *folder, const char *name, const char *dflt, char *out, size_t cap)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f || !fgets(out, (int)cap, f))
		snprintf(out, cap, "%s", dflt);
	if (f)
		fclose(f);
	out[strcspn(out, "\r\n\"\\")] = '\0';
	return out;
}

static void demo_text(const char *folder, struct fl_buf *out)
{
	char listen[80], metrics[80];

	setting(folder, "listen", "127.0.0.1:5353", listen, sizeof(listen));
	setting(folder, "metrics", "", metrics, sizeof(metrics));
	fl_buf_printf(out, "state: \"%s/state\"\nruntime: \"%s/run\"\n", folder, folder);
	fl_buf_str(out, "node: {name: demo, site: demo}\nstartup_grace: 5s\nhead_poll: 1s\nlog: {level: warn}\n");
	fl_buf_printf(out, "listen:\n  - {proto: udp, address: \"%s\", workers: 1}\n  - {proto: tcp, address: \"%s\"}\n", listen, listen);
	fl_buf_str(out, "cache: {size: 16MiB}\n"
			"domain_lists:\n  - {name: malware, description: what the bundled feed names}\n"
			"feeds:\n");
	fl_buf_printf(out, "  - {name: demo-threats, path: \"%s/feeds/demo-threats.txt\", format: domains, scope: exact, into: malware, watch: true, category: malware}\n",
		      folder);
	fl_buf_printf(out, "findings:\n  sources:\n    - {name: drop, type: directory, path: \"%s/findings\"}\n", folder);
	fl_buf_str(out, "rule_groups:\n  - name: baseline\n    rules:\n"
			"      - {name: malware, priority: 200, domain_list: malware, action: BLOCK, block_response: NXDOMAIN}\n"
			"      - {name: findings, priority: 300, domain_list: findings-block, action: BLOCK, block_response: NXDOMAIN}\n"
			"      - {name: findings-alert, priority: 400, domain_list: findings-alert, action: ALERT}\n"
			"associations:\n"
			"  - {name: everyone, networks: [\"0.0.0.0/0\", \"::/0\"], rule_groups: [{name: baseline, priority: 101}], fail_open: true}\n"
			"redis: {durability: everysec}\n"
			"query_log: {ring: 1MiB}\n");
	if (metrics[0])
		fl_buf_printf(out, "admin: {metrics: {address: \"%s\"}}\n", metrics);
}

int fl_config_demo(const char *folder, struct fl_config **out)
{
	struct fl_buf text = { 0 };
	struct fl_diag diag = { 0 };
	struct fl_config *c;
	int ret = FL_ENOMEM;

	if (strpbrk(folder, "\"\\$\n"))
		return FL_EUSAGE;
	demo_text(folder, &text);
	if (!text.failed)
		ret = fl_config_load_text("demo", fl_buf_span(&text), &c, &diag);
	if (ret < 0) {
		fl_diag_print(&diag, stderr);
		goto out;
	}
	c->mode = FL_MODE_DEMO;
	c->file = "";
	c->upstream_builtin = true;
	*out = c;
out:
	fl_diag_done(&diag);
	fl_buf_done(&text);
	return ret;
}
