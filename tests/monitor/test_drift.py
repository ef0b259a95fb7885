"""Drift against hand calculations and slow, obvious versions, on real queries."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import ArtifactError
from aisle.monitor.drift import count_words, mmd, psi, quantile_edges, unseen, words
from aisle.monitor.reference import Reference, load_reference
from aisle.monitor.rules import parse_rules
from aisle.monitor.watch import replay
from tests.monitor.conftest import search

PHONES = [
    "红米手机 128G",
    "华为 mate 手机壳",
    "苹果 充电器",
    "小米 手环",
    "手机 支架 车载",
    "蓝牙 耳机",
    "钢化膜",
    "充电宝 20000",
]


def test_psi_by_hand():
    # two bins: up to 2, above. Reference 2 and 2 of 4, now 1 and 3 of 4; half a count more in each bin
    e, a = (2.5 / 5, 2.5 / 5), (1.5 / 5, 3.5 / 5)
    hand = (a[0] - e[0]) * math.log(a[0] / e[0]) + (a[1] - e[1]) * math.log(a[1] / e[1])
    found = psi([1, 2, 3, 4], [2, 5, 6, 7], bins=2)
    assert found.value == pytest.approx(hand, abs=1e-12)
    assert found.expected == pytest.approx(1 * (1 / 4 + 1 / 4))
    assert found.p == pytest.approx(chi2.sf(hand / 0.5, 1))


def test_bins_end_at_quantiles_each_once():
    assert quantile_edges(range(1, 11), 5).tolist() == [2, 4, 6, 8]
    assert quantile_edges([1, 1, 1, 1, 2, 3], 3).tolist() == [1]  # both lower quantiles are 1, and 3 is the greatest
    assert psi([5, 5, 5], [1, 2], 10) is None
    assert psi([], [1]) is None
    assert psi([1, 2], []) is None


def test_psi_of_nothing_changed_is_what_it_expects():
    generator = np.random.default_rng(0)
    found = [psi(generator.normal(size=800), generator.normal(size=200)) for _ in range(300)]
    expected = found[0].expected
    mean = np.mean([one.value for one in found])
    assert abs(mean - expected) < 0.15 * expected
    share = np.mean([one.p < 0.05 for one in found])
    assert 0.02 < share < 0.09  # 300 draws: .05 +- 3 standard errors of .0126
    assert psi(generator.normal(size=800), generator.normal(1.0, size=200)).p < 1e-4


def test_mmd_is_that_of_the_definition():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(7, 3)).astype(np.float32), generator.normal(0.5, size=(5, 3)).astype(np.float32)
    found = mmd(x, y, permutations=20)

    def kernel(one, other):
        return math.exp(-sum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)) / 2 / found.width**2)

    pooled = [*x, *y]
    distances = [math.dist(pooled[i], pooled[j]) for i in range(12) for j in range(i)]
    assert found.width == pytest.approx(np.median(distances), rel=0.02)  # the root of the median of the squares
    within = sum(kernel(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / 42
    other = sum(kernel(y[i], y[j]) for i in range(5) for j in range(5) if i != j) / 20
    across = sum(kernel(one, two) for one in x for two in y) / 35
    assert found.value == pytest.approx(within + other - 2 * across, abs=1e-6)


def test_mmd_raises_few_false_alarms():
    generator = np.random.default_rng(2)
    rows = [mmd(generator.normal(size=(30, 4)), generator.normal(size=(20, 4)), permutations=99) for _ in range(300)]
    share = np.mean([row.p <= 0.05 for row in rows])
    assert 0.015 < share < 0.09  # an exact test: .05 +- 3 standard errors


def test_real_queries_of_another_shop_are_found(queries):
    encoder = EmbeddedEncoder()
    vectors = encoder.encode(queries, "query")
    halves = np.random.default_rng(3).permutation(len(queries))
    assert mmd(vectors[halves[:44]], vectors[halves[44:]]).p > 0.05
    assert mmd(vectors, encoder.encode(PHONES, "query")).p < 0.01


def test_words_of_both_languages():
    assert words("USB-C Hub, 红米手机 壳") == ["usb", "c", "hub", "红米", "米手", "手机", "壳"]


def test_unseen_words_by_hand():
    found = unseen(count_words(["usb hub", "usb cable"]), count_words(["usb dongle", "dongle case"]))
    assert found.share == 3 / 4
    assert found.expected == 2 / 4  # hub and cable were seen once, of four words
    assert found.most == (("dongle", 2), ("case", 1))
    assert unseen({}, count_words(["a"])) is None


def test_a_reference_is_kept_and_drift_found(queries, tmp_path):
    encoder = EmbeddedEncoder()

    def encode(texts):
        return encoder.encode(texts, "query")

    generator = np.random.default_rng(4)
    before = [search(i, query=query, scores=(float(generator.normal()), 0.0)) for i, query in enumerate(queries * 3)]
    path = tmp_path / "reference.json"
    Reference.of(before).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    reference = load_reference(path, encode)
    assert reference.searches == 267
    same = reference.drift(before)
    assert same.score.value == pytest.approx(0, abs=1e-9)
    assert same.unseen.share == 0
    other = [search(i, query=query, scores=(float(generator.normal(2)),)) for i, query in enumerate(PHONES * 10)]
    drift = reference.drift(other)
    assert drift.score.value > 1
    assert drift.unseen.share == 1.0 - np.mean([word in reference.words for q in PHONES for word in words(q)])
    assert drift.queries.p < 0.01
    rules = parse_rules(
        "".join(
            f'[[rule]]\nname = "{name}"\nmetric = "{name}"\ncomparison = "{sign}"\nthreshold = {at}\n'
            for name, sign, at in (("drift.score", ">", 0.25), ("drift.unseen", ">", 0.5), ("drift.queries", "<", 0.01))
        )
    )
    assert {notice.rule.name for notice in replay(rules, other, reference)} == {rule.name for rule in rules}
    assert replay(rules, before, reference) == []


def test_what_is_no_reference_is_refused(tmp_path):
    path = tmp_path / "reference.json"
    with pytest.raises(ArtifactError, match="cannot read the reference"):
        load_reference(path)
    for text in ("{}", "[]", '{"kind": "other", "version": 1}', "no JSON"):
        path.write_text(text)
        with pytest.raises(ArtifactError, match="is no reference"):
            load_reference(path)
    with pytest.raises(ArtifactError, match="no search"):
        Reference.of([search(0, searched=False)])
