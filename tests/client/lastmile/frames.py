"""The frames of docs/protocol.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from .batches import deflate, inflate
from .primitives import Reader, Scope, check, listed, read_all, sized, text, uvarint
from .signatures import Receipt, Seal
from .vectors import Entry, Segment, Vector, encode_vector, take_vector

MOST_FRAME = 1_179_648
MOST_UNSURE = 65_536
COMPRESSED, IGNORABLE = 1, 0x80
COMPRESS_FROM = 192


@dataclass
class HelloScope:
    scope: Scope
    digest: bytes
    own_seq: int = 0
    own_hash: bytes = b""
    receipted: int = 0

    def encode(self) -> bytes:
        own = uvarint(self.own_seq) + (self.own_hash + uvarint(self.receipted) if self.own_seq else b"")
        return self.scope.encode() + self.digest + own

    @staticmethod
    def read(reader: Reader) -> HelloScope:
        scope = HelloScope(Scope.read(reader), reader.raw(32), reader.uvarint())
        if scope.own_seq:
            scope.own_hash, scope.receipted = reader.raw(32), reader.uvarint()
        return scope


@dataclass
class Hello:
    deployment: bytes
    author: bytes
    epoch: bytes | None
    scopes: list[HelloScope]
    challenge: bytes | None = None
    app: str = "lastmile-python 1"
    credit: int = 4 << 20
    versions: tuple[int, int] = (1, 1)
    extension: bytes = b""
    late_scopes: bool = False
    type = 1

    def payload(self) -> bytes:
        flags = (self.epoch is not None) | (self.challenge is not None) << 1 | self.late_scopes << 2
        head = uvarint(self.versions[0]) + uvarint(self.versions[1]) + bytes([flags])
        who = self.deployment + self.author + (self.epoch or b"") + (self.challenge or b"")
        scopes = listed(scope.encode() for scope in self.scopes)
        return head + who + text(self.app) + uvarint(self.credit) + scopes + sized(self.extension)

    @staticmethod
    def read(reader: Reader) -> Hello:
        versions, flags = (reader.uvarint(), reader.uvarint()), reader.u8()
        check(flags < 8, "unknown flags of a hello")
        late = bool(flags & 4)
        deployment, author = reader.raw(16), reader.raw(16)
        epoch, challenge = (reader.raw(16) if flags & bit else None for bit in (1, 2))
        app, credit = reader.text(32), reader.uvarint()
        scopes = reader.listed(HelloScope.read, 256)
        check(all(a.scope < b.scope for a, b in zip(scopes, scopes[1:])), "scopes out of order")
        check(not late or (challenge is not None and not scopes), "a hello without need of a second one")
        return Hello(deployment, author, epoch, scopes, challenge, app, credit, versions, reader.sized(4096), late)


@dataclass
class VectorFrame:
    scope: Scope
    vector: Vector
    pending: list[Entry] = field(default_factory=list)
    type = 2

    def payload(self) -> bytes:
        return self.scope.encode() + encode_vector(self.vector) + listed(entry.encode() for entry in self.pending)

    @staticmethod
    def read(reader: Reader) -> VectorFrame:
        return VectorFrame(Scope.read(reader), take_vector(reader, 16_384), reader.listed(Entry.read, 16_384))


@dataclass
class Batch:
    scope: Scope
    author: bytes
    seals: list[Seal]
    packed: bytes
    type = 3

    def payload(self) -> bytes:
        return self.scope.encode() + self.author + listed(seal.encode() for seal in self.seals) + self.packed

    @staticmethod
    def read(reader: Reader) -> Batch:
        return Batch(Scope.read(reader), reader.raw(16), reader.listed(Seal.read, 64), reader.rest())


@dataclass
class Receipts:
    receipts: list[Receipt]
    type = 4

    def payload(self) -> bytes:
        return listed(receipt.encode() for receipt in self.receipts)

    @staticmethod
    def read(reader: Reader) -> Receipts:
        return Receipts(reader.listed(Receipt.read, 256))


@dataclass
class Certificates:
    certificates: list[bytes]
    type = 5

    def payload(self) -> bytes:
        return listed(map(sized, self.certificates))

    @classmethod
    def read(cls, reader: Reader):
        return cls(reader.listed(lambda r: r.sized(4096), 64))


@dataclass
class Positions:
    """A seals frame: positions of a log, for the search of a fork point."""

    scope: Scope
    author: bytes
    positions: list[tuple[int, bytes]]
    type = 6

    def payload(self) -> bytes:
        return self.scope.encode() + self.author + listed(uvarint(seq) + hash for seq, hash in self.positions)

    @staticmethod
    def read(reader: Reader) -> Positions:
        position = lambda r: (r.uvarint(), r.raw(32))  # noqa: E731
        return Positions(Scope.read(reader), reader.raw(16), reader.ascending(position, 1024))


@dataclass
class Want:
    scope: Scope
    segment: Segment
    after: int
    type = 7

    def payload(self) -> bytes:
        return self.scope.encode() + self.segment.encode() + uvarint(self.after)

    @staticmethod
    def read(reader: Reader) -> Want:
        return Want(Scope.read(reader), Segment.read(reader), reader.uvarint())


@dataclass
class Credit:
    bytes: int
    type = 8

    def payload(self) -> bytes:
        return uvarint(self.bytes)

    @staticmethod
    def read(reader: Reader) -> Credit:
        return Credit(reader.uvarint())


@dataclass
class Error:
    code: int
    retry_after: int
    arguments: list[str]
    type = 9

    def payload(self) -> bytes:
        return uvarint(self.code) + uvarint(self.retry_after) + listed(map(text, self.arguments))

    @staticmethod
    def read(reader: Reader) -> Error:
        return Error(reader.uvarint(), reader.uvarint(), reader.listed(lambda r: r.text(128), 8))


@dataclass
class End:
    equal: bool
    more: bool
    handled: int
    type = 10

    def payload(self) -> bytes:
        return bytes([self.equal | self.more << 1]) + uvarint(self.handled)

    @staticmethod
    def read(reader: Reader) -> End:
        flags = reader.u8()
        check(flags < 4, "unknown flags of an end")
        return End(bool(flags & 1), bool(flags & 2), reader.uvarint())


@dataclass
class Auth:
    time: int
    nonce: bytes
    signature: bytes
    type = 11

    def payload(self) -> bytes:
        return uvarint(self.time) + self.nonce + self.signature

    @staticmethod
    def read(reader: Reader) -> Auth:
        return Auth(reader.uvarint(), reader.raw(16), reader.raw(64))


@dataclass
class Enrol:
    token: bytes
    public: bytes
    label: str
    type = 12

    def payload(self) -> bytes:
        return self.token + self.public + text(self.label)

    @staticmethod
    def read(reader: Reader) -> Enrol:
        return Enrol(reader.raw(16), reader.raw(32), reader.text(64))


class Enrolled(Certificates):
    type = 13


@dataclass
class Files:
    scope: Scope
    hashes: list[bytes]
    type = 14

    def payload(self) -> bytes:
        return self.scope.encode() + listed(self.hashes)

    @staticmethod
    def read(reader: Reader) -> Files:
        return Files(Scope.read(reader), reader.listed(lambda r: r.raw(32), 256))


@dataclass
class HeldFile:
    """What is held of a file: None nothing known, a number so many bytes, bytes the relay's signature that it is whole."""

    hash: bytes
    state: int | bytes | None

    def encode(self) -> bytes:
        if self.state is None:
            return self.hash + b"\0"
        if isinstance(self.state, int):
            return self.hash + b"\1" + uvarint(self.state)
        return self.hash + b"\2" + self.state

    @staticmethod
    def read(reader: Reader) -> HeldFile:
        hash, state = reader.raw(32), reader.u8()
        check(state < 3, "unknown state of a file")
        return HeldFile(hash, (None, reader.uvarint, lambda: reader.raw(64))[state]() if state else None)


