#!/usr/bin/env python3
"""demo.py: `memcam serve` on tests/demo/app.scm under load, with an incident in it.

Waves of h2load go over the app's routes; after some 40 seconds many slow requests at once exhaust
the pool of request arenas: for a few seconds the app answers 503. A mark "incident" is set where it
begins. Then all of it again, until Ctrl-C or --seconds. Everything that is stopped was started here.
"""
import argparse
import json
import os
import re
import signal
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
# 40 connections of 20 streams: 800 slow requests at once meet 256 arenas.
INCIDENT = (5, [("/slow?ms=3000", 40, 20, 0), ("/hello", 4, 4, 40)])


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
                                       start_new_session=True)
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

    def mark(self, label):
        """Set a mark at the newest frame of the live run; a demo goes on without it."""
        try:
            live = [r for r in self.get("/api/runs")["runs"] if r.get("live")][-1]
            now = self.get("/api/runs/%s/state" % live["run"])["ts"]
            self.post("/api/runs/%s/marks" % live["run"], {"ts": now, "dur": 0, "label": label})
        except (OSError, ValueError, LookupError) as error:
            print("demo: the mark %r could not be set: %s" % (label, error), file=sys.stderr)

    def load(self, route, connections, streams, rate, seconds):
        """One h2load for `seconds`; rate 0: as fast as it is answered."""
        command = ["h2load", "-c", str(connections), "-m", str(streams), "-t", "1"]
        if rate:
            command += ["--rps", str(rate)]
        command += ["-D", "%dms" % (seconds * 1000), self.app + route]
        self.loads.append(subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, start_new_session=True))

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

    def wave(self, seconds, loads):
        if self.is_over():
            return
        for route, connections, streams, rate in loads:
            self.load(route, connections, streams, rate, seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_over():
            time.sleep(0.1)
        self.stop_loads()

    def run(self):
        while not self.is_over():
            for seconds, loads in WAVES:
                self.wave(seconds / self.options.hurry, loads)
            if self.is_over():
                break
            print("demo: the incident: more slow requests at once than there are request arenas",
                  flush=True)
            self.mark("incident")
            self.wave(INCIDENT[0], INCIDENT[1])
            self.wave(4, [("/hello", 2, 2, 20)])
            try:  # the leak is mended, so that the demo can go on for hours
                request = urllib.request.Request(self.app + "/leak", method="DELETE")
                urllib.request.urlopen(request, timeout=5).close()
            except OSError:
                pass

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
    parser.add_argument("--dash", default="127.0.0.1:7070", help="the dashboard's address")
    parser.add_argument("--listen", default="127.0.0.1:8080", help="the app's address")
    parser.add_argument("--hurry", type=float, default=1, help="divide the waves' length by this")
    options = parser.parse_args()
    options.store = options.store or options.build + "/demo/demo.db"
    demo = Demo(options)
    # SIGTERM ends it as Ctrl-C does. A shell may have started it in the background, with SIGINT
    # ignored: then only SIGTERM ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    status = 3
    try:
        if demo.start():
            print("The dashboard: %s\nThe app:       %s\nCtrl-C ends the demo." %
                  (demo.dashboard, demo.app), flush=True)
            demo.run()
    except KeyboardInterrupt:
        print()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        status = demo.stop()
    if demo.dashboard:
        print("Replay it: %s/memcam replay %s" % (options.build, options.store))
    return status


sys.exit(main())
