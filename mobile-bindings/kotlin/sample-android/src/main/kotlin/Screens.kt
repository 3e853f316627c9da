// The screens.

package org.example.lastmile.sample

import androidx.activity.compose.BackHandler
import androidx.annotation.StringRes
import androidx.compose.foundation.clickable
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.safeDrawingPadding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.text.KeyboardOptions
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.AlertDialog
import androidx.compose.material3.Button
import androidx.compose.material3.Checkbox
import androidx.compose.material3.CircularProgressIndicator
import androidx.compose.material3.DatePicker
import androidx.compose.material3.DatePickerDialog
import androidx.compose.material3.DropdownMenu
import androidx.compose.material3.DropdownMenuItem
import androidx.compose.material3.ExperimentalMaterial3Api
import androidx.compose.material3.FloatingActionButton
import androidx.compose.material3.ListItem
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.NavigationBar
import androidx.compose.material3.NavigationBarItem
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.material3.rememberDatePickerState
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.collectAsState
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.remember
import androidx.compose.runtime.rememberCoroutineScope
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.platform.LocalClipboardManager
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.text.input.KeyboardType
import androidx.compose.ui.unit.dp
import java.time.Instant
import java.time.LocalDate
import java.time.ZoneId
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import java.time.format.FormatStyle
import kotlinx.coroutines.launch
import lastmile.ActivityCategory
import lastmile.ListedRecord
import lastmile.NewActivity
import lastmile.core.ConflictKind
import lastmile.text

@Composable
fun MainScreen(device: Device) {
    val standing by device.standing.collectAsState()
    val trouble by device.trouble.collectAsState()
    MaterialTheme {
        when (val now = standing) {
            Standing.Opening -> Centered { CircularProgressIndicator() }
            Standing.New -> EnrolScreen(device)
            is Standing.Failed -> Centered { Text(words(now.error), Modifier.padding(24.dp)) }
            Standing.Ready -> Tabs(device)
        }
        trouble?.let { error ->
            AlertDialog(
                onDismissRequest = device::troubleWasSeen,
                confirmButton = { TextButton(onClick = device::troubleWasSeen) { Text(stringResource(R.string.ok)) } },
                title = { Text(stringResource(R.string.trouble)) },
                text = { Text(words(error)) },
            )
        }
    }
}

@Composable
private fun Centered(content: @Composable () -> Unit) =
    Box(Modifier.fillMaxSize(), contentAlignment = Alignment.Center) { content() }

@Composable
private fun EnrolScreen(device: Device) {
    val scope = rememberCoroutineScope()
    val clipboard = LocalClipboardManager.current
    var invite by rememberSaveable { mutableStateOf("") }
    var name by rememberSaveable { mutableStateOf("") }
    var busy by remember { mutableStateOf(false) }
    Column(Modifier.fillMaxSize().safeDrawingPadding().padding(24.dp).verticalScroll(rememberScrollState()), Arrangement.spacedBy(12.dp)) {
        Text(stringResource(R.string.enrol_title), style = MaterialTheme.typography.headlineMedium)
        OutlinedTextField(
            invite, { invite = it }, Modifier.fillMaxWidth(), label = { Text(stringResource(R.string.enrol_invite)) }, minLines = 3,
            keyboardOptions = KeyboardOptions(autoCorrectEnabled = false),
        )
        OutlinedButton(onClick = { clipboard.getText()?.let { invite = it.text } }) { Text(stringResource(R.string.enrol_paste)) }
        OutlinedTextField(name, { name = it }, Modifier.fillMaxWidth(), label = { Text(stringResource(R.string.enrol_name)) }, singleLine = true)
        Button(
            onClick = {
                busy = true
                scope.launch {
                    device.enrol(invite, name)
                    busy = false
                }
            },
            enabled = !busy && invite.isNotBlank() && name.isNotBlank(),
        ) { Text(stringResource(R.string.enrol_go)) }
    }
}

