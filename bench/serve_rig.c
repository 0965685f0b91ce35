/* serve_rig: see serve_rig.h. */
#include "serve_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void fail(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, text);
	exit(1);
}

/* ---- the server ---- */

static pid_t server;
static int port;

void serve(const char *const *options)
{
	const char *muster = getenv("MUSTER"), *words[32] = {NULL};
	size_t n = 0;
	char line[1024];
	int ends[2];
	FILE *out;

	must_sys(!muster, "MUSTER names no program");
	for (const char *const *w = (const char *const[]){muster, "serve", "--listen", "127.0.0.1:0", "--data",
		     rig_path("data"), "--option", "server.requests_per_s=0", NULL};
		*w; w++)
		words[n++] = *w;
	for (; options && *options && n + 2 < sizeof(words) / sizeof(*words); options++) {
		words[n++] = "--option";
		words[n++] = *options;
	}
	must_sys(pipe(ends), "pipe");
	server = fork();
	must_sys(server < 0, "fork");
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		pin(0);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(muster, (char *const *)words);
		_exit(127);
	}
	close(ends[1]);
	out = fdopen(ends[0], "r");
	while (!port) {
		must_sys(!fgets(line, sizeof line, out), "the server does not start");
		const char *at = strstr(line, "http://127.0.0.1:");
		if (at)
			port = atoi(at + strlen("http://127.0.0.1:"));
	}
}

static void end(int signal)
{
	kill(server, signal);
	waitpid(server, NULL, 0);
	port = 0;
}

void serve_stop(void)
{
	end(SIGTERM);
}

void serve_kill(void)
{
	end(SIGKILL);
}

double serve_private_kib(void)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)server);
	f = fopen(path, "r");
	must_sys(!f, "the server has ended");
	while (fgets(line, sizeof line, f)) {
		unsigned long n;
		if (sscanf(line, "Private_Clean: %lu", &n) == 1 || sscanf(line, "Private_Dirty: %lu", &n) == 1)
			kib += (double)n;
	}
	fclose(f);
	return kib;
}

double serve_cpu_s(void)
{
	char path[64], text[1024] = "";
	unsigned long user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)server);
	f = fopen(path, "r");
	must_sys(!f || !fgets(text, sizeof text, f), "the server has ended");
	fclose(f);
	sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

int dial_to(int to)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must_sys(fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a), "connect");
	return fd;
}

int dial(void)
{
	return dial_to(port);
}

/* ---- one request at a time ---- */

size_t answer_size(const char *bytes, size_t n)
{
	const char *head = memmem(bytes, n, "\r\n\r\n", 4), *length;
	size_t size;

	if (!head)
		return 0;
	length = memmem(bytes, (size_t)(head - bytes), "ontent-", 7);
	while (length && strncasecmp(length, "ontent-length:", 14) != 0)
		length = memmem(length + 1, (size_t)(head - length - 1), "ontent-", 7);
	size = (size_t)(head - bytes) + 4 + (length ? strtoul(length + 14, NULL, 10) : 0);
	return n >= size ? size : 0;
}

json_t *call(const char *token, const char *method, const char *path, const char *body)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	static char bytes[1 << 20];
	size_t n = 0, size = 0;
	int fd;
	json_t *answer;

	if (token) {
		fd = dial();
	} else {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(a.sun_path, sizeof a.sun_path, "%.100s", rig_path("data/sock"));
		must_sys(fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a), "connect");
	}
	dprintf(fd,
		"%s /api/v1%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s%s%sContent-Length: "
		"%zu\r\n\r\n%s",
		method, path, token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "",
		body ? strlen(body) : 0, body ? body : "");
	while (!size) {
		ssize_t got = read(fd, bytes + n, sizeof bytes - 1 - n);
		must_sys(got <= 0, path);
		n += (size_t)got;
		size = answer_size(bytes, n);
	}
	close(fd);
	bytes[n] = 0;
	if (strncmp(bytes, "HTTP/1.1 2", 10) != 0)
		fail(path, bytes);
	answer = json_loads(strstr(bytes, "\r\n\r\n") + 4, JSON_DECODE_ANY, NULL);
	return answer;
}

char *take(json_t *answer, const char *name)
{
	const char *text = json_string_value(json_object_get(answer, name));
	char *copy;

	if (!text)
		fail("the answer has no such member", name);
	copy = strdup(text);
	json_decref(answer);
	return copy;
}
