//! Accumulators: a figure's two columns for the scope and each of its children.

use crate::hash::Bits;
use crate::report::{Amount, Cell, Check, Column, Figure, Row, Table};
use crate::territory::{Slot, Territory};
use crate::words::Words;

/// Whether a row counts in both columns or only in the one with what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    /// Verified, confirmed or active.
    Verified,
    /// Submitted, registered or proposed.
    Pending,
}

impl Standing {
    /// The word for it in lists.
    pub(crate) fn words(self) -> Words {
        match self {
            Self::Verified => Words::fixed("已审核", "Verified"),
            Self::Pending => Words::fixed("待审", "Pending"),
        }
    }
}

/// The two columns of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) verified: i64,
    pub(crate) with_pending: i64,
}

impl Pair {
    /// Adds to the columns in which a row of this standing counts.
    pub(crate) fn add(&mut self, standing: Standing, amount: i64) {
        if standing == Standing::Verified {
            self.verified = self.verified.saturating_add(amount);
        }
        self.with_pending = self.with_pending.saturating_add(amount);
    }
}

/// Sums that children share out: the scope's figure is the sum of theirs.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) total: Pair,
    pub(crate) children: Vec<Pair>,
    /// What counts in the scope and in none of its children.
    pub(crate) elsewhere: Pair,
}

impl Grid {
    pub(crate) fn new(territory: &Territory) -> Self {
        let children = vec![Pair::default(); territory.children.len()];
        Self { total: Pair::default(), children, elsewhere: Pair::default() }
    }

    /// Adds an amount where a row counts.
    pub(crate) fn add(&mut self, slot: Slot, standing: Standing, amount: i64) {
        self.total.add(standing, amount);
        slot.child()
            .and_then(|child| self.children.get_mut(child))
            .unwrap_or(&mut self.elsewhere)
            .add(standing, amount);
    }
}

/// Distinct things: who counts in several children counts once in the scope.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    total: [Bits; 2],
    children: Vec<[Bits; 2]>,
}

impl Distinct {
    pub(crate) fn new(territory: &Territory) -> Self {
        Self { total: Default::default(), children: vec![Default::default(); territory.children.len()] }
    }

    /// Counts a thing, by its number, where it was met.
    pub(crate) fn add(&mut self, slot: Slot, standing: Standing, number: u32) {
        let child = slot.child().and_then(|child| self.children.get_mut(child));
        for [verified, with_pending] in [Some(&mut self.total), child].into_iter().flatten() {
            if standing == Standing::Verified {
                verified.insert(number);
            }
            with_pending.insert(number);
        }
    }

    /// The sizes of the sets.
    pub(crate) fn counts(&self) -> Grid {
        let pair = |[verified, with_pending]: &[Bits; 2]| Pair {
            verified: signed(verified.len()),
            with_pending: signed(with_pending.len()),
        };
        Grid {
            total: pair(&self.total),
            children: self.children.iter().map(pair).collect(),
            elsewhere: Pair::default(),
        }
    }
}

/// A count as a signed number.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A length as a signed number.
pub(crate) fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A counted figure from its grid.
pub(crate) fn figure(key: &'static str, label: Words, unit: Words, grid: &Grid) -> Figure {
    figure_of(key, label, unit, grid.total)
}

/// A counted figure from its two columns.
pub(crate) fn figure_of(key: &'static str, label: Words, unit: Words, pair: Pair) -> Figure {
    let (verified, with_pending) = (Amount::Count(pair.verified), Amount::Count(pair.with_pending));
    Figure { key, label, unit, verified, with_pending }
}

/// A figure that is a part of a whole.
pub(crate) fn share(key: &'static str, label: Words, unit: Words, part: Pair, whole: Pair) -> Figure {
    Figure {
        key,
        label,
        unit,
        verified: Amount::Share { part: part.verified, whole: whole.verified },
        with_pending: Amount::Share { part: part.with_pending, whole: whole.with_pending },
    }
}

/// One pair of columns of the table of children.
pub(crate) struct ChildFigure<'a> {
    /// Keys of the verified column and of the one with what waits.
    pub(crate) keys: [&'static str; 2],
    /// The figure's label.
    pub(crate) label: Words,
    pub(crate) part: &'a Grid,
    /// The whole, where the figure is a share.
    pub(crate) whole: Option<&'a Grid>,
}

