/* fault_peer: a model's endpoint for tests, which answers as it is told, faults included.
 *
 * usage: fault_peer PORT-FILE SEEN-FILE ANSWER…
 * The n-th request gets the n-th answer, later ones the last. An answer is the name of a file with the raw bytes, from
 * the status line on, and options after it, each behind a comma: cut=N (only so many bytes), times=N (the last 64 KiB
 * or what there is of the file again and again, so many times), reset (end with RST), hang (stay silent at the end).
 * "silent" takes a request and answers nothing, as does the name of a file that is not there yet. The port is written
 * to PORT-FILE when it listens; of each request the first line goes to SEEN-FILE. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct answer {
	char *file;
	long cut, times;
	bool reset, hang;
};

struct connection {
	int fd;
	const struct answer *answer;
};

static struct answer *answers;
static int answer_count;
static FILE *seen;

static void die(const char *what)
{
	fprintf(stderr, "fault_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void read_option(struct answer *a, const char *word)
{
	if (strncmp(word, "cut=", 4) == 0)
		a->cut = strtol(word + 4, NULL, 10);
	else if (strncmp(word, "times=", 6) == 0)
		a->times = strtol(word + 6, NULL, 10);
	else if (strcmp(word, "reset") == 0)
		a->reset = true;
	else if (strcmp(word, "hang") == 0)
		a->hang = true;
	else
		die(word);
}

static void read_answer(struct answer *a, char *text)
{
	char *rest;

	*a = (struct answer){.file = strtok_r(text, ",", &rest), .cut = -1, .times = 1};
	for (char *word; (word = strtok_r(NULL, ",", &rest));)
		read_option(a, word);
}

/* The whole request; its first line is noted. false: the other side went away. */
static bool read_request(int fd)
{
	static char text[1 << 20]; /* one request is read at a time */
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, text + n, sizeof text - 1 - n);
		if (got <= 0)
			return false;
		n += (size_t)got;
		text[n] = 0;
		char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
		size_t body = length && length < end ? strtoul(length + 15, NULL, 10) : 0;
		if (end && (size_t)(text + n - end - 4) >= body)
			break;
	}
	fprintf(seen, "%.*s\n", (int)strcspn(text, "\r\n"), text);
	fflush(seen);
	return true;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = send(fd, p, n, MSG_NOSIGNAL);
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static void send_answer(int fd, const struct answer *a)
{
	static const size_t piece = 64 * 1024;
	FILE *f = fopen(a->file, "rb");
	char *bytes = malloc(1 << 22);
	size_t n = f && bytes ? fread(bytes, 1, 1 << 22, f) : 0;

	if (a->cut >= 0 && (size_t)a->cut < n)
		n = (size_t)a->cut;
	if (send_all(fd, bytes, n))
		for (long i = 1; i < a->times; i++)
			if (!send_all(fd, n > piece ? bytes + n - piece : bytes, n > piece ? piece : n))
				break;
	free(bytes);
	if (f)
		fclose(f);
	while (!f || a->hang) /* until the other side goes */
		if (recv(fd, &(char){0}, 1, 0) <= 0)
			break;
}

static void *serve(void *arg)
{
	struct connection *c = arg;
	struct linger now = {.l_onoff = 1};

	send_answer(c->fd, c->answer);
	if (c->answer->reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(c->fd);
	free(c);
	return NULL;
}

static int listen_on(const char *port_file)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 64) ||
		getsockname(fd, (struct sockaddr *)&at, &size))
		die("listen");
	FILE *f = fopen(port_file, "w");
	if (!f || fprintf(f, "%d\n", ntohs(at.sin_port)) < 0 || fclose(f))
		die(port_file);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("usage: fault_peer PORT-FILE SEEN-FILE ANSWER…");
	answer_count = argc - 3;
	answers = calloc((size_t)answer_count, sizeof *answers);
	seen = fopen(argv[2], "w");
	if (!answers || !seen)
		die(argv[2]);
	for (int i = 0; i < answer_count; i++)
		read_answer(&answers[i], argv[3 + i]);
	int fd = listen_on(argv[1]);
	for (int n = 0;;) {
		struct connection *c = malloc(sizeof *c);
		pthread_t thread;
		if (!c || (c->fd = accept(fd, NULL, NULL)) < 0)
			die("accept");
		c->answer = &answers[n < answer_count ? n : answer_count - 1];
		if (!read_request(c->fd)) {
			close(c->fd);
			free(c);
			continue;
		}
		n++;
		if (pthread_create(&thread, NULL, serve, c) || pthread_detach(thread))
			die("a thread");
	}
}
