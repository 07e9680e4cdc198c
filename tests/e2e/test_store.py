"""The trace under a recorder that is killed, on a disk that is full, and in places it can't be."""
import os
import random
import signal
import sqlite3
import subprocess
import time

import mc

HERE = os.path.dirname(os.path.abspath(__file__))
KILLS = int(os.environ.get("MEMCAM_KILLS", "4"))


def query(store, sql):
    status, out, err = mc.run("query", store, sql, "--format", "csv")
    mc.equal(status, 0, "status of %s: %s" % (sql, err))
    return [line.split(",") for line in out.split("\n")[1:-1]]


def check_clean(store):
    status, out, err = mc.run("check", store)
    mc.equal((status, err), (0, ""), "memcam check: " + out)


def told_and_held(store, interval_ns):
    """Frames stand an interval apart, or a gap tells why not."""
    times = [int(row[0]) for row in query(store, "SELECT ts FROM process_sample ORDER BY ts")]
    gaps = [(int(ts), int(ts) + int(dur)) for ts, dur in query(store, "SELECT ts, dur FROM gap")]
    for a, b in zip(times, times[1:]):
        if b - a > 2.5 * interval_ns:
            mc.check(any(end > a and begin < b for begin, end in gaps),
                     "no gap tells of the hole from %d to %d; there are %r" % (a, b, gaps))
    return len(times)


def start_busy():
    program = mc.compile_program("busy", os.path.join(HERE, "busy_program.c"))
    busy = mc.Process([program, "600"])
    mc.wait_for("the program's memory", lambda: str(busy.pid) in mc.run("ls")[1])
    return busy


def test_rows_are_fresh():
    """Rows of a trace that is written are at most 2 s old, in our shell and in SQLite's."""
    busy = start_busy()
    recorder = mc.Record("--pid", str(busy.pid))
    recorder.line(r"memcam: recording busy .*", where="err")
    time.sleep(2.5)
    newest = "SELECT start_wall_ns + (SELECT max(ts) FROM %s WHERE run_id=run.run_id) AS at FROM run"
    library = os.path.join(mc.BUILD, "memcam_sql.so")

    def oldest():
        worst = 0
        for table in ("pool_sample", "event", "heap_sample", "summary") * 2:
            for own in (True, False):
                asked_ns = time.time_ns()
                if own:
                    at = query(recorder.store, newest % table)[0][0]
                else:
                    at = subprocess.run(["sqlite3", recorder.store, "-cmd", ".load " + library, newest % table],
                                        capture_output=True, text=True, check=True).stdout
                worst = max(worst, asked_ns - int(at))
                time.sleep(0.13)
        print("     the newest row was %.2f s old at most" % (worst / 1e9))
        return worst

    mc.wait_for("rows that are at most 2 s old", lambda: oldest() < 2e9 * mc.SLOW)


def test_recorder_killed_at_random_moments():
    busy = start_busy()
    rng = random.Random(11)
    store = mc.path("t.db")
    count, first = 0, None
    for kill in range(KILLS):
        recorder = mc.Record("--pid", str(busy.pid), "--interval", "20ms")
        recorder.line(r"memcam: recording busy .*", where="err")
        time.sleep(rng.random() * 2.5)
        os.kill(recorder.pid, signal.SIGKILL)
        recorder.wait()
        check_clean(store)
        held = told_and_held(store, 20000000)
        mc.check(held >= count, "frames went: %d, there were %d" % (held, count))
        if held:  # before there is a frame a run is not taken up again, and the empty one goes
            begin = query(store, "SELECT run_id, min(ts) FROM process_sample GROUP BY run_id")
            first = first or begin
            mc.equal(begin, first, "runs and their first frames after kill %d" % kill)
        count = held
    # The last one ends well, and the rings have kept the events of the time between.
    recorder = mc.Record("--pid", str(busy.pid), "--interval", "20ms")
    recorder.line(r"memcam: recording busy .*", where="err")
    time.sleep(1.2)
    mc.equal(busy.stop(), 0, "the program's end")
    mc.equal(recorder.wait(), 0, "the recorder's end")
    check_clean(store)
    mc.check(told_and_held(store, 20000000) > count, "nothing was added")
    accepts_are_held_or_told(store)


