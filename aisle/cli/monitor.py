"""`aisle monitor`: a log of requests in; how it goes, what drifted, which alerts there were. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.cli.overwriting import refuse_overwriting
from aisle.cli.quality import looks_of
from aisle.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from aisle.monitor.behaviour import Clicks, Shoppers
    from aisle.monitor.interleaving import Preference
    from aisle.monitor.records import Record
    from aisle.monitor.reference import Drift
    from aisle.monitor.summary import Summary
    from aisle.monitor.watch import Notice

BREACH = 3
TOKEN = "AISLE_WEBHOOK_TOKEN"
_CURE = "--reference REF says what was before, --encoder embedded makes vectors, --events DIR names shoppers' events"


@click.command()
@click.argument("log", metavar="[LOG]", required=False, type=click.Path(path_type=Path))
@click.option("--since", metavar="TIME", help="From this moment on, such as 2026-11-29 or 2026-11-29T08:00.")
@click.option("--until", metavar="TIME", help="Before this moment.")
@click.option("--reference", type=click.Path(path_type=Path), help="Window to compare with, by --save-reference.")
@click.option("--encoder", metavar="NAME", help="Compare queries by their vectors too: embedded, or an encoder.")
@click.option("--save-reference", "save_to", type=click.Path(path_type=Path), help="Make the log a reference.")
@click.option(
    "--trained-on",
    type=click.Path(path_type=Path),
    help="Instead of LOG: a reference of the queries of judgments or pairs.",
)
@click.option("--events", type=click.Path(path_type=Path), help="Shoppers' events beside the log: INDEX.state/events.")
@click.option("--propensities", metavar="P1,P2,...", help="Of looking at positions 1, 2, ...; else estimated.")
@click.option("--rules", "rules_file", type=click.Path(path_type=Path), help="Alert rules; see docs/monitoring.md.")
@click.option("--step", default=60.0, show_default=True, type=click.FloatRange(min=1), help="Seconds between looks.")
@click.option("--webhook", metavar="URL", help=f"Send alerts there; a bearer token may stand in {TOKEN}.")
@json_option
@click.pass_context
def monitor(
    context: click.Context,
    log: Path | None,
    since: str | None,
    until: str | None,
    reference: Path | None,
    encoder: str | None,
    save_to: Path | None,
    trained_on: Path | None,
    events: Path | None,
    propensities: str | None,
    rules_file: Path | None,
    step: float,
    webhook: str | None,
    as_json: bool,
) -> None:
    """Say how a service did: latency by stage, errors, zero results, scores, drift, alerts.

    LOG is the folder that `aisle serve` writes, INDEX.state/requests, or one file of it. Exit code 3 when a rule was
    breached, 1 when alerts could not be sent. Without LOG, --trained-on with --save-reference makes a reference.

    Example: aisle monitor shop.state/requests --reference last_month.json --rules rules.toml
    """
    from aisle.monitor.behaviour import clicks_of, preference_of
    from aisle.monitor.records import read_log
    from aisle.monitor.reference import Reference, load_reference
    from aisle.monitor.rules import read_rules
    from aisle.monitor.summary import summarise
    from aisle.monitor.watch import blind, replay
    from aisle.monitor.webhook import Webhook

    rules = read_rules(rules_file) if rules_file is not None else ()
    hook = Webhook(webhook, token=os.environ.get(TOKEN, "")) if webhook else None
    if webhook and not rules:
        raise InputError("--webhook sends alerts, and there are no rules", fix="name them with --rules")
    if (log is None) != (trained_on is not None and save_to is not None):
        raise InputError(
            "what is to be looked at is not clear",
            allowed="LOG, or without it --trained-on FILE --save-reference REF",
            fix="name INDEX.state/requests as LOG",
        )
    refuse_overwriting(
        {"--save-reference": save_to}, [log, trained_on, events, rules_file]
    )  # --reference may be replaced
    if log is None:
        _save_trained(trained_on, save_to, as_json)
        return
    before = load_reference(reference, _encode(encoder)) if reference is not None else None
    if before is None and encoder:
        raise InputError("drift needs a window to compare with", fix="name it with --reference")
    silent = blind(rules, before, encoder is not None, events is not None)
    if silent is not None:
        rule, why = silent
        raise InputError(f"rule {rule.name!r}: {rule.metric} {why}", fix=_CURE)
    found = read_log(log, _moment(since, "--since"), _moment(until, "--until"))
    shoppers = _shoppers(events, found.records, looks_of(propensities)) if events is not None else None
    usual = before.clicks if before is not None else None
    clicks = clicks_of(shoppers, usual.propensities if usual else ()) if shoppers is not None else None
    if save_to is not None:
        replace(Reference.of(found.records), clicks=clicks).save(save_to)
    summary = summarise(found.records)
    drift = before.drift(found.records) if before is not None else None
    notices = replay(rules, found.records, before, step, _window(shoppers) if shoppers is not None else None)
    delivery = hook.send(notices, str(log)) if hook is not None else None
    if as_json:
        payload: dict[str, Any] = {"torn": found.torn, **asdict(summary)}
        payload |= {"drift": None if drift is None else asdict(drift)}
        payload |= {"clicks": None if clicks is None else asdict(clicks)}
        payload |= {"alerts": [notice.to_dict() for notice in notices]}
        payload |= {"delivery": None if delivery is None else asdict(delivery)}
        print_json(payload)
    else:
        _print(log, summary, found.torn)
        if drift is not None:
            _print_drift(drift)
        if clicks is not None and shoppers is not None:
            _print_behaviour(clicks, usual, preference_of(shoppers))
        if rules:
            _print_alerts(notices, len(rules))
    if delivery is not None and not delivery.ok:
        click.echo(f"error: the alerts were not taken after {delivery.tries} tries: {delivery.error}", err=True)
        context.exit(1)
    context.exit(BREACH if notices else 0)


def _save_trained(trained_on: Path | None, save_to: Path | None, as_json: bool) -> None:
    from aisle.monitor.reference import Reference
    from aisle.monitor.trained import trained_queries

    assert trained_on is not None
    assert save_to is not None
    made = Reference.of_queries(trained_queries(trained_on))
    made.save(save_to)
    if as_json:
        print_json({"reference": str(save_to), "queries": made.searches})
    else:
        click.echo(f"{save_to}: {made.searches:,} queries, without scores")


def _shoppers(events: Path, records: Sequence[Record], propensities: Sequence[float] | None) -> Shoppers:
    """What shoppers did while the log was written, with the pages of the log of experiments beside their events.

    Raises:
        ArtifactError: No events are kept there.
    """
    from aisle.monitor.behaviour import Shoppers
    from aisle.monitor.experiments import read_experiments
    from aisle.serve.experiment.settings import FOLDER
    from aisle.serve.security.event_files import read_events

    if not events.is_dir():
        raise ArtifactError(f"no events are kept in {str(events)!r}", fix="name INDEX.state/events")
    if not records:
        return Shoppers()
    first, last = records[0].time, records[-1].time + dt.timedelta(hours=1)  # who clicks does so after the search
    found = [one for one in read_events(events, first.date(), last.date()) if first <= one.time < last]
    log = events.parent / FOLDER
    lines = read_experiments(log, first, last).pages if log.is_dir() else ()
    return Shoppers(found, lines, tuple(propensities or ()))


def _window(shoppers: Shoppers) -> Callable[[dt.datetime, dt.datetime], Shoppers]:
    from aisle.monitor.behaviour import Shoppers

    def between(since: dt.datetime, until: dt.datetime) -> Shoppers:
        return Shoppers(
            [one for one in shoppers.events if since <= one.time < until],
            [one for one in shoppers.lines if since <= one.time < until],
            shoppers.propensities,
        )

    return between


def _encode(name: str | None) -> Any:
    if name is None:
        return None
    from aisle.encoders.load import load_encoder

    encoder = load_encoder(name)
    return lambda texts: encoder.encode(texts, "query")


def _moment(text: str | None, option: str) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is no moment", allowed="2026-11-29, 2026-11-29T08:00 (UTC) or with a zone, +01:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _print(log: Path, summary: Summary, torn: int) -> None:
    from aisle.monitor.summary import QUANTILES, RATE_MEANING

    values = summary.values
    notes = [f"{torn:,} lines were no records"] if torn else []
    notes += [f"left out: {', '.join(f'{what} {n:,}' for what, n in summary.degraded.items())}"] * bool(
        summary.degraded
    )
    title = f"{log}: {summary.requests:,} requests, {summary.searches:,} of them searches, in {summary.seconds:,.0f} s"
    rows = [["throughput", _number(values["throughput"], "{:.2f}/s"), "requests a second"]]
    rows += [[name, _number(values[name], "{:.2%}"), meaning] for name, meaning in RATE_MEANING.items()]
    rows += [
        [name, _number(values[name], "{:.4f}"), "score of the first product"]
        for name in values
        if name.startswith("score.")
    ]
    print_table(title, ["metric", "value", "what it is"], rows, notes)
    rows = [
        [stage, *(_number(values[f"latency.{stage}.p{share}"], "{:.1f}") for share in QUANTILES)]
        for stage in ("total", "queue", *summary.stages)
    ]
    print_table("Latency of searches, ms (rules: latency.STAGE.p95)", ["stage", "p50", "p95", "p99"], rows)


def _print_drift(drift: Drift) -> None:
    rows = []
    for name, part in (("drift.score", drift.score), ("drift.length", drift.length)):
        if part is not None:
            rows.append([name, f"{part.value:.4f}", f"{part.expected:.4f}", f"{part.p:.4f}"])
    if drift.unseen is not None:
        rows.append(["drift.unseen", f"{drift.unseen.share:.4f}", f"{drift.unseen.expected:.4f}", ""])
    if drift.queries is not None:
        rows.append(
            ["drift.queries (MMD^2; rules: its p)", f"{drift.queries.value:.5f}", "0", f"{drift.queries.p:.4f}"]
        )
    notes = []
    if drift.unseen is not None and drift.unseen.most:
        notes.append("new words: " + ", ".join(f"{word} {count:,}" for word, count in drift.unseen.most))
    print_table(f"Drift of {drift.searches:,} searches", ["metric", "value", "if unchanged", "p"], rows, notes)


def _print_behaviour(now: Clicks, before: Clicks | None, found: Preference) -> None:
    rows = []
    for name, value, was in (
        ("clicks.rate", now.rate, before.rate if before is not None else None),
        ("clicks.ndcg", now.ndcg, before.ndcg if before is not None else None),
    ):
        change = None if value is None or was is None else value - was
        rows.append([name, *(_number(one, "{:.4f}") for one in (value, was)), _number(change, "{:+.4f}")])
    if found.share is not None:
        rows.append(["interleaving.share", _number(found.share, "{:.4f}"), "0.5000", f"{found.share - 0.5:+.4f}"])
        rows.append(["interleaving.p", _number(found.sign_p, "{:.4f}"), "", ""])
    title = f"Shoppers: {now.pages:,} pages, {now.queries:,} queries in click nDCG"
    print_table(title, ["metric", "value", "before", "change (rules: drift.NAME)"], rows)


def _print_alerts(notices: Sequence[Notice], rules: int) -> None:
    rows = [
        [
            notice.rule.name,
            notice.state,
            f"{notice.at:%Y-%m-%d %H:%M:%S}",
            _number(notice.value, "{:.4g}"),
            str(notice.rule),
        ]
        for notice in notices
    ]
    print_table(f"Alerts of {rules:,} rules", ["rule", "state", "at (UTC)", "value", "when"], rows)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