/// Builds the table of children; `None` where the scope has none.
pub(crate) fn children(territory: &Territory, figures: &[ChildFigure<'_>]) -> Option<Table> {
    if territory.children.is_empty() {
        return None;
    }
    let mut columns = vec![Column::text("code", "代码", "Code"), Column::text("name", "名称", "Name")];
    for figure in figures {
        let [verified, with_pending] = figure.keys;
        let label =
            |zh: &str, en: &str| Words::new(format!("{}·{zh}", figure.label.zh), format!("{}, {en}", figure.label.en));
        columns.push(Column { key: verified, label: label("已审核", "verified"), numeric: true });
        columns.push(Column { key: with_pending, label: label("含待审", "with pending"), numeric: true });
    }
    let mut table = Table::new("children", Words::fixed("分区域", "By area"), columns);
    for (place, child) in territory.children.iter().enumerate() {
        let mut cells = vec![Cell::Code(child.code.clone()), Cell::Text(child.name.clone())];
        for figure in figures {
            let part = figure.part.children.get(place).copied().unwrap_or_default();
            let whole = figure.whole.map(|whole| whole.children.get(place).copied().unwrap_or_default());
            cells.extend(match whole {
                None => [Cell::Number(part.verified), Cell::Number(part.with_pending)],
                Some(whole) => [
                    Cell::Share { part: part.verified, whole: whole.verified },
                    Cell::Share { part: part.with_pending, whole: whole.with_pending },
                ],
            });
        }
        table.rows.push(Row { id: None, cells });
    }
    if figures.iter().any(|figure| figure.part.elsewhere != Pair::default()) {
        let mut cells = vec![Cell::Empty, Cell::Words(Words::fixed("不属下级", "In no area below"))];
        for figure in figures {
            let pair = figure.part.elsewhere;
            cells.extend([Cell::Number(pair.verified), Cell::Number(pair.with_pending)]);
        }
        table.rows.push(Row { id: None, cells });
    }
    Some(table)
}

/// Checks that the children of a grid add up to its total, both columns.
pub(crate) fn children_check(checks: &mut Vec<Check>, territory: &Territory, grid: &Grid) {
    if territory.children.is_empty() {
        return;
    }
    let sum = |column: fn(&Pair) -> i64| grid.children.iter().map(column).fold(0, i64::saturating_add);
    checks.push(Check::equal(
        "children_sum",
        Words::fixed("下级之和＝本级（已审核）", "Children add up to the scope, verified"),
        sum(|pair| pair.verified).saturating_add(grid.elsewhere.verified),
        grid.total.verified,
    ));
    checks.push(Check::equal(
        "children_sum_with_pending",
        Words::fixed("下级之和＝本级（含待审）", "Children add up to the scope, with pending"),
        sum(|pair| pair.with_pending).saturating_add(grid.elsewhere.with_pending),
        grid.total.with_pending,
    ));
}

/// Checks that a list is as long as its figure, both columns.
pub(crate) fn list_check(checks: &mut Vec<Check>, list: Option<&Table>, figure: Pair) {
    let Some(list) = list else { return };
    let place = list.column("standing");
    let verified = Cell::Words(Standing::Verified.words());
    let sure = list.rows.iter().filter(|row| place.and_then(|place| row.cells.get(place)) == Some(&verified)).count();
    checks.push(Check::equal(
        "list_length",
        Words::fixed("名单条数＝数字（已审核）", "List is as long as its figure, verified"),
        length(sure),
        figure.verified,
    ));
    checks.push(Check::equal(
        "list_length_with_pending",
        Words::fixed("名单条数＝数字（含待审）", "List is as long as its figure, with pending"),
        length(list.rows.len()),
        figure.with_pending,
    ));
}

/// The column that says whether a listed row is verified or waits.
pub(crate) const STANDING: Column = Column::text("standing", "审核", "Standing");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_counts_in_one_column_alone() {
        let mut pair = Pair::default();
        pair.add(Standing::Verified, 3);
        pair.add(Standing::Pending, 4);
        assert_eq!(pair, Pair { verified: 3, with_pending: 7 });
    }
}
