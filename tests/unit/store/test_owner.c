/* The data folder: who owns it, its format and key, and other processes beside the owner. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/owner.h"

static void put_file(const struct fixture *f, const char *name, const char *text)
{
	char *path = fs_join(f->data, name);
	struct err e = ERR_INIT;

	must(fs_replace(path, span_of(text), 0600, &e), &e);
	mem_free(path);
}

static void a_second_owner_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char who[64];
	int status;
	pid_t pid;

	snprintf(who, sizeof who, "process %d on ", (int)getpid());
	assert_null(fixture_try(f, STORE_OWN, &e));
	assert_int_equal(e.code, ERR_OWNED);
	assert_non_null(strstr(e.text, who));
	pid = fork();
	if (pid == 0) {
		err_clear(&e);
		_exit(fixture_try(f, STORE_OWN, &e) == NULL && e.code == ERR_OWNED && strstr(e.text, who) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fixture_close(f);
	fixture_open(f);
}

static void another_process_reads_beside_the_owner(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_verified v;
	struct event out[8];
	int status;
	pid_t pid;

	must(append_logs(f, "run/a", 1, 5, &e), &e);
	pid = fork();
	if (pid == 0) {
		struct fixture other = *f;
		other.loop = loop_new(&e);
		other.store = fixture_try(&other, STORE_READ, &e);
		if (!other.store || store_read(other.store, "run/a", 0, out, 8, &e) != 5)
			_exit(1);
		if (append_logs(&other, "run/a", 6, 1, &e) == 0 || e.code != ERR_READ_ONLY)
			_exit(2);
		for (int i = 0; i < 20; i++)
			if (store_verify(other.store, NULL, &v, &e) || v.events < 5 || v.events % 5)
				_exit(3);
		store_close(other.store);
		_exit(0);
	}
	for (int64_t seq = 1; waitpid(pid, &status, WNOHANG) == 0; seq += 5)
		must(append_logs(f, "run/b", seq, 5, &e), &e);
	assert_int_equal(WEXITSTATUS(status), 0);
	must(append_logs(f, "run/a", 6, 1, &e), &e);
	verify_fine(f);
}

static void reads_when_nobody_owns(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	must(append_logs(f, "run/a", 1, 5, &e), &e);
	fixture_close(f);
	f->store = fixture_try(f, STORE_READ, &e);
	assert_non_null(f->store);
	assert_int_equal(store_head(f->store, "run/a", &e), 5);
	fixture_close(f);
	strcpy(f->data + strlen(f->data), "/none");
	assert_null(fixture_try(f, STORE_READ, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	f->data[strlen(f->data) - 5] = 0;
	fixture_open(f);
}

static void newer_formats_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	fixture_close(f);
	put_file(f, "format", "muster data folder, format 2\n");
	for (int access = STORE_OWN; access <= STORE_READ; access++) {
		assert_null(fixture_try(f, (enum store_access)access, &e));
		assert_int_equal(e.code, ERR_NEWER);
		assert_non_null(strstr(e.text, "format 2"));
	}
	put_file(f, "format", "something else\n");
	assert_null(fixture_try(f, STORE_OWN, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	put_file(f, "format", "muster data folder, format 1\n");
	sql(f, "PRAGMA user_version = 7");
	for (int access = STORE_OWN; access <= STORE_READ; access++) {
		assert_null(fixture_try(f, (enum store_access)access, &e));
		assert_int_equal(e.code, ERR_NEWER);
	}
	sql(f, "PRAGMA user_version = 3");
	fixture_open(f);
}

/* Without a key given, the folder's own is made once, and a journal without its key is not opened with a new one. */
static void the_key_belongs_to_the_folder(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *path = fs_join(f->dir, "own"), *key = mem_printf("%s/own/vault.key", f->dir);
	char *aside = mem_printf("%s/aside", f->dir);
	struct store_options o = {.dir = path, .access = STORE_OWN};
	struct fixture other = *f;
	struct store_verified v;
	struct stat st;

	other.store = store_open(f->loop, &o, &e);
	assert_non_null(other.store);
	must(append_logs(&other, "run/a", 1, 3, &e), &e);
	fixture_close(&other);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	other.store = store_open(f->loop, &o, &e);
	assert_non_null(other.store);
	verify_fine(&other);
	fixture_close(&other);
	must(fs_rename(key, aside, &e), &e);
	assert_null(store_open(f->loop, &o, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_false(fs_exists(key));
	o.chain_key = test_key; /* the wrong one */
	other.store = store_open(f->loop, &o, &e);
	assert_non_null(other.store);
	assert_int_equal(store_verify(other.store, NULL, &v, &e), -1);
	assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
	fixture_close(&other);
	mem_free(path);
	mem_free(key);
	mem_free(aside);
}

static size_t count_commands(struct store *s, const char *stream)
{
	struct err e = ERR_INIT;
	json_t *all = store_commands(s, stream, &e);
	size_t n;

	if (!all)
		fail_msg("%s", e.text);
	n = json_array_size(all);
	json_decref(all);
	return n;
}

static void commands_arrive_once(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *pause = json_make(&e, "{s:s}", "kind", "pause"), *all;
	struct event ev = event_of(3, EVENT_RUN_INTERVENED, "{\"by\":\"me\",\"kind\":\"pause\"}");
	struct append a = {.stream = "run/a", .events = &ev, .event_count = 1, .command_count = 1};
	int64_t n;

	make_run(f, "run/a");
	must(store_command(f->store, "c1", "run/a", pause, &e), &e);
	must(store_command(f->store, "c2", "run/b", pause, &e), &e);
	must(store_command(f->store, "c1", "run/a", pause, &e), &e);
	assert_int_equal(count_commands(f->store, NULL), 2);
	all = store_commands(f->store, "run/a", &e);
	assert_int_equal(json_array_size(all), 1);
	assert_string_equal(json_str(json_array_get(all, 0), "id"), "c1");
	assert_string_equal(json_str(json_get(json_array_get(all, 0), "command"), "kind"), "pause");
	n = json_int(json_array_get(all, 0), "n", 0);
	json_decref(all);
	a.commands = &n;
	must(store_append_wait(f->store, &a, &e), &e);
	assert_int_equal(count_commands(f->store, "run/a"), 0);
	must(store_command(f->store, "c1", "run/a", pause, &e), &e); /* a retry after it was done */
	assert_int_equal(count_commands(f->store, "run/a"), 0);
	assert_int_equal(count_commands(f->store, NULL), 1);
	json_decref(pause);
	event_release(&ev);
}

static void commands_come_from_another_process(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *pause = json_make(&e, "{s:s}", "kind", "pause"), *all;
	int status;
	pid_t pid;

	must(store_command(f->store, "c0", "run/a", pause, &e), &e);
	pid = fork();
	if (pid == 0) {
		struct store *s;
		f->loop = loop_new(&e);
		s = fixture_try(f, STORE_READ, &e);
		if (!s || store_command(s, "c1", "run/a", pause, &e) || store_command(s, "c2", "run/a", pause, &e) ||
			store_command(s, "c1", "run/a", pause, &e) || store_command(s, "c0", "run/a", pause, &e))
			_exit(1);
		_exit(count_commands(s, "run/a") == 3 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	all = store_commands(f->store, "run/a", &e);
	assert_int_equal(json_array_size(all), 3);
	assert_string_equal(json_str(json_array_get(all, 1), "id"), "c1");
	assert_string_equal(json_str(json_array_get(all, 2), "id"), "c2");
	assert_true(json_is_integer(json_get(json_array_get(all, 2), "n")));
	json_decref(all);
	assert_int_equal(count_commands(f->store, "run/a"), 3);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(count_commands(f->store, "run/a"), 3);
	json_decref(pause);
}

/* Killed while it was starting a program: the child between fork and exec still has the lock, but only for a moment. */
static void a_dead_owners_child_is_waited_for(void **state)
{
	struct fixture *f = *state;
	pid_t owner;
	int status;

	fixture_close(f);
	owner = fork();
	if (owner == 0) {
		f->loop = NULL;
		struct err e = ERR_INIT;
		if (owner_take(f->data, &e) < 0)
			_exit(1);
		if (fork() == 0) {
			usleep(200000);
			_exit(0);
		}
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(owner, &status, 0), owner);
	assert_true(WIFSIGNALED(status));
	fixture_open(f);
}

int main(void)
{
#define disk(t) cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end)
	const struct CMUnitTest tests[] = {
		disk(a_second_owner_is_refused),
		disk(another_process_reads_beside_the_owner),
		disk(reads_when_nobody_owns),
		disk(a_dead_owners_child_is_waited_for),
		disk(newer_formats_are_refused),
		disk(the_key_belongs_to_the_folder),
		disk(commands_arrive_once),
		cmocka_unit_test_setup_teardown(commands_arrive_once, fixture_memory, fixture_end),
		disk(commands_come_from_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
