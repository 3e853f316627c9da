//! What people save on devices.

use std::sync::Arc;

use lastmile_client::{ClientError, Draft, Replica};
use lastmile_model::input::Entry;
use lastmile_model::{RecordId, Value, derive};
use lastmile_store::{Saved, StoreError};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::COMMUNITY;
use super::path::kind_of;
use super::world::{Check, World, city, community};

/// A day that is past for every clock of the simulator.
pub const DAY: &str = "2015-05-06";

/// The person with this number.
fn person(no: u8) -> RecordId {
    RecordId::from_bytes([0x70 + no; 16])
}

pub fn entry(values: &[(&str, Value)]) -> Entry {
    Entry { values: values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(), ..Entry::default() }
}

/// What a save is, drawn before it is made.
struct Wanted {
    /// Records that nobody else can make.
    fresh: Vec<(&'static str, RecordId)>,
    /// A field that the device must show right after.
    own: Option<(RecordId, &'static str, Value)>,
    in_city: bool,
}

impl World {
    /// A person saves something on a device, up to a few times in a row.
    pub fn save(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        for _ in 0..*[1, 1, 1, 2, 4].choose(rng).unwrap_or(&1) {
            self.save_once(device, rng)?;
        }
        self.check_device(device)
    }

    fn save_once(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let shown = self.shown_activities(device);
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let replica = Arc::clone(one.replica());
        let author = replica.author();
        let mut draft = replica.draft(None);
        let drafted = draw(&mut draft, &shown, rng);
        let saved = drafted.and_then(|wanted| Ok((wanted, draft.save()?)));
        match saved {
            Ok((wanted, saved)) => {
                self.note("save");
                self.keep(device, author, &wanted, &saved);
                if let Some((id, field, value)) = wanted.own {
                    let is_off = self.devices.get(device).is_some_and(|one| one.disk.is_off());
                    read_own_write(&replica, id, field, &value, is_off)
                        .map_err(|what| format!("device {device}: {what}"))?;
                }
            }
            Err(error) => {
                self.note("refused save");
                self.not_saved(device, &error)?;
            }
        }
        drop(replica);
        self.after_save(device)
    }

    /// A save was refused: by what was typed, or by something that must be allowed for.
    pub(super) fn not_saved(&mut self, device: usize, error: &ClientError) -> Check {
        self.say(&format!("device {device} cannot save: {}", kind_of(error)));
        if is_of_the_record(error) { Ok(()) } else { self.allow(error, device) }
    }

    /// A device whose power went with the save begins again.
    pub(super) fn after_save(&mut self, device: usize) -> Check {
        if self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
            return self.recover_device(device, true);
        }
        Ok(())
    }

    fn keep(&mut self, device: usize, author: lastmile_model::AuthorId, wanted: &Wanted, saved: &[Saved]) {
        let scope = if wanted.in_city { city() } else { community() };
        for one in saved {
            self.say(&format!("device {device} saves {} changes as {}", one.changes, one.seq));
            self.acknowledged(device, &scope, author, one, wanted.fresh.clone());
        }
        self.activities.extend(wanted.fresh.iter().filter(|(kind, _)| *kind == "activity").map(|(_, id)| *id));
    }
}

fn draw(draft: &mut Draft<'_>, shown: &[RecordId], rng: &mut ChaCha8Rng) -> Result<Wanted, ClientError> {
    let text = *["甲", "乙", "丙", "丁"].choose(rng).unwrap_or(&"甲");
    let mut wanted = Wanted { fresh: Vec::new(), own: None, in_city: false };
    // Everybody works on the same few, or hardly anything is edited by two at once.
    let of = if rng.random_bool(0.5) { shown.first() } else { shown.choose(rng) };
    match (rng.random_range(0..24), of) {
        (0..5, _) | (6..18, None) => {
            let values = [
                ("title", text.into()),
                ("category", "environment".into()),
                ("kind", "service".into()),
                ("date", DAY.into()),
                ("beneficiaries", rng.random_range(1..5).into()),
            ];
            let id = draft.create("activity", entry(&values))?;
            wanted.fresh.push(("activity", id));
            for no in 0..rng.random_range(0..4) {
                let part = part_in(draft, id, no, rng)?;
                wanted.fresh.push(("participation", part));
            }
        }
        (5, _) => check_in(draft, rng)?,
        (6, Some(id)) => drop(part_in(draft, *id, rng.random_range(0..4), rng)?),
        (7..10, Some(id)) => draft.edit("activity", *id, entry(&[("beneficiaries", rng.random_range(1..5).into())]))?,
        (10..13, Some(id)) => {
            let field = *["title", "note", "venue"].choose(rng).unwrap_or(&"note");
            draft.edit("activity", *id, entry(&[(field, text.into())]))?;
            wanted.own = Some((*id, field, text.into()));
        }
        (13, Some(id)) => draft.edit("activity", *id, entry(&[(&format!("tags/{text}"), Value::Bool(true))]))?,
        (14, Some(id)) => {
            let removed = vec![format!("tags/{text}")];
            draft.edit("activity", *id, Entry { removed, ..Entry::default() })?;
        }
        (15 | 23, Some(id)) => {
            let removed =
                vec![(*["note", "venue", "beneficiaries", "beneficiaries"].choose(rng).unwrap_or(&"note")).to_owned()];
            draft.edit("activity", *id, Entry { removed, ..Entry::default() })?;
        }
        (16..18, Some(id)) => {
            let kind = *["submit", "verify", "hold"].choose(rng).unwrap_or(&"submit");
            draft.event("activity", *id, kind, &[])?;
        }
        (18, _) => {
            wanted.in_city = true;
            let id = draft.create(
                "org",
                entry(&[("name", "岳麓区民政局".into()), ("kind", "agency".into()), ("level", "central".into())]),
            )?;
            wanted.fresh.push(("org", id));
        }
        _ => check_in(draft, rng)?,
    }
    Ok(wanted)
}

/// A person checks in, whom another device may check in as well.
fn check_in(draft: &mut Draft<'_>, rng: &mut ChaCha8Rng) -> Result<(), ClientError> {
    let values = [
        ("person", Value::reference(person(rng.random_range(0..3)))),
        ("community", COMMUNITY.into()),
        ("basis", (*["residence", "pairing"].choose(rng).unwrap_or(&"residence")).into()),
    ];
    draft.create("check_in", entry(&values)).map(drop)
}

/// A person takes part in an activity.
fn part_in(draft: &mut Draft<'_>, activity: RecordId, no: u8, rng: &mut ChaCha8Rng) -> Result<RecordId, ClientError> {
    let values = [
        ("activity", Value::reference(activity)),
        ("person", Value::reference(person(no))),
        ("source", "manual".into()),
        ("minutes", rng.random_range(30..33).into()),
    ];
    draft.create("participation", entry(&values))?;
    Ok(derive::participation(activity, person(no)))
}

/// Whether a save cannot be because of what the record is, as any app would be told.
const fn is_of_the_record(error: &ClientError) -> bool {
    use StoreError::{Edit, Erased, NoRecord};
    matches!(error, ClientError::Store(Edit(_) | Erased { .. } | NoRecord { .. }))
}

/// P7: a device reads what it wrote.
fn read_own_write(replica: &Replica, id: RecordId, field: &str, value: &Value, is_off: bool) -> Result<(), String> {
    match replica.record("activity", id) {
        Ok(record) if record.values.get(field) == Some(value) => Ok(()),
        Ok(record) => Err(format!("P7: {field} shows {:?} right after {value:?} was saved", record.values.get(field))),
        // The power may have gone with the save.
        Err(_) if is_off => Ok(()),
        Err(error) => Err(format!("P7: cannot be read right after it was saved: {error}")),
    }
}
