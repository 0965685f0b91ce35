#!/usr/bin/env python3
"""Compares tools/shell_line with real shells: shell_difference.py SHELL_DUMP [SEED [LINES]]

Random command lines are taken apart by our parser; those that it calls certain are run by bash and dash with a PATH of
stubs that record their arguments. Every command that a shell ran must be among those that the parser listed. The lines
are made of harmless pieces and run in a temporary folder."""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

NAMES = ["a", "b", "c", "git", "push"]
WRAPPERS = ["sh", "bash", "env", "timeout", "xargs", "find", "nohup", "nice"]
COMMANDS = ["a", "b", "c", "git", "push", "g''it", '"git"', "g\\it", "$'git'", '$"git"', "timeout 1 git", "env X=1 git",
            "nohup a", "sh -c", "bash -c", "xargs git", "command git", "exec git", "! a", "time a", "echo", "true", "test",
            "[", "eval", "nice -n 1 b", "find . -maxdepth 0 -exec", "builtin echo", "export", "read", "A=1", "A=2 git",
            "$A", "A=git", "~/git"]
WORDS = ["push", "x", "$A", '"$A"', "'p q'", "p\\ush", "$(c x)", "`b y`", '"$(a z)"', '"`c \\"q\\"`"', "*", "pu*", "p[u]sh",
         "pu{s,}h", "{x,y}", "~", "#z", "a#b", "$((1+2))", "${A:-$(b)}", "${A%x}", "'git push'", '"git push"', "'a; b'",
         "{}", "\\;", "+", "-n", "--", ">f", "2>&1", "<f", ">>f", "&>f", "<<<x", "$#", "$?", '"$@"', "$'a\\x20b'", "$'\\n'",
         "\\\n", '"\\\n"', "!", "}", "{", "if", "then", "do", "done", "in", "esac", ")", "(", "=", "A=3", "''", '""',
         '"${A:-"x y"}"', "<<E", "<<'E'", "$(cat <<E\n$(a)\nE\n)"]
SEPARATORS = [";", " ; ", "&&", " && ", "||", "|", "\n", "\n\n", "&", "|&", " # c\n", "\nE\n", "\n$(b)\nE\n"]
STUB = """#!/bin/sh
text=${0##*/}
for word; do text="$text$(printf '\\037_')"; text="${text%_}$word"; done
printf '%s\\036' "$text" >> "@LOG@"
exit $(($# % 2))
"""


def single(text):
    return "'" + text.replace("'", "'\\''") + "'"


def escaped(text, characters):
    return "".join("\\" + c if c in characters else c for c in text)


def simple(pick):
    line = pick.choice(COMMANDS)
    for _ in range(pick.randrange(4)):
        line += " " * pick.choice([1, 1, 1, 2, 0]) + pick.choice(WORDS)
    return line


def make_line(pick, depth=0):
    kind = pick.randrange(14)
    if depth > 3 or kind < 5:
        return simple(pick)
    inner = make_line(pick, depth + 1)
    if kind == 5:
        return "(" + inner + pick.choice([")", " )", "\n)"])
    if kind == 6:
        return "{ " + inner + "; }"
    if kind == 7:
        other = make_line(pick, depth + 1)
        return "if " + inner + "; then " + other + pick.choice(["; fi", "\nfi", "; else b; fi", "; elif c; then a; fi"])
    if kind == 8:
        return "for A in " + pick.choice(["git x", "push", "$(c)", ""]) + "; do " + inner + pick.choice(["; done", "\ndone"])
    if kind == 9:
        return ("case " + pick.choice(WORDS) + " in " + pick.choice(["x)", "*)", "(x|*)", "a|b)"]) + " " + inner +
                pick.choice([" ;; ", ";;\n ", "; "]) + "esac")
    if kind == 10:
        return "sh -c " + pick.choice([single(inner), '"' + escaped(inner, '\\"$`') + '"'])
    if kind == 11:
        return pick.choice(["a ", "echo ", "A="]) + "$(" + inner + ")"
    if kind == 12:
        return pick.choice(["a ", "echo "]) + '"x`' + escaped(inner, "\\`") + '`"'
    return inner + pick.choice(SEPARATORS) + make_line(pick, depth + 1)


def damage(pick, line):
    at = pick.randrange(len(line) + 1)
    return line[:at] + pick.choice(list("\"'\\`$() \n#;<{")) + line[at:]


class Parser:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, line):
        data = line.encode()
        self.process.stdin.write(struct.pack("I", len(data)) + data)
        self.process.stdin.flush()
        answer = b""
        while not answer.endswith(b"\0"):
            answer += self.process.stdout.read(1) or sys.exit("the parser died of %r" % line)
        doubt, *texts = answer[:-1].split(b"\x1e")
        return doubt, texts


def listed(texts, command):
    patterns = (b".*".join(re.escape(part) for part in text.split(b"\x01")) for text in texts)
    return any(re.fullmatch(pattern, command, re.S) for pattern in patterns)


def session_members(leader):
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/" + entry + "/stat") as stat:
                state, _, _, session = stat.read().rsplit(")", 1)[1].split()[:4]
            if int(session) == leader and state != "Z":
                yield int(entry)
        except (FileNotFoundError, ProcessLookupError):
            pass


def end_session(leader):
    """Kill whatever the shell started, until none is left that could write into the next log."""
    while members := list(session_members(leader)):
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                pass


def run(shell, line, folder):
    """The commands that the shell ran, each as its words joined by blanks."""
    work, log = folder + "/work", folder + "/log"
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    for name in ("push", "f"):
        open(work + "/" + name, "w").close()
    open(log, "w").close()
    process = subprocess.Popen([shell, "-c", line], cwd=work, env={"PATH": folder + "/bin", "HOME": work},
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        pass
    end_session(process.pid)
    process.wait()
    with open(log, "rb") as found:
        return [command.replace(b"\x1f", b" ") for command in found.read().split(b"\x1e")[:-1]]


def main():
    parse = Parser(sys.argv[1])
    pick = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    lines = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    shells = [path for path in map(shutil.which, ("bash", "dash")) if path]
    if len(shells) < 2:
        print("bash and dash are needed")
        return 77
    certain = commands = missed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/bin")
        for name in NAMES:
            with open(folder + "/bin/" + name, "w") as stub:
                stub.write(STUB.replace("@LOG@", folder + "/log"))
            os.chmod(folder + "/bin/" + name, 0o755)
        for name in WRAPPERS:
            os.symlink(shutil.which(name), folder + "/bin/" + name)
        for _ in range(lines):
            line = make_line(pick)
            if pick.random() < 0.1:
                line = damage(pick, line)
            doubt, texts = parse(line)
            if doubt:
                continue
            certain += 1
            for shell in shells:
                ran = run(shell, line, folder)
                commands += len(ran)
                for command in ran:
                    if not listed(texts, command):
                        missed += 1
                        print("%s of %r\n  ran    %r\n  listed %r" % (shell, line, command, texts))
    print("%d lines, %d certain, %d commands ran, %d were not listed" % (lines, certain, commands, missed))
    return 1 if missed or commands < lines / 2 else 0


if __name__ == "__main__":
    sys.exit(main())
