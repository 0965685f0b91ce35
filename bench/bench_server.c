/* bench_server: `muster serve` as people use it, over loopback: a request with a token, idle streams, one event to all
 * of them, and a mix of idle streams and busy people.
 *
 * The server has one core, this program another. STREAMS (5000) clients follow one run, first over SSE, then over
 * WebSocket. In the mix, for MIX_SECONDS (20; 600 for a proof), STREAMS idle streams of SSE and WebSocket in turns
 * follow the runs of USERS (100) people, each of whom reads their project and changes it once a second and has a run
 * with a command a minute; any answer that is not as it should be ends the program. SERVER_OPTION=NAME=VALUE is given
 * to the server. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/json.h"
#include "base/mem.h"
#include "rig.h"
#include "serve_rig.h"

#define READERS 100
#define READS 50000
#define EVENTS 30
#define PASSWORD "four plain words here"

static int streams_wanted = 5000, users_wanted = 100, mix_seconds = 20;

static const char *const *server_options(void)
{
	static const char *options[2];

	options[0] = getenv("SERVER_OPTION");
	return options;
}

/* ---- the people ---- */

struct person {
	char *token, *project, *run;
};

static struct person person_make(int i)
{
	cleanup_free char *make =
		mem_printf("{\"name\":\"Person %d\",\"email\":\"p%d@example.org\",\"password\":\"" PASSWORD
			   "\",\"role\":\"member\"}",
			i, i);
	cleanup_free char *login = mem_printf("{\"email\":\"p%d@example.org\",\"password\":\"" PASSWORD "\"}", i);
	cleanup_free char *project = mem_printf("{\"name\":\"project %d\"}", i);
	struct person p = {NULL};

	json_decref(call(NULL, "POST", "/people", make));
	char *access = take(call("", "POST", "/auth/login", login), "access");
	p.token = take(
		call(access, "POST", "/keys", "{\"name\":\"bench\",\"scopes\":[\"read\",\"write\",\"admin\"]}"), "key");
	free(access);
	p.project = take(call(p.token, "POST", "/projects", project), "id");
	return p;
}

static char *run_make(const struct person *p, int every_s)
{
	cleanup_free char *body =
		mem_printf("{\"mode\":\"bench\",\"project\":\"%s\",\"inputs\":{\"every\":%d}}", p->project, every_s);

	return take(call(p->token, "POST", "/runs", body), "run");
}

static void mode_make(void)
{
	rig_put("data/modes/bench/mode.yaml", span_of("id: bench\nname: Bench\ndescription: A command now and "
						      "then.\nengine: planning\ncategory: test\n"
						      "inputs: [{name: every, type: number}]\n"));
	rig_put("data/modes/bench/flow.lua", span_of("return function(run)\n"
						     "  while true do\n"
						     "    exec { command = 'true', again = true }\n"
						     "    sleep(run.inputs.every)\n"
						     "  end\n"
						     "end\n"));
}

/* ---- streams ---- */

struct stream {
	int fd;
	double heard; /* when the event came that is waited for; 0: not yet */
};
static struct stream *streams;
static int poller;
static long heard_bytes;

static void stream_open_sse(struct stream *s, const struct person *p)
{
	s->fd = dial();
	dprintf(s->fd,
		"GET /api/v1/events?stream=run/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
		"Last-Event-ID: 1\r\n\r\n",
		p->run, p->token);
}

/* A frame of a client, masked with zeros. */
static void say(int fd, const char *text)
{
	char frame[256] = {(char)0x81, (char)(0x80 | strlen(text))};
	size_t n = strlen(text);

	memcpy(frame + 6, text, n);
	must_sys(n > 125 || write(fd, frame, n + 6) < 0, "write");
}

