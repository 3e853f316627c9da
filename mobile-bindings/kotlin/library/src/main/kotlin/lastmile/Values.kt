// Between Kotlin's values and those of records.

package lastmile

import java.time.LocalDate
import java.time.LocalTime
import java.time.YearMonth
import java.time.format.DateTimeFormatter
import kotlin.properties.ReadWriteProperty
import kotlin.reflect.KProperty
import lastmile.core.Conflict
import lastmile.core.ConflictSide
import lastmile.core.EventPart
import lastmile.core.FieldValue
import lastmile.core.LastmileException
import lastmile.core.NewEvent
import lastmile.core.Page
import lastmile.core.RecordEdit
import lastmile.core.Row
import lastmile.core.StoredRecord

/** A choice with the code that records hold. */
public interface Coded {
    /** The code. */
    public val code: String
}

private val MINUTES: DateTimeFormatter = DateTimeFormatter.ofPattern("HH:mm")

/** What a person would have written. */
private fun textOf(value: Any): String = when (value) {
    is Coded -> value.code
    is LocalTime -> value.format(MINUTES)
    else -> value.toString()
}

private fun lowered(value: Any?): FieldValue = when (value) {
    null -> FieldValue.Empty
    is FieldValue -> value
    is Boolean -> FieldValue.Flag(value)
    is Int -> FieldValue.Number(value.toLong())
    is Long -> FieldValue.Number(value)
    is ByteArray -> FieldValue.Bytes(value)
    is Iterable<*> -> FieldValue.Elements(value.filterNotNull().map(::textOf))
    else -> FieldValue.Text(textOf(value))
}

/** Fields as they are given, for a new record of any type. */
public class Fields internal constructor() {
    internal val values = HashMap<String, FieldValue>()

    /** Gives a field: a text, a number, a truth value, a date, a choice, elements; `null` leaves it out. */
    public fun given(name: String, value: Any?) {
        if (value != null && !(value is Collection<*> && value.isEmpty())) values[name] = lowered(value)
    }
}

/** Something that happened to a record, e.g. `event("submit")`. */
public fun event(kind: String, vararg parts: Pair<String, String>): NewEvent =
    NewEvent(kind, parts.map { (name, text) -> EventPart(name, text) })

/** A new record of any type, with what happened to it at once. */
public fun created(
    recordType: String,
    id: String? = null,
    events: Array<out NewEvent> = emptyArray(),
    fields: Fields.() -> Unit,
): RecordEdit = RecordEdit.Create(recordType, id, Fields().apply(fields).values, events.asList())

internal fun happened(recordType: String, id: String, kind: String, vararg parts: Pair<String, String?>): RecordEdit {
    val said = parts.mapNotNull { (name, text) -> text?.let { name to it } }
    return RecordEdit.Event(recordType, id, event(kind, *said.toTypedArray()))
}

/** The decision that this side of a conflict is to stand. */
public fun decided(record: StoredRecord, conflict: Conflict, side: ConflictSide): RecordEdit =
    RecordEdit.Decide(record.recordType, record.id, conflict.field, side.origin.change)

/** Changes of a record of a type. What is not named stays. */
public open class Changes(private val recordType: String) {
    private val fields = HashMap<String, FieldValue>()
    private val removed = HashMap<String, List<String>>()

    /** Sets a field; `null` clears it. */
    public fun set(name: String, value: Any?) {
        fields[name] = lowered(value)
    }

    /** Adds elements to a set. */
    public fun add(name: String, elements: List<Any>) {
        fields[name] = lowered(elements)
    }

    /** Takes elements out of a set. */
    public fun remove(name: String, elements: List<Any>) {
        removed[name] = elements.map(::textOf)
    }

    internal fun <T : Any> field(name: String): ReadWriteProperty<Changes, T?> = object : ReadWriteProperty<Changes, T?> {
        private var value: T? = null

        override fun getValue(thisRef: Changes, property: KProperty<*>): T? = value

        override fun setValue(thisRef: Changes, property: KProperty<*>, value: T?) {
            this.value = value
            thisRef.set(name, value)
        }
    }

    /** The edit that makes them. */
    public fun edit(id: String): RecordEdit = RecordEdit.Change(recordType, id, fields, removed)
}

private fun textIn(value: FieldValue?): String? = (value as? FieldValue.Text)?.value

/** A text; also a choice's code, and what has another kind of text. */
public fun StoredRecord.text(name: String): String? = textIn(fields[name])

/** A whole number. */
public fun StoredRecord.number(name: String): Long? = (fields[name] as? FieldValue.Number)?.value

/** Yes or no. */
public fun StoredRecord.flag(name: String): Boolean? = (fields[name] as? FieldValue.Flag)?.value

/** The id of another record. */
public fun StoredRecord.reference(name: String): String? = (fields[name] as? FieldValue.Reference)?.id

/** Bytes. */
public fun StoredRecord.bytes(name: String): ByteArray? = (fields[name] as? FieldValue.Bytes)?.value

/** A civil date. */
public fun StoredRecord.date(name: String): LocalDate? = text(name)?.let(LocalDate::parse)

/** A month. */
public fun StoredRecord.month(name: String): YearMonth? = text(name)?.let(YearMonth::parse)

/** A time of day. */
public fun StoredRecord.time(name: String): LocalTime? = text(name)?.let(LocalTime::parse)

/** The elements of a set. */
public fun StoredRecord.elements(name: String): List<String> = (fields[name] as? FieldValue.Elements)?.values.orEmpty()

/** One row of a list. */
public class ListedRecord internal constructor(private val places: Map<String, Int>, private val row: Row) {
    /** The record's id. */
    public val id: String get() = row.id

    /** A value; `null` where the field is empty or was not asked for. */
    public operator fun get(name: String): FieldValue? =
        places[name]?.let(row.cells::get).takeUnless { it is FieldValue.Empty }

    /** A text. */
    public fun text(name: String): String? = textIn(get(name))

    /** A whole number. */
    public fun number(name: String): Long? = (get(name) as? FieldValue.Number)?.value

    /** The elements of a set. */
    public fun elements(name: String): List<String> = (get(name) as? FieldValue.Elements)?.values.orEmpty()

    override fun equals(other: Any?): Boolean = other is ListedRecord && row == other.row && places == other.places

    override fun hashCode(): Int = row.hashCode()

    // A record's fields are personal; what is printed ends in logs.
    override fun toString(): String = "ListedRecord($id)"
}

/** One page of a list. */
public class RecordPage internal constructor(page: Page) : AbstractList<ListedRecord>() {
    private val records: List<ListedRecord>

    /** What the query takes as `after` for the next page; `null` at the end. */
    public val next: String? = page.next

    init {
        val places = page.fields.withIndex().associate { (place, name) -> name to place }
        records = page.rows.map { ListedRecord(places, it) }
    }

    override val size: Int get() = records.size

    override fun get(index: Int): ListedRecord = records[index]
}

/** The stable code of any error. */
public val LastmileException.code: String
    get() = when (this) {
        is LastmileException.InvalidInput -> code
        is LastmileException.NotFound -> code
        is LastmileException.NotAllowed -> code
        is LastmileException.AlreadyOpen -> code
        is LastmileException.Closed -> code
        is LastmileException.Key -> code
        is LastmileException.Storage -> code
        is LastmileException.Network -> code
        is LastmileException.Refused -> code
        is LastmileException.NotTaken -> code
        is LastmileException.Cancelled -> code
        is LastmileException.Internal -> code
    }
