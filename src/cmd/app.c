/* app: see app.h. */
#include "cmd/app.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/remote.h"
#include "sandbox/disk.h"
#include "store/owner.h"

/* ---- where things are ---- */

static bool is_share(const char *dir)
{
	cleanup_free char *modes = fs_join(dir, "modes");
	return modes && fs_is_dir(modes);
}

static char *find_share(struct err *e)
{
	static const char *const places[] = {"../share/muster", "..", NULL};
	const char *given = getenv("MUSTER_SHARE");
	char program[PATH_MAX];
	if (given && *given) {
		if (!is_share(given)) {
			err_set(e, ERR_NOT_FOUND, "MUSTER_SHARE=%s has no folder modes", given);
			return NULL;
		}
		return mem_strdup(given);
	}
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (n <= 0) {
		err_errno(e, errno, "where this program lies (/proc/self/exe)");
		return NULL;
	}
	program[n] = '\0';
	char *slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	for (const char *const *place = places; *place; place++) {
		cleanup_free char *dir = fs_join(program, *place);
		char whole[PATH_MAX];
		if (dir && is_share(dir) && realpath(dir, whole))
			return mem_strdup(whole);
	}
	err_set(e, ERR_NOT_FOUND,
		"the shipped modes are neither in %s/../share/muster nor in %s/..; say where with MUSTER_SHARE",
		program, program);
	return NULL;
}

static int find_places(struct app *a, struct err *e)
{
	a->data_dir = options_data_dir(args_get(a->args, "data"), e);
	if (!a->data_dir || !(a->share = find_share(e)))
		return e->code == ERR_OK ? err_nomem(e) : -1;
	a->modes_dir = fs_join(a->share, "modes");
	a->roles_dir = fs_join(a->share, "roles");
	a->own_modes = fs_join(a->data_dir, "modes");
	a->own_roles = fs_join(a->data_dir, "roles");
	a->templates = fs_join(a->share, "templates");
	a->own_templates = fs_join(a->data_dir, "templates");
	a->sock = fs_join(a->data_dir, "sock");
	return a->modes_dir && a->roles_dir && a->own_modes && a->own_roles && a->templates && a->own_templates &&
			       a->sock
		       ? 0
		       : err_nomem(e);
}

static int configure(struct app *a, struct err *e)
{
	const char *assignment;
	a->options = options_load(a->data_dir, e);
	if (!a->options)
		return -1;
	for (int i = 0; (assignment = args_next(a->args, "option", &i));)
		if (options_override(a->options, assignment, e))
			return -1;
	log_level_set(log_level_named(options_text(a->options, OPTION_LOG_LEVEL), LOG_WARN));
	log_json(options_bool(a->options, OPTION_LOG_JSON));
	if (log_areas_set(options_text(a->options, OPTION_LOG_AREAS), e))
		return err_wrap(e, "log.areas (%s)", options_source(a->options, OPTION_LOG_AREAS));
	const char *url = options_text(a->options, OPTION_STORE_URL);
	return *url ? err_set(e, ERR_INVALID,
			      "store.url (%s) is %s, but this muster keeps its journal in the data folder only",
			      options_source(a->options, OPTION_STORE_URL), url)
		    : 0;
}

/* ---- opening ---- */

int app_llm(struct app *a, struct err *e)
{
	if (a->llm)
		return 0;
	a->llm_config = json_pack("{s:O, s:O, s:O, s:O}", "providers", options_tree(a->options, OPTION_PROVIDERS),
		"classes", options_tree(a->options, OPTION_CLASSES), "models", options_tree(a->options, OPTION_MODELS),
		"prices", options_tree(a->options, OPTION_PRICES));
	if (!a->llm_config)
		return err_nomem(e);
	struct llm_options o = {.loop = a->loop,
		.config = a->llm_config,
		.allow_local = true,
		.vault = a->vault,
		.first_byte_ms = options_int(a->options, OPTION_FIRST_BYTE_S) * 1000,
		.idle_ms = options_int(a->options, OPTION_IDLE_S) * 1000};
	a->llm = llm_new(&o, e);
	return a->llm ? 0 : -1;
}

static bool is_set(const struct app *a, enum option o)
{
	return strcmp(options_source(a->options, o), "default") != 0;
}

