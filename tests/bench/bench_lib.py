"""bench_lib.py: what run.py measures with: processes and their CPU, h2load, streams, trace sizes."""
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

READY_SECONDS = 20


class BenchError(Exception):
    """A measure could not be taken; the text says why."""


# ---- processes -----------------------------------------------------------------------------------

class Processes:
    """What the bench started; all of it is ended on the way out, by process id."""

    def __init__(self):
        self.started = []

    def start(self, command, cpu=None, **options):
        if cpu is not None and os.cpu_count() > 1 and shutil.which("taskset"):
            command = ["taskset", "-c", str(cpu)] + command
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        self.started.append(child.pid)
        return child

    def adopt(self, pid):
        self.started.append(pid)

    def stop(self, child, how=signal.SIGTERM):
        if child.poll() is None:
            child.send_signal(how)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        child.wait()

    def kill_all(self):
        for pid in reversed(self.started):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        for pid in self.started:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass
        self.started = []


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def cpu_ns(pid):
    """CPU time of a process, all threads, in ns; the kernel's own ns where it keeps them."""
    try:
        total = 0
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
                total += int(f.read().split()[0])
        if total:
            return total
    except (OSError, IndexError):
        pass
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        raise BenchError("process %d is gone" % pid)
    return (int(fields[11]) + int(fields[12])) * 1000000000 // os.sysconf("SC_CLK_TCK")


def cpu_percent(pid, seconds):
    """CPU of a process over some seconds of standing by, in % of a core."""
    start, before = time.monotonic(), cpu_ns(pid)
    time.sleep(seconds)
    return (cpu_ns(pid) - before) / 1e7 / (time.monotonic() - start)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, child=None):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if child is not None and child.poll() is not None:
                break
            time.sleep(0.02)
    raise BenchError("nothing listens on port %d" % port)


def read_lines(child, wanted):
    """The URLs that `wanted` words begin lines of a program's output with."""
    urls, done = {}, threading.Event()

    def reader():
        for line in child.stdout:
            words = line.decode("utf-8", "replace").split()
            if len(words) > 1:
                urls[words[0]] = words[1]
            if all(w in urls for w in wanted):
                done.set()
        done.set()
        child.stdout.close()  # here, at its end: an app may hold it after its recorder is gone

    threading.Thread(target=reader, daemon=True).start()
    done.wait(READY_SECONDS)
    missing = [w for w in wanted if w not in urls]
    if missing:
        raise BenchError("%s did not say where its %s is" % (
            os.path.basename(child.args[-1]) if isinstance(child.args, list) else "it", missing[0]))
    return urls


# ---- load ----------------------------------------------------------------------------------------

def h2load(url, seconds, cpu=1):
    """Requests per second and how many were done, with the flags that all servers get."""
    command = ["h2load", "-c", "8", "-m", "32", "-t", "1", "-D", "%dms" % (seconds * 1000), url]
    if os.cpu_count() > 1 and shutil.which("taskset"):
        command = ["taskset", "-c", str(cpu)] + command
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        raise BenchError("h2load did not end")
    text = done.stdout.decode("utf-8", "replace")
    counts = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, "
                       r"(\d+) failed", text)
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", text)
    if not counts or not rate:
        raise BenchError("h2load said: " + (text.strip().split("\n") or ["nothing"])[-1])
    succeeded, failed = int(counts.group(3)), int(counts.group(4))
    if succeeded == 0 or failed > succeeded // 100:
        raise BenchError("%d requests succeeded, %d failed on %s" % (succeeded, failed, url))
    return float(rate.group(1)), succeeded


def measure(url, pid, seconds):
    """One round: requests per second and the server's CPU µs per request."""
    before = cpu_ns(pid)
    rate, done = h2load(url, seconds)
    return rate, (cpu_ns(pid) - before) / 1000.0 / done


def idle_kb(url, pid, count):
    """KB of a server's RSS per connection that has had one answer over HTTP/2 and then is idle."""
    parts = urllib.parse.urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    fields = b"".join(b"\0" + bytes([len(n)]) + n + bytes([len(v)]) + v for n, v in (
        (b":method", b"GET"), (b":scheme", parts.scheme.encode()), (b":path", parts.path.encode()),
        (b":authority", parts.netloc.encode())))
    hello = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" +
             len(fields).to_bytes(3, "big") + b"\1\5\0\0\0\1" + fields)

    def connect():
        s = socket.create_connection((parts.hostname, parts.port), 10)
        if parts.scheme == "https":
            s = context.wrap_socket(s)
        s.sendall(hello)
        got = b""
        while b"Hello, World" not in got:
            piece = s.recv(16384)
            if not piece:
                raise BenchError("%s: no answer over HTTP/2" % url)
            got += piece
        return s

    def rss_kb():
        with open("/proc/%d/status" % pid) as f:
            return int(f.read().split("VmRSS:")[1].split()[0])

    held = [connect() for _ in range(20)]
    time.sleep(0.5)
    before = rss_kb()
    held += [connect() for _ in range(count)]
    time.sleep(1)
    grown = rss_kb() - before
    for s in held:
        s.settimeout(0)
        try:
            is_closed = s.recv(16384) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            is_closed = False
        s.close()
        if is_closed:
            raise BenchError("%s closed connections within the measure" % url)
    return grown / count


