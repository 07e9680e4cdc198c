#!/usr/bin/env python3
"""demo.py: `memcam serve` on tests/demo/app.scm under load, with an incident in it.

Waves of h2load go over the app's routes; after some 40 seconds many slow requests at once exhaust
the pool of request arenas: for a few seconds the app answers 503. A mark "incident" is set where
the pool has run out. Then all of it again, until Ctrl-C or --seconds. Everything that is stopped
was started here.

What is in use (a port, the trace of another demo) is left alone: the next free one is taken.
"""
import argparse
import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

# (seconds, [(route, connections, streams a connection, requests a second and connection)])
WAVES = [
    (6, [("/hello", 4, 4, 60)]),
    (8, [("/hello", 8, 8, 120), ("/slow?ms=200", 4, 4, 8), ("/alloc", 2, 2, 8)]),
    (6, [("/hello", 4, 4, 40), ("/big", 2, 2, 10), ("/leak", 1, 1, 10)]),
    (8, [("/hello", 16, 10, 100), ("/item/7?q=memory", 8, 4, 30), ("/stream", 6, 2, 1)]),
    (6, [("/hello", 4, 4, 30), ("/leak", 2, 1, 10), ("/slow?ms=500", 8, 4, 4)]),
    (6, [("/hello", 24, 8, 80), ("/alloc", 4, 2, 10), ("/error", 1, 1, 1)]),
]
MEND_ROUNDS = 6  # about when /leak keeps all that it may
# 40 connections of 20 streams: 800 slow requests at once meet 256 arenas.
INCIDENT = (5, [("/slow?ms=3000", 40, 20, 0), ("/hello", 4, 4, 40)])

APP_ADDRESS, DASH_ADDRESS = "127.0.0.1:8080", "127.0.0.1:7070"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1


