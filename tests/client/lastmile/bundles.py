"""A `.lastmile` file: one half of a session, said to nobody in particular."""

from __future__ import annotations

from . import frames
from .primitives import check
from .replica import Replica
from .session import Session

MAGIC = b"\x89LASTMILE\r\n\x00"


def write_bundle(replica: Replica) -> bytes:
    """All that the replica holds, for a stranger."""
    replica.seal()
    session, said = Session(replica), [replica.hello(replica.scopes)]
    for scope in replica.scopes:
        said.append(replica.vector_frame(scope))
        session.held[scope] = []
        session.plan(scope)
    while batch := session.next_batch():
        said += batch
    said.append(frames.End(False, False, 0))
    return MAGIC + b"".join(map(frames.write, said))


def take_bundle(replica: Replica, data: bytes) -> int:
    """Stores what is new; returns how many commits were. A file says nothing about what the relay holds."""
    check(data[:12] == MAGIC, "no bundle of this form")
    session = Session(replica)
    for frame in frames.read_frames(data[12:]):
        if isinstance(frame, (frames.Certificates, frames.Batch)):
            session.handle(frame)
    return session.news
