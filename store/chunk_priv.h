/* chunk_priv.h: what the files that write a row's parts share. */
#ifndef MC_CHUNK_PRIV_H
#define MC_CHUNK_PRIV_H

#include "store/chunk.h"

typedef int (*mc_pack_fn)(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out);

/* Append `raw` packed to `to` and describe it. 0, MC_ENOMEM. */
int mc_chunk_put_part(struct mc_packer *packer, mc_pack_fn pack, uint32_t number,
                      const struct mc_buf *raw, struct mc_buf *to, struct mc_chunk_part *part);
/* Pack the maps of the leg that is open: w->legs grows by it. 0, MC_ENOMEM. */
int mc_chunk_end_leg(struct mc_chunk_writer *w);

static inline void mc_buf_forget(struct mc_buf *b)
{
    b->count = 0;
    b->failed = 0;
}

#endif
