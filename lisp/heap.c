/* heap.c: the slab of cells, the memory outside it, the arenas for temporaries.
 *
 * Cells are handed out in address order from the free runs that the last collection left: the
 * letters array tells what is free, so a free cell is never touched. The last reserve_count cells
 * are kept back: when they are reached, the machine is told to raise "out of memory" at its next
 * call or jump, and C code that allocates a little meanwhile still gets its cells.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "lisp/scm_priv.h"

#define DEFAULT_CELLS 262144u
#define DEFAULT_SCRATCH_BYTES ((size_t)1 << 20)
#define REQUEST_BYTES ((size_t)1 << 18)
#define DEFAULT_PAYLOAD_BYTES ((size_t)256 << 20)
#define FIRST_PAYLOAD_THRESHOLD ((size_t)8 << 20)
#define STACK_BYTES ((size_t)128 << 20)

struct scm_spill {
    struct scm_spill *next;
    size_t count_bytes;
    _Alignas(16) char bytes[];
};

static void *map_bytes(size_t count)
{
    void *p = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap_bytes(void *p, size_t count)
{
    if (p)
        munmap(p, count);
}

int scm_heap_init(struct scm_vm *vm, const struct scm_options *opts)
{
    uint32_t count = opts && opts->cell_count ? opts->cell_count : DEFAULT_CELLS;
    if (count < 16384)
        count = 16384; /* the prelude alone takes about half of that */
    size_t scratch = opts && opts->scratch_bytes ? opts->scratch_bytes : DEFAULT_SCRATCH_BYTES;
    vm->cell_count = count;
    vm->reserve_count = count / 64;
    vm->payload_limit_bytes =
        opts && opts->payload_bytes ? opts->payload_bytes : DEFAULT_PAYLOAD_BYTES;
    vm->payload_threshold_bytes = FIRST_PAYLOAD_THRESHOLD;
    vm->threshold_count = count / 2;
    vm->cells = map_bytes((size_t)count * sizeof *vm->cells);
    vm->marks = map_bytes(count);
    vm->mark_stack = map_bytes((size_t)count * sizeof *vm->mark_stack);
    vm->letters = malloc((size_t)count + 1);
    vm->stack = map_bytes(STACK_BYTES);
    if (!vm->cells || !vm->marks || !vm->mark_stack || !vm->letters || !vm->stack)
        return MC_ENOMEM;
    memset(vm->letters, SCM_T_FREE, count);
    vm->letters[count] = 'X'; /* ends every run */
    /* what lies above stack_soft is for the handler of an overflow, above stack_hard for C */
    vm->stack_soft = vm->stack + STACK_BYTES / sizeof *vm->stack - 131072;
    vm->stack_hard = vm->stack_soft + 65536;
    vm->stack_end = vm->stack_soft;
    vm->sp = vm->fp = vm->stack;
    vm->tracer = opts ? opts->tracer : NULL;
    vm->slab = mc_slab_register_flags(vm->tracer, "lval", sizeof *vm->cells, count,
                                      MC_SLAB_STATES_ONLY | MC_SLAB_ONE_THREAD);
#define X(id, letter, name) mc_slab_state_name(vm->slab, letter, name);
    SCM_TYPES(X)
#undef X
    vm->heap = mc_heap_register(vm->tracer, "lisp",
                                (size_t)count * sizeof *vm->cells + vm->payload_limit_bytes);
    if (scm_arena_init(&vm->scratch, vm->tracer, "scratch", scratch) ||
        scm_arena_init(&vm->request, vm->tracer, "request", REQUEST_BYTES))
        return MC_ENOMEM;
    return 0;
}

void scm_heap_fini(struct scm_vm *vm)
{
    if (vm->letters && vm->cells) {
        for (uint32_t i = 0; i < vm->cell_count; i++) {
            if (vm->letters[i] != SCM_T_FREE)
                scm_cell_drop(vm, &vm->cells[i]);
        }
    }
    if (vm->cells)
        SCM_UNPOISON(vm->cells, (size_t)vm->cell_count * sizeof *vm->cells);
    unmap_bytes(vm->cells, (size_t)vm->cell_count * sizeof *vm->cells);
    unmap_bytes(vm->marks, vm->cell_count);
    unmap_bytes(vm->mark_stack, (size_t)vm->cell_count * sizeof *vm->mark_stack);
    unmap_bytes(vm->stack, STACK_BYTES);
    free(vm->letters);
    scm_arena_fini(&vm->scratch);
    scm_arena_fini(&vm->request);
}

/* Set bump to the next free run, of at most `most` cells. 0 when there is none. */
static int next_run(struct scm_vm *vm, uint32_t most)
{
    const uint8_t *at =
        vm->scan_idx < vm->cell_count
            ? memchr(vm->letters + vm->scan_idx, SCM_T_FREE, vm->cell_count - vm->scan_idx)
            : NULL;
    if (!at || most == 0)
        return 0;
    uint32_t first = (uint32_t)(at - vm->letters), end = first;
    while (end - first < most && vm->letters[end] == SCM_T_FREE)
        end++;
    vm->bump = vm->cells + first;
    vm->bump_end = vm->cells + end;
    vm->scan_idx = end;
    return 1;
}

static void exhausted(struct scm_vm *vm)
{
    if (!vm->out_of_cells)
        mc_slab_overflow(vm->slab);
    vm->out_of_cells = 1;
    scm_refuel(vm, 0);
}

/* The bump run is used up: go on to the next one, collect when it is time, or go into the reserve.
 */
