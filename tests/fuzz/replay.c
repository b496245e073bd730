/* Replays corpora through a fuzz entry in a plain build, so that every input that was ever interesting stays a test.
 *
 *   fuzz_x FILE|FOLDER...
 *
 * A folder stands for all regular files below it, in sorted order. Each input is handed over in a buffer of exactly its
 * size, so that a sanitizer sees the first octet read past it. A crash names its input, because it is printed before it
 * is run. Inputs come from this repository, so there is no limit but the memory. */
#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	bool ok = false;

	if (!f)
		goto out;
	data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, f) != size)
		goto out;
	printf("%s (%zu octets)\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	ok = true;
out:
	if (!ok)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	free(data);
	if (f)
		fclose(f);
	return ok;
}

/* Also one input that every target must survive and no corpus can hold as a file of its own: nothing at all. */
int main(int argc, char **argv)
{
	FTS *tree;
	FTSENT *e;
	size_t n = 0;
	bool ok = true;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
		return 64;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	tree = fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!tree) {
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		return 1;
	}
	while ((e = fts_read(tree))) {
		if (e->fts_info == FTS_F) {
			ok = replay_file(e->fts_path, (size_t)e->fts_statp->st_size) && ok;
			n++;
		} else if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS) {
			fprintf(stderr, "%s: %s\n", e->fts_path, strerror(e->fts_errno));
			ok = false;
		}
	}
	fts_close(tree);
	printf("replayed %zu inputs\n", n);
	return ok && n ? 0 : 1;
}
