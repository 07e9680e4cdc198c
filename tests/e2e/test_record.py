#!/usr/bin/env python3
"""`memcam record`: programs that end, stop, are killed; recorders that are killed."""
import json
import os
import signal
import time

import mc
from mc import check, equal, get

# A program whose slab, counter and events tell how far it came. Arguments: seconds, exit status.
PROGRAM = r"""
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
#include "memcam.h"
int main(int argc, char **argv)
{
    struct mc_tracer *t = mc_tracer_open(argc > 3 ? argv[3] : "prog", NULL);
    struct mc_slab *s = mc_slab_register(t, "slots", 64, 100);
    struct mc_counter *c = mc_counter_register(t, "rounds", "count");
    long rounds = (long)(atof(argv[1]) * 100);
    struct timespec pause = {0, 10000000};
    for (long i = 0; i < rounds; i++) {
        mc_tracer_beat(t);
        mc_slot_set(s, (unsigned)(i % 100), i / 100 % 2 ? MC_SLOT_FREE : MC_SLOT_ACTIVE, 0, 0);
        mc_counter_add(c, 1);
        mc_event_accept(t, (unsigned long)i + 1, "10.0.0.7:51234");
        nanosleep(&pause, NULL);
    }
    mc_tracer_close(t);
    return argc > 2 ? atoi(argv[2]) : 0;
}
"""


# How a run of a program that is not our child may end: older kernels tell only its parent.
KILLED = ("signal 9", "gone")


def program():
    return mc.compile_program("prog", mc.write("prog.c", PROGRAM))


def run_row(store, run=1):
    return mc.query(store, "SELECT * FROM run WHERE run_id = %d" % run)[0]


def stream_state(stream, document):
    """Read one frame from the stream onto the document."""
    name, data = stream.until("keyframe", "delta")
    return data if name == "keyframe" else mc.merge(document, data)


def test_program():
    r = mc.Record("--", program(), "1.5", "7")
    equal(r.wait(), 0, "0 whatever the program's exit status: " + r.err())
    check("memcam replay " + r.store in r.err(), r.err())
    row = run_row(r.store)
    equal((row["exit"], row["program"]), ("exit 7", "prog"), "the run")
    check(1.3e9 < row["end_ts"] < 4e9 * mc.SLOW, "end_ts %d" % row["end_ts"])
    equal(mc.run("check", r.store)[0], 0, "check")


def test_short_lived_program():
    r = mc.Record("--", program(), "0.05", "0")
    equal(r.wait(), 0, "recorded: " + r.err())
    equal(run_row(r.store)["exit"], "exit 0", "the run")


def test_child_of_the_child():
    r = mc.Record("--", "sh", "-c", program() + " 1 3; exit 5")
    equal(r.wait(), 0, r.err())
    equal(run_row(r.store)["program"], "prog", "the run")
    r = mc.Record("--", "sh", "-c", "%s 0.5; %s 0.5" % (mc.path("prog"), mc.path("prog")),
                  store="two.db")
    equal(r.wait(), 0, r.err())
    equal(len(mc.query(r.store, "SELECT * FROM run")), 2, "one after the other")


def test_nothing_to_record():
    r = mc.Record("--wait", "500ms", "--", "sleep", "60")
    pid = r.children()[0]
    equal(r.wait(), 3, "no tracer")
    check("memcam.h" in r.err() and not mc.is_alive(pid), r.err())
    r = mc.Record("--", "true")
    equal(r.wait(), 3, "ended without a tracer")
    status, out, err = mc.run("record", "--dash", "127.0.0.1:0", "--", mc.path("no-such-program"))
    equal((status, out), (3, ""), "no program")
    equal(len(err.strip().splitlines()), 1, err)
    r = mc.Record("--pid", "1")
    equal(r.wait(), 3, "a pid without a tracer: " + r.err())


