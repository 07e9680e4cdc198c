/* chunk_priv.h: what the files that write a row's parts share, and those that read them. */
#ifndef MC_CHUNK_PRIV_H
#define MC_CHUNK_PRIV_H

#include "store/chunk.h"

typedef int (*mc_pack_fn)(struct mc_packer *p, const void *raw, size_t count, struct mc_buf *out);

/* Append `raw` packed to `to` and describe it. 0, MC_ENOMEM. */
int mc_chunk_put_part(struct mc_packer *packer, mc_pack_fn pack, uint32_t number,
                      const struct mc_buf *raw, struct mc_buf *to, struct mc_chunk_part *part);
/* The buffer for a part's raw bytes, empty; and let go of it when it has grown past what most need.
 */
struct mc_buf *mc_chunk_raw(struct mc_chunk_writer *w);
void mc_chunk_raw_trim(struct mc_chunk_writer *w);
/* Pack the maps of the leg that is open: w->legs grows by it. 0, MC_ENOMEM. */
int mc_chunk_end_leg(struct mc_chunk_writer *w);

/* Pack the slice of events that is open: w->slices grows by it. 0, MC_ENOMEM. */
int mc_chunk_end_slice(struct mc_chunk_writer *w);

/* Fetch, verify and unpack a part of a row that is being read. *found is 0 when the row has none;
 * raw is replaced. */
int mc_chunk_load_part(struct mc_chunk *c, uint32_t number, struct mc_buf *raw, int *found);

#endif
