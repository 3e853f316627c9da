//! The devices of a scope: who wrote, when last, and who is silent.

use std::collections::BTreeMap;

use lastmile_model::{AuthorId, Scope, ScopeKind};

use super::Job;
use crate::ReportError;
use crate::day::Instant;
use crate::grid::{length, signed};
use crate::read::Source;
use crate::report::{Cell, Column, Devices, Row, SilentDevice, Table};
use crate::words::Words;

const HOUR_MS: i64 = 3_600_000;

/// One device, as far as this replica knows it.
#[derive(Debug, Default)]
pub(crate) struct Device {
    name: Option<String>,
    scopes: usize,
    commits: u64,
    changes: u64,
    branches: usize,
    last_ms: Option<i64>,
    silent: bool,
}

/// The devices of the scope.
#[derive(Debug, Default)]
pub(crate) struct DeviceList {
    devices: BTreeMap<AuthorId, Device>,
}

impl DeviceList {
    /// What every report says of them.
    pub(crate) fn summary(&self) -> Devices {
        let mut unsynced: Vec<SilentDevice> = self
            .devices
            .iter()
            .filter(|(_, device)| device.silent)
            .map(|(author, device)| SilentDevice {
                author: author.to_string(),
                name: device.name.clone(),
                last_contact: device.last_ms.map(Instant),
            })
            .collect();
        unsynced.sort_by(|a, b| (a.last_contact, &a.author).cmp(&(b.last_contact, &b.author)));
        Devices { known: self.devices.len() as u64, unsynced }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// How many are silent.
    pub(crate) fn silent(&self) -> usize {
        self.devices.values().filter(|device| device.silent).count()
    }

    /// The devices as a list.
    pub(crate) fn table(&self) -> Table {
        let columns = vec![
            Column::text("author", "作者号", "Author"),
            Column::text("name", "设备", "Device"),
            Column::text("last_contact", "最后联系", "Last contact"),
            Column::number("scopes", "范围数", "Scopes"),
            Column::number("commits", "提交数", "Commits"),
            Column::number("changes", "修改数", "Changes"),
            Column::number("branches", "分叉", "Branches"),
            Column::text("synced", "同步", "Sync"),
        ];
        let mut table = Table::new("list", Words::fixed("设备名单", "Devices"), columns);
        for (author, device) in &self.devices {
            let synced =
                if device.silent { Words::fixed("未同步", "Not synced") } else { Words::fixed("正常", "In time") };
            let cells = vec![
                Cell::Text(author.to_string()),
                device.name.as_ref().map_or(Cell::Empty, |name| Cell::Text(name.clone())),
                device.last_ms.map_or(Cell::Empty, |last| Cell::Instant(Instant(last))),
                Cell::Number(length(device.scopes)),
                Cell::Number(signed(device.commits)),
                Cell::Number(signed(device.changes)),
                Cell::Number(length(device.branches)),
                Cell::Words(synced),
            ];
            table.rows.push(Row { id: Some(author.to_string()), cells });
        }
        table
    }
}

/// Whether a scope lies in the territory of the report.
fn within(job: &Job<'_>, scope: &Scope) -> bool {
    match scope.kind() {
        ScopeKind::Community | ScopeKind::City => scope.code().starts_with(&job.territory.scope.code),
        ScopeKind::Org | ScopeKind::Office => false,
    }
}

/// Lists the devices that write in the scope or may: their logs, and certificates without a log.
pub(crate) fn devices(source: &mut Source<'_>, job: &Job<'_>) -> Result<DeviceList, ReportError> {
    let mut list = DeviceList::default();
    let logs = source.reader.logs()?;
    let trust = source.reader.trust()?;
    for log in logs.iter().filter(|log| within(job, &log.scope)) {
        if trust.is_some_and(|trust| trust.is_office(log.author)) {
            continue;
        }
        let device = list.devices.entry(log.author).or_default();
        device.scopes += usize::from(!log.branch);
        device.branches += usize::from(log.branch);
        device.commits = device.commits.saturating_add(log.head);
        device.changes = device.changes.saturating_add(log.changes);
        device.last_ms = device.last_ms.max(Some(log.last_wall_ms));
    }
    for (author, certificate) in trust.into_iter().flat_map(|trust| trust.authors()) {
        let ended = certificate.until_ms.is_some_and(|until| until <= job.request.as_of_ms);
        let expected = !ended && certificate.scopes.iter().any(|scope| within(job, scope));
        if trust.is_some_and(|trust| trust.is_office(author)) || !(expected || list.devices.contains_key(&author)) {
            continue;
        }
        let device = list.devices.entry(author).or_default();
        device.name = Some(certificate.device.clone());
        device.silent = expected;
    }
    let limit = job.request.as_of_ms.saturating_sub(job.request.stale_after_hours.saturating_mul(HOUR_MS));
    for device in list.devices.values_mut() {
        // A device without a certificate here is judged by its log alone; one whose certificate ended is not waited for.
        let waited_for = device.silent || device.name.is_none();
        device.silent = waited_for && device.last_ms.is_none_or(|last| last < limit);
    }
    Ok(list)
}
