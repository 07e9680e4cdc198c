/* grow.h: arrays that grow by doubling. */
#ifndef MC_GROW_H
#define MC_GROW_H

#include <stddef.h>
#include <stdint.h>

/*
 * Make room for one more item behind the `count` that `items` holds, of item_bytes each; *room is
 * how many it has room for. Returns the array, moved or not, which is the caller's to keep in place
 * of `items`; or NULL without memory, with `items` and *room as they were. The new room is not
 * cleared.
 */
void *mc_grown(void *items, size_t count, uint32_t *room, size_t item_bytes);

#endif
