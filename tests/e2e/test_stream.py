"""test_stream.py: the dashboard's streams: live and replay are the same bytes, and go on
where a client left off."""
import concurrent.futures
import ctypes
import ctypes.util
import json
import os
import random
import signal
import socket
import time
import urllib.parse

import mc
from stream_lib import DOCUMENT_EVENTS, PROGRAM, ids, record, recorded, replay, same, stream_url, take, take_all


# ---- the same bytes ---------------------------------------------------------------------------

def test_live_is_replay():
    process = record()
    stream = mc.Stream(stream_url(process))
    live = take(stream, 35)
    stream.close()
    mc.equal(live[0][0], "run", "the first event")
    seen = ids(live)
    mc.check(all(a < b for a, b in zip(seen, seen[1:])), "ids rise")
    mc.check(sum(e[0] == "keyframe" for e in live) == 1, "one keyframe")
    mc.check(any(e[0] == "events" for e in live), "there are events")
    time.sleep(2.5)  # the store has it by then
    span = "from=%d&to=%d&coalesce=0" % (seen[0], seen[-1])
    while_live = take_all(mc.Stream(stream_url(process, span + "&speed=max")))
    mc.equal(while_live.pop()[0], "end", "the last event")
    same(while_live, live, "max, while it is recorded")
    process.stop()
    player = replay(process.store)
    at_max = take_all(mc.Stream(stream_url(player, span + "&speed=max")))
    mc.equal(at_max.pop()[0], "end", "the last event")
    same(at_max, live, "max")
    lasts = (seen[-1] - seen[0]) / 1e9

    def off_time():
        start = time.monotonic()
        at_one = take_all(mc.Stream(stream_url(player, span + "&speed=1")))
        took = time.monotonic() - start
        mc.equal(at_one.pop()[0], "end", "the last event")
        same(at_one, live, "speed 1")
        return abs(took - lasts)

    mc.wait_for("speed 1 takes %.2f s" % lasts, lambda: off_time() < 0.5 * mc.SLOW)


def test_whole_nanoseconds_are_the_same_too():
    process = record(options=("--event-clock", "ns"))
    stream = mc.Stream(stream_url(process))
    live = take(stream, 25)
    stream.close()
    times = [event["ts"] for name, data in ((e[0], e[1]) for e in live) if name == "events"
             for event in json.loads(data)["events"]]
    mc.check(times and any(ts % 1000 for ts in times), "events have their nanoseconds: %r" % times[:5])
    process.stop()
    span = "from=%d&to=%d&coalesce=0" % (ids(live)[0], ids(live)[-1])
    player = replay(process.store)
    for speed in ("max", "4"):
        again = take_all(mc.Stream(stream_url(player, span + "&speed=" + speed)))
        mc.equal(again.pop()[0], "end", "the last event")
        same(again, live, "speed " + speed)


def test_events_parameter_is_the_same_too():
    process = record()
    streams = {n: mc.Stream(stream_url(process, "events=%d" % n)) for n in (0, 3, 1000)}
    # All at once: one that waited for its turn would be a slow reader, which is sent on to the newest.
    with concurrent.futures.ThreadPoolExecutor(len(streams)) as readers:
        live = dict(zip(streams, readers.map(lambda s: take(s, 12), streams.values())))
    for stream in streams.values():
        stream.close()
    mc.check(not any(e[0] == "events" for e in live[0]), "events=0 has none")
    mc.check(all(len(json.loads(e[1])["events"]) <= 3 for e in live[3] if e[0] == "events"),
             "events=3 has at most 3")
    mc.check(any(json.loads(e[1]).get("more") for e in live[3] if e[0] == "events"), "more is told")
    time.sleep(2.5)
    for n, events in live.items():
        span = "from=%d&to=%d&coalesce=0&speed=max&events=%d" % (ids(events)[0], ids(events)[-1], n)
        same(take_all(mc.Stream(stream_url(process, span)))[:-1], events, "events=%d" % n)


