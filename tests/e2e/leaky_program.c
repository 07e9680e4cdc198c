/* leaky_program.c: serves two routes at steady rates, of which GET /b keeps a slot of its
 * connection's in every eighth request. Usage: leaky_program SECONDS
 */
#include <memcam.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECTIONS = 20, AT_WORK = 50, SLOTS = 4000 };

static struct mc_tracer *tracer;
static struct mc_slab *buffers;
static uint32_t get, owner, next_stream;

static void serve(uint32_t route, int keeps)
{
    static uint32_t kept = AT_WORK;
    uint64_t conn_id = (uint64_t)(1 + rand() % CONNECTIONS);
    uint32_t stream_id = ++next_stream, slot = (uint32_t)(rand() % AT_WORK);
    mc_event_request(tracer, conn_id, stream_id, get, route);
    mc_slot_set(buffers, slot, MC_SLOT_ACTIVE, owner, conn_id);
    if (keeps && kept < SLOTS)
        mc_slot_set(buffers, kept++, MC_SLOT_ACTIVE, owner, conn_id);
    usleep(1500);
    mc_slot_set(buffers, slot, MC_SLOT_FREE, 0, 0);
    struct mc_response response = {
        .method = get, .route = route, .status = 200, .bytes_out = 100, .dur_ns = 1500000};
    mc_event_response(tracer, conn_id, stream_id, &response);
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    tracer = mc_tracer_open("leaky", NULL);
    buffers = mc_slab_register(tracer, "buffers", 4096, SLOTS);
    get = mc_string_id(tracer, "GET");
    owner = mc_string_id(tracer, "clients");
    uint32_t a = mc_string_id(tracer, "/a"), b = mc_string_id(tracer, "/b");
    for (uint64_t i = 1; i <= CONNECTIONS; i++)
        mc_event_accept(tracer, i, "127.0.0.1:1");
    for (int i = 0; i < seconds * 100; i++) {
        serve(a, 0);
        serve(a, 0);
        serve(b, i % 8 == 0);
        usleep(4500);
    }
    mc_tracer_close(tracer);
    return 0;
}
