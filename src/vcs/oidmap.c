/* oidmap: two direct-mapped tables: a key has one slot, and a newcomer takes it. Memory is touched as it is used. */
#include "vcs/oidmap.h"

#include <pthread.h>

#define SLOTS (1u << 15)

struct to_oid {
	struct hash key;
	git_oid oid;
	bool used;
};
struct to_hash {
	git_oid key;
	struct oid_hash value;
	bool used;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct to_oid oids[SLOTS];
static struct to_hash hashes[SLOTS];

static size_t slot(const uint8_t *b)
{
	return ((size_t)b[0] | (size_t)b[1] << 8) % SLOTS;
}

void oidmap_put(const struct hash *key, const git_oid *oid)
{
	pthread_mutex_lock(&lock);
	oids[slot(key->b)] = (struct to_oid){*key, *oid, true};
	pthread_mutex_unlock(&lock);
}

bool oidmap_get(const struct hash *key, git_oid *out)
{
	const struct to_oid *s = &oids[slot(key->b)];
	bool found;

	pthread_mutex_lock(&lock);
	found = s->used && hash_eq(&s->key, key);
	if (found)
		*out = s->oid;
	pthread_mutex_unlock(&lock);
	return found;
}

void oidmap_put_hash(const git_oid *oid, const struct oid_hash *value)
{
	pthread_mutex_lock(&lock);
	hashes[slot(oid->id)] = (struct to_hash){*oid, *value, true};
	pthread_mutex_unlock(&lock);
}

bool oidmap_get_hash(const git_oid *oid, struct oid_hash *out)
{
	const struct to_hash *s = &hashes[slot(oid->id)];
	bool found;

	pthread_mutex_lock(&lock);
	found = s->used && git_oid_equal(&s->key, oid);
	if (found)
		*out = s->value;
	pthread_mutex_unlock(&lock);
	return found;
}
