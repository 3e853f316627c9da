//! Looking records up for the office.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use lastmile_model::{RecordId, RecordType, Scope, ScopeKind, Value, civil, names};
use lastmile_store::FullRecord;
use uuid::Uuid;

use crate::central::Central;
use crate::{OfficeError, RelayError};

impl Central {
    /// The scopes held, by their local numbers.
    pub(super) fn scope_map(&mut self) -> Result<BTreeMap<u32, Scope>, RelayError> {
        Ok(self.reader.scopes()?.into_iter().collect())
    }

    /// The scopes whose code begins so; with none named every one.
    pub(super) fn within(&mut self, prefix: Option<&str>) -> Result<BTreeMap<u32, Scope>, RelayError> {
        let mut scopes = self.scope_map()?;
        if let Some(prefix) = prefix {
            let code = prefix.split_once(':').map_or(prefix, |(_, code)| code);
            // The shared lists of a city belong to every place in it.
            scopes.retain(|_, scope| {
                scope.code().starts_with(code) || (scope.kind() == ScopeKind::City && code.starts_with(scope.code()))
            });
            if scopes.is_empty() {
                return Err(OfficeError::BadScope { text: prefix.to_owned() }.into());
            }
        }
        Ok(scopes)
    }

    pub(super) fn record_type(&self, name: &str) -> Result<(usize, &RecordType), RelayError> {
        self.catalogue
            .get(name)
            .ok_or_else(|| OfficeError::BadType { name: name.to_owned(), known: self.type_names() }.into())
    }

    fn type_names(&self) -> String {
        self.catalogue.types().iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The scopes that show a record of a type.
    pub(super) fn places_of(&mut self, record_type: &str, id: RecordId) -> Result<Vec<Scope>, RelayError> {
        let scopes = self.scope_map()?;
        let heads = self.reader.heads(self.reader.type_no(record_type)?, id)?;
        Ok(heads.into_iter().filter_map(|(no, _)| scopes.get(&no).cloned()).collect())
    }

    /// Finds the type of a record and the scopes that show it: among these types, or all if none is named.
    pub(super) fn find(&mut self, id: Uuid, types: &[&str]) -> Result<(String, Vec<Scope>), RelayError> {
        let names: Vec<String> = if types.is_empty() {
            self.catalogue.types().iter().map(|one| one.name.clone()).collect()
        } else {
            types.iter().map(|&name| name.to_owned()).collect()
        };
        for name in names {
            let places = self.places_of(&name, RecordId(id))?;
            if !places.is_empty() {
                return Ok((name, places));
            }
        }
        let what = if types.is_empty() { "record".to_owned() } else { types.join(" or ") };
        Err(OfficeError::NotFound { what, id }.into())
    }

    /// Reads a record in a scope.
    pub(super) fn full(&mut self, record_type: &str, id: Uuid, scope: &Scope) -> Result<FullRecord, RelayError> {
        Ok(self.reader.record(record_type, RecordId(id), Some(scope))?)
    }

    /// Reads a day as typed, up to today; today if none is named.
    pub(super) fn day(&self, text: Option<&str>) -> Result<NaiveDate, RelayError> {
        let today = self.today();
        let Some(text) = text else { return Ok(today) };
        let day = civil::parse_date(text.trim()).filter(|day| *day <= today);
        day.ok_or_else(|| OfficeError::BadDay { text: text.to_owned() }.into())
    }
}

/// A masked name or a title, to know a record by.
pub(super) fn label_of(name: Option<&str>, title: Option<&str>) -> String {
    match (name, title) {
        (Some(name), _) => names::mask(name),
        (None, Some(title)) => title.to_owned(),
        (None, None) => String::new(),
    }
}

/// Writes a value for people; what is sealed stays so.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) | Value::Timestamp(number) | Value::Counter(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::F64(bits) => f64::from_bits(*bits).to_string(),
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) => match <[u8; 16]>::try_from(bytes.as_slice()) {
            Ok(id) => Uuid::from_bytes(id).to_string(),
            Err(_) => format!("({} bytes)", bytes.len()),
        },
        Value::Unknown { bytes, .. } => format!("({} bytes)", bytes.len()),
    }
}
