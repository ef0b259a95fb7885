"""A causal language model in this process, by transformers and PyTorch. Needs aisle[train].

Reads prompts padded at the left, with positions that do not count the padding, so that neither batch nor padding moves
a score. A prompt is never cut: what the answer hangs on stands at its end. Only a model that is named is downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any

from aisle.errors import ArtifactError, LlmError, OptionalDependencyError, first_line
from aisle.llm.question import Answer, Question, merged
from aisle.llm.server import Told
from aisle.llm.settings import LlmSettings
from aisle.llm.store import Store

_WHOLE_FILE = 64 * 2**20
_PIECE = 2**20


class LocalModel:
    """A back end of `LlmClient`: one batch at a time.

    Args:
        settings: Which model, where it runs.
        store: Where its tokens are counted.

    Raises:
        ArtifactError: The model or the adapter cannot be loaded.
        OptionalDependencyError: transformers, or peft for an adapter, is not installed.
    """

    def __init__(self, settings: LlmSettings, store: Store) -> None:
        self.settings, self._store = settings, store
        self.tokenizer, self.model = load_causal(settings)
        if settings.adapter:
            self.model = with_adapter(self.model, settings.adapter)
        self.model.eval()
        self._lock = Lock()
        self._identity = {
            "local": _weights_of(settings.model)
            or [[settings.model, getattr(self.model.config, "_commit_hash", None)]],
            "adapter": _weights_of(settings.adapter) if settings.adapter else [],
            "dtype": str(self.model.dtype),
            "temperature": settings.temperature,
            "top_logprobs": settings.top_logprobs,
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """What an answer depends on beside the question: the weights themselves."""
        return self._identity

    def close(self) -> None:
        """Forget the model."""
        self.model = None

    def ask(self, questions: Sequence[Question], until: float, told: Told) -> None:
        """Answer in batches of like length; once the deadline has passed no further batch is begun."""
        ids: dict[int, list[int]] = {}
        for place, question in enumerate(questions):
            found = self.ids(question)
            if len(found) + question.max_tokens > self.settings.max_length:
                error = LlmError(
                    f"a prompt of {len(found):,} tokens is longer than llm.max_length {self.settings.max_length:,}",
                    "too long",
                    fix="lower `characters` or `window`, or raise max_length as far as the model allows",
                )
                self._store.add({}, [error.kind])
                told(place, error)
            else:
                ids[place] = found
        for batch in self._batches(questions, ids):
            if time.monotonic() >= until:
                for place in batch:
                    told(
                        place,
                        LlmError("the deadline passed before the local model got to it", "deadline",
                                 fix="raise llm.deadline_s, or ask for fewer products"),
                    )  # fmt: skip
                continue
            with self._lock:
                answers = self._answer([questions[place] for place in batch], [ids[place] for place in batch])
            for place, answer in zip(batch, answers, strict=True):
                self._store.charge_local(answer.tokens_in, answer.tokens_out)
                told(place, answer)

    def ids(self, question: Question) -> list[int]:
        """Token ids of a prompt, with the model's own chat template where it has one."""
        text, special = question.prompt, False
        if not text:
            turns = [{"role": message.role, "content": message.text} for message in question.messages]
            if self.tokenizer.chat_template:
                text = self.tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
                )
            else:
                text = "\n\n".join(turn["content"] for turn in turns) + "\n\n"
                special = True
        found: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return found

    def _batches(self, questions: Sequence[Question], ids: Mapping[int, list[int]]) -> list[list[int]]:
        """Places of questions that fit into a batch together, the shortest first."""
        batches: list[list[int]] = []
        kind: tuple[bool, int] | None = None
        for place in sorted(ids, key=lambda place: (*_way(questions[place]), len(ids[place]), place)):
            way = _way(questions[place])
            full = batches and (len(batches[-1]) + 1) * len(ids[place]) > self.settings.batch_tokens
            if not batches or way != kind or full:
                batches.append([])
                kind = way
            batches[-1].append(place)
        return batches

    def _answer(self, questions: Sequence[Question], ids: Sequence[list[int]]) -> list[Answer]:
        import torch

        padded, mask, positions = left_padded(ids, self.pad, self.model.device)
        with torch.inference_mode():
            first = self.model(
                input_ids=padded, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False
            )
            logprobs = torch.log_softmax(first.logits[:, -1].float(), dim=-1)
            out = None
            if questions[0].max_tokens > 1:
                out = self.model.generate(
                    input_ids=padded, attention_mask=mask, max_new_tokens=questions[0].max_tokens,
                    do_sample=self.settings.temperature > 0, pad_token_id=self.pad, top_k=None, top_p=None,
                    temperature=self.settings.temperature or None,
                )[:, padded.shape[1] :]  # fmt: skip
        answers = []
        for row, question in enumerate(questions):
            new = [int(logprobs[row].argmax())] if out is None else out[row].tolist()
            ended = [at for at, token in enumerate(new) if token in self._ends]
            new, truncated = (new[: ended[0]], False) if ended else (new, True)
            answers.append(
                Answer(
                    self.tokenizer.decode(new, skip_special_tokens=True),
                    self._choices(logprobs[row], question) if question.choices else {},
                    len(ids[row]),
                    len(new) + bool(ended),
                    truncated,
                )
            )
        return answers

    def _choices(self, logprobs: Any, question: Question) -> dict[str, float]:
        top = logprobs.topk(min(self.settings.top_logprobs, len(logprobs))).indices.tolist()
        wanted = list(
            dict.fromkeys([*top, *(token for word in question.watch for token in single_tokens(self.tokenizer, word))])
        )
        return merged([(self.tokenizer.decode([token]), float(logprobs[token])) for token in wanted])

    @property
    def pad(self) -> int:
        """The id of padding; never looked at."""
        return int(self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0)

    @property
    def _ends(self) -> set[int]:
        found = self.model.generation_config.eos_token_id
        ends = found if isinstance(found, list) else [found]
        return {int(token) for token in [*ends, self.tokenizer.eos_token_id] if token is not None}


