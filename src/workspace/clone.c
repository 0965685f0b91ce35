/* clone: see clone.h. The git program may be misled by what it fetches; all that is believed of its work is looked at
 * again by libgit2 (vcs/adopt.h). */
#include "workspace/clone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "sandbox/egress.h"

enum { TOO_MANY = 3, TOO_BIG = 4 };

/* Without --depth: libgit2 cannot work on a shallow history. */
static const char script[] =
	"set -e\n"
	"cd /work\n"
	"git -c transfer.fsckObjects=true -c fetch.fsck.zeroPaddedFilemode=ignore -c fetch.fsck.badTimezone=ignore"
	" -c fetch.fsck.missingSpaceBeforeDate=ignore -c fetch.fsck.hasDotgit=error -c transfer.bundleURI=false"
	" -c http.lowSpeedLimit=100 -c http.lowSpeedTime=60 -c credential.helper= -c pack.threads=1"
	" clone --bare --no-local --no-hardlinks --no-recurse-submodules --template= --progress"
	" -- \"$SOURCE\" repository\n"
	"cd repository\n"
	"git cat-file --batch-all-objects --unordered --batch-check='%(objectsize)' |"
	" awk -v most=\"$MOST_OBJECTS\" -v big=\"$MOST_BYTES\""
	" '$1 > big { found = 1 } END { exit NR > most ? 3 : found ? 4 : 0 }'\n"
	"git for-each-ref --format='%(objectname) %(refname)' refs/heads refs/tags >../refs\n"
	"git symbolic-ref -q HEAD >../head || :\n"
	"git pack-objects -q --all --stdout --delta-base-offset --window=0 --threads=1 </dev/null >../pack\n";

/* ---- the URL ---- */

/* Blanks, quotes, backslashes, control and other bytes have no place in it, escaped or not; a query or fragment is no
 * repository's. */
static bool is_plain(const char *url)
{
	for (const char *p = url; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			    strchr("-._~:/+,;=!$&()*[]@%", *p)) ||
			(*p == '%' && (p[1] == '0' || p[1] == '1' || !strncasecmp(p, "%7f", 3))))
			return false;
	return true;
}

int clone_url(const struct guard *g, const char *url, struct guard_url *out, struct err *e)
{
	const struct sandbox_allow allow = {.host = out->host, .port = 1};
	if (strlen(url) > CAP_TARGET_URL)
		return err_set(e, ERR_TOO_LARGE, "git: the URL has more than %d bytes", CAP_TARGET_URL);
	if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
		return err_set(e, ERR_INVALID, "git: the URL must begin with https://; nothing else is cloned");
	if (!is_plain(url) || strstr(url, ":///"))
		return err_set(e, ERR_INVALID, "git: the URL has characters that the URL of a repository has not");
	if (guard_read(g, url, out, e))
		return err_wrap(e, "git");
	return egress_check(&allow, 1, e) ? err_wrap(e, "git") : 0;
}

/* ---- what git says ---- */

static void take_line(struct clone *c)
{
	static const char *const steps[] = {"Receiving objects:", "Resolving deltas:"};
	cleanup_buf struct buf shown = BUF_INIT(8 * CAP_CLONE_LINE);
	struct span line = span_n(c->line, c->length);
	c->length = 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (!span_starts(line, steps[i]) || !c->on_progress)
			continue;
		size_t n = strlen(steps[i]);
		cleanup_free char *share = span_dup(span_n(line.p + n, line.n - n));
		long percent = share ? strtol(share, NULL, 10) : 0;
		if (percent >= 0 && percent <= 100)
			c->on_progress(c, steps[i], (int)percent);
	}
	if (!span_starts(line, "fatal: ") && !span_starts(line, "error: "))
		return;
	utf8_visible(span_n(line.p + 7, line.n - 7), false, &shown);
	if (!*c->fatal && !buf_check(&shown, "a line", NULL)) /* what follows is about the first */
		snprintf(c->fatal, sizeof(c->fatal), "%s", shown.data);
}

static bool on_output(struct sandbox_exec *x, struct span bytes)
{
	struct clone *c = x->ctx;
	for (size_t i = 0; i < bytes.n; i++)
		if (bytes.p[i] == '\n' || bytes.p[i] == '\r')
			take_line(c);
		else if (c->length < sizeof(c->line))
			c->line[c->length++] = bytes.p[i];
	return true;
}

static void on_denied(void *ctx, const char *host, int port, const char *why)
{
	struct clone *c = ctx;
	(void)host, (void)port;
	if (!*c->denied)
		snprintf(c->denied, sizeof(c->denied), "%s", why);
}

static bool may_reach(void *ctx, const char *host, const struct sockaddr *a)
{
	struct clone *c = ctx;
	struct err why = ERR_INIT;
	if (!c->at.plain && guard_address(c->guard, host, a, &why))
		snprintf(c->denied, sizeof(c->denied), "%s", why.text);
	else if (c->at.plain && !guard_exempts(c->guard, host, a))
		snprintf(c->denied, sizeof(c->denied),
			"%s is asked over https only, unless an administrator lists it in outbound.exempt", host);
	else
		return true;
	return false;
}

/* ---- its end ---- */

