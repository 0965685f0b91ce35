#include "fixture.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

const uint8_t test_key[KEY_SIZE] = "the key of the tests, 32 bytes.";

void fixture_init(struct fixture *f)
{
	struct err e = ERR_INIT;

	json_setup();
	must(crypt_setup(&e), &e);
	memset(f, 0, sizeof *f);
	f->loop = loop_new(&e);
	assert_non_null(f->loop);
	strcpy(f->dir, "/tmp/muster-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	strcpy(f->data, f->dir);
	strcat(f->data, "/data");
}

struct store *fixture_try(struct fixture *f, enum store_access access, struct err *e)
{
	struct store_options o = {
		.dir = f->memory ? NULL : f->data, .access = access, .chain_key = test_key, .no_sync = f->no_sync};

	return store_open(f->loop, &o, e);
}

void fixture_open(struct fixture *f)
{
	struct err e = ERR_INIT;

	f->store = fixture_try(f, STORE_OWN, &e);
	if (!f->store)
		fail_msg("%s", e.text);
}

void fixture_close(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

void fixture_release(struct fixture *f)
{
	struct err e = ERR_INIT;

	fixture_close(f);
	loop_free(f->loop);
	must(fs_remove_tree(f->dir, &e), &e);
}

static int begin(void **state, bool memory)
{
	struct fixture *f = MEM_NEW(struct fixture);

	assert_non_null(f);
	fixture_init(f);
	f->memory = memory;
	fixture_open(f);
	*state = f;
	return 0;
}

int fixture_disk(void **state)
{
	return begin(state, false);
}

int fixture_memory(void **state)
{
	return begin(state, true);
}

int fixture_end(void **state)
{
	fixture_release(*state);
	mem_free(*state);
	return 0;
}

struct event event_of(int64_t seq, enum event_type type, const char *data)
{
	struct event ev = {.seq = seq, .type = type, .actor = ACTOR_FLOW};

	ev.at = clock_wall(&clock_real);
	id_new(ev.id, ev.at, NULL);
	ev.data = blob_new(data, strlen(data));
	assert_non_null(ev.data);
	return ev;
}

int append_one(
	struct fixture *f, const char *stream, int64_t seq, enum event_type type, const char *data, struct err *e)
{
	struct event ev = event_of(seq, type, data);
	struct append a = {.stream = stream, .events = &ev, .event_count = 1};
	int rc = store_append_wait(f->store, &a, e);

	event_release(&ev);
	return rc;
}

int append_logs(struct fixture *f, const char *stream, int64_t first, int count, struct err *e)
{
	struct event *events = mem_calloc((size_t)count, sizeof *events);
	struct append a = {.stream = stream, .events = events, .event_count = (size_t)count};
	int rc;

	assert_non_null(events);
	for (int i = 0; i < count; i++)
		events[i] = event_of(first + i, EVENT_FLOW_LOG, "{\"text\":\"a line of the log\"}");
	rc = store_append_wait(f->store, &a, e);
	for (int i = 0; i < count; i++)
		event_release(&events[i]);
	mem_free(events);
	return rc;
}

#define HASH0 "0000000000000000000000000000000000000000000000000000000000000000"

void make_run(struct fixture *f, const char *stream)
{
	struct store_blob bundle = blob_of("bundle", 6);
	char hex[HASH_HEX], *data;
	struct event events[2];
	struct append a = {.stream = stream, .events = events, .event_count = 2, .blobs = &bundle, .blob_count = 1};
	struct err e = ERR_INIT;

	hash_hex(&bundle.hash, hex);
	data = mem_printf(
		"{\"budget_usd\":5,\"bundle\":\"%s\",\"copy\":\"c\",\"dir\":\"/d\",\"inputs\":{},\"mode\":"
		"\"pipeline\",\"project\":\"p1\",\"seed\":1,\"settings\":{},\"title\":\"A title\",\"unattended\":"
		"false,\"user\":\"u1\"}",
		hex);
	assert_non_null(data);
	events[0] = event_of(1, EVENT_RUN_CREATED, data);
	events[1] = event_of(2, EVENT_RUN_STARTED, "{\"segment\":0}");
	must(store_append_wait(f->store, &a, &e), &e);
	event_release(&events[0]);
	event_release(&events[1]);
	blob_unref(bundle.bytes);
	mem_free(data);
}

struct store_blob blob_of(const void *bytes, size_t n)
{
	struct store_blob b = {.bytes = blob_new(bytes, n)};

	assert_non_null(b.bytes);
	store_blob_hash(blob_span(b.bytes), &b.hash);
	return b;
}

void verify_fine(struct fixture *f)
{
	struct store_verified v;
	struct err e = ERR_INIT;

	must(store_verify(f->store, NULL, &v, &e), &e);
}

static sqlite3 *open_db(const struct fixture *f)
{
	char *path = fs_join(f->data, "muster.db");
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	mem_free(path);
	return db;
}

void sql(const struct fixture *f, const char *text)
{
	sqlite3 *db = open_db(f);
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

int64_t sql_int(const struct fixture *f, const char *text)
{
	sqlite3 *db = open_db(f);
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}
