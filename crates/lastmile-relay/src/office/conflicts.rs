//! What a person must decide.

use lastmile_crdt::ConflictKind;
use lastmile_model::{Scope, Value};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{FullRecord, OpenConflict};

use super::answer::{ConflictView, SideView};
use super::find::{label_of, text_of};
use crate::central::Central;
use crate::{OfficeAnswer, OfficeError, RelayError};

/// How much of a place code at least names the place in which what settled itself is looked for: a street. It is looked for
/// record by record, and uploads wait meanwhile.
const SETTLED_WITHIN: usize = 9;

impl Central {
    pub(super) fn conflicts(
        &mut self,
        record_type: Option<&str>,
        within: Option<&str>,
        all: bool,
        limit: usize,
    ) -> Result<OfficeAnswer, RelayError> {
        let scopes = self.within(within)?;
        if all && within.is_none_or(|code| code.len() < SETTLED_WITHIN) {
            return Err(OfficeError::WidePlace.into());
        }
        let types: Vec<(usize, String)> = match record_type {
            Some(name) => vec![(self.record_type(name)?.0, name.to_owned())],
            None => self.catalogue.types().iter().map(|one| one.name.clone()).enumerate().collect(),
        };
        let (mut conflicts, mut records) = (Vec::new(), 0usize);
        for (type_no, name) in types {
            let mut query = Query::new(type_no, &[]).within(scopes.keys().copied().collect());
            if !all {
                query = query.filter("open", Test::Above, Cell::Int(0));
            }
            for row in self.reader.rows(&query)? {
                let Some(scope) = scopes.get(&row.scope) else { continue };
                // A record of one change agrees with itself.
                let parted =
                    || Ok::<_, RelayError>(self.reader.heads(type_no, row.id)?.iter().any(|(_, head)| head.more));
                if all && !parted()? {
                    continue;
                }
                if limit > 0 && conflicts.len() >= limit {
                    records = records.saturating_add(usize::from(!all));
                    continue;
                }
                let record = self.full(&name, row.id.0, scope)?;
                records = records.saturating_add(usize::from(!record.conflicts.is_empty()));
                for conflict in record.conflicts.iter().filter(|conflict| all || conflict.kind.is_held()) {
                    conflicts.push(self.conflict_view(scope, &record, conflict)?);
                }
            }
        }
        if record_type.is_none_or(|name| name == "person" || name == "check_in") {
            let contested = self.contested_homes(&scopes, limit)?;
            records = records.saturating_add(contested.len());
            conflicts.extend(contested);
        }
        if limit > 0 {
            conflicts.truncate(limit);
        }
        Ok(OfficeAnswer::Conflicts { conflicts, records })
    }

    fn conflict_view(
        &self,
        scope: &Scope,
        record: &FullRecord,
        conflict: &OpenConflict,
    ) -> Result<ConflictView, RelayError> {
        let trust = self.trust()?;
        let side = |side: &lastmile_store::Side| SideView {
            value: side.value.as_ref().map(text_of),
            author: side.origin.author.to_string(),
            device: trust.certificate(side.origin.author).map(|known| known.device.clone()).unwrap_or_default(),
            acting: side.origin.acting,
            wall_ms: side.origin.wall_ms,
        };
        let text = |name: &str| record.values.get(name).and_then(Value::as_str);
        Ok(ConflictView {
            record_type: record.record_type.clone(),
            id: record.id.0,
            scope: scope.to_string(),
            label: label_of(text("name"), text("title")),
            field: conflict.field.clone(),
            kind: word(conflict.kind).to_owned(),
            sides: conflict.sides.iter().map(side).collect(),
            shown: conflict.shown.as_ref().map(text_of),
            base: conflict.base.as_ref().map(text_of),
        })
    }
}

const fn word(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::Immutable => "immutable",
        ConflictKind::Listed => "listed",
        ConflictKind::Sealed => "sealed",
        ConflictKind::Held => "held",
        ConflictKind::Correction => "correction",
        ConflictKind::Transition => "transition",
    }
}
