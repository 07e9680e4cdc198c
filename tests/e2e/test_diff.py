#!/usr/bin/env python3
"""`memcam diff` on real recordings: an app and the same app with a slower route; formats, exit
statuses, spans, bad input, and /api/diff."""
import html.parser
import json
import os
import re
import shutil
import threading
import time

import mc
from mc import check, equal

APP = """(import (scheme base) (memcam http))
(route 'GET "/hello" (lambda (req) %s))
"""
FAST = APP % '(respond 200 "hello")'
SLOW = APP % '(respond-after 30 (respond 200 "hello"))'


def record(script, store, seconds=4):
    s = mc.Serve(script, store=store)
    end = time.monotonic() + seconds

    def load():
        while time.monotonic() < end:
            mc.get(s.app + "/hello")
            time.sleep(0.02)
    threads = [threading.Thread(target=load) for _ in range(2)]
    for t in threads:
        t.start()
    time.sleep(seconds / 2)
    runs = mc.get(s.dash + "/api/runs").json()["runs"]
    now = mc.get(s.dash + "/api/runs/1/state").json()["ts"]
    equal(mc.post(s.dash + "/api/runs/%s/marks" % runs[-1]["run"], {"ts": now, "dur": 0, "label": "half"}).status,
          201, "a mark")
    for t in threads:
        t.join()
    equal(s.stop(), 0, s.err())
    return s.store


def one_line(err, *words):
    equal(len(err.strip().splitlines()), 1, "one line: " + err)
    for word in words:
        check(word in err, "%r in %r" % (word, err))


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("href", "src")]


def test_reports_and_statuses():
    a, b = record(FAST, "a.db"), record(SLOW, "b.db")
    status, out, err = mc.run("diff", a, b)
    equal((status, err), (1, ""), "the slower route: " + out)
    check(out.startswith("different: ") and "This is no test" in out, out)
    check(any("GET /hello latency p50" in line and "worse" in line for line in out.splitlines()), out)

    status, out, err = mc.run("diff", a, b, "--format", "json")
    d = json.loads(out)
    equal((status, d["verdict"], d["is_test"]), (1, "different", False), "json")
    p50 = [m for m in d["measures"] if (m["measure"], m["stat"]) == ("route/GET /hello/latency", "p50")][0]
    check(p50["verdict"] == "worse" and p50["b"] > 25e6 and p50["low"] > 0 and p50["at"]["b"] > 0, str(p50))
    check(all(m["verdict"] in ("worse", "better", "same", "cannot tell") for m in d["measures"]), "verdicts")
    equal(sum(d["counts"][k] for k in ("worse", "better", "same", "cannot_tell")), len(d["measures"]), "counts")

    page = mc.path("diff.html")
    status, out, err = mc.run("diff", a, b, "--format", "html", "--output", page)
    equal((status, out, err), (1, "", ""), "html")
    parsed = Page()
    with open(page) as f:
        text = f.read()
    parsed.feed(text)
    check("svg" in parsed.tags and "script" not in parsed.tags and "table" in parsed.tags, "its tags")
    check(all(link.startswith("#") for link in parsed.links), "nothing from elsewhere")
    check("slots used by A only" in text, "slot maps")

    equal(mc.run("diff", a, a)[0], 0, "a run with itself")
    check(mc.run("diff", a, a)[1].startswith("no difference found"), "in words")
    equal(mc.run("diff", a, b, "--fail-on", "leak")[0], 0, "no leak")
    status, out, _ = mc.run("diff", a, b, "--fail-on", "p50>50%,leak")
    # The server's own histogram holds more than the route's when a request fell outside of it.
    check(status == 1 and re.search(r"p50>50%: holds \((route/GET /hello|histogram)/latency", out), out)
    equal(mc.run("diff", b, a, "--fail-on", "p50>50%")[0], 0, "better is no failure")
    equal(mc.run("diff", a, b, "--fail-on", "GET /hello LATENCY p50>50%")[0], 1, "by a measure's name")
    status, out, err = mc.run("diff", a, b, "--fail-on", "p999>50%,leak")
    equal((status, out), (3, ""), "a measure that there is none of")
    one_line(err, "p999")

    for args in (("--from", "1s"), ("--from-a", "1s", "--to-b", "3s"), ("--mark", "half"),
                 ("--align", "requests"), ("--align", "first-request"), ("--exact",), ("--all",),
                 ("--align", "mark", "--mark", "half"), ("--from", "half"), ("--to", "half+1s"),
                 ("--from-a", "half-1s", "--to-b", "half"), ("--mark-a", "half", "--mark-b", "half")):
        status, out, err = mc.run("diff", a + ":1", b + ":all", *args)
        check(status in (0, 1) and err == "", "%s: %s" % (args, err))
    d = json.loads(mc.run("diff", a, b, "--from", "1s", "--format", "json")[1])
    check(d["a"]["runs"][0]["from"] >= 1e9, "the span")
    half = json.loads(mc.run("diff", a, b, "--mark-a", "half", "--mark-b", "half", "--format", "json")[1])
    equal(half["align"], "mark", "both sides begin at their marks")
    to = json.loads(mc.run("diff", a, b, "--to-a", "half", "--format", "json")[1])
    check(to["a"]["runs"][0]["to"] <= half["a"]["runs"][0]["from"], "up to a mark, and from it on")

    os.mkdir(mc.path("before"))
    os.mkdir(mc.path("after"))
    for i in range(5):
        shutil.copy(a, mc.path("before/%d.db" % i))
        shutil.copy(b, mc.path("after/%d.db" % i))
    status, out, err = mc.run("diff", "before/*.db", "--vs", "after/*.db")
    equal((status, err), (1, ""), "sets of runs")
    check("Test: permutation of 5 and 5 runs" in out, out)

    r = mc.Process([mc.MEMCAM, "replay", a, b, "--dash", "127.0.0.1:0"])
    dash, = r.line(r"dashboard (\S+)")
    answer = mc.get(dash + "/api/diff?a=1&b=2.1")
    equal((answer.status, answer.json()["verdict"]), (200, "different"), "/api/diff")
    equal(answer.json()["b"]["runs"][0]["file"], "b.db", "no path of the server in it")
    equal(mc.get(dash + "/api/diff?a=1&b=2.1&mark=half").json()["align"], "mark", "by a mark")
    equal(mc.get(dash + "/api/diff?a=1&b=2.1&align=first-request").status, 200, "by the first request")
    for query, status in (("?a=1&b=2.1&mark=nope", 400), ("?a=1&b=2.1&align=mark", 400), ("", 400), ("?a=1", 400), ("?a=1&b=9.1", 404), ("?a=1&b=7", 404),
                          ("?a=1&b=x", 404), ("?a=1&b=2.1&align=x", 400),
                          ("?a=1&b=2.1&from_a=9&to_a=2", 400), ("?a=1&b=2.1&from_a=900000000000000", 400)):
        equal(mc.get(dash + "/api/diff" + query).status, status, "/api/diff" + query)
    r.stop()


