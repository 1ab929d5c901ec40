//! Tests of the command line.

use super::*;
use clap::error::ErrorKind;

fn check(line: &str, expected: Option<ErrorKind>) {
    let found = Cli::try_parse_from(line.split(' ')).err().map(|error| error.kind());
    assert_eq!(found, expected, "{line}");
}

/// Goal: documented command lines parse, and an invalid one is a usage error (exit code 2).
/// Method: one command line per row.
#[test]
fn command_lines_are_parsed() {
    check("pylon init", None);
    check("pylon init --import --force", None);
    check("pylon start", None);
    check("pylon start -f", None);
    check("pylon start --foreground --config other.toml -m host", None);
    check("pylon start --log-format json", None);
    check("pylon start --log-format xml", Some(ErrorKind::InvalidValue));
    check("pylon restart --timeout 5 --force --mode host --config other.toml", None);
    check("pylon logs -f --job 0a1b --limit 5", None);
    check("pylon stop --timeout 5 --force", None);
    check("pylon status --json", None);
    check("pylon doctor --json", None);
    check("pylon earnings --json --limit 20", None);
    check("pylon jobs list --limit 5 --status failed", None);
    check("pylon jobs show 0a1b --json --text", None);
    check("pylon jobs list --watch", None);
    check("pylon events --follow --json", None);
    check("pylon backends --json", None);
    check("pylon models", None);
    check("pylon reload", None);
    check("pylon backup copy.db", None);
    check("pylon completions bash", None);
    check("pylon man pages", None);
    check("pylon status --color never", None);
    check("pylon --color always jobs list", None);
    check("pylon status --color sometimes", Some(ErrorKind::InvalidValue));
    check("pylon compile-component policy", None);
    check("pylon compile-component world", Some(ErrorKind::InvalidValue));
    check("pylon demo", None);
    check("pylon demo --backend http://localhost:8080 --json --jobs 5 --keep here", None);
    check("pylon --version", Some(ErrorKind::DisplayVersion));
    check("pylon demo --help", Some(ErrorKind::DisplayHelp));
    check("pylon", Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
    check("pylon begin", Some(ErrorKind::InvalidSubcommand));
    check("pylon start --mode sell", Some(ErrorKind::InvalidValue));
    check("pylon start --detached", Some(ErrorKind::MissingRequiredArgument));
    check("pylon start -f --config", Some(ErrorKind::InvalidValue));
    check("pylon stop --timeout soon", Some(ErrorKind::ValueValidation));
    check("pylon jobs list --status done", Some(ErrorKind::InvalidValue));
    check("pylon jobs show", Some(ErrorKind::MissingRequiredArgument));
    check("pylon earnings --limit -1", Some(ErrorKind::UnknownArgument));
    check("pylon completions tcsh", Some(ErrorKind::InvalidValue));
    check("pylon demo --jobs 0", Some(ErrorKind::ValueValidation));
    check("pylon demo --jobs many", Some(ErrorKind::ValueValidation));
    check("pylon demo --backend localhost", Some(ErrorKind::ValueValidation));
    check("pylon init extra", Some(ErrorKind::UnknownArgument));
    check("pylon job submit hello --bid 1000 --param max_tokens=9 --wait --json", None);
    check("pylon job submit --input url:https://x.org/a --kind 5001", None);
    check("pylon job submit --kind 5050 --wait", Some(ErrorKind::MissingRequiredArgument));
    check("pylon job submit -i @a.txt -i text:b --bid 1.5sat --mime text/plain --quiet", None);
    check("pylon job submit x --wait --output a.txt", None);
    check("pylon job submit x --output a.txt", Some(ErrorKind::MissingRequiredArgument));
    check("pylon job submit x --bid 1.5", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --input @", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --input file:a", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --param =1", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --kind 6050", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --encrypt", Some(ErrorKind::MissingRequiredArgument));
    check("pylon job submit x --relay https://x.org", Some(ErrorKind::ValueValidation));
    check("pylon job submit x --provider me", Some(ErrorKind::ValueValidation));
    check("pylon jobs accept 0a1b", None);
    check("pylon jobs reject", Some(ErrorKind::MissingRequiredArgument));
    check("pylon job results", Some(ErrorKind::MissingRequiredArgument));
}

/// Goal: the same for `pylon guest`. Method: one command line per row.
#[test]
fn guest_command_lines_are_parsed() {
    check("pylon guest new policy pricing happy_hours", None);
    check("pylon guest new handler 5123 echo", None);
    check("pylon guest build", None);
    check("pylon guest test happy_hours --json", None);
    check("pylon guest inspect happy_hours.wasm --json", None);
    check("pylon guest sign --key key happy_hours.wasm --expires 90", None);
    check("pylon guest new policy mining it", Some(ErrorKind::InvalidValue));
    check("pylon guest new pricing it", Some(ErrorKind::InvalidSubcommand));
    check("pylon guest new policy pricing ../it", Some(ErrorKind::ValueValidation));
    check("pylon guest new handler 6050 it", Some(ErrorKind::ValueValidation));
    check("pylon guest sign it.wasm", Some(ErrorKind::MissingRequiredArgument));
    check("pylon guest replay 0a1b --json", None);
    check("pylon guest verify-log --since 12h --json", None);
    check(
        "pylon guest backtest mine.wasm --slot pricing:5050 --since 30d --kind 5050 \
         --settings s.toml --svg o.svg",
        None,
    );
    check("pylon guest replay", Some(ErrorKind::MissingRequiredArgument));
    check("pylon guest verify-log --since 12", Some(ErrorKind::ValueValidation));
    check("pylon guest backtest mine.wasm --kind 6050", Some(ErrorKind::ValueValidation));
    check("pylon guest list --history --json", None);
    check(
        "pylon guest install token_pricing --slot pricing --settings base-msat=9 \
         --settings terms=hold --shadow",
        None,
    );
    check(
        "pylon guest install https://x.org/a.wasm --slot handler:5050 --digest aa",
        Some(ErrorKind::ValueValidation),
    );
    check("pylon guest install token_pricing", Some(ErrorKind::MissingRequiredArgument));
    check("pylon guest install token_pricing --slot prices", Some(ErrorKind::ValueValidation));
    check("pylon guest rollback pricing --to 3", None);
    check("pylon guest rollback pricing --to 0", None);
    check("pylon guest rollback pricing --to x", Some(ErrorKind::ValueValidation));
    check("pylon guest activate pricing:5050 --json", None);
    check("pylon guest approve handler:5050", None);
    check("pylon guest compare routing --json", None);
    check("pylon guest audit --limit 5", None);
}

/// Goal: an error of `guest new` shows where the missing argument belongs. Method: command
/// lines with one missing.
#[test]
fn missing_argument_of_guest_new_is_explained() {
    for (line, expected) in [
        (
            "pylon guest new pricing it",
            "pylon guest new policy <pricing|routing|verification> <NAME>",
        ),
        ("pylon guest new handler it", "expected a request kind, 5000 to 5999"),
    ] {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}
