/* Projections: what runs, actions, usage and budgets say after events, and that they can be made anew. */
#include "fixture.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *run_row(struct fixture *f, const char *id)
{
	struct err e = ERR_INIT;
	json_t *row = store_run(f->store, id, &e);

	if (!row)
		fail_msg("%s", e.text);
	return row;
}

static void state_is(struct fixture *f, const char *id, const char *state)
{
	json_t *row = run_row(f, id);

	assert_string_equal(json_str(row, "state"), state);
	json_decref(row);
}

#define step(f, seq, type, data) must(append_one(f, "run/r1", seq, EVENT_##type, data, &e), &e)

static void a_run_moves_through_its_states(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *row;

	make_run(f, "run/r1");
	state_is(f, "r1", "running");
	step(f, 3, RUN_PHASE, "{\"name\":\"analysis\"}");
	step(f, 4, RUN_WAITING, "{\"on\":\"person\"}");
	row = run_row(f, "r1");
	assert_string_equal(json_str(row, "state"), "waiting");
	assert_string_equal(json_str(row, "waiting_on"), "person");
	assert_string_equal(json_str(row, "phase"), "analysis");
	assert_string_equal(json_str(row, "mode"), "pipeline");
	assert_string_equal(json_str(row, "title"), "A title");
	assert_string_equal(json_str(row, "project"), "p1");
	assert_int_equal(json_int(row, "seq", 0), 4);
	assert_true(json_int(row, "updated", 0) >= json_int(row, "created", 0));
	assert_true(json_int(row, "created", 0) > 0);
	assert_true(json_is_null(json_get(row, "evidence")));
	json_decref(row);
	step(f, 5, RUN_RESUMED, "{}");
	row = run_row(f, "r1");
	assert_true(json_is_null(json_get(row, "waiting_on")));
	json_decref(row);
	step(f, 6, RUN_PAUSED, "{}");
	state_is(f, "r1", "paused");
	step(f, 7, RUN_FAILED, "{\"code\":\"flow\",\"text\":\"line 3\"}");
	row = run_row(f, "r1");
	assert_string_equal(json_str(json_get(row, "error"), "text"), "line 3");
	json_decref(row);
	step(f, 8, RUN_STARTED, "{\"segment\":1}");
	step(f, 9, RUN_COMPLETED, "{\"evidence\":\"done\",\"commit\":\"abc\"}");
	step(f, 10, RUN_MERGED, "{\"commit\":\"def\",\"into\":\"main\"}");
	step(f, 11, RUN_RENAMED, "{\"name\":\"Tea\",\"by\":\"ada\"}");
	row = run_row(f, "r1");
	assert_string_equal(json_str(row, "title"), "Tea");
	assert_string_equal(json_str(row, "state"), "completed");
	assert_string_equal(json_str(row, "evidence"), "done");
	assert_string_equal(json_str(row, "commit"), "abc");
	assert_string_equal(json_str(row, "merged"), "def");
	assert_true(json_is_null(json_get(row, "error")));
	json_decref(row);
	assert_int_equal(append_one(f, "run/r1", 12, EVENT_RUN_RESUMED, "{}", &e), -1);
	assert_int_equal(e.code, ERR_FINAL);
	assert_int_equal(store_head(f->store, "run/r1", &e), 11);
	verify_fine(f);
}

static double usd(json_t *row, const char *name)
{
	return json_num(row, name, -1);
}

static json_t *budget(struct fixture *f, const char *scope)
{
	struct err e = ERR_INIT;
	json_t *all, *found = NULL;

	must(store_settle(f->store, &e), &e);
	all = store_budgets(f->store, &e);
	assert_non_null(all);
	for (size_t i = 0; i < json_array_size(all); i++)
		if (strcmp(json_str(json_array_get(all, i), "scope"), scope) == 0)
			found = json_incref(json_array_get(all, i));
	json_decref(all);
	if (!found)
		fail_msg("no budget %s", scope);
	return found;
}

static const struct usage_query usage_all = {.group = USAGE_RUNS, .limit = -1};

#define near(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static void budget_is(struct fixture *f, const char *scope, double spent, double unknown, double reserved)
{
	json_t *b = budget(f, scope);

	near(usd(b, "spent"), spent);
	near(usd(b, "unknown"), unknown);
	near(usd(b, "reserved"), reserved);
	json_decref(b);
}