RING_ACCEPTS = 8192 // 4  # a ring's events, of which busy_program has four for each connection


def accepts_are_held_or_told(store):
    """Connections are numbered and each is there once. Where numbers are missing, either "events lost"
    counts them, or a new recorder came when the ring had gone round: then it has a ring's worth of
    connections from before it came."""
    accepts = [(int(conn), int(ts)) for conn, ts in query(
        store, "SELECT conn_id, ts FROM event WHERE type = 'accept' ORDER BY conn_id")]
    frames = [int(row[0]) for row in query(store, "SELECT ts FROM process_sample ORDER BY ts")]
    gaps = [(int(ts), int(ts) + int(dur), reason, int(lost)) for ts, dur, reason, lost in query(
        store, "SELECT ts, dur, reason, lost FROM gap WHERE reason IN ('events lost', 'recorder away')")]
    missing = 0
    for (a, before), (b, after) in zip(accepts, accepts[1:]):
        mc.check(b > a, "connection %d is there twice" % b)
        if b == a + 1:
            continue
        told = [(end, reason) for begin, end, reason, _ in gaps if begin <= after and end >= before]
        mc.check(told, "no gap tells of connections %d to %d" % (a, b))
        back = [end for end, reason in told if reason == "recorder away"]
        if not back:
            missing += b - a - 1
            continue
        came = next(ts for ts in frames if ts >= back[-1])
        held = sum(1 for _, ts in accepts if after <= ts <= came)
        mc.check(held >= 0.9 * RING_ACCEPTS,
                 "connections %d to %d are missing, and only %d before the recorder came at %d are there"
                 % (a + 1, b - 1, held, came))
    lost = sum(g[3] for g in gaps if g[2] == "events lost")
    mc.check(missing <= lost, "%d accepts are missing, %d events lost" % (missing, lost))


class Disk:
    """A small file system of its own; None where mounting is not allowed."""

    def __init__(self, kib):
        self.path = mc.path("disk")
        os.makedirs(self.path)
        self.is_there = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % kib, "tmpfs",
                                        self.path], capture_output=True).returncode == 0

    def fill(self):
        for block in (65536, 4096):
            try:
                with open(os.path.join(self.path, "fill.%d" % block), "wb", buffering=0) as f:
                    while f.write(b"x" * block) == block:
                        pass
            except OSError:
                pass

    def clear(self):
        for block in (65536, 4096):
            os.unlink(os.path.join(self.path, "fill.%d" % block))

    def end(self):
        if self.is_there:
            subprocess.run(["umount", "-l", self.path], check=True)


def with_disk(kib, test):
    disk = Disk(kib)
    if not disk.is_there:
        print("     (no mount allowed: left out)")
        return
    try:
        test(disk)
    finally:
        disk.end()


def lost_to_the_disk(store):
    return int(query(store, "SELECT coalesce(sum(lost), 0) FROM gap WHERE reason = 'disk full'")[0][0])


