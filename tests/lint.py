#!/usr/bin/env python3
"""lint.py: what `make lint` checks, so that the design stays true.

Floors and header grades, headers that compile alone and twice, symbols, layout, cppcheck, scripts
that parse, files that are too long. One line per finding, file:line where there is one; exit 1 when
there is any. --only takes a comma list of the checks' names.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import time

# Which folders each floor may include: itself and what stands below it.
FLOORS = {
    "tracer": {"tracer"},
    "lisp": {"lisp", "tracer"},
    "store": {"store", "tracer"},
    "replay": {"replay", "store", "tracer"},
    "server": {"server", "replay", "store", "lisp", "tracer"},
}
LINES_MAX = 800
SOURCE = (".c", ".h", ".py", ".js", ".mjs", ".css", ".html", ".sh", ".scm")
PREFIXES = {"lisp": ("mc_", "scm_")}  # the other floors: mc_
CPPCHECK_SUPPRESSED = [
    "missingIncludeSystem",
    "missingInclude",  # what the build makes
    "unusedStructMember",
    "syntaxError:lisp/execute.c",  # it can't read the addresses of labels
    "normalCheckLevelMaxBranches",
    "shiftTooManyBitsSigned",  # gcc and clang shift a negative number arithmetically
    "varFuncNullUB",  # NULL is a pointer in gcc and clang
    "ctunullpointer",  # across files it takes a failed CHECK, or an error code, for going on
    "ctuuninitvar",
    "nullPointer:tests/*",  # a CHECK says that a test failed; the test goes on
    "uninitvar:tests/*",
    "memleak:tracer/frame.c",  # realloc to less: either result is returned
    "unmatchedSuppression",
]


class Lint:
    def __init__(self, build):
        self.build = build
        self.findings = []
        self.files = self.tracked()
        self.counts = {}

    def tracked(self):
        """Files that git knows or would: a new file is checked before it is added."""
        out = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"])[1]
        return sorted({f for f in out.split("\n") if f and os.path.isfile(f)})

    def of(self, *suffixes):
        return [f for f in self.files if f.endswith(suffixes)]

    def say(self, where, text):
        self.findings.append("%s: %s" % (where, text))

    def make_flags(self, variable):
        """A variable of the Makefile, as it is when compiling."""
        code, out = run(["make", "--no-print-directory", "-s", "print-" + variable])
        if code:
            raise SystemExit("lint: `make print-%s` failed: %s" % (variable, out.strip()))
        return shlex.split(out)


def run(command, text=None):
    env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}  # those of `make -j lint`
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, errors="replace", env=env)
    return done.returncode, done.stdout


def pooled(function, items):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))


def check_floors(lint):
    """Includes go down, name their folder, and keep out of other folders' private headers."""
    known = set(lint.files)
    for path in lint.of(".c", ".h"):
        folder = path.split("/")[0]
        with open(path, errors="replace") as f:
            lines = f.readlines()
        for number, line in enumerate(lines, 1):
            match = (re.match(r'\s*#\s*include\s*"([^"]+)"', line) or
                     re.match(r"\s*#\s*include\s*<((?:%s|tests)/[^>]+)>" % "|".join(FLOORS), line))
            if not match:
                continue
            where, target = "%s:%d" % (path, number), match.group(1)
            if "/" not in target:
                if target == "memcam.h" and folder == "tests":
                    continue  # as a host program includes it
                lint.say(where, 'include "%s" must name its folder' % target)
                continue
            to = target.split("/")[0]
            if target not in known and not os.path.exists(os.path.join(lint.build, target)):
                lint.say(where, 'include "%s": no such file from the top folder' % target)
            if to == "tests" and folder != "tests":
                lint.say(where, "nothing outside of tests/ may include tests/")
            elif folder in FLOORS and to in FLOORS and to not in FLOORS[folder]:
                lint.say(where, "%s/ may not include %s/: it stands on %s" % (
                    folder, to, ", ".join(sorted(FLOORS[folder] - {folder})) or "nothing"))
            if target.endswith("_priv.h") and folder not in (to, "tests"):
                lint.say(where, "%s is private to %s/ and its tests" % (target, to))


def check_headers(lint):
    """Every header compiles alone, and twice, under gcc and clang; memcam.h also as C++."""
    flags = [f for f in lint.make_flags("ALL_CFLAGS") if f not in ("-MMD", "-MP", "-g", "-O2")]
    flags += ["-Werror", "-Wno-unused-function", "-Wno-unused-variable", "-fsyntax-only"]
    headers = lint.of(".h")
    jobs = [(compiler, "c", h, flags) for h in headers for compiler in ("gcc", "clang")]
    plain = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I."]
    for header in headers:
        if os.path.basename(header) == "memcam.h":
            jobs += [("gcc", "c", header, ["-std=c11", "-pedantic"] + plain),
                     ("gcc", "c++", header, ["-std=c++11", "-pedantic"] + plain)]

    def compile_one(job):
        compiler, language, header, options = job
        text = '#include "%s"\n' % header * 2 + "typedef int mc_lint_not_empty;\n"
        return job, run([compiler] + options + ["-x", language, "-"], text)

    for (compiler, language, header, _), (code, out) in pooled(compile_one, jobs):
        if code:
            first = next((l for l in out.split("\n") if "error" in l), out.strip().split("\n")[0])
            lint.say(header, "does not compile alone and twice as %s with %s: %s" % (
                language.upper(), compiler, first))
    lint.counts["headers"] = len(headers)


