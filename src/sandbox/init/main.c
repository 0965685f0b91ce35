/* main: how muster-init (see wire.h) begins, `muster-init launch N M` outside and `muster-init init` inside. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/init/init.h"

static void say(const char *text)
{
	ssize_t n = write(2, text, strlen(text));
	(void)n; /* nobody is left to tell */
}

noreturn void die(const char *what, int error)
{
	say(what);
	if (error) {
		say(": ");
		say(strerror(error));
	}
	say("\n");
	_exit(1);
}

int write_text(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	ssize_t n = write(fd, text, strlen(text));
	int error = n < 0 ? errno : 0;
	close(fd);
	return error;
}

/* muster's own counts have one digit. */
static int digit(const char *text)
{
	return text[0] >= '0' && text[0] <= '9' && !text[1] ? text[0] - '0' : 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "launch") == 0)
		launcher_main(digit(argv[2]), digit(argv[3]));
	if (argc == 2 && strcmp(argv[1], "init") == 0)
		pid1_main();
	die("muster-init is started by muster only", 0);
}
