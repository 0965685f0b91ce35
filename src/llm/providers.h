/* providers: the endpoints that answer; inside of llm/ only. They live as long as the llm. */
#ifndef MUSTER_LLM_PROVIDERS_H
#define MUSTER_LLM_PROVIDERS_H

#include "llm/private.h"

/* Fill l->providers: every known provider with what the environment and the vault say, then the configuration's. */
int providers_configure(struct llm *l, struct err *e);
/* The provider behind "exec:PROGRAM" or "script:FILE", in l->providers from then on. ERR_INVALID: nothing after the
 * colon. */
struct provider *provider_local(struct llm *l, const char *name, struct err *e);
void provider_free(void *v);
/* Has it an address and, where one is needed, a key? -1 with ERR_NO_MODEL or ERR_NO_KEY that says what to set. */
int provider_ready(const struct provider *p, struct err *e);
/* Set e to ERR_NO_MODEL for a class that nobody serves: names every variable that would help. Returns -1. */
int providers_none(const char *class_name, struct err *e);

#endif
