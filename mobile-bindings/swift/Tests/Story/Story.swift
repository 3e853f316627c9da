// The story of a device: enrol, record without a network, be killed, go on, sync, hear of a colleague, decide, export.

import Foundation
import Lastmile

let activities = ListQuery(recordType: "activity", fields: ["title"])

func plain(_ title: String) -> RecordEdit {
    NewActivity(title: title, category: .environment, date: "2025-03-05").edit()
}

/// Records offline and waits; whoever started it kills it once it has said what it saved.
func recordUntilKilled(_ folder: URL) async throws {
    let replica = try await Replica.open(folder)
    let (activity, person) = (newRecordId(), newRecordId())
    try await replica.save(
        NewPerson(name: "张三", partyStatus: .partyMember, kind: [.member], phone: ["13800138000"])
            .edit(id: person, events: [event("consent", ["version": "1"])]),
        NewActivity(title: "清洁日", category: .environment, date: "2025-03-05", tags: ["环保"], beneficiaries: 20)
            .edit(id: activity, events: [event("hold")]),
        NewParticipation(activity: activity, person: person).edit()
    )
    say("\(activity) \(person)")
    try await Task.sleep(nanoseconds: 600_000_000_000)
}

private func recordedAndKilled(_ folder: URL) throws -> (activity: String, person: String) {
    let recording = Process()
    recording.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    recording.arguments = ["record", folder.path]
    let said = Pipe()
    recording.standardOutput = said
    try recording.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
        let more = said.fileHandleForReading.availableData
        try check(!more.isEmpty, "the recording process said nothing")
        line += more
    }
    kill(recording.processIdentifier, SIGKILL)
    while recording.isRunning { usleep(5_000) }
    try check(recording.terminationReason == .uncaughtSignal, "it ended by itself")
    let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
    try same(words.count, 2)
    return (words[0], words[1])
}

/// Keeps what a callback says.
final class Heard<Item: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var kept: [Item] = []

    var items: [Item] { lock.withLock { kept } }

    func hear(_ item: Item) { lock.withLock { kept.append(item) } }
}

@Sendable
func story(_ field: Field) async throws {
    let scopes = try await field.enrol("one", role: "secretary").use { try await $0.info().scopes }
    try check(scopes.contains("community:430103005010"), scopes)
    try await field.stop()
    let (activity, person) = try recordedAndKilled(field.path("one"))

    let replica = try await field.open("one")
    let kept = try await replica.get(Activity.self, activity)
    try same([kept.title, kept.date, kept.state], ["清洁日", "2025-03-05", "held"])
    try same(kept.category, .environment)
    try same(kept.tags, ["环保"])
    try same(kept.beneficiaries, 20)
    try same(try await replica.get(Person.self, person).phone, ["13800138000"])
    let found = try await replica.find("person", "zs", fields: ["name"])
    try same(found.map { [$0.id, $0.text("name")] }, [[person, "张三"]])
    let outbox = try await replica.outbox()
    try same(outbox.commits, 1)
    try same(outbox.first.map(\.records.count), [3])
    guard case .retry(_, "unreachable") = try await replica.backgroundStep(budget: soon) else { throw Failure("the relay is away") }
    let away = try await failing(LastmileError.self) { try await replica.sync(deadline: soon) }
    guard case .Network = away, away.isRetryable else { throw Failure("it passes: \(away)") }
    try await reaches(replica) { $0.phase == .offline }

    try await field.start()
    let progress = Heard<SyncProgress>()
    let report = try await replica.sync(deadline: soon, onProgress: progress.hear)
    try check(report.complete && report.receipts > 0 && !progress.items.isEmpty, report)
    try same(try await replica.outbox().commits, 0)
    try same(try await replica.backgroundStep(budget: soon), .done)
    try await reaches(replica) { $0.phase == .upToDate && $0.unsentCommits == 0 }

    try await hearsAColleague(field, replica, activity)
    try await decides(field, replica, activity)
    try await handsOver(field, replica, activity)
}

private func hearsAColleague(_ field: Field, _ replica: Replica, _ activity: String) async throws {
    let colleague = try await field.enrol("two")
    _ = try await colleague.sync(deadline: soon)
    try same(try await colleague.get(Activity.self, activity).title, "清洁日")
    let lists = try replica.observe(activities)
    let changes = try replica.changes("activity")
    async let list = ending { try await lists.first { $0.count == 2 } }
    async let change = ending { try await changes.first { _ in true } }
    try replica.startAutoSync()
    let made = try await colleague.save(plain("同事的活动"))
    _ = try await colleague.sync(deadline: soon)
    guard case let .records(records) = try await change else { throw Failure("no records") }
    try same(records, made)
    try same(Set(try await list?.map { $0.text("title") } ?? []), ["清洁日", "同事的活动"])
    try await replica.stopAutoSync()
    try await colleague.close()
}

private func decides(_ field: Field, _ replica: Replica, _ activity: String) async throws {
    let colleague = try await field.open("two")
    var mine = ActivityChange()
    mine.beneficiaries(25)
    mine.venue(nil)
    mine.addTags(["公园"])
    try await replica.save(mine.edit(activity))
    var theirs = ActivityChange()
    theirs.beneficiaries(30)
    try await colleague.save(theirs.edit(activity))
    for device in [replica, colleague, replica] { _ = try await device.sync(deadline: soon) }
    let records = try await replica.conflicts()
    try same(records.map(\.id), [activity])
    let conflicts = records[0].conflicts.filter { $0.field == "beneficiaries" }
    try same(conflicts.count, 1)
    let sides = conflicts[0].sides
    try same(Set(sides.map(\.value)), [.number(value: 25), .number(value: 30)])
    guard let side = sides.first(where: { $0.value == .number(value: 30) }) else { throw Failure("no side") }
    let chosen = decided(records[0], conflicts[0], side)
    try same(try await code { try await colleague.save(chosen) }, "not_permitted")
    try await replica.save(chosen)
    try check(try await replica.conflicts().isEmpty, "it is decided")
    for device in [replica, colleague] {
        _ = try await device.sync(deadline: soon)
        let settled = try await device.get(Activity.self, activity)
        try same(settled.beneficiaries, 30)
        try same(settled.tags, ["公园", "环保"])
    }
    try await colleague.close()
}

private func handsOver(_ field: Field, _ replica: Replica, _ activity: String) async throws {
    let third = try await field.enrol("three")
    try same(try await code { try await third.get(Activity.self, activity) }, "no_record")
    let file = field.path("all.lastmile")
    try same(Int(try await replica.exportBundle(to: file).bytes), try Data(contentsOf: file).count)
    let taken = try await third.importBundle(from: file)
    try check(taken.whole && taken.appended > 0, taken)
    try same(try await third.get(Activity.self, activity).beneficiaries, 30)
    let none = field.path("none.lastmile")
    try Data("nothing of the kind".utf8).write(to: none)
    try same(try await code { try await third.importBundle(from: none) }, "not_a_bundle")
    try check(try await third.storageFigures().changes > 3, "it holds what came")
}
