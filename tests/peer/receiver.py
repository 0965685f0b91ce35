"""What notices go to, for the command line tests: receiver.py FOLDER [ANSWER].

Serves HTTP and SMTP on free ports of 127.0.0.1, which it writes to FOLDER/ports ("HTTP SMTP"). Each POST becomes
FOLDER/post-N.json ({path, headers, body in base64}) and is answered with the status ANSWER (204; 0: never); each mail becomes
FOLDER/mail-N.txt."""
import base64
import http.server
import json
import os
import socketserver
import sys
import threading

folder, status = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 204
lock = threading.Lock()
counts = {"post": 0, "mail": 0}


def keep(kind, ending, text):
    with lock:
        counts[kind] += 1
        path = os.path.join(folder, f"{kind}-{counts[kind]}.{ending}")
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".part", path)


class Web(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        keep("post", "json", json.dumps({
            "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
            "body": base64.b64encode(body).decode()}))
        if status == 0:
            threading.Event().wait()
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Mail(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 here")
        for line in self.rfile:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self.say("354 go on")
                text = ""
                for part in self.rfile:
                    if part == b".\r\n":
                        break
                    text += part.decode()
                keep("mail", "txt", text.replace("\r\n", "\n"))
            if word == b"RCPT" and b"nobody@" in line:
                self.say("550 nobody here")
            else:
                self.say("221 bye" if word == b"QUIT" else "250 fine")
            if word == b"QUIT":
                return


web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
mail = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)
mail.daemon_threads = True
threading.Thread(target=mail.serve_forever, daemon=True).start()
with open(os.path.join(folder, "ports.part"), "w", encoding="utf-8") as file:
    file.write(f"{web.server_address[1]} {mail.server_address[1]}\n")
os.rename(os.path.join(folder, "ports.part"), os.path.join(folder, "ports"))
web.serve_forever()
