"""One author's log in one scope: its commits, forks included, and the seals over them."""

from __future__ import annotations

from typing import Iterator

from .commits import Commit
from .primitives import ZERO_HASH
from .signatures import Seal
from .vectors import Entry, Segment

MOST_POSITIONS = 1024
NEWEST = 512
MOST_PENDING_BYTES = 4 << 20


class Log:
    """A tree of commits by chain hash. Forks are branches of it; what no seal covers yet is pending."""

    def __init__(self, author: bytes):
        self.author = author
        self.commits: dict[bytes, Commit] = {}
        self.children: dict[bytes, list[bytes]] = {}
        self.sealed: set[bytes] = set()
        self.seals: dict[bytes, Seal] = {}
        self.bad_seals = 0

    def holds(self, seq: int, hash: bytes) -> bool:
        return hash in self.commits and self.commits[hash].seq == seq

    def fits(self, commit: Commit) -> bool:
        return commit.previous == ZERO_HASH or self.holds(commit.seq - 1, commit.previous)

    def highest(self) -> int:
        return max((commit.seq for commit in self.commits.values()), default=0)

    def add(self, commits: list[Commit]) -> int:
        """Appends what is new of consecutive commits that fit; returns how many were."""
        new = [commit for commit in commits if commit.hash not in self.commits]
        for commit in new:
            self.commits[commit.hash] = commit
            self.children.setdefault(commit.previous, []).append(commit.hash)
        self._cover()
        return len(new)

    def seal(self, seal: Seal) -> None:
        """Takes a seal that verified, over a commit that is here."""
        self.seals[seal.hash] = seal
        self._cover()

    def _cover(self) -> None:
        for hash, seal in self.seals.items():
            if self.holds(seal.seq, hash):
                while hash != ZERO_HASH and hash not in self.sealed:
                    self.sealed.add(hash)
                    hash = self.commits[hash].previous

    def drop_pending(self) -> None:
        self.commits = {hash: commit for hash, commit in self.commits.items() if hash in self.sealed}
        self.children = {}
        for commit in self.commits.values():
            self.children.setdefault(commit.previous, []).append(commit.hash)

    def pending(self) -> list[Commit]:
        return [commit for hash, commit in self.commits.items() if hash not in self.sealed]

    def _after(self, hash: bytes) -> list[bytes]:
        return [child for child in self.children.get(hash, []) if child in self.sealed]

    def entries(self) -> list[Entry]:
        """The log's part of the vector: the trunk up to where it first parts, then each side as a branch."""
        out, open = [], [(Segment(self.author), ZERO_HASH)]
        while open:
            segment, hash = open.pop()
            while len(after := self._after(hash)) == 1:
                hash = after[0]
            if hash != ZERO_HASH:
                out.append(Entry(segment, self.commits[hash].seq, hash))
            open += [(Segment(self.author, self.commits[first].seq, first), first) for first in after]
        return sorted(out)

    def first_fork(self) -> int:
        """The last seq that every copy shares as far as is known here: before the first fork, else the sealed head."""
        entries = self.entries()
        starts = [entry.segment.start for entry in entries if entry.segment.start]
        return min(starts) - 1 if starts else max((entry.seq for entry in entries), default=0)

    def pending_entry(self) -> Entry | None:
        """The pending range, named by the segment that it goes on from."""
        waiting = self.pending()
        if not waiting:
            return None
        from_hash = waiting[0].previous
        segment = next((entry.segment for entry in self.entries() if entry.hash == from_hash), Segment(self.author))
        return Entry(segment, waiting[-1].seq, waiting[-1].hash)

    def path(self, hash: bytes, after: int) -> list[Commit]:
        """The commits that lead to this one, from the one after `after` on."""
        out = []
        while hash != ZERO_HASH and self.commits[hash].seq > after:
            out.append(self.commits[hash])
            hash = out[-1].previous
        return out[::-1]

    def vouching(self, hash: bytes) -> Seal | None:
        """A seal over this commit or over one that follows it."""
        open = [hash]
        while open:
            hash = open.pop()
            if hash in self.seals:
                return self.seals[hash]
            open += self._after(hash)
        return None

    def positions(self) -> list[tuple[int, bytes]]:
        """What a seals frame says of the log, thinned to what the frame takes in the way that both sides do."""
        every = sorted((self.commits[hash].seq, hash) for hash in self.sealed)
        heads = {(entry.seq, entry.hash) for entry in self.entries()}
        newest = set(every[-NEWEST:])
        for zeros in range(65):
            mask = (1 << zeros) - 1
            kept = [p for p in every if p in heads or p in newest or not int.from_bytes(p[1][-8:], "big") & mask]
            if len(kept) <= MOST_POSITIONS:
                return kept
        return kept[-MOST_POSITIONS:]

    def __iter__(self) -> Iterator[Commit]:
        """The sealed commits, each after the one that it follows."""
        return iter(sorted((self.commits[hash] for hash in self.sealed), key=lambda commit: (commit.seq, commit.hash)))
