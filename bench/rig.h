/* rig: what every benchmark stands on and none measures: the way out when something fails, the clock, figures of what
 * is measured repeatedly, a folder for its data, the table and the line of JSON.
 *
 * Data lies in a folder of its own in ${TMPDIR:-/var/tmp}/muster-bench, which should be on a disk. That one is made
 * once, kept, and given the attribute T (FS_TOPDIR_FL, `chattr +T`) where the file system has it: ext4 then spreads the
 * folders in it over the disk's block groups. Else they share a group, and an ext4 without a journal goes, for each
 * file it makes, one by one past all inodes of the group that were deleted in the last minutes (recently_deleted in
 * fs/ext4/ialloc.c): to make 5,000 files after 5,000 others were removed takes seconds instead of 0.2, and a benchmark
 * that runs after another one would measure that. It is no promise: a large tree can still come upon such a group.
 *
 * A benchmark that fails leaves its folder behind. */
#ifndef MUSTER_BENCH_RIG_H
#define MUSTER_BENCH_RIG_H

#include <stdbool.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/err.h"

/* First of all, once; the name is that of the program's messages and of its line of JSON. */
void rig_setup(const char *bench);
/* End the program with the error's text, or with that of errno, when something failed. */
void must(int failed, const struct err *e);
void must_sys(int failed, const char *what);

/* ---- time and memory ---- */

double rig_ms(void); /* monotonic */
double rig_cpu_s(const struct rusage *u);
double rig_own_cpu_s(void);   /* processor time of this process */
long rig_private_bytes(void); /* what this process shares with no other */

/* What was measured, each time, but only the first SAMPLE_MAX times; zero it. */
enum { SAMPLE_MAX = 4096 };
struct sample {
	size_t n;
	double v[SAMPLE_MAX];
};
void sample_add(struct sample *s, double v);
/* The value that this share of the others lies below: 0.5 is the median. Sorts; 0 of nothing. */
double sample_at(struct sample *s, double share);

/* ---- the folder: one at a time ---- */

void rig_folder(void);	      /* make a new one, 0755 */
void rig_folder_remove(void); /* and all in it */
/* A path in it, "" for its own; lives as long as the folder. */
const char *rig_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void rig_put(const char *name, struct span text); /* a file in it, with the folders above */
double rig_megabytes(const char *name);		  /* size of a file in it; 0 when it is absent */
/* What durability alone costs: milliseconds for so many synced appends of so many bytes to one file, in a folder made
 * for it. */
void sample_sync(struct sample *s, int times, int appends, size_t bytes);

/* ---- what is printed ---- */

const char *rig_machine(void); /* "Linux 6.1.0 x86_64, 2 processors" */
/* A row of the table: value, unit, the middle 80 % of the spread (may be NULL) and a note (may be ""). Under its key
 * the value also goes to the line of JSON (key may be NULL). */
void rig_row(
	const char *what, const char *key, double value, const char *unit, struct sample *spread, const char *note);
/* A row of a sample's median. */
void rig_median(const char *what, const char *key, const char *unit, struct sample *s, const char *note);
void rig_json(const char *key, double value); /* to the line alone */
void rig_finish(void);			      /* prints the line */

#endif
