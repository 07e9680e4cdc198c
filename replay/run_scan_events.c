/* run_scan_events.c: a run's collections, closes and latencies. */
#include "replay/run_scan_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tracer/error.h"

static struct mc_scan_heap *heap_of(struct mc_run_scan *s, uint32_t source_idx)
{
    for (size_t i = 0; i < s->heap_count; i++)
        if (s->heaps[i].source_idx == source_idx)
            return &s->heaps[i];
    return NULL;
}

static void add_collection(struct mc_run_scan *s, const struct mc_event *e)
{
    struct mc_scan_heap *heap = heap_of(s, e->owner);
    if (!heap)
        return;
    heap->count++;
    heap->dur_ns += (double)e->dur_ns;
    heap->dur_max_ns = e->dur_ns > heap->dur_max_ns ? e->dur_ns : heap->dur_max_ns;
    heap->freed_bytes += e->bytes_in > e->bytes_out ? (double)(e->bytes_in - e->bytes_out) : 0;
    heap->pauses[mc_bucket_of(e->dur_ns)]++;
    if (s->collection_skip++ % s->collection_stride)
        return;
    if (s->collection_count == MC_SCAN_COLLECTIONS) {
        for (size_t i = 0; i < MC_SCAN_COLLECTIONS / 2; i++)
            s->collections[i] = s->collections[2 * i];
        s->collection_count = MC_SCAN_COLLECTIONS / 2;
        s->collection_stride *= 2;
    }
    s->collections[s->collection_count++] = (struct mc_scan_collection){
        e->ts, s->frame_ts, e->owner, e->dur_ns, e->bytes_in, e->bytes_out};
}

static void add_close(struct mc_run_scan *s, const struct mc_schema *schema,
                      const struct mc_event *e)
{
    const char *text = mc_schema_string(schema, e->detail);
    size_t i = 0, n = strlen(text);
    char reason[sizeof s->reasons[0].text] = "";
    memcpy(reason, text, n < sizeof reason ? n : sizeof reason - 1);
    s->close_count++;
    while (i < s->reason_count && strcmp(s->reasons[i].text, reason) != 0)
        i++;
    if (i == MC_SCAN_REASONS)
        i = MC_SCAN_REASONS - 1; /* the last one stands for the rest */
    if (i == s->reason_count) {
        s->reason_count++;
        strcpy(s->reasons[i].text, i == MC_SCAN_REASONS - 1 ? "(other)" : reason);
    }
    uint32_t bin = mc_scan_bin_at(s, e->ts);
    s->reasons[i].count++;
    s->reasons[i].bins[bin]++;
    s->close_bins[bin]++;
    size_t place = (size_t)(e->conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 50);
    if (s->lives[place].conn_id == e->conn_id && e->conn_id && e->ts >= s->lives[place].ts)
        mc_scan_count_more(s->life_buckets + mc_scan_segment(s, e->ts) * MC_BUCKET_COUNT +
                               mc_bucket_of((uint64_t)(e->ts - s->lives[place].ts)),
                           1);
}

static void add_event(struct mc_run_scan *s, const struct mc_schema *schema,
                      const struct mc_event *e)
{
    if (e->ts <= s->from) /* with the first frame, of the time before it */
        return;
    if (e->type == MC_EVENT_GC) {
        add_collection(s, e);
    } else if (e->type == MC_EVENT_CLOSE) {
        add_close(s, schema, e);
    } else if (e->type == MC_EVENT_ACCEPT) {
        size_t place = (size_t)(e->conn_id * UINT64_C(0x9E3779B97F4A7C15) >> 50);
        s->lives[place].conn_id = e->conn_id;
        s->lives[place].ts = e->ts;
    }
}

static int add_buckets(struct mc_run_scan *s, const struct mc_frame *f)
{
    uint32_t segment = mc_scan_segment(s, f->ts);
    for (size_t i = 0; i < f->bucket_count; i++) {
        const struct mc_bucket_add *add = &f->buckets[i];
        if (add->source_idx >= s->schema.source_count || add->bucket_idx >= MC_BUCKET_COUNT)
            continue;
        uint32_t **counts = &s->buckets[add->source_idx];
        if (!*counts)
            *counts = calloc(MC_SCAN_SEGMENTS * MC_BUCKET_COUNT, sizeof **counts);
        if (!*counts)
            return MC_ENOMEM;
        mc_scan_count_more(*counts + segment * MC_BUCKET_COUNT + add->bucket_idx, add->count);
    }
    return 0;
}

int mc_scan_add_events(struct mc_run_scan *s, const struct mc_frame *f)
{
    s->frame_ts = f->ts;
    for (size_t i = 0; i < f->event_count; i++)
        add_event(s, f->schema, &f->events[i]);
    return add_buckets(s, f);
}
