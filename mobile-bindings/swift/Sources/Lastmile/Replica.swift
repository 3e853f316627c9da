// The replica with Swift's habits: async calls, sequences to iterate, cancellation by tasks.

import Foundation
import LastmileCore

/// Gives the 32 bytes of the key of a replica's file, from the platform's key store. It may wait, and is asked once at each opening.
public protocol KeyStore: Sendable {
    /// The key, always the same for a replica.
    func databaseKey() async throws -> Data
}

/// Asks a key store; whatever it throws stays here, since it may say anything.
private final class Keys: KeyProvider {
    private let store: any KeyStore

    init(_ store: any KeyStore) {
        self.store = store
    }

    func databaseKey() async throws -> Data {
        do {
            return try await store.databaseKey()
        } catch let known as KeyError {
            throw known
        } catch {
            throw KeyError.Unavailable
        }
    }
}

/// A length of time as the library takes it, which refuses negative ones and such as no clock counts.
private func length(_ seconds: TimeInterval) -> TimeInterval {
    seconds.isNaN ? 0 : min(max(seconds, 0), 1_000_000_000)
}

/// A device's replica: open it once, keep it as long as the app runs, close it at the end.
///
/// It may be used from any task and actor, the main one too: no call keeps its thread waiting. What is saved survives a power cut when the
/// call returns and never waits for the network.
public final class Replica: Sendable {
    /// The version of this package, which is the library's. Opening a replica stops the app where they differ: it was put together wrong.
    public static let version = "0.1.0"

    private let core: LastmileCore.Replica

    private init(_ core: LastmileCore.Replica) {
        self.core = core
    }

    private static func config(_ folder: URL, _ app: String?, _ patience: TimeInterval?) -> ReplicaConfig {
        precondition(libraryVersion() == version, "the package is of version \(version), its library of \(libraryVersion())")
        return ReplicaConfig(folder: folder.path, app: app, patience: patience.map(length))
    }

    /// Opens the replica of a folder. `LastmileError.NotFound` with the code `no_replica` says that there is none: `enrol` then. A second
    /// opening of a folder that is open is `LastmileError.AlreadyOpen`.
    ///
    /// - Parameters:
    ///   - folder: holds the replica; leave it out of backups.
    ///   - keys: gives the key of its file; `nil` for a plain file.
    ///   - app: the app and its version, as `name 1.2.3`, at most 32 bytes; it stands in every commit.
    ///   - patience: how many seconds a request may go without anything of it moving; 30 where there is none.
    public static func open(
        _ folder: URL,
        keys: (any KeyStore)? = nil,
        app: String? = nil,
        patience: TimeInterval? = nil
    ) async throws -> Replica {
        Replica(try await LastmileCore.Replica.open(config: config(folder, app, patience), keys: keys.map(Keys.init)))
    }

    /// Makes the replica of a folder with an invite from the office, and opens it. It needs the network; `patience` bounds the wait, and
    /// the same invite can be tried again with the same folder. `label` is what the office calls the device.
    public static func enrol(
        _ folder: URL,
        invite: String,
        label: String,
        keys: (any KeyStore)? = nil,
        app: String? = nil,
        patience: TimeInterval? = nil
    ) async throws -> Replica {
        let config = config(folder, app, patience)
        return Replica(try await LastmileCore.Replica.enrol(config: config, invite: invite, label: label, keys: keys.map(Keys.init)))
    }

    /// Ends everything and waits until it has; closing again is no error. A cancellation does not cut it short.
    public func close() async throws {
        try await core.shutDown()
    }

    /// Runs a block with the replica and closes it, however the block ends.
    public func use<Result: Sendable>(_ block: @Sendable (Replica) async throws -> Result) async throws -> Result {
        let result: Result
        do {
            result = try await block(self)
        } catch {
            // What the block says weighs more than what the closing says.
            try? await close()
            throw error
        }
        try await close()
        return result
    }

    /// What this replica is.
    public func info() async throws -> ReplicaInfo {
        try await core.info()
    }

    // MARK: Records

    /// Saves edits as one commit: everything or nothing. When this returns they survive a power cut.
    @discardableResult
    public func save(_ edits: RecordEdit..., acting: String? = nil, at: Date? = nil) async throws -> [RecordId] {
        try await save(edits, acting: acting, at: at)
    }

