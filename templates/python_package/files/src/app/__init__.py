"""What the package does, in one sentence."""

from app.words import count_words

__all__ = ["count_words"]
