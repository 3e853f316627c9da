//! R4, sessions; R7, times somebody was served; R13, sessions by category.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use lastmile_store::query::Query;

use super::{Body, Job, SESSIONS, change_check, choice, listed, place_cells, place_columns, sort_key};
use crate::ReportError;
use crate::facts::sessions::{Extra, Session, Sessions, sessions};
use crate::grid::{ChildFigure, Grid, Pair, STANDING, Standing, children, children_check, figure, length, list_check};
use crate::hash::{IdMap, IdSet};
use crate::id::ReportId;
use crate::read::{NEXT, Source, number};
use crate::report::{Cell, Check, Column, Row, Table};
use crate::words::Words;

/// Above this many served a session, somebody has to say why.
const SERVED_LIMIT: i64 = 50;
/// So many sessions above the limit are named.
const NAMED: usize = 100;
/// The unit of R7.
const TIMES: Words = Words::fixed("人次", "times");

/// What one pass over the sessions adds up.
struct Sums {
    sessions: Grid,
    served: Grid,
    /// Category -> both columns.
    categories: Vec<Pair>,
    open: u64,
    before: i64,
    served_before: i64,
    /// Places of the sessions that served more than the limit.
    large: Vec<usize>,
}

fn add_up(job: &Job<'_>, found: &Sessions) -> Sums {
    let mut sums = Sums {
        sessions: Grid::new(&job.territory),
        served: Grid::new(&job.territory),
        categories: vec![Pair::default(); found.categories.len()],
        open: 0,
        before: 0,
        served_before: 0,
        large: Vec::new(),
    };
    let previous = job.previous();
    for (place, session) in found.all.iter().enumerate() {
        let Some(slot) = job.territory.slot(session.scope) else { continue };
        if job.in_period(session.day) {
            sums.sessions.add(slot, session.standing, 1);
            sums.served.add(slot, session.standing, session.served);
            sums.open += u64::from(session.open);
            if let Some(category) = sums.categories.get_mut(usize::from(session.category)) {
                category.add(session.standing, 1);
            }
            if session.served > SERVED_LIMIT {
                sums.large.push(place);
            }
        } else if session.standing == Standing::Verified
            && previous.is_some_and(|(from, to)| from <= session.day && session.day <= to)
        {
            sums.before += 1;
            sums.served_before = sums.served_before.saturating_add(session.served);
        }
    }
    sums
}

/// R4, R7 and R13.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let found = sessions(source, &job.links, Extra::Category)?;
    let sums = add_up(job, &found);
    let mut body = Body { open: sums.open, ..Body::default() };
    let sessions_figure = figure("sessions", Words::fixed("活动场次", "Sessions"), SESSIONS, &sums.sessions);
    let served_figure = figure("served", Words::fixed("服务群众人次", "Times served"), TIMES, &sums.served);
    let shown_sessions = ChildFigure {
        keys: ["sessions", "sessions_with_pending"],
        label: Words::fixed("活动场次", "Sessions"),
        part: &sums.sessions,
        whole: None,
    };
    let shown_served = ChildFigure {
        keys: ["served", "served_with_pending"],
        label: Words::fixed("服务人次", "Served"),
        part: &sums.served,
        whole: None,
    };
    if job.request.report == ReportId::R7 {
        body.figures = vec![served_figure, sessions_figure];
        body.children = children(&job.territory, &[shown_served, shown_sessions]);
        children_check(&mut body.checks, &job.territory, &sums.served);
        large_sessions(source, job, &found, &sums, &mut body)?;
        change_check(&mut body.checks, sums.served_before, sums.served.total.verified);
    } else {
        body.figures = vec![sessions_figure];
        body.children = children(&job.territory, &[shown_sessions]);
        children_check(&mut body.checks, &job.territory, &sums.sessions);
        change_check(&mut body.checks, sums.before, sums.sessions.total.verified);
    }
    category_checks(&sums, &mut body);
    average_checks(job, &sums, &mut body);
    if job.request.report == ReportId::R13 {
        body.tables.push(category_table(source, &found, &sums));
        body.tables.push(tag_table(source, job, &found)?);
    }
    if found.orphans > 0 {
        body.notes.push(Words::new(
            format!("{}场活动标记为重复，但原活动未计入。", found.orphans),
            format!("{} activities are marked as duplicates of one that does not count itself.", found.orphans),
        ));
    }
    if job.request.list {
        let list = session_list(source, job, &found)?;
        list_check(&mut body.checks, Some(&list), sums.sessions.total);
        if job.request.report == ReportId::R7 {
            let label = Words::fixed("名单之和＝数字（含待审）", "List adds up to its figure, with pending");
            body.checks.push(Check::equal("list_sum", label, list.sum("served"), sums.served.total.with_pending));
        }
        body.list = Some(list);
    }
    Ok(body)
}

