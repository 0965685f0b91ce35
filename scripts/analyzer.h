/* Included before every file by scripts/tidy: what the analyzer cannot know because it sees one file at a time. Functions
 * that set an error return -1. */
#include "base/err.h"

#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#define err_errno(...) (err_errno(__VA_ARGS__), -1)
#define err_nomem(...) (err_nomem(__VA_ARGS__), -1)
