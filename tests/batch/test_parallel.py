"""Pictures side by side in processes of their own: order, deaths, memory, signals."""

import errno
import itertools
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import SECONDS, environment, heed_interrupts
from samples import colour, grey, load, save, tree

import convfilter as cf
from convfilter.batch import dry_run, pool, run_jobs
from convfilter.batch.job import TooLargeError, run_job
from convfilter.batch.plan import Job, Settings
from convfilter.images.picture import Size
from convfilter.options import BatchOptions, FilterOptions

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and processes of POSIX systems")

BLUR = ["-k", "blur", "-o", "out", "-j", "2"]

# Changes to the program are inherited by its workers, which are copies of it.
MAIN = """
import os, signal, sys, time
from convfilter import files
from convfilter.batch import job
{change}
from convfilter.__main__ import main
main()
"""
# Every output comes into being after it was looked for.
LATE_LOOK = """
inner = job.opened_frames
def opened_frames(source, **options):
    time.sleep(0.05)
    return inner(source, **options)
job.opened_frames = opened_frames
"""
SLOW_FIRST = """
inner = job.opened_frames
def opened_frames(source, **options):
    time.sleep(0.5 * str(source).endswith("a.png"))
    return inner(source, **options)
job.opened_frames = opened_frames
"""
DEADLY = """
inner = job.opened_frames
def opened_frames(source, **options):
    if "deadly" in str(source) and (not os.path.exists("{once}") or "{once}" == ""):
        "{once}" and open("{once}", "x").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(source, **options)
job.opened_frames = opened_frames
"""
LATE = """
inner = files.commit
def commit(target, write, **options):
    inner(target, write, **options)
    try:
        os.mkdir("happened")  # by one of the workers only, however close they are
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
files.commit = commit
"""
FULL = """
inner = files.commit
def commit(target, write, **options):
    if os.path.basename(target) == "b.png":
        raise OSError({number}, os.strerror({number}), target)
    time.sleep(0.2)
    return inner(target, write, **options)
files.commit = commit
"""
MISTAKEN = """
inner = job.{function}
names = []
opened = job.opened_frames
def opened_frames(source, **options):
    names[:] = [str(source)]
    return (inner if "{function}" == "opened_frames" else opened)(source, **options)
def mistaken(*arguments, **options):
    if any(each.endswith("b.png") for each in [*names, *filter(lambda a: isinstance(a, str), arguments)]):
        return {{}}["oops"]
    return inner(*arguments, **options)
job.opened_frames = opened_frames
job.{function} = mistaken
"""
# The temporary file is there, and nothing but force ends the process.
STUBBORN = """
inner = files.commit
def commit(target, write, **options):
    def forever(stream):
        if os.path.basename(target) != "a.png":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            time.sleep(60)
        write(stream)
    return inner(target, forever, **options)
files.commit = commit
"""
WAITING = STUBBORN.replace("signal.pthread_sigmask", "(lambda *_: None)")


@pytest.fixture
def begin(tmp_path):
    """Begin the program, changed, as a process in a temporary folder."""
    begun = []

    def call(*arguments, change="", **options):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN.format(change=change), *arguments],
            cwd=tmp_path,
            env=environment(),
            **{
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "preexec_fn": heed_interrupts,
            }
            | options,
        )
        begun.append(process)
        return process

    yield call
    for process in begun:
        process.kill()
        process.communicate()


