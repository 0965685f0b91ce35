#include "http/handshake.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define KEY_TEXT 24				    /* 16 bytes in base64 */

/* The next element of a list, without spaces around it; false at the end. Quoted strings hold no separator in any
 * extension that is understood here. */
static bool next(struct span *list, char separator, struct span *out)
{
	size_t n = 0;

	if (!list->p)
		return false;
	while (n < list->n && list->p[n] != separator)
		n++;
	*out = span_trim(span_n(list->p, n));
	*list = n < list->n ? span_n(list->p + n + 1, list->n - n - 1) : SPAN_NONE;
	return true;
}

static bool same(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

bool handshake_token(const char *header, const char *token)
{
	struct span rest = header ? span_of(header) : SPAN_NONE, one;

	while (next(&rest, ',', &one))
		if (same(one, token))
			return true;
	return false;
}

int handshake_accept(const char *key, char out[HANDSHAKE_ACCEPT], struct err *e)
{
	unsigned char bytes[KEY_TEXT], digest[EVP_MAX_MD_SIZE];
	char text[KEY_TEXT + sizeof GUID];
	unsigned n;

	if (!key || strlen(key) != KEY_TEXT || strcmp(key + KEY_TEXT - 2, "==") != 0 ||
		EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_TEXT) < 0)
		return err_set(e, ERR_INVALID, "Sec-WebSocket-Key must be 16 bytes in base64");
	memcpy(text, key, KEY_TEXT);
	memcpy(text + KEY_TEXT, GUID, sizeof GUID);
	if (EVP_Digest(text, sizeof text - 1, digest, &n, EVP_sha1(), NULL) != 1)
		return err_set(e, ERR_INTERNAL, "SHA-1 cannot be had of OpenSSL");
	EVP_EncodeBlock((unsigned char *)out, digest, (int)n);
	return 0;
}

/* The parameters of one offer (RFC 7692 7.1): each at most once, none that we would have to keep a window for. */
static bool offer_suits(struct span offer)
{
	enum { SERVER_FRESH = 1, CLIENT_FRESH = 2, SERVER_BITS = 4, CLIENT_BITS = 8 };
	static const struct {
		const char *name;
		int bit;
		bool takes, needs; /* a value */
	} known[] = {
		{"server_no_context_takeover", SERVER_FRESH, false, false},
		{"client_no_context_takeover", CLIENT_FRESH, false, false},
		{"server_max_window_bits", SERVER_BITS, true, true},
		{"client_max_window_bits", CLIENT_BITS, true, false},
	};
	struct span one = SPAN_NONE, value;
	int seen = 0;

	next(&offer, ';', &one);
	if (!same(one, "permessage-deflate"))
		return false;
	while (next(&offer, ';', &value)) {
		struct span name = SPAN_NONE;
		size_t i = 0;
		next(&value, '=', &name);
		while (i < sizeof known / sizeof *known && !same(name, known[i].name))
			i++;
		if (i == sizeof known / sizeof *known || (seen & known[i].bit) || (value.p && !known[i].takes) ||
			(!value.p && known[i].needs))
			return false;
		seen |= known[i].bit;
		/* A smaller window than zlib's whole would need a compressor of its own. */
		if (known[i].bit == SERVER_BITS && !same(span_trim(value), "15") && !same(span_trim(value), "\"15\""))
			return false;
	}
	return true;
}

bool handshake_deflates(const char *extensions)
{
	struct span rest = extensions ? span_of(extensions) : SPAN_NONE, offer;

	while (next(&rest, ',', &offer))
		if (offer_suits(offer))
			return true;
	return false;
}
