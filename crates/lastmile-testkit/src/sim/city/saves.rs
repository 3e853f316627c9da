//! What people save in a city, each as far as the role of the device goes; and what a hostile device writes all the same.

use std::sync::Arc;

use lastmile_client::{ClientError, Draft, Replica};
use lastmile_model::input::Entry;
use lastmile_model::roles::Role;
use lastmile_model::{RecordId, Scope, ScopeKind, Value, derive, keys};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{Marked, word_of};
use crate::sim::raw::{encoded, inject};
use crate::sim::saves::{DAY, entry};
use crate::sim::world::{Check, World};

/// What a save is.
#[derive(Default)]
struct Wanted {
    fresh: Vec<(&'static str, RecordId)>,
    person: Option<Marked>,
    /// Whether no role of the device permits it.
    forbidden: bool,
}

/// What a device is by its own certificate: its role, and the community that it writes in.
fn own(replica: &Replica) -> (Option<Role>, Option<Scope>) {
    let author = replica.author();
    replica.with_store(|store| {
        let certificate = store.trust().and_then(|trust| trust.certificate(author));
        let role = certificate.and_then(|one| one.roles.first()?.parse().ok());
        let named = certificate.map(|one| one.scopes.clone()).unwrap_or_default();
        let communities =
            || store.scopes().map(|(_, scope)| scope).filter(|scope| scope.kind() == ScopeKind::Community);
        // What was taken away is kept until it is sent; nobody works there any more who has another place.
        let home = communities().find(|scope| named.contains(scope)).or_else(|| communities().next());
        (role, home.cloned())
    })
}

impl World {
    /// A person saves something on a device, up to a few times in a row.
    pub fn save_in_city(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        for _ in 0..*[1, 1, 2, 3].choose(rng).unwrap_or(&1) {
            self.save_there(device, rng)?;
        }
        self.check_device(device)
    }

    fn save_there(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let shown = self.shown_activities(device);
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let replica = Arc::clone(one.replica());
        let author = replica.author();
        let (Some(role), Some(home)) = own(&replica) else {
            self.note("nowhere to save");
            return Ok(());
        };
        let persons = self.city.as_ref().map_or(0, |city| city.persons.len());
        let mut draft = replica.draft(None);
        let mut wanted = Wanted::default();
        let drafted = draw(&mut draft, &mut wanted, &shown, (&home, role, persons), rng);
        let forbidden = wanted.forbidden;
        match drafted.and_then(|()| draft.save()) {
            Ok(_) if forbidden => {
                return Err(format!("P12: device {device} saves what the role {} does not permit", role.code()));
            }
            Ok(saved) => {
                self.note("save");
                for one in saved {
                    self.say(&format!("device {device} saves {} changes as {}", one.changes, one.seq));
                    self.acknowledged(device, &home, author, &one, wanted.fresh.clone());
                }
                let fresh = wanted.fresh.iter().filter(|(kind, _)| *kind == "activity").map(|(_, id)| *id);
                self.activities.extend(fresh);
                self.office_says().persons.extend(wanted.person);
            }
            Err(ClientError::NotPermitted { .. }) if !forbidden => {
                return Err(format!("device {device} refuses what the role {} permits", role.code()));
            }
            Err(error) => {
                self.note(if forbidden { "not permitted" } else { "refused save" });
                self.not_saved(device, &error)?;
            }
        }
        drop(replica);
        self.after_save(device)
    }

