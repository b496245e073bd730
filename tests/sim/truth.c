/* What was committed: captured by an observer that meets no faults, after each step, by walking parents from the heads. */
#include <string.h>

#include "sim.h"

static struct truth_source *add_source(struct sim *s, const char *source, const struct fl_version_id *id)
{
	struct truth *t = &s->truth;
	struct truth_source *v = realloc(t->sources, (t->n_sources + 1) * sizeof(*v));

	if (!v)
		abort();
	t->sources = v;
	v += t->n_sources++;
	memset(v, 0, sizeof(*v));
	snprintf(v->source, sizeof(v->source), "%s", source);
	v->id = *id;
	return v;
}

const struct truth_source *truth_source_of(const struct sim *s, const char *source, const struct fl_version_id *id)
{
	for (size_t i = s->truth.n_sources; i-- > 0;)
		if (fl_version_id_eq(&s->truth.sources[i].id, id) && strcmp(s->truth.sources[i].source, source) == 0)
			return &s->truth.sources[i];
	return NULL;
}

const struct truth_list *truth_list_of(const struct sim *s, const char *list, const struct fl_version_id *id)
{
	for (size_t i = s->truth.n_lists; i-- > 0;)
		if (fl_version_id_eq(&s->truth.lists[i].v.id, id) && strcmp(s->truth.lists[i].v.list, list) == 0)
			return &s->truth.lists[i];
	return NULL;
}

static void capture_source(struct sim *s, const char *name, struct fl_version_id id)
{
	struct fl_err err = { 0 };

	while (id.number && !truth_source_of(s, name, &id)) {
		struct fl_source_version v;
		struct fl_entry_iter *it = NULL;
		struct truth_source *t;
		int ret = fl_source_version_get(&s->observer, name, id.number, &v, &err);

		if (ret < 0) {
			sim_fail(s, "source %s: version %llu of a head's history cannot be read: %s", name, (unsigned long long)id.number, err.text);
			return;
		}
		if (!fl_version_id_eq(&v.id, &id)) {
			sim_fail(s, "source %s: version %llu is not the one its child names", name, (unsigned long long)id.number);
			return;
		}
		t = add_source(s, name, &id);
		ret = fl_source_open(&s->observer, name, id.number, &it, NULL, &err);
		if (ret == 0)
			ret = fl_set_read(&t->set, it, &err);
		fl_entries_close(it);
		if (ret < 0) {
			sim_fail(s, "source %s: the content of version %llu cannot be read: %s", name, (unsigned long long)id.number, err.text);
			return;
		}
		id.number = v.parent;
		memcpy(id.chain, v.parent_chain, sizeof(id.chain));
	}
}

static void capture_list(struct sim *s, const char *name, struct fl_version_id id)
{
	struct fl_err err = { 0 };

	while (id.number && !truth_list_of(s, name, &id)) {
		struct truth *t = &s->truth;
		struct truth_list *v;
		struct fl_list_version lv;
		int ret = fl_list_version_get(&s->observer, name, id.number, &t->arena, &lv, &err);

		if (ret < 0 || !fl_version_id_eq(&lv.id, &id)) {
			sim_fail(s, "list %s: version %llu of a head's history cannot be read: %s", name, (unsigned long long)id.number, err.text);
			return;
		}
		v = realloc(t->lists, (t->n_lists + 1) * sizeof(*v));
		if (!v)
			abort();
		t->lists = v;
		v[t->n_lists++] = (struct truth_list){ .v = lv };
		id.number = lv.parent;
		memcpy(id.chain, lv.parent_chain, sizeof(id.chain));
	}
}

/* Records that reached the bus. */
static void capture_events(struct sim *s)
{
	struct fl_bus_msg m;

	if (!s->observer_events && fl_bus_consumer_open(s->observer_bus, FL_TOPIC_LIST_EVENTS, NULL, &s->observer_events, NULL) < 0)
		return;
	while (fl_bus_fetch(s->observer_bus, s->observer_events, 0, &m, NULL) == 1) {
		struct fl_arena a = { 0 };
		struct fl_event ev;

		if (m.n_headers && strcmp(m.headers[0].key, "forged") == 0)
			continue;
		if (m.value.p && fl_event_decode(m.value, &a, &ev, NULL) == 0)
			for (size_t i = 0; i < s->truth.n_lists; i++)
				if (fl_version_id_eq(&s->truth.lists[i].v.id, &ev.version.id))
					s->truth.lists[i].sent = true;
		fl_arena_done(&a);
	}
}

void truth_capture(struct sim *s)
{
	struct fl_arena a = { 0 };
	bool was = s->observing;

	s->observing = true;
	for (int kind = 0; kind < 2; kind++) {
		const char *const *names = NULL;
		size_t n = 0;

		fl_set_names(&s->observer, kind ? FL_SOURCE : FL_LIST, &a, &names, &n, NULL);
		for (size_t i = 0; i < n && !s->failure[0]; i++) {
			struct fl_head h;

			if (fl_set_head(&s->observer, kind ? FL_SOURCE : FL_LIST, names[i], &h, NULL) < 0)
				continue;
			if (kind)
				capture_source(s, names[i], h.id);
			else
				capture_list(s, names[i], h.id);
		}
	}
	capture_events(s);
	s->observing = was;
	fl_arena_done(&a);
}

void truth_done(struct sim *s)
{
	for (size_t i = 0; i < s->truth.n_sources; i++)
		fl_set_done(&s->truth.sources[i].set);
	free(s->truth.sources);
	free(s->truth.lists);
	fl_arena_done(&s->truth.arena);
}
