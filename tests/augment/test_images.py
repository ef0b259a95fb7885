"""Changes of real thumbnails, compared with slow obvious versions in NumPy; what is said of an image decides which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from aisle.augment.image.changes import CHANGES, _edge_colour
from aisle.augment.image.meaning import meaning_of
from aisle.augment.image.picture import read_picture
from aisle.augment.image.run import PROVENANCE, ImagePlan, augment_images
from aisle.augment.image.sheet import contact_sheet
from aisle.cli.augment_images import images
from aisle.errors import ArtifactError, InputError

IMAGES = Path(__file__).parent.parent / "data" / "images"
FILES = sorted(IMAGES.glob("*.jpg"))
HOODIE = "american-bazi-letter-graphic-long-sleeve-drawstring-cropped-hoodie-8.jpg"
DRESS = "french-terry-twisted-strap-midi-dress-1.jpg"
SUNGLASSES = "polycarbonate-frame-square-sunglasses-1.jpg"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "photos"
    path.mkdir()
    for file in FILES:
        shutil.copy(file, path / file.name)
    return path


def pixels(image):
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem[:12])
def test_the_same_seed_gives_the_same_image_of_the_same_size_and_another_one(name, file):
    image = read_picture(file)
    before = image.tobytes()
    found = CHANGES[name].make(image, Random(3))
    again = CHANGES[name].make(image, Random(3))
    assert image.tobytes() == before, "the image that was given stays"
    assert (found is None) == (again is None)
    if found is not None:
        assert found.tobytes() == again.tobytes()
        assert (found.size, found.mode) == (image.size, "RGB")
        assert found.tobytes() != before
    else:
        assert name == "background" or (name == "colour" and file.name.startswith("slip-on")), "black on white"


def test_flipping_is_the_mirror_image():
    image = read_picture(IMAGES / DRESS)
    assert np.array_equal(pixels(CHANGES["flipped"].make(image, Random(0))), pixels(image)[:, ::-1])


def test_another_colour_keeps_brightness_and_moves_hue_by_at_most_fourteen_degrees():
    image = read_picture(IMAGES / "plaid-adjustable-cotton-baseball-cap.jpg")
    for seed in range(6):
        before, after = (pixels(one.convert("HSV")) for one in (image, CHANGES["colour"].make(image, Random(seed))))
        strong = (before[..., 1] > 120) & (before[..., 2] > 120)
        moved = (after[..., 0] - before[..., 0] + 128) % 256 - 128
        assert 3 <= abs(np.median(moved[strong])) <= 11, "of 256, about 5 to 14 degrees"
        assert np.abs(after[..., 2] - before[..., 2])[strong].mean() < 3
    grey = Image.new("RGB", (40, 40), (120, 120, 120))
    assert CHANGES["colour"].make(grey, Random(0)) is None


def test_another_background_leaves_the_product():
    image = read_picture(IMAGES / SUNGLASSES)
    found = CHANGES["background"].make(image, Random(2))
    before, after = pixels(image), pixels(found)
    dark = before.max(axis=2) < 120  # frame and lenses
    assert dark.sum() > 2_000
    assert np.abs(after - before)[dark].mean() < 2
    corners = [after[y, x] for y in (2, -3) for x in (2, -3)]
    assert all(np.abs(corner - before[2, 2]).max() > 8 for corner in corners)
    assert np.ptp([corner.sum() for corner in corners]) < 40, "one plane"


def test_a_busy_background_and_a_white_product_on_white_are_left_alone():
    assert CHANGES["background"].make(read_picture(IMAGES / "cutout-square-neck-wide-strap-set.jpg"), Random(0)) is None
    pale = np.full((60, 60, 3), 250, dtype=np.uint8)
    pale[20:40, 20:40] = 225  # a product that could be a shadow
    assert CHANGES["background"].make(Image.fromarray(pale), Random(0)) is None
    pale[20:40, 20:40] = (150, 30, 30)
    assert CHANGES["background"].make(Image.fromarray(pale), Random(0)) is not None


def test_scaling_turning_and_cropping_do_what_they_are_called():
    image = Image.new("RGB", (100, 100), (255, 255, 255))
    image.paste((10, 10, 10), (30, 30, 70, 70))
    dark = {name: pixels(CHANGES[name].make(image, Random(1))).max(axis=2) < 128 for name in CHANGES if name in (
        "scaled", "cropped", "rotated")}  # fmt: skip
    before = 1_600
    assert 0.35 * before < dark["scaled"].sum() < 0.83 * before
    assert 1.08 * before < dark["cropped"].sum() < 1.8 * before
    assert dark["rotated"].sum() == pytest.approx(before, rel=0.03)
    assert not np.array_equal(dark["rotated"][:, ::-1], dark["rotated"]), "a turned square has no upright axis"
    ys, xs = np.nonzero(dark["rotated"])
    assert 41 < np.ptp(xs) < 50
    assert 41 < np.ptp(ys) < 50


def test_the_edge_colour_is_the_median():
    image = Image.new("RGB", (20, 20), (200, 180, 160))
    image.paste((0, 0, 0), (0, 0, 20, 4))
    assert _edge_colour(image) == (200, 180, 160)


# --- what is said of an image ---


@pytest.mark.parametrize(
    ("text", "colour", "sided"),
    [
        ("red dress", True, False),
        ("burgundy velvet sofa", True, False),
        ("黑色连衣裙", True, False),
        ("黑裙", True, False),
        ("lamp in any color", True, False),
        ("midi dress", False, False),
        ("连衣裙 夏季", False, False),
        ("graphic tee", False, True),
        ("gloves for women", False, True),
        ("left hand guitar", False, True),
        ("键盘", False, True),
        ("儿童图书", False, True),
        ("shredder", False, False),
        ("hired hands", False, False),
        ("bag", False, False),
    ],
)
def test_words_of_colour_and_side(text, colour, sided):
    found = meaning_of(text)
    assert (found.known, found.colour, found.sided) == (True, colour, sided)
    assert (CHANGES["colour"].refused(found) != "") == colour
    assert (CHANGES["flipped"].refused(found) != "") == sided
    assert CHANGES["rotated"].refused(found) == ""


@pytest.mark.parametrize("text", ["", "12 34", "a1 2"])
def test_where_nothing_is_said_colours_and_sides_stay(text):
    assert CHANGES["colour"].refused(meaning_of(text)) == "nothing is said of it"
    assert CHANGES["flipped"].refused(meaning_of(text)) == "nothing is said of it"


# --- a folder ---


def test_a_folder_with_where_each_image_comes_from(folder, tmp_path):
    report = augment_images(folder, tmp_path / "out", ImagePlan(copies=3, seed=5))
    assert report.images == len(FILES)
    assert len(report.made) == 3 * len(FILES)
    rows = [json.loads(line) for line in (tmp_path / "out" / PROVENANCE).read_text().splitlines()]
    assert [row["file"] for row in rows] == [made.file for made in report.made]
    for row in rows:
        assert read_picture(tmp_path / "out" / row["file"]).size == read_picture(folder / row["source"]).size
        assert row["effect"] == "keeps"
        assert row["seed"] == 5
    assert all(row["how"] != ["flipped"] for row in rows if row["source"] == HOODIE)
    by_source = {
        source: [row["how"][0] for row in rows if row["source"] == source] for source in {r["source"] for r in rows}
    }
    assert all(len(set(how)) == 3 for how in by_source.values()), "no change twice before the others came"


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(folder, tmp_path):
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    plan = ImagePlan(copies=2, seed=1)
    augment_images(folder, whole, plan)

    class StoppedError(Exception):
        pass

    def stop(stage, done, total):
        if done == 3:
            raise StoppedError("by hand")

    with pytest.raises(StoppedError, match="by hand"):
        augment_images(folder, halved, plan, stop)
    log = (halved / PROVENANCE).read_text()
    (halved / PROVENANCE).write_text(log[:-40])  # as if killed while writing
    report = augment_images(folder, halved, plan)
    assert 0 < report.kept < len(report.made)
    assert {p.name: p.read_bytes() for p in halved.iterdir()} == {p.name: p.read_bytes() for p in whole.iterdir()}


def test_what_an_image_becomes_does_not_hang_on_the_others(folder, tmp_path):
    augment_images(folder, tmp_path / "all", ImagePlan(copies=2))
    for file in FILES:
        if file.name != DRESS:
            (folder / file.name).unlink()
    for made in augment_images(folder, tmp_path / "one", ImagePlan(copies=2)).made:
        assert (tmp_path / "one" / made.file).read_bytes() == (tmp_path / "all" / made.file).read_bytes()


def test_a_changed_source_is_made_again(folder, tmp_path):
    plan = ImagePlan(("light",))
    augment_images(folder, tmp_path / "out", plan)
    shutil.copy(folder / SUNGLASSES, folder / DRESS)
    report = augment_images(folder, tmp_path / "out", plan)
    assert report.kept == len(FILES) - 1
    assert len((tmp_path / "out" / PROVENANCE).read_text().splitlines()) == len(FILES)


def test_bad_images_are_listed_and_do_not_stop_the_run(folder, tmp_path):
    good = (folder / DRESS).read_bytes()
    (folder / "cut.jpg").write_bytes(good[:2_000])
    (folder / "page.jpg").write_bytes(b"<html>not found</html>")
    (folder / "empty.png").write_bytes(b"")
    Image.new("RGB", (2, 2)).save(folder / "pixel.png")
    Image.new("RGB", (400, 2)).save(folder / "line.png")
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(folder / "clear.png")
    Image.new("1", (20_000, 3_000)).save(folder / "huge.png")
    report = augment_images(folder, tmp_path / "out", ImagePlan(("light",)))
    assert [name for name, _ in report.bad] == ["cut.jpg", "empty.png", "huge.png", "line.png", "page.jpg", "pixel.png"]
    assert dict(report.bad)["page.jpg"] == "'page.jpg' is no image that Pillow knows"
    assert "truncated" in dict(report.bad)["cut.jpg"]
    assert "60" not in dict(report.bad)["huge.png"] or "pixels" in dict(report.bad)["huge.png"]
    assert len(report.made) == len(FILES) + 1
    rows = [json.loads(line) for line in (tmp_path / "out" / PROVENANCE).read_text().splitlines()]
    assert [row["source"] for row in rows if "error" in row] == [name for name, _ in report.bad]


def test_transparent_is_white_and_a_turned_photo_upright(tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").getpixel((5, 5)) == (255, 255, 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").size == (20, 40)


def test_another_plan_in_the_same_folder_is_refused(folder, tmp_path):
    (tmp_path / "nothing").mkdir()
    augment_images(folder, tmp_path / "out", ImagePlan(("light",)))
    with pytest.raises(ArtifactError, match="was made with other changes"):
        augment_images(folder, tmp_path / "out", ImagePlan(("light",), seed=1))
    with pytest.raises(ArtifactError, match="not of this command"):
        augment_images(folder, folder.parent, ImagePlan(("light",)))
    with pytest.raises(InputError, match="is the folder of the images"):
        augment_images(folder, folder, ImagePlan(("light",)))
    with pytest.raises(InputError, match="has no image"):
        augment_images(tmp_path / "nothing", tmp_path / "o", ImagePlan())
    with pytest.raises(InputError, match="'blur' is no change"):
        ImagePlan(("blur",))


def test_an_image_that_no_change_fits_gets_fewer(folder, tmp_path):
    report = augment_images(folder, tmp_path / "out", ImagePlan(("flipped",), copies=2))
    assert report.fewer == len(FILES)  # once flipped, there is no second
    assert HOODIE not in {made.come.source for made in report.made}
    assert report.refused == {"flipped: it can be read or has sides": 1}


def test_the_command_takes_texts_and_draws_a_sheet(folder, tmp_path):
    texts = tmp_path / "texts.csv"
    texts.write_text(f"file,text\n{DRESS},red midi dress\n{SUNGLASSES},左手 手套\n", encoding="utf-8")
    sheet, out = tmp_path / "sheet.png", tmp_path / "out"
    line = f"{folder} --out {out} --change colour --change flipped --copies 2 --seed 4 --texts {texts} --sheet {sheet}"
    told = CliRunner().invoke(images, [*line.split(), "--json"], catch_exceptions=False)
    said = json.loads(told.output)
    assert said["refused"] == {"colour: a colour is meant": 1, "flipped: it can be read or has sides": 2}
    rows = [json.loads(line) for line in (out / PROVENANCE).read_text().splitlines()]
    assert [row["how"] for row in rows if row["source"] == DRESS] == [["flipped"]]
    assert ["flipped"] not in [row["how"] for row in rows if row["source"] == SUNGLASSES]
    with Image.open(sheet) as drawn:
        assert drawn.width == 8 + 3 * 168
        assert drawn.height == 8 + len(FILES) * 184


def test_a_sheet_in_no_folder_or_among_the_images_is_refused_before_anything_is_made(folder, tmp_path):
    before = sorted(folder.iterdir())
    for sheet, said in (
        (tmp_path / "nope" / "s.png", "there is no folder"),
        (folder / "s.png", "is in the folder of the images"),
    ):
        told = CliRunner().invoke(images, [str(folder), "--out", str(tmp_path / "out"), "--sheet", str(sheet)])
        assert isinstance(told.exception, InputError)
        assert said in str(told.exception)
    assert not (tmp_path / "nope").exists()
    assert not (tmp_path / "out").exists()
    assert sorted(folder.iterdir()) == before
    texts = tmp_path / "texts.csv"
    texts.write_text("file,text\n", encoding="utf-8")
    given = [str(folder), "--out", str(tmp_path / "out"), "--texts", str(texts), "--sheet", str(texts)]
    assert "which is read" in str(CliRunner().invoke(images, given).exception)
    assert texts.read_text(encoding="utf-8") == "file,text\n"


def test_a_sheet_shows_each_image_beside_what_was_made_of_it(folder, tmp_path):
    report = augment_images(folder, tmp_path / "out", ImagePlan(("flipped",)))
    sheet = pixels(contact_sheet(folder, tmp_path / "out", report))
    first, second = sheet[24:184, 8:168], sheet[24:184, 176:336]
    assert np.abs(first[:, ::-1] - second).mean() < 8, "shown smaller, and kept as a JPEG"
    assert np.abs(first - second).mean() > 12
    few = contact_sheet(folder, tmp_path / "out", report, 2)
    assert few.height == 8 + 2 * 184
    shown = pixels(few)
    assert np.array_equal(shown[24:184, 8:168], first)
    assert not np.array_equal(shown[208:368, 8:168], sheet[208:368, 8:168]), "spread over all of them"


def test_a_table_without_the_columns_is_refused(folder, tmp_path):
    texts = tmp_path / "texts.csv"
    texts.write_text("name,text\n")
    told = CliRunner().invoke(images, [str(folder), "--out", str(tmp_path / "out"), "--texts", str(texts)])
    assert isinstance(told.exception, InputError)
    assert "has no column 'file'" in str(told.exception)
