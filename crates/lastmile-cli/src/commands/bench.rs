//! `bench`: the promised figures, measured here.

use std::time::Instant;

use clap::ValueEnum as _;
use serde_json::{Map, Value as Json, json};

use crate::args::trial::Bench;
use crate::bench::figure::{Goal, rounded};
use crate::bench::{self, Figure, Measured, Plan};
use crate::error::{CliError, Exit};
use crate::messages::{Messages, key};
use crate::output::{Cell, Column, Output, Table, Tone};

/// Measures and shows what came out; a goal not reached is no failure.
pub(super) fn run(args: &Bench, output: &mut Output) -> Result<Exit, CliError> {
    let began = Instant::now();
    // A folder of our own in whatever folder was named: what is in there is removed afterwards, and nothing else.
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!("lastmile-bench-{}", std::process::id()));
    let program =
        std::env::current_exe().map_err(|error| CliError::new(Exit::Failed, key!("bench.program")).because(error))?;
    let plan = Plan {
        figures: figures(args),
        runs: args.runs,
        demo_runs: args.demo_runs,
        minutes: args.minutes,
        shrink: args.shrink,
        folder: folder.clone(),
        program,
    };
    let result = bench::run(plan, output);
    // What cannot be removed says where it lies by its name.
    let _ = std::fs::remove_dir_all(&folder);
    let measured = result?;
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let seconds = rounded(began.elapsed().as_secs_f64());
    output.json(&document(&measured, args, cores, seconds)?)?;
    output.table(&table(&measured, output.messages()))?;
    output.gap()?;
    let said = [("cores", cores.to_string()), ("seconds", seconds.to_string()), ("runs", args.runs.to_string())];
    output.say(key!("bench.done"), &said)?;
    if args.shrink > 1 {
        output.say(key!("bench.shrunk"), &[("part", args.shrink.to_string())])?;
    }
    Ok(Exit::Done)
}

fn figures(args: &Bench) -> Vec<Figure> {
    if args.figures.is_empty() {
        Figure::value_variants().iter().copied().filter(|figure| !(args.cheap && figure.is_expensive())).collect()
    } else {
        args.figures.clone()
    }
}

/// One object: each figure under its key, and how the bench was run under `bench`.
fn document(measured: &[Measured], args: &Bench, cores: usize, seconds: f64) -> Result<Json, CliError> {
    let mut object = Map::new();
    for figure in measured {
        let shown = serde_json::to_value(figure).map_err(|error| CliError::output(error.into()))?;
        object.insert(figure.spec.key.to_owned(), shown);
    }
    let bench = json!({
        "version": env!("CARGO_PKG_VERSION"), "runs": args.runs, "demo_runs": args.demo_runs,
        "minutes": args.minutes, "shrink": args.shrink,
        "cores": cores, "seconds": seconds, "optimised": !cfg!(debug_assertions),
    });
    object.insert("bench".to_owned(), bench);
    Ok(Json::Object(object))
}

fn table(measured: &[Measured], messages: &Messages) -> Table {
    let mut table = Table::new(vec![
        Column::text(messages.plain(key!("bench.figure"))),
        Column::number(messages.plain(key!("bench.measured"))),
        Column::number(messages.plain(key!("bench.goal"))),
        Column::text(messages.plain(key!("bench.unit"))),
        Column::text(messages.plain(key!("bench.reached"))),
        Column::number(messages.plain(key!("bench.times"))),
    ]);
    for figure in measured {
        let (word, tone) =
            if figure.is_reached() { (key!("bench.yes"), Tone::Good) } else { (key!("bench.no"), Tone::Warn) };
        let sign = match figure.spec.goal {
            Goal::AtLeast(_) => "≥",
            Goal::AtMost(_) => "≤",
        };
        table.row([
            messages.plain(figure.spec.title).into(),
            number(figure.value).into(),
            format!("{sign} {}", number(figure.spec.goal.target())).into(),
            unit(figure.spec.unit, messages).into(),
            Cell::new(messages.plain(word), tone),
            figure.runs.to_string().into(),
        ]);
        for side in &figure.sides {
            let cells = [
                format!("  {}", this_side(side.name, messages)),
                number(side.median),
                String::new(),
                unit(side.unit, messages),
            ];
            table.row(cells.map(|text| Cell::new(text, Tone::Dim)));
        }
    }
    table
}

/// A side of a ratio for people.
fn this_side(name: &str, messages: &Messages) -> String {
    messages.plain(match name {
        "log_and_views" => key!("bench.side.log_and_views"),
        "plain_rows" => key!("bench.side.plain_rows"),
        "log_documents_and_rows" => key!("bench.side.log_documents_and_rows"),
        "save" => key!("bench.side.save"),
        "plain_row" => key!("bench.side.plain_row"),
        "with_the_large_relay" => key!("bench.side.with_the_large_relay"),
        "with_the_small_relay" => key!("bench.side.with_the_small_relay"),
        "at_the_end" => key!("bench.side.at_the_end"),
        "after_the_beginning" => key!("bench.side.after_the_beginning"),
        "under_attack" => key!("bench.side.under_attack"),
        "left_alone" => key!("bench.side.left_alone"),
        other => return other.to_owned(),
    })
}

/// A unit for people.
fn unit(name: &str, messages: &Messages) -> String {
    messages.plain(match name {
        "records/s" => key!("bench.units.records_per_second"),
        "ratio" => key!("bench.units.ratio"),
        "bytes" => key!("bench.units.bytes"),
        "bytes/record" => key!("bench.units.bytes_per_record"),
        "round trips" => key!("bench.units.round_trips"),
        "fsyncs" => key!("bench.units.fsyncs"),
        // Those of the metric system and of computing are the same everywhere.
        other => return other.to_owned(),
    })
}

/// A number as people read it: whole above a thousand, with separators.
fn number(value: f64) -> String {
    let value = rounded(value);
    if value.abs() < 1_000.0 {
        return value.to_string();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::SPECS;
    use crate::messages::Language;

    #[test]
    fn says_units_and_figures_in_both_languages() {
        for language in [Language::Chinese, Language::English] {
            let messages = Messages::of(language);
            for spec in SPECS {
                assert_ne!(messages.plain(spec.title), spec.title.name());
                let shown = unit(spec.unit, messages);
                assert!(
                    language == Language::English || shown != spec.unit || ["s", "ms", "MiB", "%"].contains(&spec.unit),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn writes_numbers_for_people() {
        let written = [0.0, 0.654_321, 12.5, 999.6, 1_000.0, 123_456.0, 1_234_567.0].map(number);
        assert_eq!(written, ["0", "0.6543", "12.5", "999.6", "1,000", "123,500", "1,235,000"]);
    }
}
