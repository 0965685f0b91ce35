/* Webhooks: the example of the Standard Webhooks specification, secrets that take turns, and what does not verify. */
#include "unit.h"

#include <string.h>

#include "base/crypt.h"
#include "http/webhook.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct err e;

static void the_example(void **state)
{
	(void)state;
	struct webhook_headers h;
	must(webhook_sign(&h, SECRET, NULL, ID, 1614265330, span_of(BODY), &e), &e);
	assert_int_equal(h.count, 4);
	assert_string_equal(h.list[1].name, "webhook-id");
	assert_string_equal(h.list[1].value, ID);
	assert_string_equal(h.list[2].value, "1614265330");
	assert_string_equal(h.list[3].value, SIGNATURE);
	assert_true(webhook_verify(SECRET, ID, "1614265330", SIGNATURE, span_of(BODY), 1614265330));
}

static void what_does_not_verify(void **state)
{
	(void)state;
	static const struct {
		const char *secret, *id, *at, *signatures, *body;
		int64_t now;
	} rows[] = {
		{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ID, "1614265330", SIGNATURE, BODY, 1614265330},
		{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ID, "1614265330", SIGNATURE, BODY, 1614265330},
		{SECRET, "msg_", "1614265330", SIGNATURE, BODY, 1614265330},
		{SECRET, ID, "1614265331", SIGNATURE, BODY, 1614265331},
		{SECRET, ID, "1614265330", SIGNATURE, BODY, 1614265330 + 301},
		{SECRET, ID, "1614265330", SIGNATURE, BODY, 1614265330 - 301},
		{SECRET, ID, "1614265330", SIGNATURE, BODY " ", 1614265330},
		{SECRET, ID, "1614265330", "", BODY, 1614265330},
		{SECRET, ID, "1614265330", "v1,", BODY, 1614265330},
		{SECRET, ID, "1614265330", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, 1614265330},
		{SECRET, ID, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", BODY, 1614265330},
		{SECRET, ID, "", SIGNATURE, BODY, 1614265330},
		{SECRET, ID, "1614265330x", SIGNATURE, BODY, 1614265330},
		{SECRET, ID, " 1614265330", SIGNATURE, BODY, 1614265330},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (webhook_verify(rows[i].secret, rows[i].id, rows[i].at, rows[i].signatures, span_of(rows[i].body),
			    rows[i].now))
			fail_msg("row %zu verifies", i);
	assert_true(webhook_verify(SECRET, ID, "1614265330", "v1,x v2,y " SIGNATURE " z", span_of(BODY), 1614265400));
}

/* Who has the old secret and who has the new one both take the message. */
static void two_secrets(void **state)
{
	(void)state;
	char old[WEBHOOK_SECRET], new[WEBHOOK_SECRET];
	struct webhook_headers h;
	webhook_secret_new(old);
	webhook_secret_new(new);
	assert_string_not_equal(old, new);
	must(webhook_sign(&h, new, old, "n1", 1000, span_of(BODY), &e), &e);
	const char *both = h.list[3].value;
	assert_true(webhook_verify(old, "n1", "1000", both, span_of(BODY), 1000));
	assert_true(webhook_verify(new, "n1", "1000", both, span_of(BODY), 1000));
	must(webhook_sign(&h, new, NULL, "n1", 1000, span_of(BODY), &e), &e);
	assert_false(webhook_verify(old, "n1", "1000", h.list[3].value, span_of(BODY), 1000));
}

static void secrets(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "whsec_", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_MfKQ",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
	struct webhook_headers h;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (webhook_sign(&h, wrong[i], NULL, "n1", 1000, span_of(""), &e) == 0)
			fail_msg("\"%s\" signs", wrong[i]);
	assert_int_equal(e.code, ERR_INVALID);
}

int main(void)
{
	if (crypt_setup(&e) != 0)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example),
		cmocka_unit_test(what_does_not_verify),
		cmocka_unit_test(two_secrets),
		cmocka_unit_test(secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
