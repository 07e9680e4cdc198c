"""test_dashboard_api.py: the answers of the dashboard beside its streams, and marks."""
import bisect
import json
import time

import mc
from stream_lib import record, recorded, replay, stream_url, take_all


# ---- marks ------------------------------------------------------------------------------------

def edit_marks(url, ts, want, gone):
    """Change `want`, which is the first mark, in all its members, and remove `gone`."""
    one = "%s/%d" % (url, want["mark_id"])
    want["label"] = "now <i>this</i>"
    mc.equal(mc.post(one, {"label": want["label"]}).status, 200, "a label alone")
    want["ts"], want["dur"] = ts + 1, 1
    mc.equal(mc.post(one, {"ts": ts + 1, "dur": 1}).status, 200, "a time alone")
    mc.check(want in mc.get(url).json()["marks"], "the list has it as it is now")
    for body in ({}, {"label": ""}, {"label": "x" * 256}, {"label": "a\nb"}, {"label": 1}, {"ts": -1},
                 {"ts": "1"}, {"ts": 10**18}, {"dur": -1}, {"dur": 10**18}, {"author": "me"}):
        mc.equal(mc.post(one, body).status, 400, "status of %r" % body)
    mc.equal(mc.post("%s/%d/delete" % (url, gone), {}).status, 200, "removed")
    for path in ("%s/%d" % (url, gone), "%s/%d/delete" % (url, gone), url + "/999999", url + "/x",
                 url + "/0", url + "/-1", url + "/1x", url + "/99999999999999999999999"):
        mc.equal(mc.post(path, {} if path.endswith("delete") else {"label": "y"}).status, 404, path)
    mc.equal(mc.get(one).status, 405, "GET of one mark")
    mc.equal(mc.get(url).json()["marks"], [want], "what is left")


def test_marks():
    process = record()
    stream = mc.Stream(stream_url(process))
    ts = stream.until("keyframe")[1]["ts"]
    url = process.dash + "/api/runs/1/marks"
    made = mc.post(url, {"ts": ts, "dur": 0, "label": "h\u00e9re <b>"})
    mc.equal(made.status, 201, "status (%s)" % made.body)
    mark_id = made.json()["mark_id"]
    want = {"mark_id": mark_id, "ts": ts, "dur": 0, "label": "h\u00e9re <b>", "author": "dashboard"}
    mc.equal(stream.until("mark")[1], want, "the live mark")
    mc.equal(mc.get(url).json()["marks"], [want], "at once in the list")
    for body in ({}, {"ts": ts}, {"ts": "1", "label": "x"}, {"ts": -1, "label": "x"},
                 {"ts": ts, "label": ""}, {"ts": ts, "label": "x" * 256}, {"ts": ts, "label": 5},
                 {"ts": 10**18, "label": "x"}, {"ts": ts, "dur": -1, "label": "x"},
                 {"ts": ts, "dur": 10**18, "label": "x"}, {"ts": ts, "label": "a\nb"},
                 {"ts": ts, "label": "x", "more": 1}, {"ts": 1.5, "label": "x"}):
        mc.equal(mc.post(url, body).status, 400, "status of %r" % body)
    mc.equal(mc.request("POST", url, b"\xff", {"content-type": "application/json"}).status, 400, "junk")
    mc.equal(mc.request("POST", url, "{}", {"content-type": "text/plain"}).status, 415, "text")
    mc.equal(mc.post(process.dash + "/api/runs/7/marks", {"ts": 1, "label": "x"}).status, 404, "run 7")
    gone = mc.post(url, {"ts": ts, "label": "gone soon"}).json()["mark_id"]
    stream.until("mark")
    time.sleep(1.5)  # this one is in the file when it is changed
    edit_marks(url, ts, want, gone)
    mc.equal(stream.until("mark")[1], want, "the changed mark is sent again")
    removed = stream.until("mark")[1]
    mc.equal((removed["mark_id"], removed.get("removed")), (gone, True), "that it is gone is sent")
    time.sleep(2)
    mc.equal(mc.get(url).json()["marks"], [want], "in the list when the file has it, too")
    process.stop()
    player = replay(process.store)
    mc.equal(mc.get(player.dash + "/api/runs/1/marks").json()["marks"], [want], "in the file")
    gone = mc.post(player.dash + "/api/runs/1/marks", {"ts": ts, "label": "x"}).json()["mark_id"]
    edit_marks(player.dash + "/api/runs/1/marks", ts, want, gone)
    mc.equal(mc.get(player.dash + "/api/runs/1/marks").json()["marks"], [want], "and once more")
    events = take_all(mc.Stream(stream_url(player, "speed=max&coalesce=0")))
    mc.equal([json.loads(e[1]) for e in events if e[0] == "mark"], [want], "in the replay")
    later = mc.post(player.dash + "/api/runs/1/marks", {"ts": ts + 1, "label": "later"})
    mc.equal(later.status, 201, "a mark in a recorded run (%s)" % later.body)
    mc.equal(len(mc.get(player.dash + "/api/runs/1/marks").json()["marks"]), 2, "both")


