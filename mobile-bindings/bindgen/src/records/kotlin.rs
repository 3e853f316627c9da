//! Typed records in Kotlin.

use std::fmt::Write as _;

use super::{Attribute, Kind, Step, Typed, camel, pascal};

const HEAD: &str = r"// Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit.

package lastmile

import java.time.LocalDate
import java.time.LocalTime
import java.time.YearMonth
import lastmile.core.NewEvent
import lastmile.core.RecordEdit
import lastmile.core.StoredRecord
";

fn type_of(attribute: &Attribute) -> String {
    let one = match &attribute.kind {
        Kind::Number => "Long",
        Kind::Flag => "Boolean",
        Kind::Date => "LocalDate",
        Kind::Month => "YearMonth",
        Kind::Time => "LocalTime",
        Kind::Bytes => "ByteArray",
        Kind::Choice(name) => name,
        Kind::Text | Kind::Reference | Kind::Sealed => "String",
    };
    // Elements of sets stand as texts, so that hashes in them do too.
    match (attribute.is_set, &attribute.kind) {
        (true, Kind::Choice(name)) => format!("Set<{name}>"),
        (true, _) => "Set<String>".to_owned(),
        (false, _) => one.to_owned(),
    }
}

fn reading(attribute: &Attribute) -> String {
    let name = &attribute.name;
    match (&attribute.kind, attribute.is_set) {
        (Kind::Choice(choice), true) => format!("stored.elements(\"{name}\").mapNotNull({choice}::of).toSet()"),
        (_, true) => format!("stored.elements(\"{name}\").toSet()"),
        (Kind::Choice(choice), false) => format!("stored.text(\"{name}\")?.let({choice}::of)"),
        (Kind::Number, false) => format!("stored.number(\"{name}\")"),
        (Kind::Flag, false) => format!("stored.flag(\"{name}\")"),
        (Kind::Date, false) => format!("stored.date(\"{name}\")"),
        (Kind::Month, false) => format!("stored.month(\"{name}\")"),
        (Kind::Time, false) => format!("stored.time(\"{name}\")"),
        (Kind::Bytes, false) => format!("stored.bytes(\"{name}\")"),
        (Kind::Reference, false) => format!("stored.reference(\"{name}\")"),
        (Kind::Text | Kind::Sealed, false) => format!("stored.text(\"{name}\")"),
    }
}

fn new_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/** A new record: {}, {}. */", known.en, known.zh)?;
    writeln!(out, "public class New{class}(")?;
    for attribute in &known.attributes {
        let (name, of) = (camel(&attribute.name), type_of(attribute));
        match (attribute.needed, attribute.is_set) {
            (true, _) => writeln!(out, "    public val {name}: {of},")?,
            (false, true) => writeln!(out, "    public val {name}: {of} = emptySet(),")?,
            (false, false) => writeln!(out, "    public val {name}: {of}? = null,")?,
        }
    }
    let id = if known.derived_id { "" } else { ", id: String? = null" };
    let passed = if known.derived_id { "null" } else { "id" };
    writeln!(out, ") {{")?;
    writeln!(out, "    /** The edit that makes it, with what happened to it at once. */")?;
    writeln!(out, "    public fun edit(vararg events: NewEvent{id}): RecordEdit =")?;
    writeln!(out, "        created(\"{}\", {passed}, events) {{", known.name)?;
    for attribute in &known.attributes {
        writeln!(out, "            given(\"{}\", {})", attribute.name, camel(&attribute.name))?;
    }
    out.push_str("        }\n}\n");
    Ok(())
}

