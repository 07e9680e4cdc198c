"""test_doors.py: who may come in, on both ports: where they bind, Host, other sites, token."""
import http.client
import os
import ssl
import urllib.parse

import mc

APP = """
(import (scheme base) (memcam http))
(route 'GET "/hello" (lambda (req) (respond 200 "hello\\n")))
(route 'POST "/echo" (lambda (req) (respond 200 (request-body req))))
"""
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "busy_program.c")
MARK = {"ts": 0, "label": "x"}


def record(*options):
    process = mc.Record(*options, "--", mc.compile_program("busy", PROGRAM))
    process.others += process.children()
    if "--token-file" not in options:
        mc.wait_for("the run", lambda: mc.get(process.dash + "/api/runs").json()["runs"])
    return process


def status(url, **headers):
    return mc.get(url, {k.replace("_", "-"): v for k, v in headers.items()}).status


def refused(*args):
    code, out, err = mc.run(*args)
    mc.equal(code, 3, "exit status of %r (%s)" % (args, err))
    mc.equal(err.count("\n"), 1, "one line: " + err)
    return err


# ---- binding ----------------------------------------------------------------------------------

def test_other_machines_need_tls_and_token():
    program = mc.compile_program("busy", PROGRAM)
    mc.write("app.scm", APP)
    for address in ("0.0.0.0:0", "[::]:0"):
        refused("record", "--dash", address, "--store", mc.path("a.db"), "--", program)
        refused("record", "--dash", address, "--tls", "--store", mc.path("a.db"), "--token-file",
                mc.write("short", "x"), "--", program)
        err = refused("serve", mc.path("app.scm"), "--listen", address, "--dash", "127.0.0.1:0",
                      "--store", mc.path("b.db"))
        mc.check("token" in err.lower() or "tls" in err.lower(), "says what is missing: " + err)


