"""Every golden file is read, and written back to the same bytes."""

import hashlib
import hmac
import unittest
from pathlib import Path

from nacl.public import PrivateKey, SealedBox

from lastmile import batches, bundles, frames, vectors
from lastmile.automerge import decode
from lastmile.certificates import Certificate, Trust
from lastmile.commits import body_hash
from lastmile.invites import Invite, seal_value
from lastmile.primitives import FormatError, Scope, community, read_all
from lastmile.replica import Replica
from lastmile.signatures import Key, Receipt, Seal, request_message, seal_message, verify

ROOT = Path(__file__).parents[2]
LOG, WIRE = ROOT / "crates/lastmile-log/tests/golden", ROOT / "schema/wire/v1"
COMMUNITY = community("430103005010")


def golden(folder: Path, name: str) -> bytes:
    return bytes.fromhex("".join((folder / f"{name}.hex").read_text().split()))


class Logs(unittest.TestCase):
    """crates/lastmile-log/tests/golden."""

    deployment = b"deployment no. 1"
    root, device, office, successor = (Key(b"deployment no. 1", bytes([seed]) * 32) for seed in (1, 2, 3, 4))

    def test_batches(self):
        for name in ("usual", "odd"):
            inflated = golden(LOG, f"{name}-batch-inflated")
            packed = golden(LOG, f"{name}-batch")
            commits = batches.unpack(packed)
            self.assertEqual(batches.lay_out(commits), inflated)
            self.assertEqual(batches.inflate(packed, len(inflated)), inflated)
            self.assertEqual(batches.inflate(batches.pack(commits), len(inflated)), inflated)
            self.assertIn(golden(LOG, f"{name}-commit-hashed"), [commit.hashed() for commit in commits])

    def test_changes(self):
        for commit in batches.unpack(golden(LOG, "usual-batch")):
            for change in commit.changes:
                body = decode(change.data)
                self.assertEqual(body.encode(), change.data)
                self.assertEqual(body_hash(body.encode()), change.hash)

    def test_damage_is_refused(self):
        inflated = golden(LOG, "odd-batch-inflated")
        for cut in range(len(inflated)):
            with self.assertRaises(FormatError):
                read_all(inflated[:cut], batches.read_batch)
        with self.assertRaises(FormatError):
            read_all(inflated + b"\0", batches.read_batch)
        with self.assertRaises(FormatError):
            batches.unpack(golden(LOG, "odd-batch") + b"\0")

    def test_seal(self):
        data = golden(LOG, "seal")
        seal = read_all(data, Seal.read)
        self.assertEqual(seal.encode(), data)
        author = self.device.author
        message = seal_message(self.deployment, COMMUNITY, author, seal.seq, seal.hash)
        self.assertEqual(message, golden(LOG, "seal-signed"))

    def test_receipt(self):
        data = golden(LOG, "receipt")
        receipt = read_all(data, Receipt.read)
        self.assertEqual(receipt.encode(), data)
        self.assertEqual(receipt.message(self.deployment), golden(LOG, "receipt-signed"))

    def test_certificates(self):
        for name in ("office", "device", "successor"):
            data = golden(LOG, f"certificate-{name}")
            certificate = Certificate.read(data)
            self.assertEqual(certificate.encode(), data)
            self.assertEqual(certificate.message(self.deployment), golden(LOG, f"certificate-{name}-signed"))
            with self.assertRaises(FormatError):
                Certificate.read(data + b"\0")
        self.assertEqual(certificate.agreed(self.deployment), golden(LOG, "certificate-successor-agreed"))

    def test_vector(self):
        data = golden(LOG, "vector")
        vector = vectors.read_vector(data)
        self.assertEqual(vectors.encode_vector(vector), data)
        self.assertEqual(vectors.digest(vector), golden(LOG, "vector-digest"))

    def test_invite(self):
        line = golden(LOG, "invite-text").decode()
        invite = Invite.parse(line)
        self.assertEqual(invite.write(), line)
        self.assertEqual(Invite.parse("\u3000" + line[:40] + "\r\n" + line[40:]), invite)
        damaged = line[:-1] + ("A" if line[-1] != "A" else "B")
        with self.assertRaises(FormatError):
            Invite.parse(damaged)
        self.assertIsNone(invite.pin)
        line = golden(LOG, "invite-pinned-text").decode()
        pinned = Invite.parse(line)
        self.assertEqual((pinned.write(), len(pinned.pin)), (line, 32))

    def test_trust(self):
        certificates = [golden(LOG, f"certificate-{name}") for name in ("successor", "device", "office")]
        trust = Trust(self.deployment, self.root.public)
        trust.add(certificates)
        self.assertEqual(set(trust.offices), {self.office.author})
        self.assertEqual(set(trust.devices), {self.device.author, self.successor.author})
        self.assertEqual(trust.chain(self.successor.author), certificates[::-1])
        seal = read_all(golden(LOG, "seal"), Seal.read)
        self.assertTrue(seal.verifies(self.deployment, COMMUNITY, self.device.author, self.device.public))
        self.assertFalse(seal.verifies(self.deployment, Scope(2, "4301"), self.device.author, self.device.public))
        receipt = read_all(golden(LOG, "receipt"), Receipt.read)
        self.assertTrue(receipt.verifies(self.deployment, trust.public(receipt.epoch)))
        for left_out, counted in (("office", set()), ("device", {self.office.author})):
            trust = Trust(self.deployment, self.root.public)
            trust.add(data for data in certificates if data != golden(LOG, f"certificate-{left_out}"))
            self.assertEqual(set(trust.offices) | set(trust.devices), counted)
        self.assertEqual(Trust(self.deployment, self.device.public).offices, {})

    def test_sealed_value(self):
        data, office = golden(LOG, "sealed-value"), PrivateKey(bytes([5]) * 32)
        self.assertEqual(data[:9], b"\x01" + hashlib.sha256(bytes(office.public_key)).digest()[:8])
        self.assertEqual(SealedBox(office).decrypt(data[9:]), b"990101198001010013")
        sealed = seal_value(bytes(office.public_key), b"990101198001010013")
        self.assertEqual((sealed[:9], len(sealed)), (data[:9], len(data)))
        self.assertEqual(SealedBox(office).decrypt(sealed[9:]), b"990101198001010013")

    def test_fingerprint(self):
        made = hmac.digest(bytes([7]) * 32, b"990101198001010013", "sha256")
        self.assertEqual(made, golden(LOG, "fingerprint"))

    def test_every_file_is_read(self):
        names = {file.stem for file in LOG.glob("*.hex")}
        self.assertEqual(names, LOG_FILES)


