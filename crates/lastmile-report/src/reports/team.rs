//! R12, service teams.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lastmile_model::keys::element_reference;
use lastmile_store::query::Query;

use super::{Body, Job, PERSONS, listed};
use crate::ReportError;
use crate::day::Day;
use crate::facts::sessions::{Extra, sessions};
use crate::grid::{
    ChildFigure, Distinct, Grid, Pair, STANDING, Standing, children, children_check, figure, length, list_check,
};
use crate::hash::{Bits, IdMap, Interner};
use crate::read::{NEXT, Source, count, day, day_of_instant, id, number};
use crate::report::{Cell, Check, Column, Row, Table};
use crate::territory::Slot;
use crate::words::Words;

/// The unit of teams.
const TEAMS: Words = Words::fixed("支", "teams");

/// A team that exists on the period's last day.
struct Team {
    id: u128,
    name: String,
    slot: Slot,
    host: String,
    system: Words,
    members: Vec<u32>,
    sessions: Pair,
    founded: Option<Day>,
    open: u32,
}

/// R12.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let mut persons = Interner::default();
    let mut teams = teams(source, job, &mut persons)?;
    count_sessions(source, job, &mut teams)?;
    let mut body = Body { open: teams.iter().map(|team| u64::from(team.open)).sum(), ..Body::default() };
    let (mut registered, mut active) = (Grid::new(&job.territory), Grid::new(&job.territory));
    let mut members = Distinct::new(&job.territory);
    for team in &teams {
        registered.add(team.slot, Standing::Verified, 1);
        if let Some(standing) = standing(team) {
            active.add(team.slot, standing, 1);
        }
        team.members.iter().for_each(|&person| members.add(team.slot, Standing::Verified, person));
    }
    let members = members.counts();
    body.figures = vec![
        figure("teams", Words::fixed("登记服务队", "Teams registered"), TEAMS, &registered),
        figure("active", Words::fixed("活跃服务队", "Teams active"), TEAMS, &active),
        figure("members", Words::fixed("队员", "Members"), PERSONS, &members),
    ];
    let shown = [
        ChildFigure {
            keys: ["teams", "teams_with_pending"],
            label: Words::fixed("登记", "Registered"),
            part: &registered,
            whole: None,
        },
        ChildFigure {
            keys: ["active", "active_with_pending"],
            label: Words::fixed("活跃", "Active"),
            part: &active,
            whole: None,
        },
    ];
    body.children = children(&job.territory, &shown);
    children_check(&mut body.checks, &job.territory, &registered);
    let systems = system_table(&teams);
    let label = Words::fixed("各系统之和＝登记服务队", "Systems add up to the teams registered");
    body.checks.push(Check::equal("systems_sum", label, systems.sum("teams"), registered.total.verified));
    body.tables.push(systems);
    if job.request.list {
        let list = team_list(&teams);
        list_check(&mut body.checks, Some(&list), registered.total);
        body.list = Some(list);
    }
    Ok(body)
}

/// Whether a team was active: verified sessions, or only sessions that wait.
fn standing(team: &Team) -> Option<Standing> {
    if team.sessions.verified > 0 {
        Some(Standing::Verified)
    } else {
        (team.sessions.with_pending > 0).then_some(Standing::Pending)
    }
}

/// Organisations by id: name and system.
fn orgs(source: &Source<'_>) -> Result<IdMap<(String, String)>, ReportError> {
    let mut orgs = IdMap::default();
    let query = Query::new(source.type_no("org")?, &["name", "system"]);
    source.visit(&query, &mut |row| {
        if let [name, system] = row.cells {
            let text = |cell: &lastmile_store::storage::Cell<'_>| cell.text().unwrap_or_default().to_owned();
            orgs.insert(number(&row.id), (text(name), text(system)));
        }
        NEXT
    })?;
    Ok(orgs)
}

