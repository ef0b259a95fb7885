"""`aisle export` on the shop that is shipped: a smaller folder with its card, a front, the pick of it, and refusals."""

import json

import pytest

torch = pytest.importorskip("torch")

from click.testing import CliRunner  # noqa: E402

from aisle.cli.main import cli  # noqa: E402
from aisle.compress.front import read_front  # noqa: E402
from aisle.encoders.embedded import EmbeddedEncoder  # noqa: E402
from aisle.encoders.load import load_encoder  # noqa: E402
from aisle.errors import AisleError, RecipeError  # noqa: E402
from tests.compress import small  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Pairs, and a small model of our own."""
    folder = tmp_path_factory.mktemp("shop")
    lines = ["query,title,relevance"]
    lines += [f'{pair.query},"{pair.title}",{pair.grade:g}' for pair in small.pairs()]
    (folder / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "log.txt").write_text("wireless keyboard\n\n机械键盘\n", encoding="utf-8")
    small.written(small.encoder(), folder / "model")
    return folder


def run(*arguments):
    found = CliRunner().invoke(cli, ["export", *map(str, arguments)], catch_exceptions=True)
    if isinstance(found.exception, AisleError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


def test_bits_alone_need_no_texts_and_the_card_says_what_was_not_measured(shop, tmp_path):
    run("embedded", "--out", tmp_path / "same", "--int8")
    made, texts = load_encoder(str(tmp_path / "same")), ["usb hub", "手机壳"]
    assert (made.encode(texts, "query") == EmbeddedEncoder().encode(texts, "query")).all()
    assert "was not measured" in (tmp_path / "same" / "README.md").read_text("utf-8")


def test_a_smaller_model_says_how_it_agrees(shop, tmp_path):
    out = tmp_path / "small"
    vocabulary = ["--vocab", shop / "log.txt", "--pairs", shop / "pairs.csv"]
    found = json.loads(run(shop / "model", "--out", out, *vocabulary, "--max-tokens", "learn", "--json").stdout)
    assert found["agreement"]["pairs"] == 48
    assert found["quality"]["queries"] == 4
    assert found["size"]["after"] < found["size"]["before"]
    assert found["steps"]["vocabulary"]["rows"]["before"] == small.ALL
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["details"]["made_smaller"]["from"] == "model"
    assert json.loads((out / "compression.json").read_text("utf-8"))["agreement"] == found["agreement"]
    assert not (tmp_path / ".small.shrinking").exists()


def test_a_front_and_the_pick_of_it(shop, tmp_path):
    front = tmp_path / "front"
    grid = ["--epochs", 1, "--tokens", 8, "--dims", 4]
    run(shop / "model", "--out", front, "--front", *grid, "--pairs", shop / "pairs.csv")
    points = {point.label: point for point in read_front(front).points}
    assert len(points) == 1 + 4 * 2 + 1 + 2
    assert load_encoder(str(front / points["4 dimensions, int8"].folder)).dim == 4
    shown = run(front, "--budget-ms", 100_000, "--out", tmp_path / "picked").stdout
    assert "Exported" in shown
    assert load_encoder(str(tmp_path / "picked")).dim == small.HIDDEN


def test_what_contradicts_itself_or_is_missing_is_told(shop, tmp_path):
    with pytest.raises(RecipeError, match="--int8 and --precision float32"):
        run(shop / "model", "--out", tmp_path / "a", "--int8", "--precision", "float32")
    with pytest.raises(RecipeError, match="--max-tokens 'few'"):
        run(shop / "model", "--out", tmp_path / "a", "--max-tokens", "few")
    with pytest.raises(AisleError, match=r"no texts of the shop.*\n.*--pairs FILE or --catalogue FILE"):
        run(shop / "model", "--out", tmp_path / "a", "--layers", 2)
    with pytest.raises(AisleError, match="cannot read the front"):
        run(shop, "--budget-ms", 20, "--out", tmp_path / "a")
    for given, name in ((["--layers", 2], "layers"), (["--vocab", shop / "log.txt"], "vocab"), (["--prune"], "prune")):
        with pytest.raises(RecipeError, match=rf"--{name} beside --front\nallowed: --tokens, --dims, --epochs"):
            run(shop / "model", "--out", tmp_path / "a", "--front", "--pairs", shop / "pairs.csv", *given)
    for given in (["--dims", 4], ["--tokens", 8]):
        with pytest.raises(RecipeError, match=f"{given[0]} without --front"):
            run(shop / "model", "--out", tmp_path / "a", *given)
    assert not (tmp_path / "a").exists()
