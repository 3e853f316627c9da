//! Typed records in Swift. Civil dates and times stand as texts, for which Swift has no type.

use std::fmt::Write as _;

use super::{Attribute, Kind, Step, Typed, camel, pascal};

const HEAD: &str = "// Typed records, generated from schema/records by `lastmile-bindgen records`. Do not edit.\n\nimport Foundation\n";

fn type_of(attribute: &Attribute) -> String {
    match (&attribute.kind, attribute.is_set) {
        (Kind::Choice(name), true) => format!("Set<{name}>"),
        (_, true) => "Set<String>".to_owned(),
        (Kind::Choice(name), false) => name.clone(),
        (Kind::Number, false) => "Int64".to_owned(),
        (Kind::Flag, false) => "Bool".to_owned(),
        (Kind::Bytes, false) => "Data".to_owned(),
        (Kind::Text | Kind::Date | Kind::Month | Kind::Time | Kind::Reference | Kind::Sealed, false) => {
            "String".to_owned()
        }
    }
}

fn reading(attribute: &Attribute) -> String {
    let name = &attribute.name;
    match (&attribute.kind, attribute.is_set) {
        (Kind::Choice(choice), true) => {
            format!("Set(stored.elements(\"{name}\").compactMap({choice}.init(rawValue:)))")
        }
        (_, true) => format!("Set(stored.elements(\"{name}\"))"),
        (Kind::Choice(choice), false) => format!("stored.text(\"{name}\").flatMap({choice}.init(rawValue:))"),
        (Kind::Number, false) => format!("stored.number(\"{name}\")"),
        (Kind::Flag, false) => format!("stored.flag(\"{name}\")"),
        (Kind::Bytes, false) => format!("stored.bytes(\"{name}\")"),
        (Kind::Reference, false) => format!("stored.reference(\"{name}\")"),
        (Kind::Text | Kind::Date | Kind::Month | Kind::Time | Kind::Sealed, false) => {
            format!("stored.text(\"{name}\")")
        }
    }
}

fn new_struct(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/// A new record: {}, {}.", known.en, known.zh)?;
    writeln!(out, "public struct New{class}: Sendable {{")?;
    let mut parameters = Vec::new();
    let mut assigned = String::new();
    let mut passed = String::new();
    for attribute in &known.attributes {
        let (name, of) = (camel(&attribute.name), type_of(attribute));
        let (declared, parameter) = match (attribute.needed, attribute.is_set) {
            (true, _) => (of.clone(), format!("{name}: {of}")),
            (false, true) => (of.clone(), format!("{name}: {of} = []")),
            (false, false) => (format!("{of}?"), format!("{name}: {of}? = nil")),
        };
        writeln!(out, "    public var {name}: {declared}")?;
        parameters.push(parameter);
        writeln!(assigned, "        self.{name} = {name}")?;
        writeln!(passed, "        fields.give(\"{}\", {name})", attribute.name)?;
    }
    let parameters = parameters.join(",\n        ");
    let (id, passed_id) = if known.derived_id { ("", "nil") } else { ("id: String? = nil, ", "id") };
    writeln!(out)?;
    writeln!(out, "    public init(")?;
    writeln!(out, "        {parameters}")?;
    writeln!(out, "    ) {{")?;
    writeln!(out, "{assigned}    }}")?;
    writeln!(out)?;
    writeln!(out, "    /// The edit that makes it, with what happened to it at once.")?;
    writeln!(out, "    public func edit({id}events: [NewEvent] = []) -> RecordEdit {{")?;
    writeln!(out, "        var fields = Fields()")?;
    writeln!(
        out,
        "{passed}        return .create(recordType: \"{}\", id: {passed_id}, fields: fields.values, events: events)",
        known.name
    )?;
    writeln!(out, "    }}")?;
    writeln!(out, "}}")
}

