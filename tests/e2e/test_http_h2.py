#!/usr/bin/env python3
"""test_http_h2.py: HTTP/2: by curl, and frame by frame: limits, floods, resets, streams, TLS."""
import os
import re
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import warnings

from http_client import (BUILD, CONTINUATION, DATA, GOAWAY, H2, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
                         SLOW, WINDOW_UPDATE, Server, check, failures, frame, h2_headers, read_all,
                         request, split, wait_for)

CALM = 11  # ENHANCE_YOUR_CALM


def curl(server, path, *options):
    run = subprocess.run(["curl", "-ksS", "-m", "20", "-w", "\n%{http_code} %{http_version}", *options,
                          "%s://localhost:%d%s" % (server.scheme, server.port, path)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    body, _, tail = run.stdout.rpartition(b"\n")
    words = tail.split() + [b"0", b"0"]
    return int(words[0]), words[1].decode(), body


def test_curl(server):
    for options, version in ((["--http2-prior-knowledge"], "2"), (["--http1.1"], "1.1")):
        check(curl(server, "/", *options) == (200, version, b"Hello, World\n"), "curl / over " + version)
        with tempfile.NamedTemporaryFile() as f:
            f.write(os.urandom(1000000))
            f.flush()
            with open(f.name, "rb") as again:
                body = again.read()
            got = curl(server, "/echo", "--data-binary", "@" + f.name, *options)
            check(got == (200, version, body), "1 MB echoed over " + version)
            with open(f.name, "ab") as more:
                more.write(body)
            got = curl(server, "/echo", "--data-binary", "@" + f.name, *options)
            check(got[0] == 413 and b'"error"' in got[2], "413 over %s: %r" % (version, got[:2]))
        check(len(curl(server, "/big", *options)[2]) == 10 << 20, "10 MiB over " + version)
        check(curl(server, "/nope", *options)[0] == 404, "404 over " + version)
        check(curl(server, "/slow", *options)[2] == b"later\n", "a later answer over " + version)
        check(curl(server, "/stream?count=3&ms=20", *options)[2].count(b"data: ") == 3, "a stream over " + version)
        check(curl(server, "/", "-H", "Host: evil.example", *options)[0] == 421, "421 over " + version)
        check(curl(server, "/", "-I", *options)[0] == 200, "HEAD over " + version)
        check(curl(server, "/headers", "-H", "X-Long: " + "a" * 20000, *options)[0] == 431, "431 over " + version)


def test_frames(server):
    with H2(server) as h:
        h.send(h2_headers(1) + h2_headers(3, "/nope") + h2_headers(5, "/echo", "POST", end=False) +
               frame(DATA, 1, 5, b"body"))
        bodies = {1: b"", 3: b"", 5: b""}
        open_streams = set(bodies)
        while open_streams:
            f = h.next_frame()
            if f is None:
                break
            if f[0] == DATA:
                bodies[f[2]] += f[3]
            if f[0] in (HEADERS, DATA) and f[1] & 1:
                open_streams.discard(f[2])
        check(bodies[1] == b"Hello, World\n" and bodies[5] == b"body" and b"Not Found" in bodies[3],
              "three streams at once: %r" % bodies)
        h.send(frame(PING, 0, 0, b"12345678"))
        f = h.wait(PING)
        check(f and f[1] == 1 and f[3] == b"12345678", "PING is answered")


def goaway_code(h):
    while True:
        f = h.next_frame()
        if f is None:
            return None
        if f[0] == GOAWAY:
            return struct.unpack(">II", f[3][:8])[1]


def test_protocol_errors(server):
    cases = [
        ("DATA on stream 0", frame(DATA, 0, 0, b"x")), ("even stream", h2_headers(2)),
        ("too long a frame", b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 100), ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, b"12345")),
        ("CONTINUATION from nowhere", frame(CONTINUATION, 4, 1, b"")), ("PING of 3 bytes", frame(PING, 0, 0, b"abc")),
        ("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0")), ("broken HPACK", frame(HEADERS, 5, 1, b"\xff" * 20)),
        ("HEADERS cut by PING", frame(HEADERS, 1, 1, b"\x82") + frame(PING, 0, 0, b"12345678")),
    ]
    for name, data in cases:
        with H2(server) as h:
            h.send(data)
            code = goaway_code(h)
            check(code not in (None, 0), "%s: GOAWAY, not %s" % (name, code))
    data = server.raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
    check(b"HTTP/1.1 200" not in data, "a wrong preface is refused")
    check(server.get("/")[0] == 200, "it goes on")


