/* options.c: the table of options, and the parser that works from it. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/command.h"
#include "tracer/error.h"

enum option_type {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_COUNT,
    OPTION_SIZE,
    OPTION_TIME,
    OPTION_MOMENT, /* of a run */
    OPTION_ADDRESS,
    OPTION_CHOICE, /* text, one of `value_name`, which is split at '|' */
    OPTION_CLOCK,  /* "us" or "ns": 1 for ns */
    OPTION_HOSTS,  /* a name; may come again */
    OPTION_SPLIT,  /* no value: what follows belongs to the other side */
};

struct option {
    const char *name;
    enum option_type type;
    size_t place; /* in struct mc_settings */
    const char *value_name;
    const char *fallback; /* the default, parsed like a value; NULL: zero, or NULL */
    int64_t min, max;
    unsigned commands;
    const char *help; /* NULL: not shown */
};

#define AT(field) offsetof(struct mc_settings, field)
#define RECORDS (MC_FOR_SERVE | MC_FOR_RECORD)
#define SERVES (MC_FOR_SERVE | MC_FOR_RECORD | MC_FOR_REPLAY)
#define SECOND INT64_C(1000000000)

static const struct option options[] = {
    {"--listen", OPTION_ADDRESS, AT(listen), "A:P", "127.0.0.1:8080", 0, 0, MC_FOR_SERVE,
     "where the app listens; port 0 takes a free one"},
    {"--dash", OPTION_ADDRESS, AT(dash), "A:P", "127.0.0.1:7070", 0, 0, SERVES,
     "where the dashboard listens; port 0 takes a free one"},
    {"--store", OPTION_TEXT, AT(store), "FILE", "memcam.db", 0, 0, RECORDS,
     "the trace file; made when it does not exist"},
    {"--name", OPTION_TEXT, AT(name), "NAME", NULL, 0, 0, MC_FOR_RECORD,
     "record the program of this name; wait for it, and for its next start"},
    {"--pid", OPTION_COUNT, AT(pid), "PID", NULL, 1, 1 << 30, MC_FOR_RECORD,
     "record the program with this process id until it ends"},
    {"--wait", OPTION_TIME, AT(wait_ns), "TIME", "10s", 0, INT64_MAX, MC_FOR_RECORD,
     "how long a started program may take to open its tracer"},
    {"--label", OPTION_TEXT, AT(label), "TEXT", NULL, 0, 0, RECORDS,
     "what the run is called; default: the program's name"},
    {"--interval", OPTION_TIME, AT(interval_ns), "TIME", "100ms", SECOND / 100, 60 * SECOND,
     RECORDS, "time between two samples, 10ms to 60s"},
    {"--keep", OPTION_TIME, AT(keep_ns), "TIME", "24h", SECOND, INT64_MAX, RECORDS,
     "drop what is older from the trace; or forever"},
    {"--max-bytes", OPTION_SIZE, AT(max_bytes), "SIZE", "1GiB", 1 << 20, INT64_MAX, RECORDS,
     "drop the oldest to keep the trace below this, 1MiB at least; or unlimited"},
    {"--event-clock", OPTION_CLOCK, AT(event_clock_ns), "us|ns", "us", 0, 0, RECORDS,
     "how fine the time of events is kept"},
    {"--max-connections", OPTION_COUNT, AT(max_connections), "N", "1024", 1, 1 << 20, MC_FOR_SERVE,
     "connections to the app at a time"},
    {"--max-requests", OPTION_COUNT, AT(max_requests), "N", "256", 1, 1 << 20, MC_FOR_SERVE,
     "requests to the app at a time; one more gets 503"},
    {"--body-max", OPTION_SIZE, AT(body_max_bytes), "SIZE", "1MiB", 1, 1 << 30, MC_FOR_SERVE,
     "largest body of a request; a larger one gets 413"},
    {"--streams", OPTION_COUNT, AT(streams), "N", "100", 1, 1 << 16, MC_FOR_SERVE,
     "HTTP/2 streams at a time on a connection"},
    {"--idle-timeout", OPTION_TIME, AT(idle_timeout_ns), "TIME", "60s", SECOND / 1000,
     86400 * SECOND, MC_FOR_SERVE, "close a connection that says nothing for so long"},
    {"--handler-timeout", OPTION_TIME, AT(handler_timeout_ns), "TIME", "5s", SECOND / 1000,
     INT64_MAX, MC_FOR_SERVE, "stop a handler that computes for longer; or forever"},
    {"--tls", OPTION_FLAG, AT(tls), NULL, NULL, 0, 0, SERVES,
     "print https addresses; without --cert it makes a self-signed certificate"},
    {"--cert", OPTION_TEXT, AT(cert), "FILE", NULL, 0, 0, SERVES, "certificate chain, PEM"},
    {"--key", OPTION_TEXT, AT(key), "FILE", NULL, 0, 0, SERVES, "private key, PEM"},
    {"--token-file", OPTION_TEXT, AT(token_file), "FILE", NULL, 0, 0, SERVES,
     "demand the token in FILE of every request; made when it does not exist"},
    {"--host", OPTION_HOSTS, AT(hosts), "NAME", NULL, 0, 0, SERVES,
     "a name by which it may be addressed beside its address; may come again"},
    {"--format", OPTION_CHOICE, AT(format), "table|csv|json|jsonl", "table", 0, 0, MC_FOR_QUERY,
     "how the answer is printed"},
    {"--format", OPTION_CHOICE, AT(format), "table|json", "table", 0, 0, MC_FOR_RUNS | MC_FOR_LS,
     "how the answer is printed"},
    {"--format", OPTION_CHOICE, AT(format), "csv|jsonl|openmetrics|perfetto", "jsonl", 0, 0,
     MC_FOR_EXPORT, "what is written"},
    {"--run", OPTION_COUNT, AT(run_id), "N", NULL, 1, INT64_MAX, MC_FOR_EXPORT,
     "which run, as memcam runs numbers them; default: the newest"},
    {"--from", OPTION_MOMENT, AT(from), "T", "begin", 0, 0, MC_FOR_EXPORT,
     "from this time of the run on: 90s, 1m30s, or nanoseconds"},
    {"--to", OPTION_MOMENT, AT(to), "T", "end", 0, 0, MC_FOR_EXPORT,
     "up to this time, which is not in it any more"},
    {"--table", OPTION_TEXT, AT(table), "TABLE", NULL, 0, 0, MC_FOR_EXPORT,
     "csv: the table; jsonl: the tables, with commas between, else all"},
    {"--output", OPTION_TEXT, AT(output), "FILE", "-", 0, 0, MC_FOR_EXPORT,
     "where it goes; -: stdout"},
    {"--limit", OPTION_COUNT, AT(limit), "N", NULL, 0, INT64_MAX, MC_FOR_QUERY,
     "print at most N rows; 0: all of them"},
    {"--untrusted", OPTION_FLAG, AT(untrusted), NULL, NULL, 0, 0, MC_FOR_QUERY,
     "bound time, memory and rows: for a statement or a trace of someone else's"},
    {"--vs", OPTION_SPLIT, AT(split_at), NULL, NULL, 0, 0, MC_FOR_DIFF,
     "what follows is side B, with as many runs as there are"},
    {"--format", OPTION_CHOICE, AT(format), "text|json|html", "text", 0, 0, MC_FOR_DIFF,
     "how the report is written"},
    {"--output", OPTION_TEXT, AT(output), "FILE", NULL, 0, 0, MC_FOR_DIFF,
     "write the report there"},
    {"--from", OPTION_TEXT, AT(from_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF,
     "compare from there on: a time since the run, or its --mark, began, or a mark's label"},
    {"--to", OPTION_TEXT, AT(to_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF, "compare up to there"},
    {"--from-a", OPTION_TEXT, AT(from_a_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF,
     "--from of side A only"},
    {"--to-a", OPTION_TEXT, AT(to_a_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF, "--to of side A only"},
    {"--from-b", OPTION_TEXT, AT(from_b_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF,
     "--from of side B only"},
    {"--to-b", OPTION_TEXT, AT(to_b_text), "WHEN", NULL, 0, 0, MC_FOR_DIFF, "--to of side B only"},
    {"--mark", OPTION_TEXT, AT(mark), "LABEL", NULL, 0, 0, MC_FOR_DIFF,
     "compare from the first mark of this label on, or its span when it has one"},
    {"--mark-a", OPTION_TEXT, AT(mark_a), "LABEL", NULL, 0, 0, MC_FOR_DIFF,
     "--mark of side A only"},
    {"--mark-b", OPTION_TEXT, AT(mark_b), "LABEL", NULL, 0, 0, MC_FOR_DIFF,
     "--mark of side B only"},
    {"--align", OPTION_CHOICE, AT(align), "clock|first-request|requests|mark", "clock", 0, 0,
     MC_FOR_DIFF, "what belongs together in time"},
    {"--min-effect", OPTION_TEXT, AT(min_effect), "PCT", "5", 0, 0, MC_FOR_DIFF,
     "call nothing different that differs by less"},
    {"--fail-on", OPTION_TEXT, AT(fail_on), "LIST", NULL, 0, 0, MC_FOR_DIFF,
     "exit 1 only when one of these holds: p99>5%,leak,worse"},
    {"--exact", OPTION_FLAG, AT(exact), NULL, NULL, 0, 0, MC_FOR_DIFF,
     "read every frame of long runs too"},
    {"--all", OPTION_FLAG, AT(all), NULL, NULL, 0, 0, MC_FOR_DIFF, "show what is the same too"},
    {"--ready-fd", OPTION_COUNT, AT(ready_fd), "FD", NULL, 0, 1 << 20, MC_FOR_SERVE, NULL},
};
#define OPTION_COUNT_ALL (sizeof(options) / sizeof(options[0]))

struct unit {
    const char *text;
    double factor;
};

static int parse_scaled(const char *text, const struct unit *units, int64_t *out)
{
    char *end;
    /* strtod would also take hexadecimal, "inf", a sign and blanks. */
    if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X')
        return MC_EINVAL;
    errno = 0;
    double number = strtod(text, &end);
    for (const struct unit *u = units; errno == 0 && u->text != NULL; u++) {
        if (strcasecmp(end, u->text) != 0)
            continue;
        double value = number * u->factor;
        if (!isfinite(value) || value > 9e18)
            return MC_EINVAL;
        *out = (int64_t)llround(value);
        return 0;
    }
    return MC_EINVAL;
}

int mc_size_parse(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        {"", 1},         {"B", 1},       {"K", 0x1p10},   {"KB", 0x1p10},  {"KiB", 0x1p10},
        {"M", 0x1p20},   {"MB", 0x1p20}, {"MiB", 0x1p20}, {"G", 0x1p30},   {"GB", 0x1p30},
        {"GiB", 0x1p30}, {"T", 0x1p40},  {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0},
    };
    if (strcmp(text, "unlimited") == 0) {
        *bytes = INT64_MAX;
        return 0;
    }
    return parse_scaled(text, units, bytes);
}

int mc_duration_parse(const char *text, int64_t *ns)
{
    static const struct unit units[] = {
        {"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9}, {"m", 60e9},
        {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {NULL, 0},
    };
    if (strcmp(text, "forever") == 0) {
        *ns = INT64_MAX;
        return 0;
    }
    return parse_scaled(text, units, ns);
}

int mc_moment_parse(const char *text, int64_t *ts)
{
    if (strcmp(text, "begin") == 0 || strcmp(text, "end") == 0) {
        *ts = text[0] == 'b' ? INT64_MIN : INT64_MAX;
        return 0;
    }
    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
        errno = 0;
        *ts = strtoll(text, NULL, 10);
        return errno == 0 ? 0 : MC_EINVAL;
    }
    int64_t sum = 0;
    do {
        char part[64];
        size_t bytes = strspn(text, "0123456789.");
        bytes += strcspn(text + bytes, "0123456789.");
        int64_t ns;
        if (bytes >= sizeof(part))
            return MC_EINVAL;
        memcpy(part, text, bytes);
        part[bytes] = '\0';
        if (strcmp(part, "forever") == 0 || mc_duration_parse(part, &ns) != 0 ||
            __builtin_add_overflow(sum, ns, &sum))
            return MC_EINVAL;
        text += bytes;
    } while (*text != '\0');
    *ts = sum;
    return 0;
}

int mc_address_parse(const char *text, char *out, size_t out_bytes)
{
    const char *colon = strrchr(text, ':');
    const char *port = colon != NULL ? colon + 1 : text;
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] != '\0' || atoi(port) > 65535)
        return MC_EINVAL;
    char host[64];
    size_t host_bytes = colon != NULL ? (size_t)(colon - text) : 0;
    if (host_bytes >= sizeof(host))
        return MC_EINVAL;
    memcpy(host, text, host_bytes);
    host[host_bytes] = '\0';
    if (host_bytes == 0 || strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    unsigned char binary[16];
    size_t last = strlen(host) - 1;
    if (host[0] == '[' && host[last] == ']') {
        host[last] = '\0';
        if (inet_pton(AF_INET6, host + 1, binary) != 1)
            return MC_EINVAL;
        host[last] = ']';
    } else if (inet_pton(AF_INET, host, binary) != 1) {
        return MC_EINVAL;
    }
    int written = snprintf(out, out_bytes, "%s:%d", host, atoi(port));
    return written > 0 && (size_t)written < out_bytes ? 0 : MC_EINVAL;
}

int mc_address_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

static int is_choice(const char *value, const char *choices)
{
    size_t bytes = strlen(value);
    for (const char *at = choices; bytes > 0 && at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, value, bytes) == 0 && (at[bytes] == '|' || at[bytes] == '\0'))
            return 1;
    }
    return 0;
}

static int host_add(const char **hosts, const char *name)
{
    size_t count = 0;
    while (hosts[count] != NULL)
        count++;
    if (count == MC_HOSTS_MAX || name[0] == '\0')
        return MC_EINVAL;
    hosts[count] = name;
    return 0;
}

/* Store one value; 0, or MC_EINVAL. */
static int option_set(const struct option *o, char *value, struct mc_settings *s)
{
    void *place = (char *)s + o->place;
    int64_t number = 0;
    char *end;
    switch (o->type) {
    case OPTION_FLAG:
        *(int64_t *)place = 1;
        return 0;
    case OPTION_SPLIT:
        *(int64_t *)place = s->arg_count + 1;
        return 0;
    case OPTION_TEXT:
        *(const char **)place = value;
        return value[0] != '\0' ? 0 : MC_EINVAL;
    case OPTION_CHOICE:
        *(const char **)place = value;
        return is_choice(value, o->value_name) ? 0 : MC_EINVAL;
    case OPTION_CLOCK:
        *(int64_t *)place = strcmp(value, "ns") == 0;
        return is_choice(value, o->value_name) ? 0 : MC_EINVAL;
    case OPTION_HOSTS:
        return host_add(place, value);
    case OPTION_MOMENT:
        return mc_moment_parse(value, place);
    case OPTION_ADDRESS:
        return mc_address_parse(value, place, sizeof(s->listen));
    case OPTION_COUNT:
        errno = 0;
        number = strtoll(value, &end, 10);
        if (errno != 0 || value[0] < '0' || value[0] > '9' || *end != '\0')
            return MC_EINVAL;
        break;
    case OPTION_SIZE:
        if (mc_size_parse(value, &number) != 0)
            return MC_EINVAL;
        break;
    case OPTION_TIME:
        if (mc_duration_parse(value, &number) != 0)
            return MC_EINVAL;
        break;
    }
    if (number < o->min || number > o->max)
        return MC_EINVAL;
    *(int64_t *)place = number;
    return 0;
}

static void complain(const struct mc_command *c, const struct option *o, const char *value)
{
    static const char *const wants[] = {
        [OPTION_TEXT] = "a text",
        [OPTION_COUNT] = "a whole number",
        [OPTION_SIZE] = "a size like 64M or 1GiB",
        [OPTION_TIME] = "a time with its unit, like 100ms or 24h",
        [OPTION_MOMENT] = "a time of the run, like 90s, 1m30s, or nanoseconds",
        [OPTION_ADDRESS] = "IP:PORT, like 127.0.0.1:8080 or [::1]:0",
        [OPTION_HOSTS] = "a name, at most 16 times",
    };
    const char *want =
        o->type == OPTION_CHOICE || o->type == OPTION_CLOCK ? o->value_name : wants[o->type];
    if (o->type == OPTION_COUNT && o->max < INT64_MAX)
        mc_say("%s: %s '%s': give a whole number from %lld to %lld", c->name, o->name, value,
               (long long)o->min, (long long)o->max);
    else
        mc_say("%s: %s '%s': give %s (%s); see memcam %s --help", c->name, o->name, value, want,
               o->help, c->name);
}

static const struct option *option_find(unsigned bit, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < OPTION_COUNT_ALL; i++)
        if ((options[i].commands & bit) != 0 && strlen(options[i].name) == name_bytes &&
            memcmp(options[i].name, name, name_bytes) == 0)
            return &options[i];
    return NULL;
}

/* Read the option at argv[*at] and step over it and its value. */
static int option_read(const struct mc_command *c, int argc, char **argv, int *at,
                       struct mc_settings *s)
{
    char *text = argv[*at];
    size_t name_bytes = strcspn(text, "=");
    const struct option *o = option_find(c->bit, text, name_bytes);
    if (o == NULL) {
        mc_say("%s: unknown option '%.*s'; see memcam %s --help", c->name, (int)name_bytes, text,
               c->name);
        return MC_EINVAL;
    }
    char *value = text[name_bytes] == '=' ? text + name_bytes + 1 : NULL;
    int takes_none = o->type == OPTION_FLAG || o->type == OPTION_SPLIT;
    if (takes_none && value != NULL) {
        mc_say("%s: %s takes no value", c->name, o->name);
        return MC_EINVAL;
    }
    if (!takes_none && value == NULL) {
        if (*at + 1 >= argc) {
            mc_say("%s: %s needs a value: %s", c->name, o->name, o->value_name);
            return MC_EINVAL;
        }
        value = argv[++*at];
    }
    int rc = option_set(o, value, s);
    if (rc != 0)
        complain(c, o, value);
    return rc;
}

static int settings_check(const struct mc_command *c, const struct mc_settings *s)
{
    if (s->arg_count < c->args_min)
        mc_say("%s: an argument is missing: memcam %s %s; see memcam %s --help", c->name, c->name,
               c->arguments, c->name);
    else if (s->arg_count > c->args_max)
        mc_say("%s: '%s' is one argument too many: memcam %s %s; see memcam %s --help", c->name,
               s->args[c->args_max], c->name, c->arguments, c->name);
    else if ((s->cert == NULL) != (s->key == NULL))
        mc_say("%s: --cert and --key go together: give both or none", c->name);
    else
        return 0;
    return MC_EINVAL;
}

/* One past what a command takes is kept too, to be named in the complaint. */
static void arg_add(struct mc_settings *s, char *arg)
{
    if (s->arg_count < MC_ARGS_MAX && s->arg_count <= s->command->args_max)
        s->args[s->arg_count++] = arg;
}

int mc_settings_parse(const struct mc_command *c, int argc, char **argv, struct mc_settings *out)
{
    *out = (struct mc_settings){.command = c, .given_count = argc, .given = argv};
    for (size_t i = 0; i < OPTION_COUNT_ALL; i++)
        if ((options[i].commands & c->bit) != 0 && options[i].fallback != NULL)
            option_set(&options[i], (char *)(uintptr_t)options[i].fallback, out);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            if (c->bit == MC_FOR_RECORD) {
                out->program = argv + i + 1;
                break;
            }
            while (++i < argc)
                arg_add(out, argv[i]);
            break;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            mc_settings_help(c);
            return MC_END;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            int rc = option_read(c, argc, argv, &i, out);
            if (rc != 0)
                return rc;
        } else {
            arg_add(out, argv[i]);
        }
    }
    if (out->cert != NULL)
        out->tls = 1;
    return settings_check(c, out);
}

void mc_settings_help(const struct mc_command *c)
{
    printf("usage: memcam %s %s\n\n%s.\n", c->name, c->arguments, c->summary);
    int any = 0;
    for (size_t i = 0; i < OPTION_COUNT_ALL; i++) {
        const struct option *o = &options[i];
        if ((o->commands & c->bit) == 0 || o->help == NULL)
            continue;
        char left[64];
        snprintf(left, sizeof(left), "%s %s", o->name, o->value_name != NULL ? o->value_name : "");
        printf("%s  %-30s %s", any++ ? "" : "\noptions:\n", left, o->help);
        if (o->fallback != NULL)
            printf(" (default %s)", o->fallback);
        putchar('\n');
    }
    printf("%s  %-30s %s\n\n%s", any ? "" : "\noptions:\n", "--help", "this text", c->details);
}
