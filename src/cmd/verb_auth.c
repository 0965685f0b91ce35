/* auth: who one is at a server: signing in, and keys. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/action.h"
#include "cmd/keyring.h"
#include "cmd/out.h"
#include "cmd/prompt.h"
#include "http/url.h"

#define DAY_US (86400ll * 1000000)
#define LOGIN_DAYS 90
#define DAYS_MOST 3650

static const struct verb_option options[] = {
	{"email", "ADDRESS", false, "login, keys create: who (asked for at the terminal)"},
	{"key", "-", false, "login: with this key from standard input instead of a password"},
	{"scopes", "LIST", false, "login, keys create: of read, write and admin, with commas (default: all three)"},
	{"expires", "DAYS", false, "login, keys create: after so many days (default: login 90, keys create never)"},
	{"project", "PROJECT", false, "keys create: for this project's id alone"},
	{"json", NULL, false, "print JSON"},
	{NULL},
};

/* ---- keys ---- */

static json_t *scopes_of(const struct args *args, struct err *e)
{
	const char *text = args_get(args, "scopes") ? args_get(args, "scopes") : "read,write,admin";
	json_t *out = json_make(e, "[]");
	while (out && *text) {
		size_t n = strcspn(text, ", ");
		if (n && json_array_append_new(out, json_from_span(span_n(text, n)))) {
			json_decref(out);
			err_nomem(e);
			return NULL;
		}
		text += n + (text[n] != '\0');
	}
	return out;
}

static json_t *key_body(const struct args *args, const char *name, int64_t standard, struct err *e)
{
	int64_t days;
	if (args_int(args, "expires", 1, DAYS_MOST, standard, &days, e))
		return NULL;
	cleanup_json json_t *scopes = scopes_of(args, e);
	cleanup_json json_t *body = scopes ? json_make(e, "{s:s, s:O, s:s*}", "name", name, "scopes", scopes, "project",
						     args_get(args, "project"))
					   : NULL;
	if (body && days && json_put_int(body, "expires", clock_wall(&clock_real) + days * DAY_US)) {
		err_nomem(e);
		return NULL;
	}
	return steal(&body);
}

/* A session at the server, of who types e-mail and password. */
static struct remote *sign_in(const char *url, const struct args *args, struct err *e)
{
	const char *given = args_get(args, "email");
	char *email = given ? mem_strdup(given) : prompt_line("e-mail: ", false, e);
	char *password = email ? prompt_line("password: ", true, e) : NULL;
	cleanup_json json_t *body = password ? json_make(e, "{s:s, s:s, s:s}", "email", email, "password", password,
						       "agent", "muster " MUSTER_VERSION)
					     : NULL;
	struct remote *r = body ? remote_server(url, "", e) : NULL;
	cleanup_json json_t *session = r ? remote_ask(r, "POST", "/api/v1/auth/login", body, e) : NULL;
	const char *access = json_str(session, "access");
	prompt_free(password);
	mem_free(email);
	if (session && !access)
		err_set(e, ERR_UNAUTHENTICATED,
			"the address must be verified first: see the mail, or ask an administrator");
	if (r && access && (r->bearer = mem_printf("Bearer %s", access)))
		return r;
	if (e->code == ERR_OK)
		err_nomem(e);
	remote_close(r);
	return NULL;
}

/* A key makes no keys: that takes a session, for as long as it lasts. standard: days, 0: the key does not end. */
static json_t *make_key(const char *url, const struct args *args, const char *name, int64_t standard, struct err *e)
{
	cleanup_json json_t *body = key_body(args, name, standard, e);
	struct remote *r cleanup_remote = body ? sign_in(url, args, e) : NULL;
	struct err ignored = ERR_INIT; /* it ends by itself, too */
	json_t *made = r ? remote_ask(r, "POST", "/api/v1/keys", body, e) : NULL;
	if (r)
		json_decref(remote_ask(r, "POST", "/api/v1/auth/logout", NULL, &ignored));
	return made;
}

