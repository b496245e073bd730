/* What a document of findings comes to, from its octets to claims: a row a ruling. A row gives the document, with ` in place of ", and what comes of it, in order:
 *
 *   block|alert|withdraw SCOPE name;   a claim (SCOPE 1 exact, 3 the name and below)
 *   !reason;                           a name, or a whole finding, that makes none
 *   ?;                                 a finding that could not be read; `says` is in the reason of the first of them
 *
 * The policy is the default one, with a list "fireline-export" of our own, and protects time.example, and bank.example with all below it. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <unistd.h>

#include "feeds/feeds.h"
#include "normalize/normalize.h"
#include "tests/support/skip.h"

#define NOW_S 1795425342 /* 2026-11-23 */

static struct fl_names *names;
static struct fl_protected protected;

struct row {
	const char *document, *want, *says;
};

/* --- GuardDuty --- */

#define C2 "`type`:`Backdoor:EC2/C&CActivity.B!DNS`"
#define GD(more) "{`schemaVersion`:`2.0`,`id`:`1`,`severity`:8," C2 "," more "}"
#define DNS(domain) "`service`:{`action`:{`dnsRequestAction`:{`domain`:`" domain "`}}}"
#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME253 LABEL63 "." LABEL63 "." LABEL63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"
#define NAME254 LABEL63 "." LABEL63 "." LABEL63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"
#define SEQUENCE(endpoint, signal, indicator)                                                                                                               \
	"{`id`:`1`,`severity`:9,`type`:`AttackSequence:EC2/X`,`service`:{`detection`:{`sequence`:{`endpoints`:[" endpoint "],`signals`:[" signal         \
	"],`sequenceIndicators`:[" indicator "]}}}}"
#define OUTBOUND "`connection`:{`direction`:`OUTBOUND`}"
#define INBOUND "`connection`:{`direction`:`INBOUND`}"

