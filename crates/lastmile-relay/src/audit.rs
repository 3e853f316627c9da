//! The audit log: who did what at the relay, month by month, chained by hash across the months.
//!
//! It names ids, counts and reasons, never what a record says. The office signs nothing here and no command alters it. The database
//! remembers where it ended, so that lines taken off its end are missed as well; each month begins with a line of its own, so that lines
//! taken off the beginning of the oldest are.

use std::path::{Path, PathBuf};

use chrono::Datelike as _;
use lastmile_model::planted;
use serde::{Deserialize, Serialize};

use crate::RelayError;
use crate::central::Central;
use crate::chained::{ChainEnd, ChainedFile, read};
use crate::clock::civil_date;

/// The folder of the audit log within a relay's.
pub(crate) const FOLDER: &str = "audit";

/// The setting that keeps where the audit log ended.
const KEY: &str = "relay.audit";

/// Who the program itself is in the log.
const RELAY: &str = "relay";

/// What the first line of each month says was done.
const MONTH: &str = "month";

/// What a line says was done that tells of lines that are missing before it.
const MISSED: &str = "missed";

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who: `office` for the person at the relay's own machine, `device <author>`, `relay` for the program itself.
    pub who: String,
    /// What was done, as a stable word, e.g. `revoke`.
    pub what: String,
    /// What it was about: ids and places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// How many records were shown or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How it came out: `done`, or the word of the refusal.
    pub outcome: String,
}

/// The audit log, open for writing.
#[derive(Debug)]
pub(crate) struct Audit {
    folder: PathBuf,
    month: String,
    file: ChainedFile,
    /// Whether the month has no line yet.
    new: bool,
}

/// The months of a folder, in order.
fn months(folder: &Path) -> Result<Vec<String>, RelayError> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RelayError::file(folder, error)),
    };
    let names = listed.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let mut months: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
    months.sort_unstable();
    Ok(months)
}

fn file_of(folder: &Path, month: &str) -> PathBuf {
    folder.join(format!("{month}.jsonl"))
}

fn month_of(now_ms: i64) -> String {
    let day = civil_date(now_ms);
    format!("{:04}-{:02}", day.year(), day.month())
}

/// Where a chain begins whose oldest months were put away: what its first line, if it is whole, says came before.
fn beginning(path: &Path) -> Result<Option<ChainEnd>, RelayError> {
    #[derive(Deserialize)]
    struct First {
        n: u64,
        prev: String,
    }
    let text = std::fs::read_to_string(path).map_err(|error| RelayError::file(path, error))?;
    let first = text.lines().next().and_then(|line| serde_json::from_str::<First>(line).ok());
    let Some(First { n, prev }) = first else { return Ok(None) };
    let hash: lastmile_model::ChangeHash =
        prev.parse().map_err(|_| RelayError::Chain { path: path.to_owned(), line: n })?;
    Ok(Some(ChainEnd { lines: n.saturating_sub(1), hash: hash.0 }))
}

/// Reads every month that is there and checks the chain; returns the entries and where it ends.
///
/// # Errors
/// [`RelayError::Chain`] naming the file and the first line that does not fit.
pub fn read_audit(folder: &Path) -> Result<(Vec<AuditEntry>, ChainEnd), RelayError> {
    let chain = read_chain(folder)?;
    Ok((chain.entries.into_iter().map(|(entry, _)| entry).collect(), chain.end))
}

/// The months that are there.
struct Chain {
    /// What comes before the first of the entries.
    start: ChainEnd,
    /// Each entry with where the chain ends after it.
    entries: Vec<(AuditEntry, ChainEnd)>,
    end: ChainEnd,
}

