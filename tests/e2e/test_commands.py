#!/usr/bin/env python3
"""The commands around a recording: usage, help, bad files, query's formats, runs, check, ls, repl."""
import csv
import io
import json
import os
import pty
import signal
import time

import mc
from mc import check, equal

APP = """(import (scheme base) (memcam http))
(route 'GET "/hello" (lambda (req) (respond 200 "hello")))
"""
COMMANDS = ("serve", "record", "replay", "query", "runs", "check", "diff", "export", "ls", "repl")


def one_line(err, *words):
    equal(len(err.strip().splitlines()), 1, "one line: " + err)
    for word in words:
        check(word in err, "%r in %r" % (word, err))


def recorded():
    """A finished recording of a little traffic."""
    s = mc.Serve(APP)
    for _ in range(20):
        mc.get(s.app + "/hello")
    time.sleep(0.5)
    equal(s.stop(), 0, s.err())
    return s.store


def test_help():
    status, out, err = mc.run("--help")
    equal((status, err), (0, ""), "--help")
    for command in COMMANDS:
        check("  %s " % command in out, command + " is listed")
        status, text, err = mc.run(command, "--help")
        equal((status, err), (0, ""), command + " --help")
        check("usage: memcam %s" % command in text and "examples:" in text, text)
    check("  app " not in out, "the hidden command")
    check("--listen A:P" in mc.run("serve", "--help")[1], "options")
    check("default 127.0.0.1:8080" in mc.run("serve", "--help")[1], "defaults")
    status, out, _ = mc.run("--version")
    check(status == 0 and out.startswith("memcam 0."), out)


def test_usage():
    for args, word in (
            ((), "command"), (("nonsense",), "nonsense"), (("serve",), "APP.scm"),
            (("serve", "a.scm", "b.scm"), "b.scm"), (("serve", "a.scm", "--nope"), "--nope"),
            (("serve", "a.scm", "--listen"), "--listen"), (("serve", "a.scm", "--listen", "x"), "IP:PORT"),
            (("serve", "a.scm", "--dash", "127.0.0.1:99999"), "127.0.0.1:99999"),
            (("serve", "a.scm", "--max-bytes", "lots"), "lots"), (("serve", "a.scm", "--keep", "24"), "24"),
            (("serve", "a.scm", "--interval", "1ms"), "1ms"), (("serve", "a.scm", "--streams", "0"), "0"),
            (("serve", "a.scm", "--max-connections", "-1"), "-1"), (("serve", "a.scm", "--tls=1"), "--tls"),
            (("serve", "a.scm", "--cert", "c.pem"), "--key"), (("serve", "a.scm", "--event-clock", "s"), "us|ns"),
            (("record",), "--name"), (("record", "--name", "a", "--pid", "1"), "one of"),
            (("record", "--"), "PROGRAM"), (("record", "--pid", "0"), "0"), (("record", "prog"), "prog"),
            (("replay",), "FILE"), (("query", "x.db"), "SQL"), (("query", "x.db", "SELECT 1", "--format", "xml"), "xml"),
            (("runs",), "FILE"), (("runs", "a", "--format", "csv"), "csv"), (("check",), "FILE"), (("ls", "x"), "x")):
        status, out, err = mc.run(*args)
        equal((status, out), (2, ""), "usage: %r" % (args,))
        one_line(err, word)
    status, out, err = mc.run("query", "a\nb", "x", "--limit", "1\x1b[31m")
    check(status == 2 and "\x1b" not in err, repr(err))


def test_bad_files():
    text = mc.write("notes.txt", "no database at all\n" * 100)
    empty = mc.write("empty.db", "")
    alien = mc.path("alien.db")
    import sqlite3
    with sqlite3.connect(alien) as db:
        db.execute("CREATE TABLE t (a)")
    os.mkdir(mc.path("folder"))
    for name in (text, empty, alien, mc.path("none.db"), mc.path("folder")):
        for args in (("query", name, "SELECT 1"), ("runs", name), ("check", name),
                     ("replay", name, "--dash", "127.0.0.1:0")):
            status, out, err = mc.run(*args)
            equal((status, out), (3, ""), "%s of %s" % (args[0], name))
            one_line(err, name)


