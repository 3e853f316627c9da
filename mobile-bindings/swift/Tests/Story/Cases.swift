// What the story does not tell: failures, keys, cancellation, files, load.

import Foundation
import Lastmile

@Sendable
func whatGoesWrongIsTold(_ field: Field) async throws {
    try same(try await code { try await field.open("one") }, "no_replica")
    let replica = try await field.enrol("one")
    try same(try await code { try await field.open("one") }, "already_open")
    let wrong = created("activity") {
        $0.give("title", "张三")
        $0.give("category", "李四")
        $0.give("date", "2025-13-01")
    }
    let invalid = try await failing(LastmileError.self) { try await replica.save(plain("清洁日"), wrong) }
    guard case let .InvalidInput(_, problems) = invalid else { throw Failure("\(invalid)") }
    try same(Set(problems.map(\.field)), ["category", "date"])
    let said = "\(invalid) \(invalid.localizedDescription)"
    try check(!said.contains("李四") && problems.allSatisfy { !$0.textZh.contains("李四") }, "what was entered is not repeated")
    try same(try await replica.list(activities).count, 0)

    let made = try await replica.save(plain("清洁日"))
    let page = try await replica.list(activities)
    try check(!"\(page) \(page[0]) \(Array(page))".contains("清洁日"), "what is printed names nobody")
    try same(page[0]["none"], nil)
    var change = ActivityChange()
    change.title("公园清洁日")
    try await replica.save(change.edit(made[0].id), at: Date(timeIntervalSince1970: 1_741_150_800))
    try same(try await replica.record("activity", made[0].id).text("title"), "公园清洁日")

    let changes = try replica.changes()
    async let waiting = changes.reduce(into: 0) { count, _ in count += 1 }
    async let closing: Void = replica.close()
    try await replica.close()
    try await closing
    try check(try await waiting <= 2, "the sequence ended")
    try same(try await code { try await replica.list(activities) }, "closed")
    try same(try await code { try replica.observe(activities) }, "closed")
    try same(try await code { try await replica.sync() }, "closed")
}

private struct Keys: KeyStore {
    let answer: @Sendable () async throws -> Data

    func databaseKey() async throws -> Data { try await answer() }
}

@Sendable
func aKeyStoreInSwift(_ field: Field) async throws {
    let key = Keys {
        try await Task.sleep(nanoseconds: 10_000_000)
        return Data(repeating: 7, count: 32)
    }
    try await field.enrol("one", keys: key).use { _ = try await $0.save(plain("清洁日")) }
    let bytes = try Data(contentsOf: field.path("one/replica.db"))
    try check(bytes.range(of: Data("清洁日".utf8)) == nil, "it is encrypted")
    let answers: [(Keys, String)] = [
        (Keys { Data(repeating: 8, count: 32) }, "wrong_key"),
        (Keys { Data(repeating: 7, count: 31) }, "wrong_key"),
        (Keys { throw KeyError.Lost }, "key_unavailable"),
        (Keys { throw Failure("张三") }, "key_unavailable"),
    ]
    for (keys, wanted) in answers {
        let refused = try await failing(LastmileError.self) { try await field.open("one", keys: keys) }
        try same(refused.code, wanted)
        try check(!"\(refused)".contains("张三"), "what a key store says stays with it")
    }
    try same(try await field.open("one", keys: key).use { try await $0.list(activities).count }, 1)
}

/// Somebody who takes requests and says nothing.
private final class Silent {
    private let listening: Int32

    init(_ address: String) throws {
        let parts = address.split(separator: ":")
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = UInt16(parts[1]).map(\.bigEndian) ?? 0
        place.sin_addr.s_addr = inet_addr(String(parts[0]))
        #if canImport(Darwin)
        listening = socket(AF_INET, SOCK_STREAM, 0)
        #else
        listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #endif
        var again: Int32 = 1
        setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &again, socklen_t(MemoryLayout<Int32>.size))
        let bound = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listening, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        try check(bound == 0 && listen(listening, 50) == 0, "the address is taken")
    }

    deinit { close(listening) }
}