class Wire(unittest.TestCase):
    """schema/wire/v1."""

    deployment = bytes([0xD0]) * 16
    root, office, device, uploader = (Key(bytes([0xD0]) * 16, bytes([seed]) * 32) for seed in (1, 2, 3, 0x65))

    def test_every_file(self):
        files = sorted(WIRE.glob("*.hex"))
        self.assertGreater(len(files), 20)
        for file in files:
            with self.subTest(file.stem):
                data = golden(WIRE, file.stem)
                if file.stem == "bundle":
                    self.assertEqual(data[:12], bundles.MAGIC)
                    data = data[12:]
                whole = frames.split(data)
                self.assertEqual(b"".join(whole), data)
                for frame in whole:
                    written = frames.write(frames.parse(frames.unprefixed(frame)))
                    # Another zstd may choose other bytes, so compressed payloads are compared by what they hold.
                    self.assertEqual(self.opened(written), self.opened(frame))

    def opened(self, frame: bytes) -> tuple:
        frame = frames.unprefixed(frame)
        if frame[0] != 3 and frame[1] & frames.COMPRESSED:
            return frame[:2], batches.inflate(frame[2:], frames.MOST_FRAME)
        return frame[:2], frame[2:]

    def test_cut_anywhere(self):
        data = golden(WIRE, "upload-request")
        for cut in range(len(data)):
            whole = frames.split(data[:cut])
            self.assertTrue(data.startswith(b"".join(whole)))
            for frame in whole:
                frames.parse(frames.unprefixed(frame))

    def test_upload(self):
        """The recorded exchange, checked as a relay and then as a client would."""
        data = golden(WIRE, "upload-request")
        hello, vector, certificates, batch, end, auth = frames.read_frames(data)
        body = data[: -len(frames.split(data)[-1])]
        message = request_message(self.deployment, hello.epoch, hello.author, auth.time, auth.nonce, body)
        self.assertTrue(verify(self.uploader.public, message, auth.signature))
        self.assertEqual((vector.vector, end.more), ([], False))
        trust = Trust(self.deployment, self.root.public)
        trust.add(certificates.certificates)
        relay = Replica(self.office, trust, [COMMUNITY, Scope(2, "4301")], self.office.author, lambda: 0)
        # The recorded commits hold stubs alone, and no order explains them.
        self.assertEqual(relay.take_batch(batch).answers[0].code, 106)
        relay.erased = lambda scope, change: True
        self.assertEqual(relay.take_batch(batch).new, 2)
        self.assertEqual(relay.digest(COMMUNITY), hello.scopes[0].digest)
        hello, receipts, certificates, down, end = frames.read_frames(golden(WIRE, "upload-response"))
        self.assertEqual(end.handled, 4)
        self.assertTrue(relay.take_receipt(receipts.receipts[0]))
        self.assertEqual(relay.take_batch(down).new, 1)
        self.assertEqual([said.digest for said in hello.scopes], [relay.digest(scope) for scope in relay.scopes])

    def test_bundle(self):
        trust = Trust(self.deployment, self.root.public)
        reader = Replica(self.device, trust, [COMMUNITY, Scope(2, "4301")], self.office.author, lambda: 0)
        reader.erased = lambda scope, change: True
        data = golden(WIRE, "bundle")
        self.assertEqual(bundles.take_bundle(reader, data), 3)
        self.assertEqual(bundles.take_bundle(reader, data), 0)
        hello = frames.read_frames(data[12:])[0]
        self.assertEqual([said.digest for said in hello.scopes], [reader.digest(scope) for scope in reader.scopes])

    def test_enrolment(self):
        data = golden(WIRE, "enrol-request")
        enrol, auth = frames.read_frames(data)
        body = frames.split(data)[0]
        message = request_message(self.deployment, bytes(16), self.device.author, auth.time, auth.nonce, body)
        self.assertEqual(enrol.public, self.device.public)
        self.assertTrue(verify(enrol.public, message, auth.signature))
        trust = Trust(self.deployment, self.root.public)
        trust.add(frames.read_frames(golden(WIRE, "enrol-response"))[0].certificates)
        self.assertEqual(set(trust.devices), {self.device.author})


LOG_FILES = {
    "certificate-device", "certificate-device-signed", "certificate-office", "certificate-office-signed",
    "certificate-successor", "certificate-successor-agreed", "certificate-successor-signed", "fingerprint",
    "invite-pinned-text", "invite-text", "odd-batch", "odd-batch-inflated", "odd-commit-hashed", "receipt", "receipt-signed", "seal", "seal-signed", "sealed-value",
    "usual-batch", "usual-batch-inflated", "usual-commit-hashed", "vector", "vector-digest",
}  # fmt: skip

if __name__ == "__main__":
    unittest.main()
