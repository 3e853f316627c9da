// Syncs now and then while the app is not in front, when the system allows it.

import BackgroundTasks
import Foundation

enum Background {
    private static let identifier = "org.example.lastmile.sample.sync"

    static func register() {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: identifier, using: nil, launchHandler: run)
    }

    static func schedule() {
        let request = BGAppRefreshTaskRequest(identifier: identifier)
        request.earliestBeginDate = Date(timeIntervalSinceNow: 15 * 60)
        // Where the user has switched it off, the sync waits until the app is opened.
        try? BGTaskScheduler.shared.submit(request)
    }

    private static func run(_ task: BGTask) {
        schedule()
        let syncing = Task {
            let complete = await Device.shared.syncOnce()
            task.setTaskCompleted(success: complete)
        }
        // The cancellation reaches the sync of the library, which ends at once and keeps what came whole.
        task.expirationHandler = { syncing.cancel() }
    }
}
