// Runs the tests: each word on the command line names tests by a part of their names; all without one.

import Foundation

@main
enum Main {
    /// Each test with its name.
    private static let tests: [(name: String, test: @Sendable (Field) async throws -> Void)] = [
        ("story", story),
        ("what goes wrong is told", whatGoesWrongIsTold),
        ("a key store in Swift", aKeyStoreInSwift),
        ("a cancelled task gives the sync up", aCancelledTaskGivesTheSyncUp),
        ("files travel", filesTravel),
        ("sequences end", sequencesEnd),
        ("many tasks", manyTasks),
        ("nothing is left of what was closed", nothingIsLeftOfWhatWasClosed),
    ]

    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        if words.first == "record", let folder = words.dropFirst().first {
            try await recordUntilKilled(URL(fileURLWithPath: folder))
            return
        }
        var failed = 0
        for (name, test) in tests where words.isEmpty || words.contains(where: name.contains) {
            let begun = Date()
            var outcome = "ok     "
            var said = ""
            do {
                try await Field.use(name, test)
            } catch {
                failed += 1
                outcome = "FAILED "
                said = "\n        \(error)"
            }
            say("\(outcome) \(name) \(String(format: "(%.1f s)", -begun.timeIntervalSinceNow))\(said)")
        }
        exit(failed == 0 ? 0 : 1)
    }
}