/// R13 = R4: the categories add up to the sessions.
fn category_checks(sums: &Sums, body: &mut Body) {
    let sum = |column: fn(&Pair) -> i64| sums.categories.iter().map(column).fold(0, i64::saturating_add);
    body.checks.push(Check::equal(
        "categories_sum",
        Words::fixed("各类之和（R13）＝场次（R4），已审核", "Categories (R13) add up to sessions (R4), verified"),
        sum(|pair| pair.verified),
        sums.sessions.total.verified,
    ));
    body.checks.push(Check::equal(
        "categories_sum_with_pending",
        Words::fixed("各类之和（R13）＝场次（R4），含待审", "Categories (R13) add up to sessions (R4), with pending"),
        sum(|pair| pair.with_pending),
        sums.sessions.total.with_pending,
    ));
}

/// More than 50 served a session on average, in the scope or a child, has to be explained.
fn average_checks(job: &Job<'_>, sums: &Sums, body: &mut Body) {
    let average = |served: Pair, sessions: Pair| {
        if sessions.verified > 0 { (served.verified + sessions.verified - 1) / sessions.verified } else { 0 }
    };
    body.checks.push(Check::at_most(
        "served_per_session",
        Words::fixed("每场服务人次（超过50需说明）", "Served a session on average, above 50 to be explained"),
        average(sums.served.total, sums.sessions.total),
        SERVED_LIMIT,
    ));
    if job.territory.children.is_empty() {
        return;
    }
    let both = sums.served.children.iter().zip(&sums.sessions.children);
    let high = both.filter(|(served, sessions)| average(**served, **sessions) > SERVED_LIMIT).count();
    body.checks.push(Check::at_most(
        "served_per_session_children",
        Words::fixed(
            "每场服务超过50人次的下级数（需说明）",
            "Areas with more than 50 served a session, to be explained",
        ),
        length(high),
        0,
    ));
}

/// Names single sessions that served more than 50.
fn large_sessions(
    source: &Source<'_>,
    job: &Job<'_>,
    found: &Sessions,
    sums: &Sums,
    body: &mut Body,
) -> Result<(), ReportError> {
    body.checks.push(Check::at_most(
        "large_sessions",
        Words::fixed("服务超过50人次的场次数（需说明）", "Sessions with more than 50 served, to be explained"),
        length(sums.large.len()),
        0,
    ));
    if sums.large.is_empty() {
        return Ok(());
    }
    let mut large: Vec<&Session> = sums.large.iter().filter_map(|&place| found.all.get(place)).collect();
    large.sort_by_key(|session| (std::cmp::Reverse(session.served), session.id));
    large.truncate(NAMED);
    let titles = titles(source, &large.iter().map(|session| session.id).collect())?;
    let mut table =
        Table::new("large_sessions", Words::fixed("需说明的场次", "Sessions to be explained"), session_columns());
    table.rows.extend(large.into_iter().map(|session| session_row(source, job, found, &titles, session)));
    body.tables.push(table);
    Ok(())
}

fn category_table(source: &Source<'_>, found: &Sessions, sums: &Sums) -> Table {
    let columns = vec![
        Column::text("category", "类别", "Category"),
        Column::number("sessions", "场次·已审核", "Sessions, verified"),
        Column::number("sessions_with_pending", "场次·含待审", "Sessions, with pending"),
        Column::number("share", "占比", "Share"),
    ];
    let mut table = Table::new("categories", Words::fixed("按类别", "By category"), columns);
    // Every category of the catalogue stands in its order, then those that it does not know.
    let mut codes: Vec<&str> = source
        .catalogue()
        .get("activity")
        .and_then(|(_, activity)| activity.field("category"))
        .map_or_else(Vec::new, |(_, field)| field.choices.iter().map(|choice| choice.code.as_str()).collect());
    let mut others: Vec<&str> =
        found.categories.iter().map(String::as_str).filter(|code| !codes.contains(code)).collect();
    others.sort_unstable();
    codes.append(&mut others);
    for code in codes {
        let place = found.categories.iter().position(|known| known == code);
        let pair = place.and_then(|place| sums.categories.get(place)).copied().unwrap_or_default();
        let words = if code.is_empty() {
            Words::fixed("未填", "None given")
        } else {
            choice(source, "activity", "category", code)
        };
        if pair == Pair::default() && code.is_empty() {
            continue;
        }
        table.rows.push(Row {
            id: None,
            cells: vec![
                Cell::Words(words),
                Cell::Number(pair.verified),
                Cell::Number(pair.with_pending),
                Cell::Share { part: pair.verified, whole: sums.sessions.total.verified },
            ],
        });
    }
    table
}

