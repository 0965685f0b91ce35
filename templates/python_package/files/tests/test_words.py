import unittest

from app.words import count_words


class CountWords(unittest.TestCase):
    def test_case_does_not_matter(self):
        self.assertEqual(count_words("One two ONE"), {"one": 2, "two": 1})

    def test_nothing(self):
        self.assertEqual(count_words(" .,"), {})


if __name__ == "__main__":
    unittest.main()