def test_a_schema_that_grows():
    """Letters named after their slab was first recorded are in the trace, from their frame on."""
    program = os.path.join(os.path.dirname(PROGRAM), "growing_program.c")
    process = mc.Record("--", mc.compile_program("growing", program))
    process.others += process.children()
    mc.wait_for("the run", lambda: mc.get(process.dash + "/api/runs").json()["runs"])
    live = take_all(mc.Stream(stream_url(process)))
    runs = [json.loads(e[1]) for e in live if e[0] == "run"]
    mc.check(len(runs) >= 4, "the run is told anew at each growth: %d" % len(runs))
    states = {s["name"]: s["states"] for s in runs[-1]["sources"]}
    mc.equal(states["first"], {"Q": "quick", "Z": "zany"}, "letters of the first slab")
    mc.equal(states["second"], {"K": "kilo"}, "letters of the second slab")
    process.wait()
    player = replay(process.store)
    got = take_all(mc.Stream(stream_url(player, "from=%d&speed=max&coalesce=0" % ids(live)[0])))
    same(got, live, "replay of a schema that grew")


def test_documents_are_states():
    store = recorded()
    player = replay(store)
    events = take_all(mc.Stream(stream_url(player, "speed=max&coalesce=0&events=0")))
    documents, document = {}, None
    for event, data, ident in events:
        if event == "keyframe":
            document = json.loads(data)
        elif event == "delta":
            document = mc.merge(document, json.loads(data))
        else:
            continue
        documents[int(ident)] = document
    known = sorted(documents)
    mc.check(len(known) >= 30, "only %d frames" % len(known))
    for _ in range(50):
        ts = random.randint(known[0], known[-1])
        newest = max(t for t in known if t <= ts)
        state = mc.get("%s/api/runs/1/state?ts=%d" % (player.dash, ts))
        mc.equal(state.status, 200, "status of state")
        mc.equal(state.json(), documents[newest], "the document at %d" % ts)
        keyframe = take(mc.Stream(stream_url(player, "from=%d" % ts)), 1)[-1]
        mc.equal(keyframe[1], state.text(), "keyframe and state, byte for byte")
        mc.equal(mc.get("%s/api/runs/1/state?maps=0&ts=%d" % (player.dash, ts)).json(),
                 without_maps(documents[newest]), "the same without its maps")
    mc.equal(mc.get(player.dash + "/api/runs/1/state").json(), documents[known[-1]], "the newest")


def without_maps(document):
    pools = {name: {field: value for field, value in pool.items() if field not in ("pages", "owners")}
             for name, pool in document["pools"].items()}
    return dict(document, pools=pools, owners={})


def test_live_documents_are_states():
    """The state is asked for at once, when the store has not got it yet."""
    process = record()
    stream = mc.Stream(stream_url(process, "events=0"))
    document = None
    for _ in range(15):
        name, data = stream.until(*DOCUMENT_EVENTS)
        document = data if name == "keyframe" else mc.merge(document, data)
        if random.random() < 0.5:
            state = mc.get("%s/api/runs/1/state?ts=%d" % (process.dash, document["ts"]))
            mc.equal(state.json(), document, "the document at %d" % document["ts"])
    newest = mc.get(process.dash + "/api/runs/1/state").json()
    mc.check(newest["ts"] >= document["ts"], "the newest state is as new as the stream")


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def ask_and_leave(dash, count, leave):
    """Ask `count` endless questions and, with `leave`, hang up. Seconds until another one is answered."""
    where = urllib.parse.urlparse(dash)
    body = json.dumps({"sql": ENDLESS})
    head = "POST /api/query HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    sockets = [socket.create_connection((where.hostname, where.port)) for _ in range(count)]
    for s in sockets:
        s.sendall((head % (where.netloc, len(body)) + body).encode())
    mc.wait_for("all places to be taken", lambda: mc.post(dash + "/api/query", {"sql": "select 1"}).status == 503)
    begin = time.monotonic()
    if leave:
        for s in sockets:
            s.close()
    mc.wait_for("a free place", lambda: mc.post(dash + "/api/query", {"sql": "select 1"}).status == 200)
    elapsed = time.monotonic() - begin
    for s in sockets:
        s.close()
    return elapsed


def test_nobody_waits_for_an_answer_that_nobody_wants():
    player = replay(recorded("2"))
    mc.wait_for("a place that is free sooner after they hung up than where they waited",
                lambda: ask_and_leave(player.dash, 4, True) < ask_and_leave(player.dash, 4, False) / 2)


