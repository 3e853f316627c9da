//! How things stand.

use std::collections::BTreeMap;

use lastmile_model::{AuthorId, Scope, ScopeKind, keys};
use lastmile_protocol::limits::AUTH_WINDOW_MS;
use lastmile_store::ChangeState;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;

use super::answer::{DeviceView, LogView, OddView, StatusView};
use crate::central::Central;
use crate::{OfficeAnswer, RelayError};

/// The most changes that are listed one by one.
const LISTED: usize = 1000;

impl Central {
    pub(super) fn status(&mut self) -> Result<OfficeAnswer, RelayError> {
        let scopes = self.scope_map()?;
        let counts = self.reader.counts(None)?;
        let mut open_conflicts = 0u64;
        for type_no in 0..self.catalogue.types().len() {
            let query = Query::new(type_no, &["open"]).filter("open", Test::Above, Cell::Int(0));
            for row in self.reader.rows(&query)? {
                let open = row.cells.first().and_then(Cell::int).and_then(|open| u64::try_from(open).ok());
                open_conflicts = open_conflicts.saturating_add(open.unwrap_or(0));
            }
        }
        let odds = self.reader.odd(None)?;
        let odd = odds.into_iter().take(LISTED).map(|(odd, author)| OddView {
            why: self
                .reader
                .why_quarantined(&odd, author)
                .map_or_else(String::new, |(rule, reason)| if rule.is_empty() { reason } else { rule }),
            scope: scopes.get(&odd.scope).map(Scope::to_string).unwrap_or_default(),
            author: author.to_string(),
            seq: odd.position.seq(),
            state: word(odd.state).to_owned(),
            reason: odd.reason,
            record_type: odd.record_type,
            record: odd.record.0,
        });
        let odd: Vec<OddView> = odd.collect();
        let devices = self.device_views(None)?;
        Ok(OfficeAnswer::Status(Box::new(StatusView {
            deployment: keys::bytes_element(&self.deployment.id),
            epoch: self.office.to_string(),
            scopes: scopes.values().map(Scope::to_string).collect(),
            bytes: self.store.size()?,
            applied: counts.applied,
            waiting: counts.waiting,
            quarantined: counts.quarantined,
            opaque: counts.opaque,
            erased: counts.erased,
            pending: counts.pending,
            open_conflicts,
            devices,
            odd,
        })))
    }
}

impl Central {
    /// The devices of places whose code begins so, or all, with their logs.
    pub(super) fn device_views(&mut self, within: Option<&str>) -> Result<Vec<DeviceView>, RelayError> {
        let mut logs: BTreeMap<AuthorId, Vec<LogView>> = BTreeMap::new();
        for log in self.reader.logs()? {
            logs.entry(log.author).or_default().push(LogView {
                scope: log.scope.to_string(),
                head: log.head,
                changes: log.changes,
                last_wall_ms: log.last_wall_ms,
                branch: log.branch,
            });
        }
        let lies = |scope: &Scope| {
            within.is_none_or(|code| scope.kind() == ScopeKind::Community && scope.code().starts_with(code))
        };
        let trust = self.trust()?;
        let now_ms = self.now_ms();
        let mut devices = Vec::new();
        for (author, certificate) in trust.authors().filter(|(_, certificate)| !certificate.writes_orders()) {
            // A certificate that ended names no place; those before it do.
            let mut scopes: Vec<&Scope> = certificate.scopes.iter().collect();
            let former = trust.certificates(author).flat_map(|one| &one.scopes);
            if !scopes.iter().copied().chain(former).any(lies) && within.is_some() {
                continue;
            }
            scopes.sort_unstable();
            let named = trust.certificates(author).flat_map(|one| &one.scopes);
            let logs = logs.remove(&author).unwrap_or_default();
            // What was saved before now cannot say later than now; of a clock that is behind nothing can be told from work that waited.
            let ahead_ms = logs.iter().map(|log| log.last_wall_ms.saturating_sub(now_ms)).max();
            devices.push(DeviceView {
                author: author.to_string(),
                device: certificate.device.clone(),
                roles: certificate.roles.clone(),
                scopes: scopes.into_iter().map(Scope::to_string).collect(),
                persons: certificate.persons.clone(),
                revoked: named.into_iter().any(|scope| self.store.is_revoked(scope, author)),
                until_ms: certificate.until_ms,
                last_contact_ms: self.last_contact(author),
                clock_ahead_ms: ahead_ms.filter(|ahead_ms| *ahead_ms > AUTH_WINDOW_MS),
                logs,
            });
        }
        Ok(devices)
    }
}

const fn word(state: ChangeState) -> &'static str {
    match state {
        ChangeState::Applied => "applied",
        ChangeState::Waiting => "waiting",
        ChangeState::Quarantined => "quarantined",
        ChangeState::Opaque => "opaque",
        ChangeState::Erased => "erased",
        ChangeState::Pending => "pending",
    }
}