def test_query():
    store = recorded()
    sql = "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, 2.5 AS d UNION ALL SELECT 22, 'ü', 'z', -1"
    status, out, _ = mc.run("query", store, sql, "--format", "json")
    equal((status, json.loads(out)), (0, [{"a": 1, "b": 'x,"y', "c": None, "d": 2.5},
                                          {"a": 22, "b": "ü", "c": "z", "d": -1}]), "json")
    lines = mc.run("query", store, sql, "--format=jsonl")[1].splitlines()
    equal([json.loads(line)["a"] for line in lines], [1, 22], "jsonl")
    rows = list(csv.reader(io.StringIO(mc.run("query", store, sql, "--format", "csv")[1])))
    equal(rows, [["a", "b", "c", "d"], ["1", 'x,"y', "", "2.5"], ["22", "ü", "z", "-1"]], "csv")
    table = mc.run("query", store, sql)[1].splitlines()
    equal(len({len(line.rstrip()) for line in table[2:]}) >= 1 and len(table), 4, "table")
    equal(json.loads(mc.run("query", store, "SELECT 1 AS a WHERE 0", "--format", "json")[1]), [],
          "no rows")
    status, out, err = mc.run("query", store, "SELECT 1 UNION SELECT 2 UNION SELECT 3", "--limit", "2",
                              "--format", "csv")
    equal((status, out.count("\n")), (0, 3), "--limit")
    one_line(err, "--limit")
    for wrong in ("SELEC 1", "SELECT * FROM nothing", "DELETE FROM run", "DROP TABLE run",
                  "ATTACH 'x.db' AS x", "VACUUM INTO 'x.db'", "PRAGMA journal_mode=DELETE", ""):
        status, _, err = mc.run("query", store, wrong)
        equal(status, 3, "wrong SQL: " + wrong)
        one_line(err)
    check(not os.path.exists(mc.path("x.db")), "nothing was written")
    evil = mc.run("query", store, "SELECT char(27) || '[31m' AS e")[1]
    check("\x1b" not in evil and "\\x1b" in evil, repr(evil))
    tables = "run source pool_sample arena_sample heap_sample metric_sample process_sample mark gap"
    for table in tables.split():
        equal(mc.run("query", store, "SELECT count(*) FROM " + table)[0], 0, table)