def disk_fills_and_empties(disk):
    busy = start_busy()
    recorder = mc.Record("--pid", str(busy.pid), store="disk/t.db")
    recorder.line(r"memcam: recording busy .*", where="err")
    mc.wait_for("frames in the file", lambda: os.path.exists(recorder.store + "-wal")
                and os.path.getsize(recorder.store + "-wal") > 20000)
    disk.fill()
    recorder.line(r"memcam: \S*t.db: disk full: .* recording goes on", where="err")
    # The dashboard goes on.
    stream = mc.Stream(recorder.dash + "/api/runs/1/stream")
    seen = [stream.next()[0] for _ in range(20)]
    mc.check(seen.count("delta") >= 8, "the live stream stands still: %r" % seen)
    mc.equal(mc.run("query", recorder.store, "SELECT count(*) FROM run")[0], 0, "a query meanwhile")
    disk.clear()
    mc.wait_for("recording again", lambda: "can be written again" in recorder.err()
                and not recorder.err().rstrip().endswith("recording goes on"))
    time.sleep(2.2)
    mc.equal(busy.stop(), 0, "the program's end")
    mc.equal(recorder.wait(), 0, "the recorder's end")
    check_clean(recorder.store)
    held = told_and_held(recorder.store, 100000000)
    lost = lost_to_the_disk(recorder.store)
    mc.check(lost > 0, "no gap of the full disk")
    recorded = int(recorder.line(r"memcam: recorded (\d+) frames.*", where="err")[0])
    mc.equal(held + lost, recorded, "frames held and lost")


def test_disk_fills_and_empties():
    with_disk(4096, disk_fills_and_empties)


def retention_on_a_full_disk(disk):
    busy = start_busy()
    recorder = mc.Record("--pid", str(busy.pid), "--interval", "10ms", "--keep", "6s",
                         store="disk/t.db")
    recorder.line(r"memcam: recording busy .*", where="err")
    time.sleep(3)
    disk.fill()
    time.sleep(14)
    mc.equal(busy.stop(), 0, "the program's end")
    mc.equal(recorder.wait(), 0, "the recorder's end")
    check_clean(recorder.store)
    first, last = query(recorder.store, "SELECT min(ts), max(ts) FROM process_sample")[0]
    mc.check(int(first) > 3e9, "what is older than --keep is still there: from %s" % first)
    mc.check(int(last) > 10e9, "nothing was recorded after old frames went: to %s" % last)


def test_retention_on_a_full_disk():
    with_disk(2048, retention_on_a_full_disk)


def start_on_a_full_disk(disk):
    disk.fill()
    status, out, err = mc.run("record", "--dash", "127.0.0.1:0", "--store", disk.path + "/t.db",
                              "--", "/bin/true")
    mc.equal((status, out), (3, ""), "a recorder on a full disk: " + err)
    mc.check(err.count("\n") == 1 and "t.db" in err and "no space" in err, "what it says: " + err)
    mc.check(not os.path.exists(disk.path + "/t.db"), "half a file is there")


def test_start_on_a_full_disk():
    with_disk(256, start_on_a_full_disk)


def test_places_that_no_trace_can_be():
    """One line, status 3, and what was there is as it was."""
    os.makedirs(mc.path("folder"))
    os.mkfifo(mc.path("fifo"))
    mc.write("text", "somebody's notes\n" * 20)
    mc.write("short", "x")
    with sqlite3.connect(mc.path("other.db")) as db:
        db.execute("CREATE TABLE run (a)")
        db.execute("INSERT INTO run VALUES (1)")
    db.close()
    os.symlink("nowhere/at/all", mc.path("dangling"))
    before = {name: open(mc.path(name), "rb").read() for name in ("text", "short", "other.db")}
    for place in ("folder", "fifo", "/dev/null", "/dev/zero", "text", "short", "other.db",
                  "dangling", "missing/t.db", "text/t.db", "/proc/t.db", "", "x" * 5000):
        for command in (["record", "--dash", "127.0.0.1:0", "--store", place, "--", "/bin/true"],
                        ["check", place], ["runs", place], ["query", place, "SELECT 1"],
                        ["export", place], ["replay", place, "--dash", "127.0.0.1:0"]):
            status, out, err = mc.run(*command)
            what = "%s on %.20r: %r" % (command[0], place, err)
            mc.check(status == 3 or (place == "" and status == 2), "status %d of %s" % (status, what))
            mc.check(err.count("\n") == 1 and err.startswith("memcam: "), "lines of " + what)
            mc.equal(out, "", "output of " + what)
    for name, content in before.items():
        mc.equal(open(mc.path(name), "rb").read(), content, name)
    mc.check(not any(name.endswith(("-lock", "-new", "-wal", "-shm")) for name in os.listdir(mc.folder)),
             "left behind: %r" % os.listdir(mc.folder))


