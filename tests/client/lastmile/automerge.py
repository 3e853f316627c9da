"""Automerge change chunks by hand, from the public binary format: flat documents of scalars are all that records need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, NamedTuple

from .primitives import FormatError, Reader, check, sha256, sized, uvarint

MAGIC = bytes.fromhex("856f4a83")
SET, DELETE = 1, 3
# Column ids: id << 4 | type.
KEY_ACTOR, KEY_COUNTER, KEY_STRING = 0x11, 0x13, 0x15
INSERT, ACTION, VALUE_META, VALUE = 0x34, 0x42, 0x56, 0x57
PRED_COUNT, PRED_ACTOR, PRED_COUNTER = 0x70, 0x71, 0x73


class Instant(int):
    """Milliseconds since 1970 UTC, Automerge's timestamp."""


class Unsigned(int):
    """Automerge's unsigned number; a plain int is its signed one."""


class OpId(NamedTuple):
    """Orders as operations do: by counter, then by actor."""

    counter: int
    actor: bytes


@dataclass
class Operation:
    key: str
    value: Any = None
    preds: list[OpId] = field(default_factory=list)
    action: int = SET


@dataclass
class ChangeBody:
    """What a change chunk says. `time` is in seconds since 1970; `extra` are the bytes behind the columns."""

    actor: bytes
    seq: int
    start_op: int
    operations: list[Operation]
    deps: list[bytes] = field(default_factory=list)
    time: int = 0
    message: str = ""
    extra: bytes = b""

    def encode(self) -> bytes:
        """The whole chunk, with magic, checksum, type and length."""
        others = sorted({p.actor for op in self.operations for p in op.preds} - {self.actor})
        index = {actor: at for at, actor in enumerate([self.actor, *others])}
        columns = _write_columns(self.operations, index)
        body = uvarint(len(self.deps)) + b"".join(self.deps) + sized(self.actor)
        body += uvarint(self.seq) + uvarint(self.start_op) + sleb(self.time) + sized(self.message.encode())
        body += uvarint(len(others)) + b"".join(sized(actor) for actor in others)
        body += uvarint(len(columns))
        body += b"".join(uvarint(spec) + uvarint(len(data)) for spec, data in columns)
        return chunk(body + b"".join(data for _, data in columns) + self.extra)


def chunk(body: bytes) -> bytes:
    hashed = b"\x01" + sized(body)
    return MAGIC + sha256(hashed)[:4] + hashed


def chunk_body(data: bytes) -> bytes | None:
    """The body of a change chunk in its one proper form, or nothing."""
    if data[:4] != MAGIC or data[8:9] != b"\x01" or sha256(data[8:])[:4] != data[4:8]:
        return None
    reader = Reader(data[9:])
    try:
        body = reader.sized(len(data))
        reader.end()
        return body
    except FormatError:
        return None


def sleb(number: int) -> bytes:
    out = bytearray()
    while not -64 <= number < 64:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number & 0x7F)
    return bytes(out)


def read_sleb(reader: Reader) -> int:
    """A signed number in LEB128, shortest form."""
    begun = reader.at
    number = shift = 0
    while True:
        byte = reader.u8()
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        check(shift < 70, "number too long")
    if byte & 0x40:
        number -= 1 << shift
    check(sleb(number) == reader.data[begun : reader.at], "number not in its shortest form")
    return number


