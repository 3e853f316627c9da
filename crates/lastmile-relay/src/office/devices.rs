//! Devices and the rights of people: renaming, handing over, revoking, granting.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use lastmile_crdt::Edit;
use lastmile_log::{Certificate, Issuer};
use lastmile_model::permissions::TreeLevel;
use lastmile_model::roles::Role;
use lastmile_model::{AuthorId, ChainHash, RecordId, Scope, ScopeKind, Value, derive, keys, planted};
use lastmile_protocol::Code;
use lastmile_store::RecordEdit;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use uuid::Uuid;

use super::answer::GrantView;
use super::{note_of, parse_scope};
use crate::central::{Central, with_cities};
use crate::enrol::cut;
use crate::register::Registered;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// What a device is to be from now on; what is not named stays.
#[derive(Debug, Default)]
pub(super) struct Reassigned {
    pub persons: Option<Vec<Uuid>>,
    pub roles: Option<Vec<Role>>,
    pub scopes: Option<Vec<Scope>>,
    pub until_ms: Option<Option<i64>>,
    pub device: Option<String>,
}

impl Central {
    /// Reads which device is meant.
    pub(super) fn device(&self, author: &str) -> Result<AuthorId, RelayError> {
        let unknown = || OfficeError::NoDevice { text: author.chars().take(40).collect() };
        let id: AuthorId = author.trim().parse().map_err(|_| unknown())?;
        let trust = self.trust()?;
        if trust.is_office(id) {
            return Err(OfficeError::OfficeCommit.into());
        }
        trust.certificate(id).map(|_| id).ok_or_else(|| unknown().into())
    }

    /// Every author that a device has been or goes on as, the one asked for among them.
    pub(crate) fn chain_of_device(&self, author: AuthorId) -> Result<BTreeSet<AuthorId>, RelayError> {
        let trust = self.trust()?;
        let mut follows: BTreeMap<AuthorId, BTreeSet<AuthorId>> = BTreeMap::new();
        for (successor, _) in trust.authors() {
            for certificate in trust.certificates(successor) {
                if let Issuer::Predecessor(before) = certificate.issuer {
                    follows.entry(before).or_default().insert(successor);
                    follows.entry(successor).or_default().insert(before);
                }
            }
        }
        let (mut chain, mut open) = (BTreeSet::from([author]), vec![author]);
        while let Some(next) = open.pop() {
            open.extend(follows.get(&next).into_iter().flatten().filter(|other| chain.insert(**other)));
        }
        Ok(chain)
    }

    /// Gives a device another certificate, under whatever author it goes on: its work until now is judged by the one before.
    pub(super) fn reassign(&mut self, author: &str, to: &Reassigned) -> Result<OfficeAnswer, RelayError> {
        let author = self.device(author)?;
        let bad_scopes = || OfficeError::BadScopes { most: crate::enrol::MAX_SCOPES };
        let mut device = String::new();
        for one in self.chain_of_device(author)? {
            let before = self.trust()?.certificate(one).cloned().ok_or(RelayError::Stopping)?;
            if before.scopes.is_empty() {
                return Err(OfficeError::Revoked.into());
            }
            let scopes = to.scopes.as_ref().map_or_else(|| before.scopes.clone(), |scopes| with_cities(scopes));
            if scopes.is_empty() || scopes.len() > crate::enrol::MAX_SCOPES {
                return Err(bad_scopes().into());
            }
            let codes = |roles: &Vec<Role>| roles.iter().map(|role| role.code().to_owned()).collect();
            let roles: Vec<String> = to.roles.as_ref().map_or_else(|| before.roles.clone(), codes);
            if roles.is_empty() {
                return Err(OfficeError::NoRole.into());
            }
            let certificate = Certificate {
                device: to.device.as_ref().map_or_else(|| before.device.clone(), |device| cut(device)),
                persons: to.persons.clone().unwrap_or_else(|| before.persons.clone()),
                roles,
                scopes,
                // Always the latest, so that it is the one that counts.
                from_ms: self.now_ms().max(before.from_ms.saturating_add(1)),
                until_ms: to.until_ms.unwrap_or(before.until_ms),
                issuer: Issuer::Office(self.office),
                signature: [0; 64],
                consent: None,
                public: before.public,
            };
            let certificate = certificate.signed(&self.keys.office, &self.deployment);
            self.certify(&certificate)?;
            self.certify_where_it_writes(&certificate, &before)?;
            if to.persons.is_some() || to.roles.is_some() || to.scopes.is_some() {
                self.grant_persons(&certificate)?;
            }
            device = certificate.device;
        }
        tracing::info!(%author, "a device was certified anew");
        Ok(OfficeAnswer::Device { author: author.to_string(), device })
    }

