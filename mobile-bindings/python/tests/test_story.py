"""The story of a device: enrol, record without a network, be killed, go on, sync, hear of a colleague, decide, export."""

from __future__ import annotations

import asyncio
import datetime
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import lastmile
from lastmile import (
    Activity,
    ActivityCategory,
    ActivityChange,
    LastmileError,
    ListQuery,
    NewActivity,
    Person,
    SyncPhase,
)
from relay_process import RelayProcess

SOON = datetime.timedelta(seconds=30)


def plain(title: str, **fields) -> NewActivity:
    return NewActivity(title=title, category=ActivityCategory.ENVIRONMENT, date=datetime.date(2025, 3, 5), **fields)


class Story(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="lastmile-python-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.relay = RelayProcess(self.folder)
        self.addCleanup(self.relay.stop)

    async def enrol(self, name: str, role: str = "worker", **options) -> lastmile.Replica:
        invite = await asyncio.to_thread(self.relay.invite, role)
        replica = await lastmile.enrol(self.folder / name, invite, name, **options)
        self.addAsyncCleanup(replica.close)
        return replica

    def recorded_and_killed(self, name: str) -> list[str]:
        """Lets a process record, and kills it as soon as it says that it has."""
        script = Path(__file__).with_name("recording.py")
        recording = subprocess.Popen([sys.executable, str(script), str(self.folder / name)], stdout=subprocess.PIPE)
        line = recording.stdout.readline().decode()
        recording.send_signal(signal.SIGKILL)
        recording.wait(30)
        recording.stdout.close()
        self.assertTrue(line, "the recording process said nothing")
        return line.split()

    async def test_story(self):
        replica = await self.enrol("one", "secretary")
        info = await replica.info()
        self.assertIn("community:430103005010", info.scopes)
        await replica.close()
        await asyncio.to_thread(self.relay.stop)
        activity, person = await asyncio.to_thread(self.recorded_and_killed, "one")

        replica = await lastmile.open(self.folder / "one")
        self.addAsyncCleanup(replica.close)
        kept = await replica.get(Activity, activity)
        self.assertEqual((kept.title, kept.category, kept.date), ("清洁日", "environment", datetime.date(2025, 3, 5)))
        self.assertEqual((kept.state, kept.tags, kept.beneficiaries), ("held", ["环保"], 20))
        self.assertEqual((await replica.get(Person, person)).phone, ["13800138000"])
        [found] = await replica.find("person", "zs", fields=["name"])
        self.assertEqual(found, {"id": person, "name": "张三"})
        outbox = await replica.outbox()
        self.assertEqual((outbox.commits, len(outbox.first[0].records)), (1, 3))
        away = await replica.background_step(SOON)
        self.assertTrue(away.is_RETRY(), away)
        self.assertEqual(away.code, "unreachable")
        with self.assertRaises(LastmileError.Network) as failed:
            await replica.sync(SOON)
        self.assertTrue(failed.exception.retryable)
        self.assertEqual((await replica.sync_state()).phase, SyncPhase.OFFLINE)

        await asyncio.to_thread(self.relay.start)
        progress = []
        report = await replica.sync(SOON, progress.append)
        self.assertTrue(report.complete and report.receipts > 0 and progress, report)
        self.assertEqual((await replica.outbox()).commits, 0)
        done = await replica.background_step(SOON)
        self.assertTrue(done.is_DONE(), done)

        await self.hears_a_colleague(replica, activity)
        await self.decides(replica, activity)
        await self.hands_over(replica, activity)

    async def hears_a_colleague(self, replica: lastmile.Replica, activity: str):
        colleague = await self.enrol("two")
        await colleague.sync(SOON)
        self.assertEqual((await colleague.get(Activity, activity)).title, "清洁日")
        query = ListQuery(record_type="activity", fields=["title"])
        lists, changes = replica.observe(query), replica.changes("activity")
        self.assertEqual([row["title"] for row in await anext(lists)], ["清洁日"])
        replica.start_auto_sync()
        states = replica.sync_states()
        async with asyncio.timeout(30):
            async for state in states:
                if state.phase == SyncPhase.UP_TO_DATE:
                    break
        heard = asyncio.ensure_future(anext(changes))
        shown = asyncio.ensure_future(anext(lists))
        [made] = await colleague.save(plain("同事的活动").edit())
        await colleague.sync(SOON)
        async with asyncio.timeout(30):
            event = await heard
            self.assertTrue(event.is_RECORDS(), event)
            self.assertEqual([record.id for record in event.records], [made.id])
            self.assertEqual({row["title"] for row in await shown}, {"清洁日", "同事的活动"})
        for stream in (lists, changes, states):
            stream.close()
        await replica.stop_auto_sync()
        await colleague.close()

    async def decides(self, replica: lastmile.Replica, activity: str):
        colleague = await lastmile.open(self.folder / "two")
        self.addAsyncCleanup(colleague.close)
        await replica.save(ActivityChange(beneficiaries=25, venue=None, add_tags=["公园"]).edit(activity))
        await colleague.save(ActivityChange(beneficiaries=30).edit(activity))
        for device in (replica, colleague, replica):
            await device.sync(SOON)
        [open_] = await replica.conflicts()
        conflict = next(one for one in open_.conflicts if one.field == "beneficiaries")
        values = {lastmile.value_of(side.value): side for side in conflict.sides}
        self.assertEqual(set(values), {25, 30})
        with self.assertRaises(LastmileError.NotAllowed) as refused:
            await colleague.save(lastmile.decided(open_, conflict, values[30]))
        self.assertEqual(refused.exception.code, "not_permitted")
        await replica.save(lastmile.decided(open_, conflict, values[30]))
        self.assertEqual(await replica.conflicts(), [])
        for device in (replica, colleague):
            await device.sync(SOON)
        for device in (replica, colleague):
            settled = await device.get(Activity, activity)
            self.assertEqual((settled.beneficiaries, settled.tags), (30, ["公园", "环保"]))
        await colleague.close()

    async def hands_over(self, replica: lastmile.Replica, activity: str):
        third = await self.enrol("three")
        with self.assertRaises(LastmileError.NotFound):
            await third.get(Activity, activity)
        file = self.folder / "all.lastmile"
        written = await replica.export_bundle(file)
        self.assertEqual(written.bytes, file.stat().st_size)
        taken = await third.import_bundle(file)
        self.assertTrue(taken.whole and taken.appended > 0, taken)
        self.assertEqual((await third.get(Activity, activity)).beneficiaries, 30)
        (self.folder / "none.lastmile").write_text("nothing of the kind")
        with self.assertRaises(LastmileError.NotTaken):
            await third.import_bundle(self.folder / "none.lastmile")
        figures = await third.storage_figures()
        self.assertGreater(figures.changes, 3)
        await third.close()

    async def test_files_travel(self):
        one, two = await self.enrol("one"), await self.enrol("two")
        [made] = await one.save(plain("清洁日").edit())
        document = self.folder / "协议.pdf"
        document.write_bytes(b"%PDF-1.4\n%" + bytes(48 + (n * 7919 >> 3) % 10 for n in range(200_000)) + b"\n%%EOF\n")
        attached = await one.attach(made, document)
        await one.sync(SOON)
        [file] = await one.attachments(made.id)
        self.assertTrue(file.standing.is_UPLOADED(), file)
        await two.sync(SOON)
        [file] = await two.attachments(made.id)
        self.assertEqual((file.name, file.standing.is_AWAY()), ("协议.pdf", True))
        came, progress = self.folder / "came.pdf", []
        length = await two.fetch_attachment(attached.hash, came, on_progress=progress.append)
        self.assertEqual((length, came.read_bytes()), (attached.size, document.read_bytes()))
        self.assertEqual(progress[-1].held, attached.size)
        with self.assertRaises(LastmileError.NotTaken):
            (self.folder / "none.pdf").write_text("no document")
            await one.attach(made, self.folder / "none.pdf")

    async def test_what_goes_wrong_is_told(self):
        with self.assertRaises(LastmileError.NotFound) as none:
            await lastmile.open(self.folder / "one")
        self.assertEqual(none.exception.code, "no_replica")
        replica = await self.enrol("one")
        with self.assertRaises(LastmileError.AlreadyOpen):
            await lastmile.open(self.folder / "one")
        with self.assertRaises(LastmileError.InvalidInput) as wrong:
            await replica.save(plain("清洁日").edit(), NewActivity(title="", category="张三", date="2025-13-01").edit())
        self.assertEqual({problem.field for problem in wrong.exception.problems}, {"title", "category", "date"})
        self.assertNotIn("张三", repr(wrong.exception) + str(wrong.exception))
        self.assertEqual(len(await replica.list(ListQuery(record_type="activity"))), 0)
        stream = replica.changes()
        waiting = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0.1)
        await asyncio.gather(replica.close(), replica.close())
        self.assertIsNone(await waiting)
        with self.assertRaises(LastmileError.Closed):
            await replica.sync_state()

    async def test_a_key_store_in_python(self):
        class Keys(lastmile.KeyProvider):
            answer: bytes | Exception = b"\7" * 32

            async def database_key(self):
                await asyncio.sleep(0.01)
                if isinstance(self.answer, Exception):
                    raise self.answer
                return self.answer

        keys = Keys()
        replica = await self.enrol("one", key=keys)
        await replica.save(plain("清洁日").edit())
        await replica.close()
        self.assertNotIn("清洁日".encode(), (self.folder / "one" / "replica.db").read_bytes())
        for answer, code in [
            (b"\x08" * 32, "wrong_key"),
            (lastmile.KeyError.Unavailable(), "key_unavailable"),
            (RuntimeError("张三"), "key_unavailable"),
        ]:
            keys.answer = answer
            with self.assertRaises(LastmileError.Key) as refused:
                await lastmile.open(self.folder / "one", key=keys)
            self.assertEqual(refused.exception.code, code)
        async with await lastmile.open(self.folder / "one", key=b"\7" * 32) as replica:
            self.assertEqual(len(await replica.list(ListQuery(record_type="activity"))), 1)

    async def test_a_cancelled_task_gives_the_sync_up(self):
        replica = await self.enrol("one")
        await asyncio.to_thread(self.relay.stop)
        host, port = self.relay.address.split(":")
        silent = socket.create_server((host, int(port)))
        self.addCleanup(silent.close)
        syncing = asyncio.ensure_future(replica.sync())
        await asyncio.sleep(0.2)
        syncing.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await syncing
        with self.assertRaises(LastmileError.Cancelled) as late:
            await replica.sync(datetime.timedelta(milliseconds=50))
        self.assertEqual(late.exception.code, "deadline")
        self.assertEqual((await replica.sync_state()).phase, SyncPhase.IDLE)
        outcome = await replica.background_step(datetime.timedelta(milliseconds=50))
        self.assertTrue(outcome.is_MORE(), outcome)
        begun = asyncio.get_running_loop().time()
        stuck = asyncio.ensure_future(replica.sync())
        await asyncio.sleep(0.1)
        await replica.close()
        with self.assertRaises(LastmileError.Closed):
            await stuck
        self.assertLess(asyncio.get_running_loop().time() - begun, 10)

    async def test_pages(self):
        replica = await self.enrol("one")
        await replica.save(*(plain(f"活动{no:03}").edit() for no in range(120)))
        query = ListQuery(record_type="activity", fields=["title"], sort=[lastmile.Sort(field="title")], limit=50)
        titles = [row["title"] async for page in replica.pages(query) for row in page]
        self.assertEqual(titles, [f"活动{no:03}" for no in range(120)])


if __name__ == "__main__":
    unittest.main()
