"""The client against a real relay on loopback, and beside devices of the binary."""

import json
import os
import socket
import unittest
from urllib.parse import urlsplit

from lastmile import batches, bundles, frames
from lastmile.automerge import Instant
from lastmile.invites import Invite
from lastmile.primitives import Scope, community
from lastmile.records import Document, derived_id, event, first_change, uuid7
from lastmile.relay import Cut, Relay, ask, enrol, post, signed
from lastmile.session import Refused, Session
from lastmile.signatures import Key, Seal
from relay_process import PLACE, RelayProcess, now

COMMUNITY = community(PLACE)
ACTIVITY = {
    "title": "清洁日", "category": "environment", "kind": "service", "date": "2025-03-05", "beneficiaries": 20, "tags/环保": True,
}  # fmt: skip
PERSON = {"name": "张三", "party_status": "01", "kind/member": True, "phone/13800138000": True, "status": "active"}


def write(relay: Relay, name: str, values: dict, record: bytes | None = None) -> bytes:
    """Saves a new record in a commit of its own."""
    replica = relay.replica
    record = record or uuid7(now())
    change = first_change(name, record, PLACE, replica.key.author, now(), values)
    replica.commit(COMMUNITY, [(name, record, change)])
    return record


def activity(relay: Relay, **values) -> bytes:
    return write(relay, "activity", {**ACTIVITY, **values, **event("hold", now())})


def person(relay: Relay) -> bytes:
    return write(relay, "person", {**PERSON, **event("consent", now(), version="1")})


def document(relay: Relay, name: str, record: bytes) -> Document:
    logs = relay.replica.logs[COMMUNITY].values()
    return Document(name, [c for log in logs for commit in log for c in commit.changes if c.record == record])


def edit(relay: Relay, name: str, record: bytes, remove=(), **values) -> None:
    change = document(relay, name, record).edit(relay.replica.key.author, now(), values, remove)
    relay.replica.commit(COMMUNITY, [(name, record, change)])


def uuid(record: bytes) -> str:
    text = record.hex()
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = RelayProcess()

    @classmethod
    def tearDownClass(cls):
        cls.process.stop()

    def assert_idle(self, relay: Relay) -> None:
        """The idle exchange is one request and one end frame."""
        outcome = relay.sync()
        self.assertTrue(outcome.settled)
        self.assertEqual([response for _, response in outcome.sizes], [5])
        self.assertLess(outcome.sizes[0][0], 400)

    def request(self, relay: Relay, *said, skew: int = 0) -> bytes:
        body = b"".join(map(frames.write, [*said, frames.End(False, False, 0)]))
        return signed(relay.replica.key, relay.replica.epoch, body, now() + skew)

    def refusal(self, relay: Relay, request: bytes) -> tuple[int, frames.Error]:
        status, body = ask(relay.url, "/v1/sync", request)
        error, *_, end = frames.read_frames(body)
        self.assertIsInstance(error, frames.Error)
        self.assertIsInstance(end, frames.End)
        return status, error


