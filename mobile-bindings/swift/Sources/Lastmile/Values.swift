// Between Swift's values and those of records.

import Foundation
import LastmileCore

/// What the field of a record can be given.
public protocol FieldValueConvertible {
    /// The value as records take it.
    var fieldValue: FieldValue { get }
}

extension FieldValue: FieldValueConvertible {
    /// Itself.
    public var fieldValue: FieldValue { self }
}

extension String: FieldValueConvertible {
    /// A text: also a date as `2026-03-05`, a month, a time as `09:30`, the id of another record.
    public var fieldValue: FieldValue { .text(value: self) }
}

extension Int64: FieldValueConvertible {
    /// A whole number.
    public var fieldValue: FieldValue { .number(value: self) }
}

extension Int: FieldValueConvertible {
    /// A whole number.
    public var fieldValue: FieldValue { .number(value: Int64(self)) }
}

extension Bool: FieldValueConvertible {
    /// Yes or no.
    public var fieldValue: FieldValue { .flag(value: self) }
}

extension Data: FieldValueConvertible {
    /// Bytes.
    public var fieldValue: FieldValue { .bytes(value: self) }
}

/// Fields as they are given, for a new record of any type.
public struct Fields: Sendable {
    var values: [String: FieldValue] = [:]

    /// Gives a field; `nil` leaves it out.
    public mutating func give<Value: FieldValueConvertible>(_ name: String, _ value: Value?) {
        if let value { values[name] = value.fieldValue }
    }

    /// Gives a choice; `nil` leaves it out.
    public mutating func give<Choice: RawRepresentable>(_ name: String, _ choice: Choice?) where Choice.RawValue == String {
        give(name, choice?.rawValue)
    }

    /// Gives the elements of a set.
    public mutating func give(_ name: String, _ elements: Set<String>) {
        if !elements.isEmpty { values[name] = .elements(values: elements.sorted()) }
    }

    /// Gives the choices of a set.
    public mutating func give<Choice: RawRepresentable>(_ name: String, _ choices: Set<Choice>) where Choice.RawValue == String {
        give(name, Set(choices.map(\.rawValue)))
    }

    /// Sets a field; `nil` clears it.
    public mutating func set<Value: FieldValueConvertible>(_ name: String, _ value: Value?) {
        values[name] = value?.fieldValue ?? .empty
    }

    /// Sets a choice; `nil` clears it.
    public mutating func set<Choice: RawRepresentable>(_ name: String, _ choice: Choice?) where Choice.RawValue == String {
        set(name, choice?.rawValue)
    }
}

/// Changes of a record of any type. What is not named stays.
public struct Changes: Sendable {
    /// The fields, and the elements that are added to sets.
    public var fields = Fields()
    var removed: [String: [String]] = [:]

    /// No changes yet.
    public init() {}

    /// Takes elements out of a set.
    public mutating func remove(_ name: String, _ elements: Set<String>) {
        if !elements.isEmpty { removed[name] = elements.sorted() }
    }

    /// Takes choices out of a set.
    public mutating func remove<Choice: RawRepresentable>(_ name: String, _ choices: Set<Choice>) where Choice.RawValue == String {
        remove(name, Set(choices.map(\.rawValue)))
    }

    /// The edit that makes them.
    public func edit(_ recordType: String, _ id: String) -> RecordEdit {
        .change(recordType: recordType, id: id, fields: fields.values, removed: removed)
    }
}

/// Something that happened to a record, e.g. `event("consent", ["version": "1"])`.
public func event(_ kind: String, _ parts: KeyValuePairs<String, String> = [:]) -> NewEvent {
    NewEvent(kind: kind, parts: parts.map { EventPart(name: $0.key, text: $0.value) })
}

/// A new record of any type, with what happened to it at once.
public func created(
    _ recordType: String,
    id: String? = nil,
    events: [NewEvent] = [],
    _ fill: (inout Fields) -> Void
) -> RecordEdit {
    var fields = Fields()
    fill(&fields)
    return .create(recordType: recordType, id: id, fields: fields.values, events: events)
}

func happened(_ recordType: String, _ id: String, _ kind: String, _ parts: [(String, String?)]) -> RecordEdit {
    let said = parts.compactMap { name, text in text.map { EventPart(name: name, text: $0) } }
    return .event(recordType: recordType, id: id, event: NewEvent(kind: kind, parts: said))
}

