"""Which GGUF files there are, and which of them a name means. Loads nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from hyperllama.models.errors import ModelFileError
from hyperllama.models.gguf.folders import named_files, usual_folders
from hyperllama.models.gguf.metadata import ModelFile, read_metadata
from hyperllama.models.paths import EMBEDDED, EMBEDDED_ORDER


def resolve_model(name: str | Path) -> Path:
    """The file that `name` means.

    `name` is "embedded" (the preferred embedded model), "embedded-1m" and the like, a path, or the
    name of a file in one of the usual folders: its stem, or "model:tag" as Ollama calls it.

    Raises:
        ModelFileError: nothing is called so; the hint has names that are close.
    """
    text = str(name)
    path = Path(text).expanduser()
    if text == "embedded" or text.startswith("embedded-"):
        return _embedded(text)
    if path.is_file():
        return path.resolve()
    if path.suffix == ".gguf" and path.parent != Path():
        raise ModelFileError(f"{path} does not exist", "`hyperllama models` lists what there is")
    wanted = text.removesuffix(".gguf").casefold()
    known = dict(named_files(usual_folders(EMBEDDED)))
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    close += [k for k in known if wanted in k and k not in close][:3]
    named = [known[k].stem if known[k].stem.casefold() == k else k for k in close]
    raise ModelFileError(
        f"no model is called {text!r}",
        f"did you mean {', '.join(named)}?" if close
        else 'give the path of a .gguf file, or "embedded"; `hyperllama models` lists the others',
    )  # fmt: skip


def find_models(folders: Iterable[Path] | None = None) -> list[ModelFile]:
    """Every GGUF model below `folders` (the usual ones if None), broken ones with a `problem`."""
    found: dict[Path, ModelFile] = {}
    for name, path in named_files(usual_folders(EMBEDDED) if folders is None else folders):
        if path not in found:
            try:
                found[path] = read_metadata(path)
            except ModelFileError as e:
                problem = e.message.removeprefix(f"{path}: ")
                found[path] = ModelFile(path, name, "", 0, "", _size(path), problem=problem)
    return list(found.values())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _embedded(name: str) -> Path:
    files = {p.stem.removeprefix("hyperllama-"): p for p in sorted(EMBEDDED.glob("*.gguf"))}
    if not files:
        raise ModelFileError(
            "this installation has no embedded model", "give the path of a .gguf file"
        )
    if name == "embedded":
        return next((files[s] for s in EMBEDDED_ORDER if s in files), next(iter(files.values())))
    size = name.removeprefix("embedded-")
    if size not in files:
        allowed = ", ".join(["embedded", *(f"embedded-{s}" for s in files)])
        raise ModelFileError(f"no embedded model is called {name!r}", f"there are: {allowed}")
    return files[size]
