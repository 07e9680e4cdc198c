#!/usr/bin/env python3
"""`memcam serve`: routes, errors, what it refuses, and that nothing is left behind."""
import os
import re
import signal
import socket
import time
import urllib.parse

import mc
from mc import check, equal, get, post, request

APP = """
(import (scheme base) (memcam http))
(route 'GET "/hello" (lambda (req) (respond 200 "hello\\n")))
(route 'GET "/item/:id"
  (lambda (req)
    (respond-json 200 `((id . ,(request-param req "id")) (q . ,(request-query req "q"))))))
(route 'GET "/item/new" (lambda (req) (respond 200 "new")))
(route 'POST "/echo"
  (lambda (req) (respond 200 (request-body req) '((content-type . "text/plain")))))
(route 'GET "/files/*rest" (lambda (req) (respond 200 (request-param req "rest"))))
(route 'GET "/seen"
  (lambda (req)
    (respond-json 200
      `((method . ,(request-method req)) (path . ,(request-path req))
        (agent . ,(request-header req "User-Agent")) (none . ,(request-header req "x-none"))
        (query . ,(request-query req))))))
(route 'GET "/json"
  (lambda (req)
    (respond-json 200 (list 1 2.5 "a\\"b" #t #f 'null '() (vector "x" (vector '((k . 1)))) 'sym -7))))
(route 'POST "/parse" (lambda (req) (respond-json 200 (json-parse (request-body req)))))
(route 'GET "/fails" (lambda (req) (log "about to fail") (car 5)))
(route 'GET "/raises" (lambda (req) (error "no luck today" 42)))
(route 'GET "/nothing" (lambda (req) "just a string"))
(route 'GET "/loops" (lambda (req) (let loop () (loop))))
(route 'GET "/after" (lambda (req) (respond-after 300 (respond 201 "late"))))
(route 'GET "/stream"
  (lambda (req)
    (respond-stream 200 50 (lambda (i) (and (< i 5) (string-append (number->string i) "\\n"))))))
(route 'GET "/empty" (lambda (req) (respond 204)))
(route 'GET "/headers" (lambda (req) (respond 200 "x" '((x-one . "1") ("X-Two" . 2)))))
(route 'GET "/split" (lambda (req) (respond 200 "x" '((x-bad . "a\\r\\nx-evil: 1")))))
(route 'GET "/bytes" (lambda (req) (respond 200 (bytevector 0 255 10 128))))
(define changed (list (respond 200 "x") (respond-after 10 (respond 200 "x"))
                      (respond-stream 200 10 (lambda (i) #f))))
(route 'GET "/changed/:which/:how"
  (lambda (req)
    (let ((r (list-ref changed (string->number (request-param req "which"))))
          (how (request-param req "how")))
      (cond ((string=? how "car") (set-car! (cdr r) "boo"))
            ((string=? how "cdr") (set-cdr! r 5))
            (else (set-cdr! (cdr r) 5)))
      r)))
(route 'GET "/ring"
  (lambda (req) (let ((l (list 1 2 3))) (set-cdr! (cdr (cdr l)) l) (respond-json 200 l))))
(route 'GET "/full" (lambda (req) (let loop ((l '())) (loop (cons 1 l)))))
(route 'GET "/strings" (lambda (req) (let loop ((s "0123456789")) (loop (string-append s s)))))
(route 'GET "/deep" (lambda (req) (let loop ((n 0)) (+ 1 (loop n)))))
(route 'GET "/walks"
  (lambda (req) (let ((l (make-list 100000 0))) (let loop ((n 0)) (length l) (loop (+ n 1))))))
(route 'GET "/compares"
  (lambda (req)
    (let ((v (make-vector 100000 0)) (x (make-vector 100000 0)))
      (vector-set! x 99999 1)
      (let loop () (member x (make-list 5000 v)) (loop)))))
(route 'GET "/multiplies" (lambda (req) (let loop ((x 3)) (loop (modulo (* x x) (expt 7 90000))))))
(route 'GET "/no-arguments" (lambda () (respond 200 "x")))
(route 'GET "/factorial/:n"
  (lambda (req)
    (let loop ((n (string->number (request-param req "n"))) (product 1))
      (if (> n 1) (loop (- n 1) (* product n)) (respond-json 200 product)))))
(route 'GET "/endless" (lambda (req) (respond-stream 200 0 (lambda (i) (make-string 50000 #\\z)))))
"""


