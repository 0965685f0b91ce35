/* bench_start: from the program's start to its first request to a model, and from the start of a server that was killed
 * with RUNS (1000) live runs to all of them being there again.
 *
 * The model is a socket of this program that reads requests and never answers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "rig.h"
#include "serve_rig.h"

#define STARTS 50
#define SAID 94 /* events of a run, beside the six to eight of its beginning and its agent's */

extern char **environ;

/* ---- the model ---- */

static int model = -1, model_port;

static void model_open(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t size = sizeof(a);
	char url[64];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	model = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must_sys(model < 0 || bind(model, (struct sockaddr *)&a, size) || listen(model, 4096) ||
			 getsockname(model, (struct sockaddr *)&a, &size),
		"the model");
	model_port = ntohs(a.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1", model_port);
	setenv("MUSTER_MODEL_URL", url, 1);
	setenv("MUSTER_MODEL_NAME", "slow", 1);
}

/* The next connection, once bytes of a request have come. */
static int model_asked(void)
{
	char byte;
	struct pollfd one = {.fd = model, .events = POLLIN};
	int fd;

	must_sys(poll(&one, 1, 60000) != 1, "no request came in a minute");
	fd = accept4(model, NULL, NULL, SOCK_CLOEXEC);
	must_sys(fd < 0 || recv(fd, &byte, 1, MSG_PEEK) != 1, "a request");
	return fd;
}

/* ---- one run ---- */

/* Killed once it has asked. */
static double start_once(const char *const *words)
{
	double from = rig_ms(), took;
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int fd;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	must_sys((errno = posix_spawn(&pid, words[0], &quiet, NULL, (char *const *)words, environ)), words[0]);
	posix_spawn_file_actions_destroy(&quiet);
	fd = model_asked();
	took = rig_ms() - from;
	kill(pid, SIGKILL);
	close(fd);
	waitpid(pid, NULL, 0);
	return took;
}

/* What asks without being anything. */
static int ask_only(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must_sys(fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) || write(fd, "POST", 4) != 4, "connect");
	pause();
	return 0;
}

static void rows_of_a_run(const char *self)
{
	static struct sample first, later, floor;
	cleanup_free char *port = mem_printf("%d", model_port);

	for (int i = 0; i < STARTS; i++) {
		cleanup_free char *data = mem_strdup(rig_path("data/%d", i)), *one = mem_strdup(rig_path("one/%d", i)),
				  *two = mem_strdup(rig_path("two/%d", i));
		const char *words[] = {getenv("MUSTER"), "run", "one_shot", "--project", one, "--data", data, "--input",
			"task=wait", NULL};
		sample_add(&floor, start_once((const char *const[]){self, "ask", port, NULL}));
		sample_add(&first, start_once(words));
		words[4] = two;
		sample_add(&later, start_once(words));
	}
	rig_median("program start to first model request, empty project", "start_ms", "ms", &later, "target 20");
	rig_median("  when the data folder is new as well", "start_new_ms", "ms", &first, "");
	rig_median("  floor: a process that connects and writes", "start_floor_ms", "ms", &floor, "");
}

/* ---- a server with live runs ---- */

static int listed(void)
{
	json_t *rows = call(NULL, "GET", "/runs?state=running&limit=100000", NULL);
	int n = (int)json_array_size(rows);

	json_decref(rows);
	return n;
}

static void rows_of_a_recovery(int runs)
{
	const char *const options[] = {"server.live_runs=0", NULL};
	char *last = NULL;
	double from, ready, there, taken;
	int *asked = mem_calloc((size_t)runs, sizeof(*asked));

	must_sys(!asked, "memory");
	rig_put("data/modes/bench/mode.yaml", span_of("id: bench\nname: Bench\ndescription: Says much and asks.\n"
						      "engine: planning\ncategory: test\nroles: [engineer]\n"));
	cleanup_free char *flow = mem_printf("return function(run)\n"
					     "  for i = 1, %d do say('word ' .. i) end\n"
					     "  agent { role = 'engineer', task = 'wait' }\n"
					     "end\n",
		SAID);
	rig_put("data/modes/bench/flow.lua", span_of(flow));
	serve(options);
	for (int i = 0; i < runs; i++) {
		cleanup_free char *body =
			mem_printf("{\"mode\":\"bench\",\"project\":\"%s\"}", rig_path("projects/%d", i));
		free(last);
		last = take(call(NULL, "POST", "/runs", body), "run");
		asked[i] = model_asked();
	}
	serve_kill();
	for (int i = 0; i < runs; i++)
		close(asked[i]);
	from = rig_ms();
	serve(options);
	ready = rig_ms() - from;
	must_sys(listed() != runs, "not all runs are there");
	there = rig_ms() - from;
	cleanup_free char *path = mem_printf("/runs/%s/commands", last);
	json_decref(call(NULL, "POST", path, "{\"kind\":\"budget\",\"usd\":9}"));
	taken = rig_ms() - from;
	for (int i = 0; i < runs; i++)
		asked[i] = model_asked();
	rig_row("a killed server with live runs: it listens", "listens_ms", ready, "ms", NULL, "");
	rig_row("  all its runs are listed", "listed_ms", there, "ms", NULL, "target 2000");
	rig_row("  one takes a command", "taken_ms", taken, "ms", NULL, "target 2000");
	rig_row("  the last has asked its model again", "asked_ms", rig_ms() - from, "ms", NULL, "");
	rig_row("  private memory then", "recovered_mib", serve_private_kib() / KIB, "MiB", NULL, "");
	serve_stop();
	free(last);
	mem_free(asked);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask_only(argv[2]);
	rig_setup("start");
	must_sys(!getenv("MUSTER"), "MUSTER names no program");
	rig_folder();
	model_open();
	rows_of_a_run(argv[0]);
	pin(1);
	rows_of_a_recovery(getenv("RUNS") ? atoi(getenv("RUNS")) : 1000);
	rig_folder_remove();
	rig_finish();
	return 0;
}
