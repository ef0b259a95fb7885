"""LoRA, DoRA and AdaLoRA by the peft library, put into a BERT where it stands.

AdaLoRA's schedule is run from outside: `plan` before the first step, `penalty` in the loss, `after_step` after each.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aisle.errors import OptionalDependencyError, RecipeError
from aisle.training.peft.settings import PeftSettings

_PATHS = {
    "query": r"attention\.self\.query",
    "key": r"attention\.self\.key",
    "value": r"attention\.self\.value",
    "attended": r"attention\.output\.dense",
    "wide": r"intermediate\.dense",
    "narrow": r"output\.dense",
}
_NAME = "default"
_UNKNOWN = 1 << 30
_LEAST_STEPS = 4


class LowRank:
    """The thin matrices of a backbone.

    Args:
        bert: Changed in place: its targets get their matrices, everything else stops moving.
        settings: Method, rank, targets; for AdaLoRA its schedule.

    Raises:
        OptionalDependencyError: The peft library is missing.
    """

    def __init__(self, bert: Any, settings: PeftSettings) -> None:
        try:
            from peft import AdaLoraConfig, AdaLoraModel, LoraConfig, LoraModel
            from peft.tuners.lora import LoraLayer
        except ImportError:
            raise OptionalDependencyError("peft", "train", f"peft.method={settings.method}") from None
        self.bert, self.settings = bert, settings
        where = r"encoder\.layer\.\d+\.(" + "|".join(_PATHS[name] for name in settings.targets) + ")"
        if settings.method == "adalora":
            config = AdaLoraConfig(
                init_r=settings.init_rank,
                target_r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=where,
                deltaT=settings.every,
                orth_reg_weight=settings.orthogonal,
                total_step=_UNKNOWN,
            )
            self._tuner: Any = AdaLoraModel(bert, config, _NAME)
        else:
            config = LoraConfig(
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=where,
                use_dora=settings.method == "dora",
            )
            self._tuner = LoraModel(bert, config, _NAME)
        for module in bert.modules():
            if isinstance(module, LoraLayer):
                module.cast_input_dtype_enabled = False  # autocast does that, and would have to do it twice
        self._config = config
        self._adaptive = settings.method == "adalora"

    def plan(self, steps: int, choosing: bool) -> None:
        """Say how many steps there will be, before the first, and whether weights of an earlier one may be kept.

        Raises:
            RecipeError: Ranks would not have fallen in what is kept.
        """
        if not self._adaptive:
            return
        if choosing:
            raise RecipeError(
                "fit.choose with AdaLoRA, whose ranks have fallen only at the end",
                allowed="fit.choose=false, which keeps the last weights",
                fix="leave fit.choose out, or take peft.method=lora",
            )
        if steps < _LEAST_STEPS:
            raise RecipeError(
                f"AdaLoRA in {steps} steps",
                allowed=f"{_LEAST_STEPS} or more, so that its ranks can fall",
                fix="raise fit.epochs, or take peft.method=lora",
            )
        until = min(max(int(steps * self.settings.fall_until), 2), steps - 1)
        self._tuner.rankallocator.set_total_step(steps)
        self._config.tinit = min(int(steps * self.settings.fall_from), until - 1)
        self._config.tfinal = steps - until

    def penalty(self) -> Tensor | None:
        """How far AdaLoRA's matrices are from orthogonal, in the mean (Zhang et al. 2023, equation 4)."""
        if not self._adaptive or self.settings.orthogonal == 0:
            return None
        found = []
        for name, value in self.bert.named_parameters():
            if ".lora_A." in name or ".lora_B." in name:
                rows = value if ".lora_A." in name else value.T
                found.append(torch.linalg.norm(rows @ rows.T - torch.eye(len(rows), device=value.device)))
        return self.settings.orthogonal * torch.stack(found).mean()

    def after_step(self, step: int) -> None:
        """Divide AdaLoRA's ranks anew; gradients must still be there.

        Args:
            step: The steps done, this one included.
        """
        if self._adaptive:
            self._tuner.update_and_allocate(step)

    def hold(self) -> None:
        """Keep to the final division of ranks, once there is one, after weights came from elsewhere."""
        if self._adaptive and self._final():
            self._tuner.rankallocator.mask_using_rank_pattern(self.bert, self._config.rank_pattern)

    def _final(self) -> bool:
        return bool(self._config.rank_pattern) and not self._tuner.rankallocator.exp_avg_ipt

    def ranks(self) -> dict[str, int]:
        """The rank that is left beside each matrix."""
        found = {}
        for name, value in self.bert.named_parameters():
            layer, _, part = name.partition(".lora_")
            if self._adaptive and part.startswith("E."):
                found[layer] = int((value != 0).sum())
            elif not self._adaptive and part.startswith("A."):
                found[layer] = len(value)
        return found

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs beside the weights."""
        if not self._adaptive:
            return {}
        allocator = self._tuner.rankallocator
        return {
            "pattern": self._config.rank_pattern or {},
            "importance": dict(allocator.exp_avg_ipt),
            "uncertainty": dict(allocator.exp_avg_unc),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        if not self._adaptive or not state:
            return
        allocator = self._tuner.rankallocator
        self._config.rank_pattern = dict(state["pattern"]) or None
        allocator.exp_avg_ipt = dict(state["importance"])
        allocator.exp_avg_unc = dict(state["uncertainty"])
        allocator.ipt = {name: torch.zeros_like(value) for name, value in allocator.exp_avg_ipt.items()}

    def merged(self) -> dict[str, Tensor]:
        """The backbone's weights with the products added, under its own names."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        whole = copy.deepcopy(self.bert)
        for module in whole.modules():
            if isinstance(module, BaseTunerLayer):
                module.merge(safe_merge=True)
        return {
            name.replace(".base_layer.", "."): value
            for name, value in whole.state_dict().items()
            if ".lora_" not in name and ".ranknum." not in name
        }
