"""Adapters as folders: what was trained, in float, and which model it belongs to. Needs safetensors; no pickle.

An adapter holds every parameter of its module that moved: those of the backbone, and whatever stands outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from aisle.artifacts import Manifest, read_manifest, write_manifest
from aisle.config import checked
from aisle.errors import ArtifactError, FingerprintError
from aisle.training.peft.settings import PeftSettings

KIND, FORMAT = "adapter", 1
FILE = "adapter.safetensors"
_SETTINGS = TypeAdapter(PeftSettings)
_VALUES, _ROWS, _COLUMNS = ".lora_E.", ".lora_A.", ".lora_B."


def save_adapter(folder: Path, module: nn.Module, settings: PeftSettings, base: Mapping[str, str]) -> None:
    """Write what moves in a module. Ranks that AdaLoRA took away are left out.

    Args:
        folder: Made if need be.
        module: With the adapted backbone in it.
        settings: How it was adapted.
        base: The fingerprint of the model that it began as, from its manifest.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    moved = {name: value.detach().float().cpu() for name, value in module.named_parameters() if value.requires_grad}
    save_file({name: value.contiguous() for name, value in _narrow(moved).items()}, folder / FILE)
    details = {"peft": json.loads(json.dumps(asdict(settings))), "parameters": sum(map(torch.numel, moved.values()))}
    write_manifest(folder, Manifest(KIND, FORMAT, {f"base {name}": value for name, value in base.items()}, details))


def adapter_settings(folder: Path) -> PeftSettings:
    """How an adapter's backbone is to be adapted before `load_adapter`.

    Raises:
        ArtifactError: It is no finished adapter.
        RecipeError: Its settings are of another version.
    """
    details = read_manifest(folder, KIND, FORMAT).details
    return checked(_SETTINGS, details.get("peft", {}), str(folder), lambda _: "the settings of docs/peft.md")


def load_adapter(folder: Path, module: nn.Module, base: Mapping[str, str]) -> None:
    """Put an adapter's parameters into a module that was adapted as `adapter_settings` says.

    Args:
        folder: Of the adapter.
        module: What `save_adapter` was given, made anew from the same model.
        base: The fingerprint of that model.

    Raises:
        ArtifactError: The folder is no finished adapter, or not one of such a module.
        FingerprintError: It was trained on another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = read_manifest(folder, KIND, FORMAT)
    if manifest.fingerprint != {f"base {name}": value for name, value in base.items()}:
        raise FingerprintError(
            f"the adapter {str(folder)!r} was trained on another model", fix="give it the model that it began as"
        )
    try:
        kept: dict[str, Tensor] = load_file(folder / FILE)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"cannot read {str(folder / FILE)!r}: {error}", fix="make the adapter again") from None
    wanted = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if set(kept) != set(wanted):
        odd = sorted(set(kept) ^ set(wanted))[0]
        raise ArtifactError(
            f"the adapter {str(folder)!r} and this module differ in {odd!r}", fix="load it into what it was saved from"
        )
    with torch.no_grad():
        for name, value in _widen(kept, wanted).items():
            wanted[name].copy_(value)


def _narrow(moved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without AdaLoRA's rows and columns whose value is 0."""
    return {
        name: value if (left := _left(name, moved)) is None else _of(name, value, left) for name, value in moved.items()
    }


def _widen(kept: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rows and columns back in their places, the others 0."""
    found = {}
    for name, value in kept.items():
        found[name] = value
        left = _left(name, kept)
        if left is not None:
            found[name] = torch.zeros_like(wanted[name])
            found[name][left if _ROWS in name else (slice(None), left)] = value.to(found[name])
    return found


def _left(name: str, tensors: Mapping[str, Any]) -> Tensor | None:
    """Which ranks are left of an AdaLoRA matrix, ``(rank,)`` of bool; None for every other tensor."""
    for part in (_ROWS, _COLUMNS):
        values = tensors.get(name.replace(part, _VALUES)) if part in name else None
        if values is not None:
            return values.view(-1) != 0
    return None


def _of(name: str, value: Tensor, left: Tensor) -> Tensor:
    return value[left] if _ROWS in name else value[:, left]