def run(process):
    """What a process says: exit code, lines of stdout, lines of stderr."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out.splitlines(), err.splitlines()


def workers_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as stream:
        return [int(each) for each in stream.read().split()]


def is_alive(number):
    try:
        with open(f"/proc/{number}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stopped(err):
    """Whether a run of six says that it was stopped, be it before or after it was told of the first."""
    told = {"1 done, 5 not finished", "nothing done, 6 not finished"}
    return len(err) == 1 and err[0].removeprefix("convfilter: stopped: ") in told


def pictures(folder, names="abcdef"):
    for number, name in enumerate(names):
        save(folder / f"{name}.png", colour(20 + number, 30))


def test_the_number_of_workers_changes_neither_files_nor_words(begin, tmp_path):
    pictures(tmp_path / "in")
    (tmp_path / "in" / "c.png").write_bytes(b"garbage")
    said = [
        run(begin("apply", "in", "-k", "sobel", "-o", f"out{jobs}", "-j", jobs, "-v", change=SLOW_FIRST))
        for jobs in ("1", "2", "5")
    ]
    assert [code for code, _, _ in said] == [1, 1, 1]
    kept = [
        [line.replace(f"out{jobs}", "out") for line in out if "clipped" not in line]
        for (_, out, _), jobs in zip(said, ("1", "2", "5"), strict=True)
    ]
    assert kept[0] == kept[1] == kept[2]
    assert [err for _, _, err in said] == [said[0][2]] * 3
    assert tree(tmp_path / "out1") == tree(tmp_path / "out2") == tree(tmp_path / "out5")
    assert len(tree(tmp_path / "out1")) == 5


def test_a_worker_that_dies_takes_its_picture_alone_with_it(begin, tmp_path):
    pictures(tmp_path / "in")
    save(tmp_path / "in" / "deadly.png", grey())
    code, out, err = run(
        begin("apply", "in", "-k", "blur", "-o", "out", "-j", "2", "--json", change=DEADLY.format(once=""))
    )
    assert code == 1
    assert [json.loads(line)["status"] for line in out] == ["done"] * 4 + ["failed"] + ["done"] * 2
    assert len(err) == 2
    assert err[0].startswith("convfilter: in/deadly.png: the worker process died")
    assert err[1] == "convfilter: 6 done, 1 failed"
    assert sorted(tree(tmp_path / "out")) == [f"{name}.png" for name in "abcdef"]


def test_pictures_whose_worker_was_killed_by_chance_are_done_after_all(begin, tmp_path):
    pictures(tmp_path / "in")
    save(tmp_path / "in" / "deadly.png", grey())
    change = DEADLY.format(once="happened")
    code, _, err = run(begin("apply", "in", "-k", "blur", "-o", "out", "-j", "2", change=change))
    assert (code, err) == (0, ["convfilter: 7 done"])
    assert (tmp_path / "happened").exists()


def test_an_output_whose_worker_died_before_it_could_tell_counts_as_done(begin, tmp_path):
    pictures(tmp_path / "in")
    code, _, err = run(begin("apply", "in", *BLUR, change=LATE))
    assert (code, err) == (0, ["convfilter: 6 done"])
    assert (tmp_path / "happened").exists()
    assert len(tree(tmp_path / "out")) == 6


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_all_workers_and_the_rest_is_not_attempted(begin, tmp_path, number):
    pictures(tmp_path / "in", "abcdefghijkl")
    code, out, _ = run(
        begin(
            "apply", "in", "-k", "blur", "-o", "out", "-j", "2", "--json", change=FULL.format(number=number)
        )
    )
    assert code == 1
    told = [json.loads(line) for line in out]
    assert [each["status"] for each in told][:2] == ["done", "failed"]
    assert {each["status"] for each in told[6:]} == {"not attempted"}
    assert told[1]["error"] == f"out/b.png cannot be written: {os.strerror(number)}"
    assert len(told) == 12
    assert not list((tmp_path / "out").glob(".cf-*"))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("function", ["opened_frames", "filter_image", "write_picture", "write_output"])
def test_a_mistake_of_the_program_over_one_image_is_an_internal_error(begin, tmp_path, function, jobs):
    pictures(tmp_path / "in", "abc")
    change = MISTAKEN.format(function=function)
    arguments = ["apply", "in", "-k", "blur", "-j", jobs, "--json"]
    code, out, err = run(begin(*arguments, "-o", "out", change=change))
    reason = "internal error, please report it: KeyError: 'oops'"
    assert code == 1
    assert err == [f"convfilter: in/b.png: {reason}", "convfilter: 2 done, 1 failed"]
    assert [json.loads(line)["status"] for line in out] == ["done", "failed", "done"]
    assert json.loads(out[1])["error"] == reason
    assert sorted(tree(tmp_path / "out")) == ["a.png", "c.png"]
    code, _, err = run(begin(*arguments, "-o", "again", "-v", change=change))
    assert (code, err[0]) == (1, f"convfilter: in/b.png: {reason}")
    assert err[1] == "Traceback (most recent call last):"
    assert err[-2:] == ["KeyError: 'oops'", "convfilter: 2 done, 1 failed"]


@pytest.mark.parametrize("arguments", ["apply b.png -k blur -o out.png", "apply b.png -k blur -o out.png -n"])
def test_a_mistake_of_the_program_over_a_single_image_comes_with_its_traceback(begin, tmp_path, arguments):
    pictures(tmp_path, "b")
    code, _, err = run(begin(*arguments.split(), change=MISTAKEN.format(function="opened_frames")))
    assert code == 1
    assert err[0] == "convfilter: b.png: internal error, please report it: KeyError: 'oops'"
    assert (err[1], err[-1]) == ("Traceback (most recent call last):", "KeyError: 'oops'")


@pytest.mark.parametrize("error", ["KeyError('oops')", "EOFError('oops')", "ValueError('oops')"])
def test_a_mistake_of_the_program_in_any_command_is_an_internal_error(begin, error):
    change = f"""