def metrics_of(serve):
    return {name: metric.get("value") for name, metric in
            get(serve.dash + "/api/runs/1/state?maps=0").json()["metrics"].items()}


def test_the_insides_are_told():
    """Memory of libraries, address space, strings, the machine's steps: as they come and go."""
    s = mc.Serve(APP)
    mc.wait_for("the first figures", lambda: (metrics_of(s).get("virtual_bytes") or 0) > 0)
    before = metrics_of(s)
    check(before["libuv_bytes"] > 0 and before["nghttp2_bytes"] == 0, "nobody speaks HTTP/2 yet: %r" % before)
    check(0 < before["strings"] < before["strings_room"], "the table of strings has room: %r" % before)
    where = urllib.parse.urlparse(s.app)
    with socket.create_connection((where.hostname, where.port)) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4" + bytes(5))
        mc.wait_for("a session's memory", lambda: metrics_of(s)["nghttp2_bytes"] > 1000)
    mc.wait_for("its end", lambda: metrics_of(s)["nghttp2_bytes"] == 0)
    equal(get(s.app + "/factorial/500").status, 200, "some work")
    mc.wait_for("its steps", lambda: metrics_of(s)["scheme_steps"] >= before["scheme_steps"] + 500)


def test_routes():
    s = mc.Serve(APP)
    hello = get(s.app + "/hello")
    equal((hello.status, hello.body), (200, b"hello\n"), "/hello")
    check(hello.headers["content-type"].startswith("text/plain"), "a string is text/plain")
    equal(get(s.app + "/item/a%20b?q=x%26y+z").json(), {"id": "a b", "q": "x&y z"}, "decoded")
    equal(get(s.app + "/item/7").json(), {"id": "7", "q": False}, "no query")
    equal(get(s.app + "/item/new").body, b"new", "literal before parameter")
    equal(get(s.app + "/files/a/b.txt").body, b"a/b.txt", "wildcard")
    equal(post(s.app + "/echo", "grüße".encode()).text(), "grüße", "echo of text")
    equal(post(s.app + "/echo", b"\x00\xff\xfe").body, b"\x00\xff\xfe", "echo of bytes")
    seen = get(s.app + "/seen?a=1&b", {"user-agent": "test/1"}).json()
    equal(seen, {"method": "GET", "path": "/seen", "agent": "test/1", "none": False,
                 "query": "a=1&b"}, "what a request tells")
    equal(get(s.app + "/bytes").body, bytes([0, 255, 10, 128]), "bytevector")
    head = request("HEAD", s.app + "/hello")
    equal((head.status, head.body, head.headers["content-length"]), (200, b"", "6"), "HEAD by GET")
    equal(get(s.app + "/empty").status, 204, "no body")
    headers = get(s.app + "/headers").headers
    equal((headers["x-one"], headers["x-two"]), ("1", "2"), "headers")
    equal(s.stop(), 0, "exit status at SIGTERM")


def test_json():
    s = mc.Serve(APP)
    equal(get(s.app + "/json").json(),
          [1, 2.5, 'a"b', True, False, None, [], ["x", [{"k": 1}]], "sym", -7], "written")
    sent = {"a": [1, -2.5e3, [], "\u00fc\u20ac\U0001f600", {"b": None}], "c": True, "d": "\x7f\\/"}
    equal(post(s.app + "/parse", sent).json(), sent, "parsed and written")
    equal(post(s.app + "/parse", b' {"k" : "\\ud83d\\ude00\\n" } ').json(), {"k": "\U0001f600\n"},
          "escapes")
    for bad in (b"", b"{", b"[1,]", b'{"a":1,}', b"nul", b"01", b'"\x01"', b'"\\x"', b"[1] 2", b"-",
                b"1.", b'{"a" 1}', b'{1:2}', b"[" * 5000, b'{"a":' * 5000, b'"\\u12"'):
        answer = post(s.app + "/parse", bad)
        equal(answer.status, 500, "parsing %r" % bad[:20])
        check("json-parse" in answer.json()["detail"], answer.body)
    equal(get(s.app + "/hello").status, 200, "goes on")


