//! Who may do what here: certificates and grants say who is who, the table of permissions what each role may do.
//!
//! Every commit that arrives is held against both before a view shows it. What is not permitted gets a verdict of the office with the
//! rule that forbids it: it is kept, receipted and passed on, out of sight, and the office can release it. A commit of which a verdict
//! speaks already is not judged again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use lastmile_crdt::{Action, Change};
use lastmile_log::{Certificate, Issuer};
use lastmile_model::permissions::{Operation, Permissions};
use lastmile_model::roles::Role;
use lastmile_model::{AuthorId, Catalogue, ChainHash, Key, Merge, RecordType, Scope, ScopeKind, planted};
use lastmile_protocol::Access;
use lastmile_store::query::Query;
use lastmile_store::storage::Cell;
use lastmile_store::{ArrivedCommit, Behind, RecordEdit, Store, StoreError};
use uuid::Uuid;

use crate::RelayError;
use crate::central::{Central, with_cities};
use crate::clock::civil_date;

/// The setting that keeps how far logs were judged, and when their last commits were receipted.
const KEY: &str = "relay.rights";

/// How long after the end of its time, or of a right, a device's work is still taken as made before, in milliseconds.
pub(crate) const LATE_MS: i64 = 35 * 86_400_000;

/// How far a device's clock may be off without its work being judged by the wrong certificate, in milliseconds: as far as requests may.
const CLOCKS_MS: i64 = lastmile_protocol::limits::AUTH_WINDOW_MS;

/// The most ranges of one log that are judged apart at once; beyond that everything between the first and the last is held back, so
/// that whoever mixes what is permitted with what is not cannot make the office write without end.
const MOST_RANGES: usize = 64;

/// Why a commit is not permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denial {
    /// Its author's certificate does not name the scope.
    Scope,
    /// It was made after its author's time was over, or before that began.
    Ended,
    /// It came long after its author's time was over, or after what its author might do then was taken away.
    Late,
    /// The version of the app that made it was stopped here.
    Version,
    /// It does not say which of the device's users acted.
    NoPerson,
    /// Who acted is none of the device's users.
    OtherPerson,
    /// Records of a type do not belong in a scope of this kind.
    Place(String),
    /// No role of who acted may do this to records of the type.
    Role {
        /// The type.
        record_type: String,
        /// The operation.
        operation: String,
    },
}

impl fmt::Display for Denial {
    /// Writes the rule as a stable word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope => f.write_str("scope"),
            Self::Ended => f.write_str("ended"),
            Self::Late => f.write_str("late"),
            Self::Version => f.write_str("version"),
            Self::NoPerson => f.write_str("no_person"),
            Self::OtherPerson => f.write_str("other_person"),
            Self::Place(record_type) => write!(f, "place {record_type}"),
            Self::Role { record_type, operation } => write!(f, "role {record_type} {operation}"),
        }
    }
}

/// A person's role in a part of the tree.
#[derive(Debug, Clone)]
struct Grant {
    role: Role,
    scope: String,
    since: Option<NaiveDate>,
    until: Option<NaiveDate>,
}

impl Grant {
    fn holds(&self, scope: &Scope, on: NaiveDate) -> bool {
        self.since.is_none_or(|since| since <= on)
            && (self.until.is_none_or(|until| on <= until) || planted!("grants-never-end"))
            && (covers(&self.scope, scope) || planted!("grants-everywhere"))
    }
}

/// Whether a part of the tree, e.g. `street:430103005`, has to do with a scope: holds it, or lies in the city whose lists it is.
pub(crate) fn covers(part: &str, scope: &Scope) -> bool {
    let Some((level, code)) = part.split_once(':') else { return false };
    match (level, scope.kind()) {
        ("org", ScopeKind::Org) => code == scope.code(),
        ("org", _) | (_, ScopeKind::Org | ScopeKind::Office) => false,
        ("grid", ScopeKind::Community) => code.get(..12) == Some(scope.code()),
        ("city" | "district" | "street" | "community", ScopeKind::Community) => scope.code().starts_with(code),
        (_, ScopeKind::City) => code.starts_with(scope.code()),
        _ => false,
    }
}

/// The setting that remembers which versions are stopped, for whoever opens the folder without the configuration.
const STOPPED: &str = "relay.stopped_versions";

