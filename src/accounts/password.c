/* password: see the header. A password is common when it stands in common.def, in lower case and without the digits and
 * signs at its end, or when it is one character, or a row of neighbours of the alphabet or the keyboard. */
#include "accounts/password.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

static const char *const common[] = {
#define X(word) word,
#include "accounts/common.def"
#undef X
};

static bool is_common(const char *word, size_t n)
{
	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (strlen(common[i]) == n && memcmp(common[i], word, n) == 0)
			return true;
	return false;
}

/* A single character repeated, or each the neighbour of the one before in a well-known row. */
static bool is_row(const char *word, size_t n)
{
	static const char *const rows[] = {"01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz",
		"zyxwvutsrqponmlkjihgfedcba", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm",
		"azertyuiopqsdfghjklmwxcvbn", "1qaz2wsx3edc4rfv5tgb", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm"};
	size_t same = 0;

	while (same < n && word[same] == word[0])
		same++;
	if (same == n)
		return true;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (n <= strlen(rows[i]) && memmem(rows[i], strlen(rows[i]), word, n))
			return true;
	return false;
}

static bool same_word(const char *word, size_t n, const char *other)
{
	return other && strlen(other) == n && n > 0 && strncasecmp(word, other, n) == 0;
}

int password_acceptable(struct span password, const char *name, const char *email, struct err *e)
{
	char word[64];
	size_t n = 0, characters = 0;

	for (size_t i = 0; i < password.n; i++)
		characters += ((unsigned char)password.p[i] & 0xC0) != 0x80;
	if (characters < PASSWORD_LEAST)
		return err_set(e, ERR_INVALID,
			"the password has %zu characters; it needs at least %d, and a sentence of "
			"four or five words is better",
			characters, PASSWORD_LEAST);
	if (password.n > PASSWORD_MOST)
		return err_set(e, ERR_INVALID, "the password has %zu bytes; at most %d are accepted", password.n,
			PASSWORD_MOST);
	if (password.n >= sizeof word)
		return 0;
	for (; n < password.n; n++)
		word[n] = (char)tolower((unsigned char)password.p[n]);
	const char *at = email ? strchr(email, '@') : NULL;
	bool own = same_word(word, n, name) || same_word(word, n, email) ||
		   (at && (size_t)(at - email) == n && strncasecmp(word, email, n) == 0);
	bool bad = own || is_common(word, n) || is_row(word, n);
	while (n > 0 && !isalpha((unsigned char)word[n - 1]) && (unsigned char)word[n - 1] < 0x80)
		n--;
	bad = bad || is_common(word, n) || (n > 0 && is_row(word, n));
	if (bad)
		return err_set(e, ERR_INVALID,
			own ? "the password is the person's own name or address; choose another"
			    : "the password is among the first that anybody tries; choose another");
	return 0;
}

/* ---- hashing ---- */

void passwords_init(struct passwords *p, struct loop *l, unsigned kib)
{
	*p = (struct passwords){.loop = l, .kib = kib};
	list_init(&p->queue);
}

void password_free(struct password_job *j)
{
	if (!j)
		return;
	crypt_wipe(j->stored, sizeof j->stored);
	crypt_wipe(j->made, sizeof j->made);
	if (j->old.data)
		crypt_wipe(j->old.data, j->old.len);
	if (j->fresh.data)
		crypt_wipe(j->fresh.data, j->fresh.len);
	buf_release(&j->old);
	buf_release(&j->fresh);
	mem_free(j);
}

static void run(struct work *w)
{
	struct password_job *j = container_of(w, struct password_job, work);

	if (j->checks && password_check(j->stored, buf_span(&j->old), &j->matches, &j->why))
		return;
	if (j->fresh.len && (!j->checks || j->matches))
		password_hash(j->made, buf_span(&j->fresh), j->passwords->kib, &j->why);
}

static void begin(struct passwords *p);

static void done(struct work *w)
{
	struct password_job *j = container_of(w, struct password_job, work);
	struct passwords *p = j->passwords;

	p->running--;
	begin(p);
	j->cb(j);
}

static void begin(struct passwords *p)
{
	while (p->running < PASSWORDS_AT_ONCE && !list_empty(&p->queue)) {
		struct password_job *j = list_entry(p->queue.next, struct password_job, link);
		if (work_start(&j->work, p->loop, run, done, &j->why)) {
			/* the one that runs begins it when it ends; with none, the one that asked first is told */
			return;
		}
		list_remove(&j->link);
		p->waiting--;
		p->running++;
	}
}

struct password_job *password_start(struct passwords *p, bool checks, const char *stored, struct span old,
	struct span fresh, void (*cb)(struct password_job *j), void *ctx, struct err *e)
{
	struct password_job *j = p->waiting < PASSWORD_QUEUE ? MEM_NEW(struct password_job) : NULL;

	if (!j) {
		if (p->waiting < PASSWORD_QUEUE)
			err_nomem(e);
		else
			err_set(e, ERR_OVERLOADED, "%d passwords are waiting to be checked; try again in a moment",
				p->waiting);
		return NULL;
	}
	j->cb = cb;
	j->ctx = ctx;
	j->checks = checks;
	j->passwords = p;
	j->old = j->fresh = BUF_INIT(PASSWORD_MOST);
	/* Nobody's password: a hash of the same cost that nothing has. */
	if (checks && stored)
		snprintf(j->stored, sizeof j->stored, "%s", stored);
	else if (checks)
		snprintf(j->stored, sizeof j->stored,
			"$argon2id$v=19$m=%u,t=2,p=1$bm9ib2R5IGlzIGhlcmU$"
			"bm9ib2R5IGlzIGhlcmUsIG5vYm9keSBpcyBoZXJlISE",
			p->kib);
	buf_addspan(&j->old, old);
	buf_addspan(&j->fresh, fresh);
	if (buf_check(&j->old, "the password", e) || buf_check(&j->fresh, "the password", e)) {
		password_free(j);
		return NULL;
	}
	list_push(&p->queue, &j->link);
	p->waiting++;
	begin(p);
	if (p->running == 0) { /* not even one could begin */
		list_remove(&j->link);
		p->waiting--;
		if (e)
			*e = j->why;
		password_free(j);
		return NULL;
	}
	return j;
}

/* ---- at rest ---- */

int password_seal(const uint8_t key[KEY_SIZE], const char *text, char out[PASSWORD_SEALED], struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	cleanup_buf struct buf sealed = BUF_INIT(PASSWORD_SEALED / 2);

	if (crypt_seal(key, span_of(text), &sealed))
		return err_nomem(e);
	for (size_t i = 0; i < sealed.len; i++) {
		out[2 * i] = digits[(unsigned char)sealed.data[i] >> 4];
		out[2 * i + 1] = digits[(unsigned char)sealed.data[i] & 15];
	}
	out[2 * sealed.len] = '\0';
	return 0;
}

int password_open(const uint8_t key[KEY_SIZE], const char *sealed, char out[PASSWORD_TEXT], struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(PASSWORD_TEXT);
	char bytes[PASSWORD_SEALED / 2], pair[3] = "";
	size_t n = strlen(sealed) / 2;

	if (n > sizeof bytes)
		return err_set(e, ERR_CORRUPT, "a sealed password is too long");
	for (size_t i = 0; i < n; i++) {
		memcpy(pair, sealed + 2 * i, 2);
		bytes[i] = (char)strtoul(pair, NULL, 16);
	}
	if (crypt_open(key, span_n(bytes, n), &text) || text.len >= PASSWORD_TEXT)
		return err_set(e, ERR_CORRUPT,
			"a password was sealed with another key; is vault.key that of this data folder?");
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	crypt_wipe(text.data, text.len);
	return 0;
}
