//! `office`: deciding, confirming, verifying, on a running relay or on its folder.

use std::path::PathBuf;

use chrono::NaiveDate;
use lastmile_relay::{
    ConflictView, Decision, Likeness, Office as Desk, OfficeAnswer, OfficeCommand, RelayOptions, Selection,
};
use serde_json::json;
use uuid::Uuid;

use super::opened::{find_record, folder, reader};
use super::refused::{no_relay, office_error, relay_error};
use super::relay::scope_of;
use super::shown::instant;
use crate::args::DataDir;
use crate::args::office::{self as typed, Office, Verdict};
use crate::args::values::{Commits, RecordRef};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Column, Output, Table};

/// Runs a command of the office.
pub(super) fn run(command: &Office, output: &mut Output) -> Result<Exit, CliError> {
    let data = data_of(command);
    let place = relay_folder(data)?;
    let commands = commands_of(command, data)?;
    let language = output.messages().language();
    let mut desk = Desk::open(&place, &RelayOptions::default()).map_err(|error| relay_error(error, language))?;
    let mut answers = Vec::with_capacity(commands.len());
    for one in commands {
        // What was done before a refusal stays done, so it is shown before the refusal is told.
        match desk.run(one) {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                show(&answers, output)?;
                return Err(office_error(error, language));
            }
        }
    }
    drop(desk);
    show(&answers, output)?;
    Ok(exit_of(&answers))
}

const fn data_of(command: &Office) -> &DataDir {
    match command {
        Office::Duplicates(args) => &args.data,
        Office::Conflicts(args) => &args.data,
        Office::Resolve(args) => &args.data,
        Office::Link(args) => &args.data,
        Office::Unlink(args) => &args.data,
        Office::Confirm(args) => &args.data,
        Office::Verify(args) => &args.data,
        Office::Return(args) => &args.data,
        Office::Move(args) => &args.data,
        Office::Quarantine(args) | Office::Release(args) => &args.data,
        Office::Rights(rights) => rights.data(),
    }
}

fn relay_folder(data: &DataDir) -> Result<PathBuf, CliError> {
    let place = folder(data, Holder::Relay)?;
    if place.join("relay.db").is_file() { Ok(place) } else { Err(no_relay(&place)) }
}

/// Whole ids for what was typed, of one type or of any.
fn whole(data: &DataDir, ids: &[&RecordRef], record_type: Option<&str>) -> Result<Vec<Uuid>, CliError> {
    // A whole id may name what the views do not show yet; the office knows.
    let given: Option<Vec<Uuid>> =
        ids.iter().map(|id| if id.digits().len() == 32 { Uuid::try_parse(id.digits()).ok() } else { None }).collect();
    if let Some(given) = given {
        return Ok(given);
    }
    let mut reader = reader(data, Holder::Relay)?;
    ids.iter().map(|id| Ok(find_record(&mut reader, id, record_type)?.id.0)).collect()
}

pub(super) fn one(data: &DataDir, id: &RecordRef, record_type: Option<&str>) -> Result<Uuid, CliError> {
    let found = whole(data, &[id], record_type)?;
    found.first().copied().ok_or_else(|| CliError::new(Exit::NotFound, key!("error.no_record")).with("id", id.digits()))
}

fn several(data: &DataDir, ids: &[RecordRef], record_type: Option<&str>) -> Result<Vec<Uuid>, CliError> {
    whole(data, &ids.iter().collect::<Vec<_>>(), record_type)
}

fn pair(data: &DataDir, one: &RecordRef, other: &RecordRef) -> Result<(Uuid, Uuid), CliError> {
    let ids = whole(data, &[one, other], None)?;
    match ids.as_slice() {
        [winner, loser] => Ok((*winner, *loser)),
        _ => Err(CliError::new(Exit::NotFound, key!("error.no_record")).with("id", one.digits())),
    }
}

const fn likeness(typed: typed::Likeness) -> Likeness {
    match typed {
        typed::Likeness::Exact => Likeness::Exact,
        typed::Likeness::Strong => Likeness::Strong,
        typed::Likeness::Weak => Likeness::Weak,
    }
}

fn day(day: Option<NaiveDate>) -> Option<String> {
    day.map(|day| day.to_string())
}

