"""How small a model is to become: frozen, checked, round-tripping through JSON. Knows names and numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.compress.recovery_settings import RecoverySettings
from aisle.config import checked

INT8, STATIC, FLOAT32 = "int8", "static", "float32"
AS_IT_IS = "as it is"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Plan:
    """What is done to a model, in this order: tokens, layers, vocabulary, dimensions, bits.

    Attributes:
        max_tokens: It reads no more than so many tokens; None leaves its limit.
        layers: So many stay; None leaves all.
        which: Of the layers: "first", "last" or "spread" (docs/compression.md).
        vocabulary: Whether only the word rows stay that the shop's texts use, and those that spell others.
        common: So many of the commonest words stay all the same.
        dim: Length of an encoder's vectors; None leaves it.
        precision: "int8" with activation ranges found at run time; "static": int8 with ranges found beforehand on the
            shop's pairs; "float32".
        runtime: What is to run it: "onnx" or "openvino"; the latter takes "static" or "float32".
        recovery: How the layers that stay learn what was lost.
    """

    max_tokens: int | None = Field(default=None, ge=8, le=512)
    layers: int | None = Field(default=None, ge=1, le=48)
    which: Literal["first", "last", "spread"] = "spread"
    vocabulary: bool = False
    common: int = Field(default=5_000, ge=0)
    dim: int | None = Field(default=None, ge=1)
    precision: Literal["int8", "static", "float32"] = "int8"
    runtime: Literal["onnx", "openvino"] = "onnx"
    recovery: RecoverySettings = Field(default_factory=RecoverySettings)

    @property
    def label(self) -> str:
        """A short name, different for different plans but for the recovery's settings."""
        parts = [
            f"{self.layers} layers ({self.which})" if self.layers else "",
            f"{self.max_tokens} tokens" if self.max_tokens else "",
            "vocabulary" if self.vocabulary else "",
            f"{self.dim} dimensions" if self.dim else "",
            self.precision,
            self.runtime if self.runtime != "onnx" else "",
        ]
        return ", ".join(part for part in parts if part)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "plan") -> Plan:
        """Build from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, data, source, lambda _: "the settings of docs/compression.md")

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``from_dict`` gives the same plan back."""
        return asdict(self)


_ADAPTER = TypeAdapter(Plan)
