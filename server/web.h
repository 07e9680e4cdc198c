/* web.h: the page's files, as bytes in the program. The table is made by web.mk. */
#ifndef MC_WEB_H
#define MC_WEB_H

#include <stddef.h>
#include <stdint.h>

struct mc_web_asset {
    const char *name; /* "main.js" */
    const char *type; /* its MIME type */
    const char *etag; /* quoted, of its content */
    const uint8_t *bytes, *bytes_end;
    const uint8_t *gzip, *gzip_end; /* the same, compressed */
};
extern const struct mc_web_asset mc_web_assets[];
extern const size_t mc_web_asset_count;

#endif
