// The app: what it does when it starts, comes to the front and leaves it.

import SwiftUI

@main
struct SampleApp: App {
    @Environment(\.scenePhase) private var scenePhase
    @StateObject private var device = Device.shared

    init() {
        // The system asks for it before the app has finished starting.
        Background.register()
    }

    var body: some Scene {
        WindowGroup {
            MainScreen()
                .environmentObject(device)
                .task { await device.begin() }
        }
        .onChange(of: scenePhase) { phase in
            switch phase {
            case .active: device.appeared()
            case .background:
                device.disappeared()
                Background.schedule()
            default: break
            }
        }
    }
}
