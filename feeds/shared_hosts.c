/* Hosts where the path, not the name, says whose content it is: a URL on one of them is no reason to block the host.
 * Platforms that give each customer a name of his own (blogspot.com, pages.dev, a bucket) are not among them: a claim
 * on such a name is exact, so it meets that customer alone. */
#include "feeds/reader.h"

/* With a dot in front: the site and all its hosts. */
static const char *const shared[] = {
	/* code and packages */
	".github.com",
	".githubusercontent.com",
	".gitlab.com",
	".bitbucket.org",
	".sourceforge.net",
	".codeberg.org",
	".gitee.com",
	".npmjs.com",
	".npmjs.org",
	"unpkg.com",
	".jsdelivr.net",
	"cdnjs.cloudflare.com",
	".pypi.org",
	".pythonhosted.org",
	".rubygems.org",
	".crates.io",
	".nuget.org",
	".docker.com",
	".docker.io",
	".huggingface.co",
	"esm.sh",
	/* storage and file transfer */
	".google.com",
	"storage.googleapis.com",
	"firebasestorage.googleapis.com",
	".dropbox.com",
	".dropboxusercontent.com",
	".box.com",
	".live.com",
	"1drv.ms",
	".onedrive.com",
	".icloud.com",
	".mega.nz",
	".mega.co.nz",
	".mediafire.com",
	".wetransfer.com",
	".we.tl",
	"transfer.sh",
	".gofile.io",
	".catbox.moe",
	".file.io",
	".sendspace.com",
	".pixeldrain.com",
	".ufile.io",
	".temp.sh",
	".4shared.com",
	".yadi.sk",
	"disk.yandex.ru",
	"disk.yandex.com",
	"cloud.mail.ru",
	".archive.org",
	"s3.amazonaws.com",
	"ipfs.io",
	"cloudflare-ipfs.com",
	"dweb.link",
	"nftstorage.link",
	"w3s.link",
	"gateway.pinata.cloud",
	/* text */
	".pastebin.com",
	".paste.ee",
	".hastebin.com",
	".rentry.co",
	".rentry.org",
	".dpaste.com",
	".controlc.com",
	".textbin.net",
	".termbin.com",
	".justpaste.it",
	".telegra.ph",
	".notion.so",
	"medium.com",
	"www.medium.com",
	".evernote.com",
	".scribd.com",
	".wikipedia.org",
	/* messages and people */
	".discord.com",
	".discord.gg",
	".discordapp.com",
	".discordapp.net",
	".t.me",
	".telegram.org",
	".telegram.me",
	".whatsapp.com",
	".wa.me",
	".slack.com",
	".slack-files.com",
	".trello.com",
	".facebook.com",
	".fb.me",
	".instagram.com",
	".twitter.com",
	".x.com",
	".linkedin.com",
	".reddit.com",
	".redd.it",
	".pinterest.com",
	".tiktok.com",
	".vk.com",
	".steamcommunity.com",
	".youtube.com",
	".youtu.be",
	".vimeo.com",
	".imgur.com",
	".ibb.co",
	".postimg.cc",
	".flickr.com",
	"tumblr.com",
	"www.tumblr.com",
	"wordpress.com",
	"blogger.com",
	"www.blogger.com",
	"blogspot.com",
	"www.blogspot.com",
	/* forms, documents, mail */
	".forms.gle",
	".office.com",
	".microsoft.com",
	".adobe.com",
	".canva.com",
	".jotform.com",
	".surveymonkey.com",
	".docusign.com",
	".docusign.net",
	".mailchimp.com",
	".sendgrid.net",
	".linktr.ee",
	/* short links */
	".bit.ly",
	".tinyurl.com",
	".t.co",
	".goo.gl",
	".is.gd",
	".v.gd",
	".ow.ly",
	".cutt.ly",
	".rb.gy",
	".shorturl.at",
	".t.ly",
	".tiny.cc",
	".rebrand.ly",
	".lnkd.in",
	".s.id",
	".buff.ly",
	".bit.do",
	".qrco.de",
};

static bool ends_with(struct fl_span host, const char *end)
{
	size_t n = strlen(end);

	return host.n >= n && strncasecmp((const char *)host.p + host.n - n, end, n) == 0;
}

/* s3.REGION.amazonaws.com and s3-REGION.amazonaws.com name the bucket in the path; a bucket's own name stands in front
 * of s3. */
static bool is_bucket_path(struct fl_span host)
{
	return host.n > 3 && strncasecmp((const char *)host.p, "s3", 2) == 0 &&
	       (host.p[2] == '.' || host.p[2] == '-') && ends_with(host, ".amazonaws.com") &&
	       !memmem(host.p + 2, host.n - 2, ".s3", 3);
}

bool fl__host_is_shared(struct fl_span host)
{
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++) {
		const char *site = shared[i];

		if (fl__word_is(host, site + (*site == '.')) || (*site == '.' && ends_with(host, site)))
			return true;
	}
	return is_bucket_path(host);
}
