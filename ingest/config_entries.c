/* `entries:` of a list in the configuration become the source LIST.config: an operator's claims that live in a file. */
#include "ingest/feed_int.h"

static int entries_of(struct fl_ingest *g, const struct fl_cfg_list *l, struct fl_set *set, struct fl_err *err)
{
	size_t folded;
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < l->n_entries; i++) {
		struct fl_tuple t = { 0 };
		struct fl_rkey key;
		enum fl_drop why = fl_name_operator(g->c.names, fl_span_str(l->entries[i]), &t.scope, &key);

		if (why != FL_DROP_COUNT)
			ret = fl_err_set(err, FL_ECONFIG, "domain_lists.%s.entries: '%s': %s", l->name, l->entries[i], fl_drop_text(why));
		else
			ret = fl_set_add(set, fl_rkey_span(&key), &t);
	}
	return ret == 0 ? fl_set_sort(set, &folded) : ret;
}

static int commit_list(struct fl_ingest *g, const struct fl_cfg_list *l, const char *source, struct fl_err *err)
{
	struct fl_lease lease = { 0 };
	struct fl_head head;
	struct fl_source_version v;
	struct fl_set set = { 0 };
	struct fl_source_commit c = { .name = source, .lease = &lease, .parent = &head, .cause = FL_CAUSE_CONFIG, .actor = "config", .reason = "" };
	struct fl_entry_iter *it;
	int ret = entries_of(g, l, &set, err);

	if (ret == 0)
		ret = fl_lease_take(g->c.sets, FL_SOURCE, source, 10000, &lease, err);
	if (ret == 0) {
		ret = fl_set_head(g->c.sets, FL_SOURCE, source, &head, err);
		if (ret == FL_ENOTFOUND)
			ret = 0;
		it = ret == 0 ? fl_set_iter(&set) : NULL;
		if (ret == 0)
			ret = it ? fl_source_commit(g->c.sets, &c, it, &v, err) : FL_ENOMEM;
		fl_lease_release(g->c.sets, &lease, NULL);
	}
	fl_set_done(&set);
	return ret;
}

int fl__config_entries_commit(struct fl_ingest *g, struct fl_err *err)
{
	int first = 0;

	for (size_t i = 0; i < g->c.cfg->n_lists; i++) {
		const struct fl_cfg_list *l = &g->c.cfg->lists[i];
		char source[FL_SET_NAME];
		int ret;

		if (!l->n_entries)
			continue;
		snprintf(source, sizeof(source), "%.80s.config", l->name);
		ret = commit_list(g, l, source, first ? NULL : err);
		if (ret < 0 && !first)
			first = ret;
	}
	return first;
}