def tls_get(url, path, headers):
    parts = urllib.parse.urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", parts.port, timeout=mc.SECONDS,
                                             context=context)
    connection.request("GET", path, None, headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body


def test_with_tls_and_token_other_machines_may():
    token = "0123456789abcdef0123456789abcdef"
    path = mc.write("token", token + "\n")
    os.chmod(path, 0o600)
    program = mc.compile_program("busy", PROGRAM)
    process = mc.Process([mc.MEMCAM, "record", "--dash", "0.0.0.0:0", "--tls", "--token-file", path,
                          "--store", mc.path("t.db"), "--", program])
    process.dash, = process.line(r"dashboard (\S+)")
    process.others += process.children()
    mc.check(process.dash.startswith("https://"), "the URL says https: " + process.dash)
    mc.equal(tls_get(process.dash, "/healthz", {})[0], 401, "without a token")
    bearer = {"authorization": "Bearer " + token}
    mc.equal(tls_get(process.dash, "/healthz", bearer)[0], 200, "with it")
    answer = tls_get(process.dash, "/?token=" + token, {})
    mc.equal(answer[0], 303, "the token in the page's URL is swapped")
    mc.check("secure" in answer[1]["set-cookie"].lower(), "for a cookie that needs TLS")
    try:
        clear = mc.get(process.dash.replace("https", "http") + "/healthz", bearer)
    except (http.client.HTTPException, OSError):
        return
    mc.check(clear.status >= 400, "clear text was answered with %d" % clear.status)


# ---- names and other sites --------------------------------------------------------------------

def hosts_are_checked(url, path):
    port = urllib.parse.urlsplit(url).port
    for host in ("127.0.0.1:%d" % port, "localhost:%d" % port, "localhost", "[::1]:%d" % port):
        mc.equal(status(url + path, host=host), 200, "status for Host " + host)
    for host in ("evil.example", "evil.example:%d" % port, "127.0.0.1.evil.example", "8.8.8.8",
                 "localhost.evil.example", ""):
        mc.equal(status(url + path, host=host), 421, "status for Host %r" % host)


def test_host_on_the_dashboard():
    hosts_are_checked(record().dash, "/healthz")


def test_host_on_the_app():
    hosts_are_checked(mc.Serve(APP).app, "/hello")


def test_names_may_be_allowed():
    process = record("--host", "box.example")
    mc.equal(status(process.dash + "/healthz", host="box.example"), 200, "the allowed name")
    mc.equal(status(process.dash + "/healthz", host="fox.example"), 421, "another")


def test_other_sites():
    process = record()
    for site in ("cross-site", "same-site"):
        for path in ("/api/runs", "/healthz", "/metrics", "/assets/main.js"):
            mc.equal(status(process.dash + path, sec_fetch_site=site), 403, site + " " + path)
        mc.equal(status(process.dash + "/api/runs", sec_fetch_site=site, sec_fetch_mode="navigate"),
                 403, site + " navigation to the API")
        mc.equal(status(process.dash + "/", sec_fetch_site=site, sec_fetch_mode="no-cors"), 403,
                 site + " embedding the page")
        page = status(process.dash + "/", sec_fetch_site=site, sec_fetch_mode="navigate",
                      sec_fetch_dest="document")
        mc.check(page in (200, 404), "a link to the page may be followed: %d" % page)
    for site in ("same-origin", "none"):
        mc.equal(status(process.dash + "/api/runs", sec_fetch_site=site), 200, site)


def test_other_origins():
    process = record()
    mc.Stream(process.dash + "/api/runs/1/stream").until("keyframe")
    url = process.dash + "/api/runs/1/marks"
    for origin in ("http://evil.example", "null", "https" + process.dash[4:],
                   process.dash + ".evil.example", process.dash[:-1]):
        mc.equal(mc.post(url, MARK, {"origin": origin}).status, 403, "status for Origin " + origin)
        mc.equal(mc.post(process.dash + "/api/query", {"sql": "select 1"}, {"origin": origin}).status,
                 403, "status for Origin " + origin)
    mc.equal(mc.post(url, MARK, {"origin": process.dash}).status, 201, "our own")
    mc.equal(mc.post(url, MARK).status, 201, "none: no browser")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        mc.equal(mc.request("POST", url, '{"ts":0,"label":"x"}', {"content-type": kind}).status, 415,
                 "what a form can send: " + kind)


def test_no_answer_is_for_other_sites():
    process = record()
    for path, want in (("/", None), ("/api/runs", 200), ("/none", 404), ("/healthz", 200),
                       ("/api/runs/9/state", 404), ("/metrics", 200), ("/api/runs/1/stream?speed=0", 400)):
        answer = mc.get(process.dash + path, {"origin": "http://evil.example"})
        if want:
            mc.equal(answer.status, want, "status of " + path)
        headers = answer.headers
        mc.check(not any(name.startswith("access-control") for name in headers), "no CORS: " + path)
        mc.check("default-src 'none'" in headers["content-security-policy"], "CSP of " + path)
        mc.check("frame-ancestors 'none'" in headers["content-security-policy"], "framing of " + path)
        mc.equal(headers["x-content-type-options"], "nosniff", "sniffing of " + path)
        mc.equal(headers["referrer-policy"], "no-referrer", "referrer of " + path)
        mc.equal(headers["cross-origin-resource-policy"], "same-origin", "resource policy of " + path)
    for path, headers, want in (("/", {"host": "evil.example"}, 421),
                                ("/", {"sec-fetch-site": "cross-site"}, 403), ("/%zz", {}, 400)):
        answer = mc.get(process.dash + path, headers)
        mc.equal(answer.status, want, "status of %s %s" % (path, headers))
        mc.check("default-src 'none'" in answer.headers["content-security-policy"], "CSP of a %d" % want)
    preflight = mc.request("OPTIONS", process.dash + "/api/query", None, {
        "origin": "http://evil.example", "access-control-request-method": "POST"})
    mc.check(preflight.status in (403, 405), "a preflight gets %d" % preflight.status)


def test_app_keeps_to_its_origin():
    process = mc.Serve(APP + '''
(route 'GET "/own" (lambda (req) (respond 200 "own\\n" '((Content-Security-Policy . "default-src https:")))))''')
    for path, want in (("/hello", 200), ("/none", 404)):
        answer = mc.get(process.app + path)
        mc.equal(answer.status, want, "status of " + path)
        for part in ("default-src 'self'", "frame-ancestors 'none'"):
            mc.check(part in answer.headers["content-security-policy"], "%s of %s" % (part, path))
        mc.equal(answer.headers["x-content-type-options"], "nosniff", "sniffing of " + path)
    mc.equal(mc.get(process.app + "/own").headers["content-security-policy"], "default-src https:",
             "an app's own policy stands alone")
    for site in ("cross-site", "same-site"):
        mc.equal(status(process.app + "/hello", sec_fetch_site=site), 403, site)
    for site in ("same-origin", "none"):
        mc.equal(status(process.app + "/hello", sec_fetch_site=site), 200, site)
    echo = process.app + "/echo"
    mc.equal(mc.post(echo, "x", {"origin": "http://evil.example"}).status, 403, "another origin")
    mc.equal(mc.post(echo, "x", {"origin": process.app}).status, 200, "its own")


def test_token_of_the_app():
    path = mc.path("app.token")
    process = mc.Serve(APP, "--token-file", path)
    with open(path) as f:
        token = f.read().strip()
    for url in (process.app + "/hello", process.dash + "/api/runs"):
        mc.equal(mc.get(url).status, 401, url + " without token")
        mc.equal(mc.get(url, {"authorization": "Bearer " + token}).status, 200, url + " with it")


# ---- the token --------------------------------------------------------------------------------

def test_token():
    path = mc.path("made.token")
    process = record("--token-file", path)
    mc.equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the token's file")
    with open(path) as f:
        token = f.read().strip()
    mc.check(len(token) >= 32, "a token that can't be guessed")
    url = process.dash + "/api/runs"
    for headers in ({}, {"authorization": "Bearer " + token[:-1]}, {"authorization": "Bearer"},
                    {"authorization": "Basic " + token}, {"cookie": "memcam_token=x"},
                    {"authorization": "Bearer " + token + "x"}):
        mc.equal(mc.get(url, headers).status, 401, "status for %r" % headers)
    mc.equal(mc.get(url + "?token=" + token).status, 401, "the URL is good for the page only")
    for what in ("/", "/assets/main.js", "/metrics", "/healthz", "/api/runs/1/stream"):
        mc.equal(mc.get(process.dash + what).status, 401, what + " without token")
    mc.equal(mc.get(url, {"authorization": "Bearer " + token}).status, 200, "with the token")
    swap = mc.get(process.dash + "/?token=" + token)
    mc.equal(swap.status, 303, "the token in the page's URL is swapped")
    cookie = swap.headers["set-cookie"]
    mc.check("httponly" in cookie.lower() and "samesite=strict" in cookie.lower(), cookie)
    mc.check(token not in swap.headers["location"], "and taken out of it")
    mc.equal(mc.get(url, {"cookie": "a=b; " + cookie.split(";")[0]}).status, 200, "with the cookie")
    mc.equal(mc.get(process.dash + "/?token=wrong").status, 401, "a wrong token")


def test_methods():
    process = record()
    for method, path, allow in (("POST", "/", "GET"), ("PUT", "/api/runs", "GET"),
                                ("GET", "/api/query", "POST"), ("DELETE", "/api/runs/1/marks", "POST"),
                                ("POST", "/api/runs/1/state", "GET"), ("POST", "/metrics", "GET")):
        answer = mc.request(method, process.dash + path, b"{}",
                            {"content-type": "application/json"})
        mc.equal(answer.status, 405, "%s %s" % (method, path))
        mc.check(allow in answer.headers["allow"], "Allow of %s: %s" % (path, answer.headers["allow"]))
    for path in ("/api", "/api/", "/api/runs/", "/api/runs/1", "/api/runs/1/", "/api/runs/1/none",
                 "/assets/none.js", "/assets/", "/assets/../main.js", "/favicon.ico", "//"):
        answer = mc.get(process.dash + path)
        mc.equal(answer.status, 404, path)
        mc.check(answer.json()["error"], "says so as JSON")


if __name__ == "__main__":
    mc.main()
