#!/bin/sh
# deps.sh: install what the build and the tests need and the machine lacks; say what.
# Usage: deps.sh BUILD_DIR
set -eu
build=${1:-build}
missing=
need() { # need COMMAND-OR-FILE PACKAGE
    if ! command -v "$1" >/dev/null 2>&1 && ! [ -e "$1" ]; then missing="$missing $2"; fi
}
need gcc build-essential
need make build-essential
need pkg-config pkg-config
need clang clang
need clang-format clang-format
need cppcheck cppcheck
need python3 python3
need curl curl
need sqlite3 sqlite3
need h2load nghttp2-client
need nghttpd nghttp2-server
need openssl openssl
need git git
need node nodejs
need npm npm
need /usr/bin/chromium chromium
for lib in libuv:libuv1-dev libnghttp2:libnghttp2-dev libzstd:libzstd-dev sqlite3:libsqlite3-dev \
    libssl:libssl-dev; do
    pkg-config --exists "${lib%%:*}" 2>/dev/null || missing="$missing ${lib#*:}"
done
if [ -n "$missing" ]; then
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "deps: missing$missing; install them as root: apt-get install$missing" >&2
            exit 3
        }
        sudo=sudo
    fi
    echo "deps: installing Debian packages:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
fi
if [ -f web/package.json ] && ! cmp -s web/package-lock.json "$build/npm/package-lock.json"; then
    echo "deps: installing npm packages into $build/npm:" \
        "$(sed -n 's/^ *"\([a-z@/-]*\)": "[~^]*[0-9.]*",*$/\1/p' web/package.json | tr '\n' ' ')"
    mkdir -p "$build/npm"
    cp web/package.json "$build/npm/package.json"
    cp web/package-lock.json "$build/npm/package-lock.json.new"
    mv "$build/npm/package-lock.json.new" "$build/npm/package-lock.json"
    (cd "$build/npm" && npm ci --silent --no-audit --no-fund --ignore-scripts) || {
        rm -f "$build/npm/package-lock.json"
        exit 3
    }
fi
