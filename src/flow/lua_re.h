/* lua_re: `re`, Perl-compatible patterns (PCRE2) with a match limit.
 *
 *   re.match(text, pattern [, init])        captures, or the whole match when there are none; nil
 *   re.find(text, pattern [, init])         first and last byte, captures; nil
 *   re.gmatch(text, pattern)                iterator over what match returns
 *   re.gsub(text, pattern, with [, most])   text and number of replacements; with: a text (%0-%9, %%), function or
 * table
 *
 * Texts are UTF-8; bytes that are not match nothing but themselves being skipped. A capture that took no part is false.
 * Flags stand in the pattern ("(?i)"). A pattern has at most CAP_FLOW_RE bytes. */
#ifndef MUSTER_FLOW_LUA_RE_H
#define MUSTER_FLOW_LUA_RE_H

#include <lua.h>

void lua_re_open(lua_State *L);

#endif