/// Counts the tags of the sessions; a session may have several.
fn tag_table(source: &Source<'_>, job: &Job<'_>, found: &Sessions) -> Result<Table, ReportError> {
    let counted = counted(job, found);
    let mut tags: HashMap<String, Pair> = HashMap::new();
    let query = Query::new(source.type_no("activity")?, &["tags"]);
    source.visit(&query, &mut |row| {
        if let Some(json) = row.cells.first().and_then(|cell| cell.text())
            && let Some(session) = counted.get(&number(&row.id)).and_then(|place| found.all.get(*place))
            && session.scope == row.scope
        {
            for tag in serde_json::from_str::<Vec<Cow<'_, str>>>(json).unwrap_or_default() {
                match tags.get_mut(tag.as_ref()) {
                    Some(pair) => pair.add(session.standing, 1),
                    None => tags.entry(tag.into_owned()).or_default().add(session.standing, 1),
                }
            }
        }
        NEXT
    })?;
    let columns = vec![
        Column::text("tag", "标签", "Tag"),
        Column::number("sessions", "场次·已审核", "Sessions, verified"),
        Column::number("sessions_with_pending", "场次·含待审", "Sessions, with pending"),
    ];
    let mut table =
        Table::new("tags", Words::fixed("按标签（一场可有多个）", "By tag, a session may have several"), columns);
    let mut tags: Vec<(String, Pair)> = tags.into_iter().collect();
    tags.sort_by(|(a, x), (b, y)| (y.with_pending, a).cmp(&(x.with_pending, b)));
    for (tag, pair) in tags {
        let cells = vec![Cell::Text(tag), Cell::Number(pair.verified), Cell::Number(pair.with_pending)];
        table.rows.push(Row { id: None, cells });
    }
    Ok(table)
}

/// The sessions of the period and scope: id of the activity that counts -> place.
fn counted(job: &Job<'_>, found: &Sessions) -> IdMap<usize> {
    let sessions = found.all.iter().enumerate();
    sessions
        .filter(|(_, session)| job.in_period(session.day) && job.territory.slot(session.scope).is_some())
        .map(|(place, session)| (session.id, place))
        .collect()
}

/// Reads the titles of activities.
pub(crate) fn titles(source: &Source<'_>, wanted: &IdSet) -> Result<BTreeMap<u128, String>, ReportError> {
    let mut titles = BTreeMap::new();
    let query = Query::new(source.type_no("activity")?, &["title"]);
    source.visit(&query, &mut |row| {
        let id = number(&row.id);
        if wanted.contains(&id) {
            let title = row.cells.first().and_then(|cell| cell.text()).unwrap_or_default();
            titles.insert(id, title.to_owned());
        }
        NEXT
    })?;
    Ok(titles)
}

fn session_columns() -> Vec<Column> {
    let [community, community_name] = place_columns();
    vec![
        Column::text("date", "日期", "Date"),
        Column::text("title", "名称", "Title"),
        Column::text("category", "类别", "Category"),
        community,
        community_name,
        Column::number("served", "服务人次", "Served"),
        STANDING,
        Column::number("open", "待核", "Open"),
    ]
}

fn session_row(
    source: &Source<'_>,
    job: &Job<'_>,
    found: &Sessions,
    titles: &BTreeMap<u128, String>,
    session: &Session,
) -> Row {
    let [community, community_name] = place_cells(&job.territory, session.scope);
    let category = found.categories.get(usize::from(session.category)).map_or("", String::as_str);
    listed(
        session.id,
        vec![
            Cell::Day(session.day),
            Cell::Text(titles.get(&session.id).cloned().unwrap_or_default()),
            Cell::Words(choice(source, "activity", "category", category)),
            community,
            community_name,
            Cell::Number(session.served),
            Cell::Words(session.standing.words()),
            Cell::Number(i64::from(session.open)),
        ],
    )
}

fn session_list(source: &Source<'_>, job: &Job<'_>, found: &Sessions) -> Result<Table, ReportError> {
    let counted = counted(job, found);
    let titles = titles(source, &counted.keys().copied().collect())?;
    let mut rows: Vec<&Session> = counted.values().filter_map(|place| found.all.get(*place)).collect();
    rows.sort_by(|a, b| {
        let key = |session: &Session| (session.day, session.id);
        (job.territory.code(a.scope), key(a)).cmp(&(job.territory.code(b.scope), key(b)))
    });
    let mut list = Table::new("list", Words::fixed("活动名单", "Sessions"), session_columns());
    list.rows = rows.into_iter().map(|session| session_row(source, job, found, &titles, session)).collect();
    if job.request.report == ReportId::R13 {
        let place = list.column("category");
        list.rows.sort_by_cached_key(|row| match place.and_then(|place| row.cells.get(place)) {
            Some(Cell::Words(words)) => sort_key(words).to_owned(),
            _ => String::new(),
        });
    }
    Ok(list)
}
