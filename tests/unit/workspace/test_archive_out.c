/* A project out and in again: the same files, the same words, the same bytes each time; no secret, nothing of another.
 */
#include "../vcs/world.h"

#include <errno.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/log.h"
#include "vcs/project.h"
#include "workspace/archive_in.h"
#include "workspace/archive_out.h"

#define SECRET "sk-test-1234567890abcdef"

static void pull(struct project *p, const struct archive_out_spec *spec, const char *path)
{
	struct err e = ERR_INIT;
	struct archive_out *o = archive_out_open(p, spec, &e);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), rc;
	struct span piece;

	if (!o)
		fail_msg("%s", e.text);
	while ((rc = archive_out_next(o, &piece, &e)) > 0) {
		assert_true(piece.n <= 2 * CAP_BLOB_PIECE + 4096); /* bounded, whatever the file's size */
		assert_int_equal(write(fd, piece.p, piece.n), piece.n);
	}
	must(rc, &e);
	assert_int_equal(archive_out_next(o, &piece, &e), 0);
	close(fd);
	archive_out_close(o);
}

static void fill(struct world *w)
{
	char *big = mem_alloc(3 * MIB);

	for (size_t i = 0; i < 3 * MIB; i++)
		big[i] = (char)(i * i >> 7);
	put(&w->top, "p/src/main.c", "int main(void) { return 0; }\n");
	put(&w->top, "p/run.sh", "#!/bin/sh\n");
	put(&w->top, "p/ünï/sp ace", "x");
	put(&w->top, "p/empty", "");
	put_bytes(&w->top, "p/big", big, 3 * MIB);
	mem_free(big);
	assert_int_equal(chmod(at(&w->top, "p/run.sh"), 0755), 0);
	assert_int_equal(symlink("src/main.c", at(&w->top, "p/link")), 0);
}

static struct project *open_project(struct world *w, char commit[OID_TEXT])
{
	struct project_state st;
	struct err e = ERR_INIT;
	struct project *p = project_open(at(&w->top, "p"), &st, &e);

	if (!p)
		fail_msg("%s", e.text);
	snprintf(commit, OID_TEXT, "%s", st.head);
	return p;
}

static void there_and_back(void **state)
{
	struct world *w = *state;
	char commit[OID_TEXT];
	struct err e = ERR_INIT;

	fill(w);
	struct project *p = open_project(w, commit);
	cleanup_json json_t *about = json_make(&e, "{s:s, s:s, s:s, s:[{s:s}]}", "name", "Mein Projekt: ü/../x",
		"description", "with " SECRET " in it", "secret", "not a known member", "runs", "id", "r1");
	assert_non_null(about);
	put(&w->top, "extra", "{\"a\":1}\n");
	must(log_secret(SECRET, &e), &e);
	int extra = open(at(&w->top, "extra"), O_RDONLY);
	struct archive_extra x = {.path = "runs/r1.ndjson", .fd = extra, .size = 8};
	for (int kind = ARCHIVE_ZIP; kind <= ARCHIVE_TAR_GZ; kind++) {
		struct archive_out_spec spec = {
			.kind = kind, .commit = commit, .about = about, .extras = &x, .extra_count = 1};
		struct archive_in in = {.name = "it"};
		cleanup_json json_t *back = NULL;
		cleanup_buf struct buf one = BUF_INIT(16 * MIB), two = BUF_INIT(16 * MIB);

		pull(p, &spec, at(&w->top, "one"));
		pull(p, &spec, at(&w->top, "two"));
		must(fs_read(at(&w->top, "one"), &one, &e), &e);
		must(fs_read(at(&w->top, "two"), &two, &e), &e);
		assert_true(span_eq(buf_span(&one), buf_span(&two)));
		if (kind == ARCHIVE_TAR_GZ)
			assert_memory_equal(one.data + 4, "\0\0\0\0", 4); /* gzip's own time */
		must(archive_unpack(&in, at(&w->top, "one"), at(&w->top, "back"), &e), &e);
		assert_string_equal(got(&w->top, "back/muster-export/runs/r1.ndjson"), "{\"a\":1}\n");
		assert_null(strstr(got(&w->top, "back/muster-project.json"), SECRET));
		assert_non_null(strstr(got(&w->top, "back/muster-project.json"), commit));
		must(archive_about_take(at(&w->top, "back"), &back, &e), &e);
		assert_string_equal(json_str(back, "name"), "Mein Projekt: ü/../x");
		assert_string_equal(json_str(back, "description"), "with *** in it");
		assert_int_equal(json_array_size(json_get(back, "runs")), 1);
		assert_null(json_get(back, "secret"));
		assert_false(there(&w->top, "back/muster-export"));
		must(fs_rename(at(&w->top, "p/.git"), at(&w->top, "git"), &e), &e);
		same_tree(at(&w->top, "p"), at(&w->top, "back"));
		must(fs_rename(at(&w->top, "git"), at(&w->top, "p/.git"), &e), &e);
		must(fs_remove_tree(at(&w->top, "back"), &e), &e);
	}
	close(extra);
	project_close(p);
}

