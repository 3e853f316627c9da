//! Worked by hand.

use super::reports::{Figure, figures};
use super::*;

mod cases;
mod counts;

/// What the common fields hold; 2025-12-31 in Shanghai, still the 30th in UTC.
const MADE: Val = Val::Timestamp(1_767_110_400_000);
const RECORD: Id = [7; 16];
const SCOPE: &str = "community:430103005010";

fn letters() -> Letters {
    Letters::read([
        include_str!("../../../../schema/records/activity.toml"),
        include_str!("../../../../schema/records/check_in.toml"),
        include_str!("../../../../schema/records/merge_link.toml"),
        include_str!("../../../../schema/records/participation.toml"),
        include_str!("../../../../schema/records/person.toml"),
        include_str!("../../../../schema/records/verdict.toml"),
        include_str!("../../../../schema/records/revocation.toml"),
        include_str!("../../../../schema/records/erasure.toml"),
    ])
}

fn text(text: &str) -> Val {
    Val::Text(text.to_owned())
}

/// The common fields of a first change and what is added; operation `n` of the change has the counter `n + 1`.
fn first(more: &[(&str, Val)]) -> Vec<Op> {
    let common = ["id", "type", "schema_v", "place_code", "created_at", "device"].map(|key| (key, MADE));
    common.iter().chain(more).map(|(key, value)| set(key, value.clone(), &[])).collect()
}

fn set(key: &str, value: Val, preds: &[(u64, u8)]) -> Op {
    Op { key: key.to_owned(), value: Some(value), preds: preds.iter().map(|(n, actor)| (*n, [*actor; 16])).collect() }
}

fn delete(key: &str, preds: &[(u64, u8)]) -> Op {
    Op { value: None, ..set(key, Val::Null, preds) }
}

/// A change `hash` of author `actor` after the changes `deps`.
struct Draft(Change, u8);

fn change(actor: u8, hash: u8, (deps, actor_seq, start_op): (&[u8], u64, u64), ops: Vec<Op>) -> Draft {
    let draft = Change {
        record_type: "activity".to_owned(),
        record: RECORD,
        hash: [hash; 32],
        deps: deps.iter().map(|hash| [*hash; 32]).collect(),
        actor_seq,
        start_op,
        op_count: ops.len() as u64,
        body: Body::Ops(ops),
    };
    Draft(draft, actor)
}

impl Draft {
    fn of(mut self, record_type: &str, record: u8) -> Self {
        record_type.clone_into(&mut self.0.record_type);
        self.0.record = [record; 16];
        self
    }

    fn body(mut self, body: Body) -> Self {
        self.0.body = body;
        self
    }

    /// Alone in commit `seq`; the chain hash is the change's hash, the one before is `prev`'s.
    fn commit(self, seq: u64, prev: u8) -> Commit {
        self.commit_in(SCOPE, seq, prev)
    }

    fn commit_in(self, scope: &str, seq: u64, prev: u8) -> Commit {
        let Self(change, actor) = self;
        let office = actor == OFFICE;
        let chain = change.hash;
        Commit {
            scope: scope.to_owned(),
            author: [actor; 16],
            seq,
            chain,
            prev: [prev; 32],
            office,
            follows: BTreeSet::new(),
            changes: vec![change],
        }
    }
}

const OFFICE: u8 = 99;

fn event(id: u8, part: &str) -> String {
    format!("ev/{}/{part}", format!("{id:02x}").repeat(16))
}

fn happens(id: u8, kind: &str, on: &str) -> Vec<Op> {
    vec![set(&event(id, "kind"), text(kind), &[]), set(&event(id, "on"), text(on), &[])]
}

fn the_record(commits: &[Commit]) -> Record {
    let key = (SCOPE.to_owned(), commits[0].changes[0].record_type.clone(), commits[0].changes[0].record);
    evaluate(commits, &letters()).records[&key].clone()
}

fn state(commits: &[Commit], hash: u8) -> State {
    let views = evaluate(commits, &letters());
    *views.states.iter().find(|((_, _, chain, _), _)| *chain == [hash; 32]).expect("the change is held").1
}
