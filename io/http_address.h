/* Which addresses a feed may be fetched from. Inside io/. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/** True for an address of the public internet; false for private, loopback, link-local (cloud metadata among them), shared
 * (RFC 6598), multicast, reserved, unspecified, and for IPv6 forms that carry such an IPv4 address; false for other families. */
bool fl__address_public(const struct sockaddr *sa);
/** True for what no server of lists has, wherever it may be allowed: unspecified, link-local and cloud metadata, multicast, reserved; and for
 * other families. */
bool fl__address_never(const struct sockaddr *sa);
/** The 16 octets of an address, IPv4 as ::ffff:a.b.c.d; false for other families. */
bool fl__address_octets(const struct sockaddr *sa, uint8_t out[16]);
/** True for the addresses at which a cloud machine or container is given its credentials, and for no other. */
bool fl__address_metadata(const struct sockaddr *sa);
