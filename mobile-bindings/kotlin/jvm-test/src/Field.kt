// A real relay process on loopback and a folder for devices.

package lastmile.test

import java.io.File
import java.nio.file.Files
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import lastmile.KeyStore
import lastmile.Replica

private val PROGRAM: String = System.getenv("LASTMILE_BINARY")

/** Says what is wrong where it is. */
fun check(holds: Boolean, what: () -> Any) {
    if (!holds) throw AssertionError(what().toString())
}

fun <T> same(found: T, wanted: T) = check(found == wanted) { "found $found, wanted $wanted" }

/** What a block throws, which has to be of this kind. */
inline fun <reified E : Throwable> failing(block: () -> Unit): E {
    try {
        block()
    } catch (error: Throwable) {
        if (error is E) return error
        throw AssertionError("another error", error)
    }
    throw AssertionError("no error")
}

class Field private constructor(val folder: File) {
    private var relay: Process? = null
    var address: String = "127.0.0.1:0"
        private set
    private var invites = 0
    private val opened = mutableListOf<Replica>()

    fun start() {
        val told = File(folder, "address").apply { delete() }
        val log = ProcessBuilder.Redirect.appendTo(File(folder, "relay.log"))
        val started = ProcessBuilder(
            PROGRAM, "relay", "serve", "--dir", File(folder, "relay").path, "--listen", address, "--address-file", told.path,
        ).redirectOutput(log).redirectError(log).start()
        relay = started
        val deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60)
        while (!told.exists()) {
            check(started.isAlive && System.nanoTime() < deadline) { File(folder, "relay.log").readText() }
            Thread.sleep(20)
        }
        address = told.readText().trim().substringAfter("://")
    }

    fun stop() {
        relay?.destroy()
        relay?.waitFor(30, TimeUnit.SECONDS)
        relay = null
    }

    fun invite(role: String): String {
        invites += 1
        val out = File(folder, "invite-$invites")
        val making = ProcessBuilder(
            PROGRAM, "--lang", "en", "relay", "invite", "--dir", File(folder, "relay").path, "--scope", "430103005010",
            "--role", role, "--out", out.path,
        ).redirectErrorStream(true).start()
        val said = making.inputStream.bufferedReader().readText()
        check(making.waitFor() == 0) { said }
        return out.readText()
    }

    fun path(name: String) = File(folder, name)

    suspend fun enrol(name: String, role: String = "worker", keys: KeyStore? = null): Replica =
        Replica.enrol(path(name), invite(role), name, keys).also(opened::add)

    suspend fun open(name: String, keys: KeyStore? = null): Replica = Replica.open(path(name), keys).also(opened::add)

    companion object {
        /** Runs a test in a field of its own; returns what it threw. */
        fun use(test: suspend (Field) -> Unit): Throwable? {
            val field = Field(Files.createTempDirectory("lastmile-kotlin-").toFile())
            try {
                field.start()
                runBlocking {
                    try {
                        withTimeout(120.seconds) { test(field) }
                    } finally {
                        field.opened.forEach { it.close() }
                    }
                }
                return null
            } catch (error: Throwable) {
                return error
            } finally {
                field.stop()
                field.folder.deleteRecursively()
            }
        }
    }
}