static void stream_open_socket(struct stream *s, const struct person *p)
{
	char bytes[4096], follow[128];
	size_t n = 0;

	s->fd = dial();
	dprintf(s->fd,
		"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer "
		"%s\r\n\r\n",
		p->token);
	while (n < 4 || memcmp(bytes + n - 4, "\r\n\r\n", 4) != 0)
		must_sys(n == sizeof bytes || read(s->fd, bytes + n++, 1) != 1, "the upgrade");
	if (strncmp(bytes, "HTTP/1.1 101", 12) != 0)
		fail("the upgrade", bytes);
	snprintf(follow, sizeof follow, "{\"follow\":\"run/%s\",\"after\":1}", p->run);
	say(s->fd, follow);
}

enum way { SSE, SOCKET, IN_TURNS };

static void streams_open(enum way way, const struct person *people, int count)
{
	for (int i = 0; i < streams_wanted; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &streams[i]};
		(way == SSE || (way == IN_TURNS && i % 2) ? stream_open_sse : stream_open_socket)(
			&streams[i], &people[i % count]);
		must_sys(epoll_ctl(poller, EPOLL_CTL_ADD, streams[i].fd, &ev), "epoll_ctl");
	}
}

static void streams_close(void)
{
	for (int i = 0; i < streams_wanted; i++)
		close(streams[i].fd);
}

/* Read what has come within so long, at most; the number of streams that heard the word for the first time. */
static int streams_read(int timeout_ms, const char *word)
{
	static struct epoll_event events[512];
	static char bytes[64 * KIB];
	int n = epoll_wait(poller, events, 512, timeout_ms), heard = 0;

	for (int i = 0; i < n; i++) {
		struct stream *s = events[i].data.ptr;
		ssize_t got = read(s->fd, bytes, sizeof bytes);
		if (got <= 0)
			fail("a stream", got ? strerror(errno) : "the server closed it");
		heard_bytes += got;
		/* Neither JSON nor SSE has such bytes: a ping, whose pong keeps the stream open. */
		if (memmem(bytes, (size_t)got, "\x89\0", 2))
			must_sys(write(s->fd, "\x8a\x80\0\0\0\0", 6) != 6, "a pong");
		if (!word || s->heard > 0 || !memmem(bytes, (size_t)got, word, strlen(word)))
			continue;
		s->heard = rig_ms();
		heard++;
	}
	return heard;
}

static void settle(void)
{
	double quiet = rig_ms();

	while (rig_ms() - quiet < 300) {
		long before = heard_bytes;
		streams_read(50, NULL);
		if (heard_bytes != before)
			quiet = rig_ms();
	}
}

/* One command to the run that all follow, until all streams have heard of it; when it was sent. */
static double fan_out(const struct person *p)
{
	static int usd;
	cleanup_free char *body = mem_printf("{\"kind\":\"budget\",\"usd\":%d}", ++usd);
	double from;
	int fd = dial();

	for (int i = 0; i < streams_wanted; i++)
		streams[i].heard = 0;
	from = rig_ms();
	/* Its answer need not be read: the event says that it took effect. */
	dprintf(fd,
		"POST /api/v1/runs/%s/commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		"Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
		p->run, p->token, strlen(body), body);
	for (int heard = 0; heard < streams_wanted;) {
		heard += streams_read(10000, "run.intervened");
		if (rig_ms() - from > 20000)
			fail("an event", "it has not come to all streams in 20 s");
	}
	close(fd);
	return from;
}

static size_t event_size; /* bytes of an event on the wire, as it was last */

