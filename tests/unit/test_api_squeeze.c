/* test_api_squeeze.c: streaming zstd: what was flushed can be read, whatever room there was. */
#include "tests/unit/check.h"

#include <stdlib.h>
#include <zstd.h>

#include "server/sse_zstd.h"

static struct mc_squeeze *z;
static ZSTD_DCtx *d;
static uint8_t sent[1 << 20];
static size_t sent_bytes;

/* Push a text through with `room` bytes at a time, then flush or end; append to `sent`. */
static void push(const char *text, size_t room, enum mc_squeeze_how how)
{
    const uint8_t *in = (const uint8_t *)text;
    size_t left = strlen(text);
    int pending = 1;
    while (left) {
        long out =
            mc_squeeze_step(z, &in, &left, sent + sent_bytes, room, MC_SQUEEZE_MORE, &pending);
        CHECK(out >= 0 && (size_t)out <= room);
        sent_bytes += (size_t)out;
    }
    for (pending = 1; pending;) {
        long out = mc_squeeze_step(z, &in, &left, sent + sent_bytes, room, how, &pending);
        CHECK(out >= 0 && (size_t)out <= room);
        sent_bytes += (size_t)out;
    }
}

static size_t read_back(size_t from, char *text, size_t text_room)
{
    ZSTD_inBuffer in = {sent + from, sent_bytes - from, 0};
    ZSTD_outBuffer out = {text, text_room, 0};
    size_t left = 1;
    while (in.pos < in.size || (out.pos && left && in.pos < in.size)) {
        left = ZSTD_decompressStream(d, &out, &in);
        CHECK(!ZSTD_isError(left));
    }
    text[out.pos] = 0;
    return out.pos;
}

static void flushed_text_arrives(void)
{
    char text[200], got[400];
    size_t first = 0, last = 0;
    z = mc_squeeze_new();
    d = ZSTD_createDCtx();
    for (int i = 0; i < 200; i++) {
        size_t before = sent_bytes;
        snprintf(
            text, sizeof text,
            "event: delta\nid: %d00000000\ndata: {\"ts\":%d00000000,\"process\":{\"cpu_user_ns\""
            ":%d}}\n\n",
            i, i, i * 7919);
        push(text, i % 2 ? 7 : 4096, MC_SQUEEZE_FLUSH);
        read_back(before, got, sizeof got - 1);
        CHECK_STR(got, text);
        if (i == 0)
            first = sent_bytes;
        last = sent_bytes - before;
    }
    CHECK(last < first / 2); /* the window spans events */
    size_t before = sent_bytes;
    push("event: end\ndata: {}\n\n", 3, MC_SQUEEZE_END);
    read_back(before, got, sizeof got - 1);
    CHECK_STR(got, "event: end\ndata: {}\n\n");
    printf("a stream's compressor takes %zu KB\n", mc_squeeze_memory_bytes(z) >> 10);
    CHECK(mc_squeeze_memory_bytes(z) < 512 << 10);
    mc_squeeze_free(z);
    ZSTD_freeDCtx(d);
}

int main(void)
{
    RUN(flushed_text_arrives);
    return CHECK_DONE();
}
