"""Parts of benchmarks/compression.py that need no training: bits, runtimes, rows, dimensions, the light install."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aisle.compress.agreement import agreement, quality
from aisle.compress.dimensions import principal
from aisle.compress.material import from_pairs
from aisle.compress.measure import scores, times
from aisle.compress.model import ENCODER, Served, folder_bytes, read_served, tokenizer_of
from aisle.compress.plan import Plan
from aisle.compress.shrink import Shrinking
from aisle.compress.vocabulary import loss, prune
from aisle.encoders.export import read_shape
from aisle.encoders.onnx import OnnxEncoder
from aisle.encoders.tokenise import ENGLISH_FILE
from aisle.encoders.weights import EncoderWeights
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.training.relevance.model import TunedEncoder

ROOT = Path(__file__).parent.parent
HOME_DEPOT_QUERIES = 600
PAIRS = 1_000
PRECISIONS = ("float32", "int8", "static")
LIGHT = """
import json, sys
from pathlib import Path
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "sentence_transformers", "onnx"):
            raise ImportError(f"{name} is no part of the light install")
sys.meta_path.insert(0, Blocked())
from aisle.rerankers.load import load_reranker
from aisle.types import Product
given = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
model = load_reranker(Path(sys.argv[1]))
def products(rows): return [Product(str(n), title, text) for n, (title, text) in enumerate(rows)]
found = [[float(score) for score in model.score(query, products(rows))] for query, rows in given]
assert "torch" not in sys.modules
print(json.dumps(found))
"""


def precision(given: argparse.Namespace) -> dict[str, Any]:
    """8 bits beside float32 of the same float weights, all-MiniLM-L6-v2: no rounding was done to them before."""
    model = minilm()
    found: dict[str, Any] = {}
    for name, pairs in shops(given.data).items():
        material = from_pairs([pairs], False)
        steps = Shrinking(model, material, given.work / f"precision-{name}", told, lambda *_: None)
        values = {}
        for kind in PRECISIONS:
            out = given.work / f"minilm-{name}-{kind}"
            facts = steps.make(Plan.from_dict({"precision": kind}), out)
            values[kind] = scores(out, material)
            if "ranges" in facts:
                found[f"{name}, ranges"] = facts["ranges"]
        groups, levels = pairs.by_query(), pairs.levels()
        for kind in PRECISIONS[1:]:
            row = quality(groups, levels, values["float32"], values[kind])
            assert row is not None
            same = agreement(groups, values["float32"], values[kind]).to_dict()
            found[f"{name}, {kind} beside float32"] = row | {"agreement": same}
        found[f"{name}, megabytes"] = {
            kind: folder_bytes(given.work / f"minilm-{name}-{kind}") / 1e6 for kind in PRECISIONS
        }
    return found


def runtimes(given: argparse.Namespace) -> dict[str, Any]:
    """OpenVINO beside ONNX Runtime: what they answer, and how long they take in turns."""
    model = minilm()
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    material = from_pairs([pairs], True)
    described = dataclasses.replace(model, details={"recipe": {"description": True}})
    steps = Shrinking(described, material, given.work / "runtimes", told, lambda *_: None)
    folders = {}
    for label, plan in {
        "float32, ONNX Runtime": {"precision": "float32"},
        "float32, OpenVINO": {"precision": "float32", "runtime": "openvino"},
        "int8, ONNX Runtime": {"precision": "int8"},
        "static, ONNX Runtime": {"precision": "static"},
        "static, OpenVINO": {"precision": "static", "runtime": "openvino"},
    }.items():
        folders[label] = given.work / "runtimes" / label.replace(", ", "-").replace(" ", "-")
        if not (folders[label] / "manifest.json").exists():
            steps.make(Plan.from_dict(plan), folders[label])
    texts = list(material.texts[:200])
    vectors = {label: OnnxEncoder(folder).encode(texts, "product") for label, folder in folders.items()}
    apart = {
        kind: {
            "largest difference of a number": float(
                np.abs(vectors[f"{kind}, {one}"] - vectors[f"{kind}, {other}"]).max()
            ),
            "least cosine": float((vectors[f"{kind}, {one}"] * vectors[f"{kind}, {other}"]).sum(1).min()),
        }
        for kind in ("float32", "static")
        for one, other in [("ONNX Runtime", "OpenVINO")]
    }
    timed = {name: found.to_dict() for name, found in times(folders, material, 9).items()}
    return {"apart": apart, "times, 100 texts with descriptions": timed}


def smaller_parts(given: argparse.Namespace) -> dict[str, Any]:
    """Rows and dimensions of the embedded encoder."""
    model = read_served("embedded")
    found: dict[str, Any] = {"rows": {}, "dimensions": {}}
    for name, texts in catalogues(given.data).items():
        order = np.random.default_rng(0).permutation(len(texts))
        cut = len(texts) // 5
        unseen, seen = ([texts[place] for place in part] for part in (order[:cut], order[cut:]))
        for common in (0, 5_000, 10_000):
            small = prune(model, seen, given.work / "rows", common)
            rows = len(small.weights["embeddings.word_embeddings.weight"])
            lost = loss(model, small, unseen, given.work / "rows").to_dict()
            found["rows"][f"{name}, {common} common"] = lost | {"rows": rows, "chosen by": len(seen)}
    for name, pairs in shops(given.data).items():
        found["dimensions"] |= shorter(name, pairs)
    return found


def shorter(name: str, pairs: PairSet) -> dict[str, Any]:
    """nDCG of vectors cut to their first numbers, and turned by directions fitted to half of the queries' texts."""
    encoder = OnnxEncoder(read_served("embedded").folder)
    texts = list(dict.fromkeys(pair.title for pair in pairs))
    place = {text: row for row, text in enumerate(texts)}
    queries = list(dict.fromkeys(pair.query for pair in pairs))
    asked = {query: row for row, query in enumerate(queries)}
    titles, wanted = encoder.encode(texts, "product"), encoder.encode(queries, "query")
    rows = np.array([[asked[pair.query], place[pair.title]] for pair in pairs])
    groups, levels = pairs.by_query(), pairs.levels()

    def cosine(matrix: np.ndarray) -> np.ndarray:
        parts = [part @ matrix for part in (wanted, titles)]
        units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
        return (units[0][rows[:, 0]] * units[1][rows[:, 1]]).sum(1)

    whole = cosine(np.eye(titles.shape[1], dtype=np.float32))
    fitted = np.concatenate([titles[::2], wanted[::2]])
    found = {}
    for dim in (256, 192, 128, 64, 32):
        for how, matrix in (
            ("turned", principal(fitted, dim)),
            ("first", np.eye(titles.shape[1], dtype=np.float32)[:, :dim]),
        ):
            found[f"{name}, {dim} dimensions, {how}"] = quality(groups, levels, whole, cosine(matrix))
    return found


