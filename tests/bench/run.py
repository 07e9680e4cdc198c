#!/usr/bin/env python3
"""run.py: what `make bench` measures, beside its peers, in one run, with the aim beside each figure.

Measures (--only takes a comma list): micro (build/bench/bench_*), app and c (requests per second and
CPU per request with recorder and a dashboard's stream against without), peer (nghttpd), idle (memory
of connections), recorder (its CPU), bytes (in the trace and on the wire), codecs (our encoding beside
others' on five recorded loads of --codec-seconds each, and what reading those costs), browser.
Rounds are interleaved and medians taken; ratios are to be trusted more than absolute figures. The
server runs on core 0, h2load on core 1.
--quick takes fewer and shorter rounds. Exit 1 when a measure could not be taken.
"""
import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import loads
from bench_lib import (BenchError, Processes, Viewer, children_of, cpu_percent, first_line, folder,
                       free_port, get_stream, h2load, idle_kb, machine, measure, median, read_lines,
                       trace_sizes, unzstd, wait_port)

APP = "tests/demo/app.scm"
SERVERS = {"bench_http", "bench_live", "bench_trace", "bench_codecs",
           "bench_read"}  # in build/bench, and print no figures by themselves
AIMS = [  # (a regular expression for the figure's name, how it must compare, with what)
    (r"req/s with / without", ">=", 0.99),
    (r"CPU per request without / with", ">=", 0.99),
    (r"recorder .*CPU", "<", 1.0),
    (r"^document keyframe$", "<", 1000),
    (r"^document idle delta$", "<", 30),
    (r"^player, (every frame at max|backward, every frame)$", ">=", 500),
    (r"^player, merged at (1000|max)$", ">=", 1000),
    (r"^page, (live|replay).*script per frame p99$", "<", 4),
    (r"^page, (live|replay).*frame time p99$", "<=", 16.8),
    (r"^page, first contentful paint", "<", 300),
    (r"^page, weight as served", "<", 150),
    (r"^page, long recording", "<", 1000),
    (r"^page, seek to paint p95", "<", 100),
    (r"^page, heap over .*, most", "<", 80),
    (r"^page, heap over .*, growth", "<", 10),
    (r"^diff of two traces of 24 h, summaries: CPU", "<", 2),
    (r"bytes per event, sealed", "<=", 2.4),
    (r"^codecs/values: memcam / FTDC, 300 samples, zlib", "<=", 0.75),
    (r"^codecs/values: memcam / an adaptive range coder", "<=", 1.1),
    (r"^codecs/changes: memcam / an adaptive range coder", "<=", 1.3),
    (r"^codecs/events: memcam$", "<=", 2.4),
    (r"^codecs/frames: JSON with hex bitmaps / memcam", ">=", 280),
    (r"^read/state$", ">=", 5000),
    (r"^read/stream( backward)?$", ">=", 500),
    (r"^read/seek p99", "<", 5),
    (r"^read/open and seek p99", "<", 15),
    (r"C handler: CPU per request / nghttpd's", "<=", 1.0),
    (r"C handler: KB per idle connection / nghttpd's, h2c", "<=", 1.0),
]


class Table:
    """Figures as they come, one line each."""

    def __init__(self):
        self.missed = self.failed = 0

    def title(self, text):
        print("\n%s" % text, flush=True)

    def add(self, name, value, unit, note=""):
        aim = verdict = ""
        for pattern, how, limit in AIMS:
            if re.search(pattern, name):
                good = {"<": value < limit, "<=": value <= limit, ">=": value >= limit}[how]
                aim, verdict = "%s %g" % (how, limit), "ok" if good else "miss"
                self.missed += not good
                break
        shown = "%d" % value if value == int(value) and abs(value) >= 100 else "%.4g" % value
        if abs(value) >= 10000:
            shown = "%d" % round(value)
        print(("  %-58s %10s %-8s %-9s %-5s%s" % (name, shown, unit, aim, verdict, note)).rstrip(),
              flush=True)

    def fail(self, name, why):
        self.failed += 1
        print("  %-58s could not be measured: %s" % (name, why), flush=True)

    def skip(self, name, why):
        print("  %-58s skipped: %s" % (name, why), flush=True)


