#!/usr/bin/env python3
"""test_http_limits.py: pools that run empty, slow peers, many streams, doors, shutdown."""
import json
import signal
import socket
import subprocess
import sys
import threading
import time

from http_client import (BUILD, DATA, GOAWAY, H2, HEADERS, SLOW, Server, check, failures, frame, h2_headers, read_all,
                         read_answer, request, split, wait_for)


def is_shed(data, where):
    status, head, body = split(data)
    check(status == 503 and "retry-after: 1" in head and "application/json" in head, "%s: 503: %r" % (where, data[:100]))
    try:
        check("error" in json.loads(body), where + ": JSON")
    except ValueError:
        check(False, "%s: JSON, not %r" % (where, body))


def test_no_arena():
    with Server("requests=3") as server:
        held = [server.connect() for _ in range(2)]
        with H2(server) as h:
            h.send(h2_headers(1, "/never"))
            for s in held:
                s.sendall(request("GET", "/never"))
            time.sleep(0.2 * SLOW)
            for _ in range(20):
                is_shed(server.raw(request("GET", "/")), "no arena, h1")
            with H2(server) as other:
                for stream in (1, 3, 5):
                    other.send(h2_headers(stream, "/echo", "POST", end=False) + frame(DATA, 1, stream, b"x" * 1000))
                    head, body = other.answer(stream)
                    check(head and b"503" in head and b"retry-after" in head or head and b'"error"' in body,
                          "no arena, h2: %r %r" % (head, body))
                    check(json.loads(body)["error"] == "Service Unavailable", "no arena, h2: %r" % body)
            for s in held:
                s.close()
        check(wait_for(lambda: server.get("/")[0] == 200), "arenas come back")


def test_no_handle():
    with Server("conns=4", "idle_ms=60000") as server:
        held = [server.connect() for _ in range(4)]
        time.sleep(0.2 * SLOW)
        for _ in range(100):
            is_shed(server.raw(request("GET", "/")), "no handle")
        with H2(server) as h:
            h.send(h2_headers(1))
            f = h.wait(GOAWAY)
            check(f and f[0] == GOAWAY, "no handle, h2: GOAWAY, not %r" % (f,))
        idle = [server.connect() for _ in range(100)]  # more than the spares, and they say nothing
        time.sleep(0.3 * SLOW)
        for s in idle:
            s.close()
        held[0].sendall(request("GET", "/"))
        check(read_answer(held[0])[0] == 200, "who has a handle is served")
        for s in held:
            s.close()
        check(wait_for(lambda: split(server.raw(request("GET", "/", close=True)))[0] == 200), "handles come back")


def slow_reader(server, path):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", server.port))
    s.sendall(request("GET", path))
    return s


def test_no_buffer():
    with Server("buffers=4") as server:
        slow = []  # each holds a buffer: a request waits in it behind one that is not answered
        for _ in range(4):
            slow.append(server.connect())
            slow[-1].sendall(request("GET", "/never") + request("GET", "/"))
        check(wait_for(lambda: split(server.raw(request("GET", "/", close=True)))[0] == 503), "all are held")
        for _ in range(20):
            is_shed(server.raw(request("GET", "/", close=True)), "no buffer, h1")
        with H2(server) as h:
            h.send(h2_headers(1))
            body = h.answer(1)[1]
            check(b"Service Unavailable" in body, "no buffer, h2: %r" % body)
        for s in slow:
            s.close()
        check(wait_for(lambda: server.get("/")[0] == 200), "buffers come back")
        blocked = [slow_reader(server, "/big?bytes=60000000") for _ in range(12)]
        time.sleep(0.5 * SLOW)
        check(wait_for(lambda: server.get("/")[0] == 200), "slow readers leave one for others")
        for s in blocked:
            s.close()


