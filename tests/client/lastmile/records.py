"""Records: flat documents of fields, sets and events, as schema/records describes them."""

from __future__ import annotations

import hashlib
import os
import tomllib
import uuid
from pathlib import Path
from typing import Any, Iterable

from .automerge import DELETE, ChangeBody, Instant, Operation, OpId, decode
from .commits import Change
from .primitives import check

SCHEMA = Path(__file__).parents[3] / "schema" / "records"
SCHEMA_VERSION = 1
NAMESPACE = uuid.UUID("731f6f20-6c9b-4fb2-baf8-dcf8a8f79a67")


def record_type(name: str) -> dict[str, Any]:
    return tomllib.loads((SCHEMA / f"{name}.toml").read_text())


def uuid7(now: int) -> bytes:
    random = bytearray(os.urandom(10))
    random[0] = random[0] & 0x0F | 0x70
    random[2] = random[2] & 0x3F | 0x80
    return now.to_bytes(6, "big") + bytes(random)


def derived_id(name: str, values: Iterable[Any]) -> bytes:
    """The id that follows from the fields that the type's `id` names, in that order."""
    text = name.encode() + b"\0"
    for value in values:
        kind, data = 1, value
        if isinstance(value, str):
            kind, data = 3, value.encode()
        elif isinstance(value, int):
            kind, data = 2, value.to_bytes(8, "big", signed=True)
        text += bytes([kind]) + len(data).to_bytes(2, "big") + data
    hashed = bytearray(hashlib.sha1(NAMESPACE.bytes + text).digest()[:16])
    hashed[6] = hashed[6] & 0x0F | 0x50
    hashed[8] = hashed[8] & 0x3F | 0x80
    return bytes(hashed)


def event(kind: str, now: int, by: bytes | None = None, **parts: Any) -> dict[str, Any]:
    """The keys of one event, under an id of its own; `by` is the person who acts, where one does."""
    place = f"ev/{uuid7(now).hex()}/"
    said = {"kind": kind, "at": Instant(now), "by": by, **parts}
    return {place + part: value for part, value in said.items() if value is not None}


def _change(spec: dict[str, Any], author: bytes, seq: int, start: int, now: int, deps: list[bytes], ops) -> ChangeBody:
    salt = b"\x53" + os.urandom(16) if spec.get("salted") else b""
    return ChangeBody(author, seq, start, ops, sorted(deps), now // 1000, "", salt)


def first_change(
    name: str, record: bytes, place: str, author: bytes, now: int, values: dict[str, Any], by: bytes | None = None
) -> ChangeBody:
    """A new record: the common fields, then its own."""
    spec = record_type(name)
    required = {field["name"] for field in spec["fields"] if field.get("required") and field["merge"] != "E"}
    missing = required - {key.split("/")[0] for key in values}
    check(not missing, f"required: {missing}")
    common = {
        "id": record, "type": name, "schema_v": SCHEMA_VERSION, "place_code": place,
        "created_at": Instant(now), "created_by": by, "device": author,
    }  # fmt: skip
    said = {key: value for key, value in common.items() if value is not None} | values
    return _change(spec, author, 1, 1, now, [], [Operation(key, value) for key, value in said.items()])


class Document:
    """What a record's changes come to: per key the values that no later operation replaced."""

    def __init__(self, name: str, changes: Iterable[Change] = ()):
        self.spec = record_type(name)
        self.keys: dict[str, dict[OpId, Any]] = {}
        self.heads: set[bytes] = set()
        self.last: dict[bytes, int] = {}
        self.top = 0
        waiting, seen = list(changes), set()
        while waiting:
            ready = [change for change in waiting if seen.issuperset(change.deps)]
            check(bool(ready), "a change lacks its dependencies")
            for change in ready:
                self._apply(change)
                seen.add(change.hash)
            waiting = [change for change in waiting if change.hash not in seen]

    def _apply(self, change: Change) -> None:
        body = decode(change.data or b"")
        said = body.deps, body.seq, body.start_op, len(body.operations)
        check(
            said == (change.deps, change.actor_seq, change.start_op, change.count), "the commit claims something else"
        )
        for offset, op in enumerate(body.operations):
            held = self.keys.setdefault(op.key, {})
            for pred in op.preds:
                held.pop(pred, None)
            if op.action == 1:
                held[OpId(body.start_op + offset, body.actor)] = op.value
        self.heads = self.heads - set(change.deps) | {change.hash}
        self.last[body.actor] = max(body.seq, self.last.get(body.actor, 0))
        self.top = max(self.top, body.start_op + len(body.operations) - 1)

    def values(self) -> dict[str, Any]:
        """One value a key: R shows the highest operation's, the others that of the lowest."""
        letters = {field["name"]: field["merge"] for field in self.spec["fields"]}
        out = {}
        for key, held in self.keys.items():
            if held:
                out[key] = held[max(held) if letters.get(key) == "R" else min(held)]
        return out

    def edit(self, author: bytes, now: int, values: dict[str, Any], remove: Iterable[str] = ()) -> ChangeBody:
        """A change on top of all that is held."""
        ops = [Operation(key, value, sorted(self.keys.get(key, {}))) for key, value in values.items()]
        ops += [Operation(key, None, sorted(self.keys[key]), DELETE) for key in remove]
        seq = self.last.get(author, 0) + 1
        return _change(self.spec, author, seq, self.top + 1, now, list(self.heads), ops)
