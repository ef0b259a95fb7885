"""Where a training computes, and how precisely. PyTorch; knows devices and number formats, no model."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from aisle.errors import RecipeError
from aisle.training.relevance.recipe import FitSettings

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_FIRST_SCALE = 2.0**10
"""Losses here are near 1 and their gradients not below 1e-5; PyTorch's own 2^16 only overflows in the first steps."""
_AMPERE = 8
"""First generation of NVIDIA's GPUs whose arithmetic knows bf16."""


@dataclass(frozen=True, slots=True)
class Compute:
    """A device and the precision of matrix products on it; weights, losses and the optimiser are fp32 throughout.

    Attributes:
        device: Of weights and activations.
        precision: "fp32", "bf16" or "fp16".
    """

    device: torch.device
    precision: str

    @classmethod
    def of(cls, settings: FitSettings) -> Compute:
        """What the settings ask for, on the machine at hand.

        Raises:
            RecipeError: There is no such device, or it has no such arithmetic.
        """
        return cls(choose_device(settings.device, settings.precision), settings.precision)

    def autocast(self) -> AbstractContextManager[object]:
        """For a forward pass; nothing where all is fp32."""
        if self.precision == "fp32":
            return nullcontext()
        found: AbstractContextManager[object] = torch.autocast(self.device.type, _TYPES[self.precision])
        return found

    def scaler(self) -> torch.amp.GradScaler | None:
        """Keeps the gradients of fp16 from vanishing (Micikevicius et al. 2018); other precisions need none."""
        return torch.amp.GradScaler(self.device.type, init_scale=_FIRST_SCALE) if self.precision == "fp16" else None

    def peak_bytes(self) -> int:
        """The most memory held so far: allocated on the GPU, or by the whole process."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return peak_rss()


CPU = Compute(torch.device("cpu"), "bf16")


def choose_device(wanted: str, precision: str) -> torch.device:
    """The device of a setting; "auto" is the GPU that is this process's, else the CPU.

    Raises:
        RecipeError: There is no such device, or it has no such arithmetic.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = f"cuda:{torch.cuda.current_device()}" if there else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda":
        if (device.index or 0) >= there:
            raise RecipeError(
                f"fit.device={wanted}, but PyTorch {torch.__version__} finds {there or 'no'} GPUs",
                allowed=", ".join(["auto", "cpu", *(f"cuda:{number}" for number in range(there))]),
                fix="choose another device, or install PyTorch for CUDA",
            )
        if precision == "bf16" and torch.cuda.get_device_capability(device)[0] < _AMPERE:
            raise RecipeError(f"{torch.cuda.get_device_name(device)} has no bf16", fix="--set fit.precision=fp16")
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it equal seeds give unequal weights
    return device


def peak_rss() -> int:
    """Peak resident memory of this process in bytes, since it started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_now(compute: Compute) -> int:
    """Bytes held now: allocated on the GPU, or resident of this process."""
    if compute.device.type == "cuda":
        return int(torch.cuda.memory_allocated(compute.device))
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # not Linux: what has been held is the nearest there is
        return peak_rss()
    return pages * resource.getpagesize()


def give_back() -> None:
    """Return the memory of what is gone to the system, which the C library would keep for later."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        return