    /// Writes a device's new certificate wherever others hold its work.
    fn certify_where_it_writes(&mut self, certificate: &Certificate, before: &Certificate) -> Result<(), RelayError> {
        let author = certificate.author(&self.deployment);
        let scopes: BTreeSet<Scope> = before.scopes.iter().chain(&certificate.scopes).cloned().collect();
        for scope in scopes {
            if self.store.vector(&scope).entries().any(|entry| entry.segment.author == author) {
                self.write_certificate(&scope, certificate)?;
            }
        }
        Ok(())
    }

    /// Accepts nothing more of a device, under whatever author it goes on: what was receipted stays, what comes is kept out of sight.
    pub(crate) fn revoke(&mut self, author: &str, reason: &str) -> Result<OfficeAnswer, RelayError> {
        let author = self.device(author)?;
        let now_ms = self.now_ms();
        let chain = self.chain_of_device(author)?;
        let (mut entries, mut ended) = (Vec::new(), Vec::new());
        for one in &chain {
            let certificates: Vec<Certificate> = self.trust()?.certificates(*one).cloned().collect();
            let named: BTreeSet<Scope> =
                certificates.iter().flat_map(|certificate| with_cities(&certificate.scopes)).collect();
            for scope in named {
                let (through, hash) = self.furthest(&scope, *one);
                entries.push((scope, *one, (through, hash)));
            }
            let Some(last) = self.trust()?.certificate(*one).cloned() else { continue };
            let certificate = Certificate {
                persons: Vec::new(),
                roles: Vec::new(),
                scopes: Vec::new(),
                from_ms: now_ms.max(last.from_ms.saturating_add(1)),
                until_ms: Some(now_ms),
                issuer: Issuer::Office(self.office),
                ..last
            };
            ended.push(certificate.signed(&self.keys.office, &self.deployment));
        }
        let registered = entries.iter().map(|(scope, author, (through, chain))| Registered::Revoked {
            at_ms: now_ms,
            author: author.to_string(),
            scope: scope.to_string(),
            through: *through,
            chain: chain.to_string(),
        });
        let ends = ended.iter().map(|certificate| Registered::Ended {
            at_ms: now_ms,
            certificate: keys::bytes_element(&certificate.encode()),
        });
        let registered: Vec<Registered> = registered.chain(ends).collect();
        // First what survives the database, then the database: an interruption between the two is made good at the next start.
        self.register(&registered)?;
        self.store.add_certificates(&ended)?;
        for (scope, author, head) in entries {
            self.write_revocation(&scope, author, head, reason)?;
        }
        self.note_register()?;
        for one in chain.iter().filter(|_| !planted!("revoked-stays-connected")) {
            self.live.close(*one, Code::Revoked);
        }
        tracing::warn!(%author, authors = chain.len(), "a device was revoked");
        Ok(OfficeAnswer::Revoked { authors: chain.iter().map(ToString::to_string).collect() })
    }

    /// How far a log is held and sealed, on the side that goes furthest.
    fn furthest(&self, scope: &Scope, author: AuthorId) -> (u64, ChainHash) {
        self.store.sealed_heads(scope, author).into_iter().max().unwrap_or((0, ChainHash::ZERO))
    }

    /// Writes that an author is accepted no further than this in a scope, unless that stands there.
    pub(crate) fn write_revocation(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        (through, chain): (u64, ChainHash),
        reason: &str,
    ) -> Result<(), RelayError> {
        self.hold(scope)?;
        let named = Value::Bytes(author.as_bytes().to_vec());
        let id = derive::record_id("revocation", &[&named])
            .ok_or_else(|| OfficeError::Failed { text: "the revocation's id cannot be derived".to_owned() })?;
        let type_no = self.reader.type_no("revocation")?;
        let held = self.store.hold_scope(scope)?;
        if self.reader.heads(type_no, id)?.iter().any(|(of, _)| *of == held) {
            return Ok(());
        }
        let mut edits = vec![
            Edit::set("author", named),
            Edit::set("through_seq", Value::Int(i64::try_from(through).unwrap_or(i64::MAX))),
            Edit::set("chain", Value::Bytes(chain.as_bytes().to_vec())),
            Edit::set("since", Value::Timestamp(self.now_ms())),
        ];
        if !reason.is_empty() {
            edits.push(Edit::set("reason", reason));
        }
        let edit = self.edit("revocation", id, true, edits)?;
        self.save_grouped(&note_of("revoke", reason), vec![(scope.clone(), edit)])
    }

