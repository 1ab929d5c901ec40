//! What the help and the manual say beyond the arguments: the groups of the commands, examples,
//! files, variables and exit codes.

use clap::Command;
use clap::builder::{StyledStr, Styles};

/// The commands in groups, in the order in which an operator needs them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Getting started", &["demo", "init", "doctor", "start", "status"]),
    (
        "Running a node",
        &[
            "stop", "restart", "reload", "logs", "jobs", "earnings", "events", "backends",
            "models", "backup",
        ],
    ),
    ("Buying", &["job"]),
    ("Guests", &["guest"]),
    ("This program", &["completions", "man", "help"]),
];

/// Shown by `pylon` without arguments, too.
const BEGIN: &str = "Begin with `pylon demo`, a whole market on this machine with play money.\n\
                     To sell: `pylon init`, `pylon doctor`, `pylon start`. To buy: `pylon job`.";

/// A section of every manual page, and of `pylon --help`.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What it is about, and what to know of it.
    pub(crate) rows: &'static [(&'static str, &'static str)],
}

pub(crate) const SECTIONS: [Section; 3] = [
    Section {
        title: "Files",
        rows: &[
            ("~/.config/pylon/config.toml", "settings; all of them have defaults"),
            ("~/.config/pylon/identity.mnemonic", "the secret key of the node, mode 0600"),
            ("~/.openagents/pylon/pylon.db", "jobs, earnings and decisions (SQLite)"),
            ("~/.openagents/pylon/pylon.sock", "the control socket of the running node"),
            ("~/.openagents/pylon/logs/pylon.log", "the log of a node in the background"),
        ],
    },
    Section {
        title: "Environment",
        rows: &[
            ("PYLON_HOME", "replaces ~ in these paths: one folder for each node"),
            ("RUST_LOG", "what is logged, such as `debug` or `pylon=info,compute=trace`"),
            ("NO_COLOR", "no colours, as with `--color never`"),
            ("SSL_CERT_FILE", "certificate authorities beside the built-in ones"),
        ],
    },
    Section {
        title: "Exit status",
        rows: &[
            ("0", "success, also if the reader of the output has closed it"),
            ("1", "failure; one line on stderr says why and what to do"),
            ("2", "invalid command line"),
        ],
    },
];

