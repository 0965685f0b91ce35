/* playing: scripts as models; inside of llm/ only. */
#ifndef MUSTER_LLM_PLAYING_H
#define MUSTER_LLM_PLAYING_H

#include "llm/private.h"

/* The script of this file ("script:" in front is skipped), loaded on first use; l->scripts owns it. */
struct script *playing_script(struct llm *l, const char *file, struct err *e);

#endif
