#include "world.h"

#include <stdio.h>

static const uint8_t key[KEY_SIZE] = "the key of the accounts' tests..";

static bool take_mail(void *ctx, const struct account_mail *m)
{
	struct world *w = ctx;

	snprintf(w->mail_kind, sizeof w->mail_kind, "%s", m->kind);
	snprintf(w->mail_to, sizeof w->mail_to, "%s", m->to);
	snprintf(w->mail_token, sizeof w->mail_token, "%s", m->token ? m->token : "");
	w->mail_count++;
	return w->mails;
}

void world_open(struct world *w)
{
	struct err e = ERR_INIT;
	struct accounts_options o = {
		.loop = w->loop, .store = w->store, .key = key, .password_kib = 8, .mail = take_mail, .ctx = w};

	w->accounts = accounts_open(&o, &e);
	if (!w->accounts)
		fail_msg("%s", e.text);
}

void world_close(struct world *w)
{
	accounts_close(w->accounts);
	w->accounts = NULL;
}

int world_begin(void **state)
{
	struct world *w = MEM_NEW(struct world);
	struct err e = ERR_INIT;
	char token[TOKEN_TEXT];
	json_t *result;

	json_setup();
	must(crypt_setup(&e), &e);
	assert_non_null(w);
	w->loop = loop_new_sim(1, START_US, &e);
	w->store = store_open(w->loop, &(struct store_options){.access = STORE_OWN}, &e);
	assert_non_null(w->store);
	w->mails = true;
	accounts_local(&w->local);
	world_open(w);
	must(accounts_setup_token(w->accounts, token, &e), &e);
	result = act(w, &w->nobody, "setup",
		args_of("{s:s, s:s, s:s, s:s}", "token", token, "name", "Ada", "email", "Ada@Example.org", "password",
			GOOD),
		ERR_OK);
	w->ada = caller_of(w, result);
	strcpy(w->ada_id, w->ada.person);
	json_decref(result);
	*state = w;
	return 0;
}

int world_end(void **state)
{
	struct world *w = *state;

	accounts_close(w->accounts);
	store_close(w->store);
	loop_free(w->loop);
	mem_free(w);
	return 0;
}

json_t *args_of(const char *fmt, ...)
{
	va_list ap;
	json_t *v;

	va_start(ap, fmt);
	v = json_vpack_ex(NULL, 0, fmt, ap);
	va_end(ap);
	assert_non_null(v);
	return v;
}

struct outcome {
	struct account_op op;
	struct err why;
	int calls;
	json_t *result;
};

static void ended(struct account_op *op, const struct err *why)
{
	struct outcome *o = container_of(op, struct outcome, op);

	o->why = *why;
	o->calls++;
	o->result = json_incref(op->result);
}

json_t *act(struct world *w, const struct caller *c, const char *verb, json_t *args, enum err_code want)
{
	struct outcome o = {.op = {.caller = *c, .address = "192.0.2.1", .args = args, .cb = ended}};

	if (accounts_start(w->accounts, &o.op, verb, &o.why) == 0) {
		assert_int_equal(o.calls, 0);
		for (int i = 0; o.calls == 0 && i < 1000; i++)
			loop_turn(w->loop, 0);
		assert_int_equal(o.calls, 1);
	}
	if (o.why.code != want)
		fail_msg("%s: %s instead of %s: %s", verb, err_name(o.why.code), err_name(want), o.why.text);
	if (want == ERR_RATE_LIMITED)
		assert_true(o.op.retry_ms > 0);
	return o.result;
}

void did(struct world *w, const struct caller *c, const char *verb, json_t *args, enum err_code want)
{
	json_decref(act(w, c, verb, args, want));
}

struct caller caller_of(struct world *w, const json_t *result)
{
	struct caller c;
	struct err e = ERR_INIT;

	must(accounts_identify(w->accounts, json_span(result, "access"), &c, &e), &e);
	return c;
}

struct caller sign_in(struct world *w, const char *email, const char *password)
{
	json_t *result =
		act(w, &w->nobody, "login", args_of("{s:s, s:s}", "email", email, "password", password), ERR_OK);
	struct caller c = caller_of(w, result);

	json_decref(result);
	return c;
}

void person_made(struct world *w, const char *email, const char *role, char id[ID_TEXT])
{
	json_t *result = act(w, &w->ada, "person.create",
		args_of("{s:s, s:s, s:s, s:s}", "name", email, "email", email, "role", role, "password", GOOD), ERR_OK);

	snprintf(id, ID_TEXT, "%s", json_str(result, "person"));
	json_decref(result);
}

bool token_is_good(struct world *w, const char *token)
{
	struct caller c;
	struct err e = ERR_INIT;
	int rc = accounts_identify(w->accounts, span_of(token), &c, &e);

	assert_true(rc == 0 || e.code == ERR_UNAUTHENTICATED);
	return rc == 0;
}

int64_t events(struct world *w)
{
	struct err e = ERR_INIT;

	return store_head(w->store, "house", &e);
}

static void on_time(struct timer *t)
{
	(void)t;
}

void wait_us(struct world *w, int64_t us)
{
	int64_t until = clock_mono(loop_clock(w->loop)) + us;
	struct timer t;
	struct err e = ERR_INIT;

	timer_init(&t, w->loop, on_time);
	must(timer_start(&t, us / 1000 + 1, &e), &e);
	while (clock_mono(loop_clock(w->loop)) < until)
		loop_turn(w->loop, -1);
	timer_stop(&t);
}