@dataclass
class Held:
    scope: Scope
    files: list[HeldFile]
    type = 15

    def payload(self) -> bytes:
        return self.scope.encode() + listed(file.encode() for file in self.files)

    @staticmethod
    def read(reader: Reader) -> Held:
        return Held(Scope.read(reader), reader.listed(HeldFile.read, 256))


@dataclass
class Piece:
    scope: Scope
    hash: bytes
    size: int
    offset: int
    data: bytes
    type = 16

    def payload(self) -> bytes:
        return self.scope.encode() + self.hash + uvarint(self.size) + uvarint(self.offset) + self.data

    @staticmethod
    def read(reader: Reader) -> Piece:
        piece = Piece(Scope.read(reader), reader.raw(32), reader.uvarint(), reader.uvarint(), reader.rest())
        check(len(piece.data) <= 262_144, "too many bytes of a file")
        check(piece.offset + len(piece.data) <= piece.size <= 2_097_152, "a piece beyond its file")
        return piece


@dataclass
class Fetch:
    scope: Scope
    hash: bytes
    offset: int
    limit: int
    type = 17

    def payload(self) -> bytes:
        return self.scope.encode() + self.hash + uvarint(self.offset) + uvarint(self.limit)

    @staticmethod
    def read(reader: Reader) -> Fetch:
        return Fetch(Scope.read(reader), reader.raw(32), reader.uvarint(), reader.uvarint())