static const struct row guardduty[] = {
	{ GD(DNS("c2.example")), "block 1 c2.example;", NULL },
	{ "{`SchemaVersion`:`2.0`,`Id`:`1`,`Severity`:8,`Type`:`Backdoor:EC2/C&CActivity.B!DNS`,`Service`:{`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}}}",
	  "block 1 c2.example;", NULL },
	/* PascalCase in an event, small letters in an API answer, and both in one finding */
	{ "{`detail-type`:`GuardDuty Finding`,`source`:`aws.guardduty`,`detail`:{`Id`:`1`,`Severity`:8,`Type`:`Trojan:EC2/DropPoint!DNS`,"
	  "`Service`:{`Action`:{`DnsRequestAction`:{`Domain`:`drop.example`}}}}}",
	  "block 1 drop.example;", NULL },
	{ "{`Findings`:[" GD(DNS("c2.example")) "]}", "block 1 c2.example;", NULL },
	{ "{`Id`:`1`,`severity`:8,`Type`:`Trojan:EC2/DropPoint!DNS`,`service`:{`Action`:{`dnsRequestAction`:{`Domain`:`mixed.example`}}}}", "block 1 mixed.example;", NULL },
	{ GD("`Service`:{},`service`:{}"), "?;", "two spellings" },
	/* severity */
	{ "{`id`:`1`,`severity`:`8.0`," C2 "," DNS("c2.example") "}", "block 1 c2.example;", NULL },
	{ "{`id`:`1`,`severity`:`HIGH`," C2 "," DNS("c2.example") "}", "block 1 c2.example;", NULL },
	{ "{`id`:`1`,`severity`:3.9," C2 "," DNS("c2.example") "}", "!low_severity;", NULL },
	{ "{`id`:`1`," C2 "," DNS("c2.example") "}", "!low_severity;", NULL },
	{ "{`id`:`1`,`severity`:80," C2 "," DNS("c2.example") "}", "?;", "0 to 10" },
	{ "{`id`:`1`,`severity`:-1," C2 "," DNS("c2.example") "}", "?;", "0 to 10" },
	{ "{`id`:`1`,`severity`:1e999," C2 "," DNS("c2.example") "}", "?;", "beyond all measure" },
	{ "{`id`:`1`,`severity`:[8]," C2 "," DNS("c2.example") "}", "?;", "severity" },
	{ "{`id`:`1`,`severity`:`loud`," C2 ",`service`:{`archived`:true,`action`:{`dnsRequestAction`:{`domain`:`c2.example`}}}}", "withdraw 1 c2.example;", NULL },
	/* a finding without what it needs */
	{ GD("`title`:`no service`"), "!no_domain;", NULL },
	{ GD("`service`:null"), "!no_domain;", NULL },
	{ GD("`service`:`text`"), "!no_domain;", NULL },
	{ GD("`service`:{`action`:{`dnsRequestAction`:{`domain`:17}}}"), "!no_domain;", NULL },
	{ GD("`service`:{`action`:{`dnsRequestAction`:{`domain`:null}}}"), "!no_domain;", NULL },
	{ GD("`service`:{`action`:{`dnsRequestAction`:{`domain`:[`a.example`]}}}"), "!no_domain;", NULL },
	{ GD(DNS("")), "!no_domain;", NULL },
	{ "{`severity`:8," C2 "," DNS("c2.example") "}", "?;", "no id" },
	{ "{`id`:``,`severity`:8," C2 "," DNS("c2.example") "}", "?;", "no id" },
	{ "{`id`:{},`severity`:8," C2 "," DNS("c2.example") "}", "?;", "no id" },
	/* names */
	{ GD(DNS("C2.Example.")), "block 1 c2.example;", NULL },
	{ GD(DNS("  c2.example ")), "block 1 c2.example;", NULL },
	{ GD(DNS("_svc.my_host.example")), "block 1 _svc.my_host.example;", NULL },
	{ GD(DNS("b\xc3\xbc" "cher.example")), "block 1 xn--bcher-kva.example;", NULL },
	{ GD(DNS("B\\u00dcCHER.example")), "block 1 xn--bcher-kva.example;", NULL },
	{ GD(DNS("xn--bcher-kva.example")), "block 1 xn--bcher-kva.example;", NULL },
	{ GD(DNS(NAME253)), "block 1 " NAME253 ";", NULL },
	{ GD(DNS(NAME254)), "!too_long;", NULL },
	{ GD(DNS(LABEL63 "a.example")), "!bad_label;", NULL },
	{ GD(DNS("a..example")), "!bad_label;", NULL },
	{ GD(DNS("a b.example")), "!bad_label;", NULL },
	{ GD(DNS("*.example.net")), "!bad_label;", NULL },
	{ GD(DNS("http://c2.example/x")), "!bad_label;", NULL },
	{ GD(DNS("localhost")), "!single_label;", NULL },
	{ GD(DNS("192.0.2.7")), "!address;", NULL },
	{ GD(DNS("2001:db8::7")), "!address;", NULL },
	{ GD(DNS("host.7")), "!numeric_tld;", NULL },
	{ GD(DNS("co.uk")), "!icann_suffix;", NULL },
	{ GD(DNS("github.io")), "block 1 github.io;", NULL },
	{ GD(DNS("time.example")), "!protected;", NULL },
	{ GD(DNS("www.time.example")), "block 1 www.time.example;", NULL },
	{ GD(DNS("www.bank.example")), "!protected;", NULL },
	/* types */
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("6a.x.tunnel.example") "}", "alert 3 tunnel.example;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("6a.tunnel.co.uk") "}", "alert 3 tunnel.co.uk;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("co.uk") "}", "!icann_suffix;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("6a.evil.github.io") "}", "alert 3 evil.github.io;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("github.io") "}", "!private_suffix;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:`Trojan:EC2/DNSDataExfiltration`," DNS("x.time.example") "}", "alert 3 time.example;", NULL },
	{ "{`id`:`1`,`severity`:5,`type`:`Impact:EC2/AbusedDomainRequest.Reputation`," DNS("a.b.example") "}", "alert 1 a.b.example;", NULL },
	{ "{`id`:`1`,`severity`:2,`type`:`Impact:EC2/SuspiciousDomainRequest.Reputation`," DNS("a.b.example") "}", "!low_severity;", NULL },
	{ "{`id`:`1`,`severity`:8," DNS("c2.example") "}", "alert 1 c2.example;", NULL },
	{ "{`id`:`1`,`severity`:8,`type`:17," DNS("c2.example") "}", "alert 1 c2.example;", NULL },
	/* samples, echoes */
	{ GD(DNS("GeneratedFindingDomainName")), "!sample;", NULL },
	{ GD("`title`:`[SAMPLE] x`," DNS("c2.example")), "!sample;", NULL },
	{ GD("`service`:{`additionalInfo`:{`sample`:true},`action`:{`dnsRequestAction`:{`domain`:`c2.example`}}}"), "!sample;", NULL },
	{ GD("`service`:{`additionalInfo`:{`value`:`{\\\"sample\\\":true}`},`action`:{`dnsRequestAction`:{`domain`:`c2.example`}}}"), "!sample;", NULL },
	{ GD("`service`:{`additionalInfo`:{`threatListName`:`fireline-export`},`action`:{`dnsRequestAction`:{`domain`:`c2.example`}}}"), "!ignored;", NULL },
	{ GD("`service`:{`archived`:`true`,`action`:{`dnsRequestAction`:{`domain`:`c2.example`}}}"), "withdraw 1 c2.example;", NULL },
	{ GD("`service`:{`archived`:true,`action`:{`dnsRequestAction`:{`domain`:`time.example`}}}"), "withdraw 1 time.example;", NULL },
	/* names that mean something else */
	{ GD("`service`:{`action`:{`awsApiCallAction`:{`domainDetails`:{`domain`:`autoscaling.amazonaws.com`}}}}"), "!no_domain;", NULL },
	{ GD("`service`:{`action`:{`dnsRequestAction`:{`domainWithSuffix`:`parent.example`}}}"), "!no_domain;", NULL },
	{ GD("`description`:`it asked for evil.example`,`service`:{`additionalInfo`:{`domain`:`second.example`}}"), "!no_domain;", NULL },
	{ GD("`resource`:{`instanceDetails`:{`networkInterfaces`:[{`publicDnsName`:`victim.example`}]}},`service`:{}"), "!no_domain;", NULL },
	/* attack sequences */
	{ "{`id`:`1`,`severity`:9,`type`:`AttackSequence:EC2/X`,`service`:{`detection`:{`sequence`:{`endpoints`:["
	  "{`id`:`e1`,`domain`:`out.example`,`connection`:{`direction`:`OUTBOUND`}},{`id`:`e2`,`domain`:`in.example`,`connection`:{`direction`:`INBOUND`}}],"
	  "`signals`:[{`type`:`FINDING`,`endpointIds`:[`e1`,`e2`]}]}}}}",
	  "block 1 out.example;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`}", "{`type`:`FINDING`,`endpointIds`:[`e1`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`}", "{`type`:`FINDING`,`name`:`Backdoor:EC2/C&CActivity.B!DNS`,`endpointIds`:[`e1`]}", ""), "block 1 x.example;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`}", "{`type`:`CLOUD_TRAIL`,`name`:`X!DNS`,`endpointIds`:[`e1`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`," INBOUND "}", "{`type`:`FINDING`,`name`:`X!DNS`,`endpointIds`:[`e1`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`," OUTBOUND "}", "{`endpointIds`:[`e1`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`," OUTBOUND "}", "{`type`:`DNS_LOG`,`endpointIds`:[`e1`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`," OUTBOUND "}", "{`type`:`FINDING`,`endpointIds`:[`e2`]}", ""), "!no_domain;", NULL },
	{ SEQUENCE("{`id`:`e1`,`domain`:`x.example`}", "", "{`key`:`MALICIOUS_DOMAIN`,`values`:[`x.example`]}"), "block 1 x.example;", NULL },
	{ "{`id`:`1`,`severity`:9,`type`:`AttackSequence:EC2/X`,`service`:{`detection`:{`sequence`:{`endpoints`:[{`id`:`e2`,`domain`:`in.example`,"
	  "`connection`:{`direction`:`INBOUND`}}],`sequenceIndicators`:[{`key`:`ATTACK_TACTIC`,`values`:[`in.example`]}]}}}}",
	  "!no_domain;", NULL },
	{ "{`id`:`1`,`severity`:9,`type`:`AttackSequence:EC2/X`,`service`:{`detection`:{`sequence`:{`sequenceIndicators`:"
	  "[{`key`:`MALICIOUS_DOMAIN`,`values`:[`a.example`,`A.Example.`,7,`192.0.2.1`]}]}}}}",
	  "block 1 a.example;!duplicate;!address;", NULL },
};

/* --- Security Hub --- */

#define HUB(more) "{`SchemaVersion`:`2018-10-08`,`ProductArn`:`arn:aws:securityhub:x`,`Id`:`arn:x/1`,`Types`:[`TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS`]," more "}"
#define HUB_DNS "`Severity`:{`Label`:`HIGH`},`Action`:{`ActionType`:`DNS_REQUEST`,`DnsRequestAction`:{`Domain`:`c2.example`}}"

