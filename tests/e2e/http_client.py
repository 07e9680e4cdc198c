"""http_client.py: what the HTTP server's tests share: the server, raw sockets, raw HTTP/2 frames."""
import json
import os
import signal
import socket
import struct
import subprocess
import time

BUILD = os.environ.get("MEMCAM_BUILD", "build")
SLOW = int(os.environ.get("MEMCAM_TEST_SLOW", "1"))
failures = []


def check(condition, text):
    if not condition:
        failures.append(text)
        print("    FAIL " + text, flush=True)


class Server:
    """bench_http with options, as a context: .port, .pid; checks at the end that it left well."""

    def __init__(self, *options, port="0"):
        self.child = subprocess.Popen([BUILD + "/bench/bench_http", port, *options],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.child.stdout.readline().decode().split()
        if len(line) != 3:
            raise RuntimeError("no server: " + self.child.stderr.read().decode())
        self.scheme, self.address = line[1], line[2]
        self.port = int(self.address.rsplit(":", 1)[1])
        self.pid = self.child.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            check(self.child.poll() is None, "the server still runs")
        self.child.send_signal(signal.SIGTERM)
        try:
            _, err = self.child.communicate(timeout=60 * SLOW)
        except subprocess.TimeoutExpired:
            self.child.kill()
            _, err = self.child.communicate()
            check(False, "the server ends within a minute of SIGTERM")
        self.stderr = err.decode("utf-8", "replace")
        check(self.child.returncode == 0, "exit 0, not %s\n%s" % (self.child.returncode, self.stderr[-3000:]))

    def connect(self, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout * SLOW)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def raw(self, data, timeout=30):
        """Send bytes, read to the end of the connection."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
            except OSError:
                pass
            return read_all(s)

    def get(self, path, **headers):
        status, head, body = split(self.raw(request("GET", path, close=True, **headers)))
        return status, head, body

    def stats(self):
        return json.loads(self.get("/stats")[2])

    def rss_kb(self):
        with open("/proc/%d/status" % self.pid) as f:
            return int(f.read().split("VmRSS:")[1].split()[0])

    def cpu_ticks(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def fd_count(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))


def request(method, path, body=b"", close=False, host="localhost", **headers):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host]
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    if body:
        lines.append("Content-Length: %d" % len(body))
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def read_all(s):
    pieces = []
    try:
        while not pieces or pieces[-1]:
            pieces.append(s.recv(262144))
    except socket.timeout:
        pieces.append(b"(timeout)")
    except OSError:
        pass
    return b"".join(pieces)


def read_until(s, end):
    out = b""
    while end not in out:
        piece = s.recv(65536)
        if not piece:
            break
        out += piece
    return out


def read_answer(s):
    """One answer with Content-Length off a connection that stays open: status, head, body, rest."""
    data = read_until(s, b"\r\n\r\n")
    head, _, rest = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(rest) < length:
        piece = s.recv(65536)
        if not piece:
            break
        rest += piece
    return int((head.split(b" ") + [b"0", b"0"])[1] or 0), head.decode(), rest[:length], rest[length:]


def split(data):
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, head.decode("utf-8", "replace").lower(), body


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


# ---- HTTP/2 ----

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 2, 3, 4, 6, 7, 8, 9)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """A literal header field without indexing, no Huffman."""
    def text(t):
        assert len(t) < 127 + 128 * 127
        return bytes([len(t)]) + t if len(t) < 127 else bytes(
            [127, (len(t) - 127) & 127 | 128, (len(t) - 127) >> 7]) + t
    return b"\0" + text(name.encode()) + text(value.encode())


def h2_headers(stream, path="/", method="GET", end=True, extra=()):
    block = field(":method", method) + field(":scheme", "http") + field(":path", path) + field(
        ":authority", "localhost")
    for name, value in extra:
        block += field(name, value)
    return frame(HEADERS, 4 | (1 if end else 0), stream, block)


class H2:
    """A raw HTTP/2 connection: frames out, frames in."""

    def __init__(self, server, timeout=5, sock=None):
        self.s = sock or server.connect(timeout)
        self.buffer = b""
        self.alive = True
        self.s.sendall(PREFACE + frame(SETTINGS))

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.s.close()

    def send(self, data):
        try:
            self.s.sendall(data)
            return True
        except OSError:
            return False

    def next_frame(self):
        """(type, flags, stream, payload), or None at the end."""
        try:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                piece = self.s.recv(65536)
                if not piece:
                    self.alive = False
                    return None
                self.buffer += piece
        except socket.timeout:
            return None
        except OSError:
            self.alive = False
            return None
        length = int.from_bytes(self.buffer[:3], "big")
        head, payload = self.buffer[:9], self.buffer[9:9 + length]
        self.buffer = self.buffer[9 + length:]
        return head[3], head[4], int.from_bytes(head[5:9], "big"), payload

    def wait(self, kind, stream=None):
        """The next frame of a kind; (GOAWAY or the end of the connection also end it)."""
        while True:
            f = self.next_frame()
            if f is None or (f[0] == kind and stream in (None, f[2])):
                return f
            if f[0] == GOAWAY:
                return f

    def answer(self, stream):
        """(first byte of the header block, body) of a stream's answer."""
        head, body = None, b""
        while True:
            f = self.next_frame()
            if f is None:
                return head, body
            if f[2] != stream:
                continue
            if f[0] == HEADERS:
                head = f[3]
            elif f[0] == DATA:
                body += f[3]
            elif f[0] == RST_STREAM:
                return head, body
            if f[0] in (HEADERS, DATA) and f[1] & 1:
                return head, body
