"""mc.py: what the end-to-end tests share: processes, HTTP, the event stream, temporary folders.

A test is a file of functions named test_*, run by mc.main(): each in a folder of its own, with
MEMCAM_DIR in it, and all that it started ended behind it, by process id.
"""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

BUILD = os.environ.get("MEMCAM_BUILD", os.path.abspath("build"))
MEMCAM = BUILD + "/memcam"
SLOW = int(os.environ.get("MEMCAM_TEST_SLOW", "1"))
SECONDS = 60 * SLOW  # how long anything may take: a busy machine is no failure

folder = None    # of the test that runs
_started = []    # processes of the test that runs


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def equal(got, want, what):
    check(got == want, "%s: got %r, want %r" % (what, got, want))


def path(name):
    return os.path.join(folder, name)


def write(name, text):
    with open(path(name), "w" if isinstance(text, str) else "wb") as f:
        f.write(text)
    return path(name)


def wait_for(what, condition, seconds=None):
    """Call `condition` until it gives something true, and return that."""
    end = time.monotonic() + (seconds or SECONDS)
    while True:
        result = condition()
        if result:
            return result
        check(time.monotonic() < end, "waited in vain: " + what)
        time.sleep(0.02)


class Process:
    """A running program; stdout and stderr go to files, so that none can fill a pipe."""

    def __init__(self, command, **options):
        number = len(_started)
        self.command = command
        self.out_path, self.err_path = path("out.%d" % number), path("err.%d" % number)
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(command, stdout=out, stderr=err,
                                          stdin=options.pop("stdin", subprocess.DEVNULL),
                                          cwd=options.pop("cwd", folder), **options)
        self.pid = self.child.pid
        self.others = []  # pids of its children that may outlive it
        _started.append(self)

    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def line(self, pattern, where="out", seconds=None):
        """Wait for a line that matches; return its groups."""
        def look():
            match = re.search("^" + pattern + "$", getattr(self, where)(), re.M)
            check(match or self.child.poll() is None or re.search(pattern, getattr(self, where)()),
                  "%s ended (%s) before it said %r; stderr: %s" %
                  (self.command[:3], self.child.poll(), pattern, self.err()))
            return match
        return wait_for("%r of %s" % (pattern, self.command[:3]), look, seconds).groups()

    def send(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=None):
        try:
            return self.child.wait(seconds or SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed("%s does not end; stderr: %s" % (self.command[:3], self.err()))

    def stop(self, number=15):  # SIGTERM; the name is taken by the method above
        if self.child.poll() is None:
            self.send(number)
        return self.wait()

    def children(self):
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            return [int(pid) for pid in f.read().split()]


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def run(*args, **options):
    """Run memcam to its end: (status, stdout, stderr)."""
    done = subprocess.run([MEMCAM, *args], capture_output=True, timeout=SECONDS,
                          cwd=options.pop("cwd", folder), stdin=options.pop("stdin", subprocess.DEVNULL)
                          if "input" not in options else None, **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


class Serve(Process):
    """`memcam serve` of a script's text, ready; .app and .dash are URLs, .app_pid the app's process."""

    def __init__(self, script, *args, store="t.db", **options):
        write("app.scm", script)
        self.store = path(store)
        super().__init__([MEMCAM, "serve", path("app.scm"), "--listen", "127.0.0.1:0",
                          "--dash", "127.0.0.1:0", "--store", self.store, *args], **options)
        self.app, = self.line(r"app (\S+)")
        self.dash, = self.line(r"dashboard (\S+)")
        self.app_pid = self.children()[0]
        self.others.append(self.app_pid)


class Record(Process):
    """`memcam record …`; .dash is its URL."""

    def __init__(self, *args, store="t.db", **options):
        self.store = path(store)
        super().__init__([MEMCAM, "record", "--dash", "127.0.0.1:0", "--store", self.store, *args],
                         **options)
        self.dash, = self.line(r"dashboard (\S+)")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode()


def request(method, url, body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers = dict(headers or {}, **{"content-type": "application/json"})
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def get(url, headers=None):
    return request("GET", url, None, headers)


def post(url, body, headers=None):
    return request("POST", url, body, headers)


class Stream:
    """A reader of text/event-stream; `next` gives (event, data, id)."""

    def __init__(self, url, headers=None):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS)
        target = parts.path + ("?" + parts.query if parts.query else "")
        self.connection.request("GET", target, None, dict({"accept": "text/event-stream"},
                                                          **(headers or {})))
        self.answer = self.connection.getresponse()
        equal(self.answer.status, 200, "status of " + url)

    def next(self):
        """The next event; None at the stream's end."""
        event, data, ident = "message", [], None
        while True:
            line = self.answer.readline()
            if not line:
                return None
            line = line.decode().rstrip("\r\n")
            if not line and (data or event != "message"):
                return event, "\n".join(data), ident
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                data.append(value)
            elif name == "id":
                ident = value

    def until(self, *names):
        """The next event of one of these names, with its data parsed."""
        while True:
            event = self.next()
            check(event is not None, "the stream ended before %s" % (names,))
            if event[0] in names:
                return event[0], json.loads(event[1])

    def close(self):
        self.connection.close()


def merge(document, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def query(store, sql):
    status, out, err = run("query", store, sql, "--format", "json")
    equal(status, 0, "status of query %r (%s)" % (sql, err))
    return json.loads(out)


def compile_program(name, *sources):
    """A C program that uses libmemcam from the build folder."""
    target = path(name)
    sanitize = []
    if "asan" in BUILD:
        sanitize = ["-fsanitize=address,undefined"]
    subprocess.run(["gcc", "-O1", "-g", *sanitize, "-Itracer", "-o", target, *sources,
                    BUILD + "/libmemcam.a", "-pthread"], check=True)
    return target


def _end_all():
    for process in _started:
        for pid in [process.pid] + process.others:
            try:
                if pid != process.pid or process.child.poll() is None:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.child.wait()
    _started.clear()


def main():
    global folder
    names = sys.argv[1:]
    tests = [(n, f) for n, f in sys.modules["__main__"].__dict__.items()
             if n.startswith("test_") and callable(f) and (not names or n in names)]
    failed = 0
    for name, test in tests:
        folder = tempfile.mkdtemp(prefix="memcam-test-")
        os.environ["MEMCAM_DIR"] = path("segments")
        start = time.monotonic()
        said = ""
        try:
            test()
            print("ok   %s  %.1f s" % (name, time.monotonic() - start), flush=True)
        except Exception as error:  # all that went wrong is told, and the next test runs
            failed += 1
            for process in _started:
                said += "  %s said: %s\n" % (" ".join(process.command[:3]), process.err()[-1500:])
            print("FAIL %s: %s" % (name, error), flush=True)
            if not isinstance(error, Failed):
                traceback.print_exc(file=sys.stdout)
            print(said, flush=True)
        finally:
            _end_all()
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed or not tests else 0)
