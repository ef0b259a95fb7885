"""Units, short words, synonyms and neighbours: hand-written texts, the normaliser as the judge of what is the same."""

from __future__ import annotations

import csv
import gzip
from random import Random

import pytest
from click.testing import CliRunner

from aisle.augment.text.neighbours import Neighbour, nearest
from aisle.augment.text.synonyms import PACKAGED, Renamed, packaged
from aisle.augment.text.table import CHANGES
from aisle.cli.main import cli
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import ArtifactError
from aisle.language.normalise import normalise
from aisle.language.script import has_han
from aisle.language.synonyms import Synonyms


def changed(name, text, draws=60):
    found = (CHANGES[name].apply(text, Random(seed)) for seed in range(draws))
    return {text for text in found if text is not None}


# --- units ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 inch monitor", {"10 inches monitor", '10" monitor', "10in monitor"}),
        ('32" tv', {"32 inch tv", "32 inches tv", "32in tv"}),
        ("1TB drive", {"1 TB drive", "1 terabyte drive", "1 tb drive"}),
        ("5 gal. bucket", {"5gal bucket", "5 gal bucket", "5 gallon bucket", "5 gallons bucket"}),
        ("aa batteries 12 pk", {"aa batteries 12pk", "aa batteries 12-pack", "aa batteries 12 pack"}),
        ("10米网线", {"10m网线", "10 m网线", "10 meter网线", "10 meters网线"}),
        ("500 ml", {"500ml", "500 milliliter"}),
    ],
)
def test_a_unit_in_every_other_form(text, expected):
    assert changed("units", text) == expected


NO_UNITS = """size 10 in black|2 in 1 laptop|4g phone|LC51C ink|AT-12V|USB 3.0 A to B|windows 10|phone 5|10W-40 oil
$5 pack|1.2.3 m|3M tape|iphone 5c|3-in-1 cable|cat5e|mp3|7 for all mankind"""


@pytest.mark.parametrize("text", NO_UNITS.replace("\n", "|").split("|"))
def test_what_is_no_unit_stays(text):
    assert changed("units", text) == set()


def test_the_normaliser_takes_every_form_for_the_same():
    """`normalise` was written and tested before: what it makes one form of cannot be another size."""
    same = 0
    for text in ("10 inch screen", "3 ft cable", "2 kg", "500 ml", "8 GB", "12 V", "40 mm", "16 oz", "10 lb", "20 W"):
        for found in changed("units", text):
            assert normalise(found) == normalise(text), found
            same += 1
    assert same > 25


def test_words_are_written_short_and_out():
    assert changed("abbreviations", "case with strap") == {"case w/ strap"}
    assert changed("abbreviations", "case w/o strap") == {"case without strap"}
    assert changed("abbreviations", "salt & pepper") == {"salt and pepper"}
    assert changed("abbreviations", "smart tv") == {"smart television"}
    assert changed("abbreviations", "at&t phone") == set()
    assert changed("abbreviations", "notwithstanding") == set()


# --- synonyms ---


def test_a_name_by_another_name_of_the_same_thing():
    assert "lawnmower" in changed("synonyms", "lawn mower")
    assert any("bicycle" in found for found in changed("synonyms", "road bike pump"))
    assert any("手机保护壳" in found for found in changed("synonyms", "小米手机壳"))
    assert all("手机壳" not in found for found in changed("synonyms", "小米手机壳"))


@pytest.mark.parametrize("text", ["gb", "16 gb", "speck", "fitbit charge", "corning", "outlet", "shelf tops", "lc51c"])
def test_brands_units_and_loose_names_of_the_lexicon_stay(text):
    assert changed("synonyms", text) == set()


def test_a_rule_of_the_shop_is_taken_as_it_is_written():
    change = Renamed("ours", (Synonyms.parse("trainers => sneakers\n手机, 移动电话"),), effect="unknown")
    assert change.apply("black trainers", Random(0)) == "black sneakers"
    assert change.apply("black sneakers", Random(0)) is None
    assert change.apply("华为手机", Random(0)) == "华为移动电话"
    assert change.apply("trainers and sneakers", Random(0)) is None, "the other name is there already"


def test_the_end_of_one_word_and_the_beginning_of_the_next_are_no_name():
    change = Renamed("ours", (Synonyms.parse("家电, 家用电器\nhigh heels, high-heeled shoes"),))
    assert change.apply("家电维修", Random(0)) == "家用电器维修"
    assert change.apply("宜家电池充电器", Random(0)) is None, "it is 宜家 and 电池"
    assert change.apply("red high heels", Random(0)) == "red high-heeled shoes"
    assert change.apply("high heels shoes", Random(0)) is None


