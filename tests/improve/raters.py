"""Behind a server of the OpenAI protocol: one of Icecat's three raters, the real noise of a real person."""

import csv
import re
from pathlib import Path

from tests.llm.server import PRODUCT, QUERY

FILE = Path(__file__).parent.parent / "data" / "judging" / "icecat_raters.csv"
TITLE = re.compile(r"^(?:title|标题): (.*)$", re.MULTILINE)


class Rater:
    """What stands behind ``tests.llm.server.LlmServer``.

    Args:
        column: Whose grades.
        file: The table.
        likes_first: Out of so many pairs one is graded as the rubric's first line says, whatever it is; 0: none.
        spoken: Text around the digit instead of probabilities; None gives probabilities.
    """

    def __init__(self, column, file=FILE, likes_first=0, spoken=None):
        self.likes_first, self.words = likes_first, spoken
        self.spoken = spoken is not None
        self.grades = {}
        with file.open(encoding="utf-8") as table:
            for row in csv.DictReader(table):
                self.grades.setdefault((row["query"], " ".join(row["name"].split())), int(row[column]))
        self.places = {pair: place for place, pair in enumerate(self.grades)}

    def answer(self, system, user):
        (query,) = QUERY.findall(user)
        titles = [TITLE.findall(product)[0] for product in PRODUCT.findall(user)]
        grades = [self.grades[query, title] for title in titles]
        if "A or B" in system:
            first = "A" if grades[0] >= grades[1] else "B"
            return first, {first: 0.9, "AB".replace(first, ""): 0.1}
        grade = grades[0]
        if self.likes_first and self.places[query, titles[0]] % self.likes_first == 0:
            grade = int(re.findall(r"^(\d): ", system, re.MULTILINE)[0])
        if self.words is not None:
            return self.words.format(grade), {}
        shares = {str(level): 0.85 if level == grade else 0.05 for level in range(4)}
        return str(grade), shares