# ---- the rest ---------------------------------------------------------------------------------

def test_runs_events_gaps_query_overview():
    store = recorded("3")
    second = mc.path("second.db")
    with open(store, "rb") as a, open(second, "wb") as b:
        b.write(a.read())
    player = replay(store, second)
    runs = mc.get(player.dash + "/api/runs").json()["runs"]
    mc.equal([r["run"] for r in runs], ["1", "2.1"], "names of runs")
    mc.equal(runs[0]["exit"], "exit 0", "exit")
    mc.check(not runs[0]["live"] and runs[0]["end_ts"] > runs[0]["first_ts"], "span")
    for run in ("1", "2.1"):
        base = "%s/api/runs/%s/" % (player.dash, run)
        events = mc.get(base + "events?limit=100000").json()
        mc.check(not events["truncated"] and len(events["events"]) > 5000, "all events")
        cut = mc.get(base + "events?limit=10").json()
        mc.check(cut["truncated"] and cut["events"] == events["events"][:10], "the first ten")
        conn = events["events"][100]["conn_id"]
        of_one = mc.get(base + "events?conn=%d" % conn).json()["events"]
        mc.equal(of_one, [e for e in events["events"] if e.get("conn_id") == conn], "of one")
        mc.equal(mc.get(base + "gaps").status, 200, "gaps")
        overview = mc.get(base + "overview?px=50&series=slab/buffers/used,counter/requests/value").json()
        mc.equal([s["field"] for s in overview["series"]], ["used", "value"], "series")
        mc.equal(len(overview["series"][0]["min"]), 50, "pixels")
        mc.check(all(a is None or a <= b for s in overview["series"]
                     for a, b in zip(s["min"], s["max"])), "min is below max")
        mc.check(len(mc.get(base + "overview").json()["series"]) > 30, "all series")
        asked = base + "overview?px=1&series=owner/*/requests,slab/*/used"
        served = mc.get(asked + "&peaks=1").json()["series"]
        mc.check(all(("peak" in s) == (s["field"] == "requests") for s in served), "peaks of requests alone")
        mc.check(not any("peak" in s for s in mc.get(asked).json()["series"]), "for who asks")
        mc.equal(mc.get(asked + "&peaks=2").status, 400, "peaks=2")
        ends = [e["ts"] for e in events["events"] if e["type"] == "response"]
        mean = len(ends) / ((ends[-1] - ends[0]) / 1e9)
        most = max(bisect.bisect_left(ends, at + 11 * 10**8) - i for i, at in enumerate(ends))
        mc.check(mean * 0.9 <= served[0]["peak"][0] <= most * 1.1,
                 "a second's most, %r, is no less than the mean, %r, nor more than in any such time, %r" %
                 (served[0]["peak"][0], mean, most))
    answer = mc.post(player.dash + "/api/query", {"sql": "select 1 as a, 'x' as b, null, 1.5, 1e999"})
    mc.equal(answer.json()["columns"][:2], ["a", "b"], "columns")
    mc.equal(answer.json()["rows"][0][:4], [1, "x", None, 1.5], "row")
    of_second = mc.post(player.dash + "/api/query",
                        {"sql": "select count(*) from run", "file": "second.db"})
    mc.equal(of_second.json()["rows"], [[1]], "rows of the second file")
    for body in ({}, {"sql": 1}, {"sql": "select"}, {"sql": "drop table run"}, {"sql": "select 1", "limit": 0},
                 {"sql": "select 1", "limit": 100001}, {"sql": "select 1", "file": "none.db"},
                 {"sql": "attach 'x' as y"}, {"sql": ""}):
        bad = mc.post(player.dash + "/api/query", body)
        mc.equal(bad.status, 400, "status of %r" % body)
        mc.check(bad.json()["detail"], "says what is wrong")
    cut = mc.post(player.dash + "/api/query", {
        "sql": "with recursive n(i) as (select 1 union all select i+1 from n) select i from n",
        "limit": 5})
    mc.equal(cut.json()["rows"], [[1], [2], [3], [4], [5]], "rows")
    mc.check(cut.json()["truncated"], "truncated")


def test_metrics():
    process = record()
    mc.Stream(stream_url(process)).until("keyframe")
    answer = mc.get(process.dash + "/metrics")
    mc.equal(answer.headers["content-type"],
             "application/openmetrics-text; version=1.0.0; charset=utf-8", "type")
    text = answer.text()
    mc.check(text.endswith("# EOF\n"), "ends with EOF")
    for line in ('memcam_slab_capacity{pool="buffers"} 400', "memcam_recording 1"):
        mc.check(line in text.split("\n"), line)
    mc.check('memcam_counter_total{name="requests"} ' in text, "the counter")
    health = mc.get(process.dash + "/healthz").json()
    mc.equal(health, {"status": "ok", "recording": True, "trouble": None}, "health")


if __name__ == "__main__":
    mc.main()