@Sendable
func aCancelledTaskGivesTheSyncUp(_ field: Field) async throws {
    let replica = try await field.enrol("one")
    try await field.stop()
    let silent = try Silent(field.address)
    let begun = Date()
    let syncing = Task { try await replica.sync() }
    let followed = Task { try await replica.sync { _ in } }
    try await Task.sleep(nanoseconds: 200_000_000)
    syncing.cancel()
    followed.cancel()
    try await failing(CancellationError.self) { try await syncing.value }
    try await failing(CancellationError.self) { try await followed.value }
    // The patience of a request is 30 seconds: nobody waited for it.
    try check(-begun.timeIntervalSinceNow < 10, "it took \(-begun.timeIntervalSinceNow) s")
    let early = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return try await replica.sync()
    }
    try await failing(CancellationError.self) { try await early.value }
    for deadline in [0.05, 0, -1, -.infinity, .nan] {
        try same(try await code { try await replica.sync(deadline: deadline) }, "deadline")
    }
    try await reaches(replica) { $0.phase == .idle }
    try same(try await replica.backgroundStep(budget: 0.05), .more)
    let stuck = Task { try await replica.sync(deadline: .infinity) }
    try await Task.sleep(nanoseconds: 50_000_000)
    try await replica.close()
    try same(try await code { try await stuck.value }, "closed")
    withExtendedLifetime(silent) {}
}

private func givesAFetchUp(_ replica: Replica, _ hash: String, _ field: Field) async throws {
    let silent = try Silent(field.address)
    let begun = Date()
    let fetching = Task { try await replica.fetchAttachment(hash, to: field.path("given up")) }
    try await Task.sleep(nanoseconds: 200_000_000)
    fetching.cancel()
    try await failing(CancellationError.self) { try await fetching.value }
    try check(-begun.timeIntervalSinceNow < 10, "it took \(-begun.timeIntervalSinceNow) s")
    withExtendedLifetime(silent) {}
}

@Sendable
func filesTravel(_ field: Field) async throws {
    let (one, two) = (try await field.enrol("one"), try await field.enrol("two"))
    let made = try await one.save(plain("清洁日"))
    let document = field.path("协议.pdf")
    let digits = Data((0..<200_000).map { UInt8(48 + (($0 &* 7919) >> 3) % 10) })
    try (Data("%PDF-1.4\n%".utf8) + digits + Data("\n%%EOF\n".utf8)).write(to: document)
    let attached = try await one.attach(made[0], file: document)
    _ = try await one.sync(deadline: soon)
    try same(try await one.attachments(made[0].id).map(\.standing), [.uploaded])
    _ = try await two.sync(deadline: soon)
    let away = try await two.attachments(made[0].id)
    try same(away.map(\.name), ["协议.pdf"])
    try same(away.map(\.standing), [.away])
    try await field.stop()
    try await givesAFetchUp(two, attached.hash, field)
    try await field.start()
    let held = Heard<FetchProgress>()
    let came = field.path("came.pdf")
    let length = try await two.fetchAttachment(attached.hash, to: came, deadline: soon, onProgress: held.hear)
    try same(try Data(contentsOf: came), try Data(contentsOf: document))
    try same(length, UInt64(try Data(contentsOf: document).count))
    // The end may come before what moved last is told.
    let steps = held.items.map(\.held)
    try check(!steps.isEmpty && steps == steps.sorted() && steps.allSatisfy { $0 <= length }, steps)
    let none = field.path("none.pdf")
    try Data("no document".utf8).write(to: none)
    try same(try await code { try await one.attach(made[0], file: none) }, "kind")
}

