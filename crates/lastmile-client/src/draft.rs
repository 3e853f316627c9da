//! What a user is about to save: checked, then one commit.

use lastmile_crdt::Edit;
use lastmile_model::check::CheckContext;
use lastmile_model::input::Entry;
use lastmile_model::problem::{Fault, Problem};
use lastmile_model::{Key, Places, RecordId, RecordType, Value, check};
use lastmile_store::{FullRecord, NewCommit, RecordEdit};
use uuid::Uuid;

use crate::ClientError;
use crate::clock::{civil_date, new_id, random};
use crate::replica::Replica;

/// Edits of several records that will be one commit. Nothing is written before [`Draft::save`].
#[derive(Debug)]
pub struct Draft<'r> {
    replica: &'r Replica,
    acting: Option<Uuid>,
    wall_ms: i64,
    edits: Vec<RecordEdit>,
    entry: bool,
}

impl<'r> Draft<'r> {
    pub(crate) fn new(replica: &'r Replica, acting: Option<Uuid>) -> Self {
        Self { replica, acting, wall_ms: replica.now_ms(), edits: Vec::new(), entry: false }
    }

    /// Dates the save otherwise than now, as when old papers are entered; in milliseconds since 1970.
    #[must_use]
    pub const fn at(mut self, wall_ms: i64) -> Self {
        self.wall_ms = wall_ms;
        self
    }

    /// Demands what only a person at the device can give, e.g. consent.
    #[must_use]
    pub const fn by_hand(mut self) -> Self {
        self.entry = true;
        self
    }