def _way(question: Question) -> tuple[bool, int]:
    """Questions that are answered in one batch: all by their first token, or all with answers of one length."""
    return question.max_tokens > 1, question.max_tokens


def single_tokens(tokenizer: Any, word: str) -> list[int]:
    """The tokens that are exactly this word: as text is cut, and by its name in the vocabulary."""
    found = tokenizer.encode(word, add_special_tokens=False)
    known = tokenizer.convert_tokens_to_ids(word)
    named = [known] if isinstance(known, int) and known != tokenizer.unk_token_id else []
    return list(dict.fromkeys([*(found if len(found) == 1 else []), *named]))


def left_padded(ids: Sequence[Sequence[int]], pad: int, device: Any) -> tuple[Any, Any, Any]:
    """Ids, mask and positions, ``(n, longest)`` each: padding stands at the left and has no position."""
    import torch

    longest = max(map(len, ids))
    padded = torch.full((len(ids), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(padded)
    for row, found in enumerate(ids):
        padded[row, longest - len(found) :] = torch.tensor(list(found))
        mask[row, longest - len(found) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return padded.to(device), mask.to(device), positions.to(device)


def load_causal(settings: LlmSettings) -> tuple[Any, Any]:
    """Tokenizer and model.

    Raises:
        ArtifactError: There is no such model, or it cannot be loaded.
        OptionalDependencyError: transformers or PyTorch is not installed.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise OptionalDependencyError("transformers", "train", f"the language model {settings.model!r}") from None
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = settings.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.model)
        model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=getattr(torch, dtype)).to(device)
    except Exception as error:  # a missing file, an unknown name, no network: each library has its own error
        raise ArtifactError(
            f"cannot load the language model {settings.model!r}: {first_line(error)}",
            allowed="the folder or the hub name of a causal language model",
            fix="check the name; a name needs network access the first time",
        ) from None
    return tokenizer, model


def with_adapter(model: Any, folder: str) -> Any:
    """The model with a LoRA adapter folded into its weights.

    Raises:
        ArtifactError: The folder is no adapter of this model.
        OptionalDependencyError: peft is not installed.
    """
    try:
        from peft import PeftModel
    except ImportError:
        raise OptionalDependencyError("peft", "train", f"the adapter {folder!r}") from None
    try:
        return PeftModel.from_pretrained(model, folder).merge_and_unload()
    except Exception as error:
        raise ArtifactError(
            f"cannot load the adapter {folder!r}: {first_line(error)}",
            allowed="a folder that `aisle llm tune` wrote for this model",
        ) from None


def _weights_of(folder: str) -> list[list[Any]]:
    """Name, size and a hash of every file that makes the model: of large ones, three pieces."""
    found = []
    for path in sorted(Path(folder).glob("*")) if folder and Path(folder).is_dir() else ():
        if path.suffix in (".safetensors", ".bin", ".json", ".model", ".jinja", ".txt"):
            found.append([path.name, path.stat().st_size, _hash(path)])
    return found


def _hash(path: Path) -> str:
    size = path.stat().st_size
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        for start in (0,) if size <= _WHOLE_FILE else (0, size // 2, size - _PIECE):
            file.seek(start)
            digest.update(file.read(_WHOLE_FILE if size <= _WHOLE_FILE else _PIECE))
    return digest.hexdigest()
