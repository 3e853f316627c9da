"""Commits: what one save made, chained by hash."""

from __future__ import annotations

from dataclasses import dataclass, field

from .automerge import MAGIC
from .primitives import Scope, ivarint, listed, sha256, sized, text, uvarint


def body_hash(data: bytes) -> bytes:
    """The hash by which a commit names the bytes of a change."""
    hashed = sha256(data[8:])
    if data[:4] == MAGIC and data[8:9] == b"\x01" and data[4:8] == hashed[:4]:
        return hashed
    return sha256(b"\0lastmile opaque change\0", data)


@dataclass
class Change:
    """One change of a commit; without `data` it is a stub."""

    record_type: str
    record: bytes
    hash: bytes
    deps: list[bytes]
    actor_seq: int
    start_op: int
    count: int
    data: bytes | None

    def encode(self) -> bytes:
        return (
            text(self.record_type) + self.record + self.hash + listed(self.deps)
            + uvarint(self.actor_seq) + uvarint(self.start_op) + uvarint(self.count)
        )  # fmt: skip


@dataclass
class Commit:
    scope: Scope
    author: bytes
    seq: int
    previous: bytes
    acting: bytes | None
    schema: int
    clock: int
    wall: int
    app: str
    changes: list[Change]
    extension: bytes = b""
    hash: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.hash = sha256(self.hashed())

    def hashed(self) -> bytes:
        """What the chain hash is the hash of."""
        acting = b"\0" if self.acting is None else b"\x01" + self.acting
        return (
            b"lastmile commit\0\x01" + self.scope.encode() + self.author + uvarint(self.seq) + self.previous + acting
            + uvarint(self.schema) + uvarint(self.clock) + ivarint(self.wall) + text(self.app) + sized(self.extension)
            + listed(change.encode() for change in self.changes)
        )  # fmt: skip

    def size(self) -> int:
        return len(self.hashed()) - 16 + sum(len(change.data or b"") for change in self.changes)
