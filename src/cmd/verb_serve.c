/* serve: the runtime for many people at once, over HTTP.
 *
 *   starting ─listening─▶ serving ─SIGTERM, Ctrl-C─▶ closing ─connections are down─▶ draining ─runs are down─▶ end
 *
 * Runs that were at work when the last owner of the data folder stopped go on, one after the other, while requests are
 * served already. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "accounts/accounts.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "flow/queue.h"
#include "notify/herald.h"
#include "notify/traces.h"
#include "oidc/oidc.h"

#define VAULT_OIDC "oidc:secret"
#define VAULT_TRACES "traces:headers"

static const struct verb_option options[] = {
	{"listen", "ADDRESS:PORT", false, "where to listen; port 0: a free one (server.listen)"},
	{NULL},
};

struct serving {
	struct app app;
	struct api *api;
	struct queue *queue;
	struct accounts *accounts;
	struct herald *herald;
	struct herald_people people;
	struct traces *traces;
	struct oidc *oidc;
	struct sign interrupt, terminate, hangup;
	bool over;
};

/* "127.0.0.1:8080", "[::1]:8080": the address is cut off in place. */
static int split(char *text, int *port, struct err *e)
{
	char *colon = strrchr(text, ':'), *end = NULL;
	long n = colon ? strtol(colon + 1, &end, 10) : -1;
	if (!colon || colon == text || !colon[1] || *end || n < 0 || n > 65535)
		return err_set(e, ERR_USAGE, "\"%s\" is no ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080", text);
	*colon = '\0';
	*port = (int)n;
	size_t len = strlen(text);
	if (text[0] == '[' && text[len - 1] == ']') {
		memmove(text, text + 1, len - 2);
		text[len - 2] = '\0';
	}
	return 0;
}

static const char *given(const struct serving *s, enum option which)
{
	const char *text = options_text(s->app.options, which);
	return *text ? text : NULL;
}

static int listen_on(struct serving *s, const struct args *args, struct err *e)
{
	const char *place = args_get(args, "listen");
	cleanup_free char *text = mem_strdup(place ? place : options_text(s->app.options, OPTION_LISTEN));
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT);
	struct api_door door = {.address = text,
		.certificate = given(s, OPTION_TLS_CERTIFICATE),
		.key = given(s, OPTION_TLS_KEY),
		.proxies = given(s, OPTION_PROXIES),
		.hosts = given(s, OPTION_HOSTS),
		.rfc7239 = options_bool(s->app.options, OPTION_PROXIES_RFC7239)};
	if (!text)
		return err_nomem(e);
	if (!door.certificate != !door.key)
		return err_set(e, ERR_USAGE, "server.tls_certificate and server.tls_key go together");
	if (split(text, &door.port, e) || api_listen(s->api, &door, e))
		return err_wrap(e, "server.listen");
	bool six = strchr(text, ':') != NULL;
	buf_addf(&line, "muster serves %s at http%s://%s%s%s:%d\n", s->app.data_dir, door.certificate ? "s" : "",
		six ? "[" : "", text, six ? "]" : "", door.port);
	return out_write(&line, e);
}

static int log_begin(const struct serving *s, struct err *e)
{
	const char *path = given(s, OPTION_LOG_FILE);
	int64_t most = options_int(s->app.options, OPTION_LOG_FILE_MB) * MIB;
	return path && log_file(path, most, (int)options_int(s->app.options, OPTION_LOG_FILES), e)
		       ? err_wrap(e, "log.file")
		       : 0;
}

/* SIGHUP: the certificate was renewed, or the log moved away. */
static void hung_up(struct sign *sign, int signum)
{
	struct serving *s = container_of(sign, struct serving, hangup);
	struct err e = ERR_INIT;
	(void)signum;
	if (log_reopen(&e))
		log_error("serve", "log.file could not be opened again, the present one is written on: %s", e.text);
	err_clear(&e);
	if (given(s, OPTION_TLS_CERTIFICATE) && api_renew(s->api, &e))
		log_error("serve", "the certificate could not be read again, the present one stays: %s", e.text);
}

static bool send_letter(void *ctx, const struct account_mail *m)
{
	struct serving *s = ctx;
	return s->herald && letters_send(s->herald->letters, m);
}

static bool sees(void *ctx, const char *person, const char *project)
{
	const struct serving *s = ctx;
	return accounts_sees(s->accounts, person, project);
}

static const char *address_of(void *ctx, const char *person)
{
	const struct serving *s = ctx;
	return accounts_address(s->accounts, person);
}

/* Passwords are sealed, and forms' tokens made, with a key of the vault. */
static int keep_accounts(struct serving *s, struct err *e)
{
	uint8_t key[KEY_SIZE];
	struct accounts_options o = {
		.loop = s->app.loop, .store = s->app.store, .key = key, .mail = send_letter, .ctx = s};
	vault_derive(s->app.vault, "accounts", key);
	s->accounts = accounts_open(&o, e);
	crypt_wipe(key, sizeof(key));
	return s->accounts ? 0 : -1;
}

/* A collector of traces, where one is set. */
static int keep_traces(struct serving *s, struct err *e)
{
	const char *url = given(s, OPTION_TRACES_URL), *headers = getenv("OTEL_EXPORTER_OTLP_HEADERS");
	if (!url)
		return 0;
	if (!headers || !*headers)
		headers = vault_get(s->app.vault, VAULT_TRACES);
	s->traces = traces_open(s->app.loop, s->app.store, url, headers, e);
	return s->traces ? 0 : err_wrap(e, "traces.url");
}

