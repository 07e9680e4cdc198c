/* pub_string.c: strings to ids: a private hash table, published as plain entries.
 *
 * Threads: a known string is found without a lock; a new one is added under the table's lock.
 * Never:   reads the segment back: another process could have changed it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/pub_priv.h"

/* Memory of the segment is taken for this many strings at a time. */
#define STRINGS_AT_ONCE 256u

/* Multiply and fold, eight bytes at a time, from a random seed: peers are chosen by strangers. */
static uint64_t hash_of(uint64_t seed, const char *text, size_t text_bytes)
{
    uint64_t hash = seed ^ (text_bytes * UINT64_C(0x9e3779b97f4a7c15));
    for (size_t at = 0; at < text_bytes; at += 8) {
        uint64_t word = 0;
        size_t left = text_bytes - at;
        memcpy(&word, text + at, left < 8 ? left : 8);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return hash;
}

int mc_pub_strings_init(struct mc_pub_strings *s, uint32_t room, uint64_t seed, uint8_t *entries,
                        uint64_t entries_off, uint32_t *published_count, int fd)
{
    uint32_t slots = 16;
    while (slots < room * 2)
        slots *= 2;
    s->slots = calloc(slots, sizeof *s->slots);
    if (!s->slots)
        return -1;
    s->slot_mask = slots - 1;
    s->room = room;
    s->seed = seed;
    s->entries = entries;
    s->entries_off = entries_off;
    s->published_count = published_count;
    s->committed = room < STRINGS_AT_ONCE ? room : STRINGS_AT_ONCE;
    int failed =
        posix_fallocate(fd, (off_t)entries_off, (off_t)s->committed * MC_SEGMENT_STRING_BYTES);
    if (failed) {
        free(s->slots);
        s->slots = NULL;
        errno = failed;
        return -1;
    }
    pthread_mutex_init(&s->lock, NULL);
    static const char other[] = "(other)";
    entries[MC_SEGMENT_STRING_BYTES] = sizeof other - 1;
    memcpy(entries + MC_SEGMENT_STRING_BYTES + 1, other, sizeof other - 1);
    s->count = 2; /* 0 is "" */
    atomic_store(&s->is_full, s->count >= room);
    MC_PUT(published_count, s->count);
    return 0;
}

void mc_pub_strings_fini(struct mc_pub_strings *s)
{
    if (!s->slots)
        return;
    for (uint32_t i = 0; i <= s->slot_mask; i++)
        free(atomic_load_explicit(&s->slots[i], memory_order_relaxed));
    free(s->slots);
    s->slots = NULL;
    pthread_mutex_destroy(&s->lock);
}

/* Find the string, or the empty slot where it belongs. The table is never more than half full. */
static struct mc_pub_string *find(struct mc_pub_strings *s, uint64_t hash, const char *text,
                                  size_t text_bytes, uint32_t *slot_idx)
{
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct mc_pub_string *known =
            atomic_load_explicit(&s->slots[i & s->slot_mask], memory_order_acquire);
        if (!known) {
            *slot_idx = i & s->slot_mask;
            return NULL;
        }
        if (known->hash == hash && known->text_bytes == text_bytes &&
            memcmp(known->text, text, text_bytes) == 0)
            return known;
    }
}

/* Under the lock: give the string the next id and publish it. 0 when there is no room. */
static uint32_t add(struct mc_tracer *t, struct mc_pub_strings *s, uint64_t hash, const char *text,
                    size_t text_bytes, uint32_t slot_idx)
{
    if (s->count >= s->room) {
        atomic_store_explicit(&s->is_full, 1, memory_order_relaxed);
        return 0;
    }
    if (s->count >= s->committed) {
        uint32_t more = s->room - s->committed;
        if (more > STRINGS_AT_ONCE)
            more = STRINGS_AT_ONCE;
        if (posix_fallocate(
                t->fd, (off_t)(s->entries_off + (uint64_t)s->committed * MC_SEGMENT_STRING_BYTES),
                (off_t)more * MC_SEGMENT_STRING_BYTES) != 0)
            return 0;
        s->committed += more;
    }
    struct mc_pub_string *string = malloc(sizeof *string + text_bytes);
    if (!string)
        return 0;
    string->hash = hash;
    string->string_id = s->count;
    string->text_bytes = (uint32_t)text_bytes;
    memcpy(string->text, text, text_bytes);
    uint8_t *entry = s->entries + (size_t)s->count * MC_SEGMENT_STRING_BYTES;
    memcpy(entry + 1, text, text_bytes);
    entry[0] = (uint8_t)text_bytes;
    s->count++;
    MC_PUT(s->published_count, s->count);
    atomic_store_explicit(&s->slots[slot_idx], string, memory_order_release);
    return string->string_id;
}

uint32_t mc_pub_strings_id(struct mc_tracer *t, struct mc_pub_strings *s, const char *text,
                           size_t text_bytes)
{
    if (text_bytes == 0)
        return 0;
    if (text_bytes >= MC_SEGMENT_STRING_BYTES)
        text_bytes = MC_SEGMENT_STRING_BYTES - 1;
    uint32_t slot_idx, string_id = 0;
    uint64_t hash = hash_of(s->seed, text, text_bytes);
    struct mc_pub_string *known = find(s, hash, text, text_bytes, &slot_idx);
    if (known)
        return known->string_id;
    if (!atomic_load_explicit(&s->is_full, memory_order_relaxed)) {
        pthread_mutex_lock(&s->lock);
        known = find(s, hash, text, text_bytes, &slot_idx);
        string_id = known ? known->string_id : add(t, s, hash, text, text_bytes, slot_idx);
        pthread_mutex_unlock(&s->lock);
    }
    if (string_id)
        return string_id;
    atomic_fetch_add_explicit(&t->dropped, 1, memory_order_relaxed);
    MC_ADD_SHARED(&t->live->strings_other, 1);
    return MC_STRING_OTHER;
}

uint32_t mc_string_id(struct mc_tracer *t, const char *text)
{
    if (!t || !text || !mc_pub_is_ours(t->generation))
        return 0;
    return mc_pub_strings_id(t, &t->names, text, strnlen(text, MC_SEGMENT_STRING_BYTES));
}