def end_with_parent():
    """In a child before it runs: SIGTERM comes when this script dies in whatever way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_address(address):
    """`address`, or one with port 0 when something listens there."""
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
            return address
        except OSError:
            print("demo: port %s is in use: taking a free one" % port, flush=True)
            return host + ":0"


def is_being_written(store):
    try:
        with open(store + "-lock", "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


def free_store(build):
    """build/demo/demo.db, or demo-2.db, ... when other demos write theirs."""
    store, number = build + "/demo/demo.db", 1
    while is_being_written(store):
        number += 1
        store = "%s/demo/demo-%d.db" % (build, number)
    return store


class Demo:
    def __init__(self, options):
        self.options = options
        self.server = None
        self.loads = []
        self.app = self.dashboard = None
        self.deadline = time.monotonic() + options.seconds if options.seconds else None

    def start(self):
        store = self.options.store
        os.makedirs(os.path.dirname(os.path.abspath(store)), exist_ok=True)
        here = os.path.dirname(os.path.abspath(__file__))
        command = [self.options.build + "/memcam", "serve", here + "/demo/app.scm",
                   "--listen", self.options.listen, "--dash", self.options.dash,
                   "--store", store, "--label", "demo"]
        # A session of its own: Ctrl-C comes to this script, which ends the rest in order.
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                       start_new_session=True, preexec_fn=end_with_parent)
        for line in self.server.stdout:
            match = re.match(r"(app|dashboard) (\S+)", line)
            if match:
                setattr(self, match[1], match[2])
            if self.app and self.dashboard:
                return True
        return False

    def post(self, path, body):
        request = urllib.request.Request(self.dashboard + path, json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def get(self, path):
        with urllib.request.urlopen(self.dashboard + path, timeout=5) as answer:
            return json.load(answer)

    def mark(self, label, pool, seconds):
        """Set a mark where `pool` has no slot left, when that comes within `seconds`; a demo goes on
        without it."""
        try:
            live = [r for r in self.get("/api/runs")["runs"] if r.get("live")][-1]["run"]
            end = time.monotonic() + seconds
            state = self.get("/api/runs/%s/state" % live)
            while (state["pools"][pool]["used"] < state["pools"][pool]["capacity"] and
                   time.monotonic() < end and not self.is_over()):
                time.sleep(0.1)
                state = self.get("/api/runs/%s/state" % live)
            self.post("/api/runs/%s/marks" % live, {"ts": state["ts"], "dur": 0, "label": label})
        except (OSError, ValueError, LookupError) as error:
            print("demo: the mark %r could not be set: %s" % (label, error), file=sys.stderr)

    def load(self, route, connections, streams, rate, seconds):
        """One h2load for `seconds`; rate 0: as fast as it is answered."""
        command = ["h2load", "-c", str(connections), "-m", str(streams), "-t", "1"]
        if rate:
            command += ["--rps", str(rate)]
        command += ["-D", "%dms" % (seconds * 1000), self.app + route]
        self.loads.append(subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, start_new_session=True,
                                           preexec_fn=end_with_parent))

    def stop_loads(self):
        for load in self.loads:
            if load.poll() is None:
                load.terminate()
        for load in self.loads:
            load.wait()
        self.loads = []

    def is_over(self):
        return (self.server.poll() is not None or
                (self.deadline is not None and time.monotonic() >= self.deadline))

    def wave(self, seconds, loads, mark=None):
        if self.is_over():
            return
        end = time.monotonic() + seconds
        for route, connections, streams, rate in loads:
            self.load(route, connections, streams, rate, seconds)
        if mark:
            self.mark(*mark, seconds / 2)
        while time.monotonic() < end and not self.is_over():
            time.sleep(0.1)
        self.stop_loads()

    def mend(self):
        """Empty what /leak keeps, which has an end of its own: the demo can go on for hours."""
        try:
            request = urllib.request.Request(self.app + "/leak", method="DELETE")
            urllib.request.urlopen(request, timeout=5).close()
        except OSError:
            pass

    def run(self):
        rounds = 0
        while not self.is_over():
            for seconds, loads in WAVES:
                self.wave(seconds / self.options.hurry, loads)
            if self.is_over():
                break
            print("demo: the incident: more slow requests at once than there are request arenas",
                  flush=True)
            self.wave(*INCIDENT, mark=("incident", "request_arenas"))
            self.wave(4, [("/hello", 2, 2, 20)])
            rounds += 1
            if rounds % MEND_ROUNDS == 0:
                self.mend()

    def stop(self):
        self.stop_loads()
        if self.server is None:
            return 3
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
        return self.server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long; 0: at Ctrl-C")
    parser.add_argument("--store", help="the trace (default BUILD/demo/demo.db)")
    parser.add_argument("--dash", help="the dashboard's address (default %s)" % DASH_ADDRESS)
    parser.add_argument("--listen", help="the app's address (default %s)" % APP_ADDRESS)
    parser.add_argument("--hurry", type=float, default=1, help="divide the waves' length by this")
    options = parser.parse_args()
    if shutil.which("h2load") is None:
        print("demo: h2load is missing; apt-get install nghttp2-client", file=sys.stderr)
        return 3
    options.store = options.store or free_store(options.build)
    options.listen = options.listen or free_address(APP_ADDRESS)
    options.dash = options.dash or free_address(DASH_ADDRESS)
    demo = Demo(options)
    for number in ENDING_SIGNALS:  # a shell's background jobs ignore SIGINT: we do not
        signal.signal(number, signal.default_int_handler)
    status = 3
    try:
        if demo.start():
            print("The dashboard: %s\nThe app:       %s\nCtrl-C ends the demo." %
                  (demo.dashboard, demo.app), flush=True)
            demo.run()
    except KeyboardInterrupt:
        print()
    finally:
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        status = demo.stop()
    if demo.dashboard:
        print("Replay it: %s replay %s" % (shlex.quote(options.build + "/memcam"),
                                           shlex.quote(options.store)))
    return status


sys.exit(main())
