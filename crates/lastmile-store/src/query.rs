//! Questions to one record type's view, as plain data.

use crate::storage::Cell;

/// Which scopes a query looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Within {
    /// Every scope held.
    All,
    /// The scopes with these local numbers.
    Scopes(Vec<u32>),
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Equal.
    Is,
    /// Different, or nothing.
    IsNot,
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// More than.
    Above,
    /// Nothing there.
    IsNull,
    /// Something there.
    NotNull,
    /// A set column holds this element.
    Holds,
    /// A text has this part, a number these digits; bytes have none.
    Contains,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// How it is compared.
    pub test: Test,
    /// With what; ignored by [`Test::IsNull`] and [`Test::NotNull`].
    pub value: Cell<'static>,
}

/// A query over one record type.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The type's number in the catalogue.
    pub type_no: usize,
    /// Where to look.
    pub within: Within,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
    /// Words to find: characters, words, pinyin initials, the end of a phone number.
    pub find: Option<String>,
    /// The columns wanted.
    pub columns: Vec<String>,
    /// Sort by these columns; `true` is descending. Ties, and no order at all, follow the local row number.
    pub order: Vec<(String, bool)>,
    /// Whether the local row number goes down: what came last to this replica stands first within its scope.
    pub newest_first: bool,
    /// Only rows that come after the one with this local row number, in the order asked for; none if no such row is there.
    pub after: Option<i64>,
    /// At most this many rows.
    pub limit: Option<usize>,
    /// Skip this many rows.
    pub offset: usize,
}

impl Query {
    /// Asks for these columns of every row of a type.
    #[must_use]
    pub fn new(type_no: usize, columns: &[&str]) -> Self {
        Self {
            type_no,
            within: Within::All,
            conditions: Vec::new(),
            find: None,
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            order: Vec::new(),
            newest_first: false,
            after: None,
            limit: None,
            offset: 0,
        }
    }

    /// Adds a condition.
    #[must_use]
    pub fn filter(mut self, column: &str, test: Test, value: Cell<'static>) -> Self {
        self.conditions.push(Condition { column: column.to_owned(), test, value });
        self
    }

    /// Looks only at these scopes.
    #[must_use]
    pub fn within(mut self, scopes: Vec<u32>) -> Self {
        self.within = Within::Scopes(scopes);
        self
    }

    /// Sorts by a column.
    #[must_use]
    pub fn order_by(mut self, column: &str, descending: bool) -> Self {
        self.order.push((column.to_owned(), descending));
        self
    }

    /// Shows what came last first, where no other order decides.
    #[must_use]
    pub const fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }
}
