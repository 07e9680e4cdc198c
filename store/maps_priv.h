/* maps_priv.h: what the writing and the reading half of the map codec share. */
#ifndef MC_MAPS_PRIV_H
#define MC_MAPS_PRIV_H

#include "store/maps.h"

#define MC_MAP_BLOCK 4096u /* slots to a used count */
#define MC_STATE_FREE '.'  /* MC_SLOT_FREE */

/* What can happen to a slot, and which slots it can happen to: free or used ones. */
enum mc_change_class { MC_CLASS_ALLOCATED, MC_CLASS_FREED, MC_CLASS_CHANGED, MC_CLASS_COUNT };
enum mc_change_rule { MC_RULE_ZERO, MC_RULE_SAME, MC_RULE_LISTED };

/* How many bits are set. Without -mpopcnt the compiler's own is a call; this was 9 % of a scan. */
static inline uint32_t mc_bits_count(uint64_t bits)
{
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(bits * UINT64_C(0x0101010101010101) >> 56);
}

/* The same bits without the `count` lowest, which are fewer than there are. Sums of the bits up to
 * each byte tell in which byte the first one that stays is (Vigna, Broadword Implementation of
 * Rank/Select Queries). */
static inline uint64_t mc_bits_drop(uint64_t bits, uint32_t count)
{
    uint64_t sums = bits - (bits >> 1 & UINT64_C(0x5555555555555555));
    sums = (sums & UINT64_C(0x3333333333333333)) + (sums >> 2 & UINT64_C(0x3333333333333333));
    sums = ((sums + (sums >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f)) * UINT64_C(0x0101010101010101);
    /* The top bit of each byte whose sum is above count. */
    uint64_t above =
        (sums | UINT64_C(0x8080808080808080)) - (count + 1) * UINT64_C(0x0101010101010101);
    uint32_t shift = (uint32_t)__builtin_ctzll(above & UINT64_C(0x8080808080808080)) & ~7u;
    count -= (uint32_t)(sums << 8 >> shift & 255);
    for (bits &= UINT64_MAX << shift; count; count--)
        bits &= bits - 1;
    return bits;
}

/* Append to `undo` the 64 slots of a word as they are, before they are written to. 0 or MC_ENOMEM.
 */
int mc_map_keep_word(const struct mc_map_state *m, uint32_t map_idx, uint32_t word_idx,
                     struct mc_buf *undo);

/* When the map's next changes come: read the frame step of the runs column. */
void mc_map_next_frame(struct mc_map_reader *r, uint64_t from);

/* Whether all letters are valid states, and none is `never` (0: no more is asked). */
int mc_letters_are_valid(const uint8_t *letters, size_t count, uint8_t never);
/* The end of the letters from `from` on that are the same as the first. from < end. */
const uint8_t *mc_letters_alike(const uint8_t *from, const uint8_t *end);
/* A bit for each of 64 letters that is another than `letter`. */
uint64_t mc_letters_other(const uint8_t letters[64], uint8_t letter);
/* Set those of 64 letters that have a bit. */
void mc_letters_set(uint8_t letters[64], uint64_t bits, uint8_t letter);

#endif