class Exchanges(Served):
    def test_from_invite_to_receipt(self):
        """Invite, enrolment, two commits in two requests, receipts, and a second device that gets them."""
        first = self.process.python("first")
        replica = first.replica
        self.assertEqual(replica.scopes, [COMMUNITY, Scope(2, "4301")])
        self.assertTrue(first.sync().settled)
        made = activity(first)
        outcome = first.sync()
        self.assertEqual((outcome.settled, len(outcome.sizes), replica.receipted(COMMUNITY)), (True, 1, 1))
        known = person(first)
        outcome = first.sync()
        self.assertEqual((outcome.settled, len(outcome.sizes), replica.receipted(COMMUNITY)), (True, 1, 2))
        receipt = replica.receipts[COMMUNITY, replica.key.author]
        self.assertEqual(receipt.epoch, replica.epoch)
        self.assertTrue(receipt.verifies(replica.key.deployment, replica.trust.offices[replica.epoch][0].public))

        second = self.process.python("second")
        self.assertGreaterEqual(second.sync().new, 2)
        first.sync()
        for scope in replica.scopes:
            self.assertEqual(second.replica.digest(scope), replica.digest(scope))
        for name, record, values in (("activity", made, ACTIVITY), ("person", known, PERSON)):
            seen = document(second, name, record).values()
            self.assertEqual(seen, document(first, name, record).values())
            self.assertEqual({key: seen[key] for key in values}, values)
        self.assert_idle(first)
        self.assert_idle(second)

    def test_edits_meet(self):
        """Concurrent edits of different fields both stand; an edit on top of another replaces it."""
        first, second = self.process.python("first"), self.process.python("second")
        made = activity(first)
        first.sync()
        second.sync()
        edit(first, "activity", made, title="大清洁日")
        edit(second, "activity", made, beneficiaries=25)
        for relay in (first, second, first):
            self.assertTrue(relay.sync().settled)
        self.assertEqual(first.replica.digest(COMMUNITY), second.replica.digest(COMMUNITY))
        edit(first, "activity", made, title="清洁周")
        first.sync()
        second.sync()
        seen = document(second, "activity", made)
        self.assertEqual((seen.values()["title"], seen.values()["beneficiaries"]), ("清洁周", 25))
        self.assertTrue(all(len(held) == 1 for held in seen.keys.values()))

    def test_request_cut_on_its_way(self):
        """Half a request, and a request whose answer is lost; both repeated, nothing happens twice."""
        relay = self.process.python("cut")
        relay.sync()
        activity(relay)

        def half(url: str, path: str, body: bytes) -> bytes:
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port)) as connection:
                head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"
                connection.sendall((head + "Content-Type: application/vnd.lastmile.v1\r\n\r\n").encode())
                connection.sendall(body[: len(body) // 2])
            raise Cut("the path ended")

        def unanswered(url: str, path: str, body: bytes) -> bytes:
            post(url, path, body)
            raise Cut("the answer was lost")

        for path in (half, unanswered):
            relay.send = path
            with self.assertRaises(Cut):
                relay.sync()
            self.assertEqual(relay.replica.receipted(COMMUNITY), 0)
        relay.send = post
        outcome = relay.sync()
        self.assertEqual((outcome.settled, relay.replica.receipted(COMMUNITY)), (True, 1))
        self.assertEqual(relay.budget, 1 << 19)
        self.assert_idle(relay)

    def test_response_cut(self):
        """Of a response that was cut, what arrived whole counts."""
        source = self.process.python("source")
        for _ in range(5):
            activity(source)
        source.sync()
        relay = self.process.python("cut")
        held = 0
        for lost in (800, 400, 1):
            relay.send = lambda url, path, body, lost=lost: post(url, path, body)[:-lost]
            with self.assertRaises(Cut):
                relay.sync()
            now_held = sum(len(log.sealed) for log in relay.replica.logs[COMMUNITY].values())
            self.assertGreaterEqual(now_held, held)
            held = now_held
        self.assertGreater(held, 0)
        relay.send = post
        self.assertTrue(relay.sync().settled)
        source.sync()
        self.assertEqual(relay.replica.digest(COMMUNITY), source.replica.digest(COMMUNITY))

    def test_more_than_one_request_takes(self):
        """An upload beyond the first budget, and its download within a small credit."""
        source = self.process.python("large")
        source.sync()
        for _ in range(900):
            activity(source, note=os.urandom(900).hex())
        outcome = source.sync()
        self.assertTrue(outcome.settled)
        self.assertEqual(source.replica.receipted(COMMUNITY), 900)
        self.assertGreater(sum(request for request, _ in outcome.sizes), 700_000)

        target = self.process.python("small")
        hello = target.replica.hello

        def little_credit(scopes, challenge=None):
            said = hello(scopes, challenge)
            said.credit = 100_000
            return said

        target.replica.hello = little_credit
        outcome = target.sync()
        self.assertTrue(outcome.settled)
        self.assertGreater(len(outcome.sizes), 3)
        source.sync()
        self.assertEqual(target.replica.digest(COMMUNITY), source.replica.digest(COMMUNITY))

    def test_cloned_copies_part(self):
        """Two copies of one device go on alike; the relay and a third device hold both branches."""
        relay = self.process.python("original")
        activity(relay)
        relay.sync()
        replica = relay.replica
        clone = Relay(relay.url, enrol_again(replica))
        clone.sync()
        self.assertEqual(clone.replica.digest(COMMUNITY), replica.digest(COMMUNITY))
        clone.replica.cloned = False
        for copy, count in ((relay, 3), (clone, 2)):
            for _ in range(count):
                activity(copy)
        self.assertTrue(relay.sync().settled)
        self.assertTrue(clone.sync().settled)
        self.assertTrue(clone.replica.cloned)
        self.assertTrue(relay.sync().settled)
        self.assertEqual(clone.replica.digest(COMMUNITY), replica.digest(COMMUNITY))
        entries = [e for e in replica.vector(COMMUNITY) if e.segment.author == replica.key.author]
        self.assertEqual([(e.segment.start, e.seq) for e in entries][0], (0, 1))
        self.assertEqual(sorted((e.segment.start, e.seq) for e in entries[1:]), [(2, 3), (2, 4)])
        third = self.process.python("third")
        self.assertTrue(third.sync().settled)
        relay.sync()
        self.assertEqual(third.replica.digest(COMMUNITY), replica.digest(COMMUNITY))


def enrol_again(replica):
    """An empty replica with the same key: the device as it was before it wrote anything."""
    return type(replica)(replica.key, replica.trust, replica.scopes, replica.epoch, replica.now)


class Refusals(Served):
    def setUp(self):
        self.relay = self.process.python("refused")
        self.replica = self.relay.replica

    def hello(self) -> frames.Hello:
        return self.replica.hello(self.replica.scopes)

    def test_repeated(self):
        request = self.request(self.relay, self.hello())
        self.assertEqual(ask(self.relay.url, "/v1/sync", request)[0], 200)
        status, error = self.refusal(self.relay, request)
        self.assertEqual((status, error.code), (401, 13))

    def test_wrong_clock(self):
        for skew in (-11 * 60_000, 11 * 60_000):
            status, error = self.refusal(self.relay, self.request(self.relay, self.hello(), skew=skew))
            self.assertEqual((status, error.code), (401, 12))
            self.assertLess(abs(int(error.arguments[0]) - now()), 5_000)
        self.assertEqual(
            ask(self.relay.url, "/v1/sync", self.request(self.relay, self.hello(), skew=-9 * 60_000))[0], 200
        )
        # Signing with the receiver's time goes on in spite of a wrong clock.
        self.replica.now = lambda: now() - 86_400_000
        self.assertTrue(self.relay.sync().settled)

    def test_bad_signature(self):
        request = bytearray(self.request(self.relay, self.hello()))
        request[-1] ^= 1
        self.assertEqual(self.refusal(self.relay, bytes(request))[1].code, 10)
        changed = self.request(self.relay, self.hello()).replace(b"python", b"Python")
        status, error = self.refusal(self.relay, changed)
        self.assertEqual((status, error.code), (401, 10))

    def test_unknown_author(self):
        stranger = Key(self.replica.key.deployment)
        relay = Relay(
            self.relay.url,
            type(self.replica)(stranger, self.replica.trust, self.replica.scopes, self.replica.epoch, now),
        )
        status, error = self.refusal(relay, self.request(relay, relay.replica.hello(relay.replica.scopes)))
        self.assertEqual((status, error.code, error.arguments), (401, 9, [stranger.author.hex()]))

    def test_wrong_deployment_and_epoch(self):
        hello = self.hello()
        hello.deployment = bytes(16)
        self.assertEqual(self.refusal(self.relay, self.request(self.relay, hello))[1].code, 2)
        known = self.replica.epoch
        self.replica.epoch = bytes(16)
        status, error = self.refusal(self.relay, self.request(self.relay, self.hello()))
        self.assertEqual((status, error.code, error.arguments), (400, 11, [known.hex()]))
        self.assertTrue(self.relay.sync().settled)
        self.assertEqual(self.replica.epoch, known)

    def test_versions(self):
        hello = self.hello()
        hello.versions = (2, 3)
        status, error = self.refusal(self.relay, self.request(self.relay, hello))
        self.assertEqual((status, error.code, error.arguments), (400, 1, ["1", "1"]))
        hello.versions = (1, 3)
        self.assertEqual(ask(self.relay.url, "/v1/sync", self.request(self.relay, hello))[0], 200)

    def test_frames(self):
        """A frame that may be skipped is; another of an unknown type is not; what is no frame is refused."""
        request = self.request(self.relay, self.hello(), frames.Unknown(0xF0, b"future"))
        self.assertEqual(ask(self.relay.url, "/v1/sync", request)[0], 200)
        body = frames.write(self.hello()) + bytes.fromhex("08700066757475726504")[:-1]
        body += frames.write(frames.End(False, False, 0))
        request = signed(self.replica.key, self.replica.epoch, body, now())
        status, error = self.refusal(self.relay, request)
        self.assertEqual((status, error.code, error.arguments), (400, 5, ["112", "1"]))
        self.assertEqual(self.refusal(self.relay, b"no frames at all")[1].code, 10)
        status, error = self.refusal(
            self.relay, signed(self.replica.key, self.replica.epoch, body.replace(b"\x01\x00", b"\x01\x02", 1), now())
        )
        self.assertEqual((status, error.code), (400, 3))

    def test_scope_refused(self):
        """A scope that the certificate does not name is refused, and the others go on."""
        foreign = community("430102001001")
        self.replica.logs[foreign] = {}
        self.replica.scopes = sorted([*self.replica.scopes, foreign])
        outcome = self.relay.sync()
        self.assertEqual([(e.code, e.arguments) for e in outcome.errors], [(100, [str(foreign)])])
        self.assertTrue(outcome.settled)

    def test_batches(self):
        """A seal that does not verify, and a stub without an order; then the log as it is goes in."""
        activity(self.relay)
        self.replica.seal()
        log = self.replica.log(COMMUNITY, self.replica.key.author)
        session = Session(self.replica)
        session.held[COMMUNITY] = []
        session.plan(COMMUNITY)
        certificates, batch = session.next_batch()
        forged = frames.Batch(COMMUNITY, batch.author, [Seal(1, batch.seals[0].hash, bytes(64))], batch.packed)
        answer = self.answer(self.hello(), forged)
        self.assertIn(
            (COMMUNITY, batch.author, 0),
            [(f.scope, f.segment.author, f.after) for f in answer if isinstance(f, frames.Want)],
        )
        self.assertEqual([frame for frame in answer if isinstance(frame, frames.Receipts)], [])
        commit = next(iter(log))
        data, commit.changes[0].data = commit.changes[0].data, None
        stub = frames.Batch(COMMUNITY, batch.author, batch.seals, batches.pack([commit]))
        refused = [frame for frame in self.answer(self.hello(), stub) if isinstance(frame, frames.Error)]
        self.assertEqual(
            [(error.code, error.arguments) for error in refused], [(106, [str(COMMUNITY), batch.author.hex()])]
        )
        commit.changes[0].data = data
        self.assertTrue(self.relay.sync().settled)
        self.assertEqual(self.replica.receipted(COMMUNITY), 1)

    def test_a_batch_of_a_scope_not_named(self):
        activity(self.relay)
        session = Session(self.replica)
        session.held[COMMUNITY] = []
        self.replica.seal()
        session.plan(COMMUNITY)
        hello = self.replica.hello([Scope(2, "4301")])
        status, error = self.refusal(self.relay, self.request(self.relay, hello, *session.next_batch()))
        self.assertEqual((status, error.code), (400, 6))

    def answer(self, *said) -> list:
        return frames.read_frames(post(self.relay.url, "/v1/sync", self.request(self.relay, *said)))

    def test_enrolment(self):
        """An invite is good for one key, which gets the same answer again."""
        invite = Invite.parse(self.process.invite())
        key = Key(invite.deployment)
        first, again = enrol(invite, key, "one", now), enrol(invite, key, "one", now)
        self.assertEqual(set(first.trust.held), set(again.trust.held))
        with self.assertRaises(Refused) as refused:
            enrol(invite, Key(invite.deployment), "two", now)
        self.assertEqual(refused.exception.code, 15)
        request = signed(key, bytes(16), frames.write(frames.Enrol(invite.token, key.public, "one")), now())
        answers = [ask(invite.url, "/v1/enrol", request) for _ in range(2)]
        self.assertEqual([status for status, _ in answers], [200, 401])
        self.assertEqual(frames.read_frames(answers[1][1])[0].code, 13)
        invite.token = bytes(16)
        with self.assertRaises(Refused) as refused:
            enrol(invite, key, "one", now)
        self.assertEqual(refused.exception.code, 15)


class WithRustDevices(Served):
    def test_both_ways(self):
        """What the Rust device records shows here, and the other way, edits included."""
        rust, relay = self.process.rust("rust"), self.process.python("python")
        made, known = rust.script(
            {"do": "add", "type": "activity", "events": [{"kind": "hold"}],
             "fields": {"title": "义诊", "category": "health", "date": "2025-03-06", "beneficiaries": "30", "tags": ["老人"]}},
            {"do": "add", "type": "person", "events": [{"kind": "consent", "parts": {"version": "1"}}],
             "fields": {"name": "李四", "party_status": "01", "kind": ["member"]}},
        )  # fmt: skip
        rust.sync()
        mine, member = activity(relay), person(relay)
        self.assertTrue(relay.sync().settled)
        theirs = bytes.fromhex(made["id"].replace("-", ""))
        seen = document(relay, "activity", theirs).values()
        self.assertEqual((seen["title"], seen["beneficiaries"], seen["tags/老人"]), ("义诊", 30, True))
        self.assertIsInstance(seen["created_at"], Instant)
        their_person = document(relay, "person", bytes.fromhex(known["id"].replace("-", ""))).values()
        self.assertEqual((their_person["name"], their_person["status"]), ("李四", "active"))

        rust.sync()
        listed = {
            row["id"]: row
            for row in rust.script({"do": "list", "type": "activity", "columns": ["title", "beneficiaries"]})[0]
        }
        self.assertEqual(listed[uuid(mine)]["title"], "清洁日")
        self.assertEqual(listed[uuid(mine)]["beneficiaries"], 20)
        persons = rust.script({"do": "list", "type": "person", "columns": ["name"]})[0]
        self.assertIn({"id": uuid(member), "name": "张三"}, persons)

        edit(relay, "activity", theirs, beneficiaries=31)
        rust.script({"do": "edit", "type": "activity", "id": uuid(mine), "fields": {"title": "清洁周"}})
        relay.sync()
        rust.sync()
        relay.sync()
        self.assertEqual(document(relay, "activity", mine).values()["title"], "清洁周")
        listed = {
            row["id"]: row for row in rust.script({"do": "list", "type": "activity", "columns": ["beneficiaries"]})[0]
        }
        self.assertEqual(listed[uuid(theirs)]["beneficiaries"], 31)
        self.assert_idle(relay)
        self.assertEqual(self.held(rust).keys(), {"applied"})
        self.process.run("check", "--dir", str(rust.path))

    def test_records_that_follow_from_others(self):
        """Several records in one commit; a derived id meets the other side's, a wrong one shows nothing."""
        rust, relay = self.process.rust("derived-rust"), self.process.python("derived-python")
        relay.sync()
        made, one, two = activity(relay), person(relay), person(relay)
        author, replica = relay.replica.key.author, relay.replica
        writes = []
        for member in (one, two):
            record = derived_id("participation", [made, member])
            values = {"activity": made, "person": member, "minutes": 90, "source": "list", "attended": True}
            writes.append(
                ("participation", record, first_change("participation", record, PLACE, author, now(), values))
            )
        replica.commit(COMMUNITY, writes)
        relay.sync()
        rust.sync()
        listed = rust.script({"do": "list", "type": "participation", "columns": ["person", "minutes"]})[0]
        self.assertEqual(
            {row["id"] for row in listed if row["minutes"] == 90}, {uuid(record) for _, record, _ in writes}
        )

        # Both record the same check-in, and it is one record.
        values = {"person": one, "community": PLACE, "basis": "residence", **event("register", now())}
        record = write(relay, "check_in", values, derived_id("check_in", [one, PLACE]))
        fields = {"person": uuid(one), "community": PLACE, "basis": "residence"}
        (theirs,) = rust.script({"do": "add", "type": "check_in", "fields": fields, "events": [{"kind": "register"}]})
        self.assertEqual(theirs["id"], uuid(record))
        relay.sync()
        rust.sync()
        relay.sync()
        self.assertEqual(len(document(relay, "check_in", record).heads), 2)
        self.assertEqual(self.held(rust).keys(), {"applied"})

        self.assertEqual(self.tags(rust, made), ["环保"])
        edit(relay, "activity", made, remove=["tags/环保"])
        write(relay, "check_in", {**values, "person": two}, uuid7(now()))
        relay.sync()
        rust.sync()
        self.assertEqual(self.tags(rust, made), None)
        self.assertEqual(self.held(rust)["opaque"], 1)

    def tags(self, rust, record: bytes) -> list | None:
        listed = rust.script({"do": "list", "type": "activity", "columns": ["tags"]})[0]
        return next(row["tags"] for row in listed if row["id"] == uuid(record))

    def held(self, rust) -> dict[str, int]:
        held = json.loads(self.process.run("inspect", "--dir", str(rust.path), "--json"))["held"]
        return {state: count for state, count in held.items() if count}

    def test_a_file_both_ways(self):
        """A bundle of each is taken by the other."""
        rust, relay = self.process.rust("file-rust"), self.process.python("file-python")
        relay.sync()
        (made,) = rust.script(
            {"do": "add", "type": "activity", "events": [{"kind": "hold"}],
             "fields": {"title": "讲座", "category": "outreach", "date": "2025-03-07"}},
        )  # fmt: skip
        mine = activity(relay)
        there, back = self.process.path / "there.lastmile", self.process.path / "back.lastmile"
        rust.run("sync", "--to", str(there))
        self.assertGreaterEqual(bundles.take_bundle(relay.replica, there.read_bytes()), 1)
        theirs = bytes.fromhex(made["id"].replace("-", ""))
        self.assertEqual(document(relay, "activity", theirs).values()["title"], "讲座")
        back.write_bytes(bundles.write_bundle(relay.replica))
        rust.run("sync", "--from", str(back))
        listed = rust.script({"do": "list", "type": "activity", "columns": ["title"]})[0]
        self.assertIn({"id": uuid(mine), "title": "清洁日"}, listed)


if __name__ == "__main__":
    unittest.main()
