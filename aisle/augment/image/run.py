"""A folder of images to a folder of changed ones, with where each comes from. Goes on where it was stopped.

    out/settings.json       what it was made with
    out/provenance.jsonl    a line for each image that was made, and for each that could not be: ``error`` says why
    out/NAME.1.rotated.jpg  the first copy of NAME.jpg

What an image becomes depends on the seed, its own name and the number of the copy alone. Knows no catalogue.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random

from PIL import Image

from aisle.augment.change import Provenance
from aisle.augment.image.changes import CHANGES
from aisle.augment.image.meaning import Meaning, meaning_of
from aisle.augment.image.picture import SUFFIXES, read_picture, write_picture
from aisle.errors import ArtifactError, InputError
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise
from aisle.types import Progress

SETTINGS, PROVENANCE = "settings.json", "provenance.jsonl"
FORMAT = 1
MOST_COPIES = 100


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What is made of every image.

    Attributes:
        changes: Names of changes, one drawn for each copy; none comes twice before all that are allowed came once.
        copies: Of each image.
        seed: Of all draws.
        texts: File name to the query, or to the title with its category; else the words of the file's name.
    """

    changes: tuple[str, ...] = tuple(CHANGES)
    copies: int = 1
    seed: int = 0
    texts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = next((name for name in self.changes if name not in CHANGES), None)
        if unknown is not None or not self.changes:
            raise InputError(f"{unknown!r} is no change of an image", allowed=", ".join(CHANGES))
        if not 1 <= self.copies <= MOST_COPIES:
            raise InputError(f"{self.copies} copies", allowed=f"1 to {MOST_COPIES}")


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image that was made.

    Attributes:
        file: Its name in the folder.
        come: Where it comes from; ``source`` is a file's name.
        digest: SHA-256 of the source.
    """

    file: str
    come: Provenance
    digest: str


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What became of a folder.

    Attributes:
        images: Found.
        made: All that are there now.
        kept: How many of them were there before.
        fewer: Images that got fewer copies than asked, since no further change fits them.
        refused: Changes that were not made, by "change: reason".
        bad: Files that are no usable image, with the reason.
    """

    images: int
    made: tuple[MadeImage, ...]
    kept: int
    fewer: int
    refused: Mapping[str, int]
    bad: tuple[tuple[str, str], ...]


def augment_images(folder: Path, out: Path, plan: ImagePlan, progress: Progress | None = None) -> ImageReport:
    """Make copies of all images of a folder, those in folders below it left out.

    Args:
        folder: With the images.
        out: Where they go; one that is there goes on if it was made with the same plan.
        plan: What is made.
        progress: Told after each image.

    Raises:
        InputError: The folder has no image or cannot be read, or is the one to write to.
        ArtifactError: The folder to write to was made with another plan, or is something else.
    """
    files = _images(folder)
    if out.resolve() == folder.resolve():
        raise InputError(f"--out {str(out)!r} is the folder of the images", fix="name another one")
    before = _open(out, plan)
    made: list[MadeImage] = []
    bad: list[tuple[str, str]] = []
    refused: dict[str, int] = {}
    kept = fewer = 0
    with (out / PROVENANCE).open("a", encoding="utf-8") as log:
        for number, path in enumerate(files, start=1):
            try:
                digest = sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                bad.append((path.name, f"cannot be read: {error.strerror}"))
                fewer += 1
                continue
            meaning = meaning_of(_text(path, plan))
            for reason in _refusals(plan, meaning):
                refused[reason] = refused.get(reason, 0) + 1
            there = before.get(path.name, [])
            if there and all(one.digest == digest and (out / one.file).is_file() for one in there):
                kept += len(there)
            else:
                try:
                    there = _copies(path, out, digest, meaning, plan)
                    log.writelines(_line(one, len(there)) for one in there)
                    log.flush()
                except InputError as error:
                    there = []
                    bad.append((path.name, error.received))
            made += there
            fewer += len(there) < plan.copies
            if progress is not None:
                progress("images", number, len(files))
    report = ImageReport(len(files), tuple(made), kept, fewer - len(bad), refused, tuple(bad))
    _rewrite(out, report)
    return report


