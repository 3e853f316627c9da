// The replica with Kotlin's habits: suspending calls, flows, `use`.

package lastmile

import java.io.File
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.toJavaDuration
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import lastmile.core.Attached
import lastmile.core.Attachment
import lastmile.core.BackgroundOutcome
import lastmile.core.BundleReport
import lastmile.core.ChangeEvent
import lastmile.core.FetchProgress
import lastmile.core.HeldBack
import lastmile.core.KeyException
import lastmile.core.KeyProvider
import lastmile.core.LastmileException
import lastmile.core.ListQuery
import lastmile.core.Outbox
import lastmile.core.RecordEdit
import lastmile.core.RecordId
import lastmile.core.ReplicaConfig
import lastmile.core.ReplicaInfo
import lastmile.core.SaveOptions
import lastmile.core.StorageFigures
import lastmile.core.StoredRecord
import lastmile.core.SyncPhase
import lastmile.core.SyncProgress
import lastmile.core.SyncReport
import lastmile.core.SyncState
import lastmile.core.libraryVersion

/** The version of this package, which is the library's. */
public const val VERSION: String = "0.1.0"

/** Gives the 32 bytes of the key of a replica's file, from the platform's key store. It may wait, and is asked once at each opening. */
public fun interface KeyStore {
    /** The key, always the same for a replica. */
    public suspend fun databaseKey(): ByteArray
}

/** Asks a key store; whatever it throws stays here, since it may say anything. */
private class Keys(private val store: KeyStore) : KeyProvider {
    override suspend fun databaseKey(): ByteArray = try {
        store.databaseKey()
    } catch (known: KeyException) {
        throw known
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (_: Throwable) {
        throw KeyException.Unavailable()
    }
}

private val NOTHING_TRIED = SyncState(SyncPhase.IDLE, 0u, 0u, null, false, false, emptyList())

/**
 * A device's replica: open it once, keep it as long as the app runs, close it at the end.
 *
 * It may be used from any thread and dispatcher, the main one too: no call keeps its thread waiting. What is saved survives a power cut
 * when the call returns and never waits for the network.
 */
public class Replica private constructor(private val core: lastmile.core.Replica) {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val state = MutableStateFlow(NOTHING_TRIED)

    /** Where the sync stands. */
    public val syncState: StateFlow<SyncState> = state.asStateFlow()

    private val following = scope.launch {
        try {
            pulled(core::syncStates, { it.next() }, { it.cancel() }).collect { state.value = it }
        } catch (_: LastmileException) {
            // The state stays what it was; each call says what is the matter.
        }
    }

    public companion object {
        private fun config(folder: File, app: String?, patience: Duration?) =
            ReplicaConfig(folder.path, app, patience?.toJavaDuration())

        private fun matching() {
            check(libraryVersion() == VERSION) { "the package is of version $VERSION, its library of ${libraryVersion()}" }
        }

        /**
         * Opens the replica of a folder. [LastmileException.NotFound] with the code `no_replica` says that there is none: [enrol] then. A
         * second opening of a folder that is open is [LastmileException.AlreadyOpen].
         */
        public suspend fun open(folder: File, keys: KeyStore? = null, app: String? = null, patience: Duration? = null): Replica {
            matching()
            return Replica(lastmile.core.Replica.open(config(folder, app, patience), keys?.let(::Keys)))
        }

        /** Makes the replica of a folder with an invite from the office, and opens it. It needs the network. */
        public suspend fun enrol(
            folder: File,
            invite: String,
            label: String,
            keys: KeyStore? = null,
            app: String? = null,
            patience: Duration? = null,
        ): Replica {
            matching()
            return Replica(lastmile.core.Replica.enrol(config(folder, app, patience), invite, label, keys?.let(::Keys)))
        }
    }

    /** Ends everything and waits until it has; closing again is no error. It is not cut short by a cancellation. */
    public suspend fun close() {
        withContext(NonCancellable) {
            try {
                core.shutDown()
            } finally {
                following.cancelAndJoin()
            }
        }
    }

    /** What this replica is. */
    public suspend fun info(): ReplicaInfo = core.info()

    /** Saves edits as one commit: everything or nothing. When this returns they survive a power cut. */
    public suspend fun save(vararg edits: RecordEdit, acting: String? = null, at: Instant? = null): List<RecordId> =
        core.save(edits.asList(), SaveOptions(acting, at))

    /** Reads one record of any type. */
    public suspend fun record(recordType: String, id: String): StoredRecord = core.record(recordType, id)

    /** Lists one page. */
    public suspend fun list(query: ListQuery): RecordPage = RecordPage(core.list(query))