static void judge(struct clone *c, const struct sandbox_exec *x)
{
	struct err *e = &c->why;
	if (x->out_of_memory)
		err_set(e, ERR_TOO_LARGE, "git needs more memory for this repository than it is given");
	else if (x->status == TOO_MANY)
		err_set(e, ERR_TOO_LARGE, "the repository has more than %d objects", CAP_CLONE_OBJECTS);
	else if (x->status == TOO_BIG)
		err_set(e, ERR_TOO_LARGE, "a file in the repository's history has more than %lu bytes", CAP_BLOB);
	else if (x->status == 127)
		err_set(e, ERR_SPAWN, "git is not installed on this host (apt install git)");
	else if (*c->denied)
		err_set(e, ERR_DENIED, "%s", c->denied);
	else if (strstr(c->fatal, "could not read Username") || strstr(c->fatal, "Authentication failed"))
		err_set(e, ERR_DENIED,
			"it is not there for everybody, and only public repositories are cloned; for others, import an "
			"archive with the folder .git in it");
	else
		err_set(e, c->url ? ERR_NETWORK : ERR_INVALID, "git: %s", *c->fatal ? c->fatal : "it gives no reason");
}

static void release(struct clone *c)
{
	for (size_t i = 0; i < sizeof(c->env) / sizeof(*c->env); i++)
		mem_free(c->env[i]);
	memset(c->env, 0, sizeof(c->env));
}

static void on_freed(void *ctx)
{
	struct clone *c = ctx;
	struct err why = c->why;
	release(c);
	c->on_done(c, &why);
}

static void on_exec_done(struct sandbox_exec *x, const struct err *why)
{
	struct clone *c = x->ctx;
	struct sandbox *s = steal(&c->sandbox);
	take_line(c);
	if (why->code == ERR_DISK_FULL)
		err_set(&c->why, ERR_TOO_LARGE, "the repository takes more than %lu MiB", CAP_CLONE_BYTES / MIB);
	else if (why->code == ERR_TIMEOUT)
		err_set(&c->why, ERR_TIMEOUT, "the repository took longer than %d minutes",
			(c->url ? TIME_CLONE : TIME_ARCHIVE) / 60000);
	else if (why->code != ERR_OK)
		c->why = *why;
	else if (x->status != 0)
		judge(c, x);
	sandbox_free(s, on_freed, c);
}

/* ---- its beginning ---- */

static int make_env(struct clone *c, struct err *e)
{
	size_t n = 0;
	c->env[n++] = mem_printf("SOURCE=%s", c->url ? c->at.url : "/work/source");
	c->env[n++] = mem_printf("GIT_ALLOW_PROTOCOL=%s", !c->url ? "file" : c->at.plain ? "http" : "https");
	c->env[n++] = mem_printf("MOST_OBJECTS=%d", CAP_CLONE_OBJECTS);
	c->env[n++] = mem_printf("MOST_BYTES=%lu", CAP_BLOB);
	c->env[n++] = mem_strdup("GIT_TERMINAL_PROMPT=0");
	c->env[n++] = mem_strdup("GIT_CONFIG_NOSYSTEM=1");
	c->env[n++] = mem_strdup("GIT_CONFIG_GLOBAL=/dev/null");
	c->env[n++] =
		mem_strdup("no_proxy="); /* what it asks for on this host is this host's matter, not the sandbox's */
	c->env[n++] = mem_strdup("NO_PROXY=");
	if (c->ca)
		c->env[n++] = mem_printf("GIT_SSL_CAINFO=%s", c->ca);
	for (size_t i = 0; i < n; i++)
		if (!c->env[i])
			return err_nomem(e);
	return 0;
}

static int open_sandbox(struct clone *c, struct loop *l, struct err *e)
{
	const struct sandbox_allow allow = {.host = c->at.host, .port = c->at.port, .may = may_reach, .ctx = c};
	struct sandbox_spec spec = {.copy = c->dir,
		.allow = &allow,
		.allow_count = c->url ? 1 : 0,
		.read_only = c->ca ? c->read_only : NULL,
		.on_denied = on_denied,
		.ctx = c,
		.uid = c->uid};
	c->read_only[0] = c->ca;
	sandbox_limits_default(&spec.limits);
	spec.limits.memory = 1024 * MIB;
	spec.limits.cpus = 1;
	spec.limits.disk = spec.limits.file_size = 2 * CAP_CLONE_BYTES;
	c->sandbox = sandbox_new(l, &spec, e);
	return c->sandbox ? 0 : -1;
}

int clone_start(struct clone *c, struct loop *l, struct err *e)
{
	c->length = 0;
	*c->fatal = *c->denied = 0;
	c->why = (struct err)ERR_INIT;
	if (c->url && guard_read(c->guard, c->url, &c->at, e))
		return -1;
	if (make_env(c, e) || open_sandbox(c, l, e)) {
		release(c);
		return -1;
	}
	c->exec = (struct sandbox_exec){.line = script,
		.env = (const char *const *)c->env,
		.timeout_ms = c->url ? TIME_CLONE : TIME_ARCHIVE,
		.on_output = on_output,
		.on_done = on_exec_done,
		.ctx = c};
	if (sandbox_exec_start(&c->exec, c->sandbox, e) == 0)
		return 0;
	sandbox_free(steal(&c->sandbox), NULL, NULL);
	release(c);
	return -1;
}

void clone_cancel(struct clone *c)
{
	if (c->sandbox)
		sandbox_exec_cancel(&c->exec);
}