def light(given: argparse.Namespace) -> dict[str, Any]:
    """A folder in a process that cannot import PyTorch, beside PyTorch itself, on 1,000 pairs."""
    model = minilm()
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    kept = pairs.subset(range(PAIRS))
    material = from_pairs([pairs], False)
    steps = Shrinking(model, material, given.work / "light", told, lambda *_: None)
    groups = kept.by_query()
    reference = by_torch(model, kept, given.work)
    found: dict[str, Any] = {}
    for kind in PRECISIONS:
        out = given.work / "light" / kind
        steps.make(Plan.from_dict({"precision": kind}), out)
        found[kind] = agreement(groups, reference, served_light(out, kept, given.work)).to_dict()
    return found


def by_torch(model: Served, pairs: PairSet, work: Path) -> np.ndarray:
    """The scores of the training environment in float32."""
    import torch

    from aisle.artifacts import Manifest

    weights = EncoderWeights(
        dict(model.weights), model.shape, dict(model.tokenizers), model.words, Manifest("encoder", 1, {})
    )
    encoder = TunedEncoder(weights).eval()
    tokenizer = tokenizer_of(model, work / "tokenizer")
    with torch.no_grad():
        queries = encoder.by_length(tokenizer.ids([pair.query for pair in pairs])).numpy()
        texts = encoder.by_length(tokenizer.ids([pair.title for pair in pairs])).numpy()
    return (queries * texts).sum(1)


def served_light(folder: Path, pairs: PairSet, work: Path) -> np.ndarray:
    groups = pairs.by_query()
    asked = [
        (pairs[rows[0]].query, [(pairs[row].title, pairs[row].description) for row in rows]) for rows in groups.values()
    ]
    path = work / "asked.json"
    path.write_text(json.dumps(asked), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, str(folder), str(path)], capture_output=True, text=True, check=True
    )
    found = np.zeros(len(pairs), np.float32)
    for rows, values in zip(groups.values(), json.loads(done.stdout), strict=True):
        found[rows] = values
    return found


def minilm() -> Served:
    """All-MiniLM-L6-v2 with its own float weights."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from export_minilm import package_folder
    from transformers import AutoModel

    folder = package_folder()
    bert = AutoModel.from_pretrained(folder, local_files_only=True)
    tokenizer = json.loads((folder / ENGLISH_FILE).read_text(encoding="utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None
    weights = {name: value.float().numpy() for name, value in bert.state_dict().items() if "pooler" not in name}
    shape = read_shape(folder)
    found = Served(ENCODER, folder, weights, shape, {ENGLISH_FILE: json.dumps(tokenizer)}, {})
    return found.cut(shape.max_tokens)


def shops(data: Path) -> dict[str, PairSet]:
    """All of CrowdFlower, and the first queries of Home Depot."""
    home = read_pairs(data / "homedepot" / "pairs.csv", need_grades=True)
    chosen = list(home.by_query().values())[:HOME_DEPOT_QUERIES]
    return {
        "crowdflower": read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True),
        "homedepot": home.subset([row for rows in chosen for row in rows]),
    }


def catalogues(data: Path) -> dict[str, list[str]]:
    """Titles: English electronics, an English marketplace, a Chinese one."""
    from aisle.catalogue.clean import clean
    from aisle.config import CatalogueSettings

    with clean(ROOT / "samples" / "icecat" / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        icecat = [product.title for product in cleaned]
    crowd = read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True)
    lines = (data / "multicpr_mini" / "corpus.tsv").read_text(encoding="utf-8").splitlines()
    chinese = [line.split("\t")[1].strip() for line in lines if "\t" in line]
    return {
        "Icecat": list(dict.fromkeys(icecat)),
        "CrowdFlower": list(dict.fromkeys(pair.title for pair in crowd)),
        "Chinese titles": [text for text in dict.fromkeys(chinese) if text],
    }


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
