"""Tuned encoders as folders that are served, with the adapter they came of beside them. Needs aisle[train]."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from aisle.encoders.export import write_encoder
from aisle.encoders.graph import Arithmetic
from aisle.encoders.weights import EncoderWeights, read_weights
from aisle.training.peft.settings import PeftSettings
from aisle.training.peft.store import adapter_settings, load_adapter, save_adapter
from aisle.training.relevance.model import TunedEncoder

ADAPTER = "adapter"
"""The folder inside an encoder's, where it was trained by a method that moves few parameters."""
_KEPT = ("han_offset", "scripts", "licence")


def write_tuned(model: TunedEncoder, base: EncoderWeights, folder: Path, arithmetic: Arithmetic | None = None) -> None:
    """Write an encoder folder: what was learnt is merged into the weights, or stands in the graph beside them.

    Args:
        model: Trained.
        base: What it began as.
        folder: Made if need be.
        arithmetic: Of the graph; in whole numbers where nothing is said.
    """
    details = {name: base.manifest.details[name] for name in _KEPT if name in base.manifest.details}
    if keep_adapter(model, model.adaptation.settings, base.manifest.fingerprint, folder):
        details["peft"] = model.adaptation.settings.method
    write_encoder(model.weights(), base.shape, base.tokenizers, folder, details, base.words, arithmetic)


def keep_adapter(model: nn.Module, settings: PeftSettings, base: Mapping[str, str], folder: Path) -> bool:
    """Write the adapter of a model into its folder; returns whether there is one.

    Args:
        model: An encoder or a cross-encoder, trained.
        settings: How it was adapted.
        base: The fingerprint of what it began as.
        folder: Of the model.
    """
    if settings.method == "full":
        return False
    save_adapter(folder / ADAPTER, model, settings, base)
    return True


def with_adapter(base: Path, adapter: Path) -> tuple[TunedEncoder, EncoderWeights]:
    """An encoder with an adapter in it, as it was trained, and what it began as.

    Raises:
        ArtifactError: The folder is no adapter, or the base no encoder.
        FingerprintError: The adapter was trained on another encoder.
    """
    weights = read_weights(base)
    model = TunedEncoder(weights, peft=adapter_settings(adapter))
    load_adapter(adapter, model, weights.manifest.fingerprint)
    return model, weights
