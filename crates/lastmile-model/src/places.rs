//! Place codes: city 4, district 6, street 9, community or village 12 digits; a grid adds 3.
//!
//! The table compiled in is Changsha's; see `schema/places/README.md` for where it comes from. Names repeat within a
//! city, so everything goes by code.

use std::sync::LazyLock;

/// The level of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlaceLevel {
    /// 4 digits.
    City,
    /// 6 digits.
    District,
    /// 9 digits: a street, town or township.
    Street,
    /// 12 digits, urban: its name says 社区.
    Community,
    /// 12 digits, rural.
    Village,
}

impl PlaceLevel {
    /// Returns the code that `place` records hold.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::District => "district",
            Self::Street => "street",
            Self::Community => "community",
            Self::Village => "village",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::City => 4,
            Self::District => 6,
            Self::Street => 9,
            Self::Community | Self::Village => 12,
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::City, Self::District, Self::Street, Self::Community, Self::Village]
            .into_iter()
            .find(|level| level.code() == word)
    }
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its code.
    pub code: String,
    /// Its full name.
    pub name: String,
    /// Its level.
    pub level: PlaceLevel,
    /// The code of the place it is part of; `None` for the city.
    pub parent: Option<String>,
}

impl Place {
    /// Returns the name without the word for its committee: 宝塔山社区居委会 -> 宝塔山社区.
    #[must_use]
    pub fn short_name(&self) -> &str {
        for (end, keep) in [
            ("社区居民委员会", "社区"),
            ("社区居委会", "社区"),
            ("社区委员会", "社区"),
            ("村民委员会", "村"),
            ("村委会", "村"),
        ] {
            if let Some(stem) = self.name.strip_suffix(end) {
                return self.name.get(..stem.len() + keep.len()).unwrap_or(&self.name);
            }
        }
        &self.name
    }
}

/// A table of places, sorted by code.
#[derive(Debug, Clone, Default)]
pub struct Places {
    rows: Vec<Place>,
}

/// Says why a text is no table of places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    /// The first line is another one.
    #[error("the first line must be `code,name,level,parent`")]
    Header,
    /// A line has another shape.
    #[error("line {line}: expected code, name, level and parent, the code's digits fitting its level")]
    Line {
        /// The line's number, from 1.
        line: usize,
    },
    /// A code stands twice.
    #[error("the code {code} stands twice")]
    Twice {
        /// The code.
        code: String,
    },
    /// A place is part of one that is not there, or that its code does not begin with.
    #[error("the place {code} is part of a place that is not in the table")]
    Parent {
        /// The code.
        code: String,
    },
}

impl Places {
    /// Returns Changsha: 9 districts, 172 streets, 1,649 communities and villages.
    #[must_use]
    pub fn changsha() -> &'static Self {
        static PLACES: LazyLock<Places> = LazyLock::new(|| {
            Places::parse(include_str!("../../../schema/places/changsha.csv")).expect("a test reads the table")
        });
        &PLACES
    }

    /// Reads a table: the header `code,name,level,parent`, then one place a line, without quotes.
    ///
    /// # Errors
    /// [`PlacesError`] names the line or the code.
    pub fn parse(csv: &str) -> Result<Self, PlacesError> {
        let mut lines = csv.lines().enumerate();
        match lines.next() {
            Some((_, header)) if header.trim_start_matches('\u{feff}') == "code,name,level,parent" => {}
            _ => return Err(PlacesError::Header),
        }
        let mut rows = Vec::with_capacity(2000);
        for (number, line) in lines {
            rows.push(row(line).ok_or(PlacesError::Line { line: number + 1 })?);
        }
        rows.sort_by(|a: &Place, b| a.code.cmp(&b.code));
        let mut codes = rows.iter().map(|place| &place.code).zip(rows.iter().skip(1));
        if let Some((_, twice)) = codes.find(|(code, next)| **code == next.code) {
            return Err(PlacesError::Twice { code: twice.code.clone() });
        }
        let places = Self { rows };
        let orphan = |place: &&Place| {
            place.parent.as_ref().is_some_and(|parent| !place.code.starts_with(parent) || places.get(parent).is_none())
        };
        match places.rows.iter().find(orphan) {
            Some(place) => Err(PlacesError::Parent { code: place.code.clone() }),
            None => Ok(places),
        }
    }

    /// Returns the place with this code.
    #[must_use]
    pub fn get(&self, code: &str) -> Option<&Place> {
        let at = self.rows.binary_search_by(|place| place.code.as_str().cmp(code)).ok()?;
        self.rows.get(at)
    }

    /// Returns every place, sorted by code.
    #[must_use]
    pub fn all(&self) -> &[Place] {
        &self.rows
    }

    /// Returns the places that begin with this code, itself included, sorted by code.
    #[must_use]
    pub fn beneath(&self, code: &str) -> &[Place] {
        let from = self.rows.partition_point(|place| place.code.as_str() < code);
        let rest = self.rows.get(from..).unwrap_or_default();
        let count = rest.partition_point(|place| place.code.starts_with(code));
        rest.get(..count).unwrap_or_default()
    }

    /// Returns the places that are directly part of this one.
    pub fn children<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'a Place> {
        self.beneath(code).iter().filter(move |place| place.parent.as_deref() == Some(code))
    }

    /// Returns the communities, villages left out.
    pub fn communities(&self) -> impl Iterator<Item = &Place> {
        self.rows.iter().filter(|place| place.level == PlaceLevel::Community)
    }

    /// Returns the communities and villages: every place that can be a community scope.
    pub fn communities_and_villages(&self) -> impl Iterator<Item = &Place> {
        self.rows.iter().filter(|place| place.code.len() == 12)
    }

    /// Returns the place and all it is part of, the largest first; a grid's code leads to its community.
    #[must_use]
    pub fn path(&self, code: &str) -> Vec<&Place> {
        [4, 6, 9, 12].iter().filter_map(|digits| self.get(code.get(..*digits)?)).collect()
    }

    /// Returns the names along the path, joined by spaces; empty for an unknown code.
    #[must_use]
    pub fn path_name(&self, code: &str) -> String {
        self.path(code).iter().map(|place| place.short_name()).collect::<Vec<_>>().join(" ")
    }

    /// Whether a code of 4 to 15 digits can be: unknown only if it lies in a city of this table and is not in it.
    #[must_use]
    pub fn can_be(&self, code: &str) -> bool {
        let in_table = code.get(..4).is_some_and(|city| self.get(city).is_some());
        !in_table || self.get(code.get(..12).unwrap_or(code)).is_some()
    }
}

