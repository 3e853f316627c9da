//! `demo`: the whole path on this machine.

use lastmile_testkit::acceptance::Scale;

use super::opened::runtime;
use crate::args::trial::{Demo, Size};
use crate::demo::{self, Plan};
use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::{Column, Output, Table};

impl From<Size> for Scale {
    fn from(size: Size) -> Self {
        match size {
            Size::Community => Self::Community,
            Size::Street => Self::Street,
            Size::City => Self::City,
        }
    }
}

/// Runs the demonstration and prints what came out.
pub(super) fn run(args: &Demo, output: &mut Output) -> Result<Exit, CliError> {
    let temporary = std::env::temp_dir().join(format!("lastmile-demo-{}", std::process::id()));
    let folder = args.dir.clone().unwrap_or_else(|| temporary.clone());
    let plan = Plan { scale: args.scale.into(), seed: args.seed, folder, listen: args.listen, without: None };
    let result = runtime()?.block_on(demo::run(&plan, output));
    if args.dir.is_none() {
        // What cannot be removed lies in the system's temporary folder, which clears itself.
        let _ = std::fs::remove_dir_all(&temporary);
    }
    let (summary, _) = result?;
    output.json(&summary)?;
    let messages = output.messages();
    let mut table = Table::new(vec![
        Column::text(messages.plain(key!("demo.figure"))),
        Column::number(messages.plain(key!("demo.count"))),
    ]);
    let rows = [
        (key!("demo.members"), summary.members.to_string()),
        (key!("demo.sessions"), summary.sessions.to_string()),
        (key!("demo.served"), summary.served.to_string()),
        (key!("demo.participations"), summary.participations.to_string()),
        (key!("demo.pairings"), format!("{}/{}", summary.pairings, summary.pairings_of)),
        (key!("demo.teams"), summary.teams.to_string()),
        (key!("demo.devices"), summary.devices.to_string()),
        (key!("demo.duplicates"), summary.duplicates.to_string()),
        (key!("demo.conflicts"), summary.conflicts.to_string()),
        (key!("demo.quarantined"), summary.quarantined.to_string()),
        (key!("demo.lost"), summary.lost.to_string()),
        (key!("demo.seconds"), format!("{:.1}", summary.seconds)),
    ];
    for (name, count) in rows {
        table.row([messages.plain(name).as_str().into(), count.as_str().into()]);
    }
    output.gap()?;
    output.table(&table)?;
    Ok(if summary.lost == 0 && summary.differing.unwrap_or(0) == 0 { Exit::Done } else { Exit::Damage })
}
