"""The relay as a client sees it: enrolment and one-shot exchanges over HTTP."""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from . import frames
from .certificates import OFFICE, Trust
from .invites import Invite
from .primitives import Scope, check
from .replica import Replica
from .session import Refused, Session
from .signatures import Key, request_message

CONTENT = "application/vnd.lastmile.v1"
UNKNOWN_AUTHOR, WRONG_EPOCH, WRONG_CLOCK, REPEATED = 9, 11, 12, 13
FIRST_BUDGET, LEAST_BUDGET, MOST_FRUITLESS = 1 << 20, 32 << 10, 3


class Cut(Exception):
    """The request or its answer did not come through whole."""


def post(url: str, path: str, body: bytes) -> bytes:
    """One request; the status is of no account, the frames say it all."""
    return ask(url, path, body)[1]


def ask(url: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to one request; the body may be cut."""
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=30)
    try:
        connection.request("POST", parts.path.rstrip("/") + path, body, {"Content-Type": CONTENT})
        response = connection.getresponse()
        if response.getheader("Content-Type") != CONTENT:
            raise Cut(f"status {response.status}, not from a relay")
        try:
            return response.status, response.read()
        except http.client.IncompleteRead as cut:
            return response.status, cut.partial
    except (OSError, http.client.HTTPException) as error:
        raise Cut(str(error)) from error
    finally:
        connection.close()


def signed(key: Key, epoch: bytes, body: bytes, time: int) -> bytes:
    """The body with its auth frame."""
    nonce = os.urandom(16)
    signature = key.sign(request_message(key.deployment, epoch, key.author, time, nonce, body))
    return body + frames.write(frames.Auth(time, nonce, signature))


def enrol(invite: Invite, key: Key, label: str, now) -> Replica:
    """Redeems an invite. The same key may ask again when the answer was lost."""
    body = frames.write(frames.Enrol(invite.token, key.public, label))
    answer = frames.read_frames(post(invite.url, "/v1/enrol", signed(key, bytes(16), body, now())))
    trust = Trust(invite.deployment, invite.root)
    for frame in answer:
        if isinstance(frame, frames.Error):
            raise Refused(frame)
        if isinstance(frame, frames.Enrolled):
            trust.add(frame.certificates)
    own = trust.best(key.author)
    check(own is not None and own.issuer[0] == OFFICE, "the certificates do not lead from root to this device")
    return Replica(key, trust, list(own.scopes), own.issuer[1], now)


@dataclass
class Outcome:
    """What an exchange came to; `sizes` has the bytes of each request and its response."""

    settled: bool = False
    new: int = 0
    errors: list[frames.Error] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


class Relay:
    """One replica's dealings with its relay. `send` may be replaced by a path that loses or changes what it carries."""

    def __init__(self, url: str, replica: Replica, send=post):
        self.url, self.replica, self.send = url, replica, send
        self.skew = 0
        self.budget = FIRST_BUDGET
        self.certify = False

    def sync(self) -> Outcome:
        """Exchanges until every scope is settled or nothing more comes of it."""
        self.replica.seal()
        exchange, outcome = _Exchange(self), Outcome()
        fruitless, forgiven = 0, set()
        while fruitless < MOST_FRUITLESS:
            try:
                news = exchange.round(outcome)
            except Refused as refused:
                if refused.code in forgiven or not self._mend(refused, exchange.certificates):
                    raise
                forgiven.add(refused.code)
                exchange = _Exchange(self)
                continue
            fruitless = 0 if news else fruitless + 1
            if not exchange.open or not exchange.useful():
                break
        outcome.settled = not exchange.open
        return outcome

    def _mend(self, refused: Refused, certificates: list[bytes]) -> bool:
        """Does what the error table says; whether the exchange may then be repeated."""
        if refused.code == UNKNOWN_AUTHOR:
            self.certify = True
        elif refused.code == WRONG_EPOCH:
            epoch = bytes.fromhex(refused.error.arguments[0])
            self.replica.trust.add(certificates)
            if epoch not in self.replica.trust.offices:
                return False
            self.replica.epoch = epoch
            self.replica.believed.clear()
        elif refused.code == WRONG_CLOCK:
            self.skew = int(refused.error.arguments[0]) - self.replica.now()
        else:
            return refused.code == REPEATED
        return True


class _Exchange:
    """The requests of one exchange."""

    def __init__(self, relay: Relay):
        self.relay, self.replica = relay, relay.replica
        self.session = Session(self.replica)
        self.open: list[Scope] = list(self.replica.scopes)
        self.credit = FIRST_BUDGET
        self.first = True
        self.more = False
        self.certificates: list[bytes] = []

    def round(self, outcome: Outcome) -> bool:
        """One request and its response; whether it brought anything new, to either side."""
        relay, session = self.relay, self.session
        body, batches = self._request()
        session.news, session.peer = 0, None
        request = signed(self.replica.key, self.replica.epoch, body, self.replica.now() + relay.skew)
        try:
            response = relay.send(relay.url, "/v1/sync", request)
            said = frames.read_frames(response)
            outcome.sizes.append((len(request), len(response)))
            end = said[-1] if said and isinstance(said[-1], frames.End) else None
            self._take(said)
            if end is None:
                raise Cut("the response was cut")
        except Cut:
            relay.budget = max(LEAST_BUDGET, relay.budget // 2)
            raise
        relay.budget = min(FIRST_BUDGET, relay.budget * 2)
        outcome.new += session.news
        self.more = end.more
        self._settle(end.equal)
        outcome.errors += session.errors
        session.errors = []
        self.first = False
        return bool(session.news or batches)

    def _request(self) -> tuple[bytes, int]:
        session, replica = self.session, self.replica
        said: list[Any] = [replica.hello(self.open)]
        if self.relay.certify:
            said.append(frames.Certificates(replica.trust.chain(replica.key.author)))
        for scope in self.open:
            if self.first and scope in replica.believed:
                session.held[scope] = replica.believed[scope]
                session.plan(scope)
            else:
                said.append(replica.vector_frame(scope))
        said += session.out
        session.out = []
        out = b"".join(map(frames.write, said))
        room, count = min(self.credit, self.relay.budget), 0
        while room > 0 and (batch := session.next_batch()):
            data = b"".join(map(frames.write, batch))
            out, room, count = out + data, room - len(data), count + 1
        return out + frames.write(frames.End(False, bool(session.sends), session.handled)), count

    def _take(self, said: list[Any]) -> None:
        self.certificates = [c for frame in said if isinstance(frame, frames.Certificates) for c in frame.certificates]
        for frame in said:
            if not isinstance(frame, frames.End):
                self.session.handle(frame)

    def _settle(self, equal: bool) -> None:
        """What the relay holds is known once its digest is the own one."""
        peer = self.session.peer
        relays = {said.scope: said.digest for said in peer.scopes} if peer else {}
        if peer:
            self.credit = peer.credit
        refused = {error.arguments[0] for error in self.session.errors if error.code in (100, 101) and error.arguments}
        for scope in list(self.open):
            if equal or relays.get(scope) == self.replica.digest(scope):
                self.replica.believed[scope] = self.replica.vector(scope)
                self.open.remove(scope)
            elif str(scope) in refused:
                self.open.remove(scope)
            elif scope in self.session.held:
                self.replica.believed[scope] = self.session.held[scope]

    def useful(self) -> bool:
        """Whether another request may bring something."""
        session = self.session
        return self.more or bool(session.sends or session.out or session.lacking)
