/* map: an insertion-ordered array of entries, and a table of slots pointing into it (linear probing).
 * A deleted entry keeps its slot (its value is NULL) until the next insertion that finds half of the entries deleted or
 * the array full; deleting moves nothing, so an iteration may delete. Keys come from outside, so they are hashed with
 * SipHash-1-3 (Aumasson and Bernstein) under a key of the process. */
#include "base/map.h"

#include <string.h>
#include <sys/auxv.h>

#include "base/err.h"
#include "base/mem.h"

#define FIRST_ROOM 8u
#define ROOM_MAX (1u << 30)

static uint64_t hash_key[2];

/* The kernel hands every process 16 random bytes. */
__attribute__((constructor)) static void hash_seed(void)
{
	const void *bytes = (const void *)getauxval(AT_RANDOM);

	if (bytes)
		memcpy(hash_key, bytes, sizeof hash_key);
}

static inline uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t sip_hash(struct span s)
{
	uint64_t v[4] = {hash_key[0] ^ UINT64_C(0x736f6d6570736575), hash_key[1] ^ UINT64_C(0x646f72616e646f6d),
		hash_key[0] ^ UINT64_C(0x6c7967656e657261), hash_key[1] ^ UINT64_C(0x7465646279746573)};
	uint64_t word, tail = (uint64_t)s.n << 56;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (unsigned shift = 0; i < s.n; i++, shift += 8)
		tail |= (uint64_t)(unsigned char)s.p[i] << shift;
	v[3] ^= tail;
	sip_round(v);
	v[0] ^= tail;
	v[2] ^= 0xFF;
	for (int r = 0; r < 3; r++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, size_t cap)
{
	*m = (struct map){.cap = cap};
}

void map_release(struct map *m, void (*free_value)(void *))
{
	for (size_t i = 0; i < m->used; i++) {
		mem_free(m->entries[i].key);
		if (free_value && m->entries[i].value)
			free_value(m->entries[i].value);
	}
	mem_free(m->entries);
	mem_free(m->slots);
	map_init(m, m->cap);
}

static struct map_entry *find(const struct map *m, struct span key, uint64_t hash)
{
	if (m->slot_count == 0)
		return NULL;
	for (size_t at = hash & (m->slot_count - 1); m->slots[at]; at = (at + 1) & (m->slot_count - 1)) {
		struct map_entry *en = &m->entries[m->slots[at] - 1];
		if (en->value && en->hash == hash && span_eq(span_n(en->key, en->key_len), key))
			return en;
	}
	return NULL;
}

static void link_entry(struct map *m, size_t index)
{
	size_t at = m->entries[index].hash & (m->slot_count - 1);

	while (m->slots[at])
		at = (at + 1) & (m->slot_count - 1);
	m->slots[at] = (uint32_t)index + 1;
}

/* Drop the deleted entries and build the slots anew. */
static void compact(struct map *m)
{
	size_t to = 0;

	memset(m->slots, 0, m->slot_count * sizeof *m->slots);
	for (size_t i = 0; i < m->used; i++) {
		if (!m->entries[i].value)
			continue;
		m->entries[to] = m->entries[i];
		link_entry(m, to++);
	}
	m->used = to;
}

/* Room for one more entry; slots are always twice the entries, so a probe always ends. */
static int make_room(struct map *m)
{
	size_t room = m->room ? m->room * 2 : FIRST_ROOM;
	struct map_entry *entries;
	uint32_t *slots;

	if (m->used >= FIRST_ROOM && m->live <= m->used / 2)
		compact(m);
	if (m->used < m->room)
		return 0;
	if (room > ROOM_MAX)
		return -1;
	slots = mem_calloc(room * 2, sizeof *slots);
	if (!slots)
		return -1;
	entries = mem_realloc(m->entries, room * sizeof *entries);
	if (!entries) {
		mem_free(slots);
		return -1;
	}
	mem_free(m->slots);
	m->entries = entries;
	m->slots = slots;
	m->room = room;
	m->slot_count = room * 2;
	compact(m);
	return 0;
}

int map_set(struct map *m, struct span key, void *value, void **old, struct err *e)
{
	uint64_t hash = sip_hash(key);
	struct map_entry *en = find(m, key, hash);
	char *copy;

	BUG_ON(!value);
	if (old)
		*old = en ? en->value : NULL;
	if (en) {
		en->value = value;
		return 0;
	}
	if (m->live >= m->cap)
		return err_set(e, ERR_TOO_LARGE, "a table is full (%zu entries)", m->cap);
	copy = span_dup(key);
	if (!copy)
		return err_nomem(e);
	if (make_room(m)) {
		mem_free(copy);
		return err_nomem(e);
	}
	m->entries[m->used] = (struct map_entry){.key = copy, .key_len = key.n, .hash = hash, .value = value};
	link_entry(m, m->used++);
	m->live++;
	return 0;
}

void *map_get(const struct map *m, struct span key)
{
	struct map_entry *en = m->live ? find(m, key, sip_hash(key)) : NULL;

	return en ? en->value : NULL;
}

void *map_del(struct map *m, struct span key)
{
	struct map_entry *en = m->live ? find(m, key, sip_hash(key)) : NULL;
	void *value;

	if (!en)
		return NULL;
	value = en->value;
	mem_free(en->key);
	en->key = NULL;
	en->value = NULL;
	m->live--;
	return value;
}

struct map_entry *map_next(const struct map *m, size_t *i)
{
	while (*i < m->used) {
		struct map_entry *en = &m->entries[(*i)++];
		if (en->value)
			return en;
	}
	return NULL;
}
