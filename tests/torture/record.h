/* record: what the process changes on the disk, in order, as a file from which tests/torture/power makes what a power
 * cut may leave of it.
 *
 * A record is a line "OP A B C N M", then N and M bytes. A, B, C are inode numbers and the like:
 *	B			a process begins; its records are numbered from 0
 *	F dir inode mode name	a new file	D dir inode mode name	a new folder
 *	Y dir inode 0 name to	a new link	L dir inode 0 name	another name for a file
 *	U dir 0 0 name		a name goes	R dir dir 0 name name	a name moves
 *	W inode at 0 bytes	a write		T inode size 0		a length
 *	S inode from data	a sync ended that began when there were `from` records; data: 1 for fdatasync
 * A change and its record are one step for other threads (record_begin, record_end): what is not recorded was not told
 * to anybody. Without record_to nothing is recorded. All of them leave errno alone. */
#ifndef TORTURE_RECORD_H
#define TORTURE_RECORD_H

#include <stddef.h>
#include <sys/types.h>

void record_to(const char *path); /* the disk is the one of the working directory */
void record_begin(void);
void record_end(void);
void record_made(char op, int dir, const char *path, const char *to); /* 'F', 'D', 'Y' (with to) or 'L' */
void record_gone(int dir, const char *path);
void record_moved(int from_dir, const char *from, int to_dir, const char *to);
void record_bytes(int fd, const void *data, ssize_t n, off64_t at); /* after the write; at -1: where the file is now */
void record_size(int fd);
unsigned long record_count(void);
void record_synced(int fd, unsigned long from, int data_only);

#endif
