/* pack: archives made from the entries of text cases, and of anything else. */
#ifndef MUSTER_TESTS_PACK_H
#define MUSTER_TESTS_PACK_H

#include "unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"

struct pack {
	struct archive *a;
	const char *error; /* of the last entry: a format cannot hold every kind */
};

static inline void pack_begin(struct pack *p, const char *path, int format, int filter)
{
	p->a = archive_write_new();
	p->error = NULL;
	setlocale(LC_ALL, "C.UTF-8"); /* the program itself has none */
	assert_int_equal(archive_write_set_format(p->a, format), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter(p->a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(p->a, 1), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(p->a, path), ARCHIVE_OK);
}

/* kind: as in tests/cases/archive. size: of content that is repeated as often as it takes. */
static inline void pack_add(struct pack *p, char kind, const char *name, const char *content, uint64_t size)
{
	static const char kinds[] = "fxdlhpsc";
	static const mode_t types[] = {AE_IFREG, AE_IFREG, AE_IFDIR, AE_IFLNK, AE_IFREG, AE_IFIFO, AE_IFSOCK, AE_IFCHR};
	struct archive_entry *entry = archive_entry_new();
	size_t n = strlen(content);

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, types[strchr(kinds, kind) - kinds]);
	archive_entry_set_perm(entry, kind == 'x' ? 06755 : 0600);
	if (kind == 'l')
		archive_entry_set_symlink(entry, content);
	if (kind == 'h')
		archive_entry_set_hardlink(entry, content);
	if (kind == 'f' || kind == 'x')
		archive_entry_set_size(entry, (la_int64_t)size);
	else
		archive_entry_set_size(entry, 0);
	if (archive_write_header(p->a, entry) != ARCHIVE_OK)
		p->error = archive_error_string(p->a);
	else if (kind == 'f' || kind == 'x')
		for (uint64_t done = 0; done < size; done += n)
			archive_write_data(p->a, content, size - done < n ? size - done : n);
	archive_entry_free(entry);
}

static inline void pack_end(struct pack *p)
{
	assert_int_equal(archive_write_free(p->a), ARCHIVE_OK);
	setlocale(LC_ALL, "C");
}

#endif