def flood(server, data, count, prepare=b""):
    """Send a flood while reading. The GOAWAY code or "closed" (None: it was let in), and CPU ticks."""
    with H2(server, timeout=10) as h:
        h.send(prepare)
        before = server.cpu_ticks()
        h.s.settimeout(0.001)
        received, end = b"", time.monotonic() + 10 * SLOW
        for i in range(count):
            try:
                h.s.sendall(data(i))
            except OSError as e:
                if "timed out" not in str(e):
                    break
            if i % 20 == 0:
                try:
                    received += h.s.recv(65536)
                except OSError:
                    pass
            if b"\x00\x00\x08\x07\x00" in received[-70000:] or time.monotonic() > end:
                break
        h.s.settimeout(20 * SLOW)
        h.buffer = received
        code = goaway_code(h)
        if code is None and not h.alive:
            code = "closed"
        return code, server.cpu_ticks() - before


def test_floods(server):
    block = frame(DATA, 0, 1, b"")
    cases = [
        ("PING", lambda i: frame(PING, 0, 0, b"12345678") * 50, b""),
        ("SETTINGS", lambda i: frame(SETTINGS) * 50, b""),
        ("PRIORITY", lambda i: frame(PRIORITY, 0, 1, b"\0\0\0\0\x10") * 50, b""),
        ("WINDOW_UPDATE", lambda i: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 50, b""),
        ("unknown frames", lambda i: frame(99, 0, 0, b"hello") * 50, b""),
        ("empty DATA", lambda i: block * 50, h2_headers(1, "/echo", "POST", end=False)),
        ("rapid reset", lambda i: b"".join(
            h2_headers(2 * (50 * i + k) + 1, "/slow?ms=1000") + frame(RST_STREAM, 0, 2 * (50 * i + k) + 1, b"\0\0\0\x08")
            for k in range(50)), b""),
        ("provoked resets", lambda i: b"".join(
            h2_headers(2 * (50 * i + k) + 1, "/slow?ms=1000") + frame(WINDOW_UPDATE, 0, 2 * (50 * i + k) + 1, b"\0\0\0\0")
            for k in range(50)), b""),
    ]
    for name, data, prepare in cases:
        code, ticks = flood(server, data, 2000, prepare)
        check(code is not None and code != 0, "a flood of %s ends the connection (%s)" % (name, code))
        check(ticks < 100 * SLOW, "a flood of %s costs %d ticks" % (name, ticks))
    check(wait_for(lambda: server.stats()["delayed"] == 0), "no request is left behind")


def test_ping_flood_without_reading(server):
    before = server.rss_kb()
    with H2(server) as h:
        h.s.settimeout(1)
        for _ in range(2000):
            if not h.send(frame(PING, 0, 0, b"12345678") * 100):
                break
        check(server.rss_kb() - before < 2000 * SLOW, "unread PING answers cost %d KB" % (server.rss_kb() - before))


