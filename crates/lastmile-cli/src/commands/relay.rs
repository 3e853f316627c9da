//! `relay`: serving, and inviting devices.

use std::io::Write as _;
use std::path::Path;

use lastmile_model::Places;
use lastmile_relay::{Office, OfficeAnswer, OfficeCommand, Relay as Server, RelayFolder, RelayOptions, RunningRelay};
use lastmile_web::Limits;
use serde_json::json;

use super::opened::{folder, runtime};
use super::refused::{no_relay, office_error, relay_error};
use super::written::writing;
use crate::args::relay::{Invite, Relay, Role, Serve};
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Keeps the URL under which devices reach the relay, beside its database.
const PUBLIC_URL: &str = "public.url";
/// A relay's database.
const DATABASE: &str = "relay.db";

/// Runs a command of the relay.
pub(super) fn run(command: &Relay, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        Relay::Serve(args) => serve(args, output),
        Relay::Invite(args) => invite(args, output),
    }
}

fn serve(args: &Serve, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| relay_error(error, language);
    // Without TLS before it a relay speaks to its own computer alone.
    if !args.listen.ip().is_loopback() && args.proxy.is_empty() {
        return Err(CliError::new(Exit::Usage, key!("relay.not_loopback"))
            .with("address", args.listen)
            .cure(key!("relay.cure.not_loopback")));
    }
    let place = folder(&args.data, Holder::Relay)?;
    let options = RelayOptions { register: args.register.clone(), ..RelayOptions::default() };
    let folder = RelayFolder::open_or_create(&place, &options).map_err(failed)?;
    if let Some(url) = &args.public_url {
        let file = place.join(PUBLIC_URL);
        std::fs::write(&file, url).map_err(|error| writing(&file, error))?;
    }
    let limits = Limits {
        connections: args.max_connections,
        connections_per_address: args.max_per_address,
        proxies: args.proxy.clone(),
        ..Limits::default()
    };
    runtime()?.block_on(async {
        let mut relay = Server::start(folder, args.listen, limits).await.map_err(failed)?;
        let announced = announce(&relay, args, &place, output);
        let broken = match announced {
            Ok(()) => tokio::select! {
                broken = relay.broken() => broken,
                () = told_to_stop() => Ok(()),
            },
            Err(_) => Ok(()),
        };
        output.note::<&str>(key!("relay.stops"), &[]);
        let stopped = relay.stop().await;
        announced?;
        broken.and(stopped).map_err(failed)
    })?;
    output.note::<&str>(key!("relay.stopped"), &[]);
    Ok(Exit::Done)
}

/// Says where the relay listens, once it does.
fn announce(relay: &RunningRelay, args: &Serve, place: &Path, output: &mut Output) -> Result<(), CliError> {
    if let Some(file) = &args.address_file {
        std::fs::write(file, relay.addr().to_string()).map_err(|error| writing(file, error))?;
    }
    output.json_line(&json!({
        "address": relay.addr().to_string(),
        "url": args.public_url.clone().unwrap_or_else(|| relay.url()),
        "folder": place,
        "epoch": relay.epoch().to_string(),
    }))?;
    let said = [("url", relay.url()), ("folder", place.display().to_string())];
    output.say(key!("relay.serves"), &said)?;
    output.flush()?;
    output.note::<&str>(key!("relay.how_to_stop"), &[]);
    Ok(())
}

/// Waits for Ctrl-C, or for the word of a service manager.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Where no handler can be had, the system ends the program itself.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
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
    let command = OfficeCommand::Invite {
        scopes: args.scope.iter().map(scope_of).collect(),
        roles: args.role.iter().map(|role| role_code(*role).to_owned()).collect(),
        persons: args.person.clone(),
        replaces: args.replaces.clone(),
        device: args.note.clone().unwrap_or_default(),
        until_ms: args.until.and_then(end_of),
        valid_hours: args.valid_hours,
        relay: args.url.clone().or(kept),
    };
    let mut office = Office::open(&place, &RelayOptions::default()).map_err(|error| relay_error(error, language))?;
    let answer = office.run(command).map_err(|error| office_error(error, language))?;
    let OfficeAnswer::Invite { text, scopes } = answer else {
        return Err(CliError::new(Exit::Failed, key!("relay.failed")).with("reason", "another answer"));
    };
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
    }
    output.note(key!("relay.invite_secret"), &[("hours", args.valid_hours.to_string())]);
    Ok(Exit::Done)
}

/// The scope that a place code stands for.
pub(super) fn scope_of(code: &crate::args::values::PlaceCode) -> String {
    let kind = if code.as_str().len() == 4 { "city" } else { "community" };
    format!("{kind}:{}", code.as_str())
}
