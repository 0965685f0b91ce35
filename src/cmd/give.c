/* give: see give.h. */
#include "cmd/give.h"

#include "cmd/asking.h"
#include "cmd/control.h"
#include "cmd/out.h"

int give_words(const struct args *args, int from, struct buf *out, struct err *e)
{
	const char *word;
	for (int i = from; (word = args_word(args, i)); i++)
		buf_addf(out, "%s%s", i > from ? " " : "", word);
	return buf_check(out, "the text", e);
}

int give_to(
	const struct args *args, const char *name, json_t *given, const char *live, const char *still, struct err *e)
{
	struct control c cleanup_control = {0};
	cleanup_json json_t *command = given;
	bool now;
	if (!command || json_put(command, "by", json_string(person_name())))
		return err_nomem(e);
	if (control_open(&c, args, e))
		return -1;
	cleanup_json json_t *run = control_run(&c, name, e);
	if (!run || control_command(&c, run, command, &now, e))
		return -1;
	cleanup_buf struct buf out = BUF_INIT(4096);
	buf_addf(&out, "%s\n", c.remote ? live : still);
	return out_write(&out, e);
}

int give(const struct args *args, json_t *given, const char *live, const char *still, struct err *e)
{
	return give_to(args, args_word(args, 0), given, live, still, e);
}

int give_up(const struct args *args, const char *name, struct err *e)
{
	struct control c cleanup_control = {0};
	cleanup_buf struct buf out = BUF_INIT(4096);
	if (control_open(&c, args, e))
		return -1;
	cleanup_json json_t *run = control_run(&c, name, e);
	if (!run || control_remove(&c, run, e))
		return -1;
	buf_adds(&out, "removed\n");
	return out_write(&out, e);
}
