#!/usr/bin/env python3
"""test_http_h1.py: HTTP/1.1 over raw sockets: good requests, bad ones, and whether it goes on."""
import os
import random
import socket
import sys
import time

from http_client import (SLOW, Server, check, failures, read_all, read_answer, read_until, request, split,
                         wait_for)


def error_of(data):
    status, head, body = split(data)
    is_json = "content-type: application/json" in head and body.startswith(b'{"error":"')
    return status if is_json else (status, head, body[:80])


def test_keep_alive_and_close(server):
    with server.connect() as s:
        for _ in range(3):
            s.sendall(request("GET", "/"))
            status, _, body, rest = read_answer(s)
            check((status, body, rest) == (200, b"Hello, World\n", b""), "keep-alive answer")
        s.sendall(request("GET", "/", close=True))
        data = read_all(s)
        check(data.endswith(b"Hello, World\n") and b"connection: close" in data, "close is kept")
    data = server.raw(b"GET / HTTP/1.0\r\n\r\n")
    check(split(data)[0] == 200 and data.endswith(b"World\n"), "HTTP/1.0 ends by itself")
    with server.connect() as s:
        for _ in range(2):
            s.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            status, head, _, _ = read_answer(s)
            check(status == 200 and "keep-alive" in head, "HTTP/1.0 keep-alive")


def test_pipelining(server):
    parts = []
    for i in range(60):
        parts.append(request("POST", "/echo", b"body %d" % i) if i % 3 else request("GET", "/"))
    parts.append(request("GET", "/slow?ms=50"))
    parts.append(request("POST", "/echo", b"last", close=True))
    data = server.raw(b"".join(parts))
    check(data.count(b"HTTP/1.1 200 OK") == 62, "62 answers, not %d" % data.count(b"HTTP/1.1 200 OK"))
    at = -1
    for i in range(60):
        if i % 3:
            place = data.find(b"\r\n\r\nbody %dHTTP/1.1" % i)
            check(place > at, "answer %d in its place" % i)
            at = place
    check(data.endswith(b"last") and data.find(b"later\n") < data.find(b"\r\n\r\nlast"), "slow before last")


def test_pipelining_more_than_a_buffer(server):
    one = request("GET", "/headers", x_test="v" * 1000)
    data = server.raw(one * 100 + request("GET", "/", close=True))
    check(data.count(b"HTTP/1.1 200") == 101, "101 answers, not %d" % data.count(b"HTTP/1.1 200"))


