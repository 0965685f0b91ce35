"""What the scripts that read src/ share: its folders, our C files, and their text without comments."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Each folder of src/ and its rank, in the order of the tour; some are of parts that are still to come.
RANKS = {
    "base": 0, "loop": 1, "directive": 1, "config": 2, "store": 2, "http": 2, "sandbox": 3, "llm": 3, "vcs": 3,
    "accounts": 3, "workspace": 4, "memory": 4, "notify": 4, "oidc": 4, "tools": 5, "agent": 6, "flow": 7, "api": 8, "cmd": 9,
}
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*folders):
    """Paths of every .c and .h below the folders, relative to the root, sorted."""
    found = []
    for folder in folders:
        for at, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.relpath(os.path.join(at, n), ROOT) for n in names if n.endswith((".c", ".h"))]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def code(text):
    """The text with comments and the insides of strings blanked; lines keep their numbers."""

    def blank(m):
        kept = re.sub(r"[^\n]", " ", m[0])
        return kept if m[0][0] == "/" else '"' + kept[1:-1] + '"'

    return TOKEN.sub(blank, text)
