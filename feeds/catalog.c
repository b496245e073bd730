/* One table, in order of name. A new feed in a known format is a row. The interval is the provider's wish, or a day where none is known; min_names is well below what the list has had in
 * quiet times; `on` asks for terms that allow it. docs/presets.md is made from this table. */
#include "feeds/catalog.h"

#include <stdio.h>

enum { MIN = 60, HOUR = 3600, DAY = 86400 };
#define GITHUB "https://raw.githubusercontent.com/"

static const struct fl_preset table[] = {
	{ .name = "adfilt-antimalware", .title = "Dandelion Sprout's anti-malware list", .format = "adblock", .category = FL_CAT_MALWARE,
	  .url = GITHUB "DandelionSprout/adfilt/master/Alternate%20versions%20Anti-Malware%20List/AntiMalwareAdGuardHome.txt", .every_s = DAY, .min_names = 5000,
	  .terms = FL_TERMS_CREDIT, .licence = "Dandelicence-1.4", .homepage = "https://github.com/DandelionSprout/adfilt" },
	{ .name = "adguard-dns", .title = "AdGuard's filter for DNS: advertising and trackers", .format = "adblock", .category = FL_CAT_TRACKING,
	  .url = "https://adguardteam.github.io/HostlistsRegistry/assets/filter_1.txt", .every_s = DAY, .min_names = 10000, .terms = FL_TERMS_COPYLEFT, .licence = "GPL-3.0",
	  .homepage = "https://github.com/AdguardTeam/AdGuardSDNSFilter" },
	{ .name = "amnesty-nso", .title = "Amnesty International: infrastructure of NSO's Pegasus", .format = "stix2", .category = FL_CAT_SPYWARE,
	  .url = GITHUB "AmnestyTech/investigations/master/2021-07-18_nso/pegasus.stix2", .every_s = 7 * DAY, .min_names = 1000, .on = true, .terms = FL_TERMS_CREDIT,
	  .licence = "CC-BY-2.0", .homepage = "https://github.com/AmnestyTech/investigations" },
	{ .name = "blocklistproject-ransomware", .title = "The Block List Project: ransomware", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_MALWARE,
	  .url = "https://blocklistproject.github.io/Lists/alt-version/ransomware-nl.txt", .every_s = DAY, .min_names = 500, .terms = FL_TERMS_FREE, .licence = "Unlicense",
	  .homepage = "https://github.com/blocklistproject/Lists" },
	{ .name = "botvrij", .title = "Botvrij.eu: indicators from open reports", .format = "misp", .category = FL_CAT_MALWARE,
	  .url = "https://www.botvrij.eu/data/feed-osint", .every_s = DAY, .min_names = 100, .terms = FL_TERMS_UNCLEAR, .licence = "not stated",
	  .homepage = "https://www.botvrij.eu/" },
	{ .name = "cert-pl", .title = "CERT Polska: warning list of phishing", .format = "domains", .scope = FL_SCOPE_SUBTREE, .category = FL_CAT_PHISHING,
	  .url = "https://hole.cert.pl/domains/v2/domains.txt", .every_s = HOUR, .min_names = 1000, .terms = FL_TERMS_FREE, .licence = "free to use for everyone, in the provider's words",
	  .homepage = "https://cert.pl/en/warning-list/" },
	{ .name = "circl-osint", .title = "CIRCL: events from open sources", .format = "misp", .category = FL_CAT_MALWARE,
	  .url = "https://www.circl.lu/doc/misp/feed-osint", .every_s = DAY, .min_names = 1000, .terms = FL_TERMS_UNCLEAR, .licence = "not stated",
	  .homepage = "https://www.circl.lu/doc/misp/feed-osint/" },
	{ .name = "disposable-email", .title = "Providers of throw-away mail addresses", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_POLICY,
	  .url = GITHUB "disposable-email-domains/disposable-email-domains/main/disposable_email_blocklist.conf", .every_s = 7 * DAY, .min_names = 4000, .terms = FL_TERMS_FREE,
	  .licence = "CC0-1.0", .homepage = "https://github.com/disposable-email-domains/disposable-email-domains" },
	{ .name = "durablenapkin-scam", .title = "durablenapkin's scam list", .format = "hosts", .scope = FL_SCOPE_EXACT, .category = FL_CAT_SCAM,
	  .url = GITHUB "durablenapkin/scamblocklist/master/hosts.txt", .every_s = DAY, .min_names = 1000, .on = true, .terms = FL_TERMS_FREE, .licence = "MIT",
	  .homepage = "https://github.com/durablenapkin/scamblocklist" },
	{ .name = "eth-phishing-detect", .title = "MetaMask: phishing of crypto wallets", .format = "json", .category = FL_CAT_PHISHING,
	  .url = GITHUB "MetaMask/eth-phishing-detect/main/src/config.json", .every_s = HOUR, .min_names = 5000, .terms = FL_TERMS_UNCLEAR, .licence = "DBAD-1.1",
	  .homepage = "https://github.com/MetaMask/eth-phishing-detect" },
	{ .name = "hagezi-tif", .title = "HaGeZi's threat intelligence feeds, in full: over a million names", .format = "domains", .scope = FL_SCOPE_SUBTREE,
	  .category = FL_CAT_MALWARE, .url = GITHUB "hagezi/dns-blocklists/main/wildcard/tif-onlydomains.txt", .every_s = 6 * HOUR, .min_names = 300000,
	  .terms = FL_TERMS_COPYLEFT, .licence = "GPL-3.0", .homepage = "https://github.com/hagezi/dns-blocklists" },
	{ .name = "hagezi-tif-mini", .title = "HaGeZi's threat intelligence feeds, the small form", .format = "domains", .scope = FL_SCOPE_SUBTREE, .category = FL_CAT_MALWARE,
	  .url = GITHUB "hagezi/dns-blocklists/main/wildcard/tif.mini-onlydomains.txt", .every_s = DAY, .min_names = 10000, .terms = FL_TERMS_COPYLEFT, .licence = "GPL-3.0",
	  .homepage = "https://github.com/hagezi/dns-blocklists" },
	{ .name = "jarelllama-scam", .title = "Jarelllama's scam list", .format = "domains", .scope = FL_SCOPE_SUBTREE, .category = FL_CAT_SCAM,
	  .url = GITHUB "jarelllama/Scam-Blocklist/main/lists/wildcard_domains/scams.txt", .every_s = 12 * HOUR, .min_names = 20000, .terms = FL_TERMS_COPYLEFT,
	  .licence = "GPL-3.0", .homepage = "https://github.com/jarelllama/Scam-Blocklist" },
	{ .name = "maltrail", .title = "Maltrail's malware trails: a million names", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_MALWARE,
	  .url = GITHUB "stamparm/aux/master/maltrail-malware-domains.txt", .every_s = DAY, .min_names = 300000, .terms = FL_TERMS_FREE, .licence = "MIT",
	  .homepage = "https://github.com/stamparm/maltrail" },
	{ .name = "nocoin", .title = "NoCoin: mining in the browser", .format = "hosts", .scope = FL_SCOPE_EXACT, .category = FL_CAT_CRYPTOMINING,
	  .url = GITHUB "hoshsadiq/adblock-nocoin-list/master/hosts.txt", .every_s = DAY, .min_names = 50, .terms = FL_TERMS_FREE, .licence = "MIT",
	  .homepage = "https://github.com/hoshsadiq/adblock-nocoin-list" },
	{ .name = "oisd-big", .title = "OISD big: advertising, trackers, threats", .format = "domains", .scope = FL_SCOPE_SUBTREE, .category = FL_CAT_TRACKING,
	  .url = "https://big.oisd.nl/domainswild2", .every_s = DAY, .min_names = 50000, .terms = FL_TERMS_UNCLEAR, .licence = "as in the list's LICENSE", .homepage = "https://oisd.nl/" },
	{ .name = "oisd-small", .title = "OISD small: advertising above all", .format = "domains", .scope = FL_SCOPE_SUBTREE, .category = FL_CAT_TRACKING,
	  .url = "https://small.oisd.nl/domainswild2", .every_s = DAY, .min_names = 10000, .terms = FL_TERMS_UNCLEAR, .licence = "as in the list's LICENSE", .homepage = "https://oisd.nl/" },
	{ .name = "openphish", .title = "OpenPhish community feed", .format = "urls", .category = FL_CAT_PHISHING, .url = "https://openphish.com/feed.txt", .every_s = 12 * HOUR,
	  .min_names = 50, .terms = FL_TERMS_NON_COMMERCIAL, .licence = "OpenPhish terms of use: non-commercial", .homepage = "https://openphish.com/" },
	{ .name = "phishing-army", .title = "Phishing Army, extended", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_PHISHING,
	  .url = "https://phishing.army/download/phishing_army_blocklist_extended.txt", .every_s = 6 * HOUR, .min_names = 10000, .terms = FL_TERMS_NON_COMMERCIAL,
	  .licence = "CC-BY-NC-4.0", .homepage = "https://phishing.army/" },
	{ .name = "phishing-database", .title = "Phishing.Database: phishing that is up", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_PHISHING,
	  .url = "https://phish.co.za/latest/phishing-domains-ACTIVE.txt", .every_s = 6 * HOUR, .min_names = 10000, .terms = FL_TERMS_FREE, .licence = "MIT",
	  .homepage = "https://github.com/Phishing-Database/Phishing.Database" },
	{ .name = "phishing-filter", .title = "Phishing from OpenPhish and others, as hosts", .format = "hosts", .scope = FL_SCOPE_EXACT, .category = FL_CAT_PHISHING,
	  .url = "https://malware-filter.gitlab.io/malware-filter/phishing-filter-hosts.txt", .every_s = 12 * HOUR, .min_names = 500, .terms = FL_TERMS_NON_COMMERCIAL,
	  .licence = "CC0-1.0 and MIT; its source OpenPhish: non-commercial", .homepage = "https://gitlab.com/malware-filter/phishing-filter" },
	{ .name = "phishtank", .title = "PhishTank: verified and online", .format = "csv", .category = FL_CAT_PHISHING,
	  .url = "https://data.phishtank.com/data/" FL_PRESET_KEY "/online-valid.csv.gz", .every_s = HOUR, .min_names = 1000, .terms = FL_TERMS_KEY,
	  .licence = "PhishTank terms of use", .homepage = "https://phishtank.org/developer_info.php" },
	{ .name = "shadowwhisperer-malware", .title = "ShadowWhisperer: malware", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_MALWARE,
	  .url = GITHUB "ShadowWhisperer/BlockLists/master/Lists/Malware", .every_s = 12 * HOUR, .min_names = 1000, .on = true, .terms = FL_TERMS_FREE, .licence = "Unlicense",
	  .homepage = "https://github.com/ShadowWhisperer/BlockLists" },
	{ .name = "shadowwhisperer-scam", .title = "ShadowWhisperer: scams", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_SCAM,
	  .url = GITHUB "ShadowWhisperer/BlockLists/master/Lists/Scam", .every_s = 12 * HOUR, .min_names = 1000, .terms = FL_TERMS_FREE, .licence = "Unlicense",
	  .homepage = "https://github.com/ShadowWhisperer/BlockLists" },
	{ .name = "stalkerware", .title = "Echap: apps that spy on partners", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_SPYWARE,
	  .url = GITHUB "AssoEchap/stalkerware-indicators/master/generated/hosts", .every_s = DAY, .min_names = 100, .on = true, .terms = FL_TERMS_CREDIT, .licence = "CC-BY-4.0",
	  .homepage = "https://github.com/AssoEchap/stalkerware-indicators" },
	{ .name = "stevenblack", .title = "StevenBlack's unified hosts: advertising and malware", .format = "hosts", .scope = FL_SCOPE_EXACT, .category = FL_CAT_TRACKING,
	  .url = GITHUB "StevenBlack/hosts/master/hosts", .every_s = DAY, .min_names = 20000, .terms = FL_TERMS_FREE, .licence = "MIT",
	  .homepage = "https://github.com/StevenBlack/hosts" },
	{ .name = "threatfox", .title = "abuse.ch ThreatFox: command and control", .format = "csv", .category = FL_CAT_C2, .url = "https://threatfox.abuse.ch/export/csv/recent/",
	  .every_s = 5 * MIN, .min_names = 50, .terms = FL_TERMS_KEY, .licence = "CC0-1.0; fair use, for business maybe a subscription", .homepage = "https://threatfox.abuse.ch/" },
	{ .name = "tweetfeed", .title = "TweetFeed: what researchers posted", .format = "domains", .scope = FL_SCOPE_EXACT, .category = FL_CAT_PHISHING,
	  .url = "https://api.tweetfeed.live/v1/blocklist/domains.txt", .every_s = HOUR, .min_names = 500, .on = true, .terms = FL_TERMS_FREE, .licence = "CC0-1.0",
	  .homepage = "https://tweetfeed.live/" },
	{ .name = "tweetfeed-misp", .title = "TweetFeed as a MISP feed", .format = "misp", .category = FL_CAT_PHISHING, .url = "https://tweetfeed.live/misp", .every_s = HOUR,
	  .min_names = 50, .terms = FL_TERMS_FREE, .licence = "CC0-1.0", .homepage = "https://tweetfeed.live/" },
	{ .name = "urlhaus", .title = "abuse.ch URLhaus: sites that hand out malware", .format = "csv", .category = FL_CAT_MALWARE,
	  .url = "https://urlhaus-api.abuse.ch/files/exports/recent.csv?auth-key=" FL_PRESET_KEY, .every_s = 5 * MIN, .min_names = 50, .terms = FL_TERMS_KEY,
	  .licence = "CC0-1.0; fair use, for business maybe a subscription", .homepage = "https://urlhaus.abuse.ch/api/" },
	{ .name = "urlhaus-filter", .title = "URLhaus sites that are online, without popular ones, as hosts", .format = "hosts", .scope = FL_SCOPE_EXACT, .category = FL_CAT_MALWARE,
	  .url = "https://malware-filter.gitlab.io/malware-filter/urlhaus-filter-hosts-online.txt", .every_s = 12 * HOUR, .min_names = 50, .on = true, .terms = FL_TERMS_FREE,
	  .licence = "CC0-1.0 and MIT", .homepage = "https://gitlab.com/malware-filter/urlhaus-filter" },
	{ .name = "urlhaus-filter-rpz", .title = "The same as a response policy zone", .format = "rpz", .category = FL_CAT_MALWARE,
	  .url = "https://malware-filter.gitlab.io/malware-filter/urlhaus-filter-rpz-online.conf", .every_s = 12 * HOUR, .min_names = 50, .terms = FL_TERMS_FREE,
	  .licence = "CC0-1.0 and MIT", .homepage = "https://gitlab.com/malware-filter/urlhaus-filter" },
};
enum { ROWS = sizeof(table) / sizeof(table[0]) };

