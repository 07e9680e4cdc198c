#!/usr/bin/env python3
"""test_http_h2_frames.py: what RFC 9113 and RFC 7541 demand, a frame at a time: each case on a connection of its
own, with the section that it is from, and what must come of it; and the server serves on after each.

A stream error may be treated as a connection error (section 5.4.1), so that a GOAWAY with the same code will do.
"""
import struct
import sys

from http_client import (CONTINUATION, DATA, GOAWAY, H2, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                         Server, check, failures, frame, h2_headers)

PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, COMPRESSION = 1, 3, 5, 6, 9
PUSH_PROMISE = 5
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
MAX = 0x7fffffff


def literal(name, value):
    """A field without indexing, both strings plain."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


METHOD, SCHEME, PATH, AUTHORITY = b"\x82", b"\x86", b"\x84", literal(b":authority", b"localhost")
REQUEST = METHOD + SCHEME + PATH + AUTHORITY


def headers(block, stream=1, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block)


def post(stream=1, extra=b""):
    return headers(b"\x83" + SCHEME + literal(b":path", b"/echo") + AUTHORITY + extra, stream, END_HEADERS)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *p) for p in pairs))


def window(stream, count):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", count))


def rst(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


# What must come of a case: an error of the connection or of the stream, with its code; either of that code, or
# nothing; nothing; the answer 200.
CONNECTION, STREAM, EITHER, PASSES = "connection", "stream", "either", "passes"
IGNORED, OK = (PASSES, 0), ("ok", 0)

OPEN = h2_headers(1, "/slow?ms=500", end=False)       # a stream that stays open on both sides
HALF = h2_headers(1, "/slow?ms=500")                  # half-closed (remote)
CLOSED = h2_headers(1, "/slow?ms=500") + rst(1)

CASES = [
    # 4: frames
    ("4.1 an unknown type is ignored", frame(0xee, 0xff, 0, b"12345678"), IGNORED),
    ("4.1 unknown flags are ignored", frame(PING, 0x16, 0, b"87654321"), IGNORED),
    ("4.1 the reserved bit is ignored", frame(PING, 0, 0x80000000, b"87654321"), IGNORED),
    ("4.2 DATA over SETTINGS_MAX_FRAME_SIZE", post() + frame(DATA, 1, 1, b"x" * 16385), (CONNECTION, FRAME_SIZE)),
    ("4.2 HEADERS over SETTINGS_MAX_FRAME_SIZE", headers(REQUEST + b"x" * 16400), (CONNECTION, FRAME_SIZE)),
    ("4.2 DATA of SETTINGS_MAX_FRAME_SIZE", post() + frame(DATA, 1, 1, b"x" * 16384), OK),
    ("4.3 a field block that cannot be decoded", headers(b"\x00" * 9 + b"\xff" * 20), (CONNECTION, COMPRESSION)),
    ("4.3 PRIORITY within a field block", headers(REQUEST, flags=END_STREAM) + frame(PRIORITY, 0, 1, b"\0\0\0\0\0"), (CONNECTION, PROTOCOL)),
    ("4.3 HEADERS of another stream within a field block", headers(REQUEST, flags=END_STREAM) + headers(REQUEST, 3), (CONNECTION, PROTOCOL)),
    # 5.1: the states of a stream
    ("5.1 idle: DATA", frame(DATA, 1, 1, b"x"), (CONNECTION, PROTOCOL)),
    ("5.1 idle: RST_STREAM", rst(1), (CONNECTION, PROTOCOL)),
    ("5.1 idle: WINDOW_UPDATE", window(1, 100), (CONNECTION, PROTOCOL)),
    ("5.1 idle: CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, REQUEST), (CONNECTION, PROTOCOL)),
    ("5.1 half-closed: DATA", HALF + frame(DATA, 1, 1, b"x"), (STREAM, STREAM_CLOSED)),
    ("5.1 half-closed: HEADERS", HALF + headers(REQUEST), (STREAM, STREAM_CLOSED)),
    ("5.1 half-closed: CONTINUATION", HALF + frame(CONTINUATION, END_HEADERS, 1, REQUEST), (CONNECTION, PROTOCOL)),
    ("5.1 closed: DATA", CLOSED + frame(DATA, 1, 1, b"x"), (EITHER, STREAM_CLOSED)),
    ("5.1 closed: HEADERS", CLOSED + headers(REQUEST), (EITHER, STREAM_CLOSED)),
    ("5.1 closed: WINDOW_UPDATE is let pass", CLOSED + window(1, 10), IGNORED),
    ("5.1 closed: RST_STREAM is let pass", CLOSED + rst(1), IGNORED),
    ("5.1 closed: PRIORITY is let pass", CLOSED + frame(PRIORITY, 0, 1, b"\0\0\0\0\0"), IGNORED),
    ("5.1.1 a stream of the server's parity", headers(REQUEST, 2), (CONNECTION, PROTOCOL)),
    ("5.1.1 a stream below the highest", headers(REQUEST, 5) + headers(REQUEST, 3), (EITHER, PROTOCOL)),
    ("5.3.1 PRIORITY of 4 bytes", OPEN + frame(PRIORITY, 0, 1, b"\0\0\0\0"), (STREAM, FRAME_SIZE)),
    ("5.3.1 PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0\0\0\0\0"), (CONNECTION, PROTOCOL)),
    # 6: frame types
    ("6.1 DATA on stream 0", frame(DATA, 1, 0, b"x"), (CONNECTION, PROTOCOL)),
    ("6.1 DATA with more padding than frame", post() + frame(DATA, PADDED | 1, 1, b"\x06abc"), (CONNECTION, PROTOCOL)),
    ("6.1 DATA with padding", post() + frame(DATA, PADDED | 1, 1, b"\x02abc\0\0"), OK),
    ("6.2 HEADERS on stream 0", headers(REQUEST, 0), (CONNECTION, PROTOCOL)),
    ("6.2 HEADERS with more padding than frame", frame(HEADERS, PADDED | 5, 1, b"\xff" + REQUEST), (CONNECTION, PROTOCOL)),
    ("6.2 HEADERS with padding and priority", frame(HEADERS, PADDED | WITH_PRIORITY | 5, 1, b"\x03\0\0\0\0\x10" + REQUEST + b"\0\0\0"),
     OK),
    ("6.4 RST_STREAM on stream 0", rst(0), (CONNECTION, PROTOCOL)),
    ("6.4 RST_STREAM of 3 bytes", OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0"), (CONNECTION, FRAME_SIZE)),
    ("6.5 SETTINGS on a stream", OPEN + frame(SETTINGS, 0, 1), (CONNECTION, PROTOCOL)),
    ("6.5 SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, b"abc"), (CONNECTION, FRAME_SIZE)),
    ("6.5 SETTINGS ACK with bytes", frame(SETTINGS, ACK, 0, b"123456"), (CONNECTION, FRAME_SIZE)),
    ("6.5.2 ENABLE_PUSH of 2", settings((2, 2)), (CONNECTION, PROTOCOL)),
    ("6.5.2 INITIAL_WINDOW_SIZE over 2^31-1", settings((4, MAX + 1)), (CONNECTION, FLOW_CONTROL)),
    ("6.5.2 MAX_FRAME_SIZE below 16384", settings((5, 16383)), (CONNECTION, PROTOCOL)),
    ("6.5.2 MAX_FRAME_SIZE over 2^24-1", settings((5, 1 << 24)), (CONNECTION, PROTOCOL)),
    ("6.5.2 an unknown setting is ignored", settings((0xff, 1)), IGNORED),
    ("6.6 PUSH_PROMISE from a client", OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + REQUEST), (CONNECTION, PROTOCOL)),
    ("6.7 PING on a stream", OPEN + frame(PING, 0, 1, b"12345678"), (CONNECTION, PROTOCOL)),
    ("6.7 PING of 6 bytes", frame(PING, 0, 0, b"123456"), (CONNECTION, FRAME_SIZE)),
    ("6.7 PING ACK is not answered", frame(PING, ACK, 0, b"87654321"), IGNORED),
    ("6.8 GOAWAY on a stream", OPEN + frame(GOAWAY, 0, 1, b"\0" * 8), (CONNECTION, PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0 on the connection", window(0, 0), (CONNECTION, PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 0 on a stream", OPEN + window(1, 0), (STREAM, PROTOCOL)),
    ("6.9 WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), (CONNECTION, FRAME_SIZE)),
    ("6.9.1 the connection's window over 2^31-1", window(0, MAX) + window(0, MAX), (CONNECTION, FLOW_CONTROL)),
    ("6.9.1 a stream's window over 2^31-1", OPEN + window(1, MAX) + window(1, MAX), (STREAM, FLOW_CONTROL)),
    # The RFC wants the connection ended here; libnghttp2 resets the stream.
    ("6.9.2 a setting that takes a window over 2^31-1", OPEN + window(1, MAX - 65535) + settings((4, 65536)), (STREAM, FLOW_CONTROL)),
    ("6.10 CONTINUATIONs", headers(REQUEST[:2], flags=END_STREAM) + frame(CONTINUATION, 0, 1, REQUEST[2:5]) +
     frame(CONTINUATION, END_HEADERS, 1, REQUEST[5:]), OK),
    ("6.10 CONTINUATION on stream 0", headers(REQUEST[:2], flags=1) + frame(CONTINUATION, 4, 0, REQUEST[2:]), (CONNECTION, PROTOCOL)),
    ("6.10 CONTINUATION behind END_HEADERS", OPEN + frame(CONTINUATION, END_HEADERS, 1, AUTHORITY), (CONNECTION, PROTOCOL)),
    ("6.10 CONTINUATION behind DATA", post() + frame(DATA, 0, 1, b"x") + frame(CONTINUATION, 4, 1, AUTHORITY), (CONNECTION, PROTOCOL)),
    # 8: HTTP
    ("8.1 trailers", post() + frame(DATA, 0, 1, b"x") + headers(literal(b"x-t", b"t")), OK),
    ("8.1 trailers without END_STREAM", post() + frame(DATA, 0, 1, b"x") + headers(literal(b"x-t", b"t"), flags=4), (STREAM, PROTOCOL)),
    ("8.1 a pseudo-header in trailers", post() + frame(DATA, 0, 1, b"x") + headers(METHOD), (STREAM, PROTOCOL)),
    ("8.2.1 an upper-case name", headers(REQUEST + literal(b"X-Test", b"a")), (STREAM, PROTOCOL)),
    ("8.2.1 a line end in a value", headers(REQUEST + literal(b"x-test", b"a\r\nb: c")), (STREAM, PROTOCOL)),
    ("8.2.1 a NUL in a value", headers(REQUEST + literal(b"x-test", b"a\0b")), (STREAM, PROTOCOL)),
    ("8.2.1 a space in a name", headers(REQUEST + literal(b"x test", b"a")), (STREAM, PROTOCOL)),
    ("8.2.2 connection", headers(REQUEST + literal(b"connection", b"keep-alive")), (STREAM, PROTOCOL)),
    ("8.2.2 transfer-encoding", headers(REQUEST + literal(b"transfer-encoding", b"chunked")), (STREAM, PROTOCOL)),
    ("8.2.2 te other than trailers", headers(REQUEST + literal(b"te", b"gzip")), (STREAM, PROTOCOL)),
    ("8.2.2 te: trailers", headers(REQUEST + literal(b"te", b"trailers")), OK),
    ("8.3 an unknown pseudo-header", headers(REQUEST + literal(b":test", b"a")), (STREAM, PROTOCOL)),
    ("8.3 :status in a request", headers(REQUEST + b"\x88"), (STREAM, PROTOCOL)),
    ("8.3 a pseudo-header behind a field", headers(METHOD + SCHEME + literal(b"x", b"y") + PATH + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.3.1 an empty :path", headers(METHOD + SCHEME + literal(b":path", b"") + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.3.1 no :method", headers(SCHEME + PATH + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.3.1 no :scheme", headers(METHOD + PATH + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.3.1 no :path", headers(METHOD + SCHEME + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.3.1 :method twice", headers(METHOD + REQUEST), (STREAM, PROTOCOL)),
    ("8.3.1 :path twice", headers(PATH + REQUEST), (STREAM, PROTOCOL)),
    ("8.3.1 :authority twice", headers(REQUEST + AUTHORITY), (STREAM, PROTOCOL)),
    ("8.1.1 content-length above the body", post(extra=literal(b"content-length", b"5")) + frame(DATA, 1, 1, b"x"), (STREAM, PROTOCOL)),
    ("8.1.1 content-length below the body", post(extra=literal(b"content-length", b"1")) + frame(DATA, 1, 1, b"xyz"), (STREAM, PROTOCOL)),
    ("8.1.1 content-length that is no number", post(extra=literal(b"content-length", b"-1")), (STREAM, PROTOCOL)),
    ("8.3.1 no :authority and no host", headers(METHOD + SCHEME + PATH), (STREAM, PROTOCOL)),
    ("8.3.1 host instead of :authority", headers(METHOD + SCHEME + PATH + literal(b"host", b"localhost")), OK),
    # RFC 7541
    ("7541 2.3.3 an index past both tables", headers(REQUEST + b"\xfe"), (CONNECTION, COMPRESSION)),
    ("7541 6.1 index 0", headers(REQUEST + b"\x80"), (CONNECTION, COMPRESSION)),
    ("7541 5.2 a Huffman string padded with zeros", headers(REQUEST + b"\0\1x\x81\x18"), (CONNECTION, COMPRESSION)),
    ("7541 5.2 a Huffman string padded with 8 bits", headers(REQUEST + b"\0\1x\x81\xff"), (CONNECTION, COMPRESSION)),
    ("7541 6.3 a table size above the setting", headers(b"\x3f\xe1\xff\x03" + REQUEST), (CONNECTION, COMPRESSION)),
    ("7541 6.3 a table size behind a field", headers(METHOD + b"\x20" + REQUEST[1:]), (CONNECTION, COMPRESSION)),
    ("7541 5.1 an integer that overflows", headers(b"\xff" * 12 + REQUEST), (CONNECTION, COMPRESSION)),
]


def outcome(server, data):
    """The codes of GOAWAY and RST_STREAM, and whether PINGs behind the frames were answered: an answer to the first
    may overtake the errors, that to the second, which is sent behind it, comes after them."""
    codes, answered = {GOAWAY: [], RST_STREAM: []}, 0
    with H2(server, timeout=3) as h:
        h.send(data + frame(PING, 0, 0, b"the-end!"))
        while answered < 2:
            f = h.next_frame()
            if f is None:
                break
            if f[0] in codes:
                at = 4 if f[0] == GOAWAY else 0
                codes[f[0]].append(struct.unpack(">I", f[3][at:at + 4])[0])
            if f[0] == PING and f[3] == b"the-end!":
                answered += 1
                h.send(frame(PING, 0, 0, b"the-end!"))
        return codes[GOAWAY], codes[RST_STREAM], answered == 2


def is_200(server, data):
    with H2(server) as h:
        h.send(data)
        head = h.answer(1)[0]
        return bool(head) and head[0] == 0x88  # RFC 7541's index of ":status: 200"


def test_cases(server):
    for name, data, want in CASES:
        if want == OK:
            check(is_200(server, data), "%s: no 200" % name)
            continue
        goaway, reset, ping = outcome(server, data)
        kind, code = want
        good = {CONNECTION: code in goaway or not (goaway or ping), STREAM: code in goaway + reset,
                PASSES: ping and not goaway and not reset,
                EITHER: code in goaway + reset or (ping and not goaway)}[kind]
        check(good, "%s: GOAWAY %s, RST_STREAM %s, PING %s" % (name, goaway, reset, ping))
    check(server.get("/")[0] == 200, "it serves on")


def main():
    with Server() as server:
        test_cases(server)
        print("%d cases" % len(CASES))
    return 1 if failures else 0


sys.exit(main())
