#!/bin/sh
# run.sh: fuzz every target under ASan and UBSan, a while each; fail when one crashes.
# Usage: run.sh BUILD_DIR SECONDS [TARGET...]   (targets as in tests/fuzz/fuzz_TARGET.c; default all)
# What a run finds that is new and shorter stays under BUILD_DIR/fuzz-corpus, a crash under
# BUILD_DIR/fuzz-crashes; copy into tests/fuzz/corpus/TARGET what shall be replayed by `make test`.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
seconds=${2:-600}
if [ $# -ge 2 ]; then shift 2; else shift $#; fi
case $seconds in
'' | *[!0-9]*)
    echo "fuzz: SECONDS is a whole number, not \"$seconds\"" >&2
    exit 2
    ;;
esac
if [ $# -eq 0 ]; then
    for file in tests/fuzz/fuzz_*.c; do
        [ -e "$file" ] || continue
        name=${file##*/fuzz_}
        set -- "$@" "${name%.c}"
    done
fi
if [ $# -eq 0 ]; then
    echo "fuzz: no targets in tests/fuzz"
    exit 0
fi
out=$build/fuzzing
targets=
for name in "$@"; do
    if ! [ -e "tests/fuzz/fuzz_$name.c" ]; then
        echo "fuzz: no target tests/fuzz/fuzz_$name.c" >&2
        exit 2
    fi
    targets="$targets $out/fuzz/fuzz_$name"
done
# shellcheck disable=SC2086
make --no-print-directory -s -j2 BUILD="$out" CC=clang CFLAGS="-O1 -g -fno-omit-frame-pointer" \
    SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" $targets
failed=
for name in "$@"; do
    mkdir -p "$build/fuzz-corpus/$name" "$build/fuzz-crashes"
    seeds=
    [ -d "tests/fuzz/corpus/$name" ] && seeds=tests/fuzz/corpus/$name
    log=$build/fuzz-corpus/$name.log
    # shellcheck disable=SC2086
    if "$out/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -max_len=65536 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/fuzz-crashes/$name-" "$build/fuzz-corpus/$name" $seeds \
        >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz: $name: clean, $runs runs in $seconds s"
    else
        echo "fuzz: $name: FAILED"
        tail -n 40 "$log"
        failed="$failed $name"
    fi
done
if [ -n "$failed" ]; then
    echo "fuzz: failed:$failed; inputs are in $build/fuzz-crashes"
    exit 1
fi