fn change_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/** Changes of a record: {}, {}. What is not named stays. */", known.en, known.zh)?;
    writeln!(out, "public class {class}Change internal constructor() : Changes(\"{}\") {{", known.name)?;
    for attribute in known.attributes.iter().filter(|one| one.changeable) {
        let (name, field) = (camel(&attribute.name), &attribute.name);
        let of = type_of(attribute);
        if attribute.is_set {
            let element = of.trim_start_matches("Set<").trim_end_matches('>');
            let pascal = pascal(field);
            writeln!(out, "    /** {}, {}. */", attribute.en, attribute.zh)?;
            writeln!(
                out,
                "    public fun add{pascal}(vararg elements: {element}): Unit = add(\"{field}\", elements.toList())"
            )?;
            writeln!(out)?;
            writeln!(out, "    /** {}, {}. */", attribute.en, attribute.zh)?;
            writeln!(
                out,
                "    public fun remove{pascal}(vararg elements: {element}): Unit = remove(\"{field}\", elements.toList())"
            )?;
            writeln!(out)?;
        } else {
            writeln!(out, "    /** {}, {}; `null` clears it. */", attribute.en, attribute.zh)?;
            writeln!(out, "    public var {name}: {of}? by field(\"{field}\")")?;
            writeln!(out)?;
        }
    }
    writeln!(out, "}}")?;
    writeln!(out)?;
    writeln!(out, "/** The edit that makes changes of a record: {}, {}. */", known.en, known.zh)?;
    writeln!(out, "public fun change{class}(id: String, changes: {class}Change.() -> Unit): RecordEdit =")?;
    writeln!(out, "    {class}Change().apply(changes).edit(id)")
}

fn reader_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/** A stored record: {}, {}. */", known.en, known.zh)?;
    writeln!(out, "public class {class}(public val stored: StoredRecord) {{")?;
    writeln!(out, "    /** The id. */")?;
    writeln!(out, "    public val id: String get() = stored.id")?;
    if known.has_state {
        out.push_str("\n    /** The state. */\n    public val state: String? get() = stored.state\n");
    }
    for attribute in known.attributes.iter().filter(|one| one.kind != Kind::Sealed) {
        let question = if attribute.is_set { "" } else { "?" };
        writeln!(out)?;
        writeln!(out, "    /** {}, {}. */", attribute.en, attribute.zh)?;
        writeln!(
            out,
            "    public val {}: {}{question} get() = {}",
            camel(&attribute.name),
            type_of(attribute),
            reading(attribute)
        )?;
    }
    writeln!(out, "}}")?;
    writeln!(out)?;
    writeln!(out, "/** Reads one record: {}, {}. */", known.en, known.zh)?;
    writeln!(
        out,
        "public suspend fun Replica.{}(id: String): {class} = {class}(record(\"{}\", id))",
        camel(&known.name),
        known.name
    )
}

fn step_function(out: &mut String, known: &Typed, step: &Step) -> std::fmt::Result {
    let parts = step.needed.iter().map(|part| format!(", {}: String", camel(part)));
    let optional = step.optional.iter().map(|part| format!(", {}: String? = null", camel(part)));
    let signature: String = parts.chain(optional).collect();
    let passed: String =
        step.needed.iter().chain(&step.optional).map(|part| format!(", \"{part}\" to {}", camel(part))).collect();
    writeln!(out)?;
    writeln!(out, "/** {}, {}. */", step.en, step.zh)?;
    writeln!(out, "public fun {}{}(id: String{signature}): RecordEdit =", camel(&step.kind), known.class())?;
    writeln!(out, "    happened(\"{}\", id, \"{}\"{passed})", known.name, step.kind)
}

fn write_file(out: &mut String, types: &[Typed]) -> std::fmt::Result {
    out.push_str(HEAD);
    for known in types {
        for enumeration in &known.enumerations {
            let name = &enumeration.name;
            writeln!(out)?;
            writeln!(out, "/** {}, {}. */", enumeration.en, enumeration.zh)?;
            writeln!(out, "public enum class {name}(override val code: String) : Coded {{")?;
            let last = enumeration.codes.len().saturating_sub(1);
            for (place, code) in enumeration.codes.iter().enumerate() {
                let end = if place == last { ";" } else { "," };
                writeln!(out, "    /** {}, {}. */", code.en, code.zh)?;
                writeln!(out, "    {}(\"{}\"){end}", code.name, code.code)?;
            }
            writeln!(out)?;
            writeln!(out, "    public companion object {{")?;
            writeln!(out, "        /** The one with this code; `null` where this version does not know it. */")?;
            writeln!(out, "        public fun of(code: String): {name}? = entries.find {{ it.code == code }}")?;
            writeln!(out, "    }}")?;
            writeln!(out, "}}")?;
        }
        new_class(out, known)?;
        change_class(out, known)?;
        reader_class(out, known)?;
        for step in &known.steps {
            step_function(out, known, step)?;
        }
    }
    Ok(())
}

/// The file.
pub(super) fn file(types: &[Typed]) -> String {
    let mut out = String::new();
    let _ = write_file(&mut out, types); // writing to a string does not fail
    out
}
