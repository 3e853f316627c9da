"""The primitives of docs/formats.md: shortest-form numbers, lengths that are checked before they are used, scopes."""

from __future__ import annotations

import hashlib
import re
from typing import Callable, Iterable, NamedTuple, TypeVar

T = TypeVar("T")
ZERO_HASH = bytes(32)
KINDS = {1: "community", 2: "city", 3: "org", 4: "office"}


class FormatError(Exception):
    """The bytes are not what a writer that follows the documents would have written."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def check(holds: bool, what: str) -> None:
    if not holds:
        raise FormatError(what)


def uvarint(number: int) -> bytes:
    check(0 <= number < 1 << 64, "number out of range")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def ivarint(number: int) -> bytes:
    check(-(1 << 63) <= number < 1 << 63, "number out of range")
    return uvarint((number << 1 ^ number >> 63) & (1 << 64) - 1)


def sized(data: bytes) -> bytes:
    return uvarint(len(data)) + data


def text(value: str) -> bytes:
    return sized(value.encode())


def listed(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return uvarint(len(items)) + b"".join(items)


class Reader:
    """Reads one encoding from its first byte to its last."""

    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def left(self) -> int:
        return len(self.data) - self.at

    def raw(self, count: int) -> bytes:
        check(count <= self.left(), "ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        return self.raw(self.left())

    def u8(self) -> int:
        return self.raw(1)[0]

    def uvarint(self, most: int = (1 << 64) - 1) -> int:
        number = shift = 0
        while True:
            byte = self.u8()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            check(shift < 70, "number too long")
        check(byte != 0 or shift == 7, "number not in its shortest form")
        check(number < 1 << 64 and number <= most, "number beyond its bound")
        return number

    def ivarint(self) -> int:
        number = self.uvarint()
        return number >> 1 ^ -(number & 1)

    def sized(self, most: int) -> bytes:
        return self.raw(self.uvarint(most))

    def text(self, most: int, least: int = 0) -> str:
        data = self.sized(most)
        check(len(data) >= least, "text too short")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise FormatError("not UTF-8") from error

    def listed(self, item: Callable[[Reader], T], most: int, least: int = 0) -> list[T]:
        count = self.uvarint(most)
        check(count >= least, "list too short")
        return [item(self) for _ in range(count)]

    def ascending(self, item: Callable[[Reader], T], most: int) -> list[T]:
        items = self.listed(item, most)
        check(all(a < b for a, b in zip(items, items[1:])), "list out of order")
        return items

    def end(self) -> None:
        check(self.left() == 0, "bytes after the end")


def read_all(data: bytes, item: Callable[[Reader], T]) -> T:
    """Reads one thing that is all of the bytes."""
    reader = Reader(data)
    value = item(reader)
    reader.end()
    return value


class Scope(NamedTuple):
    """Kind and code; tuples order as the documents do: by kind, then by code."""

    kind: int
    code: str

    def encode(self) -> bytes:
        return bytes([self.kind]) + text(self.code)

    @staticmethod
    def read(reader: Reader) -> Scope:
        kind, code = reader.u8(), reader.text(36, 1)
        check(kind in KINDS, "unknown kind of scope")
        check(re.fullmatch("[A-Za-z0-9-]+", code) is not None, "bad scope code")
        check(kind != 1 or re.fullmatch("[0-9]{12}", code) is not None, "bad community code")
        return Scope(kind, code)

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}:{self.code}"


def community(code: str) -> Scope:
    return Scope(1, code)