static void rows_of_streams(enum way way, const char *name, const char *key, const struct person *p)
{
	static struct sample spread, whole;
	char what[96], id[64];
	double before, cpu;

	serve_stop(); /* what others left free is not counted for these */
	serve(server_options());
	json_decref(call(p->token, "GET", "/runs", NULL));
	before = serve_private_kib();
	streams_open(way, p, 1);
	settle();
	snprintf(what, sizeof what, "idle %s client", name);
	snprintf(id, sizeof id, "%s_idle_kib", key);
	rig_row(what, id, (serve_private_kib() - before) / streams_wanted, "KiB", NULL,
		"private memory of the server, after the first events");
	spread.n = whole.n = 0;
	cpu = serve_cpu_s();
	for (int i = 0; i < EVENTS; i++) {
		long before_it = heard_bytes;
		double from = fan_out(p), first = 1e18, last = 0;
		for (int j = 0; j < streams_wanted; j++) {
			first = streams[j].heard < first ? streams[j].heard : first;
			last = streams[j].heard > last ? streams[j].heard : last;
		}
		sample_add(&spread, last - first);
		sample_add(&whole, last - from);
		settle();
		event_size = (size_t)(heard_bytes - before_it) / (size_t)streams_wanted;
	}
	cpu = serve_cpu_s() - cpu;
	snprintf(what, sizeof what, "one event to %d of them, first to last", streams_wanted);
	snprintf(id, sizeof id, "%s_fan_out_ms", key);
	rig_median(what, id, "ms", &spread, "");
	snprintf(id, sizeof id, "%s_command_to_last_ms", key);
	rig_median("  from the command's first byte to the last of them", id, "ms", &whole, "");
	snprintf(id, sizeof id, "%s_delivery_us", key);
	rig_row("  processor time of the server for each delivery", id, cpu * 1e6 / EVENTS / streams_wanted, "us", NULL,
		"with the command");
	streams_close();
}

/* The floor: a bare loop on the server's core that writes as many bytes to as many sockets. */
static void floor_serve(int listener, int orders, size_t size)
{
	char order, *event = mem_calloc(1, size);
	int *fds = mem_calloc((size_t)streams_wanted, sizeof *fds);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	pin(0);
	must_sys(!event || !fds, "memory");
	memset(event, ' ', size);
	memcpy(event, "run.intervened", strlen("run.intervened"));
	for (int i = 0; i < streams_wanted; i++)
		must_sys((fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0, "accept");
	while (read(orders, &order, 1) == 1)
		for (int i = 0; i < streams_wanted; i++)
			must_sys(write(fds[i], event, size) != (ssize_t)size, "write");
	_exit(0);
}

static void rows_of_floor(size_t size)
{
	static struct sample spread;
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t length = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), orders[2];
	pid_t child;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must_sys(bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1024) || pipe(orders) ||
			 getsockname(listener, (struct sockaddr *)&a, &length),
		"a listener");
	child = fork();
	must_sys(child < 0, "fork");
	if (child == 0) {
		close(orders[1]);
		floor_serve(listener, orders[0], size < 64 ? 64 : size);
	}
	for (int i = 0; i < streams_wanted; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &streams[i]};
		streams[i].fd = dial_to(ntohs(a.sin_port));
		must_sys(epoll_ctl(poller, EPOLL_CTL_ADD, streams[i].fd, &ev), "epoll_ctl");
	}
	settle();
	for (int i = 0; i < EVENTS; i++) {
		double first = 1e18, last = 0;
		for (int j = 0; j < streams_wanted; j++)
			streams[j].heard = 0;
		must_sys(write(orders[1], "x", 1) != 1, "write");
		for (int heard = 0; heard < streams_wanted;)
			heard += streams_read(10000, "run.intervened");
		for (int j = 0; j < streams_wanted; j++) {
			first = streams[j].heard < first ? streams[j].heard : first;
			last = streams[j].heard > last ? streams[j].heard : last;
		}
		sample_add(&spread, last - first);
	}
	rig_median("  floor: a bare loop writes these bytes to as many sockets", "fan_out_floor_ms", "ms", &spread, "");
	streams_close();
	close(orders[1]);
	close(orders[0]);
	close(listener);
	waitpid(child, NULL, 0);
}

/* What a person sees of a command: each of 100 clients, each time. */
static void rows_of_latency(const struct person *p)
{
	static struct sample all;
	int had = streams_wanted;

	streams_wanted = READERS;
	streams_open(SSE, p, 1);
	settle();
	for (int i = 0; i < EVENTS; i++) {
		double from = fan_out(p);
		for (int j = 0; j < streams_wanted; j++)
			sample_add(&all, streams[j].heard - from);
		settle();
	}
	rig_row("a command until 100 clients see its event: p50", "event_p50_ms", sample_at(&all, 0.5), "ms", NULL, "");
	rig_row("  p99", "event_p99_ms", sample_at(&all, 0.99), "ms", NULL, "connection, request and fsync within");
	streams_close();
	streams_wanted = had;
}