/// The versions that are stopped: those named, which the folder remembers from now on, or those that it remembers.
pub(crate) fn stopped_versions(
    store: &mut Store,
    named: Option<&BTreeSet<String>>,
) -> Result<BTreeSet<String>, StoreError> {
    let kept = store.setting(STOPPED)?.unwrap_or_default();
    let Some(named) = named else {
        // A version that is stopped stays so: what cannot be read is not taken for none.
        let unreadable = |error| StoreError::Damaged { what: format!("the stopped versions: {error}") };
        return if kept.is_empty() { Ok(BTreeSet::new()) } else { serde_json::from_slice(&kept).map_err(unreadable) };
    };
    let text = serde_json::to_vec(named).unwrap_or_default();
    if kept != text && !(kept.is_empty() && named.is_empty()) {
        store.set_setting(STOPPED, &text)?;
    }
    Ok(named.clone())
}

/// What the relay remembers to judge by.
#[derive(Debug)]
pub(crate) struct Rights {
    permissions: Arc<Permissions>,
    stopped_versions: BTreeSet<String>,
    grants: BTreeMap<Uuid, Vec<Grant>>,
    /// Whether the grants must be read again.
    stale: bool,
    /// How far each log was judged, by its local number.
    checked: BTreeMap<u32, u64>,
    /// When each author's work was last receipted.
    receipted_ms: HashMap<AuthorId, i64>,
    changed: bool,
    written_ms: i64,
}

impl Rights {
    pub fn load(
        store: &Store,
        permissions: Arc<Permissions>,
        stopped_versions: BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let bytes = store.setting(KEY)?.unwrap_or_default();
        let mut rights = Self {
            permissions,
            stopped_versions,
            grants: BTreeMap::new(),
            stale: true,
            checked: BTreeMap::new(),
            receipted_ms: HashMap::new(),
            changed: false,
            written_ms: 0,
        };
        let (logs, times) = bytes.split_at_checked(8).map_or((0, &[][..]), |(count, rest)| {
            (usize::try_from(u64::from_be_bytes(count.try_into().unwrap_or_default())).unwrap_or(usize::MAX), rest)
        });
        let (logs, times) = times.split_at_checked(logs.saturating_mul(12)).unwrap_or_default();
        for entry in logs.chunks_exact(12) {
            if let Some((no, seq)) = entry.split_at_checked(4)
                && let (Ok(no), Ok(seq)) = (no.try_into(), seq.try_into())
            {
                rights.checked.insert(u32::from_be_bytes(no), u64::from_be_bytes(seq));
            }
        }
        for entry in times.chunks_exact(24) {
            if let Some((author, time)) = entry.split_at_checked(16)
                && let (Some(author), Ok(time)) = (AuthorId::from_slice(author), time.try_into())
            {
                rights.receipted_ms.insert(author, i64::from_be_bytes(time));
            }
        }
        Ok(rights)
    }

    /// Tells whether a minute has passed since this was written. A minute that is lost is judged once more.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.changed && now_ms.abs_diff(self.written_ms) >= 60_000
    }

    pub fn write(&mut self, store: &mut Store, now_ms: i64) -> Result<(), StoreError> {
        if self.changed {
            let mut bytes = (self.checked.len() as u64).to_be_bytes().to_vec();
            bytes.extend(
                self.checked.iter().flat_map(|(no, seq)| no.to_be_bytes().into_iter().chain(seq.to_be_bytes())),
            );
            let times: BTreeMap<_, _> = self.receipted_ms.iter().collect();
            bytes.extend(times.iter().flat_map(|(author, time)| author.0.into_iter().chain(time.to_be_bytes())));
            store.remember(KEY, &bytes)?;
            self.changed = false;
            self.written_ms = now_ms;
        }
        Ok(())
    }

    /// Has the grants read again before they are next asked for.
    pub const fn forget_grants(&mut self) {
        self.stale = true;
    }

    pub const fn permissions(&self) -> &Arc<Permissions> {
        &self.permissions
    }

    /// The roles that count for a commit: those of the certificate, and where people are named, of the one who acted.
    fn roles(
        &self,
        certificate: &Certificate,
        acting: Option<Uuid>,
        scope: &Scope,
        on: NaiveDate,
    ) -> Result<BTreeSet<Role>, Denial> {
        let of_device: BTreeSet<Role> = certificate.roles.iter().filter_map(|role| role.parse().ok()).collect();
        let person = match (certificate.persons.as_slice(), acting) {
            ([], acting) => acting,
            ([only], None) => Some(*only),
            (_, None) if !planted!("nobody-acts") => return Err(Denial::NoPerson),
            (persons, Some(acting)) if !persons.contains(&acting) && !planted!("anybody-acts") => {
                return Err(Denial::OtherPerson);
            }
            (_, acting) => acting,
        };
        let named = !certificate.persons.is_empty() && !planted!("grants-unread");
        let Some(grants) = person.filter(|_| named).and_then(|person| self.grants.get(&person)) else {
            return Ok(of_device);
        };
        Ok(grants
            .iter()
            .filter(|grant| grant.holds(scope, on))
            .map(|grant| grant.role)
            .filter(|role| of_device.contains(role))
            .collect())
    }
}

