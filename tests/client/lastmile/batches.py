"""Packed batches: runs of consecutive commits, as they are sent, stored and served."""

from __future__ import annotations

from dataclasses import dataclass

import zstandard

from .automerge import ACTION, chunk, chunk_body, read_head, read_rle
from .commits import Change, Commit, body_hash
from .primitives import ZERO_HASH, FormatError, Reader, Scope, check, ivarint, listed, read_all, sized, text, uvarint

MOST_INFLATED = 4 << 20
PLAIN, CHUNK, OPAQUE, STUB = range(4)
PERSON, SAME_PERSON, SAME_APP, SAME_SCHEMA, EXTENDED = 1, 2, 4, 8, 16


def inflate(data: bytes, most: int) -> bytes:
    """One zstd frame that states its size, and nothing behind it."""
    try:
        head = zstandard.get_frame_parameters(data)
        check(head.content_size <= most and head.dict_id == 0, "inflates to too much, or does not say to what")
        out = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError("not one zstd frame") from error
    check(len(out) == head.content_size, "inflates to another size")
    return out


def deflate(data: bytes, checksum: bool) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=checksum, write_content_size=True).compress(data)


def pack(commits: list[Commit]) -> bytes:
    return deflate(lay_out(commits), checksum=True)


def unpack(data: bytes) -> list[Commit]:
    return read_all(inflate(data, MOST_INFLATED), read_batch)


@dataclass
class _Before:
    """What a commit's head is told against."""

    person: bytes | None = None
    schema: int = 0
    app: str = ""
    milliseconds: int = 0


def lay_out(commits: list[Commit]) -> bytes:
    """The batch before compression."""
    first, before, types = commits[0], _Before(), {}
    heads, bodies = bytearray(), bytearray()
    for commit in commits:
        heads += _commit_head(commit, before)
        for change in commit.changes:
            known = change.record_type in types
            heads += uvarint(types.setdefault(change.record_type, len(types)))
            heads += b"" if known else text(change.record_type)
            head, body = _change(change, commit.author)
            heads, bodies = heads + head, bodies + body
    out = b"\x01" + first.scope.encode() + first.author + uvarint(first.seq) + first.previous
    return out + uvarint(len(commits)) + sized(bytes(heads)) + bytes(bodies)


def _commit_head(commit: Commit, before: _Before) -> bytes:
    flags, out = 0, b""
    if commit.acting is not None:
        flags |= PERSON | (SAME_PERSON if commit.acting == before.person else 0)
        out += b"" if flags & SAME_PERSON else commit.acting
        before.person = commit.acting
    if commit.schema == before.schema:
        flags |= SAME_SCHEMA
    else:
        out += uvarint(commit.schema)
    milliseconds, counter = divmod(commit.clock, 1 << 16)
    out += ivarint(milliseconds - before.milliseconds) + uvarint(counter)
    out += ivarint(_wrapped(commit.wall - milliseconds))
    if commit.app == before.app:
        flags |= SAME_APP
    else:
        out += text(commit.app)
    if commit.extension:
        flags |= EXTENDED
        out += sized(commit.extension)
    before.schema, before.app, before.milliseconds = commit.schema, commit.app, milliseconds
    return bytes([flags]) + out + uvarint(len(commit.changes))


def _wrapped(number: int) -> int:
    """A number modulo 2^64 as a signed one."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def claims(change: Change) -> bytes:
    return listed(change.deps) + uvarint(change.actor_seq) + uvarint(change.start_op) + uvarint(change.count)


def _change(change: Change, author: bytes) -> tuple[bytes, bytes]:
    if change.data is None:
        return bytes([STUB]) + claims(change), change.record + change.hash
    body = chunk_body(change.data)
    if body is None:
        form, body = OPAQUE, change.data
    else:
        form = PLAIN if len(change.data) <= 65536 and _plain(body, author) == claims(change) else CHUNK
    place = body.find(change.record) + 1
    head = bytes([form]) + (b"" if form == PLAIN else claims(change)) + uvarint(len(body)) + uvarint(place)
    return head, (b"" if place else change.record) + body


def _plain(body: bytes, author: bytes) -> bytes | None:
    """The claims that a plain change's body makes, where it is plain."""
    try:
        head, others, columns = read_head(body)
        specs = [spec for spec, _ in columns]
        check(all(a < b for a, b in zip(specs, specs[1:])), "columns out of order")
        check(all(data and not spec & 8 for spec, data in columns), "columns empty or deflated")
        check(all(a < b for a, b in zip(head.deps, head.deps[1:])), "dependencies")
        check(head.actor == author and all(len(other) == 16 for other in others), "actors")
        check(0 < head.seq < 1 << 40 and 0 < head.start_op < 1 << 40, "numbers")
        rows = len(read_rle(dict(columns).get(ACTION, b""), Reader.uvarint, 256))
        check(rows > 0, "rows")
    except FormatError:
        return None
    return listed(head.deps) + uvarint(head.seq) + uvarint(head.start_op) + uvarint(rows)


