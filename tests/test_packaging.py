"""The kernels and the program are found from a checkout and from an installed wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import environment

import convfilter

ROOT = Path(__file__).resolve().parent.parent

MANUAL = ROOT / "docs" / "convfilter.1"

# What pip says when there is no index to get the build backend from.
OFFLINE = (
    *("NewConnectionError", "ConnectTimeout", "ConnectionError", "ProxyError"),
    "No matching distribution",
)

SCRIPT = """
import pathlib, convfilter
from convfilter.kernels.library import shipped_path
package = pathlib.Path(convfilter.__file__).parent
print(package)
print(shipped_path())
print(convfilter.__version__, *convfilter.load_kernels())
print(package.joinpath("py.typed").exists())
"""


def call(*arguments, **variables):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=300,
        check=False,
    )


def page_parts(folder):
    """What the interactive page is made of."""
    return {
        path.name for path in (folder / "convfilter").rglob("*") if path.suffix in (".html", ".css", ".js")
    }


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_manual_page_is_typeset_without_a_warning():
    command = ["groff", "-man", "-ww", "-z", MANUAL]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""


def test_a_wheel_brings_its_kernels_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = call(
        "-m", "pip", "--disable-pip-version-check", "wheel", ROOT, "--no-deps", "--wheel-dir", "wheels"
    )
    output = ran.stdout + ran.stderr
    if "No module named pip" in output:
        pytest.skip("there is no pip in this environment")
    if ran.returncode and any(sign in output for sign in OFFLINE):
        pytest.skip(f"pip reaches no index: {output.strip().splitlines()[-1]}")
    assert ran.returncode == 0, output
    (wheel,) = (tmp_path / "wheels").iterdir()
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    package = installed / "convfilter"
    name = wheel.name.split("-py3")[0]
    assert {path.name for path in installed.iterdir()} == {package.name, f"{name}.dist-info", f"{name}.data"}
    manual = installed / f"{name}.data" / "data" / "share" / "man" / "man1" / "convfilter.1"
    assert manual.read_bytes() == MANUAL.read_bytes()
    assert page_parts(installed) == page_parts(ROOT)
    ran = call("-c", SCRIPT, PYTHONPATH=installed)
    assert ran.stdout.splitlines() == [
        str(package),
        str(package / "kernels.toml"),
        " ".join([convfilter.__version__, *convfilter.load_kernels()]),
        "True",
    ], ran.stderr
    ran = call("-m", "convfilter", "shape", "28x28", "-k", "sobel", PYTHONPATH=installed)
    assert (ran.returncode, ran.stderr) == (0, "")
