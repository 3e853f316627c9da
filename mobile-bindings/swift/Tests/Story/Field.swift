// A real relay process on loopback and a folder for devices.

import Foundation
import Lastmile

/// How long something that has to come may take.
let soon: TimeInterval = 30

/// What is wrong, and where.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ what: String, _ file: String = #fileID, _ line: Int = #line) {
        description = "\(file):\(line): \(what)"
    }
}

/// Writes a line at once, so that it stands in the log before a crash does.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

func check(_ holds: Bool, _ what: @autoclosure () throws -> Any, file: String = #fileID, line: Int = #line) throws {
    if !holds { throw Failure("\(try what())", file, line) }
}

func same<T: Equatable>(_ found: T, _ wanted: T, file: String = #fileID, line: Int = #line) throws {
    try check(found == wanted, "found \(found), wanted \(wanted)", file: file, line: line)
}

/// What a block throws, which has to be of this kind.
@discardableResult
func failing<E: Error>(
    _ kind: E.Type, file: String = #fileID, line: Int = #line, _ block: () async throws -> some Any
) async throws -> E {
    do {
        _ = try await block()
    } catch let error as E {
        return error
    } catch {
        throw Failure("another error: \(error)", file, line)
    }
    throw Failure("no error", file, line)
}

/// The code of the library's error that a block throws.
func code(file: String = #fileID, line: Int = #line, _ block: () async throws -> some Any) async throws -> String {
    try await failing(LastmileError.self, file: file, line: line, block).code
}

/// Waits for work, which has to end soon.
func ending<Result: Sendable>(
    file: String = #fileID, line: Int = #line, _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        defer { group.cancelAll() }
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(nanoseconds: UInt64(soon * 1e9))
            throw Failure("it took too long", file, line)
        }
        guard let first = try await group.next() else { throw Failure("no task", file, line) }
        return first
    }
}

/// Waits until the sync stands as it is wanted.
func reaches(_ replica: Replica, _ wanted: @escaping @Sendable (SyncState) -> Bool) async throws {
    _ = try await ending { try await replica.syncStates().first(where: wanted) }
}

/// One test uses it at a time, from one task.
final class Field: @unchecked Sendable {
    private static let program = ProcessInfo.processInfo.environment["LASTMILE_BINARY"] ?? "lastmile"

    let folder: URL
    private(set) var address = "127.0.0.1:0"
    private var relay: Process?
    private var invites = 0
    private var opened: [Replica] = []

    private init(_ folder: URL) {
        self.folder = folder
    }

    func path(_ name: String) -> URL { folder.appendingPathComponent(name) }

    func text(_ name: String) throws -> String { try String(contentsOf: path(name), encoding: .utf8) }

    private func process(_ words: [String], output: URL) throws -> Process {
        if !FileManager.default.fileExists(atPath: output.path) { try Data().write(to: output) }
        let log = try FileHandle(forWritingTo: output)
        try log.seekToEnd()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Field.program)
        process.arguments = words
        process.standardOutput = log
        process.standardError = log
        // A task's thread takes no signals, and a child begins with what its parent's thread takes.
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
        return process
    }

    func start() async throws {
        let told = path("address")
        try? FileManager.default.removeItem(at: told)
        let words = ["relay", "serve", "--dir", path("relay").path, "--listen", address, "--address-file", told.path]
        let started = try process(words, output: path("relay.log"))
        relay = started
        let begun = Date()
        while !FileManager.default.fileExists(atPath: told.path) {
            try check(started.isRunning && -begun.timeIntervalSinceNow < 60, text("relay.log"))
            try await Task.sleep(nanoseconds: 20_000_000)
        }
        let said = try text("address").trimmingCharacters(in: .whitespacesAndNewlines)
        address = said.components(separatedBy: "://").last ?? said
    }

    func stop() async throws {
        guard let stopping = relay else { return }
        relay = nil
        stopping.terminate()
        try await ended(stopping)
    }

    /// Waits for a process, which is killed where it does not end.
    private func ended(_ process: Process) async throws {
        let begun = Date()
        while process.isRunning {
            if -begun.timeIntervalSinceNow > soon { kill(process.processIdentifier, SIGKILL) }
            try await Task.sleep(nanoseconds: 5_000_000)
        }
    }

    private func invite(_ role: String) async throws -> String {
        invites += 1
        let out = path("invite-\(invites)")
        let words = ["--lang", "en", "relay", "invite", "--dir", path("relay").path, "--scope", "430103005010", "--role", role, "--out", out.path]
        let making = try process(words, output: path("invites.log"))
        try await ended(making)
        try check(making.terminationStatus == 0, text("invites.log"))
        return try text(out.lastPathComponent)
    }

    func enrol(_ name: String, role: String = "worker", keys: (any KeyStore)? = nil) async throws -> Replica {
        let replica = try await Replica.enrol(path(name), invite: try await invite(role), label: name, keys: keys)
        opened.append(replica)
        return replica
    }

    func open(_ name: String, keys: (any KeyStore)? = nil) async throws -> Replica {
        let replica = try await Replica.open(path(name), keys: keys)
        opened.append(replica)
        return replica
    }


    /// Runs a test in a field of its own.
    static func use(_ name: String, _ test: @Sendable (Field) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lastmile-swift-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let field = Field(folder)
        // A call that never comes back cannot be cancelled, so the whole run ends.
        let tooLong = DispatchWorkItem {
            say("FAILED  \(name): it is stuck")
            if let relay = field.relay { kill(relay.processIdentifier, SIGKILL) }
            exit(1)
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + 120, execute: tooLong)
        defer {
            tooLong.cancel()
            try? FileManager.default.removeItem(at: folder)
        }
        do {
            try await field.start()
            try await test(field)
        } catch {
            await field.end()
            throw error
        }
        await field.end()
    }

    private func end() async {
        for replica in opened { try? await replica.close() }
        try? await stop()
    }
}
