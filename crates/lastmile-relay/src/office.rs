//! The office's work: commands in, answers out, records in between.

pub(crate) mod answer;
pub(crate) mod command;
mod conflicts;
mod devices;
mod erasures;
mod find;
mod homes;
mod links;
mod moves;
mod pairs;
pub(crate) mod refusal;
mod resolve;
mod status;
mod steps;
mod tallies;
mod verdicts;

use lastmile_model::roles::Role;
use lastmile_model::{Scope, planted};
use lastmile_store::RecordEdit;

use crate::central::Central;
use crate::{InviteOrder, OfficeAnswer, OfficeCommand, OfficeError, RelayError};
use devices::Reassigned;

/// The longest reason that an event or link holds, in characters.
const REASON: usize = 200;

/// The most records of one commit of the office's; the format allows 256.
const COMMIT_RECORDS: usize = 200;

/// The most commits of one transaction, so that uploads are not kept waiting for long.
const TRANSACTION_COMMITS: usize = 32;

impl Central {
    /// Runs a command on what devices have sent so far, and seals what it writes.
    pub fn run(&mut self, command: OfficeCommand, url: Option<&str>) -> Result<OfficeAnswer, RelayError> {
        self.follow()?;
        self.note_touched();
        let (what, about) = command.audited();
        let unnoted = planted!("lists-unnoted") && what.ends_with('s');
        let reads_alone = matches!(command, OfficeCommand::Status) || unnoted;
        let answer = self.dispatch(command, url);
        if !reads_alone {
            let outcome = match &answer {
                Ok(_) => "done".to_owned(),
                Err(error) => word_of(error),
            };
            let count = answer.as_ref().ok().and_then(OfficeAnswer::count);
            // Nothing is shown that was not noted; what was done stays done and is told as failed to be noted.
            self.audit("office", what, about, count, &outcome)?;
        }
        answer
    }

    fn dispatch(&mut self, command: OfficeCommand, url: Option<&str>) -> Result<OfficeAnswer, RelayError> {
        use OfficeCommand as C;
        match command {
            C::Invite { scopes, roles, persons, device, until_ms, valid_hours, relay, replaces } => {
                let scopes = scopes.iter().map(|text| parse_scope(text)).collect::<Result<Vec<_>, _>>()?;
                let roles = roles_of(&roles)?;
                let relay = relay.or_else(|| url.map(str::to_owned)).ok_or(OfficeError::NoAddress)?;
                let valid_ms = i64::from(valid_hours).saturating_mul(3_600_000);
                let replaces = replaces.map(|author| self.device(&author)).transpose()?;
                let order = InviteOrder { scopes, roles, persons, device, until_ms, valid_ms, relay, replaces };
                let invite = self.invite(&order)?;
                let scopes = invite.scopes.iter().map(Scope::to_string).collect();
                Ok(OfficeAnswer::Invite { text: invite.to_text(), scopes })
            }
            C::Invites => Ok(OfficeAnswer::Invites { invites: self.invites()? }),
            C::Withdraw { invite } => {
                self.withdraw(invite.trim())?;
                Ok(OfficeAnswer::Withdrawn { invite })
            }
            C::Devices { within } => {
                let code = within.as_deref().map(|text| text.split_once(':').map_or(text, |(_, code)| code));
                Ok(OfficeAnswer::Devices { devices: self.device_views(code)? })
            }
            C::Rename { author, name } => {
                let name = name.trim();
                if name.is_empty() {
                    return Err(OfficeError::NoName.into());
                }
                self.reassign(&author, &Reassigned { device: Some(name.to_owned()), ..Reassigned::default() })
            }
            C::Reassign { author, persons, roles, scopes, until_ms } => {
                let roles = roles.map(|roles| roles_of(&roles)).transpose()?;
                let scopes = scopes.map(|texts| texts.iter().map(|text| parse_scope(text)).collect()).transpose()?;
                self.reassign(&author, &Reassigned { persons, roles, scopes, until_ms, device: None })
            }
            C::Revoke { author, reason } => self.revoke(&author, need_reason(&reason)?),
            C::Grant { person, role, scope, since, until } => {
                let role = role_of(&role)?;
                self.grant(person, role, &scope, since.as_deref(), until.as_deref())
            }
            C::EndGrant { person, role, scope, until } => {
                let role = role_of(&role)?;
                self.end_grant(person, role, &scope, until.as_deref())
            }
            C::Grants { person } => Ok(OfficeAnswer::Grants { grants: self.grants_of(person)? }),
            C::Erase { record_type, id, reason } => self.erase(record_type.as_deref(), id, need_reason(&reason)?),
            C::Duplicates { record_type, within, likeness, limit } => {
                self.duplicates(record_type.as_deref(), within.as_deref(), likeness, limit)
            }
            C::Conflicts { record_type, within, all, limit } => {
                self.conflicts(record_type.as_deref(), within.as_deref(), all, limit)
            }
            C::Resolve { record_type, id, field, decision, reason } => {
                self.resolve(record_type.as_deref(), id, &field, &decision, need_reason(&reason)?)
            }
            C::Link { loser, winner, reason } => self.link(loser, winner, need_reason(&reason)?),
            C::Unlink { loser, winner, reason } => self.unlink(loser, winner, need_reason(&reason)?),
            C::Confirm { which, on } => self.confirm(&which, on.as_deref()),
            C::Verify { which } => self.verify(&which),
            C::MarkDuplicate { activity, of, reason } => self.mark_duplicate(activity, of, need_reason(&reason)?),
            C::Return { ids, why } => self.give_back(&ids, need_reason(&why)?),
            C::Move { person, to, on, why } => self.move_person(person, &to, on.as_deref(), need_reason(&why)?),
            C::Quarantine { scope, author, from, to, reason } => {
                self.quarantine(&scope, &author, from, to, need_reason(&reason)?)
            }
            C::Release { scope, author, from, to, reason } => {
                self.release(&scope, &author, from, to, need_reason(&reason)?)
            }
            C::Tallies { year } => self.tallies(year),
            C::Backup { to } => {
                let (epoch, at_ms) = (self.office, self.now_ms());
                let backup = crate::backup::take(&self.reader, &self.folder, self.files.folder(), &to, epoch, at_ms)?;
                self.note_backup(at_ms)?;
                Ok(OfficeAnswer::BackedUp { bytes: backup.bytes })
            }
            C::Status => self.status(),
        }
    }

