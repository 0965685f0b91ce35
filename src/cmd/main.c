/* main: finds the verb of a command line, and makes of its error a message and an exit status. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "cmd/args.h"
#include "cmd/out.h"
#include "tools/tool.h"

static int set_up(struct err *e)
{
	const char *level = getenv("MUSTER_LOG");
	log_level_set(log_level_named(level ? level : "", LOG_WARN));
	json_setup();
	signal(SIGPIPE, SIG_IGN);
	return fault_from_env(e) || crypt_setup(e) ? -1 : 0;
}

static int print_help(const struct verb *v, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(1 * MIB);
	if (v)
		help_verb(v, &text);
	else
		help_all(&text);
	return out_write(&text, e);
}

static int run_verb(const struct verb *v, int argc, char **argv, struct err *e)
{
	struct args a;
	int status = args_parse(&a, v, argc, argv, e);
	if (!status)
		status = args_has(&a, "help") ? print_help(v, e) : v->run(&a, e);
	args_release(&a);
	return status;
}

static int dispatch(int argc, char **argv, struct err *e)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name)
		return err_set(e, ERR_USAGE,
			"a verb is missing; `muster --help` lists them, `muster demo` shows what muster does");
	if (!strcmp(name, "--version"))
		name = "version";
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		const struct verb *v = argc > 2 ? verb_named(argv[2], e) : NULL;
		return argc > 2 && !v ? -1 : print_help(v, e);
	}
	const struct verb *v = verb_named(name, e);
	return v ? run_verb(v, argc - 2, argv + 2, e) : -1;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int status = set_up(&e);
	if (!status)
		status = dispatch(argc, argv, &e);
	tools_release();
	if (status >= 0)
		return status;
	if (e.code == ERR_OK) /* nobody reads any more */
		return 0;
	out_error(e.text);
	return err_exit(e.code);
}
