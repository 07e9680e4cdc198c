"""loads.py: real programs, recorded by the real recorder, for what compares encodings.

demo: tests/demo.py with its waves and its incident (a heap of 262,144 slots). c: the C server of
bench_http under h2load. busy: tests/e2e/busy_program.c. scattered: a heap whose free list is in
random order. idle: the demo app that nobody asks. All at once, each into a trace of its own.
"""
import os
import signal
import subprocess
import sys
import time

from bench_lib import BenchError, free_port, wait_port

NAMES = ["demo", "c", "busy", "scattered", "idle"]
C_LOADS = [("/", 16, 8, 40), ("/big?bytes=100000", 4, 8, 5), ("/slow?ms=50", 4, 2, 10)]


def compile_program(bench, name):
    path = "%s/%s" % (bench.dir, name)
    subprocess.run(["cc", "-O2", "-Itracer", "tests/e2e/%s_program.c" % name,
                    bench.build + "/libmemcam.a", "-pthread", "-o", path], check=True)
    return path


def record_program(bench, name, seconds):
    return bench.processes.start(
        [bench.memcam, "record", "--dash", "127.0.0.1:0", "--store", bench.trace(name), "--",
         compile_program(bench, name), str(seconds)], stdout=subprocess.DEVNULL, env=bench.env)


def record_c(bench, seconds):
    port = free_port()
    server = bench.processes.start([bench.build + "/bench/bench_http", str(port)], env=bench.env,
                                   stdout=subprocess.DEVNULL)
    wait_port(port, server)
    recorder = bench.processes.start(
        [bench.memcam, "record", "--pid", str(server.pid), "--dash", "127.0.0.1:0", "--store",
         bench.trace("c")], stdout=subprocess.DEVNULL, env=bench.env)
    for route, connections, streams, rate in C_LOADS:
        bench.processes.start(
            ["h2load", "-c", str(connections), "-m", str(streams), "-t", "1", "--rps", str(rate),
             "-D", str(seconds), "http://127.0.0.1:%d%s" % (port, route)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return recorder


def record_all(bench, seconds):
    """Record for `seconds`; {name: the path of the trace}."""
    recorders = {
        "demo": bench.processes.start(
            [sys.executable, "tests/demo.py", "--build", bench.build, "--seconds", str(seconds),
             "--store", bench.trace("demo"), "--dash", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=bench.env),
        "c": record_c(bench, seconds),
        "busy": record_program(bench, "busy", seconds),
        "scattered": record_program(bench, "scattered", seconds),
        "idle": bench.processes.start(
            [bench.memcam, "serve", "tests/demo/app.scm", "--listen", "127.0.0.1:0", "--dash",
             "127.0.0.1:0", "--store", bench.trace("idle")],
            stdout=subprocess.DEVNULL, env=bench.env)}
    time.sleep(seconds)
    for name in ("c", "idle"):
        recorders[name].send_signal(signal.SIGINT)
    for name in NAMES:
        try:
            recorders[name].wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise BenchError("the recorder of %s did not end" % name)
    return {name: bench.trace(name) for name in NAMES if os.path.exists(bench.trace(name))}