fn verdicts(args: &Verdict, make: impl Fn(&str, &Commits, &str) -> OfficeCommand) -> Vec<OfficeCommand> {
    let scope = scope_of(&args.scope);
    args.commits.iter().map(|commits| make(&scope, commits, &args.reason.why)).collect()
}

/// The commands that a line stands for: one, or one for each range of commits.
fn commands_of(command: &Office, data: &DataDir) -> Result<Vec<OfficeCommand>, CliError> {
    let single = match command {
        Office::Rights(rights) => super::rights::command_of(rights)?,
        Office::Duplicates(args) => OfficeCommand::Duplicates {
            record_type: args.record_type.clone(),
            within: args.scope.as_ref().map(|code| code.as_str().to_owned()),
            likeness: likeness(args.likeness),
            limit: args.limit,
        },
        Office::Conflicts(args) => OfficeCommand::Conflicts {
            record_type: args.record_type.clone(),
            within: args.scope.as_ref().map(|code| code.as_str().to_owned()),
            all: args.all,
            limit: args.limit,
        },
        Office::Resolve(args) => OfficeCommand::Resolve {
            record_type: None,
            id: one(data, &args.id, None)?,
            field: args.field.clone(),
            decision: match (&args.take, &args.value) {
                (_, Some(value)) => Decision::Value(value.clone()),
                (take, None) => Decision::Take(take.unwrap_or_default()),
            },
            reason: args.reason.why.clone(),
        },
        Office::Link(args) => {
            let (winner, loser) = pair(data, &args.one, &args.other)?;
            OfficeCommand::Link { loser, winner, reason: args.reason.why.clone() }
        }
        Office::Unlink(args) => {
            let (winner, loser) = pair(data, &args.one, &args.other)?;
            OfficeCommand::Unlink { loser, winner, reason: args.reason.why.clone() }
        }
        Office::Confirm(args) => OfficeCommand::Confirm {
            which: Selection::Ids(several(data, &args.ids, Some("check_in"))?),
            on: day(args.on),
        },
        Office::Verify(args) => {
            OfficeCommand::Verify { which: Selection::Ids(several(data, &args.ids, Some("activity"))?) }
        }
        Office::Return(args) => {
            OfficeCommand::Return { ids: several(data, &args.ids, None)?, why: args.reason.why.clone() }
        }
        Office::Move(args) => OfficeCommand::Move {
            person: one(data, &args.id, Some("person"))?,
            to: args.to.as_str().to_owned(),
            on: day(args.on),
            why: args.reason.why.clone(),
        },
        Office::Quarantine(args) => {
            return Ok(verdicts(args, |scope, commits, why| OfficeCommand::Quarantine {
                scope: scope.to_owned(),
                author: commits.author.clone(),
                from: commits.first,
                to: commits.last,
                reason: why.to_owned(),
            }));
        }
        Office::Release(args) => {
            return Ok(verdicts(args, |scope, commits, why| OfficeCommand::Release {
                scope: scope.to_owned(),
                author: commits.author.clone(),
                from: commits.first,
                to: commits.last,
                reason: why.to_owned(),
            }));
        }
    };
    Ok(vec![single])
}

/// Records that were left as they were make the work partial.
fn exit_of(answers: &[OfficeAnswer]) -> Exit {
    let mut exit = Exit::Done;
    for answer in answers {
        if let OfficeAnswer::Done { done, skipped } = answer
            && !skipped.is_empty()
        {
            exit = if *done == 0 { Exit::Refused } else { Exit::Partial };
        }
    }
    exit
}

fn show(answers: &[OfficeAnswer], output: &mut Output) -> Result<(), CliError> {
    match answers {
        [] => return Ok(()),
        [answer] => output.json(answer)?,
        several => output.json(&json!(several))?,
    }
    for answer in answers {
        tell(answer, output)?;
    }
    Ok(())
}

