/* A tiny HTTP server of a test's own, on a loopback port that the kernel picks. It reads one request of a connection, hands
 * it to the test's function, which writes whatever octets it likes, and closes. A thread each connection. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/** Runs in a thread of the server. path: as in the request line, the query string with it. request: the whole head. */
typedef void fl_test_httpd_answer(void *ctx, int fd, const char *path, const char *request);

struct fl_test_httpd;
/** Aborts when it cannot be started: a loopback port is always to be had. */
struct fl_test_httpd *fl_test_httpd_start(fl_test_httpd_answer *answer, void *ctx);
unsigned fl_test_httpd_port(const struct fl_test_httpd *h);
/** Breaks what is open, waits for every thread. */
void fl_test_httpd_stop(struct fl_test_httpd *h);

/** All n octets; false when the other side is gone, or the server is being stopped. */
bool fl_test_httpd_send(int fd, const void *p, size_t n);
bool fl_test_httpd_text(int fd, const char *text);
/** Sleep in short steps; false when the other side is gone. */
bool fl_test_httpd_linger(int fd, int ms);