fn change_struct(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/// Changes of a record: {}, {}. What is not named stays.", known.en, known.zh)?;
    writeln!(out, "public struct {class}Change: Sendable {{")?;
    writeln!(out, "    private var changes = Changes()")?;
    writeln!(out)?;
    writeln!(out, "    public init() {{}}")?;
    for attribute in known.attributes.iter().filter(|one| one.changeable) {
        let (name, field, of) = (camel(&attribute.name), &attribute.name, type_of(attribute));
        if attribute.is_set {
            let name = pascal(field);
            writeln!(out)?;
            writeln!(out, "    /// {}, {}.", attribute.en, attribute.zh)?;
            writeln!(out, "    public mutating func add{name}(_ elements: {of}) {{")?;
            writeln!(out, "        changes.fields.give(\"{field}\", elements)")?;
            writeln!(out, "    }}")?;
            writeln!(out)?;
            writeln!(out, "    /// {}, {}.", attribute.en, attribute.zh)?;
            writeln!(out, "    public mutating func remove{name}(_ elements: {of}) {{")?;
            writeln!(out, "        changes.remove(\"{field}\", elements)")?;
            writeln!(out, "    }}")?;
        } else {
            writeln!(out)?;
            writeln!(out, "    /// {}, {}; `nil` clears it.", attribute.en, attribute.zh)?;
            writeln!(out, "    public mutating func {name}(_ value: {of}?) {{")?;
            writeln!(out, "        changes.fields.set(\"{field}\", value)")?;
            writeln!(out, "    }}")?;
        }
    }
    writeln!(out)?;
    writeln!(out, "    /// The edit that makes them.")?;
    writeln!(out, "    public func edit(_ id: String) -> RecordEdit {{")?;
    writeln!(
        out,
        "        .change(recordType: \"{}\", id: id, fields: changes.fields.values, removed: changes.removed)",
        known.name
    )?;
    writeln!(out, "    }}")?;
    writeln!(out, "}}")
}

fn reader_struct(out: &mut String, known: &Typed) -> std::fmt::Result {
    let class = known.class();
    writeln!(out)?;
    writeln!(out, "/// A stored record: {}, {}.", known.en, known.zh)?;
    writeln!(out, "public struct {class}: TypedRecord {{")?;
    writeln!(out, "    /// `{}`.", known.name)?;
    writeln!(out, "    public static var recordType: String {{ \"{}\" }}", known.name)?;
    writeln!(out)?;
    writeln!(out, "    public let stored: StoredRecord")?;
    writeln!(out)?;
    writeln!(out, "    public init(_ stored: StoredRecord) {{")?;
    writeln!(out, "        self.stored = stored")?;
    writeln!(out, "    }}")?;
    writeln!(out)?;
    writeln!(out, "    /// The id.")?;
    writeln!(out, "    public var id: String {{ stored.id }}")?;
    if known.has_state {
        out.push_str("\n    /// The state.\n    public var state: String? { stored.state }\n");
    }
    for attribute in known.attributes.iter().filter(|one| one.kind != Kind::Sealed) {
        let question = if attribute.is_set { "" } else { "?" };
        let (name, of, how) = (camel(&attribute.name), type_of(attribute), reading(attribute));
        writeln!(out)?;
        writeln!(out, "    /// {}, {}.", attribute.en, attribute.zh)?;
        writeln!(out, "    public var {name}: {of}{question} {{ {how} }}")?;
    }
    out.push_str("}\n");
    Ok(())
}

fn step_function(out: &mut String, known: &Typed, step: &Step) -> std::fmt::Result {
    let needed = step.needed.iter().map(|part| format!(", {}: String", camel(part)));
    let optional = step.optional.iter().map(|part| format!(", {}: String? = nil", camel(part)));
    let signature: String = needed.chain(optional).collect();
    let parts: Vec<String> =
        step.needed.iter().chain(&step.optional).map(|part| format!("(\"{part}\", {})", camel(part))).collect();
    writeln!(out)?;
    writeln!(out, "/// {}, {}.", step.en, step.zh)?;
    writeln!(out, "public func {}{}(_ id: String{signature}) -> RecordEdit {{", camel(&step.kind), known.class())?;
    writeln!(out, "    happened(\"{}\", id, \"{}\", [{}])", known.name, step.kind, parts.join(", "))?;
    writeln!(out, "}}")
}

fn write_file(out: &mut String, types: &[Typed]) -> std::fmt::Result {
    out.push_str(HEAD);
    for known in types {
        for enumeration in &known.enumerations {
            writeln!(out)?;
            writeln!(out, "/// {}, {}.", enumeration.en, enumeration.zh)?;
            writeln!(out, "public enum {}: String, Sendable, CaseIterable {{", enumeration.name)?;
            for code in &enumeration.codes {
                let name = camel(&code.name.to_ascii_lowercase());
                writeln!(out, "    /// {}, {}.", code.en, code.zh)?;
                writeln!(out, "    case {name} = \"{}\"", code.code)?;
            }
            out.push_str("}\n");
        }
        new_struct(out, known)?;
        change_struct(out, known)?;
        reader_struct(out, known)?;
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
