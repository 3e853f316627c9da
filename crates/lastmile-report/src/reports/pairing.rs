//! R10, communities and organisations with an active pairing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lastmile_model::{Value, derive};
use lastmile_store::query::Query;

use super::{Body, Job, choice, day_cell, listed};
use crate::ReportError;
use crate::day::Day;
use crate::grid::{ChildFigure, Grid, Pair, STANDING, Standing, children, children_check, figure_of, length, share};
use crate::hash::IdMap;
use crate::read::{NEXT, Source, count, day, id, number, record};
use crate::report::{Cell, Check, Column, Row, Table};
use crate::words::Words;

/// The unit of communities.
const COMMUNITIES: Words = Words::fixed("个社区", "communities");
/// The unit of organisations.
const ORGS: Words = Words::fixed("个单位", "organisations");
/// The unit of pairings.
const PAIRINGS: Words = Words::fixed("对", "pairings");

/// An organisation, as far as pairing asks.
struct Org {
    name: String,
    level: String,
    /// Whether it could pair: a community's own party organisation does not.
    target: bool,
}

/// A pairing that is active or proposed on the period's last day.
struct Pairing {
    id: u128,
    org: u128,
    community: String,
    batch: String,
    from: Option<Day>,
    standing: Standing,
    open: u32,
}

/// R10.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let orgs = orgs(source)?;
    let pairings = pairings(source, job)?;
    let targets = targets(job);
    let paired = best_standing(pairings.iter().map(|pairing| (pairing.community.as_str(), pairing.standing)));
    let paired_orgs = best_standing(pairings.iter().map(|pairing| (pairing.org, pairing.standing)));

    let mut body = Body { open: pairings.iter().map(|pairing| u64::from(pairing.open)).sum(), ..Body::default() };
    let (mut part, mut whole) = (Grid::new(&job.territory), Grid::new(&job.territory));
    let mut uncovered: Vec<&str> = Vec::new();
    for &code in &targets {
        let Some(slot) = job.territory.slot_of_code(code) else { continue };
        whole.add(slot, Standing::Verified, 1);
        match paired.get(code) {
            Some(standing) => part.add(slot, *standing, 1),
            None => uncovered.push(code),
        }
    }
    let mut all = Pair::default();
    pairings.iter().for_each(|pairing| all.add(pairing.standing, 1));
    let mut with_orgs = Pair::default();
    paired_orgs.iter().filter(|(org, _)| is_target(&orgs, **org)).for_each(|(_, standing)| with_orgs.add(*standing, 1));
    let label = Words::fixed("目标社区结对覆盖", "Target communities with a pairing");
    body.figures.push(share("communities", label.clone(), COMMUNITIES, part.total, whole.total));
    body.figures.push(figure_of("pairings", Words::fixed("结对数", "Pairings"), PAIRINGS, all));
    let orgs_label = Words::fixed("结对单位", "Organisations with a pairing");
    let org_count = length(orgs.values().filter(|org| org.target).count());
    body.figures.push(if job.territory.shared.is_empty() {
        // Below the city there is no list of the organisations that a place could expect.
        figure_of("orgs", orgs_label, ORGS, with_orgs)
    } else {
        share("orgs", orgs_label, ORGS, with_orgs, Pair { verified: org_count, with_pending: org_count })
    });
    let shown =
        ChildFigure { keys: ["communities", "communities_with_pending"], label, part: &part, whole: Some(&whole) };
    body.children = children(&job.territory, &[shown]);
    children_check(&mut body.checks, &job.territory, &part);
    body.checks.push(Check::equal(
        "covered_and_not",
        Words::fixed("已结对＋未结对＝目标社区", "Covered and not covered add up to the targets"),
        part.total.with_pending + length(uncovered.len()),
        whole.total.with_pending,
    ));
    let breakdown = breakdown(source, &orgs, &pairings);
    let label = Words::fixed("各批次、层级之和＝结对数", "Batches and levels add up to the pairings");
    body.checks.push(Check::equal("batches_sum", label, breakdown.sum("pairings_with_pending"), all.with_pending));
    body.tables.push(breakdown);
    body.tables.push(uncovered_table(job, &uncovered));
    if job.request.list {
        let list = pairing_list(source, job, &orgs, &pairings);
        crate::grid::list_check(&mut body.checks, Some(&list), all);
        body.tables.push(covered_table(job, &targets, &paired, part.total, &mut body.checks));
        body.list = Some(list);
    }
    let outside = paired.keys().filter(|code| !targets.contains(*code)).count();
    if outside > 0 {
        body.notes.push(Words::new(
            format!("另有{outside}个结对社区（村）不在目标之内，不计入覆盖率。"),
            format!(
                "{outside} further communities or villages with a pairing are no targets and do not count in the rate."
            ),
        ));
    }
    Ok(body)
}

