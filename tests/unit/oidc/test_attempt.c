/* A login under way: what is found again is what was made, and nothing else is taken; addresses that are safe. */
#include "unit.h"

#include <string.h>

#include "base/base64.h"
#include "oidc/attempt.h"
#include "oidc/url.h"

#define NOW ((int64_t)1700000000)
static const uint8_t key[KEY_SIZE] = "a key of thirty-two bytes, right",
		     other[KEY_SIZE] = "b key of thirty-two bytes, right";

static void found(const struct attempt *a, const uint8_t *by, int64_t now, bool want)
{
	struct attempt got;
	struct err e = ERR_INIT;
	int rc = attempt_find(&got, by, span_of(a->state), now, &e);
	assert_int_equal(rc, want ? 0 : -1);
	assert_int_equal(e.code, want ? ERR_OK : ERR_INVALID);
	if (want)
		assert_memory_equal(&got, a, sizeof(got));
}

static void a_state_is_found_for_ten_minutes(void **state)
{
	struct attempt a, b;
	(void)state;
	attempt_new(&a, key, NOW);
	attempt_new(&b, key, NOW);
	assert_string_not_equal(a.state, b.state);
	assert_string_not_equal(a.nonce, b.nonce);
	assert_string_not_equal(a.nonce, a.verifier);
	found(&a, key, NOW, true);
	found(&a, key, NOW + ATTEMPT_LIFE_S, true);
	found(&a, key, NOW + ATTEMPT_LIFE_S + 1, false);
	found(&a, key, NOW - 3600, false);
	found(&a, other, NOW, false);
}

static void a_changed_state_is_not(void **state)
{
	struct attempt a;
	(void)state;
	for (size_t i = 0; i < ATTEMPT_STATE - 1; i++) {
		attempt_new(&a, key, NOW);
		a.state[i] = a.state[i] == 'A' ? 'B' : 'A';
		found(&a, key, NOW, false);
	}
	attempt_new(&a, key, NOW);
	a.state[ATTEMPT_STATE - 2] = '\0';
	found(&a, key, NOW, false);
	a.state[0] = '\0';
	found(&a, key, NOW, false);
}

/* RFC 7636, 4.2: the challenge is BASE64URL(SHA256(verifier)). The hash against FIPS 180-4's example. */
static void the_challenge_is_of_the_verifier(void **state)
{
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char hex[HASH_HEX];
	unsigned char bytes[HASH_SIZE];
	struct attempt a;
	struct hash h;
	(void)state;
	hash_sha256(&h, span_of("abc"));
	hash_hex(&h, hex);
	assert_string_equal(hex, abc);
	attempt_new(&a, key, NOW);
	assert_int_equal(strlen(a.verifier), 43);
	hash_sha256(&h, span_of(a.verifier));
	assert_int_equal(base64_take(span_of(a.challenge), BASE64_URL, bytes, sizeof(bytes)), HASH_SIZE);
	assert_memory_equal(bytes, h.b, HASH_SIZE);
}

static void addresses_are_safe(void **state)
{
	static const char *const good[] = {"https://login.example", "https://login.example:8443/a?b=c",
		"http://127.0.0.1:80/", "http://127.8.9.1/a", "http://localhost:4593/api", "http://LOCALHOST",
		"http://[::1]:80/"},
				 *const bad[] = {"", "http://login.example/", "http://localhost.evil.example/",
					 "http://127.0.0.1.evil.example/", "http://[::2]/", "http://10.0.0.1/",
					 "ftp://localhost/", "https://", "https:///a", "https://a@login.example/",
					 "http://localhost@evil.example/", "https://login.example/#a",
					 "https://login.example/a b", "https://login.example/\n",
					 "https://login.ex\xc3\xa4mple/", "//login.example/",
					 "https://login.example\\@evil/"};
	(void)state;
	assert_false(url_secure(NULL));
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!url_secure(good[i]))
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (url_secure(bad[i]))
			fail_msg("%s is taken", bad[i]);
}

static void forms_are_escaped(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1000);
	(void)state;
	buf_adds(&b, "https://login.example/?");
	form_add(&b, "a", "b c&d=+\xc3\xa4~");
	form_add(&b, "none", NULL);
	form_add(&b, "e", "");
	form_add(&b, "f", "http://x/");
	assert_string_equal(b.data, "https://login.example/?a=b%20c%26d%3D%2B%C3%A4~&e=&f=http%3A%2F%2Fx%2F");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_found_for_ten_minutes),
		cmocka_unit_test(a_changed_state_is_not),
		cmocka_unit_test(the_challenge_is_of_the_verifier),
		cmocka_unit_test(addresses_are_safe),
		cmocka_unit_test(forms_are_escaped),
	};
	struct err e = ERR_INIT;
	return crypt_setup(&e) ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
