// The sample app for Android without its screens.

package lastmile.test

import java.time.LocalDate
import kotlin.time.Duration.Companion.seconds
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withTimeout
import lastmile.ActivityCategory
import lastmile.NewActivity
import lastmile.NewPerson
import lastmile.PersonKind
import lastmile.PersonPartyStatus
import lastmile.activity
import lastmile.changeActivity
import lastmile.code
import lastmile.core.BackgroundOutcome
import lastmile.core.FieldValue
import lastmile.event
import lastmile.use
import org.example.lastmile.sample.Device
import org.example.lastmile.sample.Standing

private suspend fun <T> StateFlow<T>.becoming(wanted: (T) -> Boolean): T = withTimeout(SOON) { first(wanted) }

suspend fun theDeviceOfTheSampleApp(field: Field) {
    val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    val device = Device(field.path("app"), scope) { { ByteArray(32) { 7 } } }
    try {
        useOf(device, field)
    } finally {
        device.end()
        scope.cancel()
    }
}

private suspend fun useOf(device: Device, field: Field) {
    same(device.backgroundStep(SOON), null)
    device.appeared()
    device.standing.becoming { it == Standing.New }
    device.enrol("lastmile-invite:nothing", "手机")
    same(device.trouble.becoming { it != null }?.code, "bad_invite")
    device.troubleWasSeen()
    device.enrol("${field.invite("secretary")}\n", "手机")
    device.standing.becoming { it == Standing.Ready }

    val colleague = field.enrol("colleague")
    val person = colleague.save(
        NewPerson("张三", PersonPartyStatus.PARTY_MEMBER, setOf(PersonKind.MEMBER)).edit(event("consent", "version" to "1")),
    ).single().id
    colleague.sync(SOON)
    device.syncOnce()
    same(device.people("zs").map { it.id }, listOf(person))

    check(!device.record(NewActivity("", ActivityCategory.ENVIRONMENT, LocalDate.of(2025, 3, 5)), emptySet())) { "it has no title" }
    same(device.trouble.value?.code, "invalid_input")
    device.troubleWasSeen()
    check(device.record(NewActivity("清洁日", ActivityCategory.ENVIRONMENT, LocalDate.of(2025, 3, 5)), setOf(person))) { device.trouble.value.toString() }
    val activity = device.activities.becoming { it.size == 1 }.single()
    same(activity.text("title"), "清洁日")
    device.disappeared()
    same(device.backgroundStep(30.seconds), BackgroundOutcome.Done)

    colleague.sync(SOON)
    colleague.save(changeActivity(activity.id) { beneficiaries = 25 })
    field.open("second secretary".also { field.enrol(it, "secretary").close() }).use { other ->
        other.sync(SOON)
        other.save(changeActivity(activity.id) { beneficiaries = 30 })
        other.sync(SOON)
    }
    colleague.sync(SOON)
    device.networkAppeared()
    device.syncOnce()
    val record = device.conflicts.becoming { it.size == 1 }.single()
    val conflict = record.conflicts.single()
    device.decide(record, conflict, conflict.sides.single { it.value == FieldValue.Number(30) })
    device.conflicts.becoming { it.isEmpty() }
    device.syncOnce()
    colleague.sync(SOON)
    same(colleague.activity(activity.id).beneficiaries, 30L)

    // A worker of the system opens what nobody holds open; the screens go on with the same replica.
    device.end()
    same(device.backgroundStep(30.seconds), BackgroundOutcome.Done)
    device.appeared()
    device.standing.becoming { it == Standing.Ready }
    device.activities.becoming { page -> page.single().number("beneficiaries") == 30L }
    same(device.trouble.value, null)
}
