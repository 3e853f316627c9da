//! Records as standard Automerge changes: codec, gate, edits, evaluation, conflicts.
//!
//! One record in one scope is one small Automerge document: a flat map of scalars at ROOT, one change per save. This
//! crate writes and reads those changes itself and keeps Automerge as the oracle of its tests and the engine of its
//! exports. The flow of a change that arrives:
//!
//! 1. [`read_header`] reads what a commit repeats, cheaply; [`decode`] accepts only canonical, bounded, flat changes.
//! 2. [`admit`] checks what the headers of its ancestors decide: dependencies, counters, predecessors.
//! 3. [`evaluate`] turns the set of a record's changes into its values, sets, events and conflicts. It is a pure
//!    function of the set: no order, clock or arrival plays a part.
//!
//! What a user changes starts as [`Edit`]s and becomes bytes in [`make_change`]. [`export_document`] hands a record to
//! any Automerge tool. No byte from outside reaches Automerge before [`decode`] and [`admit`] accepted it.
//!
//! ```
//! use lastmile_crdt::{Base, Edit, Known, decode, evaluate, make_change};
//! use lastmile_model::{AuthorId, Value};
//!
//! let actor = AuthorId([7; 16]);
//! let edits = [Edit::set("title", "清洁日"), Edit::set("beneficiaries", 20)];
//! let made = make_change(&Base::EMPTY, actor, 1_764_000_000, None, &edits)?;
//!
//! let change = decode(&made.encoded.bytes)?;
//! let record = evaluate(None, &[Known::visible(&change)]);
//! assert_eq!(record.values["title"].value, &Value::from("清洁日"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod baseline;
mod change;
mod codec;
mod edit;
mod evaluate;
mod export;
mod gate;
mod history;

pub use change::{
    Action, Change, ChangeHeader, ChangeParts, EncodedChange, MAX_BYTES, MAX_COUNTER, MAX_OPS, MAX_PREDS, MAX_START_OP,
    MAX_TIME, Op, OpId,
};
pub use codec::{EncodeError, Malformed, decode, decode_hashed, encode, read_header, read_header_hashed};
pub use edit::{Base, Edit, EditError, Made, make_change};
pub use evaluate::{Candidate, Conflict, ConflictKind, Event, MAX_EVENTS, Record, Shown, evaluate};
pub use export::{ExportError, Exported, export_document};
pub use gate::{HeaderInRecord, Refused, admit};
pub use history::Known;