def record_and_spoil(spoil):
    """What a recorder says of a file that is spoilt under it, in the end too; its store."""
    program = mc.compile_program("busy", os.path.join(HERE, "busy_program.c"))
    recorder = mc.Record("--", program, "600")
    recorder.line(r"memcam: recording busy .*", where="err")
    mc.wait_for("frames", lambda: os.path.exists(recorder.store + "-wal")
                and os.path.getsize(recorder.store + "-wal") > 20000)
    spoil(recorder.store)
    said = recorder.line(r"memcam: \S*t.db: (was .* by another program .*); recording goes on", where="err")[0]
    mc.equal(recorder.stop(), 3, "status of a recorder that could not record to the end")
    recorder.line(r"memcam: recorded \d+ frames, not all of them into the trace: .*", where="err")
    return said, recorder.store


def test_file_is_moved_under_a_recorder():
    """It is told, and the file has all up to then, wherever it is."""
    said, store = record_and_spoil(lambda store: os.rename(store, store + ".old"))
    mc.check("moved" in said and not os.path.exists(store), said)
    check_clean(store + ".old")
    mc.check(told_and_held(store + ".old", 100000000) > 5, "what was recorded before is not there")


def test_file_is_replaced_under_a_recorder():
    """What came in its place stays as it is."""
    def replace(store):
        mc.write("other", "somebody's notes\n" * 20)
        os.rename(mc.path("other"), store)
    said, store = record_and_spoil(replace)
    mc.check("replaced" in said, said)
    mc.equal(open(store).read(), "somebody's notes\n" * 20, "the other file")


def test_file_is_cut_short_under_a_recorder():
    said, _ = record_and_spoil(lambda store: os.truncate(store, 8192))
    mc.check("cut short" in said, said)


def test_store_that_may_only_be_read():
    """A user who may read a trace and not write to it is told so."""
    if os.getuid() != 0:
        print("     (only root can be another user: left out)")
        return
    status, _, err = mc.run("record", "--dash", "127.0.0.1:0", "--store", "t.db", "--",
                            mc.compile_program("busy", os.path.join(HERE, "busy_program.c")), "1")
    mc.equal(status, 0, "a recording: " + err)
    for folder in (mc.folder, mc.path("segments")):
        os.chmod(folder, 0o777)
    os.chmod(mc.path("t.db"), 0o444)
    as_nobody = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", mc.MEMCAM, "record", "--dash",
         "127.0.0.1:0", "--store", mc.path("t.db"), "--", "/bin/true"], capture_output=True, text=True)
    mc.equal(as_nobody.returncode, 3, "status of: " + as_nobody.stderr)
    mc.check("t.db: may only be read" in as_nobody.stderr and as_nobody.stderr.count("\n") == 1,
             "what it says: " + as_nobody.stderr)


def test_store_that_others_use():
    """A second recorder is refused; an empty file and a symlink to a trace are taken."""
    program = mc.compile_program("busy", os.path.join(HERE, "busy_program.c"))
    mc.write("t.db", "")
    os.symlink("t.db", mc.path("link.db"))
    first = mc.Record("--", program, "600", store="link.db")
    first.line(r"memcam: recording busy .*", where="err")
    for name in ("link.db", "t.db", "./t.db"):
        status, _, err = mc.run("record", "--dash", "127.0.0.1:0", "--store", name, "--", "/bin/true")
        mc.equal(status, 3, "a second recorder on %s: %s" % (name, err))
        mc.check(err.count("\n") == 1 and "another recorder" in err, "what it says: " + err)
    first.stop()
    check_clean(mc.path("t.db"))
    mc.check(os.path.islink(mc.path("link.db")), "the symlink is still one")


if __name__ == "__main__":
    mc.main()
