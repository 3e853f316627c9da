// A day with two devices, on the command line: sample FOLDER INVITE INVITE, the last two files with invites. The first invite has to be a
// secretary's, who may decide.

package lastmile.sample

import java.io.File
import java.time.LocalDate
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
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
import lastmile.core.ConflictKind
import lastmile.core.FieldValue
import lastmile.core.LastmileException
import lastmile.core.ListQuery
import lastmile.core.newRecordId
import lastmile.decided
import lastmile.event
import lastmile.use

private fun shown(value: FieldValue): String = when (value) {
    is FieldValue.Number -> value.value.toString()
    is FieldValue.Text -> value.value
    else -> "…"
}

fun main(words: Array<String>): Unit = runBlocking {
    if (words.size != 3) {
        println("usage: sample FOLDER INVITE INVITE")
        exitProcess(2)
    }
    val folder = File(words[0])
    val (first, second) = words.drop(1).map { File(it).readText() }

    // An invite makes the replica of a device, once; later it is opened with `Replica.open`.
    Replica.enrol(folder.resolve("office"), first, "办公室").use { office ->
        Replica.enrol(folder.resolve("phone"), second, "手机").use { phone -> day(office, phone, folder) }
    }
}

private suspend fun day(office: Replica, phone: Replica, folder: File) {
    // One commit: a person, an activity, and that the person took part. It is safe when this returns, with a network or without.
    val (person, activity) = newRecordId() to newRecordId()
    phone.save(
        NewPerson("张三", PersonPartyStatus.PARTY_MEMBER, setOf(PersonKind.MEMBER), phone = setOf("13800138000"))
            .edit(event("consent", "version" to "1"), id = person),
        NewActivity("清洁日", ActivityCategory.ENVIRONMENT, LocalDate.now()).edit(event("hold"), id = activity),
        NewParticipation(activity = activity, person = person).edit(),
    )
    println("saved, waiting for the relay: ${phone.outbox().changes} changes")

    // By characters, pinyin initials, or the end of the phone number.
    for (words in listOf("张三", "zs", "8000")) {
        println("found by $words: ${phone.find("person", words, listOf("name")).joinToString { it.text("name").orEmpty() }}")
    }

    // The office follows its list of activities; what it holds comes first, then each other page.
    phone.sync(30.seconds)
    office.sync(30.seconds)
    val page = office.observe(ListQuery("activity", listOf("title"))).first { it.isNotEmpty() }
    println("the office sees: ${page.joinToString { it.text("title").orEmpty() }}")

    // Both count the people served and do not agree: nothing is lost, and somebody decides.
    for ((device, count) in listOf(office to 25L, phone to 30L)) device.save(changeActivity(activity) { beneficiaries = count })
    for (device in listOf(office, phone, office)) device.sync(30.seconds)
    for (record in office.conflicts()) {
        for (conflict in record.conflicts.filter { it.kind == ConflictKind.UNDECIDED }) {
            println("to decide: ${conflict.field} ${conflict.sides.map { shown(it.value) }.sorted().joinToString(" or ")}")
            conflict.sides.find { shown(it.value) == "30" }?.let { office.save(decided(record, conflict, it)) }
        }
    }
    for (device in listOf(office, phone)) device.sync(30.seconds)
    println("decided, on the phone as well: ${phone.activity(activity).beneficiaries}")

    // Everything in one file, for where there is no network at all.
    println("exported ${phone.exportBundle(folder.resolve("all.lastmile")).bytes} bytes")

    try {
        phone.list(ListQuery("nothing"))
    } catch (error: LastmileException) {
        println("an error has a code that stays: ${error.code}")
    }
}
