//! `report`: the figures, from a device or a relay, without writing anything.

use lastmile_client::Clock as _;
use lastmile_client::clock::civil_date;
use lastmile_model::scope::ScopeKind;
use lastmile_report::export::{self, Section, TextTable};
use lastmile_report::words::Lang;
use lastmile_report::{ReportError, ReportId, ReportRequest};
use lastmile_store::Reader;
use serde_json::json;

use super::opened::{reader, store_error};
use super::written::write_whole;
use crate::args::report::Report;
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::{Language, key};
use crate::output::{Column, Output, Table};

/// Shows a report, or which ones there are.
pub(super) fn run(args: &Report, output: &mut Output) -> Result<Exit, CliError> {
    let lang = if output.messages().language() == Language::Chinese { Lang::Zh } else { Lang::En };
    let Some(name) = args.name else {
        return list_of_reports(lang, output).map(|()| Exit::Done);
    };
    let Ok(id) = name.to_string().parse::<ReportId>() else {
        return Err(CliError::new(Exit::NotFound, key!("report.unknown"))
            .with("name", name)
            .with("known", ReportId::ALL.map(ReportId::code).join(", "))
            .cure(key!("report.choose")));
    };
    let mut reader = reader(&args.data, Holder::Device)?;
    let now_ms = lastmile_client::SystemClock.now_ms();
    let to = args.to.unwrap_or_else(|| civil_date(now_ms));
    let from = args.from.unwrap_or_else(|| {
        let year = chrono::Datelike::year(&to);
        chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(to)
    });
    let scope = match &args.scope {
        Some(code) => code.as_str().to_owned(),
        None => usual_scope(&mut reader)?,
    };
    let mut request = ReportRequest::new(id, &scope, from, to, now_ms);
    request.list = args.list;
    let report = lastmile_report::run(&mut reader, &request).map_err(refused)?;
    output.json(&report)?;
    let text = export::text(&report, lang);
    output.line(&text.title)?;
    for line in &text.head {
        output.line(line)?;
    }
    output.line(&text.definition)?;
    for table in &text.tables {
        output.gap()?;
        if !table.title.is_empty() {
            output.line(&table.title)?;
        }
        output.table(&drawn(table))?;
    }
    output.gap()?;
    for line in text.checks.iter().chain(&text.notes) {
        output.line(line)?;
    }
    if let Some(file) = &args.csv {
        let section = match (args.list, args.places) {
            (true, _) => Section::List,
            (_, true) => Section::Children,
            _ => Section::Figures,
        };
        let bytes =
            export::csv(&report, section, lang).ok_or_else(|| CliError::new(Exit::Refused, key!("report.no_part")))?;
        write_whole(file, &bytes)?;
        output.note(key!("report.written"), &[("file", file.display().to_string())]);
    }
    Ok(if report.is_sound() { Exit::Done } else { Exit::Damage })
}

fn drawn(table: &TextTable) -> Table {
    let columns = table.heads.iter().zip(&table.right);
    let columns = columns.map(|(head, right)| if *right { Column::number(head) } else { Column::text(head) });
    let mut drawn = Table::new(columns.collect());
    for row in &table.rows {
        drawn.row(row.iter().map(|cell| cell.as_str().into()));
    }
    drawn
}

fn list_of_reports(lang: Lang, output: &mut Output) -> Result<(), CliError> {
    let messages = output.messages();
    let mut table = Table::new(vec![
        Column::text(messages.plain(key!("report.code"))),
        Column::text(messages.plain(key!("report.title"))),
    ]);
    let mut objects = Vec::new();
    for id in ReportId::ALL {
        table.row([id.code().into(), id.title(lang).into()]);
        objects.push(json!({"report": id, "title": id.title_words(), "definition": id.definition_words()}));
    }
    output.json(&objects)?;
    output.table(&table)
}

/// A device of one community asks about that; others about their city.
fn usual_scope(reader: &mut Reader) -> Result<String, CliError> {
    let scopes = reader.scopes().map_err(store_error)?;
    let of_kind = |kind| -> Vec<&str> {
        scopes.iter().map(|(_, scope)| scope).filter(|scope| scope.kind() == kind).map(|scope| scope.code()).collect()
    };
    let found = match (of_kind(ScopeKind::Community).as_slice(), of_kind(ScopeKind::City).as_slice()) {
        ([one], _) | ([], [one]) => Some((*one).to_owned()),
        ([first, ..], []) => first.get(..4).map(str::to_owned),
        ([_, ..], [city, ..]) => Some((*city).to_owned()),
        ([], _) => None,
    };
    found.ok_or_else(|| CliError::new(Exit::NotFound, key!("report.no_scope")).cure(key!("report.no_scope_cure")))
}

/// Says why a report cannot be made.
pub(super) fn refused(error: ReportError) -> CliError {
    match error {
        ReportError::Store(error) => store_error(error),
        ReportError::Period { from, to } => {
            CliError::new(Exit::Refused, key!("report.period")).with("from", from).with("to", to)
        }
        ReportError::Scope { code } => CliError::new(Exit::Refused, key!("report.bad_scope")).with("code", code),
        ReportError::UnknownPlace { code } => {
            CliError::new(Exit::NotFound, key!("report.unknown_place")).with("code", code)
        }
        other @ ReportError::NoType { .. } => {
            CliError::new(Exit::Failed, key!("report.failed")).with("reason", &other).because(other)
        }
    }
}
