"""Certificates, and whom they make an author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

from .primitives import Reader, Scope, check, ivarint, listed, read_all, text
from .signatures import author_id, verify

ROOT, OFFICE, PREDECESSOR = range(3)
MOST_BYTES = 4096


@dataclass(frozen=True)
class Certificate:
    public: bytes
    device: str
    persons: tuple[bytes, ...]
    roles: tuple[str, ...]
    scopes: tuple[Scope, ...]
    begins: int
    until: int | None
    issuer: tuple[int, bytes]
    signature: bytes
    consent: bytes = b""

    def _fields(self) -> bytes:
        until = b"\0" if self.until is None else b"\x01" + ivarint(self.until)
        return (
            b"\x01\x01" + self.public + text(self.device) + listed(self.persons) + listed(map(text, self.roles))
            + listed(scope.encode() for scope in self.scopes) + ivarint(self.begins) + until
            + bytes([self.issuer[0]]) + self.issuer[1]
        )  # fmt: skip

    def encode(self) -> bytes:
        return self._fields() + self.signature + self.consent

    def message(self, deployment: bytes) -> bytes:
        return b"lastmile certificate\0" + deployment + self._fields()

    def agreed(self, deployment: bytes) -> bytes:
        """What a successor's own key signs."""
        return b"lastmile succession\0" + deployment + self._fields()

    @staticmethod
    def read(data: bytes) -> Certificate:
        check(len(data) <= MOST_BYTES, "certificate too long")
        return read_all(data, _read)

    def author(self, deployment: bytes) -> bytes:
        return author_id(deployment, self.public)

    def terms(self):
        """What a successor's certificate has to repeat."""
        return self.persons, self.roles, self.scopes, self.until


def _read(reader: Reader) -> Certificate:
    check(reader.raw(2) == b"\x01\x01", "unknown version or suite of a certificate")
    public, device = reader.raw(32), reader.text(128)
    persons = reader.ascending(lambda r: r.raw(16), 64)
    roles = reader.ascending(lambda r: r.text(32), 64)
    scopes = reader.ascending(Scope.read, 64)
    begins = reader.ivarint()
    ends = reader.u8()
    check(ends <= 1, "bad end")
    until = reader.ivarint() if ends else None
    issuer = reader.u8()
    check(issuer <= PREDECESSOR, "unknown issuer")
    who = b"" if issuer == ROOT else reader.raw(16)
    signature = reader.raw(64)
    consent = reader.raw(64) if issuer == PREDECESSOR else b""
    terms = tuple(persons), tuple(roles), tuple(scopes)
    return Certificate(public, device, *terms, begins, until, (issuer, who), signature, consent)


class Trust:
    """The certificates that a replica holds, and the authors that they lead to from the root key."""

    def __init__(self, deployment: bytes, root: bytes):
        self.deployment, self.root = deployment, root
        self.held: dict[bytes, Certificate] = {}
        self.offices: dict[bytes, list[Certificate]] = {}
        self.devices: dict[bytes, list[Certificate]] = {}

    def add(self, certificates: Iterable[bytes]) -> None:
        """Takes what can be read. What does not count yet is kept: its issuer may come later."""
        for data in certificates:
            self.held[data] = Certificate.read(data)
        self._judge()

    def _judge(self) -> None:
        self.offices, self.devices = {}, {}
        waiting = list(self.held.values())
        while True:
            left = [certificate for certificate in waiting if not self._count(certificate)]
            if len(left) == len(waiting):
                return
            waiting = left

    def _count(self, certificate: Certificate) -> bool:
        kind, issuer = certificate.issuer
        if kind == ROOT:
            keys, authors = [self.root], self.offices
        elif kind == OFFICE:
            keys, authors = [self.offices[issuer][0].public] if issuer in self.offices else [], self.devices
        else:
            before = self.devices.get(issuer, [])
            keys = [c.public for c in before if c.terms() == certificate.terms()][:1]
            authors = self.devices
        message = certificate.message(self.deployment)
        if not any(verify(key, message, certificate.signature) for key in keys):
            return False
        agreed = certificate.agreed(self.deployment)
        if kind == PREDECESSOR and not verify(certificate.public, agreed, certificate.consent):
            return False
        authors.setdefault(certificate.author(self.deployment), []).append(certificate)
        return True

    def public(self, author: bytes) -> bytes | None:
        """The key of an author whose certificate counts."""
        held = self.offices.get(author) or self.devices.get(author)
        return held[0].public if held else None

    def best(self, author: bytes) -> Certificate | None:
        """Of several the office's says more than a predecessor's, then the one that begins latest."""
        held = self.offices.get(author) or self.devices.get(author) or []
        return max(held, key=lambda c: (c.issuer[0] != PREDECESSOR, c.begins), default=None)

    def chain(self, author: bytes) -> list[bytes]:
        """The certificates that lead to an author, issuers first."""
        certificate, chain = self.best(author), []
        while certificate is not None:
            chain.insert(0, certificate.encode())
            certificate = self.best(certificate.issuer[1]) if certificate.issuer[0] != ROOT else None
        return chain
