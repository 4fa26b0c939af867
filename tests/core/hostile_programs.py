"""Programs that try to get out, to look at targets, to forge a score, or never to end."""

# ruff: noqa: E501 - a program stands on one line

_KERNEL = "import ctypes, os", "call = ctypes.CDLL(None).syscall", "intel = os.uname().machine == 'x86_64'"
_BUILD = "def build(columns, task):\n"
_MODEL = "    from sklearn.dummy import DummyClassifier\n    return DummyClassifier()\n"


def _in_build(*lines: str) -> str:
    return _BUILD + "".join(f"    {line}\n" for line in lines) + _MODEL


def _liar(*lines: str) -> str:
    """A model whose predictions are what `lines` return."""
    body = "".join(f"        {line}\n" for line in lines)
    return (
        "import numpy as np\nfrom sklearn.base import BaseEstimator, ClassifierMixin\n"
        "class Liar(ClassifierMixin, BaseEstimator):\n"
        "    def fit(self, X, y):\n        self.classes_ = np.unique(y)\n        return self\n"
        "    def predict_proba(self, X):\n" + body + "def build(columns, task):\n    return Liar()\n"
    )


AROUND = {
    "star import": "from numpy import *\n" + _in_build("load('x')"),
    "attribute by text": _in_build("import operator", "operator.attrgetter('__globals__')(build)"),
    "method by text": _in_build("from operator import methodcaller as m", "m('__subclasses__')(object)"),
    "pattern": _in_build("match build:", "    case object(__globals__=g): raise Exception(g)"),
    "annotation": _in_build(
        "import typing", "def f(x: 'open(1)'): pass", "typing.get_type_hints(f)"
    ),
    "dispatch": _in_build(
        "import functools", "@functools.singledispatch", "def f(x): pass",
        "@f.register", "def g(x: 'open(1)'): pass",
    ),
    "copied attributes": _in_build(
        "import functools", "functools.update_wrapper(build, build, ('__globals__',))"
    ),
    "made class": _in_build("type('A', (), {'__array_interface__': {'data': (4096, False)}})"),
    "made class, partial": _in_build("import functools", "functools.partial(type, 'A', (), {})"),
    "run string": _in_build("import numpy as np", "np.testing.runstring('1', {})"),
    "compiler": _in_build("import numpy as np", "np.f2py.compile('x')"),
    "tests": _in_build("import numpy as np", "np.test()"),
    "module in a module": _in_build("import sklearn.base", "sklearn.base.inspect.getmembers(build)"),
    "module by from": _in_build("from sklearn.base import inspect"),
    "warnings": _in_build("import sklearn.base", "sklearn.base.warnings.x"),
    "private module": _in_build("import random" , "x = 1").replace("import random", "import numpy as n; n.random._os"),
    "private function": _in_build("import numpy as np", "np._core"),
    "sql": _in_build("import polars as pl", "pl.SQLContext().execute('x')"),
    "plugin": _in_build("import polars as pl", "pl.plugins.register_plugin_function()"),
    "frame on disk": _in_build("import polars as pl", "pl.DataFrame.deserialize('/etc/passwd')"),
    "matrix on disk": _in_build("import xgboost as x", "x.DMatrix('/etc/passwd?format=csv')"),
    "booster on disk": _in_build("import lightgbm as l", "l.Booster(model_file='/etc/passwd')"),
    "pool on disk": _in_build("from catboost import Pool", "Pool('/etc/passwd')"),
    "lines on disk": _in_build("import numpy as np", "np.fromregex('/etc/passwd', 'x', [])"),
    "cache on disk": _in_build(
        "from sklearn.pipeline import Pipeline", "Pipeline([], memory='/tmp/x')"
    ),
    "memory": _in_build("from numpy.lib.stride_tricks import as_strided"),
    "generator": _in_build("(x for x in ()).gi_code"),
    "traceback": _in_build("try: 1 / 0", "except Exception as e: e.tb_next"),
    "license": _in_build("license()"),
}
"""Ways around the policy; each must be refused by it, before anything runs."""

