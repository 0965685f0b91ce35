/* archive_out: a list of entries, written one step at a time: each step gives libarchive one header or one piece, and
 * what it makes of it is handed on. */
#include "workspace/archive_out.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/store.h"
#include "vcs/beneath.h"
#include "vcs/export.h"
#include "workspace/archive_name.h"

#define ABOUT_FILE "muster-project.json"
#define EXTRAS "muster-export"
#define FORMAT "muster-project"
#define VERSION 1
#define STEP_MAX (1 * MIB) /* what libarchive may make of one step */
#define LINK_MAX 4096
#define ABOUT_MAX (1 * MIB)
#define TOP_MAX 64

struct archive_out {
	struct project *project;
	struct archive_out_spec spec;
	struct export_list files;
	struct archive *a;
	struct buf about, made;
	char top[TOP_MAX + 1];
	enum { OUT_ABOUT, OUT_FILES, OUT_EXTRAS, OUT_END, OUT_DONE } at;
	size_t index;
	struct export_reader reader;
	bool reading; /* the header of the file at hand is written */
	uint64_t left;
	char piece[CAP_BLOB_PIECE];
};

/* ---- names ---- */

/* A name as a folder's: letters, digits and "._-", none in front that hides it. */
static void plain_name(const char *name, char out[TOP_MAX + 1])
{
	size_t n = 0;

	for (; *name && n < TOP_MAX; name++) {
		char c = *name;
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';

		if (word || (n && (c == '.' || c == '-')))
			out[n++] = c;
		else if (n && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n && (out[n - 1] == '-' || out[n - 1] == '.'))
		n--;
	out[n] = 0;
	if (!n)
		snprintf(out, TOP_MAX + 1, "project");
}

void archive_file_name(const char *name, enum archive_kind kind, char out[ARCHIVE_FILE_NAME])
{
	char top[TOP_MAX + 1];

	plain_name(name, top);
	snprintf(out, ARCHIVE_FILE_NAME, "%s.%s", top, kind == ARCHIVE_ZIP ? "zip" : "tar.gz");
}

/* ---- what is said about a project ---- */

struct about_member {
	const char *key;
	json_type type;
	size_t max; /* bytes of a text, elements of an array */
};
static const struct about_member about_members[] = {{"name", JSON_STRING, CAP_PROJECT_NAME},
	{"description", JSON_STRING, CAP_PROJECT_WORDS}, {"model", JSON_STRING, 200}, {"agents", JSON_ARRAY, 1000},
	{"runs", JSON_ARRAY, 10000}};

static bool member_ok(const struct about_member *m, const json_t *v)
{
	return v && json_typeof(v) == m->type &&
	       (m->type == JSON_STRING ? json_string_length(v) : json_array_size(v)) <= m->max;
}

/* The known members that are well-formed; a new object. */
static json_t *about_known(const json_t *from, struct err *e)
{
	cleanup_json json_t *out = json_object();

	for (size_t i = 0; out && i < sizeof about_members / sizeof *about_members; i++) {
		json_t *v = json_get(from, about_members[i].key);

		if (!member_ok(&about_members[i], v))
			continue;
		v = json_clone_deep(v);
		if (!v || json_put(out, about_members[i].key, v)) {
			err_nomem(e);
			return NULL;
		}
	}
	if (!out)
		err_nomem(e);
	return steal(&out);
}

static int write_about(struct archive_out *o, struct err *e)
{
	cleanup_json json_t *about = about_known(o->spec.about, e);
	cleanup_buf struct buf text = BUF_INIT(ABOUT_MAX);
	char date[CLOCK_TEXT];

	if (!about)
		return -1;
	clock_text(date, o->files.at_us);
	if (json_put(about, "format", json_string(FORMAT)) || json_put_int(about, "version", VERSION) ||
		json_put(about, "muster", json_string(MUSTER_VERSION)) ||
		json_put(about, "commit", json_string(o->spec.commit)) || json_put(about, "date", json_string(date)))
		return err_nomem(e);
	json_print(about, &text);
	buf_addc(&text, '\n');
	if (buf_check(&text, ABOUT_FILE, e))
		return -1;
	log_mask(buf_span(&text), &o->about);
	return buf_check(&o->about, ABOUT_FILE, e);
}

static int read_about(int dir, json_t **out, struct err *e)
{
	cleanup_fd int fd = beneath_open(dir, ABOUT_FILE, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	struct blob *text;
	cleanup_json json_t *about = NULL;
	struct stat st;

	*out = NULL;
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : beneath_err(e, errno, ABOUT_FILE);
	if (SEAM(fstat(fd, &st)))
		return err_errno(e, errno, ABOUT_FILE);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)ABOUT_MAX)
		return 0;
	text = beneath_read(fd, ABOUT_MAX);
	if (!text)
		return err_errno(e, errno, ABOUT_FILE);
	struct err why = ERR_INIT;
	about = json_parse(blob_span(text), ABOUT_FILE, &why);
	blob_unref(text);
	if (!about)
		return why.code == ERR_NOMEM ? err_nomem(e) : 0;
	if (!json_str(about, "format") || strcmp(json_str(about, "format"), FORMAT) != 0)
		return 0;
	if (json_int(about, "version", 0) > VERSION)
		return err_set(e, ERR_NEWER,
			"the export was made by muster %.20s; import it with that version or a newer one",
			json_str(about, "muster") ? json_str(about, "muster") : "of a later format");
	*out = about_known(about, e);
	return *out ? 0 : -1;
}

