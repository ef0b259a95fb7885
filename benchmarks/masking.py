"""How much personal data masking finds, and how often it takes product text for it.

    python benchmarks/masking.py [--data ../shared/data] [--frozen]

1. tests/data/masking: two lists of 100 labelled texts, one written with the code, one after it was frozen. A labelled
   piece counts as found when findings of its kind cover all its characters. Wilson intervals.
2. False alarms: 200 real titles, model numbers and EANs (shipped), then whole sets where the data is there.
3. Made numbers: 2,000 random valid ones of each form (seed 20261129), bare in a text without a word that names them:
   what the exceptions for GTINs and ISBNs cost in recall.
4. Time for a text.

--frozen records the figures of the frozen code, before anything that the second list taught, in masking_frozen.json.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from record import record

import aisle.privacy
from aisle.privacy import KINDS, checks, find_personal

ROOT = Path(__file__).parent.parent
LISTS = ROOT / "tests" / "data" / "masking"
CORE = ("email", "phone", "card")


def wilson(hits: int, trials: int) -> list[float]:
    """The 95% interval of a share."""
    z, share = 1.96, hits / trials
    middle = share + z * z / (2 * trials)
    half = z * ((share * (1 - share) + z * z / (4 * trials)) / trials) ** 0.5
    return [
        round(max(0.0, (middle - half) / (1 + z * z / trials)), 4),
        round(min(1.0, (middle + half) / (1 + z * z / trials)), 4),
    ]


def labelled(path: Path) -> dict[str, Any]:
    """Recall by kind, precision, and the texts that went wrong."""
    want, hit, wrong = Counter[str](), Counter[str](), []
    found_all = right = clean = alarms = 0
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        text, found = row["text"], find_personal(row["text"])
        marked, place = [], 0
        for kind, piece in row["personal"]:
            start = text.index(piece, place)
            place = start + len(piece)
            marked.append((kind, start, place))
        for kind, start, end in marked:
            want[kind] += 1
            covered = {at for one in found if one.kind == kind for at in range(one.start, one.end)}
            hit[kind] += covered.issuperset(range(start, end))
        found_all += len(found)
        right += sum(
            any(kind == one.kind and start < one.end and one.start < end for kind, start, end in marked)
            for one in found
        )
        clean += not marked
        alarms += bool(found) and not marked
        shown = [[one.kind, text[one.start : one.end]] for one in found]
        if shown != row["personal"]:
            wrong.append({"text": text, "labelled": row["personal"], "found": shown})
    core, core_hit = sum(want[k] for k in CORE), sum(hit[k] for k in CORE)
    return {
        "recall": {kind: [hit[kind], want[kind]] for kind in KINDS if want[kind]},
        "email, phone, card": {"found": core_hit, "of": core, "interval": wilson(core_hit, core)},
        "precision": [right, found_all],
        "false alarms on texts without personal data": [alarms, clean],
        "wrong": wrong,
    }


def alarms(texts: Iterable[str]) -> dict[str, Any]:
    """Share of texts with a finding; they are product text, so each is counted as wrong."""
    total, found, kinds, examples = 0, 0, Counter[str](), []
    for text in texts:
        total += 1
        one = find_personal(text)
        found += bool(one)
        kinds.update({part.kind for part in one})
        if one and len(examples) < 5:
            examples.append([text[part.start : part.end] for part in one])
    return {
        "texts": total,
        "alarms": found,
        "share": round(found / total, 6),
        "interval": wilson(found, total),
        "kinds": dict(kinds),
    } | ({"examples": examples} if examples else {})


def shipped() -> list[str]:
    with (LISTS / "titles.tsv").open(encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file, delimiter="\t")]


def made(kind: str, one: Callable[[random.Random], str]) -> dict[str, Any]:
    """How many random numbers of a form are found, each at the end of a text that says nothing of them."""
    dice = random.Random(20261129)
    hits, example = 0, ""
    for _ in range(MADE):
        number = one(dice)
        text = f"order for {number}"
        whole = any(f.kind == kind and text[f.start : f.end] == number for f in find_personal(text))
        hits += whole
        example = example or ("" if whole else number)
    return {"found": hits, "of": MADE, "interval": wilson(hits, MADE)} | ({"missed": example} if example else {})


def digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choice("0123456789") for _ in range(count))


def mobile(dice: random.Random) -> str:
    return "1" + dice.choice("3456789") + digits(dice, 9)


def landline(dice: random.Random) -> tuple[str, str]:
    if dice.random() < 0.5:
        return dice.choice(["010", "021", "020", "022", "023", "024", "025", "027", "028", "029"]), dice.choice(
            "23456789"
        ) + digits(dice, 7)
    return dice.choice(["0755", "0571", "0311", "0431", "0532", "0591", "0769", "0871", "0931"]), dice.choice(
        "23456789"
    ) + digits(dice, 6 + (dice.random() < 0.5))


def american(dice: random.Random) -> list[str]:
    return [dice.choice("23456789") + digits(dice, 2), dice.choice("23456789") + digits(dice, 2), digits(dice, 4)]


def card(dice: random.Random) -> str:
    begin, length = dice.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("37", 15),
            ("6011", 16),
            ("62", 16),
            ("62", 19),
            ("3530", 16),
            ("36", 14),
        ]
    )
    body = begin + digits(dice, length - len(begin) - 1)
    return next(body + last for last in "0123456789" if checks.luhn(body + last))


def resident(dice: random.Random) -> str:
    body = (
        dice.choice(["110105", "310104", "440305", "510107", "320106"])
        + f"{dice.randint(1940, 2010)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
        + digits(dice, 3)
    )
    return next(body + last for last in "0123456789X" if checks.resident(body + last))


FORMS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "Chinese mobile, bare": ("phone", mobile),
    "Chinese mobile, 3-4-4": ("phone", lambda dice: re.sub(r"(...)(....)(....)", r"\1-\2-\3", mobile(dice))),
    "Chinese mobile, +86": ("phone", lambda dice: "+86 " + mobile(dice)),
    "Chinese landline, dash": ("phone", lambda dice: "-".join(landline(dice))),
    "Chinese landline, bare": ("phone", lambda dice: "".join(landline(dice))),
    "US, (area) and dash": ("phone", lambda dice: "({}) {}-{}".format(*american(dice))),
    "US, dots": ("phone", lambda dice: ".".join(american(dice))),
    "US, bare ten digits": ("phone", lambda dice: "".join(american(dice))),
    "E.164": (
        "phone",
        lambda dice: (
            "+"
            + dice.choice(["44", "49", "33", "39", "34", "31", "81", "91", "61"])
            + dice.choice("123456789")
            + digits(dice, 8)
        ),
    ),
    "UK mobile": ("phone", lambda dice: "07" + digits(dice, 3) + " " + digits(dice, 6)),
    "French pairs": (
        "phone",
        lambda dice: "0" + dice.choice("1234567") + "".join(" " + digits(dice, 2) for _ in range(4)),
    ),
    "card, bare": ("card", card),
    "card, fours": ("card", lambda dice: " ".join(re.findall(".{1,4}", card(dice)))),
    "resident ID": ("id", resident),
}
MADE = 2_000


def sets(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Distinct titles and queries of whole sets."""
    with gzip.open(ROOT / "samples" / "icecat" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        products = [json.loads(line) for line in file]
    yield "icecat titles", [product["title"] for product in products]
    yield "icecat models", sorted({product["model"] for product in products if product.get("model")})
    yield "icecat EANs", sorted({code for product in products for code in product.get("ean", [])})
    for name, (title, query) in {
        "crowdflower": ("product_title", "query"),
        "homedepot": ("product_title", "search_term"),
    }.items():
        path = data / name / "pairs.csv"
        if path.exists():
            csv.field_size_limit(10**9)
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                rows = list(csv.DictReader(file))
            yield f"{name} titles", sorted({row[title] for row in rows})
            yield f"{name} queries", sorted({row[query] for row in rows})
    for name, path in {
        "multicpr titles": data / "multicpr_mini" / "corpus.tsv",
        "taobao queries": data / "taobao_queries" / "multicpr_train.query.txt",
    }.items():
        if path.exists():
            lines = path.read_text("utf-8").splitlines()
            yield name, sorted({line.rpartition("\t")[2] for line in lines})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--frozen", action="store_true")
    given = parser.parse_args()
    code = b"".join(path.read_bytes() for path in sorted(Path(aisle.privacy.__file__).parent.glob("*.py")))
    numbers: dict[str, Any] = {"code": hashlib.sha256(code).hexdigest()[:16]}
    for name in ("first", "second"):
        numbers[name] = labelled(LISTS / f"{name}.jsonl")
    numbers["titles"] = alarms(shipped())
    if not given.frozen:
        numbers["sets"] = {name: alarms(texts) for name, texts in sets(given.data)}
        numbers["made"] = {form: made(kind, one) for form, (kind, one) in FORMS.items()}
        queries = [
            json.loads(line)["text"]
            for name in ("first", "second")
            for line in (LISTS / f"{name}.jsonl").read_text("utf-8").splitlines()
        ]
        begun = time.process_time()
        for _ in range(50):
            for text in queries:
                find_personal(text)
        numbers["CPU microseconds a labelled text"] = round((time.process_time() - begun) / 50 / len(queries) * 1e6, 1)
    print(json.dumps(numbers, ensure_ascii=False, indent=1))
    record("masking_frozen" if given.frozen else "masking", numbers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