REACH_OUT = {
    "socket": _in_build("import socket", "socket.create_connection(('192.0.2.1', 80), 1)"),
    "dns": _in_build("import socket", "socket.getaddrinfo('example.org', 80)"),
    "udp": _in_build("import socket", "s = socket.socket(2, 2)", "s.sendto(b'x', ('192.0.2.1', 9))"),
    "loopback": _in_build("import socket", "socket.create_connection(('127.0.0.1', 22), 1)"),
    "urllib": _in_build("import urllib.request as u", "u.urlopen('http://192.0.2.1', timeout=1)"),
    "unix socket": _in_build("import socket", "socket.socket(1).connect('/run/dbus/system_bus_socket')"),
    "write home": _in_build("open('/home/x', 'w').write('x')"),
    "write usr": _in_build("open('/usr/x', 'w')"),
    "write root": _in_build("open('/x', 'w')"),
    "write own code": _in_build("open('/sandbox/inside.py', 'a')"),
    "write packages": _in_build("import numpy", "open(numpy.__file__, 'a')"),
    "write dev": _in_build("open('/dev/x', 'w')"),
    "make a device": _in_build("import os", "os.mknod('d', 0o60666, os.makedev(8, 0))"),
    "link out": _in_build("import os", "os.link('/usr/bin/env', '/usr/bin/env2')"),
    "read passwd": _in_build("raise Exception(open('/etc/passwd').read())"),
    "read shadow": _in_build("raise Exception(open('/etc/shadow').read())"),
    "read home": _in_build("import os", "raise Exception(*os.listdir(os.path.expanduser('~root/.ssh')))"),
    "read other processes": _in_build("raise Exception(open('/proc/1/environ').read())"),
    "kernel settings": _in_build("open('/proc/sys/kernel/core_pattern', 'w').write('|x')"),
    "kill the parent": _in_build("import os", "os.kill(os.getppid() or 2, 9)"),
    "mount": _in_build(
        "import ctypes", "c = ctypes.CDLL(None)", "assert c.mount(b'none', b'/usr', b'tmpfs', 0, None) == 0"
    ),
    "unmount": _in_build("import ctypes", "assert ctypes.CDLL(None).umount(b'/tmp') == 0"),
    "trace": _in_build("import ctypes", "assert ctypes.CDLL(None).ptrace(16, 2, 0, 0) == 0"),
    "set the clock": _in_build("import time", "time.clock_settime(0, 0)"),
    "set the host's name": _in_build("import socket", "socket.sethostname('x')"),
    "change root": _in_build("import os", "os.chroot('/tmp')"),
    "become root": _in_build("import os", "os.setuid(0)"),
    "raise limits": _in_build("import resource as r", "r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY,) * 2)"),
    "map a file": _in_build("import numpy as np", "np.memmap('/etc/passwd', mode='r')"),
    "load its own memory": _in_build("import numpy as np", "np.load('/proc/self/mem')"),
    "write its own memory": _in_build("open('/proc/self/mem', 'r+b').write(b'x')"),
    "cache among packages": _in_build(
        "import joblib, numpy, os", "os.makedirs(os.path.dirname(numpy.__file__) + '/cache')"
    ),
    "kernel rings": _in_build(*_KERNEL, "assert call(425, 8, bytes(120)) >= 0"),
    "kernel programs": _in_build(*_KERNEL, "assert call(321 if intel else 280, 0, bytes(72), 72) >= 0"),
    "page faults": _in_build(*_KERNEL, "assert call(323 if intel else 282, 1) >= 0"),
    "counters": _in_build(
        *_KERNEL, "facts = bytearray(128)", "facts[0], facts[4], facts[40] = 1, 128, 0x61",
        "assert call(298 if intel else 241, bytes(facts), 0, -1, -1, 0) >= 0"
    ),
    "keys": _in_build(*_KERNEL, "assert call(250 if intel else 219, 0, -3, 1) >= 0"),
    "other memory": _in_build(*_KERNEL, "assert call(310 if intel else 270, 2, None, 0, None, 0, 0) >= 0"),
    "more namespaces": _in_build(*_KERNEL, "assert call(272 if intel else 97, 1 << 28) >= 0"),
    "a clone in namespaces": _in_build(*_KERNEL, "assert call(56 if intel else 220, 1 << 28 | 17, 0, 0, 0, 0) >= 0"),
    "memory that belongs to no process": _in_build("import ctypes", "assert ctypes.CDLL(None).shmget(1, 4096, 0o1666) >= 0"),
    "messages that belong to no process": _in_build("import ctypes", "assert ctypes.CDLL(None).msgget(1, 0o1666) >= 0"),
    "files of memory": _in_build("import os", "os.memfd_create('x')"),
    "files without end": _in_build("for i in range(11000): open(f'f{i}', 'w').close()"),
    "netlink": _in_build("import socket", "socket.socket(16, 3, 0)"),
    "kernel ciphers": _in_build("import socket", "socket.socket(38, 5, 0)"),
    "raw packets": _in_build("import socket", "socket.socket(17, 3, 0)"),
    "virtual machines": _in_build("import socket", "socket.socket(40, 1, 0)"),
}
"""Each must fail inside: with an error, and with nothing written or sent."""

