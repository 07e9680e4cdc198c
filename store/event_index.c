/* event_index.c: what a chunk's events are about. The format stands in event_index.h. */
#include "store/event_index.h"

#include <stdlib.h>

#include "store/pack.h"
#include "tracer/error.h"

#define WORD_ROOM 8192u /* a power of two; half of it is used: 262,144 ids where they are dense */
#define RUNS_MAX 256u   /* more are merged, over the narrowest gaps */

struct mc_conn_word {
    uint64_t number, bits; /* ids number * 64 + bit; bits 0: not in use */
};

void mc_event_index_fini(struct mc_event_index_maker *m)
{
    free(m->words);
    m->words = NULL;
}

void mc_event_index_begin(struct mc_event_index_maker *m)
{
    if (m->words && m->word_count)
        memset(m->words, 0, WORD_ROOM * sizeof *m->words);
    m->earliest_ts = INT64_MAX;
    m->low_conn = UINT64_MAX;
    m->high_conn = 0;
    m->word_count = m->last = 0;
    m->is_rough = 0;
    /* No place has an id that belongs there: none has been seen. */
    for (uint32_t i = 0; i < MC_INDEX_RECENT; i++)
        m->recent[i] = i + 1;
}

static void add_conn(struct mc_event_index_maker *m, uint64_t conn_id)
{
    uint64_t number = conn_id / 64, bit = UINT64_C(1) << conn_id % 64;
    uint32_t at = m->last;
    if (!m->words[at].bits || m->words[at].number != number) {
        at = (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) % WORD_ROOM;
        while (m->words[at].bits && m->words[at].number != number)
            at = (at + 1) % WORD_ROOM;
        if (!m->words[at].bits) {
            m->is_rough = ++m->word_count > WORD_ROOM / 2;
            m->words[at].number = number;
        }
        m->last = at;
    }
    m->words[at].bits |= bit;
}

int mc_event_index_add(struct mc_event_index_maker *m, const struct mc_event *events, size_t count)
{
    if (count && !m->words) {
        m->words = calloc(WORD_ROOM, sizeof *m->words);
        if (!m->words)
            return MC_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t begin_ts = mc_event_begin_ts(&events[i]);
        uint64_t conn_id = events[i].conn_id;
        m->earliest_ts = begin_ts < m->earliest_ts ? begin_ts : m->earliest_ts;
        uint64_t *recent = &m->recent[conn_id % MC_INDEX_RECENT];
        if (*recent == conn_id)
            continue;
        *recent = conn_id;
        m->low_conn = conn_id < m->low_conn ? conn_id : m->low_conn;
        m->high_conn = conn_id > m->high_conn ? conn_id : m->high_conn;
        if (!m->is_rough)
            add_conn(m, conn_id);
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct mc_conn_word *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The runs of ids in order, with those merged that at most `gap` ids are between. */
static uint32_t list_runs(const struct mc_event_index_maker *m, uint64_t gap,
                          struct mc_conn_run *runs, uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->word_count; i++) {
        for (uint64_t bits = m->words[i].bits; bits; bits &= bits - 1) {
            uint64_t id = m->words[i].number * 64 + (uint64_t)__builtin_ctzll(bits);
            if (count && id - runs[count - 1].last - 1 <= gap) {
                runs[count - 1].last = id;
            } else {
                if (count == room)
                    return count + 1;
                runs[count++] = (struct mc_conn_run){id, id};
            }
        }
    }
    return count;
}

int mc_event_index_end(struct mc_event_index_maker *m, int64_t first_ts, struct mc_buf *raw)
{
    struct mc_conn_run runs[RUNS_MAX] = {{m->low_conn, m->high_conn}};
    uint32_t count = 1;
    if (!m->is_rough) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < WORD_ROOM; i++) {
            if (m->words[i].bits)
                m->words[kept++] = m->words[i];
        }
        qsort(m->words, kept, sizeof *m->words, by_number);
        uint64_t gap = 0;
        while ((count = list_runs(m, gap, runs, RUNS_MAX)) > RUNS_MAX)
            gap = gap * 2 + 1;
    }
    mc_put_zigzag(raw, mc_wrap_sub(first_ts, m->earliest_ts));
    mc_put_varint(raw, count);
    uint64_t from = 0;
    for (uint32_t i = 0; i < count; i++) {
        mc_put_varint(raw, runs[i].first - from);
        mc_put_varint(raw, runs[i].last - runs[i].first);
        from = runs[i].last + 1;
    }
    return raw->failed ? MC_ENOMEM : 0;
}

int mc_event_index_parse(struct mc_event_index *out, int64_t first_ts, const struct mc_buf *raw)
{
    struct mc_span s = mc_span_of(raw);
    struct mc_event_index index = {.earliest_ts = mc_wrap_sub(first_ts, mc_take_zigzag(&s))};
    uint64_t count = mc_take_varint(&s), from = 0;
    if (s.failed || count > RUNS_MAX)
        return MC_ECORRUPT;
    index.runs = calloc(count + 1, sizeof *index.runs);
    if (!index.runs)
        return MC_ENOMEM;
    for (; index.run_count < count; index.run_count++) {
        uint64_t first = from + mc_take_varint(&s), last = first + mc_take_varint(&s);
        if (s.failed || first < from || last < first || (index.run_count && !from)) {
            free(index.runs);
            return MC_ECORRUPT;
        }
        index.runs[index.run_count] = (struct mc_conn_run){first, last};
        from = last + 1; /* 0 after the last id that there can be */
    }
    if (s.at != s.end) {
        free(index.runs);
        return MC_ECORRUPT;
    }
    *out = index;
    return 0;
}

void mc_event_index_free(struct mc_event_index *index)
{
    free(index->runs);
    memset(index, 0, sizeof *index);
}

int mc_event_index_has(const struct mc_event_index *index, int64_t min, int64_t max)
{
    for (uint32_t i = 0; i < index->run_count; i++) {
        int64_t first = (int64_t)index->runs[i].first, last = (int64_t)index->runs[i].last;
        /* A run from below 2^63 to above it has every number's end in it. */
        if (first > last ? min <= last || max >= first : min <= last && max >= first)
            return 1;
    }
    return 0;
}