/// Command lines and what they are for, by command.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "demo",
        &[
            ("pylon demo", "one job, from request to payment"),
            ("pylon demo --jobs 50 --keep /tmp/demo", "many jobs; keep their database"),
        ],
    ),
    (
        "init",
        &[
            ("pylon init", "a new identity"),
            ("pylon init --import < phrase", "the identity of a recovery phrase"),
        ],
    ),
    ("doctor", &[("pylon doctor", "before a start, and whenever no jobs arrive")]),
    (
        "start",
        &[
            ("pylon start", "in the background"),
            ("pylon start -f", "in the foreground, for systemd"),
            ("RUST_LOG=compute=trace pylon start -f", "with every message of the market"),
            ("pylon start --log-format json", "with a log for a collector"),
        ],
    ),
    (
        "status",
        &[
            ("pylon status", "backends, relays, and what the node does"),
            ("pylon status --json", "the same for a program"),
        ],
    ),
    (
        "stop",
        &[
            ("pylon stop", "after the running jobs, 20 s at most"),
            ("pylon stop --timeout 600 --force", "wait longer, then kill it"),
        ],
    ),
    ("restart", &[("pylon restart", "for settings that `pylon reload` cannot apply")]),
    (
        "logs",
        &[
            ("pylon logs -f", "the log as it grows"),
            ("pylon logs --job 1a2b3c4d", "what happened to one job"),
        ],
    ),
    ("reload", &[("pylon reload", "after a change of config.toml; as SIGHUP does")]),
    (
        "jobs",
        &[
            ("pylon jobs list --status failed", "what went wrong"),
            ("pylon jobs show 1a2b3c4d", "one job and its decisions"),
        ],
    ),
    (
        "jobs list",
        &[
            ("pylon jobs list", "the latest 20 jobs"),
            ("pylon jobs list --status failed -l 100", "what went wrong"),
            ("pylon jobs list --watch", "what happens now"),
        ],
    ),
    (
        "jobs show",
        &[
            ("pylon jobs show 1a2b3c4d", "prices, work and decisions of one job"),
            ("pylon jobs show 1a2b3c4d --text", "what was asked and answered, too"),
        ],
    ),
    ("jobs accept", &[("pylon jobs accept 1a2b3c4d", "send the result that waits for review")]),
    ("jobs reject", &[("pylon jobs reject 1a2b3c4d", "discard it; nothing is charged")]),
    (
        "earnings",
        &[
            ("pylon earnings", "totals, and the latest payments"),
            ("pylon earnings --json --limit 1000", "for the books"),
        ],
    ),
    (
        "events",
        &[
            ("pylon events --follow", "each step of each job, as it happens"),
            ("pylon events --follow --json", "the same for a program, one event per line"),
        ],
    ),
    ("backends", &[("pylon backends", "which backends respond, and how fast")]),
    ("models", &[("pylon models", "the names for `default_model`, and for buyers")]),
    ("backup", &[("pylon backup pylon-backup.db", "a copy of the database of a running node")]),
    (
        "job",
        &[
            ("pylon job submit \"Hello\" --bid 5000 --wait", "buy a job, and print the result"),
            ("pylon job list", "what was bought from here"),
        ],
    ),
    (
        "job submit",
        &[
            ("pylon job submit \"Hello\" --bid 5000 --wait", "from any provider"),
            ("pylon job submit - --wait < prompt.txt", "a prompt from a file"),
            ("pylon job submit -i url:https://x.org/a -k 5001", "another kind"),
        ],
    ),
    ("job status", &[("pylon job status 1a2b3c4d", "what each provider says")]),
    ("job results", &[("pylon job results 1a2b3c4d", "the verified results")]),
    ("job cancel", &[("pylon job cancel 1a2b3c4d", "ask the providers to stop")]),
    ("job list", &[("pylon job list --limit 5", "the latest requests")]),
    (
        "guest",
        &[
            ("pylon guest new policy pricing happy_hours", "a policy that builds and passes"),
            ("pylon guest list", "which guest serves which slot"),
        ],
    ),
    (
        "guest new policy",
        &[("pylon guest new policy pricing happy_hours", "a folder with a pricing policy")],
    ),
    (
        "guest new handler",
        &[("pylon guest new handler 5123 echo", "a folder with a handler for kind 5123")],
    ),
    ("guest build", &[("pylon guest build happy_hours", "makes the component")]),
    ("guest test", &[("pylon guest test happy_hours", "builds it and runs its cases")]),
    ("guest inspect", &[("pylon guest inspect happy_hours", "what it asks for, who signed it")]),
    ("guest compile", &[("pylon guest compile token_pricing", "for nodes that do not compile")]),
    ("guest sign", &[("pylon guest sign --key key happy_hours", "happy_hours.wasm.release.json")]),
    (
        "guest list",
        &[
            ("pylon guest list", "which guest serves which slot"),
            ("pylon guest list --history", "every change of a slot"),
        ],
    ),
    (
        "guest install",
        &[
            ("pylon guest install happy_hours --slot pricing", "for all later jobs"),
            ("pylon guest install happy_hours -s pricing --shadow", "its answers are recorded"),
        ],
    ),
    ("guest activate", &[("pylon guest activate pricing", "the shadow serves from now on")]),
    (
        "guest rollback",
        &[
            ("pylon guest rollback pricing", "the previous guest"),
            ("pylon guest rollback pricing --to 3", "the guest of revision 3"),
        ],
    ),
    ("guest approve", &[("pylon guest approve handler:5050", "grant what it asks for")]),
    ("guest compare", &[("pylon guest compare pricing", "before you activate the shadow")]),
    ("guest audit", &[("pylon guest audit --limit 100", "also the changes that failed")]),
    ("guest replay", &[("pylon guest replay 1a2b3c4d", "prove the decisions about a job")]),
    ("guest verify-log", &[("pylon guest verify-log --since 30d", "prove all decisions")]),
    (
        "guest backtest",
        &[("pylon guest backtest happy_hours --since 30d", "what it would have earned")],
    ),
    (
        "completions",
        &[("pylon completions bash > /etc/bash_completion.d/pylon", "for all users of bash")],
    ),
    ("man", &[("pylon man ~/.local/share/man/man1", "then `man pylon-start` works")]),
];

