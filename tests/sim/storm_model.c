/* storm_model: what a model may say: sense, nonsense, or nothing at all. In the calm it finishes. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "storm.h"

#define C(name, args) "[{\"name\":\"" name "\",\"arguments\":" args "}]"

static const struct {
	enum err_code code;
	int status;
	const char *text;
} failures[] = {
	{ERR_RATE_LIMITED, 429, "too many requests"},
	{ERR_OVERLOADED, 529, "the model is busy"},
	{ERR_OVERLOADED, 500, "an error at the provider"},
	{ERR_NETWORK, 0, "the stream was cut"},
	{ERR_NETWORK, 200, "the stream ended without its end"},
	{ERR_MODEL_REPLY, 200, "a line of the stream is no JSON"},
	{ERR_TIMEOUT, 0, "no byte for 60 s"},
	{ERR_TOO_LARGE, 400, "the prompt is too long"},
	{ERR_MODEL, 400, "the request was refused"},
};

static void fail(struct world *w, struct llm_call *c, struct err *why)
{
	uint64_t of = sizeof(failures) / sizeof(*failures);
	if (rng_below(&w->rng, 5)) /* those that are not tried again end the run: they are rare */
		of -= 2;
	uint64_t i = rng_below(&w->rng, of);
	if (failures[i].status == 200 && c->on_text)
		c->on_text(c, span_of("Half an ans"));
	c->status = failures[i].status;
	if (failures[i].status == 429 && rng_below(&w->rng, 2))
		c->retry_ms = (int64_t)rng_below(&w->rng, 100000);
	err_set(why, failures[i].code, "%s", failures[i].text);
}

static const char *const sense[] = {
	C("write_file", "{\"path\":\"a/%d.txt\",\"content\":\"one\\n\"}"),
	C("write_file", "{\"path\":\"shared.txt\",\"content\":\"one %d\\n\"}"),
	C("edit_file", "{\"path\":\"shared.txt\",\"edits\":[{\"from\":\"one\",\"to\":\"one more\"}]}"),
	C("read_file", "{\"path\":\"shared.txt\"}"),
	C("delete_path", "{\"path\":\"a/%d.txt\"}"),
	C("list", "{}"),
	C("glob", "{\"pattern\":\"**\"}"),
	C("search", "{\"pattern\":\"one\"}"),
	C("note", "{\"key\":\"k\",\"value\":\"v%d\"}"),
	C("plan", "{\"tasks\":[{\"id\":\"t%d\",\"title\":\"T\"}]}"),
	C("run_tests", "{}"),
	C("ask_human", "{\"name\":\"which\",\"title\":\"Which?\",\"options\":[\"red\",\"blue\"]}"),
	C("ask_human", "{\"name\":\"free\",\"title\":\"What?\"}"),
	C("fan", "{}"),
	C("wait", "{}"),
	"[{\"name\":\"read_file\",\"arguments\":{\"path\":\"shared.txt\"}},{\"name\":\"list\",\"arguments\":{}},"
	"{\"name\":\"write_file\",\"arguments\":{\"path\":\"b.txt\",\"content\":\"%d\"}}]",
	"[{\"name\":\"write_file\",\"arguments\":{\"path\":\"test.sh\",\"content\":\"have shared.txt one\\n\"}},"
	"{\"name\":\"run_tests\",\"arguments\":{}},{\"name\":\"finish\",\"arguments\":{\"result\":\"r%d\"}}]",
};

static const char *const nonsense[] = {
	C("nothing", "{}"),
	C("write_file", "{\"path\":7}"),
	C("read_file", "{\"path\":\"../outside\"}"),
	C("write_file", "{\"path\":\".git/config\",\"content\":\"x\"}"),
	"[{\"name\":\"write_file\",\"bad\":\"{\\\"path\\\":\\\"half\"}]",
	C("finish", "{\"answer\":42}"),
	C("shell", "{\"command\":\"no such command\"}"),
	C("shell", "{\"command\":\"false\"}"),
	"[{\"name\":\"finish\",\"arguments\":{\"result\":\"x\"}},{\"name\":\"list\",\"arguments\":{}}]",
};

static const char *const directives[] = {
	"CHANGE CONTENT=\"one %d\"",
	"CHANGE CONTENT=\"\"\"one\ntwo",
	"READ \"shared.txt\"",
	"Some prose.\nCHANGE CONTENT=\"one\"",
	"run_tests()",
	"run_tests(",
	"FINISH PROMPT=\"done %d\"",
	"FINISH PROMPT=\"done",
	"no directive at all",
	"RUN \"effect file.log t%d.\"",
	"DELEGATE PROMPT=\"not mine\"",
	"READ \"a\"\nREAD \"b\"",
};

#define PICK(w, list) list[rng_below(&(w)->rng, sizeof(list) / sizeof(*(list)))]

static void say(struct llm_call *c, const char *text, const char *calls, int token, struct err *why)
{
	char filled[2048];
	const char *form = calls ? calls : text, *at = strstr(form, "%d");
	snprintf(filled, sizeof(filled), "%.*s", at ? (int)(at - form) : (int)strlen(form), form);
	if (at)
		snprintf(filled + strlen(filled), sizeof(filled) - strlen(filled), "%d%s", token, at + 2);
	struct line l = {.calls = calls ? filled : NULL, .text = calls ? text : filled};
	brain_fill(c, &l, why);
}

void storm_think(struct world *w, struct llm_call *c, struct err *why)
{
	struct storm *s = w->storm;
	bool directive = !c->tools;
	bool stubborn = (w->seed + (uint64_t)c->agent[0] + strlen(c->agent)) % 9 == 0; /* the same, again and again */
	int token = (int)++s->tokens;
	uint64_t roll = rng_below(&w->rng, 100);
	if (!s->calm && !rng_below(&w->rng, (uint64_t)s->rough)) {
		s->faults[STORM_MODEL]++;
		fail(w, c, why);
		return;
	}
	if (directive)
		say(c, s->calm ? "FINISH PROMPT=\"done %d\"" : PICK(w, directives), NULL, token, why);
	else if (stubborn && !s->calm)
		say(c, NULL, C("list", "{}"), token, why);
	else if (s->calm || roll < 15)
		say(c, NULL, C("finish", "{\"result\":\"r%d\"}"), token, why);
	else if (roll < 35)
		say(c, NULL, C("shell", "{\"command\":\"effect agents.log t%d.\"}"), token, why);
	else if (roll < 80)
		say(c, "So.", PICK(w, sense), token, why);
	else if (roll < 88)
		say(c, NULL, PICK(w, nonsense), token, why);
	else if (roll < 94)
		say(c, "Words alone.", NULL, token, why);
	else {
		say(c, "Cut at the limit of tok", NULL, token, why);
		c->stop = LLM_STOP_LENGTH;
	}
	if (why->code != ERR_OK)
		world_fail(w, "a line of the model: %s", why->text);
	c->usage = (struct llm_usage){
		.input = (int64_t)rng_below(&w->rng, 200), .output = (int64_t)rng_below(&w->rng, 90)};
}
