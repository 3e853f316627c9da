//! Which rows lie in the scope of a report, and in which of its children.

use std::collections::{BTreeMap, HashMap};

use lastmile_model::ScopeKind;
use lastmile_store::query::Query;

use crate::ReportError;
use crate::day::Day;
use crate::read::{NEXT, Source, day, number};
use crate::report::{Coverage, PlaceName};

/// Digits of the levels that reports know: city, district, street, community.
const LEVELS: [usize; 4] = [4, 6, 9, 12];

/// Where in the scope something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(u16);

impl Slot {
    /// In the scope, in none of its children.
    pub(crate) const WHOLE: Self = Self(u16::MAX);

    /// The place of the child among [`Territory::children`].
    pub(crate) fn child(self) -> Option<usize> {
        if self == Self::WHOLE { None } else { Some(usize::from(self.0)) }
    }
}

/// One place of the shared list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) level: String,
    pub(crate) valid_from: Option<Day>,
    pub(crate) valid_to: Option<Day>,
}

impl Listed {
    /// Whether the place exists on a day.
    pub(crate) fn is_valid(&self, on: Day) -> bool {
        self.valid_from.is_none_or(|from| from <= on) && self.valid_to.is_none_or(|to| on < to)
    }
}

/// The scope of a report, laid over the scopes that the replica holds.
#[derive(Debug)]
pub(crate) struct Territory {
    /// The scope.
    pub(crate) scope: PlaceName,
    /// Its children, by code.
    pub(crate) children: Vec<PlaceName>,
    /// How much of it is held.
    pub(crate) coverage: Coverage,
    /// How many community scopes the replica holds at all.
    pub(crate) communities_held: usize,
    /// Local numbers of the city scopes whose whole territory is counted.
    pub(crate) shared: Vec<u32>,
    /// The places held, by code.
    pub(crate) places: BTreeMap<String, Listed>,
    /// The code of each place record.
    pub(crate) place_codes: HashMap<u128, String>,
    /// Local scope number -> code of the community.
    codes: Vec<Option<String>>,
    /// Local scope number -> slot.
    slots: Vec<Option<Slot>>,
}

impl Territory {
    /// Lays a scope over the replica.
    pub(crate) fn read(source: &mut Source<'_>, scope: &str) -> Result<Self, ReportError> {
        if !is_scope(scope) {
            return Err(ReportError::Scope { code: scope.chars().take(20).collect() });
        }
        let territory = Self::beneath(source, scope)?;
        if territory.coverage.known == 0 && territory.coverage.held == 0 && !territory.places.contains_key(scope) {
            return Err(ReportError::UnknownPlace { code: scope.to_owned() });
        }
        Ok(territory)
    }

    /// Takes in every community that the replica holds.
    pub(crate) fn everything(source: &mut Source<'_>) -> Result<Self, ReportError> {
        Self::beneath(source, "")
    }

    fn beneath(source: &mut Source<'_>, scope: &str) -> Result<Self, ReportError> {
        let (places, place_codes) = read_places(source)?;
        let mut codes: Vec<Option<String>> = Vec::new();
        let mut shared = Vec::new();
        for (no, held) in source.reader.scopes()? {
            if held.kind() == ScopeKind::City && held.code().starts_with(scope) {
                shared.push(no);
            }
            if held.kind() == ScopeKind::Community {
                let no = no as usize;
                if codes.len() <= no {
                    codes.resize(no + 1, None);
                }
                if let Some(place) = codes.get_mut(no) {
                    *place = Some(held.code().to_owned());
                }
            }
        }
        let held = || codes.iter().flatten();
        let within = |code: &&String| code.starts_with(scope);
        let known = || places.keys().filter(within);
        let child_digits = LEVELS.into_iter().find(|&digits| digits > scope.len()).filter(|_| !scope.is_empty());
        let children = child_digits.map_or_else(Vec::new, |digits| {
            let mut children: Vec<&str> =
                known().chain(held().filter(within)).filter_map(|code| code.get(..digits)).collect();
            children.sort_unstable();
            children.dedup();
            children.into_iter().map(|code| named(&places, code)).collect()
        });
        let mut territory = Self {
            scope: named(&places, scope),
            children,
            coverage: Coverage {
                held: held().filter(within).count() as u64,
                known: known().filter(|code| code.len() == 12).count() as u64,
            },
            communities_held: held().count(),
            shared,
            places,
            place_codes,
            codes,
            slots: Vec::new(),
        };
        territory.slots =
            territory.codes.iter().map(|code| code.as_ref().and_then(|code| territory.slot_of_code(code))).collect();
        Ok(territory)
    }

    /// Where the rows of a scope count; `None` outside.
    pub(crate) fn slot(&self, scope: u32) -> Option<Slot> {
        self.slots.get(scope as usize).copied().flatten()
    }

    /// Where a place counts; `None` outside.
    pub(crate) fn slot_of_code(&self, code: &str) -> Option<Slot> {
        if !code.starts_with(&self.scope.code) {
            return None;
        }
        let digits = LEVELS.into_iter().find(|&digits| digits > self.scope.code.len());
        let Some(child) = digits.and_then(|digits| code.get(..digits)) else { return Some(Slot::WHOLE) };
        let place = self.children.binary_search_by(|known| known.code.as_str().cmp(child)).ok();
        Some(place.and_then(|place| u16::try_from(place).ok()).map_or(Slot::WHOLE, Slot))
    }

    /// The code of the community that a local scope number stands for; empty for other scopes.
    pub(crate) fn code(&self, scope: u32) -> &str {
        self.codes.get(scope as usize).and_then(Option::as_deref).unwrap_or_default()
    }

    /// The name of a place; its code where no name is known.
    pub(crate) fn name<'a>(&'a self, code: &'a str) -> &'a str {
        self.places.get(code).map_or(code, |place| place.name.as_str())
    }

    /// The local numbers of the community scopes in the report's scope.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots.iter().zip(0_u32..).filter_map(|(slot, no)| slot.map(|_| no))
    }
}

fn is_scope(code: &str) -> bool {
    LEVELS.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
}

fn named(places: &BTreeMap<String, Listed>, code: &str) -> PlaceName {
    let name = places.get(code).map_or_else(|| code.to_owned(), |place| place.name.clone());
    PlaceName { code: code.to_owned(), name }
}

type PlaceLists = (BTreeMap<String, Listed>, HashMap<u128, String>);

/// Reads the shared list of places; a catalogue without one gives none.
fn read_places(source: &Source<'_>) -> Result<PlaceLists, ReportError> {
    let mut places = BTreeMap::new();
    let mut codes = HashMap::new();
    let Ok(type_no) = source.type_no("place") else { return Ok((places, codes)) };
    let query = Query::new(type_no, &["code", "name", "level", "valid_from", "valid_to"]);
    source.visit(&query, &mut |row| {
        if let [code, name, level, valid_from, valid_to] = row.cells
            && let Some(code) = code.text()
        {
            let place = Listed {
                name: name.text().unwrap_or(code).to_owned(),
                level: level.text().unwrap_or_default().to_owned(),
                valid_from: day(valid_from),
                valid_to: day(valid_to),
            };
            codes.insert(number(&row.id), code.to_owned());
            places.insert(code.to_owned(), place);
        }
        NEXT
    })?;
    Ok((places, codes))
}
