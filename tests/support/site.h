/* A web site of a test's own, over httpd.h: pages and raw octets by path, and a few paths that never come to an end:
 *   /endless  /endless-redirect  /many-headers  /long-header  /drip  /silent */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct fl_test_site;
struct fl_test_site *fl_test_site_new(void);
void fl_test_site_free(struct fl_test_site *s);
/** "http://127.0.0.1:PORT" */
const char *fl_test_site_origin(const struct fl_test_site *s);
unsigned fl_test_site_port(const struct fl_test_site *s);
/** From now on this path answers so. With an etag that is not "": 304 to a request that names it. */
void fl_test_site_page(struct fl_test_site *s, const char *path, int status, const char *body, const char *etag);
/** From now on this path answers with these octets, head and all. */
void fl_test_site_raw(struct fl_test_site *s, const char *path, const void *octets, size_t n);
/** Does the head of the last request contain this text? */
bool fl_test_site_saw(struct fl_test_site *s, const char *text);