def _copies(path: Path, out: Path, digest: str, meaning: Meaning, plan: ImagePlan) -> list[MadeImage]:
    image = read_picture(path)
    new: list[MadeImage] = []
    for copy, (name, changed) in enumerate(_changed(image, path.name, meaning, plan), start=1):
        file = f"{path.name}.{copy}.{name}.jpg"
        write_picture(changed, out / file)
        new.append(MadeImage(file, Provenance(path.name, (name,), CHANGES[name].effect, plan.seed, ""), digest))
    return new


def _changed(image: Image.Image, name: str, meaning: Meaning, plan: ImagePlan) -> Sequence[tuple[str, Image.Image]]:
    """The changed images of one: changes in rounds, each round all that are allowed in a drawn order."""
    allowed = [change for change in plan.changes if not CHANGES[change].refused(meaning)]
    once = {"flipped"}  # twice would be the same image twice
    found: list[tuple[str, Image.Image]] = []
    rng = Random(f"{plan.seed} {name}")
    while allowed and len(found) < plan.copies:
        order = rng.sample(allowed, len(allowed))
        for change in order[: plan.copies - len(found)]:
            changed = CHANGES[change].make(image, Random(f"{plan.seed} {name} {change} {len(found)}"))
            if changed is None or change in once:
                allowed.remove(change)
            if changed is not None:
                found.append((change, changed))
    return found


def _refusals(plan: ImagePlan, meaning: Meaning) -> list[str]:
    reasons = ((name, CHANGES[name].refused(meaning)) for name in plan.changes)
    return [f"{name}: {reason}" for name, reason in reasons if reason]


def _images(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"cannot read the folder {str(folder)!r}: {error.strerror or error}") from None
    if not files:
        raise InputError(
            f"the folder {str(folder)!r} has no image", allowed="files ending in " + ", ".join(sorted(SUFFIXES))
        )
    return files


def _text(path: Path, plan: ImagePlan) -> str:
    """What is said of an image: the given text, else the words of its file's name."""
    given = plan.texts.get(path.name) or plan.texts.get(path.stem)
    return simplify(normalise(given if given is not None else path.stem.replace("-", " ").replace("_", " ")))


# --- the folder ---


def _open(out: Path, plan: ImagePlan) -> dict[str, list[MadeImage]]:
    """Begin a folder, or read what is in one that was begun with the same plan, by source."""
    text = json.dumps({"format": FORMAT} | asdict(plan), ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    settings = out / SETTINGS
    if settings.is_file():
        if settings.read_text(encoding="utf-8") != text:
            raise ArtifactError(
                f"{str(out)!r} was made with other changes, copies, texts or another seed",
                fix=f"name another --out, or remove {str(out)!r}",
            )
        return _read(out / PROVENANCE)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(f"{str(out)!r} is there and not of this command", fix="name an empty or a new --out")
    out.mkdir(parents=True, exist_ok=True)
    beside = out / f".{SETTINGS}.part"
    beside.write_text(text, encoding="utf-8")
    beside.replace(settings)
    return {}


def _read(path: Path) -> dict[str, list[MadeImage]]:
    """The images told of; a line that was cut off by a kill is passed over, and its image made again."""
    found: dict[str, list[MadeImage]] = {}
    wanted: dict[str, int] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
            if "error" in row:
                continue
            come = Provenance(row["source"], tuple(row["how"]), row["effect"], row["seed"], row["detail"])
            found.setdefault(come.source, []).append(MadeImage(row["file"], come, row["sha256"]))
            wanted[come.source] = row["of"]
        except (ValueError, KeyError, TypeError):
            continue
    return {source: made for source, made in found.items() if len(made) == wanted[source]}


def _line(made: MadeImage, of: int) -> str:
    row = {"file": made.file} | asdict(made.come) | {"sha256": made.digest, "of": of}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _rewrite(out: Path, report: ImageReport) -> None:
    """All lines in order, each once, with those that failed at the end."""
    counts = Counter(one.come.source for one in report.made)
    lines = [_line(one, counts[one.come.source]) for one in report.made]
    lines += [json.dumps({"source": name, "error": reason}, ensure_ascii=False) + "\n" for name, reason in report.bad]
    beside = out / f".{PROVENANCE}.part"
    beside.write_text("".join(lines), encoding="utf-8")
    beside.replace(out / PROVENANCE)
