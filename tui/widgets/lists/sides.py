"""The figures of several sides as a table, and their winning configurations beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from hyperllama.core.text import plain
from hyperllama.tui.content import standing
from hyperllama.tui.content.sides import Side, differing
from hyperllama.tui.text import wording
from hyperllama.tui.widgets.lists.listing import Listing
from hyperllama.tui.widgets.lists.rows import ListColumn
from hyperllama.tui.widgets.plots.curves import style_of

_MB = 2**20


class SideTable(Listing[Side]):
    """One line a study or contender: score, gain, costs."""

    NAME = "Side by side"
    HELP = """\
*score* is the mean of the best score over the finished seeds, ± its standard deviation over them. \
*gain* is over the library's default configuration, green where it is beyond noise; *confirmed* is \
a study's gain on fresh folds; *test* is measured on rows that no trial saw.

*tokens* and *proposal* are of one proposal; *repeat* is the share of proposals that were \
tried before, *invalid* of those that could not be used as the model wrote them.

In the sentences beside it brackets hold the 95 % interval of a difference, over other seeds or \
folds; those of all pairs hold together. *Within noise*: 0 lies in it.
"""
    LEAST = 14

    def show(self, entries: Sequence[Side]) -> None:
        metric = next((plain(s.metric) for s in entries if s.metric), "")
        self.border_title = f"{self.NAME}: {metric}" if metric else self.NAME
        super().show(entries)

    def columns(self) -> Sequence[ListColumn]:
        confirmed = any(s.confirmed is not None for s in self.entries)
        return (
            ListColumn("mark", "", 1, gap=1),
            ListColumn("label", "name", 0),
            ListColumn("state", "about", 22, drop=9),
            ListColumn("score", "score", 17, right=True),
            ListColumn("gain", "gain", 8, right=True, drop=4),
            *([ListColumn("confirmed", "confirmed", 9, right=True)] if confirmed else []),
            ListColumn("test", "test", 8, right=True, drop=5),
            ListColumn("trials", "trials", 6, right=True, drop=8),
            ListColumn("ask", "proposal", 8, right=True, drop=1),
            ListColumn("tokens", "tokens", 6, right=True, drop=3),
            ListColumn("again", "repeat", 6, right=True, drop=6),
            ListColumn("invalid", "invalid", 7, right=True, drop=2),
            ListColumn("memory", "memory", 8, right=True, drop=7),
        )

    def cell(self, index: int, key: str, width: int) -> Content:
        side = self.entries[index]
        if key == "mark":
            return Content.styled(side.mark, f"bold {style_of(index)}")
        if key == "label":
            star = f" {self.glyphs.best}" if side is standing.leader(self.entries) else ""
            name = Content.styled(plain(side.label), "bold")
            return name.truncate(max(1, width - len(star)), ellipsis=True) + Content.styled(
                star, "$best"
            )
        if key == "score":
            spread = f" {self.glyphs.plus_minus} {side.spread:.4f}" if side.spread else ""
            return Content.assemble(wording.score(side.final), (spread, "$dim"))
        if key == "gain":
            return Content.styled(wording.signed(side.gain), wording.gain_style(side.beyond_noise))
        if key == "confirmed":
            style = wording.gain_style((side.confirmed or 0.0) > 0)
            return Content.styled(wording.signed(side.confirmed), style)
        return Content.styled(self._figure(side, key), "$dim")

    def _figure(self, side: Side, key: str) -> str:
        if key == "state":
            return plain(side.state)
        if key == "test":
            return wording.score(side.test)
        if key == "trials":
            return str(side.trials)
        if key == "ask":
            return wording.brief(side.ask_s)
        if key == "tokens":
            return wording.count(side.tokens)
        if key == "memory":
            return wording.size(side.memory_mb * _MB) if side.memory_mb else "–"
        share = side.repeated if key == "again" else side.invalid
        return "–" if share is None else f"{100 * share:.0f}%"

    def empty(self) -> Content:
        return Content.styled(" Nothing to compare yet.", "$dim")


class Winners(Listing[tuple[str, list[object]]]):
    """The winning configurations: one line a hyperparameter, one column a study or contender."""

    NAME = "Winners"
    HELP = """\
The best configuration of each. Hyperparameters that differ come first; those that are equal are \
dimmed. A dash: it has no effect there.
"""
    LEAST = 14

    sides: Sequence[Side] = ()

    def show_sides(self, sides: Sequence[Side]) -> None:
        self.sides = sides
        self.show(differing(sides))

    def columns(self) -> Sequence[ListColumn]:
        widths = [
            max((len(wording.setting(values[i])) for _, values in self.entries), default=1)
            for i in range(len(self.sides))
        ]
        sides = (
            ListColumn(str(i), s.mark, min(11, widths[i]), right=True, drop=len(self.sides) - i)
            for i, s in enumerate(self.sides)
        )
        return (ListColumn("name", "winner", 0), *sides)

    def draw(self, entry: tuple[str, list[object]], key: str, width: int) -> Content:
        name, values = entry
        alike = len(set(map(repr, values))) <= 1
        if key == "name":
            return Content.styled(plain(name), "$dim" if alike else "bold")
        value = values[int(key)]
        missing = name not in self.sides[int(key)].config
        text = "–" if missing else wording.setting(value)
        return Content.styled(text, "$dim" if alike else style_of(int(key)))

    def empty(self) -> Content:
        return Content.styled(" No configuration was scored yet.", "$dim")