/* Objects of a clone lie in packs. */
static void packed(void **state)
{
	struct world *w = *state;
	char commit[OID_TEXT];
	struct err e = ERR_INIT;
	struct archive_in in = {.name = "it"};

	fill(w);
	project_close(open_project(w, commit));
	mem_free(shell(at(&w->top, "p"), "git -c safe.directory='*' gc -q"));
	struct project *p = open_project(w, commit);
	cleanup_json json_t *about = json_make(&e, "{s:s}", "name", "");
	struct archive_out_spec spec = {.kind = ARCHIVE_ZIP, .commit = commit, .about = about};
	pull(p, &spec, at(&w->top, "one"));
	must(archive_unpack(&in, at(&w->top, "one"), at(&w->top, "back"), &e), &e);
	mem_free(shell(w->top.dir, "cmp p/big back/big && cmp p/src/main.c back/link"));
	project_close(p);
}

/* Nothing but its own files is taken for what muster said, and whose words are kept within bounds. */
static void about_of_others(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	json_t *about;

	put(&w->top, "a/muster-project.json", "{\"name\":\"not ours\"}");
	must(archive_about_take(at(&w->top, "a"), &about, &e), &e);
	assert_null(about);
	assert_true(there(&w->top, "a/muster-project.json"));
	put(&w->top, "b/muster-project.json", "not JSON");
	must(archive_about_take(at(&w->top, "b"), &about, &e), &e);
	assert_null(about);
	put(&w->top, "secret", "{\"format\":\"muster-project\",\"version\":1,\"name\":\"outside\"}");
	put(&w->top, "c/x", "");
	assert_int_equal(symlink("../secret", at(&w->top, "c/muster-project.json")), 0);
	must(archive_about_take(at(&w->top, "c"), &about, &e), &e);
	assert_null(about);
	put(&w->top, "d/muster-project.json",
		"{\"format\":\"muster-project\",\"version\":1,\"name\":[],\"model\":\"m\",\"policy\":[\"allow\"]}");
	must(archive_about_take(at(&w->top, "d"), &about, &e), &e);
	cleanup_free char *text = json_text(about);
	assert_string_equal(text, "{\"model\":\"m\"}");
	json_decref(about);
	put(&w->top, "e/muster-project.json", "{\"format\":\"muster-project\",\"version\":2,\"muster\":\"9.0\"}");
	assert_int_equal(archive_about_take(at(&w->top, "e"), &about, &e), -1);
	assert_int_equal(e.code, ERR_NEWER);
}

static void names(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {{"plain", "plain.zip"}, {"a b/c", "a-b-c.zip"}, {"..", "project.zip"}, {"", "project.zip"},
		{"x\r\nSet-Cookie: a\"b", "x-Set-Cookie-a-b.zip"},
		{"\xe2\x80\xae"
		 "gpj.exe",
			"gpj.exe.zip"},
		{".hidden-", "hidden.zip"}};
	char out[ARCHIVE_FILE_NAME], long_name[300];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		archive_file_name(cases[i].name, ARCHIVE_ZIP, out);
		assert_string_equal(out, cases[i].want);
	}
	memset(long_name, 'n', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = 0;
	archive_file_name(long_name, ARCHIVE_TAR_GZ, out);
	assert_int_equal(strlen(out), 64 + strlen(".tar.gz"));
}

static void events(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	uint64_t size;
	struct event ev[100] = {{.seq = 0}};
	const char text[] = "{\"text\":\"the key is " SECRET "\"}";

	for (int i = 0; i < 100; i++) {
		ev[i] = (struct event){
			.at = 1, .seq = i + 1, .type = EVENT_FLOW_LOG, .v = 1, .data = blob_new(text, strlen(text))};
		id_new(ev[i].id, 1, NULL);
	}
	struct append a = {.stream = "run/r1", .events = ev, .event_count = 100};
	must(store_append_wait(w->store, &a, &e), &e);
	must(log_secret(SECRET, &e), &e);
	int fd = open(at(&w->top, "events"), O_RDWR | O_CREAT, 0600);
	must(archive_run_events(w->store, "r1", fd, &size, &e), &e);
	assert_int_equal(lseek(fd, 0, SEEK_END), (long)size);
	close(fd);
	cleanup_free char *lines =
		shell(w->top.dir, "wc -l <events; grep -c '\"text\":\"the key is \\*\\*\\*\"' events");
	assert_string_equal(lines, "100\n100\n");
	for (int i = 0; i < 100; i++)
		event_release(&ev[i]);
}

static void each_failure(void **state)
{
	struct world *w = *state;
	char commit[OID_TEXT];
	struct err e = ERR_INIT;
	struct span piece;

	fill(w);
	struct project *p = open_project(w, commit);
	cleanup_json json_t *about = json_make(&e, "{s:s}", "name", "x");
	struct archive_out_spec spec = {.kind = ARCHIVE_TAR_GZ, .commit = commit, .about = about};
	for (int kind = 0; kind < 2; kind++)
		for (uint64_t n = 1;; n++) {
			e = (struct err)ERR_INIT;
			fault_arm(kind ? FAULT_IO : FAULT_ALLOC, n, false);
			struct archive_out *o = archive_out_open(p, &spec, &e);
			int rc = o ? 1 : -1;
			while (rc > 0)
				rc = archive_out_next(o, &piece, &e);
			bool fired = fault_seen() >= n;
			fault_disarm();
			archive_out_close(o);
			assert_true(rc == 0 || e.code != ERR_OK);
			if (!fired) {
				must(rc, &e);
				break;
			}
		}
	project_close(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
	const struct CMUnitTest tests[] = {
		T(there_and_back), T(packed), T(about_of_others), cmocka_unit_test(names), T(events), T(each_failure)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