@Sendable
func sequencesEnd(_ field: Field) async throws {
    let replica = try await field.enrol("one")
    // With the task that iterates.
    let lists = try replica.observe(activities)
    let shown = Heard<Int>()
    let iterating = Task { for try await page in lists { shown.hear(page.count) } }
    try await replica.save(plain("清洁日"))
    try await ending { while shown.items.last != 1 { try await Task.sleep(nanoseconds: 5_000_000) } }
    iterating.cancel()
    try await ending { try await iterating.value }
    // By itself, from elsewhere.
    let changes = try replica.changes("person")
    let waiting = Task { try await changes.first { _ in true } }
    changes.cancel()
    try same(try await ending { try await waiting.value }, nil)
    // For one type and no other, from the moment that it was asked for.
    let people = try replica.changes("person")
    try await replica.save(plain("义诊"))
    let volunteer = NewPerson(name: "张三", partyStatus: .citizen, kind: [.volunteer])
    let person = try await replica.save(volunteer.edit(events: [event("consent", ["version": "1"])]))
    try same(try await ending { try await people.first { _ in true } }, .records(records: person))
    // An app that falls behind hears of it once.
    let slow = try replica.changes()
    for number in 0..<70 { try await replica.save(plain("\(number)")) }
    try check(try await ending { try await slow.first { $0 == .overflow } } != nil, "it says that it lost some")
    // A list in pages.
    var query = activities
    query.limit = 10
    var titles: [String] = []
    for try await page in replica.pages(query) { titles += page.compactMap { $0.text("title") } }
    try same(Set(titles).count, 72)
    try same(titles.count, 72)
    // With the replica.
    let states = try replica.syncStates()
    let last = Task { try await states.reduce(0) { count, _ in count + 1 } }
    try await replica.close()
    try check(try await ending { try await last.value } <= 1, "no state moved")
}

/// They save, read, observe and give up at once; nothing is lost or stuck.
@Sendable
func manyTasks(_ field: Field) async throws {
    let replica = try await field.enrol("one")
    try replica.startAutoSync()
    let (workers, saves) = (16, 20)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<workers {
            group.addTask {
                for turn in 0..<saves {
                    let made = try await replica.save(plain("\(worker)-\(turn)"))
                    try same(try await replica.get(Activity.self, made[0].id).title, "\(worker)-\(turn)")
                    let given = Task { try await replica.find("activity", "x") }
                    _ = try await replica.list(activities)
                    given.cancel()
                    if turn % 5 == 0 { _ = try await replica.observe(activities).first { _ in true } }
                }
            }
        }
        try await group.waitForAll()
    }
    var titles: [String] = []
    for try await page in replica.pages(activities) { titles += page.compactMap { $0.text("title") } }
    try same(titles.sorted(), (0..<workers * saves).map { "\($0 / saves)-\($0 % saves)" }.sorted())
    let calls = (0..<50).map { _ in Task { try await replica.list(activities) } }
    try await replica.close()
    for call in calls {
        if case let .failure(error) = await call.result {
            guard let error = error as? LastmileError, case .Closed = error else { throw error }
        }
    }
}

@Sendable
func nothingIsLeftOfWhatWasClosed(_ field: Field) async throws {
    try await field.enrol("one").close()
    func figure(_ name: String) throws -> Int {
        let lines = try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n")
        return lines.first { $0.hasPrefix("\(name):") }.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
    func once(_ number: Int) async throws {
        let replica = try await Replica.open(field.path("one"))
        if number % 2 == 0 { try replica.startAutoSync(foreground: number % 4 == 0) }
        _ = try await replica.observe(activities).first { _ in true }
        _ = try await replica.list(activities)
        try await replica.close()
    }
    for number in 0..<60 { try await once(number) }
    let (memory, threads) = (try figure("VmRSS"), try figure("Threads"))
    let turns = 200
    for number in 0..<turns { try await once(number) }
    let grown = (try figure("VmRSS") - memory) * 1024 / turns
    try check(grown < 16_384, "\(grown) bytes an opening, from \(memory) kB")
    try check(try figure("Threads") <= threads + 4, "\(try figure("Threads")) threads, \(threads) before")
}
