"""The replica with Python's habits: `async with`, `async for`, timedeltas, paths."""

from __future__ import annotations

import datetime
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from . import _ffi
from ._ffi import (
    Attached,
    Attachment,
    BackgroundOutcome,
    BundleReport,
    ChangeEvent,
    FetchProgress,
    HeldBack,
    KeyProvider,
    ListQuery,
    Outbox,
    RecordEdit,
    RecordId,
    ReplicaConfig,
    ReplicaInfo,
    SaveOptions,
    StorageFigures,
    StoredRecord,
    SyncProgress,
    SyncReport,
    SyncState,
)
from ._values import Reader, value_of

Record = TypeVar("Record", bound=Reader)
Item = TypeVar("Item")


Key = bytes | KeyProvider | Callable[[], Awaitable[bytes]] | None
"""The key of a replica's file: 32 bytes, what awaits them, or `None` for a plain file."""


class _Keys(KeyProvider):
    """Asks for a key; whatever a key store raises stays here, since it may say anything."""

    def __init__(self, ask: Callable[[], Awaitable[bytes]]):
        self._ask = ask

    async def database_key(self) -> bytes:
        try:
            return bytes(await self._ask())
        except _ffi.KeyError:
            raise
        except Exception:
            raise _ffi.KeyError.Unavailable() from None


def _keys(key: Key) -> KeyProvider | None:
    if key is None:
        return None
    if isinstance(key, KeyProvider):
        return _Keys(key.database_key)
    if isinstance(key, (bytes, bytearray)):

        async def at_hand() -> bytes:
            return key

        return _Keys(at_hand)
    return _Keys(key)


class Stream(AsyncIterator[Item]):
    """What comes, from the moment it was asked for. It holds nothing: an end of the program need not wait for it."""

    def __init__(self, core: Any, item: Callable[[Any], Item]):
        self._core = core
        self._item = item

    async def __anext__(self) -> Item:
        came = await self._core.next()
        if came is None:
            raise StopAsyncIteration
        return self._item(came)

    def close(self) -> None:
        """Ends it: whoever waits for what comes hears the end."""
        self._core.cancel()


class Page(Sequence[Mapping[str, Any]]):
    """One page of a list: each row a mapping with `id` and the fields."""

    def __init__(self, page: _ffi.Page):
        self.record_type = page.record_type
        self.next = page.next
        self._rows = [
            {"id": row.id, **{name: value_of(cell) for name, cell in zip(page.fields, row.cells, strict=True)}}
            for row in page.rows
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place):
        return self._rows[place]


async def open(
    folder: os.PathLike | str,
    *,
    key: Key = None,
    app: str | None = None,
    patience: datetime.timedelta | None = None,
) -> Replica:
    """Opens the replica of a folder. `LastmileError.NotFound` with the code `no_replica` says that there is none: enrol then."""
    config = ReplicaConfig(folder=os.fspath(folder), app=app, patience=patience)
    return Replica(await _ffi.Replica.open(config, _keys(key)))


async def enrol(
    folder: os.PathLike | str,
    invite: str,
    label: str,
    *,
    key: Key = None,
    app: str | None = None,
    patience: datetime.timedelta | None = None,
) -> Replica:
    """Makes the replica of a folder with an invite from the office, and opens it."""
    config = ReplicaConfig(folder=os.fspath(folder), app=app, patience=patience)
    return Replica(await _ffi.Replica.enrol(config, invite, label, _keys(key)))


