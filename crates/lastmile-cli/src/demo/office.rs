//! What the office does in a run: it links, decides, verifies and moves what the data set lists.

use lastmile_model::Value;
use lastmile_relay::{Decision, OfficeAnswer, OfficeCommand, RunningRelay, Selection};
use lastmile_testkit::acceptance::{Ledger, OfficeAction};
use uuid::Uuid;

use super::{DemoError, Plan};
use crate::messages::key;
use crate::output::Output;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub links: usize,
    pub resolved: usize,
    pub moves: usize,
}

fn typed(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Bytes(bytes) => {
            <[u8; 16]>::try_from(bytes.as_slice()).map_or_else(|_| String::new(), |id| Uuid::from_bytes(id).to_string())
        }
        _ => String::new(),
    }
}

/// Does the office's part.
pub(super) async fn work(
    relay: &RunningRelay,
    ledger: &Ledger,
    plan: &Plan,
    output: &Output,
) -> Result<Done, DemoError> {
    let office = relay.office();
    let mut done = Done::default();
    let search = OfficeCommand::Duplicates {
        record_type: None,
        within: None,
        likeness: lastmile_relay::Likeness::Strong,
        limit: usize::MAX,
    };
    if let OfficeAnswer::Duplicates { linked, .. } = office.run(search).await? {
        done.links += linked.len();
    }
    let bar = output.progress::<&str>(Some(ledger.office.len() as u64), key!("demo.office"), &[]);
    for action in &ledger.office {
        bar.add(1);
        let command = match action {
            OfficeAction::Link { duplicate } if duplicate.likeness.is_automatic() => continue,
            OfficeAction::Link { duplicate } => OfficeCommand::Link {
                loser: duplicate.other.0,
                winner: duplicate.canonical.0,
                reason: "同一人".to_owned(),
            },
            OfficeAction::MarkDuplicate { duplicate, .. } => OfficeCommand::MarkDuplicate {
                activity: duplicate.repeated.0,
                of: duplicate.original.0,
                reason: "同一场".to_owned(),
            },
            OfficeAction::Resolve { record_type, record, field, value, .. } => OfficeCommand::Resolve {
                record_type: Some((*record_type).to_owned()),
                id: record.0,
                field: (*field).to_owned(),
                decision: Decision::Value(typed(value)),
                reason: "核对纸质记录".to_owned(),
            },
            OfficeAction::Verify { activity, .. } => OfficeCommand::Verify { which: Selection::Ids(vec![activity.0]) },
            OfficeAction::Move { person, to, on, .. } => OfficeCommand::Move {
                person: person.0,
                to: ledger_place(ledger, *to),
                on: Some(on.clone()),
                why: "迁居".to_owned(),
            },
        };
        match (office.run(command).await, plan.without) {
            (Ok(OfficeAnswer::Linked(_)), _) => done.links += 1,
            (Ok(OfficeAnswer::Resolved { .. }), _) => done.resolved += 1,
            (Ok(OfficeAnswer::Moved { .. }), _) => done.moves += 1,
            (Ok(_), _) => {}
            // What a lost device alone recorded is not there to be worked on.
            (Err(_), Some(_)) => {}
            (Err(error), None) => return Err(error.into()),
        }
    }
    let year = 2025;
    office.run(OfficeCommand::Tallies { year }).await?;
    Ok(done)
}

/// The place code of a community by its number in the plan.
fn ledger_place(ledger: &Ledger, community: usize) -> String {
    let of = |device: &&lastmile_testkit::acceptance::DeviceLedger| device.device.community == Some(community);
    let label = ledger.devices.iter().find(of).map_or("", |device| device.label.as_str());
    label.split('-').next().unwrap_or_default().to_owned()
}
