// The story of a device: enrol, record without a network, be killed, go on, sync, hear of a colleague, decide, export.

package lastmile.test

import java.io.File
import java.time.LocalDate
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import lastmile.ActivityCategory
import lastmile.NewActivity
import lastmile.NewParticipation
import lastmile.NewPerson
import lastmile.PersonKind
import lastmile.PersonPartyStatus
import lastmile.Replica
import lastmile.activity
import lastmile.changeActivity
import lastmile.code
import lastmile.core.BackgroundOutcome
import lastmile.core.ChangeEvent
import lastmile.core.FieldValue
import lastmile.core.FileStanding
import lastmile.core.KeyException
import lastmile.core.LastmileException
import lastmile.core.ListQuery
import lastmile.core.SyncPhase
import lastmile.core.SyncProgress
import lastmile.core.newRecordId
import lastmile.decided
import lastmile.event
import lastmile.person
import lastmile.use

val SOON = 30.seconds
val ACTIVITIES = ListQuery(recordType = "activity", fields = listOf("title"))

fun plain(title: String) =
    NewActivity(title = title, category = ActivityCategory.ENVIRONMENT, date = LocalDate.of(2025, 3, 5))

/** Records offline and waits; whoever started it kills it once it has said what it saved. */
fun recordUntilKilled(folder: String): Unit = runBlocking {
    val replica = Replica.open(File(folder))
    val (activity, person) = newRecordId() to newRecordId()
    replica.save(
        NewPerson("张三", PersonPartyStatus.PARTY_MEMBER, setOf(PersonKind.MEMBER), phone = setOf("13800138000"))
            .edit(event("consent", "version" to "1"), id = person),
        NewActivity("清洁日", ActivityCategory.ENVIRONMENT, LocalDate.of(2025, 3, 5), beneficiaries = 20, tags = setOf("环保"))
            .edit(event("hold"), id = activity),
        NewParticipation(activity = activity, person = person).edit(),
    )
    println("$activity $person")
    delay(600.seconds)
}

/** Runs a `main` of what is compiled in a process of its own. */
private fun running(main: String, vararg words: String): Process {
    val java = ProcessHandle.current().info().command().orElse("java")
    val properties = listOf("jna.boot.library.path", "jna.library.path").map { "-D$it=${System.getProperty(it)}" }
    val arguments = listOf("-cp", System.getProperty("java.class.path"), main) + words
    return ProcessBuilder(listOf(java) + properties + arguments).redirectError(ProcessBuilder.Redirect.INHERIT).start()
}

private fun recordedAndKilled(folder: File): List<String> {
    val recording = running("lastmile.test.MainKt", "record", folder.path)
    val line = recording.inputStream.bufferedReader().readLine()
    recording.destroyForcibly().waitFor()
    return requireNotNull(line) { "the recording process said nothing" }.split(" ")
}

/** The sample for the command line says what its README promises. */
suspend fun theSampleRuns(field: Field) {
    val invites = listOf("secretary", "worker").map { role -> field.path(role).apply { writeText(field.invite(role)) }.path }
    val sample = running("lastmile.sample.MainKt", field.folder.path, *invites.toTypedArray())
    val said = withContext(Dispatchers.IO) { sample.inputStream.bufferedReader().readText() }
    same(sample.waitFor(), 0)
    val wanted = listOf(
        "saved, waiting for the relay: 3 changes",
        "found by 张三: 张三",
        "found by zs: 张三",
        "found by 8000: 张三",
        "the office sees: 清洁日",
        "to decide: beneficiaries 25 or 30",
        "decided, on the phone as well: 30",
        "exported ${field.path("all.lastmile").length()} bytes",
        "an error has a code that stays: no_type",
    )
    same(said.lines().dropLast(1), wanted)
}

suspend fun story(field: Field) {
    field.enrol("one", "secretary").use { replica ->
        val info = replica.info()
        check("community:430103005010" in info.scopes) { info }
    }
    field.stop()
    val (activity, person) = recordedAndKilled(field.path("one"))

    val replica = field.open("one")
    val kept = replica.activity(activity)
    same(Triple(kept.title, kept.category, kept.date), Triple("清洁日", ActivityCategory.ENVIRONMENT, LocalDate.of(2025, 3, 5)))
    same(Triple(kept.state, kept.tags, kept.beneficiaries), Triple("held", setOf("环保"), 20L))
    same(replica.person(person).phone, setOf("13800138000"))
    same(replica.find("person", "zs", listOf("name")).map { it.id to it.text("name") }, listOf(person to "张三"))
    val outbox = replica.outbox()
    same(outbox.commits to outbox.first.single().records.size, 1uL to 3)
    same((replica.backgroundStep(SOON) as BackgroundOutcome.Retry).code, "unreachable")
    check(failing<LastmileException.Network> { replica.sync(SOON) }.retryable) { "it passes" }
    withTimeout(SOON) { replica.syncState.first { it.phase == SyncPhase.OFFLINE } }

    field.start()
    val progress = mutableListOf<SyncProgress>()
    val report = replica.sync(SOON, progress::add)
    check(report.complete && report.receipts > 0uL && progress.isNotEmpty()) { report }
    same(replica.outbox().commits, 0uL)
    same(replica.backgroundStep(SOON), BackgroundOutcome.Done)
    withTimeout(SOON) { replica.syncState.first { it.phase == SyncPhase.UP_TO_DATE && it.unsentCommits == 0uL } }

    hearsAColleague(field, replica, activity)
    decides(field, replica, activity)
    handsOver(field, replica, activity)
}