class Replica:
    """A device's replica. Use it from one event loop or from many threads' loops at once, and close it at the end."""

    def __init__(self, core: _ffi.Replica):
        self._core = core

    async def __aenter__(self) -> Replica:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends everything and waits until it has; closing again is no error."""
        await self._core.shut_down()

    async def info(self) -> ReplicaInfo:
        """What this replica is."""
        return await self._core.info()

    async def save(
        self, *edits: RecordEdit, acting: str | None = None, at: datetime.datetime | None = None
    ) -> list[RecordId]:
        """Saves edits as one commit: everything or nothing. When this returns they survive a power cut."""
        return await self._core.save(list(edits), SaveOptions(acting=acting, at=at))

    async def record(self, record_type: str, id: str) -> StoredRecord:
        """Reads one record of any type."""
        return await self._core.record(record_type, id)

    async def get(self, kind: type[Record], id: str) -> Record:
        """Reads one record of a typed class, e.g. `get(Activity, id)`."""
        return kind(await self._core.record(kind.record_type, id))

    async def list(self, query: ListQuery) -> Page:
        """Lists one page."""
        return Page(await self._core.list(query))

    async def pages(self, query: ListQuery) -> AsyncIterator[Page]:
        """Lists every page."""
        after = query.after
        while True:
            page = Page(await self._core.list(_with(query, after)))
            yield page
            if page.next is None:
                return
            after = page.next

    async def find(self, record_type: str, text: str, *, fields: Sequence[str] = (), limit: int = 20) -> Page:
        """Finds records by words: characters, words, pinyin initials, the end of a phone number."""
        return Page(await self._core.find(record_type, text, list(fields), limit))

    def observe(self, query: ListQuery) -> Stream[Page]:
        """Follows a list: the page as it is, then each time that it is another one. It ends with the replica."""
        return Stream(self._core.observe(query), Page)

    def changes(self, *record_types: str) -> Stream[ChangeEvent]:
        """Follows what changes; `ChangeEvent.OVERFLOW` says that more did than could wait. It ends with the replica."""
        return Stream(self._core.changes(list(record_types)), lambda event: event)

    async def sync_state(self) -> SyncState:
        """Where the sync stands."""
        return await self._core.sync_state()

    def sync_states(self) -> Stream[SyncState]:
        """Follows where the sync stands. It ends with the replica."""
        return Stream(self._core.sync_states(), lambda state: state)

    async def sync(
        self,
        deadline: datetime.timedelta | None = None,
        on_progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncReport:
        """Makes a step of the sync: records, then files. Cancelling the task gives it up; what came whole is kept."""
        handle = self._core.sync_now(deadline)
        return await _followed(handle, on_progress)

    async def background_step(self, budget: datetime.timedelta) -> BackgroundOutcome:
        """Makes a step of the sync within this time."""
        return await self._core.background_step(budget)

    def start_auto_sync(self, foreground: bool = True) -> None:
        """Syncs by itself from now on; in the foreground it stays connected."""
        self._core.start_auto_sync(foreground)

    async def stop_auto_sync(self) -> None:
        """Stops the automatic sync and waits until it has."""
        await self._core.stop_auto_sync()

    def network_appeared(self) -> None:
        """Lets the automatic sync try at once."""
        self._core.network_appeared()

    async def outbox(self, limit: int = 50) -> Outbox:
        """What has not reached the relay yet."""
        return await self._core.outbox(limit)

    async def returned(self, limit: int = 50) -> list[RecordId]:
        """Records that were returned to be entered better."""
        return await self._core.returned(limit)

    async def held_back(self) -> list[HeldBack]:
        """Changes of this device that are kept but not shown."""
        return await self._core.held_back()

    async def conflicts(self, limit: int = 50) -> list[StoredRecord]:
        """Records about which a person has to decide; see `decided`."""
        return await self._core.conflicts(limit)

    async def attach(
        self, record: RecordId, path: os.PathLike | str, *, name: str | None = None, acting: str | None = None
    ) -> Attached:
        """Attaches the file of a path to a record."""
        return await self._core.attach(record, os.fspath(path), name, acting)

    async def attachments(self, record: str | None = None) -> list[Attachment]:
        """Lists the files of one record, or of all; thumbnails first."""
        return await self._core.attachments(record)

    async def fetch_attachment(
        self,
        hash: str,
        path: os.PathLike | str,
        *,
        deadline: datetime.timedelta | None = None,
        on_progress: Callable[[FetchProgress], None] | None = None,
    ) -> int:
        """Fetches a file and writes it to a path; returns its length. Cancelling the task gives it up."""
        return await _followed(self._core.fetch_attachment(hash, os.fspath(path), deadline), on_progress)

    async def export_bundle(self, path: os.PathLike | str) -> BundleReport:
        """Writes everything that this device holds into a `.lastmile` file."""
        return await self._core.export_bundle(os.fspath(path))

    async def import_bundle(self, path: os.PathLike | str) -> BundleReport:
        """Takes everything new out of a `.lastmile` file."""
        return await self._core.import_bundle(os.fspath(path))

    async def storage_figures(self) -> StorageFigures:
        """What the replica takes on its device."""
        return await self._core.storage_figures()


def _with(query: ListQuery, after: str | None) -> ListQuery:
    return ListQuery(
        record_type=query.record_type,
        fields=query.fields,
        conditions=query.conditions,
        sort=query.sort,
        limit=query.limit,
        after=after,
    )


async def _followed(handle: Any, on_progress: Callable[[Any], None] | None) -> Any:
    try:
        while on_progress is not None and (progress := await handle.next_progress()) is not None:
            on_progress(progress)
        return await handle.result()
    finally:
        # After the end it does nothing.
        handle.cancel()