static const struct row asff[] = {
	{ "{`source`:`aws.securityhub`,`detail-type`:`Security Hub Findings - Imported`,`detail`:{`findings`:[" HUB(HUB_DNS) "]}}", "block 1 c2.example;", NULL },
	{ HUB("`Severity`:{`Label`:`LOW`},`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}"), "!low_severity;", NULL },
	{ HUB("`Severity`:{`Normalized`:80},`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}"), "block 1 c2.example;", NULL },
	{ HUB("`Severity`:{`Normalized`:80,`Label`:`LOW`},`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}"), "!low_severity;", NULL },
	{ HUB("`FindingProviderFields`:{`Severity`:{`Label`:`HIGH`}},`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}"), "block 1 c2.example;", NULL },
	{ HUB("`Severity`:{`Label`:`LOUD`},`Action`:{`DnsRequestAction`:{`Domain`:`c2.example`}}"), "?;", "severity" },
	{ HUB("`RecordState`:`ARCHIVED`," HUB_DNS), "withdraw 1 c2.example;", NULL },
	{ HUB("`RecordState`:`ACTIVE`,`Workflow`:{`Status`:`NEW`},`VerificationState`:`TRUE_POSITIVE`," HUB_DNS), "block 1 c2.example;", NULL },
	{ HUB("`Workflow`:{`Status`:`SUPPRESSED`}," HUB_DNS), "withdraw 1 c2.example;", NULL },
	{ HUB("`Workflow`:{`Status`:`RESOLVED`}," HUB_DNS), "withdraw 1 c2.example;", NULL },
	{ HUB("`VerificationState`:`FALSE_POSITIVE`," HUB_DNS), "withdraw 1 c2.example;", NULL },
	{ HUB("`VerificationState`:`benign_positive`," HUB_DNS), "withdraw 1 c2.example;", NULL },
	{ HUB("`Sample`:true," HUB_DNS), "!sample;", NULL },
	{ HUB("`Severity`:{`Label`:`HIGH`},`Action`:{`AwsApiCallAction`:{`DomainDetails`:{`Domain`:`caller.example`}}}"), "!no_domain;", NULL },
	{ HUB("`Severity`:{`Label`:`HIGH`},`ThreatIntelIndicators`:[{`Type`:`DOMAIN`,`Value`:`ti.example`},{`Type`:`URL`,`Value`:`http://u.example/`},{`Type`:`IPV4_ADDRESS`,`Value`:`192.0.2.1`}]"),
	  "block 1 ti.example;", NULL },
	{ HUB("`Severity`:{`Label`:`HIGH`},`Network`:{`Direction`:`OUT`,`DestinationDomain`:`out.example`,`SourceDomain`:`own.example`}"), "block 1 out.example;", NULL },
	{ HUB("`Severity`:{`Label`:`HIGH`},`Network`:{`Direction`:`IN`,`DestinationDomain`:`own.example`}"), "!no_domain;", NULL },
	{ HUB("`Severity`:{`Label`:`HIGH`},`ProductFields`:{`aws/guardduty/service/action/dnsRequestAction/domain`:`pf.example`}"), "block 1 pf.example;", NULL },
	{ HUB(HUB_DNS ",`ProductFields`:{`aws/guardduty/service/action/dnsRequestAction/domain`:`pf.example`}"), "block 1 c2.example;", NULL },
	{ HUB(HUB_DNS ",`ProductFields`:{`aws/guardduty/service/additionalInfo/sample`:`true`}"), "!sample;", NULL },
	{ HUB(HUB_DNS ",`ProductFields`:{`aws/guardduty/service/evidence/threatIntelligenceDetails.0_/threatListName`:`fireline-export`}"), "!ignored;", NULL },
	{ "{`ProductArn`:`x`,`Id`:`1`,`Types`:[`Software and Configuration Checks`]," HUB_DNS "}", "alert 1 c2.example;", NULL },
	{ "{`ProductArn`:`x`,`Id`:`1`,`Types`:[`Trojan:EC2/DropPoint!DNS`]," HUB_DNS "}", "block 1 c2.example;", NULL },
};

/* --- OCSF --- */

#define OCSF(more) "{`class_uid`:2004,`severity_id`:4,`message`:`free text`,`finding_info`:{`uid`:`1`,`types`:[`Trojan:EC2/DropPoint!DNS`]}," more "}"
#define QUERY "`evidences`:[{`query`:{`hostname`:`q.example`}}]"

static const struct row ocsf[] = {
	{ OCSF("`activity_id`:1,`status_id`:1," QUERY), "block 1 q.example;", NULL },
	{ OCSF("`activity_id`:3," QUERY), "withdraw 1 q.example;", NULL },
	{ OCSF("`status_id`:2," QUERY), "block 1 q.example;", NULL },
	{ OCSF("`status_id`:3," QUERY), "withdraw 1 q.example;", NULL },
	{ OCSF("`status_id`:4," QUERY), "withdraw 1 q.example;", NULL },
	{ OCSF("`status_id`:5," QUERY), "withdraw 1 q.example;", NULL },
	{ OCSF("`status_id`:6," QUERY), "withdraw 1 q.example;", NULL },
	{ OCSF("`evidences`:[{`verdict_id`:1,`query`:{`hostname`:`q.example`}}]"), "withdraw 1 q.example;", NULL },
	{ OCSF("`evidences`:[{`verdict_id`:5,`query`:{`hostname`:`no.example`}},{`verdict_id`:2,`query`:{`hostname`:`yes.example`}}]"),
	  "block 1 yes.example;withdraw 1 no.example;", NULL },
	{ OCSF("`evidences`:[{`verdict_id`:10,`query`:{`hostname`:`q.example`}},{`query`:{`hostname`:`q.example`}}]"), "block 1 q.example;", NULL },
	{ OCSF("`evidences`:[{`dst_endpoint`:{`hostname`:`victim.example`}}]"), "!no_domain;", NULL },
	{ OCSF("`evidences`:[{`connection_info`:{`direction_id`:1},`dst_endpoint`:{`hostname`:`victim.example`}}]"), "!no_domain;", NULL },
	{ OCSF("`evidences`:[{`connection_info`:{`direction_id`:2},`dst_endpoint`:{`hostname`:`out.example`,`domain`:`corp.example`}}]"), "block 1 out.example;", NULL },
	{ OCSF("`evidences`:[{`url`:{`hostname`:`u.example`},`data`:`d.example`}],`observables`:[{`type_id`:1,`value`:`victim.example`}]"), "!no_domain;", NULL },
	{ OCSF("`osint`:[{`type_id`:2,`value`:`d.example`},{`type_id`:3,`value`:`h.example`},{`type_id`:1,`value`:`192.0.2.1`},{`type_id`:5,`value`:`http://u.example`}]"),
	  "block 1 d.example;block 1 h.example;", NULL },
	{ OCSF("`osint`:[{`type_id`:2,`value`:`d.example`,`expiration_time`:1000000000000}]"), "!expired;", NULL },
	{ OCSF("`osint`:[{`type_id`:2,`value`:`d.example`,`vendor_name`:`fireline-export`}]"), "!ignored;", NULL },
	{ "{`class_uid`:2004,`severity_id`:2,`finding_info`:{`uid`:`1`}," QUERY "}", "!low_severity;", NULL },
	{ "{`class_uid`:2004,`severity_id`:99,`finding_info`:{`uid`:`1`}," QUERY "}", "!low_severity;", NULL },
	{ "{`class_uid`:2004,`severity_id`:4," QUERY "}", "?;", "no id" },
	{ "{`class_uid`:4003,`query`:{`hostname`:`q.example`}}", "?;", "another class" },
};

