"""A session over any two-way stream of bytes: give `receive` what came, send what `take` returns.

A carrier only moves bytes: a socket here, the binary messages of a WebSocket for live sync.
"""

from __future__ import annotations

import os
from typing import Any

from . import frames
from .primitives import ZERO_HASH, FormatError
from .replica import Replica
from .session import Refused, Session
from .signatures import stream_message, verify

MOST_FRAMES_UNSURE = 8
MOST_SKEW_MS = 600_000
VERSION_MISMATCH, WRONG_DEPLOYMENT, BAD_FRAME, OUT_OF_ORDER, OVER_CREDIT = 1, 2, 3, 6, 7
UNKNOWN_AUTHOR, BAD_SIGNATURE, WRONG_CLOCK = 9, 10, 12


class Stream:
    """One side of a signed stream. `binding` ties it to the carrier, zeros where there is nothing to tie to."""

    def __init__(self, replica: Replica, binding: bytes = ZERO_HASH):
        self.replica, self.binding = replica, binding
        self.session = Session(replica)
        self.sure = False
        self._splitter = frames.Splitter(frames.MOST_UNSURE)
        self._outgoing = b""
        # Frames that the other side has to handle before all is said, and what was last said and heard of that.
        self._said = self._early = 0
        self._said_end: frames.End | None = None
        self._heard_end: frames.End | None = None
        self._last_is_end = self._last_heard_is_end = False
        replica.seal()
        self._challenge = os.urandom(16)
        hello = replica.hello(replica.scopes, self._challenge)
        self._hello_credit = self._granted = hello.credit
        self._consumed = 0
        self._credit = 0
        self._hello = frames.write(hello)
        self._say_raw(self._hello)

    def take(self) -> bytes:
        """What is to be sent now."""
        out, self._outgoing = self._outgoing, b""
        return out

    def receive(self, data: bytes) -> None:
        """Takes what came, in pieces of any length, and prepares what there is to say to it."""
        try:
            for frame in self._splitter.feed(data):
                self._frame(frame)
            if self.sure:
                self._answer()
        except FormatError as error:
            self._fail(BAD_FRAME, str(error))

    def saved(self) -> None:
        """Plans again after something was saved here, from what the other holds by now."""
        self.replica.seal()
        for scope in self.session.shared & set(self.session.held):
            self.session.plan(scope)
        self._answer()

    def done(self) -> bool:
        """Whether all is said: the last frame of each side is an end that counts every frame of the other."""
        said, heard = self._said_end, self._heard_end
        if not (said and heard and self._last_is_end and self._last_heard_is_end):
            return False
        return heard.handled == self._said and said.handled == self.session.handled

    def _frame(self, whole: bytes) -> None:
        frame = frames.parse(frames.unprefixed(whole))
        if self.session.peer is None:
            self._greeted(frame, whole)
        elif not self.sure:
            self._early += 1
            if isinstance(frame, frames.Certificates) and self._early <= MOST_FRAMES_UNSURE:
                self.session.handle(frame)
            elif isinstance(frame, frames.Auth):
                self._made_sure(frame)
            elif isinstance(frame, frames.Error):
                raise Refused(frame)
            else:
                self._fail(OUT_OF_ORDER, str(frame.type))
        else:
            self._said_to_me(frame, len(whole))

    def _greeted(self, hello: Any, whole: bytes) -> None:
        if isinstance(hello, frames.Error):
            raise Refused(hello)
        if not isinstance(hello, frames.Hello):
            self._fail(OUT_OF_ORDER, str(hello.type))
        if hello.challenge is None:
            self._fail(BAD_SIGNATURE)
        if hello.versions[0] > 1:
            self._fail(VERSION_MISMATCH, "1", "1")
        if hello.deployment != self.replica.key.deployment:
            self._fail(WRONG_DEPLOYMENT)
        self.session.handle(hello)
        self._others_hello, self._credit = whole, hello.credit
        key = self.replica.key
        self._say(frames.Certificates(self.replica.trust.chain(key.author)))
        time, hellos = self.replica.now(), (self._hello, whole)
        message = stream_message(key.deployment, hello.author, key.author, time, hello.challenge, hellos, self.binding)
        self._say(frames.Auth(time, hello.challenge, key.sign(message)))

    def _made_sure(self, auth: frames.Auth) -> None:
        peer, key = self.session.peer, self.replica.key
        public = self.replica.trust.public(peer.author)
        if public is None:
            self._fail(UNKNOWN_AUTHOR, peer.author.hex())
        hellos = (self._others_hello, self._hello)
        message = stream_message(
            key.deployment, key.author, peer.author, auth.time, self._challenge, hellos, self.binding
        )
        if auth.nonce != self._challenge or not verify(public, message, auth.signature):
            self._fail(BAD_SIGNATURE)
        if abs(auth.time - self.replica.now()) > MOST_SKEW_MS:
            self._fail(WRONG_CLOCK, str(self.replica.now()))
        self.session.handle(auth)
        self.sure, self._splitter.most = True, frames.MOST_FRAME
        best = self.replica.trust.best(peer.author)
        allowed = self.session.shared if peer.author in self.replica.trust.offices else set(best.scopes)
        digests = {said.scope: said.digest for said in peer.scopes}
        self.session.shared &= allowed & set(digests)
        for scope in sorted(self.session.shared):
            if digests[scope] != self.replica.digest(scope):
                self._say(self.replica.vector_frame(scope))
            else:
                self.session.held[scope] = self.replica.vector(scope)

    def _said_to_me(self, frame: Any, size: int) -> None:
        self._last_heard_is_end = isinstance(frame, frames.End)
        if isinstance(frame, frames.End):
            self._heard_end = frame
            return
        if isinstance(frame, frames.Credit):
            self._credit += frame.bytes
            return
        if isinstance(frame, frames.Batch):
            if self._granted <= 0:
                self._fail(OVER_CREDIT)
            self._granted -= size
            self._consumed += size
        self.session.handle(frame)

    def _answer(self) -> None:
        """Says what is due, batches while credit is left, and an end where one is owed."""
        out, self.session.out = self.session.out, []
        for frame in out:
            self._say(frame)
        while self._credit > 0 and (batch := self.session.next_batch()):
            for frame in batch:
                size = self._say(frame)
                self._credit -= size if isinstance(frame, frames.Batch) else 0
        if self._consumed >= self._hello_credit // 2:
            self._say(frames.Credit(self._consumed), counted=False)
            self._granted, self._consumed = self._granted + self._consumed, 0
        told_more = self._heard_end is not None and self._said_end is not None
        if not self._last_is_end or (told_more and self.session.handled > self._said_end.handled):
            equal = self.session.equal()
            self._said_end = frames.End(equal, False, self.session.handled)
            self._say(self._said_end, counted=False)
            self._last_is_end = True
        if self.done():
            for scope in self.session.shared:
                self.session.held[scope] = self.replica.vector(scope)

    def _say(self, frame: Any, counted: bool = True) -> int:
        data = frames.write(frame)
        self._outgoing += data
        self._said += counted
        self._last_is_end = False
        return len(data)

    def _say_raw(self, data: bytes) -> None:
        self._outgoing += data
        self._said += 1

    def _fail(self, code: int, *arguments: str) -> None:
        error = frames.Error(code, 0, list(arguments))
        self._say(error)
        self._say(frames.End(False, False, self.session.handled), counted=False)
        raise Refused(error)
