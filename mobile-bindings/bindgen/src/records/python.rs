//! Typed records in Python.

use std::fmt::Write as _;

use super::{Attribute, Kind, Step, Typed};

const HEAD: &str = r#""""Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass

from ._values import Date, Reader, Unchanged, changed, created, event

UNCHANGED = Unchanged.UNCHANGED
"#;

fn given(attribute: &Attribute) -> String {
    let one = match &attribute.kind {
        Kind::Number => "int".to_owned(),
        Kind::Flag => "bool".to_owned(),
        Kind::Date => "Date".to_owned(),
        Kind::Time => "datetime.time | str".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Choice(name) => format!("{name} | str"),
        Kind::Text | Kind::Month | Kind::Reference | Kind::Sealed => "str".to_owned(),
    };
    if attribute.is_set { format!("Iterable[{one}]") } else { one }
}

fn read(attribute: &Attribute) -> (String, String) {
    let name = &attribute.name;
    if attribute.is_set {
        return match &attribute.kind {
            Kind::Choice(choice) => (format!("list[{choice} | str]"), format!("self._choices(\"{name}\", {choice})")),
            _ => ("list[str]".to_owned(), format!("self._elements(\"{name}\")")),
        };
    }
    let (of, how) = match &attribute.kind {
        Kind::Number => ("int", "number"),
        Kind::Flag => ("bool", "flag"),
        Kind::Date => ("datetime.date", "date"),
        Kind::Time => ("datetime.time", "time"),
        Kind::Bytes => ("bytes", "bytes"),
        Kind::Reference => ("str", "reference"),
        Kind::Choice(choice) => {
            return (format!("{choice} | str | None"), format!("self._choice(\"{name}\", {choice})"));
        }
        Kind::Text | Kind::Month | Kind::Sealed => ("str", "text"),
    };
    (format!("{of} | None"), format!("self._{how}(\"{name}\")"))
}

fn new_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out)?;
    writeln!(out, "@dataclass(kw_only=True, repr=False)")?;
    writeln!(out, "class New{class}:")?;
    writeln!(out, "    \"\"\"A new record: {}, {}.\"\"\"", known.en, known.zh)?;
    writeln!(out)?;
    for attribute in &known.attributes {
        let of = given(attribute);
        match (attribute.needed, attribute.is_set) {
            (true, _) => writeln!(out, "    {}: {of}", attribute.name)?,
            (false, true) => writeln!(out, "    {}: {of} = ()", attribute.name)?,
            (false, false) => writeln!(out, "    {}: {of} | None = None", attribute.name)?,
        }
    }
    let id = if known.derived_id { "" } else { ", id: str | None = None" };
    let passed = if known.derived_id { "None" } else { "id" };
    writeln!(out)?;
    writeln!(out, "    def edit(self, *events{id}):")?;
    writeln!(out, "        \"\"\"The edit that makes it, with what happened to it at once.\"\"\"")?;
    writeln!(out, "        return created(\"{}\", {passed}, vars(self), events)", known.name)
}

fn change_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    let changeable: Vec<&Attribute> = known.attributes.iter().filter(|one| one.changeable).collect();
    writeln!(out)?;
    writeln!(out)?;
    writeln!(out, "@dataclass(kw_only=True, repr=False)")?;
    writeln!(out, "class {class}Change:")?;
    writeln!(out, "    \"\"\"Changes of a record: {}, {}. `None` clears a field.\"\"\"", known.en, known.zh)?;
    writeln!(out)?;
    for attribute in &changeable {
        let (name, of) = (&attribute.name, given(attribute));
        if attribute.is_set {
            writeln!(out, "    add_{name}: {of} = ()")?;
            writeln!(out, "    remove_{name}: {of} = ()")?;
        } else {
            writeln!(out, "    {name}: {of} | None | Unchanged = UNCHANGED")?;
        }
    }
    let sets: Vec<String> = changeable.iter().filter(|one| one.is_set).map(|one| format!("\"{}\"", one.name)).collect();
    let sets = sets.join(", ");
    writeln!(out)?;
    writeln!(out, "    def edit(self, id: str):")?;
    writeln!(out, "        \"\"\"The edit that makes them.\"\"\"")?;
    writeln!(out, "        return changed(\"{}\", id, vars(self), [{sets}])", known.name)
}

fn reader_class(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out)?;
    writeln!(out, "class {class}(Reader):")?;
    writeln!(out, "    \"\"\"A stored record: {}, {}.\"\"\"", known.en, known.zh)?;
    writeln!(out)?;
    writeln!(out, "    record_type = \"{}\"", known.name)?;
    if known.has_state {
        out.push_str("\n    @property\n    def state(self) -> str | None:\n");
        out.push_str("        \"\"\"The state.\"\"\"\n        return self.stored.state\n");
    }
    for attribute in known.attributes.iter().filter(|one| one.kind != Kind::Sealed) {
        let (of, how) = read(attribute);
        writeln!(out)?;
        writeln!(out, "    @property")?;
        writeln!(out, "    def {}(self) -> {of}:", attribute.name)?;
        writeln!(out, "        \"\"\"{}, {}.\"\"\"", attribute.en, attribute.zh)?;
        writeln!(out, "        return {how}")?;
    }
    Ok(())
}

fn step_function(out: &mut String, known: &Typed, step: &Step) -> std::fmt::Result {
    let needed = step.needed.iter().map(|part| format!(", {part}: Date"));
    let optional = step.optional.iter().map(|part| format!(", {part}: Date | None = None"));
    let star = if step.needed.is_empty() && step.optional.is_empty() { "" } else { ", *" };
    let signature: String = needed.chain(optional).collect();
    let passed: String = step.needed.iter().chain(&step.optional).map(|part| format!(", {part}={part}")).collect();
    let kind = &step.kind;
    writeln!(out)?;
    writeln!(out)?;
    writeln!(out, "def {kind}_{}(id: str{star}{signature}):", known.name)?;
    writeln!(out, "    \"\"\"{}, {}.\"\"\"", step.en, step.zh)?;
    writeln!(out, "    return event(\"{}\", id, \"{kind}\"{passed})", known.name)
}

fn write_file(out: &mut String, types: &[Typed]) -> std::fmt::Result {
    out.push_str(HEAD);
    for known in types {
        for enumeration in &known.enumerations {
            writeln!(out)?;
            writeln!(out)?;
            writeln!(out, "class {}(enum.StrEnum):", enumeration.name)?;
            writeln!(out, "    \"\"\"{}, {}.\"\"\"", enumeration.en, enumeration.zh)?;
            writeln!(out)?;
            for code in &enumeration.codes {
                writeln!(out, "    {} = \"{}\"  # {}, {}", code.name, code.code, code.en, code.zh)?;
            }
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