private enum class Tab(@StringRes val title: Int, val mark: String) {
    ACTIVITIES(R.string.tab_activities, "☰"),
    PEOPLE(R.string.tab_people, "☺"),
    SYNC(R.string.tab_sync, "⟳"),
}

@Composable
private fun Tabs(device: Device) {
    var tab by rememberSaveable { mutableStateOf(Tab.ACTIVITIES) }
    var recording by rememberSaveable { mutableStateOf(false) }
    if (recording) {
        RecordScreen(device, leave = { recording = false })
        return
    }
    Scaffold(
        bottomBar = {
            NavigationBar {
                for (one in Tab.entries) {
                    NavigationBarItem(
                        selected = tab == one,
                        onClick = { tab = one },
                        icon = { Text(one.mark) },
                        label = { Text(stringResource(one.title)) },
                    )
                }
            }
        },
        floatingActionButton = {
            if (tab == Tab.ACTIVITIES) FloatingActionButton(onClick = { recording = true }) { Text("+") }
        },
    ) { margins ->
        Box(Modifier.padding(margins).fillMaxSize()) {
            when (tab) {
                Tab.ACTIVITIES -> ActivitiesScreen(device)
                Tab.PEOPLE -> PeopleList(device, chosen = null, toggle = {})
                Tab.SYNC -> SyncScreen(device)
            }
        }
    }
}

@Composable
private fun ActivitiesScreen(device: Device) {
    val activities by device.activities.collectAsState()
    LazyColumn(Modifier.fillMaxSize()) {
        items(activities, key = { it.id }) { activity ->
            val served = activity.number("beneficiaries")?.let { "  ${label("beneficiaries")}: $it" }.orEmpty()
            ListItem(
                headlineContent = { Text(activity.text("title").orEmpty()) },
                supportingContent = { Text(activity.text("date").orEmpty() + served) },
            )
        }
    }
}

@Composable
private fun RecordScreen(device: Device, leave: () -> Unit) {
    val scope = rememberCoroutineScope()
    var title by rememberSaveable { mutableStateOf("") }
    var category by rememberSaveable { mutableStateOf(ActivityCategory.ENVIRONMENT) }
    var day by rememberSaveable { mutableStateOf(LocalDate.now().toEpochDay()) }
    var served by rememberSaveable { mutableStateOf("") }
    var participants by rememberSaveable { mutableStateOf(listOf<String>()) }
    var saving by remember { mutableStateOf(false) }
    BackHandler(onBack = leave)
    Column(Modifier.fillMaxSize().safeDrawingPadding().padding(16.dp), Arrangement.spacedBy(8.dp)) {
        Text(stringResource(R.string.record_title), style = MaterialTheme.typography.headlineSmall)
        OutlinedTextField(title, { title = it }, Modifier.fillMaxWidth(), label = { Text(label("title")) }, singleLine = true)
        Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            CategoryPicker(category) { category = it }
            DayPicker(LocalDate.ofEpochDay(day)) { day = it.toEpochDay() }
        }
        OutlinedTextField(
            served, { typed -> served = typed.filter(Char::isDigit).take(9) }, Modifier.fillMaxWidth(),
            label = { Text(label("beneficiaries")) }, singleLine = true, keyboardOptions = KeyboardOptions(keyboardType = KeyboardType.Number),
        )
        Text("${stringResource(R.string.record_participants)}: ${participants.size}")
        Box(Modifier.weight(1f)) {
            PeopleList(device, participants.toSet()) { id -> participants = if (id in participants) participants - id else participants + id }
        }
        Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
            OutlinedButton(onClick = leave) { Text(stringResource(R.string.cancel)) }
            Button(
                onClick = {
                    saving = true
                    scope.launch {
                        val activity = NewActivity(title.trim(), category, LocalDate.ofEpochDay(day), beneficiaries = served.toLongOrNull())
                        if (device.record(activity, participants.toSet())) leave()
                        saving = false
                    }
                },
                enabled = !saving && title.isNotBlank(),
            ) { Text(stringResource(R.string.save)) }
        }
    }
}

