/* heads: the file is behind the journal after a crash, never before it, so a stream must be at least as long as its
 * line says and have that chain value there. */
#include "store/heads.h"

#include <stdlib.h>

#include "base/fs.h"
#include "base/mem.h"

#define HEADS_MAX ((size_t)256 * 1024 * 1024)
#define FIRST_LINE "muster heads 1\n"
#define LAST_LINE "signature "

static int add_line(void *ctx, const struct stream_head *head, struct err *e)
{
	struct buf *text = ctx;
	char hex[HASH_HEX];

	(void)e;
	hash_hex(&head->hash, hex);
	buf_addf(text, "%lld %s %s\n", (long long)head->seq, hex, head->name);
	return 0;
}

int heads_write(struct driver *d, struct reader *r, const char *dir, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(HEADS_MAX);
	cleanup_free char *path = fs_join(dir, "heads");
	struct hash sign;
	char hex[HASH_HEX];

	if (!path)
		return err_nomem(e);
	buf_adds(&text, FIRST_LINE);
	if (driver_each_stream(d, r, add_line, &text, e) || buf_check(&text, "the signed heads", e))
		return -1;
	hash_bytes(&sign, d->key, buf_span(&text));
	hash_hex(&sign, hex);
	buf_addf(&text, LAST_LINE "%s\n", hex);
	return buf_check(&text, "the signed heads", e) ? -1 : fs_replace(path, buf_span(&text), 0600, e);
}

/* The events of a run may go: then its project's stream says where they ended. */
struct search {
	struct driver *driver;
	struct reader *reader;
	const char *run;
	long long seq;
	const struct hash *hash;
	bool found;
};

static int look_at_event(void *ctx, const char *stream, const struct event *ev, struct err *e)
{
	struct search *s = ctx;
	struct hash last;

	(void)stream;
	if (ev->type != EVENT_RUN_DELETED)
		return 0;
	cleanup_json json_t *data = event_data(ev, e);
	if (!data)
		return -1;
	const char *run = json_str(data, "run");
	int64_t seq = json_int(data, "seq", 0);
	bool fits = run && !strcmp(run, s->run) && !hash_parse(&last, json_span(data, "hash"));
	s->found |= fits && (seq > s->seq || (seq == s->seq && hash_eq(&last, s->hash)));
	return 0;
}

static int look_at_stream(void *ctx, const struct stream_head *head, struct err *e)
{
	struct search *s = ctx;

	if (s->found || strncmp(head->name, "project/", 8) != 0)
		return 0;
	return driver_each_event(s->driver, s->reader, head->name, 0, look_at_event, s, e);
}

/* 1: so it was, 0: not. */
static int was_deleted(
	struct driver *d, struct reader *r, const char *name, long long seq, const struct hash *hash, struct err *e)
{
	struct search s = {.driver = d, .reader = r, .run = name + 4, .seq = seq, .hash = hash};

	if (strncmp(name, "run/", 4) != 0)
		return 0;
	return driver_each_stream(d, r, look_at_stream, &s, e) ? -1 : s.found;
}

static int check_line(struct driver *d, struct reader *r, struct span line, const char *only, struct err *e)
{
	cleanup_free char *text = span_dup(line);
	struct hash signed_hash, stored = {{0}};
	char *hex, *name;
	long long seq;
	int rc;

	if (!text)
		return err_nomem(e);
	seq = strtoll(text, &hex, 10);
	if (*hex != ' ' || strlen(hex) < HASH_HEX + 1 || hash_parse(&signed_hash, span_n(hex + 1, HASH_HEX - 1)))
		return err_set(e, ERR_CORRUPT, "the signed heads hold a line that is none: %s", text);
	name = hex + 1 + HASH_HEX;
	if ((only && strcmp(only, name) != 0) || seq == 0)
		return 0;
	rc = d->ops->hash_at(r, name, seq, &stored, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		rc = was_deleted(d, r, name, seq, &signed_hash, e);
		if (rc)
			return rc < 0 ? -1 : 0;
		return err_set(e, ERR_VERIFY_DIFFERS,
			"%s ends before seq %lld, which the signed heads name: events were removed", name, seq);
	}
	if (!hash_eq(&stored, &signed_hash))
		return err_set(e, ERR_VERIFY_DIFFERS,
			"event %lld of %s has another chain value than the signed heads: the stream was replaced", seq,
			name);
	return 0;
}

int heads_load(const char *dir, const uint8_t key[KEY_SIZE], struct buf *text, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "heads");
	struct hash sign, given;
	size_t end;

	if (!path)
		return err_nomem(e);
	if (!fs_exists(path))
		return err_set(e, ERR_VERIFY_DIFFERS, "%s, the signed heads, is missing", path);
	buf_init(text, HEADS_MAX);
	if (fs_read(path, text, e))
		return -1;
	end = text->len > strlen(LAST_LINE) + HASH_HEX ? text->len - strlen(LAST_LINE) - HASH_HEX : 0;
	hash_bytes(&sign, key, span_n(text->data, end));
	if (end < strlen(FIRST_LINE) || !span_starts(buf_span(text), FIRST_LINE) ||
		hash_parse(&given, span_n(text->data + end + strlen(LAST_LINE), HASH_HEX - 1)) ||
		!hash_eq(&sign, &given))
		return err_set(e, ERR_VERIFY_DIFFERS, "%s was not signed with this key, or was changed", path);
	buf_cut(text, end);
	return 0;
}

int heads_verify(struct driver *d, struct reader *r, struct span text, const char *stream, struct err *e)
{
	struct span line;

	span_line(&text, &line); /* the first says what this is */
	while (span_line(&text, &line))
		if (check_line(d, r, line, stream, e))
			return -1;
	return 0;
}