/// The examples of a command, such as `jobs list`.
pub(crate) fn examples(path: &str) -> &'static [(&'static str, &'static str)] {
    EXAMPLES.iter().find(|(command, _)| *command == path).map_or(&[], |(_, examples)| examples)
}

/// Adds all of this to the help.
pub(super) fn extend(command: Command) -> Command {
    let styles = Styles::styled();
    let pages = SECTIONS.map(|section| page(&styles, section.title, section.rows)).join("\n");
    let template = template(&styles, &command);
    with_examples(&styles, command, "")
        .help_template(template)
        .after_help("`pylon help COMMAND` explains a command, with examples.")
        .after_long_help(StyledStr::from(pages))
}

fn template(styles: &Styles, command: &Command) -> StyledStr {
    let about = |name: &str| match name {
        "help" => "Explain a command".to_owned(),
        _ => command
            .find_subcommand(name)
            .and_then(Command::get_about)
            .map(ToString::to_string)
            .unwrap_or_default(),
    };
    let group = |(title, names): &(&str, &[&str])| {
        let rows: Vec<_> = names.iter().map(|name| (*name, about(name))).collect();
        page(styles, title, &rows)
    };
    let groups: Vec<_> = GROUPS.iter().map(group).collect();
    let options = styles.get_header();
    StyledStr::from(format!(
        "{{about-with-newline}}\n{BEGIN}\n\n{{usage-heading}} {{usage}}\n\n{}\n\
         {options}Options:{options:#}\n{{options}}{{after-help}}",
        groups.join("\n")
    ))
}

fn with_examples(styles: &Styles, command: Command, path: &str) -> Command {
    let command = match examples(path) {
        [] => command,
        examples => command.after_help(StyledStr::from(page(styles, "Examples", examples))),
    };
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        with_examples(styles, sub, path.trim_start())
    })
}

/// Two columns below a title.
fn page<T: AsRef<str>>(styles: &Styles, title: &str, rows: &[(&str, T)]) -> String {
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let row = |(name, what): &(&str, T)| {
        let padding = " ".repeat(width.saturating_sub(name.len()));
        format!("  {literal}{name}{literal:#}{padding}  {}\n", what.as_ref())
    };
    format!("{header}{title}:{header:#}\n{}", rows.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, command};
    use clap::Parser;
    use std::collections::BTreeSet;

    /// Each visible command with its path.
    fn walk(command: &Command, path: &str, each: &mut impl FnMut(&Command, &str)) {
        each(command, path);
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            walk(sub, format!("{path} {}", sub.get_name()).trim_start(), each);
        }
    }

    /// Goal: every command is in one group. Method: the groups against the commands.
    #[test]
    fn each_command_has_one_group() {
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = command();
        let mut commands: Vec<_> = command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set())
            .map(Command::get_name)
            .collect();
        commands.push("help");
        assert_eq!(grouped.len(), commands.len());
        assert_eq!(
            grouped.into_iter().collect::<BTreeSet<_>>(),
            commands.into_iter().collect::<BTreeSet<_>>()
        );
    }

    /// Goal: each command has examples, and they are valid. Method: parse them as a shell splits
    /// them.
    #[test]
    fn examples_are_valid() {
        let mut with_examples = BTreeSet::new();
        walk(&command(), "", &mut |command, path| {
            let is_leaf = command.get_subcommands().next().is_none();
            assert!(!is_leaf || !examples(path).is_empty(), "{path} has no example");
            with_examples.insert(path.to_owned());
        });
        for (path, examples) in EXAMPLES {
            assert!(with_examples.contains(*path), "no command `{path}`");
            let width = examples.iter().map(|(line, _)| line.len()).max().unwrap();
            for (line, what) in *examples {
                assert!(width + what.len() + 4 <= 80, "{line} is too long for a terminal");
                let line = line.split(['<', '>']).next().unwrap();
                let words = line.split_whitespace().skip_while(|word| word.contains("RUST_LOG"));
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }

    /// Goal: the help fits a terminal of 80 columns. Method: every page at that width.
    #[test]
    fn help_fits_80_columns() {
        walk(&command(), "", &mut |command, path| {
            let command = command.clone().term_width(80);
            for page in [command.clone().render_help(), command.clone().render_long_help()] {
                for line in page.to_string().lines() {
                    assert!(line.chars().count() <= 80, "{path}: {line}");
                }
            }
        });
    }
}
