//! What an exchange with the relay left undone, in words and as an exit code.

use lastmile_client::{Refusal, SyncReport};
use lastmile_protocol::Code;

use crate::error::{CliError, Exit};
use crate::messages::key;
use crate::output::Output;

/// Says what an exchange with the relay left undone, and how the command ends because of it.
pub(super) fn say_what_is_left(report: &SyncReport, output: &mut Output) -> Result<Exit, CliError> {
    for refusal in &report.refused {
        say_refused(refusal, output)?;
    }
    if report.refused.is_empty() && !report.equal {
        output.say::<&str>(key!("device.not_equal"), &[])?;
    }
    Ok(exit_after(report))
}

/// Says what the relay refused.
pub(super) fn say_refused(refusal: &Refusal, output: &mut Output) -> Result<(), CliError> {
    let word = match refusal.code {
        Code::ScopeRefused => key!("refused.scope"),
        Code::UploadOnly => key!("refused.upload_only"),
        Code::AuthorUnknown => key!("refused.author"),
        Code::OverQuota => key!("refused.quota"),
        Code::TooManyBranches => key!("refused.branches"),
        Code::NoForkPoint => key!("refused.fork_point"),
        _ => key!("refused.other"),
    };
    let named = [
        ("scope", refusal.scope.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)),
        ("author", refusal.author.map_or_else(|| "?".to_owned(), |author| author.to_string())),
        ("reason", refusal.code.to_string()),
    ];
    output.say(word, &named)
}

fn exit_after(report: &SyncReport) -> Exit {
    let not_permitted = |refusal: &Refusal| matches!(refusal.code, Code::ScopeRefused | Code::UploadOnly);
    match report {
        report if report.refused.iter().any(not_permitted) => Exit::NotPermitted,
        report if report.is_whole() => Exit::Done,
        _ => Exit::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_is_not_whole_is_no_success() {
        let refusal = |code| Refusal { code, scope: None, author: None };
        let report = |equal, codes: &[Code]| SyncReport {
            equal,
            refused: codes.iter().copied().map(refusal).collect(),
            ..SyncReport::default()
        };
        for (equal, codes, exit) in [
            (true, &[][..], Exit::Done),
            (false, &[], Exit::Partial),
            (false, &[Code::OverQuota], Exit::Partial),
            (true, &[Code::TooManyBranches], Exit::Partial),
            (false, &[Code::OverQuota, Code::UploadOnly], Exit::NotPermitted),
            (true, &[Code::ScopeRefused], Exit::NotPermitted),
        ] {
            assert_eq!(exit_after(&report(equal, codes)), exit, "{equal} {codes:?}");
        }
    }
}
