//! A city: two communities, the office that says who works where, and what it has said so far.

mod checks;
mod joining;
mod office;
mod saves;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::roles::Role;
use lastmile_model::{AuthorId, RecordId, Scope};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::device::Device;
use super::template::CITY;
use super::world::{World, city, community, neighbour};
use joining::Joining;

/// What the office says a device is for. Copies of its folder are the same device to it, whatever authors they go on as.
#[derive(Debug, Clone)]
pub struct Standing {
    pub role: Role,
    /// What it is to hold; nothing once it was revoked.
    pub scopes: BTreeSet<Scope>,
    /// Everything it was ever to hold.
    pub covered: BTreeSet<Scope>,
    /// The authors that the office revoked, if it did.
    pub revoked: Option<BTreeSet<AuthorId>>,
    /// What the office first did about it found of its work at the relay.
    pub touched: Option<Touched>,
}

/// Which commits of the ledger the relay held when the office first did something about their device.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// Those that it held before, for certain.
    pub before: BTreeSet<usize>,
    /// Those that it held after, and perhaps others that came while it was done.
    pub after: BTreeSet<usize>,
}

impl Standing {
    fn new(role: Role, communities: impl IntoIterator<Item = Scope>) -> Self {
        let scopes: BTreeSet<Scope> = communities.into_iter().chain([city()]).collect();
        Self { role, covered: scopes.clone(), scopes, revoked: None, touched: None }
    }
}

/// A person whose name stands nowhere else.
#[derive(Debug, Clone)]
pub struct Marked {
    pub record: RecordId,
    pub name: String,
    /// Whether the office has erased the record.
    pub erased: bool,
}

/// What the office has said, and what became of it.
pub struct City {
    /// By the number of the device that the office knows.
    pub standings: Vec<Standing>,
    pub joining: Vec<Joining>,
    /// How many devices began to join.
    pub begun: usize,
    pub persons: Vec<Marked>,
    /// Whether the relay was ever put back to a backup: moves and releases of the time between are forgotten then.
    pub put_back: bool,
    /// Logs of which the office judged more than one commit by hand.
    pub by_hand: BTreeSet<(Scope, AuthorId)>,
    /// Commits of the ledger that no role permits or their device's does not.
    pub forbidden: BTreeSet<usize>,
    /// Commits of the ledger that the office took out of sight one by one.
    pub hidden: BTreeSet<usize>,
    /// Commits of the ledger that the office released one by one.
    pub released: BTreeSet<usize>,
}

impl City {
    /// A city and which devices of the template are in it.
    pub fn new(rng: &mut ChaCha8Rng) -> (Option<Self>, Vec<usize>) {
        let chosen: Vec<usize> = (0..CITY.len()).filter(|of| *of < 2 || rng.random_bool(0.4)).collect();
        let standings = chosen.iter().filter_map(|of| CITY.get(*of)).map(|(role, communities)| {
            let scopes = communities.iter().map(|code| Scope::community(code).expect("a community of the place list"));
            Standing::new(*role, scopes)
        });
        let city = Self {
            standings: standings.collect(),
            joining: Vec::new(),
            begun: 0,
            persons: Vec::new(),
            put_back: false,
            by_hand: BTreeSet::new(),
            forbidden: BTreeSet::new(),
            hidden: BTreeSet::new(),
            released: BTreeSet::new(),
        };
        (Some(city), chosen)
    }
}

/// A word that stands in every title of a community and nowhere else.
pub fn word_of(scope: &Scope) -> &'static str {
    if *scope == community() { "橘洲晨雾" } else { "麓山晚霞" }
}

/// The other community.
pub fn beside(scope: &Scope) -> Scope {
    if *scope == community() { neighbour() } else { community() }
}

impl World {
    /// What the office has said; a world of another kind has no office.
    pub fn office_says(&mut self) -> &mut City {
        self.city.as_mut().expect("asked in a city alone")
    }

    /// What the office says of a device.
    pub fn standing(&self, device: usize) -> Option<&Standing> {
        let lineage = self.devices.get(device)?.lineage;
        self.city.as_ref()?.standings.get(lineage)
    }

    /// Whether a device is to hold a scope.
    pub fn is_to_hold(&self, device: &Device, scope: &Scope) -> bool {
        let Some(city) = &self.city else { return true };
        city.standings.get(device.lineage).is_some_and(|standing| standing.scopes.contains(scope))
    }

    /// Of which scopes the relay may serve a device now.
    pub fn entitled(&self, device: usize) -> BTreeSet<Scope> {
        let (Some(city), Some(standing)) = (&self.city, self.standing(device)) else { return BTreeSet::new() };
        match &standing.revoked {
            Some(_) => BTreeSet::new(),
            // The relay has forgotten moves since its backup.
            None if city.put_back => standing.covered.clone(),
            None => standing.scopes.clone(),
        }
    }

    /// The authors that the devices of a lineage go on as.
    fn authors_of(&self, lineage: usize) -> BTreeMap<AuthorId, usize> {
        let of = self.devices.iter().filter(|one| one.lineage == lineage && one.replica.is_some());
        of.map(|one| (one.replica().author(), one.no)).collect()
    }
}
