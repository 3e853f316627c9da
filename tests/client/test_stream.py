"""Two devices of ours over a two-way stream, and the rules that hold whatever carries the bytes."""

import os
import socket
import threading
import unittest

from lastmile import batches, frames
from lastmile.certificates import OFFICE, ROOT, Certificate, Trust
from lastmile.primitives import community
from lastmile.records import Document, event, first_change, uuid7
from lastmile.replica import Replica
from lastmile.session import Refused
from lastmile.signatures import Key, Seal
from lastmile.stream import Stream
from relay_process import PLACE, now

COMMUNITY = community(PLACE)


class Deployment:
    """Keys and certificates of a deployment without a relay process."""

    def __init__(self):
        self.id = os.urandom(16)
        self.root, self.office = Key(self.id), Key(self.id)
        self.chain = [self.certify(self.root, ROOT, self.office, ())]

    def certify(self, issuer: Key, kind: int, key: Key, scopes) -> bytes:
        who = (kind, b"" if kind == ROOT else issuer.author)
        unsigned = Certificate(key.public, "device", (), ("worker",), tuple(scopes), 0, None, who, bytes(64))
        return unsigned.encode()[:-64] + issuer.sign(unsigned.message(self.id))

    def device(self, scopes=(COMMUNITY,)) -> Replica:
        key, trust = Key(self.id), Trust(self.id, self.root.public)
        trust.add([*self.chain, self.certify(self.office, OFFICE, key, scopes)])
        return Replica(key, trust, list(scopes), self.office.author, now)

    def copy(self, replica: Replica) -> Replica:
        """What a clone of the device's folder would be."""
        other = Replica(replica.key, replica.trust, replica.scopes, replica.epoch, now)
        for scope, logs in replica.logs.items():
            for author, log in logs.items():
                copied = other.log(scope, author)
                copied.add(list(log))
                for seal in log.seals.values():
                    copied.seal(seal)
        return other


def activity(replica: Replica, **values) -> bytes:
    record = uuid7(now())
    said = {"title": "清洁日", "category": "environment", "date": "2025-03-05", **values, **event("hold", now())}
    change = first_change("activity", record, PLACE, replica.key.author, now(), said)
    replica.commit(COMMUNITY, [("activity", record, change)])
    return record


def carry(one: Stream, other: Stream, piece: int = 1 << 20) -> int:
    """Moves bytes to and fro until nobody says anything more; returns how many."""
    carried = 0
    while True:
        said = [(other, one.take()), (one, other.take())]
        if not any(data for _, data in said):
            return carried
        for to, data in said:
            carried += len(data)
            for at in range(0, len(data), piece):
                to.receive(data[at : at + piece])


