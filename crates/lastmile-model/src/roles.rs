//! The roles of people; what each may do stands in [`permissions`](crate::permissions).

use std::fmt;
use std::str::FromStr;

/// A role that a grant gives a person in a scope. The codes are those of the `grant` records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A grid worker: enters what happens in one community.
    Worker,
    /// A community's secretary: confirms, verifies, settles what concerns the community alone.
    Secretary,
    /// A street office: returns, settles across its communities.
    Street,
    /// A district office: as a street, across its streets.
    District,
    /// The central office: shared lists, merging, grants, across districts.
    Central,
    /// An organisation's liaison: proposes pairings, sees the organisation's own people.
    Liaison,
    /// A member: sees the own record.
    Member,
    /// An auditor: sees aggregates, writes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Worker,
        Self::Secretary,
        Self::Street,
        Self::District,
        Self::Central,
        Self::Liaison,
        Self::Member,
        Self::Auditor,
    ];

    /// Returns the code that records and certificates hold.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Secretary => "secretary",
            Self::Street => "street",
            Self::District => "district",
            Self::Central => "central",
            Self::Liaison => "liaison",
            Self::Member => "member",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.code() == text)
            .ok_or_else(|| UnknownRole { text: text.chars().take(40).collect() })
    }
}

/// Says that a text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no role; roles are worker, secretary, street, district, central, liaison, member, auditor")]
pub struct UnknownRole {
    /// The text as given, cut to 40 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn codes_are_those_of_grants() {
        let (_, grant) = Catalogue::builtin().get("grant").unwrap();
        let (_, field) = grant.field("role").unwrap();
        let codes = field.choices.iter().map(|choice| choice.code.as_str()).collect::<Vec<_>>();
        assert_eq!(codes, Role::ALL.map(Role::code));
        for role in Role::ALL {
            assert_eq!(role.code().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
