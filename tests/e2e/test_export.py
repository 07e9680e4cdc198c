#!/usr/bin/env python3
"""test_export.py: `memcam export` of real recordings: every format taken apart by a strict reader."""
import csv
import io
import json
import os
import pty
import re
import resource
import shutil
import subprocess
import time

import mc
from mc import check, equal

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = {
    "pool_sample": "run_id ts pool used free capacity high_water allocs frees overflow",
    "arena_sample": "run_id ts arena used_bytes capacity_bytes high_water_bytes overflow",
    "heap_sample": "run_id ts heap used_bytes capacity_bytes peak_bytes threshold_bytes gc_count",
    "gc_event": "run_id ts dur heap kind before_bytes after_bytes",
    "metric_sample": "run_id ts metric value",
    "process_sample": "run_id ts rss_bytes pss_bytes anon_bytes file_bytes shmem_bytes "
                      "minor_faults major_faults cpu_user_ns cpu_system_ns fd_count",
    "slot_change": "run_id ts pool slot old_state new_state owner conn_id",
    "event": "run_id ts type conn_id stream_id dur status bytes_in bytes_out detail",
    "mark": "run_id ts dur label author",
    "gap": "run_id ts dur reason lost",
}
recording = None  # made once, by the first test that asks


def record():
    """The trace of a busy program and of an image server, with a mark; a copy for this test."""
    global recording
    if recording is None:
        for name in ("busy_program", "imgserver"):
            program = mc.compile_program(name, os.path.join(HERE, name + ".c"))
            r = mc.Record("--", program, "3")
            if name == "imgserver":
                mc.wait_for("a second of it", lambda: [
                    x for x in mc.get(r.dash + "/api/runs").json()["runs"]
                    if x["run_id"] == 2 and x["end_ts"] and x["end_ts"] > 10**9])
                mark = {"ts": 10**9, "dur": 5, "label": 'a "b", <c>'}
                equal(mc.post(r.dash + "/api/runs/2/marks", mark).status, 201, "a mark")
            equal(r.wait(), 0, r.err())
        copy(mc.path("t.db"), os.path.join(mc.BUILD, "export-test.db"))
        recording = os.path.join(mc.BUILD, "export-test.db")
    copy(recording, mc.path("r.db"))
    return mc.path("r.db")


def copy(source, to):
    for suffix in ("", "-wal"):
        if os.path.exists(source + suffix):
            shutil.copy(source + suffix, to + suffix)
        elif os.path.exists(to + suffix):
            os.remove(to + suffix)


def export(store, *args):
    status, out, err = mc.run("export", store, *args)
    equal((status, err), (0, ""), "export %s" % (args,))
    return out


def count(store, table, where="1"):
    return mc.query(store, "SELECT count(*) AS n FROM %s WHERE %s" % (table, where))[0]["n"]


def test_csv():
    store = record()
    for table, names in COLUMNS.items():
        for run in ("1", "2"):
            rows = list(csv.reader(io.StringIO(export(store, "--format", "csv", "--table", table,
                                                      "--run", run))))
            equal(rows[0], names.split(), table)
            want = mc.query(store, "SELECT * FROM %s WHERE run_id=%s ORDER BY ts" % (table, run))
            equal(len(rows) - 1, len(want), "rows of %s of run %s" % (table, run))
            as_text = [["" if v is None else str(v) for v in row.values()] for row in want]
            equal(sorted(rows[1:]), sorted(as_text), "%s of run %s" % (table, run))
            check([int(r[1]) for r in rows[1:]] == sorted(int(r[1]) for r in rows[1:]),
                  table + " is in order")
    newest = list(csv.DictReader(io.StringIO(export(store, "--format", "csv"))))
    equal({(r["run_id"], r["pool"]) for r in newest}, {("2", "tcp_buffers")}, "the defaults")


