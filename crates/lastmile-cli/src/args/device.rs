//! `device`: recording and looking up.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DataDir;
use super::attachments::{Attach, Attachments, FetchAttachment};
use super::values::{Condition, FieldEdit, RecordRef, SortBy};

/// `lastmile device ...`.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// Set this device up with an invitation from the relay
    Init(Init),
    /// Record something new
    Add(Add),
    /// Change a record
    Edit(Edit),
    /// Find by name, pinyin initials, phone or title
    Find(Find),
    /// List records of a type
    List(List),
    /// Show one record
    Show(Show),
    /// Show who changed what on a record, and when
    History(History),
    /// Show what waits to be sent and when the relay was last reached
    Status(Status),
    /// Send and fetch now, or carry both in a file
    Sync(Sync),
    /// Stay connected and show what happens
    Watch(Watch),
    /// Attach a photo or file to a record
    Attach(Attach),
    /// List attachments and where their files are
    Attachments(Attachments),
    /// Fetch the file of an attachment and write it out
    FetchAttachment(FetchAttachment),
    /// Run many commands from a file or a pipe
    Script(Script),
}

/// `lastmile device init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device init lastmile-invite:1:... --name '张三 手机'
  lastmile device init --invite-file invite.txt --dir phone
  lastmile device init --invite-file - < invite.txt")]
pub struct Init {
    /// The invitation
    #[arg(value_name = "INVITE", required_unless_present = "invite_file", conflicts_with = "invite_file")]
    pub invite: Option<String>,
    /// File with the invitation, - for standard input
    #[arg(long, value_name = "FILE")]
    pub invite_file: Option<PathBuf>,
    /// What the office will call this device
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device add person name=张三 phone+=13800138000 party_status=中共党员 kind+=member
  lastmile device add activity title=清洁日 category=环保清洁 date=2026-11-23 beneficiaries=20 --with 0192f3a4 --event submit
  lastmile device add check_in person=0192f3a4

Choices may be typed as code, Chinese or English. What is wrong is named field by field, and nothing is saved.")]
pub struct Add {
    /// Type of the record, e.g. person, check_in, activity, participation, team
    #[arg(value_name = "TYPE")]
    pub record_type: String,
    /// Fields, as field=value; field+=value adds to a field of several values
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub fields: Vec<FieldEdit>,
    /// Person who took part in the activity; repeatable, saved together with it
    #[arg(long, value_name = "PERSON")]
    pub with: Vec<RecordRef>,
    /// Also write this event of the record's course, e.g. submit; a check-in is registered without being told
    #[arg(long, value_name = "KIND")]
    pub event: Option<String>,
    /// Save a person even if a similar one is on this device already
    #[arg(long)]
    pub anyway: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device edit 0192f3a4 note=改到下午
  lastmile device edit 0192f3a4 skills+=电工 skills-=木工 job=
  lastmile device edit 0192f3a4 --event submit
  lastmile device edit 0192f3a4 --event return why=缺照片")]
pub struct Edit {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// Changes: field=value, field+=value, field-=value, or field= to empty it; with --event, its parts
    #[arg(value_name = "FIELD=VALUE", required_unless_present = "event")]
    pub fields: Vec<FieldEdit>,
    /// Write an event of the record's course instead, e.g. register, submit, cancel
    #[arg(long, value_name = "KIND")]
    pub event: Option<String>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device find`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device find 张三
  lastmile device find zs              # pinyin initials 拼音首字母
  lastmile device find 8000 --type person --json")]
pub struct Find {
    /// What to look for
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,
    /// Only records of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<String>,
    /// Most records to show
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub limit: usize,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// Which records of a type, in which order.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Only records that meet this: = != < <= > >= or ~ for a part of a text or one of several values; repeatable, all must
    /// hold. Quote it for the shell
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    pub conditions: Vec<Condition>,
    /// Order, as field or field:desc; repeatable [default: newest first, by when they came to this device]
    #[arg(long, value_name = "FIELD[:desc]")]
    pub sort: Vec<SortBy>,
    /// Fields to show, separated by commas [default: the important ones]
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub columns: Vec<String>,
}

/// `lastmile device list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device list person
  lastmile device list activity --where state=verified --where 'date>=2026-01-01' --limit 20 --json
  lastmile device list activity --where 'title~清洁' --sort date --columns date,title,beneficiaries
  lastmile device list activity --after 0192f3a4             # the next page")]
pub struct List {
    /// Type of the records
    #[arg(value_name = "TYPE")]
    pub record_type: String,
    /// Which ones.
    #[command(flatten)]
    pub selection: Selection,
    /// Most records to show; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Go on after this record, the last one shown, in the same order
    #[arg(long, value_name = "ID")]
    pub after: Option<RecordRef>,
    /// Also those that the office linked to another one and that are read as it
    #[arg(long)]
    pub all: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device show`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile device show 0192f3a4\n  lastmile device show 0192f3a4 --json")]
pub struct Show {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device history`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lastmile device history 0192f3a4\n  lastmile device history 0192f3a4 --field note"
)]
pub struct History {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// Only changes of this field
    #[arg(long, value_name = "FIELD")]
    pub field: Option<String>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile device status\n  lastmile device status --json")]
pub struct Status {
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device sync`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device sync
  lastmile device sync --to /media/usb/zhangsan.lastmile     # not encrypted: keep the stick safe
  lastmile device sync --from /media/usb/answer.lastmile")]
pub struct Sync {
    /// Write what this device holds to this file, to be carried to the relay or a colleague
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub to: Option<PathBuf>,
    /// Take in what this file holds
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Give up when nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value_t = 60, conflicts_with_all = ["to", "from"])]
    pub timeout: u64,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile device watch\n  lastmile device watch --type activity --json")]
pub struct Watch {
    /// Only records of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<String>,
    /// End after this time [default: at Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device script`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is one JSON object: what to `do` (add, edit, event, save, show, find, list, status, sync) and its fields;
docs/device-script.md lists them. Each answer is one line of JSON, with `ok` or `error`, written once the result is on disk.

Examples:
  lastmile device script day.jsonl
  echo '{\"do\":\"find\",\"type\":\"person\",\"text\":\"张\"}' | lastmile device script -
  lastmile device script sample/devices/430103005010-1.jsonl --keep-going")]
pub struct Script {
    /// The file, - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Go on after a line that failed
    #[arg(long)]
    pub keep_going: bool,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}
