/* filestream: see filestream.h. */
#include "agent/filestream.h"

#include "base/caps.h"

#define PATH_CAP 4096
#define PIECE_CAP (64 * KIB)
#define RAW_MARK "CONTENT=\"\"\""

void filestream_init(struct filestream *f)
{
	*f = (struct filestream){.state = FS_KEY, .wanted = "content"};
	buf_init(&f->key, 256);
	buf_init(&f->path, PATH_CAP);
	buf_init(&f->out, PIECE_CAP);
}

void filestream_init_raw(struct filestream *f, const char *path)
{
	filestream_init(f);
	f->state = FS_RAW;
	f->quotes = -1; /* the mark has not come yet; key holds what may be its beginning */
	buf_adds(&f->path, path);
}

void filestream_release(struct filestream *f)
{
	buf_release(&f->key);
	buf_release(&f->path);
	buf_release(&f->out);
}

static void add_code(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

static struct buf *target(struct filestream *f)
{
	if (f->state == FS_IN_KEY)
		return &f->key;
	return !strcmp(f->key.data ? f->key.data : "", "path") ? &f->path : &f->out;
}

/* A character inside a JSON string; false when the string ended. */
static bool in_string(struct filestream *f, char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	struct buf *b = target(f);
	if (f->escape == 0) {
		if (c == '"')
			return false;
		if (c == '\\')
			f->escape = 1;
		else
			buf_addc(b, c);
		return true;
	}
	if (f->escape == 1) {
		const char *at = strchr(from, c);
		f->escape = c == 'u' ? 5 : 0;
		f->code = 0;
		if (c != 'u' && at)
			buf_addc(b, to[at - from]);
		return true;
	}
	int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 0;
	f->code = f->code * 16 + (unsigned)digit;
	if (--f->escape > 1)
		return true;
	f->escape = 0;
	if (f->code >= 0xd800 && f->code < 0xdc00)
		f->high = f->code;
	else if (f->high && f->code >= 0xdc00 && f->code < 0xe000)
		add_code(b, 0x10000 + ((f->high - 0xd800) << 10) + (f->code - 0xdc00));
	else
		add_code(b, f->code);
	if (f->code < 0xd800 || f->code >= 0xdc00)
		f->high = 0;
	return true;
}

static void skip(struct filestream *f, char c)
{
	if (f->skip_string) {
		if (f->escape)
			f->escape = 0;
		else if (c == '\\')
			f->escape = 1;
		else if (c == '"')
			f->skip_string = false;
		return;
	}
	if (c == '"')
		f->skip_string = true;
	else if (c == '{' || c == '[')
		f->depth++;
	else if ((c == '}' || c == ']') && f->depth-- == 0)
		f->state = FS_END;
	else if (c == ',' && f->depth == 0)
		f->state = FS_KEY;
}

static void json_char(struct filestream *f, char c)
{
	bool wanted;
	switch (f->state) {
	case FS_KEY:
		if (c == '"') {
			buf_clear(&f->key);
			f->state = FS_IN_KEY;
		} else if (c == '}') {
			f->state = FS_END;
		}
		return;
	case FS_IN_KEY:
		if (!in_string(f, c))
			f->state = FS_COLON;
		return;
	case FS_COLON:
		if (c == ':')
			f->state = FS_VALUE;
		return;
	case FS_VALUE:
		wanted = f->key.data && (!strcmp(f->key.data, "path") || !strcmp(f->key.data, f->wanted));
		if (c == '"' && wanted)
			f->state = FS_IN_STRING;
		else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
			f->state = FS_SKIP;
			f->depth = 0;
			skip(f, c);
		}
		return;
	case FS_IN_STRING:
		if (!in_string(f, c))
			f->state = FS_SKIP;
		return;
	case FS_SKIP:
		skip(f, c);
		return;
	case FS_RAW:
	case FS_END:
		return;
	}
}

static void raw_char(struct filestream *f, char c)
{
	if (f->quotes < 0) { /* looking for the mark */
		buf_addc(&f->key, c);
		if (f->key.len > sizeof(RAW_MARK) - 1)
			buf_drop(&f->key, 1);
		if (f->key.len == sizeof(RAW_MARK) - 1 && !memcmp(f->key.data, RAW_MARK, f->key.len))
			f->quotes = 0;
		return;
	}
	if (c == '"') {
		if (++f->quotes == 3)
			f->state = FS_END;
		return;
	}
	for (; f->quotes > 0; f->quotes--)
		buf_addc(&f->out, '"');
	buf_addc(&f->out, c);
}

/* Bytes at the end of out that are the beginning of a character. */
static size_t unfinished(const struct buf *b)
{
	for (size_t n = 1; n <= 3 && n <= b->len; n++) {
		unsigned char c = (unsigned char)b->data[b->len - n];
		if ((c & 0xc0) == 0x80)
			continue;
		size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		return need > n ? n : 0;
	}
	return 0;
}

static void hand_out(
	struct filestream *f, void (*show)(void *ctx, const char *path, int64_t offset, struct span text), void *ctx)
{
	size_t n = f->out.len - unfinished(&f->out);
	if (n) {
		show(ctx, f->path.data ? f->path.data : "", f->offset, span_n(f->out.data, n));
		f->offset += (int64_t)n;
		buf_drop(&f->out, n);
	}
}

void filestream_feed(struct filestream *f, struct span piece,
	void (*show)(void *ctx, const char *path, int64_t offset, struct span text), void *ctx)
{
	for (size_t i = 0; i < piece.n && f->state != FS_END; i++) {
		if (f->state == FS_RAW)
			raw_char(f, piece.p[i]);
		else
			json_char(f, piece.p[i]);
		if (f->out.len > PIECE_CAP / 2)
			hand_out(f, show, ctx);
	}
	if (f->out.len)
		hand_out(f, show, ctx);
}
