"""Shoppers simulated on real judgments, their events sent through the real store, and what the command says of them."""

import asyncio
import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.monitor.interleaving import team_draft
from aisle.monitor.split import variant_of
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.security.event import Event, Item

LOOKS = (1.0, 0.7, 0.5, 0.4, 0.3)
SHARES = {"new": 1.0, "old": 1.0}


@pytest.fixture(scope="module")
def shop(tmp_path_factory, grades):
    """The state of a shop: interleaved pages and an A/B test; the new ranking sorts by the judgments."""
    index = tmp_path_factory.mktemp("quality") / "shop"
    security = Security(index.with_name("shop.state"), SecuritySettings())
    generator, coins, events = np.random.default_rng(0), random.Random(0), []
    queries = sorted(query for query, products in grades.items() if len(products) >= 10)[:12]
    for number in range(1_500):
        query = queries[number % len(queries)]
        old = random.Random(query).sample(sorted(grades[query]), 5)
        new = sorted(old, key=lambda id: -grades[query][id])
        user, request = f"user-{number}", f"r{number}"
        variant, teams = "", [""] * 5
        if number % 2:
            variant = variant_of(user, "ranking", SHARES)
            ids = new if variant == "new" else old
        else:
            drafted = team_draft(old, new, 5, coins)
            ids, teams = [one.id for one in drafted], [one.team for one in drafted]
        items = tuple(
            Item(id, position, team=team) for position, (id, team) in enumerate(zip(ids, teams, strict=True), start=1)
        )
        same = {"query": query, "user": user, "request_id": request, "variant": variant}
        events.append(Event("impression", items, **same))
        for item in items:
            if generator.random() < LOOKS[item.position - 1] * (0.02 + 0.25 * grades[query][item.id]):
                events.append(Event("click", (Item(item.id),), **same))

    async def send():
        for at in range(0, len(events), 500):
            await security.events.add(events[at : at + 500])

    asyncio.run(send())
    security.close()
    return index


def invoke(*arguments):
    return CliRunner().invoke(cli, ["events", "quality", *map(str, arguments)])


def test_the_command_finds_what_was_simulated(shop):
    run = invoke(shop, "--json")
    assert run.exit_code == 0, run.output
    found = json.loads(run.output)
    assert found["rates"]["pages"] == 1_500
    assert found["orphans"] == 0
    assert found["propensities"][:3] == pytest.approx(LOOKS[:3], abs=0.15)
    assert 0.8 < found["ndcg"]["interval"]["mean"] < 1
    assert found["preference"]["share"] > 0.55
    assert found["preference"]["sign_p"] < 0.05
    assert set(found["variants"]["users"]) == {"new", "old"}
    assert found["variants"]["mismatch_p"] > 0.01
    assert found["variants"]["bought"]["p"] == 1.0


def test_the_command_prints_for_people(shop):
    run = invoke(shop, "--propensities", "1,.7,.5,.4,.3", "--share", "new=1", "--share", "old=3")
    assert run.exit_code == 0, run.output
    assert "1,500 pages" in run.output
    assert "shoppers for b" in run.output
    assert "(as planned? p 0.0000)" in run.output
    assert "looks at positions 1, 2, ...: 1.00, 0.70, 0.50, 0.40, 0.30" in run.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--propensities", "1,x"), "'x' is no number"),
        (("--propensities", "1,2"), "propensities 1, 2"),
        (("--share", "new"), "is not VARIANT=WEIGHT"),
        (("--since", "today"), "--since 'today' is no day"),
        (("--share", "new=1", "--share", "other=1"), "users of variant 'old'"),
        (("--state", "nowhere"), "no events are kept"),
    ],
)
def test_wrong_options_are_refused(shop, arguments, said):
    assert said in str(invoke(shop, *arguments).exception)
