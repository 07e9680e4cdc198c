#!/usr/bin/env python3
"""run.py: find the tests by wildcard, run them, say what failed.

A test is a program: exit 0 passed, 77 skipped, anything else failed. What a failed one printed is
shown; all of it is kept under BUILD/test-logs. Kinds: unit and fault (programs), scheme (suites,
run by `memcam repl`), fuzz (corpora, replayed), node (pure modules), e2e (real processes), browser.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

KINDS = {  # kind: (seconds a test may take, how many at a time)
    "unit": (180, 2),
    "fault": (300, 2),
    "scheme": (180, 2),
    "fuzz": (300, 2),
    "node": (180, 2),
    "e2e": (600, 1),
    "browser": (600, 1),
}
STAGES = (("unit",), ("fault",), ("scheme",), ("fuzz",), ("node",),
          ("e2e", "browser"))  # beside each other: both wait more than they work


def executables(folder):
    return sorted(p for p in glob.glob(folder + "/*") if os.access(p, os.X_OK) and os.path.isfile(p))


def find(build):
    memcam = build + "/memcam"
    tests = []
    tests += [("unit", p, [p]) for p in executables(build + "/unit")]
    tests += [("fault", p, [p]) for p in executables(build + "/fault")]
    tests += [("scheme", p, [memcam, "repl", p]) for p in sorted(glob.glob("tests/scheme/test_*.scm"))]
    tests += [("fuzz", p, [p, "tests/fuzz/corpus/" + os.path.basename(p)[5:]])
              for p in executables(build + "/fuzz-replay")]
    tests += [("node", p, ["node", "--test", p]) for p in sorted(glob.glob("tests/unit/*.test.mjs"))]
    tests += [("e2e", p, [sys.executable, p]) for p in sorted(glob.glob("tests/e2e/test_*.py"))]
    tests += [("browser", p, ["node", p]) for p in sorted(glob.glob("tests/e2e/browser_*.mjs"))]
    return tests


def run(test, build, env):
    kind, path, command = test
    start = time.monotonic()
    log = "%s/test-logs/%s-%s.log" % (build, kind, os.path.basename(path))
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        try:
            code = child.wait(KINDS[kind][0] * int(env["MEMCAM_TEST_SLOW"]))
        except subprocess.TimeoutExpired:
            code = "no end within its time"
        try:  # what the test left running ends with it
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
    return test, code, time.monotonic() - start, log


def run_stage(tests, build, env):
    """The tests' results as they come, each kind with its own number at a time."""
    pools = {kind: concurrent.futures.ThreadPoolExecutor(KINDS[kind][1]) for kind, _, _ in tests}
    results = [pools[t[0]].submit(run, t, build, env) for t in tests]
    for result in concurrent.futures.as_completed(results):
        yield result.result()


def tell(test, code, seconds, log):
    kind, path, _ = test
    if code == 0:
        print("ok    %-8s %s  %.1f s" % (kind, path, seconds), flush=True)
    elif code == 77:
        print("skip  %-8s %s" % (kind, path), flush=True)
    else:
        print("FAIL  %-8s %s  (%s)" % (kind, path, code), flush=True)
        with open(log, "rb") as f:
            text = f.read()[-8000:].decode("utf-8", "replace")
        print("".join("      " + line + "\n" for line in text.splitlines()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--match", default=".")
    options = parser.parse_args()
    build = options.build
    os.makedirs(build + "/test-logs", exist_ok=True)
    env = dict(os.environ, MEMCAM_BUILD=os.path.abspath(build),
               MEMCAM_TEST_SLOW="4" if re.search("asan|tsan", build) else "1",
               ASAN_OPTIONS="detect_stack_use_after_return=1", NODE_PATH=os.path.abspath("build/npm/node_modules"))
    passed = skipped = 0
    failed = []
    asked = options.only.split(",")
    for stage in STAGES:
        tests = [t for t in find(build)
                 if t[0] in stage and t[0] in asked and re.search(options.match, t[1])]
        for test, code, seconds, log in run_stage(tests, build, env):
            tell(test, code, seconds, log)
            passed += code == 0
            skipped += code == 77
            if code not in (0, 77):
                failed.append(test[1])
    for path in failed:
        print("failed: " + path)
    print("%d passed, %d failed, %d skipped" % (passed, len(failed), skipped))
    return 1 if failed or passed == 0 else 0


sys.exit(main())
