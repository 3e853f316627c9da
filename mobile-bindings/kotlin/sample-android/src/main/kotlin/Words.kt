// Words for the user, in the language of the device.

package org.example.lastmile.sample

import androidx.annotation.StringRes
import androidx.compose.runtime.Composable
import androidx.compose.ui.platform.LocalConfiguration
import androidx.compose.ui.res.stringResource
import lastmile.ActivityCategory
import lastmile.code
import lastmile.core.FieldValue
import lastmile.core.LastmileException
import lastmile.core.SyncPhase
import lastmile.core.recordTypes

@StringRes
private fun sentence(code: String): Int? = when (code) {
    "unreachable" -> R.string.error_unreachable
    "deadline" -> R.string.error_deadline
    "bad_invite" -> R.string.error_bad_invite
    "bad_token" -> R.string.error_bad_token
    "not_permitted" -> R.string.error_not_permitted
    "wrong_key" -> R.string.error_wrong_key
    "key_unavailable" -> R.string.error_key_unavailable
    "storage_full" -> R.string.error_storage_full
    "no_record" -> R.string.error_no_record
    else -> null
}

@Composable
private fun chinese(): Boolean = LocalConfiguration.current.locales[0].language == "zh"

/** What to tell the user of an error: the library's own sentences for what was entered, else the app's for the code. */
@Composable
fun words(error: LastmileException): String {
    if (error is LastmileException.InvalidInput) {
        val chinese = chinese()
        return error.problems.joinToString("\n") { if (chinese) it.textZh else it.textEn }
    }
    return sentence(error.code)?.let { stringResource(it) } ?: "${stringResource(R.string.error_other)} (${error.code})"
}

@Composable
fun words(phase: SyncPhase): String = stringResource(
    when (phase) {
        SyncPhase.IDLE -> R.string.sync_idle
        SyncPhase.SYNCING -> R.string.sync_syncing
        SyncPhase.UP_TO_DATE -> R.string.sync_up_to_date
        SyncPhase.OFFLINE -> R.string.sync_offline
        SyncPhase.NEEDS_ATTENTION -> R.string.sync_needs_attention
    },
)

/** The labels that the records' own catalogue gives. */
private val activityFields by lazy { recordTypes().first { it.name == "activity" }.fields.associateBy { it.name } }

@Composable
fun label(field: String): String = activityFields[field]?.let { if (chinese()) it.labelZh else it.labelEn } ?: field

@Composable
fun label(category: ActivityCategory): String {
    val choice = activityFields["category"]?.choices?.find { it.code == category.code }
    return choice?.let { if (chinese()) it.zh else it.en } ?: category.code
}

@Composable
fun words(value: FieldValue): String = when (value) {
    is FieldValue.Text -> value.value
    is FieldValue.Number -> value.value.toString()
    is FieldValue.Flag -> stringResource(if (value.value) R.string.value_yes else R.string.value_no)
    is FieldValue.Elements -> value.values.joinToString("、")
    is FieldValue.Reference -> value.id
    is FieldValue.Empty -> stringResource(R.string.value_empty)
    else -> "…"
}
