"""What do damaged model files and hostile chat templates cost? Makes them and tries all.

    python benchmarks/damaged_files.py --files 300 --templates 80

Every file is a small whole model with one thing wrong (cut, flipped, wrong counts, noise); it is
read, loaded and asked for a number in the engine's own process. Every template is rendered twice in
the templates' process: one that is not used has to be refused at once the second time. Printed are
what came of them, the longest time, and the most memory of a process beyond the whole model's.
Ends with 1 where one took more than 300 MB or 3 s of processor time, or hung. Seconds by the clock
are printed, too; they are longer on a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hyperllama.models.engine import Engine, EngineSettings, Generation, Number
from hyperllama.models.engine.chat import RENDERER, render
from hyperllama.models.errors import HyperLlamaError, ModelFileError
from hyperllama.models.gguf import check_model
from hyperllama.models.gguf.header import read_header

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.models.test_engine import damaged
from tests.models.tiny_gguf import write_tiny

MOST_MB, MOST_S = 300.0, 3.0
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello there"}]
SIZES = (10**4, 10**6, 10**8, 10**10)
GROWING = (
    "{{{{ 'a' * {n} }}}}",
    "{{{{ [1] * {n} }}}}",
    "{{{{ '%{n}d' % 1 }}}}",
    "{{{{ 'a'|center({n}) }}}}",
    "{{{{ ('ab' * 9999)|indent({n}) }}}}",
    "{{{{ range({n})|list|length }}}}",
    "{{{{ range({n})|join(',') }}}}",
    "{{{{ ('a' * 9999)|replace('a', 'b' * {n}) }}}}",
    "{{% for i in range({n}) %}}{{% for j in range({n}) %}}{{% endfor %}}{{% endfor %}}",
    "{{% for i in range({n}) %}}{{{{ 'a' * 999 }}}}{{% endfor %}}",
    "{{% set n = namespace(s='a') %}}{{% for i in range({n}) %}}{{% set n.s = n.s ~ n.s %}}"
    "{{% endfor %}}{{{{ n.s }}}}",
    "{{% set n = namespace(l=[1]) %}}{{% for i in range({n}) %}}{{% set n.l = n.l + n.l %}}"
    "{{% endfor %}}",
    "{{{{ (messages * {n})|tojson }}}}",
    "{{{{ '{{:>{n}}}'.format(1) }}}}",
    "{{% macro m(n) %}}{{{{ m(n + 1) }}}}{{{{ m(n + 1) }}}}{{% endmacro %}}{{{{ m({n}) }}}}",
)
LOSING = (
    "{{ 7 }}", "{{ messages|length }}", "", "{% for", "{{ undefined.attribute.of }}",
    "{{ messages[0].content }}", "{{ messages[1].role }}", "{{ messages[1].content[:3] }}",
    "{% for m in messages|reverse %}{{ m.content }}{% endfor %}", "{{ raise_exception('no') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages[1].content|upper }}",
    "{{ 9**9**9**9 }}", "{% include '/etc/passwd' %}", "{% import 'os' as os %}{{ os }}",
    "x" * 300_000, "{{ cycler.__init__.__globals__ }}", "{{ lipsum(n=10**7) }}",
    "{{ messages|map(attribute='content')|map('length')|list }}",
    "{% raw %}{{ messages }}{% endraw %}",
)  # fmt: skip


def children_mb() -> float:
    """The most memory that an ended child of this process ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


class Clock:
    """Seconds by the clock, and of processor time of this process's ended children."""

    def __init__(self) -> None:
        self._begin = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.perf_counter(), used.ru_utime + used.ru_stime

    def seconds(self) -> tuple[float, float]:
        """Since it was made."""
        return tuple(b - a for a, b in zip(self._begin, self._now(), strict=True))  # type: ignore[return-value]


def tried(path: Path, log: Path) -> tuple[str, tuple[float, float]]:
    """What came of a file, and in how many seconds."""
    clock = Clock()
    settings = EngineSettings(threads=1, repack=False, context_length=256)
    try:
        check_model(path)
        with Engine(log=log, silence_s=MOST_S) as engine:
            engine.load(path, settings)
            engine.generate(Generation("the rbf", [Number("n", 0, 1)]))
        outcome = "loaded"
    except ModelFileError:
        outcome = "refused"
    except HyperLlamaError as error:
        ended, hung = "was ended by" in error.message, "hang" in error.message
        outcome = "its process ended" if ended else "hung" if hung else "refused by llama.cpp"
    return outcome, clock.seconds()


def files(count: int, folder: Path) -> bool:
    whole = write_tiny(folder / "whole.gguf")
    _, (_, usual_s) = tried(whole, folder / "engine.log")
    usual_mb = children_mb()
    content, header_end = whole.read_bytes(), read_header(whole).data_start
    rng = random.Random(14)
    outcomes: Counter[str] = Counter()
    times = []
    path = folder / "damaged.gguf"
    for _ in range(count):
        path.write_bytes(damaged(content, header_end, rng))
        outcome, seconds = tried(path, folder / "engine.log")
        outcomes[outcome] += 1
        times.append(seconds)
    beyond = children_mb() - usual_mb
    by_clock, longest = (max(t) for t in zip(*times, strict=True))
    print(f"{count} damaged files: {dict(outcomes)}\n  longest {longest:.1f} s of processor time "
          f"(the whole model {usual_s:.1f} s), {by_clock:.1f} s by the clock; most memory "
          f"{beyond:.0f} MB beyond the whole model's {usual_mb:.0f} MB", flush=True)  # fmt: skip
    return beyond <= MOST_MB and longest <= MOST_S and not outcomes["hung"]


def templates(count: int) -> bool:
    """The same of templates: every one has to be replaced, and remembered."""
    made = [*LOSING, *(g.format(n=n) for n in SIZES for g in GROWING)][:count]
    outcomes: Counter[str] = Counter()
    again = 0.0
    times = []
    for template in made:
        RENDERER.start()
        clock = Clock()
        with contextlib.redirect_stderr(io.StringIO()) as said:
            text = render(template, CHAT)
            begin = time.process_time()
            same = render(template, CHAT)
        why = said.getvalue().partition("not used: ")[2].strip()
        if why:
            again = max(again, time.process_time() - begin)
        assert "hello there" in text and text == same, template
        RENDERER.close()
        times.append(clock.seconds())
        limits = "too much" in why or "Memory" in why or "grows" in why
        outcomes["out of its limits" if limits else "loses or fails" if why else "used"] += 1
    by_clock, longest = (max(t) for t in zip(*times, strict=True))
    print(f"{len(made)} templates: {dict(outcomes)}\n  longest {longest:.1f} s of processor time, "
          f"{by_clock:.1f} s by the clock; a second time {again * 1000:.0f} ms; most memory "
          f"{children_mb():.0f} MB", flush=True)  # fmt: skip
    return children_mb() <= MOST_MB and longest <= MOST_S and again < 0.1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--templates", type=int, default=80)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # first: a process's peak is that of all so far
        fine = files(options.files, Path(folder))
    fine = templates(options.templates) and fine
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return not fine


if __name__ == "__main__":
    sys.exit(main())
