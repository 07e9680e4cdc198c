# web_join.awk: one module of a page's entry and all that it imports, for a page that asks once and not
# sixty times.
# Usage: awk -v dir=DIR -v entry=NAME.js -f web_join.awk >OUT   reads DIR/NAME.js and what it names.
# Each module becomes a function that is called once and returns what it exports, in the order in which
# a browser would run them. Names stay as they are; nothing is shared but what is imported.
# Knows: lines that begin with one of
#   import { a, b as c } from './x.js';     import a from './x.js';
#   export const|function|class|async function …;     export default NAME;
# Refuses, with file and line: every other import or export (a binding that changes could not be
# followed), and modules that import each other in a ring.

function refuse(file, row, why) {
    printf "%s:%d: %s\n", file, row, why > "/dev/stderr"
    failed = 1
    exit 1
}

# A module's name as a variable.
function variable(file,   name) {
    name = file
    sub(/\.js$/, "", name)
    gsub(/[^A-Za-z0-9]/, "_", name)
    return "module_" name
}

# What the import at `text` names, joined to the list of lines that the module begins with.
function take_import(file, row, text,   names, from) {
    if (text !~ /^import (\{[A-Za-z0-9_$, ]+\}|[A-Za-z0-9_$]+) from '\.\/[A-Za-z0-9_.-]+';[ \t]*$/)
        refuse(file, row, "an import of another form")
    names = from = text
    sub(/^import /, "", names)
    sub(/ from .*/, "", names)
    sub(/.* from '\.\//, "", from)
    sub(/';[ \t]*$/, "", from)
    gsub(/ as /, ": ", names)
    if (names !~ /^\{/)
        names = "{ default: " names " }"
    visit(from, file, row)
    return "const " names " = " variable(from) ";\n"
}

# The name that a line exports.
function exported(file, row, text,   name) {
    name = text
    if (!sub(/^export (const|class|function|async function) /, "", name) ||
        !match(name, /^[A-Za-z0-9_$]+/))
        refuse(file, row, "an export of another form")
    return substr(name, 1, RLENGTH)
}

# Print a module behind those that it imports.
function visit(file, by, by_row,   row, text, head, body, names, got) {
    if (state[file] == "done")
        return
    if (state[file] == "begun")
        refuse(by, by_row, "modules import each other: " file)
    state[file] = "begun"
    while ((got = (getline text < (dir "/" file))) > 0) {
        row++
        if (text ~ /^import[ {*'"]/) {
            head = head take_import(file, row, text)
        } else if (text ~ /^export default [A-Za-z_$][A-Za-z0-9_$]*;[ \t]*$/) {
            sub(/^export default /, "", text)
            sub(/;.*/, "", text)
            names = names ", default: " text
        } else if (text ~ /^export[ {*]/) {
            names = names ", " exported(file, row, text)
            sub(/^export /, "", text)
            body = body text "\n"
        } else if (text != "") {
            body = body text "\n"
        }
    }
    if (got < 0)
        refuse(by, by_row, file " can't be read")
    close(dir "/" file)
    state[file] = "done"
    if (file == entry) {
        printf "%s%s", head, body
        return
    }
    sub(/^, /, "", names)
    printf "const %s = (() => {\n%s%sreturn { %s };\n})();\n", variable(file), head, body, names
}

BEGIN { visit(entry, entry, 0) }
END { exit failed }
