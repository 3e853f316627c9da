// The key of the replica's file, wrapped by a key of the Android Keystore.

package org.example.lastmile.sample

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.util.AtomicFile
import java.io.File
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.SecureRandom
import java.security.UnrecoverableKeyException
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import lastmile.KeyStore
import lastmile.core.KeyException

private const val STORE = "AndroidKeyStore"
private const val ALIAS = "replica"
private const val CIPHER = "AES/GCM/NoPadding"
private const val NONCE = 12
private const val TAG_BITS = 128

/**
 * 32 random bytes in a file, encrypted by a key that never leaves the device's Keystore. Neither asks for an unlocked screen, so that a sync in
 * the background can open the replica. A missing key is made only for a new replica, since an old one opens with no other.
 */
class DeviceKey(private val file: File, private val makesOne: Boolean) : KeyStore {
    override suspend fun databaseKey(): ByteArray = withContext(Dispatchers.IO) {
        try {
            unwrapped() ?: if (makesOne) made() else throw KeyException.Lost()
        } catch (_: GeneralSecurityException) {
            throw KeyException.Unavailable()
        } catch (_: IOException) {
            throw KeyException.Unavailable()
        }
    }

    /** The key, if the file is there and the Keystore still has what opens it. */
    private fun unwrapped(): ByteArray? {
        if (!file.exists()) return null
        val wrapped = AtomicFile(file).readFully()
        return try {
            val cipher = Cipher.getInstance(CIPHER)
            cipher.init(Cipher.DECRYPT_MODE, wrapping() ?: return null, GCMParameterSpec(TAG_BITS, wrapped, 0, NONCE))
            cipher.doFinal(wrapped, NONCE, wrapped.size - NONCE)
        } catch (_: AEADBadTagException) {
            null
        } catch (_: KeyPermanentlyInvalidatedException) {
            null
        } catch (_: UnrecoverableKeyException) {
            null
        }
    }

    private fun wrapping(): SecretKey? = java.security.KeyStore.getInstance(STORE).run {
        load(null)
        getKey(ALIAS, null) as SecretKey?
    }

    private fun made(): ByteArray {
        val key = ByteArray(32).also(SecureRandom()::nextBytes)
        val generator = KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, STORE)
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        generator.init(
            KeyGenParameterSpec.Builder(ALIAS, purposes)
                .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
                .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
                .setKeySize(256)
                .build(),
        )
        val cipher = Cipher.getInstance(CIPHER)
        cipher.init(Cipher.ENCRYPT_MODE, generator.generateKey())
        // On the disk before the replica is: a replica without its key would be lost.
        val kept = AtomicFile(file)
        val out = kept.startWrite()
        try {
            out.write(cipher.iv + cipher.doFinal(key))
            kept.finishWrite(out)
        } catch (error: IOException) {
            kept.failWrite(out)
            throw error
        }
        return key
    }
}
