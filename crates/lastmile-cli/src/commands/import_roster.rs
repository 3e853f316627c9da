//! `import roster`: what a roster holds, which rows cannot be taken, and saving the others.

mod save;

use lastmile_model::RecordId;
use serde_json::{Value, json};

use self::save::Refusal;
use super::opened::{client_error, replica};
use crate::args::data::ImportRoster;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Cell, Column, Output, Table, Tone};
use crate::roster::{self, BadReason, BadRow, Format, Heading, Roster, RosterError, Use};

/// Reads a roster and reports on it; without `--dry-run` saves it on the device.
pub(super) fn run(args: &ImportRoster, output: &mut Output) -> Result<Exit, CliError> {
    let options = roster::Options { sheet: args.sheet.clone(), encoding: args.encoding.into() };
    let roster = roster::read(&args.file, &options).map_err(|error| refused(args, error))?;
    if !args.dry_run {
        return import(args, &roster, output);
    }
    output.json(&document(&roster, output))?;
    show(&roster, output)?;
    let counts = [("good", roster.rows.len().to_string()), ("bad", roster.bad_rows().to_string())];
    output.say(key!("roster.counts"), &counts)?;
    output.say::<&str>(key!("roster.dry_run"), &[])?;
    Ok(match (roster.rows.is_empty(), roster.bad.is_empty()) {
        (true, _) => Exit::Refused,
        (false, false) => Exit::Partial,
        (false, true) => Exit::Done,
    })
}

fn show(roster: &Roster, output: &mut Output) -> Result<(), CliError> {
    let messages = output.messages();
    match &roster.format {
        Format::Text { encoding, .. } => output.say(key!("roster.text_file"), &[("encoding", *encoding)])?,
        Format::Sheet { name } => output.say(key!("roster.sheet"), &[("sheet", name)])?,
    }
    output.gap()?;
    let mut columns = Table::new(vec![
        Column::text(messages.plain(key!("roster.column"))),
        Column::text(messages.plain(key!("roster.heading"))),
        Column::text(messages.plain(key!("roster.taken_as"))),
    ]);
    for heading in &roster.headings {
        let taken_as = match heading.taken_as {
            Use::Field(field) => Cell::from(field),
            Use::Ignored => Cell::new(messages.plain(key!("roster.ignored")), Tone::Dim),
            Use::Unknown => Cell::new(messages.plain(key!("roster.unknown")), Tone::Warn),
        };
        columns.row([heading.letters().into(), heading.text.as_str().into(), taken_as]);
    }
    output.table(&columns)?;
    output.gap()?;
    if !roster.bad.is_empty() {
        let mut bad = Table::new(vec![
            Column::number(messages.plain(key!("roster.row"))),
            Column::text(messages.plain(key!("roster.heading"))),
            Column::text(messages.plain(key!("roster.problem"))),
        ]);
        for row in &roster.bad {
            bad.row([row.row_number.to_string().into(), row.heading.as_str().into(), reason(row, output).into()]);
        }
        output.table(&bad)?;
        output.gap()?;
    }
    if !roster.skipped.is_empty() {
        let rows: Vec<String> = roster.skipped.iter().map(u64::to_string).collect();
        output.say(key!("roster.skipped"), &[("rows", rows.join(", "))])?;
    }
    Ok(())
}

fn import(args: &ImportRoster, roster: &Roster, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let replica = replica(&args.data, output)?;
    let saved = save::save(args, roster, &replica, output)?;
    replica.close().map_err(|error| client_error(error, language))?;
    let refused: Vec<(u64, &str, String)> = saved
        .refused
        .iter()
        .map(|(row, refusal)| match refusal {
            Refusal::OtherCommunity => {
                (*row, "other_community", output.messages().plain(key!("roster.bad.other_community")))
            }
            Refusal::Invalid(problems) => {
                (*row, "invalid", output.messages().text(key!("roster.bad.invalid"), &[("problems", problems)]))
            }
        })
        .collect();
    let mut document = document(roster, output);
    if let Some(object) = document.as_object_mut() {
        let more = refused.iter().map(|(row, reason, text)| json!({"row": row, "reason": reason, "text": text}));
        if let Some(bad) = object.get_mut("bad").and_then(Value::as_array_mut) {
            bad.extend(more);
        }
        let ids = |list: &[RecordId]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let hints: Vec<Value> =
            saved.hints.iter().map(|(row, list)| json!({"row": row, "may_be": ids(list)})).collect();
        let people: Vec<Value> =
            saved.rows.iter().map(|(row, id)| json!({"row": row, "person": id.to_string()})).collect();
        object.insert("good_rows".to_owned(), json!(saved.rows.len()));
        object.insert("bad_rows".to_owned(), json!(roster.bad_rows().saturating_add(refused.len())));
        object.insert("saved".to_owned(), json!(saved.rows.len()));
        object.insert("people".to_owned(), json!(people));
        let present: Vec<Value> =
            saved.present.iter().map(|(row, id)| json!({"row": row, "person": id.to_string()})).collect();
        object.insert("present".to_owned(), json!(present));
        object.insert("duplicates".to_owned(), json!(hints));
        object.insert("no_employer".to_owned(), json!(saved.no_employer));
        object.insert("assumed_members".to_owned(), json!(saved.assumed_members));
    }
    output.json(&document)?;
    show(roster, output)?;
    if !refused.is_empty() {
        let messages = output.messages();
        let mut table = Table::new(vec![
            Column::number(messages.plain(key!("roster.row"))),
            Column::text(messages.plain(key!("roster.problem"))),
        ]);
        for (row, _, text) in &refused {
            table.row([row.to_string().into(), text.as_str().into()]);
        }
        output.table(&table)?;
        output.gap()?;
    }
    for (row, id) in &saved.present {
        output.say(key!("roster.present"), &[("row", row.to_string()), ("id", id.to_string())])?;
    }
    for (row, list) in &saved.hints {
        let ids: Vec<String> = list.iter().map(ToString::to_string).collect();
        output.say(key!("roster.hint"), &[("row", row.to_string()), ("ids", ids.join(" "))])?;
    }
    for row in &saved.no_employer {
        output.say(key!("roster.no_employer"), &[("row", row.to_string())])?;
    }
    if saved.assumed_members {
        output.say::<&str>(key!("roster.members_all"), &[])?;
    }
    let bad = roster.bad_rows().saturating_add(refused.len());
    let counts = [
        ("saved", saved.rows.len().to_string()),
        ("present", saved.present.len().to_string()),
        ("bad", bad.to_string()),
    ];
    output.say(key!("roster.saved"), &counts)?;
    Ok(match (saved.rows.is_empty() && saved.present.is_empty(), bad) {
        (true, _) => Exit::Refused,
        (false, 0) => Exit::Done,
        (false, _) => Exit::Partial,
    })
}

