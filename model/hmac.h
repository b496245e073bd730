/* HMAC-SHA256 (RFC 2104, OpenSSL), and the comparison of secrets. */
#pragma once
#include "base/span.h"

enum { FL_HMAC_OCTETS = 32 };

/** Over the parts, one behind the other. False when out of memory. */
bool fl_hmac_sha256(struct fl_span key, const struct fl_span *parts, size_t n, uint8_t out[FL_HMAC_OCTETS]);
/** Takes the same time wherever the first difference is. */
bool fl_secret_eq(const void *a, const void *b, size_t n);
