"""The command: counts the words of its standard input."""

import sys

from app.words import count_words


def main() -> int:
    for word, count in count_words(sys.stdin.read()).most_common(10):
        print(f"{count:6} {word}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
