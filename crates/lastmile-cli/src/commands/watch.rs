//! `device watch`: staying in touch with the relay and telling what happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_client::AutoSync;
use lastmile_client::auto::Pace;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::exchanged::say_refused;
use super::opened::{client_error, replica, runtime};
use crate::args::device::Watch;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Watches until the time is over or the user has seen enough.
pub(super) fn run(args: &Watch, output: &mut Output) -> Result<Exit, CliError> {
    let end = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // A device that turns out to be restored or copied goes on under a new author, for which it is opened again.
    while watch_once(args, end, output)? {
        output.json_line(&json!({"restored": true}))?;
        output.say::<&str>(key!("device.restored"), &[])?;
    }
    Ok(Exit::Done)
}

/// Watches until it is time to end, or until the replica must be opened again: then returns true.
fn watch_once(args: &Watch, end: Option<Instant>, output: &mut Output) -> Result<bool, CliError> {
    let language = output.messages().language();
    let replica = Arc::new(replica(&args.data, output)?);
    let catalogue = Arc::clone(replica.catalogue());
    let restored = runtime()?.block_on(async {
        let mut changes = replica.observe();
        let auto = AutoSync::start(Arc::clone(&replica), Pace::default());
        auto.set_foreground(true);
        let mut status = auto.status();
        let mut refused = Vec::new();
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let end = tokio::time::sleep(end.map_or(Duration::from_secs(86_400 * 365), left));
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Ok::<bool, CliError>(false),
                _ = tokio::signal::ctrl_c() => return Ok(false),
                changed = status.changed() => {
                    if changed.is_err() { return Ok(false) }
                    if replica.needs_reopening() { return Ok(true) }
                    let now = status.borrow_and_update().clone();
                    output.json_line(&json!({"sync": &now}))?;
                    let count = [("count", now.unsent_commits.to_string()), ("relay", replica.relay().to_owned())];
                    let word = if now.unsent_commits == 0 { key!("device.all_sent") } else { key!("device.unsent") };
                    output.say(word, &count)?;
                    if refused != now.refused {
                        for refusal in &now.refused { say_refused(refusal, output)? }
                        refused = now.refused;
                    }
                }
                heard = changes.recv() => match heard {
                    Ok(rows) => for row in rows.iter() {
                        let name = catalogue.types().get(row.type_no).map_or("", |known| known.name.as_str());
                        if args.record_type.as_ref().is_some_and(|wanted| wanted != name) { continue }
                        output.json_line(&json!({"changed": {"type": name, "id": row.record.to_string()}}))?;
                        output.say(key!("device.changed"), &[("type", name.to_owned()), ("id", row.record.to_string())])?;
                    },
                    Err(RecvError::Lagged(_)) => {
                        output.json_line(&json!({"changed": "many"}))?;
                    }
                    Err(RecvError::Closed) => return Ok(false),
                },
            }
        }
    });
    let restored = restored?;
    if let Ok(replica) = Arc::try_unwrap(replica) {
        replica.close().map_err(|error| client_error(error, language))?;
    }
    Ok(restored)
}
