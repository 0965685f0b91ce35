/* openapi: the table of routes as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0). */
#ifndef MUSTER_API_OPENAPI_H
#define MUSTER_API_OPENAPI_H

#include "base/json.h"

/* A new reference, or NULL. */
json_t *openapi_document(struct err *e);

#endif
