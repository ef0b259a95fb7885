"""A click command whose ``--metrics`` takes several values after one flag: ``--metrics nDCG@10 MRR@10``.

Knows how metrics are told from the one positional argument, and nothing of what they mean.
"""

from __future__ import annotations

import click

FLAG = "--metrics"


class MetricsCommand(click.Command):
    """A command with one argument and a repeatable ``--metrics``, whose values may also follow each other.

    What follows ``--metrics`` up to the next option are metrics, but where no argument stands elsewhere, the first
    of them that is no metric is the argument. A misspelt metric is thus reported as one.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Turn ``--metrics A B`` into ``--metrics A --metrics B`` and parse as usual."""
        return super().parse_args(ctx, self._spread(args))

    def _spread(self, args: list[str]) -> list[str]:
        takes_value = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for name in parameter.opts
        }
        kept: list[str] = []
        metrics: list[str] = []
        arguments = 0
        place = 0
        while place < len(args):
            word = args[place]
            place += 1
            if word == "--":
                arguments += len(args) - place
                kept += [word, *args[place:]]
                break
            if word == FLAG:
                following = _until_option(args[place:])
                if not following:  # click says that a value is missing
                    return args
                metrics += following
                place += len(following)
            elif word.startswith(f"{FLAG}="):
                metrics.append(word.removeprefix(f"{FLAG}="))
            elif word in takes_value:
                kept += [word, *args[place : place + 1]]
                place += 1
            else:
                arguments += not _is_option(word)
                kept.append(word)
        if not arguments:
            stray = next((word for word in metrics if not _is_metric(word)), None)
            if stray is not None:
                metrics.remove(stray)
                kept.insert(0, stray)
        return [part for metric in metrics for part in (FLAG, metric)] + kept


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _until_option(words: list[str]) -> list[str]:
    return words[: next((place for place, word in enumerate(words) if _is_option(word)), len(words))]


def _is_metric(word: str) -> bool:
    from aisle.errors import MetricError
    from aisle.metrics import Metric, split_names

    try:
        return all(Metric.parse(name) for name in split_names(word))
    except MetricError:
        return False
