#!/usr/bin/python3 -B
"""Follow a run by SSE and WebSocket in turns, hanging up at random, and count what comes.

usage: follow.py SOCK STREAM CLIENTS HANGUPS SEED

Each of CLIENTS clients goes on from its cursor after each of its HANGUPS; then it follows the stream until its run has
ended. Every event must have come to each client exactly once and in order. Prints "<events> events, <n> hang-ups"."""
import asyncio
import json
import random
import sys

from websockets.client import unix_connect
from websockets.exceptions import ConnectionClosed

SOCK, STREAM = sys.argv[1], sys.argv[2]
ENDS = ("run.completed", "run.failed", "run.cancelled")


class Client:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seen, self.hangups, self.over = 0, 0, False

    def take(self, text):
        event = json.loads(text)
        if "type" not in event or event["seq"] is None:
            return
        if event["stream"] != STREAM or event["seq"] != self.seen + 1:
            sys.exit(f"after {self.seen} came {event['stream']} {event['seq']}")
        self.seen = event["seq"]
        self.over = self.over or event["type"] in ENDS

    async def websocket(self, limit):
        async with unix_connect(SOCK, uri="ws://muster/api/v1/ws", close_timeout=0.1) as ws:
            await ws.send(json.dumps({"follow": STREAM, "after": self.seen}))
            while not self.over and limit > 0:
                self.take(await ws.recv())
                limit -= 1
            if self.random.random() < 0.7:
                ws.transport.abort()

    async def sse(self, limit):
        reader, writer = await asyncio.open_unix_connection(SOCK, limit=1 << 22)
        writer.write(f"GET /api/v1/events?stream={STREAM} HTTP/1.1\r\nHost: muster\r\n"
                     f"Last-Event-ID: {self.seen}\r\n\r\n".encode())
        while not self.over and limit > 0:
            line = await reader.readline()
            if not line:
                raise ConnectionError
            if line.startswith(b"data: "):
                self.take(line[6:])
                limit -= 1
        writer.transport.abort()

    async def follow(self, hangups):
        while not self.over:
            last = self.hangups >= hangups
            way = self.random.choice((self.sse, self.websocket))
            patience = 60 if last else self.random.choice((0.001, 0.01, 0.05, 0.2))
            try:
                await asyncio.wait_for(way(1 << 30 if last else self.random.randint(1, 30)), patience)
            except (asyncio.TimeoutError, ConnectionClosed, ConnectionError):
                if last and not self.over:
                    sys.exit(f"nothing more came after {self.seen}")
            self.hangups += 1


async def main():
    clients = [Client(int(sys.argv[5]) * 1000 + n) for n in range(int(sys.argv[3]))]
    await asyncio.gather(*(c.follow(int(sys.argv[4])) for c in clients))
    if len({c.seen for c in clients}) != 1:
        sys.exit(f"the clients saw different ends: {[c.seen for c in clients]}")
    print(f"{clients[0].seen} events, {sum(c.hangups for c in clients)} hang-ups")


asyncio.run(main())