SECRETS = {
    "environment": _in_build("import os", "raise Exception(dict(os.environ))"),
    "arguments": _in_build("import sys", "raise Exception(sys.argv, sys.orig_argv)"),
    "mounts": _in_build("raise Exception(open('/proc/self/mountinfo').read())"),
    "descriptors": _in_build("import os", "raise Exception([os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd')])"),
    "garbage": _in_build("import gc", "raise Exception([o for o in gc.get_objects() if 'SECRET' in repr(type(o))])"),
    "frames": _in_build("import sys", "f, found = sys._getframe(), []", "while f:", "    found.append(f.f_locals.keys()); f = f.f_back", "raise Exception(found)"),
    "arrays in memory": _in_build("import gc", "raise Exception([(type(o), r) for r in gc.get_objects() for o in gc.get_referents(r) if 'ndarray' in str(type(o)) and o.shape == (20,)])"),
    "other modules": _in_build("import sys", "raise Exception([m for m in sys.modules if 'hyperllama' in m], sys.path)"),
}
"""What they find is told back, and must not hold anything of the parent's."""

BOMBS = {
    "endless loop": _in_build("while True: pass"),
    "endless loop without signals": _in_build(
        "import signal", "for n in (2, 15, 14, 24): signal.signal(n, signal.SIG_IGN)", "while True: pass"
    ),
    "endless sleep": _in_build("import time", "time.sleep(10**6)"),
    "endless import": "import itertools\nfor _ in itertools.count(): pass\n" + _BUILD + _MODEL,
    "memory": _in_build("a = []", "while True: a.append(bytearray(10**8))"),
    "memory by numpy": _in_build("import numpy as np", "a = np.ones((10**6, 10**5)); a.sum()"),
    "memory by files": _in_build("f = open('x', 'wb')", "while True: f.write(b'x' * 10**7)"),
    "memory by shared files": _in_build("f = open('/dev/shm/x', 'wb')", "while True: f.write(b'x' * 10**7)"),
    "processes": _in_build("import os", "while True: os.fork()"),
    "sessions": _in_build("import os", "while True:", "    if os.fork() == 0: os.setsid()"),
    "threads": _in_build("import threading, time", "while True: threading.Thread(target=time.sleep, args=(10**6,)).start()"),
    "orphans": _in_build("import os, time", "if os.fork() == 0:", "    if os.fork() == 0: time.sleep(10**6)"),
    "descriptors": _in_build("import os", "while True: os.open('/dev/null', 0)"),
    "recursion": _in_build("f = lambda f: f(f)", "f(f)"),
    "crash": _in_build("import ctypes", "ctypes.string_at(0)"),
    "abort": _in_build("import os", "os.abort()"),
    "exit": _in_build("import os", "os._exit(0)"),
    "system exit": _in_build("raise SystemExit(0)"),
    "keyboard interrupt": _in_build("raise KeyboardInterrupt"),
    "bad text": _in_build("raise Exception('\\x1b[31m' + '\\ud800' * 10**6)"),
    "an error that fails": _in_build("class E(Exception):", "    def __str__(self): raise self", "raise E"),
    "huge integer": _in_build("9 ** 9 ** 9"),
    "regular expression": _in_build("import re", "re.match('(a+)+$', 'a' * 60 + 'b')"),
    "a name without end": _in_build("raise type('E' * 10**7, (Exception,), {})"),
    "stops itself": _in_build("import os, signal", "os.kill(os.getpid(), signal.SIGSTOP)", "while True: pass"),
    "a storm of signals": _in_build(
        "import signal", "signal.signal(14, lambda *a: None)", "signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)",
        "while True: pass"
    ),
    "traces itself": _in_build("import sys", "def trace(*a): raise Exception('traced')", "sys.settrace(trace)", "len(sorted([3, 1]))", "(lambda: 1)()"),
    "warnings as errors": _in_build("import warnings", "warnings.simplefilter('error')", "warnings.warn('x')"),
}
"""Each must end as a failed fit within the limits."""

