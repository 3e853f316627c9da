// Measures calls from Kotlin for `mobile-bindings/bench`: a save and a list of 1,000 records, warm, as `rust/examples/figures.rs` does.

package lastmile.test

import com.sun.management.OperatingSystemMXBean
import java.io.File
import java.lang.management.ManagementFactory
import java.time.LocalDate
import kotlinx.coroutines.runBlocking
import lastmile.ActivityCategory
import lastmile.ActivityKind
import lastmile.NewActivity
import lastmile.Replica
import lastmile.core.ListQuery
import lastmile.use

private const val WARM = 1_000
private const val SAVES = 1_000
private const val LISTS = 100

private val system = ManagementFactory.getOperatingSystemMXBean() as OperatingSystemMXBean

private fun edit(number: Int) = NewActivity(
    title = "清洁日$number",
    category = ActivityCategory.ENVIRONMENT,
    kind = ActivityKind.SERVICE,
    date = LocalDate.of(2026, 3, 5),
    beneficiaries = 20,
).edit()

/** Prints one line of JSON for the replica of a folder. */
fun measureCalls(folder: String) = runBlocking {
    Replica.open(File(folder), { ByteArray(32) { 7 } }).use { replica ->
        repeat(WARM) { replica.save(edit(it)) }
        var before = system.processCpuTime
        repeat(SAVES) { replica.save(edit(it)) }
        val save = (system.processCpuTime - before) / 1e3 / SAVES
        val query = ListQuery("activity", listOf("title", "date"), limit = 1_000u)
        suspend fun lists() = (1..LISTS).sumOf { replica.list(query).size }
        // The compiler of the JVM works beside what it compiles, for some rounds.
        repeat(4) { lists() }
        before = system.processCpuTime
        val began = System.nanoTime()
        val rows = lists()
        val (list, wall) = (system.processCpuTime - before) / 1e6 / LISTS to (System.nanoTime() - began) / 1e6 / LISTS
        same(rows, LISTS * 1_000)
        println("""{"save_cpu_us": $save, "list_cpu_ms": $list, "list_ms": $wall}""")
    }
}
