/* How often one address may ask. Sets of eight: a new address takes the place of the one in its set that has waited longest, so that whoever is being held back stays known. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "admin/webhook_int.h"
#include "model/digest.h"

enum { SETS = 512, WAYS = 8 };

/* full_at: when the bucket will be full again; one request moves it on by the share of a second that it costs. */
struct bucket {
	uint8_t key[16];
	fl_mono_ns full_at; /* 0: free */
};

struct fl__limit {
	struct bucket v[SETS][WAYS];
	uint64_t seed; /* so that nobody can choose addresses that fall together */
	int64_t cost_ns;
};

struct fl__limit *fl__limit_new(uint32_t a_second)
{
	struct fl__limit *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (getrandom(&l->seed, sizeof(l->seed), GRND_NONBLOCK) != sizeof(l->seed))
		l->seed = (uint64_t)(uintptr_t)l;
	l->cost_ns = FL_NS_PER_S / (a_second ? a_second : 1);
	return l;
}

void fl__limit_free(struct fl__limit *l)
{
	free(l);
}

static struct bucket *find(struct fl__limit *l, const uint8_t key[16])
{
	uint8_t text[24];
	struct bucket *set, *oldest;

	memcpy(text, &l->seed, 8);
	memcpy(text + 8, key, 16);
	oldest = set = l->v[fl_checksum64(text, sizeof(text)) % SETS];
	for (struct bucket *b = set; b < set + WAYS; b++) {
		if (b->full_at && memcmp(b->key, key, 16) == 0)
			return b;
		if (b->full_at < oldest->full_at)
			oldest = b;
	}
	memcpy(oldest->key, key, 16);
	oldest->full_at = 0;
	return oldest;
}

unsigned fl__limit_take(struct fl__limit *l, const uint8_t key[16], fl_mono_ns now)
{
	struct bucket *b = find(l, key);

	if (b->full_at < now)
		b->full_at = now;
	if (b->full_at + l->cost_ns > now + FL_NS_PER_S)
		return (unsigned)((b->full_at + l->cost_ns - now - 1) / FL_NS_PER_S);
	b->full_at += l->cost_ns;
	return 0;
}
