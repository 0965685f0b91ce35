#!/usr/bin/python3 -B
"""Attacks with bytes, crowds and times: what one client, or a thousand, do to a server that others use.

usage: flood.py ATTACK URL SOCK DESCRIPTION PID (house.py); PID is the server's, whose memory is measured.

HEALTHY_MS (2000) is what 99 of 100 requests of others may take meanwhile."""
import json
import os
import resource
import socket
import threading
import time

from house import BEGIN, URL, WORDS, Person, ask, check, dial, fail, must, open_stream, run_attack

MIB = 1 << 20
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Memory:
    """What the server has taken more since, at most."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")  # VmHWM begins anew
        self.before = self.at("VmRSS")

    def at(self, name):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(name)) / 1024

    def more(self):
        return self.at("VmHWM") - self.before


def read_all(s):
    out = b""
    try:
        while piece := s.recv(65536):
            out += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    return out


def send(s, data):
    """As much as is taken; the server may have answered and closed."""
    try:
        s.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        pass


def raw(text, wait=True):
    with dial() as s:
        send(s, text)
        if not wait:
            s.shutdown(socket.SHUT_WR)
        return read_all(s)


def attack_bytes(pid):
    """Row 14: what can be read in two ways is 400 and the connection's end; what follows on it is no request."""
    host = f"Host: {URL.netloc}\r\n"
    post = f"POST /api/v1/auth/login HTTP/1.1\r\n{host}Content-Type: application/json\r\n"
    cases = [
        post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        post + "Content-Length: 2, 2\r\n\r\n{}",
        post + "Content-Length: +2\r\n\r\n{}",
        post + "Content-Length: -2\r\n\r\n{}",
        post + "Content-Length: 0x2\r\n\r\n{}",
        post + "Content-Length: 99999999999999999999\r\n\r\n{}",
        post + "Content-Length : 2\r\n\r\n{}",
        post + " Content-Length: 2\r\n\r\n{}",
        post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        f"GET /health HTTP/1.1\n{host.strip()}\n\n",
        f"GET /health HTTP/1.1\r\n{host}A: b\r\n c: d\r\n\r\n",
        f"GET /health HTTP/1.1\r\n{host}{host}\r\n",
        f"GET /health HTTP/1.1\r\n{host}A: b\rC: d\r\n\r\n",
        f"GET /health HTTP/1.1\r\n{host}A: b\x00\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        f"GET /hea lth HTTP/1.1\r\n{host}\r\n",
        f"GET /../health HTTP/1.1\r\n{host}\r\n",
        f"GET /%2e%2e/health HTTP/1.1\r\n{host}\r\n",
        f"GET /%00 HTTP/1.1\r\n{host}\r\n",
        f"GET /api/v1/runs/..%2f..%2fetc HTTP/1.1\r\n{host}\r\n",
    ]
    follows = f"GET /api/v1/smuggled HTTP/1.1\r\n{host}\r\n"
    for text in cases:
        got = raw((text + follows).encode("latin-1"), wait=False)
        first = got.split(b"\r\n", 1)[0]
        answers = got.count(b"HTTP/1.1 ")
        if "..%2f" in text:  # a segment, whatever it says: no such run, or no such path
            check(first.split()[1] in (b"400", b"401", b"404"), f"{text!r}: {first}")
            continue
        unknown = "xchunked" in text or "identity" in text  # a coding that nobody knows (RFC 9112 6.1)
        check(first.startswith(b"HTTP/1.1 501 " if unknown and b" 501 " in first else b"HTTP/1.1 400 "), f"{text!r}: {first}")
        check(answers == 1 and b"\r\nconnection: close\r\n" in got.lower(), f"{text!r}: {answers} answers: {got[-300:]}")
    status, _, _ = ask("GET", "/health")
    check(status == 200, "the server is gone")
    print(f"{len(cases)} requests that can be read in two ways")


