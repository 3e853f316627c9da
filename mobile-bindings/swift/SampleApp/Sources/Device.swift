// The device's replica as the screens see it.

import Combine
import Foundation
import Lastmile

@MainActor
final class Device: ObservableObject {
    static let shared = Device()

    enum Standing: Equatable {
        case opening
        case new
        case ready
        case failed(String)
    }

    @Published private(set) var standing = Standing.opening
    @Published private(set) var activities: [ListedRecord] = []
    @Published private(set) var conflicts: [StoredRecord] = []
    @Published private(set) var sync: SyncState?
    /// What went wrong last, to show to the user.
    @Published var trouble: String?

    private var opening: Task<Replica, any Error>?
    private var following: [Task<Void, Never>] = []

    /// The folder of the replica. A backup of it would be a second device that believes to be this one.
    private static func folder() throws -> URL {
        var folder = try FileManager.default.url(for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            .appendingPathComponent("replica", isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        #if canImport(Darwin)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try folder.setResourceValues(values)
        #endif
        return folder
    }

    /// The replica, opened once: the screens and a sync in the background may ask at the same time.
    private func replica() async throws -> Replica {
        if let opening { return try await opening.value }
        let task = Task { try await Replica.open(Device.folder(), keys: DeviceKey(makesOne: false), app: "sample 0.1.0") }
        opening = task
        do {
            return try await task.value
        } catch {
            opening = nil
            throw error
        }
    }

    func begin() async {
        do {
            follow(try await replica())
        } catch LastmileError.NotFound {
            standing = .new
        } catch {
            standing = .failed(words(for: error))
        }
    }

    /// Makes the replica with the text of the QR code that the office gave.
    func enrol(_ invite: String, label: String) async {
        await trying {
            let replica = try await Replica.enrol(
                Device.folder(), invite: invite, label: label, keys: DeviceKey(makesOne: true), app: "sample 0.1.0"
            )
            self.opening = Task { replica }
            self.follow(replica)
        }
    }

    private func follow(_ replica: Replica) {
        standing = .ready
        guard following.isEmpty else { return }
        let query = ListQuery(recordType: "activity", fields: ["title", "date", "beneficiaries"], limit: 200)
        following = [
            Task {
                await self.trying { for try await page in try replica.observe(query) { self.activities = Array(page) } }
            },
            Task {
                await self.trying {
                    for try await state in try replica.syncStates() {
                        self.sync = state
                        if state.needsReopening { Task { await self.reopen() } }
                    }
                }
            },
            Task {
                await self.trying {
                    let changes = try replica.changes()
                    self.conflicts = try await replica.conflicts()
                    for try await _ in changes { self.conflicts = try await replica.conflicts() }
                }
            },
        ]
        appeared()
    }

    /// What was restored or copied goes on as a new author, after it was opened anew.
    private func reopen() async {
        following = []
        await trying { try await self.replica().close() }
        opening = nil
        await begin()
    }

    func appeared() {
        guard standing == .ready else { return }
        Task { await trying { try await self.replica().startAutoSync(foreground: true) } }
    }

    func disappeared() {
        guard standing == .ready else { return }
        Task { await trying { try await self.replica().startAutoSync(foreground: false) } }
    }

    /// One step of the sync, for the system's scheduler; says whether everything is exchanged.
    func syncOnce() async -> Bool {
        do {
            return try await replica().sync(deadline: 25).complete
        } catch {
            return false
        }
    }

    func syncNow() async {
        await trying { _ = try await self.replica().sync(deadline: 60) }
    }

    func people(_ text: String) async -> [ListedRecord] {
        (try? await Array(replica().find("person", text, fields: ["name"], limit: 20))) ?? []
    }

    /// Saves an activity and who took part as one commit; says whether it did.
    func record(_ activity: NewActivity, participants: Set<String>) async -> Bool {
        let id = newRecordId()
        let taking = participants.sorted().map { NewParticipation(activity: id, person: $0, source: .manual).edit() }
        return await trying { _ = try await self.replica().save([activity.edit(id: id, events: [event("hold")])] + taking) }
    }

    func decide(_ record: StoredRecord, _ conflict: Conflict, _ side: ConflictSide) async {
        await trying {
            let replica = try await self.replica()
            try await replica.save(decided(record, conflict, side))
            self.conflicts = try await replica.conflicts()
        }
    }

    @discardableResult
    private func trying(_ work: @MainActor () async throws -> Void) async -> Bool {
        do {
            try await work()
            return true
        } catch is CancellationError {
            return false
        } catch {
            trouble = words(for: error)
            return false
        }
    }
}
