//! R19, data quality and sync.

use std::collections::BTreeMap;

use lastmile_model::duplicates::{ActivityReason, Reason};
use lastmile_store::ChangeState;

use super::devices::devices;
use super::scan::{NAMED, OpenQuestions, Scan, scan};
use super::{Body, Job, listed, place_cells, place_columns, plain};
use crate::ReportError;
use crate::grid::{ChildFigure, children, children_check, figure, length, signed};
use crate::read::Source;
use crate::report::{Amount, Cell, Check, Column, Figure, Row, Table};
use crate::words::Words;

/// The unit of devices.
const DEVICES: Words = Words::fixed("台", "devices");
/// The unit of changes, records and questions.
const ITEMS: Words = Words::fixed("条", "items");
/// The unit of likely duplicates.
const PAIRS: Words = Words::fixed("对", "pairs");

/// R19.
pub(super) fn run(source: &mut Source<'_>, job: &Job<'_>) -> Result<Body, ReportError> {
    let devices = devices(source, job)?;
    let odd = odd_changes(source, job)?;
    let mut found = scan(source, job)?;
    let mut body = Body { open: found.open.total(), ..Body::default() };
    let of = |state| odd.of(state);
    let item = |key, zh, en, count| plain(key, Words::fixed(zh, en), ITEMS, count);
    let pair = |key, zh, en, count| plain(key, Words::fixed(zh, en), PAIRS, length(count));
    body.figures = vec![
        plain("devices", Words::fixed("设备", "Devices"), DEVICES, length(devices.len())),
        plain("unsynced", Words::fixed("未同步设备", "Devices not synced"), DEVICES, length(devices.silent())),
        item("waiting", "等待的修改", "Changes waiting", of(ChangeState::Waiting)),
        item("quarantined", "隔离的修改", "Changes quarantined", of(ChangeState::Quarantined)),
        item("opaque", "无法识别的修改", "Changes not understood", of(ChangeState::Opaque)),
        item("erased", "已删除内容的修改", "Changes erased", of(ChangeState::Erased)),
        item("open", "待核事项", "Open questions", signed(found.open.total())),
        pair("duplicate_persons", "疑似重复人员", "Likely duplicate persons", found.persons.len()),
        pair("duplicate_activities", "疑似重复活动", "Likely duplicate activities", found.activities.len()),
        figure("late_activities", Words::fixed("补报活动", "Activities entered late"), ITEMS, &found.late),
        item("late_participations", "补报参加", "Participations added late", found.late_parts),
        median_figure(std::mem::take(&mut found.delays)),
    ];
    let shown = |keys, zh, en, part| ChildFigure { keys, label: Words::fixed(zh, en), part, whole: None };
    body.children = children(
        &job.territory,
        &[
            shown(["open", "open_with_pending"], "待核事项", "Open questions", &found.open.grid),
            shown(["late", "late_with_pending"], "补报活动", "Entered late", &found.late),
        ],
    );
    children_check(&mut body.checks, &job.territory, &found.open.grid);
    let by_type = open_by_type(source, &found.open);
    body.checks.push(Check::equal(
        "open_by_type",
        Words::fixed("各类待核之和＝待核事项", "Open questions by type add up"),
        by_type.sum("open"),
        signed(found.open.total()),
    ));
    body.tables = vec![odd.table(), by_type];
    if job.request.list {
        body.tables.push(open_table(source, job, &found.open));
        body.tables.push(duplicate_table(job, &found));
        let list = devices.table();
        let label = Words::fixed("名单条数＝数字", "List is as long as its figure");
        body.checks.push(Check::equal("list_length", label, length(list.rows.len()), length(devices.len())));
        body.list = Some(list);
        if found.open.named.len() == NAMED {
            let note = Words::fixed(
                "待核事项只列前1000条记录。",
                "Only the first 1000 records with open questions are listed.",
            );
            body.notes.push(note);
        }
    }
    Ok(body)
}

fn median_figure(delays: [Vec<i32>; 2]) -> Figure {
    let [verified, with_pending] = delays.map(median);
    let label = Words::fixed("活动到建立记录的中位天数", "Median days from activity to record");
    Figure { key: "median_delay", label, unit: Words::fixed("天", "days"), verified, with_pending }
}

fn type_words(source: &Source<'_>, type_no: usize) -> Words {
    let record_type = source.catalogue().types().get(type_no);
    record_type.map_or_else(
        || Words::same(""),
        |record_type| Words::new(record_type.label_zh.as_str(), record_type.label_en.as_str()),
    )
}

fn open_by_type(source: &Source<'_>, open: &OpenQuestions) -> Table {
    let columns = vec![
        Column::text("type", "类别", "Type"),
        Column::number("open", "待核", "Open"),
        Column::number("records", "记录数", "Records"),
    ];
    let mut table = Table::new("open_by_type", Words::fixed("待核事项按类别", "Open questions by type"), columns);
    for (type_no, (open, records)) in &open.by_type {
        let cells = vec![
            Cell::Words(type_words(source, *type_no)),
            Cell::Number(signed(*open)),
            Cell::Number(signed(*records)),
        ];
        table.rows.push(Row { id: None, cells });
    }
    table
}

