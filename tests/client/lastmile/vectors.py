"""Version vectors: what a replica holds of a scope under seals, and the digest of that."""

from __future__ import annotations

from typing import NamedTuple

from .primitives import ZERO_HASH, Reader, check, listed, read_all, sha256, uvarint


class Segment(NamedTuple):
    """An author's trunk, with start 0, or a branch, named by its first commit. Orders as vectors do."""

    author: bytes
    start: int = 0
    first: bytes = ZERO_HASH

    def encode(self) -> bytes:
        return self.author + uvarint(self.start) + (self.first if self.start else b"")

    @staticmethod
    def read(reader: Reader) -> Segment:
        author, start = reader.raw(16), reader.uvarint((1 << 64) - 2)
        return Segment(author, start, reader.raw(32) if start else ZERO_HASH)


class Entry(NamedTuple):
    segment: Segment
    seq: int
    hash: bytes

    def encode(self) -> bytes:
        return self.segment.encode() + uvarint(self.seq) + self.hash

    @staticmethod
    def read(reader: Reader) -> Entry:
        segment, seq = Segment.read(reader), reader.uvarint((1 << 64) - 2)
        check(seq >= max(1, segment.start), "seq before the segment's start")
        return Entry(segment, seq, reader.raw(32))


Vector = list[Entry]


def encode_vector(vector: Vector) -> bytes:
    return listed(entry.encode() for entry in vector)


def take_vector(reader: Reader, most: int = 100_000) -> Vector:
    entries = reader.listed(Entry.read, most)
    check(all(a.segment < b.segment for a, b in zip(entries, entries[1:])), "vector out of order")
    return entries


def read_vector(data: bytes) -> Vector:
    return read_all(data, take_vector)


def digest(vector: Vector) -> bytes:
    return sha256(b"lastmile vector 1\0", encode_vector(vector))