    /// Saves edits as one commit: everything or nothing. `acting` is the id of the person who acts, `at` when it is said to have been
    /// entered.
    @discardableResult
    public func save(_ edits: [RecordEdit], acting: String? = nil, at: Date? = nil) async throws -> [RecordId] {
        try await core.save(edits: edits, options: SaveOptions(acting: acting, at: at))
    }

    /// Reads one record of any type.
    public func record(_ recordType: String, _ id: String) async throws -> StoredRecord {
        try await core.record(recordType: recordType, id: id)
    }

    /// Reads one record by its type's own names, e.g. `get(Activity.self, id)`.
    public func get<Record: TypedRecord>(_ type: Record.Type, _ id: String) async throws -> Record {
        Record(try await core.record(recordType: Record.recordType, id: id))
    }

    /// Lists one page.
    public func list(_ query: ListQuery) async throws -> RecordPage {
        RecordPage(try await core.list(query: query))
    }

    /// Lists every page.
    public func pages(_ query: ListQuery) -> RecordPages {
        RecordPages(replica: self, query: query)
    }

    /// Finds records by words: characters, words, pinyin initials, the end of a phone number.
    public func find(_ recordType: String, _ text: String, fields: [String] = [], limit: Int = 20) async throws -> RecordPage {
        RecordPage(try await core.find(recordType: recordType, text: text, fields: fields, limit: UInt32(clamping: limit)))
    }

    // MARK: Following

    /// Follows a list: the page as it is, then each time that it is another one. It ends with the replica.
    public func observe(_ query: ListQuery) throws -> Updates<RecordPage> {
        let stream = try core.observe(query: query)
        return Updates({ try await stream.next().map(RecordPage.init) }, end: stream.cancel)
    }

    /// Follows what changes in records of these types, or of all where none is named; `.overflow` says that more did than could wait. It
    /// ends with the replica.
    public func changes(_ recordTypes: String...) throws -> Updates<ChangeEvent> {
        let stream = try core.changes(recordTypes: recordTypes)
        return Updates(stream.next, end: stream.cancel)
    }

    /// Where the sync stands.
    public func syncState() async throws -> SyncState {
        try await core.syncState()
    }

    /// Follows where the sync stands: at once, then whenever it is another state. It ends with the replica.
    public func syncStates() throws -> Updates<SyncState> {
        let stream = try core.syncStates()
        return Updates(stream.next, end: stream.cancel)
    }

    // MARK: Sync

    /// Makes a step of the sync: records, then files. After `deadline` seconds it is `LastmileError.Cancelled`. Cancelling the task gives
    /// it up with `CancellationError`; what came whole is kept either way.
    public func sync(
        deadline: TimeInterval? = nil,
        onProgress: (@Sendable (SyncProgress) -> Void)? = nil
    ) async throws -> SyncReport {
        try Task.checkCancellation()
        let handle = try core.syncNow(deadline: deadline.map(length))
        return try await followed(handle.result, onProgress, handle.nextProgress, cancel: handle.cancel)
    }

    /// Makes a step of the sync within so many seconds and says it in the words of the system's schedulers. The budget ends it, not a
    /// cancellation: where the system takes time back, call `sync` and cancel its task.
    public func backgroundStep(budget: TimeInterval) async throws -> BackgroundOutcome {
        try await core.backgroundStep(budget: length(budget))
    }

    /// Syncs by itself from now on; in the foreground it stays connected. Calling it again only says whether the app is in the foreground.
    public func startAutoSync(foreground: Bool = true) throws {
        try core.startAutoSync(foreground: foreground)
    }

    /// Stops the automatic sync and waits until it has.
    public func stopAutoSync() async throws {
        try await core.stopAutoSync()
    }

    /// Lets the automatic sync try at once, as when the system says that a network appeared.
    public func networkAppeared() {
        core.networkAppeared()
    }

    // MARK: What waits for somebody

    /// What has not reached the relay yet, with the first so many saves.
    public func outbox(limit: Int = 50) async throws -> Outbox {
        try await core.outbox(limit: UInt32(clamping: limit))
    }

    /// Records that were returned to be entered better.
    public func returned(limit: Int = 50) async throws -> [RecordId] {
        try await core.returned(limit: UInt32(clamping: limit))
    }

    /// Changes of this device that are kept but not shown.
    public func heldBack() async throws -> [HeldBack] {
        try await core.heldBack()
    }

