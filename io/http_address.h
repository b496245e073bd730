/* Which addresses a feed may be fetched from. Inside io/. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

/** True for an address of the public internet; false for private, loopback, link-local (cloud metadata among them), shared
 * (RFC 6598), multicast, reserved, unspecified, and for IPv6 forms that carry such an IPv4 address; false for other families. */
bool fl__address_public(const struct sockaddr *sa);
