"""What to send, from two vectors alone: the six rules of "Planning" in docs/protocol.md."""

from __future__ import annotations

from dataclasses import dataclass, field

from .logs import Log
from .vectors import Entry, Vector


@dataclass(frozen=True)
class Send:
    """Send the commits that lead to `hash`, from the one after `after` on."""

    author: bytes
    hash: bytes
    after: int


@dataclass
class Plan:
    sends: list[Send] = field(default_factory=list)
    # Authors whose copies have parted: a seals frame each.
    parted: list[bytes] = field(default_factory=list)
    # The peer holds something that is not held here.
    lacking: bool = False


def plan(mine: Vector, theirs: Vector, logs: dict[bytes, Log], offices: set[bytes]) -> Plan:
    out = Plan()
    authors = {entry.segment.author for entry in [*mine, *theirs]}
    for author in sorted(authors, key=lambda author: (author not in offices, author)):
        ours = [entry for entry in mine if entry.segment.author == author]
        others = [entry for entry in theirs if entry.segment.author == author]
        if not others:
            out.sends += [
                Send(author, entry.hash, 0 if entry.segment.start == 0 else entry.segment.start - 1) for entry in ours
            ]
        elif not ours:
            out.lacking = True
        else:
            _plan_author(out, author, ours, others, logs[author])
    return out


def _plan_author(out: Plan, author: bytes, ours: list[Entry], others: list[Entry], log: Log) -> None:
    same = {(e.seq, e.hash) for e in ours} & {(e.seq, e.hash) for e in others}
    left = [entry for entry in ours if (entry.seq, entry.hash) not in same]
    right = [entry for entry in others if (entry.seq, entry.hash) not in same]
    parted = False
    for mine, other in _pairs(left, right, ours, others):
        left.remove(mine)
        right.remove(other)
        if mine.seq > other.seq:
            out.sends.append(Send(author, mine.hash, other.seq))
        elif mine.seq < other.seq:
            out.lacking = True
        else:
            parted = True
    if left and right:
        parted = True
    elif left:
        fork = log.first_fork()
        out.sends += [Send(author, entry.hash, min(fork, entry.seq - 1)) for entry in left]
    out.lacking = out.lacking or bool(right)
    if parted:
        out.parted.append(author)
        out.lacking = True


def _pairs(left: list[Entry], right: list[Entry], ours: list[Entry], others: list[Entry]) -> list[tuple[Entry, Entry]]:
    pairs = []
    for mine in left:
        other = next((entry for entry in right if entry.segment == mine.segment), None)
        if other is None:
            continue
        if mine.segment.start == 0:
            longer = ours if mine.seq > other.seq else others
            if mine.seq == other.seq or len(longer) == 1:
                continue
        pairs.append((mine, other))
    alone = [e for e in left if e not in [m for m, _ in pairs]], [e for e in right if e not in [o for _, o in pairs]]
    if len(alone[0]) == len(alone[1]) == 1:
        pairs.append((alone[0][0], alone[1][0]))
    return pairs
