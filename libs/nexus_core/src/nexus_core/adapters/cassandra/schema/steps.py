"""Reads the steps of the schema from the files beside it."""

import hashlib
import re
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct


class Phase(StrEnum):
    """When a step runs, as seen from the release that brings it."""

    PRE = "pre"
    """Before its services start; it only adds."""
    POST = "post"
    """When no service of an earlier release runs any more."""


class Step(Struct, frozen=True):
    """One file of CQL."""

    name: str
    """Folder and file, such as `0001_initial/pre.indexed`; steps run in the order of names."""
    phase: Phase
    statements: tuple[str, ...]
    """Without comments, in the order of the file."""

    @property
    def folder(self) -> str:
        """The step's folder: all its files are of one release."""
        return self.name.partition("/")[0]

    @property
    def checksum(self) -> str:
        """Of the statements alone: another comment or another line break is no other step."""
        text = ";".join(" ".join(statement.split()) for statement in self.statements)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_steps(*, indexed: bool, folder: Traversable | None = None) -> list[Step]:
    """Return the steps for a store with secondary indexes or without, in order.

    All of a phase that stand in one folder are told apart by their variant; `pre` comes before
    `pre.indexed`, and a folder's `post` after both.
    """
    folder = folder or resources.files(__package__).joinpath("cql")
    variants = ("", ".indexed" if indexed else ".unindexed")
    steps = []
    for step in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not re.fullmatch(r"\d{4}_\w+", step.name):
            continue
        for phase in Phase:
            for variant in variants:
                file = step.joinpath(f"{phase}{variant}.cql")
                if file.is_file():
                    statements = split(file.read_text(encoding="utf-8"))
                    steps.append(Step(f"{step.name}/{phase}{variant}", phase, statements))
    return steps


# Quoted text, names in quotes, comments to the end of the line, semicolons, and what is between.
_PIECES = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|;|[^;'\"-]+|.", re.DOTALL)


def split(script: str) -> tuple[str, ...]:
    """Part a script at its semicolons, leaving out its comments."""
    statements = [""]
    for piece in _PIECES.findall(script):
        if piece == ";":
            statements.append("")
        elif not piece.startswith("--"):
            statements[-1] += piece
    return tuple(statement.strip() for statement in statements if statement.strip())