static const struct {
	const char *word, *text;
	bool unasked;
} terms[] = {
#define FL_X(name, word, unasked, text) [name] = { word, text, unasked },
	FL_TERMS(FL_X)
#undef FL_X
};

const char *fl_terms_word(enum fl_terms t)
{
	return (unsigned)t < FL_TERMS_COUNT ? terms[t].word : "unknown";
}

const char *fl_terms_text(enum fl_terms t)
{
	return (unsigned)t < FL_TERMS_COUNT ? terms[t].text : "unknown";
}

bool fl_terms_allow_default(enum fl_terms t)
{
	return (unsigned)t < FL_TERMS_COUNT && terms[t].unasked;
}

const struct fl_preset *fl_preset_at(size_t i)
{
	return i < ROWS ? &table[i] : NULL;
}

const struct fl_preset *fl_preset_find(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const struct fl_preset *fl_preset_of_url(const char *url)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(table[i].url, url) == 0)
			return &table[i];
	return NULL;
}

bool fl_preset_format(const struct fl_preset *p, enum fl_format *out)
{
	return fl_format_parse(p->format, out);
}

const char *fl_preset_every(const struct fl_preset *p, char out[16])
{
	unsigned unit = p->every_s % DAY == 0 ? DAY : p->every_s % HOUR == 0 ? HOUR : MIN;

	snprintf(out, 16, "%u%c", p->every_s / unit, unit == DAY ? 'd' : unit == HOUR ? 'h' : 'm');
	return out;
}

/* The word stands alone: between slashes, or after '='. */
bool fl_preset_keyed_url(const struct fl_preset *p)
{
	const char *at = strstr(p->url, FL_PRESET_KEY);

	return at && at > p->url && strchr("/=", at[-1]) && strchr("/&", at[strlen(FL_PRESET_KEY)]);
}
