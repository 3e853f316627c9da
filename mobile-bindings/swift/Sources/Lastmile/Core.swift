// The values of the generated module under this module's name, so that an app imports `Lastmile` and nothing else. The generated objects
// stay behind: `Replica` and `Updates` stand for them.

import LastmileCore

/// What was attached.
public typealias Attached = LastmileCore.Attached
/// A file that a record of this device names.
public typealias Attachment = LastmileCore.Attachment
/// What a step in the background came to.
public typealias BackgroundOutcome = LastmileCore.BackgroundOutcome
/// What a `.lastmile` file took or brought.
public typealias BundleReport = LastmileCore.BundleReport
/// What changed on this device, by a save or by what came.
public typealias ChangeEvent = LastmileCore.ChangeEvent
/// One code of a choice with its words.
public typealias ChoiceInfo = LastmileCore.ChoiceInfo
/// One condition of a list.
public typealias Condition = LastmileCore.Condition
/// Values or steps that do not agree.
public typealias Conflict = LastmileCore.Conflict
/// What is to be done about a conflict.
public typealias ConflictKind = LastmileCore.ConflictKind
/// One side of a conflict.
public typealias ConflictSide = LastmileCore.ConflictSide
/// One kind of event of a record type.
public typealias EventInfo = LastmileCore.EventInfo
/// One part of an event, as people write it.
public typealias EventPart = LastmileCore.EventPart
/// Something that happened to a record.
public typealias EventRecord = LastmileCore.EventRecord
/// How far a file has come.
public typealias FetchProgress = LastmileCore.FetchProgress
/// One field of a record type.
public typealias FieldInfo = LastmileCore.FieldInfo
/// One thing wrong with what was entered. It never repeats what was entered.
public typealias FieldProblem = LastmileCore.FieldProblem
/// The value of one field.
public typealias FieldValue = LastmileCore.FieldValue
/// Where the bytes of a file are, as far as this device knows.
public typealias FileStanding = LastmileCore.FileStanding
/// A change of this device that is kept but not shown.
public typealias HeldBack = LastmileCore.HeldBack
/// Why a key store gave no key.
public typealias KeyError = LastmileCore.KeyError
/// Why something failed, by what an app does about it.
public typealias LastmileError = LastmileCore.LastmileError
/// A question for a list of records of one type.
public typealias ListQuery = LastmileCore.ListQuery
/// An event of a record that is being made.
public typealias NewEvent = LastmileCore.NewEvent
/// Who wrote something, and when as claimed.
public typealias Origin = LastmileCore.Origin
/// What has not reached the relay yet.
public typealias Outbox = LastmileCore.Outbox
/// One edit; several of them, given to one save, become one commit.
public typealias RecordEdit = LastmileCore.RecordEdit
/// A record's type and id.
public typealias RecordId = LastmileCore.RecordId
/// One record type.
public typealias RecordTypeInfo = LastmileCore.RecordTypeInfo
/// Something that the relay did not take from this device or does not serve it.
public typealias Refusal = LastmileCore.Refusal
/// What a replica is.
public typealias ReplicaInfo = LastmileCore.ReplicaInfo
/// What a list is sorted by.
public typealias Sort = LastmileCore.Sort
/// What the replica takes on its device.
public typealias StorageFigures = LastmileCore.StorageFigures
/// A record with everything known about it.
public typealias StoredRecord = LastmileCore.StoredRecord
/// Where the sync stands, in a word.
public typealias SyncPhase = LastmileCore.SyncPhase
/// How far an exchange has got.
public typealias SyncProgress = LastmileCore.SyncProgress
/// What a step of the sync did.
public typealias SyncReport = LastmileCore.SyncReport
/// What the sync line of an app shows.
public typealias SyncState = LastmileCore.SyncState
/// How a field is compared.
public typealias Test = LastmileCore.Test
/// A save that the relay has not receipted.
public typealias UnsentCommit = LastmileCore.UnsentCommit

/// A new id for a record that is to be made, so that other edits of the same save can name it.
public func newRecordId() -> String { LastmileCore.newRecordId() }

/// The record types that people fill in, as data, for forms that are made from them.
public func recordTypes() -> [RecordTypeInfo] { LastmileCore.recordTypes() }

/// The version of the library under this package.
public func libraryVersion() -> String { LastmileCore.libraryVersion() }
