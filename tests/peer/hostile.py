#!/usr/bin/python3 -B
"""Attacks through every route of the server's own table, so that a new route is attacked by itself.

usage: hostile.py ATTACK URL SOCK DESCRIPTION (house.py)"""
import json
import re
import socket
import time
import urllib.parse

from house import BEGIN, ROUTES, URL, WORDS, Person, Tenant, ask, check, must, open_stream, run_attack


def body_for(route):
    """A body as the route wants it, so that nothing but the caller is wrong; None: it takes none."""
    schema = route.get("schema")
    if not isinstance(schema, dict):
        return None if not schema and route["method"] == "GET" else {}
    values = {"string": "x", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    out = {}
    for name in schema.get("required", []):
        p = schema["properties"][name]
        out[name] = p["enum"][0] if "enum" in p else values.get(p.get("type"), "x")
    return out


def changes():
    return [r for r in ROUTES if r["method"] != "GET"]


# What anybody may ask. A new one is a decision: say here that it was made.
OPEN = """GET /health; GET /ready; GET /openapi.json; GET /auth/settings; GET /auth/oidc; GET /auth/oidc/callback;
    POST /auth/setup; POST /auth/register; POST /auth/login; POST /auth/refresh; POST /auth/password/forgot;
    POST /auth/password/reset; POST /auth/email/verify; POST /auth/invite"""


def attack_anonymous():
    """Rows 1, 10, 20: without credentials 401 before the body is read, with the headers of every response; other methods 405."""
    opened = {f"{r['method']} {r['path'].replace(BEGIN, '')}" for r in ROUTES if r["who"] == "anyone"}
    wanted = {" ".join(o.split()) for o in OPEN.split(";")}
    check(opened == wanted, f"open to anybody: {sorted(opened ^ wanted)}")
    tried = 0
    for r in ROUTES:
        path = re.sub(r"\{[^}]*\}", "x", r["path"])
        with socket.create_connection((URL.hostname, URL.port), timeout=30) as s:
            # The body that is told of never comes: who waits for it does not answer.
            length = "Content-Type: application/json\r\nContent-Length: 1000\r\n" if r["method"] != "GET" else ""
            if r["who"] == "anyone":
                continue
            s.sendall(f"{r['method']} {path} HTTP/1.1\r\nHost: {URL.netloc}\r\n{length}\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                piece = s.recv(65536)
                check(piece, f"{r['name']}: no answer")
                head += piece
        text = head.decode().lower()
        check(text.startswith("http/1.1 401 "), f"{r['name']}: {head[:60]}")
        for line in ("content-security-policy: ", "x-content-type-options: nosniff", "referrer-policy: "):
            check(f"\r\n{line}" in text, f"{r['name']}: no {line}")
        policy = re.search(r"content-security-policy: ([^\r]*)", text).group(1)
        check("frame-ancestors 'none'" in policy and "unsafe" not in policy, f"{r['name']}: {policy}")
        tried += 1
    for path in {r["path"] for r in ROUTES}:
        have = {r["method"] for r in ROUTES if r["path"] == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS"} - have:
            if method == "CONNECT":
                continue
            # what a path with a word in its place would match is asked where it is another route's
            real = re.sub(r"\{[^}]*\}", "0-0", path)
            others = [o for o in ROUTES if o["method"] == method and re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", o["path"]), real)]
            if others:
                continue
            status, head, _ = ask(method, real, token="x")
            check(status == 405 and head.get("allow"), f"{method} {real}: {status}")
            tried += 1
    for path in ("/debug", "/debug/pprof", "/debug/vars", "/api/v1/debug", "/metrics", "/api/v1/metrics", "/server-status", "/.env",
                 "/.git/config", "/api/v1/admin"):
        status, _, data = ask("GET", path)
        page = status == 200 and data == ask("GET", "/")[2]  # the page in which people look around
        check(status == (401 if path == "/metrics" else 404) or page and "/api/" not in path, f"{path}: {status}")
    print(f"{tried} asked without credentials, {len(opened)} are open")


def attack_tenants():
    """Row 2: every route with another's ids is 404, and changes nothing; so it is for a key of another project of theirs."""
    ann, bob = Tenant("ann"), Person("bob", "member")
    other = must(201, "POST", "/projects", {"name": "another"}, token=ann.token)["id"]
    strangers = {"another person": bob.token, "a key of another project": ann.key(["read", "write", "admin"], project=other)}
    before, tried, noted = ann.state(), 0, []
    for who, token in strangers.items():
        got = open_stream("ws", token, f"run/{ann.run}")[1]
        check(b'"not_found"' in got and b'"following"' not in got, f"a WebSocket of {who}: {got}")
        for method, path, body in (
                ("POST", "/runs", {"mode": "asking", "project": ann.project}),
                ("POST", "/runs/estimate", {"mode": "asking", "project": ann.project}),
                ("GET", f"/runs?project={ann.project}", None), ("GET", f"/actions?project={ann.project}", None),
                ("GET", f"/usage?group=run&project={ann.project}", None),
                ("GET", f"/events?stream=run/{ann.run}", None), ("GET", f"/events?stream=project/{ann.project}", None),
                ("GET", f"/events?stream=person/{bob.id if token != bob.token else ann.id}", None),
                ("GET", "/events?stream=house", None)):
            status, _, data = ask(method, BEGIN + path, body, token=token)
            check(status == 404, f"{method} {path} by {who}: {status}: {data}")
            tried += 1
            noted.append(BEGIN + path.split("?")[0])
        for r in ROUTES:
            if "{" not in r["path"] or r["path"].endswith(("/modes/{mode}", "/roles/{role}")) and r["method"] == "GET":
                continue
            status, _, data = ask(r["method"], ann.path(r), body_for(r), token=token)
            # What belongs to the installation, and not to a tenant, may not be done; a key of one project is not the person.
            inside = "{project}" in r["path"] or "{run}" in r["path"]
            wanted = (404,) if inside or r["who"] == "known" and who == "another person" else (403, 404)
            check(status in wanted, f"{r['name']} by {who}: {status}: {data}")
            tried += 1
            noted += [r["path"]] if status == 404 else []
    status, _, data = ask("POST", BEGIN + "/keys", {"name": "x", "scopes": ["read"], "project": ann.project}, token=bob.token)
    check(status == 404, f"a key for another's project: {status}: {data}")
    check(ann.state() == before, "something of hers has changed")
    for path in ("/runs", "/projects", "/actions", "/usage", "/budgets", "/invites"):
        status, _, data = ask("GET", BEGIN + path, token=bob.token)
        text = json.dumps(data)
        check(status in (200, 403) and ann.project not in text and ann.run not in text, f"{path}: {status}: {text}")
    # Each is in the audit, as far as it writes so many in a minute.
    seen = {(a["what"], a["object"]) for a in must(200, "GET", f"/audit?who={bob.id}&limit=1000", local=True)}
    missing = [p for p in [BEGIN + "/ws"] + noted[:25] if ("not_found", p) not in seen]
    check(not missing, f"not in the audit: {missing}")
    # And all of them are there for her: what is refused above is refused because of who asks.
    for r in sorted(ROUTES, key=lambda r: (r["method"] == "DELETE", r["path"].count("/") * -1)):
        if "{" not in r["path"] or r["who"] in ("admin", "owner") and "{project}" not in r["path"] and "{run}" not in r["path"]:
            continue
        if r["path"].endswith(("/{session}", "/{project}")) and r["method"] == "DELETE" or "{project}/members/{person}" in r["path"]:
            continue
        if any(f"{{{name}}}" in r["path"] for name in re.findall(r"\{([^}]*)\}", r["path"])
               if (r["path"].split("/")[3] if name == "id" else name) not in ann.things):
            continue
        status, _, data = ask(r["method"], ann.path(r), body_for(r), token=ann.token)
        check(status not in (401, 403, 404), f"{r['name']} by herself: {status}: {data}")
    print(f"{tried} with what another has")


def attack_viewer():
    """Row 4: a viewer, of the installation or of the project, changes nothing; nor does a key that may only read; and nobody is
    more for saying so."""
    ann = Tenant("ann")
    eve, vic = Person("eve", "viewer"), Person("vic", "member")
    for p in (eve, vic):
        must(204, "PUT", f"/projects/{ann.project}/members/{p.id}", {"role": "viewer"}, token=ann.token)
        must(200, "GET", f"/runs/{ann.run}", token=p.token)
    must(403, "POST", "/keys", {"name": "x", "scopes": ["admin"]}, token=ann.key(["read", "write"]))
    callers = {"a viewer": eve.token, "a viewer of the project": vic.token,
               "a viewer's key with all scopes": eve.key(["read", "write", "admin"]),
               "a key that may read": ann.key(["read"])}
    claims = {"X-User-Role": "owner", "X-Scopes": "admin", "X-User-Id": ann.id, "X-Remote-User": ann.id, "X-Muster-Role": "owner",
              "X-HTTP-Method-Override": "GET"}
    before, tried = ann.state(), 0
    for who, token in callers.items():
        for r in changes():
            if r["who"] == "anyone":
                continue
            own = r["who"] == "known" and re.match(r"/api/v1/(auth|keys|push|me)\b", r["path"])
            if own and who != "a key that may read":  # what belongs to the viewer
                continue
            # one's own project in the house is a member's right, and so is what follows from it
            if who == "a viewer of the project" and r["path"] in ("/api/v1/projects", "/api/v1/projects/import"):
                continue
            body = body_for(r)
            if body is not None and "project" in body:
                body["project"] = ann.project
            if body is not None and "mode" in body:
                body["mode"] = "asking"
            status, _, data = ask(r["method"], ann.path(r), body, token=token, headers=claims)
            if r["path"].endswith("/runs/estimate") and status == 200:  # it changes nothing
                continue
            unseen = status == 404 and r["path"].endswith("/invites/{invite}")  # another's invitation is not there
            check(status == 403 or unseen, f"{r['name']} by {who}: {status}: {data}")
            tried += 1
    for body in ({"role": "owner"}, {"name": "x", "role": "owner"}, {"scopes": ["admin"]}):
        must(400, "PATCH", "/auth/me", body, token=eve.token)
    check(ann.state() == before, "something has changed")
    me = must(200, "GET", "/auth/me", token=callers["a viewer's key with all scopes"])
    check(me["role"] == "viewer", f"the key says {me}")
    print(f"{tried} changes refused")


def attack_sql():
    """Row 18: filters, orders and cursors are no SQL: 400 where they are no value, no row that is not meant, never 5xx."""
    ann = Tenant("ann")
    evil = ["'", "1' OR '1'='1", "1; DROP TABLE events--", "x' UNION SELECT data FROM events--", "%", "\"", "\\", "1)) OR ((1=1",
            "0x1", "1e9", "-1", "null", "%c0%a7", "\u0000"]
    tried, rows = 0, len(must(200, "GET", "/projects", local=True))
    for r in ROUTES:
        if r["method"] != "GET" or r["path"].endswith(("/events", "/ws", "/callback", "/auth/oidc")):
            continue
        path = ann.path(r)
        for e in evil:
            for name in ("sort", "order", "order_by", e or "x"):
                if name in ((r.get("query") or {}).get("properties") or {}):
                    continue
                status, _, data = ask("GET", f"{path}?{urllib.parse.quote(name)}={urllib.parse.quote(e)}", local=True)
                check(status in (400,), f"{path}?{name}={e}: {status}: {data}")
                tried += 1
            for name, p in ((r.get("query") or {}).get("properties") or {}).items():
                value = e if e == "%c0%a7" else urllib.parse.quote(e)
                status, _, data = ask("GET", f"{path}?{name}={value}", local=True)
                free = p.get("type") == "string" and "enum" not in p and name not in ("cursor", "after", "from", "to", "group")
                check(status == 400 or free and status in (200, 404) and (data in ([], {}) or isinstance(data, bytes) and data.count(b"\n") <= 1) or free and status == 404
                      or free and name in ("q",) and status == 200
                      or p.get("type") in ("integer", "number") and e in ("-1", "1e9") and status in (200, 400),
                      f"{path}?{name}={e}: {status}: {str(data)[:300]}")
                tried += 1
    check(len(must(200, "GET", "/projects", local=True)) == rows, "there are other projects than before")
    print(f"{tried} parameters")


def attack_credentials():
    """Row 3: a key is the same by header and by cookie, and none in the query; two do not add up."""
    ann, bob = Person("ann", "member"), Person("bob", "member")
    project = must(201, "POST", "/projects", {"name": "p"}, token=ann.token)["id"]
    key = ann.key(["read"])
    by_header = must(200, "GET", "/auth/me", token=key)
    status, _, by_cookie = ask("GET", BEGIN + "/auth/me", headers={"Cookie": f"muster={key}"})
    check(status in (200, 401), f"by cookie: {status}")
    check(status == 401 or {**by_cookie, "csrf": 0} == {**by_header, "csrf": 0}, f"{by_cookie} is not {by_header}")
    for name in ("token", "key", "access_token", "api_key", "muster", "Authorization"):
        status, _, _ = ask("GET", f"{BEGIN}/auth/me?{name}={key}")
        check(status == 401, f"?{name}=: {status}")
        status, _, _ = ask("GET", f"{BEGIN}/auth/me?{name}={key}", token=ann.token)
        check(status == 400, f"?{name}= beside a header: {status}")
        status, _, _ = ask("GET", f"{BEGIN}/projects/{project}?{name}={key}", token=bob.token)
        check(status == 404, f"?{name}= beside another's header: {status}")
    status, _, _ = ask("GET", f"{BEGIN}/projects/{project}", token=bob.token, headers={"Cookie": f"muster={ann.token}"})
    check(status == 404, f"the header counts, not the cookie beside it: {status}")
    for value in (key, f"Basic {key}", f"bearer{key}", f"Bearer  {key}x", "Bearer", "Bearer ", f"Bearer {key},{ann.token}"):
        status, _, _ = ask("GET", BEGIN + "/auth/me", headers={"Authorization": value})
        check(status == 401, f"Authorization: {value.replace(key, 'KEY')}: {status}")
    print("a key by header, cookie, query")


def attack_tokens():
    """Rows 5, 6: no account is there by itself; tokens that are null, empty, absent, wrong or used are 400, and change nothing."""
    check(must(200, "GET", "/people", local=True) == [], "somebody is there already")
    ann = Tenant("ann")
    new = {"name": "new", "email": "new@example.org", "password": WORDS + " again"}
    invite = must(201, "POST", "/invites", {"role": "member"}, local=True)["token"]
    to_project = must(201, "POST", f"/projects/{ann.project}/invites", {"project_role": "owner"}, token=ann.token)["token"]
    must(204, "POST", "/auth/password/forgot", {"email": "ann@example.org"})
    link = must(200, "GET", "/auth/links", local=True)[0]["token"]
    eve, before, tried = Person("eve", "member"), ann.state(), 0
    wrong = [None, "", " ", 0, False, [], {}, "x", "null", "undefined", invite[:-1], invite.upper(), link + "x", "' OR 1=1--"]
    for path, body, token in (("/auth/invite", new, None), ("/auth/password/reset", {"password": WORDS + " again"}, None),
                              ("/auth/email/verify", {}, None), ("/auth/join", {}, eve.token),
                              ("/auth/setup", new, None)):
        for value in wrong:
            must(400, "POST", path, {**body, "token": value}, token=token)
            tried += 1
        must(400, "POST", path, body, token=token)
        must(400, "POST", path + "?token=" + link, body, token=token)
    for path, token in (("/auth/password/reset", invite), ("/auth/invite", link), ("/auth/email/verify", link), ("/auth/email/verify", invite)):
        body = {"token": token, **(new if path.endswith("invite") else {"password": WORDS + " again"} if path.endswith("reset") else {})}
        must(400, "POST", path, body)  # each is for one thing
    must(400, "POST", "/auth/join", {"token": link}, token=eve.token)
    check(ann.state() == before, "something has changed")
    must(201, "POST", "/auth/invite", {**new, "token": invite})
    must(400, "POST", "/auth/invite", {**new, "email": "newer@example.org", "token": invite})
    must(204, "POST", "/auth/password/reset", {"token": link, "password": WORDS + " again"})
    must(400, "POST", "/auth/password/reset", {"token": link, "password": WORDS + " once more"})
    must(204, "POST", "/auth/join", {"token": to_project}, token=eve.token)
    must(400, "POST", "/auth/join", {"token": to_project}, token=eve.token)
    for name in ("admin", "root", "muster", "admin@example.org", "owner", ""):
        for password in ("admin", "password", "muster", "changeme", ""):
            status, _, _ = ask("POST", BEGIN + "/auth/login", {"email": name, "password": password})
            check(status in (400, 401, 429), f"{name}, {password}: {status}")
    print(f"{tried} tokens that are none")


def attack_guessing():
    """Row 7: who there is shows neither in words nor in time; guesses are slowed down; nobody is locked out."""
    Person("ann", "member")
    took = {"ann": [], "nobody": []}
    said = set()
    for _ in range(3):
        for name in took:
            begin = time.monotonic()
            status, head, data = ask("POST", BEGIN + "/auth/login", {"email": f"{name}@example.org", "password": "a wrong word"})
            took[name].append(time.monotonic() - begin)
            check(status == 401, f"{name}: {status}")
            said.add((json.dumps(data, sort_keys=True), head["content-length"]))
    check(len(said) == 1, f"who there is shows: {said}")
    known, unknown = min(took["ann"]), min(took["nobody"])
    check(known / 4 < unknown < known * 4, f"who there is shows: {known * 1000:.0f} ms and {unknown * 1000:.0f} ms")
    for name in took:
        answers = [ask("POST", BEGIN + "/auth/login", {"email": f"{name}@example.org", "password": "a wrong word"}) for _ in range(20)]
        slow = [a for a in answers if a[0] == 429]
        check(slow and all(int(a[1]["retry-after"]) > 0 for a in slow), f"{name}: {[a[0] for a in answers]}")
    begin = time.monotonic()
    while True:
        status, _, _ = ask("POST", BEGIN + "/auth/login", {"email": "ann@example.org", "password": WORDS})
        if status == 200:
            break
        check(status == 429 and time.monotonic() - begin < 100, f"locked out: {status}")
        time.sleep(0.5)
    forgot = {ask("POST", BEGIN + "/auth/password/forgot", {"email": f"{n}@example.org"})[0] for n in took}
    check(forgot == {204}, f"forgotten: {forgot}")
    print(f"known {known * 1000:.0f} ms, unknown {unknown * 1000:.0f} ms")


def attack_origins():
    """Rows 10, 11, 17: what a page of another site can send is refused, at HTTP, SSE and WebSocket; so are other names and types."""
    ann = Tenant("ann")
    host = URL.netloc
    foreign = ["null", "", "http://evil.example", f"http://{host}.evil.example", f"http://evil.example/{host}", f"https://{host}",
               f"http://{URL.hostname}:1", f"http://{URL.hostname}", f"http://x{host}", f"http://{host}@evil.example", "file://",
               f"http://{host}, http://evil.example", "chrome-extension://x"]
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    tried = 0
    asked = [("GET", "/api/v1/projects", None, {}), ("POST", "/api/v1/projects", {"name": "x"}, {}), ("GET", "/api/v1/openapi.json", None, {}),
             ("GET", f"/api/v1/events?stream=run/{ann.run}", None, {}), ("GET", "/api/v1/ws", None, upgrade),
             ("GET", f"/api/v1/runs/{ann.run}/events?follow=1", None, {}), ("POST", "/api/v1/auth/login", {"email": "x", "password": "y"}, {})]
    before = ann.state()
    for method, path, body, more in asked:
        for origin in foreign:
            status, _, data = ask(method, path, body, token=ann.token, headers={"Origin": origin, **more})
            check(status == 403, f"{method} {path} from {origin!r}: {status}: {data}")
            tried += 1
        for site in ("cross-site", "same-site"):
            status, _, _ = ask(method, path, body, token=ann.token, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", **more})
            check(status == 403, f"{method} {path} from {site}: {status}")
        for name in ("evil.example", f"evil.example:{URL.port}", f"{host}.evil.example", f"x{host}"):
            status, _, _ = ask(method, path, body, token=ann.token, headers={"Host": name, **more})
            check(status == 421, f"{method} {path} at {name}: {status}")
            tried += 1
    status, _, _ = ask("POST", "/api/v1/projects", {"name": "x"}, token=ann.token, headers={"Origin": f"http://{host}"})
    check(status == 201, f"from its own page: {status}")
    must(200, "DELETE", "/projects/" + max(must(200, "GET", "/projects", token=ann.token), key=lambda p: p["created"])["id"], token=ann.token)
    for r in changes():
        if not isinstance(r.get("schema"), dict) or r["path"].endswith("/import"):
            continue
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx",
                     "text/plain; application/json", ""):
            status, _, data = ask(r["method"], ann.path(r), b"{}", token=ann.token, headers={"Content-Type": kind})
            known = status in (403, 404) and r["who"] in ("admin", "owner", "local")  # before the body is looked at
            check(status == 415 or known, f"{r['name']} as {kind!r}: {status}: {data}")
            tried += 1
    after = ann.state()
    check(before[:9] == after[:9], "something has changed")
    print(f"{tried} requests of other sites, names and types")


def attack_claims():
    """Row 19: what a client says of itself in headers that proxies write is not believed."""
    ann, eve = Tenant("ann"), Person("eve", "viewer")
    claims = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Real-IP": "10.9.8.7",
              "Forwarded": "for=10.9.8.7;host=evil.example;proto=https", "X-User-Id": ann.id, "X-User": "ann", "X-Remote-User": "ann",
              "Remote-User": "ann", "X-Forwarded-User": "ann", "X-Forwarded-Email": "ann@example.org", "X-Auth-Request-User": "ann",
              "X-User-Role": "owner", "True-Client-IP": "10.9.8.7", "CF-Connecting-IP": "10.9.8.7", "X-Original-URL": "/health",
              "X-Rewrite-URL": "/health", "X-Local": "1"}
    for path in ("/auth/me", "/people", f"/projects/{ann.project}", "/audit"):
        check(ask("GET", BEGIN + path, headers=claims)[0] == 401, path)
        alone, claimed = ask("GET", BEGIN + path, token=eve.token), ask("GET", BEGIN + path, token=eve.token, headers=claims)
        check((alone[0], alone[2]) == (claimed[0], claimed[2]), f"{path}: {claimed}")
    ask("POST", BEGIN + "/auth/login", {"email": "ann@example.org", "password": "a wrong word"}, headers=claims)
    _, head, _ = ask("POST", BEGIN + "/auth/login", {"email": "ann@example.org", "password": WORDS, "cookies": True}, headers=claims)
    check("__Host-" not in head.get("set-cookie", ""), f"it believes in https: {head}")
    text = json.dumps(must(200, "GET", "/audit?limit=1000", local=True))
    check("login.failed" in text and "10.9.8.7" not in text and "evil.example" not in text, f"it is believed: {text}")
    print(f"{len(claims)} claims")


run_attack(globals())
