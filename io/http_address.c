/* A server-side fetcher must not be talked into asking the network it stands in: after RFC 6890 and the IANA registries of
 * special-purpose addresses. IPv6 forms that name an IPv4 host (mapped, compatible, NAT64, 6to4) are judged by that.
 * Start at fl__address_public(). */
#include "io/http_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct net4 {
	uint32_t net;
	int bits;
};

static const struct net4 special4[] = {
	{ 0x00000000, 8 },  /* 0.0.0.0/8 this network */
	{ 0x0a000000, 8 },  /* 10.0.0.0/8 private */
	{ 0x64400000, 10 }, /* 100.64.0.0/10 shared by a carrier; some clouds' metadata */
	{ 0x7f000000, 8 },  /* 127.0.0.0/8 loopback */
	{ 0xa9fe0000, 16 }, /* 169.254.0.0/16 link-local, metadata */
	{ 0xac100000, 12 }, /* 172.16.0.0/12 private */
	{ 0xc0000000, 24 }, /* 192.0.0.0/24 protocol assignments, metadata of one cloud */
	{ 0xc0000200, 24 }, /* 192.0.2.0/24 documentation */
	{ 0xc0a80000, 16 }, /* 192.168.0.0/16 private */
	{ 0xc6120000, 15 }, /* 198.18.0.0/15 benchmarks */
	{ 0xc6336400, 24 }, /* 198.51.100.0/24 documentation */
	{ 0xcb007100, 24 }, /* 203.0.113.0/24 documentation */
	{ 0xe0000000, 4 },  /* 224.0.0.0/4 multicast */
	{ 0xf0000000, 4 },  /* 240.0.0.0/4 reserved, broadcast */
};

/* Of these, what is not even a private network's server. */
static const struct net4 never4[] = {
	{ 0x00000000, 8 },  /* 0.0.0.0 is this very host to Linux */
	{ 0x646464c8, 32 }, /* 100.100.100.200 metadata of one cloud */
	{ 0xa83f8110, 32 }, /* 168.63.129.16 of another */
	{ 0xa9fe0000, 16 }, /* 169.254.0.0/16 link-local, metadata */
	{ 0xc0000000, 24 }, /* 192.0.0.0/24, metadata of a third */
	{ 0xe0000000, 4 },
	{ 0xf0000000, 4 },
};

static bool in_net(uint32_t a, const struct net4 *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((a ^ v[i].net) >> (32 - v[i].bits) == 0)
			return true;
	return false;
}

static bool public4(uint32_t a)
{
	if (a == 0xa83f8110) /* 168.63.129.16: a public address that one cloud answers from the host */
		return false;
	return !in_net(a, special4, sizeof(special4) / sizeof(special4[0]));
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The IPv4 host that an IPv6 form names: mapped, NAT64, 6to4. */
static bool v4_within(const uint8_t a[16], uint32_t *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, nat64[12] = { 0, 0x64, 0xff, 0x9b };
	bool low = memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0;

	*out = be32(low ? a + 12 : a + 2);
	return low || (a[0] == 0x20 && a[1] == 0x02);
}

static bool public6(const uint8_t a[16])
{
	uint32_t v4;

	if (v4_within(a, &v4))
		return public4(v4);
	if ((a[0] & 0xe0) != 0x20) /* global unicast is 2000::/3: loopback, local, link-local, multicast and compatible ones are not */
		return false;
	if (be32(a) == 0x20010db8) /* documentation */
		return false;
	return !(a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02); /* 2001::/23: Teredo, benchmarks, ORCHID */
}

bool fl__address_public(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return public4(ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr));
	if (sa->sa_family == AF_INET6)
		return public6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
	return false;
}

static bool never6(const uint8_t a[16])
{
	/* fd00:ec2::254 and fd20:ce::254: metadata of two clouds */
	static const uint8_t metadata[2][16] = { { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, { 0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54 } };
	static const uint8_t zeros[12];
	uint32_t v4;

	if (v4_within(a, &v4))
		return in_net(v4, never4, sizeof(never4) / sizeof(never4[0]));
	if (memcmp(a, zeros, 12) == 0) /* unspecified, and the old "compatible" form; ::1 alone is a host */
		return be32(a + 12) != 1;
	return a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || memcmp(a, metadata[0], 16) == 0 || memcmp(a, metadata[1], 16) == 0;
}

bool fl__address_never(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return in_net(ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr), never4, sizeof(never4) / sizeof(never4[0]));
	if (sa->sa_family == AF_INET6)
		return never6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
	return true;
}

bool fl__address_metadata(const struct sockaddr *sa)
{
	/* 169.254.169.254, 169.254.170.2, 169.254.170.23: a machine's, a container's, a pod's; fd00:ec2::254 and fd00:ec2::23 */
	static const uint8_t v4[3][4] = { { 169, 254, 169, 254 }, { 169, 254, 170, 2 }, { 169, 254, 170, 23 } };
	static const uint8_t v6[2][16] = { { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, { 0xfd, 0, 0x0e, 0xc2, [15] = 0x23 } };

	for (size_t i = 0; sa->sa_family == AF_INET && i < 3; i++)
		if (memcmp(&((const struct sockaddr_in *)sa)->sin_addr, v4[i], 4) == 0)
			return true;
	for (size_t i = 0; sa->sa_family == AF_INET6 && i < 2; i++)
		if (memcmp(&((const struct sockaddr_in6 *)sa)->sin6_addr, v6[i], 16) == 0)
			return true;
	return false;
}

bool fl__address_octets(const struct sockaddr *sa, uint8_t out[16])
{
	memset(out, 0, 16);
	if (sa->sa_family == AF_INET) {
		out[10] = out[11] = 0xff;
		memcpy(out + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6)
		memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	else
		return false;
	return true;
}
