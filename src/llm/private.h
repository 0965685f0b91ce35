/* What the files of llm/ share: the inside of struct llm, providers, and the life of one call. */
#ifndef MUSTER_LLM_PRIVATE_H
#define MUSTER_LLM_PRIVATE_H

#include "base/blob.h"
#include "base/map.h"
#include "llm/dialect.h"
#include "llm/llm.h"
#include "llm/prices.h"

/* How a provider is spoken to. start() begins a call whose results go into c; finish with call_end. */
struct service {
	const char *kind; /* as in the configuration */
	int (*start)(struct llm_call *c, struct llm *l, struct err *e);
	void (*cancel)(struct llm_call *c);
};
extern const struct service service_http, service_exec, service_script;

struct provider {
	char *name; /* "anthropic"; of local ones "exec:PROGRAM", "script:FILE" */
	const struct service *service;
	const struct dialect *dialect; /* http */
	const struct profile *profile; /* http */
	char *base_url;		       /* without a slash at the end */
	char *key;		       /* NULL: none */
	char *key_names;	       /* for messages: where a key would be looked for */
	const char *key_in;	       /* where it was: "environment", "vault", "configuration" */
	bool key_needed;
	json_t *headers;       /* more headers: object of strings, or NULL */
	char **command;	       /* exec: NULL-terminated */
	char *file;	       /* script */
	struct script *script; /* loaded on first use; owned by l->scripts */
	char *served;	       /* `compatible`: the model that stands for every class, or NULL */
};

/* A model of a provider, kept as long as the llm: llm_model.provider points to it. */
struct target {
	struct provider *provider;
	char *model;
	unsigned flags; /* enum model_flag */
};

#define OFFER_CACHE 64
struct offer { /* tools as they go over the wire */
	json_t *tools;
	enum llm_wire wire;
	struct blob *bytes;
	uint64_t used;
};

struct llm {
	struct loop *loop;
	struct http *http;
	const json_t *config; /* a reference */
	json_t *prices_file;
	const struct vault *vault;
	bool allow_local;
	int64_t first_byte_ms, idle_ms;
	struct map providers; /* name → struct provider */
	struct map targets;   /* "provider:model" → struct target */
	struct map scripts;   /* file → struct script */
	struct offer offers[OFFER_CACHE];
	uint64_t offer_clock;
	size_t calls; /* alive, for llm_free's complaint */
};

static inline const struct target *call_target(const struct llm_call *c)
{
	return c->model->provider;
}

/* The tools' bytes for this wire (without outer brackets), cached by the tools object's
 * address, of which a reference is kept. Borrowed until the next but OFFER_CACHE; NULL with an error. */
const struct blob *llm_offer(struct llm *l, const json_t *tools, const struct dialect *dialect, struct err *e);

/* Results common to all services. */
void call_reset(struct llm_call *c);
/* Move what a decoder gathered into the call; estimates usage that was not told. */
int call_take(struct llm_call *c, struct decoder *d, struct err *e);
/* Last thing a service does: counts the call out, sets took_ms, calls on_done. */
void call_end(struct llm_call *c, struct llm *l, int64_t began_us, const struct err *why);

#endif
