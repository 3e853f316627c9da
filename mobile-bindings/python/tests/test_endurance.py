"""Many threads, many openings, many ends of the interpreter. LASTMILE_LONG=1 runs each as long as it is to hold."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import lastmile
from lastmile import ActivityCategory, LastmileError, ListQuery, NewActivity
from relay_process import RelayProcess

LONG = os.environ.get("LASTMILE_LONG") == "1"
QUERY = ListQuery(record_type="activity", fields=["title"])

# A program that ends while everything is still going on: a stream is waited for, the sync runs, a save is under way.
ENDING = """
import asyncio, sys, lastmile
from lastmile import ActivityCategory, ListQuery, NewActivity

async def main():
    replica = await lastmile.open(sys.argv[1])
    replica.start_auto_sync()
    streams = [replica.changes(), replica.observe(ListQuery(record_type="activity")), replica.sync_states()]
    waiting = [asyncio.ensure_future(anext(stream, None)) for stream in streams]
    edit = NewActivity(title="x", category=ActivityCategory.OTHER, date="2025-03-05").edit()
    waiting.append(asyncio.ensure_future(replica.save(edit)))
    await asyncio.sleep(0)
    if sys.argv[2] == "cancelled":
        for task in waiting:
            task.cancel()
    await replica.close()
    await asyncio.gather(*waiting, return_exceptions=True)

asyncio.run(main())
"""


def resident() -> int:
    """Bytes of memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def edit(title: str):
    return NewActivity(title=title, category=ActivityCategory.OTHER, date="2025-03-05").edit()


class Endurance(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lastmile-python-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        relay = RelayProcess(self.folder)
        self.addCleanup(relay.stop)

        async def enrol():
            await (await lastmile.enrol(self.folder / "one", relay.invite(), "one")).close()

        asyncio.run(enrol())

    def test_many_threads(self):
        """Each thread with an event loop of its own saves, reads, observes and gives up; nothing is lost or stuck."""
        threads, saves = (16, 200) if LONG else (8, 25)
        failed: list[BaseException] = []
        replica = asyncio.run(lastmile.open(self.folder / "one"))
        replica.start_auto_sync()

        async def work(number: int):
            lists = replica.observe(QUERY)
            await anext(lists)
            for turn in range(saves):
                [made] = await replica.save(edit(f"{number}-{turn}"))
                await asyncio.gather(
                    replica.record("activity", made.id), replica.list(QUERY), replica.sync_state(), replica.outbox(5)
                )
                given_up = asyncio.ensure_future(replica.find("activity", "x"))
                await asyncio.sleep(0)
                given_up.cancel()
                if turn % 10 == 0:
                    await anext(lists)
            lists.close()

        def run(number: int):
            try:
                asyncio.run(asyncio.wait_for(work(number), 300))
            except BaseException as error:
                failed.append(error)

        running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        self.assertEqual(failed, [])

        async def end():
            titles = [row["title"] async for page in replica.pages(QUERY) for row in page]
            self.assertEqual(sorted(titles), sorted(f"{n}-{turn}" for n in range(threads) for turn in range(saves)))
            # Whoever is under way when it closes hears so.
            late = [asyncio.ensure_future(replica.list(QUERY)) for _ in range(50)]
            await asyncio.sleep(0)
            await replica.close()
            for result in await asyncio.gather(*late, return_exceptions=True):
                self.assertIsInstance(result, (lastmile.Page, LastmileError.Closed))

        asyncio.run(end())

    def test_nothing_is_left_of_what_was_closed(self):
        """Opened and closed again and again, with streams and the sync running: memory, threads and files stay as they are."""
        before, after = (200, 1_000) if LONG else (30, 120)

        async def once(number: int):
            async with await lastmile.open(self.folder / "one") as replica:
                if number % 2 == 0:
                    replica.start_auto_sync(foreground=number % 4 == 0)
                lists, changes = replica.observe(QUERY), replica.changes()
                await anext(lists)
                if number % 10 == 0:
                    await replica.save(edit(str(number)))
                waiting = asyncio.ensure_future(anext(changes, None))
                await replica.close()
                await waiting

        def figures() -> tuple[int, int, int]:
            return resident(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

        async def run():
            for number in range(before):
                await once(number)
            first = figures()
            for number in range(after):
                await once(number)
            return first, figures()

        first, last = asyncio.run(run())
        self.assertEqual(first[1:], last[1:], "threads and open files")
        grown = (last[0] - first[0]) / after
        # What the allocators keep for later moves by some pages; a replica that stayed would be hundreds of kilobytes.
        self.assertLess(grown, 8_192, f"{grown:.0f} bytes an opening; {first[0] >> 20} to {last[0] >> 20} MB")

    def test_the_interpreter_ends_quietly(self):
        runs = 200 if LONG else 20
        for run in range(runs):
            mode = ("plain", "cancelled")[run % 2]
            done = subprocess.run(
                [sys.executable, "-X", "dev", "-c", ENDING, str(self.folder / "one"), mode],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stderr), (0, ""), f"run {run}, {mode}")


if __name__ == "__main__":
    unittest.main()