def attack_sizes(pid):
    """Row 16: 4xx, and less than 64 MiB more memory."""
    ann = Person("ann", "member")
    head = (f"POST /api/v1/projects HTTP/1.1\r\nHost: {URL.netloc}\r\nAuthorization: Bearer {ann.token}\r\n"
            "Content-Type: application/json\r\n").encode()
    import_head = head.replace(b"/projects ", b"/projects/import ").replace(b"application/json", b"application/octet-stream")
    memory = Memory(pid)
    cases = {
        "10 MiB of one header": (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (10 * MIB) + b"\r\n\r\n", b"431"),
        "10 MiB of headers": (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * (10 * MIB // 6) + b"\r\n", b"431"),
        "a target of 10 MiB": (b"GET /" + b"a" * (10 * MIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"4"),
        "1 GiB that is told of": (head + b"Content-Length: 1073741824\r\n\r\n" + b" " * MIB, b"413"),
        "1 GiB and one byte of an archive": (import_head + b"Content-Length: 1073741825\r\n\r\n" + b" " * MIB, b"413"),
    }
    for name, (text, wanted) in cases.items():
        got = raw(text)
        check(got.startswith(b"HTTP/1.1 " + wanted), f"{name}: {got[:80]}")
    with dial() as s:  # 1 GiB that nobody told of
        send(s, head + b"Transfer-Encoding: chunked\r\n\r\n")
        piece, sent = b"100000\r\n" + b" " * MIB + b"\r\n", 0
        try:
            while sent < 1024:
                s.sendall(piece)
                sent += 1
        except (ConnectionResetError, BrokenPipeError):
            pass
        got = read_all(s)
        check(not got or got.startswith(b"HTTP/1.1 413"), f"an endless body: {got[:80]}")
    with dial() as s:  # an archive may be large; it lies on the disk, and what is none is refused
        send(s, import_head + b"Content-Length: 134217728\r\n\r\n")
        for _ in range(128):
            send(s, b"\0" * MIB)
        s.shutdown(socket.SHUT_WR)
        got = read_all(s)
        check(got.startswith(b"HTTP/1.1 4"), f"128 MiB of zeros as an archive: {got[:80]}")
    bodies = {
        "100,000 deep": b"[" * 100000 + b"]" * 100000,
        "100,000 deep inside": b'{"name":' + b'{"a":' * 100000 + b"1" + b"}" * 100001,
        "names twice": b'{"name":"a","name":"b"}',
        "names twice, escaped": b'{"name":"a","n\\u0061me":"b"}',
        "a NUL": b'{"name":"a\x00b"}',
        "a NUL, escaped": b'{"name":"a\\u0000b"}',
        "1e999": b'{"name":"a","description":1e999}',
        "no UTF-8": b'{"name":"\xff\xfe"}',
        "half a pair": b'{"name":"\\ud800"}',
        "something behind it": b'{"name":"a"} x',
        "nothing at all": b"",
        "a list": b"[]",
        "too many members": b"{" + b",".join(b'"a%d":1' % i for i in range(50000)) + b"}",
    }
    for name, body in bodies.items():
        got = raw(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        check(got.startswith(b"HTTP/1.1 4") or name == "nothing at all" and got.startswith(b"HTTP/1.1 201"), f"{name}: {got[:300]}")
        if not name.startswith("nothing"):
            problem = json.loads(got.split(b"\r\n\r\n", 1)[1])
            check(problem["code"] and problem["detail"], f"{name}: {problem}")
    status, _, data = ask("POST", BEGIN + "/runs", b'{"mode":"asking","project":"x","budget_usd":1e999}', token=ann.token)
    check(status == 400, f"a budget of 1e999: {status}: {data}")
    more = memory.more()
    check(more < 64, f"{more:.0f} MiB more memory")
    print(f"{len(cases) + len(bodies) + 3} sizes and shapes, {more:.1f} MiB more memory")


def healthy(token, count=200):
    """Milliseconds that 99 of 100 requests of somebody took, each over a connection of its own."""
    took = []
    for _ in range(count):
        begin = time.monotonic()
        status, _, data = ask("GET", BEGIN + "/auth/me", token=token)
        took.append((time.monotonic() - begin) * 1000)
        check(status == 200, f"somebody else got {status}: {data}")
    return sorted(took)[count * 99 // 100 - 1]


def attack_crowd(pid):
    """Row 15: slow heads, slow bodies, slow readers, a thousand of each; others are served."""
    ann = Person("ann", "member")
    size = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
    alone, limit = healthy(ann.token), float(os.environ.get("HEALTHY_MS", "2000"))
    login = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: {URL.netloc}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    kinds = {
        "heads": f"GET /health HTTP/1.1\r\nHost: {URL.netloc}\r\nA: ",
        "bodies": login + "{",
        "readers": f"GET /api/v1/openapi.json HTTP/1.1\r\nHost: {URL.netloc}\r\n\r\n" * 20,
    }
    said = [f"alone {alone:.1f} ms"]
    for name, text in kinds.items():
        memory, crowd = Memory(pid), []
        for _ in range(size):
            s = socket.socket()
            if name == "readers":
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((URL.hostname, URL.port))
            s.sendall(text.encode())
            crowd.append(s)
        for n, s in enumerate(crowd):  # a byte now and then
            if name != "readers" and n % 10 == 0:
                s.sendall(b"a")
        p99 = healthy(ann.token)
        check(p99 < limit, f"{size} slow {name}: others wait {p99:.0f} ms")
        more = memory.more()
        check(more < 64 + size * 0.3, f"{size} slow {name}: {more:.0f} MiB more memory")
        said.append(f"{size} {name} {p99:.1f} ms, {more:.0f} MiB")
        for s in crowd:
            s.close()
    print("p99 of others: " + "; ".join(said))


def attack_logins(pid):
    """Row 8: a hundred logins at once are served, one after the other as memory goes: argon2id takes 46 MiB each."""
    Person("ann", "member")
    memory, answers, barrier = Memory(pid), [], threading.Barrier(101)

    def login():
        barrier.wait()
        answers.append(ask("POST", BEGIN + "/auth/login", {"email": "ann@example.org", "password": WORDS})[0])

    threads = [threading.Thread(target=login) for _ in range(100)]
    for t in threads:
        t.start()
    barrier.wait()
    while any(t.is_alive() for t in threads):
        check(ask("GET", "/health")[0] == 200, "nobody else is served")
        time.sleep(0.05)
    check(answers == [200] * 100, f"the answers: { {a: answers.count(a) for a in answers} }")
    more = memory.more()
    check(more < 4 * 46, f"{more:.0f} MiB more memory")
    print(f"100 logins, {more:.1f} MiB more memory")


def seconds_until_closed(s, what):
    """The end is that of the connection, of a chunked reply, or a WebSocket's close frame."""
    begin = time.monotonic()
    s.settimeout(20)
    try:
        while piece := s.recv(65536):
            if b"\x88" in piece or piece.endswith(b"0\r\n\r\n"):
                break
    except socket.timeout:
        fail(f"{what} stays open")
    except ConnectionResetError:
        pass
    s.close()
    return time.monotonic() - begin


def attack_ended(pid):
    """Row 9: what lasts ends within 5 s of the right to it; that of others goes on."""
    ada, bob = Person("ada", "admin"), Person("bob", "member")
    project = must(201, "POST", "/projects", {"name": "p"}, token=ada.token)["id"]
    run = must(201, "POST", "/runs", {"mode": "asking", "project": project, "model": "script:" + os.environ["SCRIPT"]}, local=True)["run"]
    member = lambda role: must(204, "PUT", f"/projects/{project}/members/{bob.id}", {"role": role}, token=ada.token)
    member("viewer")
    stays, _ = open_stream("sse", ada.token, f"run/{run}")

    def key():
        k = must(201, "POST", "/keys", {"name": "k", "scopes": ["read"]}, token=bob.token)
        return k["key"], lambda: must(204, "DELETE", f"/keys/{k['id']}", token=bob.token)

    def session_of(change):
        def begin():
            token = bob.login()
            return token, lambda: change(token)
        return begin

    def sessions_others():
        other = bob.login()
        return bob.login(), lambda: must(204, "DELETE", "/auth/sessions?keep_own=1", token=other)

    def password():
        token, other = bob.login(), bob.login()
        return token, lambda: must(204, "POST", "/auth/password", {"old": WORDS, "password": WORDS}, token=other)

    ends = {
        "logout": session_of(lambda token: must(204, "POST", "/auth/logout", {}, token=token)),
        "all sessions ended": sessions_others,
        "the password changed": password,
        "the key revoked": key,
        "no member any more": session_of(lambda _: must(204, "DELETE", f"/projects/{project}/members/{bob.id}", token=ada.token)),
        "disabled": session_of(lambda _: must(200, "POST", f"/people/{bob.id}/disable", {}, token=ada.token)),
    }
    worst = 0
    for what, begin in ends.items():
        member("viewer")
        token, end = begin()
        streams = {kind: open_stream(kind, token, f"run/{run}")[0] for kind in ("sse", "ws", "ndjson")}
        end()
        for kind, s in streams.items():
            took = seconds_until_closed(s, f"{what}: {kind}")
            check(took < 5, f"{what}: {kind} stays open for {took:.1f} s")
            worst = max(worst, took)
    stays.setblocking(False)
    try:
        while (piece := stays.recv(65536)):
            pass
        fail("another's stream was closed")
    except BlockingIOError:
        pass
    print(f"{3 * len(ends)} streams ended, {worst:.2f} s at most")


run_attack(globals())