/* --- DNS Firewall --- */

#define FW(more) "{`source`:`aws.route53resolver`,`id`:`5d3c`,`detail-type`:`DNS Firewall Block`,`resources`:[],`detail`:{`query-name`:`beacon.example.`," more "}}"

static const struct row firewall[] = {
	{ FW("`firewall-rule-action`:`BLOCK`,`firewall-domain-list-id`:`rslvr-fdl-1`,`last-observed-at`:`1795425342`"), "alert 1 beacon.example;", NULL },
	{ FW("`firewall-rule-action`:`ALERT`,`last-observed-at`:1795425342"), "alert 1 beacon.example;", NULL },
	{ FW("`firewall-rule-action`:`BLOCK`,`firewall-domain-list-id`:`fireline-export`"), "!ignored;", NULL },
	{ FW("`firewall-rule-action`:`ALLOW`"), "?;", "neither BLOCK nor ALERT" },
	{ "{`detail`:{`firewall-rule-action`:`BLOCK`,`query-name`:7}}", "?;", "query-name" },
};

/* --- STIX --- */

#define STIX(more) "{`type`:`indicator`,`spec_version`:`2.1`,`id`:`indicator--1`,`pattern_type`:`stix`," more "}"
#define PATTERN "`pattern`:`[domain-name:value = 's.example']`"

static const struct row stix[] = {
	{ STIX(PATTERN), "block 1 s.example;", NULL },
	{ STIX("`revoked`:true," PATTERN), "withdraw 1 s.example;", NULL },
	{ STIX("`valid_until`:`2001-01-01T00:00:00Z`," PATTERN), "!expired;", NULL },
	{ STIX("`valid_from`:`2099-01-01T00:00:00Z`," PATTERN), "!not_yet;", NULL },
	{ STIX("`valid_until`:`soon`," PATTERN), "?;", "expiry" },
	{ STIX("`confidence`:10," PATTERN), "!low_severity;", NULL },
	{ STIX("`confidence`:85," PATTERN), "block 1 s.example;", NULL },
	{ STIX("`indicator_types`:[`benign`]," PATTERN), "!ignored;", NULL },
	{ STIX("`indicator_types`:[`anomalous-activity`]," PATTERN), "alert 1 s.example;", NULL },
	{ STIX("`pattern`:`[domain-name:value = 'a.example' AND ipv4-addr:value = '192.0.2.1']`"), "!pattern;", NULL },
	{ STIX("`pattern`:`[domain-name:value LIKE '%.example']`"), "!pattern;", NULL },
	{ STIX("`pattern`:`[url:value = 'http://u.example/x']`"), "!not_applicable;", NULL },
	{ STIX("`pattern`:`[ipv4-addr:value = '192.0.2.1']`"), "!not_applicable;", NULL },
	{ STIX("`pattern`:`[domain-name:value = `"), "!syntax;", NULL },
	{ STIX("`pattern`:17"), "!syntax;", NULL },
	{ "{`type`:`indicator`,`id`:`indicator--1`,`pattern_type`:`snort`,`pattern`:`alert`}", "!not_applicable;", NULL },
	{ "{`type`:`malware`,`id`:`malware--1`,`pattern`:`x`}", "?;", "no indicator" },
	{ "{`type`:`bundle`,`id`:`bundle--1`,`spec_version`:`2.0`,`objects`:[{`type`:`domain-name`,`id`:`domain-name--1`,`value`:`sco.example`}," STIX(PATTERN) "]}",
	  "block 1 s.example;", NULL },
	{ "{`type`:`bundle`,`id`:`bundle--1`,`objects`:[{`type`:`malware`,`id`:`malware--1`}]}", "", NULL },
	/* of two versions the newer, wherever it stands */
	{ "{`objects`:[{`type`:`indicator`,`id`:`indicator--1`,`modified`:`2026-02-02T00:00:00Z`,`pattern`:`[domain-name:value = 'new.example']`},"
	  "{`type`:`indicator`,`id`:`indicator--1`,`modified`:`2026-02-01T00:00:00Z`,`pattern`:`[domain-name:value = 'old.example']`}]}",
	  "block 1 new.example;?;", "a later version" },
};

/* --- plain, and what is around them --- */

#define SNS(text) "{`Type`:`Notification`,`TopicArn`:`arn:x`,`Message`:`" text "`}"

