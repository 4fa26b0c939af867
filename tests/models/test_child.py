"""A child process: answers, dies, hangs, is cancelled, never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hyperllama.models.errors import ChildDied
from hyperllama.models.process import Child, ChildError, python_argv

ROOT = Path(__file__).resolve().parents[2]

SERVER = """
import os, sys, time, ctypes
from hyperllama.models.process.serve import serve
from hyperllama.models.errors import ModelFileError

def handle(request):
    do = request["do"]
    done = {"done": True}
    if do == "echo":
        done["text"] = request["text"]
    elif do == "noise":
        print("a stray print")
        os.system("echo native noise")
    elif do == "events":
        for i in range(request["n"]):
            yield {"event": "tick", "i": i}
        request.send("tick", i=-1)
    elif do == "wait":
        while not request.cancelled:
            time.sleep(0.005)
        done["cancelled"] = True
    elif do == "deaf":
        time.sleep(60)
    elif do == "spin":
        end = time.monotonic() + request["s"]
        while time.monotonic() < end:
            pass
    elif do == "abort":
        print("GGML_ASSERT(x) failed", flush=True)
        os.abort()
    elif do == "exit":
        sys.stderr.write("going\\n")
        os._exit(3)
    elif do == "bad":
        raise ModelFileError("no such file", "look elsewhere")
    elif do == "bug":
        raise ZeroDivisionError("oops")
    elif do == "grandchild":
        import subprocess
        done["pid"] = subprocess.Popen(["sleep", "60"]).pid
    yield done

serve(handle)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Child]]:
    (tmp_path / "server.py").write_text(SERVER)
    children: list[Child] = []

    def begin() -> Child:
        env = {"PYTHONPATH": str(ROOT)}
        argv = [sys.executable, str(tmp_path / "server.py")]
        child = Child(argv, name="the child", log=tmp_path / "child.log", env=env)
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()


def _gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_answers_requests_and_keeps_stray_prints_out(start: Callable[[], Child]) -> None:
    child = start()
    assert child.call("echo", {"text": "grüße \ud800 \n"})["text"] == "grüße \ud800 \n"
    child.call("noise")
    assert child.call("echo", {"text": "x" * 300_000})["text"] == "x" * 300_000
    ticks: list[object] = []
    child.call("events", {"n": 3}, on_event=lambda m: ticks.append(m["i"]))
    assert ticks == [0, 1, 2, -1]
    assert "native noise" in child.log.read_text()
    assert child.alive
    child.stop()
    assert not child.alive
    child.stop()


def test_an_error_of_the_handler_does_not_end_the_child(start: Callable[[], Child]) -> None:
    child = start()
    with pytest.raises(ChildError) as known:
        child.call("bad")
    assert (known.value.message, known.value.hint) == ("no such file", "look elsewhere")
    assert known.value.kind == "ModelFileError"
    with pytest.raises(ChildError, match="ZeroDivisionError: oops"):
        child.call("bug")
    assert child.call("echo", {"text": "still here"})["text"] == "still here"


def test_death_names_signal_exit_code_and_last_lines(start: Callable[[], Child]) -> None:
    with pytest.raises(ChildDied, match=r"SIGABRT.*GGML_ASSERT") as died:
        start().call("abort")
    assert "child.log" in died.value.hint
    with pytest.raises(ChildDied, match=r"exit code 3.*going") as died:
        start().call("exit")
    assert "GGML_ASSERT" not in died.value.message
    with pytest.raises(ChildDied, match="could not be started"):
        Child(["/no/such/program"], name="it", log=Path(died.value.hint[9:]))


def test_a_child_that_does_not_cancel_in_time_is_killed(start: Callable[[], Child]) -> None:
    child = start()
    assert child.call("wait", should_stop=lambda: True)["cancelled"] is True
    assert child.call("echo", {"text": "a"})["text"] == "a"
    begin = time.monotonic()
    with pytest.raises(ChildDied, match="did not react"):
        child.call("deaf", should_stop=lambda: True, cancel_s=0.2)
    assert time.monotonic() - begin < 2 and not child.alive


def test_a_hanging_child_is_killed_and_a_busy_one_is_not(start: Callable[[], Child]) -> None:
    child = start()
    child.call("spin", {"s": 1.0}, silence_s=0.4)
    with pytest.raises(ChildDied, match="no sign of life"):
        child.call("deaf", silence_s=0.3)
    assert not child.alive


def test_stopping_a_child_ends_what_it_started(start: Callable[[], Child]) -> None:
    child = start()
    grandchild = int(child.call("grandchild")["pid"])
    child.stop()
    assert _gone(grandchild)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    parent_code = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from hyperllama.models.process import Child
        child = Child([sys.executable, {str(tmp_path / "server.py")!r}], name="c",
                      log=Path({str(tmp_path / "log")!r}))
        child.call("echo", {{"text": ""}})
        print(child.pid, child.call("grandchild")["pid"], flush=True)
        child.call("deaf")
        """
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True, env=env
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split()[0])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _gone(pid)


def test_our_modules_are_found_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the wrong models')")
    argv = python_argv("hyperllama.models.errors")
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_child_runs_the_code_of_its_parent(tmp_path: Path) -> None:
    """Also where another version of the program is installed."""
    code = "import sys; print(sys.path[0])"
    argv = python_argv("hyperllama")
    assert str(ROOT) == subprocess.run(
        [*argv[:2], argv[2].partition("import runpy")[0] + code], cwd=tmp_path,
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