/* Bits, as the server keeps them, become words. */
static int name_scopes(json_t *rows, struct err *e)
{
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		int64_t bits = json_int(row, "scopes", 0);
		char text[32];
		snprintf(text, sizeof(text), "%s%s%s", bits & SCOPE_READ ? "read " : "",
			bits & SCOPE_WRITE ? "write " : "", bits & SCOPE_ADMIN ? "admin" : "");
		if (json_put(row, "scopes", json_string(text)))
			return err_nomem(e);
	}
	return 0;
}

static int list_keys(struct remote *r, const struct args *args, struct err *e)
{
	static const char *const fields[] = {"id", "name", "scopes", "created@", "expires@", "used@", NULL};
	cleanup_json json_t *rows = remote_ask(r, "GET", "/api/v1/keys", NULL, e);
	if (!rows || (!args_has(args, "json") && name_scopes(rows, e)))
		return -1;
	return action_print(args, rows, fields, "no keys; make one with `muster auth keys create NAME`", e);
}

static int create_key(struct remote *r, const struct args *args, struct err *e)
{
	if (r->sock)
		return err_set(e, ERR_USAGE, "a key is a person's at a server: name it with --url or MUSTER_URL");
	cleanup_json json_t *made = make_key(r->url, args, args_word(args, 2), 0, e);
	cleanup_buf struct buf out = BUF_INIT(4096);
	if (!made)
		return -1;
	if (args_has(args, "json"))
		return out_json(made, e);
	buf_addf(&out, "%s\n", json_str(made, "key"));
	out_say(span_of("this key is shown once:\n"));
	return out_write(&out, e);
}

static int revoke_key(struct remote *r, const char *id, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(4096);
	buf_adds(&path, "/api/v1/keys/");
	url_encode(id, &path);
	cleanup_json json_t *reply =
		buf_check(&path, "the key's id", e) ? NULL : remote_ask(r, "DELETE", path.data, NULL, e);
	return reply ? 0 : -1;
}

static int keys(struct remote *r, const struct args *args, struct err *e)
{
	const char *what = args_word(args, 1), *word = args_word(args, 2);
	cleanup_buf struct buf out = BUF_INIT(256);
	if (!what || !strcmp(what, "list"))
		return list_keys(r, args, e);
	if (!strcmp(what, "create") && word)
		return create_key(r, args, e);
	if (strcmp(what, "revoke") != 0 || !word)
		return err_set(e, ERR_USAGE, "usage: muster auth keys [list | create NAME | revoke ID]");
	if (revoke_key(r, word, e))
		return -1;
	buf_adds(&out, "revoked\n");
	return out_write(&out, e);
}

/* ---- who ---- */