static int refill(struct scm_vm *vm)
{
    uint32_t limit = vm->cell_count - vm->reserve_count;
    if (vm->used_count < vm->threshold_count) {
        uint32_t budget = vm->threshold_count - vm->used_count;
        if (next_run(vm, vm->gc_stress && !vm->gc_off ? 1 : budget))
            return 1;
    }
    if (!vm->gc_off && !vm->out_of_cells) {
        scm_collect(vm);
    } else if (vm->used_count < limit) {
        vm->threshold_count = limit; /* no collection now: use what there is */
    }
    if (vm->used_count < vm->threshold_count &&
        next_run(vm, vm->gc_stress && !vm->gc_off ? 1 : vm->threshold_count - vm->used_count))
        return 1;
    exhausted(vm);
    uint32_t left = vm->cell_count - vm->used_count;
    return next_run(vm, left < 64 ? left : 64);
}

struct scm_cell *scm_alloc_slow(struct scm_vm *vm, uint8_t type)
{
    if (vm->gc_stress && !vm->gc_off)
        scm_collect(vm);
    if (!refill(vm)) {
        scm_no_memory(vm, 0);
        return NULL;
    }
    return scm_alloc(vm, type);
}

void *scm_payload(struct scm_vm *vm, size_t count_bytes)
{
    if (count_bytes > vm->payload_limit_bytes)
        return NULL;
    /* what is garbage counts until it is collected: the limit must not be told without a look */
    size_t bound = vm->payload_threshold_bytes < vm->payload_limit_bytes
                       ? vm->payload_threshold_bytes
                       : vm->payload_limit_bytes;
    if (vm->payload_bytes + count_bytes > bound && !vm->gc_off) {
        scm_collect(vm);
        size_t twice = vm->payload_bytes * 2 + count_bytes;
        vm->payload_threshold_bytes =
            twice > FIRST_PAYLOAD_THRESHOLD ? twice : FIRST_PAYLOAD_THRESHOLD;
    }
    if (vm->payload_bytes + count_bytes > vm->payload_limit_bytes)
        return NULL;
    void *payload = malloc(count_bytes ? count_bytes : 1);
    if (payload)
        vm->payload_bytes += count_bytes;
    scm_work(vm, count_bytes / 8);
    return payload;
}

void scm_payload_free(struct scm_vm *vm, void *payload, size_t count_bytes)
{
    if (!payload)
        return;
    vm->payload_bytes -= count_bytes;
    free(payload);
}

scm_value scm_no_memory(struct scm_vm *vm, size_t wanted_bytes)
{
    if (wanted_bytes)
        scm_fail_kind(vm, "memory", "out of memory: %zu bytes more would pass the limit of %zu",
                      wanted_bytes, vm->payload_limit_bytes);
    else
        scm_out_of_cells(vm);
    if (vm->run)
        scm_throw(vm);
    return SCM_FALSE;
}

void scm_heap_publish(struct scm_vm *vm)
{
    size_t cell = sizeof *vm->cells;
    mc_heap_set(vm->heap, vm->used_count * cell + vm->payload_bytes,
                vm->threshold_count * cell + vm->payload_threshold_bytes);
}

int scm_stack_room(struct scm_vm *vm, size_t more)
{
    return vm->sp + more < vm->stack_end ? 0 : -1;
}

/* ---- arenas -------------------------------------------------------------------------------- */

int scm_arena_init(struct scm_arena *arena, struct mc_tracer *tracer, const char *name,
                   size_t room_bytes)
{
    arena->bytes = malloc(room_bytes);
    arena->room = room_bytes;
    arena->traced = mc_arena_register(tracer, name, room_bytes);
    return arena->bytes ? 0 : MC_ENOMEM;
}

static void drop_spills(struct scm_arena *arena, struct scm_spill *until)
{
    while (arena->spills != until) {
        struct scm_spill *spill = arena->spills;
        arena->spills = spill->next;
        arena->spilled_bytes -= spill->count_bytes;
        free(spill);
    }
}

void scm_arena_fini(struct scm_arena *arena)
{
    drop_spills(arena, NULL);
    free(arena->bytes);
    arena->bytes = NULL;
}

struct scm_arena *scm_arena_now(struct scm_vm *vm)
{
    return vm->in_request ? &vm->request : &vm->scratch;
}

void *scm_temp(struct scm_vm *vm, size_t count_bytes)
{
    struct scm_arena *arena = scm_arena_now(vm);
    size_t rounded = (count_bytes + 15) & ~(size_t)15;
    void *at;
    if (rounded >= count_bytes && rounded <= arena->room - arena->used) {
        at = arena->bytes + arena->used;
        arena->used += rounded;
    } else {
        if (count_bytes > vm->payload_limit_bytes)
            return NULL;
        struct scm_spill *spill = malloc(sizeof *spill + count_bytes);
        if (!spill)
            return NULL;
        mc_arena_overflow(arena->traced);
        spill->next = arena->spills;
        spill->count_bytes = count_bytes;
        arena->spills = spill;
        arena->spilled_bytes += count_bytes;
        at = spill->bytes;
    }
    if (arena->used + arena->spilled_bytes > arena->high_water) {
        arena->high_water = arena->used + arena->spilled_bytes;
        mc_arena_set(arena->traced, arena->used);
    }
    return at;
}

struct scm_arena_mark scm_arena_mark(struct scm_vm *vm)
{
    struct scm_arena *arena = scm_arena_now(vm);
    return (struct scm_arena_mark){arena->used, arena->spills};
}

void scm_arena_release(struct scm_vm *vm, struct scm_arena_mark mark)
{
    struct scm_arena *arena = scm_arena_now(vm);
    drop_spills(arena, mark.spills);
    arena->used = mark.used;
    if (mark.used == 0)
        mc_arena_set(arena->traced, 0);
}