def rle(values: Iterable[Any], encode) -> bytes:
    """Run lengths: a positive count repeats a value, a negative one precedes single values, 0 a count of nulls."""
    runs: list[list[Any]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    if all(value is None for value, _ in runs):
        return b""
    out, single = b"", []

    def flush() -> bytes:
        written = sleb(-len(single)) + b"".join(map(encode, single)) if single else b""
        single.clear()
        return written

    for value, count in runs:
        if value is not None and count == 1:
            single.append(value)
            continue
        out += flush()
        out += b"\x00" + uvarint(count) if value is None else sleb(count) + encode(value)
    return out + flush()


def read_rle(data: bytes, item, most: int) -> list[Any]:
    reader, values = Reader(data), []
    while reader.left():
        count = read_sleb(reader)
        check(abs(count) <= most, "too many rows")
        if count > 0:
            values += [item(reader)] * count
        elif count < 0:
            values += [item(reader) for _ in range(-count)]
        else:
            values += [None] * reader.uvarint(most)
        check(len(values) <= most, "too many rows")
    return values


def deltas(values: Iterable[int]) -> list[int]:
    values = list(values)
    return [b - a for a, b in zip([0, *values], values)]


def _booleans(values: Iterable[bool]) -> bytes:
    counts, now = [0], False
    for value in values:
        if value != now:
            counts.append(0)
            now = value
        counts[-1] += 1
    return b"".join(map(uvarint, counts))


def _value(value: Any) -> tuple[int, bytes]:
    """Type number and bytes of a scalar."""
    if value is None:
        return 0, b""
    if value is False or value is True:
        return (2 if value else 1), b""
    if isinstance(value, Unsigned):
        return 3, uvarint(value)
    if isinstance(value, Instant):
        return 9, sleb(value)
    if isinstance(value, int):
        return 4, sleb(value)
    if isinstance(value, str):
        return 6, value.encode()
    if isinstance(value, bytes):
        return 7, value
    raise FormatError("no scalar that records use")


def _read_value(kind: int, data: bytes) -> Any:
    reader = Reader(data)
    if kind <= 2:
        value = [None, False, True][kind]
    elif kind == 3:
        value = Unsigned(reader.uvarint())
    elif kind == 4:
        value = read_sleb(reader)
    elif kind == 6:
        value = reader.rest().decode()
    elif kind == 7:
        value = reader.rest()
    elif kind == 9:
        value = Instant(read_sleb(reader))
    else:
        raise FormatError("no scalar that records use")
    reader.end()
    return value


def _write_columns(operations: list[Operation], index: dict[bytes, int]) -> list[tuple[int, bytes]]:
    values = [_value(op.value) for op in operations]
    preds = [pred for op in operations for pred in sorted(op.preds)]
    columns = [
        (KEY_STRING, rle((op.key for op in operations), lambda key: sized(key.encode()))),
        (INSERT, _booleans(False for _ in operations)),
        (ACTION, rle((op.action for op in operations), uvarint)),
        (VALUE_META, rle((len(data) << 4 | kind for kind, data in values), uvarint)),
        (VALUE, b"".join(data for _, data in values)),
        (PRED_COUNT, rle((len(op.preds) for op in operations), uvarint)),
        (PRED_ACTOR, rle((index[pred.actor] for pred in preds), uvarint)),
        (PRED_COUNTER, rle(deltas(pred.counter for pred in preds), sleb)),
    ]
    return [(spec, data) for spec, data in columns if data]


def read_head(body: bytes, most_rows: int = 256):
    """The parts before the operations, without judging who wrote them: body so far, other actors, columns."""
    reader = Reader(body)
    deps = reader.listed(lambda r: r.raw(32), len(body))
    actor = reader.sized(len(body))
    seq, start_op, time = reader.uvarint(), reader.uvarint(), read_sleb(reader)
    message = reader.text(len(body))
    others = reader.listed(lambda r: r.sized(len(body)), len(body))
    specs = reader.listed(lambda r: (r.uvarint(), r.uvarint()), len(body))
    columns = [(spec, reader.raw(size)) for spec, size in specs]
    head = ChangeBody(actor, seq, start_op, [], deps, time, message, reader.rest())
    return head, others, columns


def decode(data: bytes) -> ChangeBody:
    """Reads a chunk and refuses whatever `ChangeBody.encode` would not have written."""
    body = chunk_body(data)
    check(body is not None, "not a change chunk")
    head, others, columns = read_head(body)
    held = dict(columns)
    actors = [head.actor, *others]

    def column(spec: int, item) -> list[Any]:
        return read_rle(held.get(spec, b""), item, 4096)

    actions = column(ACTION, Reader.uvarint)
    keys = column(KEY_STRING, lambda r: r.text(65536))
    metas = column(VALUE_META, Reader.uvarint)
    counts = column(PRED_COUNT, Reader.uvarint)
    pred_actors, steps = column(PRED_ACTOR, Reader.uvarint), column(PRED_COUNTER, read_sleb)
    check(len(keys) == len(metas) == len(counts) == len(actions), "columns differ in length")
    raw, preds, counter = Reader(held.get(VALUE, b"")), [], 0
    for at, step in zip(pred_actors, steps):
        counter += step
        check(at < len(actors), "unknown actor")
        preds.append(OpId(counter, actors[at]))
    for key, meta, count, action in zip(keys, metas, counts, actions):
        value = _read_value(meta & 15, raw.raw(meta >> 4))
        head.operations.append(Operation(key, value, preds[:count], action))
        del preds[:count]
    check(head.encode() == data, "not in its canonical form")
    return head