def symbols_of(path, dynamic):
    """(object, name) of what a library defines for others."""
    code, out = run(["nm", "--defined-only", "-D" if dynamic else "-g", path])
    if code:
        return None
    found, member = [], os.path.basename(path)
    for line in out.split("\n"):
        if line.endswith(":"):
            member = line[:-1]
        match = re.match(r"[0-9a-fA-F]+ ([A-Za-z]) (\S+)$", line)
        if match and match.group(1) not in "Nn":
            found.append((member, match.group(2).split("@")[0]))
    return found


def check_symbols(lint):
    """Exported names begin with mc_; so do those that cross files (scm_ too, in lisp)."""
    wanted = [("libmemcam.so", True, ("mc_",)), ("libmemcam.a", False, ("mc_",))]
    wanted += [(f + ".a", False, PREFIXES.get(f, ("mc_",))) for f in FLOORS]
    total = 0
    for name, dynamic, prefixes in wanted:
        path = os.path.join(lint.build, name)
        symbols = symbols_of(path, dynamic)
        if symbols is None:
            lint.say(path, "is missing or unreadable: build first (`make all`)")
            continue
        total += len(symbols)
        for member, symbol in symbols:
            if not symbol.startswith(prefixes) and not symbol.startswith(("__asan", "__odr_asan")):
                lint.say("%s(%s)" % (path, member), "symbol %s does not begin with %s" % (
                    symbol, " or ".join(prefixes)))
    path = os.path.join(lint.build, "memcam_sql.so")
    for member, symbol in symbols_of(path, True) or []:
        if not re.match(r"sqlite3_\w*init$", symbol):
            lint.say(path, "exports %s: an SQLite extension exports its init only" % symbol)
    lint.counts["symbols"] = total


def check_format(lint):
    """.clang-format decides layout."""
    files = lint.of(".c", ".h")

    def one(chunk):
        return run(["clang-format", "--dry-run", "-Werror"] + chunk)

    half = (len(files) + 1) // 2
    for code, out in pooled(one, [c for c in (files[:half], files[half:]) if c]):
        seen = set()
        for match in re.finditer(r"^(\S+?):(\d+):\d+: error:", out, re.M):
            if match.group(1) not in seen:  # the first place in each file will do
                seen.add(match.group(1))
                lint.say("%s:%s" % match.groups(), "not as clang-format lays it out: run `make format`")
        if code and not seen:
            lint.say("clang-format", out.strip().split("\n")[0])


def check_cppcheck(lint):
    """cppcheck has no warning."""
    cache = os.path.join(lint.build, "cppcheck")
    os.makedirs(cache, exist_ok=True)
    defines = [f for f in lint.make_flags("ALL_CFLAGS") if f.startswith("-D")]
    command = ["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--quiet",
               "--std=c11", "-j2", "--cppcheck-build-dir=" + cache, "--error-exitcode=1", "-I.",
               "--template={file}:{line}: {message} [{id}]", "--template-location="]
    command += ["--suppress=" + s for s in CPPCHECK_SUPPRESSED] + defines + ["-D__GNUC__=12"]
    code, out = run(command + lint.of(".c"))
    lines = sorted({l for l in out.split("\n") if l.strip()})
    for line in lines:
        where, _, text = line.partition(": ")
        lint.say(where, "cppcheck: " + text)
    if code and not lines:
        lint.say("cppcheck", "failed with exit status %d" % code)


def check_scripts(lint):
    """JavaScript, Python and shell parse."""
    def one(path):
        with open(path, errors="replace") as f:
            text = f.read()
        if path.endswith(".py"):
            try:
                compile(text, path, "exec")
                return path, 0, ""
            except SyntaxError as e:
                return "%s:%s" % (path, e.lineno), 1, e.msg
        if path.endswith(".sh"):
            code, out = run(["sh", "-n", path])
            return path, code, out
        module = not path.endswith(".cjs")
        code, out = run(["node", "--check"] + (["--input-type=module", "-"] if module else [path]),
                        text if module else None)
        line = re.search(r"^\[stdin\]:(\d+)|:(\d+)$", out, re.M)
        error = re.search(r"^(\w*Error: .*)$", out, re.M)
        where = "%s:%s" % (path, line.group(1) or line.group(2)) if line else path
        return where, code, error.group(1) if error else out
    scripts = lint.of(".js", ".mjs", ".cjs", ".py", ".sh")
    for where, code, out in pooled(one, scripts):
        if code:
            lint.say(where, (out.strip().split("\n") or ["does not parse"])[0])


def check_length(lint):
    """No file over 800 lines."""
    for path in lint.of(*SOURCE):
        with open(path, errors="replace") as f:
            lines = sum(1 for _ in f)
        if lines > LINES_MAX:
            lint.say("%s:%d" % (path, lines), "longer than %d lines: split it" % LINES_MAX)


CHECKS = {"floors": check_floors, "length": check_length, "format": check_format,
          "scripts": check_scripts, "symbols": check_symbols, "headers": check_headers,
          "cppcheck": check_cppcheck}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--times", action="store_true", help="say how long each check took")
    options = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    start = time.monotonic()
    lint = Lint(options.build)
    for name in options.only.split(","):
        if name not in CHECKS:
            parser.error("no check is called %s; there are %s" % (name, ", ".join(CHECKS)))
        began = time.monotonic()
        CHECKS[name](lint)
        if options.times:
            print("lint: %-8s %.1f s" % (name, time.monotonic() - began))
    for finding in lint.findings:
        print(finding)
    more = "".join(", %d %s" % (n, what) for what, n in lint.counts.items())
    print("lint: %d files%s: %s (%.0f s)" % (
        len(lint.files), more, "%d findings" % len(lint.findings) if lint.findings else "clean",
        time.monotonic() - start))
    return 1 if lint.findings else 0


if __name__ == "__main__":
    sys.exit(main())
