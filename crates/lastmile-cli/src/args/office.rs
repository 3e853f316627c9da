//! `office`: deciding, confirming, verifying.

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

use super::DataDir;
use super::rights::Rights;
use super::values::{Commits, PlaceCode, RecordRef, day};

/// `lastmile office ...`.
#[derive(Debug, Subcommand)]
pub enum Office {
    /// List records that may be the same
    Duplicates(Duplicates),
    /// List fields whose values a person must decide
    Conflicts(Conflicts),
    /// Decide the value of a field
    Resolve(Resolve),
    /// Say that two records are the same
    Link(Link),
    /// Say that two records are not the same after all
    Unlink(Unlink),
    /// Confirm check-ins
    Confirm(Confirm),
    /// Verify activities
    Verify(Verify),
    /// Give a record back to the one who made it
    Return(Return),
    /// Move a person to another community
    Move(Move),
    /// Take commits out of the figures
    Quarantine(Verdict),
    /// Let quarantined commits count again
    Release(Verdict),
    /// The commands about who may do what.
    #[command(flatten)]
    Rights(Rights),
}

/// Why a decision was taken; everyone who holds the record can read it.
#[derive(Debug, Clone, Args)]
pub struct Reason {
    /// Why; it stays with the record
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

/// How alike records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Likeness {
    /// Same id number.
    Exact,
    /// Same name and phone, birth month and community, or employer.
    Strong,
    /// Same name and community.
    Weak,
}

/// `lastmile office duplicates`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile office duplicates
  lastmile office duplicates --type activity --scope 430103 --json")]
pub struct Duplicates {
    /// Only records of this type: person or activity
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<String>,
    /// Only in this place
    #[arg(long, value_name = "CODE")]
    pub scope: Option<PlaceCode>,
    /// At least this alike
    #[arg(long, default_value = "strong")]
    pub likeness: Likeness,
    /// Most pairs to show; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office conflicts`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile office conflicts --scope 4301
  lastmile office conflicts --type activity --all --json")]
pub struct Conflicts {
    /// Only records of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<String>,
    /// Only in this place
    #[arg(long, value_name = "CODE")]
    pub scope: Option<PlaceCode>,
    /// Also those that were settled by themselves (newest wins)
    #[arg(long)]
    pub all: bool,
    /// Most conflicts to show; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office resolve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile office resolve 0192f3a4 beneficiaries --take 2 --why 照片清点
  lastmile office resolve 0192f3a4 beneficiaries --value 28 --why 照片清点")]
pub struct Resolve {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// The field
    #[arg(value_name = "FIELD")]
    pub field: String,
    /// Take this one of the values, by its number in `office conflicts`
    #[arg(long, value_name = "N", required_unless_present = "value", conflicts_with = "value")]
    pub take: Option<usize>,
    /// Take another value
    #[arg(long, value_name = "VALUE")]
    pub value: Option<String>,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office link`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office link 0192f3a4 0192f3b7 --why 同一人，重复登记")]
pub struct Link {
    /// One record
    #[arg(value_name = "ID")]
    pub one: RecordRef,
    /// The other
    #[arg(value_name = "OTHER")]
    pub other: RecordRef,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office unlink`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office unlink 0192f3a4 0192f3b7 --why 父子同名")]
pub struct Unlink {
    /// One record
    #[arg(value_name = "ID")]
    pub one: RecordRef,
    /// The other
    #[arg(value_name = "OTHER")]
    pub other: RecordRef,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office confirm`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office confirm 0192f3a4 0192f3b7 --on 2026-11-23")]
pub struct Confirm {
    /// The check-ins
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<RecordRef>,
    /// The day from which they count [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub on: Option<NaiveDate>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office verify 0192f3a4 0192f3b7")]
pub struct Verify {
    /// The activities
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<RecordRef>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office return`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office return 0192f3a4 --why 缺少参加人")]
pub struct Return {
    /// The check-ins or activities
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<RecordRef>,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office move`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office move 0192f3a4 --to 430104008008 --on 2026-11-23 --why 搬家")]
pub struct Move {
    /// The person
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// The community they move to
    #[arg(long, value_name = "CODE")]
    pub to: PlaceCode,
    /// The day of the move [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub on: Option<NaiveDate>,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office quarantine` and `release`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples (AUTHOR stands for 32 hexadecimal digits):
  lastmile office quarantine 430103005010 AUTHOR:17-20 --why 误操作
  lastmile office release 430103005010 AUTHOR:17-20 --why 已核实")]
pub struct Verdict {
    /// The community whose log it is
    #[arg(value_name = "CODE")]
    pub scope: PlaceCode,
    /// The commits: AUTHOR:17, AUTHOR:17-20, or AUTHOR:17- for all from there on
    #[arg(value_name = "COMMITS", required = true)]
    pub commits: Vec<Commits>,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}