/* What the installation sets for every run; what it does not set is left to modes and built-in defaults. */
static json_t *run_settings(const struct app *a, struct err *e)
{
	json_t *all = json_object(), *sandbox = json_object();
	const struct options *o = a->options;
	bool bad = !all || !sandbox;
	static const struct {
		enum option option;
		const char *name;
		bool sandbox, real;
	} rows[] = {{OPTION_COMMAND_S, "command_seconds", false, false},
		{OPTION_INSTALL_S, "install_seconds", false, false},
		{OPTION_SANDBOX_MEMORY_MB, "memory_mib", true, false}, {OPTION_SANDBOX_PIDS, "processes", true, false},
		{OPTION_SANDBOX_CPUS, "cpus", true, true}, {OPTION_SANDBOX_DISK_MB, "disk_mib", true, false}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !bad; i++)
		if (is_set(a, rows[i].option))
			bad = json_object_set_new(rows[i].sandbox ? sandbox : all, rows[i].name,
				rows[i].real ? json_real(options_number(o, rows[i].option))
					     : json_integer(options_int(o, rows[i].option)));
	json_t *allow = json_array(), *item;
	size_t i;
	json_array_foreach(options_tree(o, OPTION_SANDBOX_NETWORK), i, item)
	{
		const char *text = json_string_value(item), *colon = text ? strrchr(text, ':') : NULL;
		char *end = NULL;
		long port = colon ? strtol(colon + 1, &end, 10) : 0;
		if (!colon || colon == text || *end || port < 1 || port > 65535) {
			char where[32];
			snprintf(where, sizeof(where), "/%zu", i);
			options_tree_error(o, OPTION_SANDBOX_NETWORK, where, e, "\"host:port\" is expected");
			bad = true;
			break;
		}
		bad |= json_array_append_new(allow,
			       json_pack("{s:s%, s:i}", "host", text, (size_t)(colon - text), "port", (int)port)) != 0;
	}
	if (!bad && json_array_size(allow))
		bad = json_object_set(sandbox, "allow", allow);
	json_decref(allow);
	if (!bad && is_set(a, OPTION_SANDBOX_DISK_LIMIT))
		bad = json_object_set_new(
			sandbox, "disk_limit", json_string(options_text(o, OPTION_SANDBOX_DISK_LIMIT)));
	if (!bad && json_object_size(sandbox))
		bad = json_object_set(all, "sandbox", sandbox);
	if (!bad && !strcmp(options_text(o, OPTION_RUN_UNATTENDED), "deny"))
		bad = json_object_set_new(all, "approvals", json_string("deny"));
	if (!bad && options_int(o, OPTION_RUN_ANSWER_MIN))
		bad = json_object_set_new(
			all, "answer_seconds", json_integer(options_int(o, OPTION_RUN_ANSWER_MIN) * 60));
	json_decref(sandbox);
	if (!bad)
		return all;
	json_decref(all);
	if (e->code == ERR_OK)
		err_nomem(e);
	return NULL;
}

static const char *user_name(void)
{
	const struct passwd *who = getpwuid(getuid());
	return who && who->pw_name && *who->pw_name ? who->pw_name : "owner";
}

static int house(struct app *a, bool passivate, struct err *e)
{
	cleanup_json json_t *settings = run_settings(a, e);
	if (!settings)
		return -1;
	struct house_options o = {.loop = a->loop,
		.store = a->store,
		.llm = a->llm,
		.data_dir = a->data_dir,
		.modes_dir = a->modes_dir,
		.roles_dir = a->roles_dir,
		.settings = settings,
		.policy = json_array_size(options_tree(a->options, OPTION_POLICY))
				  ? options_tree(a->options, OPTION_POLICY)
				  : NULL,
		.user = user_name(),
		.passivate = passivate};
	a->house = house_new(&o, e);
	a->house_open = a->house != NULL;
	return a->house ? 0 : -1;
}

int app_house(struct app *a, struct err *e)
{
	return house(a, false, e);
}

static int open_store(struct app *a, enum store_access access, struct err *e)
{
	uint8_t key[KEY_SIZE];
	vault_chain_key(a->vault, key);
	struct store_options o = {.dir = a->data_dir, .access = access, .chain_key = key};
	a->store = store_open(a->loop, &o, e);
	crypt_wipe(key, sizeof(key));
	return a->store ? 0 : -1;
}

/* What was restored elsewhere is not worked on: its runs name projects and copies by the place where they were. */
static int check_origin(const struct app *a, struct err *e)
{
	cleanup_free char *path = fs_join(a->data_dir, APP_ORIGIN);
	cleanup_buf struct buf origin = BUF_INIT(PATH_MAX);
	char here[PATH_MAX], there[PATH_MAX];
	if (!path)
		return err_nomem(e);
	if (!fs_exists(path))
		return 0;
	if (fs_read(path, &origin, e))
		return -1;
	cleanup_free char *was = span_dup(buf_span(&origin));
	if (!was)
		return err_nomem(e);
	if (!realpath(a->data_dir, here))
		return err_errno(e, errno, "%s", a->data_dir);
	return realpath(was, there) && !strcmp(here, there)
		       ? 0
		       : err_set(e, ERR_CONFLICT,
				 "%s was restored from a backup of %s, where its runs have their projects; restore it "
				 "there, or, when nothing else is there, make that a link to it",
				 a->data_dir, was);
}