/// As [`read_audit`].
fn read_chain(folder: &Path) -> Result<Chain, RelayError> {
    let folder = folder.join(FOLDER);
    let months = months(&folder)?;
    let start = match months.first() {
        Some(first) => beginning(&file_of(&folder, first))?.unwrap_or(ChainEnd::NONE),
        None => ChainEnd::NONE,
    };
    let (mut entries, mut end) = (Vec::new(), start);
    for month in months {
        let path = file_of(&folder, &month);
        let found = read::<AuditEntry>(&path, end)?;
        // Lines in the middle are missed by the chain; a log from its very first line on is whole without.
        let is_later = entries.is_empty() && end.lines > 0 && !planted!("audit-beginning-unread");
        if is_later && found.entries.first().is_some_and(|(first, _)| !begins(first, &month)) {
            return Err(RelayError::Chain { path, line: end.lines.saturating_add(1) });
        }
        end = found.entries.last().map_or(end, |(_, end)| *end);
        entries.extend(found.entries);
    }
    Ok(Chain { start, entries, end })
}

/// Checks the audit log of a folder against what its database remembers; says what is wrong, if anything is.
///
/// # Errors
/// When a file cannot be read.
pub fn check_audit(folder: &Path, remembered: Option<&[u8]>) -> Result<Option<String>, RelayError> {
    match read_chain(folder) {
        Ok(chain) => {
            let told: Vec<String> = missing(&chain, remembered).into_iter().chain(noted(&chain)).collect();
            Ok((!told.is_empty()).then(|| told.join("; ")))
        }
        Err(error @ RelayError::Chain { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// What is missing of a log that holds together, by what the database remembers of it.
fn missing(chain: &Chain, remembered: Option<&[u8]>) -> Option<String> {
    let known = remembered.and_then(ChainEnd::from_bytes).filter(|_| !planted!("audit-end-unread"))?;
    let (start, last) = (chain.start, chain.end.lines);
    if last < known.lines {
        return Some(format!("the audit log ends after line {last}; the database knows of line {}", known.lines));
    }
    // A database that was put back knows less than the months that are left, and the lines between may be those that were put away: the
    // office is to see that nobody can say.
    if start.lines > known.lines {
        let (from, to) = (known.lines.saturating_add(1), start.lines);
        return Some(format!(
            "lines {from} to {to} of the audit log are not there; the database knows of none of them"
        ));
    }
    // Lines that came since do not make another past the same.
    let is_same = start == known || chain.entries.iter().any(|(_, end)| *end == known);
    (!is_same).then(|| format!("line {} of the audit log is another than the database knows", known.lines))
}

/// What lines of the log itself tell is missing.
fn noted(chain: &Chain) -> impl Iterator<Item = String> + '_ {
    let told = chain.entries.iter().filter(|(entry, _)| entry.what == MISSED);
    told.map(|(entry, at)| format!("line {} of the audit log tells: {}", at.lines, entry.outcome))
}

/// Whether a line is the first of a month.
fn begins(entry: &AuditEntry, month: &str) -> bool {
    entry.what == MONTH && entry.about == [month]
}

/// The setting under which a database remembers where its audit log ended.
#[must_use]
pub const fn audit_setting() -> &'static str {
    KEY
}

impl Audit {
    /// Opens the audit log of a relay's folder at this month; says as well what is missing of it by what the database remembers.
    ///
    /// # Errors
    /// When it cannot be written or does not hold together.
    pub fn open(folder: &Path, now_ms: i64, remembered: Option<&[u8]>) -> Result<(Self, Option<String>), RelayError> {
        let chain = read_chain(folder)?;
        let missing = missing(&chain, remembered);
        let folder = folder.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| RelayError::file(&folder, error))?;
        // A clock that was put back goes on in the month that was begun.
        let month = months(&folder)?.pop().map_or_else(|| month_of(now_ms), |last| last.max(month_of(now_ms)));
        Ok((Self::at(folder, month, chain.end)?, missing))
    }

    fn at(folder: PathBuf, month: String, end: ChainEnd) -> Result<Self, RelayError> {
        let path = file_of(&folder, &month);
        // A first line that a crash cut short goes on where the month before ended.
        let start = if path.exists() { beginning(&path)?.unwrap_or(end) } else { end };
        let (file, before) = ChainedFile::open::<AuditEntry>(&path, start)?;
        Ok(Self { folder, month, file, new: before.is_empty() })
    }

    /// Appends a line, flushed when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, entry: &AuditEntry) -> Result<ChainEnd, RelayError> {
        let month = month_of(entry.at_ms);
        if month > self.month {
            *self = Self::at(self.folder.clone(), month, self.file.end())?;
        }
        if !self.new {
            return self.file.append(std::slice::from_ref(entry));
        }
        let first = AuditEntry {
            at_ms: entry.at_ms,
            who: RELAY.to_owned(),
            what: MONTH.to_owned(),
            about: vec![self.month.clone()],
            count: None,
            outcome: "begun".to_owned(),
        };
        let end = self.file.append(&[&first, entry])?;
        self.new = false;
        Ok(end)
    }
}

