"""Counting words."""

import re
from collections import Counter


def count_words(text: str) -> Counter[str]:
    """How often each word occurs, without regard to case."""
    return Counter(re.findall(r"\w+", text.lower()))
