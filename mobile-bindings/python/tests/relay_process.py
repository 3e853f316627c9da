"""A real relay process on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(os.environ["LASTMILE_ROOT"])
PLACE = "430103005010"


def binary() -> str:
    named = os.environ.get("LASTMILE_BINARY")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    for path in [Path(named)] if named else [target / profile / "lastmile" for profile in ("debug", "release")]:
        if path.is_file():
            return str(path)
    raise SystemExit("no binary; build it with `cargo build -p lastmile-cli` or name it in LASTMILE_BINARY")


class RelayProcess:
    """A deployment in a folder. It may be stopped and started again at the same address."""

    def __init__(self, folder: Path):
        self.program = binary()
        self.folder = folder
        self.address = "127.0.0.1:0"
        self.invites = 0
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        told = self.folder / "address"
        told.unlink(missing_ok=True)
        with (self.folder / "relay.log").open("a") as log:
            self.process = subprocess.Popen(
                [self.program, "relay", "serve", "--dir", str(self.folder / "relay"), "--listen", self.address,
                 "--address-file", str(told)],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not told.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the relay did not start:\n{(self.folder / 'relay.log').read_text()}")
            time.sleep(0.02)
        self.address = re.sub(r"^\w+://", "", told.read_text().strip())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def invite(self, role: str = "worker") -> str:
        self.invites += 1
        out = self.folder / f"invite-{self.invites}"
        done = subprocess.run(
            [self.program, "--lang", "en", "relay", "invite", "--dir", str(self.folder / "relay"), "--scope", PLACE,
             "--role", role, "--out", str(out)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return out.read_text()
