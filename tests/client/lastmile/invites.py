"""Invites, and values that only the office may read."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from nacl.public import PublicKey, SealedBox

from .primitives import FormatError, Reader, Scope, check, listed, read_all, sha256, text

PREFIX = "lastmile-invite:1:"


@dataclass
class Invite:
    url: str
    deployment: bytes
    root: bytes
    token: bytes
    scopes: list[Scope]
    office: bytes
    pin: bytes | None

    def write(self) -> str:
        fields = text(self.url) + self.deployment + self.root + self.token
        fields += listed(scope.encode() for scope in self.scopes) + self.office
        fields += b"\0" if self.pin is None else b"\1" + self.pin
        data = fields + sha256(fields)[:4]
        return PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    @staticmethod
    def parse(line: str) -> Invite:
        line = "".join(c for c in line if "!" <= c <= "~")
        check(line.startswith(PREFIX), "no invite of this version")
        code = line.removeprefix(PREFIX)
        try:
            data = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise FormatError("not base64url") from error
        invite = read_all(data, lambda reader: _read(reader, data))
        check(invite.write() == line, "not in its one form")
        return invite


def _read(reader: Reader, data: bytes) -> Invite:
    url, deployment, root, token = reader.text(512), reader.raw(16), reader.raw(32), reader.raw(16)
    scopes, office, pinned = reader.listed(Scope.read, 16), reader.raw(32), reader.raw(1)
    check(pinned in (b"\0", b"\1"), "a pin of an unknown kind")
    invite = Invite(url, deployment, root, token, scopes, office, reader.raw(32) if pinned == b"\1" else None)
    check(sha256(data[: reader.at])[:4] == reader.raw(4), "damaged invite")
    return invite


def seal_value(office: bytes, plain: bytes) -> bytes:
    return b"\x01" + sha256(office)[:8] + SealedBox(PublicKey(office)).encrypt(plain)
