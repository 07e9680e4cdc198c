"""stream_lib.py: what the tests of the dashboard's streams share: a recorded program, and readers."""
import os

import mc

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy_program.c")
DOCUMENT_EVENTS = ("keyframe", "delta")


def record(*args, options=()):
    """The busy program, recorded with such options; its run has begun."""
    process = mc.Record(*options, "--", mc.compile_program("busy", PROGRAM), *args)
    process.others += process.children()
    mc.wait_for("the run", lambda: mc.get(process.dash + "/api/runs").json()["runs"])
    return process


def stream_url(process, query="", run="1"):
    return "%s/api/runs/%s/stream%s" % (process.dash, run, "?" + query if query else "")


def take(stream, frames):
    """Events up to and with the frames'th keyframe or delta."""
    events = []
    while frames:
        event = stream.next()
        mc.check(event is not None, "the stream ended too early")
        events.append(event)
        frames -= event[0] in DOCUMENT_EVENTS
    return events


def take_all(stream):
    events = []
    while True:
        event = stream.next()
        if event is None:
            return events
        events.append(event)


def ids(events):
    return [int(e[2]) for e in events if e[0] in DOCUMENT_EVENTS]


def replay(store, *more):
    process = mc.Process([mc.MEMCAM, "replay", store, *more, "--dash", "127.0.0.1:0"])
    process.dash, = process.line(r"dashboard (\S+)")
    return process


def same(got, want, what):
    for place, (g, w) in enumerate(zip(got, want)):
        if g != w:
            at = next((i for i, (a, b) in enumerate(zip(str(g), str(w))) if a != b), 0)
            raise mc.Failed("%s: event %d of %d differs at %d: …%s… is not …%s…" % (
                what, place, len(want), at, str(g)[max(at - 60, 0):at + 60],
                str(w)[max(at - 60, 0):at + 60]))
    mc.equal(len(got), len(want), what + ": count of events")


def recorded(seconds="4"):
    """A store with one run of the busy program."""
    process = record(seconds)
    mc.wait_for("the program's end", lambda: process.child.poll() is not None, 30 * mc.SLOW)
    return process.store