/* ---- requests over connections that stay ---- */

struct client {
	const struct person *person;
	int fd;
	double due;   /* when it asks next, by the clock; what it waits counts from there */
	bool waiting; /* for an answer */
	bool change;  /* is what it asks, or asked */
	size_t n;
	char bytes[16 * KIB];
};

static void ask(struct client *c)
{
	static unsigned long count;
	char body[64];

	if (c->change)
		snprintf(body, sizeof body, "{\"description\":\"change %lu\"}", ++count);
	dprintf(c->fd,
		"%s /api/v1/projects/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: "
		"application/json\r\nContent-Length: %zu\r\n\r\n%s",
		c->change ? "PATCH" : "GET", c->person->project, c->person->token, c->change ? strlen(body) : 0,
		c->change ? body : "");
	c->waiting = true;
	c->n = 0;
}

/* Read; true when the answer is whole. */
static bool answered(struct client *c)
{
	ssize_t got = read(c->fd, c->bytes + c->n, sizeof c->bytes - 1 - c->n);

	must_sys(got <= 0, "a connection");
	c->n += (size_t)got;
	if (!answer_size(c->bytes, c->n))
		return false;
	c->bytes[c->n] = 0;
	if (strncmp(c->bytes, "HTTP/1.1 200", 12) != 0)
		fail(c->change ? "a change" : "a read", c->bytes);
	c->waiting = false;
	return true;
}

static int clients_open(struct client *clients, int count, const struct person *people, int persons)
{
	int set = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < count; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};
		clients[i] = (struct client){.person = &people[i % persons], .fd = dial()};
		must_sys(epoll_ctl(set, EPOLL_CTL_ADD, clients[i].fd, &ev), "epoll_ctl");
	}
	return set;
}

static void clients_close(struct client *clients, int count, int set)
{
	for (int i = 0; i < count; i++)
		close(clients[i].fd);
	close(set);
}

static struct client clients[1000];

/* Each asks again as soon as it has its answer. */
static void rows_of_reads(const struct person *p)
{
	static struct sample spread;
	struct epoll_event events[READERS];
	int set = clients_open(clients, READERS, p, 1), asked = 0, done = 0;
	double from = rig_ms(), cpu = serve_cpu_s(), took;
	char note[80];

	for (; asked < READERS; asked++) {
		clients[asked].due = rig_ms();
		ask(&clients[asked]);
	}
	while (done < READS) {
		int n = epoll_wait(set, events, READERS, 10000);
		must_sys(n <= 0, "the server does not answer");
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (!answered(c))
				continue;
			if (++done % (READS / SAMPLE_MAX + 1) == 0)
				sample_add(&spread, rig_ms() - c->due);
			c->due = rig_ms();
			if (asked++ < READS)
				ask(c);
		}
	}
	took = rig_ms() - from;
	snprintf(note, sizeof note, "p50 %.2f ms, p99 %.2f ms, %d connections", sample_at(&spread, 0.5),
		sample_at(&spread, 0.99), READERS);
	rig_row("GET /projects/{p} with a key", "project_per_s", READS / took * 1000, "/s", NULL, note);
	rig_row("  processor time each", "project_cpu_us", (serve_cpu_s() - cpu) * 1e6 / READS, "us", NULL, "");
	clients_close(clients, READERS, set);
}

/* ---- the mix ---- */

