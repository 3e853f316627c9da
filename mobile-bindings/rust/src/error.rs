//! What apps are told when something fails: few cases to act on, each with a code that stays.

use lastmile_client::{ClientError, Distrust};
use lastmile_model::Problem;
use lastmile_protocol::Code;
use lastmile_store::StoreError;

/// One thing wrong with what was entered. It never repeats what was entered.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FieldProblem {
    /// The record's type; empty where no record is meant.
    pub record_type: String,
    /// The field; empty when the record as a whole is meant.
    pub field: String,
    /// A stable word for what is wrong, e.g. `missing`.
    pub code: String,
    /// A sentence to show, in Chinese.
    pub text_zh: String,
    /// The same in English.
    pub text_en: String,
}

/// Why something failed, by what an app does about it.
///
/// `code` is a word that never changes its meaning, `detail` is for logs. Neither carries personal data, and neither is a text to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum LastmileError {
    /// What was entered does not fit: show the problems beside their fields. Nothing was saved.
    #[error("invalid_input: {} problems", problems.len())]
    InvalidInput {
        /// `invalid_input`.
        code: String,
        /// Each thing that is wrong.
        problems: Vec<FieldProblem>,
    },
    /// What was asked for is not here: `no_replica`, `no_record`, `no_type`, `no_field`, `no_file`, `no_scope`.
    #[error("{code}: {detail}")]
    NotFound {
        /// What is missing.
        code: String,
        /// More, for logs.
        detail: String,
    },
    /// It is there and may not be done: `not_permitted`, `not_now`, `erased`, `exists`, `too_many_changes`, `not_attachable`.
    #[error("{code}: {detail}")]
    NotAllowed {
        /// Why not.
        code: String,
        /// More, for logs.
        detail: String,
    },
    /// The replica is open already, here or in another process: use that one.
    #[error("already_open")]
    AlreadyOpen {
        /// `already_open`.
        code: String,
    },
    /// The replica was closed, or is being closed.
    #[error("closed")]
    Closed {
        /// `closed`.
        code: String,
    },
    /// The file's key is not the right one or cannot be had: `wrong_key`, `key_unavailable`, `no_encryption`, `device_key`.
    #[error("{code}: {detail}")]
    Key {
        /// What is the matter with the key.
        code: String,
        /// More, for logs.
        detail: String,
    },
    /// The device's storage failed; nothing saved before is lost: `storage_full`, `read_only`, `damaged`, `newer_version`,
    /// `file_failed`, `storage_failed`.
    #[error("{code}: {detail}")]
    Storage {
        /// What failed.
        code: String,
        /// More, for logs.
        detail: String,
    },
    /// The relay was not reached, or somebody else was; what was saved is kept: `unreachable`, `broken_off`, `not_a_relay`,
    /// `untrusted_*`, `clear_text`, `bad_address`.
    #[error("{code}: {detail}")]
    Network {
        /// What stands in the way.
        code: String,
        /// More, for logs.
        detail: String,
        /// Whether trying again later may help without anybody doing anything.
        retryable: bool,
    },
    /// The relay refused; `code` is its word, e.g. `bad_token`, `revoked`, `busy`.
    #[error("{code}")]
    Refused {
        /// The relay's word.
        code: String,
        /// How long it asks to be left alone, in milliseconds; 0 for no wish.
        retry_after_ms: u64,
        /// Whether trying again later may help without anybody doing anything.
        retryable: bool,
    },
    /// A file is none that is taken: `not_a_bundle`, `damaged_bundle`, or of an attachment `kind`, `damaged`, `too_long`, `too_large`,
    /// `moving`, `place`; `bad_invite` for the text of an invite.
    #[error("{code}: {detail}")]
    NotTaken {
        /// Why not.
        code: String,
        /// More, for logs.
        detail: String,
    },
    /// It was given up: `cancelled`, or `deadline` when the time given to it was over. What came whole is kept.
    #[error("{code}")]
    Cancelled {
        /// Which of the two.
        code: String,
    },
    /// A fault of this library: `panic`, `no_threads`, `no_randomness`. Please report it.
    #[error("{code}: {detail}")]
    Internal {
        /// What happened.
        code: String,
        /// More, for logs.
        detail: String,
    },
}

impl LastmileError {
    pub(crate) fn closed() -> Self {
        Self::Closed { code: "closed".to_owned() }
    }

    pub(crate) fn cancelled() -> Self {
        Self::Cancelled { code: "cancelled".to_owned() }
    }

    pub(crate) fn deadline() -> Self {
        Self::Cancelled { code: "deadline".to_owned() }
    }

    pub(crate) fn panic() -> Self {
        Self::Internal { code: "panic".to_owned(), detail: "a fault of the library; what was saved is kept".to_owned() }
    }

