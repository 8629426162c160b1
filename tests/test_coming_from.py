"""The page on coming from other programs: a row gives the same numbers, but for the stated difference."""

import re
import shlex
import shutil
import subprocess

import numpy as np
import pytest
from conftest import environment
from numpy.lib.stride_tricks import sliding_window_view
from oracles import padding_pairs
from PIL import Image
from samples import SAMPLE_IMAGES

ROOT = SAMPLE_IMAGES.parent
PAGE = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(.+?)`(?: inside (\d))? \| `(.+?)` \| ([\d.e-]+) \|", re.M)
ROWS = [
    pytest.param(section.partition("\n")[0], *row, id=row[0])
    for section in re.split(r"^## ", PAGE, flags=re.M)[1:]
    for row in ROW.findall(section)
]
VERSIONS = {"convert": ["-version"], "gm": ["-version"], "vips": ["--version"]}
FILES = {
    "k.mat": "3 3 15 0\n1 -2 0\n4 8 3\n-1 0 2\n",
    "even.mat": "2 2 10 0\n1 2\n3 4\n",
    "relief.mat": "3 3 1 128\n-1 0 0\n0 0 0\n0 0 1\n",
    "even.toml": '[even]\nweights = [[1, 2], [3, 4]]\ndivisor = "sum"\nanchor = [1, 1]\n',
    "relief.toml": "[relief]\nweights = [[-1, 0, 0], [0, 0, 0], [0, 0, 1]]\noffset = 0.5\n",
}


class ByDefinition:
    """What the page uses of ``torch.nn``, as sums over the weights, for where PyTorch is not installed."""

    @staticmethod
    def pad(array, widths, mode):
        left, right, above, below = widths
        names = {"replicate": "edge", "circular": "wrap"}
        return np.pad(array, ((0, 0), (0, 0), (above, below), (left, right)), names.get(mode, mode))

    @staticmethod
    def conv2d(array, weights, *, padding=0, stride=1, dilation=1, groups=1):
        sides = weights.shape[2:]
        padded = np.pad(array, [(0, 0), (0, 0), *padding_pairs(padding, sides)])
        windows = sliding_window_view(padded, [dilation * (side - 1) + 1 for side in sides], (2, 3))
        seen = windows[:, :, ::stride, ::stride, ::dilation, ::dilation]
        return np.einsum("nchwij,ocij->nohw" if groups == 1 else "nchwij,coij->nchw", seen, weights)

    @staticmethod
    def conv2d_input(shape, weights, upstream):
        made = np.zeros(shape)
        _, _, rows, columns = upstream.shape
        for (_, _, row, column), weight in np.ndenumerate(weights):
            made[:, :, row : row + rows, column : column + columns] += weight * upstream
        return made

    @staticmethod
    def conv2d_weight(array, shape, upstream):
        windows = sliding_window_view(array, upstream.shape[2:], (2, 3))
        return np.einsum("nchwij,noij->ochw", windows, upstream)


def imagej(macro, pixels):
    """Return what a macro makes of 8-bit grey, by the rules of ImageJ's documentation."""
    command, _, settings = re.fullmatch(r'run\("([^"]*)"(, "(.*)")?\);', macro).groups()
    padded = np.pad(pixels.astype(float), 1, "edge")

    def summed(weights):
        return sum(
            weight * padded[row : row + pixels.shape[0], column : column + pixels.shape[1]]
            for (row, column), weight in np.ndenumerate(np.asarray(weights))
        )

    if command == "Find Edges":
        across, down = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
        return np.minimum(np.hypot(summed(across), summed(down)).astype(int), 255)
    plain = {"Smooth": [[1] * 3] * 3, "Sharpen": [[-1, -1, -1], [-1, 12, -1], [-1, -1, -1]]}
    if command in plain:
        weights, normalize = plain[command], True
    else:
        rows = re.search(r"text1=\[(.*)\\n\]", settings)[1].split(r"\n")
        weights = [[int(entry) for entry in row.split()] for row in rows]
        normalize = settings.endswith("normalize")
    scale = np.sum(weights) if normalize and np.sum(weights) else 1
    return np.clip(np.floor(summed(weights) / scale + 0.5), 0, 255)


@pytest.fixture(scope="module")
def names():
    """Everything that the rows in Python use, as the page defines it."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        exec(re.search(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)[1], found)
    image = found["image"] = found["rgb"] / 255
    weights = found["w"] = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    try:
        import torch

        tensor, found["F"], found["grad"] = torch.tensor, torch.nn.functional, torch.nn.grad
    except ImportError:
        tensor, found["F"], found["grad"] = np.asarray, ByDefinition, ByDefinition
    found["t"], found["tw"] = tensor(np.moveaxis(image, -1, 0)[np.newaxis]), tensor(weights)
    found["g"] = tensor(found["f"][np.newaxis, np.newaxis])
    found["tk"] = tensor(found["k"][np.newaxis, np.newaxis].astype(float))
    return found


def in_python(program, theirs, ours, names):
    if program == "OpenCV":
        names["cv2"] = pytest.importorskip("cv2")
    elif program == "scipy and numpy":
        names["ndimage"] = pytest.importorskip("scipy.ndimage")
        names["signal"] = pytest.importorskip("scipy.signal")
    with np.errstate(all="ignore"):
        first = np.asarray(imagej(theirs, names["x"]) if program == "ImageJ" else eval(theirs, names))
    second = eval(ours, names)
    if first.ndim == 4:  # a tensor
        first = np.moveaxis(first[0], 0, -1)
        second = second.reshape(first.shape)
    return first, second


def at_the_command_line(program, theirs, ours, names, quick, tmp_path):
    command, _, version = theirs.split()[0], *program.split()
    tool = shutil.which(command)
    if not tool:
        pytest.skip(f"{command} is not installed")
    said = subprocess.run([tool, *VERSIONS[command]], capture_output=True, text=True, check=False).stdout
    if f"{program.split()[0]} {version}" not in said.replace("vips-", "libvips "):
        pytest.skip(f"{command} is not {program}")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    names["photo"].save(tmp_path / "in.png")
    out = tmp_path / ours.split()[-1]
    subprocess.run(theirs, shell=True, cwd=tmp_path, env=environment(), check=True)
    with Image.open(out) as image:
        first = np.asarray(image)
    out.unlink()
    ran = quick(*shlex.split(ours)[1:], "-q")
    assert ran.code == 0, ran.err
    with Image.open(out) as image:
        return first, np.asarray(image)


@pytest.mark.filterwarnings("ignore:Using padding=.same.:UserWarning")  # of PyTorch, for even sizes
@pytest.mark.parametrize(("program", "theirs", "inside", "ours", "stated"), ROWS)
def test_a_row_gives_the_same_numbers(program, theirs, inside, ours, stated, names, quick, tmp_path):
    if ours.startswith("convfilter "):
        first, second = at_the_command_line(program, theirs, ours, names, quick, tmp_path)
    else:
        first, second = in_python(program, theirs, ours, names)
    assert first.shape == second.shape
    if inside:
        away = int(inside)
        first, second = first[away:-away, away:-away], second[away:-away, away:-away]
    difference = np.abs(first.astype(float) - second.astype(float)).max()
    if "e" in stated:
        assert difference <= float(stated)
    else:
        assert difference == float(stated)


def test_the_page_has_rows_for_every_program():
    counts = {}
    for program, *_ in (row.values for row in ROWS):
        counts[program.split()[0]] = counts.get(program.split()[0], 0) + 1
    assert min(counts.values()) >= 4
    assert sum(counts.values()) == PAGE.count("\n| `") - 5  # the table of borders
    assert len(counts) == 8