private suspend fun hearsAColleague(field: Field, replica: Replica, activity: String) = coroutineScope {
    val colleague = field.enrol("two")
    colleague.sync(SOON)
    same(colleague.activity(activity).title, "清洁日")
    val lists = async { withTimeout(SOON) { replica.observe(ACTIVITIES).first { it.size == 2 }.map { it.text("title") }.toSet() } }
    val change = async(start = CoroutineStart.UNDISPATCHED) { withTimeout(SOON) { replica.changes("activity").first() } }
    replica.startAutoSync()
    val made = colleague.save(plain("同事的活动").edit()).single()
    colleague.sync(SOON)
    same((change.await() as ChangeEvent.Records).records.map { it.id }, listOf(made.id))
    same(lists.await(), setOf("清洁日", "同事的活动"))
    replica.stopAutoSync()
    colleague.close()
}

private suspend fun decides(field: Field, replica: Replica, activity: String) {
    val colleague = field.open("two")
    replica.save(changeActivity(activity) { beneficiaries = 25; venue = null; addTags("公园") })
    colleague.save(changeActivity(activity) { beneficiaries = 30 })
    for (device in listOf(replica, colleague, replica)) device.sync(SOON)
    val record = replica.conflicts().single()
    val conflict = record.conflicts.single { it.field == "beneficiaries" }
    val sides = conflict.sides.associateBy { (it.value as FieldValue.Number).value }
    same(sides.keys, setOf(25L, 30L))
    val chosen = decided(record, conflict, sides.getValue(30L))
    same(failing<LastmileException.NotAllowed> { colleague.save(chosen) }.code, "not_permitted")
    replica.save(chosen)
    same(replica.conflicts(), emptyList())
    for (device in listOf(replica, colleague)) {
        device.sync(SOON)
        val settled = device.activity(activity)
        same(settled.beneficiaries to settled.tags, 30L to setOf("公园", "环保"))
    }
    colleague.close()
}

private suspend fun handsOver(field: Field, replica: Replica, activity: String) {
    val third = field.enrol("three")
    same(failing<LastmileException.NotFound> { third.activity(activity) }.code, "no_record")
    val file = field.path("all.lastmile")
    same(replica.exportBundle(file).bytes.toLong(), file.length())
    val taken = third.importBundle(file)
    check(taken.whole && taken.appended > 0uL) { taken }
    same(third.activity(activity).beneficiaries, 30L)
    field.path("none.lastmile").writeText("nothing of the kind")
    failing<LastmileException.NotTaken> { third.importBundle(field.path("none.lastmile")) }
    val figures = third.storageFigures()
    check(figures.changes > 3uL) { figures }
}

suspend fun whatGoesWrongIsTold(field: Field) {
    same(failing<LastmileException.NotFound> { field.open("one") }.code, "no_replica")
    val replica = field.enrol("one")
    failing<LastmileException.AlreadyOpen> { field.open("one") }
    val wrong = lastmile.created("activity") {
        given("title", "张三")
        given("category", "李四")
        given("date", "2025-13-01")
    }
    val invalid = failing<LastmileException.InvalidInput> { replica.save(plain("清洁日").edit(), wrong) }
    same(invalid.problems.map { it.`field` }.toSet(), setOf("category", "date"))
    check("李四" !in invalid.toString() && invalid.problems.none { "李四" in it.textZh }) { "what was entered is not repeated" }
    same(replica.list(ACTIVITIES).size, 0)
    coroutineScope {
        val waiting = launch(start = CoroutineStart.UNDISPATCHED) { replica.changes().toList() }
        launch { replica.close() }
        launch { replica.close() }
        waiting.join()
    }
    failing<LastmileException.Closed> { replica.list(ACTIVITIES) }
}

suspend fun aKeyStoreInKotlin(field: Field) {
    var answer: suspend () -> ByteArray = { delay(10.milliseconds); ByteArray(32) { 7 } }
    field.enrol("one") { answer() }.use { it.save(plain("清洁日").edit()) }
    check("清洁日" !in field.path("one/replica.db").readText()) { "it is encrypted" }
    val answers = listOf<Pair<suspend () -> ByteArray, String>>(
        suspend { ByteArray(32) { 8 } } to "wrong_key",
        suspend { ByteArray(31) } to "wrong_key",
        suspend { throw KeyException.Lost() } to "key_unavailable",
        suspend { error("张三") } to "key_unavailable",
    )
    for ((given, code) in answers) {
        answer = given
        same(failing<LastmileException.Key> { field.open("one") { answer() } }.code, code)
    }
    field.open("one") { ByteArray(32) { 7 } }.use { same(it.list(ACTIVITIES).size, 1) }
}

