//! From the generators' saves to commits of a device.

use lastmile_crdt::Edit;
use lastmile_model::{Scope, Value};
use lastmile_store::{NewCommit, RecordEdit};
use lastmile_testkit::{Action, EditKind};

/// Turns a save of the generators into a commit that a device can save, with fresh salts; `seal` closes a number that only the office
/// may read.
///
/// # Errors
/// With what `seal` says, or when the machine gives no randomness.
pub fn commit<E: From<getrandom::Error>>(
    action: &Action,
    scope: &Scope,
    app: &str,
    seal: impl Fn(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<NewCommit, E> {
    let mut edits = Vec::with_capacity(action.edits.len());
    for edit in &action.edits {
        let mut values = Vec::with_capacity(edit.values.len());
        for (name, value) in &edit.values {
            let value = match value {
                Value::Str(plain) if name == "id_no" => Value::Bytes(seal(plain.as_bytes())?),
                other => other.clone(),
            };
            values.push(Edit::Set { key: name.clone(), value });
        }
        edits.push(RecordEdit {
            record_type: edit.record_type.to_owned(),
            record: edit.record,
            create: edit.kind == EditKind::Create,
            salt: random()?,
            edits: values,
        });
    }
    Ok(NewCommit {
        scope: scope.clone(),
        acting: Some(action.by.0),
        hlc: 0,
        wall_ms: action.at_ms,
        app: app.to_owned(),
        extension: Vec::new(),
        edits,
    })
}

/// Random bytes.
///
/// # Errors
/// When the machine gives none.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