static void rows_of_mix(const struct person *people)
{
	static struct sample reads, changes, memory;
	struct epoll_event events[512];
	int set = clients_open(clients, users_wanted, people, users_wanted), each;
	long requests = 0, bytes;
	double from, next, cpu, begin;
	char what[96], note[120];

	streams_open(IN_TURNS, people, users_wanted);
	settle();
	from = rig_ms();
	for (int i = 0; i < users_wanted; i++)
		clients[i].due = from + i * 1000.0 / users_wanted;
	each = mix_seconds * users_wanted / SAMPLE_MAX + 1;
	next = from;
	cpu = serve_cpu_s();
	bytes = heard_bytes;
	begin = serve_private_kib();
	while (rig_ms() < from + mix_seconds * 1000.0) {
		double now = rig_ms();
		if (now >= next) {
			sample_add(&memory, serve_private_kib());
			next += mix_seconds; /* 1,000 times */
		}
		for (int i = 0; i < users_wanted; i++)
			if (!clients[i].waiting && clients[i].due <= now)
				ask(&clients[i]);
		int n = epoll_wait(set, events, 512, 1);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (!answered(c))
				continue;
			if (requests++ / 2 % each == 0)
				sample_add(c->change ? &changes : &reads, rig_ms() - c->due);
			c->change = !c->change;
			c->due += 500;
		}
		streams_read(0, NULL);
	}
	cpu = serve_cpu_s() - cpu;
	snprintf(what, sizeof what, "%d idle streams, %d busy people, %d s: a read, p50", streams_wanted, users_wanted,
		mix_seconds);
	snprintf(note, sizeof note, "%ld requests, %ld bytes of events, no error", requests, heard_bytes - bytes);
	rig_row(what, "mix_read_ms", sample_at(&reads, 0.5), "ms", NULL, note);
	rig_row("  p99", "mix_read_p99_ms", sample_at(&reads, 0.99), "ms", NULL, "");
	rig_row("  a change, p50", "mix_change_ms", sample_at(&changes, 0.5), "ms", NULL, "");
	rig_row("  p99", "mix_change_p99_ms", sample_at(&changes, 0.99), "ms", NULL, "");
	rig_row("  processor of the server", "mix_cpu_share", cpu * 100 / mix_seconds, "%", NULL, "of one core");
	rig_row("  its private memory at the beginning", "mix_begin_mib", begin / KIB, "MiB", NULL, "");
	rig_row("  half-way", "mix_middle_mib", memory.n ? memory.v[memory.n / 2] / KIB : 0, "MiB", NULL,
		"by then SQLite's caches are full");
	rig_row("  at the end", "mix_end_mib", serve_private_kib() / KIB, "MiB", NULL, "");
	rig_row("  at most", "mix_most_mib", sample_at(&memory, 1) / KIB, "MiB", NULL, "");
	streams_close();
	clients_close(clients, users_wanted, set);
}

static int wanted(const char *name, int had, int most)
{
	int n = getenv(name) ? atoi(getenv(name)) : had;

	if (n < 1 || n > most)
		fail(name, "is no number in its range");
	return n;
}

int main(void)
{
	struct rlimit files;
	struct person *people;

	rig_setup("server");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	streams_wanted = wanted("STREAMS", streams_wanted, 15000);
	users_wanted = wanted("USERS", users_wanted, (int)(sizeof clients / sizeof *clients));
	mix_seconds = wanted("MIX_SECONDS", mix_seconds, 24 * 3600);
	pin(1);
	rig_folder();
	mode_make();
	serve(server_options());
	streams = mem_calloc((size_t)streams_wanted, sizeof *streams);
	people = mem_calloc((size_t)users_wanted, sizeof *people);
	must_sys(!streams || !people, "memory");
	poller = epoll_create1(EPOLL_CLOEXEC);
	rig_row("idle server, empty store", "idle_mib", serve_private_kib() / KIB, "MiB", NULL, "private memory");
	people[0] = person_make(0);
	people[0].run = run_make(&people[0], 3600);
	usleep(500000);
	rows_of_reads(people);
	rows_of_streams(SSE, "SSE", "sse", people);
	rows_of_floor(event_size);
	rows_of_streams(SOCKET, "WebSocket", "socket", people);
	rows_of_latency(people);
	for (int i = 0; i < users_wanted; i++) {
		if (i)
			people[i] = person_make(i);
		people[i].run = run_make(&people[i], 60);
	}
	rows_of_mix(people);
	serve_stop();
	for (int i = 0; i < users_wanted; i++) {
		free(people[i].token);
		free(people[i].project);
		free(people[i].run);
	}
	mem_free(people);
	mem_free(streams);
	rig_folder_remove();
	rig_finish();
	return 0;
}