def test_bad_input():
    a = record(FAST, "a.db", 2)
    mc.write("junk.db", b"junk" * 5000)
    mc.write("empty.db", b"")
    for args, word in (((a, "none.db"), "none.db"), ((a, "junk.db"), "junk.db"), ((a, "empty.db"), "empty.db"),
                       ((a, a + ":9"), "9"), ((a, "no*.db"), "no*.db"), ((a, a, "--from", "1h"), "no frames"),
                       ((a, a, "--mark", "nope"), "nope"), ((a, a, "--from", "nope+1s"), "nope"),
                       ((a, a, "--from", "half", "--to", "half-1s"), "nothing"), ((a, a, "--output", "no/such/dir"), "no/such/dir")):
        status, out, err = mc.run("diff", *args)
        equal((status, out), (3, ""), "%s: %s" % (args, err))
        one_line(err, word)
    for args, word in (((), "missing"), ((a,), "two sides"), ((a, a, a), "two sides"), ((a, "--vs"), "two sides"),
                       (("--vs", a), "two sides"), ((a, a, "--min-effect", "x"), "x"),
                       ((a, a, "--fail-on", "p99"), "p99"), ((a, a, "--align", "x"), "x"),
                       ((a, a, "--align", "mark"), "--mark"), ((a, a, "--from", "9s", "--to", "2s"), "--from"),
                       ((a, a, "--format", "xml"), "xml"), ((a, a, "--vs=x"), "--vs")):
        status, out, err = mc.run("diff", *args)
        equal((status, out), (2, ""), "%s: %s" % (args, err))
        one_line(err, word)
    with open(a, "r+b") as f:  # damage in the middle: told, or refused, never a crash
        data = bytearray(f.read())
        for at in range(len(data) // 2, len(data), 997):
            data[at] ^= 0x5a
        f.seek(0)
        f.write(data)
    check(mc.run("diff", a, a)[0] in (0, 1, 3), "a damaged file")


def test_live_against_recorded():
    """The run that is being recorded is compared as far as it goes, with one before it in the file."""
    store = record(FAST, "both.db")
    s = mc.Serve(SLOW, store="both.db")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        mc.get(s.app + "/hello")
    runs = mc.get(s.dash + "/api/runs").json()["runs"]
    live = [r for r in runs if r["live"]][0]["run"]
    recorded = [r for r in runs if not r["live"]][0]["run"]
    d = mc.get(s.dash + "/api/diff?a=%s&b=%s" % (recorded, live)).json()
    check(d["b"]["runs"][0]["live"] and not d["a"]["runs"][0]["live"], str(d["b"]["runs"]))
    p50 = [m for m in d["measures"] if (m["measure"], m["stat"]) == ("route/GET /hello/latency", "p50")][0]
    equal((d["verdict"], p50["verdict"]), ("different", "worse"), str(p50))
    equal(s.stop(), 0, s.err())
    equal(store, s.store, "one file")


def test_leak_of_a_steady_route():
    """Both routes are asked for at steady rates; who holds the slots that are kept names the one."""
    program = mc.compile_program("leaky", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                       "leaky_program.c"))
    store = mc.path("leaky.db")
    process = mc.Process([mc.MEMCAM, "record", "--dash", "127.0.0.1:0", "--store", store, "--", program, "34"])
    equal(process.wait(120), 0, process.err())
    status, out, err = mc.run("diff", store, store, "--format", "json")
    leak = [k for k in json.loads(out)["leaks"] if k["source"] == "slab/buffers/used"][0]
    equal((leak["route"], leak["route_by"]), ("GET /b", "holders"), leak["text"])
    check(leak["route_share"] > 0.95 and 0.05 < leak["route_per_request"] < 0.25, str(leak))


mc.main()
