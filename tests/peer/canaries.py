#!/usr/bin/python3 -B
"""Secrets given to a server wherever it takes one, then looked for wherever it writes, sends or says something.

usage: canaries.py plant|search URL SOCK DESCRIPTION FOLDER… (house.py)

plant: people with passwords, tokens and keys come and go, and a run is made with a model at a provider. What is secret is
written to the file canaries. search: in all files of the folders, and in every reply to GET, there is none of it; what is no
secret is found there, or the search would show nothing."""
import io
import json
import os
import re
import sys
import tarfile
import time
import zipfile
import zlib

from house import BEGIN, ROUTES, ask, check, must, run_attack

MARK = "plain-mark-4711"
NAMES = ("provider key of the environment", "mail password", "OpenID secret", "environment of the server")


def canary(n):
    return f"canary{n:02d}" + os.urandom(12).hex()


def attack_plant(*_):
    said = {f"{name} (environment)": os.environ[f"CANARY_{n}"] for n, name in enumerate(NAMES)}
    said["setup token"] = os.environ["SETUP"]
    count = iter(range(len(said), 100))

    def new(name):
        said[name] = canary(next(count))
        return said[name]

    ada = must(201, "POST", "/auth/setup", {"token": said["setup token"], "name": "Ada", "email": "ada@example.org",
                                            "password": new("password of the owner")})
    said["access token"], said["refresh token"] = ada["access"], ada["refresh"]
    token = ada["access"]
    bob = must(201, "POST", "/people", {"name": "Bob", "email": "bob@example.org", "password": new("password of Bob"), "role": "member"},
               token=token)["person"]
    login = must(200, "POST", "/auth/login", {"email": "bob@example.org", "password": said["password of Bob"]})
    said["Bob's access token"] = login["access"]
    said["Bob's second refresh token"] = must(200, "POST", "/auth/refresh", {"refresh": login["refresh"]})["refresh"]
    said["Bob's first refresh token"] = login["refresh"]
    must(401, "POST", "/auth/login", {"email": "bob@example.org", "password": new("a wrong password")})
    login = must(200, "POST", "/auth/login", {"email": "bob@example.org", "password": said["password of Bob"]})
    must(204, "POST", "/auth/password", {"old": said["password of Bob"], "password": new("new password of Bob")}, token=login["access"])
    status, head, data = ask("POST", BEGIN + "/auth/login", {"email": "bob@example.org", "password": said["new password of Bob"], "cookies": True})
    check(status == 200, data)
    cookies = re.findall(r"muster[a-z-]*=(m[a-z]_[^;]+)", head["set-cookie"])
    said["a cookie"], said["CSRF token"] = cookies[0], data["csrf"]
    said["API key"] = must(201, "POST", "/keys", {"name": "all", "scopes": ["read", "write", "admin"]}, token=token)["key"]
    said["invitation"] = must(201, "POST", "/invites", {"role": "viewer"}, token=token)["token"]
    must(204, "POST", "/auth/password/forgot", {"email": "bob@example.org"})
    said["reset token"] = must(200, "GET", "/auth/links", token=token)[0]["token"]
    must(204, "POST", "/auth/password/reset", {"token": said["reset token"], "password": new("reset password of Bob")})
    said["webhook secret"] = must(201, "POST", "/webhooks", {"url": os.environ["PEER"] + "/hook"}, token=token)["secret"]
    must(400, "PUT", "/providers/peer/key", {"key": new("provider key that was refused")}, token=token)
    said["provider key"] = os.environ["GOOD"]
    must(200, "PUT", "/providers/peer/key", {"key": os.environ["GOOD"]}, token=token)
    # and where none belongs
    check(ask("GET", BEGIN + "/runs", token=new("a token that is none"))[0] == 401, "a token that is none")
    check(ask("GET", BEGIN + "/runs?token=" + new("a token in a query"))[0] == 401, "a token in a query")
    check(ask("GET", BEGIN + "/runs?token=" + new("another in a query"), token=token)[0] == 400, "a token in a query")
    for name, body in (("broken JSON", '{"email":"x","password":"%s",}'), ("a wrong type", '{"email":"x","password":{"x":"%s"}}'),
                       ("an unknown member", '{"email":"x@example.org","password":"x","passwort":"%s"}')):
        status, _, data = ask("POST", BEGIN + "/auth/login", (body % new("password in " + name)).encode())
        check(status == 400, f"{name}: {status}: {data}")
    project = must(201, "POST", "/projects", {"name": MARK, "requirements": MARK}, token=token)["id"]
    for model in ("peer:m", "env:m"):
        run = must(201, "POST", "/runs", {"mode": "asking", "project": project, "model": model, "inputs": {"task": MARK}}, token=token)["run"]
        for _ in range(600):
            state = must(200, "GET", f"/runs/{run}", token=token)["state"]
            if state not in ("created", "running"):
                break
            time.sleep(0.1)
        check(state == "completed", f"the run with {model} is {state}")
    with open("export.zip", "wb") as f:
        f.write(ask("GET", f"{BEGIN}/projects/{project}/export?format=zip&runs=1", token=token)[2])
    check(len(said) >= 20, f"only {len(said)} secrets")
    with open("canaries", "w", encoding="utf-8") as f:
        json.dump({"said": said, "token": token, "ids": {"project": project, "run": run, "person": bob}}, f)
    print(f"{len(said)} secrets")


def contents(path):
    """A file's bytes, and what is packed in them."""
    with open(path, "rb") as f:
        data = f.read()
    yield path, data
    try:
        yield path, zlib.decompress(data)
    except zlib.error:
        pass
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as z:
            for name in z.namelist():
                yield f"{path}:{name}", z.read(name)


def places(folders):
    for folder in folders:
        if os.path.isfile(folder):
            yield from contents(folder)
        for top, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(top, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield from contents(path)


def replies(kept):
    for r in ROUTES:
        if r["method"] != "GET" or r["path"].endswith(("/api/v1/events", "/ws", "/callback", "/auth/oidc")):
            continue
        path = re.sub(r"\{([^}]*)\}", lambda m: kept["ids"].get(m.group(1), {"provider": "peer", "mode": "asking"}.get(m.group(1), "x")), r["path"])
        for how in ({"token": kept["token"]}, {"local": True}):
            status, head, data = ask("GET", path, **how)
            text = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
            yield f"GET {path}: {status}", text + json.dumps(head).encode()


def attack_search(*folders):
    with open("canaries", encoding="utf-8") as f:
        kept = json.load(f)
    said, looked, marked, found = kept["said"], 0, set(), []
    for where, data in [*places(folders), *replies(kept)]:
        looked += 1
        if MARK.encode() in data:
            marked.add(where.split("/")[0] if where[0] != "G" else "replies")
        for name, secret in said.items():
            for text in {secret, secret[3:] if secret[:1] == "m" and secret[2:3] == "_" else secret}:
                own = name == "CSRF token" and "/auth/me" in where  # it is said to whose it is
                if text.encode() in data and not own:
                    found.append(f"{name} in {where}")
    check(not found, "\n".join(found))
    for folder in folders:
        check(folder in marked or folder in ("traces", "log", "hooks", "bg.out", "bg.err"), f"the search finds nothing in {folder}: {sorted(marked)}")
        check(folder == "bg.err" or any(len(d) for _, d in places([folder])), f"{folder} is empty")
    check("replies" in marked, "the search finds nothing in the replies")
    print(f"{len(said)} secrets, {looked} places, 0 found")


run_attack(globals())