from convfilter.cli import shape
def broken(*arguments, **options):
    raise {error}
shape.command.callback = broken
"""
    code, out, err = run(begin("shape", "9x9", "-k", "3", change=change))
    assert (code, out) == (1, [])
    first, traceback, *_ = filter(None, err)
    assert first.startswith(f"convfilter: internal error, please report it: {error.partition('(')[0]}: ")
    assert traceback == "Traceback (most recent call last):"


def test_standard_input_is_read_beside_pictures_of_other_processes(begin, tmp_path):
    pictures(tmp_path / "in", "ab")
    save(tmp_path / "c.png", grey())
    with open(tmp_path / "c.png", "rb") as stream:
        code, _, err = run(begin("apply", "in", "-", *BLUR, "--format", "png", stdin=stream))
    assert (code, err) == (0, ["convfilter: 3 done"])
    assert sorted(tree(tmp_path / "out")) == ["in/a.png", "in/b.png", "stdin.png"]


# Memory.


def test_a_picture_larger_than_its_room_is_refused_before_it_is_decoded(tmp_path):
    save(tmp_path / "a.png", colour(30, 20))
    with open(tmp_path / "a.png", "r+b") as stream:
        stream.truncate(200)
    work = Settings((cf.get_kernel("blur"),))
    job = Job(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "png")
    estimate = dry_run.memory_needed(Size(30, 20, 3, "RGB", "uint8", "png", 1), "png", work)
    with pytest.raises(TooLargeError):
        run_job(job, work, memory=estimate - 1)
    assert "broken png data" in run_job(job, work, memory=estimate).error.args[0]


def test_the_estimate_counts_all_that_is_held_at_once():
    size = Size(4000, 3000, 3, "RGB", "uint16", "ppm", 7)
    samples = 4000 * 3000 * 3

    def estimate(kernels=("blur",), form="ppm", size=size, filtering=None, **options):
        chain = tuple(cf.get_kernel(kernel) for kernel in kernels)
        work = Settings(chain, filtering or FilterOptions(), batch=BatchOptions(jobs=1, **options))
        return dry_run.memory_needed(size, form, work) / samples

    assert 4 < estimate() < 5  # in and out, and a few megabytes
    assert 28 < estimate(frames="stack") < 29
    assert estimate(form="avif") > 7 * 4 / 3 + estimate()
    assert 12 < estimate(("blur", "sobel")) < 14  # in, floats of 64 bits between them, and out
    assert 18 < estimate(("blur", "sharpen", "sobel")) < 20
    assert 12 < estimate(filtering=FilterOptions(linear=True)) < 14
    grown = (4000 + 7998) * (3000 + 7998) / (4000 * 3000)
    assert 2 + 2 * grown < estimate(filtering=FilterOptions(padding=4000)) < 3 + 2 * grown
    assert estimate(size=size._replace(width=1 << 20, height=1 << 20)) > 1 << 13


def test_the_least_of_what_system_and_group_allow_is_available(monkeypatch, tmp_path):
    assert 0 < pool.available_memory() < 1 << 50
    (tmp_path / "max").write_text("3000000\n")
    (tmp_path / "current").write_text("1000000\n")
    monkeypatch.setattr(pool, "_CONTROL_GROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert pool.available_memory() == 2_000_000
    (tmp_path / "max").write_text("max\n")
    assert pool.available_memory() > 2_000_000


def test_a_limit_of_the_process_counts():
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "
        "from convfilter.batch.pool import available_memory; print(available_memory())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(ran.stdout) <= 4 << 30


def test_pictures_that_do_not_fit_together_are_done_alone(tmp_path):
    """Each notes when it begins and ends; with little memory no two overlap, with much they do."""
    script = tmp_path / "script.py"
    script.write_text("""
