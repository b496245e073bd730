/* The shipped protected names. Blocking one of these breaks networks in ways that do not look like DNS: certificates that cannot be checked, clocks that drift, devices that believe they are
 * offline, machines that lose their cloud. Names only, no zones: what is below them may be listed. From the vendors' own documentation. */
#include "normalize/normalize.h"

static const char *const shipped[] = {
	/* certificate status and issuers' certificates (RFC 6960, RFC 5280) */
	"ocsp.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "cacerts.digicert.com", "ocsp.sectigo.com", "crl.sectigo.com", "crt.sectigo.com",
	"ocsp.usertrust.com", "crl.usertrust.com", "ocsp.comodoca.com", "crl.comodoca.com", "ocsp.globalsign.com", "ocsp2.globalsign.com", "crl.globalsign.com",
	"secure.globalsign.com", "ocsp.entrust.net", "crl.entrust.net", "ocsp.pki.goog", "o.pki.goog", "c.pki.goog", "i.pki.goog", "pki.goog", "crl.pki.goog",
	"o.lencr.org", "r3.o.lencr.org", "r10.o.lencr.org", "r11.o.lencr.org", "e5.o.lencr.org", "e6.o.lencr.org", "x1.c.lencr.org", "x1.i.lencr.org", "r3.i.lencr.org",
	"ocsp.godaddy.com", "crl.godaddy.com", "certificates.godaddy.com", "ocsp.starfieldtech.com", "ocsp.amazontrust.com", "crl.rootca1.amazontrust.com",
	"ocsp.rootca1.amazontrust.com", "crt.rootca1.amazontrust.com", "ocsp.apple.com", "ocsp2.apple.com", "crl.apple.com", "valid.apple.com", "certs.apple.com",
	"crl.microsoft.com", "mscrl.microsoft.com", "oneocsp.microsoft.com", "ocsp.msocsp.com", "ctldl.windowsupdate.com",
	/* time (RFC 5905) */
	"pool.ntp.org", "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org", "0.debian.pool.ntp.org", "1.debian.pool.ntp.org", "2.debian.pool.ntp.org",
	"3.debian.pool.ntp.org", "ntp.ubuntu.com", "time.google.com", "time1.google.com", "time2.google.com", "time3.google.com", "time4.google.com", "time.android.com",
	"time.apple.com", "time.windows.com", "time.cloudflare.com", "time.aws.com", "time.nist.gov", "time.facebook.com",
	/* connectivity checks and captive portals */
	"google.com", "www.google.com", "gstatic.com", "www.gstatic.com", "connectivitycheck.gstatic.com", "connectivitycheck.android.com", "clients1.google.com",
	"clients3.google.com", "apple.com", "www.apple.com", "captive.apple.com", "microsoft.com", "www.msftconnecttest.com", "www.msftncsi.com", "dns.msftncsi.com",
	"ipv6.msftconnecttest.com", "detectportal.firefox.com", "nmcheck.gnome.org", "network-test.debian.org", "connectivity-check.ubuntu.com", "fedoraproject.org",
	/* updates and package sources */
	"deb.debian.org", "security.debian.org", "archive.ubuntu.com", "security.ubuntu.com", "update.microsoft.com", "windowsupdate.com", "download.windowsupdate.com",
	"swcdn.apple.com", "mesu.apple.com", "gdmf.apple.com",
	/* control planes of clouds, and their sign-in */
	"amazonaws.com", "sts.amazonaws.com", "s3.amazonaws.com", "iam.amazonaws.com", "route53.amazonaws.com", "signin.aws.amazon.com", "console.aws.amazon.com",
	"cloudfront.net", "googleapis.com", "oauth2.googleapis.com", "storage.googleapis.com", "accounts.google.com", "console.cloud.google.com", "metadata.google.internal",
	"management.azure.com", "login.microsoftonline.com", "login.windows.net", "login.live.com", "graph.microsoft.com", "portal.azure.com", "core.windows.net",
	"azureedge.net", "akamai.net", "akamaiedge.net", "edgekey.net", "edgesuite.net", "fastly.net", "cloudflare.com", "api.cloudflare.com", "one.one.one.one", "dns.google",
	"github.com", "api.github.com", "githubusercontent.com", "raw.githubusercontent.com", "registry-1.docker.io", "icloud.com", "gateway.icloud.com", "push.apple.com",
	"mtalk.google.com",
};

int fl_protect_add_shipped(struct fl_protected *p, const struct fl_names *n)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < sizeof(shipped) / sizeof(shipped[0]); i++)
		if (fl_protect_add_text(p, n, fl_span_str(shipped[i]), FL_PROTECT_SHIPPED, &ret) != FL_DROP_COUNT)
			ret = FL_ECORRUPT; /* a row of this table is no name */
	return ret;
}
