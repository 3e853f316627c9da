"""Lastmile on a device: an offline-first replica of community records.

    async with await lastmile.open("/var/lib/app/replica") as replica:
        [made] = await replica.save(NewActivity(title="清洁日", category=ActivityCategory.ENVIRONMENT, date="2026-03-05").edit())
        await replica.sync()

Every call that touches the disk or the network is awaited; what comes later is iterated with `async for`. Close a replica before the
program ends, by `async with` or `await replica.close()`: only then nothing of the library calls into Python any more.
"""

from ._ffi import (
    Attached,
    Attachment,
    BackgroundOutcome,
    BundleReport,
    ChangeEvent,
    ChoiceInfo,
    Condition,
    Conflict,
    ConflictKind,
    ConflictSide,
    EventInfo,
    EventPart,
    EventRecord,
    FetchProgress,
    FieldInfo,
    FieldProblem,
    FieldValue,
    FileStanding,
    HeldBack,
    KeyError,
    KeyProvider,
    LastmileError,
    ListQuery,
    NewEvent,
    Origin,
    Outbox,
    RecordEdit,
    RecordId,
    RecordTypeInfo,
    Refusal,
    ReplicaInfo,
    Sort,
    StorageFigures,
    StoredRecord,
    SyncPhase,
    SyncProgress,
    SyncReport,
    SyncState,
    Test,
    UnsentCommit,
    library_version,
    new_record_id,
    record_types,
)
from ._replica import Page, Replica, Stream, enrol, open
from ._values import changed, created, decided, event, happened, value_of
from .records import *  # noqa: F403

__version__ = "0.1.0"

if library_version() != __version__:
    raise ImportError(f"the package is of version {__version__}, its library of {library_version()}; install both anew")