int archive_about_take(const char *dir, json_t **out, struct err *e)
{
	cleanup_fd int fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0, e);

	*out = NULL;
	if (fd < 0 || read_about(fd, out, e))
		return -1;
	if (*out && (beneath_remove(fd, EXTRAS, e) || beneath_remove(fd, ABOUT_FILE, e))) {
		json_decref(*out);
		*out = NULL;
		return -1;
	}
	return 0;
}

/* ---- events of a run ---- */

int archive_run_events(struct store *s, const char *run, int fd, uint64_t *size, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(2 * CAP_EVENT_DATA + 64 * KIB), masked = BUF_INIT(8 * CAP_EVENT_DATA);
	struct event events[64];
	char stream[EVENT_STREAM_MAX];
	int64_t after = 0;
	int n, rc = 0;

	*size = 0;
	snprintf(stream, sizeof stream, "run/%s", run);
	while (rc == 0 && (n = store_read(s, stream, after, events, 64, e)) > 0) {
		for (int i = 0; i < n; i++) {
			after = events[i].seq;
			buf_clear(&line);
			buf_clear(&masked);
			event_print(&events[i], stream, &line);
			buf_addc(&line, '\n');
			log_mask(buf_span(&line), &masked);
			if (rc == 0)
				rc = buf_check(&line, "an event", e) || buf_check(&masked, "an event", e) ||
						     fs_write_fd(fd, buf_span(&masked), e)
					     ? -1
					     : 0;
			*size += masked.len;
			event_release(&events[i]);
		}
	}
	return rc || n < 0 ? -1 : 0;
}

/* ---- writing ---- */

static la_ssize_t collect(struct archive *a, void *ctx, const void *p, size_t n)
{
	struct archive_out *o = ctx;

	(void)a;
	buf_add(&o->made, p, n);
	return o->made.failed ? -1 : (la_ssize_t)n;
}

static int broken(struct archive_out *o, struct err *e)
{
	const char *why = archive_error_string(o->a);

	if (buf_check(&o->made, "the archive", e))
		return -1;
	return err_set(e, archive_errno(o->a) == ENOMEM ? ERR_NOMEM : ERR_IO, "the archive cannot be made: %s",
		why ? why : "libarchive gives no reason");
}

static int put_header(struct archive_out *o, const char *folder, const char *path, enum entry_kind kind, uint64_t size,
	const char *link, struct err *e)
{
	cleanup_free char *full = mem_printf("%s/%s%s", o->top, folder, path);
	struct archive_entry *entry = full && !fault_hit(FAULT_ALLOC) ? archive_entry_new() : NULL;
	int rc;

	if (!entry)
		return err_nomem(e);
	archive_entry_set_pathname(entry, full);
	archive_entry_set_filetype(entry, kind == ENTRY_LINK ? AE_IFLNK : AE_IFREG);
	archive_entry_set_perm(entry, kind == ENTRY_EXEC || kind == ENTRY_LINK ? 0755 : 0644);
	archive_entry_set_mtime(entry, o->files.at_us / 1000000, 0);
	archive_entry_set_size(entry, kind == ENTRY_LINK ? 0 : (la_int64_t)size);
	if (link)
		archive_entry_set_symlink(entry, link);
	rc = archive_write_header(o->a, entry);
	archive_entry_free(entry);
	return rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? 0 : broken(o, e);
}

static int put_data(struct archive_out *o, struct span data, struct err *e)
{
	return archive_write_data(o->a, data.p, data.n) == (la_ssize_t)data.n ? 0 : broken(o, e);
}

static int put_link(struct archive_out *o, const struct export_file *f, struct err *e)
{
	char target[LINK_MAX + 1];
	size_t n = 0;
	struct span piece;
	int rc;

	while ((rc = export_next(&o->reader, &piece, e)) > 0 && n + piece.n <= LINK_MAX) {
		memcpy(target + n, piece.p, piece.n);
		n += piece.n;
	}
	target[n] = 0;
	if (rc)
		return rc < 0 ? -1 : err_set(e, ERR_TOO_LARGE, "%s: the link's target is too long", f->path);
	return put_header(o, "", f->path, ENTRY_LINK, 0, target, e);
}

/* ---- steps ---- */

static bool is_ours(const char *path)
{
	return strcmp(path, ABOUT_FILE) == 0 || strcmp(path, EXTRAS) == 0 ||
	       strncmp(path, EXTRAS "/", strlen(EXTRAS) + 1) == 0;
}

static int step_about(struct archive_out *o, struct err *e)
{
	o->at = OUT_FILES;
	return put_header(o, "", ABOUT_FILE, ENTRY_FILE, o->about.len, NULL, e) ? -1
										: put_data(o, buf_span(&o->about), e);
}