static const struct row around[] = {
	{ "{`domain`:`p.example`}", "block 1 p.example;", NULL },
	{ "{`domain`:`p.example`,`message`:`text`,`body`:`text`}", "block 1 p.example;", NULL },
	{ "{`domain`:`p.example`,`severity`:2}", "!low_severity;", NULL },
	{ "{`domain`:`p.example`,`archived`:true}", "withdraw 1 p.example;", NULL },
	{ "{`domain`:`p.example`,`type`:`Trojan:EC2/DNSDataExfiltration`}", "alert 3 p.example;", NULL },
	{ "{`domain`:`p.example`,`expires_at`:`2001-01-01T00:00:00Z`}", "!expired;", NULL },
	{ "{`domain`:`p.example`,`expires_at`:true}", "?;", "expiry" },
	{ "{`domain`:`p.example`,`domain`:`q.example`}", "?;", "stands twice" },
	{ "{`domain`:`p.example`,`Domain`:`q.example`}", "?;", "two spellings" },
	{ "{`domain`:`" NAME253 "`}", "block 1 " NAME253 ";", NULL },
	/* wrapped once, twice, three times; four times is too often */
	{ "{`detail`:{`domain`:`p.example`}}", "block 1 p.example;", NULL },
	{ SNS("{\\\"detail\\\":{\\\"domain\\\":\\\"p.example\\\"}}"), "block 1 p.example;", NULL },
	{ "{`MessageId`:`1`,`Body`:`{\\\"Type\\\":\\\"Notification\\\",\\\"Message\\\":\\\"{\\\\\\\"detail\\\\\\\":{\\\\\\\"domain\\\\\\\":\\\\\\\"p.example\\\\\\\"}}\\\"}`}", "block 1 p.example;",
	  NULL },
	{ "{`Messages`:[{`Body`:`{\\\"domain\\\":\\\"p.example\\\"}`},{`Body`:`{}`}]}", "block 1 p.example;?;", "known shape" },
	{ "{`Records`:[{`Sns`:{`Message`:`{\\\"domain\\\":\\\"p.example\\\"}`}},{`body`:`{\\\"domain\\\":\\\"q.example\\\"}`}]}", "block 1 p.example;block 1 q.example;", NULL },
	{ "{`detail`:{`detail`:{`detail`:{`domain`:`p.example`}}}}", "block 1 p.example;", NULL },
	{ "{`detail`:{`detail`:{`detail`:{`detail`:{`domain`:`p.example`}}}}}", "?;", "three deep" },
	{ SNS("not json"), "?;", "Message: not JSON" },
	{ SNS(""), "?;", "Message: not JSON" },
	{ SNS("eyJkb21haW4iOiJwLmV4YW1wbGUifQ=="), "?;", "Message: not JSON" },
	{ SNS("\\\"{}\\\""), "?;", "not an object" },
	{ "{`Type`:`SubscriptionConfirmation`,`Message`:`You have chosen to subscribe`}", "?;", "Message: not JSON" },
	{ "{`detail`:null,`detail-type`:`x`}", "?;", "detail holds no finding" },
	{ "{`detail`:[]}", "?;", "detail holds no finding" },
	{ "{`Findings`:{}}", "?;", "Findings holds no finding" },
	{ "{`Findings`:[]}", "", NULL },
	{ "[]", "", NULL },
	{ "{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`Findings`:[{`domain`:`p.example`}]}]}]}]}]}]}]}]}]}", "?;", "deep" },
	/* one that is broken costs no other */
	{ "[{`domain`:`a.example`},{`domain`:7},17,{},{`domain`:`b.example`}]", "block 1 a.example;block 1 b.example;?;?;?;", "domain is not a text" },
	{ "{`findings`:[" GD(DNS("c2.example")) ",{`ProductArn`:`x`,`Id`:`2`,`Severity`:{`Label`:7}}," HUB(HUB_DNS) "]}", "block 1 c2.example;block 1 c2.example;?;", "severity" },
	{ "[{`domain`:`a.example`},{`domain`:`b.example`,`x`:1,`x`:2},{`domain`:`c.example`,`y`:`\\u0000`}]", "block 1 a.example;?;?;", "stands twice" },
	{ "[" GD(DNS("c2.example")) "," GD(DNS("c2.example")) "]", "block 1 c2.example;block 1 c2.example;", NULL },
	/* one after the other */
	{ "{`domain`:`a.example`}\n{`domain`:`b\n{`domain`:`c.example`}\n", "block 1 a.example;block 1 c.example;?;", "not JSON" },
	{ "{`domain`:`a.example`}{`domain`:`b.example`}", "block 1 a.example;block 1 b.example;", NULL },
	{ "{\n `domain`:\n `a.example`\n}\r\n\r\n{`domain`:`b.example`}", "block 1 a.example;block 1 b.example;", NULL },
	{ "{`domain`:`a.example`\n{`domain`:`b.example`}", "block 1 b.example;?;", "not JSON" },
	{ "\xef\xbb\xbf{`domain`:`a.example`}", "block 1 a.example;", NULL },
	{ "{`domain`:`\xff.example`}", "?;", "UTF-8" },
	{ "{`id`:7,`domain`:`a.example`}", "block 1 a.example;", NULL },
	{ "", "?;", "empty" },
	{ " \n\t ", "?;", "empty" },
	{ "null", "?;", "not an object" },
	{ "{`domain`:`a.example`,}", "?;", "not JSON" },
};

static void say_claims(const struct fl_finding *f, struct fl_buf *out)
{
	static const char *const own[] = { "fireline-export" };
	const struct fl_finding_policy p = { .min_severity = 4, .ttl_ms = 14 * INT64_C(86400000), .ignore_samples = true, .own_lists = own, .n_own_lists = 1, .protect = &protected };
	struct fl_finding_claims made;
	struct fl_arena arena = { 0 };
	struct fl_tally tally = { 0 };
	char text[FL_NAME_TEXT];

	assert_int_equal(fl_finding_claims(names, f, &p, "s", NOW_S * FL_US_PER_S, &arena, &made, &tally), 0);
	assert_true(fl_tally_balances(&tally) && tally.out == made.n);
	for (size_t i = 0; i < made.n; i++)
		fl_buf_printf(out, "%s %u %s;", made.v[i].state == FL_CLAIM_WITHDRAWN ? "withdraw" : fl_finding_action_word(made.action), made.v[i].scope,
			      fl_rkey_to_text(fl_rkey_span(&made.v[i].key), text));
	for (size_t i = 0; i < made.n_held; i++)
		fl_buf_printf(out, "!%s;", fl_drop_word(made.held[i].why));
	fl_arena_done(&arena);
}

static void say_document(struct fl_span document, const struct fl_finding_mapping *mapping, struct fl_buf *out, struct fl_err *err)
{
	const struct fl_finding_options opt = { .mapping = mapping };
	struct fl_findings found = { 0 };
	struct fl_arena arena = { 0 };
	int ret = fl_finding_parse(document, &opt, &arena, &found, err);

	if (ret < 0) {
		assert_int_equal(ret, FL_EFORMAT);
		fl_buf_str(out, "?;");
	}
	for (size_t i = 0; i < found.n; i++)
		say_claims(&found.v[i], out);
	for (size_t i = 0; i < found.n_refused; i++) {
		fl_buf_str(out, "?;");
		if (i == 0)
			snprintf(err->text, sizeof(err->text), "%s", found.refused[i].why);
	}
	fl_arena_done(&arena);
}

static void row_check(const struct row *row, const struct fl_finding_mapping *mapping)
{
	struct fl_buf document = { 0 }, got = { 0 };
	struct fl_err err = { 0 };

	fl_buf_str(&document, row->document);
	for (size_t i = 0; i < document.n; i++)
		if (document.p[i] == '`')
			document.p[i] = '"';
	say_document(fl_buf_span(&document), mapping, &got, &err);
	if (strcmp(fl_buf_cstr(&got), row->want) != 0 || (row->says && !strstr(err.text, row->says)))
		fail_msg("%s: '%s' (%s), not '%s'", row->document, fl_buf_cstr(&got), err.text, row->want);
	fl_buf_done(&document);
	fl_buf_done(&got);
}

#define CHECK(name)                                                                    \
	static void test_##name(void **state)                                          \
	{                                                                              \
		(void)state;                                                           \
		for (size_t i = 0; i < sizeof(name) / sizeof(*(name)); i++)            \
			row_check(&(name)[i], NULL);                                   \
	}
CHECK(guardduty)
CHECK(asff)
CHECK(ocsf)
CHECK(firewall)
CHECK(stix)
CHECK(around)