class Streams(unittest.TestCase):
    def setUp(self):
        self.deployment = Deployment()
        self.one, self.other = self.deployment.device(), self.deployment.device()

    def assert_same(self, one: Stream, other: Stream) -> None:
        self.assertTrue(one.done() and other.done())
        self.assertEqual(one.replica.digest(COMMUNITY), other.replica.digest(COMMUNITY))

    def test_both_ways_over_sockets(self):
        made, theirs = activity(self.one), activity(self.other, title="义诊")
        streams, ends = (Stream(self.one), Stream(self.other)), socket.socketpair()

        def run(stream: Stream, end: socket.socket) -> None:
            end.settimeout(30)
            while True:
                end.sendall(stream.take())
                if stream.done():
                    end.shutdown(socket.SHUT_WR)
                data = end.recv(4096)
                if not data:
                    return
                stream.receive(data)

        threads = [threading.Thread(target=run, args=pair) for pair in zip(streams, ends)]
        for thread in threads:
            thread.start()
        for thread, end in zip(threads, ends):
            thread.join(60)
            end.close()
        self.assert_same(*streams)
        for replica in (self.one, self.other):
            self.assertEqual(self.title(replica, made), "清洁日")
            self.assertEqual(self.title(replica, theirs), "义诊")

    def title(self, replica: Replica, record: bytes) -> str:
        changes = [c for log in replica.logs[COMMUNITY].values() for commit in log for c in commit.changes]
        return Document("activity", [c for c in changes if c.record == record]).values()["title"]

    def test_any_pieces(self):
        """However the bytes are cut, both come to the same; a third device gets both logs from one of them."""
        for piece in (1, 7, 1000):
            activity(self.one)
            activity(self.other)
            streams = Stream(self.one), Stream(self.other)
            carry(*streams, piece)
            self.assert_same(*streams)
        third = self.deployment.device()
        streams = Stream(third), Stream(self.one)
        carry(*streams)
        self.assert_same(*streams)

    def test_it_stays_open(self):
        """After all is said, what is saved goes across at once, and nothing is sent twice."""
        for _ in range(20):
            activity(self.one, note="x" * 500)
        streams = Stream(self.one), Stream(self.other)
        first = carry(*streams)
        self.assert_same(*streams)
        activity(self.one)
        streams[0].saved()
        self.assertLess(carry(*streams), first / 2)
        self.assert_same(*streams)
        activity(self.other)
        streams[1].saved()
        carry(*streams)
        self.assert_same(*streams)

    def test_broken_anywhere(self):
        """A stream may end at any byte; the next one goes on from what arrived whole."""
        for _ in range(3):
            activity(self.one, note=os.urandom(600).hex())
        whole = carry(Stream(self.deployment.copy(self.one)), Stream(self.deployment.device()))
        for cut in range(0, whole, 97):
            target = self.deployment.device()
            streams = [Stream(self.one), Stream(target)]
            left = cut
            while left > 0 and any(said := [stream.take() for stream in streams]):
                for to, data in zip(streams[::-1], said):
                    to.receive(data[:left])
                    left -= min(left, len(data))
            streams = Stream(self.one), Stream(target)
            carry(*streams)
            self.assert_same(*streams)

    def test_little_credit(self):
        """Batches wait for credit, and all goes across in the end."""
        for _ in range(400):
            activity(self.one, note=os.urandom(600).hex())
        hello = self.other.hello

        def little(scopes, challenge=None):
            said = hello(scopes, challenge)
            said.credit = 50_000
            return said

        self.other.hello = little
        streams = Stream(self.one), Stream(self.other)
        carry(*streams)
        self.assert_same(*streams)

    def test_copies_part(self):
        """A cloned log: both sides come to hold both branches, and name them alike."""
        for shared, ours, theirs in ((0, 1, 1), (1, 2, 2), (3, 5, 2), (40, 1, 30)):
            with self.subTest((shared, ours, theirs)):
                one = self.deployment.device()
                for _ in range(shared):
                    activity(one)
                one.seal()
                other = self.deployment.copy(one)
                for replica, count in ((one, ours), (other, theirs)):
                    for _ in range(count):
                        activity(replica)
                    replica.seal()
                # Two copies of one author do not talk to each other; a third device meets both.
                third, fourth = self.deployment.device(), self.deployment.device()
                for pair in ((one, third), (other, third), (third, fourth), (one, fourth)):
                    streams = Stream(pair[0]), Stream(pair[1])
                    carry(*streams)
                    self.assert_same(*streams)
                starts = [
                    (e.segment.start, e.seq) for e in fourth.vector(COMMUNITY) if e.segment.author == one.key.author
                ]
                trunk = [(0, shared)] if shared else []
                self.assertEqual(
                    sorted(starts), sorted([*trunk, (shared + 1, shared + ours), (shared + 1, shared + theirs)])
                )
                self.assertTrue(one.cloned)

    def test_two_copies_at_once(self):
        """Two devices, each with another branch of a third's log, find the point where it parts."""
        source = self.deployment.device()
        for _ in range(100):
            activity(source)
        source.seal()
        clone = self.deployment.copy(source)
        for replica, target in ((source, self.one), (clone, self.other)):
            for _ in range(3):
                activity(replica)
            carry(Stream(replica), Stream(target))
        streams = Stream(self.one), Stream(self.other)
        carry(*streams)
        self.assert_same(*streams)
        starts = sorted((e.segment.start, e.seq) for e in self.one.vector(COMMUNITY))
        self.assertEqual(starts, [(0, 100), (101, 103), (101, 103)])

    def test_seals(self):
        """A valid seal among others counts; without one the log is asked for again, once; a later one lets it wait."""
        for _ in range(4):
            activity(self.one)
        log = self.one.log(COMMUNITY, self.one.key.author)
        commits = list(log.commits.values())
        good, first = (self.one.key.seal(COMMUNITY, commit.seq, commit.hash) for commit in (commits[3], commits[0]))
        forged, elsewhere = Seal(4, good.hash, bytes(64)), self.one.key.seal(COMMUNITY, 4, bytes(32))
        target = self.deployment.device()
        target.trust.add(self.one.trust.chain(self.one.key.author))

        def take(run, *seals):
            packed = batches.pack(run)
            return target.take_batch(frames.Batch(COMMUNITY, self.one.key.author, list(seals), packed))

        self.assertIsInstance(take(commits, forged).answers[0], frames.Want)
        self.assertEqual(take(commits, elsewhere).answers[0].code, 103)
        self.assertEqual(target.vector(COMMUNITY), [])
        self.assertEqual(take(commits[:2], good).new, 2)
        self.assertEqual((target.vector(COMMUNITY), target.pending(COMMUNITY)[0].seq), ([], 2))
        self.assertEqual(take(commits[2:], forged, good, first).new, 2)
        self.assertEqual((target.vector(COMMUNITY)[0].seq, target.pending(COMMUNITY)), (4, []))

    def test_strangers(self):
        """A device of another deployment, one without a certificate, and one that signs with another key."""
        foreign = Deployment().device()
        with self.assertRaises(Refused) as refused:
            carry(Stream(self.one), Stream(foreign))
        self.assertEqual(refused.exception.code, 2)
        stranger = self.deployment.device()
        stranger.trust = Trust(self.deployment.id, self.deployment.root.public)
        stranger.trust.add(self.deployment.chain)
        with self.assertRaises(Refused) as refused:
            carry(Stream(self.one), Stream(stranger))
        self.assertEqual(refused.exception.code, 9)
        stream, thief = Stream(self.one), Stream(self.other)
        sign = self.other.key.sign
        self.other.key.sign = lambda message: sign(message + b".")
        with self.assertRaises(Refused) as refused:
            carry(stream, thief)
        self.assertEqual(refused.exception.code, 10)

    def test_nothing_before_the_signature(self):
        """Whoever has not signed is told nothing of a scope, and what it says is not taken."""
        activity(self.one)
        stream = Stream(self.one)
        stream.take()
        hello = self.other.hello([COMMUNITY], os.urandom(16))
        stream.receive(frames.write(hello))
        said = frames.read_frames(stream.take())
        self.assertEqual([type(frame) for frame in said], [frames.Certificates, frames.Auth])
        with self.assertRaises(Refused) as refused:
            stream.receive(frames.write(self.other.vector_frame(COMMUNITY)))
        self.assertEqual(refused.exception.code, 6)

    def test_only_certified_scopes(self):
        """A peer gets no scope that its certificate does not name."""
        elsewhere = self.deployment.device([community("430102001001")])
        elsewhere.scopes.append(COMMUNITY)
        elsewhere.logs[COMMUNITY] = {}
        activity(self.one)
        streams = Stream(self.one), Stream(elsewhere)
        carry(*streams)
        self.assertEqual(elsewhere.vector(COMMUNITY), [])


if __name__ == "__main__":
    unittest.main()