def test_busy_client_is_no_flood(server):
    """Many small answers with WINDOW_UPDATEs and PINGs between them: a browser or a load generator."""
    run = subprocess.run(["h2load", "-n", "50000", "-c", "4", "-m", "50", "-t", "1", "-w", "16",
                          "http://127.0.0.1:%d/" % server.port], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(b"50000 succeeded, 0 failed" in run.stdout, "h2load: %r" % run.stdout[-300:])
    run = subprocess.run(["h2load", "-n", "20", "-c", "2", "-m", "2", "-t", "1", "-w", "15", "-W", "15",
                          "http://127.0.0.1:%d/big" % server.port], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(b"20 succeeded, 0 failed" in run.stdout, "h2load of 200 MiB in a small window: %r" % run.stdout[-300:])


def test_concurrent_streams(server):
    with H2(server) as h:
        f = h.wait(SETTINGS)
        settings = dict(struct.unpack(">HI", f[3][i:i + 6]) for i in range(0, len(f[3]), 6))
        check(settings.get(3) == 100, "MAX_CONCURRENT_STREAMS is announced")
        h.send(frame(SETTINGS, 1))
        h.send(b"".join(h2_headers(2 * i + 1, "/never") for i in range(101)))
        f = h.wait(RST_STREAM)
        check(f and f[0] in (RST_STREAM, GOAWAY), "the 101st stream is refused")
    check(wait_for(lambda: server.stats()["delayed"] == 0), "and all are given up when the peer leaves")


def test_flow_control(server):
    with H2(server) as h:  # an initial window of 10 bytes, then byte by byte
        h.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 10)) + h2_headers(1))
        f = h.wait(DATA)
        check(f and f[3] == b"Hello, Wor" and not f[1] & 1, "only what the window allows: %r" % (f,))
        h.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 2)))
        f = h.wait(DATA)
        check(f and f[3] == b"ld", "and the rest as it opens: %r" % (f,))
        h.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 20)))
        f = h.wait(DATA)
        check(f and f[3] == b"\n" and f[1] & 1, "to its end: %r" % (f,))


def test_early_answer(server):
    with H2(server) as h:
        h.send(h2_headers(1, "/echo", "POST", end=False, extra=[("content-length", "999999999")]))
        head, body = h.answer(1)
        check(b"Content Too Large" in body, "413 before the body has come: %r" % body)