    pub(crate) fn not_found(code: &str, detail: impl ToString) -> Self {
        Self::NotFound { code: code.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn key(code: &str, detail: impl ToString) -> Self {
        Self::Key { code: code.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn not_taken(code: &str, detail: impl ToString) -> Self {
        Self::NotTaken { code: code.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn internal(code: &str, detail: impl ToString) -> Self {
        Self::Internal { code: code.to_owned(), detail: detail.to_string() }
    }

    fn not_allowed(code: &str, detail: impl ToString) -> Self {
        Self::NotAllowed { code: code.to_owned(), detail: detail.to_string() }
    }

    fn storage(code: &str, detail: impl ToString) -> Self {
        Self::Storage { code: code.to_owned(), detail: detail.to_string() }
    }

    pub(crate) fn invalid(problems: impl IntoIterator<Item = FieldProblem>) -> Self {
        Self::InvalidInput { code: "invalid_input".to_owned(), problems: problems.into_iter().collect() }
    }

    /// Says that an argument which is no field of a record does not fit.
    pub(crate) fn argument(name: &str, code: &str, text_zh: &str, text_en: &str) -> Self {
        Self::invalid([FieldProblem {
            record_type: String::new(),
            field: name.to_owned(),
            code: code.to_owned(),
            text_zh: text_zh.to_owned(),
            text_en: text_en.to_owned(),
        }])
    }

    /// The code of any case.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::InvalidInput { code, .. }
            | Self::NotFound { code, .. }
            | Self::NotAllowed { code, .. }
            | Self::AlreadyOpen { code }
            | Self::Closed { code }
            | Self::Key { code, .. }
            | Self::Storage { code, .. }
            | Self::Network { code, .. }
            | Self::Refused { code, .. }
            | Self::NotTaken { code, .. }
            | Self::Cancelled { code }
            | Self::Internal { code, .. } => code,
        }
    }

    /// Whether trying again later may help without anybody doing anything.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Network { retryable: true, .. } | Self::Refused { retryable: true, .. } | Self::Cancelled { .. }
        )
    }
}

impl From<&Problem> for FieldProblem {
    fn from(problem: &Problem) -> Self {
        Self {
            record_type: problem.record_type.clone(),
            field: problem.field.clone(),
            code: problem.code().to_owned(),
            text_zh: problem.zh(),
            text_en: problem.en(),
        }
    }
}

impl From<Vec<Problem>> for LastmileError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::invalid(problems.iter().map(FieldProblem::from))
    }
}

/// A path may say whose device it is, so only what failed is told of it.
fn file_error(source: &std::io::Error) -> LastmileError {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => LastmileError::storage("storage_full", source.kind()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            LastmileError::storage("read_only", source.kind())
        }
        ErrorKind::NotFound => LastmileError::not_found("no_file", source.kind()),
        kind => LastmileError::storage("file_failed", kind),
    }
}

impl From<std::io::Error> for LastmileError {
    fn from(error: std::io::Error) -> Self {
        file_error(&error)
    }
}

impl From<StoreError> for LastmileError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull | StoreError::NoRoom { .. } => Self::storage("storage_full", "no room to write"),
            StoreError::ReadOnly { .. } => Self::storage("read_only", "the folder cannot be written"),
            StoreError::InUse { .. } => Self::AlreadyOpen { code: "already_open".to_owned() },
            StoreError::Newer { found, known, .. } => {
                Self::storage("newer_version", format!("format {found}, known up to {known}"))
            }
            StoreError::NotAReplica { .. } => Self::not_found("no_replica", "the file is no replica"),
            StoreError::WrongKey { .. } => Self::key("wrong_key", "does not open with this key"),
            StoreError::NoEncryption => Self::key("no_encryption", "this build has no encryption"),
            StoreError::Damaged { .. } | StoreError::BadBatch(_) => {
                Self::storage("damaged", "stored data contradicts itself")
            }
            StoreError::NoColumn { record_type, column } => {
                Self::not_found("no_field", format!("{record_type} has no column `{column}`"))
            }
            StoreError::NoType { name } => Self::not_found("no_type", format!("no record type `{name}`")),
            StoreError::NoRecord { record_type, id } => Self::not_found("no_record", format!("{record_type} {id}")),
            StoreError::NoScope { scope } => Self::not_found("no_scope", scope),
            StoreError::Erased { record_type, id } => Self::not_allowed("erased", format!("{record_type} {id}")),
            StoreError::TooManyChanges { record_type, id, .. } => {
                Self::not_allowed("too_many_changes", format!("{record_type} {id}"))
            }
            StoreError::Limit { what, limit } => Self::not_allowed("limit", format!("{what}, at most {limit}")),
            StoreError::Edit(error) => Self::not_allowed("not_saved", error),
            StoreError::Pack(error) => Self::not_allowed("not_saved", error),
            StoreError::Engine { doing, .. } => Self::storage("storage_failed", doing),
            StoreError::OldEngine { .. } => Self::storage("storage_failed", "SQLite is too old"),
        }
    }
}

const fn distrust_code(why: Distrust) -> &'static str {
    match why {
        Distrust::OtherAuthority => "untrusted_other_authority",
        Distrust::UnknownIssuer => "untrusted_unknown_issuer",
        Distrust::Expired => "untrusted_expired",
        Distrust::NotYetValid => "untrusted_not_yet_valid",
        Distrust::WrongName => "untrusted_wrong_name",
        Distrust::NotTls => "untrusted_not_tls",
        Distrust::TooOld => "untrusted_too_old",
        Distrust::Bad => "untrusted",
    }
}