    /// A hostile device writes what none of its roles permits, past its own checks.
    pub fn hostile(&mut self, device: usize, rng: &mut ChaCha8Rng) -> Check {
        let Some(one) = self.devices.get(device) else { return Ok(()) };
        let (replica, key) = (Arc::clone(one.replica()), one.key());
        let author = replica.author();
        let (Some(role), Some(home)) = own(&replica) else { return Ok(()) };
        let record = RecordId::from_bytes(rng.random());
        let raw = if role == Role::Secretary || rng.random_bool(0.3) {
            let fields = [("id", Value::reference(record)), ("type", "team".into()), ("name", "野队".into())];
            encoded(author, "team", record, Vec::new(), 1, &fields)
        } else {
            let kind = keys::event(uuid::Uuid::from_bytes(rng.random()), "kind");
            let fields = [
                ("id", Value::reference(record)),
                ("type", "activity".into()),
                ("category", "environment".into()),
                ("date", DAY.into()),
                ("title", word_of(&home).into()),
                (kind.as_str(), "verify".into()),
            ];
            encoded(author, "activity", record, Vec::new(), 1, &fields)
        };
        let deployment = replica.with_store(|store| store.deployment());
        let Ok(Some(deployment)) = deployment else { return Ok(()) };
        let made = replica.with_store(|store| inject(store, &key, &deployment, &home, raw));
        drop(replica);
        match made {
            Ok(Some(saved)) => {
                self.note("hostile");
                self.say(&format!("device {device} writes what it may not: seq {}", saved.seq));
                self.acknowledged(device, &home, author, &saved, Vec::new());
                let number = self.ledger.commits.len().saturating_sub(1);
                self.office_says().forbidden.insert(number);
            }
            Ok(None) => self.say("a hostile device finds its log parted"),
            Err(error) => self.allow(&ClientError::Store(error), device)?,
        }
        if self.devices.get(device).is_some_and(|one| one.disk.is_off()) {
            return self.recover_device(device, true);
        }
        self.check_device(device)
    }
}

/// A name that nobody else has.
fn name_of(no: usize, rng: &mut ChaCha8Rng) -> String {
    let letter = |of: u32| char::from_u32(0x4e00 + of).unwrap_or('一');
    let no = u32::try_from(no).unwrap_or(0);
    ["欧阳".to_owned(), letter(no % 4_000).to_string(), letter(rng.random_range(0..4_000)).to_string()].concat()
}

fn draw(
    draft: &mut Draft<'_>,
    wanted: &mut Wanted,
    shown: &[RecordId],
    (home, role, persons): (&Scope, Role, usize),
    rng: &mut ChaCha8Rng,
) -> Result<(), ClientError> {
    let writes = matches!(role, Role::Worker | Role::Secretary);
    wanted.forbidden = !writes;
    let title = format!("{}{}", word_of(home), rng.random_range(0..9));
    match (rng.random_range(0..20), shown.choose(rng)) {
        (0..5, _) | (10..20, None) => {
            let values = [
                ("title", title.as_str().into()),
                ("category", "environment".into()),
                ("kind", "service".into()),
                ("date", DAY.into()),
            ];
            let id = draft.create("activity", entry(&values))?;
            wanted.fresh.push(("activity", id));
            for no in 0..rng.random_range(0..3) {
                let person = RecordId::from_bytes([0x70 + no; 16]);
                let values = [
                    ("activity", Value::reference(id)),
                    ("person", Value::reference(person)),
                    ("source", "manual".into()),
                    ("minutes", 30.into()),
                ];
                draft.create("participation", entry(&values))?;
                wanted.fresh.push(("participation", derive::participation(id, person)));
            }
        }
        (5..10, _) => {
            let name = name_of(persons, rng);
            let mut values = entry(&[("name", name.as_str().into()), ("party_status", "01".into())]);
            values.values.push(("status".to_owned(), "active".into()));
            values.values.push(("kind/member".to_owned(), Value::Bool(true)));
            let record = draft.create("person", values)?;
            let values = [
                ("person", Value::reference(record)),
                ("community", home.code().into()),
                ("basis", "residence".into()),
                ("address_building", name.as_str().into()),
            ];
            draft.create("check_in", entry(&values))?;
            wanted.fresh.push(("person", record));
            wanted.person = Some(Marked { record, name, erased: false });
        }
        // Who may settle what differs is let through by the device, and held back by the relay where nothing differs.
        (10..13, Some(id)) if writes => {
            let note = Entry { values: vec![("note".to_owned(), title.as_str().into())], ..Entry::default() };
            draft.edit("activity", *id, note)?;
        }
        (10..16, Some(id)) => draft.event("activity", *id, "submit", &[])?,
        (_, Some(id)) => {
            wanted.forbidden = role != Role::Secretary;
            draft.event("activity", *id, "verify", &[])?;
        }
        _ => {}
    }
    Ok(())
}
