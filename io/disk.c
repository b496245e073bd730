/* What is the same over every disk door. */
#include "io/disk.h"
#include "io/disk_path.h"

#include <stdio.h>

int fl_disk_replace(struct fl_disk *d, const char *path, struct fl_span bytes, struct fl_err *err)
{
	char temporary[FL_DISK_PATH + 1];
	struct fl_disk_file *f = NULL;
	int ret, n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return fl_err_set(err, FL_EUSAGE, "file '%.200s': the name is too long", path);
	ret = d->ops->open(d, temporary, true, &f, err);
	if (ret < 0)
		return ret;
	ret = d->ops->append(f, bytes, err);
	if (ret == 0)
		ret = d->ops->sync(f, err); /* before the rename: else a power cut could leave the new name without content */
	d->ops->close_file(f);
	if (ret == 0)
		ret = d->ops->rename(d, temporary, path, err);
	if (ret < 0)
		d->ops->remove(d, temporary, NULL);
	return ret;
}
