/* shapes: the table. Fields that are not named may stand in any of them: a later muster adds some. */
#include "api/shapes.h"

#include "api/settings.h"
#include "base/shape.h"

const struct named_shape shape_table[] = {
	{"run",
		"run:s mode:s project:s dir:s~? title:s~ "
		"state:(created|queued|running|waiting|paused|completed|failed|cancelled) "
		"phase:s~ created:t updated:t seq:i usd:n usd_unknown:n input_tokens:i output_tokens:i cached_tokens:i "
		"agents:i evidence:s~ branch:s~ merged:s~ waiting_on:s~ budget_usd:n~ parent:s~ user:s~ error:o~ "
		"commit:s~",
		"a run: what its events add up to"},
	{"project",
		"id:s name:s description:s tags:[s] state:(active|archived|deleted|importing|failed) dir:s origin:s "
		"created:t updated:t created_by:s version:i trusted:b deleted:t? about:o? import:o? source:s? "
		"command:s? problem:o? "
		"settings:@project_settings?",
		"a git repository in which runs work; version: of what is known of it (ETag)"},
	{"project_settings", PROJECT_SETTINGS,
		"what a project's runs have where they say nothing else (values: of the mode's settings), and its "
		"rules"},
	{"template", "id:s name:s? description:s? tags:[s]? files:[s]? error:s?",
		"files that a project may begin with"},
	{"stats",
		"files:i lines:i bytes:i dependencies:i incomplete:b languages:a input_tokens:i output_tokens:i "
		"cached_tokens:i usd:n",
		"how much of what a project's folder holds, and what its runs spent"},
	{"risks", "files:i bytes:i more:i incomplete:b high:i medium:i low:i found:a",
		"what to look at before trusting files that came from elsewhere"},
	{"action",
		"run:s action:s name:s kind:s title:s body:s~ options:a~ priority:s state:(open|resolved|closed) "
		"opened:t "
		"resolved:t~ answer:o~ agent:s~ call:s~ seq:i project:s~ "
		"expires:t~",
		"something that a person must decide"},
	{"usage_row", "run:s role:s model:s calls:i input:i output:i cached:i usd:n usd_unknown:n cache_rate:n",
		"what one role of a run spent on one model"},
	{"message",
		"seq:i at:t kind:(began|message|answer|failure|result|denial|compaction|end) agent:s from:s~? text:s~? "
		"turn:i? calls:a~? call:s? status:s? content:x? model:s? usd:n?",
		"what was said to, by or about an agent; kind says by which event, whose other fields it has too"},
	{"agent", "agent:s role:s~ name:s~ parent:s~ state:s turns:i usd:n task:s~ error:s~",
		"an agent of a run; its id is its parent's with a number behind it"},
	{"task", "task:s title:s role:s~? depends:a~? status:s agent:s~? result:x?", "a task of a run's plan"},
	{"cost",
		"run:s usd:n usd_unknown:n budget_usd:n~ left_usd:n~ input_tokens:i output_tokens:i cached_tokens:i "
		"took_us:i by:[@usage_row]",
		"what a run has spent; usd_unknown: on calls that were lost"},
	{"artifact",
		"kind:(artifact|file) name:s type:s~ blob:s~ id:s? path:s~? size:i~? agent:s~? "
		"change:(added|modified|deleted)? text:s? more:b? binary:b?",
		"an output of a run, or a file that it changed; without an id it has no content"},
	{"replay", "run:s same:b events:i? difference:s?",
		"whether a run does again what its journal says; which event is not the same"},
	{"spread", "median:n low:n high:n least:n most:n", "half of them lie from low to high"},
	{"estimate",
		"mode:s runs:i usd:@spread~ took_s:@spread~ at_most_usd:n~ limited_by:(run|project|user|house)~ "
		"mode_says:o~? text:s",
		"what earlier runs of a mode cost, and how long they took, waits for people included"},
	{"pinned", "pinned:b", "whether a run is kept for ever"},
	{"removed", "removed:b", "a run is gone"},
	{"usage_sum",
		"user:s? project:s? run:s? role:s? model:s? day:s? calls:i input:i output:i cached:i usd:n "
		"usd_unknown:n cache_rate:n",
		"what was spent, by what it is grouped by; cache_rate: cached of all input tokens, 0 to 1"},
	{"budget", "scope:s limit_usd:n~ period:(all|month) alerts:[i] spent:n reserved:n share:n",
		"what runs may cost together; spent and reserved in its period, share in percent of the limit"},
	{"setting", "name:s type:s default:s help:s value:x? source:s restart:b",
		"a setting of the installation; restart: a change counts at the next start"},
	{"config", "valid:b message:s? line:i? changes:a",
		"what a configuration would change: name, from, to, restart, allowed (to this caller)"},
	{"uploaded", "id:s version:i", "what was put there, and which version of it that is"},
	{"provider", "name:s kind:s key:b ready:b base_url:s? key_from:s? key_in:s? models:[s]",
		"who answers for models; key_from: where a key is looked for, key_in: where one was"},
	{"provider_key", "provider:s set:b in:s? end:s? tried:b? answer:s?",
		"the key of a provider; end: its last characters; tried: the provider took it; answer: what it said"},
	{"model", "model:s ready:b context:i max_output:i classes:[s] price:o?",
		"a model; price in dollars per million tokens: input, output, cached, cache_write, date, source"},
	{"taken", "ok:b queued:b", "a command is in the run's journal, or (queued) waits for the run to go on"},
	{"fork", "run:s at:i from:s", "a new run, and the event up to which it is the old one"},
	{"merge", "merged:b already:b? commit:s~? conflicts:a?", "how a run's branch came into its project"},
	{"mode", "id:s name:s? description:s? category:s? engine:s? inputs:a? outputs:a?", "a kind of job"},
	{"role", "id:s", "who does it: instructions, tools, model class"},
	{"session", "person:s? session:s? access:s? refresh:s? csrf:s? access_s:i? expires:t? pending:b?",
		"a session; its tokens are in cookies where these were asked for. pending: first the address is "
		"verified"},
	{"session_row", "id:s created:t expires:t remember:i address:s agent:s used:t~", "a session of a person"},
	{"me",
		"by:(local|session|key) name:s role:(none|viewer|member|admin|owner) scopes:[s] token:s~ csrf:s~ "
		"person:o~",
		"who is asking"},
	{"person",
		"id:s name:s email:s role:(viewer|member|admin|owner) disabled:b verified:b created:t profile:o? "
		"policy:[o]?",
		"a person with an account"},
	{"changed", "person:s?", "whose account it was"},
	{"identity", "linked:b issuer:s? sub:s?", "an account at an OpenID provider with which a person signs in"},
	{"key", "id:s name:s scopes:i created:t expires:t project:s? used:t~",
		"an API key: scopes 1 read, 2 write, 4 admin"},
	{"new_key", "id:s key:s", "an API key, shown this once"},
	{"invite", "id:s by:s role:s email:s? project:s? project_role:s? created:t until:t", "an open invitation"},
	{"new_invite", "id:s token:s", "an invitation, shown this once"},
	{"member", "id:s person:s role:(viewer|member|admin|owner) since:t name:s", "a member of a project"},
	{"account_settings", "registration:b verify_email:b oidc:o?",
		"who may come in; oidc: {name} of the OpenID provider, where there is one"},
	{"link", "kind:s to:s name:s~ token:s until:t", "a token that no mail could carry"},
	{"audit_event", "seq:i at:t who:s what:s object:s~ detail:o~", "something that somebody did"},
	{"webhook", "id:s url:s project:s? events:a? on:b why:s? by:s at:t", "an address that is told what happens"},
	{"subscription", "id:s host:s at:t", "a browser that is told what needs its person"},
	{"notices", "push:[s] mail:[s]",
		"what a person is told of, and how: question, approval, failed, finished, budget"},
	{"made", "id:s secret:s?", "what was made or changed; a secret is shown this once"},
	{"queued", "queued:b", "it is sent soon"},
	{"sent", "sent:b", "the mail server has taken it"},
	{"push_key", "key:s", "P-256, base64url"},
	{"health", "status:(ok) version:s", "this process serves"},
	{"ready", "status:(ready) queued:i", "it takes work, and so many runs wait for their turn"},
	{"problem", "type:s title:s status:i detail:s? code:s", "RFC 9457: what went wrong, and what to do"},
	{NULL},
};

json_t *shapes_schemas(struct err *e)
{
	json_t *all = json_make(e, "{}");
	for (const struct named_shape *s = shape_table; all && s->name; s++) {
		json_t *schema = shape_schema(s->fields, true, SHAPE_PREFIX, e);
		if (!schema || json_put(schema, "description", json_string(s->summary)) ||
			json_put(all, s->name, json_incref(schema))) {
			json_decref(all);
			all = NULL;
			if (e->code == ERR_OK)
				err_nomem(e);
		}
		json_decref(schema);
	}
	return all;
}
