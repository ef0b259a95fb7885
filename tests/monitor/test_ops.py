"""The shipped alert rules and dashboard name only metrics and labels that a real service exposes."""

import json
import re
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.settings import Settings
from aisle.types import Product

OPS = Path(__file__).parent.parent.parent / "ops"
RULES = yaml.safe_load((OPS / "prometheus" / "aisle.rules.yml").read_text(encoding="utf-8"))
BOARD = json.loads((OPS / "grafana" / "aisle.json").read_text(encoding="utf-8"))
METRIC = re.compile(r"\baisle_[a-z0-9_]+\b")
RECORDED = re.compile(r"\baisle:[a-z0-9_:]+\b")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!=|!~|=)\s*\"")
BY = re.compile(r"by \(([^)]*)\)")
ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
EXPLORE = {"method": "epsilon", "slot": 1, "depth": 2}
OF_PROMETHEUS = {"job", "instance"}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """Name of a series to the labels it was seen with, after real requests."""
    folder = tmp_path_factory.mktemp("ops") / "shop"
    engine = SearchEngine.build(
        [Product("1", "USB hub"), Product("2", "HDMI cable")], folder, encoder=EmbeddedEncoder()
    )
    with engine:
        (folder.parent / "other.toml").write_text("[search]\nfusion = 'ranks'\n")
        tried = {"name": "t", "how": "shadow", "share": 1.0, "recipe": str(folder.parent / "other.toml")}
        tables = {"monitor": {"log": False}, "experiment": tried | {"explore": EXPLORE}}
        nobody = folder.parent / "nobody.sock"
        app = create_app(engine, Settings(), Outside(tables=tables, suggestions=False, shadow=nobody))
        with TestClient(app) as client:
            for body in (
                {"query": "usb"},
                {"query": "usb", "k": 1},
                {"query": "usb", "mode": "bm25"},
                {"query": "usb hub", "deadline_ms": 0.001},
            ):
                assert client.post("/v1/search", json=body).status_code == 200
            text = client.get("/metrics").text
    found = {}
    for family in text_string_to_metric_families(text):
        for end in ENDS[family.type]:
            labels = found.setdefault(family.name + end, set())
            for sample in family.samples:
                if sample.name == family.name + end:
                    labels |= set(sample.labels)
    return found


def expressions():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule.get("alert") or rule["record"])
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_names_what_is_exposed(expression, exposed):
    assert expression.count("(") == expression.count(")")
    recorded = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
    assert set(RECORDED.findall(expression)) <= recorded
    named = set(METRIC.findall(expression))
    assert named <= set(exposed)
    assert named or RECORDED.search(expression) or expression.startswith("up{")
    known = OF_PROMETHEUS.union(*(exposed[name] for name in named))
    labels = set(LABEL.findall(expression))
    labels |= {name.strip() for group in BY.findall(expression) for name in group.split(",")}
    assert labels <= known


def test_every_alert_says_what_and_what_to_do():
    alerts = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 10
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "fix"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert re.fullmatch(r"\d+[mh]", rule["for"])


def test_every_metric_is_on_the_dashboard_and_panels_do_not_overlap(exposed):
    shown = {
        name for panel in BOARD["panels"] for target in panel["targets"] for name in METRIC.findall(target["expr"])
    }
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed if not name.endswith("_created")}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
