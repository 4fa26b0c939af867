"""What runs inside the sandbox: imports the libraries once, then one forked process a fit.

Stand-alone: this file alone is bound into the sandbox, so it imports nothing of HyperLlama. It is
started by `sandbox.py` as `python inside.py FILTER MODULE...` (FILTER: of the kernel, see
`seccomp.py`, in hexadecimal, or "-"), says {"ready": true}, and then reads requests from descriptor
0 and answers on descriptor 1, both as frames (see `read_frame`):

    -> {"program": text, "values": {...}, "columns": [...], "task": {...}, "wants": "predict_proba",
        "train": bool, "limits": {"seconds", "memory_mb", "processes", "disk_mb"}}, X, y, X_new
    <- {"ok": true, "classes": [...]}, predictions[, those of the training rows]
    <- {"ok": false, "kind": "error|time|memory|died", "error": type, "message": ..., "line": n}

Three processes: the *server* (this one) never sees a row or runs foreign code. It forks a *guard*
for each request, which makes new namespaces and watches the clock and the memory. The guard forks
the *worker*, the first process of its process namespace, which reads the rows, gives up every
right and runs the program; the kernel ends whatever it leaves behind. The next fit sees nothing of
it: each has its own /tmp, /dev/shm, shared memory and network; all other files are read-only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import resource
import select
import signal
import struct
import sys
import time
import traceback
from typing import Any

import numpy as np

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 1 << 17, 1 << 27, 1 << 28, 1 << 29, 1 << 30
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 4, 38, 24
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_LINUX = sys.platform == "linux"
_NOSUID_NODEV = 2 | 4
_POLL_S = 0.05
_BOXED = __file__.startswith("/sandbox/")
_MOST_FILES = 10_000  # each costs the kernel a kilobyte, whatever its size
_MESSAGE = 2000


def read_exactly(fd: int, count: int) -> bytes:
    """`count` bytes of a descriptor; EOFError where it ends before."""
    parts = []
    while count:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def number_type(name: Any) -> Any:
    """The NumPy type of that name; ValueError for anything but real numbers and truth values."""
    kind = np.dtype(name) if isinstance(name, str) and len(name) < 8 else None
    if kind is None or kind.kind not in "fiub":
        raise ValueError(f"{str(name)[:40]} is no type of numbers")
    return kind


def array_size(name: Any, shape: Any) -> int:
    """How many bytes an array takes; ValueError where its type or its shape is none."""
    if not isinstance(shape, list) or len(shape) > 2:
        raise ValueError("an array has one or two axes")
    size = int(number_type(name).itemsize)
    for length in shape:
        if type(length) is not int or not 0 <= length < 1 << 32:
            raise ValueError("a length of an array is none")
        size *= length
    return size


def read_frame(fd: int) -> tuple[dict[str, Any], list[Any]]:
    """The head of a frame, and (type, shape) of each array that follows.

    A frame is the length of its head (4 bytes), the head as JSON, then the bytes of the arrays,
    row by row; their types and shapes stand in the head under "arrays".
    """
    (length,) = struct.unpack("<I", read_exactly(fd, 4))
    head = json.loads(read_exactly(fd, length))
    return head, list(head.pop("arrays"))


def read_array(fd: int, name: str, shape: list[int]) -> Any:
    """One array, which may be changed."""
    data = bytearray(read_exactly(fd, array_size(name, shape)))
    return np.frombuffer(data, number_type(name)).reshape(shape)


def frame(head: dict[str, Any], *arrays: Any) -> bytes:
    """A frame as bytes; ValueError for an array of anything but numbers."""
    facts = [[a.dtype.str, list(a.shape)] for a in arrays]
    for name, _ in facts:
        number_type(name)
    text = json.dumps({**head, "arrays": facts}).encode()
    return b"".join([struct.pack("<I", len(text)), text, *(a.tobytes() for a in arrays)])


def write_all(fd: int, data: bytes) -> None:
    """Every byte, however the pipe takes them."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def send(data: bytes) -> None:
    """An answer on descriptor 1, led by its length (8 bytes): its content is not trusted."""
    write_all(1, struct.pack("<Q", len(data)) + data)


# -- the server ---------------------------------------------------------------------------------


