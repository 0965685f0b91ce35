"""What attacks on a server share: requests, and people with something of their own.

A program that imports this is called with ATTACK URL SOCK DESCRIPTION [WORD…]: the address of the server, the socket of its
data folder and a file with what `muster describe` says. SCRIPT=FILE is the script that runs are started with, of a mode
"asking" that leaves a file and asks for a colour. run_attack(globals()) calls its function attack_ATTACK, which prints what
was tried; exit status 1 and why when the server did not stand it."""
import base64
import http.client
import json
import os
import re
import socket
import sys
import time
import urllib.parse

WORDS = "four plain words here"
URL, SOCK = urllib.parse.urlsplit(sys.argv[2]), sys.argv[3]
ROUTES = json.load(open(sys.argv[4], encoding="utf-8"))["routes"]
BEGIN = "/api/v1"


def fail(why):
    sys.exit(f"{sys.argv[1]}: {why}")


def check(right, why):
    if not right:
        fail(why)


class Local(http.client.HTTPConnection):
    """The owner of the data folder."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCK)


def ask(method, path, body=None, token=None, local=False, headers=()):
    """(status, headers in lower case, body as JSON or bytes)"""
    c = Local("muster", timeout=60) if local else http.client.HTTPConnection(URL.hostname, URL.port, timeout=60)
    send = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        send["Authorization"] = f"Bearer {token}"
    send.update(headers)
    c.request(method, path, None if body is None else json.dumps(body) if not isinstance(body, bytes) else body, send)
    r = c.getresponse()
    head = {k.lower(): v for k, v in r.getheaders()}
    if head.get("content-type", "").startswith("text/event-stream"):
        data = b""  # it goes on for ever
    else:
        data = r.read()
    c.close()
    if "json" in head.get("content-type", "") and "ndjson" not in head["content-type"]:
        data = json.loads(data)
    return r.status, head, data


def must(status, method, path, body=None, **how):
    got, _, data = ask(method, BEGIN + path, body, **how)
    check(got == status, f"{method} {path}: {got} instead of {status}: {data}")
    return data


class Person:
    def __init__(self, name, role):
        self.name = name
        self.id = must(201, "POST", "/people", {"name": name, "email": f"{name}@example.org", "password": WORDS, "role": role},
                       local=True)["person"]
        self.login()

    def login(self):
        self.token = must(200, "POST", "/auth/login", {"email": f"{self.name}@example.org", "password": WORDS})["access"]
        return self.token

    def key(self, scopes, **more):
        return must(201, "POST", "/keys", {"name": "key", "scopes": scopes, **more}, token=self.token)["key"]


class Tenant(Person):
    """Somebody with one of everything that the server keeps."""

    def __init__(self, name):
        super().__init__(name, "member")
        self.project = must(201, "POST", "/projects", {"name": f"project of {name}"}, token=self.token)["id"]
        self.run = must(201, "POST", "/runs", {"mode": "asking", "project": self.project, "model": "script:" + os.environ["SCRIPT"]},
                        local=True)["run"]
        self.wait("waiting")
        of = lambda path: must(200, "GET", path, token=self.token)
        self.things = {
            "project": self.project, "run": self.run, "person": self.id,
            "action": of(f"/runs/{self.run}/actions")[0]["name"],
            "artifact": of(f"/runs/{self.run}/artifacts")[0]["id"],
            "session": of("/auth/sessions")[0]["id"],
            "key": must(201, "POST", "/keys", {"name": "key", "scopes": ["read"]}, token=self.token)["id"],
            "invite": must(201, "POST", f"/projects/{self.project}/invites", {"project_role": "viewer"}, token=self.token)["id"],
            "webhooks": must(201, "POST", "/webhooks", {"url": "https://hooks.example/x", "project": self.project}, local=True)["id"],
            "push": must(201, "POST", "/push/subscriptions", {"endpoint": "https://push.example/x", "keys": {
                "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}, token=self.token)["id"],
            "mode": "asking", "role": "worker", "provider": "anthropic",
        }

    def wait(self, state):
        for _ in range(600):
            if must(200, "GET", f"/runs/{self.run}", local=True)["state"] == state:
                return
            time.sleep(0.1)
        fail(f"the run is not {state}")

    def path(self, route):
        """The route's path with what this tenant has."""

        def fill(m):
            name = m.group(1)
            name = route["path"].split("/")[3] if name == "id" else name
            known = name in self.things or "{project}" in route["path"] or "{run}" in route["path"]
            check(known or "/auth/" in route["path"] or "/me/" in route["path"], f"say in Tenant what {route['name']} is asked with")
            return self.things.get(name, "x")

        return re.sub(r"\{([^}]*)\}", fill, route["path"])

    def state(self):
        """What others must not change."""
        look = [must(200, "GET", p, token=self.token) for p in (
            f"/projects/{self.project}", f"/projects/{self.project}/members", f"/projects/{self.project}/invites",
            f"/projects/{self.project}/budget", f"/runs/{self.run}", "/keys", "/push/subscriptions")]
        look += [len(must(200, "GET", f"/runs/{self.run}/events", token=self.token).splitlines())]
        look += [s["id"] for s in must(200, "GET", "/auth/sessions", token=self.token)]
        look += [must(200, "GET", "/webhooks", local=True), must(200, "GET", "/people", local=True), must(200, "GET", "/projects", local=True)]
        for one in look[:7]:
            for row in one if isinstance(one, list) else [one]:
                row.pop("last_use", None), row.pop("used", None)
        return look


def dial():
    return socket.create_connection((URL.hostname, URL.port), timeout=60)


def open_stream(kind, token, stream):
    """A socket on which the stream has begun."""
    s, auth = dial(), f"Host: {URL.netloc}\r\nAuthorization: Bearer {token}\r\n"
    if kind == "sse":
        s.sendall(f"GET /api/v1/events?stream={stream} HTTP/1.1\r\n{auth}\r\n".encode())
    elif kind == "ndjson":
        s.sendall(f"GET /api/v1/runs/{stream[4:]}/events?follow=1 HTTP/1.1\r\n{auth}\r\n".encode())
    else:
        s.sendall(f"GET /api/v1/ws HTTP/1.1\r\n{auth}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            got += s.recv(1)
        check(got.startswith(b"HTTP/1.1 101"), got)
        text = json.dumps({"follow": stream, "after": 0}).encode()
        s.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    got = s.recv(65536)
    check(got and b"HTTP/1.1 4" not in got, f"the stream does not begin: {got[:300]}")
    return s, got


def run_attack(names):
    attack = names.get("attack_" + sys.argv[1])
    check(attack, "there is no such attack")
    attack(*sys.argv[5:])