def test_jsonl():
    store = record()
    rows = [json.loads(line) for line in export(store, "--run=1").splitlines()]
    counts = {}
    for row in rows:
        table = row["table"]
        equal(list(row), ["table"] + COLUMNS[table].split(), table)
        counts[table] = counts.get(table, 0) + 1
    times = [row["ts"] for row in rows]
    check(times == sorted(times), "in the order of time")
    for table in COLUMNS:
        equal(counts.get(table, 0), count(store, table, "run_id=1"), table)
    check(min(counts[t] for t in ("event", "gc_event", "slot_change", "heap_sample")) > 3, str(counts))
    some = export(store, "--table", "gc_event,mark", "--run", "2").splitlines()
    equal([json.loads(s)["label"] for s in some], ['a "b", <c>'], "the tables that are named")


def test_span():
    store = record()
    for begin, end, options in ((10**9, 2 * 10**9, ("--from", "1s", "--to", "2s")),
                                (1500000000, 2 * 10**9, ("--from", "1s500ms", "--to", "2000000000")),
                                (0, 10**9, ("--to=1s",)), (2 * 10**9, 10**18, ("--from=0m2s",))):
        for table in ("pool_sample", "event", "slot_change"):
            rows = export(store, "--run", "1", "--table", table, *options).splitlines()
            where = "run_id=1 AND ts>=%d AND ts<%d" % (begin, end)
            equal(len(rows), count(store, table, where), "%s of %s" % (table, options))
            check(rows and all(begin <= json.loads(r)["ts"] < end for r in rows), str(options))
    equal(export(store, "--from", "1h"), "", "behind the end")
    whole = export(store, "--run", "1", "--table", "event")
    parts = [export(store, "--run", "1", "--table", "event", "--to", "1s234567us"),
             export(store, "--run", "1", "--table", "event", "--from", "1234567000")]
    equal("".join(parts), whole, "two halves")


# ---- OpenMetrics 1.0, read strictly --------------------------------------------------------------

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "summary": ("", "_count", "_sum"),
            "info": ("_info",), "stateset": ("",)}


def openmetrics(text):
    """{family: {labels: [(ts, sample name, value)]}}; raises Failed where the text breaks a rule."""
    check(text.endswith("\n# EOF\n"), "ends with # EOF")
    families, kinds, family, metric = {}, {}, None, None
    for line in text.splitlines()[:-1]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            check(re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", family), line)
            check(family not in families, "a family comes once: " + line)
            families[family], kinds[family], metric = {}, kind, None
            continue
        if line.startswith("# UNIT "):
            _, _, name, unit = line.split(" ")
            check(name == family and name.endswith("_" + unit) and not families[family], line)
            continue
        match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})?'
                             r' (-?[0-9.]+) ([0-9]+\.[0-9]+)', line)
        check(match, "a sample: " + line)
        name, labels, value, ts = match.groups()
        check(name.startswith(family) and name[len(family):] in SUFFIXES[kinds[family]], line)
        labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
        extra = (labels.pop("quantile", None), labels.pop(family, None))
        key = tuple(sorted(labels.items()))
        if key != metric:
            check(key not in families[family], "a metric's points stand together: " + line)
            families[family][key], metric = [], key
        points = families[family][key]
        check(not points or float(ts) >= points[-1][0], "times rise: " + line)
        check((float(ts), name, extra) not in [p[:3] for p in points[-12:]], "a sample twice: " + line)
        points.append((float(ts), name, extra, float(value)))
    return families


