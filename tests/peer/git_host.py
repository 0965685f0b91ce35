#!/usr/bin/python3
"""A host of git repositories, for the command line tests: git_host.py FOLDER CERTIFICATE KEY PORTS.

Serves the repositories of FOLDER on free ports of 127.0.0.1, which it writes to PORTS ("HTTPS HTTP"): over HTTPS by
`git http-backend`, over HTTP as plain files. /never/ is never answered, /away/ leads to another port, /private/ asks who
is there."""
import http.server
import os
import ssl
import subprocess
import sys
import threading

folder, certificate, key, ports = sys.argv[1:]


class Host(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def refuse(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        out = b""
        while size := int(self.rfile.readline(), 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    def answer(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/never/"):
            threading.Event().wait()
        if path.startswith("/away/"):
            return self.refuse(302, ("Location", f"https://localhost:1{self.path[5:]}"))
        if path.startswith("/private/"):
            return self.refuse(401, ("WWW-Authenticate", 'Basic realm="git"'))
        env = dict(os.environ, GIT_PROJECT_ROOT=folder, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""), REMOTE_ADDR="127.0.0.1")
        done = subprocess.run(["git", "http-backend"], env=env, input=self.body(), stdout=subprocess.PIPE, check=False)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self.send_response(status)
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


class Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=folder)

    def log_message(self, *args):
        pass


secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
with open(ports + ".part", "w", encoding="utf-8") as file:
    print(secure.server_address[1], plain.server_address[1], file=file)
os.rename(ports + ".part", ports)
threading.Thread(target=plain.serve_forever, daemon=True).start()
secure.serve_forever()
