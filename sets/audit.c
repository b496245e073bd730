/* The audit topic: one function that every decision of a person passes. */
#include "sets/audit.h"

#include "base/text.h"
#include "model/config.h"

void fl_audit_result(struct fl_audit *a, const char *set, uint64_t version)
{
	if (version && a->n_results < FL_AUDIT_RESULTS)
		a->results[a->n_results++] = (struct fl_audit_result){ set, version };
}

static void put(struct fl_buf *out, const char *key, const char *value)
{
	fl_buf_str(out, key);
	fl_json_string(out, fl_span_str(value ? value : ""));
}

void fl_audit_encode(const struct fl_audit *a, struct fl_buf *out)
{
	char when[FL_TIME_TEXT];

	put(out, "{\"at\":", fl_time_format(a->at, when));
	put(out, ",\"actor\":", a->actor);
	put(out, ",\"action\":", a->action);
	put(out, ",\"object\":", a->object);
	put(out, ",\"reason\":", a->reason);
	put(out, ",\"node\":", a->node);
	fl_buf_str(out, ",\"results\":[");
	for (size_t i = 0; i < a->n_results; i++) {
		put(out, i ? ",{\"set\":" : "{\"set\":", a->results[i].set);
		fl_buf_printf(out, ",\"version\":%llu}", (unsigned long long)a->results[i].version);
	}
	fl_buf_str(out, "]}");
}

void fl_audit(struct fl_bus *bus, const struct fl_audit *a)
{
	struct fl_buf b = { 0 };

	if (!bus)
		return;
	fl_audit_encode(a, &b);
	if (!b.failed)
		fl_bus_produce(bus, FL_BUS_CONTROL, FL_TOPIC_AUDIT, fl_span_str(a->actor ? a->actor : ""), fl_buf_span(&b), NULL, 0, 0, NULL);
	fl_buf_done(&b);
}