def test_speeds_as_numbers_are_written():
    player = replay(recorded("2"))
    at_max = ids(take_all(mc.Stream(stream_url(player, "speed=max&coalesce=0&events=0"))))
    for speed in ("1e6", "1E+6", "1000000.0"):
        got = ids(take_all(mc.Stream(stream_url(player, "speed=%s&coalesce=0&events=0" % speed.replace("+", "%2B")))))
        mc.equal(got, at_max, "the frames at speed %s" % speed)
    for speed in ("1e-3", "-1e-3"):  # whichever way, the first frame comes at once
        begin = time.monotonic()
        first = take(mc.Stream(stream_url(player, "from=%d&speed=%s&events=0" % (at_max[5] + 1000, speed))), 1)
        mc.equal(ids(first), [at_max[5]], "the first frame at speed %s" % speed)
        mc.check(time.monotonic() - begin < 20, "it comes at once: the next is due in 100 s")


def test_backwards():
    player = replay(recorded("2"))
    forward = take_all(mc.Stream(stream_url(player, "speed=max&coalesce=0&events=0")))
    backward = take_all(mc.Stream(stream_url(player, "speed=-1000&coalesce=0&events=0")))
    mc.equal(ids(backward), ids(forward)[::-1], "the frames, backwards")


# ---- resume -----------------------------------------------------------------------------------

def resume(process, after, query="", header=True):
    if header:
        return mc.Stream(stream_url(process, query), {"last-event-id": str(after)})
    return mc.Stream(stream_url(process, (query + "&" if query else "") +
                                "last_event_id=%d" % after))


def test_live_resumes():
    process = record()
    whole = mc.Stream(stream_url(process))
    events = take(whole, 15)
    seen = ids(events)
    # From the recent blocks, by header and by parameter.
    for number, header in ((3, True), (8, False), (13, True)):
        stream = resume(process, seen[number], header=header)
        rest = take(stream, 14 - number)
        stream.close()
        place = next(i for i, e in enumerate(events) if e[2] == str(seen[number]))
        same(rest, events[place + 1:], "live, behind frame %d" % number)
    whole.close()


def test_live_resumes_through_the_store():
    """Nobody watched for longer than the hub remembers; then the store has what is missing."""
    process = record()
    first = take(mc.Stream(stream_url(process, "events=7")), 3)
    last = ids(first)[-1]
    time.sleep(13)  # a group without watchers is forgotten after 10 s
    stream = resume(process, last, "events=7")
    events = take(stream, 150)
    stream.close()
    mc.check(not any(e[0] in ("keyframe", "run") for e in events), "no keyframe")
    time.sleep(2.5)
    span = "from=%d&to=%d&coalesce=0&speed=max&events=7" % (last, ids(events)[-1])
    want = take_all(mc.Stream(stream_url(process, span)))[:-1]
    place = next(i for i, e in enumerate(want) if e[2] == str(last))
    same(events, want[place + 1:], "from the store over into live")