def test_arena_overflow():
    with Server("arena=4096", "requests=4") as server:
        check(server.get("/alloc?bytes=10000000")[0] == 200, "10 MB out of an arena of 4 KiB")
        check(split(server.raw(request("POST", "/echo", b"z" * 500000, close=True)))[2] == b"z" * 500000, "and a body")
        before = server.rss_kb()
        for _ in range(20):
            server.get("/alloc?bytes=10000000")
        check(server.rss_kb() - before < 5000 * SLOW, "which is given back (%d KB)" % (server.rss_kb() - before))


def test_timeouts():
    with Server("idle_ms=400") as server:
        fds = server.fd_count()
        start = time.monotonic()
        check(server.raw(b"") == b"", "silence is closed")
        check(time.monotonic() - start < 20 * SLOW, "in time")
        with server.connect() as s:
            s.sendall(request("GET", "/"))
            check(read_answer(s)[0] == 200 and s.recv(10) == b"", "an idle connection is closed")
        with server.connect() as s:  # a head that never ends
            stop = time.monotonic() + 20 * SLOW
            s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            s.settimeout(0.05)
            data = b""
            while time.monotonic() < stop:
                try:
                    data += s.recv(1000)
                    break
                except socket.timeout:
                    s.sendall(b"X-Slow: y\r\n")
            check(split(data)[0] == 408, "slowloris gets 408: %r" % data[:80])
        data = server.raw(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        check(split(data)[0] == 408, "half a body gets 408: %r" % data[:80])
        with H2(server) as h:
            check(h.wait(GOAWAY) is not None, "an idle h2 connection gets GOAWAY")
        with H2(server) as h:
            h.send(h2_headers(1, "/echo", "POST", end=False) + frame(DATA, 0, 1, b"abc"))
            head, body = h.answer(1)
            check(b"Request Timeout" in body, "half a body on h2 gets 408: %r" % body)
        check(wait_for(lambda: server.fd_count() <= fds), "what was asked before is closed")
        slow = slow_reader(server, "/big?bytes=60000000")
        check(wait_for(lambda: server.fd_count() > fds), "a slow reader is let in")
        check(wait_for(lambda: server.fd_count() <= fds), "who does not read an answer is closed")
        slow.close()
        with server.connect() as s:  # a stream is not idle
            s.sendall(request("GET", "/stream?ms=100"))
            end = time.monotonic() + 1.5 * SLOW
            while time.monotonic() < end:
                if not s.recv(10000):
                    check(False, "a stream lives longer than idle_ms")
                    break


def test_slow_stream_reader():
    with Server() as server:
        before = server.rss_kb()
        readers = [slow_reader(server, "/stream?ms=0&bytes=4096") for _ in range(10)]
        with H2(server) as h:
            for i in range(10):
                h.send(h2_headers(2 * i + 1, "/stream?ms=0&bytes=4096"))
            time.sleep(1.0 * SLOW)
            grown = server.rss_kb() - before
            check(grown < 20 * 1024, "20 readers that do not read cost %d KB" % grown)
            ticks = server.cpu_ticks()
            time.sleep(0.5)
            check(server.cpu_ticks() - ticks <= 5 * SLOW, "and no CPU")
            readers[0].settimeout(5)
            got = 0
            while got < 1000000:
                got += len(readers[0].recv(65536))
            check(got >= 1000000, "and one that reads again gets on")
        for s in readers:
            s.close()
        check(wait_for(lambda: server.stats()["streams_open"] == 0), "all are closed at the end")


def stream_client(server, seconds, errors):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with server.connect() as s:
                s.sendall(request("GET", "/stream?ms=10&bytes=300"))
                for _ in range(5):
                    s.recv(4096)
        except OSError as e:
            errors.append(str(e))
            return


def test_streams_come_and_go():
    with Server() as server:
        def wave(seconds):
            errors = []
            threads = [threading.Thread(target=stream_client, args=(server, seconds, errors)) for _ in range(200)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            check(not errors, "no client failed: %r" % errors[:3])
            check(wait_for(lambda: server.stats()["streams_open"] == 0), "no stream is left")
        wave(1)
        time.sleep(0.3)
        rss, fds = server.rss_kb(), server.fd_count()
        wave(5)
        time.sleep(0.3)
        check(server.rss_kb() - rss < 2048 * SLOW * SLOW, "RSS grew by %d KB over %d streams" % (
            server.rss_kb() - rss, server.stats()["streams_opened"]))
        check(server.fd_count() <= fds + 1, "descriptors come back")


def test_token():
    with Server("token=s3cret") as server:
        check(server.get("/")[0] == 401, "no token")
        status, head, _ = server.get("/?token=s3cret")
        check(status == 303 and "location: /\r\n" in head + "\r\n", "the token is swapped: %s" % head)
        check("set-cookie: memcam_token=s3cret; httponly; samesite=strict; path=/" in head, "for a cookie")
        check(server.get("/", Cookie="memcam_token=s3cret")[0] == 200, "the cookie opens")
        check(server.get("/", Authorization="Bearer s3cret")[0] == 200, "the header opens")
        check(server.get("/", Authorization="Bearer wrong")[0] == 401, "a wrong one doesn't")


def refused(*words):
    run = subprocess.run([BUILD + "/bench/bench_http", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=20)
    text = run.stderr.decode()
    check(run.returncode == 3 and text.count("\n") == 1, "%s: one line and exit 3: %r" % (words, text))
    return text


def test_refused_to_start():
    with Server() as server:
        text = refused(str(server.port))
        check("127.0.0.1:%d" % server.port in text and "in use" in text, "port in use: " + text)
    check("0.0.0.0:0" in refused("0", "address=0.0.0.0:0"), "others could reach it")
    check("TLS and a token" in refused("0", "address=0.0.0.0:0", "tls"), "TLS alone is not enough")
    for address in ("nonsense", "127.0.0.1", "1.2.3.4.5:80", "[::1:80", "127.0.0.1:99999", ":80", "127.0.0.1:", "::1:80"):
        check(address in refused("0", "address=" + address), "a wrong address")
    check("203.0.113.1" in refused("0", "address=203.0.113.1:0", "tls", "token=x"), "not ours")
    refused("0", "token=with space")
    with Server("address=0.0.0.0:0", "tls", "token=s3cret"):
        pass


def test_shutdown():
    with Server() as server:
        streams = [server.connect() for _ in range(5)]
        for s in streams:
            s.sendall(request("GET", "/stream?ms=20"))
        never = server.connect()
        never.sendall(request("GET", "/never"))
        half = server.connect()
        half.sendall(b"GET / HT")
        blocked = slow_reader(server, "/stream?ms=0&bytes=10000")
        h = H2(server)
        h.send(h2_headers(1, "/stream?ms=20") + h2_headers(3, "/never"))
        time.sleep(0.3 * SLOW)
        start = time.monotonic()
        server.child.send_signal(signal.SIGTERM)
        check(read_all(streams[0]).endswith(b"\r\n0\r\n\r\n"), "a stream ends as it should")
        check(split(read_all(never))[0] == 503, "a delayed answer is a 503")
        kinds = []
        while True:
            f = h.next_frame()
            if f is None:
                break
            kinds.append((f[0], f[2], f[1] & 1))
        check((GOAWAY, 0, 0) in kinds and (DATA, 1, 1) in kinds and (DATA, 3, 1) in kinds, "h2: GOAWAY and ends")
        server.child.wait(10 * SLOW)
        check(time.monotonic() - start < 20 * SLOW, "all in time")
        for s in streams + [half, blocked]:
            s.close()
        server.child.poll = lambda: None  # it was us who ended it


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            start = time.monotonic()
            test()
            print("%s %.2f s" % (name, time.monotonic() - start), flush=True)
    return 1 if failures else 0


sys.exit(main())
