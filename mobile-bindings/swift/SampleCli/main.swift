// A day with two devices, on the command line: sample FOLDER INVITE INVITE, the last two files with invites. The first invite has to be a
// secretary's, who may decide.

import Foundation
import Lastmile

let words = CommandLine.arguments
guard words.count == 4 else {
    print("usage: sample FOLDER INVITE INVITE")
    exit(2)
}
let folder = URL(fileURLWithPath: words[1])
let invites = try words[2...].map { try String(contentsOfFile: $0, encoding: .utf8) }

// An invite makes the replica of a device, once; later it is opened with `Replica.open`.
let office = try await Replica.enrol(folder.appendingPathComponent("office"), invite: invites[0], label: "办公室")
let phone = try await Replica.enrol(folder.appendingPathComponent("phone"), invite: invites[1], label: "手机")

// One commit: a person, an activity, and that the person took part. It is safe when this returns, with a network or without.
let (person, activity) = (newRecordId(), newRecordId())
try await phone.save(
    NewPerson(name: "张三", partyStatus: .partyMember, kind: [.member], phone: ["13800138000"])
        .edit(id: person, events: [event("consent", ["version": "1"])]),
    NewActivity(title: "清洁日", category: .environment, date: civilDate(Date())).edit(id: activity, events: [event("hold")]),
    NewParticipation(activity: activity, person: person).edit()
)
print("saved, waiting for the relay:", try await phone.outbox().changes, "changes")

// By characters, pinyin initials, or the end of the phone number.
for words in ["张三", "zs", "8000"] {
    let found = try await phone.find("person", words, fields: ["name"])
    print("found by \(words):", found.compactMap { $0.text("name") }.joined(separator: " "))
}

// The office follows its list of activities while both sync.
let lists = try office.observe(ListQuery(recordType: "activity", fields: ["title"]))
_ = try await phone.sync(deadline: 30)
_ = try await office.sync(deadline: 30)
for try await page in lists where !page.isEmpty {
    print("the office sees:", page.compactMap { $0.text("title") }.joined(separator: " "))
    break
}

// Both count the people served and do not agree: nothing is lost, and somebody decides.
for (device, count) in [(office, Int64(25)), (phone, 30)] {
    var change = ActivityChange()
    change.beneficiaries(count)
    try await device.save(change.edit(activity))
}
for device in [office, phone, office] { _ = try await device.sync(deadline: 30) }
for record in try await office.conflicts() {
    for conflict in record.conflicts where conflict.kind == .undecided {
        print("to decide:", conflict.field, conflict.sides.map { "\($0.value)" }.sorted().joined(separator: " or "))
        guard let side = conflict.sides.first(where: { $0.value == .number(value: 30) }) else { continue }
        try await office.save(decided(record, conflict, side))
    }
}
for device in [office, phone] { _ = try await device.sync(deadline: 30) }
print("decided, on the phone as well:", try await phone.get(Activity.self, activity).beneficiaries ?? 0)

// Everything in one file, for where there is no network at all.
let report = try await phone.exportBundle(to: folder.appendingPathComponent("all.lastmile"))
print("exported \(report.bytes) bytes")

do {
    _ = try await phone.list(ListQuery(recordType: "nothing"))
} catch let error as LastmileError {
    print("an error has a code that stays:", error.code)
}
try await office.close()
try await phone.close()
