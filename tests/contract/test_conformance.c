/* What a line means, from the octets of a feed to the entry of a set: a row a ruling, in every line format. A row gives
 * the lines and what comes of them: "SCOPE name;" for an entry, "!reason;" for what makes none, in the order it is
 * said. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "feeds/feeds.h"
#include "ingest/ingest.h"
#include "normalize/normalize.h"

static struct fl_names *names;

static int take(void *ctx, const struct fl_feed_claim *c)
{
	char text[FL_NAME_TEXT];
	struct fl_rkey key;
	uint8_t scope = c->scope;
	bool narrowed;
	enum fl_drop why = fl_name_claim(names, c->name, &scope, &narrowed, &key);

	if (why == FL_DROP_COUNT)
		fl_buf_printf(ctx, "%u %s;", scope, fl_rkey_to_text(fl_rkey_span(&key), text));
	else
		fl_buf_printf(ctx, "!%s;", fl_drop_word(why));
	return 0;
}

static void rejected(void *ctx, uint32_t line, struct fl_span text, enum fl_drop why)
{
	assert_true(line > 0 && text.n > 0);
	fl_buf_printf(ctx, "!%s;", fl_drop_word(why));
}

static enum fl_drop canon(const void *ctx, struct fl_span name, struct fl_rkey *out)
{
	return fl_name_canon(ctx, name, out);
}

struct row {
	const char *lines, *want;
};

static void row_check(const struct row *row, enum fl_format format, uint8_t scope)
{
	const struct fl_feed_options opt = { .format = format, .scope = scope, .canon = canon, .canon_ctx = names };
	struct fl_feed_result res = { 0 };
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };

	if (fl_feed_parse(fl_span_str(row->lines), &opt, take, rejected, &got, &res, &err) < 0)
		fail_msg("%s, '%s': %s", fl_format_word(format), row->lines, err.text);
	if (res.lines.dropped[FL_DROP_COMMENT])
		fl_buf_str(&got, "!comment;");
	if (strcmp(fl_buf_cstr(&got), row->want) != 0)
		fail_msg("%s, '%s': %s, not %s", fl_format_word(format), row->lines, fl_buf_cstr(&got), row->want);
	assert_true(fl_tally_balances(&res.lines));
	fl_buf_done(&got);
}

#define CHECK(rows, format, scope)                                                                                     \
	for (size_t i = 0; i < sizeof(rows) / sizeof(*(rows)); i++)                                                    \
	row_check(&(rows)[i], (format), (scope))

/* The rules of names, the same in every format. */
static void test_names(void **state)
{
	static const struct row rows[] = {
		{ "Example.COM.", "1 example.com;" },
		{ "m\xc3\xbcnchen.example", "1 xn--mnchen-3ya.example;" },
		{ "mu\xcc\x88nchen.example", "1 xn--mnchen-3ya.example;" },
		{ "fa\xc3\x9f.example", "1 xn--fa-hia.example;" },
		{ "\xd0\xb8\xd0\xbc\xd1\x8f.010.xn--p1acf", "1 xn--h1ai1d.010.xn--p1acf;" },
		{ "example\xe3\x80\x82"
		  "com",
		  "1 example.com;" },
		{ "_dmarc.example.com", "1 _dmarc.example.com;" },
		{ "a_b.example", "1 a_b.example;" },
		{ "-a.example", "1 -a.example;" },
		{ "r3---sn-x.example", "1 r3---sn-x.example;" },
		{ "xn--cnms-kjr.dmdoc.dynv6.net", "1 xn--cnms-kjr.dmdoc.dynv6.net;" },
		{ "support\xc2\xac"
		  "forum.org",
		  "1 xn--supportforum-tqa.org;" },
		{ "a\xff\xfe.example", "!not_utf8;" },
		{ "example..com", "!bad_label;" },
		{ "exa mple.com", "!extra_fields;" },
		{ "user@host.example", "!bad_label;" },
		{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg.onion", "!bad_label;" },
		{ "cdn.", "!single_label;" },
		{ "com", "!single_label;" },
		{ "co.uk", "!icann_suffix;" },
		{ "github.io", "1 github.io;" },
		{ "*.github.io", "!private_suffix;" },
		{ ".github.io", "1 github.io;" },
		{ "ec2-3-84-126-255.compute-1.amazonaws.com", "1 ec2-3-84-126-255.compute-1.amazonaws.com;" },
		{ "example.123", "!numeric_tld;" },
		{ "1.2.3.4", "!address;" },
		{ "[::1]", "!address;" },
		{ "::1", "!address;" },
		{ "0x5bf076a8", "!address;" },
		{ "0056.0151.0121.0114", "!address;" },
		{ "2a02:cf40:1::5:40669", "!address;" },
		{ "localhost", "!single_label;" },
		{ "printer.local", "1 printer.local;" },
		{ "EXAMPLE\\.com", "!pattern;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_DOMAINS, FL_SCOPE_EXACT);
}

static void test_domains(void **state)
{
	static const struct row rows[] = {
		{ "bad.example", "3 bad.example;" },
		{ "*.bad.example", "2 bad.example;" },
		{ ".bad.example", "3 bad.example;" },
		{ "\xef\xbb\xbf# list\r\nbad.example\r\n", "3 bad.example;!comment;" },
		{ "bad.example # why", "3 bad.example;" },
		{ "bad.example#why", "!bad_label;" },
		{ "! a\n; b\n// c\n# d\n\nbad.example", "3 bad.example;!comment;" },
		{ "0.0.0.0 bad.example", "!extra_fields;" },
		{ "bad.example,phishing", "!bad_label;" },
		{ "cartevitale[.]info", "!pattern;" },
		{ "hxxp://bad.example/", "!pattern;" },
		{ "sw*.bad.example", "!pattern;" },
		{ "*", "!pattern;" },
		{ "com", "!single_label;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_DOMAINS, FL_SCOPE_SUBTREE);
}

static void test_hosts(void **state)
{
	static const struct row rows[] = {
		{ "0.0.0.0 bad.example", "1 bad.example;" },
		{ "127.0.0.1\tbad.example", "1 bad.example;" },
		{ "127.0.0.53 bad.example", "1 bad.example;" },
		{ ":: bad.example", "1 bad.example;" },
		{ "::1 bad.example", "1 bad.example;" },
		{ "0.0.0.0 a.example b.example\tc.example", "1 a.example;1 b.example;1 c.example;" },
		{ "0.0.0.0 bad.example#why", "1 bad.example;" },
		{ "0.0.0.0 localhost", "!local_name;" },
		{ "127.0.0.1 localhost.localdomain", "!local_name;" },
		{ "127.0.0.1 local", "!local_name;" },
		{ "255.255.255.255 broadcasthost", "!local_name;" },
		{ "::1 ip6-localhost ip6-loopback", "!local_name;" },
		{ "ff02::1 ip6-allnodes", "!local_name;" },
		{ "0.0.0.0 0.0.0.0", "!local_name;" },
		{ "fe80::1%lo0 localhost", "!local_name;" },
		{ "127.0.0.1 localhost bad.example", "1 bad.example;" },
		{ "192.0.2.7 intranet.example", "!mapping;" },
		{ "0.0.0.0 1.2.3.4", "!address;" },
		{ "0.0.0.0 bad.example 1.2.3.4", "1 bad.example;!address;" },
		{ "0.0.0.0 fe", "!single_label;" },
		{ "bad.example", "!syntax;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_HOSTS, 0);
}

static void test_adblock(void **state)
{
	static const struct row rows[] = {
		{ "||bad.example^", "3 bad.example;" },
		{ "||bad.example^|", "3 bad.example;" },
		{ "||*.bad.example^", "2 bad.example;" },
		{ "|bad.example^", "1 bad.example;" },
		{ "bad.example", "1 bad.example;" },
		{ "@@||good.example^", "12 good.example;" },
		{ "@@|good.example^", "4 good.example;" },
		{ "||example.org", "!pattern;" },
		{ "bad.example^", "!pattern;" },
		{ "||masto*.top^", "!pattern;" },
		{ "/ads[0-9]+/", "!pattern;" },
		{ "||bad.example/path", "!not_applicable;" },
		{ "example.com##.banner", "!not_applicable;" },
		{ "example.com#@#.banner", "!not_applicable;" },
		{ "example.com#?#.banner", "!not_applicable;" },
		{ "example.com#$#body { }", "!not_applicable;" },
		{ "example.com#%#x()", "!not_applicable;" },
		{ "||bad.example^$third-party", "!not_applicable;" },
		{ "||bad.example^$dnstype=~CNAME", "!not_applicable;" },
		{ "||bad.example^$client=192.0.2.7", "!not_applicable;" },
		{ "||bad.example^$ctag=device_pc", "!not_applicable;" },
		{ "||bad.example^$removeparam=x", "!not_applicable;" },
		{ "||bad.example^$all", "3 bad.example;" },
		{ "||bad.example^$popup", "3 bad.example;" },
		{ "||bad.example^$important", "3 bad.example;" },
		{ "||bad.example^$dnsrewrite=NXDOMAIN;;", "3 bad.example;" },
		{ "||bad.example^$dnsrewrite=192.0.2.7", "!mapping;" },
		{ "||1.2.3.4^", "!address;" },
		{ "||fe^", "!single_label;" },
		{ "||github.io^", "1 github.io;" },
		{ "||co.uk^", "!icann_suffix;" },
		{ "! title\n[Adblock Plus 2.0]\n# note", "!comment;" },
		{ "||x.example^\n||x.example^$badfilter", "!disabled;!disabled;" },
		{ "@@||x.example^\n||a.x.example^", "12 x.example;!disabled;" },
		{ "@@||x.example^\n||a.x.example^$important", "12 x.example;3 a.x.example;" },
		{ "||x.example^$denyallow=a.x.example", "3 x.example;12 a.x.example;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_ADBLOCK, 0);
}

static void test_dnsmasq(void **state)
{
	static const struct row rows[] = {
		{ "address=/bad.example/", "3 bad.example;" },
		{ "address=/bad.example/#", "3 bad.example;" },
		{ "address=/bad.example/0.0.0.0", "3 bad.example;" },
		{ "address=/bad.example/::", "3 bad.example;" },
		{ "address=/bad.example/127.0.0.1", "3 bad.example;" },
		{ "server=/bad.example/", "3 bad.example;" },
		{ "local=/bad.example/", "3 bad.example;" },
		{ "server=/bad.example/127.0.0.1", "3 bad.example;" },
		{ "server=/good.example/#", "12 good.example;" },
		{ "local=/a.example/b.example/", "3 a.example;3 b.example;" },
		{ "address=/a.example/1.2.3.4/0.0.0.0", "3 a.example;!address;" },
		{ "address=/*.bad.example/", "2 bad.example;" },
		{ "server=/*.good.example/#", "8 good.example;" },
		{ "address=/.bad.example/", "3 bad.example;" },
		{ "address=/*bad.example/", "!pattern;" },
		{ "address=/bad.*/", "!pattern;" },
		{ "address=/#/0.0.0.0", "!pattern;" },
		{ "address=//0.0.0.0", "!not_applicable;" },
		{ "address=/intranet.example/192.0.2.7", "!mapping;" },
		{ "server=/corp.example/192.0.2.7", "!mapping;" },
		{ "server=/corp.example/127.0.0.1#5353", "!mapping;" },
		{ "server=/corp.example/192.0.2.7@eth0", "!mapping;" },
		{ "server=/corp.example/2001:db8::7", "!mapping;" },
		{ "server=/104.160.10.0/24", "!address;" },
		{ "server=192.0.2.53", "!not_applicable;" },
		{ "domain-needed", "!not_applicable;" },
		{ "conf-file=/etc/dnsmasq.d/x", "!not_applicable;" },
		{ "address=/bad.example", "!syntax;" },
		{ "address=bad.example", "!syntax;" },
		{ "address=/bad.example/nonsense", "!syntax;" },
		{ "bad.example", "!syntax;" },
		{ "address=/bad.example/ # why", "3 bad.example;" },
		{ "local=/bad.example/ x", "!extra_fields;" },
		{ "\xef\xbb\xbfserver=/bad.example/\r\n", "3 bad.example;" },
		{ "# title\n\n", "!comment;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_DNSMASQ, 0);
}

static void test_unbound(void **state)
{
	static const struct row rows[] = {
		{ "local-zone: \"bad.example\" static", "3 bad.example;" },
		{ "local-zone: \"bad.example.\" always_nxdomain", "3 bad.example;" },
		{ "local-zone: bad.example always_null", "3 bad.example;" },
		{ "local-zone: 'bad.example' always_refuse", "3 bad.example;" },
		{ "local-zone: \"bad.example\" always_deny", "3 bad.example;" },
		{ "local-zone: \"bad.example\" always_nodata", "3 bad.example;" },
		{ "local-zone: \"bad.example\" refuse", "3 bad.example;" },
		{ "local-zone: \"bad.example\" deny", "3 bad.example;" },
		{ "local-zone: \"bad.example\" inform_deny", "3 bad.example;" },
		{ "local-zone: \"bad.example\" inform_redirect", "3 bad.example;" },
		{ "local-zone: \"bad.example\" block_a", "3 bad.example;" },
		{ "local-zone: \"good.example\" transparent", "12 good.example;" },
		{ "local-zone: \"good.example\" always_transparent", "12 good.example;" },
		{ "local-zone: \"x.example\" typetransparent", "!not_applicable;" },
		{ "local-zone: \"x.example\" inform", "!not_applicable;" },
		{ "local-zone: \"x.example\" nodefault", "!not_applicable;" },
		{ "local-zone: \"x.example\" nonsense", "!syntax;" },
		{ "local-zone: \"x.example\"", "!syntax;" },
		{ "local-zone: \"x.example static", "!syntax;" },
		{ "local-zone: \".\" static", "!pattern;" },
		{ "local-zone: \"vg.no.*\" static", "!pattern;" },
		{ "local-zone: \"fe\" always_refuse", "!single_label;" },
		{ "local-zone: \"0.0.0.0\" always_refuse", "!address;" },
		{ "local-data: \"bad.example A 0.0.0.0\"", "1 bad.example;" },
		{ "local-data: \"bad.example. 60 IN AAAA ::\"", "1 bad.example;" },
		{ "local-data: 'bad.example IN 60 A 127.0.0.1'", "1 bad.example;" },
		{ "local-data: \"host.example A 192.0.2.7\"", "!mapping;" },
		{ "local-data: \"host.example TXT x\"", "!mapping;" },
		{ "local-data: \"host.example\"", "!syntax;" },
		{ "local-zone: \"bad.example\" redirect local-data: \"bad.example A 192.0.2.7\"",
		  "3 bad.example;!mapping;" },
		{ "server:", "!not_applicable;" },
		{ "server: local-zone: \"bad.example\" static", "3 bad.example;" },
		{ "access-control: 10.0.0.0/8 allow", "!not_applicable;" },
		{ "!*.cas.ms", "!syntax;" },
		{ "\tlocal-zone: \"bad.example\" static # why\r\n", "3 bad.example;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_UNBOUND, 0);
}

/* Match patterns of browsers say whole sites. */
static void test_match_patterns(void **state)
{
	static const struct row rows[] = {
		{ "*://*.bad.example/*", "3 bad.example;" },
		{ "*://bad.example/*", "1 bad.example;" },
		{ "*://*.2015San.com/*", "3 2015san.com;" },
		{ "*://*/*", "!pattern;" },
		{ "*://bad.example/login/*", "!pattern;" },
		{ "*://*.1.2.3.4/*", "!address;" },
		{ "bad.example", "!no_scope;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_DOMAINS, 0);
}

static void test_urls(void **state)
{
	static const struct row rows[] = {
		{ "http://bad.example", "1 bad.example;" },
		{ "https://Bad.Example./a/b?c=d#e", "1 bad.example;" },
		{ "http://bad.example:8080/x", "1 bad.example;" },
		{ "http://user:pass@bad.example/x", "1 bad.example;" },
		{ "http://good.example@bad.example\\@good.example/", "1 bad.example;" },
		{ "http://%62ad.example/", "1 bad.example;" },
		{ "ftp://bad.example/x", "1 bad.example;" },
		{ "hxxp://bad[.]example/x", "1 bad.example;" },
		{ "hXXps[:]//bad(.)example/x", "1 bad.example;" },
		{ "hxxps[://]bad[dot]example[:]8080[/]x", "1 bad.example;" },
		{ "bad.example/login", "1 bad.example;" },
		{ "bad.example:8443", "1 bad.example;" },
		{ "http://bad.example/a b c", "1 bad.example;" },
		{ "http://bad.example/x # why", "1 bad.example;" },
		{ "http://m\xc3\xbcnchen.example/x", "1 xn--mnchen-3ya.example;" },
		/* a URL within a URL is not the host: "://" counts behind a scheme only */
		{ "evil.example/redirect?u=https://www.paypal.com/login", "1 evil.example;" },
		{ "evil.example?u=http://www.paypal.com/", "1 evil.example;" },
		{ "evil.example#http://www.paypal.com/", "1 evil.example;" },
		{ "evil.example\\http://www.paypal.com/", "1 evil.example;" },
		{ "evil.example:8080?u=http://www.paypal.com/", "1 evil.example;" },
		{ "evil.example://www.paypal.com/", "1 evil.example;" },
		{ "evil[.]example?u=hxxp[://]www[.]paypal[.]com/", "1 evil.example;" },
		{ "http://evil.example?u=http://www.paypal.com/", "1 evil.example;" },
		{ "view-source+x1://bad.example/", "1 bad.example;" },
		{ "http://1.2.3.4/x86", "!address;" },
		{ "http://1.2.3.4:1171/i", "!address;" },
		{ "http://[2604:2dc0::1]/x", "!address;" },
		{ "http://0x5bf076a8/", "!address;" },
		{ "http://bad.example:x/", "!syntax;" },
		{ "http:///x", "!syntax;" },
		{ "user@host.example", "!syntax;" },
		{ "http://*.bad.example/", "!pattern;" },
		{ "bad.example worse.example", "!extra_fields;" },
		{ "http://localhost/x", "!single_label;" },
		{ "https://github.com/x/y/raw/z.exe", "!shared_host;" },
		{ "https://raw.githubusercontent.com/x/y/z.exe", "!shared_host;" },
		{ "https://pastebin.com/raw/x", "!shared_host;" },
		{ "https://drive.google.com/uc?id=x", "!shared_host;" },
		{ "https://www.DropBox.com./s/x", "!shared_host;" },
		{ "https://blogspot.com/x", "!shared_host;" },
		{ "https://s3.eu-west-1.amazonaws.com/bucket/x", "!shared_host;" },
		{ "https://bit.ly/x", "!shared_host;" },
		{ "https://bad.blogspot.com/x", "1 bad.blogspot.com;" },
		{ "https://bad.github.io/x", "1 bad.github.io;" },
		{ "https://bucket.s3.amazonaws.com/x", "1 bucket.s3.amazonaws.com;" },
		{ "http://843824910-google.com", "1 843824910-google.com;" },
		{ "# title\n\n", "!comment;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_URLS, 0);
	CHECK(rows, FL_FORMAT_URLS, FL_SCOPE_SUBTREE); /* a URL says nothing about what is below its host */
}

static void test_maltrail(void **state)
{
	static const struct row rows[] = {
		{ "bad.example", "1 bad.example;" },
		{ ".bad.example", "3 bad.example;" },
		{ "bad.example # why", "1 bad.example;" },
		{ "http://52.196.149.49", "!address;" },
		{ "51.210.1.239:8443", "!address;" },
		{ "/365-Stealer/", "!pattern;" },
		{ "bad.example/itsme.daum", "!pattern;" },
		{ "bad.example:8080", "!pattern;" },
		{ "0ba[0-9]{8,15}\\.win", "!pattern;" },
		{ "*.bad.example", "!pattern;" },
		{ "cartevitale[.]info", "!pattern;" },
		{ "bad.example worse.example", "!extra_fields;" },
		{ "# Reference: https://example.com/x\n", "!comment;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_MALTRAIL, FL_SCOPE_SUBTREE);
}

#define FIELDS "#fields\tindicator\tindicator_type\tmeta.source\n"

static void test_zeek(void **state)
{
	static const struct row rows[] = {
		{ FIELDS "bad.example\tIntel::DOMAIN\tx", "1 bad.example;!comment;" },
		{ FIELDS "bad.example/login\tIntel::URL\tx", "1 bad.example;!comment;" },
		{ FIELDS "evil.example/r?u=https://www.paypal.com/\tIntel::URL\tx", "1 evil.example;!comment;" },
		{ FIELDS "evil.example?u=http://www.paypal.com/\tIntel::URL\tx", "1 evil.example;!comment;" },
		{ FIELDS "github.com/x\tIntel::URL\tx", "!shared_host;!comment;" },
		{ FIELDS "192.0.2.7\tIntel::ADDR\tx", "!address;!comment;" },
		{ FIELDS "192.0.2.0/24\tIntel::SUBNET\tx", "!address;!comment;" },
		{ FIELDS "d41d8cd98f00b204e9800998ecf8427e\tIntel::FILE_HASH\tx", "!not_applicable;!comment;" },
		{ FIELDS "x@bad.example\tIntel::EMAIL\tx", "!not_applicable;!comment;" },
		{ FIELDS "192.0.2.7\tIntel::DOMAIN\tx", "!address;!comment;" },
		{ FIELDS "*.bad.example\tIntel::DOMAIN\tx", "!pattern;!comment;" },
		{ FIELDS "bad.example\tnonsense\tx", "!syntax;!comment;" },
		{ FIELDS "bad.example", "!syntax;!comment;" },
		{ FIELDS "bad.example Intel::DOMAIN x", "!syntax;!comment;" },
		{ "#fields\tmeta.source\tindicator_type\tindicator\nx\tIntel::DOMAIN\tbad.example",
		  "1 bad.example;!comment;" },
		{ "#fields\tindicator\tmeta.source\nbad.example\tx", "!syntax;!comment;" },
		{ "bad.example\tIntel::DOMAIN\tx", "!syntax;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_ZEEK, FL_SCOPE_SUBTREE);
}

#define ZONE "$ORIGIN rpz.example.\n@ SOA ns.x. root.x. (1 2 3\n 4 5)\n"
#define ZONE_SAYS "!not_applicable;!not_applicable;"

static void test_rpz(void **state)
{
	static const struct row rows[] = {
		/* actions */
		{ "bad.example CNAME .", "1 bad.example;" },
		{ "*.bad.example CNAME .", "2 bad.example;" },
		{ "bad.example CNAME *.", "1 bad.example;" },
		{ "bad.example CNAME rpz-drop.", "1 bad.example;" },
		{ "good.example CNAME rpz-passthru.", "4 good.example;" },
		{ "*.good.example CNAME RPZ-Passthru.", "8 good.example;" },
		{ "good.example CNAME good.example.", "4 good.example;" },
		{ "*.good.example CNAME *.good.example.", "8 good.example;" },
		{ "x.example CNAME rpz-tcp-only.", "!not_applicable;" },
		{ "x.example CNAME garden.example.", "!mapping;" },
		{ "x.example A 192.0.2.7", "!mapping;" },
		{ "x.example TXT \"a ; ( text\"", "!mapping;" },
		{ "bad.example A 0.0.0.0", "1 bad.example;" },
		{ "bad.example AAAA ::", "1 bad.example;" },
		/* how a record may be written */
		{ "bad.example 60 IN CNAME .", "1 bad.example;" },
		{ "bad.example IN 60 CNAME .", "1 bad.example;" },
		{ "bad.example in cname .", "1 bad.example;" },
		{ "bad.example\tCNAME\t. ; why", "1 bad.example;" },
		{ "bad.example 1h30m CNAME (\n . )", "1 bad.example;" },
		{ "bad.example CNAME .\r\n", "1 bad.example;" },
		{ "\xef\xbb\xbf; title\nbad.example CNAME .", "1 bad.example;!comment;" },
		{ "BAD.example CNAME .\n\tA 0.0.0.0", "1 bad.example;1 bad.example;" },
		{ "\\066ad.example CNAME .", "1 bad.example;" },
		{ "bad\\.example CNAME .", "!bad_label;" },
		{ "m\xc3\xbcnchen.example CNAME .", "1 xn--mnchen-3ya.example;" },
		/* where the zone begins */
		{ ZONE "bad.example CNAME .", ZONE_SAYS "1 bad.example;" },
		{ ZONE "bad.example.rpz.example. CNAME .", ZONE_SAYS "1 bad.example;" },
		{ ZONE "bad.example. CNAME .", ZONE_SAYS "!out_of_zone;" },
		{ ZONE "$ORIGIN example.rpz.example.\nbad CNAME .", ZONE_SAYS "!not_applicable;1 bad.example;" },
		{ ZONE "good.example CNAME good.example.", ZONE_SAYS "4 good.example;" },
		{ ZONE "good.example CNAME good.example", ZONE_SAYS "!mapping;" },
		{ "$ORIGIN rpz.example.\nbad.example CNAME .", "!not_applicable;1 bad.example;" },
		{ "@ SOA ns. root. (1 2 3 4 5)\nbad.example CNAME .", "!not_applicable;1 bad.example;" },
		{ "bad.example. CNAME .", "1 bad.example;" },
		{ "zone. IN NS localhost.", "!not_applicable;" },
		{ "$TTL 300", "!not_applicable;" },
		/* other triggers, counted */
		{ "24.0.2.0.192.rpz-ip CNAME .", "!trigger;" },
		{ "128.zz.3333.4444.0.0.8888.rpz-ip CNAME .", "!trigger;" },
		{ "32.1.2.0.192.rpz-client-ip CNAME rpz-passthru.", "!trigger;" },
		{ "ns.bad.example.rpz-nsdname CNAME .", "!trigger;" },
		{ "24.0.2.0.192.rpz-nsip CNAME .", "!trigger;" },
		{ "24.0.2.0.192.RPZ-IP.rpz.example. CNAME .", "!trigger;" },
		/* what is no rule */
		{ "* CNAME .", "!pattern;" },
		{ "vg.no.* CNAME .", "!pattern;" },
		{ "0x5bf076a8 CNAME .", "!address;" },
		{ "0056.0151.0121.0114 CNAME .", "!address;" },
		{ "1.2.3.4 CNAME .", "!address;" },
		{ "fe CNAME .", "!single_label;" },
		{ "x.example DNAME y.example.", "!not_applicable;" },
		{ "x.example RRSIG x", "!not_applicable;" },
		{ "x.example CH CNAME .", "!syntax;" },
		{ "x.example NONSENSE .", "!syntax;" },
		{ "x.example CNAME", "!syntax;" },
		{ "x.example CNAME . .", "!syntax;" },
		{ "x..example CNAME .", "!bad_label;" },
		{ "\tCNAME .", "!syntax;" },
		{ "!*.cas.ms CNAME .", "!pattern;" },
		{ "$GENERATE 1-9 x$ CNAME .", "!pattern;" },
		{ "$INCLUDE other.db", "!syntax;" },
		/* what is broken costs its own line */
		{ "x.example CNAME (\nbad.example CNAME .\n", "!syntax;1 bad.example;" },
		{ "x.example CNAME (\nbad.example CNAME .\n@ SOA a. b. (1 2 3 4 5)",
		  "!syntax;1 bad.example;!not_applicable;" },
		{ "x.example CNAME )\nbad.example CNAME .\n", "!syntax;1 bad.example;" },
		{ "x.example TXT \"open\nbad.example CNAME .\n", "!syntax;1 bad.example;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_RPZ, FL_SCOPE_SUBTREE);
}

static void test_bind(void **state)
{
	static const struct row rows[] = {
		{ "zone \"bad.example\" { type master; notify no; file \"null.zone.file\"; };", "3 bad.example;" },
		{ "zone bad.example. IN { type primary; };", "3 bad.example;" },
		{ "zone \"bad.example\" {\n\ttype master;\n\tfile \"x\";\n};",
		  "!not_applicable;3 bad.example;!not_applicable;!not_applicable;" },
		{ "zone \"corp.example\" { type forward; forwarders { 192.0.2.7; }; };", "!mapping;" },
		{ "zone \"corp.example\" { type slave; };", "!mapping;" },
		{ "zone \"x.example\" { type nonsense; };", "!syntax;" },
		{ "zone \"x.example\" { };", "!syntax;" },
		{ "zone \".\" { type hint; };", "!pattern;" },
		{ "zone \"fe\" { type master; };", "!single_label;" },
		{ "zone \"0.0.0.0\" { type master; };", "!address;" },
		/* braces within a zone do not end it */
		{ "zone \"bad.example\" {\n\tallow-query { any; };\n\ttype master;\n};",
		  "!not_applicable;!not_applicable;3 bad.example;!not_applicable;" },
		{ "zone \"bad.example\"\n{\n\tallow-query {\n\t\tany;\n\t};\n\ttype\n\tmaster;\n};",
		  "!not_applicable;!not_applicable;!not_applicable;!not_applicable;!not_applicable;!not_applicable;3 bad.example;!not_applicable;" },
		{ "zone \"bad.example\" { allow-query { any; }; type master; };", "3 bad.example;" },
		{ "zone \"bad.example\" { file \"a}b;type slave\"; type master; };", "3 bad.example;" },
		{ "zone \"x.example\" { primaries { type master; }; type slave; };", "!mapping;" },
		/* several zones on a line */
		{ "zone \"a.example\" { type master; }; zone \"b.example\" { type master; };", "3 a.example;3 b.example;" },
		{ "zone \"a.example\" { type master; }; zone \"b.example\" { type slave; };", "3 a.example;!mapping;" },
		{ "zone \"a.example\" { type forward; }; zone \"b.example\" { };", "!mapping;" },
		{ "zone \"a.example\" { type master; }; zone \"b.example\" {\ntype master; }; zone \"c.example\" {\n};",
		  "3 a.example;3 b.example;!syntax;!not_applicable;" },
		{ "view \"v\" { zone \"a.example\" { type master; }; };", "3 a.example;" },
		/* a zone without a type is refused where it was opened, whatever ends it */
		{ "zone \"x.example\" {\n\tfile \"x\";\n};", "!not_applicable;!syntax;!not_applicable;" },
		{ "zone \"x.example\" {\nzone \"bad.example\" { type master; };", "!syntax;3 bad.example;" },
		{ "zone \"x.example\" { zone \"bad.example\" { type master; };", "3 bad.example;!syntax;" },
		{ "zone \"bad.example\" { type master; };\nzone \"x.example\" {", "3 bad.example;!syntax;" },
		{ "zone \"\" { type master; };", "!syntax;" },
		{ "response-policy { zone \"rpz.example\"; };", "!not_applicable;" },
		{ "options { recursion yes; };", "!not_applicable;" },
		{ "bad.example", "!syntax;" },
		{ "// a\n# b\n", "!comment;" },
	};

	(void)state;
	CHECK(rows, FL_FORMAT_BIND, 0);
}

/* A name that no zone can hold: a loader would refuse the whole zone for it. */
static void test_rpz_long_names(void **state)
{
	struct fl_buf b = { 0 };
	struct row row = { .want = "!too_long;1 bad.example;" };

	(void)state;
	for (int i = 0; i < 30; i++)
		fl_buf_str(&b, "aaaaaaaaa.");
	fl_buf_str(&b, "example CNAME .\nbad.example CNAME .\n");
	row.lines = fl_buf_cstr(&b);
	row_check(&row, FL_FORMAT_RPZ, 0);
	fl_buf_done(&b);
}

/* Half of what a list of URLs holds is addresses; a page of text in its place is still no list. */
static void test_addresses_do_not_speak_against_a_list(void **state)
{
	static const struct {
		enum fl_format format;
		const char *body;
		bool refused;
	} rows[] = {
		{ FL_FORMAT_URLS, "http://1.2.3.4/x\nhttp://1.2.3.5/x\nhttps://github.com/x\nhttp://bad.example/x\n",
		  false },
		{ FL_FORMAT_ZEEK,
		  FIELDS "192.0.2.7\tIntel::ADDR\tx\n192.0.2.8\tIntel::ADDR\tx\nbad.example\tIntel::DOMAIN\tx\n",
		  false },
		{ FL_FORMAT_URLS, "http://1.2.3.4/x\nhttp://1.2.3.5/x\n", true },
		{ FL_FORMAT_URLS, "Too many\nrequests today\nfrom you, see bad.example\nhttp://bad.example/x\n", true },
		{ FL_FORMAT_RPZ, "bad.example\nworse.example\nx.example CNAME .\n", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct fl_feed_options opt = { .format = rows[i].format };
		struct fl_feed_trial t;
		struct fl_err err = { 0 };

		assert_int_equal(fl_feed_try(names, &opt, fl_span_str(rows[i].body), 0, NULL, NULL, NULL, &t, &err), 0);
		if (t.refused != rows[i].refused)
			fail_msg("row %zu: %s, %llu names", i, t.refused ? t.reason : "taken",
				 (unsigned long long)t.names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_adblock),
		cmocka_unit_test(test_dnsmasq),
		cmocka_unit_test(test_unbound),
		cmocka_unit_test(test_match_patterns),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_maltrail),
		cmocka_unit_test(test_zeek),
		cmocka_unit_test(test_rpz),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_rpz_long_names),
		cmocka_unit_test(test_addresses_do_not_speak_against_a_list),
	};
	struct fl_err err;
	int failed;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 77;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_names_close(names);
	return failed;
}