def test_streams_and_resets(server):
    with H2(server) as h:
        for i in range(0, 40):
            h.send(h2_headers(2 * i + 1, "/stream?ms=10&bytes=1000"))
        check(wait_for(lambda: server.stats()["streams_open"] == 40), "40 streams")
        for i in range(0, 20):
            h.send(frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08"))
        check(wait_for(lambda: server.stats()["streams_open"] == 20), "20 after 20 resets")
    check(wait_for(lambda: server.stats()["streams_open"] == 0), "none after the connection's end")


def tls_context(*alpn):
    ctx = ssl.create_default_context()
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if alpn:
        ctx.set_alpn_protocols(list(alpn))
    return ctx


def test_tls():
    with Server("tls") as server:
        check(server.scheme == "https", "the scheme")
        for option, version in (("--http2", "2"), ("--http1.1", "1.1"), ("--tls-max=1.2", "2")):
            options = [option] if "=" not in option else option.split("=")
            check(curl(server, "/", *options) == (200, version, b"Hello, World\n"), "TLS, curl " + option)
            check(len(curl(server, "/big", *options)[2]) == 10 << 20, "10 MiB over TLS, curl " + option)
            body = b"0123456789abcdef" * 50000
            with tempfile.NamedTemporaryFile() as f:
                f.write(body)
                f.flush()
                check(curl(server, "/echo", "--data-binary", "@" + f.name, *options)[2] == body, "800 KB back, " + option)
        with tls_context("http/1.1").wrap_socket(server.connect()) as s:
            for _ in range(3):  # pipelined over TLS, more than a record
                s.sendall(request("POST", "/echo", b"x" * 30000) * 3)
            s.sendall(request("GET", "/slow?ms=50") + request("GET", "/", close=True))
            data = read_all(s)
            check(data.count(b"HTTP/1.1 200 OK") == 11 and data.endswith(b"World\n"), "pipelining over TLS")
        with tls_context().wrap_socket(server.connect()) as s:
            s.sendall(request("GET", "/", close=True))
            check(split(read_all(s))[0] == 200, "no ALPN is HTTP/1.1")
        with tls_context("h2").wrap_socket(server.connect()) as s:
            with H2(server, sock=s) as h:
                h.send(h2_headers(1))
                check(h.answer(1)[1] == b"Hello, World\n", "raw h2 over TLS")
        server.raw(b"\x16\x03\x01\x00\x05hello")
        server.raw(b"\x16" * 100)
        with server.connect() as s:
            s.sendall(b"\x16\x03\x01\x02")  # half a hello, then nothing
        warnings.simplefilter("ignore", DeprecationWarning)
        old = tls_context()
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        try:
            old.wrap_socket(server.connect())
            check(False, "TLS 1.1 is refused")
        except (ssl.SSLError, OSError):
            pass
        check(curl(server, "/")[0] == 200, "it goes on")
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
    import hashlib
    digest = hashlib.sha256(der).hexdigest().upper()
    check(":".join(re.findall("..", digest)) in server.stderr, "the fingerprint is said: %r" % server.stderr)
    check(server.stderr.count("\n") == 1, "in one line")
    for name in (b"localhost", b"\x87\x04\x7f\x00\x00\x01", b"\x87\x10" + b"\0" * 15 + b"\1"):
        check(name in der, "the certificate names %r" % name)


def test_tls_one_port():
    """The first bytes decide, whether the port is called https or not; where others can come, TLS must."""
    ways = (("https", "--http2", "2"), ("https", "--http1.1", "1.1"), ("http", "--http1.1", "1.1"),
            ("http", "--http2-prior-knowledge", "2"))
    for options in ((), ("tls",)):
        with Server(*options) as server:
            for scheme, option, version in ways * 2:
                server.scheme = scheme
                check(curl(server, "/", option) == (200, version, b"Hello, World\n"), "%s on %s, %s" % (scheme, options, option))
                check(curl(server, "/echo", option, "-d", "x", "-H", "Origin: %s://localhost:%d" % (scheme, server.port))[0]
                      == 200, "an Origin is of the scheme that was spoken, %s %s" % (scheme, options))
                check(curl(server, "/echo", option, "-d", "x", "-H", "Origin: %s://localhost:%d" % (
                    "http" if scheme == "https" else "https", server.port))[0] == 403, "and of no other")
        check(server.stderr.count("self-signed") == 1, "one certificate, said once: %r" % server.stderr)
    with Server("tls", "address=0.0.0.0:0", "token=s3cret") as server:
        data = server.raw(request("GET", "/", Authorization="Bearer s3cret"))
        check(split(data)[0] == 400 and b"https://" in data, "clear text from elsewhere: %r" % data[:100])
        check(b"200" not in server.raw(PREFACE + frame(SETTINGS) + h2_headers(1)), "clear h2 from elsewhere")
        check(curl(server, "/", "-H", "Authorization: Bearer s3cret")[0] == 200, "TLS")


def refused(*options):
    run = subprocess.run([BUILD + "/bench/bench_http", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         timeout=20)
    text = run.stderr.decode()
    check(run.returncode == 3 and text.count("\n") == 1, "%s: one line and exit 3: %r" % (options, text))
    return text


def test_tls_files():
    with tempfile.TemporaryDirectory() as folder:
        def make(name):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", folder + "/%s.key" % name, "-out", folder + "/%s.pem" % name, "-days", "2",
                            "-subj", "/CN=" + name], check=True, stderr=subprocess.DEVNULL)
        make("a")
        make("b")
        with open(folder + "/bad.pem", "w") as f:
            f.write("not a certificate\n")
        with Server("tls", "cert=%s/a.pem" % folder, "key=%s/a.key" % folder) as server:
            check(curl(server, "/")[0] == 200, "certificate files")
        check(server.stderr == "", "nothing to say with files")
        check("bad.pem" in refused("tls", "cert=%s/bad.pem" % folder, "key=%s/a.key" % folder), "bad.pem is named")
        check("b.key" in refused("tls", "cert=%s/a.pem" % folder, "key=%s/b.key" % folder), "the wrong key is named")
        check("none.pem" in refused("tls", "cert=%s/none.pem" % folder, "key=%s/a.key" % folder), "none.pem is named")
        refused("tls", "cert=%s/a.pem" % folder)


def main():
    with Server() as server:
        for name, test in list(globals().items()):
            if name.startswith("test_") and not name.startswith("test_tls"):
                start = time.monotonic()
                test(server)
                print("%s %.2f s" % (name, time.monotonic() - start), flush=True)
    test_tls()
    test_tls_one_port()
    test_tls_files()
    return 1 if failures else 0


sys.exit(main())
