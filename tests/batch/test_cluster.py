"""The same pictures handed to a real Dask cluster of two workers, one of which is killed midway."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import SECONDS, environment
from samples import colour, save, tree

import convfilter as cf
from convfilter.batch.dask import Cluster
from convfilter.batch.plan import Settings

pytest.importorskip("distributed", reason="needs the extra 'dask'")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")

# Each picture takes a while, and who comes first to the marked one dies over it.
PRELOAD = """
import os, signal, time
from convfilter import files
unchanged = vars(files).setdefault("unchanged", files.commit)  # this may be loaded more than once
def commit(target, write, **options):
    time.sleep(0.05)
    unchanged(target, write, **options)
    if target.endswith("marked.png"):
        try:
            os.close(os.open("{once}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:  # the output is there, and nobody has been told
            os.kill(os.getpid(), signal.SIGKILL)
files.commit = commit
"""
CLUSTER = """
import subprocess, sys, json
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=':0',
        preload=[sys.argv[1]], silence_logs=50,
    ) as cluster:
        ran = subprocess.run(
            [sys.executable, "-m", "convfilter", *sys.argv[2:], "--scheduler", cluster.scheduler_address],
            capture_output=True, text=True,
        )
    print(json.dumps([ran.returncode, ran.stdout, ran.stderr]))
"""


IMPATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}


def run_on_cluster(folder, *arguments):
    """Run the program on a cluster; its exit code, stdout and stderr."""
    (folder / "preload.py").write_text(PRELOAD.format(once=folder / "killed"))
    (folder / "cluster.py").write_text(CLUSTER)
    ran = subprocess.run(
        [sys.executable, "cluster.py", "preload.py", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_cluster_survives_a_killed_worker_and_makes_what_one_process_makes(run, tmp_path):
    for number in range(30):
        save(tmp_path / "in" / f"{number:02}.png", colour(20 + number, 30))
    save(tmp_path / "in" / "07marked.png", colour(9, 9))
    (tmp_path / "in" / "03.png").write_bytes(b"garbage")
    here = run("apply", "in", "-k", "gaussian:sigma=2", "-o", "here", "-v", "-j", "1")
    code, out, err = run_on_cluster(tmp_path, "apply", "in", "-k", "gaussian:sigma=2", "-o", "there", "-v")
    assert (tmp_path / "killed").exists()
    assert (code, err) == (1, here.err)

    def sizes(text):
        return [line for line in text.replace("there", "here").splitlines() if "clipped" not in line]

    assert sizes(out) == sizes(here.out)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert len(tree(tmp_path / "there")) == 30


def test_a_scheduler_that_cannot_be_reached_is_an_error_before_any_work(run, tmp_path):
    save(tmp_path / "in" / "a.png", colour())
    save(tmp_path / "in" / "b.png", colour())
    with socket.socket() as taken:  # nobody listens at the address of a socket that is bound only
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        ran = run("apply", "in", "-k", "blur", "-o", "out", "--scheduler", address, env=IMPATIENT)
    assert ran.code == 2
    (line,) = ran.complaints
    assert line.startswith(f"convfilter: --scheduler {address}: no scheduler answers within 1 s")
    assert not (tmp_path / "out").exists()
    ran = run("apply", "in", "-k", "blur", "-o", "out", "--scheduler", "nonsense://x")
    assert ran.code == 2
    assert len(ran.complaints) == 1


@pytest.fixture
def impatient():
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "700ms"}):
        yield


def refusal(address):
    """What is said of a scheduler, within its time-out."""
    start = time.monotonic()
    with pytest.raises(cf.OptionError) as caught:
        Cluster(Settings((cf.get_kernel("blur"),)), address)
    assert time.monotonic() - start < 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"{", "it is not a scheduler file"),
        (b"[]", "it is not a scheduler file"),
        (b"\xff\xfe", "it is not a scheduler file"),
        (b"[" * 100_000, "it is not a scheduler file"),
        (b'{"address": 5}', "no scheduler can be reached there"),
    ],
)
def test_a_scheduler_file_that_names_no_scheduler_is_refused(tmp_path, impatient, content, reason):
    path = tmp_path / "scheduler.json"
    if content is not None:
        path.write_bytes(content)
    assert f"--scheduler {path}: {reason}" in refusal(str(path))


@pytest.mark.parametrize(
    "said", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 64]
)
def test_what_is_silent_or_speaks_something_else_is_refused(impatient, said):
    def serve():
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            connection.sendall(said)
            connections.append(connection)

    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        if said is not None:
            threading.Thread(target=serve).start()
        reason = refusal(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        for connection in connections:
            connection.close()
    assert ("no scheduler answers within 0.7 s" if said is None else "scheduler") in reason


def test_an_address_that_makes_no_sense_is_refused(impatient):
    for address in ("tls://127.0.0.1:8786", "nonsense://x", "", "tcp://127.0.0.1", "inproc://x"):
        assert f"--scheduler {address}: no scheduler can be reached there" in refusal(address)


def test_a_cluster_without_workers_is_refused_and_one_that_is_lost_fails_every_image(tmp_path, impatient):
    begun = []

    def begin(module, *arguments, **options):
        command = [sys.executable, "-m", module, *arguments]
        begun.append(subprocess.Popen(command, cwd=tmp_path, env=environment(**IMPATIENT), **options))
        return begun[-1]

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    listed = tmp_path / "scheduler.json"
    try:
        scheduler = begin(
            *("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file"),
            *(listed, "--dashboard-address", ":0"),
            **quiet,
        )
        while not listed.exists() or not listed.read_bytes().endswith(b"}"):
            assert scheduler.poll() is None
            time.sleep(0.05)
        assert refusal(str(listed)).endswith("the scheduler has no workers, after 0.7 s: start some")
        (tmp_path / "preload.py").write_text(PRELOAD.format(once=tmp_path / "killed"))
        begin(
            *("distributed.cli.dask_worker", "--scheduler-file", listed, "--nthreads", "1", "--no-dashboard"),
            *("--no-nanny", "--preload", "preload.py"),
            **quiet,
        )
        count = 150
        for number in range(count):
            save(tmp_path / "in" / f"{number:03}.png", colour(5, 5))
        patient = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}
        ran = subprocess.Popen(
            [
                *(sys.executable, "-m", "convfilter", "apply", "in", "-k", "blur", "-o", "out", "-q"),
                *("--scheduler", str(listed)),
            ],
            cwd=tmp_path,
            env=environment(**patient),
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(ran)
        while ran.poll() is None and not ((tmp_path / "out").is_dir() and len(tree(tmp_path / "out")) > 3):
            time.sleep(0.05)
        scheduler.kill()
        _, complained = ran.communicate(timeout=SECONDS)
    finally:
        for process in begun:
            process.kill()
            process.communicate()
    lines = complained.splitlines()
    assert ran.returncode == 1
    assert 0 < len(lines) <= count - 3
    assert [line.split(": ")[1] for line in lines] == [f"in/{n:03}.png" for n in range(count)][-len(lines) :]
    assert "the cluster has lost its scheduler or all of its workers" in lines[-1]


def test_cores_and_a_cluster_contradict_each_other(quick, tmp_path):
    save(tmp_path / "a.png", colour())
    ran = quick("apply", "a.png", "-k", "blur", "-j", "2", "--scheduler", "tcp://127.0.0.1:1")
    assert ran.code == 2
    assert "--jobs and --scheduler contradict each other" in ran.err


def test_a_run_on_a_cluster_is_stopped_like_any_other(tmp_path):
    for number in range(200):
        save(tmp_path / "in" / f"{number:03}.png", colour(5, 5))
    script = CLUSTER.replace("subprocess.run(", "subprocess.Popen(").replace(
        "capture_output=True, text=True,", "stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True"
    )
    script = script.replace(
        "    print(json.dumps(",
        """        import os, signal, time
        while not os.path.isdir("out") or len(os.listdir("out")) < 5:
            time.sleep(0.02)
        start = time.monotonic()
        ran.send_signal(signal.SIGTERM)
        out, err = ran.communicate()
        took = time.monotonic() - start
    print(json.dumps(""",
    ).replace("[ran.returncode, ran.stdout, ran.stderr]", "[ran.returncode, took, err]")
    (tmp_path / "preload.py").write_text(PRELOAD.format(once=tmp_path / "killed"))
    (tmp_path / "stop.py").write_text(script)
    ran = subprocess.run(
        [sys.executable, "stop.py", "preload.py", "apply", "in", "-k", "blur", "-o", "out", "-q"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    code, took, err = json.loads(ran.stdout.splitlines()[-1])
    assert code == -signal.SIGTERM
    assert took < 2.5
    assert err.startswith("convfilter: stopped: ")
    assert not list((tmp_path / "out").glob(".cf-*"))
