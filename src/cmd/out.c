/* out: see out.h. */
#include "cmd/out.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

int out_write(struct buf *b, struct err *e)
{
	if (buf_check(b, "the output", e))
		return -1;
	int failed = b->len ? fs_write_fd(STDOUT_FILENO, buf_span(b), e) : 0;
	int why = errno;
	buf_clear(b);
	if (failed && why == EPIPE)
		err_clear(e);
	else if (failed)
		err_wrap(e, "standard output");
	return failed;
}

void out_say(struct span text)
{
	struct err ignored = ERR_INIT;
	fs_write_fd(STDERR_FILENO, text, &ignored);
}

void out_error(const char *text)
{
	cleanup_buf struct buf masked = BUF_INIT(64 * KIB), line = BUF_INIT(256 * KIB);
	log_mask(span_of(text), &masked);
	buf_adds(&line, "muster: ");
	utf8_visible(masked.failed ? span_of(text) : buf_span(&masked), true, &line);
	if (!line.len || line.data[line.len - 1] != '\n')
		buf_addc(&line, '\n');
	out_say(line.failed ? span_of("muster: out of memory\n") : buf_span(&line));
}

int out_json(const json_t *v, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	json_print(v, &out);
	buf_addc(&out, '\n');
	return out_write(&out, e);
}

/* ---- text ---- */

static size_t width(uint32_t c)
{
	static const struct {
		uint32_t from, to;
		size_t width;
	} ranges[] = {{0x300, 0x36F, 0}, {0x200B, 0x200F, 0}, {0xFE00, 0xFE0F, 0}, {0x1100, 0x115F, 2},
		{0x2E80, 0x303E, 2}, {0x3041, 0xA4CF, 2}, {0xAC00, 0xD7A3, 2}, {0xF900, 0xFAFF, 2}, {0xFE30, 0xFE6F, 2},
		{0xFF00, 0xFF60, 2}, {0xFFE0, 0xFFE6, 2}, {0x1F300, 0x1F64F, 2}, {0x1F680, 0x1FAFF, 2},
		{0x20000, 0x3FFFD, 2}};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return ranges[i].width;
	return 1;
}

/* Bytes of s that fit into `columns`; *used: how many columns they take. */
static size_t fitting(struct span s, size_t columns, size_t *used)
{
	size_t at = 0;
	*used = 0;
	while (at < s.n) {
		uint32_t c;
		size_t n = utf8_char(span_n(s.p + at, s.n - at), &c), w = width(c);
		if (*used + w > columns)
			break;
		*used += w;
		at += n;
	}
	return at;
}

size_t text_columns(struct span s)
{
	size_t used;
	fitting(s, SIZE_MAX, &used);
	return used;
}

static size_t fit(struct span s, size_t columns, struct buf *out)
{
	cleanup_buf struct buf clean = BUF_INIT(CAP_OUTPUT);
	size_t used;
	/* Long texts are cut before the work; a column is at most 4 bytes of text. */
	if (columns < SIZE_MAX / 8 && s.n > columns * 8)
		s.n = utf8_cut(s, columns * 8);
	utf8_visible(span_trim(s), true, &clean);
	for (size_t i = 0; i < clean.len; i++)
		if (clean.data[i] == '\n' || clean.data[i] == '\t')
			clean.data[i] = ' ';
	size_t n = fitting(buf_span(&clean), columns, &used);
	if (n < clean.len && columns > 1) {
		n = fitting(buf_span(&clean), columns - 1, &used);
		buf_add(out, clean.data, n);
		buf_adds(out, "…");
		return used + 1;
	}
	buf_add(out, clean.data, n);
	return used;
}

void text_fit(struct span s, size_t columns, struct buf *out)
{
	fit(s, columns, out);
}

void text_pad(struct span s, size_t columns, struct buf *out)
{
	size_t used = fit(s, columns, out);
	buf_addf(out, "%*s", (int)(columns - used), "");
}

