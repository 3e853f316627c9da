//! The register of revocations and erasures: a file that only grows, kept outside the database.
//!
//! A database that is put back from an older copy has forgotten who was revoked and what was erased since. The register has not: it is
//! written before the database, and replayed before the relay serves anything. Repeating an entry does no harm.

use std::path::{Path, PathBuf};

use lastmile_log::{Certificate, Issuer};
use lastmile_model::{AuthorId, ChainHash, ChangeHash, Scope, planted};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::RelayError;
use crate::central::Central;
use crate::chained::{ChainEnd, ChainedFile};
use crate::keys::write_secret;

/// The setting that keeps where the register ended when the database last knew.
const KEY: &str = "relay.register";

/// The file's name where none is given.
pub(crate) const FILE: &str = "register.jsonl";

/// Remembers in a relay's folder where the register is, for whoever opens the folder without being told.
const POINTER: &str = "register.path";

/// Where the register is: as named now, as named before, or in the folder.
pub(crate) fn place(folder: &Path, named: Option<&PathBuf>) -> Result<PathBuf, RelayError> {
    let pointer = folder.join(POINTER);
    let before = match std::fs::read_to_string(&pointer) {
        Ok(text) => Some(PathBuf::from(text.trim_end_matches('\n'))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(RelayError::file(&pointer, error)),
    };
    let Some(named) = named else { return Ok(before.unwrap_or_else(|| folder.join(FILE))) };
    let named = std::path::absolute(named).map_err(|error| RelayError::file(named, error))?;
    if before.as_ref() != Some(&named) {
        write_secret(&pointer, &format!("{}\n", named.display()))?;
    }
    Ok(named)
}

/// One entry. It names ids and places, never what was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Registered {
    /// An author is accepted no further in a scope.
    Revoked {
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// The author.
        author: String,
        /// The scope.
        scope: String,
        /// The last commit that is accepted.
        through: u64,
        /// Its chain hash.
        chain: String,
    },
    /// A device's certificate ended with its revocation.
    Ended {
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// The certificate that says so, in hexadecimal digits.
        certificate: String,
    },
    /// A record was erased in a scope.
    Erased {
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// The scope.
        scope: String,
        /// The record's type.
        record_type: String,
        /// The record.
        record: Uuid,
        /// The office's own changes that the order names, by their hashes: the database that is put back may not hold them, and devices may.
        #[serde(default)]
        changes: Vec<String>,
    },
}

/// The open register.
#[derive(Debug)]
pub(crate) struct Register {
    file: ChainedFile,
    entries: Vec<(Registered, ChainEnd)>,
    /// Entries that were written and are not carried out yet.
    owed: Vec<Registered>,
}

impl Register {
    /// Opens the register of a folder, or of the place named for it.
    ///
    /// # Errors
    /// When it cannot be written, does not hold together, or is shorter than the database knows.
    pub fn open(folder: &Path, named: Option<&PathBuf>, known: Option<&[u8]>) -> Result<Self, RelayError> {
        let path = place(folder, named)?;
        let (file, entries) = ChainedFile::open(&path, ChainEnd::NONE)?;
        let known = known.and_then(ChainEnd::from_bytes).unwrap_or(ChainEnd::NONE);
        let met = known == ChainEnd::NONE || entries.iter().any(|(_, end)| *end == known);
        if met || planted!("register-unasked") {
            Ok(Self { file, entries, owed: Vec::new() })
        } else {
            Err(RelayError::RegisterShort { path, lines: known.lines })
        }
    }
}

impl Central {
    /// Writes entries into the register, flushed when this returns. What they say is done in the database right after; where that is
    /// interrupted, the next start does it.
    pub fn register(&mut self, entries: &[Registered]) -> Result<ChainEnd, RelayError> {
        // What failed half-way before is carried out first, so that the database never counts it as done.
        let owed = self.register.as_mut().map(|register| std::mem::take(&mut register.owed)).unwrap_or_default();
        for (at, entry) in owed.iter().enumerate() {
            if let Err(error) = self.carry_out(entry) {
                if let Some(register) = &mut self.register {
                    register.owed = owed.get(at..).unwrap_or_default().to_vec();
                }
                return Err(error);
            }
        }
        let Some(register) = &mut self.register else { return Ok(ChainEnd::NONE) };
        let entries: &[Registered] = if planted!("register-unwritten") { &[] } else { entries };
        let end = register.file.append(entries)?;
        register.owed = entries.to_vec();
        Ok(end)
    }

    /// Notes in the database how far the register was carried out.
    pub fn note_register(&mut self) -> Result<(), RelayError> {
        if let Some(register) = &mut self.register {
            let end = register.file.end().to_bytes();
            self.store.set_setting(KEY, &end)?;
            register.owed.clear();
        }
        Ok(())
    }

    /// Opens the register and carries out what the database does not know of.
    pub fn replay_register(&mut self, folder: &Path, named: Option<&PathBuf>) -> Result<(), RelayError> {
        let known = self.store.setting(KEY)?;
        let register = Register::open(folder, named, known.as_deref())?;
        let known = known.as_deref().and_then(ChainEnd::from_bytes).unwrap_or(ChainEnd::NONE);
        let new = register.entries.iter().filter(|(_, end)| end.lines > known.lines);
        let mut new: Vec<Registered> = new.map(|(entry, _)| entry.clone()).collect();
        if planted!("restore-forgets-register") {
            new.clear();
        }
        self.register = Some(Register { file: register.file, entries: Vec::new(), owed: Vec::new() });
        if new.is_empty() {
            return Ok(());
        }
        tracing::warn!(entries = new.len(), "the register knows of more than the database; it is carried out again");
        for entry in new {
            self.carry_out(&entry)?;
        }
        self.note_register()
    }

    /// Ends a device's certificate again. The office of the time that the database does not know may be unknown to it as well: then the
    /// present one says the same.
    fn end_again(&mut self, certificate: Certificate) -> Result<(), RelayError> {
        self.store.add_certificates(std::slice::from_ref(&certificate))?;
        let author = certificate.author(&self.deployment);
        if self.trust()?.certificates(author).any(|known| *known == certificate) {
            return Ok(());
        }
        let again = Certificate { issuer: Issuer::Office(self.office), signature: [0; 64], ..certificate };
        Ok(self.store.add_certificates(&[again.signed(&self.keys.office, &self.deployment)])?)
    }

    fn carry_out(&mut self, entry: &Registered) -> Result<(), RelayError> {
        match entry {
            Registered::Revoked { author, scope, through, chain, .. } => {
                let (Ok(author), Ok(scope), Ok(chain)) =
                    (author.parse::<AuthorId>(), scope.parse::<Scope>(), chain.parse::<ChainHash>())
                else {
                    return Ok(());
                };
                self.write_revocation(&scope, author, (*through, chain), "")
            }
            Registered::Ended { certificate, .. } => {
                let bytes = crate::enrol::from_hex(certificate).unwrap_or_default();
                Certificate::decode(&bytes).map_or(Ok(()), |certificate| self.end_again(certificate))
            }
            Registered::Erased { scope, record_type, record, changes, .. } => match scope.parse::<Scope>() {
                Ok(scope) => {
                    let named = changes.iter().filter_map(|hash| hash.parse::<ChangeHash>().ok()).collect();
                    self.erase_in(&scope, record_type, *record, named, "")
                }
                Err(_) => Ok(()),
            },
        }
    }
}
