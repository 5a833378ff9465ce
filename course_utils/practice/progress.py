"""The learner's own record: what was predicted, tried and answered, kept between sessions.

One small SQLite file in the user's data folder. Each record is one committed transaction, so that two notebooks may
write at once and a killed kernel loses nothing. `COURSE_PROGRESS=off` turns it off; `COURSE_HOME` moves the folder.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from course_utils.environment import course_home

_SCHEMA = "CREATE TABLE IF NOT EXISTS record (time REAL, kind TEXT, item TEXT, value TEXT)"
_WAIT_SECONDS = 5.0

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One thing the learner did.

    Attributes:
        time: seconds since 1970, UTC.
        kind: ``"exercise"``, ``"prediction"`` or ``"quiz"``.
        item: such as ``"01.2"``.
        value: a verdict, a predicted choice, a quiz answer.
    """

    time: float
    kind: str
    item: str
    value: str


class Progress:
    """The record of one learner.

    Args:
        path: the file, or None to keep the record in memory only, for as long as this object lives.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        #: What is wrong with the file, as a sentence for the learner; empty while all is well.
        self.problem = ""
        #: What could not be stored yet; the next record that can be stored takes it along.
        self._waiting: list[Record] = []

    def add(self, kind: str, item: str, value: str) -> None:
        """Store one record. A file that cannot be written never stops the lesson: see `problem`."""
        self._waiting.append(Record(time.time(), kind, item, value))
        self._reach(self._store)

    def records(self, kind: str) -> list[Record]:
        """All records of one kind, oldest first; those that could not be stored are included."""

        def read(connection: sqlite3.Connection) -> list[Record]:
            rows = connection.execute("SELECT * FROM record WHERE kind = ? ORDER BY time, rowid", (kind,))
            return [Record(*row) for row in rows]

        stored = self._reach(read) or []
        return stored + [record for record in self._waiting if record.kind == kind]

    def latest(self, kind: str) -> dict[str, Record]:
        """The newest record of each item of one kind."""
        return {record.item: record for record in self.records(kind)}

    def _store(self, connection: sqlite3.Connection) -> None:
        rows = [(record.time, record.kind, record.item, record.value) for record in self._waiting]
        with connection:  # one transaction: all of them or none
            connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
        self._waiting.clear()

    def _reach(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do some work on the file; None when there is no file or it cannot be used."""
        if self.path is None:
            return None
        self.problem = ""
        for _ in range(2):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as connection:
                    connection.execute(_SCHEMA)
                    return work(connection)
            except (OSError, sqlite3.Error) as error:
                if not (_is_damaged(error) and self._move_away()):
                    self.problem = (
                        f"Your progress cannot be kept in {self.path} ({error}), only until this kernel stops: "
                        "make room there or make it writable, or set COURSE_HOME to another folder."
                    )
                    return None
        return None

    def _move_away(self) -> bool:
        """Keep a damaged file under another name, so that a new one can begin; False if that fails."""
        assert self.path is not None
        kept = self.path.with_name(f"{self.path.stem}-damaged-{time.time_ns()}{self.path.suffix}")
        try:
            self.path.replace(kept)
        except OSError:
            return False
        self.problem = f"Your progress file was damaged: it is kept as {kept.name}, and a new one has begun."
        return True


def _is_damaged(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def mine() -> Progress:
    """The record of whoever runs this kernel, as the environment says."""
    off = os.environ.get("COURSE_PROGRESS", "").strip().lower() == "off"
    return _opened(None if off else course_home() / "progress.sqlite")


@cache
def _opened(path: Path | None) -> Progress:
    """One object a file, so that what cannot be stored is remembered as long as the kernel runs."""
    return Progress(path)