import os, sys, time
import convfilter as cf
from convfilter.batch import job, run_jobs
from convfilter.batch.plan import Job, Settings
from convfilter.options import BatchOptions

def slow(picture, work, outcome):
    begin = time.monotonic()
    time.sleep(0.1)
    with open("log", "a") as stream:
        stream.write(f"{begin} {time.monotonic()} {work.batch.jobs}\\n")

job._filter = slow
jobs = [Job(f"{name}.png", f"out{sys.argv[1]}/{name}.png", "png") for name in "abcdef"]
work = Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=4))
statuses = [outcome.status for outcome in run_jobs(jobs, work, memory=int(sys.argv[1]))]
assert statuses == ["done"] * 6, statuses
""")
    pictures(tmp_path)
    for room, overlaps, threads in ((4 * 20 * 30 * 3 * 4 - 1, False, {"4"}), (1 << 30, True, {"1"})):
        subprocess.run(
            [sys.executable, script, str(room)], cwd=tmp_path, env=environment(), check=True, timeout=SECONDS
        )
        spans = sorted(line.split() for line in (tmp_path / "log").read_text().splitlines())
        (tmp_path / "log").unlink()
        assert len(spans) == 6
        met = [float(one[1]) > float(next_[0]) for one, next_ in itertools.pairwise(spans)]
        assert any(met) == overlaps
        assert {each[2] for each in spans} == threads


def test_a_single_picture_is_done_in_the_process_itself_on_all_cores(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path, "a")
    before = os.times().children_user
    (outcome,) = run_jobs(
        [Job("a.png", "b.png", "png")], Settings((cf.get_kernel("blur"),), batch=BatchOptions(jobs=4))
    )
    assert outcome.status == "done"
    assert os.times().children_user == before


# Few processes, threads and descriptors.


@pytest.mark.parametrize("count", [7, 13, 16, 20])
def test_with_few_descriptors_there_are_fewer_workers(begin, tmp_path, count):
    pictures(tmp_path / "in")

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    code, _, err = run(begin("apply", "in", "-k", "blur", "-o", "out", "-j", "4", preexec_fn=limit))
    assert (code, err) == (0, ["convfilter: 6 done"])
    assert len(tree(tmp_path / "out")) == 6


# All modules are loaded by a first run: the user that limits hold for may read none of them.
FEW_PROCESSES = """
import concurrent.futures.thread
from convfilter.batch import pool
from convfilter.__main__ import main
try:
    main()
except SystemExit:
    sys.argv[sys.argv.index("first")] = "out"
    sys.argv[sys.argv.index("-j") + 1] = "4"