/// Of several pairings the active one counts.
fn best_standing<K: Ord>(pairings: impl Iterator<Item = (K, Standing)>) -> BTreeMap<K, Standing> {
    let mut best = BTreeMap::new();
    for (key, standing) in pairings {
        best.entry(key).and_modify(|known: &mut Standing| *known = (*known).min(standing)).or_insert(standing);
    }
    best
}

fn is_target(orgs: &IdMap<Org>, org: u128) -> bool {
    orgs.get(&org).is_none_or(|org| org.target)
}

/// The target communities of the scope.
fn targets<'a>(job: &'a Job<'_>) -> BTreeSet<&'a str> {
    let scope = job.territory.scope.code.as_str();
    match &job.request.targets {
        Some(codes) => codes.iter().map(String::as_str).filter(|code| code.starts_with(scope)).collect(),
        None => {
            let places = job.territory.places.iter().filter(|(code, _)| code.starts_with(scope));
            let valid = places.filter(|(_, place)| place.level == "community" && place.is_valid(job.to));
            valid.map(|(code, _)| code.as_str()).collect()
        }
    }
}

fn orgs(source: &Source<'_>) -> Result<IdMap<Org>, ReportError> {
    let mut orgs = IdMap::default();
    let query = Query::new(source.type_no("org")?, &["name", "level", "kind"]);
    source.visit(&query, &mut |row| {
        if let [name, level, kind] = row.cells {
            let text = |cell: &lastmile_store::storage::Cell<'_>| cell.text().unwrap_or_default().to_owned();
            let org = Org { name: text(name), level: text(level), target: kind.text() != Some("community_party") };
            orgs.insert(number(&row.id), org);
        }
        NEXT
    })?;
    Ok(orgs)
}

fn pairings(source: &mut Source<'_>, job: &Job<'_>) -> Result<Vec<Pairing>, ReportError> {
    let mut found: Vec<Pairing> = Vec::new();
    let mut ended: Vec<Pairing> = Vec::new();
    let columns = ["org", "community", "batch", "from_date", "to_date", "state", "open"];
    let query = Query::new(source.type_no("pairing")?, &columns);
    source.visit(&query, &mut |row| {
        let [org, community, batch, from, to, state, open] = row.cells else { return NEXT };
        let (Some(org), Some(community)) = (id(org), community.text()) else { return NEXT };
        let within = job.territory.slot_of_code(community).is_some();
        let begun = day(from).is_none_or(|from| from <= job.to);
        let over = day(to).is_some_and(|to| to < job.to);
        if !within || !begun || over {
            return NEXT;
        }
        let mut pairing = Pairing {
            id: number(&row.id),
            org,
            community: community.to_owned(),
            batch: batch.text().unwrap_or_default().to_owned(),
            from: day(from),
            standing: Standing::Verified,
            open: count(open),
        };
        match state.text() {
            Some("active") => found.push(pairing),
            Some("proposed") => {
                pairing.standing = Standing::Pending;
                found.push(pairing);
            }
            Some("ended") => ended.push(pairing),
            _ => {}
        }
        NEXT
    })?;
    for pairing in ended {
        if ended_after(source, pairing.id, job.to)? {
            found.push(pairing);
        }
    }
    found.sort_by(|a, b| (&a.community, &a.batch, a.id).cmp(&(&b.community, &b.batch, b.id)));
    Ok(found)
}

