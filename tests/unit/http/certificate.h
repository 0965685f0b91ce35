/* certificate: a fresh self-signed certificate for localhost and 127.0.0.1, with its key, as two PEM files. */
#ifndef MUSTER_TESTS_CERTIFICATE_H
#define MUSTER_TESTS_CERTIFICATE_H

/* Valid from an hour ago for so many seconds (negative: expired). */
void certificate_make(const char *certificate, const char *key, long seconds);

#endif