/// Whether a refusal passes by itself.
const fn passes(code: Code) -> bool {
    matches!(code, Code::Busy | Code::Internal | Code::CannotStore | Code::Repeated | Code::OverQuota)
}

fn refused_file(why: lastmile_media::Refused) -> LastmileError {
    use lastmile_media::Refused;
    let code = match why {
        Refused::Kind => "kind",
        Refused::Damaged => "damaged",
        Refused::TooLong { .. } => "too_long",
        Refused::TooLarge { .. } => "too_large",
        Refused::Moving => "moving",
        Refused::Place => "place",
    };
    LastmileError::not_taken(code, why)
}

impl From<ClientError> for LastmileError {
    fn from(error: ClientError) -> Self {
        let retryable = error.is_passing();
        let network =
            |code: &str, detail: &str| Self::Network { code: code.to_owned(), detail: detail.to_owned(), retryable };
        match error {
            ClientError::Store(error) => error.into(),
            ClientError::Invalid(problems) => problems.into(),
            ClientError::NoReplica { .. } => Self::not_found("no_replica", "the folder holds no replica"),
            ClientError::Exists { .. } => Self::not_allowed("exists", "the folder holds a replica already"),
            ClientError::File { source, .. } => file_error(&source),
            ClientError::FileNotTaken(why) => refused_file(why),
            ClientError::NotAttachable { record_type } => Self::not_allowed("not_attachable", record_type),
            ClientError::BadKey { .. } => Self::key("device_key", "the device's key file is damaged"),
            ClientError::OtherKey { .. } => Self::key("device_key", "the device's key is of another copy"),
            ClientError::NoScopeFor { record_type } => Self::not_found("no_scope", record_type),
            ClientError::NotPermitted { record_type, operation } => {
                Self::not_allowed("not_permitted", format!("{operation} on {record_type}"))
            }
            ClientError::NotNow { event, record_type, state } => {
                Self::not_allowed("not_now", format!("{event} of {record_type} in {state}"))
            }
            ClientError::Unreachable { reason, .. } => network("unreachable", &reason),
            ClientError::Untrusted { why, .. } => network(distrust_code(why), "whoever answers is not believed"),
            ClientError::ClearText(_) => network("clear_text", "the address has no TLS"),
            ClientError::NoTrustStore { .. } => network("untrusted_no_list", "the system trusts nobody that is known"),
            ClientError::NotARelay { .. } => network("not_a_relay", "something else than a relay answered"),
            ClientError::BrokenOff { .. } | ClientError::Session(_) => network("broken_off", "the exchange broke off"),
            ClientError::BadAddress(_) => network("bad_address", "the address is none of a relay"),
            ClientError::Refused { code, retry_after_ms } => {
                Self::Refused { code: code.word().to_owned(), retry_after_ms, retryable: passes(code) }
            }
            ClientError::OfficeKey | ClientError::BadPin => {
                Self::storage("damaged", "a kept key of the relay is damaged; enrol anew")
            }
            ClientError::NotABundle { .. } => Self::not_taken("not_a_bundle", "the file is no bundle"),
            ClientError::DamagedBundle { .. } => {
                Self::not_taken("damaged_bundle", "what came whole before the damage is kept")
            }
            ClientError::NoRandomness => Self::internal("no_randomness", "the system gives none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn no_path_and_no_name_gets_out() {
        let folder = PathBuf::from("/home/zhangsan/张三");
        let errors = [
            ClientError::NoReplica { folder: folder.clone() },
            ClientError::Exists { folder: folder.clone() },
            ClientError::BadKey { path: folder.clone() },
            ClientError::NotABundle { path: folder.clone() },
            ClientError::File { path: folder.clone(), source: std::io::ErrorKind::NotFound.into() },
            ClientError::Store(StoreError::InUse { path: folder.clone() }),
            ClientError::Store(StoreError::WrongKey { path: folder.clone() }),
            ClientError::Store(StoreError::Damaged { what: "张三".to_owned() }),
            ClientError::Store(StoreError::ReadOnly { path: folder }),
        ];
        for error in errors {
            let told = format!("{:?}", LastmileError::from(error));
            assert!(!told.contains("zhangsan") && !told.contains("张三"), "{told}");
        }
    }

    #[test]
    fn every_code_is_a_word_and_says_whether_it_passes() {
        let error = |code| LastmileError::from(ClientError::Refused { code, retry_after_ms: 5 });
        for code in Code::ALL {
            let error = error(*code);
            assert!(error.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{error}");
        }
        assert!(error(Code::Busy).is_passing() && !error(Code::Revoked).is_passing());
        assert!(LastmileError::deadline().is_passing() && !LastmileError::closed().is_passing());
        let away = ClientError::Unreachable { relay: String::new(), reason: "timeout".to_owned(), sent: 0 };
        assert!(LastmileError::from(away).is_passing());
        assert!(!LastmileError::from(ClientError::ClearText(String::new())).is_passing());
    }
}