def test_errors_go_on():
    s = mc.Serve(APP, "--handler-timeout", "300ms")
    equal(get(s.app + "/nowhere").status, 404, "unknown path")
    equal(get(s.app + "/nowhere").json()["error"], "not found", "404 is JSON")
    wrong = post(s.app + "/hello", b"x")
    equal((wrong.status, wrong.headers["allow"]), (405, "GET, HEAD"), "wrong method")
    check("error" in wrong.json(), "405 is JSON")
    for _ in range(3):
        fails = get(s.app + "/fails")
        equal((fails.status, fails.json()["error"]), (500, "internal error"), "an error in a handler")
        check("car" in fails.json()["detail"], fails.body)
    check("no luck today" in get(s.app + "/raises").json()["detail"], "raised text")
    nothing = get(s.app + "/nothing")
    equal(nothing.status, 500, "not a response")
    check("not a response" in nothing.json()["detail"], nothing.body)
    equal(get(s.app + "/split").status, 500, "a header with a line break")
    start = time.monotonic()
    loops = get(s.app + "/loops")
    check(loops.status in (500, 503) and time.monotonic() - start < 20 * mc.SLOW,
          "an endless loop is stopped: %d" % loops.status)
    equal(get(s.app + "/hello").status, 200, "goes on")
    get(s.app + "/no-arguments")
    log = s.err()
    check(re.search(r"app\.scm:\d+:1: procedure: expected 0 arguments, got 1", log), log)
    check(any(":%d:1: the handler gave" % (1 + APP[:APP.index('"/nothing"')].count("\n")) in line
              for line in log.splitlines()), "a wrong answer is told with its route's place:\n" + log)
    check(any("app.scm:" in line and "/fails" in line and "GET" in line for line in log.splitlines()),
          "the log has file:line: " + log)
    check("about to fail" in log, "log: " + log)
    check(s.child.poll() is None, "still serves")


def test_long_work_in_one_step():
    """A deadline holds for what lasts within a primitive, too: lists, comparisons, big integers."""
    s = mc.Serve(APP, "--handler-timeout", "300ms")
    for path in "/walks", "/compares", "/multiplies":
        start = time.monotonic()
        equal(get(s.app + path).status, 503, path)
        check(time.monotonic() - start < 20 * mc.SLOW, "%s took %.1f s" % (path, time.monotonic() - start))
    equal(get(s.app + "/factorial/30").body, b"265252859812191058636308480000000", "a big integer")
    equal(post(s.app + "/parse", b"[123456789012345678901234567890]").body,
          b"[123456789012345678901234567890]", "long integers in JSON")


