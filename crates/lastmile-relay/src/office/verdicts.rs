//! Taking commits out of sight, and letting them count again.

use lastmile_crdt::Edit;
use lastmile_log::{Segment, unpack};
use lastmile_model::{AuthorId, ChainHash, Scope, Value, derive, planted};
use lastmile_store::RecordEdit;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;

use super::{note_of, parse_scope};
use crate::central::Central;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// The most bytes that a stored run unpacks to.
const MAX_RAW: usize = 64 << 20;

/// A verdict in force.
struct InForce {
    from: u64,
    to: u64,
    chain: ChainHash,
}

impl Central {
    pub(super) fn quarantine(
        &mut self,
        scope: &str,
        author: &str,
        from: u64,
        to: Option<u64>,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let (scope, author) = self.log_of(scope, author)?;
        let heads = self.store.sealed_heads(&scope, author);
        let head = heads.iter().map(|(seq, _)| *seq).max().unwrap_or(0);
        let to = to.unwrap_or(head);
        if from == 0 || from > to || to > head {
            return Err(OfficeError::BadRange { head }.into());
        }
        let chain = self.chain_at(&scope, author, to)?.ok_or(OfficeError::BadRange { head })?;
        self.write_verdict(&scope, author, &InForce { from, to, chain }, "quarantine", reason)
    }

    pub(super) fn release(
        &mut self,
        scope: &str,
        author: &str,
        from: u64,
        to: Option<u64>,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let (scope, author) = self.log_of(scope, author)?;
        let in_force = self.in_force(&scope, author)?;
        let exactly = |one: &&InForce| one.from == from && to.is_none_or(|to| one.to == to);
        match in_force.iter().find(exactly) {
            Some(verdict) if planted!("release-does-nothing") => {
                Ok(OfficeAnswer::Verdict { id: uuid::Uuid::nil(), from: verdict.from, to: verdict.to })
            }
            Some(verdict) => self.write_verdict(&scope, author, verdict, "release", reason),
            None => {
                let ranges: Vec<String> = in_force.iter().map(|one| format!("{}-{}", one.from, one.to)).collect();
                let in_force = if ranges.is_empty() { "none".to_owned() } else { ranges.join(", ") };
                Err(OfficeError::NotQuarantined { in_force }.into())
            }
        }
    }

    fn write_verdict(
        &mut self,
        scope: &Scope,
        author: AuthorId,
        range: &InForce,
        action: &str,
        reason: &str,
    ) -> Result<OfficeAnswer, RelayError> {
        let edit = self.verdict_edit(author, (range.from, range.to, range.chain), action, reason, "")?;
        let id = edit.record.0;
        self.save_grouped(&note_of(action, reason), vec![(scope.clone(), edit)])?;
        Ok(OfficeAnswer::Verdict { id, from: range.from, to: range.to })
    }

    /// The record of a verdict on commits `from` to `to`, whose last has this chain hash: by a person, with a reason, or by a rule.
    pub(crate) fn verdict_edit(
        &self,
        author: AuthorId,
        (from, to, chain): (u64, u64, ChainHash),
        action: &str,
        reason: &str,
        rule: &str,
    ) -> Result<RecordEdit, RelayError> {
        let number = |seq: u64| Value::Int(i64::try_from(seq).unwrap_or(i64::MAX));
        let named = [
            ("author", Value::Bytes(author.as_bytes().to_vec())),
            ("from_seq", number(from)),
            ("to_seq", number(to)),
            ("chain", Value::Bytes(chain.as_bytes().to_vec())),
        ];
        let values: Vec<&Value> = named.iter().map(|(_, value)| value).collect();
        let id = derive::record_id("verdict", &values)
            .ok_or_else(|| OfficeError::Failed { text: "the verdict's id cannot be derived".to_owned() })?;
        let mut edits: Vec<Edit> = named.iter().map(|(name, value)| Edit::set(*name, value.clone())).collect();
        edits.push(Edit::set("action", action));
        edits.extend(
            [("rule", rule), ("reason", reason)]
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(name, text)| Edit::set(name, text)),
        );
        self.edit("verdict", id, true, edits)
    }

    /// Reads whose log is meant; the office's own takes no verdict.
    fn log_of(&mut self, scope: &str, author: &str) -> Result<(Scope, AuthorId), RelayError> {
        let parsed = parse_scope(scope)?;
        if !self.store.scopes().any(|(_, held)| *held == parsed) {
            return Err(OfficeError::BadScope { text: scope.to_owned() }.into());
        }
        let unknown = || OfficeError::BadAuthor { text: author.to_owned(), scope: parsed.to_string() };
        let id: AuthorId = author.trim().parse().map_err(|_| unknown())?;
        if self.trust()?.is_office(id) {
            return Err(OfficeError::OfficeCommit.into());
        }
        if self.store.sealed_heads(&parsed, id).is_empty() {
            return Err(unknown().into());
        }
        Ok((parsed, id))
    }

    /// The chain hash of a commit, on the trunk of its author's log or, beyond a fork, on the branch that goes furthest.
    fn chain_at(&mut self, scope: &Scope, author: AuthorId, seq: u64) -> Result<Option<ChainHash>, RelayError> {
        let entries = self.store.vector(scope);
        let mut segments: Vec<(u64, Segment)> =
            entries.entries().filter(|one| one.segment.author == author).map(|one| (one.seq, one.segment)).collect();
        segments.retain(|(last, _)| *last >= seq);
        segments.sort_by_key(|(last, segment)| (segment.start, std::cmp::Reverse(*last)));
        for (_, segment) in segments {
            let (batches, _) = self.store.path_batches(scope, &segment, seq.saturating_sub(1), 1)?;
            for batch in batches {
                let run = unpack(&batch.packed, MAX_RAW).map_err(lastmile_store::StoreError::from)?;
                if let Some(chain) = run.chain_of(seq) {
                    return Ok(Some(chain));
                }
            }
        }
        Ok(None)
    }

    fn in_force(&mut self, scope: &Scope, author: AuthorId) -> Result<Vec<InForce>, RelayError> {
        let no = self.store.hold_scope(scope)?;
        let query = Query::new(self.reader.type_no("verdict")?, &["from_seq", "to_seq", "chain", "action", "open"])
            .filter("author", Test::Is, Cell::Blob(author.as_bytes().to_vec().into()))
            .within(vec![no]);
        let rows = self.reader.rows(&query)?.into_iter().filter_map(|row| {
            let [from, to, chain, action, open] = row.cells.as_slice() else { return None };
            let counts = action.text() == Some("quarantine") || open.int().is_some_and(|open| open > 0);
            let number = |cell: &Cell<'_>| cell.int().and_then(|number| u64::try_from(number).ok());
            let chain = chain.blob().and_then(ChainHash::from_slice)?;
            counts.then_some(InForce { from: number(from)?, to: number(to)?, chain })
        });
        Ok(rows.collect())
    }
}
