"""An in-memory replica: certificates, logs per scope, receipts; takes batches, and says what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import batches, frames
from .automerge import ChangeBody
from .certificates import Trust
from .commits import Change, Commit, body_hash
from .logs import MOST_PENDING_BYTES, Log
from .primitives import ZERO_HASH, FormatError, Scope
from .signatures import Key, Receipt, Seal
from .vectors import Entry, Segment, Vector, digest

AUTHOR_UNKNOWN, BAD_SEAL, OVER_QUOTA, TOO_MANY_BRANCHES, BATCH_REFUSED = 102, 103, 104, 105, 106
MOST_BRANCHES = 8
APP = "lastmile-python 1"


@dataclass
class Taken:
    """What became of a batch: how many commits were new, and what to answer."""

    new: int = 0
    answers: list[Any] = field(default_factory=list)


class Replica:
    """Everything that one device knows. `now` gives milliseconds since 1970."""

    def __init__(self, key: Key, trust: Trust, scopes: list[Scope], epoch: bytes, now):
        self.key, self.trust, self.scopes, self.epoch, self.now = key, trust, sorted(scopes), epoch, now
        self.logs: dict[Scope, dict[bytes, Log]] = {scope: {} for scope in scopes}
        self.receipts: dict[tuple[Scope, bytes], Receipt] = {}
        self.believed: dict[Scope, Vector] = {}
        self.clock = 0
        # Whether an erasure order held in the scope names a change that came without its bytes.
        self.erased = lambda scope, change: False
        # A batch showed more of the own log than is held here: this replica was restored or cloned.
        self.cloned = False

    def log(self, scope: Scope, author: bytes) -> Log:
        return self.logs[scope].setdefault(author, Log(author))

    # What this replica writes itself.

    def commit(self, scope: Scope, writes: list[tuple[str, bytes, ChangeBody]], acting: bytes | None = None) -> Commit:
        """Saves changes to records, whole, as the next commit of the own log."""
        log = self.log(scope, self.key.author)
        previous = max(log.commits.values(), key=lambda commit: commit.seq, default=None)
        self.clock = max(self.now() << 16, self.clock + 1)
        changes = []
        for record_type, record, change in writes:
            data = change.encode()
            counts = change.seq, change.start_op, len(change.operations)
            changes.append(Change(record_type, record, body_hash(data), change.deps, *counts, data))
        commit = Commit(
            scope, self.key.author, previous.seq + 1 if previous else 1, previous.hash if previous else ZERO_HASH,
            acting, 1, self.clock, self.now(), APP, changes,
        )  # fmt: skip
        log.add([commit])
        return commit

    def seal(self) -> None:
        """Vouches for the own logs as they stand: before each exchange."""
        for scope, logs in self.logs.items():
            log = logs.get(self.key.author)
            pending = log.pending() if log else []
            if log and pending:
                last = pending[-1]
                log.seal(self.key.seal(scope, last.seq, last.hash))

    # What it says of itself.

    def vector(self, scope: Scope) -> Vector:
        return sorted(entry for log in self.logs[scope].values() for entry in log.entries())

    def digest(self, scope: Scope) -> bytes:
        return digest(self.vector(scope))

    def pending(self, scope: Scope) -> list[Entry]:
        """The ranges that no seal covers yet."""
        ranges = [log.pending_entry() for log in self.logs[scope].values()]
        return sorted(entry for entry in ranges if entry)

    def vector_frame(self, scope: Scope) -> frames.VectorFrame:
        return frames.VectorFrame(scope, self.vector(scope), self.pending(scope))

    def hello(self, scopes: list[Scope], challenge: bytes | None = None) -> frames.Hello:
        said = [self._hello_scope(scope) for scope in sorted(scopes)]
        return frames.Hello(self.key.deployment, self.key.author, self.epoch, said, challenge, APP)

    def _hello_scope(self, scope: Scope) -> frames.HelloScope:
        log = self.logs[scope].get(self.key.author)
        said = frames.HelloScope(scope, self.digest(scope))
        if log and log.commits:
            last = max(log.commits.values(), key=lambda commit: commit.seq)
            said.own_seq, said.own_hash, said.receipted = last.seq, last.hash, self.receipted(scope)
        return said

    def receipted(self, scope: Scope) -> int:
        """How far the own log has a receipt of the epoch that this replica knows."""
        receipt = self.receipts.get((scope, self.key.author))
        return receipt.seq if receipt and receipt.epoch == self.epoch else 0

    # What it takes from others.

    def take_receipt(self, receipt: Receipt) -> bool:
        """Keeps a receipt of the known epoch for a commit that is held; says whether it is news."""
        public = self.trust.offices.get(receipt.epoch)
        if receipt.epoch != self.epoch or not public or receipt.scope not in self.logs:
            return False
        if not receipt.verifies(self.key.deployment, public[0].public):
            raise FormatError("a receipt that does not verify")
        log = self.logs[receipt.scope].get(receipt.author)
        if log is None or not log.holds(receipt.seq, receipt.hash):
            return False
        before = self.receipts.get((receipt.scope, receipt.author))
        if before and before.epoch == receipt.epoch and before.seq >= receipt.seq:
            return False
        self.receipts[receipt.scope, receipt.author] = receipt
        return True

    def take_batch(self, batch: frames.Batch) -> Taken:
        """One row of "Receiving batches" of docs/protocol.md."""
        scope, author = batch.scope, batch.author
        error = lambda code: Taken(0, [frames.Error(code, 0, [str(scope), author.hex()])])  # noqa: E731
        public = self.trust.public(author)
        if public is None:
            return error(AUTHOR_UNKNOWN)
        try:
            commits = batches.unpack(batch.packed)
        except FormatError:
            return error(BATCH_REFUSED)
        if scope not in self.logs or (commits[0].scope, commits[0].author) != (scope, author):
            return error(BATCH_REFUSED)
        if any(c.data is None and not self.erased(scope, c) for commit in commits for c in commit.changes):
            return error(BATCH_REFUSED)
        log = self.log(scope, author)
        if not log.fits(commits[0]):
            if commits[0].seq - 1 > log.highest():
                return Taken(0, [self.want(scope, log)])
            return Taken(0, [frames.Positions(scope, author, log.positions())])
        verified = [seal for seal in batch.seals if seal.verifies(self.key.deployment, scope, author, public)]
        here = {(commit.seq, commit.hash) for commit in commits}
        standing = max((seal for seal in verified if (seal.seq, seal.hash) in here), key=lambda s: s.seq, default=None)
        later = [seal for seal in verified if seal.seq > commits[-1].seq]
        if standing is None and len(later) < len(batch.seals):
            log.drop_pending()
            log.bad_seals += 1
            return Taken(0, [self.want(scope, log)]) if log.bad_seals == 1 else error(BAD_SEAL)
        return self._append(scope, log, commits, standing)

    def _append(self, scope: Scope, log: Log, commits: list[Commit], seal: Seal | None) -> Taken:
        places = [str(scope), log.author.hex()]
        parts = any(commit.hash not in log.commits and log.children.get(commit.previous) for commit in commits)
        if parts and len(log.entries()) > MOST_BRANCHES:
            return Taken(0, [frames.Error(TOO_MANY_BRANCHES, 0, places)])
        if seal is None and sum(commit.size() for commit in [*log.pending(), *commits]) > MOST_PENDING_BYTES:
            return Taken(0, [frames.Error(OVER_QUOTA, 0, places)])
        new = log.add(commits)
        if new and log.author == self.key.author:
            self.cloned = True
        if seal:
            log.seal(seal)
        self.clock = max([self.clock] + [c.clock for c in commits if c.clock >> 16 <= self.now() + 600_000])
        return Taken(new)

    def want(self, scope: Scope, log: Log) -> frames.Want:
        """Asks for what follows the sealed head; of several heads, for what follows the first fork."""
        return frames.Want(scope, Segment(log.author), log.first_fork())
