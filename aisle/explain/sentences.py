"""An explanation in sentences that people read, in English and in Chinese. Knows values, computes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aisle.explain.notes import in_language
from aisle.explain.phrases import PHRASES, Phrases
from aisle.explain.stages import detail_label, field_label, measure_label, stage_label
from aisle.explain.values import Absence, Change, Contribution, Counterfactual, Effect, Language, Words
from aisle.filters.fields import number_text
from aisle.query.constraint import Verdict, fields_of
from aisle.types import Scalar

if TYPE_CHECKING:
    from aisle.explain.explanation import Explanation

MOST_DETAILS, MOST_NAMED, MOST_CHANGES = 3, 3, 4
REASONS = ("identifier", "unread")
"""Changes that tell why no score of the product matters."""
LEAST_EFFECT = 0.005
"""A word with less effect on a cosine than this is not worth a sentence."""


def sentences(explanation: Explanation, language: Language) -> list[str]:
    """The explanation's parts, one line each."""
    says = PHRASES[language]
    lines = [_place(explanation, says, language)]
    lines += [says.note.format(note=in_language(note, language)) for note in explanation.notes]
    lines += [verdict_sentence(item, language) for item in explanation.verdicts]
    if explanation.words is not None:
        lines += words_sentences(explanation.words, language)
    if explanation.counterfactual is not None:
        lines.append(counterfactual_sentence(explanation.counterfactual, language))
    return lines


def _place(explanation: Explanation, says: Phrases, language: Language) -> str:
    title, query = explanation.product.title, explanation.query
    if explanation.absence is not None:
        return says.absent.format(title=title, query=query) + absence_sentence(explanation.absence, language)
    assert explanation.rank is not None
    assert explanation.score is not None
    where = says.place if query.strip() else says.place_browsing
    head = where.format(title=title, query=query, rank=says.ordinal(explanation.rank), score=number(explanation.score))
    moved = [item for item in explanation.contributions if item.contribution]
    still = [item for item in explanation.contributions if not item.contribution]
    parts = "".join(
        (says.plus if item.contribution > 0 else says.minus) + contribution_phrase(item, language) for item in moved
    ).removeprefix(says.plus)
    line = f"{head}{says.colon}{parts}{says.stop}" if parts else f"{head}{says.stop}"
    return line + "".join(f"{says.blank}{_still(item, says, language)}" for item in still)


def contribution_phrase(item: Contribution, language: Language) -> str:
    """What one stage gave, with the score it gave it for."""
    says = PHRASES[language]
    about = []
    if measure := measure_label(item.stage, language):
        about.append(f"{measure} {number(item.score)}")
    if item.rank is not None:
        about.append(says.alone.format(rank=says.ordinal(item.rank)))
    if details := details_phrase(item, language):
        about.append(details)
    shown = says.bracket.format(text=says.apart.join(about)) if about else ""
    template = says.gives if item.contribution > 0 else says.takes
    return template.format(stage=stage_label(item.stage, language), amount=number(abs(item.contribution))) + shown


def details_phrase(item: Contribution, language: Language) -> str:
    """The largest parts of a raw score: shares where all add, amounts where some take away."""
    says = PHRASES[language]
    positive = all(value >= 0 for _, value in item.details)
    total = sum(value for _, value in item.details)
    named = []
    for name, value in item.details[:MOST_DETAILS]:
        share = f"{100 * value / total:.0f}%" if positive and total > 0 else number(value)
        named.append(says.share.format(name=detail_label(item.stage, name, language), share=share))
    return says.listed.join(named)


def _still(item: Contribution, says: Phrases, language: Language) -> str:
    """A stage that moved nothing and has something to say."""
    label = stage_label(item.stage, language)
    if item.score:
        label = f"{label}{says.colon}{number(item.score)}"
    elif item.stage.startswith("rule:"):
        label = says.took_part.format(stage=label)
    return f"{label[:1].upper()}{label[1:]}{says.stop}"


def verdict_sentence(item: Verdict, language: Language) -> str:
    """Whether a demand is met, and the field that says so."""
    says = PHRASES[language]
    found = says.and_.join(
        says.has.format(field=field_label(field, language), value=value_text(value, language))
        for field, value in item.found[:MOST_NAMED]
    )
    if not found:
        fields = says.or_.join(field_label(field, language) for field in fields_of(item.constraint.filter)[:MOST_NAMED])
        found = (says.silent if item.status == "unknown" else says.nothing_against).format(field=fields)
    return says.asked.format(text=item.constraint.text, found=found, status=says.status[item.status])