    /// Gives a person a role in a part of the tree.
    pub(super) fn grant(
        &mut self,
        person: Uuid,
        role: Role,
        scope: &str,
        since: Option<&str>,
        until: Option<&str>,
    ) -> Result<OfficeAnswer, RelayError> {
        let (text, level) = part_of_tree(scope)?;
        if !self.rights.permissions().levels(role).contains(&level) {
            return Err(OfficeError::WrongLevel { role: role.code().to_owned(), scope: text }.into());
        }
        let (since, until) = (day(since)?, day(until)?);
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            return Err(OfficeError::BadDay { text: until.to_string() }.into());
        }
        if self
            .grants_of(person)?
            .iter()
            .any(|grant| grant.role == role.code() && grant.scope == text && grant.until.is_none())
        {
            return Ok(OfficeAnswer::Granted { person, role: role.code().to_owned(), scope: text, until: None });
        }
        let edit = self.grant_edit(person, role, &text, since, until)?;
        let home = home_of(&text)?;
        self.save_grouped(&note_of("grant", ""), vec![(home, edit)])?;
        self.rights.forget_grants();
        let until = until.map(|day| day.to_string());
        Ok(OfficeAnswer::Granted { person, role: role.code().to_owned(), scope: text, until })
    }

    fn grant_edit(
        &self,
        person: Uuid,
        role: Role,
        scope: &str,
        since: Option<NaiveDate>,
        until: Option<NaiveDate>,
    ) -> Result<RecordEdit, RelayError> {
        let mut edits = vec![
            Edit::set("person", Value::reference(RecordId(person))),
            Edit::set("role", role.code()),
            Edit::set("scope", scope),
        ];
        edits.extend(since.map(|day| Edit::set("since", day.to_string())));
        edits.extend(until.map(|day| Edit::set("until", day.to_string())));
        self.edit("grant", RecordId(self.new_id()?), true, edits)
    }

    /// Grants the people of a device what it is to be used for, where they are named and do not have it.
    pub(crate) fn grant_persons(&mut self, certificate: &Certificate) -> Result<(), RelayError> {
        let mut edits = Vec::new();
        for person in &certificate.persons {
            let known = self.grants_of(*person)?;
            for role in certificate.roles.iter().filter_map(|role| role.parse::<Role>().ok()) {
                for scope in certificate.scopes.iter().filter(|scope| scope.kind() == ScopeKind::Community) {
                    // A role of a street or city stands there; its devices hold communities.
                    let Some(part) = part_for(self.rights.permissions().levels(role), scope) else { continue };
                    let has =
                        |grant: &GrantView| grant.role == role.code() && grant.scope == part && grant.until.is_none();
                    if !known.iter().any(has)
                        && !edits.iter().any(|(person_of, role_of, part_of, _)| {
                            (person_of, role_of, part_of) == (person, &role, &part)
                        })
                    {
                        let edit = self.grant_edit(*person, role, &part, None, None)?;
                        edits.push((*person, role, part, edit));
                    }
                }
            }
        }
        if edits.is_empty() {
            return Ok(());
        }
        let edits = edits
            .into_iter()
            .map(|(_, _, part, edit)| Ok((home_of(&part)?, edit)))
            .collect::<Result<Vec<_>, RelayError>>()?;
        self.save_grouped(&note_of("grant", ""), edits)?;
        self.rights.forget_grants();
        Ok(())
    }

    /// The grants of a person.
    pub(super) fn grants_of(&mut self, person: Uuid) -> Result<Vec<GrantView>, RelayError> {
        let scopes = self.scope_map()?;
        let query = Query::new(self.reader.type_no("grant")?, &["role", "scope", "since", "until"]).filter(
            "person",
            Test::Is,
            Cell::Blob(person.as_bytes().to_vec().into()),
        );
        let rows = self.reader.rows(&query)?.into_iter().filter_map(|row| {
            let text = |at: usize| row.cells.get(at).and_then(Cell::text).map(str::to_owned);
            Some(GrantView {
                id: row.id.0,
                person,
                role: text(0)?,
                scope: text(1)?,
                since: text(2),
                until: text(3),
                held_in: scopes.get(&row.scope)?.to_string(),
            })
        });
        Ok(rows.collect())
    }

    /// Ends a person's role in a part of the tree, after this day.
    pub(super) fn end_grant(
        &mut self,
        person: Uuid,
        role: Role,
        scope: &str,
        until: Option<&str>,
    ) -> Result<OfficeAnswer, RelayError> {
        let (text, _) = part_of_tree(scope)?;
        let until = day(until)?.unwrap_or_else(|| self.today().pred_opt().unwrap_or_default()).to_string();
        let held = self.grants_of(person)?;
        let open: Vec<&GrantView> = held
            .iter()
            .filter(|grant| {
                grant.role == role.code() && grant.scope == text && grant.until.as_ref().is_none_or(|day| *day > until)
            })
            .collect();
        if open.is_empty() {
            return Err(OfficeError::NoGrant { person, role: role.code().to_owned(), scope: text }.into());
        }
        let edits = open.iter().map(|grant| {
            let edit = self.edit("grant", RecordId(grant.id), false, vec![Edit::set("until", until.as_str())])?;
            Ok((parse_scope(&grant.held_in)?, edit))
        });
        let edits = edits.collect::<Result<Vec<_>, RelayError>>()?;
        self.save_grouped(&note_of("end grant", ""), edits)?;
        self.rights.forget_grants();
        Ok(OfficeAnswer::Granted { person, role: role.code().to_owned(), scope: text, until: Some(until) })
    }
}

