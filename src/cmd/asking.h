/* asking: how the actions of a driven run get their answers: from --yes and --answer, or from the person at the
 * terminal.
 *
 * --yes NAME approves the gate of that name, --yes all every gate; never a tool approval, a budget or a question.
 * --answer NAME=TEXT answers any action of that name; several for one name are used in turn, the last one for all that
 * follow. */
#ifndef MUSTER_CMD_ASKING_H
#define MUSTER_CMD_ASKING_H

#include "api/overview.h"
#include "cmd/args.h"
#include "cmd/view.h"

struct asking {
	const struct args *args;
	struct loop *loop;
	/* Set after asking_init: give this command to the run. */
	int (*give)(struct asking *a, const json_t *command, struct err *e);
	const struct overview *overview;
	struct view *view;
	json_t *answered;  /* ids of actions that got an answer from here */
	json_t *used;	   /* name → how many of its --answer were used */
	bool terminal;	   /* a person is there */
	char prompted[24]; /* the action whose prompt is on the terminal; "" none */
	struct watch input;
	bool watching;
	struct buf typed;
	void (*moved)(struct asking *a); /* something was answered, or the person has gone */
};

void asking_init(struct asking *a, const struct args *args, struct loop *l, const struct overview *o, struct view *v,
	bool terminal);
void asking_release(struct asking *a);
/* Answer what can be answered and, when may_prompt, prompt for the rest. Open actions are those of the overview. -1:
 * the machine refused an answer that --answer or --yes gave, or a bad NAME=TEXT. */
int asking_look(struct asking *a, bool may_prompt, struct err *e);

/* The option that the words begin with, or NULL. */
const char *answer_option(const json_t *action, struct span words);
/* What a person's words mean for an action: {option?, text?}: the number or name of an option, alone or followed by
 * words ("2 because", "revise: because"); other words are the text, and for a gate the reason of "revise". */
json_t *answer_parse(const json_t *action, struct span words, struct err *e);
/* The command that gives it. */
json_t *answer_command(const json_t *action, struct span words, const char *by, struct err *e);

/* Who types here: the login name. */
const char *person_name(void);

#endif