    /// Records about which a person has to decide; see `decided`.
    public func conflicts(limit: Int = 50) async throws -> [StoredRecord] {
        try await core.conflicts(limit: UInt32(clamping: limit))
    }

    // MARK: Files

    /// Attaches a file to a record. `name` is what people call it; the file's own where there is none.
    @discardableResult
    public func attach(_ record: RecordId, file: URL, name: String? = nil, acting: String? = nil) async throws -> Attached {
        try await core.attach(record: record, path: file.path, name: name, acting: acting)
    }

    /// Lists the files of one record, or of all; thumbnails first.
    public func attachments(_ record: String? = nil) async throws -> [Attachment] {
        try await core.attachments(record: record)
    }

    /// Fetches a file by its hash and writes it; returns its length. Cancelling the task gives it up, and the next try goes on from there.
    @discardableResult
    public func fetchAttachment(
        _ hash: String,
        to file: URL,
        deadline: TimeInterval? = nil,
        onProgress: (@Sendable (FetchProgress) -> Void)? = nil
    ) async throws -> UInt64 {
        try Task.checkCancellation()
        let handle = try core.fetchAttachment(hash: hash, path: file.path, deadline: deadline.map(length))
        return try await followed(handle.result, onProgress, handle.nextProgress, cancel: handle.cancel)
    }

    /// Writes everything that this device holds into a `.lastmile` file.
    @discardableResult
    public func exportBundle(to file: URL) async throws -> BundleReport {
        try await core.exportBundle(path: file.path)
    }

    /// Takes everything new out of a `.lastmile` file.
    @discardableResult
    public func importBundle(from file: URL) async throws -> BundleReport {
        try await core.importBundle(path: file.path)
    }

    /// What the replica takes on its device.
    public func storageFigures() async throws -> StorageFigures {
        try await core.storageFigures()
    }
}

/// Waits for work of the library. A task's cancellation does not reach it by itself, so the work's own handle is told of it.
private func followed<Outcome: Sendable, Progress: Sendable>(
    _ result: @Sendable () async throws -> Outcome,
    _ onProgress: (@Sendable (Progress) -> Void)?,
    _ nextProgress: @Sendable () async -> Progress?,
    cancel: @Sendable () -> Void
) async throws -> Outcome {
    do {
        return try await withTaskCancellationHandler {
            if let onProgress {
                while let progress = await nextProgress() { onProgress(progress) }
            }
            return try await result()
        } onCancel: {
            cancel()
        }
    } catch LastmileError.Cancelled where Task.isCancelled {
        throw CancellationError()
    }
}

/// What comes, from the moment it was asked for, to one who iterates it.
///
/// Only what is asked for is fetched, so nothing piles up. It ends with the replica, by `cancel`, with the task that iterates it, and when
/// nobody holds it any more.
public final class Updates<Element: Sendable>: AsyncSequence, Sendable {
    private let pull: @Sendable () async throws -> Element?
    private let end: @Sendable () -> Void

    init(_ pull: @escaping @Sendable () async throws -> Element?, end: @escaping @Sendable () -> Void) {
        self.pull = pull
        self.end = end
    }

    deinit {
        end()
    }

    /// Ends it: whoever waits for what comes hears the end.
    public func cancel() {
        end()
    }

    /// Goes on with what comes next.
    public func makeAsyncIterator() -> Iterator {
        Iterator(updates: self)
    }

    /// Waits for one after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let updates: Updates

        /// What comes next; `nil` at the end.
        public mutating func next() async throws -> Element? {
            let updates = updates
            return try await withTaskCancellationHandler {
                try await updates.pull()
            } onCancel: {
                updates.end()
            }
        }
    }
}

/// The pages of a list, read one after the other as they are iterated.
public struct RecordPages: AsyncSequence, Sendable {
    /// One page.
    public typealias Element = RecordPage

    let replica: Replica
    let query: ListQuery

    /// Begins with the page that the query names.
    public func makeAsyncIterator() -> Iterator {
        Iterator(replica: replica, query: query)
    }

    /// Reads one page after the other.
    public struct Iterator: AsyncIteratorProtocol {
        let replica: Replica
        var query: ListQuery?

        /// The next page; `nil` at the end.
        public mutating func next() async throws -> RecordPage? {
            guard var asked = query else { return nil }
            let page = try await replica.list(asked)
            asked.after = page.next
            query = page.next == nil ? nil : asked
            return page
        }
    }
}
