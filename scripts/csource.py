"""What scripts/ranks, scripts/sizes and scripts/banned share: our C files, and their text without comments."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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