static int step_files(struct archive_out *o, struct err *e)
{
	const struct export_file *f = &o->files.items[o->index];
	struct span piece;
	int rc;

	if (o->index == o->files.count) {
		o->index = 0;
		o->at = OUT_EXTRAS;
		return 0;
	}
	if (!o->reading && is_ours(f->path)) {
		o->index++;
		return 0;
	}
	if (!o->reading) {
		o->reading = true;
		if (export_open(&o->reader, o->project, f, e))
			return -1;
		return f->kind == ENTRY_LINK ? put_link(o, f, e)
					     : put_header(o, "", f->path, f->kind, f->size, NULL, e);
	}
	rc = export_next(&o->reader, &piece, e);
	if (rc > 0)
		return put_data(o, piece, e);
	export_release(&o->reader);
	o->reading = false;
	o->index++;
	return rc;
}

static int step_extras(struct archive_out *o, struct err *e)
{
	const struct archive_extra *x = &o->spec.extras[o->index];
	ssize_t n;

	if (o->index == o->spec.extra_count) {
		o->at = OUT_END;
		return 0;
	}
	if (!o->reading) {
		o->reading = true;
		o->left = x->size;
		if (SEAM(lseek(x->fd, 0, SEEK_SET)))
			return err_errno(e, errno, "%s", x->path);
		return put_header(o, EXTRAS "/", x->path, ENTRY_FILE, x->size, NULL, e);
	}
	if (!o->left) {
		o->reading = false;
		o->index++;
		return 0;
	}
	n = SEAM(read(x->fd, o->piece, o->left < sizeof o->piece ? (size_t)o->left : sizeof o->piece));
	if (n <= 0)
		return err_errno(e, n ? errno : EIO, "%s", x->path);
	o->left -= (uint64_t)n;
	return put_data(o, span_n(o->piece, (size_t)n), e);
}

static int step(struct archive_out *o, struct err *e)
{
	switch (o->at) {
	case OUT_ABOUT:
		return step_about(o, e);
	case OUT_FILES:
		return step_files(o, e);
	case OUT_EXTRAS:
		return step_extras(o, e);
	case OUT_END:
		o->at = OUT_DONE;
		return archive_write_close(o->a) == ARCHIVE_OK ? 0 : broken(o, e);
	case OUT_DONE:
		return 0;
	}
	BUG("an export in state %d", (int)o->at);
}

int archive_out_next(struct archive_out *o, struct span *piece, struct err *e)
{
	struct archive_locale was;
	int rc = archive_locale_enter(&was, e);

	if (rc)
		return -1;
	buf_clear(&o->made);
	while (rc == 0 && o->made.len < CAP_BLOB_PIECE && o->at != OUT_DONE)
		rc = step(o, e);
	archive_locale_leave(&was);
	*piece = buf_span(&o->made);
	return rc ? -1 : piece->n > 0;
}

/* ---- the whole ---- */

static int begin(struct archive_out *o, struct err *e)
{
	int rc;

	o->a = fault_hit(FAULT_ALLOC) ? NULL : archive_write_new();
	if (!o->a)
		return err_nomem(e);
	rc = o->spec.kind == ARCHIVE_ZIP ? archive_write_set_format_zip(o->a)
					 : archive_write_set_format_pax_restricted(o->a);
	if (rc == ARCHIVE_OK && o->spec.kind == ARCHIVE_TAR_GZ)
		rc = archive_write_add_filter_gzip(o->a);
	if (rc == ARCHIVE_OK && o->spec.kind == ARCHIVE_TAR_GZ)
		rc = archive_write_set_filter_option(o->a, "gzip", "timestamp", NULL);
	if (rc == ARCHIVE_OK)
		rc = archive_write_set_bytes_in_last_block(o->a, 1);
	if (rc == ARCHIVE_OK)
		rc = archive_write_open(o->a, o, NULL, collect, NULL);
	return rc == ARCHIVE_OK ? 0 : broken(o, e);
}

struct archive_out *archive_out_open(struct project *p, const struct archive_out_spec *spec, struct err *e)
{
	struct archive_out *o = MEM_NEW(struct archive_out);
	const char *name = json_str(spec->about, "name");

	if (!o) {
		err_nomem(e);
		return NULL;
	}
	o->project = p;
	o->spec = *spec;
	buf_init(&o->about, ABOUT_MAX);
	buf_init(&o->made, STEP_MAX);
	plain_name(name ? name : "", o->top);
	if (export_list(p, spec->commit, &o->files, e) || write_about(o, e) || begin(o, e)) {
		archive_out_close(o);
		return NULL;
	}
	return o;
}

void archive_out_close(struct archive_out *o)
{
	if (!o)
		return;
	if (o->a)
		archive_write_free(o->a);
	if (o->reading && o->at == OUT_FILES)
		export_release(&o->reader);
	export_list_release(&o->files);
	buf_release(&o->about);
	buf_release(&o->made);
	mem_free(o);
}
