"""What README.md and the pages of docs/ show is what happens."""

import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SECONDS, environment
from samples import SAMPLE_IMAGES

from convfilter.cli import cli, main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="README uses a POSIX shell")


def blocks(language, pages):
    return [
        block for page in pages for block in re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)
    ]


DRAWING = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
README_BLOCKS = re.findall(r"^```(sh|console|python)\n(.*?)^```$", README, re.M | re.S)
OTHER_PAGES = {path.stem: text for path, text in PAGES.items() if path.name != "README.md"}
SAMPLES = sorted(set(re.findall(r"`(\w+\.(?:png|jpg|gif))`", (SAMPLE_IMAGES / "README.md").read_text())))
(MINE,) = blocks("toml", [OTHER_PAGES["kernels"]])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: sample images, the kernel file that a page shows, and the command on the path."""
    (tmp_path / "sample_images").mkdir()
    for name in SAMPLES:
        shutil.copy(SAMPLE_IMAGES / name, tmp_path / "sample_images")
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for name, arguments in (("convfilter", "-m convfilter"), ("python3", "")):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVFILTER_THREADS", "2")
    return tmp_path


def steps(block):
    """Pairs of a command and what is shown of its output."""
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, shown = step.partition("\n")
        yield command, shown


def as_pattern(shown):
    """A pattern for output in which a line of three dots stands for any lines."""
    lines = shown.splitlines(keepends=True)
    return "".join(r"(?:.*\n)*" if line == "...\n" else re.escape(line) for line in lines)


def printed(command, monkeypatch):
    """Run a command, in this process unless it needs a shell; return what it prints."""
    words = shlex.split(command)
    if words[:1] != ["convfilter"] or set(command) & set("|&<>$*\\"):
        ran = subprocess.run(
            ["/bin/sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(
                CONVFILTER_THREADS=2, PATH=f"bin{os.pathsep}{os.environ['PATH']}", LC_ALL="C.UTF-8"
            ),
            timeout=SECONDS,
            check=False,
            encoding="utf-8",
        )
        return ran.stdout
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with monkeypatch.context() as patch:
        for name, value in {"argv": words, "stdout": output, "stderr": output}.items():
            patch.setattr(sys, name, value)
        with pytest.raises(SystemExit):
            main()
    output.flush()
    return output.buffer.getvalue().decode()


def check_console(block, monkeypatch):
    assert block.startswith("$ ")
    for command, shown in steps(block):
        found = printed(command, monkeypatch)
        assert re.fullmatch(as_pattern(shown), found), f"$ {command}\n{found}\nis not\n{shown}"


@pytest.mark.parametrize("page", [name for name, text in OTHER_PAGES.items() if "```console" in text])
def test_a_page_shows_what_is_printed(folder, monkeypatch, page):
    for block in blocks("console", [OTHER_PAGES[page]]):
        check_console(block, monkeypatch)
        for path in folder.iterdir():  # the next block starts anew
            if path.name not in ("sample_images", "mine.toml", "bin"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert sorted(os.listdir("sample_images")) == SAMPLES  # what is left there spoils the tests of a checkout


def test_the_readme_can_be_followed_from_its_top_to_its_end(folder, monkeypatch):
    """Everything that it has a reader type, one after another in one folder."""
    for language, block in README_BLOCKS:
        if language == "python":
            exec(compile(block, "README", "exec"), {})
        elif language == "console":
            check_console(block, monkeypatch)
        else:
            for line in re.findall(r"^convfilter [^#\n]+", block, re.M):
                check_console(f"$ {line.rstrip()}\n...\n", monkeypatch)


@pytest.mark.parametrize("code", blocks("python", OTHER_PAGES.values()))
def test_a_python_block_runs(folder, code):
    exec(compile(code, "page", "exec"), {})


def test_every_command_is_shown_in_the_readme():
    shown = [command for block in blocks("console", [README]) for command, _ in steps(block)]
    assert set(re.findall(r"\bconvfilter ([a-z]+) ", " ".join(shown))) == set(cli.list_commands(None))


def headings(page):
    """The headings of a page, as links name them."""
    lines = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for name, heading in re.findall(r"\]\((?!https://)([^)#]*)#?([^)]*)\)", PAGES[page]):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not heading or heading in headings(PAGES[target.resolve()]), heading


def test_every_drawing_is_made_by_the_script_and_shown_somewhere():
    shown = {(page.parent / target).name for page, text in PAGES.items() for target in DRAWING.findall(text)}
    assert shown == {path.name for path in (ROOT / "docs").iterdir() if path.suffix in (".png", ".gif")}
    script = (ROOT / "docs" / "pictures.py").read_text(encoding="utf-8")
    for name in shown:
        assert name in script or name.startswith("kernels-"), name


@pytest.mark.parametrize("name", ["kernels", "commands", "manual", "fidelity", "architecture"])
def test_a_generated_page_is_what_its_script_makes(name):
    spec = importlib.util.spec_from_file_location(f"{name}_page", ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page()


def test_the_readme_leads_to_every_page():
    linked = set(re.findall(r"\]\((docs/[^)#]+\.md)\)", README))
    assert linked == {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md"}


def test_it_begins_with_two_commands_that_the_makefile_knows():
    makefile = (SAMPLE_IMAGES.parent / "Makefile").read_text()
    try_it = README.split("## Try it")[1]
    commands = [line.split()[:2] for line in blocks("sh", [try_it])[0].splitlines()]
    assert commands == [["make", "demo"], ["make", "test"]]
    for _, target in commands:
        assert re.search(rf"^{target}:", makefile, re.M)