def test_signals_reach_the_program():
    r = mc.Record("--", program(), "60")
    r.line("memcam: recording .*", "err")
    pid = r.children()[0]
    time.sleep(0.3)
    equal(r.stop(), 0, "SIGTERM: " + r.err())
    check(not mc.is_alive(pid), "the program has ended")
    equal(run_row(r.store)["exit"], "signal 15", "the run")


def test_stopped_program():
    r = mc.Record("--", program(), "60")
    r.line("memcam: recording .*", "err")
    pid = r.children()[0]
    stream = mc.Stream(r.dash + "/api/runs/1/stream")
    document = stream_state(stream, {})
    os.kill(pid, signal.SIGSTOP)
    stalls = []

    def frames_of_two_seconds():
        nonlocal document
        start, count = time.monotonic(), len(stalls)
        while time.monotonic() - start < 2:
            document = stream_state(stream, document)
            stalls.append((document["process"]["stalled_ns"], document["process"]["state"]))
        return len(stalls) - count

    mc.wait_for("10 frames a second while it stands still", lambda: frames_of_two_seconds() >= 17 / mc.SLOW)
    check(stalls[-1][0] > 1.2e9 and stalls[-1][1] == "T", "stalled_ns grows: %s" % (stalls[-1],))
    os.kill(pid, signal.SIGCONT)
    mc.wait_for("it goes round again", lambda: stream_state(stream, {})["process"].get(
        "stalled_ns", 1) == 0 or None)
    os.kill(pid, signal.SIGKILL)
    equal(stream.until("end")[1]["exit"], "signal 9", "the stream's end")
    equal(r.wait(), 0, r.err())
    equal(run_row(r.store)["exit"], "signal 9", "the run")


def test_killed_program_leaves_its_last_events():
    r = mc.Record("--", program(), "60")
    r.line("memcam: recording .*", "err")
    time.sleep(1)
    pid = r.children()[0]
    os.kill(pid, signal.SIGSTOP)  # so that what it has published stands still
    time.sleep(0.3)
    rounds = get(r.dash + "/api/runs/1/state").json()["metrics"]["rounds"]["value"]
    os.kill(pid, signal.SIGKILL)
    equal(r.wait(), 0, r.err())
    replay = mc.Process([mc.MEMCAM, "replay", r.store, "--dash", "127.0.0.1:0"])
    url, = replay.line(r"dashboard (\S+)")
    events = get(url + "/api/runs/1/events?limit=100000").json()["events"]
    accepts = [e["conn_id"] for e in events if e["type"] == "accept"]
    check(rounds <= accepts[-1] <= rounds + 1, "the last event: %d of %d" % (accepts[-1], rounds))
    equal(accepts, list(range(1, accepts[-1] + 1)), "no event is missing or doubled")
    equal(replay.stop(), 0, "exit status of replay")


def test_recorder_killed():
    p = mc.Process([program(), "60", "0", "prog"])
    first = mc.Record("--name", "prog")
    first.line("memcam: recording .*", "err")
    time.sleep(2.5)
    first.send(signal.SIGKILL)
    first.wait()
    time.sleep(0.7)
    check(p.child.poll() is None, "the program does not notice")
    second = mc.Record("--name", "prog")
    second.line("memcam: going on with run 1, .*", "err")
    time.sleep(1.2)
    p.send(signal.SIGKILL)
    p.wait()
    second.line("memcam: prog .*waiting for its next start", "err")
    again = mc.Process([mc.path("prog"), "1", "0", "prog"])
    second.line("memcam: recording prog .* as run 2", "err")
    again.wait()
    second.line(r"memcam: prog \(pid %d\) has ended.*" % again.pid, "err")
    equal(second.stop(), 0, second.err())
    gaps = mc.query(second.store, "SELECT * FROM gap WHERE reason = 'recorder away'")
    equal(len(gaps), 1, "one gap")
    check(0.3e9 < gaps[0]["dur"] < 4e9 * mc.SLOW, "its span: %s" % gaps)
    check(run_row(second.store)["exit"] in KILLED, "the first run")
    equal(mc.run("check", second.store)[0], 0, "check")


