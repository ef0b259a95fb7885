"""Make the embedded encoder again from the pinned inputs in data/. Needs aisle[train]; under two hours on two cores.

    python scripts/train_encoder.py --work DIR [--out aisle/encoders/bilingual]

DIR keeps the prepared inputs, the checkpoint and the log; after an interruption the same command goes on from there.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from export_minilm import PACKAGE, PINNED, VERSION, package_folder
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from aisle.encoders.tokenise import ENGLISH_FILE, HAN_FILE, BilingualTokenizer
from aisle.errors import AisleError
from aisle.training.bilingual import assemble, sources, vocabulary
from aisle.training.bilingual.finish import average, export, golden
from aisle.training.bilingual.model import Student
from aisle.training.bilingual.prepared import load, save
from aisle.training.bilingual.teacher import Teacher
from aisle.training.bilingual.train import FIRST, SECOND, THIRD, Corpus, Settings, Trainer

ROOT = Path(__file__).parent.parent
DATA, CATALOGUE = ROOT / "data", ROOT / "samples" / "icecat" / "products.jsonl.gz"
OUT = ROOT / "aisle" / "encoders" / "bilingual"
SHARES = {"first": 0.1, "third": 0.9}
"""Of the stages in what is shipped: a little of the first keeps rare names that the later ones draw less often."""
WORDS, COMPOSED, TEXT_TOKENS, MAX_TOKENS = 24_000, 60_000, 64, 256
LICENCES = {
    "all-MiniLM-L6-v2": "Apache-2.0",
    "shop_terms, shop_titles, shop_titles_2, glosses, noise.tsv": "Apache-2.0, written for Aisle by a language model",
    "Shopify product taxonomy": "MIT",
    "Open English WordNet, Chinese Open WordNet, CILI": "CC BY 4.0, WordNet licence, CC BY 4.0",
    "Tatoeba sentences": "CC BY 2.0 FR",
    "jieba and THUOCL word frequencies": "MIT",
    "litemall product titles": "MIT",
    "Icecat product titles": "Open Content License",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch")
    given = parser.parse_args()
    try:
        make(given.work, given.out, given.threads)
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def make(work: Path, out: Path, threads: int) -> None:
    """Prepare, train, export."""
    source = package_folder()
    work.mkdir(parents=True, exist_ok=True)
    inputs_hash = sources.fingerprint(DATA)
    english_json, kept = vocabulary.english_part((source / ENGLISH_FILE).read_text(encoding="utf-8"))
    found = load(work, inputs_hash)
    if found is None:
        print("preparing: vocabulary, first rows, the teacher's vectors", flush=True)
        inputs = assemble.Inputs.read(DATA, CATALOGUE)
        words = vocabulary.choose(sources.frequencies(DATA), inputs.weighted_texts(), WORDS)
        (work / ENGLISH_FILE).write_text(english_json, encoding="utf-8")
        (work / HAN_FILE).write_text(words.tokenizer_json(), encoding="utf-8")
        rows = load_file(source / "model.safetensors")["embeddings.word_embeddings.weight"][kept]
        english = Tokenizer.from_file(str(work / ENGLISH_FILE))
        first, known = vocabulary.first_rows(words, vocabulary.glosses(inputs.glosses()), english, rows)
        print(f"{len(words.words):,} Chinese rows, {known:,} with a gloss of their own", flush=True)
        tokenizer = BilingualTokenizer(work, len(kept), TEXT_TOKENS)
        corpus = assemble.corpus(inputs, tokenizer, Teacher(source, threads), COMPOSED, FIRST.seed)
        save(work, inputs_hash, words, first, corpus)
    else:
        words, first, corpus = found
    student = Student(source, words, first, kept)
    pieces = vocabulary.pieces_of(words)
    stages = {"first": FIRST, "second": SECOND, "third": THIRD}
    for name, stage in stages.items():
        drawn = corpus if name == "first" else corpus.later()
        train(student, drawn, pieces, replace(stage, threads=threads), work / name)
    average(student, {work / name: share for name, share in SHARES.items()})
    golden(student, BilingualTokenizer(work, len(kept), MAX_TOKENS), golden_texts(), work / "golden_bilingual.npz")
    steps = sum(stage.steps for stage in stages.values())
    manifest = export(student, words, english_json, source, out, details(inputs_hash, steps))
    for name, value in manifest.fingerprint.items():
        print(f"{name}: {value}")


def golden_texts() -> list[str]:
    """Texts in both languages, short and long, whose vectors in float a test compares with those of the file."""
    texts = [name for term in sources.shop_terms(DATA)[::150] for name in (term.zh[0], term.en[0])]
    return texts + [text for title in sources.shop_titles(DATA)[::50] for text in (title.zh, title.en)]


def details(inputs_hash: str, steps: int) -> dict[str, Any]:
    """What the manifest says of how the file was made."""
    return {
        "name": "aisle-bilingual",
        "source": f"all-MiniLM-L6-v2 of the PyPI package {PACKAGE} {VERSION}",
        "source_sha256": PINNED,
        "inputs_sha256": inputs_hash,
        "licence": "Apache-2.0",
        "data": LICENCES,
        "card": "docs/model_card.md",
        "command": "python scripts/train_encoder.py --work DIR",
        "steps": steps,
        "quantisation": "weights int8 per output channel, 7 bits used; words int8 per row; activations uint8",
    }


def train(student: Student, corpus: Corpus, pieces: list[list[int]], settings: Settings, folder: Path) -> None:
    """One stage, from its checkpoint if there is one."""
    folder.mkdir(exist_ok=True)
    trainer = Trainer(student, corpus, pieces, settings, folder)
    done, start = trainer.resume(), time.monotonic()
    print(f"{folder.name} stage: {done:,} of {settings.steps:,} steps done", flush=True)

    def report(step: int, losses: dict[str, float]) -> None:
        left = (time.monotonic() - start) / max(1, step - done) * (settings.steps - step) / 60
        shown = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
        print(f"step {step:,} of {settings.steps:,}, {left:.0f} minutes left: {shown}", flush=True)

    trainer.run(report)


if __name__ == "__main__":
    sys.exit(main())
