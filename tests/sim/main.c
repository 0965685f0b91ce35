/* main: seeds and scenes. Seeds run in children, a few in each, so that what kills leave behind goes with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

/* Seen by parent and children. */
static struct {
	uint64_t seed; /* under way */
	int64_t kills; /* so far */
} * shared;

void sim_killed(void)
{
	shared->kills++;
}

/* Less of what makes a fresh process slow; ASAN_OPTIONS has the last word. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16:malloc_context_size=6";
}

/* --replay ROOT RUN */
static int replay(const char *root, const char *id)
{
	struct err e = ERR_INIT;
	char dir[512];
	uint8_t key[KEY_SIZE];
	snprintf(dir, sizeof(dir), "%s/elsewhere", root);
	memset(key, 7, sizeof(key));
	json_setup();
	struct loop *l = crypt_setup(&e) ? NULL : loop_new(&e);
	struct store_options so = {.dir = dir, .access = STORE_OWN, .chain_key = key, .no_sync = true};
	struct store *s = l ? store_open(l, &so, &e) : NULL;
	struct house_options ho = {.loop = l, .store = s, .data_dir = dir, .modes_dir = dir, .roles_dir = dir};
	struct house *h = s ? house_new(&ho, &e) : NULL;
	char stream[80];
	snprintf(stream, sizeof(stream), "run/%s", id);
	if (!h || run_replay(h, id, &e) != store_head(s, stream, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	return 0;
}

static int chunk(const struct scene *s, uint64_t from, int count, void (*one)(const struct scene *s, uint64_t seed))
{
	pid_t child = fork();
	int status;
	if (child == 0) {
		for (int i = 0; i < count; i++) {
			alarm(SIM_SECONDS);
			shared->seed = from + (uint64_t)i;
			one(s, shared->seed);
		}
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	if (status)
		fprintf(stderr, "MUSTER_SEED=%llu MUSTER_SCENE=%s: ended with %s %d\n",
			(unsigned long long)shared->seed, s->name, WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return status != 0;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int sim_main(int argc, char **argv, const char *what, const struct scene *const *scenes, int seeds, int together,
	void (*one)(const struct scene *s, uint64_t seed))
{
	const char *seed = getenv("MUSTER_SEED"), *many = getenv("MUSTER_SEEDS"), *only = getenv("MUSTER_SCENE");
	uint64_t from = seed ? strtoull(seed, NULL, 10) : 1;
	int failed = 0, ran = 0;
	int64_t kills = 0;
	struct rlimit files = {65536, 65536};
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc == 4 && !strcmp(argv[1], "--replay"))
		_exit(replay(argv[2], argv[3]));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	seeds = many ? atoi(many) : seed ? 1 : seeds;
	for (const struct scene *s; (s = *scenes); scenes++) {
		double begin = now();
		int bad = 0;
		if (only && strcmp(only, s->name))
			continue;
		for (int k = 0; k < seeds && !bad; k += together)
			bad = chunk(s, from + (uint64_t)k, seeds - k < together ? seeds - k : together, one);
		printf("%s %d - %s: %s, %d seeds from %llu, %lld kills, %.1f ms each\n", bad ? "not ok" : "ok", ++ran,
			what, s->name, seeds, (unsigned long long)from, (long long)(shared->kills - kills),
			(now() - begin) * 1000 / seeds);
		kills = shared->kills;
		fflush(stdout);
		failed += bad;
	}
	printf("1..%d\n", ran);
	return failed || !ran;
}