fn open_table(source: &Source<'_>, job: &Job<'_>, open: &OpenQuestions) -> Table {
    let [community, community_name] = place_columns();
    let columns =
        vec![Column::text("type", "类别", "Type"), community, community_name, Column::number("open", "待核", "Open")];
    let mut table = Table::new("open", Words::fixed("待核记录", "Records with open questions"), columns);
    for one in &open.named {
        let [community, community_name] = place_cells(&job.territory, one.scope);
        let words = Cell::Words(type_words(source, one.type_no));
        table.rows.push(listed(one.id, vec![words, community, community_name, Cell::Number(i64::from(one.open))]));
    }
    table
}

/// Changes that are held but not applied, by state and reason.
struct OddChanges {
    counts: BTreeMap<(ChangeState, String), i64>,
}

fn odd_changes(source: &mut Source<'_>, job: &Job<'_>) -> Result<OddChanges, ReportError> {
    let mut counts = BTreeMap::new();
    for (odd, _) in source.reader.odd(None)? {
        if job.territory.slot(odd.scope).is_some() || job.territory.shared.contains(&odd.scope) {
            *counts.entry((odd.state, odd.reason)).or_insert(0) += 1;
        }
    }
    Ok(OddChanges { counts })
}

impl OddChanges {
    fn of(&self, state: ChangeState) -> i64 {
        self.counts.iter().filter(|((of, _), _)| *of == state).map(|(_, count)| *count).sum()
    }

    fn table(&self) -> Table {
        let columns = vec![
            Column::text("state", "状态", "State"),
            Column::text("reason", "原因", "Reason"),
            Column::number("changes", "修改数", "Changes"),
        ];
        let mut table = Table::new("odd", Words::fixed("未应用的修改", "Changes not applied"), columns);
        for ((state, reason), count) in &self.counts {
            let words = match state {
                ChangeState::Waiting => Words::fixed("等待", "Waiting"),
                ChangeState::Quarantined => Words::fixed("隔离", "Quarantined"),
                ChangeState::Opaque => Words::fixed("无法识别", "Not understood"),
                ChangeState::Erased => Words::fixed("已删除", "Erased"),
                ChangeState::Pending => Words::fixed("未封签", "Without a seal"),
                ChangeState::Applied => Words::fixed("已应用", "Applied"),
            };
            let cells = vec![Cell::Words(words), Cell::Text(reason.clone()), Cell::Number(*count)];
            table.rows.push(Row { id: None, cells });
        }
        table
    }
}

fn duplicate_table(job: &Job<'_>, found: &Scan) -> Table {
    let [community, community_name] = place_columns();
    let columns = vec![
        Column::text("kind", "类别", "Kind"),
        Column::text("other", "另一条", "The other"),
        community,
        community_name,
        Column::text("reason", "依据", "Because of"),
    ];
    let mut table = Table::new("duplicates", Words::fixed("疑似重复", "Likely duplicates"), columns);
    let persons = found
        .persons
        .iter()
        .map(|(pair, scope)| (Words::fixed("人员", "Person"), pair.a, pair.b, *scope, person_reason(pair.reason)));
    let activities = found
        .activities
        .iter()
        .map(|(pair, scope)| (Words::fixed("活动", "Activity"), pair.a, pair.b, *scope, activity_reason(pair.reason)));
    for (kind, one, other, scope, reason) in persons.chain(activities) {
        let [community, community_name] = place_cells(&job.territory, scope);
        let cells =
            vec![Cell::Words(kind), Cell::Text(other.to_string()), community, community_name, Cell::Words(reason)];
        table.rows.push(listed(crate::read::number(&one), cells));
    }
    table
}

const fn person_reason(reason: Reason) -> Words {
    match reason {
        Reason::IdNumber => Words::fixed("身份证号相同", "Same id number"),
        Reason::Phone => Words::fixed("姓名和电话相同", "Same name and phone"),
        Reason::BirthAndCommunity => {
            Words::fixed("姓名、出生年月和社区相同", "Same name, month of birth and community")
        }
        Reason::Employer => Words::fixed("姓名和单位相同", "Same name and employer"),
        Reason::Community => Words::fixed("姓名和社区相同", "Same name and community"),
    }
}

const fn activity_reason(reason: ActivityReason) -> Words {
    match reason {
        ActivityReason::Title => Words::fixed("社区、日期、类别和名称相同", "Same community, date, category and title"),
        ActivityReason::People => {
            Words::fixed("社区、日期、类别和多数参加人相同", "Same community, date, category and most people")
        }
    }
}

/// The median, the lower of two in the middle.
fn median(mut days: Vec<i32>) -> Amount {
    let Some(middle) = days.len().checked_sub(1).map(|last| last / 2) else { return Amount::Unknown };
    let (_, median, _) = days.select_nth_unstable(middle);
    Amount::Count(i64::from(*median))
}
