#!/usr/bin/env python3
"""test_install.py: make install; then a program that knows nothing but the installed header.

Installs into an empty directory, looks at the exported symbols, compiles imgserver.c against the
static and the shared library and the header as C++, runs the program, and finds its segment.
"""
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("MEMCAM_BUILD", os.path.abspath("build"))
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAIL " + what)


def run(*command, **kw):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    check(done.returncode == 0, "%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stdout[-2000:]))
    return done.stdout


def exported(nm_output):
    return [line.split()[-1] for line in nm_output.splitlines()
            if len(line.split()) == 3 and line.split()[1] in "TDBRVW"
            and not line.split()[2].startswith("__odr_asan")]  # ASan's marks of globals


def make_install(dest):
    """Install what BUILD holds: the flags must be those that it was built with."""
    # The path as the build had it: make knows the headers of an object under that name alone.
    build = os.path.relpath(BUILD, ROOT)
    command = ["make", "-C", ROOT, "install", "DESTDIR=" + dest, "PREFIX=/usr", "BUILD=" + build]
    if "asan" in BUILD:
        command += ["CFLAGS=-O1 -g -fno-omit-frame-pointer",
                    "SAN=-fsanitize=address,undefined -fno-sanitize-recover=undefined"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    run(*command, env=env)


def check_files(usr):
    for name in ("bin/memcam", "include/memcam.h", "lib/libmemcam.a", "lib/libmemcam.so",
                 "lib/libmemcam.so.0", "lib/pkgconfig/memcam.pc"):
        check(os.path.exists(usr + "/" + name), name + " is installed")
    shared = exported(run("nm", "-D", "--defined-only", usr + "/lib/libmemcam.so.0"))
    static = exported(run("nm", "-g", "--defined-only", usr + "/lib/libmemcam.a"))
    check(len(shared) >= 30, "the shared library exports the calls: %d" % len(shared))
    for symbol in shared + static:
        check(symbol.startswith("mc_"), "a symbol without mc_: " + symbol)
    check(not [s for s in shared if s.startswith("mc_pub_")], "private symbols are hidden")
    with open(usr + "/include/memcam.h") as f:
        header = f.read()
    for symbol in shared:
        check(symbol + "(" in header, "exported, but not in memcam.h: " + symbol)
    needed = run("objdump", "-p", usr + "/lib/libmemcam.so.0")
    for line in needed.splitlines():
        if "NEEDED" in line and "asan" not in BUILD:
            check("libc.so" in line or "libpthread" in line, "libmemcam needs" + line)


def check_uninstall(dest):
    """Nothing but folders is left."""
    run("make", "-C", ROOT, "uninstall", "DESTDIR=" + dest, "PREFIX=/usr")
    left = [name for _, _, names in os.walk(dest) for name in names]
    check(not left, "left behind by uninstall: %s" % left)


def pkg_config(dest, *what):
    env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR=dest,
               PKG_CONFIG_PATH=dest + "/usr/lib/pkgconfig")
    return run("pkg-config", *what, "memcam", env=env).split()


def live_segment(folder, pid, seconds):
    """The segment of the imgserver `pid` once it has all its sources: (path, count of sources)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path = "%s/imgserver.%d.seg" % (folder, pid)
        head = b""
        if os.path.exists(path):
            with open(path, "rb") as f:
                head = f.read(2048)
        if head.startswith(b"mcseg\r\n\032") and struct.unpack_from("<I", head, 1024)[0] >= 5:
            return path, struct.unpack_from("<I", head, 1024)[0]
        time.sleep(0.02)
    return None, 0


def check_program(program, work, library_path):
    folder = work + "/segments"
    env = dict(os.environ, MEMCAM_DIR=folder, LD_LIBRARY_PATH=library_path)
    child = subprocess.Popen([program, "1"], env=env, stdout=subprocess.PIPE, text=True)
    path, sources = live_segment(folder, child.pid, 10)
    check(path is not None, program + " publishes a segment")
    check(sources == 5, "a slab, two arenas, a counter and a histogram: %d" % sources)
    if path:
        check(os.stat(path).st_mode & 0o777 == 0o600, "its mode is 0600")
    out = child.communicate(timeout=60)[0]
    check(child.returncode == 0 and " 0 dropped" in out, "it ran to its end: " + out)
    # Without a place for the segment the program runs just the same.
    env["MEMCAM_DIR"] = "/nonexistent/place"
    done = subprocess.run([program, "0.1"], env=env, stdout=subprocess.PIPE, text=True, timeout=60)
    check(done.returncode == 0, "it runs without a tracer")


def check_record(program, work, memcam):
    """`memcam record` takes the program along and ends with it."""
    env = dict(os.environ, MEMCAM_DIR=work + "/segments")
    store = work + "/run.db"
    child = subprocess.Popen([memcam, "record", "--dash", "127.0.0.1:0", "--store", store, "--", program, "2"],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out = child.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
        out = child.communicate(timeout=30)[0]
    runs = run(memcam, "runs", store)
    check("imgserver" in runs, "the run is in the trace: " + runs + out)


def main():
    work = tempfile.mkdtemp(prefix="memcam-install-")
    try:
        dest, usr = work + "/dest", work + "/dest/usr"
        make_install(dest)
        if failures:
            return
        check_files(usr)
        flags, libs = pkg_config(dest, "--cflags"), pkg_config(dest, "--libs")
        static = ["-I" + usr + "/include", usr + "/lib/libmemcam.a", "-pthread"]
        san = ["-fsanitize=address,undefined"] if "asan" in BUILD else []
        source = HERE + "/imgserver.c"
        warn = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2"]
        run("gcc", *warn, *san, source, *flags, *libs, "-pthread", "-o", work + "/img_shared")
        run("gcc", *warn, *san, source, *static, "-o", work + "/img_static")
        with open(work + "/host.cpp", "w") as f:
            f.write('#include <memcam.h>\n#include <memcam.h>\nint main() {\n'
                    '    mc_tracer *t = mc_tracer_open("cpp", nullptr);\n'
                    '    mc_slab *s = mc_slab_register(t, "slots", 64, 10);\n'
                    '    mc_slot_set(s, 1, MC_SLOT_ACTIVE, mc_string_id(t, "x"), 7);\n'
                    '    mc_event_accept(t, 7, "10.0.0.1:1");\n'
                    '    mc_tracer_close(t);\n    return 0;\n}\n')
        run("g++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *san, work + "/host.cpp",
            *static, "-o", work + "/host_cpp")
        run(work + "/host_cpp", env=dict(os.environ, MEMCAM_DIR=work + "/segments_cpp"))
        check_program(work + "/img_shared", work, usr + "/lib")
        check_program(work + "/img_static", work, "")
        check_record(work + "/img_static", work, usr + "/bin/memcam")
        check_uninstall(dest)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
print("%d failed checks" % len(failures))
sys.exit(1 if failures else 0)