fn row(line: &str) -> Option<Place> {
    let mut cells = line.split(',');
    let (code, name, level, parent) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    let level = PlaceLevel::named(level)?;
    let sound = is_code(code)
        && code.len() == level.digits()
        && !name.is_empty()
        && cells.next().is_none()
        && parent.is_empty() == (level == PlaceLevel::City);
    sound.then(|| Place {
        code: code.to_owned(),
        name: name.to_owned(),
        level,
        parent: (!parent.is_empty()).then(|| parent.to_owned()),
    })
}

/// Whether a text has the shape of a place code: 4, 6, 9, 12 or 15 digits.
#[must_use]
pub fn is_code(text: &str) -> bool {
    matches!(text.len(), 4 | 6 | 9 | 12 | 15) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changsha_has_the_known_numbers() {
        let places = Places::changsha();
        let count = |level| places.all().iter().filter(|place| place.level == level).count();
        assert_eq!((count(PlaceLevel::District), count(PlaceLevel::Street)), (9, 172));
        assert_eq!(places.communities_and_villages().count(), 1649);
        assert_eq!(places.communities().count(), 843);
    }

    #[test]
    fn the_four_communities_of_the_article() {
        let places = Places::changsha();
        for (code, name) in [
            ("430103005010", "宝塔山社区"),
            ("430104008008", "白鹤咀社区"),
            ("430105004005", "富雅坪社区"),
            ("430181003002", "唐洲社区"),
        ] {
            assert_eq!(places.get(code).unwrap().short_name(), name);
        }
        assert!(places.path_name("430103005010").starts_with("长沙市 天心区 "));
        assert_eq!(places.path("430103005010001").len(), 4);
        assert_eq!(places.path_name("999999"), "");
    }

    #[test]
    fn the_tree_holds_together() {
        let places = Places::changsha();
        assert_eq!(places.children("4301").count(), 9);
        let all: usize = places.children("4301").map(|district| places.beneath(&district.code).len()).sum();
        assert_eq!(all + 1, places.all().len());
        assert_eq!(places.children("430103005010").count(), 0);
        assert!(places.beneath("zzz").is_empty());
        for place in places.all() {
            assert_eq!(places.path(&place.code).last(), Some(&place));
            assert!(places.can_be(&place.code));
        }
        assert!(!places.can_be("430103005999") && places.can_be("110101001001") && places.can_be("430103005010003"));
    }

    #[test]
    fn broken_tables_say_where() {
        let table =
            |rows: &str| Places::parse(&format!("code,name,level,parent\n4301,长沙市,city,\n{rows}")).unwrap_err();
        assert_eq!(Places::parse("a,b").unwrap_err(), PlacesError::Header);
        assert_eq!(table("430102,芙蓉区,street,4301"), PlacesError::Line { line: 3 });
        assert_eq!(table("430102,芙蓉区,district,"), PlacesError::Line { line: 3 });
        assert_eq!(table("430102,芙蓉区,district,4302"), PlacesError::Parent { code: "430102".to_owned() });
        assert_eq!(table("4301,长沙市,city,"), PlacesError::Twice { code: "4301".to_owned() });
    }
}