#define ASK(turn, attempt, usd)                                                                                        \
	"{\"agent\":\"0\",\"attempt\":" attempt ",\"input\":9,\"model\":\"x:m\",\"output\":9,\"prompt\":\"h\","        \
	"\"reserved\":" usd ",\"turn\":" turn "}"

static void money_is_counted_once(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *row, *rows, *filter;
	static const char *const scopes[] = {"run/r1", "project/p1", "user/u1", "house"};

	make_run(f, "run/r1");
	step(f, 3, AGENT_STARTED, "{\"agent\":\"0\",\"role\":\"coder\",\"task\":1,\"dialect\":\"native\"}");
	step(f, 4, MODEL_REQUESTED, ASK("1", "1", "0.3"));
	for (int i = 0; i < 4; i++)
		budget_is(f, scopes[i], 0, 0, 0.3);
	step(f, 5, MODEL_ANSWERED,
		"{\"agent\":\"0\",\"model\":\"x:m\",\"ms\":1,\"stop\":\"end\",\"turn\":1,\"usage\":{\"cached\":3,"
		"\"input\":"
		"10,\"output\":5},\"usd\":0.1}");
	step(f, 6, MODEL_REQUESTED, ASK("2", "1", "0.2"));
	step(f, 7, MODEL_FAILED, "{\"agent\":\"0\",\"attempt\":1,\"code\":\"x\",\"text\":\"x\",\"turn\":2}");
	for (int i = 0; i < 4; i++)
		budget_is(f, scopes[i], 0.1, 0, 0);
	step(f, 8, MODEL_REQUESTED, ASK("2", "2", "0.7"));
	step(f, 9, RUN_RECOVERED, "{}");
	step(f, 10, MODEL_FAILED,
		"{\"agent\":\"0\",\"attempt\":2,\"code\":\"lost\",\"text\":\"x\",\"turn\":2,\"usd_unknown\":0.7}");
	for (int i = 0; i < 4; i++)
		budget_is(f, scopes[i], 0.8, 0.7, 0);
	row = run_row(f, "r1");
	near(usd(row, "usd"), 0.1);
	near(usd(row, "usd_unknown"), 0.7);
	near(usd(row, "budget_usd"), 5);
	assert_int_equal(json_int(row, "input_tokens", 0), 10);
	assert_int_equal(json_int(row, "output_tokens", 0), 5);
	assert_int_equal(json_int(row, "cached_tokens", 0), 3);
	assert_int_equal(json_int(row, "agents", 0), 1);
	json_decref(row);
	filter = json_make(&e, "{s:s}", "run", "r1");
	rows = store_usage(f->store, &(struct usage_query){USAGE_RUNS, filter, .limit = -1}, &e);
	assert_int_equal(json_array_size(rows), 1);
	row = json_array_get(rows, 0);
	assert_string_equal(json_str(row, "role"), "coder");
	assert_string_equal(json_str(row, "model"), "x:m");
	assert_int_equal(json_int(row, "calls", 0), 3);
	near(usd(row, "usd"), 0.1);
	near(usd(row, "usd_unknown"), 0.7);
	json_decref(rows);
	json_decref(filter);
	/* limits */
	row = budget(f, "run/r1");
	near(usd(row, "limit_usd"), 5);
	json_decref(row);
	step(f, 11, RUN_INTERVENED, "{\"by\":\"me\",\"kind\":\"budget\",\"value\":7.5}");
	row = budget(f, "run/r1");
	near(usd(row, "limit_usd"), 7.5);
	json_decref(row);
	row = budget(f, "house");
	assert_true(json_is_null(json_get(row, "limit_usd")));
	json_decref(row);
	assert_int_equal(append_one(f, "run/r1", 12, EVENT_MODEL_REQUESTED, ASK("3", "1", "-1"), &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	verify_fine(f);
}

/* What a fork has of its origin was paid there: its own budget has it, nobody else pays twice. */
static void a_fork_pays_only_for_itself(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const char created[] = "{\"mode\":\"m\",\"project\":\"p1\",\"user\":\"u1\",\"parent\":\"r0\","
				      "\"forked\":{\"run\":\"r1\",\"at\":3}}";

	make_run(f, "run/r0");
	must(append_one(f, "run/r1", 1, EVENT_RUN_CREATED, created, &e), &e);
	step(f, 2, MODEL_REQUESTED, ASK("1", "1", "0.3"));
	budget_is(f, "run/r1", 0, 0, 0.3);
	step(f, 3, MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25,\"usage\":{\"input\":10}}");
	budget_is(f, "run/r1", 0.25, 0, 0);
	must(append_one(f, "run/r0", 3, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"usd\":1}", &e), &e);
	budget_is(f, "house", 1, 0, 0);
	step(f, 4, MODEL_REQUESTED, ASK("2", "1", "0.5"));
	step(f, 5, MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":2,\"usd\":0.5,\"usage\":{\"input\":7}}");
	budget_is(f, "run/r1", 0.75, 0, 0);
	static const char *const others[] = {"run/r0", "project/p1", "user/u1", "house"};
	for (int i = 0; i < 4; i++)
		budget_is(f, others[i], 1.5, 0, 0);
	json_t *row = run_row(f, "r1"); /* what it stands for cost that much */
	near(usd(row, "usd"), 0.75);
	json_decref(row);
	json_t *all = store_usage(f->store, &(struct usage_query){.group = "run", .limit = -1}, &e);
	assert_int_equal(json_array_size(all), 2);
	near(usd(json_array_get(all, 1), "usd"), 0.5);
	assert_int_equal(json_int(json_array_get(all, 1), "input", 0), 7);
	json_decref(all);
	verify_fine(f);
}

/* By month for whom several runs pay, by day for usage. */
static void money_has_its_time(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const struct {
		int64_t at; /* seconds */
		const char *data;
	} answers[] = {
		{1793491199, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25,\"usage\":{\"input\":8,\"cached\":6}}"},
		{1793491200, "{\"agent\":\"0\",\"turn\":2,\"usd\":0.5,\"usage\":{\"input\":8}}"},
		{1795305600, "{\"agent\":\"0\",\"turn\":3,\"usd\":1,\"usage\":{\"input\":4,\"cached\":2}}"},
	}; /* the last second of 2026-10-31, the first of 2026-11-01, 2026-11-22 */

	make_run(f, "run/r1");
	for (int i = 0; i < 3; i++) {
		struct event ev = event_of(3 + i, EVENT_MODEL_ANSWERED, answers[i].data);
		struct append a = {.stream = "run/r1", .events = &ev, .event_count = 1};
		ev.at = answers[i].at * 1000000;
		must(store_append_wait(f->store, &a, &e), &e);
		event_release(&ev);
	}
	must(store_settle(f->store, &e), &e);
	cleanup_json json_t *rows = store_budgets_shared(f->store, "2026-11", &e);
	const json_t *row;
	size_t i;
	int months = 0;
	json_array_foreach(rows, i, row)
	{
		bool month = *json_str(row, "month") != 0;
		months += month;
		near(json_num(row, "spent", 0), month ? 1.5 : 1.75);
	}
	assert_int_equal(months, 3);
	struct usage_query q = {.group = "day,user", .limit = -1};
	cleanup_json json_t *days = store_usage(f->store, &q, &e);
	assert_int_equal(json_array_size(days), 3);
	assert_string_equal(json_str(json_array_get(days, 0), "day"), "2026-10-31");
	assert_string_equal(json_str(json_array_get(days, 1), "day"), "2026-11-01");
	assert_string_equal(json_str(json_array_get(days, 2), "user"), "u1");
	near(json_num(json_array_get(days, 0), "cache_rate", 0), 0.75);
	q = (struct usage_query){.group = "project", .from = 20261101, .until = 20261122, .limit = -1};
	cleanup_json json_t *part = store_usage(f->store, &q, &e);
	assert_int_equal(json_array_size(part), 1);
	near(json_num(json_array_get(part, 0), "usd", 0), 0.5);
	q = (struct usage_query){.group = "day", .skip = 1, .limit = 1};
	cleanup_json json_t *page = store_usage(f->store, &q, &e);
	assert_int_equal(json_array_size(page), 1);
	assert_string_equal(json_str(json_array_get(page, 0), "day"), "2026-11-01");
	q = (struct usage_query){.group = "day,title", .limit = -1};
	assert_null(store_usage(f->store, &q, &e));
	assert_int_equal(e.code, ERR_INVALID);
	verify_fine(f);
}

/* Sums may wait, but not be lost, nor be behind where a run's state says something. */
static void sums_follow_later(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *row;
	pid_t pid;
	int status;

	make_run(f, "run/r1");
	step(f, 3, MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}");
	step(f, 4, RUN_WAITING, "{\"on\":\"person\"}");
	row = run_row(f, "r1");
	near(usd(row, "usd"), 0.25);
	json_decref(row);
	assert_int_equal(append_one(f, "run/r1", 5, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"usd\":-1}", &e), -1);
	assert_int_equal(e.code, ERR_INVALID); /* refused at once, also where folding would come later */
	err_clear(&e);
	fixture_close(f);
	pid = fork();
	if (pid == 0) {
		f->loop = loop_new(&e);
		fixture_open(f);
		for (int turn = 5; turn < 25; turn++)
			step(f, turn, MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":2,\"usd\":0.5}");
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	f->store = fixture_try(f, STORE_READ, &e);
	assert_non_null(f->store);
	verify_fine(f); /* behind, perhaps, but right as far as they follow */
	fixture_close(f);
	for (int round = 0; round < 2; round++) { /* and not folded twice */
		fixture_open(f);
		budget_is(f, "run/r1", 10.25, 0, 0);
		verify_fine(f);
		fixture_close(f);
	}
	fixture_open(f);
}

/* Whatever name a run's project was given, its money can be counted there: what is folded later cannot be refused. */
static void a_long_name_has_a_budget(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char name[6000] = "project/", *created;

	memset(name + strlen(name), 'p', sizeof name - strlen(name) - 1);
	created = mem_printf("{\"mode\":\"m\",\"project\":\"%s\"}", name + strlen("project/"));
	assert_non_null(created);
	must(append_one(f, "run/r1", 1, EVENT_RUN_CREATED, created, &e), &e);
	step(f, 2, MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}");
	budget_is(f, name, 0.25, 0, 0);
	verify_fine(f);
	mem_free(created);
}

/* The same below runs whose rows are as large as events can make them. */
static void large_parents_pay_too(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static char text[1000000];
	char *failed, *created;

	memset(text, 'x', sizeof text - 1);
	failed = mem_printf("{\"code\":\"flow\",\"text\":\"%s\"}", text);
	assert_non_null(failed);
	make_run(f, "run/r0");
	for (int i = 1; i < 8; i++) {
		char stream[16];
		snprintf(stream, sizeof stream, "run/r%d", i);
		created = mem_printf("{\"mode\":\"m\",\"parent\":\"r%d\",\"project\":\"p1\"}", i - 1);
		must(append_one(f, stream, 1, EVENT_RUN_CREATED, created, &e), &e);
		must(append_one(f, stream, 2, EVENT_RUN_FAILED, failed, &e), &e);
		mem_free(created);
	}
	must(append_one(f, "run/r7", 3, EVENT_MODEL_ANSWERED, "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}", &e), &e);
	budget_is(f, "run/r0", 0.25, 0, 0);
	verify_fine(f);
	mem_free(failed);
}

/* A child's spending moves the budgets of all runs above it, also when they are made anew in another order. */
static void parents_pay_for_their_children(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const char child[] = "{\"mode\":\"m\",\"parent\":\"r1\",\"project\":\"p1\"}";
	static const char grandchild[] = "{\"mode\":\"m\",\"parent\":\"child\",\"project\":\"p1\"}";
	static const char answer[] = "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}";

	make_run(f, "run/r1");
	assert_int_equal(append_one(f, "run/a", 1, EVENT_RUN_CREATED, grandchild, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(append_one(f, "run/a", 1, EVENT_MODEL_ANSWERED, answer, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	must(append_one(f, "run/child", 1, EVENT_RUN_CREATED, child, &e), &e);
	must(append_one(f, "run/a", 1, EVENT_RUN_CREATED, grandchild, &e), &e);
	must(append_one(f, "run/child", 2, EVENT_MODEL_ANSWERED, answer, &e), &e);
	must(append_one(f, "project/p1", 1, EVENT_RUN_DELETED, "{\"hash\":\"x\",\"run\":\"child\"}", &e), &e);
	must(append_one(f, "run/a", 2, EVENT_MODEL_ANSWERED, answer, &e), &e);
	budget_is(f, "run/a", 0.25, 0, 0);
	budget_is(f, "run/child", 0.5, 0, 0);
	budget_is(f, "run/r1", 0.5, 0, 0);
	budget_is(f, "project/p1", 0.5, 0, 0);
	assert_int_equal(append_one(f, "run/a", 3, EVENT_RUN_CREATED, grandchild, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	verify_fine(f);
	must(store_rebuild(f->store, &e), &e);
	verify_fine(f);
}

static void count_codes(void *ctx, const struct err *why)
{
	int *codes = ctx;

	codes[why->code == ERR_OK ? 0 : 1]++;
}

/* In one group: what a rejected append added to sums is taken back, what the others added stays. */
static void rejected_money_is_not_counted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const char answer[] = "{\"agent\":\"0\",\"turn\":1,\"usd\":0.25}";
	static const char lost[] =
		"{\"agent\":\"0\",\"blob\":\"00000000000000000000000000000000000000000000000000000000000000ff\"}";
	int codes[2] = {0};
	struct event good[2] = {event_of(3, EVENT_MODEL_ANSWERED, answer), event_of(4, EVENT_MODEL_ANSWERED, answer)};
	struct event bad[2] = {event_of(4, EVENT_MODEL_ANSWERED, answer), event_of(5, EVENT_AGENT_FINISHED, lost)};
	struct append a = {.stream = "run/r1", .events = good, .event_count = 1, .cb = count_codes, .ctx = codes};
	struct append b = {.stream = "run/r1", .events = bad, .event_count = 2, .cb = count_codes, .ctx = codes};
	struct append c = {.stream = "run/r1", .events = good + 1, .event_count = 1, .cb = count_codes, .ctx = codes};

	make_run(f, "run/r1");
	must(store_append(f->store, &a, &e), &e);
	must(store_append(f->store, &b, &e), &e);
	must(store_append(f->store, &c, &e), &e);
	turn_until(f, codes[0] + codes[1] == 3);
	assert_int_equal(codes[1], 1);
	budget_is(f, "house", 0.5, 0, 0);
	verify_fine(f);
	for (int i = 0; i < 2; i++) {
		event_release(&good[i]);
		event_release(&bad[i]);
	}
}

static void actions_open_and_end(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *open = json_make(&e, "{s:s, s:[s, s]}", "run", "r1", "state", "open", "waiting"), *rows, *row;

	make_run(f, "run/r1");
	step(f, 3, ACTION_OPENED,
		"{\"action\":\"a1\",\"kind\":\"gate\",\"name\":\"idea\",\"options\":[\"yes\",\"no\"],\"priority\":"
		"\"high\","
		"\"title\":\"Go on?\"}");
	step(f, 4, ACTION_OPENED,
		"{\"action\":\"a2\",\"kind\":\"question\",\"name\":\"q\",\"priority\":\"low\",\"title\":\"Why?\"}");
	rows = store_actions(f->store, open, -1, &e);
	assert_int_equal(json_array_size(rows), 2);
	row = json_array_get(rows, 1);
	assert_string_equal(json_str(row, "action"), "a1");
	assert_string_equal(json_string_value(json_array_get(json_get(row, "options"), 1)), "no");
	assert_int_equal(json_int(row, "seq", 0), 3);
	json_decref(rows);
	step(f, 5, ACTION_RESOLVED, "{\"action\":\"a1\",\"by\":\"me\",\"option\":\"yes\"}");
	step(f, 6, ACTION_CLOSED, "{\"action\":\"a2\",\"why\":\"cancelled\"}");
	rows = store_actions(f->store, open, -1, &e);
	assert_int_equal(json_array_size(rows), 0);
	json_decref(rows);
	rows = store_actions(f->store, NULL, 1, &e);
	assert_int_equal(json_array_size(rows), 1);
	assert_string_equal(json_str(json_array_get(rows, 0), "state"), "closed");
	json_decref(rows);
	rows = store_actions(f->store, NULL, -1, &e);
	row = json_array_get(rows, 1);
	assert_string_equal(json_str(json_get(row, "answer"), "option"), "yes");
	json_decref(rows);
	json_decref(open);
	verify_fine(f);
}

static void runs_are_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *row, *rows, *filter;

	make_run(f, "run/0192aaaa-1111");
	make_run(f, "run/0192aaaa-2222");
	make_run(f, "run/0193bbbb-2222");
	row = run_row(f, "0193");
	assert_string_equal(json_str(row, "run"), "0193bbbb-2222");
	json_decref(row);
	row = run_row(f, "a-2222");
	assert_string_equal(json_str(row, "run"), "0192aaaa-2222");
	json_decref(row);
	assert_null(store_run(f->store, "0192", &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "0192aaaa-1111"));
	assert_null(store_run(f->store, "019", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(store_run(f->store, "9999", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	rows = store_runs(f->store, NULL, 2, &e);
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(json_str(json_array_get(rows, 0), "run"), "0193bbbb-2222");
	json_decref(rows);
	filter = json_make(&e, "{s:[s,s], s:i}", "state", "running", "paused", "seq", 2);
	rows = store_runs(f->store, filter, -1, &e);
	assert_int_equal(json_array_size(rows), 3);
	json_decref(rows);
	json_decref(filter);
	filter = json_make(&e, "{s:n}", "evidence");
	rows = store_runs(f->store, filter, -1, &e);
	assert_int_equal(json_array_size(rows), 3);
	json_decref(rows);
	json_decref(filter);
	filter = json_make(&e, "{s:s}", "state\" OR 1=1 --", "x");
	assert_null(store_runs(f->store, filter, -1, &e));
	assert_int_equal(e.code, ERR_INVALID);
	json_decref(filter);
}

static void rebuilding_gives_the_same(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *before, *after;
	char *a, *b;

	money_is_counted_once(state);
	make_run(f, "run/r2");
	assert_int_equal(
		append_one(f, "project/p1", 1, EVENT_RUN_DELETED, "{\"hash\":\"x\",\"run\":\"gone\"}", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	make_run(f, "run/gone");
	must(append_one(f, "project/p1", 1, EVENT_RUN_DELETED, "{\"hash\":\"x\",\"run\":\"gone\"}", &e), &e);
	assert_null(store_run(f->store, "gone", &e));
	assert_int_equal(append_one(f, "run/gone", 3, EVENT_RUN_PHASE, "{\"name\":\"x\"}", &e), -1);
	assert_int_equal(e.code, ERR_FINAL);
	before =
		json_make(&e, "[o, o, o, o]", store_runs(f->store, NULL, -1, &e), store_actions(f->store, NULL, -1, &e),
			store_usage(f->store, &usage_all, &e), store_budgets(f->store, &e));
	must(store_rebuild(f->store, &e), &e);
	verify_fine(f);
	after = json_make(&e, "[o, o, o, o]", store_runs(f->store, NULL, -1, &e), store_actions(f->store, NULL, -1, &e),
		store_usage(f->store, &usage_all, &e), store_budgets(f->store, &e));
	a = json_text(before);
	b = json_text(after);
	assert_string_equal(a, b);
	if (!f->memory) {
		struct store_verified v;
		sql(f, "UPDATE runs SET usd = usd + 1 WHERE run = 'r1'");
		assert_int_equal(store_verify(f->store, NULL, &v, &e), -1);
		assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
		assert_non_null(strstr(e.text, "column usd"));
		sql(f, "DELETE FROM runs; DELETE FROM budgets");
		assert_int_equal(store_verify(f->store, NULL, &v, &e), -1);
		must(store_rebuild(f->store, &e), &e);
		verify_fine(f);
	}
	mem_free(a);
	mem_free(b);
	json_decref(before);
	json_decref(after);
}

int main(void)
{
#define both(t)                                                                                                        \
	cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end),                                                 \
		cmocka_unit_test_setup_teardown(t, fixture_memory, fixture_end)
	const struct CMUnitTest tests[] = {
		both(a_run_moves_through_its_states),
		both(money_is_counted_once),
		both(a_fork_pays_only_for_itself),
		both(money_has_its_time),
		cmocka_unit_test_setup_teardown(sums_follow_later, fixture_disk, fixture_end),
		both(a_long_name_has_a_budget),
		both(large_parents_pay_too),
		both(parents_pay_for_their_children),
		both(rejected_money_is_not_counted),
		both(actions_open_and_end),
		both(runs_are_found),
		both(rebuilding_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
