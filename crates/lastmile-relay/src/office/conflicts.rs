//! What a person must decide.

use lastmile_crdt::ConflictKind;
use lastmile_model::{Scope, Value};
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;
use lastmile_store::{FullRecord, OpenConflict};

use super::answer::{ConflictView, SideView};
use super::find::{label_of, text_of};
use crate::central::Central;
use crate::{OfficeAnswer, RelayError};

impl Central {
    pub(super) fn conflicts(
        &mut self,
        record_type: Option<&str>,
        within: Option<&str>,
        all: bool,
        limit: usize,
    ) -> Result<OfficeAnswer, RelayError> {
        let scopes = self.within(within)?;
        let types: Vec<(usize, String)> = match record_type {
            Some(name) => vec![(self.record_type(name)?.0, name.to_owned())],
            None => self.catalogue.types().iter().map(|one| one.name.clone()).enumerate().collect(),
        };
        let (mut conflicts, mut records) = (Vec::new(), 0usize);
        for (type_no, name) in types {
            let query = Query::new(type_no, &[])
                .filter("open", Test::Above, Cell::Int(0))
                .within(scopes.keys().copied().collect());
            for row in self.reader.rows(&query)? {
                records = records.saturating_add(1);
                let Some(scope) = scopes.get(&row.scope).filter(|_| limit == 0 || conflicts.len() < limit) else {
                    continue;
                };
                let record = self.full(&name, row.id.0, scope)?;
                for conflict in record.conflicts.iter().filter(|conflict| all || conflict.kind.is_held()) {
                    conflicts.push(self.conflict_view(scope, &record, conflict)?);
                }
            }
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