/* The key is made under the folder's lock, so that two processes cannot both make one. */
static int open_own(struct app *a, bool passivate, struct err *e)
{
	if (check_origin(a, e))
		return -1;
	disk_private(); /* before the journal's thread starts */
	int lock = owner_take(a->data_dir, e);
	if (lock < 0)
		return -1;
	a->vault = vault_open(a->data_dir, true, e);
	owner_leave(lock);
	return !a->vault || open_store(a, STORE_OWN, e) || app_llm(a, e) || house(a, passivate, e) ? -1 : 0;
}

/* Own the journal for as long as `what` takes (NULL: the opening alone), then only read it again. */
static int own_briefly(struct app *a, int (*what)(struct store *s, struct err *e), struct err *e)
{
	store_close(steal(&a->store));
	if (open_store(a, STORE_OWN, e) || (what && what(a->store, e)))
		return -1;
	store_close(steal(&a->store));
	return open_store(a, STORE_READ, e);
}

int app_rebuild(struct app *a, struct err *e)
{
	return own_briefly(a, store_rebuild, e);
}

/* Whatever is asked for first after an upgrade brings the journal up to date. */
static int bring_up(struct app *a, struct err *e)
{
	err_clear(e);
	return own_briefly(a, NULL, e) ? err_wrap(e, "an older muster was the last to write the journal, which has to "
						     "be brought up to date")
				       : 0;
}

static int open_read(struct app *a, struct err *e)
{
	cleanup_free char *format = fs_join(a->data_dir, "format");
	cleanup_free char *journal = fs_join(a->data_dir, "muster.db");
	if (!format || !journal)
		return err_nomem(e);
	if (!fs_exists(format))
		return 0;
	if (owner_check(a->data_dir, e))
		return -1;
	if (!fs_exists(journal))
		return 0;
	a->vault = vault_open(a->data_dir, false, e);
	if (!a->vault)
		return -1;
	if (!open_store(a, STORE_READ, e))
		return 0;
	if (e->code == ERR_OLDER)
		return bring_up(a, e);
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e); /* made, but nothing was ever written */
	return 0;
}

int app_must_have(const struct app *a, struct err *e)
{
	return a->store ? 0
			: err_set(e, ERR_NOT_FOUND,
				  "%s holds no runs yet; start one with `muster run MODE`, or name another data folder "
				  "with --data",
				  a->data_dir);
}

int app_open(struct app *a, const struct args *args, enum app_need need, struct err *e)
{
	*a = (struct app){.args = args};
	if (find_places(a, e) || configure(a, e))
		return -1;
	if (need == APP_FOLDERS)
		return 0;
	if (need != APP_SERVE && remote_refuse(args, args->verb->name, e))
		return -1;
	a->loop = loop_new(e);
	if (!a->loop)
		return -1;
	return need == APP_READ ? open_read(a, e) : open_own(a, need == APP_SERVE, e);
}

/* ---- closing ---- */

static void house_closed(void *ctx)
{
	struct app *a = ctx;
	a->house_open = false;
}

void app_house_close(struct app *a)
{
	if (!a->house_open)
		return;
	house_close(a->house, house_closed, a);
	while (a->house_open)
		loop_turn(a->loop, -1);
}

void app_close(struct app *a)
{
	app_house_close(a);
	store_close(a->store);
	if (a->llm)
		llm_free(a->llm);
	json_decref(a->llm_config);
	vault_close(a->vault);
	if (a->loop)
		while (loop_turn(a->loop, 0))
			;
	loop_free(a->loop);
	options_free(a->options);
	char *texts[] = {a->data_dir, a->share, a->modes_dir, a->roles_dir, a->own_modes, a->own_roles, a->templates,
		a->own_templates, a->sock};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		mem_free(texts[i]);
	*a = (struct app){0};
}

struct bundle_places app_places(const struct app *a)
{
	return (struct bundle_places){
		.own_modes = a->own_modes, .modes = a->modes_dir, .own_roles = a->own_roles, .roles = a->roles_dir};
}

struct api_needs app_needs(const struct app *a)
{
	return (struct api_needs){.loop = a->loop,
		.store = a->store,
		.house = a->house,
		.llm = a->llm,
		.vault = a->vault,
		.options = a->options,
		.data_dir = a->data_dir,
		.places = app_places(a),
		.templates = {.own = a->own_templates, .shipped = a->templates},
		.sock = a->sock};
}

json_t *app_run(const struct app *a, const char *name, struct err *e)
{
	return app_must_have(a, e) ? NULL : store_run(a->store, name, e);
}
