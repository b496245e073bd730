#include "enforcer/follow_int.h"

void fl_follow_status(struct fl_follow *f, struct fl_follow_status *out, struct fl_arena *arena, struct fl_follow_list_status **lists, size_t *n)
{
	struct fl_follow_list_status *v = fl_arena_array(arena, f->n_lists + 1, sizeof(*v));

	*out = f->s;
	out->store_up = f->store_up;
	out->bus_up = f->bus_up;
	out->journal_records = f->journal_records;
	out->journal_bytes = f->journal_bytes;
	fl_image_stats(f->image, &out->image);
	*lists = v;
	*n = v ? f->n_lists : 0;
	for (size_t i = 0; i < *n; i++) {
		const struct fl_follow_list *l = &f->lists[i];
		const struct fl_image_list *held = fl__follow_held(f, l->name);

		memcpy(v[i].list, l->name, sizeof(v[i].list));
		memcpy(v[i].reason, l->reason, sizeof(v[i].reason));
		v[i].state = l->state;
		v[i].known_version = l->known_version;
		if (!held)
			continue;
		v[i].applied_version = held->id.number;
		v[i].published_at = held->published_at;
		v[i].applied_at = held->applied_at;
		v[i].names = held->names;
	}
}

void fl_follow_metrics(struct fl_follow *f, struct fl_buf *out)
{
	struct fl_image_stats image;

	fl_image_stats(f->image, &image);
	fl_metric_family(out, "fireline_list_applied_version", FL_GAUGE, "Version this enforcer serves.");
	for (size_t i = 0; i < f->n_lists; i++) {
		const struct fl_image_list *held = fl__follow_held(f, f->lists[i].name);

		fl_metric_u64(out, "fireline_list_applied_version", "", FL_LABELS("domain_list", f->lists[i].name), held ? held->id.number : 0);
	}
	fl_metric_family(out, "fireline_list_degraded", FL_GAUGE, "1 while the store's head is known not to descend from what is served.");
	for (size_t i = 0; i < f->n_lists; i++)
		fl_metric_u64(out, "fireline_list_degraded", "", FL_LABELS("domain_list", f->lists[i].name), f->lists[i].state == FL_FOLLOW_DEGRADED);
	fl_metric_family(out, "fireline_matcher_bytes", FL_GAUGE, "Memory of the active matcher image.");
	fl_metric_u64(out, "fireline_matcher_bytes", "", NULL, image.bytes);
	fl_metric_family(out, "fireline_matcher_names", FL_GAUGE, "Names in the active matcher image.");
	fl_metric_u64(out, "fireline_matcher_names", "", NULL, image.names);
	fl_metric_family(out, "fireline_matcher_swaps_total", FL_COUNTER, "Matcher swaps.");
	fl_metric_u64(out, "fireline_matcher_swaps_total", "", FL_LABELS("result", "ok"), f->s.swaps_ok);
	fl_metric_u64(out, "fireline_matcher_swaps_total", "", FL_LABELS("result", "failed"), f->s.swaps_failed);
	fl_metric_family(out, "fireline_propagation_duration_seconds", FL_HISTOGRAM, "Publish to matcher swap on this enforcer.");
	fl_metric_histogram(out, "fireline_propagation_duration_seconds", NULL, &f->propagation);
}