/// Whether a pairing that is over by now went on beyond a day: its last `end` event is dated later.
fn ended_after(source: &mut Source<'_>, pairing: u128, day: Day) -> Result<bool, ReportError> {
    let full = source.reader.record("pairing", record(pairing), None)?;
    let part = |event: &lastmile_store::RecordEvent, name: &str| {
        event.parts.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    let ended = full.events.iter().rev().find(|event| part(event, "kind").as_deref() == Some("end"));
    let was_active =
        full.events.iter().any(|event| matches!(part(event, "kind").as_deref(), Some("activate" | "renew")));
    let on = ended.and_then(|event| part(event, "on")).and_then(|on| Day::parse(&on));
    Ok(was_active && on.is_some_and(|on| day < on))
}

/// Pairings by batch and level of the organisation, with the distinct communities and organisations of each.
fn breakdown(source: &Source<'_>, orgs: &IdMap<Org>, pairings: &[Pairing]) -> Table {
    let columns = vec![
        Column::text("batch", "批次", "Batch"),
        Column::text("level", "单位层级", "Organisation's level"),
        Column::number("pairings", "结对数·已审核", "Pairings, verified"),
        Column::number("pairings_with_pending", "结对数·含待审", "Pairings, with pending"),
        Column::number("communities", "社区（村）数", "Communities"),
        Column::number("orgs", "单位数", "Organisations"),
    ];
    #[derive(Default)]
    struct Group<'a> {
        pairings: Pair,
        communities: BTreeSet<&'a str>,
        orgs: BTreeSet<u128>,
    }
    let mut groups: BTreeMap<(&str, &str), Group<'_>> = BTreeMap::new();
    for pairing in pairings {
        let level = orgs.get(&pairing.org).map_or("", |org| org.level.as_str());
        let group = groups.entry((pairing.batch.as_str(), level)).or_default();
        group.pairings.add(pairing.standing, 1);
        if pairing.standing == Standing::Verified {
            group.communities.insert(&pairing.community);
            group.orgs.insert(pairing.org);
        }
    }
    let mut table = Table::new("batches", Words::fixed("按批次和层级", "By batch and level"), columns);
    for ((batch, level), group) in groups {
        let level =
            if level.is_empty() { Words::fixed("未知", "Unknown") } else { choice(source, "org", "level", level) };
        table.rows.push(Row {
            id: None,
            cells: vec![
                Cell::Text(batch.to_owned()),
                Cell::Words(level),
                Cell::Number(group.pairings.verified),
                Cell::Number(group.pairings.with_pending),
                Cell::Number(length(group.communities.len())),
                Cell::Number(length(group.orgs.len())),
            ],
        });
    }
    table
}

fn place_row(job: &Job<'_>, code: &str, rest: Vec<Cell>) -> Row {
    let mut cells = vec![Cell::Code(code.to_owned()), Cell::Text(job.territory.name(code).to_owned())];
    cells.extend(rest);
    Row { id: Some(derive::place(code).to_string()), cells }
}

fn uncovered_table(job: &Job<'_>, uncovered: &[&str]) -> Table {
    let columns = vec![Column::text("code", "代码", "Code"), Column::text("name", "名称", "Name")];
    let mut table =
        Table::new("uncovered", Words::fixed("未结对的目标社区", "Target communities without a pairing"), columns);
    table.rows = uncovered.iter().map(|code| place_row(job, code, Vec::new())).collect();
    table
}

/// The target communities that are covered; as many as the figure says.
fn covered_table(
    job: &Job<'_>,
    targets: &BTreeSet<&str>,
    paired: &BTreeMap<&str, Standing>,
    figure: Pair,
    checks: &mut Vec<Check>,
) -> Table {
    let columns = vec![Column::text("code", "代码", "Code"), Column::text("name", "名称", "Name"), STANDING];
    let mut table =
        Table::new("covered", Words::fixed("已结对的目标社区", "Target communities with a pairing"), columns);
    let covered = targets.iter().filter_map(|code| Some((code, paired.get(code)?)));
    table.rows = covered.map(|(code, standing)| place_row(job, code, vec![Cell::Words(standing.words())])).collect();
    crate::grid::list_check(checks, Some(&table), figure);
    table
}

fn pairing_list(source: &Source<'_>, job: &Job<'_>, orgs: &IdMap<Org>, pairings: &[Pairing]) -> Table {
    let columns = vec![
        Column::text("community", "社区代码", "Community code"),
        Column::text("community_name", "社区", "Community"),
        Column::text("org", "单位", "Organisation"),
        Column::text("level", "单位层级", "Organisation's level"),
        Column::text("batch", "批次", "Batch"),
        Column::text("from", "起始日期", "From"),
        STANDING,
        Column::number("open", "待核", "Open"),
    ];
    let mut list = Table::new("list", Words::fixed("结对名单", "Pairings"), columns);
    let mut words: HashMap<&str, Words> = HashMap::new();
    for pairing in pairings {
        let org = orgs.get(&pairing.org);
        let level = org.map_or("", |org| org.level.as_str());
        let level = words.entry(level).or_insert_with(|| choice(source, "org", "level", level)).clone();
        let cells = vec![
            Cell::Code(pairing.community.clone()),
            Cell::Text(job.territory.name(&pairing.community).to_owned()),
            Cell::Text(org.map_or_else(String::new, |org| org.name.clone())),
            Cell::Words(level),
            Cell::Text(pairing.batch.clone()),
            day_cell(pairing.from),
            Cell::Words(pairing.standing.words()),
            Cell::Number(i64::from(pairing.open)),
        ];
        list.rows.push(listed(pairing.id, cells));
    }
    list
}
