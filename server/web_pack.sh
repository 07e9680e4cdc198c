#!/bin/sh
# web_pack.sh: turn the page's files into a table of bytes in assembler and C.
# Usage: web_pack.sh OUT_DIR JOINED FILE…   makes OUT_DIR/web_assets.S, web_assets.c and what they hold.
# JOINED: names of modules that take in what they import (web_join.awk); "" to serve all singly.
# Comments that fill lines, types and indentation stay at home: more than a quarter of the page's weight.
# Lines keep their numbers.
set -eu
out=$1
joined=$2
shift 2
served=$out/served
rm -rf "$served" # a module that is gone must not be found
mkdir -p "$served"
# The file as it is served, in $served.
lighten() {
    case $1 in
    *.js) awk '
        /^[ \t]*\/\*\*.*\*\/[ \t]*$/ { print ""; next }
        /^[ \t]*\/\*\*/ && !/\*\// { inside = 1 }
        inside { if (/\*\/[ \t]*$/) inside = 0; print ""; next }
        /^[ \t]*\/\// { print ""; next }
        {
            gsub(/\/\*\* @[^*]*\*\/ ?/, "")
            sub(/^[ \t]+/, "")
            if (gsub(/`/, "`") % 2) { # a template of several lines would lose its indentation
                printf "%s:%d: a template begins or ends here; keep it on one line\n", FILENAME, FNR > "/dev/stderr"
                exit 1
            }
            print
        }' "$1" >"$2" ;;
    *.css) sed -E 's/^[ \t]+//; s,/\*[^*]*\*/,,' "$1" >"$2" ;;
    *) cp "$1" "$2" ;;
    esac
}
for file in "$@"; do
    lighten "$file" "$served/${file##*/}"
done
for name in $joined; do
    awk -v dir="$served" -v entry="$name" -f server/web_join.awk >"$out/$name.joined"
done
for name in $joined; do # when none is read any more
    mv "$out/$name.joined" "$served/$name"
done
{
    printf '/* Made by server/web_pack.sh. */\n.section .rodata\n'
    i=0
    for file in "$@"; do
        bytes=$served/${file##*/}
        gzip -9nc "$bytes" >"$bytes.gz"
        printf '.global mc_web_%d, mc_web_%d_end, mc_web_%d_gz, mc_web_%d_gz_end\n' $i $i $i $i
        printf 'mc_web_%d: .incbin "%s"\nmc_web_%d_end:\n' $i "$bytes" $i
        printf 'mc_web_%d_gz: .incbin "%s"\nmc_web_%d_gz_end: .byte 0\n' $i "$bytes.gz" $i
        i=$((i + 1))
    done
    printf '.section .note.GNU-stack,"",%%progbits\n'
} >"$out/web_assets.S"
{
    printf '/* web_assets.c: the files of the page. Made by server/web_pack.sh. */\n'
    printf '#include "server/web.h"\n\n'
    i=0
    for file in "$@"; do
        printf 'extern const uint8_t mc_web_%d[], mc_web_%d_end[], mc_web_%d_gz[], mc_web_%d_gz_end[];\n' \
            $i $i $i $i
        i=$((i + 1))
    done
    printf '\nconst struct mc_web_asset mc_web_assets[] = {\n'
    i=0
    for file in "$@"; do
        case $file in
        *.html) type='text/html; charset=utf-8' ;;
        *.js | *.mjs) type='text/javascript; charset=utf-8' ;;
        *.css) type='text/css; charset=utf-8' ;;
        *.svg) type='image/svg+xml' ;;
        *.png) type='image/png' ;;
        *) type='application/octet-stream' ;;
        esac
        hash=$(sha256sum "$served/${file##*/}" | cut -c1-20)
        printf '    {"%s", "%s", "\\"%s\\"", mc_web_%d, mc_web_%d_end, mc_web_%d_gz, mc_web_%d_gz_end},\n' \
            "${file##*/}" "$type" "$hash" $i $i $i $i
        i=$((i + 1))
    done
    printf '    {0},\n};\nconst size_t mc_web_asset_count = %d;\n' $i
} >"$out/web_assets.c"