static void test_foreign_json(void **state)
{
	static const struct fl_finding_mapping m = { .domain = "/ioc/value", .severity = "/score", .id = "/id", .expires_at = "/until", .archived = "/closed", .type = "/kind" };
	static const struct row rows[] = {
		{ "{`id`:17,`score`:8.5,`ioc`:{`value`:`m.example`}}", "block 1 m.example;", NULL },
		{ "{`ioc`:{`value`:`m.example`}}", "block 1 m.example;", NULL },
		{ "{`score`:2,`ioc`:{`value`:`m.example`}}", "!low_severity;", NULL },
		{ "{`score`:85,`ioc`:{`value`:`m.example`}}", "?;", "0 to 10" },
		{ "{`score`:85,`closed`:true,`ioc`:{`value`:`m.example`}}", "withdraw 1 m.example;", NULL },
		{ "{`until`:1000000000,`ioc`:{`value`:`m.example`}}", "!expired;", NULL },
		{ "{`kind`:`Trojan:EC2/DNSDataExfiltration`,`ioc`:{`value`:`x.m.example`}}", "alert 3 m.example;", NULL },
		{ "{`ioc`:{`value`:[`m.example`,`n.example`,7]}}", "block 1 m.example;block 1 n.example;", NULL },
		{ "[{`ioc`:{`value`:`m.example`}},{`ioc`:{`value`:7}},{`ioc`:{}}]", "block 1 m.example;?;?;", "domain is not a text" },
		/* what another shape has is not looked at */
		{ "{`domain`:`d.example`}", "?;", "domain is not a text" },
		{ "{`detail`:{`domain`:`d.example`},`ioc`:{`value`:`m.example`}}", "block 1 m.example;", NULL },
		{ "{`IOC`:{`value`:`m.example`}}", "?;", "domain is not a text" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		row_check(&rows[i], &m);
}

/* --- too much --- */

static void expect_big(struct fl_buf *b, const char *want, const char *says)
{
	struct fl_buf got = { 0 };
	struct fl_err err = { 0 };

	assert_false(b->failed);
	say_document(fl_buf_span(b), NULL, &got, &err);
	assert_string_equal(fl_buf_cstr(&got), want);
	if (!strstr(err.text, says))
		fail_msg("%s", err.text);
	fl_buf_done(&got);
	fl_buf_done(b);
}

static void add_many(struct fl_buf *b, const char *s, size_t n)
{
	while (n--)
		fl_buf_str(b, s);
}

static void add_members(struct fl_buf *b, int n)
{
	for (int i = 0; i < n; i++)
		fl_buf_printf(b, "\"%d\":0,", i);
}

/* Each endpoint is compared with each member of what it is looked for in. */
static void sequence_with_much_to_look_at(void)
{
	static const struct {
		const char *before, *behind, *want, *says;
	} rows[] = {
		{ "\"signals\":[{", "\"type\":\"FINDING\",\"endpointIds\":[\"e2\"]}]", "?;", "larger than any" },
		{ "\"signals\":[{\"signalIndicators\":[{", "\"key\":\"ATTACK_TACTIC\"}]}]", "?;", "larger than any" },
		{ "\"sequenceIndicators\":[{", "\"key\":\"ATTACK_TACTIC\"}]", "?;", "larger than any" },
		{ "", "\"signals\":[],\"sequenceIndicators\":[]", "!no_domain;", "" }, /* the sequence itself is looked at once */
	};
	struct fl_buf b = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fl_buf_str(&b, "{\"id\":\"1\",\"severity\":9,\"type\":\"AttackSequence:EC2/X\",\"service\":{\"detection\":{\"sequence\":{\"endpoints\":[{}");
		add_many(&b, ",{\"id\":\"e1\",\"domain\":\"a.example\"}", 5000);
		fl_buf_printf(&b, "],%s", rows[i].before);
		add_members(&b, 10000);
		fl_buf_printf(&b, "%s}}}}", rows[i].behind);
		expect_big(&b, rows[i].want, rows[i].says);
	}
	/* texts are compared by their length */
	fl_buf_str(&b, "{\"id\":\"1\",\"severity\":9,\"service\":{\"detection\":{\"sequence\":{\"endpoints\":[{}");
	add_many(&b, ",{\"domain\":\"a.example\"}", 5000);
	fl_buf_str(&b, "],\"sequenceIndicators\":[{\"key\":\"MALICIOUS_DOMAIN\",\"values\":[\"");
	add_many(&b, "0123456789", 50000);
	fl_buf_str(&b, "\"]}]}}}}");
	expect_big(&b, "?;", "larger than any");
}

static void test_too_much(void **state)
{
	struct fl_buf b = { 0 };

	(void)state;
	add_many(&b, "[", 100000);
	expect_big(&b, "?;", "deeper than 64");
	fl_buf_str(&b, "{\"domain\":\"a.example\",\"x\":");
	add_many(&b, "[", 70);
	add_many(&b, "]", 70);
	fl_buf_str(&b, "}\n{\"domain\":\"b.example\"}");
	expect_big(&b, "block 1 b.example;?;", "deeper than 64");
	/* 10 MB in one finding, beside a good one */
	fl_buf_str(&b, "[{\"domain\":\"a.example\",\"message\":\"");
	add_many(&b, "0123456789", 1000000);
	fl_buf_str(&b, "\"},{\"domain\":\"b.example\"}]");
	expect_big(&b, "block 1 b.example;?;", "over 1 MiB");
	fl_buf_str(&b, "{\"domain\":\"a.example\",\"message\":\"");
	add_many(&b, "0123456789", 2000000);
	fl_buf_str(&b, "\"}");
	expect_big(&b, "?;", "octets");
	/* more names than any finding has */
	fl_buf_str(&b, "{\"id\":\"1\",\"severity\":9,\"service\":{\"detection\":{\"sequence\":{\"sequenceIndicators\":[{\"key\":\"MALICIOUS_DOMAIN\",\"values\":[\"a.example\"");
	for (int i = 0; i < 1024; i++)
		fl_buf_printf(&b, ",\"n%d.example\"", i);
	fl_buf_str(&b, "]}]}}}}");
	expect_big(&b, "?;", "more than 1024 names");
	sequence_with_much_to_look_at();
}

static void test_more_findings_than_are_read(void **state)
{
	struct fl_findings found;
	struct fl_arena arena = { 0 };
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };

	(void)state;
	fl_buf_str(&b, "[{}");
	add_many(&b, ",{}", FL_FINDINGS_MAX);
	fl_buf_str(&b, "]");
	assert_int_equal(fl_finding_parse(fl_buf_span(&b), NULL, &arena, &found, &err), FL_ELIMIT);
	fl_buf_done(&b);
	fl_arena_done(&arena);
}