class Bench:
    def __init__(self, options):
        self.build = os.path.abspath(options.build)
        self.memcam = self.build + "/memcam"
        self.rounds = 2 if options.quick else 5
        self.seconds = 1.0 if options.quick else 2.5
        self.quick = options.quick
        self.codec_seconds = options.codec_seconds
        self.table = Table()
        self.processes = Processes()
        self.dir = folder()
        self.env = dict(os.environ, MEMCAM_DIR=self.dir + "/run")
        self.http = {}  # median figures of the C handler and nghttpd, for the ratio

    def trace(self, name):
        return "%s/%s.db" % (self.dir, name)

    # ---- the programs ------------------------------------------------------------------------

    def serve(self, name, script=APP):
        """A Scheme app: (recorder, app's pid, app's URL, dashboard's URL)."""
        recorder = self.processes.start(
            [self.memcam, "serve", script, "--listen", "127.0.0.1:0", "--dash", "127.0.0.1:0",
             "--store", self.trace(name)], stdout=subprocess.PIPE, env=self.env)
        urls = read_lines(recorder, ["app", "dashboard"])
        children = children_of(recorder.pid)
        if not children:
            raise BenchError("memcam serve has no child that serves the app")
        app = children[0]
        self.processes.adopt(app)
        if hasattr(os, "sched_setaffinity") and os.cpu_count() > 1:
            os.sched_setaffinity(app, {0})
        return recorder, app, urls["app"], urls["dashboard"]

    def record(self, pid, name):
        """A recorder for a running program: (recorder, dashboard's URL)."""
        recorder = self.processes.start(
            [self.memcam, "record", "--pid", str(pid), "--dash", "127.0.0.1:0", "--store",
             self.trace(name)], stdout=subprocess.PIPE, env=self.env)
        return recorder, read_lines(recorder, ["dashboard"])["dashboard"]

    def c_server(self, *arguments):
        port = free_port()
        child = self.processes.start(
            [self.build + "/bench/bench_http", str(port)] + list(arguments), cpu=0, env=self.env)
        wait_port(port, child)
        return child, "%s://127.0.0.1:%d/" % ("https" if "tls" in arguments else "http", port)

    def nghttpd(self, tls):
        port = free_port()
        docs = self.dir + "/docs"
        os.makedirs(docs, exist_ok=True)
        with open(docs + "/hello", "w") as f:
            f.write("Hello, World\n")
        command = ["nghttpd", "-d", docs, "-a", "127.0.0.1"]
        if tls:
            key, cert = self.dir + "/key.pem", self.dir + "/cert.pem"
            if not os.path.exists(cert):
                subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                                "/CN=localhost", "-keyout", key, "-out", cert],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            command += [str(port), key, cert]
        else:
            command += ["--no-tls", str(port)]
        child = self.processes.start(command, cpu=0)
        wait_port(port, child)
        return child, "%s://127.0.0.1:%d/hello" % ("https" if tls else "http", port)

    # ---- with and without --------------------------------------------------------------------

    def compare(self, title, with_first, without_first):
        """Rounds of both, in an order that changes; each of the two functions returns
        ((rate, µs) with, (rate, µs) without)."""
        pairs = []
        for i in range(self.rounds):
            pairs.append(with_first(i) if i % 2 == 0 else without_first(i))
        rate_with, cpu_with = (median([p[0][k] for p in pairs]) for k in (0, 1))
        rate, cpu = (median([p[1][k] for p in pairs]) for k in (0, 1))
        t = self.table
        t.add(title + ": without", rate, "req/s")
        t.add(title + ": with recorder and a dashboard", rate_with, "req/s")
        t.add(title + ": req/s with / without", rate_with / rate, "")
        t.add(title + ": CPU per request, without", cpu, "us")
        t.add(title + ": CPU per request, with", cpu_with, "us")
        t.add(title + ": CPU per request without / with", cpu / cpu_with, "")
        return rate, cpu

    def watched(self, url, pid, dash):
        viewer = Viewer(self.processes, dash)
        time.sleep(0.3)
        figures = measure(url, pid, self.seconds)
        viewer.stop()
        return figures

    def app(self):
        self.table.title("the demo app's quick route, HTTP/2, recorded and watched against alone")

        def with_first(i):
            recorder, app, url, dash = self.serve("app%d" % i)
            h2load(url + "/hello", 0.5)
            figures = self.watched(url + "/hello", app, dash)
            self.processes.stop(recorder, signal.SIGKILL)
            alone = measure(url + "/hello", app, self.seconds)
            os.kill(app, signal.SIGKILL)
            return figures, alone

        def without_first(i):
            recorder, app, url, _ = self.serve("app%d" % i)
            self.processes.stop(recorder, signal.SIGKILL)
            h2load(url + "/hello", 0.5)
            alone = measure(url + "/hello", app, self.seconds)
            recorder, dash = self.record(app, "app%d" % i)
            figures = self.watched(url + "/hello", app, dash)
            self.processes.stop(recorder, signal.SIGKILL)
            os.kill(app, signal.SIGKILL)
            return figures, alone

        self.compare("demo app", with_first, without_first)

    def c(self):
        self.table.title("a C handler of 13 bytes, HTTP/2, recorded and watched against alone")

        def attach(child, url, name):
            recorder, dash = self.record(child.pid, name)
            figures = self.watched(url, child.pid, dash)
            self.processes.stop(recorder, signal.SIGKILL)
            return figures

        def with_first(i):
            child, url = self.c_server()
            h2load(url, 0.5)
            figures = attach(child, url, "c%d" % i)
            alone = measure(url, child.pid, self.seconds)
            self.processes.stop(child)
            return figures, alone

        def without_first(i):
            child, url = self.c_server()
            h2load(url, 0.5)
            alone = measure(url, child.pid, self.seconds)
            figures = attach(child, url, "c%d" % i)
            self.processes.stop(child)
            return figures, alone

        self.compare("C handler", with_first, without_first)

    def handlers(self):
        """What a handler in Scheme costs above one in C, in the same server."""
        self.table.title("the same 13 bytes from Scheme and from C, HTTP/2, traced, not recorded")
        script = self.dir + "/handler.scm"
        with open(script, "w") as f:
            f.write("(import (scheme base) (memcam http))\n"
                    "(route 'GET \"/\" (lambda (req) (respond 200 \"Hello, World\\n\")))\n")

        def scheme(i):
            recorder, app, url, _ = self.serve("handler%d" % i, script)
            self.processes.stop(recorder, signal.SIGKILL)
            h2load(url + "/", 0.4)
            figures = measure(url + "/", app, self.seconds)
            os.kill(app, signal.SIGKILL)
            return figures

        def c(_):
            child, url = self.c_server()
            h2load(url, 0.4)
            figures = measure(url, child.pid, self.seconds)
            self.processes.stop(child)
            return figures

        cpu = {"Scheme": [], "C": []}
        for i in range(self.rounds):
            for name, run in ([("Scheme", scheme), ("C", c)] if i % 2 == 0 else
                              [("C", c), ("Scheme", scheme)]):
                cpu[name].append(run(i)[1])
        for name in cpu:
            self.table.add(name + " handler: CPU per request", median(cpu[name]), "us")
        self.table.add("handlers: CPU per request Scheme / C",
                       median(cpu["Scheme"]) / median(cpu["C"]), "x")

    def peer(self):
        self.table.title("beside nghttpd, same h2load flags (-c 8 -m 32 -t 1), interleaved")
        for tls in (False, True):
            what = "TLS" if tls else "h2c"
            figures = {"C handler": [], "C handler, not traced": [], "nghttpd": []}
            starts = {"C handler": lambda: self.c_server(*(["tls"] if tls else [])),
                      "C handler, not traced":
                          lambda: self.c_server("notrace", *(["tls"] if tls else [])),
                      "nghttpd": lambda: self.nghttpd(tls)}
            for i in range(2 if self.quick else 3):
                order = list(figures)
                for name in order[i % 3:] + order[:i % 3]:
                    child, url = starts[name]()
                    h2load(url, 0.4)
                    figures[name].append(measure(url, child.pid, self.seconds * 0.6))
                    self.processes.stop(child)
            cpu = {}
            for name, pairs in figures.items():
                cpu[name] = median([p[1] for p in pairs])
                self.table.add("%s, %s" % (name, what), median([p[0] for p in pairs]), "req/s")
                self.table.add("%s, %s: CPU per request" % (name, what), cpu[name], "us")
            self.table.add("C handler: CPU per request / nghttpd's, %s" % what,
                           cpu["C handler"] / cpu["nghttpd"], "")
            self.table.add("C handler: CPU per request traced / not traced, %s" % what,
                           cpu["C handler"] / cpu["C handler, not traced"], "")

    def idle(self):
        self.table.title("RSS per idle HTTP/2 connection, beside nghttpd")
        count = 100 if self.quick else 300
        for tls in (False, True):
            what = "TLS" if tls else "h2c"
            kb = {}
            for name, start in (("C handler", lambda: self.c_server(*(["tls"] if tls else []))),
                                ("nghttpd", lambda: self.nghttpd(tls))):
                child, url = start()
                kb[name] = idle_kb(url, child.pid, count)
                self.processes.stop(child)
                self.table.add("%s, %s: idle connection" % (name, what), kb[name], "KB")
            self.table.add("C handler: KB per idle connection / nghttpd's, %s" % what,
                           kb["C handler"] / kb["nghttpd"], "")

    # ---- the recorder ------------------------------------------------------------------------

    def recorder(self):
        self.table.title("the recorder at 10 Hz, with the demo app's pools (% of a core)")
        seconds = 4 if self.quick else 10
        recorder, _, url, dash = self.serve("recorder")
        time.sleep(1)
        self.table.add("recorder idle: CPU", cpu_percent(recorder.pid, seconds), "%")
        viewer = Viewer(self.processes, dash)
        time.sleep(0.5)
        self.table.add("recorder idle, one dashboard: CPU", cpu_percent(recorder.pid, seconds), "%")
        load = self.processes.start(["h2load", "-c", "4", "-m", "1", "-t", "1", "--rps", "250",
                                     "-D", str(seconds + 2), url + "/hello"])
        time.sleep(1)
        self.table.add("recorder, 1,000 requests/s, one dashboard: CPU",
                       cpu_percent(recorder.pid, seconds), "%")
        self.processes.stop(load)
        load = self.processes.start(["h2load", "-c", "8", "-m", "32", "-t", "1", "-D",
                                     str(seconds + 2), url + "/hello"])
        time.sleep(1)
        full = cpu_percent(recorder.pid, seconds)
        self.processes.stop(load)
        viewer.stop()
        self.table.add("at full load, one dashboard: recorder's CPU", full, "%",
                       " (grows with the events)")
        self.processes.stop(recorder, signal.SIGINT)

    # ---- bytes -------------------------------------------------------------------------------

    def bytes(self):
        self.table.title("bytes in the trace, and on the wire")
        seconds = 8 if self.quick else 64  # a chunk is sealed after 60 s
        path = self.trace("bytes")
        recorder, _, url, dash = self.serve("bytes")
        load = self.processes.start(["h2load", "-c", "4", "-m", "1", "-t", "1", "--rps", "250",
                                     "-D", str(seconds + 8), url + "/hello"])
        time.sleep(1)
        stream = dash + "/api/runs/1/stream?coalesce=0&events=100000"
        began = time.monotonic()
        plain = get_stream(stream, 3 if self.quick else 6, "identity")
        packed = get_stream(stream, 3 if self.quick else 6, "zstd")
        self.wire("live", plain, packed)
        time.sleep(max(0, seconds - (time.monotonic() - began)))
        self.processes.stop(load)
        self.processes.stop(recorder, signal.SIGINT)
        sizes = trace_sizes(path)
        for table, what in (("chunk", "sealed"), ("tail", "tail rows")):
            s = sizes[table]
            if s["frames"]:
                self.table.add("trace: bytes per frame, %s" % what, s["frame_bytes"] / s["frames"],
                               "bytes", " (%d frames)" % s["frames"])
            if s["events"]:
                self.table.add("trace: bytes per event, %s" % what, s["event_bytes"] / s["events"],
                               "bytes", " (%d events)" % s["events"])
        self.table.add("trace: the file", sizes["file_bytes"] / 1024.0, "KiB")

    def wire(self, what, plain, packed):
        """Bytes per frame and per event of a stream, after its keyframe."""
        unpacked = unzstd(packed)
        for name, text, wire in (("without zstd", plain, len(plain)),
                                 ("with zstd", unpacked, len(packed))):
            deltas = text.count(b"event: delta\n")
            events = text.count(b'"type":')
            if not deltas:
                raise BenchError("the %s stream %s had no delta" % (what, name))
            self.table.add("wire, %s: bytes per second of stream, %s" % (what, name),
                           wire / (deltas / 10.0), "bytes", " (%d frames)" % deltas)
            batches = re.findall(rb"event: events\ndata: [^\n]*\n\n", text)
            if events and name == "without zstd":
                self.table.add("wire, %s: bytes per event, %s" % (what, name),
                               sum(map(len, batches)) / events, "bytes")
        events = unpacked.count(b'"type":')
        if events:
            only = b"".join(re.findall(rb"event: events\ndata: [^\n]*\n\n", unpacked))
            share = len(only) / len(unpacked)
            self.table.add("wire, %s: bytes per event, with zstd" % what,
                           len(packed) * share / events, "bytes",
                           " (their share of all %d bytes)" % len(packed))

    # ---- programs that measure by themselves -------------------------------------------------

    def figures_of(self, name, command, seconds, env=None):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=seconds, env=env)
        except subprocess.TimeoutExpired:
            self.table.fail(name, "no end within %d s" % seconds)
            return
        found = 0
        for line in done.stdout.decode("utf-8", "replace").split("\n"):
            fields = line.split("\t")
            try:
                value = float(fields[1])
            except (IndexError, ValueError):
                continue
            self.table.add(fields[0], value, fields[2] if len(fields) > 2 else "")
            found += 1
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        if done.returncode == 0 and not found and said:
            self.table.skip(name, said)  # a peer that is not installed
        elif done.returncode or not found:
            self.table.fail(name, "exit status %d; %s" % (done.returncode, said or "no figures"))

    def micro(self):
        self.table.title("single parts")
        for path in sorted(glob.glob(self.build + "/bench/bench_*")):
            name = os.path.basename(path)
            if name not in SERVERS and os.access(path, os.X_OK):
                self.figures_of(name, [path], 90, self.env)

    def codecs(self):
        seconds = self.codec_seconds or (20 if self.quick else 125)
        self.table.title("encodings on the same frames, %d s of five loads at 10 Hz" % seconds)
        for name, path in loads.record_all(self, seconds).items():
            self.table.title("load %s: %d bytes of file" % (name, os.path.getsize(path)))
            self.figures_of(name, [self.build + "/bench/bench_codecs", path] +
                            ([] if self.codec_seconds else ["1", "1200"]), 900)
            self.figures_of(name, [self.build + "/bench/bench_read", path], 300)

    def browser(self):
        if not os.path.exists("tests/bench/browser.mjs"):
            return
        self.table.title("the page in headless Chromium")
        env = dict(self.env, MEMCAM_BUILD=self.build,
                   NODE_PATH=os.path.abspath("build/npm/node_modules"),
                   MEMCAM_BENCH_QUICK="1" if self.quick else "")
        self.figures_of("browser.mjs", ["node", "tests/bench/browser.mjs"], 3600, env)

    def close(self):
        self.processes.kill_all()
        shutil.rmtree(self.dir, ignore_errors=True)


MEASURES = ["micro", "app", "c", "handlers", "peer", "idle", "recorder", "bytes", "codecs", "browser"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--codec-seconds", type=int, default=0)
    parser.add_argument("--only", default=",".join(MEASURES))
    options = parser.parse_args()
    names = options.only.split(",")
    for name in names:
        if name not in MEASURES:
            parser.error("no measure is called %s; there are %s" % (name, ", ".join(MEASURES)))
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    start = time.monotonic()
    bench = Bench(options)
    print("\n".join(machine()))
    print("memcam %s" % first_line(["git", "describe", "--always", "--dirty"]))
    try:
        for name in names:
            try:
                getattr(bench, name)()
            except (BenchError, OSError, subprocess.SubprocessError) as e:
                bench.table.fail(name, str(e))
            finally:
                bench.processes.kill_all()
    finally:
        bench.close()
    print("\nbench: %d aims missed, %d could not be measured (%.0f s)" % (
        bench.table.missed, bench.table.failed, time.monotonic() - start))
    return 1 if bench.table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