@Composable
private fun CategoryPicker(chosen: ActivityCategory, choose: (ActivityCategory) -> Unit) {
    var open by remember { mutableStateOf(false) }
    Box {
        OutlinedButton(onClick = { open = true }) { Text(label(chosen)) }
        DropdownMenu(expanded = open, onDismissRequest = { open = false }) {
            for (one in ActivityCategory.entries) {
                DropdownMenuItem(
                    text = { Text(label(one)) },
                    onClick = {
                        choose(one)
                        open = false
                    },
                )
            }
        }
    }
}

@OptIn(ExperimentalMaterial3Api::class)
@Composable
private fun DayPicker(day: LocalDate, choose: (LocalDate) -> Unit) {
    var open by remember { mutableStateOf(false) }
    OutlinedButton(onClick = { open = true }) { Text(day.toString()) }
    if (!open) return
    // The picker counts in days of UTC, whatever the zone of the device.
    val state = rememberDatePickerState(day.atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli())
    DatePickerDialog(
        onDismissRequest = { open = false },
        confirmButton = {
            TextButton(
                onClick = {
                    state.selectedDateMillis?.let { choose(Instant.ofEpochMilli(it).atZone(ZoneOffset.UTC).toLocalDate()) }
                    open = false
                },
            ) { Text(stringResource(R.string.ok)) }
        },
    ) { DatePicker(state) }
}

/** Finds people; with a set of chosen ones, a tap chooses. */
@Composable
private fun PeopleList(device: Device, chosen: Set<String>?, toggle: (String) -> Unit) {
    var text by rememberSaveable { mutableStateOf("") }
    var found by remember { mutableStateOf(listOf<ListedRecord>()) }
    // Other letters end a slower answer to older ones.
    LaunchedEffect(text) { found = device.people(text) }
    Column(Modifier.fillMaxSize().padding(8.dp)) {
        OutlinedTextField(text, { text = it }, Modifier.fillMaxWidth(), label = { Text(stringResource(R.string.people_prompt)) }, singleLine = true)
        LazyColumn(Modifier.fillMaxSize()) {
            items(found, key = { it.id }) { person ->
                ListItem(
                    headlineContent = { Text(person.text("name").orEmpty()) },
                    modifier = if (chosen == null) Modifier else Modifier.clickable { toggle(person.id) },
                    trailingContent = { if (chosen != null) Checkbox(person.id in chosen, onCheckedChange = { toggle(person.id) }) },
                )
            }
        }
    }
}

@Composable
private fun SyncScreen(device: Device) {
    val scope = rememberCoroutineScope()
    val sync by device.sync.collectAsState()
    val conflicts by device.conflicts.collectAsState()
    LazyColumn(Modifier.fillMaxSize().padding(16.dp), verticalArrangement = Arrangement.spacedBy(8.dp)) {
        sync?.let { now ->
            item {
                Text(words(now.phase), style = MaterialTheme.typography.titleMedium)
                Text("${stringResource(R.string.sync_unsent)}: ${now.unsentChanges}")
                now.lastSuccess?.let { last ->
                    val format = DateTimeFormatter.ofLocalizedDateTime(FormatStyle.SHORT)
                    Text("${stringResource(R.string.sync_last)}: ${format.format(last.atZone(ZoneId.systemDefault()))}")
                }
                if (now.revoked) Text(stringResource(R.string.sync_revoked), color = MaterialTheme.colorScheme.error)
                for (refusal in now.refused) Text(refusal.code)
            }
        }
        item { Button(onClick = { scope.launch { device.syncOnce() } }) { Text(stringResource(R.string.sync_now)) } }
        items(conflicts, key = { it.id }) { record ->
            for (conflict in record.conflicts.filter { it.kind == ConflictKind.UNDECIDED }) {
                Text("${record.text("title") ?: record.id} · ${label(conflict.field)}")
                Row(horizontalArrangement = Arrangement.spacedBy(8.dp)) {
                    for (side in conflict.sides) {
                        OutlinedButton(onClick = { scope.launch { device.decide(record, conflict, side) } }) { Text(words(side.value)) }
                    }
                }
            }
        }
    }
}
