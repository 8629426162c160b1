"""The kernels and the program are found from a checkout and from an installed wheel."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

import convfilter
from convfilter.kernels.library import shipped_path

ROOT = Path(__file__).resolve().parent.parent

# What pip says when there is no index to get the build backend from.
OFFLINE = (
    "NewConnectionError",
    "ConnectTimeout",
    "ConnectionError",
    "ProxyError",
    "No matching distribution",
)


def call(*arguments, cwd, **changes):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**changes),
        timeout=300,
        check=False,
    )


def pip(*arguments, cwd):
    ran = call("-m", "pip", "--disable-pip-version-check", *map(str, arguments), cwd=cwd)
    said = ran.stdout + ran.stderr
    if "No module named pip" in said:
        pytest.skip("there is no pip in this environment")
    if ran.returncode and any(sign in said for sign in OFFLINE):
        pytest.skip(f"pip reaches no index: {said.strip().splitlines()[-1]}")
    assert ran.returncode == 0, said


def test_a_checkout_finds_its_kernels_at_its_top(tmp_path):
    assert Path(shipped_path()) == ROOT / "kernels.toml"
    ran = call("-m", "convfilter", "kernels", "sobel", cwd=tmp_path, PYTHONPATH=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("sobel 3x3")


SCRIPT = """
import pathlib, convfilter
from convfilter.kernels.library import shipped_path
package = pathlib.Path(convfilter.__file__).parent
print(package)
print(shipped_path())
print(convfilter.__version__, *convfilter.load_kernels())
print(package.joinpath("py.typed").exists())
"""


def test_a_wheel_brings_its_kernels_along(tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    pip("wheel", ROOT, "--no-deps", "--wheel-dir", tmp_path / "wheels", cwd=away)
    (wheel,) = (tmp_path / "wheels").iterdir()
    pip("install", "--target", tmp_path / "there", "--no-deps", wheel, cwd=away)
    package = tmp_path / "there" / "convfilter"
    ran = call("-c", SCRIPT, cwd=away, PYTHONPATH=tmp_path / "there")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        str(package),
        str(package / "kernels.toml"),
        " ".join([convfilter.__version__, *convfilter.load_kernels()]),
        "True",
    ]
    assert {path.name for path in (tmp_path / "there").iterdir() if not path.name.startswith("bin")} == {
        "convfilter",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    ran = call("-m", "convfilter", "shape", "28x28", "-k", "sobel", cwd=away, PYTHONPATH=tmp_path / "there")
    assert (ran.returncode, ran.stderr) == (0, "")