/// What is known of an author when its commits are judged.
struct Standing<'c> {
    /// The office's certificates by their beginning, or those by which it goes on for another.
    certificates: Vec<&'c Certificate>,
    /// When its last work before this was receipted.
    receipted_ms: i64,
    now_ms: i64,
}

impl<'c> Standing<'c> {
    fn new(all: impl Iterator<Item = &'c Certificate>, receipted_ms: i64, now_ms: i64) -> Self {
        let mut certificates: Vec<&Certificate> = all.collect();
        if certificates.iter().any(|one| matches!(one.issuer, Issuer::Office(_))) {
            certificates.retain(|one| matches!(one.issuer, Issuer::Office(_)));
        }
        certificates.sort_by_key(|one| (one.from_ms, *one));
        Self { certificates, receipted_ms, now_ms }
    }

    /// The certificates that were in force at a time, or the first one. A device's clock may be a little off, so where one followed
    /// another close by both count.
    fn at(&self, time_ms: i64) -> impl Iterator<Item = &'c Certificate> {
        let begun = |before_ms: i64| self.certificates.iter().rposition(|one| one.from_ms <= before_ms).unwrap_or(0);
        let (first, last) = (begun(time_ms.saturating_sub(CLOCKS_MS)), begun(time_ms.saturating_add(CLOCKS_MS)));
        self.certificates.get(first..=last).unwrap_or_default().iter().rev().copied()
    }
}

/// What a change does to its record, as far as permission goes.
fn operations<'c>(record_type: &RecordType, change: &'c Change) -> BTreeSet<Operation<'c>> {
    let mut found = BTreeSet::new();
    let first = change.deps.is_empty();
    if first {
        found.insert(Operation::Begin);
    }
    let made: BTreeSet<Uuid> = change
        .ops
        .iter()
        .filter_map(|op| match Key::parse(&op.key) {
            Some(Key::Event(event, "kind")) => Some(event),
            _ => None,
        })
        .collect();
    for op in &change.ops {
        let field = match Key::parse(&op.key) {
            Some(Key::Event(event, part)) => {
                let kind = match &op.action {
                    Action::Set(value) => value.as_str(),
                    Action::Delete => None,
                };
                match kind {
                    Some(kind) if part == "kind" && op.pred.is_empty() => drop(found.insert(Operation::Event(kind))),
                    _ if made.contains(&event) && op.pred.is_empty() => {}
                    _ if planted!("events-rewritten") => {}
                    _ => drop(found.insert(Operation::Alter)),
                }
                continue;
            }
            Some(Key::Field(name) | Key::Element(name, _)) => record_type.field(name).map(|(_, field)| field),
            None => None,
        };
        if field.is_some_and(|field| field.office_only) && !planted!("office-fields-open") {
            found.insert(Operation::Alter);
        }
        if !first {
            let question = field.is_some_and(|field| field.merge == Merge::Question);
            found.insert(if question && op.pred.len() > 1 { Operation::Settle } else { Operation::Edit });
        }
    }
    found
}

/// A range of commits of one log that one rule forbids.
struct Held {
    from: u64,
    to: u64,
    chain: ChainHash,
    denial: Denial,
}

impl Rights {
    /// Judges one commit at the time it can have been made. Nobody can tell old work from work that says so: what was permitted then
    /// must not have been taken away longer ago than late work may be.
    fn judge(
        &self,
        catalogue: &Catalogue,
        standing: &Standing<'_>,
        time_ms: i64,
        commit: &ArrivedCommit<'_>,
    ) -> Option<Denial> {
        let forbidden = self.judge_made(catalogue, standing, time_ms, commit);
        // The last of all: whoever releases what a stopped version made is not to release what nobody might do.
        let stopped = || self.stopped_versions.contains(&commit.header.app) && !planted!("versions-go-on");
        let forbidden = forbidden.filter(|_| !planted!("version-first") || !stopped());
        forbidden.or_else(|| stopped().then_some(Denial::Version))
    }

