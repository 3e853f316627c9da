//! `rebuild`, `check`, `inspect`, `export`, `import`: the data itself.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::DataDir;
use super::device::Selection;
use super::values::{PlaceCode, RecordRef};
use crate::roster::Encoding;

/// `lastmile rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile rebuild --dir /var/lib/lastmile\n  lastmile rebuild --compare")]
pub struct Rebuild {
    /// Build beside the present views and compare, change nothing
    #[arg(long)]
    pub compare: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile check
  lastmile check --full --dir /var/lib/lastmile   # also the views against the logs

Ends with 0 if all is well, with 7 if damage was found.")]
pub struct Check {
    /// Also build the views beside the present ones and compare; takes as much disk space again
    #[arg(long)]
    pub full: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile inspect`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["file", "record", "fields", "authors"]))]
#[command(after_help = "\
Examples:
  lastmile inspect                              # scopes, authors and heads of a replica
  lastmile inspect usb.lastmile                 # what a bundle carries
  lastmile inspect --record 0192f3a4            # a record's changes, one by one
  lastmile inspect --fields activity            # fields, merge letters and choices of a type")]
pub struct Inspect {
    /// A replica, a bundle or frames, a packed batch, or a file with one change
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A record
    #[arg(long, value_name = "ID")]
    pub record: Option<RecordRef>,
    /// The fields of a record type; of all types without a name
    #[arg(long, value_name = "TYPE", num_args = 0..=1, default_missing_value = "")]
    pub fields: Option<String>,
    /// Authors and their certificates
    #[arg(long)]
    pub authors: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile export ...`.
#[derive(Debug, Subcommand)]
pub enum Export {
    /// Write one record with its history, for any Automerge tool
    Record(ExportRecord),
    /// Write records of a type as a table
    Table(ExportTable),
}

/// `lastmile export record`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile export record 0192f3a4 --out record.automerge")]
pub struct ExportRecord {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// File to write: .automerge, or .json for the values alone
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile export table`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile export table activity --where 'date>=2026-01-01' --out 活动.csv
  lastmile export table person --out 人员.csv     # names and phones masked")]
pub struct ExportTable {
    /// Type of the records
    #[arg(value_name = "TYPE")]
    pub record_type: String,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
    /// File to write: .csv, which Excel opens, or .jsonl
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write personal fields in full; needs a reason, which is logged
    #[arg(long, value_name = "WHY")]
    pub unmasked: Option<String>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile import ...`.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Read a roster of members from an Excel or CSV file
    Roster(ImportRoster),
}

/// How the text of a CSV file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EncodingArg {
    /// Found out from the file.
    Auto,
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// GB18030, also GBK and GB2312.
    Gb18030,
}

impl From<EncodingArg> for Encoding {
    fn from(argument: EncodingArg) -> Self {
        match argument {
            EncodingArg::Auto => Self::Auto,
            EncodingArg::Utf8 => Self::Utf8,
            EncodingArg::Gb18030 => Self::Gb18030,
        }
    }
}

/// `lastmile import roster`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile import roster 党员花名册.xlsx --dry-run
  lastmile import roster 名册.csv --community 430103005010 --employer 0192f3a4

Headings are found by themselves (姓名, 身份证号, 手机, 出生年月, 政治面貌, 工作单位, 报到社区 ...). Rows that cannot be
taken are listed by their number in the file; the others are. Ends with 10 if rows were refused.

A member who is here already, or stands in the file twice, is not saved again: the same name with a phone, the end of
the id number or the month of birth in common, and nothing that differs. So a mended roster can be read again as a whole.")]
pub struct ImportRoster {
    /// The roster: .xlsx, .csv or .txt
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Read this sheet of the workbook [default: the first that has a roster]
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// Encoding of a CSV file
    #[arg(long, value_name = "ENCODING", default_value = "auto")]
    pub encoding: EncodingArg,
    /// Community for rows that name none
    #[arg(long, value_name = "CODE")]
    pub community: Option<PlaceCode>,
    /// Employer for rows that name none
    #[arg(long, value_name = "ORG")]
    pub employer: Option<RecordRef>,
    /// Read and report, save nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Save also members who are here already
    #[arg(long, conflicts_with = "dry_run")]
    pub anyway: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}
