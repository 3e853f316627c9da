"""One side's part in an exchange, whatever carries it: frames in, frames to say out."""

from __future__ import annotations

from typing import Any

from . import batches, frames
from .plan import Send, plan
from .primitives import Scope
from .replica import AUTHOR_UNKNOWN, Replica
from .vectors import Vector

MOST_BATCH_BYTES = 128 << 10


class Refused(Exception):
    """The other side ended the exchange with an error frame."""

    def __init__(self, error: frames.Error):
        super().__init__(f"code {error.code} {error.arguments}")
        self.error = error
        self.code = error.code


def cut_run(commits):
    """As many commits from the front as one batch should hold."""
    size = changes = count = 0
    for commit in commits[:4096]:
        size, changes = size + commit.size(), changes + len(commit.changes)
        if count and (size > MOST_BATCH_BYTES or changes > 8192):
            break
        count += 1
    return commits[:count]


class Session:
    """Rules that one-shot requests and streams share."""

    def __init__(self, replica: Replica):
        self.replica = replica
        self.peer: frames.Hello | None = None
        # Scopes that both may exchange; what is said of others is passed over.
        self.shared: set[Scope] = set(replica.scopes)
        # What the other holds as far as is believed here, and what it said itself.
        self.held: dict[Scope, Vector] = {}
        self.claimed: dict[Scope, Vector] = {}
        self.out: list[Any] = []
        self.sends: list[tuple[Scope, Send]] = []
        self.handled = 0
        self.news = 0
        self.errors: list[frames.Error] = []
        self.lacking: set[Scope] = set()
        self._positioned: set[tuple[Scope, bytes]] = set()
        self._certified: set[bytes] = set()
        self._left: set[tuple[str, str]] = set()
        self._asked: dict[Any, int] = {}

    def handle(self, frame: Any) -> None:
        """Takes a frame of the other side; answers stand in `out` and `sends` afterwards."""
        if isinstance(frame, frames.Unknown):
            return
        self.handled += 1
        if getattr(frame, "scope", None) not in {None, *self.shared}:
            return
        if isinstance(frame, frames.Hello):
            self.peer = frame
        elif isinstance(frame, frames.Certificates):
            self.replica.trust.add(frame.certificates)
        elif isinstance(frame, frames.VectorFrame):
            self.held[frame.scope] = self.claimed[frame.scope] = frame.vector
            self.plan(frame.scope)
        elif isinstance(frame, frames.Batch):
            taken = self.replica.take_batch(frame)
            self.news += taken.new
            self._answer(taken.answers)
        elif isinstance(frame, frames.Receipts):
            self.news += sum(self.replica.take_receipt(receipt) for receipt in frame.receipts)
        elif isinstance(frame, frames.Positions):
            self._compare(frame)
        elif isinstance(frame, frames.Want):
            self._wanted(frame)
        elif isinstance(frame, frames.Error):
            self._told(frame)

    def plan(self, scope: Scope) -> None:
        """Plans what the other lacks of a scope, in place of what was planned before."""
        logs = self.replica.logs[scope]
        found = plan(self.replica.vector(scope), self.held[scope], logs, set(self.replica.trust.offices))
        self.sends = [(other, send) for other, send in self.sends if other != scope]
        self.sends += [(scope, send) for send in found.sends if (str(scope), send.author.hex()) not in self._left]
        (self.lacking.add if found.lacking else self.lacking.discard)(scope)
        for author in found.parted:
            self._say_positions(scope, author)

    def _answer(self, answers: list[Any]) -> None:
        for answer in answers:
            if isinstance(answer, frames.Positions):
                self._say_positions(answer.scope, answer.author)
                continue
            if isinstance(answer, frames.Want):
                times = self._asked.get((answer.scope, answer.segment.author), 0)
                if times == 4:
                    continue
                self._asked[answer.scope, answer.segment.author] = times + 1
            self.out.append(answer)

    def _say_positions(self, scope: Scope, author: bytes) -> None:
        """Each side sends its positions of an author once per session."""
        if (scope, author) not in self._positioned:
            self._positioned.add((scope, author))
            self.out.append(frames.Positions(scope, author, self.replica.log(scope, author).positions()))

    def _compare(self, frame: frames.Positions) -> None:
        """Finds what both hold of a log that parted, and sends on from there."""
        log = self.replica.log(frame.scope, frame.author)
        said = set(frame.positions)
        for entry in log.entries():
            if (entry.seq, entry.hash) not in said:
                path = log.path(entry.hash, 0)
                shared = max((c.seq for c in path if (c.seq, c.hash) in said), default=0)
                self.sends.append((frame.scope, Send(frame.author, entry.hash, shared)))
        heads = frame.positions[-1:]
        if frame.scope in self.claimed:
            heads = [(e.seq, e.hash) for e in self.claimed[frame.scope] if e.segment.author == frame.author]
        if any(not log.holds(seq, hash) for seq, hash in heads):
            self._say_positions(frame.scope, frame.author)

    def _wanted(self, frame: frames.Want) -> None:
        """Sends the segment that is asked for, or the whole log where no segment here has that name."""
        entries = self.replica.log(frame.scope, frame.segment.author).entries()
        named = [entry for entry in entries if entry.segment == frame.segment]
        for entry in named or entries:
            if entry.seq > frame.after:
                self.sends.append((frame.scope, Send(entry.segment.author, entry.hash, frame.after)))

    def _told(self, error: frames.Error) -> None:
        self.errors.append(error)
        if error.code < 100:
            raise Refused(error)
        place = tuple(error.arguments[:2])
        if error.code == AUTHOR_UNKNOWN and len(place) == 2 and place not in self._asked:
            self._asked[place] = 1
            author = bytes.fromhex(place[1])
            self._certified.discard(author)
            for scope in self.shared:
                if str(scope) == place[0]:
                    heads = self.replica.log(scope, author).entries()
                    self.sends += [(scope, Send(author, entry.hash, 0)) for entry in heads]
        elif len(place) == 2 and error.code > AUTHOR_UNKNOWN:
            self._left.add(place)  # type: ignore[arg-type]
            self.sends = [(s, send) for s, send in self.sends if (str(s), send.author.hex()) != place]

    def next_batch(self) -> list[Any]:
        """The next batch that is planned, after the certificates that it needs; nothing when all is sent."""
        while self.sends:
            scope, send = self.sends.pop(0)
            log = self.replica.log(scope, send.author)
            path = log.path(send.hash, send.after)
            if not path:
                continue
            run = cut_run(path)
            if len(run) < len(path):
                self.sends.insert(0, (scope, Send(send.author, send.hash, run[-1].seq)))
            return self._certificates(send.author) + [self._batch(scope, log, run, len(run) == len(path))]
        return []

    def _batch(self, scope: Scope, log: Any, run: list[Any], last: bool) -> frames.Batch:
        head = run[-1]
        if log.author == self.replica.key.author and head.hash not in log.seals:
            log.seal(self.replica.key.seal(scope, head.seq, head.hash))
        seal = log.seals.get(head.hash) or (log.vouching(head.hash) if last else None)
        return frames.Batch(scope, log.author, [seal] if seal else [], batches.pack(run))

    def _certificates(self, author: bytes) -> list[Any]:
        if author in self._certified:
            return []
        self._certified.add(author)
        chain = self.replica.trust.chain(author)
        return [frames.Certificates(chain)] if chain else []

    def equal(self) -> bool:
        """Whether every scope that both named stands equal, as far as is known here."""
        if self.peer is None or self.sends or self.lacking:
            return False
        shared = [said for said in self.peer.scopes if said.scope in self.shared]
        return all(said.digest == self.replica.digest(said.scope) for said in shared)
