//! What the data set leaves to find and to decide.

use lastmile_model::{RecordId, Value};

use super::ledger::DeviceRef;
use super::persons::Likeness;

/// Two records of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The record that stays: the smaller id.
    pub canonical: RecordId,
    /// The record that goes into it.
    pub other: RecordId,
    /// What tells that they are one person.
    pub likeness: Likeness,
    /// The community, a place in the plan, that holds the first record made of the person.
    pub home: usize,
    /// The community, a place in the plan, that holds the second one: another one, or the same.
    pub second_home: usize,
    /// Whether the second record's check-in was confirmed, so that the person counts twice until the records are linked.
    pub confirmed_twice: bool,
}

/// Two records of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityDuplicate {
    /// The community, a place in the plan.
    pub community: usize,
    /// The session that counts.
    pub original: RecordId,
    /// The session entered again.
    pub repeated: RecordId,
    /// Whether the two devices entered it without knowing of each other, so that the office has to decide; otherwise the
    /// secretary marked it already.
    pub undecided: bool,
}

/// A person confirmed at two places: a question for street or district. Counted at the earlier one meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoPlaces {
    /// The person's canonical record.
    pub person: RecordId,
    /// The check-in that counts.
    pub earlier: RecordId,
    /// The community of that check-in, a place in the plan.
    pub earlier_at: usize,
    /// The check-in that is held.
    pub later: RecordId,
    /// The community of that check-in, a place in the plan.
    pub later_at: usize,
    /// Whether both check-ins name the same person record; otherwise the two person records are duplicates.
    pub same_record: bool,
}

/// How concurrent or late values of a field are to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// Listed only: the newest shows (K1).
    Listed,
    /// Held for a person: the lowest shows (K2).
    Held,
    /// An edit of a verified record: the verified value shows until it is accepted (K2).
    Correction,
    /// Opposed steps of one record's state, under the field `state`: the earlier in the order of operations counts (K2).
    Transition,
}

/// A field with several values that nobody has decided on yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedConflict {
    /// The community, a place in the plan.
    pub community: usize,
    /// The record's type.
    pub record_type: &'static str,
    /// The record.
    pub record: RecordId,
    /// The field.
    pub field: &'static str,
    /// How it is to be treated.
    pub kind: ConflictKind,
    /// Each value with the device, a number within the community, that wrote it; of opposed steps the
    /// events' kinds, the one that counts first.
    pub candidates: Vec<(Value, u8)>,
    /// The value (of opposed steps the state) that shows while it is open; `None` where that depends on the devices' keys.
    pub shown: Option<Value>,
}

/// One thing that the office does after everything has arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum OfficeAction {
    /// Links two records of one person. The relay does those with an automatic [`Likeness`] itself.
    Link {
        /// What is to be linked.
        duplicate: Duplicate,
    },
    /// Marks a session as the repetition of another one.
    MarkDuplicate {
        /// The two sessions.
        duplicate: ActivityDuplicate,
        /// The devices whose work it presupposes.
        needs: Vec<DeviceRef>,
    },
    /// Decides a conflict.
    Resolve {
        /// The community, a place in the plan.
        community: usize,
        /// The record's type.
        record_type: &'static str,
        /// The record.
        record: RecordId,
        /// The field.
        field: &'static str,
        /// The value that stands from now on.
        value: Value,
        /// The devices whose work it presupposes.
        needs: Vec<DeviceRef>,
    },
    /// Verifies a session that the secretary left for the office.
    Verify {
        /// The community, a place in the plan.
        community: usize,
        /// The session.
        activity: RecordId,
        /// The devices whose work it presupposes.
        needs: Vec<DeviceRef>,
    },
    /// Moves a person to another community.
    Move {
        /// The move's number, from 1.
        number: u32,
        /// The person's record.
        person: RecordId,
        /// The community left, a place in the plan.
        from: usize,
        /// The community joined, a place in the plan.
        to: usize,
        /// The first day in the new community, `YYYY-MM-DD`.
        on: String,
        /// The devices whose work it presupposes.
        needs: Vec<DeviceRef>,
    },
}
