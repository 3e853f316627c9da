"""Keys, author ids, seals, receipts and the signed messages of requests and streams."""

from __future__ import annotations

from dataclasses import dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from .primitives import ZERO_HASH, Reader, Scope, check, sha256, uvarint

SUITE = 1


def author_id(deployment: bytes, public: bytes) -> bytes:
    return sha256(deployment, public)[:16]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """libsodium refuses keys of small order and encodings that are not canonical."""
    try:
        VerifyKey(public).verify(message, signature)
        return True
    except BadSignatureError:
        return False


class Key:
    """An author's key pair in one deployment."""

    def __init__(self, deployment: bytes, seed: bytes | None = None):
        self._key = SigningKey(seed) if seed else SigningKey.generate()
        self.deployment = deployment
        self.public = bytes(self._key.verify_key)
        self.author = author_id(deployment, self.public)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature

    def seal(self, scope: Scope, seq: int, hash: bytes) -> Seal:
        message = seal_message(self.deployment, scope, self.author, seq, hash)
        return Seal(seq, hash, self.sign(message))


def _position(label: bytes, deployment: bytes, scope: Scope, author: bytes, seq: int, hash: bytes) -> bytes:
    return label + bytes([SUITE]) + deployment + scope.encode() + author + uvarint(seq) + hash


def seal_message(deployment: bytes, scope: Scope, author: bytes, seq: int, hash: bytes) -> bytes:
    return _position(b"lastmile seal\0", deployment, scope, author, seq, hash)


def _suite(reader: Reader) -> None:
    check(reader.u8() == SUITE, "unknown suite")


def _seq(reader: Reader) -> int:
    seq = reader.uvarint()
    check(0 < seq < (1 << 64) - 1, "seq out of range")
    return seq


@dataclass(frozen=True)
class Seal:
    """An author's word for its log up to `seq`; scope and author stand beside it."""

    seq: int
    hash: bytes
    signature: bytes

    def encode(self) -> bytes:
        return bytes([SUITE]) + uvarint(self.seq) + self.hash + self.signature

    @staticmethod
    def read(reader: Reader) -> Seal:
        _suite(reader)
        return Seal(_seq(reader), reader.raw(32), reader.raw(64))

    def verifies(self, deployment: bytes, scope: Scope, author: bytes, public: bytes) -> bool:
        return verify(public, seal_message(deployment, scope, author, self.seq, self.hash), self.signature)


@dataclass(frozen=True)
class Receipt:
    """The relay's word that it holds a log up to `seq`."""

    epoch: bytes
    scope: Scope
    author: bytes
    seq: int
    hash: bytes
    signature: bytes

    def encode(self) -> bytes:
        place = self.scope.encode() + self.author + uvarint(self.seq) + self.hash
        return bytes([SUITE]) + self.epoch + place + self.signature

    @staticmethod
    def read(reader: Reader) -> Receipt:
        _suite(reader)
        return Receipt(reader.raw(16), Scope.read(reader), reader.raw(16), _seq(reader), reader.raw(32), reader.raw(64))

    def message(self, deployment: bytes) -> bytes:
        place = _position(b"lastmile receipt\0", deployment, self.scope, self.author, self.seq, self.hash)
        return place + self.epoch

    def verifies(self, deployment: bytes, public: bytes) -> bool:
        return verify(public, self.message(deployment), self.signature)


def request_message(deployment: bytes, epoch: bytes, author: bytes, time: int, nonce: bytes, body: bytes) -> bytes:
    """What a one-shot request or an enrolment signs."""
    return _auth(b"lastmile request\0", deployment, epoch, author, time, nonce, sha256(body))


def stream_message(
    deployment: bytes, other: bytes, author: bytes, time: int, challenge: bytes, hellos: tuple[bytes, bytes],
    binding: bytes = ZERO_HASH,
) -> bytes:  # fmt: skip
    """What a side of a stream signs: `hellos` are the signer's whole hello frame and the other's."""
    return _auth(b"lastmile stream\0", deployment, other, author, time, challenge, sha256(*hellos, binding))


def _auth(label: bytes, deployment: bytes, other: bytes, author: bytes, time: int, nonce: bytes, hash: bytes) -> bytes:
    return label + bytes([SUITE]) + deployment + other + author + uvarint(time) + nonce + hash
