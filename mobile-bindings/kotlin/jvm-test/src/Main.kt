// Runs the tests: each word on the command line names tests by a part of their names; all without one.

package lastmile.test

import kotlin.system.exitProcess

/** Each test with its name. */
private val TESTS: Map<String, suspend (Field) -> Unit> = mapOf(
    "story" to ::story,
    "the sample runs" to ::theSampleRuns,
    "the device of the sample app" to ::theDeviceOfTheSampleApp,
    "what goes wrong is told" to ::whatGoesWrongIsTold,
    "a key store in Kotlin" to ::aKeyStoreInKotlin,
    "a cancelled coroutine gives the sync up" to ::aCancelledCoroutineGivesTheSyncUp,
    "files travel" to ::filesTravel,
    "many coroutines" to ::manyCoroutines,
    "closed by a thread of the library" to ::closedByAThreadOfTheLibrary,
    "nothing is left of what was closed" to ::nothingIsLeftOfWhatWasClosed,
)

fun main(words: Array<String>) {
    if (words.firstOrNull() == "record") {
        recordUntilKilled(words[1])
        return
    }
    if (words.firstOrNull() == "figures") {
        measureCalls(words[1])
        return
    }
    val chosen = TESTS.filterKeys { name -> words.isEmpty() || words.any { it in name } }
    require(chosen.isNotEmpty()) { "no test is called so; there are ${TESTS.keys}" }
    var failed = 0
    for ((name, test) in chosen) {
        val begun = System.nanoTime()
        val result = Field.use(test)
        val seconds = "%.1f".format((System.nanoTime() - begun) / 1e9)
        if (result == null) {
            println("ok      $name ($seconds s)")
        } else {
            failed += 1
            println("FAILED  $name ($seconds s)")
            result.printStackTrace(System.out)
        }
    }
    exitProcess(if (failed == 0) 0 else 1)
}
