//! Yearly tallies, so that a phone can show what was done elsewhere.

use std::collections::HashMap;

use lastmile_crdt::Edit;
use lastmile_model::duties::DutyRules;
use lastmile_model::{RecordId, Value, derive};
use lastmile_report::tallies_from_rows;
use lastmile_store::query::{Query, Test};
use lastmile_store::storage::Cell;

use crate::central::Central;
use crate::{OfficeAnswer, OfficeError, RelayError};

impl Central {
    pub(super) fn tallies(&mut self, year: i32) -> Result<OfficeAnswer, RelayError> {
        let failed = |error: lastmile_report::ReportError| OfficeError::Failed { text: error.to_string() };
        let rows = tallies_from_rows(&mut self.reader, year, DutyRules::default()).map_err(failed)?;
        let scopes = self.scope_map()?;
        let year = i64::from(year);
        let query = Query::new(self.reader.type_no("tally")?, &["person", "count", "owed"]).filter(
            "year",
            Test::Is,
            Cell::Int(year),
        );
        let mut known: HashMap<(u32, RecordId), (i64, i64)> = HashMap::new();
        for row in self.reader.rows(&query)? {
            let [person, count, owed] = row.cells.as_slice() else { continue };
            if let (Some(person), Some(count), Some(owed)) = (person.record(), count.int(), owed.int()) {
                known.insert((row.scope, person), (count, owed));
            }
        }
        let numbers: HashMap<_, u32> = scopes.iter().map(|(no, scope)| (scope.clone(), *no)).collect();
        let counted = rows.len();
        let mut edits = Vec::new();
        for row in rows {
            let now = (i64::from(row.count), i64::from(row.owed));
            let Some(no) = numbers.get(&row.scope) else { continue };
            if known.get(&(*no, row.person)) == Some(&now) {
                continue;
            }
            let fields = vec![
                Edit::set("person", Value::reference(row.person)),
                Edit::set("year", year),
                Edit::set("count", now.0),
                Edit::set("owed", now.1),
            ];
            edits.push((row.scope, self.edit("tally", derive::tally(row.person, year), true, fields)?));
        }
        let written = edits.len();
        self.save_grouped("", edits)?;
        Ok(OfficeAnswer::Tallies { counted, written })
    }
}
