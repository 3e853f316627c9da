// The key of the replica's file, in the Keychain.

import Foundation
import Lastmile
import Security

/// 32 random bytes that stay on this device and can be read from the first unlock on, so that a sync in the background can read them.
struct DeviceKey: KeyStore {
    /// Whether a missing key is made: only for a new replica, since an old one opens with no other.
    let makesOne: Bool

    private var item: [CFString: Any] {
        [kSecClass: kSecClassGenericPassword, kSecAttrService: "org.example.lastmile.sample", kSecAttrAccount: "replica"]
    }

    func databaseKey() async throws -> Data {
        var asked = item
        asked[kSecReturnData] = true
        var found: CFTypeRef?
        switch SecItemCopyMatching(asked as CFDictionary, &found) {
        case errSecSuccess:
            guard let key = found as? Data else { throw KeyError.Lost }
            return key
        case errSecItemNotFound where makesOne:
            return try made()
        case errSecItemNotFound:
            throw KeyError.Lost
        default:
            throw KeyError.Unavailable
        }
    }

    private func made() throws -> Data {
        var key = Data(count: 32)
        let drawn = key.withUnsafeMutableBytes { bytes -> OSStatus in
            guard let start = bytes.baseAddress else { return errSecParam }
            return SecRandomCopyBytes(kSecRandomDefault, bytes.count, start)
        }
        guard drawn == errSecSuccess else { throw KeyError.Unavailable }
        var added = item
        added[kSecAttrAccessible] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        added[kSecValueData] = key
        guard SecItemAdd(added as CFDictionary, nil) == errSecSuccess else { throw KeyError.Unavailable }
        return key
    }
}
