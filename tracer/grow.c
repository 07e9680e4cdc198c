/* grow.c: arrays that grow by doubling. */
#include "tracer/grow.h"

#include <stdlib.h>

#define FIRST_ROOM 16

void *mc_grown(void *items, size_t count, uint32_t *room, size_t item_bytes)
{
    if (count < *room)
        return items;
    if (*room > UINT32_MAX / 2)
        return NULL;
    uint32_t more = *room ? *room * 2 : FIRST_ROOM;
    void *moved = reallocarray(items, more, item_bytes);
    if (moved)
        *room = more;
    return moved;
}