    /// As [`Rights::judge`], whatever version made it.
    fn judge_made(
        &self,
        catalogue: &Catalogue,
        standing: &Standing<'_>,
        time_ms: i64,
        commit: &ArrivedCommit<'_>,
    ) -> Option<Denial> {
        let roles = match self.judge_at(catalogue, standing, time_ms, commit) {
            Ok(roles) => roles,
            Err(denial) => return Some(denial),
        };
        let since_ms = standing.now_ms.saturating_sub(LATE_MS);
        if time_ms >= since_ms || planted!("late-for-ever") {
            return None;
        }
        // Mostly nothing has changed, and what was read need not be read again.
        let same = standing.at(since_ms).any(|later| self.roles_at(later, commit, since_ms).as_ref() == Ok(&roles));
        (!same && self.judge_at(catalogue, standing, since_ms, commit).is_err()).then_some(Denial::Late)
    }

    /// The roles by which a commit is permitted at a time, or why it is not.
    fn judge_at(
        &self,
        catalogue: &Catalogue,
        standing: &Standing<'_>,
        time_ms: i64,
        commit: &ArrivedCommit<'_>,
    ) -> Result<BTreeSet<Role>, Denial> {
        let mut denial = Denial::Scope;
        for certificate in standing.at(time_ms) {
            let roles = self.roles_at(certificate, commit, time_ms);
            match roles.and_then(|roles| self.judge_as(catalogue, &roles, commit).map(|()| roles)) {
                Ok(roles) => return Ok(roles),
                Err(other) => denial = other,
            }
        }
        Err(denial)
    }

    /// The roles that a certificate gives a commit at a time.
    fn roles_at(
        &self,
        certificate: &Certificate,
        commit: &ArrivedCommit<'_>,
        time_ms: i64,
    ) -> Result<BTreeSet<Role>, Denial> {
        let scope = &commit.header.scope;
        if !with_cities(&certificate.scopes).contains(scope) && !planted!("scope-unjudged") {
            return Err(Denial::Scope);
        }
        if certificate.until_ms.is_some_and(|until_ms| time_ms > until_ms) && !planted!("end-unjudged") {
            return Err(Denial::Ended);
        }
        self.roles(certificate, commit.header.acting, scope, civil_date(time_ms))
    }

    /// Whether roles may do all that a commit does.
    fn judge_as(
        &self,
        catalogue: &Catalogue,
        roles: &BTreeSet<Role>,
        commit: &ArrivedCommit<'_>,
    ) -> Result<(), Denial> {
        let scope = &commit.header.scope;
        for (entry, change) in commit.changes() {
            // What this version cannot read is opaque, and what the office alone writes does not count from others: both without a verdict.
            let Some((_, record_type)) = catalogue.get(&entry.record_type).filter(|(_, known)| !known.office_only)
            else {
                continue;
            };
            let Some(change) = change else { continue };
            if record_type.scope_kind.is_some_and(|kind| kind != scope.kind()) && !planted!("any-place") {
                return Err(Denial::Place(entry.record_type.clone()));
            }
            let may = |operation: &Operation<'_>| {
                roles.iter().any(|role| self.permissions.allows(*role, &entry.record_type, *operation))
                    || (planted!("roles-unjudged") && *operation != Operation::Alter)
            };
            if let Some(forbidden) = operations(record_type, &change).iter().find(|operation| !may(operation)) {
                let word: String = forbidden.word().chars().take(40).collect();
                return Err(Denial::Role { record_type: entry.record_type.clone(), operation: word });
            }
        }
        Ok(())
    }
}

/// Adds a commit to the ranges of its log.
fn extend(held: &mut Vec<Held>, seq: u64, chain: ChainHash, denial: Denial) {
    let many = held.len() >= MOST_RANGES;
    match held.last_mut() {
        Some(last) if many || (last.to.checked_add(1) == Some(seq) && last.denial == denial) => {
            (last.to, last.chain) = (seq, chain);
        }
        _ => held.push(Held { from: seq, to: seq, chain, denial }),
    }
}

