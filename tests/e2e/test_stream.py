"""test_stream.py: the dashboard's streams: live and replay are the same bytes, and nothing that a
client does harms another or the server."""
import concurrent.futures
import ctypes
import ctypes.util
import json
import os
import random
import select
import signal
import socket
import time
import urllib.parse

import mc

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy_program.c")
DOCUMENT_EVENTS = ("keyframe", "delta")


def record(*args):
    """The busy program, recorded; its run has begun."""
    process = mc.Record("--", mc.compile_program("busy", PROGRAM), *args)
    process.others += process.children()
    mc.wait_for("the run", lambda: mc.get(process.dash + "/api/runs").json()["runs"])
    return process


def stream_url(process, query="", run="1"):
    return "%s/api/runs/%s/stream%s" % (process.dash, run, "?" + query if query else "")


def take(stream, frames):
    """Events up to and with the frames'th keyframe or delta."""
    events = []
    while frames:
        event = stream.next()
        mc.check(event is not None, "the stream ended too early")
        events.append(event)
        frames -= event[0] in DOCUMENT_EVENTS
    return events


def take_all(stream):
    events = []
    while True:
        event = stream.next()
        if event is None:
            return events
        events.append(event)


def ids(events):
    return [int(e[2]) for e in events if e[0] in DOCUMENT_EVENTS]


def replay(store, *more):
    process = mc.Process([mc.MEMCAM, "replay", store, *more, "--dash", "127.0.0.1:0"])
    process.dash, = process.line(r"dashboard (\S+)")
    return process


def same(got, want, what):
    for place, (g, w) in enumerate(zip(got, want)):
        if g != w:
            at = next((i for i, (a, b) in enumerate(zip(str(g), str(w))) if a != b), 0)
            raise mc.Failed("%s: event %d of %d differs at %d: …%s… is not …%s…" % (
                what, place, len(want), at, str(g)[max(at - 60, 0):at + 60],
                str(w)[max(at - 60, 0):at + 60]))
    mc.equal(len(got), len(want), what + ": count of events")


def recorded(seconds="4"):
    """A store with one run of the busy program."""
    process = record(seconds)
    mc.wait_for("the program's end", lambda: process.child.poll() is not None, 30 * mc.SLOW)
    return process.store


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
    start = time.monotonic()
    at_one = take_all(mc.Stream(stream_url(player, span + "&speed=1")))
    took, lasts = time.monotonic() - start, (seen[-1] - seen[0]) / 1e9
    mc.equal(at_one.pop()[0], "end", "the last event")
    same(at_one, live, "speed 1")
    mc.check(abs(took - lasts) < 0.5 * mc.SLOW, "speed 1 takes %.2f s for %.2f s" % (took, lasts))


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
    stayed = ask_and_leave(player.dash, 4, False)
    left = ask_and_leave(player.dash, 4, True)
    mc.check(left < stayed / 2, "a place is free %.3f s after they hung up, %.3f s where they waited" % (left, stayed))


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
       "speed=1001", "speed=0.01", "speed=fast", "speed=", "coalesce=2", "coalesce=yes", "events=-1",
       "events=x", "last_event_id=x", "last_event_id=", "from=5&to=3", "from=5&to=3&speed=max")


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


def raw_stream(process, *headers):
    parts = urllib.parse.urlsplit(process.dash)
    connection = socket.create_connection((parts.hostname, parts.port))
    head = "GET /api/runs/1/stream HTTP/1.1\r\nhost: localhost\r\n" + "".join(
        h + "\r\n" for h in headers) + "\r\n"
    connection.sendall(head.encode())
    return connection


def memory(process):
    with open("/proc/%d/status" % process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) << 10


def unsent(process, clients):
    """The longest of the kernel's queues towards these clients, in bytes."""
    ports = {c.getsockname()[1] for c in clients}
    here = urllib.parse.urlsplit(process.dash).port
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return max([0] + [int(row[4].split(":")[0], 16) for row in rows
                      if int(row[1].split(":")[1], 16) == here and
                      int(row[2].split(":")[1], 16) in ports])


