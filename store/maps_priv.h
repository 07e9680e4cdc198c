/* maps_priv.h: what the writing and the reading half of the map codec share. */
#ifndef MC_MAPS_PRIV_H
#define MC_MAPS_PRIV_H

#include "store/maps.h"

#define MC_MAP_BLOCK 4096u /* slots to a used count */
#define MC_STATE_FREE '.'  /* MC_SLOT_FREE */

/* What can happen to a slot, and which slots it can happen to: free or used ones. */
enum mc_change_class { MC_CLASS_ALLOCATED, MC_CLASS_FREED, MC_CLASS_CHANGED, MC_CLASS_COUNT };
enum mc_change_rule { MC_RULE_ZERO, MC_RULE_SAME, MC_RULE_LISTED };

#endif