# ---- streams -------------------------------------------------------------------------------------

class Viewer:
    """A dashboard's stream, read and thrown away, as a browser would ask for it."""

    def __init__(self, processes, dash_url):
        self.processes = processes
        self.child = processes.start(
            ["curl", "-sN", "-o", "/dev/null", "-H", "Accept-Encoding: zstd",
             dash_url + "/api/runs/1/stream"])

    def stop(self):
        if self.child.poll() is not None:
            raise BenchError("the dashboard's stream ended by itself")
        self.processes.stop(self.child)


def get_stream(url, seconds, encoding):
    """The body of a stream, as it comes over the wire within some seconds, without chunk framing."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 5) as s:
        s.settimeout(0.5)
        s.sendall(("GET %s?%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n"
                   "Accept-Encoding: %s\r\n\r\n" % (parts.path, parts.query, parts.netloc,
                                                    encoding)).encode())
        raw, deadline = b"", time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                got = s.recv(1 << 18)
            except socket.timeout:
                continue
            if not got:
                break
            raw += got
    head, _, body = raw.partition(b"\r\n\r\n")
    if b" 200" not in head.split(b"\r\n")[0]:
        raise BenchError("%s answered %s" % (url, head.split(b"\r\n")[0].decode("latin1")))
    if b"chunked" not in head.lower():
        return body
    out, at = [], 0
    while True:
        end = body.find(b"\r\n", at)
        if end < 0:
            break
        size = int(body[at:end].split(b";")[0] or b"0", 16)
        if size == 0 or end + 2 + size > len(body):
            break
        out.append(body[end + 2:end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(out)


def unzstd(data):
    """As much of a flushed zstd stream as is there."""
    done = subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return done.stdout


# ---- trace files ---------------------------------------------------------------------------------

def varints(blob):
    at = 0
    while at < len(blob):
        value = shift = 0
        while True:
            byte = blob[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        yield value, at


def row_of(head):
    """Frames, events and stored bytes by part of a chunk or tail (store/trace_format.h, `head`)."""
    at, fields = 0, []
    for value, end in varints(head):
        fields.append(value)
        at = end
        if len(fields) == 11:
            break
    frames, events, part_count = fields[0], fields[9], fields[10]
    parts = {}
    for _ in range(part_count):
        three = []
        for value, end in varints(head[at:]):
            three.append(value)
            if len(three) == 3:
                at += end + 8  # the checksum
                break
        parts[three[0]] = parts.get(three[0], 0) + three[1]
    return frames, events, parts


def trace_sizes(path):
    """What a trace holds and what that takes: sealed chunks apart from tails."""
    sizes = {"file_bytes": os.path.getsize(path)}
    db = sqlite3.connect("file:%s?mode=ro" % urllib.parse.quote(path), uri=True)
    try:
        for table in ("chunk", "tail"):
            frames = events = frame_bytes = event_bytes = 0
            for (head,) in db.execute("SELECT head FROM " + table):
                row_frames, row_events, parts = row_of(head)
                frames += row_frames
                events += row_events
                event_bytes += sum(n for part, n in parts.items() if part >= 64)
                frame_bytes += sum(n for part, n in parts.items() if part < 64) + len(head)
            if table == "chunk":
                row = db.execute("SELECT sum(length(summary)) FROM chunk").fetchone()
                frame_bytes += row[0] or 0
            sizes[table] = {"frames": frames, "events": events, "frame_bytes": frame_bytes,
                            "event_bytes": event_bytes}
    except (sqlite3.Error, IndexError) as e:
        raise BenchError("%s: %s" % (path, e))
    finally:
        db.close()
    return sizes


# ---- the machine ---------------------------------------------------------------------------------

def first_line(command):
    try:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10)
        return out.stdout.decode("utf-8", "replace").split("\n")[0].strip()
    except (OSError, subprocess.TimeoutExpired):
        return "none"


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) // 1048576
    return ["%s, %d cores, %d GiB, Linux %s" % (model, os.cpu_count(), memory, os.uname().release),
            "%s; %s; load before: %.2f" % (first_line(["gcc", "--version"]),
                                           first_line(["h2load", "--version"]), os.getloadavg()[0])]


def folder():
    """A scratch folder with a runtime directory of its own for segments."""
    path = tempfile.mkdtemp(prefix="memcam-bench-")
    os.mkdir(path + "/run", 0o700)
    return path


def median(values):
    return statistics.median(values)