def test_runs_check_ls():
    store = recorded()
    runs = json.loads(mc.run("runs", store, "--format", "json")[1])["runs"]
    equal([(r["run_id"], r["program"], r["exit"]) for r in runs], [(1, "app", "exit 0")], "runs")
    table = mc.run("runs", store)[1]
    check("exit 0" in table and "app" in table.splitlines()[2], table)
    status, out, _ = mc.run("check", store)
    check(status == 0 and "no findings" in out, out)
    # Damage: flip bytes in the middle until check says so; the file never crashes a command.
    size = os.path.getsize(store)
    with open(store, "r+b") as f:
        for at in range(size // 4, size - 64, size // 40):
            f.seek(at)
            f.write(b"\xa5" * 16)
    status, out, err = mc.run("check", store)
    check(status in (1, 3), "damage is found: %d %s" % (status, out))
    check(mc.run("runs", store)[0] in (0, 3), "runs of a damaged file")
    check(mc.run("query", store, "SELECT * FROM run")[0] in (0, 3), "query of a damaged file")

    equal(mc.run("ls")[0], 0, "ls")
    s = mc.Serve(APP, store="ls.db")
    names = json.loads(mc.run("ls", "--format", "json")[1])
    equal([(p["name"], p["alive"]) for p in names if p["pid"] == s.app_pid], [("app", True)], "ls")
    check("running" in mc.run("ls")[1], "ls as a table")
    os.environ["MEMCAM_DIR"] = mc.path("nowhere")
    status, out, _ = mc.run("ls", "--format", "json")
    equal((status, json.loads(out)), (0, []), "an empty directory")


def test_replay():
    store = recorded()
    r = mc.Process([mc.MEMCAM, "replay", store, "--dash", "127.0.0.1:0"])
    url, = r.line(r"dashboard (\S+)")
    runs = mc.get(url + "/api/runs").json()["runs"]
    equal([(x["run_id"], x["live"], x["exit"]) for x in runs], [(1, False, "exit 0")], "runs")
    stream = mc.Stream(url + "/api/runs/1/stream?speed=max")
    equal(stream.until("end")[1]["exit"], "exit 0", "the end of the stream")
    equal(r.stop(signal.SIGINT), 0, "exit status")


def test_token():
    token = mc.path("token")
    s = mc.Serve(APP, "--token-file", token)
    equal(os.stat(token).st_mode & 0o777, 0o600, "its mode")
    with open(token) as f:
        secret = f.read().strip()
    check(len(secret) >= 32 and secret not in s.out() + s.err(), "the token is in the file alone")
    check(token in s.err(), "stderr names the file")
    equal(mc.get(s.dash + "/api/runs").status, 401, "without")
    equal(mc.get(s.dash + "/api/runs", {"authorization": "Bearer " + secret}).status, 200, "with")
    os.chmod(token, 0o644)
    status, _, err = mc.run("serve", mc.path("app.scm"), "--listen", "127.0.0.1:0",
                            "--dash", "127.0.0.1:0", "--store", mc.path("o.db"), "--token-file", token)
    equal(status, 3, "a token that others can read")
    one_line(err, token)


def test_repl():
    good = mc.write("good.scm", '(import (scheme base) (scheme write)) (display (* 6 7)) (newline)')
    equal(mc.run("repl", good)[:2], (0, "42\n"), "a file")
    bad = mc.write("bad.scm", "(import (scheme base))\n(vector-ref (vector) 1)")
    status, out, err = mc.run("repl", bad)
    equal(status, 3, "an error")
    one_line(err, "bad.scm:2:")
    piped = mc.run("repl", input=b"(import (scheme base))\n(define (f x)\n  (* x 2))\n(f 21)\n\"a\"\n")
    equal(piped[0], 0, piped[2])
    check("42\n" in piped[1] and '"a"' in piped[1], piped[1])
    failed = mc.run("repl", input=b"(import (scheme base))\n(car 1)\n(+ 1 1)\n")
    equal(failed[0], 3, "an error in a pipe")
    check("2\n" in failed[1], "and it goes on: " + failed[1])
    one_line(failed[2], "car")


def test_repl_knows_the_library_of_apps():
    app = mc.write("tried.scm", "(import (scheme base) (memcam http))\n"
                   "(route 'GET \"/x\" (lambda (req) (respond 200 \"x\")))\n")
    equal(mc.run("repl", app)[0], 0, "an app's script")
    piped = mc.run("repl", input=b"(import (memcam http))\n(json-write '((a . 1)))\n(request-path 5)\n")
    check('{\\"a\\":1}' in piped[1], piped[1])
    one_line(piped[2], "request-path")


def test_a_file_cut_short():
    store = mc.write("cut.db", "")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/v1.db"), "rb") as f:
        whole = f.read()
    with open(store, "wb") as f:
        f.write(whole[:len(whole) // 2 // 4096 * 4096])
    for command in (("runs", store), ("query", store, "SELECT * FROM pool_sample")):
        status, _, err = mc.run(*command)
        equal(status, 3, " ".join(command))
        one_line(err, "cut.db: ")
    status, out, _ = mc.run("check", store)
    equal(status, 1, "check")
    check(all(line.strip() for line in out.splitlines()), "no empty finding: " + out)


def test_repl_exit():
    for code, want in (("(exit 4)", 4), ("(exit)", 0), ("(exit #t)", 0)):
        script = mc.write("exit.scm", "(import (scheme base) (scheme process-context)) " + code)
        equal(mc.run("repl", script)[0], want, code)


def test_repl_terminal():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(mc.MEMCAM, ["memcam", "repl"])
    os.write(terminal, b"(import (scheme base))\n(+ 40\n2)\n(car 1)\n\x04")
    said = b""
    try:
        while True:
            said += os.read(terminal, 4096)
    except OSError:
        pass
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "exit status at a terminal")
    check(b"42" in said and b"car" in said, repr(said))


if __name__ == "__main__":
    mc.main()