def test_attach_by_pid():
    p = mc.Process([program(), "60", "0", "prog"])
    mc.wait_for("its segment", lambda: "prog" in mc.run("ls")[1])
    r = mc.Record("--pid", str(p.pid), "--label", "by pid")
    r.line("memcam: recording .*", "err")
    time.sleep(0.5)
    p.send(signal.SIGKILL)
    equal(r.wait(), 0, r.err())  # we have not asked for the status yet: the kernel still holds it
    p.wait()
    row = run_row(r.store)
    equal((row["label"], row["exit"], row["pid"]), ("by pid", "signal 9", p.pid), "the run")
    # What a dead program left behind can still be saved.
    r = mc.Record("--pid", str(p.pid), store="after.db")
    equal(r.wait(), 0, r.err())
    equal(run_row(r.store)["pid"], p.pid, "recorded after its end")


def test_crash_before_the_recorder_comes():
    p = mc.Process([program(), "60", "0", "prog"])
    time.sleep(0.5)
    p.send(signal.SIGSEGV)
    p.wait()
    r = mc.Record("--name", "prog")
    r.line(r"memcam: prog \(pid %d\) has ended.*waiting for its next start" % p.pid, "err")
    again = mc.Process([mc.path("prog"), "0.3", "0", "prog"])
    r.line("memcam: recording prog .* as run 2", "err")
    again.wait()
    r.line(r"memcam: prog \(pid %d\) has ended.*" % again.pid, "err")
    time.sleep(0.5)
    equal(r.stop(), 0, r.err())
    equal([row["pid"] for row in mc.query(r.store, "SELECT pid FROM run")], [p.pid, again.pid], "once each")
    check(mc.query(r.store, "SELECT count(*) AS n FROM event WHERE run_id = 1")[0]["n"] > 10,
          "its last events")
    r = mc.Record("--name", "prog")
    r.line("memcam: record: waiting for a program named prog.*", "err")  # the trace has all of it
    r.stop()


def test_recorder_and_then_program_killed():
    p = mc.Process([program(), "60", "0", "prog"])
    r = mc.Record("--name", "prog")
    r.line("memcam: recording .*", "err")
    time.sleep(1.5)
    r.send(signal.SIGKILL)
    r.wait()
    time.sleep(0.5)
    p.send(signal.SIGKILL)
    p.wait()
    r = mc.Record("--name", "prog")
    r.line("memcam: going on with run 1, .*", "err")
    r.line(r"memcam: prog \(pid %d\) has ended.*" % p.pid, "err")
    equal(r.stop(), 0, r.err())
    accepts = mc.query(r.store, "SELECT conn_id FROM event WHERE type = 'accept' ORDER BY ts")
    equal([row["conn_id"] for row in accepts], list(range(1, len(accepts) + 1)),
          "what came between, and each but once")
    check(len(accepts) > 150 / mc.SLOW, "to its last moment: %d" % len(accepts))


def test_serve_survives_its_recorder():
    s = mc.Serve("(import (scheme base) (memcam http))"
                 "(route 'GET \"/hello\" (lambda (req) (respond 200 \"hello\")))")
    time.sleep(1.5)
    s.send(signal.SIGKILL)
    s.wait()
    equal(get(s.app + "/hello").body, b"hello", "the app serves")
    r = mc.Record("--name", "app")
    r.line("memcam: going on with run 1, .*", "err")
    for _ in range(5):
        get(s.app + "/hello")
    time.sleep(0.5)
    state = get(r.dash + "/api/runs/1/state").json()
    check(state["routes"]["GET /hello"]["requests"] >= 5, json.dumps(state["routes"]))
    os.kill(s.app_pid, signal.SIGTERM)
    r.line(r"memcam: app \(pid %d\) has ended.*" % s.app_pid, "err")
    equal(r.stop(), 0, r.err())


if __name__ == "__main__":
    mc.main()
