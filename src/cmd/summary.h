/* summary: what is said when a process stops working on a run: what was built, its checks, commits, cost, where it
 * lies, what to type next. */
#ifndef MUSTER_CMD_SUMMARY_H
#define MUSTER_CMD_SUMMARY_H

#include "api/overview.h"
#include "cmd/args.h"
#include "cmd/view.h"

/* status: the exit status; why: what broke in this process, or NULL; args: say which data folder or server commands
 * must name. Blocking: reads the project's commits. */
void summary_text(
	const struct overview *o, int status, const struct err *why, const struct args *args, struct buf *out);
/* The same at the end of a view, and to standard error what a person sees nowhere else. */
void summary_show(struct view *v, const struct overview *o, int status, const struct err *why, const struct args *args);
/* The first line of what the run's flow returned as its summary; empty when there is none. Borrowed. */
struct span summary_result(const struct overview *o);
/* Dollars, those of lost calls too, without the noise of binary fractions. */
double summary_usd(const struct overview *o);
/* {"run","state","evidence","exit","cost", and more} */
json_t *summary_json(const struct overview *o, int status, struct err *e);

#endif