fn tell(answer: &OfficeAnswer, output: &mut Output) -> Result<(), CliError> {
    match answer {
        OfficeAnswer::Duplicates { linked, persons, activities, found } => {
            for link in linked {
                let ids = [("loser", link.loser.to_string()), ("winner", link.winner.to_string())];
                output.say(key!("office.linked"), &ids)?;
            }
            let mut table = Table::new(vec![
                Column::text("id"),
                Column::text(output.messages().plain(key!("office.other"))),
                Column::text(output.messages().plain(key!("office.label"))),
                Column::text(output.messages().plain(key!("office.scope"))),
                Column::text(output.messages().plain(key!("office.likeness"))),
                Column::text(output.messages().plain(key!("office.reason"))),
            ]);
            let sides = |one: &lastmile_relay::Side, other: &lastmile_relay::Side| {
                let both =
                    |one: &str, other: &str| if one == other { one.to_owned() } else { format!("{one} | {other}") };
                [
                    one.id.to_string(),
                    other.id.to_string(),
                    both(&one.label, &other.label),
                    both(&one.scope, &other.scope),
                ]
            };
            for pair in persons {
                let cells = sides(&pair.one, &pair.other).into_iter().chain([pair.grade.clone(), pair.reason.clone()]);
                table.row(cells.map(Into::into));
            }
            for pair in activities {
                let cells = sides(&pair.one, &pair.other).into_iter().chain([pair.date.clone(), pair.reason.clone()]);
                table.row(cells.map(Into::into));
            }
            if !table.is_empty() {
                output.table(&table)?;
            }
            let shown = persons.len().saturating_add(activities.len());
            output.say(key!("office.pairs"), &[("found", found.to_string()), ("shown", shown.to_string())])
        }
        OfficeAnswer::Conflicts { conflicts, records } => {
            for conflict in conflicts {
                tell_conflict(conflict, output)?;
                output.gap()?;
            }
            let counts = [("count", conflicts.len().to_string()), ("records", records.to_string())];
            output.say(key!("office.conflicts"), &counts)
        }
        OfficeAnswer::Resolved { id, field, shown } => {
            let said = [("id", id.to_string()), ("field", field.clone()), ("value", shown.clone().unwrap_or_default())];
            output.say(key!("office.resolved"), &said)
        }
        OfficeAnswer::Linked(link) => {
            let ids = [("loser", link.loser.to_string()), ("winner", link.winner.to_string())];
            output.say(key!("office.linked"), &ids)
        }
        OfficeAnswer::Unlinked { still_joined, .. } => {
            output.say::<&str>(key!("office.unlinked"), &[])?;
            if *still_joined { output.say::<&str>(key!("office.still_joined"), &[]) } else { Ok(()) }
        }
        OfficeAnswer::Done { done, skipped } => {
            for record in skipped {
                let said = [("id", record.id.to_string()), ("state", record.state.clone())];
                output.say(key!("office.skipped"), &said)?;
            }
            output.say(key!("office.done"), &[("done", done.to_string()), ("left", skipped.len().to_string())])
        }
        OfficeAnswer::Moved { person, from, to, .. } => {
            let said = [("id", person.to_string()), ("from", from.clone()), ("to", to.clone())];
            output.say(key!("office.moved"), &said)
        }
        OfficeAnswer::Verdict { id, from, to } => {
            let said = [("id", id.to_string()), ("first", from.to_string()), ("last", to.to_string())];
            output.say(key!("office.verdict"), &said)
        }
        other => super::rights::tell(other, output).map(drop),
    }
}

fn tell_conflict(conflict: &ConflictView, output: &mut Output) -> Result<(), CliError> {
    let said = [
        ("type", conflict.record_type.clone()),
        ("id", conflict.id.to_string()),
        ("label", conflict.label.clone()),
        ("field", conflict.field.clone()),
        ("kind", conflict.kind.clone()),
        ("scope", conflict.scope.clone()),
    ];
    output.say(key!("office.conflict"), &said)?;
    let mut table = Table::new(vec![
        Column::number(output.messages().plain(key!("office.side"))),
        Column::text(output.messages().plain(key!("device.value"))),
        Column::text(output.messages().plain(key!("office.device"))),
        Column::text(output.messages().plain(key!("device.when"))),
    ]);
    for (number, side) in (1u64..).zip(&conflict.sides) {
        let mark = if side.value == conflict.shown { "*" } else { "" };
        table.row([
            format!("{number}{mark}").into(),
            side.value.clone().unwrap_or_else(|| "—".to_owned()).into(),
            side.device.as_str().into(),
            instant(side.wall_ms).into(),
        ]);
    }
    output.table(&table)
}
