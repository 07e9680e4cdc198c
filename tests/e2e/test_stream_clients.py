"""test_stream_clients.py: nothing that a client of a stream does harms another or the server."""
import json
import os
import random
import select
import socket
import time
import urllib.parse

import mc
from stream_lib import ids, record, stream_url, take


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
    quick = mc.Stream(stream_url(process))
    newest = ids(take(quick, 1))[-1]
    while ids(take(quick, 1))[-1] < newest + 31e9:  # what all clients share is 30 s of text
        pass
    before = memory(process)
    slow = [raw_stream(process, *(["accept-encoding: zstd"] if i % 2 else [])) for i in range(10)]

    def longest():
        seen = ids(take(quick, 100))
        return max(b - a for a, b in zip(seen, seen[1:]))

    mc.wait_for("others that wait for no slow client", lambda: longest() < 1e9 * mc.SLOW)
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




def test_a_long_query_delays_nobody():
    process = record()
    stream = mc.Stream(stream_url(process, "events=0"))
    stream.until("keyframe")
    sql = "with recursive n(i) as (select 1 union all select i+1 from n) select max(i) from n"
    body = json.dumps({"sql": sql})
    parts = urllib.parse.urlsplit(process.dash)

    def latest():
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
        return max(b - a for a, b in zip(arrivals, arrivals[1:]))

    mc.wait_for("frames that long queries do not delay", lambda: latest() < 0.6 * mc.SLOW)


if __name__ == "__main__":
    mc.main()