/* --- what has to stay the same --- */

static void read_one(const char *document, struct fl_finding *out, struct fl_arena *arena)
{
	struct fl_findings found;
	struct fl_err err = { 0 };
	struct fl_buf b = { 0 };

	fl_buf_str(&b, document);
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] == '`')
			b.p[i] = '"';
	if (fl_finding_parse(fl_buf_span(&b), NULL, arena, &found, &err) < 0)
		fail_msg("%s: %s", document, err.text);
	fl_buf_done(&b);
	assert_int_equal(found.n, 1);
	*out = found.v[0];
}

static void test_ids_types_and_times(void **state)
{
	static const struct {
		const char *document, *id, *type, *shape;
		int64_t updated_s, expires_s;
	} rows[] = {
		{ "{`ProductArn`:`x`,`Id`:`arn:aws:guardduty:eu-west-1:210987654321:detector/aa11/finding/0cc1`,`UpdatedAt`:`2026-11-23T00:00:00Z`,"
		  "`Types`:[`Effects/X`,`TTPs/Command and Control/Backdoor:EC2-C&CActivity.B!DNS`]}",
		  "0cc1", "Backdoor:EC2-C&CActivity.B!DNS", "asff", 1795392000, 0 },
		{ "{`ProductArn`:`x`,`Id`:`arn:aws:inspector2:x/finding/1`,`Types`:[`Effects/X`]}", "arn:aws:inspector2:x/finding/1", "Effects/X", "asff", 0, 0 },
		{ "{`class_uid`:2004,`time`:1700000000000,`finding_info`:{`uid`:`u`,`modified_time`:1795392000000},`osint`:[{`type_id`:2,`value`:`a.example`,"
		  "`expiration_time_dt`:`2026-11-24T00:00:00Z`}]}",
		  "u", "", "ocsf", 1795392000, 1795478400 },
		{ "{`detail`:{`query-name`:`A.Example.`,`firewall-rule-action`:`block`,`firewall-domain-list-id`:`rslvr-fdl-1`,`last-observed-at`:`1795392000`}}",
		  "dns-firewall:rslvr-fdl-1:a.example", "DNSFirewall:BLOCK", "dns-firewall", 1795392000, 0 },
		{ "{`type`:`indicator`,`id`:`indicator--1`,`modified`:`2026-11-23T00:00:00.000Z`,`valid_until`:`2026-11-24T00:00:00Z`,`labels`:[`phishing`],"
		  "`pattern`:`[domain-name:value='a.example']`}",
		  "indicator--1", "STIX:phishing", "stix", 1795392000, 1795478400 },
		{ "{`domain`:`A.Example.`,`updated_at`:1795392000}", "plain:a.example", "", "plain", 1795392000, 0 },
		{ "{`id`:9007199254740,`domain`:`a.example`}", "9007199254740", "", "plain", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_arena arena = { 0 };
		struct fl_finding f;

		read_one(rows[i].document, &f, &arena);
		assert_string_equal(f.id, rows[i].id);
		assert_string_equal(f.type, rows[i].type);
		assert_string_equal(f.shape, rows[i].shape);
		assert_int_equal(f.updated_at / FL_US_PER_S, rows[i].updated_s);
		assert_int_equal(f.expires_at / FL_US_PER_S, rows[i].expires_s);
		fl_arena_done(&arena);
	}
}

/* What does not fit is cut at a character's end, and stays another than its like. */
static void test_long_ids(void **state)
{
	struct fl_finding a, b;
	struct fl_arena arena = { 0 };
	struct fl_buf text = { 0 };

	(void)state;
	fl_buf_str(&text, "{`domain`:`a.example`,`id`:`x");
	add_many(&text, "\xc3\xbc", 200);
	fl_buf_str(&text, "1`}");
	read_one(fl_buf_cstr(&text), &a, &arena);
	text.p[text.n - 3] = '2';
	read_one(fl_buf_cstr(&text), &b, &arena);
	assert_int_equal(strlen(a.id), 149 + 17);
	assert_int_equal(a.id[149], '~');
	assert_string_not_equal(a.id, b.id);
	assert_memory_equal(a.id, b.id, 149);
	fl_buf_reset(&text);
	fl_buf_str(&text, "{`domain`:`");
	add_many(&text, "\xc3\xbc", 60);
	fl_buf_str(&text, "x.example`}");
	read_one(fl_buf_cstr(&text), &a, &arena);
	assert_int_equal(strlen(a.id), 6 + 100);
	fl_buf_done(&text);
	fl_arena_done(&arena);
}

/* --- the fixtures --- */

static void test_fixtures(void **state)
{
	static const struct {
		const char *file, *want;
	} rows[] = {
		{ "guardduty/01-c2-dns.api", "block 1 update.badcdn.example;" },
		{ "guardduty/01-c2-dns.eventbridge", "block 1 update.badcdn.example;" },
		{ "guardduty/02-bitcoin-dns.api", "block 1 pool.hashrate.example;" },
		{ "guardduty/02-bitcoin-dns.eventbridge", "block 1 pool.hashrate.example;" },
		{ "guardduty/03-dga.api", "block 1 q7xv2mzk9p1w.example;" },
		{ "guardduty/03-dga.eventbridge", "block 1 q7xv2mzk9p1w.example;" },
		{ "guardduty/04-dns-exfiltration.api", "alert 3 tunnel.example;" },
		{ "guardduty/04-dns-exfiltration.eventbridge", "alert 3 tunnel.example;" },
		{ "guardduty/05-runtime-phishing.api", "block 1 login.pay-portal.example;" },
		{ "guardduty/05-runtime-phishing.eventbridge", "block 1 login.pay-portal.example;" },
		{ "guardduty/06-abused-domain.api", "alert 1 tenant-42.freehost.example;" },
		{ "guardduty/06-abused-domain.eventbridge", "alert 1 tenant-42.freehost.example;" },
		{ "guardduty/07-api-call-domain-caller.api", "!no_domain;" },
		{ "guardduty/07-api-call-domain-caller.eventbridge", "!no_domain;" },
		{ "guardduty/08-attack-sequence.api", "block 1 stage.multi-step.example;" },
		{ "guardduty/08-attack-sequence.eventbridge", "block 1 stage.multi-step.example;" },
		{ "stix/bundle", "block 1 dropper.campaign.example;block 1 a.campaign.example;block 1 b.campaign.example;block 1 c.campaign.example;"
				 "block 1 d.campaign.example;!not_applicable;withdraw 1 gone.campaign.example;!not_applicable;" },
		{ "taxii/objects-page1", "block 1 p20.taxii-feed.example;block 1 p21.taxii-feed.example;block 1 p22.taxii-feed.example;"
					 "block 1 p23.taxii-feed.example;block 1 p24.taxii-feed.example;" },
		{ "taxii/objects-page2", "block 1 p25.taxii-feed.example;block 1 p26.taxii-feed.example;block 1 p27.taxii-feed.example;" },
	};

	(void)state;
	if (access(FL_SHARED "/fixtures/guardduty", R_OK) < 0)
		fl_test_skip("the shared findings are not here");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_buf body = { 0 }, got = { 0 };
		struct fl_err err = { 0 };
		char path[512];
		FILE *f;

		snprintf(path, sizeof(path), "%s/fixtures/%s.json", FL_SHARED, rows[i].file);
		f = fopen(path, "re");
		assert_non_null(f);
		assert_true(fl_buf_reserve(&body, 1 << 20));
		body.n = fread(body.p, 1, 1 << 20, f);
		fclose(f);
		say_document(fl_buf_span(&body), NULL, &got, &err);
		if (strcmp(fl_buf_cstr(&got), rows[i].want) != 0)
			fail_msg("%s: %s (%s)", rows[i].file, fl_buf_cstr(&got), err.text);
		fl_buf_done(&body);
		fl_buf_done(&got);
	}
}