/// Reads a part of the tree as typed, e.g. `430103005`, `street:430103005` or `org:…`.
fn part_of_tree(text: &str) -> Result<(String, TreeLevel), OfficeError> {
    let bad = || OfficeError::BadScope { text: text.to_owned() };
    let (word, code) = match text.split_once(':') {
        Some((word, code)) => (Some(word), code),
        None => (None, text),
    };
    if word == Some("org") {
        let scope = Scope::new(ScopeKind::Org, code).map_err(|_| bad())?;
        return Ok((scope.to_string(), TreeLevel::Org));
    }
    let (level, name) = match code.len() {
        4 => (TreeLevel::City, "city"),
        6 => (TreeLevel::District, "district"),
        9 => (TreeLevel::Street, "street"),
        12 => (TreeLevel::Community, "community"),
        15 => (TreeLevel::Grid, "grid"),
        _ => return Err(bad()),
    };
    if word.is_some_and(|word| word != name) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    Ok((format!("{name}:{code}"), level))
}

/// The part of the tree at which a role stands that is used in a community.
fn part_for(levels: &[TreeLevel], community: &Scope) -> Option<String> {
    let code = community.code();
    let part = |name: &str, digits: usize| code.get(..digits).map(|code| format!("{name}:{code}"));
    [
        (TreeLevel::Community, "community", 12),
        (TreeLevel::Street, "street", 9),
        (TreeLevel::District, "district", 6),
        (TreeLevel::City, "city", 4),
    ]
    .into_iter()
    .find(|(level, ..)| levels.contains(level))
    .and_then(|(_, name, digits)| part(name, digits))
}

/// The scope in which a grant's record stands: a community's own, otherwise its city's.
fn home_of(part: &str) -> Result<Scope, RelayError> {
    let bad = || OfficeError::BadScope { text: part.to_owned() };
    let (word, code) = part.split_once(':').ok_or_else(bad)?;
    let scope = match word {
        "community" => Scope::community(code),
        "grid" => Scope::community(code.get(..12).unwrap_or_default()),
        "org" => Scope::new(ScopeKind::Org, code),
        _ => Scope::new(ScopeKind::City, code.get(..4).unwrap_or_default()),
    };
    Ok(scope.map_err(|_| bad())?)
}

fn day(text: Option<&str>) -> Result<Option<NaiveDate>, OfficeError> {
    text.map(|text| text.trim().parse().map_err(|_| OfficeError::BadDay { text: text.chars().take(40).collect() }))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_tree_are_read_as_typed() {
        assert_eq!(part_of_tree("4301"), Ok(("city:4301".to_owned(), TreeLevel::City)));
        assert_eq!(part_of_tree("street:430103005"), Ok(("street:430103005".to_owned(), TreeLevel::Street)));
        assert_eq!(part_of_tree("org:ab-1"), Ok(("org:ab-1".to_owned(), TreeLevel::Org)));
        for bad in ["", "43", "district:4301", "43010300501x", "org:", "office:1"] {
            assert!(part_of_tree(bad).is_err(), "{bad}");
        }
        assert_eq!(home_of("grid:430103005010003").unwrap().to_string(), "community:430103005010");
        assert_eq!(home_of("district:430103").unwrap().to_string(), "city:4301");
        let community = Scope::community("430103005010").unwrap();
        assert_eq!(part_for(&[TreeLevel::Street], &community).unwrap(), "street:430103005");
        assert_eq!(part_for(&[TreeLevel::Org], &community), None);
    }
}