    pub(crate) const fn replica(&self) -> &'r Replica {
        self.replica
    }

    fn with_context<T>(&self, work: impl FnOnce(&CheckContext<'_>) -> T) -> T {
        let places = Places::changsha();
        let context = CheckContext::new(civil_date(self.replica.now_ms())).with_places(places);
        work(&if self.entry { context.for_entry() } else { context })
    }

    /// Adds a new record and returns its id: derived where the type says so, otherwise new.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] naming each field that does not fit.
    pub fn create(&mut self, record_type: &str, entry: Entry) -> Result<RecordId, ClientError> {
        self.create_as(record_type, entry, None)
    }

    /// Adds a new record under a given id, or the derived one where the type says so.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] naming each field that does not fit.
    pub fn create_as(
        &mut self,
        record_type: &str,
        mut entry: Entry,
        id: Option<RecordId>,
    ) -> Result<RecordId, ClientError> {
        let (_, known) = self.replica.record_type(record_type)?;
        self.seal(&mut entry)?;
        self.with_context(|context| check::validate_new(known, &entry.values, context))
            .map_err(ClientError::Invalid)?;
        let value_of = |name: &str| entry.values.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let id = match known.derive_id(value_of) {
            Some(derived) => derived,
            None => match id {
                Some(given) => given,
                None => RecordId(new_id(self.replica.clock(), self.wall_ms)?),
            },
        };
        let edits = entry.values.into_iter().map(|(key, value)| Edit::Set { key, value }).collect();
        self.push(record_type, id, true, edits)?;
        Ok(id)
    }

    /// Adds edits of a record that is on this device.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] naming each field that does not fit; a store error when the record is not here.
    pub fn edit(&mut self, record_type: &str, id: RecordId, mut entry: Entry) -> Result<(), ClientError> {
        let (_, known) = self.replica.record_type(record_type)?;
        let before = self.replica.record(record_type, id)?;
        self.seal(&mut entry)?;
        let value_before = |key: &str| before.values.get(key).cloned();
        self.with_context(|context| check::validate_edit(known, &entry.values, &entry.removed, &value_before, context))
            .map_err(ClientError::Invalid)?;
        let removed = entry.removed.into_iter().map(|key| Edit::Remove { key });
        let edits = entry.values.into_iter().map(|(key, value)| Edit::Set { key, value }).chain(removed).collect();
        self.push(record_type, id, false, edits)
    }

    /// Adds an event, refusing one that is not possible in the record's state.
    ///
    /// # Errors
    /// [`ClientError::NotNow`] when it is not possible, [`ClientError::Invalid`] when a part does not fit.
    pub fn event(
        &mut self,
        record_type: &str,
        id: RecordId,
        kind: &str,
        parts: &[(&str, &str)],
    ) -> Result<(), ClientError> {
        let (_, known) = self.replica.record_type(record_type)?;
        let event = new_id(self.replica.clock(), self.wall_ms)?;
        let by = self.acting.map(RecordId);
        let values = self
            .with_context(|context| {
                let values = lastmile_model::input::event(known, kind, parts, event, self.wall_ms, by, context)?;
                check::validate_edit(known, &values, &[], &|_| None, context).map(|()| values)
            })
            .map_err(ClientError::Invalid)?;
        let pending = self.edits.iter().position(|edit| edit.record == id && edit.record_type == record_type);
        if pending.is_none() {
            allowed_now(known, &self.replica.record(record_type, id)?, kind)?;
        }
        let edits: Vec<Edit> = values.into_iter().map(|(key, value)| Edit::Set { key, value }).collect();
        match pending.and_then(|place| self.edits.get_mut(place)) {
            Some(edit) => edit.edits.extend(edits),
            None => self.push(record_type, id, false, edits)?,
        }
        Ok(())
    }

    /// Adds document keys of one record as a program gives them that knows the keys, events among them and under an id of its own.
    /// They are checked as what a person enters is.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] naming each field that does not fit, or `id` where the type derives another one;
    /// [`ClientError::NotNow`] when the first event is not possible in the record's state; a store error when an old record is not here.
    pub fn put(&mut self, record_type: &str, id: RecordId, new: bool, mut entry: Entry) -> Result<(), ClientError> {
        let (_, known) = self.replica.record_type(record_type)?;
        let scope = self.replica.scope_for(known)?;
        self.seal(&mut entry)?;
        if new {
            self.with_context(|context| check::validate_new(known, &entry.values, &context.in_scope(&scope)))
                .map_err(ClientError::Invalid)?;
            let value_of = |name: &str| entry.values.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            if known.derive_id(value_of).is_some_and(|derived| derived != id) {
                let fault = Fault::WrongType { expected: "id as derived from the record's fields" };
                return Err(ClientError::Invalid(vec![Problem::of_name(known, "id", fault)]));
            }
        } else {
            let before = self.replica.record(record_type, id)?;
            let shown = |key: &str| before.values.get(key).cloned();
            self.with_context(|context| {
                check::validate_edit(known, &entry.values, &entry.removed, &shown, &context.in_scope(&scope))
            })
            .map_err(ClientError::Invalid)?;
            let kinds = entry.values.iter().filter_map(|(key, value)| match Key::parse(key) {
                Some(Key::Event(_, "kind")) => value.as_str(),
                _ => None,
            });
            if let Some(kind) = kinds.take(1).next() {
                allowed_now(known, &before, kind)?;
            }
        }
        let removed = entry.removed.into_iter().map(|key| Edit::Remove { key });
        let edits = entry.values.into_iter().map(|(key, value)| Edit::Set { key, value }).chain(removed).collect();
        self.push(record_type, id, new, edits)
    }

    /// Adds edits as they are, for data that was checked elsewhere.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn push(
        &mut self,
        record_type: &str,
        record: RecordId,
        create: bool,
        edits: Vec<Edit>,
    ) -> Result<(), ClientError> {
        let salt = random(self.replica.clock())?;
        self.edits.push(RecordEdit { record_type: record_type.to_owned(), record, create, salt, edits });
        Ok(())
    }

    /// Seals what goes to the office alone and puts it among the values.
    fn seal(&self, entry: &mut Entry) -> Result<(), ClientError> {
        for (field, plain) in std::mem::take(&mut entry.sealed) {
            let sealed = self.replica.seal_value(plain.reveal().as_bytes())?;
            entry.values.push((field, Value::Bytes(sealed)));
        }
        Ok(())
    }

    /// Saves everything as one commit per scope; when this returns it survives a power cut.
    ///
    /// # Errors
    /// When the storage fails; nothing is saved then.
    pub fn save(self) -> Result<Vec<lastmile_store::Saved>, ClientError> {
        let replica = self.replica;
        let mut commits: Vec<NewCommit> = Vec::new();
        for edit in self.edits {
            let (_, known) = replica.record_type(&edit.record_type)?;
            let scope = replica.scope_for(known)?;
            match commits.iter_mut().find(|commit| commit.scope == scope) {
                Some(commit) => commit.edits.push(edit),
                None => commits.push(NewCommit {
                    scope,
                    acting: self.acting,
                    hlc: 0,
                    wall_ms: self.wall_ms,
                    app: replica.app().to_owned(),
                    extension: Vec::new(),
                    edits: vec![edit],
                }),
            }
        }
        replica.save(commits)
    }
}

/// Refuses an event that is not possible in the record's state; while people disagree about the record every event is.
fn allowed_now(known: &RecordType, before: &FullRecord, kind: &str) -> Result<(), ClientError> {
    if let (Some(machine), Some(state)) = (&known.states, &before.state)
        && !lastmile_model::states::allowed(machine, state, kind)
        && before.conflicts.is_empty()
    {
        return Err(ClientError::NotNow {
            event: kind.to_owned(),
            record_type: known.name.clone(),
            state: state.clone(),
        });
    }
    Ok(())
}