fn document(roster: &Roster, output: &Output) -> Value {
    let headings: Vec<Value> = roster.headings.iter().map(heading_document).collect();
    let bad: Vec<Value> = roster
        .bad
        .iter()
        .map(|row| {
            json!({"row": row.row_number, "heading": row.heading, "reason": row.reason.name(), "text": reason(row, output)})
        })
        .collect();
    let format = match &roster.format {
        Format::Text { encoding, delimiter } => json!({"encoding": encoding, "delimiter": delimiter.to_string()}),
        Format::Sheet { name } => json!({"sheet": name}),
    };
    json!({
        "format": format,
        "headings": headings,
        "good_rows": roster.rows.len(),
        "bad_rows": roster.bad_rows(),
        "bad": bad,
        "skipped": roster.skipped,
        "saved": 0,
    })
}

fn heading_document(heading: &Heading) -> Value {
    let (field, ignored) = match heading.taken_as {
        Use::Field(field) => (Some(field), false),
        Use::Ignored => (None, true),
        Use::Unknown => (None, false),
    };
    json!({"column": heading.letters(), "heading": heading.text, "field": field, "ignored": ignored})
}

fn reason(row: &BadRow, output: &Output) -> String {
    let messages = output.messages();
    match row.reason {
        BadReason::NoName => messages.plain(key!("roster.bad.no_name")),
        BadReason::DigitsLost => messages.plain(key!("roster.bad.digits_lost")),
        BadReason::CellError => messages.plain(key!("roster.bad.cell_error")),
        BadReason::MonthUnclear => messages.plain(key!("roster.bad.month_unclear")),
        BadReason::TooLong => messages.plain(key!("roster.bad.too_long")),
        BadReason::Repeated { first } => messages.text(key!("roster.bad.repeated"), &[("first", first.to_string())]),
    }
}

fn refused(args: &ImportRoster, error: RosterError) -> CliError {
    let refusal = |key| CliError::new(Exit::Refused, key);
    let cli = match error {
        RosterError::Read(source) => return CliError::reading(&args.file, source),
        RosterError::Empty => refusal(key!("roster.empty")),
        RosterError::TooLarge => refusal(key!("roster.too_large")).cure(key!("roster.cure.too_large")),
        RosterError::OldOrLocked => refusal(key!("roster.old_or_locked")).cure(key!("roster.cure.old_or_locked")),
        RosterError::Encoding => refusal(key!("roster.encoding")).cure(key!("roster.cure.encoding")),
        RosterError::OpenQuote { row } => {
            refusal(key!("roster.open_quote")).with("row", row).cure(key!("roster.cure.open_quote"))
        }
        RosterError::NoSheet { sheets } => CliError::new(Exit::NotFound, key!("roster.no_sheet"))
            .with("sheet", args.sheet.as_deref().unwrap_or_default())
            .with("sheets", sheets.join(", "))
            .cure(key!("roster.cure.no_sheet")),
        RosterError::NoHeading => refusal(key!("roster.no_heading")).cure(key!("roster.cure.no_heading")),
        RosterError::Workbook(source) => {
            refusal(key!("roster.unreadable")).cure(key!("roster.cure.unreadable")).because(source)
        }
        RosterError::Csv(source) => {
            refusal(key!("roster.unreadable")).cure(key!("roster.cure.unreadable")).because(source)
        }
    };
    cli.with("file", args.file.display())
}