def test_openmetrics():
    store = record()
    families = openmetrics(export(store, "--format", "openmetrics", "--run", "1"))
    start = mc.query(store, "SELECT start_wall_ns FROM run WHERE run_id=1")[0]["start_wall_ns"]
    rows = mc.query(store, "SELECT ts, used, allocs FROM pool_sample WHERE run_id=1 AND pool='cells' "
                           "ORDER BY ts")
    cells = (("pool", "cells"),)
    equal([p[3] for p in families["memcam_slab_used"][cells]], [r["used"] for r in rows], "used")
    equal([p[3] for p in families["memcam_slab_allocs"][cells]], [r["allocs"] for r in rows], "allocs")
    for point, row in zip(families["memcam_slab_used"][cells], rows):
        check(abs(point[0] - (start + row["ts"]) / 1e9) < 1e-6, "the time of a sample")
    rss = mc.query(store, "SELECT rss_bytes FROM process_sample WHERE run_id=1 ORDER BY ts")
    equal([p[3] for p in families["memcam_process_rss_bytes"][()]],
          [r["rss_bytes"] for r in rss if r["rss_bytes"] is not None], "rss")
    check(len(families["memcam_route_requests"]) == 3, str(families["memcam_route_requests"].keys()))
    state = families["memcam_process_state"][()]
    equal(len(state), 9 * len(rows), "states")
    equal(sum(p[3] for p in state), len(rows), "one state at a time")
    equal({p[3] for p in families["memcam_slab_capacity"][cells]}, {20000}, "capacity")


# ---- Perfetto ------------------------------------------------------------------------------------

def test_perfetto():
    store = record()
    for run in ("1", "2"):
        trace = json.loads(export(store, "--format", "perfetto", "--run", run))
        events, tracks, counters = trace["traceEvents"], {}, {}
        named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
        equal({e["pid"] for e in events}, {e["pid"] for e in events if e["name"] == "process_name"},
              "processes have names")
        for e in events:
            check(isinstance(e["ts"], float) and e["ts"] > -1, str(e))
            if e["ph"] in "XBEi":
                check((e["pid"], e["tid"]) in named, "the track has a name: %s" % e)
            if e["ph"] in "XBE":
                tracks.setdefault((e["pid"], e["tid"]), []).append(e)
            elif e["ph"] == "C":
                last = counters.setdefault(e["name"], [])
                check(not last or e["ts"] >= last[-1], "times of a counter rise: %s" % e)
                last.append(e["ts"])
        for track in tracks.values():
            stack = []  # as the importer keeps it: ends of open slices, None for one begun by "B"
            for e in sorted(track, key=lambda e: e["ts"]):
                while stack and stack[-1] is not None and stack[-1] <= e["ts"] + 1e-4:
                    stack.pop()
                if e["ph"] == "E":
                    check(stack and stack[-1] is None, "nothing to end: %s" % e)
                    stack.pop()
                elif e["ph"] == "B":
                    stack.append(None)
                else:
                    open_ends = [s for s in stack if s is not None]
                    check(not open_ends or e["ts"] + e["dur"] <= open_ends[-1] + 1e-4,
                          "slices nest: %s" % e)
                    stack.append(e["ts"] + e["dur"])
            check(None not in stack, "every connection ends")
        requests = [e for e in events if e["ph"] == "X" and "route" in e["args"]]
        want = mc.query(store, "SELECT ts, dur, status, bytes_out, conn_id, route FROM request "
                               "WHERE run_id=" + run)
        equal(sorted((round(e["ts"] * 1000), round(e["dur"] * 1000), e["args"]["status"],
                      e["args"]["bytes_out"], e["args"]["conn_id"], e["name"]) for e in requests),
              sorted(tuple(r.values()) for r in want), "requests of run " + run)
        equal(len([e for e in events if e["ph"] == "X" and "before_bytes" in e["args"]]),
              count(store, "gc_event", "run_id=" + run), "collections")
        equal(len([e for e in events if e["ph"] == "B"]), count(store, "conn", "run_id=" + run),
              "connections")
        for pool in mc.query(store, "SELECT name FROM source WHERE kind='slab' AND run_id=" + run):
            check("pool " + pool["name"] in counters, "a counter of " + pool["name"])
        check("process" in counters and "connections" in counters, str(counters.keys()))
        marks = [e["name"] for e in events if e["ph"] == "i" and e["args"].get("author") is not None]
        equal(marks, ['a "b", <c>'] if run == "2" else [], "marks")
    # The image server's connections hold their requests.
    inside = [e for e in requests if e["pid"] == 2]
    check(len(inside) > 0.9 * len(requests), "%d of %d requests" % (len(inside), len(requests)))


# ---- around it -----------------------------------------------------------------------------------