    /** Lists every page. */
    public fun pages(query: ListQuery): Flow<RecordPage> = flow {
        var after = query.after
        do {
            val page = RecordPage(core.list(query.copy(after = after)))
            emit(page)
            after = page.next
        } while (after != null)
    }

    /** Finds records by words: characters, words, pinyin initials, the end of a phone number. */
    public suspend fun find(recordType: String, text: String, fields: List<String> = emptyList(), limit: Int = 20): RecordPage =
        RecordPage(core.find(recordType, text, fields, limit.toUInt()))

    /** Follows a list: the page as it is, then each time that it is another one. It ends with the replica. */
    public fun observe(query: ListQuery): Flow<RecordPage> = flow {
        pulled({ core.observe(query) }, { it.next() }, { it.cancel() }).collect { emit(RecordPage(it)) }
    }

    /** Follows what changes; [ChangeEvent.Overflow] says that more did than could wait. It ends with the replica. */
    public fun changes(vararg recordTypes: String): Flow<ChangeEvent> =
        pulled({ core.changes(recordTypes.asList()) }, { it.next() }, { it.cancel() })

    /** Makes a step of the sync: records, then files. A cancellation gives it up; what came whole is kept. */
    public suspend fun sync(deadline: Duration? = null, onProgress: ((SyncProgress) -> Unit)? = null): SyncReport =
        core.syncNow(deadline?.toJavaDuration()).use { handle ->
            try {
                if (onProgress != null) while (true) onProgress(handle.nextProgress() ?: break)
                handle.result()
            } finally {
                // After the end it does nothing.
                handle.cancel()
            }
        }

    /** Makes a step of the sync within this time, for a worker of the system. */
    public suspend fun backgroundStep(budget: Duration): BackgroundOutcome = core.backgroundStep(budget.toJavaDuration())

    /** Syncs by itself from now on; in the foreground it stays connected. */
    public fun startAutoSync(foreground: Boolean = true): Unit = core.startAutoSync(foreground)

    /** Stops the automatic sync and waits until it has. */
    public suspend fun stopAutoSync(): Unit = core.stopAutoSync()

    /** Lets the automatic sync try at once, as when the system says that a network appeared. */
    public fun networkAppeared(): Unit = core.networkAppeared()

    /** What has not reached the relay yet, with the first so many saves. */
    public suspend fun outbox(limit: Int = 50): Outbox = core.outbox(limit.toUInt())

    /** Records that were returned to be entered better. */
    public suspend fun returned(limit: Int = 50): List<RecordId> = core.returned(limit.toUInt())

    /** Changes of this device that are kept but not shown. */
    public suspend fun heldBack(): List<HeldBack> = core.heldBack()

    /** Records about which a person has to decide; see [decided]. */
    public suspend fun conflicts(limit: Int = 50): List<StoredRecord> = core.conflicts(limit.toUInt())

    /** Attaches a file to a record. */
    public suspend fun attach(record: RecordId, file: File, name: String? = null, acting: String? = null): Attached =
        core.attach(record, file.path, name, acting)

    /** Lists the files of one record, or of all; thumbnails first. */
    public suspend fun attachments(record: String? = null): List<Attachment> = core.attachments(record)

    /** Fetches a file by its hash and writes it; returns its length. A cancellation gives it up. */
    public suspend fun fetchAttachment(
        hash: String,
        to: File,
        deadline: Duration? = null,
        onProgress: ((FetchProgress) -> Unit)? = null,
    ): Long = core.fetchAttachment(hash, to.path, deadline?.toJavaDuration()).use { handle ->
        try {
            if (onProgress != null) while (true) onProgress(handle.nextProgress() ?: break)
            handle.result().toLong()
        } finally {
            handle.cancel()
        }
    }

    /** Writes everything that this device holds into a `.lastmile` file. */
    public suspend fun exportBundle(to: File): BundleReport = core.exportBundle(to.path)

    /** Takes everything new out of a `.lastmile` file. */
    public suspend fun importBundle(from: File): BundleReport = core.importBundle(from.path)

    /** What the replica takes on its device. */
    public suspend fun storageFigures(): StorageFigures = core.storageFigures()
}

/** Runs a block with the replica and closes it, however the block ends. */
public suspend inline fun <R> Replica.use(block: (Replica) -> R): R {
    try {
        return block(this)
    } finally {
        close()
    }
}

/** A stream of the library as a flow: begun when it is collected, ended with whoever collects it. */
private fun <S : AutoCloseable, T : Any> pulled(begin: () -> S, next: suspend (S) -> T?, cancel: (S) -> Unit): Flow<T> = flow {
    begin().use { stream ->
        try {
            while (true) emit(next(stream) ?: break)
        } finally {
            cancel(stream)
        }
    }
}
