// swift-tools-version:5.9
// `build-xcframework` makes what is under build/: the library for each platform, and the Swift that is generated from it.

import PackageDescription

let package = Package(
    name: "Lastmile",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [
        .library(name: "Lastmile", targets: ["Lastmile"])
    ],
    targets: [
        .binaryTarget(name: "LastmileFFI", path: "build/LastmileFFI.xcframework"),
        .target(name: "LastmileCore", dependencies: ["LastmileFFI"], path: "build/LastmileCore", linkerSettings: [.linkedFramework("Security")]),
        .target(name: "Lastmile", dependencies: ["LastmileCore"], path: "Sources/Lastmile", resources: [.copy("PrivacyInfo.xcprivacy")]),
        .executableTarget(name: "SampleCli", dependencies: ["Lastmile"], path: "SampleCli"),
    ]
)