fn teams(source: &Source<'_>, job: &Job<'_>, persons: &mut Interner) -> Result<Vec<Team>, ReportError> {
    let orgs = orgs(source)?;
    let mut teams: Vec<Team> = Vec::new();
    let columns = ["name", "host", "members", "founded", "open", "created_at"];
    let query = Query::new(source.type_no("team")?, &columns);
    source.visit(&query, &mut |row| {
        let [name, host, members, founded, open, created] = row.cells else { return NEXT };
        let Some(host) = id(host) else { return NEXT };
        let founded_on = day(founded);
        if founded_on.or_else(|| day_of_instant(created)).is_some_and(|since| since > job.to) {
            return NEXT;
        }
        let (slot, host, system) = match job.territory.place_codes.get(&host) {
            Some(code) => {
                let slot = job.territory.slot_of_code(code);
                (slot, job.territory.name(code).to_owned(), Words::fixed("社区（区划）", "Hosted by a place"))
            }
            // An organisation stands in no place; its teams count in the city alone.
            None => {
                let slot = job.territory.shared.contains(&row.scope).then_some(Slot::WHOLE);
                let (name, system) = orgs.get(&host).map_or(("", ""), |(name, system)| (name, system));
                let system = if system.is_empty() {
                    Words::fixed("未填系统", "No system given")
                } else {
                    Words::same(system)
                };
                (slot, name.to_owned(), system)
            }
        };
        let Some(slot) = slot else { return NEXT };
        let members = members.text().map_or_else(Vec::new, |json| {
            let elements: Vec<Cow<'_, str>> = serde_json::from_str(json).unwrap_or_default();
            let ids = elements.iter().filter_map(|element| element_reference(element));
            ids.map(|member| persons.number(job.links.persons.of(number(&member)))).collect()
        });
        teams.push(Team {
            id: number(&row.id),
            name: name.text().unwrap_or_default().to_owned(),
            slot,
            host,
            system,
            members,
            sessions: Pair::default(),
            founded: founded_on,
            open: count(open),
        });
        NEXT
    })?;
    teams.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(teams)
}

/// Counts the sessions of the period that each team hosted, wherever they were held.
fn count_sessions(source: &mut Source<'_>, job: &Job<'_>, teams: &mut [Team]) -> Result<(), ReportError> {
    let found = sessions(source, &job.links, Extra::Team)?;
    let places: IdMap<usize> = teams.iter().enumerate().map(|(place, team)| (team.id, place)).collect();
    for session in found.all.iter().filter(|session| job.in_period(session.day)) {
        let place = session.team.and_then(|team| places.get(&team));
        if let Some(team) = place.and_then(|&place| teams.get_mut(place)) {
            team.sessions.add(session.standing, 1);
        }
    }
    Ok(())
}

fn system_table(teams: &[Team]) -> Table {
    let columns = vec![
        Column::text("system", "系统", "System"),
        Column::number("teams", "登记", "Registered"),
        Column::number("active", "活跃·已审核", "Active, verified"),
        Column::number("active_with_pending", "活跃·含待审", "Active, with pending"),
        Column::number("members", "队员", "Members"),
    ];
    #[derive(Default)]
    struct Group {
        teams: i64,
        active: Pair,
        members: Bits,
    }
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for team in teams {
        let group = groups.entry((&team.system.zh, &team.system.en)).or_default();
        group.teams += 1;
        if let Some(standing) = standing(team) {
            group.active.add(standing, 1);
        }
        team.members.iter().for_each(|&person| {
            group.members.insert(person);
        });
    }
    let mut table = Table::new("systems", Words::fixed("按系统", "By system"), columns);
    for ((zh, en), group) in groups {
        let numbers =
            [group.teams, group.active.verified, group.active.with_pending, crate::grid::signed(group.members.len())];
        let mut cells = vec![Cell::Words(Words::new(zh, en))];
        cells.extend(numbers.map(Cell::Number));
        table.rows.push(Row { id: None, cells });
    }
    table
}

fn team_list(teams: &[Team]) -> Table {
    let columns = vec![
        Column::text("name", "名称", "Name"),
        Column::text("host", "所属", "Host"),
        Column::text("system", "系统", "System"),
        Column::text("founded", "成立日期", "Founded"),
        Column::number("members", "队员", "Members"),
        Column::number("sessions", "场次·已审核", "Sessions, verified"),
        Column::number("sessions_with_pending", "场次·含待审", "Sessions, with pending"),
        STANDING,
    ];
    let mut list = Table::new("list", Words::fixed("服务队名单", "Teams"), columns);
    for team in teams {
        let cells = vec![
            Cell::Text(team.name.clone()),
            Cell::Text(team.host.clone()),
            Cell::Words(team.system.clone()),
            super::day_cell(team.founded),
            Cell::Number(length(team.members.len())),
            Cell::Number(team.sessions.verified),
            Cell::Number(team.sessions.with_pending),
            Cell::Words(Standing::Verified.words()),
        ];
        list.rows.push(listed(team.id, cells));
    }
    list
}
