#include "house_rig.h"

#include "base/mem.h"
#include "config/vault.h"

const char house_rig_worker[] = "return function(run) return agent { role = 'worker', task = 'go' }.result end\n";

void house_rig_mode(const char *flow, const char *tools)
{
	static const char *const roles[] = {"lead", "worker"};

	rig_put("data/modes/bench/mode.yaml",
		span_of("id: bench\nname: Bench\ndescription: Work.\nengine: planning\ncategory: test\n"
			"inputs: [{name: n, type: number}]\nroles: [lead, worker]\n"));
	rig_put("data/modes/bench/flow.lua", span_of(flow));
	for (int i = 0; i < 2; i++) {
		cleanup_free char *name = mem_printf("data/modes/bench/roles/%s.md", roles[i]);
		cleanup_free char *role =
			mem_printf("---\nid: %s\ntools: [%s]\ncheck: none\nlimits: {turns: 10000}\n---\nYou work.\n",
				roles[i], tools);
		rig_put(name, span_of(role));
	}
}

void house_rig_call(struct buf *script, const char *match, const char *tool, const char *args)
{
	buf_addf(script,
		"{\"match\":{%s},\"repeat\":%s,\"reply\":{\"text\":\"\",\"tool_calls\":[{\"name\":\"%s\","
		"\"arguments\":%s}]}}\n",
		match, *match ? "true" : "false", tool, args);
}

void house_rig_script(struct buf *script)
{
	struct err e = ERR_INIT;

	must(buf_check(script, "the script", &e), &e);
	rig_put("script.jsonl", buf_span(script));
	buf_release(script);
}

void house_rig_open(struct house_rig *h, const struct house_rig_options *o)
{
	struct err e = ERR_INIT;
	uint8_t key[KEY_SIZE];
	const char *data = rig_path("data"), *modes = rig_path("data/modes");
	struct vault *vault = vault_open(data, true, &e);

	must(!vault, &e);
	vault_chain_key(vault, key);
	vault_close(vault);
	*h = (struct house_rig){.loop = loop_new(&e)};
	must(!h->loop, &e);
	h->store = store_open(h->loop,
		&(struct store_options){.dir = data, .access = STORE_OWN, .chain_key = key, .no_sync = o->no_sync}, &e);
	must(!h->store, &e);
	if (o->base_url)
		h->models = json_pack(
			"{s:{s:{s:s, s:s}}}", "providers", "mock", "base_url", o->base_url, "profile", "compatible");
	h->llm = llm_new(&(struct llm_options){.loop = h->loop, .config = h->models, .allow_local = true}, &e);
	must(!h->llm, &e);
	h->house = house_new(&(struct house_options){.loop = h->loop,
				     .store = h->store,
				     .llm = h->llm,
				     .data_dir = data,
				     .modes_dir = modes,
				     .roles_dir = modes,
				     .user = "bench",
				     .passivate = o->passivate},
		&e);
	must(!h->house, &e);
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

void house_rig_close(struct house_rig *h)
{
	bool done = false;

	house_close(h->house, closed, &done);
	while (!done)
		loop_turn(h->loop, 10);
	store_close(h->store);
	llm_free(h->llm);
	json_decref(h->models);
	while (loop_turn(h->loop, 0))
		;
	loop_free(h->loop);
}

void house_rig_create(struct house_rig *h, const char *project, const char *model, char id[ID_TEXT])
{
	struct err e = ERR_INIT;
	cleanup_json json_t *request = json_pack(
		"{s:s, s:s, s:s, s:{}}", "mode", "bench", "project", rig_path("%s", project), "model", model, "inputs");

	must(house_create(h->house, request, id, &e), &e);
}

bool house_rig_busy(struct house_rig *h, const char *id)
{
	struct run *r = house_run(h->house, id);

	if (!r)
		return false;
	must(run_broken(r)->code != ERR_OK, run_broken(r));
	must(!strcmp(run_state(r), "failed"), run_error(r));
	return !run_final(r) || !run_quiet(r);
}