    /// Saves edits, grouped into commits by scope. Few commits are one transaction; many are several, each of which stands by
    /// itself: a command that is repeated finds the rest.
    pub(crate) fn save_grouped(&mut self, note: &str, edits: Vec<(Scope, RecordEdit)>) -> Result<(), RelayError> {
        let mut by_scope: std::collections::BTreeMap<Scope, Vec<RecordEdit>> = std::collections::BTreeMap::new();
        for (scope, edit) in edits {
            by_scope.entry(scope).or_default().push(edit);
        }
        let mut commits = Vec::new();
        for (scope, mut edits) in by_scope {
            while !edits.is_empty() {
                let rest = edits.split_off(edits.len().min(COMMIT_RECORDS));
                commits.push(self.commit(&scope, note, std::mem::replace(&mut edits, rest)));
            }
        }
        for chunk in commits.chunks(TRANSACTION_COMMITS) {
            self.save(chunk, &[])?;
        }
        Ok(())
    }
}

/// Trims a reason and refuses none, or one that is too long.
fn need_reason(reason: &str) -> Result<&str, OfficeError> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err(OfficeError::NoReason),
        count if count > REASON => Err(OfficeError::LongReason { most: REASON }),
        _ => Ok(reason),
    }
}

fn role_of(code: &str) -> Result<Role, OfficeError> {
    code.trim().parse().map_err(|_| OfficeError::NoRole)
}

fn roles_of(codes: &[String]) -> Result<Vec<Role>, OfficeError> {
    codes.iter().map(|code| role_of(code)).collect()
}

/// The stable word of a refusal, for the audit log.
fn word_of(error: &RelayError) -> String {
    match error {
        RelayError::Office(error) => serde_json::to_value(error)
            .ok()
            .and_then(|json| Some(json.get("code")?.as_str()?.to_owned()))
            .unwrap_or_else(|| "refused".to_owned()),
        _ => "failed".to_owned(),
    }
}

fn parse_scope(text: &str) -> Result<Scope, OfficeError> {
    let bare = || Scope::community(text).ok();
    text.parse::<Scope>().ok().or_else(bare).ok_or_else(|| OfficeError::BadScope { text: text.to_owned() })
}

/// What a commit's extension says about a command: small JSON, kept and chained.
fn note_of(what: &str, reason: &str) -> String {
    serde_json::json!({ "office": what, "why": reason }).to_string()
}