import resource
resource.setrlimit(resource.RLIMIT_NPROC, ({count}, {count}))
os.setgid(65534)
os.setuid(65534)
"""


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)
@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("source", ["in", "in/a.png"])
def test_with_few_processes_there_are_fewer_workers_and_threads(begin, tmp_path, count, source):
    pictures(tmp_path / "in")
    save(tmp_path / "in" / "a.png", colour(600, 600))
    for folder in ("first", "out"):
        (tmp_path / folder).mkdir()
    for path in (tmp_path, tmp_path / "out", tmp_path / "in"):
        path.chmod(0o777)
    change = FEW_PROCESSES.format(count=count)
    code, _, err = run(
        begin("apply", source, "-k", "gaussian:sigma=5", "-o", "first", "-j", "1", change=change)
    )
    names = "abcdef" if source == "in" else "a"
    assert (code, err) == (0, ["convfilter: 6 done"] * 2 if source == "in" else [])
    assert tree(tmp_path / "out") == tree(tmp_path / "first")
    assert sorted(tree(tmp_path / "out")) == [f"{name}.png" for name in names]


def test_workers_that_are_not_copies_of_this_process_do_the_same(begin, tmp_path):
    pictures(tmp_path / "in")
    change = """
import multiprocessing
from convfilter.batch import pool
pool._context = lambda: multiprocessing.get_context("spawn")
"""
    code, _, err = run(begin("apply", "in", "-k", "blur", "-o", "out", "-j", "2", change=change))
    assert (code, err) == (0, ["convfilter: 6 done"])


# Signals.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("change", [WAITING, STUBBORN], ids=["waiting", "stubborn"])
def test_a_signal_to_the_parent_alone_ends_all_within_two_seconds(begin, tmp_path, number, change):
    pictures(tmp_path / "in")
    out = tmp_path / "out"
    process = begin("apply", "in", "-k", "blur", "-o", "out", "-j", "3", "-q", change=change)
    wait_for(lambda: (out / "a.png").exists() and len(list(out.glob(".cf-*.tmp"))) == 3)
    workers = workers_of(process)
    assert len(workers) == 3
    start = time.monotonic()
    process.send_signal(number)
    code, _, err = run(process)
    assert time.monotonic() - start < (1.2 if change == WAITING else 2.5)
    assert code == -number
    assert stopped(err)
    assert os.listdir(out) == ["a.png"]
    assert not any(map(is_alive, workers))


def test_ctrl_c_at_a_terminal_ends_all(begin, tmp_path):
    pictures(tmp_path / "in")
    out = tmp_path / "out"
    ours, theirs = pty.openpty()
    process = begin(
        *["apply", "in", "-k", "blur", "-o", "out", "-j", "2"],
        change=f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{WAITING}",
        stdin=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for(lambda: (out / "a.png").exists() and len(list(out.glob(".cf-*.tmp"))) == 2)
    workers = workers_of(process)
    os.write(ours, b"\x03")
    code, _, err = run(process)
    os.close(ours)
    assert code == -signal.SIGINT
    assert stopped(err)
    assert os.listdir(out) == ["a.png"]
    assert not any(map(is_alive, workers))


@pytest.mark.parametrize("change", [WAITING, STUBBORN], ids=["waiting", "stubborn"])
def test_workers_end_when_their_parent_is_killed(begin, tmp_path, change):
    pictures(tmp_path / "in")
    out = tmp_path / "out"
    process = begin("apply", "in", "-k", "blur", "-o", "out", "-j", "2", change=change)
    wait_for(lambda: (out / "a.png").exists() and len(list(out.glob(".cf-*.tmp"))) == 2)
    workers = workers_of(process)
    process.kill()
    wait_for(lambda: not any(map(is_alive, workers)), seconds=8)
    left = {name for name in os.listdir(out) if change == WAITING or not name.startswith(".cf-")}
    assert left == {"a.png"}


def test_a_run_that_was_killed_is_finished_byte_for_byte_by_skipping_what_exists(begin, tmp_path):
    pictures(tmp_path / "in", "abcdefghijklmnop")
    run(begin("apply", "in", "-k", "sobel", "-o", "whole", "-j", "2"))
    out = tmp_path / "out"
    process = begin("apply", "in", "-k", "sobel", "-o", "out", "-j", "2", change=SLOW_FIRST)
    wait_for(lambda: out.exists() and len(os.listdir(out)) >= 3)
    process.kill()
    process.communicate()
    code, _, _ = run(begin("apply", "in", "-k", "sobel", "-o", "out", "-j", "2", "--skip-existing"))
    assert code == 0
    assert tree(out) == tree(tmp_path / "whole")


def test_of_two_runs_at_once_each_output_is_made_by_one(begin, tmp_path):
    pictures(tmp_path / "in", "abcdefghijklmnop")
    change = f"{LATE_LOOK}\nfrom convfilter.batch import pool\npool.available_memory = lambda: None"
    arguments = ["apply", "in", "-k", "sobel", "-o", "out", "-j", "2", "--json"]
    both = [begin(*arguments, change=change) for _ in range(2)]
    told = [[json.loads(line) for line in run(process)[1]] for process in both]
    for one, other in zip(*told, strict=True):
        assert sorted((one["status"], other["status"])) == ["done", "failed"]
        assert "the output exists" in (one["error"] or other["error"])
    assert len(tree(tmp_path / "out")) == 16


def test_of_two_runs_at_once_that_skip_what_exists_none_fails(begin, tmp_path):
    pictures(tmp_path / "in", "abcdefghijklmnop")
    change = LATE_LOOK
    both = [
        begin(
            "apply", "in", "-k", "sobel", "-o", "out", "-j", jobs, "--skip-existing", "--json", change=change
        )
        for jobs in ("1", "2")
    ]
    ends = [run(process) for process in both]
    for _, out, _ in ends:
        assert {json.loads(line)["status"] for line in out} <= {"done", "skipped"}
    told = [[json.loads(line)["status"] for line in out] for _, out, _ in ends]
    assert [sorted(pair) for pair in zip(*told, strict=True)] == [["done", "skipped"]] * 16
    assert [code for code, _, _ in ends] == [0, 0]


def test_progress_is_drawn_at_a_terminal_only(begin, tmp_path):
    pictures(tmp_path / "in")
    (tmp_path / "in" / "c.png").write_bytes(b"garbage")
    ours, theirs = pty.openpty()
    process = begin("apply", "in", "-k", "blur", "-o", "out", "-j", "2", stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 1 << 16)
        except OSError:  # the terminal is closed when the last who writes to it has ended
            break
    os.close(ours)
    process.communicate(timeout=SECONDS)
    drawn = seen.decode()
    assert "6/6" in drawn
    assert "/s, 1 failed" in drawn
    assert "\r\x1b[Kconvfilter: in/c.png: " in drawn
    assert drawn.endswith("convfilter: 5 done, 1 failed\r\n")
    assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l")  # the cursor is back
    _, _, err = run(begin("apply", "in", "-k", "blur", "-o", "again", "-j", "2"))
    assert err[-1] == "convfilter: 5 done, 1 failed"
    assert not any("\x1b" in line or "\r" in line for line in err)


def test_the_output_of_a_worker_is_what_one_process_makes(begin, tmp_path):
    picture = colour(200, 300)
    save(tmp_path / "in" / "a.png", picture)
    save(tmp_path / "in" / "b.png", picture)
    run(begin("apply", "in", "-k", "gaussian:sigma=3", "-o", "out", "-j", "4"))
    expected = cf.apply_kernel(picture, "gaussian:sigma=3")
    assert np.array_equal(load(tmp_path / "out" / "a.png"), expected)
    assert np.array_equal(load(tmp_path / "out" / "b.png"), expected)


def test_a_preview_is_drawn_at_a_terminal_only(begin, tmp_path):
    save(tmp_path / "a.png", colour(40, 60))
    ours, theirs = pty.openpty()
    process = begin("apply", "a.png", "-k", "blur", "-o", "b.png", "--preview", stdout=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 1 << 16)
        except OSError:
            break
    os.close(ours)
    process.communicate(timeout=SECONDS)
    drawn = seen.decode().splitlines()
    assert drawn[0].startswith("a.png -> b.png ")
    assert any("\u2580" in line and "\x1b[" in line for line in drawn)
    _, out, _ = run(begin("apply", "a.png", "-k", "blur", "-o", "c.png", "--preview"))
    assert not any("\x1b" in line for line in out)