FORGERS = {
    "writes into the protocol": _in_build(
        "import os", "for fd in range(3, 300):", "    try: os.write(fd, b'{\"ok\": true}' * 50)",
        "    except OSError: pass", "os._exit(0)"
    ),
    "an answer of its own": _in_build(
        "import os, json, struct", "h = json.dumps({'ok': True, 'arrays': [10**12]}).encode()",
        "for fd in range(3, 300):", "    try: os.write(fd, struct.pack('<I', len(h)) + h)",
        "    except OSError: pass", "os._exit(0)"
    ),
    "patches the metric": _in_build(
        "import sklearn.metrics as m", "m.log_loss = m.accuracy_score = lambda *a, **k: 1e9"
    ),
    "patches numpy": _in_build("import numpy as np", "np.isfinite = lambda a: np.ones(a.shape, bool)"),
    "pickles": _liar("class P:", "    def __reduce__(self): return (print, ('pickled',))",
                     "return np.array([P()] * len(X), dtype=object)"),
    "too few rows": _liar("return np.full((len(X) - 1, 2), 0.5)"),
    "too many rows": _liar("return np.full((len(X) + 1, 2), 0.5)"),
    "one column": _liar("return np.full(len(X), 0.5)"),
    "not finite": _liar("return np.full((len(X), 2), np.nan)"),
    "infinite": _liar("return np.full((len(X), 2), np.inf)"),
    "negative": _liar("return np.tile([2.0, -1.0], (len(X), 1))"),
    "not probabilities": _liar("return np.full((len(X), 2), 1e6)"),
    "complex": _liar("return np.full((len(X), 2), 0.5j)"),
    "texts": _liar("return np.full((len(X), 2), '0.5')"),
    "an object that lies": _liar("class A:", "    shape = (len(X), 2)",
                                 "    def __array__(self, *a, **k): return np.zeros((3, 3))", "return A()"),
    "swapped classes": _liar("self.classes_ = self.classes_[::-1]", "return np.full((len(X), 2), 0.5)"),
    "more classes": _liar("self.classes_ = np.arange(5)", "return np.full((len(X), 5), 0.2)"),
    "a thread that goes on writing": _in_build(
        "import os, threading", "def write():", "    while True:", "        for fd in range(3, 60):",
        "            try: os.write(fd, b'x')", "            except OSError: pass",
        "threading.Thread(target=write, daemon=True).start()"
    ),
    "writes as it goes": _in_build(
        "import builtins, os", "class D:", "    def __del__(self):", "        for fd in range(3, 60):",
        "            try: os.write(fd, b'x' * 99)", "            except OSError: pass", "builtins.d = D()"
    ),
    "patches the writer": _in_build(
        "import sys", "m = sys.modules['__main__']", "def frame(head, *arrays):",
        "    t = b'{\"ok\": true, \"seconds\": NaN, \"classes\": [0, 1], \"arrays\": [[\"<f8\", [20, -2]]]}'",
        "    return len(t).to_bytes(4, 'little') + t", "m.frame = frame"
    ),
    "patches NumPy's arrays": _in_build("import numpy as np", "np.asarray = lambda *a, **k: np.zeros((20, 2))"),
    "profiles": _in_build("import sys", "def look(frame, event, argument):", "    if 'y' in frame.f_locals: sys.setprofile(None); frame.f_locals['y'][:] = 0", "sys.setprofile(look)"),
    "handles signals": _in_build("import signal", "for n in range(1, 32):", "    if n not in (9, 19): signal.signal(n, signal.SIG_IGN)"),
    "routes metadata": _in_build("import sklearn", "sklearn.set_config(enable_metadata_routing=True, transform_output='pandas')"),
    "a subclass of arrays": _liar("class A(np.ndarray):", "    def tobytes(self, *a): return b''",
                                  "    shape = property(lambda self: (20, 2))", "return np.full((7, 2), 0.5).view(A)"),
    "a masked array": _liar("return np.ma.masked_all((len(X), 2))"),
    "records": _liar("return np.zeros((len(X), 2), dtype=[('a', 'f8')])"),
    "dates": _liar("return np.zeros((len(X), 2), dtype='datetime64[s]')"),
    "truth values": _liar("return np.ones((len(X), 2), dtype=bool)"),
    "half precision": _liar("return np.full((len(X), 2), 0.5, dtype=np.float16)"),
    "one number": _liar("return np.float64(0.5)"),
    "three axes": _liar("return np.full((len(X), 2, 1), 0.5)"),
    "rows without end": _liar("return np.broadcast_to(0.5, (10**9, 2))"),
    "a list in itself": _liar("a = []; a.append(a)", "return a"),
    "a head without end": _in_build(
        "import os", "t = b'[' + b'[],' * (2 << 20)", "for fd in range(3, 300):",
        "    try: os.write(fd, len(t).to_bytes(4, 'little'))", "    except OSError: continue",
        "    for i in range(0, len(t), 1 << 16): os.write(fd, t[i:i + (1 << 16)])", "os._exit(0)",
    ),
    "other predictions at each call": _liar(
        "self.n = self.n + 1 if hasattr(self, 'n') else 1",
        "return np.full((len(X), 2), 0.5 if self.n % 2 else np.nan)"
    ),
    "classes without end": _liar("self.classes_ = np.arange(10**5)", "return np.full((len(X), 2), 0.5)"),
}
"""Each must be refused, or give predictions that are scored like any."""

HARMLESS = {
    "patches the metric", "patches numpy", "swapped classes", "a thread that goes on writing",
    "writes as it goes", "profiles", "handles signals", "routes metadata", "half precision",
    "patches NumPy's arrays",
}
"""Forgers that may come through: their predictions are scored like any."""
