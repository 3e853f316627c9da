// The device's replica as the screens see it. Nothing here is Android's, so that it is tested on a computer.

package org.example.lastmile.sample

import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.onStart
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import lastmile.KeyStore
import lastmile.ListedRecord
import lastmile.NewActivity
import lastmile.NewParticipation
import lastmile.ParticipationSource
import lastmile.Replica
import lastmile.core.BackgroundOutcome
import lastmile.core.ChangeEvent
import lastmile.core.Conflict
import lastmile.core.ConflictSide
import lastmile.core.LastmileException
import lastmile.core.ListQuery
import lastmile.core.StoredRecord
import lastmile.core.SyncState
import lastmile.core.newRecordId
import lastmile.decided
import lastmile.event

private const val APP = "sample 0.1.0"
private val SHOWN = ListQuery("activity", listOf("title", "date", "beneficiaries"), limit = 200u)

/** Where the device stands. */
sealed interface Standing {
    data object Opening : Standing

    /** There is no replica yet. */
    data object New : Standing

    data object Ready : Standing

    data class Failed(val error: LastmileException) : Standing
}

/** The one device of this process; `keys` gives the key store, which may make a key for a new replica. */
class Device(private val folder: File, private val scope: CoroutineScope, private val keys: (makesOne: Boolean) -> KeyStore?) {
    private val opening = Mutex()
    private var opened: Replica? = null
    private var following: Job? = null
    private var inFront = false

    private val standingNow = MutableStateFlow<Standing>(Standing.Opening)
    private val activitiesNow = MutableStateFlow<List<ListedRecord>>(emptyList())
    private val conflictsNow = MutableStateFlow<List<StoredRecord>>(emptyList())
    private val syncNow = MutableStateFlow<SyncState?>(null)
    private val troubleNow = MutableStateFlow<LastmileException?>(null)

    val standing: StateFlow<Standing> = standingNow.asStateFlow()
    val activities: StateFlow<List<ListedRecord>> = activitiesNow.asStateFlow()
    val conflicts: StateFlow<List<StoredRecord>> = conflictsNow.asStateFlow()
    val sync: StateFlow<SyncState?> = syncNow.asStateFlow()

    /** What went wrong last, to show to the user. */
    val trouble: StateFlow<LastmileException?> = troubleNow.asStateFlow()

    fun troubleWasSeen() {
        troubleNow.value = null
    }

    /** The replica, opened once: the screens and a worker may ask at the same time. */
    private suspend fun replica(): Replica = opening.withLock {
        opened ?: Replica.open(folder, keys(false), APP).also { opened = it }
    }

    suspend fun begin() {
        if (standingNow.value == Standing.Ready) return
        try {
            follow(replica())
        } catch (_: LastmileException.NotFound) {
            standingNow.value = Standing.New
        } catch (error: LastmileException) {
            standingNow.value = Standing.Failed(error)
        }
    }

    /** Makes the replica with the text of the QR code that the office gave. */
    suspend fun enrol(invite: String, label: String) {
        trying {
            follow(opening.withLock { Replica.enrol(folder, invite.trim(), label, keys(true), APP).also { opened = it } })
        }
    }

    private fun follow(replica: Replica) {
        standingNow.value = Standing.Ready
        if (following?.isActive == true) return
        following = scope.launch {
            launch { trying { replica.observe(SHOWN).collect { activitiesNow.value = it } } }
            launch {
                trying {
                    val changes = replica.changes().onStart { emit(ChangeEvent.Overflow) }
                    changes.collect { conflictsNow.value = replica.conflicts() }
                }
            }
            launch {
                replica.syncState.first { state ->
                    syncNow.value = state
                    state.needsReopening
                }
                // What was restored or copied goes on as a new author, after it was opened anew.
                scope.launch { reopen() }
            }
        }
        replica.startAutoSync(inFront)
    }

    private suspend fun reopen() {
        end()
        begin()
    }

    /** Closes the replica; whoever needs it next opens it again. */
    suspend fun end() {
        standingNow.value = Standing.Opening
        following?.cancel()
        opening.withLock {
            opened?.close()
            opened = null
        }
    }

    fun appeared() {
        inFront = true
        scope.launch {
            begin()
            if (standingNow.value == Standing.Ready) trying { replica().startAutoSync(foreground = true) }
        }
    }

    fun disappeared() {
        inFront = false
        if (standingNow.value == Standing.Ready) scope.launch { trying { replica().startAutoSync(foreground = false) } }
    }

    suspend fun networkAppeared() {
        if (standingNow.value == Standing.Ready) trying { replica().networkAppeared() }
    }

    /** One step of the sync for the system's scheduler; nothing where there is no replica yet, or none that opens. */
    suspend fun backgroundStep(budget: Duration): BackgroundOutcome? = try {
        replica().backgroundStep(budget)
    } catch (_: LastmileException) {
        null
    }

    suspend fun syncOnce() {
        trying { replica().sync(60.seconds) }
    }

    suspend fun people(text: String): List<ListedRecord> = try {
        replica().find("person", text, listOf("name"), limit = 20)
    } catch (_: LastmileException) {
        emptyList()
    }

    /** Saves an activity and who took part as one commit; says whether it did. */
    suspend fun record(activity: NewActivity, participants: Set<String>): Boolean = trying {
        val id = newRecordId()
        val taking = participants.sorted().map { NewParticipation(activity = id, person = it, source = ParticipationSource.MANUAL).edit() }
        replica().save(activity.edit(event("hold"), id = id), *taking.toTypedArray())
    }

    suspend fun decide(record: StoredRecord, conflict: Conflict, side: ConflictSide) {
        trying { replica().save(decided(record, conflict, side)) }
    }

    private suspend fun trying(work: suspend () -> Unit): Boolean = try {
        work()
        true
    } catch (error: LastmileException) {
        // A replica that was closed meanwhile is opened again by whoever asks next.
        if (error !is LastmileException.Closed) troubleNow.value = error
        false
    }
}
