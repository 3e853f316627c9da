//! What happened in one community, in plain numbers: the ledger counts these, never the saves.

use super::expected::{ActivityDuplicate, Duplicate, ExpectedConflict, OfficeAction};
use crate::calendar::Day;

/// A set of devices of one community, one bit each.
pub(crate) type Devices = u8;

/// Returns the set that holds one device.
pub(crate) const fn only(device: u8) -> Devices {
    1 << (device % 8)
}

/// One check-in that stands or waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckInFact {
    /// The person, counted once whatever the number of records.
    pub(crate) key: u32,
    pub(crate) on: Day,
    pub(crate) confirmed: Option<Day>,
    /// The first day on which it no longer stands.
    pub(crate) gone: Option<Day>,
    /// The devices without which it would not be there.
    pub(crate) needs: Devices,
}

/// What a session counts as, once the office is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Verified.
    Verified,
    /// Submitted and waiting.
    Submitted,
    /// Cancelled, sent back or marked as a duplicate on the device.
    Nothing,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionFact {
    pub(crate) category: usize,
    pub(crate) served: u32,
    pub(crate) standing: Standing,
    pub(crate) team: Option<usize>,
    /// The devices without which it would not be there.
    pub(crate) needs: Devices,
    /// The session, a place in the same list, that the office says it repeats.
    pub(crate) repeats: Option<u32>,
    /// A device and how many were served as far as is known without it.
    pub(crate) served_without: Option<(u8, u32)>,
}

/// Somebody who was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttendanceFact {
    pub(crate) key: u32,
    /// The session that counts, a place in the list of sessions.
    pub(crate) session: u32,
    /// The session under which it was entered: another one, if that one repeats the one that counts.
    pub(crate) entered: u32,
}

/// Everything that one community contributes to the figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) check_ins: Vec<CheckInFact>,
    pub(crate) sessions: Vec<SessionFact>,
    pub(crate) attendances: Vec<AttendanceFact>,
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) repeated: Vec<ActivityDuplicate>,
    pub(crate) conflicts: Vec<ExpectedConflict>,
    pub(crate) office: Vec<OfficeAction>,
    /// Check-ins and sessions entered weeks after the day they speak of.
    pub(crate) late: u32,
}
