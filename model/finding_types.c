/* GuardDuty's finding types that name a domain, with their default severities. Of the types of EC2 those that exist for Runtime Monitoring too have a twin. */
#include "model/finding.h"

#define EC2_AND_RUNTIME(purpose, family, severity, title) { purpose ":EC2/" family, severity, false, title }, { purpose ":Runtime/" family, severity, false, title }

const struct fl_finding_type fl_finding_types[] = {
	EC2_AND_RUNTIME("Backdoor", "C&CActivity.B!DNS", 8, "a question for the name of a command and control server"),
	EC2_AND_RUNTIME("CryptoCurrency", "BitcoinTool.B!DNS", 8, "a question for a name that belongs to cryptocurrency"),
	EC2_AND_RUNTIME("Impact", "AbusedDomainRequest.Reputation", 5, "a question for a known abused name of low reputation"),
	EC2_AND_RUNTIME("Impact", "BitcoinDomainRequest.Reputation", 8, "a question for a name of low reputation that belongs to cryptocurrency"),
	EC2_AND_RUNTIME("Impact", "MaliciousDomainRequest.Reputation", 8, "a question for a name of low reputation that is known to be malicious"),
	EC2_AND_RUNTIME("Impact", "SuspiciousDomainRequest.Reputation", 2, "a question for a name of low reputation that is young or rare"),
	{ "Impact:EC2/MaliciousDomainRequest.Custom", 5, false, "a question for a name on a threat list of your own" },
	EC2_AND_RUNTIME("Trojan", "BlackholeTraffic!DNS", 5, "a question for a name that leads to a black hole"),
	{ "Trojan:EC2/DGADomainRequest.B", 8, false, "questions for names that an algorithm makes" },
	EC2_AND_RUNTIME("Trojan", "DGADomainRequest.C!DNS", 8, "questions for names that an algorithm makes"),
	{ "Trojan:EC2/DNSDataExfiltration", 8, false, "data leaves in the names of questions" },
	EC2_AND_RUNTIME("Trojan", "DriveBySourceTraffic!DNS", 8, "a question for a name that is a source of drive-by downloads"),
	EC2_AND_RUNTIME("Trojan", "DropPoint!DNS", 5, "a question for a name where stolen data is left"),
	EC2_AND_RUNTIME("Trojan", "PhishingDomainRequest!DNS", 8, "a question for a name that takes part in phishing"),
	EC2_AND_RUNTIME("UnauthorizedAccess", "MetadataDNSRebind", 8, "a name leads to the instance's metadata service"),
	{ "AttackSequence:EC2/CompromisedInstanceGroup", 9, true, "signals that together are an attack" },
};
const size_t fl_finding_types_n = sizeof(fl_finding_types) / sizeof(fl_finding_types[0]);

static bool part_fits(const char *type, const char *word)
{
	const char *colon = strchr(type, ':'), *slash = strchr(type, '/');

	return (colon && strcmp(colon + 1, word) == 0) || (slash && strcmp(slash + 1, word) == 0);
}

const struct fl_finding_type *fl_finding_type(const char *word)
{
	const struct fl_finding_type *found = NULL;

	for (size_t i = 0; i < fl_finding_types_n; i++)
		if (strcmp(fl_finding_types[i].type, word) == 0)
			return &fl_finding_types[i];
	for (size_t i = 0; i < fl_finding_types_n; i++)
		if (part_fits(fl_finding_types[i].type, word)) {
			if (found)
				return NULL;
			found = &fl_finding_types[i];
		}
	return found;
}
