//! Which scopes a device holds: those that the office's latest certificate names, of it or of whom it goes on for.

use std::collections::BTreeSet;

use lastmile_model::permissions::{Operation, Permissions};
use lastmile_model::roles::Role;
use lastmile_model::{Key, Scope, planted};
use lastmile_store::{NewCommit, Store};

use super::Replica;
use crate::ClientError;
use crate::belief;
use crate::succession::own_authors;

impl Replica {
    /// Holds what the own certificate names by now, and what that of the author has left which this one goes on for: a copy of a device
    /// keeps no more than the device. What is named no more is let go of for good, once nothing of this device's own work there is
    /// unsent and, of a device that was sent elsewhere, no file waits; until then it is only offered to the relay. Returns the scopes let go of.
    pub(super) fn settle_scopes(&self, store: &mut Store) -> Result<Vec<Scope>, ClientError> {
        let Some(own) = store.trust().and_then(|trust| trust.in_force(self.author)) else { return Ok(Vec::new()) };
        let held: BTreeSet<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
        let named: BTreeSet<Scope> = own.scopes.iter().cloned().collect();
        for scope in named.difference(&held) {
            store.hold_scope(scope)?;
        }
        if planted!("keeps-what-is-taken") {
            return Ok(Vec::new());
        }
        let (revoked, moved) = (planted!("revoked-work-dropped"), planted!("move-drops-unsent"));
        let careless = if named.is_empty() { revoked } else { moved };
        let (authors, epoch) = (own_authors(store, self.author), store.epoch()?);
        let mut gone = Vec::new();
        for scope in held.difference(&named) {
            let mut unsent = 0u64;
            for author in &authors {
                unsent = unsent.saturating_add(store.unsent_in(scope, *author)?.commits);
            }
            // Photos follow their records in a lane of their own. Who was revoked is given no time for them.
            let waiting = if named.is_empty() { 0 } else { store.waiting_files(scope, epoch, &authors)? };
            if (unsent == 0 && waiting == 0) || careless {
                store.forget_scope(scope)?;
                belief::forget(store, scope)?;
                tracing::warn!(%scope, "the office took the scope away; nothing of it is left on this device");
                gone.push(scope.clone());
            }
        }
        Ok(gone)
    }

    /// Whether the office has revoked this device, under whatever author it went on.
    pub(super) fn is_revoked(&self, store: &Store) -> bool {
        let own = store.trust().and_then(|trust| trust.in_force(self.author));
        own.is_some_and(|own| own.scopes.is_empty())
    }

    /// Refuses a step that no role of this device's users may take, where the table knows the type.
    pub(crate) fn permit_operation(&self, record_type: &str, operation: Operation<'_>) -> Result<(), ClientError> {
        let roles = self.with_store(|store| {
            let own = store.trust().and_then(|trust| trust.certificate(self.author));
            own.map(|own| own.roles.iter().filter_map(|role| role.parse().ok()).collect::<Vec<Role>>())
        });
        let (Some(roles), table) = (roles, Permissions::builtin()) else { return Ok(()) };
        if !table.knows(record_type) || roles.iter().any(|role| table.allows(*role, record_type, operation)) {
            return Ok(());
        }
        Err(ClientError::NotPermitted { record_type: record_type.to_owned(), operation: operation.word().to_owned() })
    }

    /// Refuses a save that the relay would hold back: no role of this device's users may do this.
    pub(crate) fn permit(&self, store: &Store, commits: &[NewCommit]) -> Result<(), ClientError> {
        let Some(own) = store.trust().and_then(|trust| trust.certificate(self.author)) else { return Ok(()) };
        let roles: Vec<Role> = own.roles.iter().filter_map(|role| role.parse().ok()).collect();
        let table = Permissions::builtin();
        for edit in commits.iter().flat_map(|commit| &commit.edits) {
            // Types of another catalogue have another table.
            if !table.knows(&edit.record_type) {
                continue;
            }
            let may =
                |operation: Operation<'_>| roles.iter().any(|role| table.allows(*role, &edit.record_type, operation));
            let mut needed: BTreeSet<Operation<'_>> = BTreeSet::new();
            needed.extend(edit.create.then_some(Operation::Begin));
            for one in &edit.edits {
                let (key, value) = match one {
                    lastmile_crdt::Edit::Set { key, value } => (key, value.as_str()),
                    lastmile_crdt::Edit::Remove { key } => (key, None),
                };
                match (Key::parse(key), value) {
                    (Some(Key::Event(_, "kind")), Some(kind)) => drop(needed.insert(Operation::Event(kind))),
                    (Some(Key::Event(..)), _) => {}
                    // Whoever may settle what differs may also change the field.
                    _ if edit.create || may(Operation::Settle) => {}
                    _ => drop(needed.insert(Operation::Edit)),
                }
            }
            if let Some(operation) = needed.into_iter().find(|operation| !may(*operation)) {
                let (record_type, operation) = (edit.record_type.clone(), operation.word().to_owned());
                return Err(ClientError::NotPermitted { record_type, operation });
            }
        }
        Ok(())
    }
}
