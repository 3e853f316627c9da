//! `device attach` and what follows from it.

use std::path::PathBuf;

use clap::Args;

use super::DataDir;
use super::values::RecordRef;

/// `lastmile device attach`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device attach 0192f3a4 photo.jpg
  lastmile device attach 0192f3a4 agreement.pdf --name '结对协议.pdf'

JPEG, PNG and WebP pictures up to 12 megapixels and PDF documents up to 2 MiB. Where a photo was taken is taken out of it here; one that is
longer than 2 MiB is made smaller.")]
pub struct Attach {
    /// The record that the file belongs to
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What people call it [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device attachments`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile device attachments\n  lastmile device attachments 0192f3a4 --json")]
pub struct Attachments {
    /// Only those of this record
    #[arg(value_name = "ID")]
    pub id: Option<RecordRef>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile device fetch-attachment`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile device fetch-attachment 9f86d081884c7d65 --to photo.jpg

The hash may be shortened to its first 8 digits or more; `lastmile device attachments` shows them. A file that is there already is not
written over.")]
pub struct FetchAttachment {
    /// The file's hash
    #[arg(value_name = "HASH")]
    pub hash: String,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Give up when nothing moves for this time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}
