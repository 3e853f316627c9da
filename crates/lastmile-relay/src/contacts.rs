//! When each device was last heard.

use std::collections::BTreeMap;

use lastmile_model::AuthorId;
use lastmile_store::{Store, StoreError};

/// The setting that keeps them.
const KEY: &str = "relay.contacts";

/// The last contact of each author, in milliseconds since 1970. Written now and then: losing a minute of it costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    last: BTreeMap<AuthorId, i64>,
    changed: bool,
    written_ms: i64,
}

impl Contacts {
    pub fn load(store: &Store) -> Result<Self, StoreError> {
        let bytes = store.setting(KEY)?.unwrap_or_default();
        let last = bytes
            .chunks_exact(24)
            .filter_map(|entry| {
                let (author, time) = entry.split_at_checked(16)?;
                Some((AuthorId::from_slice(author)?, i64::from_be_bytes(time.try_into().ok()?)))
            })
            .collect();
        Ok(Self { last, changed: false, written_ms: 0 })
    }

    pub fn heard(&mut self, author: AuthorId, now_ms: i64) {
        self.last.insert(author, now_ms);
        self.changed = true;
    }

    pub fn last(&self, author: AuthorId) -> Option<i64> {
        self.last.get(&author).copied()
    }

    /// Tells whether a minute has passed since they were written.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.changed && now_ms.abs_diff(self.written_ms) >= 60_000
    }

    pub fn write(&mut self, store: &mut Store, now_ms: i64) -> Result<(), StoreError> {
        if self.changed {
            let bytes: Vec<u8> =
                self.last.iter().flat_map(|(author, time)| author.0.into_iter().chain(time.to_be_bytes())).collect();
            store.set_setting(KEY, &bytes)?;
            self.changed = false;
            self.written_ms = now_ms;
        }
        Ok(())
    }
}