impl Central {
    /// Opens the audit log of the relay's folder. What is missing of it is told in the log itself, so that it is not forgotten once more
    /// lines came.
    ///
    /// # Errors
    /// When it cannot be written or does not hold together.
    pub fn open_audit(&mut self, folder: &Path) -> Result<(), RelayError> {
        let remembered = self.store.setting(KEY)?;
        let (audit, missing) = Audit::open(folder, self.now_ms(), remembered.as_deref())?;
        self.audit = Some(audit);
        let Some(missing) = missing else { return Ok(()) };
        tracing::error!("{missing}");
        self.audit(RELAY, MISSED, Vec::new(), None, &missing)
    }

    /// Notes something in the audit log. What must not happen unseen is noted before it is answered.
    ///
    /// # Errors
    /// When the log cannot be written: then nothing may be shown.
    pub fn audit(
        &mut self,
        who: &str,
        what: &str,
        about: Vec<String>,
        count: Option<u64>,
        outcome: &str,
    ) -> Result<(), RelayError> {
        let at_ms = self.now_ms();
        let Some(audit) = self.audit.as_mut().filter(|_| !planted!("audit-unwritten")) else { return Ok(()) };
        let entry =
            AuditEntry { at_ms, who: who.to_owned(), what: what.to_owned(), about, count, outcome: outcome.to_owned() };
        let end = audit.append(&entry)?;
        self.store.remember(KEY, &end.to_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn entry(at_ms: i64) -> AuditEntry {
        AuditEntry {
            at_ms,
            who: "office".to_owned(),
            what: "status".to_owned(),
            about: Vec::new(),
            count: None,
            outcome: "done".to_owned(),
        }
    }

    fn opened(folder: &Path) -> Audit {
        Audit::open(folder, 0, None).unwrap().0
    }

    #[test]
    fn months_are_one_chain_and_old_ones_may_go() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut audit = opened(folder.path());
        let mut end = ChainEnd::NONE;
        for day in [0, 1, 31, 32, 59, 20] {
            end = audit.append(&entry(day * DAY_MS)).unwrap();
        }
        drop(audit);
        assert_eq!(months(&folder.path().join(FOLDER)).unwrap(), ["1970-01", "1970-02", "1970-03"]);
        let (entries, read) = read_audit(folder.path()).unwrap();
        assert_eq!((entries.len(), read, end.lines), (9, end, 9), "each month begins with a line of its own");
        assert_eq!(check_audit(folder.path(), Some(&end.to_bytes())).unwrap(), None);
        std::fs::remove_file(folder.path().join(FOLDER).join("1970-01.jsonl")).unwrap();
        assert_eq!(read_audit(folder.path()).unwrap().1, end, "what is left still leads to the end");
        let mut audit = opened(folder.path());
        assert_eq!(audit.append(&entry(60 * DAY_MS)).unwrap().lines, 10);
        drop(audit);
        let oldest = folder.path().join(FOLDER).join("1970-02.jsonl");
        let text = std::fs::read_to_string(&oldest).unwrap();
        std::fs::write(&oldest, text.split_once('\n').unwrap().1).unwrap();
        let found = check_audit(folder.path(), Some(&end.to_bytes())).unwrap().unwrap();
        assert!(found.contains("1970-02.jsonl"), "of a month that is there every line is: {found}");
    }

    #[test]
    fn lines_that_are_altered_or_gone_are_missed() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut audit = opened(folder.path());
        let mut end = ChainEnd::NONE;
        for _ in 0..3 {
            end = audit.append(&entry(0)).unwrap();
        }
        drop(audit);
        let path = folder.path().join(FOLDER).join("1970-01.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[1])).unwrap();
        let found = check_audit(folder.path(), Some(&end.to_bytes())).unwrap();
        assert!(found.unwrap().contains("after line 2"));
        std::fs::write(&path, text.replacen("office", "nobody", 1)).unwrap();
        let found = check_audit(folder.path(), Some(&end.to_bytes())).unwrap();
        assert!(found.unwrap().contains("line 3"), "the line after the altered one does not fit");
        std::fs::write(&path, text.replace("\"status\",\"outcome\":\"done\"}\n", "\"status\",\"outcome\":\"dome\"}\n"))
            .unwrap();
        assert!(check_audit(folder.path(), Some(&end.to_bytes())).unwrap().is_some());
    }

    #[test]
    fn what_was_missing_is_told_after_more_lines_came() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut audit = opened(folder.path());
        let mut end = ChainEnd::NONE;
        for _ in 0..3 {
            end = audit.append(&entry(0)).unwrap();
        }
        drop(audit);
        let path = folder.path().join(FOLDER).join("1970-01.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text.lines().take(2).collect();
        std::fs::write(&path, format!("{}\n", kept.join("\n"))).unwrap();
        let (mut audit, missing) = Audit::open(folder.path(), 0, Some(&end.to_bytes())).unwrap();
        let line = AuditEntry { what: MISSED.to_owned(), outcome: missing.unwrap(), ..entry(0) };
        audit.append(&line).unwrap();
        end = audit.append(&entry(0)).unwrap();
        let found = check_audit(folder.path(), Some(&end.to_bytes())).unwrap().unwrap();
        assert!(found.contains("line 3") && found.contains("after line 2"), "{found}");
        let line = AuditEntry { what: MISSED.to_owned(), outcome: "more".to_owned(), ..entry(0) };
        let later = audit.append(&line).unwrap();
        let found = check_audit(folder.path(), Some(&later.to_bytes())).unwrap().unwrap();
        assert!(found.contains("after line 2") && found.contains("more"), "each is told: {found}");
    }

    #[test]
    fn what_is_left_goes_on_from_what_the_database_knows() {
        let folder = tempfile::TempDir::new().unwrap();
        let mut audit = opened(folder.path());
        let ends = [0, 1, 32, 33].map(|day| audit.append(&entry(day * DAY_MS)).unwrap());
        drop(audit);
        std::fs::remove_file(folder.path().join(FOLDER).join("1970-01.jsonl")).unwrap();
        let check = |end: ChainEnd| check_audit(folder.path(), Some(&end.to_bytes())).unwrap();
        assert_eq!((check(ends[3]), check(ends[2]), check(ends[1])), (None, None, None));
        let another = ChainEnd { hash: [7; 32], ..ends[1] };
        assert!(check(another).unwrap().contains("line 3 of the audit log is another"));
        assert!(check(ends[0]).unwrap().contains("lines 3 to 3 of the audit log are not there"));
    }

    #[test]
    fn a_log_that_was_written_anew_and_goes_on_is_missed() {
        let [folder, other] = [(); 2].map(|()| tempfile::TempDir::new().unwrap());
        let mut audit = opened(folder.path());
        let end = audit.append(&entry(0)).unwrap();
        audit.append(&entry(1)).unwrap();
        let mut anew = opened(other.path());
        for at_ms in 5..8 {
            anew.append(&entry(at_ms)).unwrap();
        }
        assert_eq!(check_audit(folder.path(), Some(&end.to_bytes())).unwrap(), None);
        assert!(check_audit(other.path(), Some(&end.to_bytes())).unwrap().unwrap().contains("line 2"));
    }
}