def test_a_client_that_stops_reading():
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    time.sleep(2)
    before = memory(process)
    slow = [raw_stream(process, *(["accept-encoding: zstd"] if i % 2 else [])) for i in range(10)]
    quick = mc.Stream(stream_url(process))
    seen = ids(take(quick, 100))
    longest = max(b - a for a, b in zip(seen, seen[1:]))
    mc.check(longest < 1e9 * mc.SLOW, "others wait for a slow client: %d ms" % (longest // 10**6))
    grown = memory(process) - before
    queued = unsent(process, slow)
    mc.check(grown + 10 * queued < 10 << 20 or mc.SLOW > 1,
             "10 stopped clients cost %d KB, and up to %d each in the kernel" % (
                 grown >> 10, queued >> 10))
    mc.check(queued > 0, "the kernel's queues can be seen")
    newest, text = ids(take(quick, 1))[-1], b""
    slow[0].settimeout(mc.SECONDS)
    while b"id: %d\n" % newest not in text[-100000:]:  # all that is between, or a keyframe
        data = slow[0].recv(65536)
        mc.check(data, "the stream ended")
        text += data
        if len(text) > 50 << 20:
            raise mc.Failed("50 MB, and the newest state is not there")
        last = [int(part.split(b"\n")[0]) for part in text[-400000:].split(b"\nid: ")[1:]
                if b"\n" in part]
        if last and last[-1] >= newest:
            break
    for connection in slow:
        connection.close()


def test_clients_come_and_go():
    seconds = float(os.environ.get("MEMCAM_CHURN_SECONDS", "12"))
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    def sockets():
        links = []
        for fd in os.listdir("/proc/%d/fd" % process.pid):
            try:
                links.append(os.readlink("/proc/%d/fd/%s" % (process.pid, fd)))
            except FileNotFoundError:  # closed meanwhile
                pass
        # SQLite keeps a closed reader's descriptors for the next one as long as the file is written:
        # there are as many as were in use at once.
        mc.check(sum(".db" in link for link in links) < 2 * 256 + 50, "descriptors of the trace")
        return sum(link.startswith("socket:") for link in links)

    def churn(length):
        clients, end, opened = [], time.monotonic() + length, 0
        while time.monotonic() < end:
            while len(clients) < 200:
                kind = random.choice((["accept-encoding: zstd"], [], ["last-event-id: 100000000"]))
                clients.append(raw_stream(process, *kind))
                opened += 1
            for client in select.select(clients, [], [], 0.05)[0]:
                data = client.recv(65536)
                mc.check(b" 503 " not in data[:20], "refused: %r" % data[:200])
                if not data or random.random() < 0.02:
                    if random.random() < 0.5:  # reset, instead of a proper close
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    client.close()
                    clients.remove(client)
        for client in clients:
            client.close()
        return opened

    churn(seconds / 3)
    time.sleep(1)
    before, before_sockets = memory(process), sockets()
    opened = churn(seconds)
    mc.wait_for("sockets as before", lambda: sockets() <= before_sockets)
    grown = memory(process) - before
    print("     %d clients; memory %+d KB, of %d" % (opened, grown >> 10, before >> 10))
    # The recorder itself holds a minute of frames; a leak of 16 KB a client would be twice this.
    mc.check(grown < 16 << 20 or mc.SLOW > 1, "memory grew by %d KB" % (grown >> 10))
    mc.check(process.child.poll() is None, "it lives")


# ---- marks ------------------------------------------------------------------------------------

def edit_marks(url, ts, want, gone):
    """Change `want`, which is the first mark, in all its members, and remove `gone`."""
    one = "%s/%d" % (url, want["mark_id"])
    want["label"] = "now <i>this</i>"
    mc.equal(mc.post(one, {"label": want["label"]}).status, 200, "a label alone")
    want["ts"], want["dur"] = ts + 1, 1
    mc.equal(mc.post(one, {"ts": ts + 1, "dur": 1}).status, 200, "a time alone")
    mc.check(want in mc.get(url).json()["marks"], "the list has it as it is now")
    for body in ({}, {"label": ""}, {"label": "x" * 256}, {"label": "a\nb"}, {"label": 1}, {"ts": -1},
                 {"ts": "1"}, {"ts": 10**18}, {"dur": -1}, {"dur": 10**18}, {"author": "me"}):
        mc.equal(mc.post(one, body).status, 400, "status of %r" % body)
    mc.equal(mc.post("%s/%d/delete" % (url, gone), {}).status, 200, "removed")
    for path in ("%s/%d" % (url, gone), "%s/%d/delete" % (url, gone), url + "/999999", url + "/x",
                 url + "/0", url + "/-1", url + "/1x", url + "/99999999999999999999999"):
        mc.equal(mc.post(path, {} if path.endswith("delete") else {"label": "y"}).status, 404, path)
    mc.equal(mc.get(one).status, 405, "GET of one mark")
    mc.equal(mc.get(url).json()["marks"], [want], "what is left")


def test_marks():
    process = record()
    stream = mc.Stream(stream_url(process))
    ts = stream.until("keyframe")[1]["ts"]
    url = process.dash + "/api/runs/1/marks"
    made = mc.post(url, {"ts": ts, "dur": 0, "label": "h\u00e9re <b>"})
    mc.equal(made.status, 201, "status (%s)" % made.body)
    mark_id = made.json()["mark_id"]
    want = {"mark_id": mark_id, "ts": ts, "dur": 0, "label": "h\u00e9re <b>", "author": "dashboard"}
    mc.equal(stream.until("mark")[1], want, "the live mark")
    mc.equal(mc.get(url).json()["marks"], [want], "at once in the list")
    for body in ({}, {"ts": ts}, {"ts": "1", "label": "x"}, {"ts": -1, "label": "x"},
                 {"ts": ts, "label": ""}, {"ts": ts, "label": "x" * 256}, {"ts": ts, "label": 5},
                 {"ts": 10**18, "label": "x"}, {"ts": ts, "dur": -1, "label": "x"},
                 {"ts": ts, "dur": 10**18, "label": "x"}, {"ts": ts, "label": "a\nb"},
                 {"ts": ts, "label": "x", "more": 1}, {"ts": 1.5, "label": "x"}):
        mc.equal(mc.post(url, body).status, 400, "status of %r" % body)
    mc.equal(mc.request("POST", url, b"\xff", {"content-type": "application/json"}).status, 400, "junk")
    mc.equal(mc.request("POST", url, "{}", {"content-type": "text/plain"}).status, 415, "text")
    mc.equal(mc.post(process.dash + "/api/runs/7/marks", {"ts": 1, "label": "x"}).status, 404, "run 7")
    gone = mc.post(url, {"ts": ts, "label": "gone soon"}).json()["mark_id"]
    stream.until("mark")
    time.sleep(1.5)  # this one is in the file when it is changed
    edit_marks(url, ts, want, gone)
    mc.equal(stream.until("mark")[1], want, "the changed mark is sent again")
    removed = stream.until("mark")[1]
    mc.equal((removed["mark_id"], removed.get("removed")), (gone, True), "that it is gone is sent")
    time.sleep(2)
    mc.equal(mc.get(url).json()["marks"], [want], "in the list when the file has it, too")
    process.stop()
    player = replay(process.store)
    mc.equal(mc.get(player.dash + "/api/runs/1/marks").json()["marks"], [want], "in the file")
    gone = mc.post(player.dash + "/api/runs/1/marks", {"ts": ts, "label": "x"}).json()["mark_id"]
    edit_marks(player.dash + "/api/runs/1/marks", ts, want, gone)
    mc.equal(mc.get(player.dash + "/api/runs/1/marks").json()["marks"], [want], "and once more")
    events = take_all(mc.Stream(stream_url(player, "speed=max&coalesce=0")))
    mc.equal([json.loads(e[1]) for e in events if e[0] == "mark"], [want], "in the replay")
    later = mc.post(player.dash + "/api/runs/1/marks", {"ts": ts + 1, "label": "later"})
    mc.equal(later.status, 201, "a mark in a recorded run (%s)" % later.body)
    mc.equal(len(mc.get(player.dash + "/api/runs/1/marks").json()["marks"]), 2, "both")


# ---- the rest ---------------------------------------------------------------------------------

def test_runs_events_gaps_query_overview():
    store = recorded("3")
    second = mc.path("second.db")
    with open(store, "rb") as a, open(second, "wb") as b:
        b.write(a.read())
    player = replay(store, second)
    runs = mc.get(player.dash + "/api/runs").json()["runs"]
    mc.equal([r["run"] for r in runs], ["1", "2.1"], "names of runs")
    mc.equal(runs[0]["exit"], "exit 0", "exit")
    mc.check(not runs[0]["live"] and runs[0]["end_ts"] > runs[0]["first_ts"], "span")
    for run in ("1", "2.1"):
        base = "%s/api/runs/%s/" % (player.dash, run)
        events = mc.get(base + "events?limit=100000").json()
        mc.check(not events["truncated"] and len(events["events"]) > 5000, "all events")
        cut = mc.get(base + "events?limit=10").json()
        mc.check(cut["truncated"] and cut["events"] == events["events"][:10], "the first ten")
        conn = events["events"][100]["conn_id"]
        of_one = mc.get(base + "events?conn=%d" % conn).json()["events"]
        mc.equal(of_one, [e for e in events["events"] if e.get("conn_id") == conn], "of one")
        mc.equal(mc.get(base + "gaps").status, 200, "gaps")
        overview = mc.get(base + "overview?px=50&series=slab/buffers/used,counter/requests/value").json()
        mc.equal([s["field"] for s in overview["series"]], ["used", "value"], "series")
        mc.equal(len(overview["series"][0]["min"]), 50, "pixels")
        mc.check(all(a is None or a <= b for s in overview["series"]
                     for a, b in zip(s["min"], s["max"])), "min is below max")
        mc.check(len(mc.get(base + "overview").json()["series"]) > 30, "all series")
    answer = mc.post(player.dash + "/api/query", {"sql": "select 1 as a, 'x' as b, null, 1.5, 1e999"})
    mc.equal(answer.json()["columns"][:2], ["a", "b"], "columns")
    mc.equal(answer.json()["rows"][0][:4], [1, "x", None, 1.5], "row")
    of_second = mc.post(player.dash + "/api/query",
                        {"sql": "select count(*) from run", "file": "second.db"})
    mc.equal(of_second.json()["rows"], [[1]], "rows of the second file")
    for body in ({}, {"sql": 1}, {"sql": "select"}, {"sql": "drop table run"}, {"sql": "select 1", "limit": 0},
                 {"sql": "select 1", "limit": 100001}, {"sql": "select 1", "file": "none.db"},
                 {"sql": "attach 'x' as y"}, {"sql": ""}):
        bad = mc.post(player.dash + "/api/query", body)
        mc.equal(bad.status, 400, "status of %r" % body)
        mc.check(bad.json()["detail"], "says what is wrong")
    cut = mc.post(player.dash + "/api/query", {
        "sql": "with recursive n(i) as (select 1 union all select i+1 from n) select i from n",
        "limit": 5})
    mc.equal(cut.json()["rows"], [[1], [2], [3], [4], [5]], "rows")
    mc.check(cut.json()["truncated"], "truncated")


def test_a_long_query_delays_nobody():
    process = record()
    stream = mc.Stream(stream_url(process, "events=0"))
    stream.until("keyframe")
    sql = "with recursive n(i) as (select 1 union all select i+1 from n) select max(i) from n"
    body = json.dumps({"sql": sql})
    parts = urllib.parse.urlsplit(process.dash)
    asks = []
    for _ in range(6):
        connection = mc.http.client.HTTPConnection(parts.hostname, parts.port, timeout=mc.SECONDS)
        connection.request("POST", "/api/query", body, {"content-type": "application/json"})
        asks.append(connection)
    arrivals = []
    for _ in range(12):
        stream.until("delta")
        arrivals.append(time.monotonic())
    statuses = sorted(connection.getresponse().status for connection in asks)
    mc.check(set(statuses) <= {400, 503} and statuses[0] == 400, "statuses %r" % statuses)
    worst = max(b - a for a, b in zip(arrivals, arrivals[1:]))
    mc.check(worst < 0.6 * mc.SLOW, "a frame came after %.2f s" % worst)


def test_metrics():
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    answer = mc.get(process.dash + "/metrics")
    mc.equal(answer.headers["content-type"],
             "application/openmetrics-text; version=1.0.0; charset=utf-8", "type")
    text = answer.text()
    mc.check(text.endswith("# EOF\n"), "ends with EOF")
    for line in ('memcam_slab_capacity{pool="buffers"} 400', "memcam_recording 1"):
        mc.check(line in text.split("\n"), line)
    mc.check('memcam_counter_total{name="requests"} ' in text, "the counter")
    health = mc.get(process.dash + "/healthz").json()
    mc.equal(health, {"status": "ok", "recording": True, "trouble": None}, "health")


if __name__ == "__main__":
    mc.main()