@dataclass
class Unknown:
    """A frame that this version may skip."""

    type: int
    data: bytes

    def payload(self) -> bytes:
        return self.data


KNOWN: dict[int, Callable[[Reader], Any]] = {
    kind.type: kind.read  # type: ignore[attr-defined]
    for kind in (
        Hello,
        VectorFrame,
        Batch,
        Receipts,
        Certificates,
        Positions,
        Want,
        Credit,
        Error,
        End,
        Auth,
        Enrol,
        Enrolled,
        Files,
        Held,
        Piece,
        Fetch,
    )
}


def write(frame: Any) -> bytes:
    payload, flags = frame.payload(), IGNORABLE if isinstance(frame, Unknown) else 0
    if len(payload) >= COMPRESS_FROM and not isinstance(frame, (Batch, Piece)):
        small = deflate(payload, checksum=False)
        if len(payload) - len(small) >= len(payload) / 16:
            payload, flags = small, flags | COMPRESSED
    check(len(payload) + 2 <= MOST_FRAME, "frame too large")
    return sized(bytes([frame.type, flags]) + payload)


def parse(data: bytes, most: int = MOST_FRAME) -> Any:
    """One frame without its length prefix."""
    check(len(data) >= 2, "frame too short")
    kind, flags, payload = data[0], data[1], data[2:]
    if kind not in KNOWN:
        check(flags & IGNORABLE != 0, f"unknown frame {kind}")
        return Unknown(kind, payload)
    check(flags & ~COMPRESSED == 0, "unknown flags of a frame")
    if flags:
        check(kind != Batch.type, "a batch is compressed in itself")
        payload = inflate(payload, most)
    return read_all(payload, KNOWN[kind])


class Splitter:
    """Cuts a stream of bytes into frames; what is not complete yet stays."""

    def __init__(self, most: int = MOST_FRAME):
        self.most, self.held = most, b""

    def feed(self, data: bytes) -> list[bytes]:
        """Whole frames, each with its length prefix."""
        self.held += data
        frames = []
        while (size := self._size()) is not None and len(self.held) >= size:
            frames.append(self.held[:size])
            self.held = self.held[size:]
        return frames

    def _size(self) -> int | None:
        if not any(byte < 0x80 for byte in self.held[:4]):
            check(len(self.held) < 4, "length of a frame too long")
            return None
        reader = Reader(self.held)
        length = reader.uvarint(self.most)
        return reader.at + length


def split(data: bytes) -> list[bytes]:
    """The whole frames of a body; a frame that was cut is left out."""
    return Splitter().feed(data)


def unprefixed(frame: bytes) -> bytes:
    reader = Reader(frame)
    reader.uvarint()
    return reader.rest()


def read_frames(data: bytes) -> list[Any]:
    return [parse(unprefixed(frame)) for frame in split(data)]
