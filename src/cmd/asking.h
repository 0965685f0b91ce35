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

/* What a person says in a chat: each message once, as the answer to the action `message` when that is open. */
struct talk {
	char *text;  /* the next one, mem_free; NULL: none, or it is on its way */
	char *given; /* that one; until it is known to have arrived */
	bool on;     /* then the person types on, a line a message */
	bool turn;   /* the run rests, and it is the person's turn */
};

struct asking {
	const struct args *args;
	struct loop *loop;
	/* Set after asking_init: give this command to the run. */
	int (*give)(struct asking *a, const json_t *command, struct err *e);
	const struct overview *overview;
	struct view *view;
	struct talk *talk; /* set after asking_init; NULL: no chat */
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
/* Did a command that was given carry the message that is on its way? */
bool asking_said(const struct asking *a, const json_t *command);
/* It arrived, or somebody else was faster: then it waits for the next turn. */
void asking_told(struct asking *a, bool arrived);
/* Is it the person's turn in a chat, and nothing else open? */
bool asking_turn(const struct overview *o);
void talk_release(struct talk *t);

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