def one_line(err, *words):
    equal(len(err.strip().splitlines()), 1, "one line: " + err)
    for word in words:
        check(word in err, "%r in %r" % (word, err))


def test_usage():
    store = record()
    for args, want, word in (
            (("--format", "xml"), 2, "csv|jsonl"), (("--run", "0"), 2, "--run"), (("--run", "7"), 3, "run 7"),
            (("--table", "nope"), 2, "nope"), (("--table", "event,"), 2, "table"),
            (("--format=csv", "--table", "event,gap"), 2, "one table"),
            (("--format=perfetto", "--table", "event"), 2, "--table"), (("--from", "later"), 2, "later"),
            (("--from", "2s", "--to", "1s"), 2, "--from"), (("--to", "begin"), 2, "--from"),
            (("--output", "/nonexistent/x"), 3, "/nonexistent/x"), (("--output", store), 2, "itself"),
            (("--output", ""), 2, "--output"), (("x",), 2, "too many")):
        status, out, err = mc.run("export", store, *args)
        equal((status, out), (want, ""), "export %r" % (args,))
        one_line(err, word)
    equal(mc.run("check", store)[0], 0, "the trace is as it was")
    equal(mc.run("export", mc.path("none.db"))[0], 3, "no such file")
    help_text = mc.run("export", "--help")[1]
    check("promtool" in help_text and "--table TABLE" in help_text, help_text)


def test_output_file():
    store = record()
    to_stdout = export(store, "--format", "csv", "--table", "event")
    equal(export(store, "--format", "csv", "--table", "event", "--output", mc.path("e.csv")), "", "-")
    with open(mc.path("e.csv"), newline="") as f:
        equal(f.read(), to_stdout, "the file")
    # A reader that has seen enough.
    child = subprocess.Popen([mc.MEMCAM, "export", store, "--run", "1"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    child.stdout.readline()
    child.stdout.close()
    err = child.stderr.read()
    equal((child.wait(mc.SECONDS), err), (0, b""), "a closed pipe")
    # A full disk.
    status, out, err = mc.run("export", store, "--output", "/dev/full")
    equal((status, out), (3, ""), "no space")
    one_line(err, "/dev/full", "No space", "only the first 0 bytes")
    # A limit in the middle: what is there is said.
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    status, out, err = mc.run("export", store, "--run", "1", "--output", mc.path("part"),
                              preexec_fn=small_files)
    equal((status, os.path.getsize(mc.path("part"))), (3, 100000), err)
    one_line(err, "part", "only the first 100000 bytes")


def test_progress():
    store = record()
    pid, terminal = pty.fork()
    if pid == 0:
        out = os.open(mc.path("o.jsonl"), os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.execv(mc.MEMCAM, ["memcam", "export", store, "--run", "1"])
    said = b""
    try:
        while True:
            said += os.read(terminal, 4096)
    except OSError:
        pass
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, repr(said))
    percents = [int(p) for p in re.findall(rb"exporting: (\d+) %", said)]
    check(percents and percents == sorted(percents) and percents[-1] == 100, str(percents))
    check(said.endswith(b"\r\x1b[K") and b"\n" not in said, "one line, which is gone: %r" % said[-80:])


def test_live():
    """A run that is being recorded is exported up to now, again and again."""
    program = mc.compile_program("busy", os.path.join(HERE, "busy_program.c"))
    r = mc.Record("--", program, "60")
    r.others += r.children()
    mc.wait_for("the run", lambda: mc.get(r.dash + "/api/runs").json()["runs"])
    time.sleep(2.5)
    last = 0
    for _ in range(3):
        for fmt in ("perfetto", "openmetrics"):
            text = export(r.store, "--format", fmt)
            if fmt == "perfetto":
                json.loads(text)
            else:
                openmetrics(text)
        rows = export(r.store, "--table", "process_sample").splitlines()
        check(len(rows) > last, "it grows: %d" % len(rows))
        last = len(rows)
        time.sleep(1.2)
    equal(r.stop(), 0, r.err())


if __name__ == "__main__":
    mc.main()
