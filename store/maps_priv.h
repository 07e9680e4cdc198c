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

#endif
