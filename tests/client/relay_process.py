"""A real relay process on loopback, and real devices of the binary beside it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from lastmile.invites import Invite
from lastmile.relay import Relay, enrol
from lastmile.replica import Replica
from lastmile.signatures import Key

ROOT = Path(__file__).parents[2]
PLACE = "430103005010"


def now() -> int:
    return int(time.time() * 1000)


def binary() -> str:
    """The binary named by LASTMILE_BINARY, else what cargo built."""
    named = os.environ.get("LASTMILE_BINARY")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    built = [target / profile / "lastmile" for profile in ("debug", "release")]
    for path in [Path(named)] if named else built:
        if path.is_file():
            return str(path)
    raise SystemExit(
        "tests/client: no binary; build it with `cargo build -p lastmile-cli` or name it in LASTMILE_BINARY"
    )


class RelayProcess:
    """Serves a new deployment from a folder that goes with it."""

    def __init__(self):
        self.program = binary()
        self.folder = tempfile.TemporaryDirectory(prefix="lastmile-client-")
        self.path = Path(self.folder.name)
        self.devices = 0
        address = self.path / "address"
        self.log = (self.path / "relay.log").open("w+")
        self.process = subprocess.Popen(
            [self.program, "relay", "serve", "--dir", str(self.path / "relay"), "--listen", "127.0.0.1:0",
             "--address-file", str(address)],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not address.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise SystemExit(f"tests/client: the relay did not start:\n{self.log.read()}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        self.folder.cleanup()

    def run(self, *arguments: str) -> str:
        done = subprocess.run([self.program, "--lang", "en", *arguments], capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def invite(self, place: str = PLACE) -> str:
        self.devices += 1
        out = self.path / f"invite-{self.devices}"
        self.run("relay", "invite", "--dir", str(self.path / "relay"), "--scope", place, "--out", str(out))
        return out.read_text()

    def python(self, label: str, place: str = PLACE) -> Relay:
        """A newly enrolled device of ours."""
        invite = Invite.parse(self.invite(place))
        replica: Replica = enrol(invite, Key(invite.deployment), label, now)
        return Relay(invite.url, replica)

    def rust(self, name: str) -> RustDevice:
        device = RustDevice(self, self.path / name)
        self.run("device", "init", "--dir", str(device.path), "--name", name, self.invite())
        return device


class RustDevice:
    """A device of the binary."""

    def __init__(self, relay: RelayProcess, path: Path):
        self.relay, self.path = relay, path

    def run(self, *arguments: str) -> str:
        return self.relay.run("device", *arguments, "--dir", str(self.path))

    def sync(self) -> None:
        self.run("sync")

    def script(self, *steps: dict) -> list[dict]:
        """Runs steps of docs/device-script.md; every one has to go well."""
        file = self.path.parent / "steps.jsonl"
        file.write_text("".join(json.dumps(step) + "\n" for step in steps))
        said = [json.loads(line) for line in self.run("script", str(file)).splitlines()]
        return [line["ok"] for line in said]

    def show(self, name: str, record: str) -> dict:
        return self.script({"do": "show", "type": name, "id": record})[0]