def serve(refused: bytes, modules: list[str]) -> None:
    """Import the libraries, then fork a guard for each request until descriptor 0 ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if _LINUX:
        libc.prctl(_PR_SET_DUMPABLE, 0)  # no other process may look into this one
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was imported is not copied by the first collection after each fork
    send(frame({"ready": True, "separate": _separates(libc)}))
    while True:
        if not select.select([0], [], [])[0]:
            continue
        # Only the guard reads, so rows never enter this process; it says when all was read.
        told_read, told_write = os.pipe()
        guard = os.fork()
        if guard == 0:
            os.close(told_read)
            os._exit(_guard(libc, told_write, refused))
        os.close(told_write)
        more = os.read(told_read, 1) == b"+"
        os.close(told_read)
        os.waitpid(guard, 0)
        if not more:
            return


def _separates(libc: Any) -> bool:
    """Whether namespaces of its own can be had for each fit."""
    if not _LINUX:
        return False
    probe = os.fork()
    if probe == 0:
        failed = libc.unshare(_NEWUSER | _NEWNS | _NEWPID | _NEWIPC | _NEWNET)
        os._exit(1 if failed else 0)
    return os.waitpid(probe, 0)[1] == 0


# -- the guard ----------------------------------------------------------------------------------


def _guard(libc: Any, told: int, refused: bytes) -> int:
    """Run one request in a worker, and answer. Returns the exit code."""
    try:
        head, arrays = read_frame(0)
    except EOFError:
        return 0
    limits = head["limits"]
    uid, gid = os.getuid(), os.getgid()
    if _LINUX and libc.unshare(_NEWUSER | _NEWPID | _NEWIPC | _NEWNET) == 0:
        _map_ids(uid, gid)
    answers, answer = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.setsid()  # signals to its own group reach nobody else
        os.close(answers)
        _work(libc, head, arrays, answer, refused)
        os._exit(0)
    os.close(answer)
    os.write(told, b"+")
    data, why, peak_mb = _watch(worker, answers, limits)
    good = bool(data) and not why
    if good:
        send(data)  # scored while the worker is taken down; the server waits for that
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    _, status = os.waitpid(worker, 0)
    if not good:
        send(_failure(why, status, peak_mb, limits))
    return 0


def _map_ids(uid: int, gid: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                       ("gid_map", f"{gid} {gid} 1")):  # fmt: skip
        with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)


def _watch(worker: int, answers: int, limits: dict[str, float]) -> tuple[bytes, str, float]:
    """Collect the worker's answer; stop when time or memory is over. (answer, why not, peak MB)"""
    deadline = time.monotonic() + limits["seconds"]
    parts: list[bytes] = []
    size, peak_mb = 0, 0.0
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return b"", "time", peak_mb
        ready = select.select([answers], [], [], min(_POLL_S, left_s))[0]
        used_mb = _memory_mb(worker)
        peak_mb = max(peak_mb, used_mb)
        if used_mb > limits["memory_mb"]:
            return b"", "memory", peak_mb
        if not ready:
            continue
        part = os.read(answers, 1 << 20)
        if not part:
            return b"".join(parts), "" if parts else "died", peak_mb
        parts.append(part)
        size += len(part)
        if size > limits["answer_bytes"]:
            return b"", "answer", peak_mb


def _memory_mb(worker: int) -> float:
    """Main memory of every process here but the server and the guard, in MB.

    Outside of bubblewrap others' processes are seen too: those of the worker's session count.
    """
    if not _LINUX:
        import psutil  # a dependency of HyperLlama's, so it lies beside the other packages

        with contextlib.suppress(psutil.Error):
            process = psutil.Process(worker)
            every = [process, *process.children(recursive=True)]
            return float(sum(p.memory_info().rss for p in every)) / 2**20
        return 0.0
    own, total = {os.getpid(), os.getppid(), 1}, 0
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal() and int(name) not in own:
            if not _BOXED and _session(int(name)) != worker:
                continue
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/status") as file:  # noqa: PTH123
                    lines = [line.split() for line in file]
                total += sum(int(f[1]) for f in lines if f[0] in ("RssAnon:", "RssShmem:"))
    return total / 1024


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _failure(why: str, status: int, peak_mb: float, limits: dict[str, float]) -> bytes:
    code = os.waitstatus_to_exitcode(status)
    message = {
        "time": f"it ran longer than {limits['seconds']:g} s",
        "memory": f"it used more than {limits['memory_mb']:g} MB",
        "answer": "its answer is too large",
    }.get(why, f"its process ended (exit code {code})" if code >= 0 else
          f"its process died (signal {-code})")  # fmt: skip
    kind = why if why in ("time", "memory") else "died"
    return frame({"ok": False, "kind": kind, "message": message, "peak_mb": peak_mb})


# -- the worker ---------------------------------------------------------------------------------


def _work(
    libc: Any, head: dict[str, Any], arrays: list[Any], answer: int, refused: bytes
) -> None:
    """Read the rows, give up every right, run the program, write the answer."""
    x, y, new = (read_array(0, name, shape) for name, shape in arrays)
    _confine(libc, head["limits"], answer)
    if _LINUX:
        _give_up(libc, refused)
    try:
        info, found = _fit(head, x, y, new)
        data = frame({**info, "ok": True}, *found)
    except MemoryError:
        data = frame({"ok": False, "kind": "memory", "message": "it ran out of memory"})
    except BaseException as error:
        data = frame(_told(error))
    write_all(answer, data)