struct span text_first_line(struct span s)
{
	struct span line;
	while (span_line(&s, &line))
		if (span_trim(line).n)
			return span_trim(line);
	return SPAN_NONE;
}

void text_usd(double usd, struct buf *out)
{
	buf_addf(out, usd < 1 ? "$%.4f" : "$%.2f", usd);
}

void text_count(int64_t n, struct buf *out)
{
	if (n < 1000)
		buf_addf(out, "%lld", (long long)n);
	else if (n < 1000000)
		buf_addf(out, "%.1fk", (double)n / 1e3);
	else
		buf_addf(out, "%.1fM", (double)n / 1e6);
}

static void add_time(int64_t wall_us, const char *format, struct buf *out)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char text[64] = "?";
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), format, &tm);
	buf_adds(out, text);
}

void text_time(int64_t wall_us, struct buf *out)
{
	add_time(wall_us, "%Y-%m-%d %H:%M", out);
}

void text_clock(int64_t wall_us, struct buf *out)
{
	add_time(wall_us, "%H:%M:%S", out);
}

void text_period(int64_t us, struct buf *out)
{
	int64_t s = us / 1000000;
	if (s < 60)
		buf_addf(out, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		buf_addf(out, "%d min %d s", (int)(s / 60), (int)(s % 60));
	else
		buf_addf(out, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
}

/* ---- tables ---- */

void table_init(struct table *t, int columns)
{
	*t = (struct table){.columns = columns};
}

static void add_cell(struct table *t, char *cell)
{
	if (t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 64;
		char **bigger = mem_realloc(t->cells, room * sizeof(*bigger));
		if (bigger) {
			t->cells = bigger;
			t->room = room;
		}
	}
	if (!cell || t->count == t->room) {
		t->failed = true;
		mem_free(cell);
		return;
	}
	t->cells[t->count++] = cell;
}

void table_add(struct table *t, struct span cell)
{
	cleanup_buf struct buf clean = BUF_INIT(CAP_OUTPUT);
	text_fit(cell, 4096, &clean);
	add_cell(t, buf_take(&clean));
}

void table_adds(struct table *t, const char *cell)
{
	table_add(t, span_of(cell ? cell : ""));
}

void table_take(struct table *t, struct buf *cell)
{
	table_add(t, buf_span(cell));
	buf_clear(cell);
}

static size_t widest(const struct table *t, size_t column)
{
	size_t most = 0;
	for (size_t i = column; i < t->count; i += (size_t)t->columns) {
		size_t n = text_columns(span_of(t->cells[i]));
		most = n > most ? n : most;
	}
	return most;
}

int table_print(struct table *t, struct buf *out, struct err *e)
{
	size_t columns = (size_t)t->columns, used = 0;
	cleanup_free size_t *widths = mem_calloc(columns, sizeof(*widths));
	if (t->failed || !widths)
		return err_nomem(e);
	int screen = terminal_columns(STDOUT_FILENO);
	for (size_t i = 0; i < columns; i++)
		widths[i] = widest(t, i);
	for (size_t i = 0; i < t->count; i++) {
		size_t column = i % columns;
		struct span cell = span_of(t->cells[i]);
		if (column == 0)
			used = 0;
		if (column + 1 < columns) {
			text_pad(cell, widths[column], out);
			buf_adds(out, "  ");
			used += widths[column] + 2;
		} else {
			size_t left = screen && (size_t)screen > used + 8 ? (size_t)screen - used : 4096;
			text_fit(cell, left, out);
			buf_addc(out, '\n');
		}
	}
	return 0;
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		mem_free(t->cells[i]);
	mem_free(t->cells);
	*t = (struct table){0};
}

/* ---- the terminal ---- */

int terminal_columns(int fd)
{
	struct winsize size;
	if (!isatty(fd))
		return 0;
	return !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col > 10 ? size.ws_col : 80;
}

int terminal_rows(int fd)
{
	struct winsize size;
	if (!isatty(fd))
		return 0;
	return !ioctl(fd, TIOCGWINSZ, &size) && size.ws_row > 3 ? size.ws_row : 24;
}