def test_bytes_one_by_one(server):
    text = (b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n")
    with server.connect() as s:
        for i in range(len(text)):
            s.sendall(text[i:i + 1])
            if i % 10 == 0:
                time.sleep(0.001)
        check(read_all(s).endswith(b"\r\n\r\nabcdefg"), "a chunked body, byte by byte")


def test_expect_continue(server):
    with server.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        check(read_until(s, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n", "100 Continue")
        s.sendall(b"abc")
        check(read_answer(s)[2] == b"abc", "and then the answer")
    with server.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                  b"Content-Length: 99999999\r\n\r\n")
        status, head, _, _ = read_answer(s)
        check(status == 413 and "connection: close" in head, "413 without 100")


def test_head(server):
    status, head, body = split(server.raw(request("HEAD", "/", close=True)))
    check(status == 200 and "content-length: 13" in head and body == b"", "HEAD has a length and no body")
    status, head, body = split(server.raw(request("HEAD", "/stream?count=2", close=True)))
    check(status == 200 and body == b"", "HEAD of a stream")
    check(wait_for(lambda: server.stats()["streams_open"] == 0), "its stream is closed")


def test_bad_requests(server):
    h = b"Host: localhost\r\n"
    cases = [
        (b"\x00\x01\x02\x03garbage\r\n\r\n", 400), (b"hello\r\n\r\n", 400), (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n" + h + h + b"\r\n", 400), (b"GET /%zz HTTP/1.1\r\n" + h + b"Connection: close\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\n" + h + b"Connection: close\r\n\r\n", 400), (b"GET x HTTP/1.1\r\n" + h + b"Connection: close\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + h + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + h + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + h + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\n" + h + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + h + b"X : y\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + h + b"X: a\r\n b\r\n\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\n" + h + b"Connection: close\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\n" + h + b"Expect: tea\r\n\r\n", 417),
        (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n" + h + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + h + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + h + b"X: y\r\n" * 500 + b"\r\n", 431),
        (b"POST /echo HTTP/1.1\r\n" + h + b"Content-Length: 5000000\r\n\r\n" + b"x" * 5000000, 413),
        (b"POST /echo HTTP/1.1\r\n" + h + b"Content-Length: 999999999999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        (b"GET /nope HTTP/1.1\r\n" + h + b"Connection: close\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\n" + h + b"Sec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n", 403),
        (b"POST /echo HTTP/1.1\r\n" + h + b"Origin: http://evil.example\r\nConnection: close\r\n\r\n", 403),
    ]
    for data, want in cases:
        got = error_of(server.raw(data))
        check(got == want, "%r gives %s, not %s" % (data[:60], want, got))
    chunks = b"POST /echo HTTP/1.1\r\n" + h + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n"
    check(error_of(server.raw(chunks + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 400)) == 413, "413 in the middle of chunks")
    check(server.get("/")[0] == 200, "and it goes on")


def test_no_answer_splitting(server):
    status, head, body = server.get("/bad")
    check(status == 500 and "set-cookie" not in head and b"never" not in body, "a header with CRLF is a 500")


def test_noise(server):
    rng = random.Random(7)
    for _ in range(200):
        with server.connect() as s:
            try:
                s.sendall(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300))))
                if rng.random() < 0.5:
                    s.shutdown(socket.SHUT_WR)
                    read_all(s)
            except OSError:
                pass
    check(server.get("/")[0] == 200, "it goes on after noise")


def test_half_open(server):
    with server.connect() as s:  # the peer says it is done, and still wants its answer
        s.sendall(request("GET", "/big?bytes=3000000"))
        s.shutdown(socket.SHUT_WR)
        check(len(split(read_all(s))[2]) == 3000000, "an answer after half-close")
    with server.connect() as s:  # half a request, then the end
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        s.shutdown(socket.SHUT_WR)
        check(read_all(s) == b"", "half a request ends without an answer")
    gone = server.stats()["gone"]
    with server.connect() as s:
        s.sendall(request("GET", "/never"))
        check(wait_for(lambda: server.stats()["delayed"] == 1), "a delayed answer")
    check(wait_for(lambda: server.stats()["gone"] == gone + 1), "the handler hears that its peer left")


def test_large_and_aborted(server):
    status, _, body = server.get("/big?bytes=67108864")
    check(status == 200 and len(body) == 67108864, "64 MiB")
    for _ in range(20):
        with server.connect() as s:
            s.sendall(request("GET", "/big?bytes=67108864"))
            s.recv(1000)
    with server.connect() as s:
        body = os.urandom(1000000)
        s.sendall(request("POST", "/echo", body))
        check(read_answer(s)[2] == body, "1 MB echoed")


def test_query_and_headers(server):
    body = server.get("/headers?q=a%20b+c&z", x_test="value")[2].decode()
    for line in ("method GET", "path /headers", "query q=a%20b+c&z", "q a b c", "x-test: value", "host: localhost"):
        check(line + "\n" in body, "%s in %r" % (line, body))


def test_connection_churn(server):
    before = server.fd_count()
    for _ in range(300):
        server.get("/")
    check(wait_for(lambda: server.fd_count() <= before + 2), "descriptors come back")


def test_ipv6():
    with Server("address=[::1]:0") as server:
        check(server.address.startswith("[::1]:"), "address " + server.address)
        with socket.create_connection(("::1", server.port), 5) as s:
            s.sendall(request("GET", "/", host="[::1]:%d" % server.port, close=True))
            check(read_all(s).endswith(b"World\n"), "an IPv6 literal as Host")


def main():
    with Server() as server:
        for name, test in list(globals().items()):
            if name.startswith("test_") and name != "test_ipv6":
                start = time.monotonic()
                test(server)
                print("%s %.2f s" % (name, time.monotonic() - start), flush=True)
    test_ipv6()
    return 1 if failures else 0


sys.exit(main())
