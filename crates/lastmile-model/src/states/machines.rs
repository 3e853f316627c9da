//! The machines of the built-in record types.

use super::{Machine, State, Target, Transition};

const fn state(code: &'static str, zh: &'static str, en: &'static str) -> State {
    State { code, zh, en }
}

const fn step(kind: &'static str, from: &'static [&'static str], to: &'static str) -> Transition {
    Transition { kind, from, to: Target::State(to), vouches: false }
}

const fn vouch(kind: &'static str, from: &'static [&'static str], to: &'static str) -> Transition {
    Transition { kind, from, to: Target::State(to), vouches: true }
}

/// A check-in: entered, confirmed by the community, ended by a move or otherwise; it may begin again.
///
/// A check-in that was never confirmed may end too, so that nobody waits for a person who has died.
pub const CHECK_IN: Machine = Machine {
    name: "check_in",
    start: "draft",
    states: &[
        state("draft", "草稿", "Draft"),
        state("registered", "已登记", "Registered"),
        state("confirmed", "已确认", "Confirmed"),
        state("returned", "已退回", "Returned"),
        state("moved_out", "已迁出", "Moved out"),
        state("ended", "已减少", "Ended"),
    ],
    transitions: &[
        step("register", &["draft", "returned", "moved_out", "ended"], "registered"),
        vouch("confirm", &["registered"], "confirmed"),
        step("return", &["registered"], "returned"),
        step("move_out", &["confirmed"], "moved_out"),
        step("end", &["confirmed", "registered", "returned"], "ended"),
    ],
    opposed: &[
        ("confirm", "return"),
        ("confirm", "end"),
        ("move_out", "move_out"),
        ("move_out", "end"),
        ("register", "end"),
    ],
    counted: "confirmed",
};

/// An activity: planned, held, submitted, verified; a duplicate mark covers whatever state it is in.
///
/// Work is often entered after the fact, so `submit` may follow `planned` at once. An accepted correction leaves the
/// state at `verified` and adds a version.
pub const ACTIVITY: Machine = Machine {
    name: "activity",
    start: "planned",
    states: &[
        state("planned", "计划中", "Planned"),
        state("held", "已举办", "Held"),
        state("submitted", "待审核", "Submitted"),
        state("verified", "已审核", "Verified"),
        state("returned", "已退回", "Returned"),
        state("cancelled", "已取消", "Cancelled"),
        state("duplicate", "重复", "Duplicate"),
    ],
    transitions: &[
        Transition { kind: "plan", from: &["planned"], to: Target::Stay, vouches: false },
        step("hold", &["planned"], "held"),
        step("submit", &["planned", "held", "returned"], "submitted"),
        vouch("verify", &["submitted"], "verified"),
        step("return", &["submitted"], "returned"),
        step("cancel", &["planned"], "cancelled"),
        Transition { kind: "duplicate", from: &[], to: Target::Cover("duplicate"), vouches: false },
        Transition { kind: "not_duplicate", from: &[], to: Target::Lift, vouches: false },
        vouch("accept", &["verified"], "verified"),
        Transition { kind: "reject", from: &["verified"], to: Target::Stay, vouches: false },
    ],
    opposed: &[
        ("verify", "return"),
        ("hold", "cancel"),
        ("submit", "cancel"),
        ("duplicate", "duplicate"),
        ("duplicate", "not_duplicate"),
        ("accept", "reject"),
    ],
    counted: "",
};

/// A pairing: proposed, active, ended; renewing keeps it active or makes it so again.
pub const PAIRING: Machine = Machine {
    name: "pairing",
    start: "proposed",
    states: &[
        state("proposed", "拟结对", "Proposed"),
        state("active", "结对中", "Active"),
        state("ended", "已终止", "Ended"),
    ],
    transitions: &[
        step("activate", &["proposed"], "active"),
        step("end", &["proposed", "active"], "ended"),
        step("renew", &["active", "ended"], "active"),
    ],
    opposed: &[("activate", "end"), ("end", "renew")],
    counted: "active",
};
