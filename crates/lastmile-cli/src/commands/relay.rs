//! `relay`: serving, and inviting devices.

mod qr;
mod serve;

use std::io::Write as _;

use lastmile_model::Places;
use lastmile_relay::{Office, OfficeAnswer, OfficeCommand, RelayOptions};
use serde_json::json;

use self::qr::Code;
use super::opened::folder;
use super::refused::{no_relay, office_error, relay_error};
use super::shown::instant;
use super::written::writing;
use crate::args::Global;
use crate::args::relay::{BackUp, Invite, Relay, Restore, Role};
use crate::config::is_near;
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Keeps the URL under which devices reach the relay, beside its database.
const PUBLIC_URL: &str = "public.url";
/// A relay's database.
const DATABASE: &str = "relay.db";

/// Runs a command of the relay.
pub(super) fn run(command: &Relay, global: &Global, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        Relay::Serve(args) => serve::serve(args, global, output),
        Relay::CheckConfig(args) => serve::check_config(args, output),
        Relay::Invite(args) => invite(args, output),
        Relay::Backup(args) => backup(args, output),
        Relay::Restore(args) => restore(args, output),
    }
}

fn backup(args: &BackUp, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let place = folder(&args.data, Holder::Relay)?;
    // The relay may run in another folder than this command.
    let to = std::path::absolute(&args.to).map_err(|error| writing(&args.to, error))?;
    let mut office = Office::open(&place, &RelayOptions::default()).map_err(|error| relay_error(error, language))?;
    let answer = office.run(OfficeCommand::Backup { to: to.clone() }).map_err(|error| office_error(error, language))?;
    let OfficeAnswer::BackedUp { bytes } = answer else {
        return Err(CliError::new(Exit::Failed, key!("relay.failed")).with("reason", "another answer"));
    };
    output.json(&json!({"folder": to, "bytes": bytes}))?;
    let said = [("folder", to.display().to_string()), ("bytes", bytes.to_string())];
    output.say(key!("relay.backed_up"), &said)?;
    Ok(Exit::Done)
}

fn restore(args: &Restore, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let place = folder(&args.data, Holder::Relay)?;
    let restored = lastmile_relay::restore(&args.from, &place, &RelayOptions::default());
    let (backup, folder) = restored.map_err(|error| relay_error(error, language))?;
    let counts = folder.reader().and_then(|mut reader| Ok(reader.counts(None)?));
    let held = counts.map_err(|error| relay_error(error, language))?.held();
    output.json(&json!({"at_ms": backup.at_ms, "changes": held, "epoch": folder.epoch().to_string()}))?;
    let said = [("when", instant(backup.at_ms)), ("changes", held.to_string())];
    output.say(key!("relay.restored"), &said)?;
    Ok(Exit::Done)
}

/// The code of a role in records and certificates.
pub(super) const fn role_code(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Secretary => "secretary",
        Role::Street => "street",
        Role::Liaison => "liaison",
        Role::Member => "member",
        Role::Auditor => "auditor",
        Role::District => "district",
        Role::Central => "central",
    }
}

/// The last millisecond of a day in Asia/Shanghai.
pub(super) fn end_of(day: chrono::NaiveDate) -> Option<i64> {
    let next = day.succ_opt()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis();
    next.checked_sub(8 * 3_600_000 + 1)
}

fn invite(args: &Invite, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let place = folder(&args.data, Holder::Relay)?;
    if !place.join(DATABASE).is_file() {
        return Err(no_relay(&place));
    }
    // A device of a place that does not exist would never meet anybody.
    let unknown = args.scope.iter().find(|code| Places::changsha().get(code.as_str()).is_none());
    if let Some(code) = unknown {
        return Err(CliError::new(Exit::NotFound, key!("relay.unknown_place"))
            .with("code", code.as_str())
            .cure(key!("relay.cure.unknown_place")));
    }
    let kept = std::fs::read_to_string(place.join(PUBLIC_URL)).ok().map(|url| url.trim().to_owned());
    let url = args.url.clone().or(kept);
    // A device would refuse to send its work in clear text to another computer.
    if let Some(url) = url.as_deref().filter(|url| url.starts_with("http://") && !is_near(url)) {
        return Err(CliError::new(Exit::Usage, key!("error.clear_text"))
            .with("address", url)
            .cure(key!("cure.clear_text")));
    }
    let command = OfficeCommand::Invite {
        scopes: args.scope.iter().map(scope_of).collect(),
        roles: args.role.iter().map(|role| role_code(*role).to_owned()).collect(),
        persons: args.person.clone(),
        replaces: args.replaces.clone(),
        device: args.note.clone().unwrap_or_default(),
        until_ms: args.until.and_then(end_of),
        valid_hours: args.valid_hours,
        relay: url,
    };
    let mut office = Office::open(&place, &RelayOptions::default()).map_err(|error| relay_error(error, language))?;
    let answer = office.run(command).map_err(|error| office_error(error, language))?;
    let OfficeAnswer::Invite { text, scopes } = answer else {
        return Err(CliError::new(Exit::Failed, key!("relay.failed")).with("reason", "another answer"));
    };
    if let Some(file) = &args.qr {
        Code::of(&text)?.write(file)?;
    }
    if let Some(file) = &args.out {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut open = options.open(file).map_err(|error| writing(file, error))?;
        writeln!(open, "{text}").map_err(|error| writing(file, error))?;
        output.json(&json!({"file": file, "scopes": scopes}))?;
        let said = [("file", file.display().to_string()), ("scopes", scopes.join(", "))];
        output.say(key!("relay.invite_written"), &said)?;
    } else {
        output.json(&json!({"invite": text, "scopes": scopes}))?;
        output.line(&text)?;
        // For whoever stands before the screen with the device; a pipe gets the line alone.
        if output.is_terminal()
            && args.qr.is_none()
            && let Ok(code) = Code::of(&text)
        {
            output.gap()?;
            for line in code.lines() {
                output.line(&line)?;
            }
        }
    }
    if let Some(file) = &args.qr {
        output.note(key!("relay.qr_written"), &[("file", file.display().to_string())]);
    }
    output.note(key!("relay.invite_secret"), &[("hours", args.valid_hours.to_string())]);
    Ok(Exit::Done)
}

/// The scope that a place code stands for.
pub(super) fn scope_of(code: &crate::args::values::PlaceCode) -> String {
    let kind = if code.as_str().len() == 4 { "city" } else { "community" };
    format!("{kind}:{}", code.as_str())
}