def test_replay_resumes():
    player = replay(recorded("3"))
    query = "speed=max&coalesce=0"
    whole = take_all(mc.Stream(stream_url(player, query)))
    seen = ids(whole)
    for number in (0, 1, len(seen) // 2, len(seen) - 2):
        rest = take_all(resume(player, seen[number], query))
        place = next(i for i, e in enumerate(whole) if e[2] == str(seen[number]))
        same(rest, whole[place + 1:], "replay, behind frame %d" % number)


# ---- ends -------------------------------------------------------------------------------------

def test_the_end_is_told():
    process = record("2")
    events = take_all(mc.Stream(stream_url(process)))
    mc.equal(events[-1][0], "end", "the last event")
    mc.equal(json.loads(events[-1][1])["exit"], "exit 0", "the exit")


def test_shutdown_ends_streams():
    process = record()
    stream = mc.Stream(stream_url(process))
    take(stream, 3)
    process.send(signal.SIGTERM)
    events = take_all(stream)
    mc.equal(events[-1][0], "end", "the last event")
    process.wait()


# ---- zstd -------------------------------------------------------------------------------------

class Zstd:
    """A streaming decompressor, of libzstd."""

    class Buffer(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
        self.lib.ZSTD_createDStream.restype = ctypes.c_void_p
        self.lib.ZSTD_decompressStream.restype = ctypes.c_size_t
        self.lib.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        self.stream = self.lib.ZSTD_createDStream()

    def feed(self, data):
        source = ctypes.create_string_buffer(data, len(data))
        into = ctypes.create_string_buffer(1 << 17)
        taken = self.Buffer(ctypes.addressof(source), len(data), 0)
        text = b""
        while True:
            made = self.Buffer(ctypes.addressof(into), 1 << 17, 0)
            left = self.lib.ZSTD_decompressStream(self.stream, ctypes.byref(made),
                                                  ctypes.byref(taken))
            mc.check(left < 1 << 40, "zstd: damaged")
            text += into.raw[:made.pos]
            if taken.pos == taken.size and made.pos < made.size:
                return text


def lines_of_raw(url, headers, seconds):
    """The stream's text and the bytes it took, read for some seconds."""
    parts = urllib.parse.urlsplit(url)
    connection = mc.http.client.HTTPConnection(parts.hostname, parts.port, timeout=mc.SECONDS)
    connection.request("GET", parts.path + "?" + parts.query, None, headers)
    answer = connection.getresponse()
    zstd = Zstd() if answer.getheader("content-encoding") == "zstd" else None
    text, wire, end = b"", 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = answer.read1(65536)
        if not data:
            break
        wire += len(data)
        text += zstd.feed(data) if zstd else data
    connection.close()
    return answer, text.decode(), wire


def test_zstd_is_the_same_text():
    player = replay(recorded("3"))
    url = stream_url(player, "speed=max&coalesce=0")
    plain, want, plain_bytes = lines_of_raw(url, {}, 20)
    squeezed, got, wire_bytes = lines_of_raw(url, {"accept-encoding": "gzip, zstd"}, 20)
    mc.equal(plain.getheader("content-encoding"), None, "encoding without accept-encoding")
    mc.equal(squeezed.getheader("content-encoding"), "zstd", "encoding")
    mc.equal(squeezed.getheader("vary").lower(), "accept-encoding", "vary")
    mc.check(got == want, "the texts differ")
    mc.check(wire_bytes * 3 < plain_bytes, "zstd takes %d of %d bytes" % (wire_bytes, plain_bytes))
    refused, _, _ = lines_of_raw(url, {"accept-encoding": "zstd;q=0"}, 20)
    mc.equal(refused.getheader("content-encoding"), None, "encoding with q=0")


def test_zstd_is_flushed():
    """A live frame reaches the client when it is made, not when a block is full."""
    process = record()
    _, text, wire = lines_of_raw(stream_url(process, "events=0"), {"accept-encoding": "zstd"}, 3)
    frames = text.count("\nid: ")
    mc.check(frames >= 20, "only %d frames in 3 s" % frames)
    _, plain, _ = lines_of_raw(stream_url(process, "events=0"), {}, 3)
    per = len(plain) // max(plain.count("\nid: "), 1)
    print("     %d bytes a frame on the wire with zstd, %d without" % (wire // frames, per))


# ---- clients that do not behave ---------------------------------------------------------------

BAD = ("from=x", "from=", "from=1.5", "to=1e9", "to=99999999999999999999", "speed=0", "speed=nan",
       "speed=-0", "speed=1e400", "speed=1e", "speed=fast", "speed=", "coalesce=2", "coalesce=yes", "rate=0",
       "rate=61", "rate=x", "events=-1", "events=x", "last_event_id=x",
       "last_event_id=", "from=5&to=3", "from=5&to=3&speed=max")


def test_bad_parameters():
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    for query in BAD:
        answer = mc.get(stream_url(process, query))
        mc.equal(answer.status, 400, "status of " + query)
        mc.check(answer.json()["error"] and answer.json()["detail"], "says what is wrong")
    mc.equal(mc.get(stream_url(process), {"last-event-id": "x"}).status, 400, "last-event-id")
    time.sleep(2)  # the store knows the run's series then
    for path in ("state?ts=x", "overview?px=0", "overview?px=x", "overview?from=9&to=3",
                 "overview?series=slab/none/used", "events?limit=0", "events?limit=100001",
                 "events?conn=x", "marks?from=x", "gaps?to=x"):
        mc.equal(mc.get("%s/api/runs/1/%s" % (process.dash, path)).status, 400, "status of " + path)


def test_unknown_runs():
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    for run in ("2", "99", "0", "-1", "x", "2.1", "1.9", "1.1.1", "99999999999999999999", "%2e%2e"):
        for what in ("stream", "stream?from=0", "state", "overview", "events", "marks", "gaps"):
            answer = mc.get("%s/api/runs/%s/%s" % (process.dash, run, what))
            mc.equal(answer.status, 404, "status of run %s, %s" % (run, what))
            mc.check(answer.json()["error"], "says what is wrong")


if __name__ == "__main__":
    mc.main()
