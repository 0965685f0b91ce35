/* archive_out: a project at a commit as a zip or tar.gz, pulled piece by piece, so that memory does not follow its
 * size.
 *
 * Everything lies below one folder: the commit's files, muster-project.json, and what else the caller gives below
 * muster-export/. The same commit, words and extras make the same bytes (zip: in the same time zone). Registered
 * secrets (base/log.h) are masked in muster-project.json and in the events of runs; the project's own files are as they
 * are. Blocks: pool; one thread at a time.
 *
 *     {"format":"muster-project","version":1,"muster":"0.1.0","commit":…,"date":…, "name":…, "description":…, …} */
#ifndef MUSTER_WORKSPACE_ARCHIVE_OUT_H
#define MUSTER_WORKSPACE_ARCHIVE_OUT_H

#include "base/json.h"
#include "vcs/project.h"

enum archive_kind { ARCHIVE_ZIP, ARCHIVE_TAR_GZ };

/* A file beside the project's own, read from an open descriptor from its beginning. */
struct archive_extra {
	const char *path; /* below muster-export/: runs/<id>.ndjson, artifacts/<id>/<name> */
	int fd;
	uint64_t size;
};
struct archive_out_spec {
	enum archive_kind kind;
	const char *commit; /* oid; "": no files */
	const json_t
		*about; /* name, description, model, agents, runs: what ARCHIVE_ABOUT names, the rest is left out */
	const struct archive_extra *extras;
	size_t extra_count;
};
struct archive_out;
/* All that spec points to stays valid until the close. */
struct archive_out *archive_out_open(struct project *p, const struct archive_out_spec *spec, struct err *e);
/* 1 and a piece, valid until the next call; 0 at the end; -1. */
int archive_out_next(struct archive_out *o, struct span *piece, struct err *e);
void archive_out_close(struct archive_out *o);

/* A name for the download, "<name>.zip": letters, digits and "._-" only. */
#define ARCHIVE_FILE_NAME 80
void archive_file_name(const char *name, enum archive_kind kind, char out[ARCHIVE_FILE_NAME]);

/* Write the events of a run (its id) to an open file as NDJSON. */
int archive_run_events(struct store *s, const char *run, int fd, uint64_t *size, struct err *e);

/* Take what another muster said about a project that was unpacked into dir (archive_in.h): a new object with name,
 * description, model, agents, runs as far as they are there and well-formed; untrusted words. muster-project.json and
 * muster-export/ are removed. *out NULL: there is no such file, or another program's; then nothing is removed. */
int archive_about_take(const char *dir, json_t **out, struct err *e);

#endif
