"""Standard input and output, pipes, JSON, quiet and verbose, and signals."""

import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from conftest import SECONDS, ended, environment
from PIL import Image
from samples import colour, grey, load, save

import convfilter as cf

posix = pytest.mark.skipif(os.name != "posix", reason="pipes and signals of POSIX systems")


def encoded(pixels, form="PNG"):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form)
    return stream.getvalue()


def decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.format, np.asarray(image)


def test_stdin_goes_to_stdout_and_the_calculation_to_stderr(run, tmp_path):
    ran = run("apply", "-", "-k", "sobel", stdin=encoded(grey(20, 30) // 8))
    assert ran.code == 0
    form, pixels = decoded(ran.raw)
    assert form == "PNG"
    assert np.array_equal(pixels, cf.apply_kernel(grey(20, 30) // 8, "sobel"))
    assert ran.complaints == [
        "- -> -   sobel 3x3, magnitude of 2, border edge",
        "  width   30 + 1 + 1 - 3 + 1 = 30    (valid: 30 - 3 + 1 = 28)",
        "  height  20 + 1 + 1 - 3 + 1 = 20    (valid: 20 - 3 + 1 = 18)",
    ]
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize(
    ("descriptor", "arguments", "message"),
    [
        (0, "- -k blur", "-: standard input is closed"),
        (1, "a.png -k blur -o -", "a.png: standard output is closed"),
    ],
)
def test_closed_streams_are_reported_in_a_line(run, tmp_path, descriptor, arguments, message):
    save(tmp_path / "a.png", grey())
    ran = run("apply", *arguments.split(), preexec_fn=lambda: os.close(descriptor))
    assert (ran.code, ran.complaints) == (1, [f"convfilter: {message}"])


APPLY_KEYS = [
    *("input", "output", "kernels", "width", "height", "output_width", "output_height", "channels"),
    *("output_channels", "frames", "output_frames", "status", "error", "warnings"),
    *("clipped_below", "clipped_above", "seconds"),
]


def test_json_of_an_image_has_the_promised_keys(quick, tmp_path):
    save(tmp_path / "a.png", colour(20, 30))
    ran = quick("apply", "a.png", "-k", "gaussian:sigma=2", "-k", "sobel", "--padding", "valid", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert list(found) == APPLY_KEYS
    seconds, below, above = found.pop("seconds"), found.pop("clipped_below"), found.pop("clipped_above")
    assert 0 < seconds < SECONDS
    assert (below, 0 <= above <= 1) == (0, True)
    assert list(found.values()) == [
        *("a.png", "a.gaussian-sigma=2.sobel.png", ["gaussian:sigma=2", "sobel"]),
        *(30, 20, 30 - 12 - 2, 20 - 12 - 2, 3, 3, 1, 1, "done", None, []),
    ]


def test_every_status_is_a_json_line(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey())
    (tmp_path / "a.blur.png").write_bytes(b"mine")
    arguments = ("apply", "a.png", "b.png", "gone.png", "-k", "blur", "--skip-existing", "--json")
    planned = [json.loads(line) for line in quick(*arguments, "-n").out.splitlines()]
    assert [each["status"] for each in planned] == ["skipped", "planned", "failed"]
    assert planned[1]["output_channels"] == 1
    assert not (tmp_path / "b.blur.png").exists()
    ran = quick(*arguments)
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert [each["status"] for each in found] == ["skipped", "done", "failed"]
    assert found[2]["error"] == "no such file"
    np.save("a.npy", colour(4, 6, 5)[np.newaxis])
    refused = json.loads(quick("apply", "a.npy", "-k", "blur", "--stride", "2", "-o", "c.png", "--json").out)
    assert [refused[key] for key in ("status", *APPLY_KEYS[5:9])] == ["failed", 3, 2, 5, 5]
    assert all(list(each) == APPLY_KEYS for each in planned + found)
    assert ran.code == 1


def test_quiet_prints_errors_only(quick, tmp_path):
    save(tmp_path / "a.jpg", grey(), format="PNG")
    ran = quick("apply", "a.jpg", "-k", "blur", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = quick("apply", "a.jpg", "-k", "blur", "-q")
    assert ran.code == 1
    assert len(ran.complaints) == 1
    ran = quick("apply", "a.jpg", "-k", "blur", "-o", "b.jpg")
    assert "a.jpg: warning: contains png data despite its name" in ran.err
    ran = quick("apply", "a.jpg", "-k", "blur", "-o", "c.jpg", "--preview")
    assert "--preview needs a terminal" in ran.err


def test_a_batch_prints_a_line_for_each_image_and_with_verbose_the_calculations(quick, tmp_path):
    for name, pixels in {"a": grey(4, 4), "b": grey(4, 4), "c": grey(5, 5)}.items():
        save(tmp_path / "in" / f"{name}.png", pixels)
    halved = quick("apply", "in", "-k", "blur", "-o", "half", "--stride", "2", "-n")
    assert halved.out.splitlines()[2] == "in/c.png -> half/c.png   5x5 -> 3x3"
    assert not (tmp_path / "half").exists()
    terse = quick("apply", "in", "-k", "blur", "-o", "one")
    assert terse.out.splitlines() == [
        f"in/{name}.png -> one/{name}.png   {each}x{each}"
        for name, each in zip("abc", (4, 4, 5), strict=True)
    ]
    assert terse.complaints == ["convfilter: 3 done"]
    verbose = quick("apply", "in", "-k", "blur", "-o", "two", "-v")
    assert verbose.out.count("  width   ") == 3
    assert verbose.out.count("  clipped ") == 3


@posix
@pytest.mark.parametrize("arguments", ["", "kernels sobel", "shape 9x9 -k 3", "apply a.png -k blur -o b.png"])
def test_a_reader_that_has_gone_away_gets_no_traceback(run, tmp_path, arguments):
    save(tmp_path / "a.png", grey())
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ran = run(*arguments.split(), stdout=gone)
    assert ran.err == "" if arguments else "Try:" in ran.err
    if "apply" in arguments:
        assert ran.code == 0
        assert np.array_equal(load(tmp_path / "b.png"), cf.apply_kernel(grey(), "blur"))


@posix
def test_an_image_whose_reader_has_gone_away_fails_in_a_line(run, tmp_path):
    save(tmp_path / "a.png", colour(300, 300))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ran = run("apply", "a.png", "-k", "blur", "-o", "-", stdout=gone)
    assert (ran.code, ran.err) == (1, "convfilter: a.png: Broken pipe\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", ["--help", "shape 9x9 -k 3", "apply a.png b.png -k blur -o out"])
def test_a_full_stdout_is_reported_once_and_outputs_are_whole(run, tmp_path, arguments):
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey(9, 9))
    with open("/dev/full", "wb") as full:
        ran = run(*arguments.split(), stdout=full)
    assert ran.code == 1
    assert ran.complaints[0] == "convfilter: standard output: No space left on device"
    if "apply" in arguments:
        assert ran.complaints[1:] == ["convfilter: 2 done"]
        assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "b.png"]
    else:
        assert len(ran.complaints) == 1


def test_letters_that_a_terminal_lacks_are_escaped(run, tmp_path):
    save(tmp_path / "ж.png", grey())
    ran = run("apply", "ж.png", "-k", "blur", env={"PYTHONIOENCODING": "latin-1"})
    assert ran.code == 0, ran.err
    assert ran.out.startswith(r"\u0436.png -> \u0436.blur.png")


@posix
@pytest.mark.parametrize("command", ["apply", "gallery"])
def test_an_image_is_not_written_to_a_terminal(run, tmp_path, command):
    import pty

    save(tmp_path / "a.png", grey())
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0) as terminal:
        ran = run(command, "a.png", "-k", "blur", "-o", "-", stdout=theirs)
        os.set_blocking(ours, False)
        assert terminal.read(1) is None
        os.close(theirs)
    assert (ran.code, len(ran.complaints)) == (2, 1)
    assert ran.err.startswith("convfilter: standard output is a terminal: ")


@posix
def test_an_interrupt_while_the_program_is_loaded_ends_it_silently(begin):
    change = """
import importlib.abc
class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "convfilter.cli":
            sys.stdout.write("loading")
            sys.stdout.flush()
            time.sleep(60)
sys.meta_path.insert(0, Slow())
"""
    process = begin(change=change, text=False)
    assert process.stdout.read(7) == b"loading"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (-signal.SIGINT, [], [])


def test_a_profiler_that_runs_the_program_writes_its_report(tmp_path):
    command = [sys.executable, "-m", "cProfile", "-o", "report", "-m", "convfilter", "shape", "8", "-k", "3"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    assert (tmp_path / "report").stat().st_size > 0


def test_words_stay_off_a_stdout_that_holds_an_image_whatever_names_it(quick, tmp_path):
    save(tmp_path / "a.png", grey())
    (tmp_path / "list").write_text("-\na.png\n")
    ran = quick("apply", "--files-from", "list", "-k", "blur", stdin=encoded(grey(20, 30)))
    assert ran.code == 0
    assert np.array_equal(decoded(ran.raw)[1], cf.apply_kernel(grey(20, 30), "blur"))
    for arguments in (
        ("kernels", "sobel", "-o", "-"),
        ("kernels", "sobel", "-o", "-", "--json"),
        ("explain", "a.png", "-k", "blur", "--at", "1,1", "-o", "-"),
        ("explain", "a.png", "-k", "blur", "--at", "1,1", "-o", "-", "--json"),
        ("explain", "--values", "1 2", "--weights", "1", "--animate", "-"),
    ):
        ran = quick(*arguments)
        assert ran.code == 0, ran.err
        assert decoded(ran.raw)[0] == "PNG"
        assert len(ran.complaints) > 1
    ran = quick("explain", "a.png", "-k", "blur", "--at", "1,1", "-o", "-", "--animate", "-")
    assert (ran.code, ran.raw) == (2, b"")
    assert "takes one image" in ran.err


def ppm(level, height=8, width=10):
    return b"P6\n%d %d\n255\n" % (width, height) + bytes([level, 0, 9]) * (height * width)


@pytest.mark.parametrize("target", ["-", "out.ppm"])
def test_concatenated_images_are_filtered_one_by_one(quick, tmp_path, target):
    data = ppm(1) + ppm(2, 5, 7) + b"P5\n2 1\n255\n\3\4"
    (tmp_path / "in.ppm").write_bytes(data)
    for source, frames in (("-", ()), ("in.ppm", ()), ("-", ("--frames", "first"))):
        options = ["-k", "identity", "-o", target, "--json", "--overwrite", *frames]
        ran = quick("apply", source, *options, stdin=data)
        made = ran.raw if target == "-" else (tmp_path / target).read_bytes()
        found = json.loads(ran.err if target == "-" else ran.out)
        assert made == (ppm(1) if frames else data)
        assert (found["status"], found["frames"], found["warnings"]) == ("done", 1 if frames else 3, [])
        assert (found["width"], found["output_height"]) == (10, 8)


def test_concatenated_images_go_into_other_formats_as_frames_do(quick, tmp_path):
    data = ppm(1) + ppm(2) + ppm(3)
    assert quick("apply", "-", "-k", "identity", "-o", "a.png", stdin=data).code == 0
    with Image.open(tmp_path / "a.png") as image:
        assert image.n_frames == 3
    ran = quick("apply", "-", "-k", "identity", "-o", "a.jpg", stdin=data)
    assert ran.code == 1
    assert ran.complaints == ["convfilter: -: jpeg cannot hold 3 frames; try --frames first, or tiff"]
    ran = quick("apply", "-", "-k", "temporal-blur", "-o", "-", "-q", stdin=data)
    assert ran.raw == ppm(1) + ppm(2) + ppm(3)  # of 1 1 2 3 3, weighted 1 2 1 and rounded
    ran = quick("apply", "-", "-k", "temporal-blur", "-o", "b.ppm", "--max-pixels", "200", stdin=data)
    assert "3 frames of 10 x 8 pixels are more than 200" in ran.err


def test_frames_before_a_broken_one_are_written_and_the_run_fails(quick, tmp_path):
    data = ppm(1) + ppm(2)[:-1]
    ran = quick("apply", "-", "-k", "identity", "-o", "-", "-q", stdin=data)
    assert (ran.code, ran.raw) == (1, ppm(1))
    assert ran.complaints == ["convfilter: -: frame 2: broken ppm data (it is truncated)"]
    assert quick("apply", "-", "-k", "identity", "-o", "a.ppm", stdin=data).code == 1
    assert [*tmp_path.iterdir()] == []


@posix
def test_each_image_comes_out_before_the_next_one_goes_in(begin):
    command = ["apply", "-", "-o", "-", "-q", "-k", "identity"]
    first = begin(*command, stdin=subprocess.PIPE, text=False)
    last = begin(*command, "--channels", "sum", stdin=first.stdout, text=False)
    first.stdout.close()
    first.stdout = None
    for level in range(3):
        first.stdin.write(ppm(level))
        first.stdin.flush()
        expected = b"P5\n10 8\n255\n" + bytes([level + 9]) * 80
        assert last.stdout.read(len(expected)) == expected
    first.stdin.close()
    first.stdin = None
    assert ended(last) == ended(first) == (0, [], [])


def test_memory_does_not_grow_with_the_number_of_images(quick):
    peaks = []
    for count in (2, 30):
        data = ppm(3, 500, 800) * count
        tracemalloc.start()
        ran = quick("apply", "-", "-k", "blur", "-o", f"{count}.ppm", "-q", stdin=data)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert ran.code == 0
    assert peaks[1] < peaks[0] + 8e6  # of 33 MB more frames