impl Central {
    /// Holds every commit that no view shows yet against certificates, grants and the table, and writes verdicts on what is not
    /// permitted. To be called before the views follow. Where it fails, nobody is served of the scopes concerned until it succeeds.
    pub fn check_arrived(&mut self) -> Result<(), RelayError> {
        let checked = |log: &Behind| self.rights.checked.get(&log.strand).copied().unwrap_or(0).max(log.viewed);
        let behind: Vec<Behind> = self.store.logs_arrived().into_iter().filter(|log| checked(log) < log.head).collect();
        // Before it is begun: whatever ends it, a panic too, ends it so.
        let waited = self.unjudged.clone();
        self.unjudged.extend(behind.iter().map(|log| log.scope.clone()));
        self.judge_arrived(behind)?;
        self.unjudged.clear();
        waited.iter().for_each(|scope| self.live.grown(scope));
        Ok(())
    }

    fn judge_arrived(&mut self, behind: Vec<Behind>) -> Result<(), RelayError> {
        if behind.is_empty() || planted!("no-permission") {
            return Ok(());
        }
        if self.rights.stale {
            self.read_grants()?;
        }
        let mut edits: Vec<(Scope, RecordEdit)> = Vec::new();
        let mut checked: Vec<(u32, u64, AuthorId)> = Vec::new();
        for log in behind {
            let done = log.viewed.max(self.rights.checked.get(&log.strand).copied().unwrap_or(0));
            let mut judged_to = log.head;
            // Of a revoked author everything that comes now is out of sight already.
            if !self.trust()?.is_office(log.author) && !self.store.is_revoked(&log.scope, log.author) {
                let (all, last) = self.judge_log(&log, done)?;
                judged_to = last;
                for held in all {
                    tracing::warn!(scope = %log.scope, author = %log.author, from = held.from, to = held.to, rule = %held.denial,
                        "commits that are not permitted are held back");
                    let range = (held.from, held.to, held.chain);
                    let rule = held.denial.to_string();
                    edits.push((log.scope.clone(), self.verdict_edit(log.author, range, "quarantine", "", &rule)?));
                }
            }
            checked.push((log.strand, judged_to, log.author));
        }
        if !edits.is_empty() {
            self.save_grouped(r#"{"office":"permission"}"#, edits)?;
        }
        let now_ms = self.now_ms();
        for (strand, head, author) in checked {
            self.rights.checked.insert(strand, head);
            // What comes later was not made before this.
            self.rights.receipted_ms.insert(author, now_ms);
            self.rights.changed = true;
        }
        if self.rights.is_due(now_ms) {
            self.rights.write(&mut self.store, now_ms)?;
        }
        Ok(())
    }

    /// Judges the commits of a log after this one, as far as they can be read.
    fn judge_log(&mut self, log: &Behind, done: u64) -> Result<(Vec<Held>, u64), RelayError> {
        let now_ms = self.now_ms();
        let receipted_ms = self.rights.receipted_ms.get(&log.author).filter(|_| !planted!("receipts-forgotten"));
        let receipted_ms = receipted_ms.copied().unwrap_or(i64::MIN);
        let trust = self.trust()?;
        let by_office = |one: &&Certificate| matches!(one.issuer, Issuer::Office(_));
        let mut certificates: Vec<Certificate> = trust.certificates(log.author).filter(by_office).cloned().collect();
        if certificates.is_empty() {
            // Who goes on for another has no more than that one has by now.
            certificates.extend(trust.in_force(log.author));
        }
        let standing = Standing::new(certificates.iter(), receipted_ms, now_ms);
        let mut held: Vec<Held> = Vec::new();
        // A log goes forward: what stands later was not made before what stands earlier.
        let mut floor_ms = standing.receipted_ms;
        let (rights, catalogue) = (&self.rights, &self.catalogue);
        let mut judged: Vec<(u64, ChainHash, Option<Denial>)> = Vec::new();
        let visited = self.store.visit_commits(log.strand, done.saturating_add(1), log.head, &mut |commit| {
            let before_ms = if planted!("logs-go-back") { standing.receipted_ms } else { floor_ms };
            floor_ms = before_ms.max(commit.header.wall_ms.min(now_ms));
            judged.push((commit.header.seq, commit.chain, rights.judge(catalogue, &standing, floor_ms, commit)));
        });
        match visited {
            // The views stop there as well.
            Err(error) if error.is_unreadable() => {}
            visited => visited?,
        }
        let last = judged.last().map_or(done, |(seq, ..)| *seq);
        for (seq, chain, denial) in judged {
            if let Some(denial) = denial
                && !self.store.has_verdict(log.strand, seq, chain)?
            {
                extend(&mut held, seq, chain, denial);
            }
        }
        Ok((held, last))
    }

    /// What a device may do with a scope now; none where it never had to do with it.
    ///
    /// Whoever was revoked, moved away or whose time is over may still bring what it holds, and is served nothing.
    pub fn access(&self, author: AuthorId, scope: &Scope, now_ms: i64) -> Result<Option<Access>, RelayError> {
        let trust = self.trust()?;
        let Some(certificate) = trust.in_force(author) else { return Ok(None) };
        let certificate = &certificate;
        let names = |one: &Certificate| with_cities(&one.scopes).contains(scope) || planted!("any-scope");
        // Whoever goes on for another may bring what that one held, though it was to hold something else, or nothing, by then.
        if !trust.certificates(author).any(names) && !trust.chain_of(author).iter().any(names) {
            return Ok(None);
        }
        let ended = certificate.until_ms.is_some_and(|until| until < now_ms);
        let mut roles = certificate.roles.iter().filter_map(|role| role.parse::<Role>().ok());
        let whole = names(certificate)
            && !ended
            && roles.any(|role| self.rights.permissions.replica(role))
            && !self.store.is_revoked(scope, author);
        Ok(Some(if whole || planted!("serves-anybody") { Access::Full } else { Access::UploadOnly }))
    }

    /// As [`Central::access`], at this very moment: asked with each frame of an exchange.
    pub fn access_now(&self, author: AuthorId, scope: &Scope) -> Result<Option<Access>, RelayError> {
        if planted!("live-checked-once") {
            return Ok(Some(Access::Full));
        }
        if self.unjudged.contains(scope) && !planted!("served-unjudged") {
            return Err(RelayError::Unjudged { scope: scope.clone() });
        }
        self.access(author, scope, self.now_ms())
    }

    fn read_grants(&mut self) -> Result<(), RelayError> {
        let query = Query::new(self.reader.type_no("grant")?, &["person", "role", "scope", "since", "until"]);
        let mut grants: BTreeMap<Uuid, Vec<Grant>> = BTreeMap::new();
        for row in self.reader.rows(&query)? {
            let [person, role, scope, since, until] = row.cells.as_slice() else { continue };
            let day = |cell: &Cell<'_>| cell.text().and_then(|text| text.parse::<NaiveDate>().ok());
            let person = person.blob().and_then(|bytes| Uuid::from_slice(bytes).ok());
            if let (Some(person), Some(Ok(role)), Some(scope)) = (person, role.text().map(str::parse), scope.text()) {
                let grant = Grant { role, scope: scope.to_owned(), since: day(since), until: day(until) };
                grants.entry(person).or_default().push(grant);
            }
        }
        self.rights.grants = grants;
        self.rights.stale = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_tree_cover_what_lies_in_them() {
        let community = Scope::community("430103005010").unwrap();
        let city = Scope::new(ScopeKind::City, "4301").unwrap();
        for part in
            ["city:4301", "district:430103", "street:430103005", "community:430103005010", "grid:430103005010003"]
        {
            assert!(covers(part, &community) && covers(part, &city), "{part}");
        }
        for part in
            ["city:4302", "district:430104", "community:430103005011", "grid:430103005011001", "org:4301", "4301", ""]
        {
            assert!(!covers(part, &community), "{part}");
        }
        assert!(!covers("city:4302", &city) && !covers("org:4301", &city));
        assert!(covers("org:ab", &Scope::new(ScopeKind::Org, "ab").unwrap()));
        assert!(!covers("city:4301", &Scope::new(ScopeKind::Office, "4301").unwrap()));
    }

    #[test]
    fn ranges_join_and_are_bounded() {
        let mut held = Vec::new();
        for seq in [1, 2, 3, 7] {
            extend(&mut held, seq, ChainHash::ZERO, Denial::Scope);
        }
        extend(&mut held, 8, ChainHash::ZERO, Denial::Late);
        let ranges: Vec<_> = held.iter().map(|one| (one.from, one.to)).collect();
        assert_eq!(ranges, [(1, 3), (7, 7), (8, 8)]);
        for seq in 0..200 {
            extend(&mut held, 100 + 2 * seq, ChainHash::ZERO, Denial::Scope);
        }
        assert_eq!(held.len(), MOST_RANGES);
        assert_eq!(held.last().map(|one| one.to), Some(498));
    }
}
