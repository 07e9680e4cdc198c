#!/usr/bin/env python3
"""`make demo` in a hurry: the load, the incident in the recording, the replay, nothing left behind."""
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import mc
from mc import check, equal, get

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo.py")


def demo(*args):
    return mc.Process([sys.executable, DEMO, "--build", mc.BUILD, "--store", mc.path("demo.db"),
                       "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0", *args])


def left_behind():
    """Processes whose command line names this test's folder."""
    out = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if mc.folder in line and "demo.py" not in line]


def test_incident():
    d = demo("--seconds", "20", "--hurry", "10")
    url, = d.line(r"The dashboard: (\S+)")
    check(get(url + "/api/runs").json()["runs"][0]["live"], "a live run")
    equal(d.wait(60 * mc.SLOW), 0, d.err())
    check("memcam replay" in d.out(), d.out())
    check("could not be set" not in d.err(), d.err())
    equal(left_behind(), [], "processes left behind")
    store = mc.path("demo.db")
    marks = mc.query(store, "SELECT * FROM mark WHERE label = 'incident'")
    check(marks, "the incident is marked")
    replay = mc.Process([mc.MEMCAM, "replay", store, "--dash", "127.0.0.1:0"])
    url, = replay.line(r"dashboard (\S+)")
    state = get(url + "/api/runs/1/state").json()
    arenas = state["pools"]["request_arenas"]
    check(arenas["overflow"] > 0 and arenas["high_water"] == arenas["capacity"],
          "request arenas ran out: %s" % {k: arenas[k] for k in ("overflow", "high_water")})
    routes = state["routes"]
    for route in ("/hello", "/slow", "/alloc", "/leak", "/big", "/stream", "/error"):
        check(routes["GET " + route]["requests"] > 0, "route " + route)
    check(routes["GET /error"]["server_errors"] > 0, "errors of /error")
    check(state["heaps"]["lisp"]["gc_count"] > 0, "the heap was collected")
    # A recorder that a busy machine lets wait may be lapped by the program; the trace says by how much.
    told = mc.query(store, "SELECT coalesce(sum(lost), 0) AS lost FROM gap WHERE reason = 'events lost'")
    equal(state["recorder"]["events_lost"], told[0]["lost"], "events lost, by the recorder and by gaps")
    equal(mc.run("check", store)[0], 0, "check")


def test_interrupt():
    d = demo()
    d.line(r"Ctrl-C ends the demo\.", seconds=60 * mc.SLOW)
    time.sleep(1)
    d.send(signal.SIGINT)
    equal(d.wait(60 * mc.SLOW), 0, d.err())
    check(re.search(r"Replay it: \S+memcam replay \S+demo\.db", d.out()), d.out())
    equal(left_behind(), [], "processes left behind")


def test_in_use():
    """What is in use is left alone: a second demo takes other ports and another trace."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        except OSError:
            pass  # by another program: as good
        os.mkdir(mc.path("build"))
        os.symlink(mc.MEMCAM, mc.path("build/memcam"))
        demos = []
        for _ in range(2):
            demos.append(mc.Process([sys.executable, DEMO, "--build", "build"]))
            app, = demos[-1].line(r"The app: +(\S+)", seconds=60 * mc.SLOW)
            check(not app.endswith(":8080"), app)
            demos[-1].line(r"Ctrl-C ends the demo\.")
        first, second = demos
        first.send(signal.SIGHUP)
        equal(first.wait(60 * mc.SLOW), 0, first.err())
        second.send(signal.SIGKILL)
        second.wait()
        mc.wait_for("a killed demo leaves nothing behind", lambda: not left_behind())
    replay = shlex.split(re.search(r"Replay it: (.*)", first.out())[1])
    again = mc.Process(replay + ["--dash", "127.0.0.1:0"])
    again.line(r"dashboard (\S+)")
    equal(sorted(n for n in os.listdir(mc.path("build/demo")) if n.endswith(".db")),
          ["demo-2.db", "demo.db"], "traces")


if __name__ == "__main__":
    mc.main()