static int whoami(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *me = remote_ask(r, "GET", "/api/v1/auth/me", NULL, e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const json_t *scopes = json_get(me, "scopes");
	size_t i;
	json_t *one;
	if (!me)
		return -1;
	if (args_has(args, "json"))
		return out_json(me, e);
	text_fit(json_span(me, "name"), 200, &out);
	buf_adds(&out, ", ");
	text_fit(json_span(me, "role"), 40, &out);
	buf_addf(&out, " at %s (", r->name);
	json_array_foreach(scopes, i, one)
	{
		buf_adds(&out, i ? ", " : "");
		text_fit(span_of(json_string_value(one)), 40, &out);
	}
	buf_adds(&out, ")\n");
	return out_write(&out, e);
}

/* ---- signing in and out ---- */

/* The server that a word, --url or MUSTER_URL names. */
static char *server_url(const struct args *args, struct err *e)
{
	const char *url = args_word(args, 1) ? args_word(args, 1) : remote_named(args);
	if (url)
		return remote_url(url, e);
	err_set(e, ERR_USAGE, "which server? muster auth %s https://muster.example", args_word(args, 0));
	return NULL;
}

static int login_with_key(const struct args *args, const char *url, struct err *e)
{
	if (strcmp(args_get(args, "key"), "-") != 0)
		return err_set(e, ERR_USAGE,
			"a key on the command line is seen by others: give --key - and write the key to standard "
			"input");
	char *key = prompt_line("key: ", true, e);
	struct remote *r cleanup_remote = key ? remote_server(url, key, e) : NULL;
	cleanup_json json_t *me = r ? remote_ask(r, "GET", "/api/v1/auth/me", NULL, e) : NULL;
	int failed = me ? keyring_put(url, key, json_str(me, "token"), e) : -1;
	prompt_free(key);
	return failed;
}

static int login_with_password(const struct args *args, const char *url, struct err *e)
{
	char host[256] = "";
	gethostname(host, sizeof(host) - 1);
	cleanup_free char *name = mem_printf("muster on %s", host);
	cleanup_json json_t *made = name ? make_key(url, args, name, LOGIN_DAYS, e) : (err_nomem(e), NULL);
	return made ? keyring_put(url, json_str(made, "key"), json_str(made, "id"), e) : -1;
}

static int login(const struct args *args, struct err *e)
{
	cleanup_free char *url = server_url(args, e), *path = keyring_path(e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (!url || !path || (args_has(args, "key") ? login_with_key(args, url, e) : login_with_password(args, url, e)))
		return -1;
	if (!strncasecmp(url, "http://", 7) && !strstr(url, "://127.") && !strstr(url, "://localhost") &&
		!strstr(url, "://[::1]"))
		out_say(span_of("note: http:// shows the key to everybody on the way; use https://\n"));
	buf_addf(&out, "signed in; the key is in %s\nask this server with: export MUSTER_URL=%s\n", path, url);
	return out_write(&out, e);
}

/* What cannot be revoked now is forgotten all the same. */
static int logout(const struct args *args, struct err *e)
{
	struct err why = ERR_INIT;
	cleanup_free char *url = server_url(args, e), *key = url ? keyring_get(url, e) : NULL;
	cleanup_free char *id = key ? keyring_id(url, e) : NULL;
	if (!url || e->code != ERR_OK)
		return -1;
	if (!key)
		return err_set(e, ERR_NOT_FOUND, "no key is kept for %s", url);
	struct remote *r cleanup_remote = remote_server(url, key, &why);
	bool revoked = r && id && !revoke_key(r, id, &why);
	crypt_wipe(key, strlen(key));
	if (keyring_drop(url, e) < 0)
		return -1;
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (revoked)
		buf_addf(&out, "signed out of %s; the key is revoked\n", url);
	else
		buf_addf(&out, "the key for %s is forgotten here, but was not revoked there: %s\n", url,
			why.code != ERR_OK ? why.text : "its id is not known");
	return out_write(&out, e);
}

static int auth(const struct args *args, struct err *e)
{
	static const struct action asked[] = {
		{"whoami", 0, whoami}, {"login", 0, NULL}, {"logout", 0, NULL}, {"keys", 0, keys}, {NULL, 0, NULL}};
	const char *word = args_word(args, 0);
	if (word && !strcmp(word, "login"))
		return login(args, e);
	if (word && !strcmp(word, "logout"))
		return logout(args, e);
	return action_do(args, asked, e);
}

const struct verb verb_auth = {
	.name = "auth",
	.words = "[whoami|login|logout|keys] [URL] [ACTION NAME]",
	.most = 3,
	.summary = "sign in at a server, say who one is there, and keep keys",
	.help = "muster auth login URL           with e-mail and password, or with --key -\n"
		"muster auth whoami              who the server takes one for\n"
		"muster auth keys                one's keys; also: keys create NAME, keys revoke ID\n"
		"muster auth logout URL          revoke the key and forget it\n\n"
		"A login makes a key of its own and keeps it in $XDG_CONFIG_HOME/muster/credentials. MUSTER_KEY goes "
		"before\n"
		"it. MUSTER_CA names the certificate authorities to trust instead of the system's.",
	.options = options,
	.run = auth,
};