/* An OpenID provider, where one is set. */
static int keep_oidc(struct serving *s, struct err *e)
{
	const char *secret = getenv("MUSTER_OIDC_SECRET");
	uint8_t key[KEY_SIZE];
	struct oidc_options o = {.loop = s->app.loop,
		.issuer = given(s, OPTION_OIDC_ISSUER),
		.client = options_text(s->app.options, OPTION_OIDC_CLIENT),
		.secret = secret && *secret ? secret : vault_get(s->app.vault, VAULT_OIDC),
		.key = key};
	if (!o.issuer)
		return 0;
	if (o.secret && strlen(o.secret) >= 6 && log_secret(o.secret, e))
		return -1;
	vault_derive(s->app.vault, "oidc", key);
	s->oidc = oidc_open(&o, e);
	crypt_wipe(key, sizeof(key));
	return s->oidc ? 0 : -1;
}

static int print_setup(struct serving *s, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT);
	char token[TOKEN_TEXT];
	if (accounts_setup_token(s->accounts, token, NULL)) /* there is an owner */
		return 0;
	buf_addf(&line, "there is no owner yet; the setup token, until there is one: %s\n", token);
	crypt_wipe(token, sizeof(token));
	return out_write(&line, e);
}

static void end(struct serving *s)
{
	if (s->over)
		_exit(130); /* the journal has everything; sandboxes die with this process */
	s->over = true;
}

static void interrupted(struct sign *sign, int signum)
{
	(void)signum;
	end(container_of(sign, struct serving, interrupt));
}

static void terminated(struct sign *sign, int signum)
{
	(void)signum;
	end(container_of(sign, struct serving, terminate));
}

/* As many open files as this process may have: each client is one. */
static void raise_files(void)
{
	struct rlimit now;
	if (getrlimit(RLIMIT_NOFILE, &now))
		return;
	now.rlim_cur = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &now))
		log_warn("serve", "the limit of open files stays as it is: %s", strerror(errno));
}

static int begin(struct serving *s, const struct args *args, struct err *e)
{
	struct queue_limits limits = {.live = (int)options_int(s->app.options, OPTION_LIVE_RUNS),
		.per_user = (int)options_int(s->app.options, OPTION_LIVE_RUNS_USER)};
	struct app *a = &s->app;
	raise_files();
	if (log_begin(s, e) || sign_start(&s->interrupt, a->loop, SIGINT, interrupted, e) ||
		sign_start(&s->terminate, a->loop, SIGTERM, terminated, e) ||
		sign_start(&s->hangup, a->loop, SIGHUP, hung_up, e) || keep_accounts(s, e) ||
		!(s->queue = queue_new(a->house, a->loop, a->store, limits, e)))
		return -1;
	s->people = (struct herald_people){sees, address_of, s};
	s->herald = herald_open(a->loop, a->store, a->vault, a->options, &s->people, e);
	if (!s->herald || keep_oidc(s, e))
		return -1;
	if (keep_traces(s, e))
		return -1;
	struct api_needs needs = app_needs(a);
	needs.queue = s->queue;
	needs.accounts = s->accounts;
	needs.herald = s->herald;
	needs.traces = s->traces;
	needs.oidc = s->oidc;
	needs.serving = true;
	s->api = api_open(&needs, e);
	if (!s->api || listen_on(s, args, e) || print_setup(s, e))
		return -1;
	int64_t found = queue_recover(s->queue, e);
	if (found > 0)
		log_info("serve", "%lld runs go on", (long long)found);
	return found < 0 ? -1 : 0;
}

/* What is paid for already is not thrown away. */
static void drain(struct serving *s)
{
	int64_t until = clock_mono(loop_clock(s->app.loop)) + options_int(s->app.options, OPTION_DRAIN_S) * 1000000;
	house_drain(s->app.house);
	while (house_calls(s->app.house) && clock_mono(loop_clock(s->app.loop)) < until)
		loop_turn(s->app.loop, 100);
}

static int serve(const struct args *args, struct err *e)
{
	struct serving s = {0};
	int failed = app_open(&s.app, args, APP_SERVE, e) || begin(&s, args, e);
	while (!failed && !s.over)
		loop_turn(s.app.loop, -1);
	oidc_stop(s.oidc); /* whose requests api_close waits for */
	api_close(s.api);
	oidc_close(s.oidc);
	queue_free(s.queue);
	if (!failed)
		drain(&s);
	app_house_close(&s.app); /* what runs have to say at their end is told as well */
	traces_close(s.traces);
	herald_close(s.herald); /* asks accounts */
	accounts_close(s.accounts);
	sign_stop(&s.hangup);
	sign_stop(&s.interrupt);
	sign_stop(&s.terminate);
	app_close(&s.app);
	log_file_end();
	return failed ? -1 : 0;
}

const struct verb verb_serve = {
	.name = "serve",
	.words = "",
	.summary = "serve the runtime to many people over HTTP",
	.help = "Runs that were at work when this data folder's last owner stopped go on. Ctrl-C or SIGTERM once: no "
		"new\n"
		"connections, replies under way are given, calls of models and tools end (server.drain_s), runs stop "
		"where\n"
		"they are and go on at the next start; twice: at once, with the same result.",
	.options = options,
	.run = serve,
};