/* --- a stream --- */

static int say_cut(void *ctx, const struct fl_finding_document *d)
{
	fl_buf_printf(ctx, "%u:%s%.*s;", d->number, d->too_long ? "too long" : "", (int)d->text.n, (const char *)d->text.p);
	return 0;
}

/* However the stream is cut into chunks, the documents are the same. */
static void test_a_stream_is_cut_into_documents(void **state)
{
	static const struct {
		const char *stream, *want;
	} rows[] = {
		{ "", "" },
		{ "\n\n \n", "" },
		{ "{}\n{}\n", "1:{};2:{};" },
		{ "{}", "1:{};" },
		{ "{\n\"a\":1\n}\n{}", "1:{\n\"a\":1\n};2:{};" },
		{ "[\n{},\n{}\n]\n{}", "1:[\n{},\n{}\n];2:{};" },
		{ "{\"a\":\n{}}\n{}", "1:{\"a\":\n{}};2:{};" },
		{ "{\"a\":1\n{}\n", "1:{\"a\":1\n;2:{};" },
		{ "{\"a\":1,\n{}\n", "1:{\"a\":1,\n;2:{};" },
		{ "[1\n{}\n", "1:[1\n;2:{};" },
		{ "{\"a\":\"x\n{}\n", "1:{\"a\":\"x;2:{};" },
		{ "{\"a\":\"x\n \"b\":2\n }\n{}\n", "1:{\"a\":\"x;2:{};" },
		{ "{\"a\":\"x\\\"}\\\\\"}\n{}", "1:{\"a\":\"x\\\"}\\\\\"};2:{};" },
		{ "x\n{}\n}\n{}", "1:x;2:{};3:};4:{};" },
		{ "{}{} {}", "1:{};2:{} ;3:{};" },
		{ "{} x\n{}", "1:{} x;2:{};" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t chunk = 1; chunk < 9; chunk++) {
			struct fl_buf got = { 0 };
			struct fl_finding_split s = { .sink = say_cut, .ctx = &got };
			size_t n = strlen(rows[i].stream);

			for (size_t at = 0; at < n; at += chunk)
				assert_int_equal(fl_finding_split_push(&s, fl_span(rows[i].stream + at, n - at < chunk ? n - at : chunk)), 0);
			assert_int_equal(fl_finding_split_end(&s), 0);
			if (strcmp(fl_buf_cstr(&got), rows[i].want) != 0)
				fail_msg("row %zu by %zu: '%s', not '%s'", i, chunk, fl_buf_cstr(&got), rows[i].want);
			fl_finding_split_done(&s);
			fl_buf_done(&got);
		}
}

static void test_a_document_too_long_costs_no_other(void **state)
{
	struct fl_buf got = { 0 }, chunk = { 0 };
	struct fl_finding_split s = { .sink = say_cut, .ctx = &got };

	(void)state;
	add_many(&chunk, "0123456789abcdef", 1 << 16);
	assert_int_equal(fl_finding_split_push(&s, fl_span_str("{\"a\":\"")), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(fl_finding_split_push(&s, fl_buf_span(&chunk)), 0);
	assert_int_equal(fl_finding_split_push(&s, fl_span_str("\"}\n{}\n")), 0);
	assert_int_equal(fl_finding_split_end(&s), 0);
	assert_string_equal(fl_buf_cstr(&got), "1:too long;2:{};");
	fl_finding_split_done(&s);
	fl_buf_done(&chunk);
	fl_buf_done(&got);
}

/* The text ends within a finding: perhaps more is to come. */
static void test_what_is_cut_off_is_said(void **state)
{
	static const struct {
		const char *document;
		bool cut_off;
	} rows[] = {
		{ "{\"domain\":\"a.example\"}\n{\"domain\":", true }, { "{\"domain\":\"a.example\"}\n{\"domain\":\"b.exam", true }, { "{\"domain\":\"a.example\"}\n{\"domain\":}", false },
		{ "{\"domain\":\n{\"domain\":\"a.example\"}", true },  { "{\"x\n{\"domain\":\"a.example\"}", false },		     { "{\"domain\":\"a.example\"}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fl_findings found = { 0 };
		struct fl_arena arena = { 0 };
		struct fl_err err = { 0 };
		int ret = fl_finding_parse(fl_span_str(rows[i].document), NULL, &arena, &found, &err);

		if (i != 3)
			assert_int_equal(ret, 0);
		if (ret == 0 && found.cut_off != rows[i].cut_off)
			fail_msg("row %zu", i);
		fl_arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guardduty),
		cmocka_unit_test(test_asff),
		cmocka_unit_test(test_ocsf),
		cmocka_unit_test(test_firewall),
		cmocka_unit_test(test_stix),
		cmocka_unit_test(test_around),
		cmocka_unit_test(test_foreign_json),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_more_findings_than_are_read),
		cmocka_unit_test(test_ids_types_and_times),
		cmocka_unit_test(test_long_ids),
		cmocka_unit_test(test_fixtures),
		cmocka_unit_test(test_a_stream_is_cut_into_documents),
		cmocka_unit_test(test_a_document_too_long_costs_no_other),
		cmocka_unit_test(test_what_is_cut_off_is_said),
	};
	struct fl_err err;
	int failed, ret = 0;

	if (fl_names_open(NULL, &names, &err) < 0)
		return 1;
	fl_protect_add_text(&protected, names, fl_span_str("time.example"), FL_PROTECT_OPERATOR, &ret);
	fl_protect_add_text(&protected, names, fl_span_str("*.bank.example"), FL_PROTECT_ZONE, &ret);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fl_protected_done(&protected);
	fl_names_close(names);
	return failed;
}
