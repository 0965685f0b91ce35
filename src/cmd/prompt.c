/* prompt: see prompt.h. Whatever ends the process while nothing is shown gives the terminal back first. */
#include "cmd/prompt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "cmd/out.h"

#define CAP_LINE 4096

static struct termios shown;

static void interrupted(int signum)
{
	(void)signum;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	_exit(130);
}

static bool hide(void)
{
	struct termios hidden;
	if (tcgetattr(STDIN_FILENO, &shown))
		return false;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ECHONL;
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	signal(SIGHUP, interrupted);
	return !tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
}

static void show(void)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

/* Byte by byte: what stands behind the line is for whoever reads next. */
static char *read_line(struct err *e)
{
	char line[CAP_LINE];
	size_t n = 0;
	ssize_t got = 0;
	while (n < sizeof(line) - 1 && ((got = read(STDIN_FILENO, line + n, 1)) > 0 || (got < 0 && errno == EINTR)))
		if (got > 0 && line[n++] == '\n')
			break;
	if (got < 0)
		err_errno(e, errno, "standard input");
	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	char *out = got >= 0 && n ? mem_strndup(line, n) : NULL;
	if (!out && e->code == ERR_OK)
		err_set(e, ERR_USAGE, "nothing was typed");
	crypt_wipe(line, sizeof(line));
	return out;
}

char *prompt_line(const char *question, bool secret, struct err *e)
{
	bool terminal = isatty(STDIN_FILENO), hidden = false;
	if (terminal && secret && !(hidden = hide())) {
		err_set(e, ERR_IO, "the terminal would show what is typed: write it to standard input instead");
		return NULL;
	}
	if (terminal) /* not before: hiding throws away what was typed so far */
		out_say(span_of(question));
	char *out = read_line(e);
	if (hidden)
		show();
	if (!out)
		err_wrap(e, "%s", question);
	return out;
}

void prompt_free(char *line)
{
	if (line)
		crypt_wipe(line, strlen(line));
	mem_free(line);
}
