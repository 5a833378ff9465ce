"""An import hook: run a repair right after (or before) a module of an abandoned library is executed.

Nothing happens until one of the named modules is imported. Everybody who imports it then gets the repaired module,
whoever wrote the import. Modules that are loaded already are repaired when the hook is installed.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.metadata
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["Library", "Repair", "importing", "install", "overlaid"]

DONE = "_repaired_by_course_utils"


@dataclass(frozen=True)
class Repair:
    """What one module needs.

    Args:
        after: changes the module once it is executed
        imports: what `import NAME` gives this module while it is executed: another module, or None where the import
            shall fail with ImportError (the module must cope with that)
    """

    after: Callable[[ModuleType], None] | None = None
    imports: Mapping[str, Callable[[], ModuleType | None]] | None = None


@dataclass(frozen=True)
class Library:
    """A library, the one version its repairs are made for, and the repairs, by module name."""

    name: str
    version: str
    repairs: Mapping[str, Repair]

    def fits(self) -> bool:
        """Say whether the installed version is the repaired one; if not, warn once, in one sentence."""
        found = installed_version(self.name)
        if found != self.version:
            warn_once(
                f"course_utils.augmentation repairs {self.name} {self.version}, but {found or 'an unknown version'} is "
                f"installed and is left as it is: run `python course.py` to get the course's version."
            )
        return found == self.version


@functools.cache
def installed_version(name: str) -> str | None:
    """Look up the version of an installed package; None where its metadata are missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def warn_once(sentence: str) -> None:
    """Warn, once for each sentence in a process."""
    warnings.warn(sentence, stacklevel=2)


def overlaid(module: ModuleType, **changes: Any) -> ModuleType:
    """Copy a module's namespace into a new module and change some names there; the module itself stays as it is."""
    copy = ModuleType(module.__name__, module.__doc__)
    vars(copy).update(vars(module))
    vars(copy).update(changes)
    return copy


@contextmanager
def importing(module: ModuleType, others: Mapping[str, Callable[[], ModuleType | None]]) -> Iterator[None]:
    """Give one module's own import statements other modules, for as long as the context is open.

    Only this module is affected: an import statement calls the `__import__` of its module's `__builtins__`, and this
    module gets its own. sys.modules and other threads do not notice.
    """
    active = True

    def own_import(name: str, *args: Any, **kwargs: Any) -> Any:
        # The module's functions keep these builtins for good: after the context they import as usual.
        top = name.partition(".")[0]
        if not active or top not in others:
            return builtins.__import__(name, *args, **kwargs)
        found = others[top]()
        if found is None:
            raise ImportError(f"{name} is imported when it is first used", name=name)
        return found

    vars(module)["__builtins__"] = {**vars(builtins), "__import__": own_import}
    try:
        yield
    finally:
        active = False
        vars(module)["__builtins__"] = vars(builtins)


class Hook(MetaPathFinder):
    """Finds the modules to repair with the other finders and adds the repair to their loaders."""

    def __init__(self, libraries: Sequence[Library]) -> None:
        self.libraries = {library.name: library for library in libraries}
        self.searching = threading.local()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the module's spec with its repair built in; None for all other modules."""
        library = self.libraries.get(name.partition(".")[0])
        if library is None or getattr(self.searching, "name", None) == name:
            return None
        self.searching.name = name
        try:
            spec = find_elsewhere(self, name, path, target)
        finally:
            self.searching.name = None
        if spec is None or spec.loader is None or not library.fits():
            return spec
        if name == library.name:
            # Python 3.12 and newer complain about `\s` in these libraries' strings when they compile them.
            warnings.filterwarnings("ignore", category=SyntaxWarning, module=rf".*[/\\]{name}[/\\]")
        repair = library.repairs.get(name)
        if repair is not None:
            # Each spec has a loader of its own, so that no other module's loading is changed.
            spec.loader.exec_module = functools.partial(execute, spec.loader.exec_module, repair)  # type: ignore[method-assign]
        return spec

    def repair_loaded(self) -> None:
        """Repair what was imported before the hook was there."""
        for library in self.libraries.values():
            if library.name not in sys.modules or not library.fits():
                continue
            for name, repair in library.repairs.items():
                if name in sys.modules:
                    # import_module waits for a module that another thread is still executing.
                    apply(repair, importlib.import_module(name))


def find_elsewhere(hook: Hook, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    """Ask the finders that come after this one."""
    for finder in sys.meta_path:
        if finder is not hook:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


def execute(run: Callable[[ModuleType], None], repair: Repair, module: ModuleType) -> None:
    """Execute a module the way its loader does, with its repair."""
    vars(module).pop(DONE, None)  # importlib.reload executes in the old namespace
    if repair.imports:
        with importing(module, repair.imports):
            run(module)
    else:
        run(module)
    apply(repair, module)


def apply(repair: Repair, module: ModuleType) -> None:
    """Change a loaded module, once."""
    if repair.after is not None and not vars(module).get(DONE):
        repair.after(module)
        vars(module)[DONE] = True


def install(libraries: Sequence[Library]) -> Hook:
    """Install the hook for these libraries, once in a process, and repair what is loaded.

    Returns:
        the hook that is installed now (an older one is replaced: this module may have been reloaded)
    """
    hook = Hook(libraries)
    for finder in list(sys.meta_path):
        if type(finder).__qualname__ == Hook.__qualname__ and type(finder).__module__ == __name__:
            sys.meta_path.remove(finder)
    sys.meta_path.insert(0, hook)
    hook.repair_loaded()
    return hook