def test_programs_that_go_wrong():
    s = mc.Serve(APP)
    for which in "012":
        for how in ("car", "cdr", "cddr"):
            answer = get(s.app + "/changed/%s/%s" % (which, how))
            equal(answer.status, 500, "a response changed: %s %s" % (which, how))
    ring = get(s.app + "/ring")
    check(ring.status == 500 and "circular" in ring.json()["detail"], ring.body)
    for route in ("/full", "/strings", "/deep"):
        answer = get(s.app + route)
        equal((answer.status, answer.headers["retry-after"]), (503, "1"), route)
        equal(get(s.app + "/hello").status, 200, "goes on after " + route)


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def test_a_peer_that_does_not_read():
    s = mc.Serve(APP)
    get(s.app + "/hello")
    before = rss_kb(s.app_pid)
    host, port = s.app[7:].split(":")
    held = []
    for _ in range(4):
        c = socket.create_connection((host, int(port)))
        c.sendall(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n")
        held.append(c)
    time.sleep(2)
    grown = rss_kb(s.app_pid) - before
    check(grown < 20000 * mc.SLOW, "4 streams that nobody reads cost %d KB" % grown)
    equal(get(s.app + "/hello").status, 200, "others are served")
    equal(s.stop(), 0, "exit status")


def test_later_and_streams():
    s = mc.Serve(APP)
    start = time.monotonic()
    later = get(s.app + "/after")
    equal((later.status, later.body), (201, b"late"), "later")
    check(time.monotonic() - start >= 0.29, "not before its time")
    equal(get(s.app + "/stream").body, b"0\n1\n2\n3\n4\n", "stream")
    # Peers that leave before their answer: nothing breaks.
    for route in ("/after", "/stream") * 5:
        host, port = s.app[7:].split(":")
        with socket.create_connection((host, int(port))) as c:
            c.sendall(("GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % route).encode())
            time.sleep(0.02)
    time.sleep(0.5)
    equal(get(s.app + "/hello").status, 200, "goes on")
    equal(s.stop(), 0, "exit status")


def test_stop_with_open_answers():
    s = mc.Serve(APP)
    host, port = s.app[7:].split(":")
    held = []
    for route in ("/after", "/stream", "/hello"):
        c = socket.create_connection((host, int(port)))
        c.sendall(("GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % route).encode())
        held.append(c)
    time.sleep(0.05)
    equal(s.stop(signal.SIGINT), 0, "exit status at SIGINT")
    check(not mc.is_alive(s.app_pid), "the app has ended")
    check("memcam replay " + s.store in s.err(), "says how to replay: " + s.err())


def test_script_errors():
    for script, where in (("(import (scheme base) (memcam http))\n(route 'GET \"/x\"\n   (lambda (",
                           ":"), ("(import (scheme base))\n\n  (car 5)\n", "bad.scm:3:")):
        bad = mc.write("bad.scm", script)
        status, out, err = mc.run("serve", bad, "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0")
        equal((status, out), (2, ""), "status of a script error")
        lines = err.strip().splitlines()
        check(len(lines) == 1 and "bad.scm:" in lines[0] and where in lines[0],
              "one line with the position: " + err)
    status, _, err = mc.run("serve", "none.scm")
    equal(status, 3, "no such script")
    equal(len(err.strip().splitlines()), 1, "one line: " + err)


def test_loading_without_end():
    """A script that loops while it loads says so, is recorded, and ends on SIGTERM."""
    script = mc.write("loop.scm", "(import (scheme base))\n(let loop ((i 0)) (loop (+ i 1)))\n")
    process = mc.Process([mc.MEMCAM, "serve", script, "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0",
                          "--store", mc.path("loop.db")])
    process.line(r".*loop.scm is still being loaded after 5 s.*", "err", 20)
    process.send(signal.SIGTERM)
    equal(process.wait(), 0, "ended as asked: " + process.err())
    status, out, _ = mc.run("query", mc.path("loop.db"), "SELECT exit, end_ts > 4e9 FROM run",
                            "--format", "csv")
    equal((status, out.splitlines()[-1]), (0, "signal 15,1"), out)


def test_refusals():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = "127.0.0.1:%d" % taken.getsockname()[1]
        script = mc.write("app.scm", APP)
        for args in (["--listen", used, "--dash", "127.0.0.1:0"],
                     ["--listen", "127.0.0.1:0", "--dash", used]):
            process = mc.Process([mc.MEMCAM, "serve", script, *args])
            equal(process.wait(), 3, "port in use")
            equal((len(process.err().strip().splitlines()), process.out()), (1, ""), process.err())
            check(used in process.err(), "names the port: " + process.err())
            if args[1] == used:
                status, out, _ = mc.run("query", "memcam.db", "SELECT count(*) FROM run", "--format", "csv")
                equal((status, out.split()[-1]), (0, "0"), "a port that is taken leaves no run")
                os.unlink(mc.path("memcam.db"))
            else:
                check(not os.path.exists(mc.path("memcam.db")), "nor a trace where nothing was to be recorded")
    not_ours = mc.write("notes.db", "these are notes, and not a trace\n" * 50)
    status, _, err = mc.run("serve", script, "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0",
                            "--store", not_ours)
    equal(status, 3, "a store that is not ours")
    equal(len(err.strip().splitlines()), 1, err)
    with open(not_ours) as f:
        check(f.read().startswith("these are notes"), "it is left as it is")
    s = mc.Serve(APP)
    status, _, err = mc.run("serve", script, "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0",
                            "--store", s.store)
    equal(status, 3, "a store with another recorder")
    equal(len(err.strip().splitlines()), 1, err)
    status, _, err = mc.run("serve", script, "--listen", "0.0.0.0:0", "--dash", "127.0.0.1:0",
                            "--store", mc.path("o.db"))
    equal(status, 3, "an open address without TLS and token")
    equal(len(err.strip().splitlines()), 1, err)
    segments = [p for p in os.listdir(mc.path("segments"))]
    check(len([p for p in segments]) >= 1, "the living app's segment is there")


def test_app_crash():
    s = mc.Serve(APP)
    stream = mc.Stream(s.dash + "/api/runs/1/stream")
    stream.until("keyframe")
    os.kill(s.app_pid, signal.SIGKILL)
    _, end = stream.until("end")
    equal(end["exit"], "signal 9", "the stream tells")
    equal(s.wait(), 3, "a crash is 3")
    check("signal 9" in s.err() and "memcam replay" in s.err(), s.err())


if __name__ == "__main__":
    mc.main()
