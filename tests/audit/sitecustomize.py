"""Writes down what a Python process does to sockets and files; tests put it on PYTHONPATH."""

import os
import sys

_fd = os.open(os.environ["HYPERLLAMA_AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink",
            "os.truncate", "os.chmod", "os.utime", "shutil.move", "sqlite3.connect"}


def _hook(event, arguments):
    if event.startswith("socket."):
        told = repr(arguments[1:])
    elif event == "open":
        path, mode, flags = arguments
        writes = flags is not None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if isinstance(path, int) or not (writes or (mode and set(mode) & set("wax+"))):
            return
        told = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - pathlib opens files
    elif event in _CHANGES:
        if isinstance(arguments[0], int):
            return
        told = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100
    else:
        return
    os.write(_fd, f"{event}\t{told}\t{os.getpid()}\n".encode())


os.write(_fd, f"began\t{sys.argv[:1]}\t{os.getpid()}\n".encode())
sys.addaudithook(_hook)
