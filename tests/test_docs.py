"""Documentation is executed: README examples print what they say; the command page is the commands' own help."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.cli.main import cli

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from build_cli_docs import TARGET, commands

ROOT = Path(__file__).parent.parent
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
EXAMPLE = re.compile(r"```python\n(.*?)```\s*```text\n(.*?)```", re.DOTALL)
COMMANDS = dict(commands(cli, "aisle"))


def examples():
    for page in (*READMES, *sorted((ROOT / "docs").glob("*.md"))):
        for number, found in enumerate(EXAMPLE.finditer(page.read_text(encoding="utf-8")), start=1):
            yield pytest.param(*found.groups(), id=f"{page.name}-{number}")


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What an example does in a process and a folder of its own; one that stands on several pages runs once."""

    @functools.cache
    def run(code):
        folder = tmp_path_factory.mktemp("example")
        return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(("code", "output"), list(examples()))
def test_an_example_prints_what_the_page_says(code, output, printed):
    done = printed(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == output
    assert done.stderr == ""


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_a_readme_has_an_executed_example(page):
    assert EXAMPLE.search(page.read_text(encoding="utf-8"))


def test_both_readmes_show_the_same_commands_and_numbers():
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)
    for command in ("catalogue inspect", "index", "search", "run", "evaluate", "compare"):
        assert f"aisle {command} " in english
        assert f"aisle {command} " in chinese
    for mode in ("bm25", "dense", "hybrid"):
        rows = [re.search(rf"^\| {mode} \|.*$", text, re.MULTILINE) for text in (english, chinese)]
        assert rows[0] is not None
        assert rows[1] is not None
        assert rows[0][0] == rows[1][0]


def test_the_command_page_is_up_to_date():
    code = "import build_cli_docs, sys; sys.stdout.write(build_cli_docs.render())"  # click remembers earlier calls
    fresh = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=True
    )
    assert TARGET.read_text(encoding="utf-8") == fresh.stdout, "run: python scripts/build_cli_docs.py"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_command_has_an_example_and_every_option_has_help(name):
    command = COMMANDS[name]
    assert "Example:" in (command.help or "")
    assert f"{name} " in command.help.split("Example:")[1]
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name not in {"k", "help"}:
            assert parameter.help, f"{name} {parameter.opts}"


def test_every_page_the_docs_link_to_exists():
    for page in (*READMES, *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