def _confine(libc: Any, limits: dict[str, float], answer: int) -> None:
    if _LINUX and libc.unshare(_NEWNS) == 0:
        size = f"size={int(limits['disk_mb'])}m,nr_inodes={_MOST_FILES}".encode()
        packages = any(path.startswith("/tmp/") for path in (sys.prefix, *sys.path))
        scratch = os.environ["TMPDIR"] = "/dev/shm" if packages else "/tmp"
        for folder in {scratch.encode(), b"/dev/shm"}:
            libc.mount(b"tmpfs", folder, b"tmpfs", _NOSUID_NODEV, size)
        if libc.mount(b"proc", b"/proc", b"proc", _NOSUID_NODEV, None):
            libc.mount(b"tmpfs", b"/proc", b"tmpfs", _NOSUID_NODEV, b"size=0")
        os.chdir(scratch)
    else:
        os.chdir(os.environ.get("TMPDIR", "/"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.closerange(3, answer)
    os.closerange(answer + 1, 4096)
    memory = int(limits["memory_mb"] * 2**20)
    seconds = int(limits["seconds"]) + 1
    disk = int(limits["disk_mb"] * 2**20)
    for what, most in (
        (resource.RLIMIT_AS, memory + _mapped()), (resource.RLIMIT_CPU, seconds * 64),
        (resource.RLIMIT_FSIZE, disk), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, int(limits["processes"])), (resource.RLIMIT_NOFILE, 256),
    ):  # fmt: skip
        with contextlib.nullcontext() if _LINUX else contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def _give_up(libc: Any, refused: bytes) -> None:
    """Drop every capability, and let the kernel refuse what no model needs."""
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("<II", 0x20080522, 0)
    libc.capset(header, bytes(24))
    if refused:
        code = ctypes.create_string_buffer(refused, len(refused))
        program = struct.pack("HxxxxxxP", len(refused) // 8, ctypes.addressof(code))
        if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0):
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


def _mapped() -> int:
    """Bytes of address space that are in use already: libraries, not data."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[0]) * resource.getpagesize()
    return 4 << 30


class _Facts:
    """A column or the task, as attributes: what a program is told."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.__dict__.update(facts)


def _fit(
    head: dict[str, Any], x: Any, y: Any, new: Any
) -> tuple[dict[str, Any], list[Any]]:
    """Build the estimator, fit it, predict the new rows (and the training rows where wanted)."""
    random.seed(0)  # estimators without a seed of their own draw from these
    np.random.seed(0)
    names: dict[str, Any] = {"__name__": "program", "__builtins__": __builtins__}
    exec(compile(head["program"], "<program>", "exec"), names)
    columns = [_Facts(column) for column in head["columns"]]
    estimator = names["build"](columns, _Facts(head["task"]), **head["values"])
    estimator.fit(x, y)
    respond = getattr(estimator, head["wants"])
    arrays = [np.asarray(respond(new))]
    if head["train"]:
        arrays.append(np.asarray(respond(x)))
    classes = getattr(estimator, "classes_", None)
    known = None if classes is None else np.asarray(classes).tolist()
    return {"classes": known, "weights": _weights(estimator, x.shape[1])}, arrays


def _weights(estimator: Any, count: int) -> list[tuple[str, float]]:
    """What the last step says its inputs count, each named after the columns that it is of."""
    names: Any = [f"column{at}" for at in range(count)]
    with contextlib.suppress(Exception):
        steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
        if len(steps) > 1:
            names = estimator[:-1].get_feature_names_out(names)
        weights = np.asarray(steps[-1].feature_importances_, dtype=float)
        if len(names) <= 20_000:
            pairs = zip(names, weights, strict=True)
            return [(str(n)[:1000], float(w)) for n, w in pairs]
    return []


def _told(error: BaseException) -> dict[str, Any]:
    """An error with the last line of the program that it came through."""
    line, text = None, ""
    with contextlib.suppress(BaseException):
        for entry in traceback.extract_tb(error.__traceback__):
            if entry.filename == "<program>":
                line = entry.lineno
        if isinstance(error, SyntaxError) and error.filename == "<program>":
            line = error.lineno
        text = str(error)[:_MESSAGE]
    name = type(error).__name__[:100]
    return {"ok": False, "kind": "error", "error": name, "message": text, "line": line}


if __name__ == "__main__":
    serve(b"" if sys.argv[1] == "-" else bytes.fromhex(sys.argv[1]), sys.argv[2:])