def test_plurals_follow_and_neighbours_stay_apart():
    change = Renamed("ours", (Synonyms.parse("sofa, couch\nbattery, accu\nbox, pastry, 盒子"),))
    assert change.apply("two sofas", Random(0)) == "two couches"
    assert change.apply("boxes", Random(0)) == "pastries"
    mixed = Renamed("mixed", (Synonyms.parse("cable, 线缆"),), translated=True)
    assert mixed.apply("usb cable 2", Random(0)) == "usb 线缆 2"
    assert mixed.apply("usb线缆2", Random(0)) == "usb cable 2"


def test_the_packaged_names_are_pairs_of_one_language_and_no_numbers():
    pairs = [line.split("\t") for line in gzip.decompress(PACKAGED.read_bytes()).decode().split("\n")]
    assert len(pairs) > 10_000
    assert all(has_han(one) == has_han(other) for one, other in pairs)
    assert not any(any(c.isdigit() for c in "".join(pair)) for pair in pairs)
    assert pairs == sorted(pairs)


def test_a_damaged_table_says_so(tmp_path):
    path = tmp_path / "synonyms.tsv.gz"
    path.write_bytes(gzip.compress(b"one\ttwo\tthree"))
    with pytest.raises(ArtifactError, match="cannot read the table of synonyms"):
        packaged(path)


# --- neighbours ---

TITLES = [
    f"{maker} {colour} {thing}"
    for maker in ("Acme", "Globex")
    for colour in ("red", "blue", "black")
    for thing in (
        "sofa with legs",
        "couch with legs",
        "lawnmower petrol",
        "mower petrol",
        "television 40 inch",
        "无线鼠标",
    )
]


@pytest.fixture(scope="module")
def near():
    return nearest(TITLES, EmbeddedEncoder(threads=1), brands=("Acme",), near=0.6)


def test_the_nearest_words_are_those_of_the_encoders_cosine(near):
    encoder = EmbeddedEncoder(threads=1)
    a, b = encoder.encode(["sofa", "couch"], "query")
    (first, *_) = near["sofa"]
    assert first.word == "couch"
    assert first.cosine == pytest.approx(float(a @ b), abs=1e-5)


def test_brands_numbers_and_forms_of_the_same_word_do_not_take_part(near):
    named = set(near) | {other.word for others in near.values() for other in others}
    assert not named & {"acme", "40", "with", "inch"}
    assert all(
        "mower" not in (word, other.word) or "lawnmower" not in (word, other.word)
        for word, others in near.items()
        for other in others
    )


def test_a_neighbour_takes_the_place(near):
    change = Neighbour(near)
    assert change.effect == "unknown"
    assert change.apply("leather sofa bed", Random(0)) == "leather couch bed"
    assert change.apply("Sofa", Random(0)) == "Couch"
    assert change.apply("sofa or couch", Random(0)) is None
    assert change.apply("lamp 40", Random(0)) is None


def test_the_command_reads_the_words_of_the_titles(tmp_path):
    source, out, brands = tmp_path / "pairs.csv", tmp_path / "more.csv", tmp_path / "brands.txt"
    rows = [f"q,{title},{number % 2}" for number, title in enumerate(TITLES)]
    source.write_text("\n".join(["query,title,relevance", *rows]), encoding="utf-8")
    brands.write_text("Acme\nGlobex\n", encoding="utf-8")
    given = ["augment", "text", str(source), "--out", str(out), "--change", "neighbours@title", "--brands", str(brands)]
    CliRunner().invoke(cli, given, catch_exceptions=False)
    made = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    names = ("Acme", "Globex")
    near = nearest(TITLES, EmbeddedEncoder(threads=1), brands=names)
    assert len(made) >= len(TITLES) / 3  # sofas and couches
    for row in made:
        before, after = TITLES[int(row["source"].rpartition("/")[2])].split(), row["title"].split()
        ((was, became),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert became in [other.word for other in near[was]]
        assert (row["relevance"], row["effect"]) == ("", "unknown")
    source.write_text("query,title,relevance\nusb hub,USB Hub,1\nusb hub,Lamp,0\n", encoding="utf-8")
    refused = CliRunner().invoke(cli, given)
    assert "'neighbours': no two words of 2 titles are near one another" in str(refused.exception)


def test_rare_words_do_not_replace_frequent_ones():
    titles = ["sofa"] * 200 + ["couch"] * 5
    found = nearest(titles, EmbeddedEncoder(threads=1), near=0.5)
    assert "sofa" not in found
    assert [one.word for one in found["couch"]] == ["sofa"]
