"""How often real Chinese shop queries are mistyped, and how: the rates behind the change `chinese-errors`.

    python benchmarks/chinese_errors.py [--data ../shared/data] [--show N --out FILE]

Needs `taobao_queries` (not part of the project; only counts are kept). Nobody has marked its mistakes, so they are
found: a run of Chinese characters with a place where all pairs of neighbours are seen in no other query, and where one
edit makes a string of three characters that several queries have, and one of four that another has. What the finder
misses is estimated by making mistakes in other queries and counting how many it finds; what it finds wrongly, by
reading a sample of each kind (`READ`), and by giving characters the sounds and looks of others (chance). A rate is
found * right / read * made / found again, with Jeffreys' and Poisson's errors carried through by simulation.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import regex
from record import record

from aisle.augment.text import chinese_errors as errors
from aisle.augment.text.characters import Characters, characters
from aisle.augment.text.chinese_errors import MEANING
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise
from aisle.language.pinyin import loose

RUN = regex.compile(r"\p{Han}{3,}")
DRAWS = 20_000
OFTEN = 4
"""So many queries have a string of three characters that somebody may have meant."""
READ = {
    "same sound": (44, 50), "near sound": (26, 39), "like shape": (32, 50), "another": (4, 50), "missing": (4, 50),
    "doubled": (13, 30), "extra": (2, 50), "swapped": (29, 31),
}  # fmt: skip
"""Of those written by `--show 50`, how many were mistakes of this kind, as one reader (a language model) saw them."""
KINDS = ("same sound", "near sound", "like shape", "another", "missing", "doubled", "extra", "swapped")


@dataclass(frozen=True)
class Found:
    """A mistake: what was written, what was probably meant, and the kind."""

    written: str
    meant: str
    kind: str


class Finder:
    """Finds mistakes by what all queries have."""

    def __init__(self, queries: list[str]) -> None:
        self.counts: Counter[str] = Counter()
        for query in queries:
            parts = {run[i : i + n] for run in RUN.findall(query) for n in (2, 3, 4) for i in range(len(run) - n + 1)}
            self.counts.update(parts)
        self.middle: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.last: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.first: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for part, count in self.counts.items():
            if len(part) == 3 and count >= OFTEN:
                self.middle[part[0] + part[2]].append((part[1], count))
                self.last[part[:2]].append((part[2], count))
                self.first[part[1:]].append((part[0], count))
        self.known = characters()

    def kind(self, written: str, meant: str) -> str:
        """What kind of substitution it is."""
        sounds = self.known.sound
        if written not in sounds or meant not in sounds:
            return "another"
        if sounds[written] == sounds[meant]:
            return "same sound"
        if loose([sounds[written]]) == loose([sounds[meant]]):
            return "near sound"
        if meant in self.known.alike[written] or written in self.known.alike[meant]:
            return "like shape"
        return "another"

    def seen(self, part: str, own: int) -> int:
        """How many other queries have it."""
        return self.counts[part] - own

    def find(self, run: str, own: int = 1) -> Found | None:
        """The likeliest single mistake of a run; ``own`` is 1 where the run itself was counted."""
        pairs = [self.seen(run[i : i + 2], own) for i in range(len(run) - 1)]
        if min(pairs) > 0:
            return None
        found: list[tuple[int, Found]] = []
        for i in range(len(run)):
            around = pairs[max(0, i - 1) : i + 1]
            if max(around) > 0:
                continue
            others: Counter[str] = Counter()
            if 0 < i < len(run) - 1:
                others.update(dict(self.middle[run[i - 1] + run[i + 1]]))
            elif i == len(run) - 1:
                others.update(dict(self.last[run[i - 2 : i]]))
            else:
                others.update(dict(self.first[run[1:3]]))
            for other, count in others.items():
                if other != run[i] and other not in MEANING and run[i] not in MEANING:
                    meant = run[:i] + other + run[i + 1 :]
                    if self._borne_out(meant, i):
                        found.append((count, Found(run, meant, self.kind(run[i], other))))
            if len(run) > 3:
                meant = run[:i] + run[i + 1 :]
                if 0 < i < len(run) - 1 and run[i] not in MEANING and (count := self._often(meant, i - 1, i)):
                    found.append((count, Found(run, meant, "extra")))
        for i in range(len(run) - 1):
            if pairs[i] > 0:
                continue
            if run[i] == run[i + 1] and len(run) > 3:
                meant = run[:i] + run[i + 1 :]
                if count := self._often(meant, max(0, i - 1), i):
                    found.append((count, Found(run, meant, "doubled")))
            elif max(pairs[max(0, i - 1) : i + 2]) == 0 and not {run[i], run[i + 1]} & MEANING:
                meant = run[:i] + run[i + 1] + run[i] + run[i + 2 :]
                if count := self._often(meant, i, i + 1):
                    found.append((count, Found(run, meant, "swapped")))
            for other, count in self.middle[run[i : i + 2]]:
                meant = run[: i + 1] + other + run[i + 1 :]
                if other not in MEANING and self._borne_out(meant, i + 1):
                    found.append((count, Found(run, meant, "missing")))
        if not found:
            return None
        # A doubled character and two swapped ones explain the same text by less than a substitution or one left out.
        rank = {"doubled": 0, "swapped": 1, "same sound": 2, "near sound": 3, "like shape": 4}
        return min(found, key=lambda one: (rank.get(one[1].kind, 5), -one[0], one[1].meant))[1]

    def _often(self, meant: str, i: int, j: int) -> int:
        """How many queries have three characters of what was meant that reach from i to j, if four are borne out."""
        counts = [self.counts[meant[k : k + 3]] for k in range(max(0, j - 2), i + 1) if k + 3 <= len(meant)]
        best = max(counts, default=0)
        return best if best >= OFTEN and (self._borne_out(meant, i) or self._borne_out(meant, j)) else 0

    def _borne_out(self, meant: str, i: int) -> bool:
        """Whether another query has four characters of what was meant that have place i in them; short runs whole."""
        if len(meant) < 4:
            return self.counts[meant] >= OFTEN
        return any(self.counts[meant[k : k + 4]] >= 1 for k in range(max(0, i - 3), min(i, len(meant) - 4) + 1))


def make(run: str, kind: str, rng: random.Random) -> str | None:
    """A mistake of a kind in a run: by the shipped functions, or with a usual character put in."""
    usual = "".join(list(characters().counts)[:1000])
    ways = {
        "same sound": errors.same_sound, "near sound": errors.near_sound, "like shape": errors.like_shape,
        "doubled": errors.doubled, "swapped": errors.swapped, "missing": errors.missing,
        "extra": lambda text, i, g: text[:i] + g.choice(usual) + text[i:],
        "another": lambda text, i, g: text[:i] + g.choice(usual) + text[i + 1 :],
    }  # fmt: skip
    places = [i for i in range(len(run)) if run[i] not in MEANING]
    return ways[kind](run, rng.choice(places), rng) if places else None


def shuffled(finder: Finder, seed: int) -> None:
    """Give characters the sounds and looks of others, so that what agrees, agrees by chance."""
    real = characters()
    names = list(real.counts)
    other = names.copy()
    random.Random(seed).shuffle(other)
    to = dict(zip(names, other, strict=True))
    sound = {name: real.sound[to[name]] for name in names}
    back = {value: key for key, value in to.items()}
    alike = {name: "".join(back[c] for c in real.alike[to[name]]) for name in names}
    finder.known = Characters(real.counts, alike, sound, real.same, real.near)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--show", type=int, default=0, help="write so many examples of each kind to --out, to read")
    parser.add_argument("--out", type=Path, default=Path("examples.tsv"))
    args = parser.parse_args()
    lines = [
        line.split("\t")[-1]
        for path in sorted((args.data / "taobao_queries").glob("*.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    written = [normalise(line).lower() for line in lines]
    simple = [simplify(line) for line in written]
    traditional = sum(a != b for a, b in zip(written, simple, strict=True))
    queries = list(dict.fromkeys(simple))
    finder = Finder(queries)
    runs = [run for query in queries for run in RUN.findall(query)]
    found = [one for run in runs if (one := finder.find(run)) is not None]
    counts = Counter(one.kind for one in found)
    print(
        f"{len(queries):,} queries, {len(runs):,} runs; traditional {traditional:,}; found {sum(counts.values()):,}",
        counts,
    )
    shuffled(finder, 1)
    chance = Counter(one.kind for run in runs if (one := finder.find(run)) is not None)
    finder.known = characters()
    print("by chance", chance)
    rng = random.Random(7)
    clean = [run for run in rng.sample(runs, 12_000) if finder.find(run) is None]
    recall: dict[str, dict[str, int]] = {}
    for kind in KINDS:
        made = [(run, new) for run in clean if (new := make(run, kind, rng)) and new != run]
        made = [(run, new) for run, new in made if len(new) >= 3]
        again = [(run, finder.find(new, own=0)) for run, new in made]
        recall[kind] = {
            "made": len(made),
            "found": sum(one is not None for _, one in again),
            "found as this kind": sum(one is not None and one.kind == kind for _, one in again),
            "right": sum(one is not None and one.kind == kind and one.meant == run for run, one in again),
        }
        print(kind, recall[kind])
    if args.show:
        by_kind: dict[str, list[Found]] = defaultdict(list)
        for one in found:
            by_kind[one.kind].append(one)
        rows = []
        for kind in KINDS:
            for one in random.Random(3).sample(by_kind[kind], min(args.show, len(by_kind[kind]))):
                rows.append("\t".join((kind, one.written, one.meant)))
        args.out.write_text("\n".join(rows) + "\n", encoding="utf-8")
    rates = {kind: rate(kind, counts[kind], recall[kind], len(queries)) for kind in KINDS}
    for kind, (low, mean, high) in rates.items():
        print(f"{kind:12s} {100 * mean:.2f}% [{100 * low:.2f}, {100 * high:.2f}] of queries")
    numbers = {"queries": len(queries), "runs": len(runs), "traditional": traditional}
    record(
        "chinese_errors", numbers | {"found": counts, "chance": chance, "again": recall, "read": READ, "rates": rates}
    )


def rate(kind: str, found: int, again: dict[str, int], queries: int) -> tuple[float, float, float]:
    """Mistakes of a kind for each query: the 2.5th percentile, the mean and the 97.5th."""
    rng = np.random.default_rng(11)
    right, read = READ[kind]
    precision = rng.beta(right + 0.5, read - right + 0.5, DRAWS)
    recall = rng.beta(again["right"] + 0.5, again["made"] - again["right"] + 0.5, DRAWS)
    drawn = rng.gamma(found + 0.5, 1.0, DRAWS) * precision / recall / queries
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(drawn.mean()), float(high)


if __name__ == "__main__":
    main()
