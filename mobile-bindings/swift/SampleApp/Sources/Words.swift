// Words for the user, in the language of the device.

import Foundation
import Lastmile

private let chinese = Locale.preferredLanguages.first?.hasPrefix("zh") ?? true

/// What to tell the user of an error: the library's own sentences for what was entered, else the app's for the code.
func words(for error: any Error) -> String {
    guard let error = error as? LastmileError else { return NSLocalizedString("error.other", comment: "") }
    if case let .InvalidInput(_, problems) = error {
        return problems.map { chinese ? $0.textZh : $0.textEn }.joined(separator: "\n")
    }
    let key = "error.\(error.code)"
    let known = NSLocalizedString(key, comment: "")
    return known == key ? NSLocalizedString("error.other", comment: "") + " (\(error.code))" : known
}

func words(for phase: SyncPhase) -> String {
    switch phase {
    case .idle: return NSLocalizedString("sync.idle", comment: "")
    case .syncing: return NSLocalizedString("sync.syncing", comment: "")
    case .upToDate: return NSLocalizedString("sync.up_to_date", comment: "")
    case .offline: return NSLocalizedString("sync.offline", comment: "")
    case .needsAttention: return NSLocalizedString("sync.needs_attention", comment: "")
    }
}

/// The labels that the records' own catalogue gives.
private let activityType = recordTypes().first { $0.name == "activity" }

func label(of field: String) -> String {
    activityType?.fields.first { $0.name == field }.map { chinese ? $0.labelZh : $0.labelEn } ?? field
}

func label(of category: ActivityCategory) -> String {
    let choices = activityType?.fields.first { $0.name == "category" }?.choices ?? []
    return choices.first { $0.code == category.rawValue }.map { chinese ? $0.zh : $0.en } ?? category.rawValue
}

func words(for value: FieldValue) -> String {
    switch value {
    case let .text(text): return text
    case let .number(number): return String(number)
    case let .flag(flag): return NSLocalizedString(flag ? "value.yes" : "value.no", comment: "")
    case let .elements(elements): return elements.joined(separator: ", ")
    case let .reference(id): return id
    case .empty: return NSLocalizedString("value.empty", comment: "")
    default: return "…"
    }
}
