use super::*;

fn accept(line: &str) -> Cli {
    try_parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn try_parse(line: &str) -> Result<Cli, clap::Error> {
    parse(words(line).into_iter().map(OsString::from))
}

/// Splits an example as a shell would: quotes group, `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, open) = (!quoted, true),
            '#' if !quoted && !open => break,
            ' ' if !quoted => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            c => {
                word.push(c);
                open = true;
            }
        }
    }
    if open {
        words.push(word);
    }
    words
}

fn examples(command: &clap::Command, found: &mut Vec<String>) {
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        // Pipes and redirections are the shell's, and AUTHOR stands for something long.
        let lines = help.lines().filter_map(|line| line.trim().split("| ").last()?.split(" < ").next());
        found.extend(
            lines.filter(|line| line.starts_with("lastmile ")).map(|line| line.replace("AUTHOR", &"0f".repeat(16))),
        );
    }
    for inner in command.get_subcommands() {
        examples(inner, found);
    }
}

#[test]
fn the_tree_is_sound() {
    command().debug_assert();
}

#[test]
fn every_example_is_accepted() {
    let mut found = Vec::new();
    examples(&command(), &mut found);
    assert!(found.len() > 40, "{}", found.len());
    for example in found {
        accept(&example);
    }
}

#[test]
fn every_command_without_subcommands_has_an_example() {
    fn walk(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        if command.get_subcommands().next().is_none() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(path.trim()), "{path}: no example");
        }
        for inner in command.get_subcommands() {
            walk(inner, &path);
        }
    }
    // `release` shares its arguments, and so its examples, with `quarantine`.
    walk(&command(), "");
}

#[test]
fn the_help_shows_every_exit_code() {
    let help = command().render_help().to_string();
    for (exit, _, meaning) in EXITS {
        assert!(help.contains(&format!("{:>2}  {meaning}", exit.code())), "{meaning}");
    }
}

#[test]
fn reads_the_lines_that_users_type() {
    let cli = accept("lastmile device list activity --where state=verified --limit 20 --json --dir here");
    assert!(cli.global.json);
    let Command::Device(device::Device::List(list)) = cli.command else { panic!("another command") };
    assert_eq!((list.record_type.as_str(), list.limit), ("activity", 20));
    assert_eq!(list.selection.conditions.len(), 1);
    assert_eq!(list.data.dir, Some(PathBuf::from("here")));

    let cli = accept("lastmile report R4 --scope 4301 --from 2026-01-01 --to 2026-12-31 --csv FILE --list");
    let Command::Report(report) = cli.command else { panic!("another command") };
    assert_eq!(report.name.unwrap().number(), 4);
    assert!(report.list && report.csv.is_some());

    let cli = accept("lastmile --lang zh-CN device add person name=张三 phone=13800138000 --dir DIR");
    assert_eq!(cli.global.lang, Some(Language::Chinese));
    accept("lastmile inspect --fields");
}

#[test]
fn refuses_what_makes_no_sense() {
    for line in [
        "lastmile",
        "lastmile device add person",
        "lastmile device add person 张三",
        "lastmile device init",
        "lastmile device sync --to a --from b",
        "lastmile office resolve 0192f3a4 date --why x",
        "lastmile office resolve 0192f3a4 date --take 1 --value 2 --why x",
        "lastmile office link 0192f3a4 0192f3b7",
        "lastmile office move 0192f3a4 --to 43010 --why x",
        "lastmile report R21",
        "lastmile report R4 --from 2026-13-01",
        "lastmile relay serve --max-connections 0",
        "lastmile inspect usb.lastmile --record 0192f3a4",
        "lastmile --lang fr demo",
    ] {
        let error = try_parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
