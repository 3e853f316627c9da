//! The device side for Kotlin, Swift and Python: a facade without logic over `lastmile-client`.
//!
//! [`Replica`] is the one object that an app keeps. Whatever touches the disk or the network is `async` and runs on threads of the
//! replica's own, so that no call keeps its caller waiting; what comes later is pulled from streams that never grow: a [`ChangeStream`]
//! says [`ChangeEvent::Overflow`] instead. A [`SyncHandle`] can be cancelled from any language. Errors are one enum, [`LastmileError`],
//! with codes that stay and without personal data; a panic becomes one of them.
//!
//! [`Replica::shut_down`] ends the threads and waits for them: when it returns nothing of this library calls into the app any more. The
//! languages' packages lie beside this crate and add their habits, not behaviour.

mod attachments;
mod bundle;
mod catalogue;
mod config;
mod edit;
mod engine;
mod error;
mod job;
mod query;
mod record;
mod replica;
mod storage;
mod stream;
mod sync;
mod value;
mod worklist;

pub use attachments::{Attached, Attachment, FetchHandle, FetchProgress, FileStanding};
pub use bundle::BundleReport;
pub use catalogue::{ChoiceInfo, EventInfo, FieldInfo, RecordTypeInfo, record_types};
pub use config::{KeyError, KeyProvider, ReplicaConfig};
pub use edit::{EventPart, NewEvent, RecordEdit, SaveOptions, new_record_id};
pub use error::{FieldProblem, LastmileError};
pub use query::{Condition, ListQuery, Page, QueryStream, Row, Sort, Test};
pub use record::{Conflict, ConflictKind, ConflictSide, EventRecord, Origin, RecordId, StoredRecord};
pub use replica::{Replica, ReplicaInfo, library_version};
pub use storage::StorageFigures;
pub use stream::{ChangeEvent, ChangeStream};
pub use sync::{
    BackgroundOutcome, Refusal, SyncHandle, SyncPhase, SyncProgress, SyncReport, SyncState, SyncStateStream,
};
pub use value::FieldValue;
pub use worklist::{HeldBack, Outbox, UnsentCommit};

uniffi::setup_scaffolding!("lastmile");