/// The decision that this side of a conflict is to stand.
public func decided(_ record: StoredRecord, _ conflict: Conflict, _ side: ConflictSide) -> RecordEdit {
    .decide(recordType: record.recordType, id: record.id, field: conflict.field, change: side.origin.change)
}

/// The civil date of a moment, as fields of dates take it, e.g. `2026-03-05`.
public func civilDate(_ date: Date, in timeZone: TimeZone = .current) -> String {
    // The calendar of fields, whatever the device's region counts by.
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let parts = calendar.dateComponents([.year, .month, .day], from: date)
    return String(format: "%04d-%02d-%02d", parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
}

private func textIn(_ value: FieldValue?) -> String? {
    if case let .text(text) = value { text } else { nil }
}

private func numberIn(_ value: FieldValue?) -> Int64? {
    if case let .number(number) = value { number } else { nil }
}

private func elementsIn(_ value: FieldValue?) -> [String] {
    if case let .elements(elements) = value { elements } else { [] }
}

extension StoredRecord {
    /// A text; also a choice's code, and what has another kind of text.
    public func text(_ name: String) -> String? { textIn(fields[name]) }

    /// A whole number.
    public func number(_ name: String) -> Int64? { numberIn(fields[name]) }

    /// Yes or no.
    public func flag(_ name: String) -> Bool? {
        if case let .flag(flag) = fields[name] { flag } else { nil }
    }

    /// The id of another record.
    public func reference(_ name: String) -> String? {
        if case let .reference(id) = fields[name] { id } else { nil }
    }

    /// Bytes.
    public func bytes(_ name: String) -> Data? {
        if case let .bytes(bytes) = fields[name] { bytes } else { nil }
    }

    /// The elements of a set.
    public func elements(_ name: String) -> [String] { elementsIn(fields[name]) }
}

/// One row of a list.
public struct ListedRecord: Equatable, Identifiable, Sendable, CustomStringConvertible {
    private let places: [String: Int]
    private let row: LastmileCore.Row

    init(places: [String: Int], row: LastmileCore.Row) {
        self.places = places
        self.row = row
    }

    /// The record's id.
    public var id: String { row.id }

    /// A value; `nil` where the field is empty or was not asked for.
    public subscript(name: String) -> FieldValue? {
        guard let place = places[name], row.cells[place] != .empty else { return nil }
        return row.cells[place]
    }

    /// A text.
    public func text(_ name: String) -> String? { textIn(self[name]) }

    /// A whole number.
    public func number(_ name: String) -> Int64? { numberIn(self[name]) }

    /// The elements of a set.
    public func elements(_ name: String) -> [String] { elementsIn(self[name]) }

    /// The id alone: a record's fields are personal, and what is printed ends in logs.
    public var description: String { "ListedRecord(\(id))" }
}

/// One page of a list.
public struct RecordPage: RandomAccessCollection, Equatable, Sendable, CustomStringConvertible {
    private let places: [String: Int]
    private let rows: [LastmileCore.Row]

    /// What the query takes as `after` for the next page; `nil` at the end.
    public let next: String?

    init(_ page: LastmileCore.Page) {
        places = Dictionary(page.fields.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        rows = page.rows
        next = page.next
    }

    /// 0.
    public var startIndex: Int { 0 }

    /// How many records there are.
    public var endIndex: Int { rows.count }

    /// One record.
    public subscript(position: Int) -> ListedRecord { ListedRecord(places: places, row: rows[position]) }

    /// How many records there are, and nothing of them.
    public var description: String { "RecordPage(\(count) records)" }
}

/// A record of one type, read by its own names.
public protocol TypedRecord: Sendable {
    /// The type's name, e.g. `activity`.
    static var recordType: String { get }

    /// Reads a stored record by the type's names.
    init(_ stored: StoredRecord)
}

extension LastmileError {
    /// The stable code of any error.
    public var code: String {
        switch self {
        case let .InvalidInput(code, _), let .NotFound(code, _), let .NotAllowed(code, _), let .AlreadyOpen(code), let .Closed(code),
            let .Key(code, _), let .Storage(code, _), let .Network(code, _, _), let .Refused(code, _, _), let .NotTaken(code, _),
            let .Cancelled(code), let .Internal(code, _):
            code
        }
    }

    /// Whether trying again later may help without anybody doing anything.
    public var isRetryable: Bool {
        switch self {
        case let .Network(_, _, retryable), let .Refused(_, _, retryable): retryable
        case .Cancelled: true
        default: false
        }
    }
}