suspend fun aCancelledCoroutineGivesTheSyncUp(field: Field) = coroutineScope {
    val replica = field.enrol("one")
    field.stop()
    val (host, port) = field.address.split(":")
    // Somebody who takes the request and says nothing.
    withContext(Dispatchers.IO) { java.net.ServerSocket(port.toInt(), 50, java.net.InetAddress.getByName(host)) }.use {
        val syncing = launch(start = CoroutineStart.UNDISPATCHED) { replica.sync() }
        delay(200.milliseconds)
        syncing.cancel()
        syncing.join()
        same(failing<LastmileException.Cancelled> { replica.sync(50.milliseconds) }.code, "deadline")
        withTimeout(SOON) { replica.syncState.first { it.phase == SyncPhase.IDLE } }
        same(replica.backgroundStep(50.milliseconds), BackgroundOutcome.More)
        val stuck = async(start = CoroutineStart.UNDISPATCHED) { runCatching { replica.sync() } }
        replica.close()
        check(stuck.await().exceptionOrNull() is LastmileException.Closed) { stuck }
    }
}

suspend fun filesTravel(field: Field) {
    val (one, two) = field.enrol("one") to field.enrol("two")
    val made = one.save(plain("清洁日").edit()).single()
    val document = field.path("协议.pdf")
    val digits = ByteArray(200_000) { (48 + (it * 7919 shr 3) % 10).toByte() }
    document.writeBytes("%PDF-1.4\n%".toByteArray() + digits + "\n%%EOF\n".toByteArray())
    val attached = one.attach(made, document)
    one.sync(SOON)
    same(one.attachments(made.id).single().standing, FileStanding.Uploaded)
    two.sync(SOON)
    val away = two.attachments(made.id).single()
    same(away.name to away.standing, "协议.pdf" to FileStanding.Away)
    val held = mutableListOf<ULong>()
    val came = field.path("came.pdf")
    same(two.fetchAttachment(attached.hash, came) { held.add(it.held) }, document.length())
    check(came.readBytes().contentEquals(document.readBytes())) { "the bytes" }
    same(held.last().toLong(), document.length())
    field.path("none.pdf").writeText("no document")
    same(failing<LastmileException.NotTaken> { one.attach(made, field.path("none.pdf")) }.code, "kind")
}

/** They save, read, observe and give up at once; nothing is lost or stuck. */
suspend fun manyCoroutines(field: Field) {
    val replica = field.enrol("one")
    replica.startAutoSync()
    val (workers, saves) = 16 to 20
    coroutineScope {
        repeat(workers) { number ->
            launch(Dispatchers.Default) {
                repeat(saves) { turn ->
                    val made = replica.save(plain("$number-$turn").edit()).single()
                    same(replica.activity(made.id).title, "$number-$turn")
                    val given = launch { replica.find("activity", "x") }
                    replica.list(ACTIVITIES)
                    given.cancel()
                    if (turn % 5 == 0) replica.observe(ACTIVITIES).first()
                }
            }
        }
    }
    val titles = replica.pages(ACTIVITIES).toList().flatten().map { it.text("title") }
    same(titles.sortedBy { it }, List(workers * saves) { "${it / saves}-${it % saves}" }.sorted())
    val late = coroutineScope {
        val calls = List(50) { async(Dispatchers.Default) { runCatching { replica.list(ACTIVITIES) } } }
        replica.close()
        calls.map { it.await() }
    }
    check(late.all { it.isSuccess || it.exceptionOrNull() is LastmileException.Closed }) { late }
}

/** An unconfined coroutine goes on in the thread that woke it, which may be one that the closing ends. */
suspend fun closedByAThreadOfTheLibrary(field: Field) {
    field.enrol("one").close()
    repeat(10) {
        withContext(Dispatchers.Unconfined) {
            val replica = field.open("one")
            replica.list(ACTIVITIES)
            replica.observe(ACTIVITIES).first()
            val waiting = launch(start = CoroutineStart.UNDISPATCHED) { replica.changes().toList() }
            replica.close()
            waiting.join()
        }
    }
}

suspend fun nothingIsLeftOfWhatWasClosed(field: Field) {
    field.enrol("one").close()
    val status = File("/proc/self/status")
    fun figure(name: String) = status.readLines().first { it.startsWith("$name:") }.filter(Char::isDigit).toLong()
    suspend fun once(number: Int) = field.open("one").use { replica ->
        if (number % 2 == 0) replica.startAutoSync(foreground = number % 4 == 0)
        replica.observe(ACTIVITIES).first()
        replica.list(ACTIVITIES)
    }
    repeat(60) { once(it) }
    System.gc()
    val (memory, threads) = figure("VmRSS") to figure("Threads")
    val turns = 200
    repeat(turns) { once(it) }
    System.gc()
    val grown = (figure("VmRSS") - memory) * 1024 / turns
    check(grown < 16_384) { "$grown bytes an opening, from $memory kB" }
    check(figure("Threads") <= threads + 4) { "${figure("Threads")} threads, $threads before" }
}
