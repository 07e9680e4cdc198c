/* evil_trace.c: a trace as a stranger may send it: run 1 has markup and scripts wherever a string
 * can be, run 2 has a gap of three seconds. Chunks are of five seconds, so that a test can damage
 * one. Usage: evil_trace FILE
 */
#include "store/trace.h"
#include "tests/unit/store_frames.h"

enum { FRAMES = 300, CHUNK_FRAMES = 50, GAP_FROM = 120, GAP_FRAMES = 30, SLOTS = 96 };

#define EVIL "<img src=x onerror=pwned=1>"
#define EVIL_TEXT "\"'></script><script>pwned=2</script>\xe2\x80\xa8" EVIL

static const struct gen_options busy = {
    .seed = 9, .lisp_slots = 4000, .conn_slots = 200, .requests = 20, .extra_gauges = 3};

/* Sources with such names and a slab whose letters are markup; returns the slab's map. */
static uint32_t add_evil(struct gen *g)
{
    static char name[] = EVIL, text[] = "<b>\"'";
    struct mc_state_name states[] = {{'<', EVIL}, {'>', ""}, {'&', "\"'><b>"}, {'\'', EVIL}};
    struct mc_source slab = {.kind = MC_KIND_SLAB,
                             .name = name,
                             .unit = text,
                             .slot_count = SLOTS,
                             .slot_bytes = 64,
                             .capacity_bytes = SLOTS * 64,
                             .flags = MC_SOURCE_HAS_OWNERS,
                             .states = states,
                             .state_count = 4};
    uint32_t i = g->schema.source_count;
    gen_source(g, MC_KIND_SLAB, "plain", SLOTS, MC_SOURCE_HAS_OWNERS);
    uint32_t map_idx = g->schema.sources[i].map_idx + 1;
    mc_schema_add_source(&g->schema, &slab);
    if (g->schema.value_count > g->value_room) {
        g->value_room = g->schema.value_count * 2;
        g->values = realloc(g->values, g->value_room * sizeof *g->values);
    }
    const struct mc_source *made = &g->schema.sources[i + 1];
    memset(g->values + made->value_idx, 0, made->value_count * sizeof *g->values);
    struct mc_map *m = &g->maps[map_idx];
    *m = (struct mc_map){.source_idx = i + 1, .slot_count = SLOTS, .states = malloc(SLOTS + 1)};
    memset(m->states, '.', SLOTS + 1);
    m->owners = calloc(SLOTS + 1, sizeof *m->owners);
    m->conns = calloc(SLOTS + 1, sizeof *m->conns);
    static const int kinds[] = {MC_KIND_ARENA,     MC_KIND_HEAP,  MC_KIND_COUNTER, MC_KIND_GAUGE,
                                MC_KIND_HISTOGRAM, MC_KIND_OWNER, MC_KIND_ROUTE};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        gen_source(g, kinds[k], EVIL, 0, 0);
    gen_source(g, MC_KIND_GAUGE, "__proto__", 0, 0);
    gen_source(g, MC_KIND_SLAB, "constructor", 8, 0);
    return map_idx;
}

/* What happens to them in a frame that the generator has made. */
static void do_evil(struct gen *g, uint32_t map_idx, uint32_t evil)
{
    static const char letters[] = "<>&'";
    struct mc_frame *f = &g->frame;
    uint64_t conn = 1000000 + g->frame_no % 5;
    uint32_t slot = gen_below(g, SLOTS);
    gen_change(g, map_idx, slot, (uint8_t)letters[g->frame_no % 4], (uint16_t)evil, conn);
    struct mc_event events[] = {
        {.type = MC_EVENT_ACCEPT, .conn_id = conn, .detail = evil, .owner = evil},
        {.type = MC_EVENT_TLS, .conn_id = conn, .detail = evil, .dur_ns = 1000},
        {.type = MC_EVENT_REQUEST, .conn_id = conn, .stream_id = 1, .method = evil, .detail = evil},
        {.type = MC_EVENT_RESPONSE,
         .conn_id = conn,
         .stream_id = 1,
         .method = evil,
         .detail = evil,
         .status = 200,
         .dur_ns = 5000},
        {.type = MC_EVENT_ERROR, .conn_id = conn, .detail = evil},
        {.type = MC_EVENT_OVERFLOW, .conn_id = conn, .stream_id = 1, .detail = evil},
        {.type = MC_EVENT_CLOSE, .conn_id = conn, .detail = evil}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        gen_event(g, &events[i], g->ts);
    f->changes = (const void *)g->changes.bytes;
    f->change_count = g->changes.count / sizeof *f->changes;
    f->events = (const void *)g->events.bytes;
    f->event_count = g->events.count / sizeof *f->events;
}

static int write_run(struct mc_writer *w, int is_evil)
{
    static char text[] = EVIL_TEXT, plain[] = "with a gap";
    struct mc_run_info info = gen_info();
    int64_t run_id, mark_id;
    info.label = is_evil ? text : plain;
    if (is_evil)
        info.host = info.program = info.build = info.config = text;
    if (mc_writer_begin(w, &info, &run_id) < 0)
        return -1;
    struct gen g;
    gen_init(&g, &busy);
    uint32_t evil = 0, map_idx = 0;
    if (is_evil) {
        evil = gen_string(&g, EVIL_TEXT);
        map_idx = add_evil(&g);
    }
    int rc = 0;
    for (int i = 0; i < FRAMES && rc == 0; i++) {
        if (!is_evil && i == GAP_FROM)
            g.ts += (int64_t)GAP_FRAMES * 100000000;
        gen_next(&g);
        struct mc_gap gap = {g.ts - (int64_t)GAP_FRAMES * 100000000,
                             (int64_t)GAP_FRAMES * 100000000, GAP_FRAMES, "recorder stopped"};
        if (is_evil)
            do_evil(&g, map_idx, evil);
        else if (i == GAP_FROM) {
            g.frame.gaps = &gap;
            g.frame.gap_count = 1;
        }
        rc = mc_writer_frame(w, &g.frame);
        if (rc == 0 && i % 10 == 9)
            rc = mc_writer_flush(w);
    }
    if (is_evil && rc == 0)
        rc = mc_writer_mark(w, 5000000000, 0, EVIL_TEXT, EVIL_TEXT, &mark_id);
    mc_writer_end(w, is_evil ? EVIL_TEXT : "exit 0");
    gen_fini(&g);
    return rc;
}

int main(int argc, char **argv)
{
    struct mc_writer *w;
    struct mc_writer_options opts = {.chunk_frames = CHUNK_FRAMES};
    char why[256] = "";
    if (argc != 2 || mc_writer_open(argv[1], &opts, &w, why, sizeof why) < 0) {
        fprintf(stderr, "evil_trace: %s\n", argc == 2 ? why : "usage: evil_trace FILE");
        return 2;
    }
    int rc = write_run(w, 1);
    if (rc == 0)
        rc = write_run(w, 0);
    mc_writer_close(w);
    return rc ? 3 : 0;
}