def words_sentences(words: Words, language: Language) -> list[str]:
    """What carried the model's score, and what pulled it down."""
    says = PHRASES[language]
    about = {"model": says.models[words.model], "score": number(words.score)}
    least = 0.0 if words.estimated else LEAST_EFFECT
    lines = []
    for template, items in ((says.query_words, words.query), (says.product_words, words.product)):
        if carried := [item for item in items if item.effect > least][:MOST_NAMED]:
            lines.append(template.format(words=_effects(carried, words, says), **about))
    against = [item for item in reversed(words.product) if item.effect < -LEAST_EFFECT][:MOST_NAMED]
    if against and not words.estimated:
        lines.append(says.against.format(words=_effects(against, words, says)))
    if words.estimated and lines:
        lines.append(says.estimated)
    owing = sorted(((item.bm25, item.name) for item in words.query if item.bm25), reverse=True)
    if owing:
        owed = says.listed.join(says.owes.format(word=name, amount=number(bm25)) for bm25, name in owing[:MOST_NAMED])
        lines.append(says.bm25_words.format(words=owed))
    return lines


def _effects(items: Sequence[Effect], words: Words, says: Phrases) -> str:
    if words.estimated:
        return says.listed.join(says.word.format(word=item.name) for item in items)
    return says.listed.join(
        (says.without if item.effect > 0 else says.more_without).format(word=item.name, amount=number(abs(item.effect)))
        for item in items
    )


def counterfactual_sentence(item: Counterfactual, language: Language) -> str:
    """What would have had to differ."""
    says = PHRASES[language]
    head = says.above.format(title=item.above_title)
    if item.sorted_by:
        fields = says.listed.join(field_label(field, language) for field in item.sorted_by)
        return head + says.sorted_by.format(fields=fields)
    head += says.gap.format(gap=number(item.gap)) if item.gap else says.tie
    if not item.changes:
        return head + says.no_change
    told = [change_phrase(change, language) for change in item.changes[:MOST_CHANGES]]
    if item.changes[0].kind in REASONS:
        return head + told[0] + says.stop
    return head + says.would.format(changes=says.either.join(told))


def change_phrase(item: Change, language: Language) -> str:
    """One change that is enough, as a condition; or what set the other product apart."""
    says = PHRASES[language]
    other = item.now if item.kind == "score" else item.against
    other_text, needed = _pair(other, item.needed)
    return says.changes[item.kind].format(
        stage=stage_label(item.stage, language),
        measure=measure_label(item.stage, language) or stage_label(item.stage, language),
        name=item.name,
        now=other_text,
        against=other_text,
        needed=needed,
        about=says.about if item.estimated else "",
    )


def absence_sentence(item: Absence, language: Language) -> str:
    """Why a product is not there."""
    says = PHRASES[language]
    return says.blank + says.blank.join(_reasons(item, says, language))


def _reasons(item: Absence, says: Phrases, language: Language) -> Iterator[str]:
    if item.refused is not None:
        yield says.refused.format(reason=item.refused)
        return
    if item.filtered:
        for condition, found in item.filtered:
            values = says.and_.join(
                says.has.format(field=field_label(field, language), value=value_text(value, language))
                for field, value in found[:MOST_NAMED]
            )
            yield says.fails.format(condition=condition, found=values or says.no_value)
        return
    yield says.searched.format(count=f"{item.searched:,}")
    for short in item.shortfalls:
        label = stage_label(short.stage, language)
        if short.score <= 0 and short.stage.startswith("bm25"):
            yield says.no_words
        else:
            yield says.shortfall.format(stage=label, score=number(short.score), lowest=number(short.lowest))
    if item.cut:
        yield says.cut.format(count=f"{item.cut:,}")
    elif item.shortfalls and all(short.score >= short.lowest for short in item.shortfalls):
        yield says.kept_out


def value_text(value: Scalar, language: Language) -> str:
    """A product's value as people write it."""
    if isinstance(value, bool):
        return PHRASES[language].truth[value]
    says = PHRASES[language]
    return says.quoted.format(text=value) if isinstance(value, str) else says.figure.format(text=number_text(value))


def number(value: float) -> str:
    """Three decimals below 1, four significant digits above; no trailing zeros of large numbers."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:.4f}" if size < 1 else f"{value:.3f}" if size < 10 else f"{value:.1f}"


def _pair(now: float, needed: float) -> tuple[str, str]:
    """Both with the same decimals, as few as tell them apart; what is needed is rounded up."""
    for digits in (3, 4, 5, 6):
        up = math.ceil(needed * 10**digits) / 10**digits
        if abs(up - now) > 10**-digits:
            return f"{now:.{digits}f}", f"{up:.{digits}f}"
    return repr(now), repr(needed)