def read_batch(reader: Reader) -> list[Commit]:
    check(reader.u8() == 1, "unknown version of a batch")
    scope, author = Scope.read(reader), reader.raw(16)
    seq, previous = reader.uvarint((1 << 64) - 2), reader.raw(32)
    check(seq > 0 and (seq == 1) == (previous == ZERO_HASH), "bad beginning")
    count = reader.uvarint(4096)
    check(count > 0, "no commit")
    heads, before, types, commits = Reader(reader.sized(MOST_INFLATED)), _Before(), [], []
    for _ in range(count):
        commit = _read_commit(heads, reader, before, types, (scope, author, seq, previous))
        check(commit.size() <= 1 << 20, "commit too large")
        commits.append(commit)
        seq, previous = seq + 1, commit.hash
    heads.end()
    check(sum(len(commit.changes) for commit in commits) <= 8192, "too many changes")
    return commits


def _read_commit(heads: Reader, bodies: Reader, before: _Before, types: list[str], place) -> Commit:
    flags = heads.u8()
    check(flags < 32 and flags & 3 != SAME_PERSON, "unknown flags")
    acting = None
    if flags & PERSON:
        acting = before.person if flags & SAME_PERSON else heads.raw(16)
        check(acting is not None and (acting != before.person or flags & SAME_PERSON != 0), "bad person")
        before.person = acting
    schema = before.schema if flags & SAME_SCHEMA else heads.uvarint((1 << 32) - 1)
    check(flags & SAME_SCHEMA != 0 or schema != before.schema, "schema said twice")
    milliseconds = before.milliseconds + heads.ivarint()
    check(0 <= milliseconds < 1 << 48, "clock out of range")
    clock = milliseconds << 16 | heads.uvarint(0xFFFF)
    wall = _wrapped(milliseconds + heads.ivarint())
    app = before.app if flags & SAME_APP else heads.text(32)
    check(flags & SAME_APP != 0 or app != before.app, "app version said twice")
    extension = heads.sized(4096) if flags & EXTENDED else b""
    check(flags & EXTENDED == 0 or extension != b"", "empty extension")
    before.schema, before.app, before.milliseconds = schema, app, milliseconds
    author = place[1]
    changes = heads.listed(lambda r: _read_change(r, bodies, types, author), 256, 1)
    return Commit(*place, acting, schema, clock, wall, app, changes, extension)


def _read_change(heads: Reader, bodies: Reader, types: list[str], author: bytes) -> Change:
    number = heads.uvarint(255)
    check(number <= len(types), "types are numbered as they come")
    if number == len(types):
        name = heads.text(32, 1)
        check(name not in types, "type named twice")
        types.append(name)
    form = heads.u8()
    check(form <= STUB, "unknown form")
    said = None if form == PLAIN else _read_claims(heads)
    if form == STUB:
        return Change(types[number], bodies.raw(16), bodies.raw(32), *said, None)
    length, place = heads.uvarint(MOST_INFLATED), heads.uvarint(MOST_INFLATED)
    record = bodies.raw(16) if place == 0 else b""
    body = bodies.raw(length)
    if place:
        record = body[place - 1 : place + 15]
        check(len(record) == 16, "the record's place is beyond its body")
    data = body if form == OPAQUE else chunk(body)
    if form == PLAIN:
        plain = _plain(body, author)
        check(plain is not None, "not plain")
        said = read_all(plain, _read_claims)
    return Change(types[number], record, body_hash(data), *said, data)


def _read_claims(reader: Reader):
    deps = reader.ascending(lambda r: r.raw(32), 256)
    seq, start, count = reader.uvarint((1 << 40) - 1), reader.uvarint((1 << 40) - 1), reader.uvarint(256)
    check(seq > 0 and start > 0 and count > 0, "claims out of range")
    return deps, seq, start, count
