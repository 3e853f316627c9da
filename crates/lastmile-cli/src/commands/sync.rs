//! `device sync`: one exchange with the relay, files after it, or a bundle either way.

use std::time::Duration;

use lastmile_client::{ClientError, Replica, ReplicaOptions, SyncReport};
use serde_json::json;

use super::attachments::{sync_files, with_files};
use super::exchanged::say_what_is_left;
use super::opened::{client_error, folder, replica_options, runtime};
use crate::args::device::Sync;
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Makes one exchange; a bar shows how many bytes have gone and come.
async fn sync_with_bar(replica: &Replica, output: &Output) -> Result<SyncReport, ClientError> {
    let bar = output.progress::<&str>(None, key!("device.syncing"), &[]);
    let mut heard = replica.progress();
    let mut exchange = std::pin::pin!(replica.sync());
    loop {
        tokio::select! {
            done = &mut exchange => return done,
            Ok(()) = heard.changed() => {
                let now = *heard.borrow_and_update();
                bar.reach(now.sent.saturating_add(now.received));
            }
        }
    }
}

/// Syncs.
pub(super) fn run(args: &Sync, output: &mut Output) -> Result<Exit, CliError> {
    let language = output.messages().language();
    let failed = |error| client_error(error, language);
    let place = folder(&args.data, Holder::Device)?;
    let options = ReplicaOptions { timeout: Duration::from_secs(args.timeout), ..replica_options(&args.data)? };
    let replica = Replica::open(&place, options).map_err(failed)?;
    let (mut exit, mut not_taken) = (Exit::Done, 0);
    if let Some(file) = &args.to {
        let report = replica.export_bundle(file).map_err(failed)?;
        output.json(&json!({"file": file, "bundle": report}))?;
        output.say(key!("device.bundle_written"), &[("file", file.display().to_string())])?;
    } else if let Some(file) = &args.from {
        let report = replica.import_bundle(file).map_err(failed)?;
        output.json(&json!({"file": file, "bundle": report}))?;
        output.say(key!("device.bundle_read"), &[("count", report.appended.to_string())])?;
        if !report.whole {
            output.say::<&str>(key!("device.bundle_cut"), &[])?;
        }
        exit = if report.whole { Exit::Done } else { Exit::Partial };
        not_taken = report.not_taken;
    } else {
        let runtime = runtime()?;
        let report = runtime.block_on(sync_with_bar(&replica, output)).map_err(failed)?;
        let files = runtime.block_on(sync_files(&replica, output));
        output.json(&with_files(&report, &files))?;
        let counts = [
            ("sent", report.sent_batches.to_string()),
            ("received", report.received_batches.to_string()),
            ("receipts", report.receipts.to_string()),
        ];
        output.say(key!("device.synced"), &counts)?;
        if let Some(off_ms) = replica.status().map_err(failed)?.clock_off_ms {
            let word = if off_ms > 0 { key!("device.clock_ahead") } else { key!("device.clock_behind") };
            output.say(word, &[("minutes", (off_ms.unsigned_abs() / 60_000).to_string())])?;
        }
        exit = say_what_is_left(&report, output)?;
        not_taken = report.not_taken;
    }
    if not_taken > 0 {
        output.say(key!("device.not_taken"), &[("count", not_taken.to_string())])?;
    }
    replica.close().map_err(failed)?;
    Ok(if exit == Exit::Done && not_taken > 0 { Exit::Partial } else { exit })
}
