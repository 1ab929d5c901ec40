//! What a terminal shows: pages that fit it, colours, and lists that change.

use super::buy;
use pylon_tests::market::text;
use pylon_tests::process::{Running, command, run};
use pylon_tests::program::Program;
use pylon_tests::stub::Script;
use pylon_tests::terminal::{plain, shown, terminal};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// Goal: every page fits the terminal, and no word is broken. Method: the pages of a node with a
/// delivered, a failed and a refused job at three widths; only a line of one word may be longer.
#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_the_terminal() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let job = buy(&program, "hello").await.job.to_hex();
    program.stub.fail();
    let mut customer = program.customer().await;
    let failed = customer.ask(vec![text("again")]).await;
    customer.feedback(failed, "error").await;
    program.run(&["guest", "install", "/nowhere.wasm", "--slot", "pricing"]);
    let relay = program.relay.url().to_owned();
    program.run(&["job", "submit", "hello", "--relay", &relay]);
    for columns in [60, 80, 120] {
        for args in [
            &["--help"][..],
            &["start", "--help"],
            &["job", "submit", "--help"],
            &["status"],
            &["doctor"],
            &["earnings"],
            &["jobs", "list"],
            &["jobs", "show", &job, "--text"],
            &["job", "list"],
            &["events"],
            &["logs", "--job", &job],
            &["backends"],
            &["models"],
            &["guest", "list"],
            &["guest", "list", "--history"],
            &["guest", "audit"],
            &["guest", "replay", &job],
            &["jobs", "show", "xyz"],
        ] {
            // The layout of the help is fixed.
            let columns = if args.ends_with(&["--help"]) { columns.max(80) } else { columns };
            let page = tokio::task::block_in_place(|| shown(program.home(), args, columns, &[]));
            let page = plain(&page);
            assert!(!page.is_empty(), "{args:?}");
            for line in page.lines() {
                let words = line.trim_start().split(' ').map(|word| word.chars().count());
                let longest = words.max().unwrap_or(0);
                let indent = line.chars().count() - line.trim_start().chars().count();
                let fits = usize::from(columns).max(indent + longest);
                assert!(line.chars().count() <= fits, "{args:?} at {columns}: {line}\n{page}");
            }
        }
    }
    let page = plain(&shown(program.home(), &["jobs", "list"], 120, &[]));
    assert!(page.lines().any(|line| line.ends_with("no backend")), "the width is used: {page}");
}

/// Goal: states have colours where a person wants them. Method: a list on a terminal and on a pipe,
/// with each choice.
#[tokio::test(flavor = "multi_thread")]
async fn states_have_colours_on_a_terminal() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    buy(&program, "hello").await;
    let green = "\u{1b}[32mcompleted\u{1b}[0m";
    for (choice, variables, is_coloured) in [
        ("auto", &[][..], true),
        ("never", &[], false),
        ("auto", &[("NO_COLOR", "1")], false),
        ("auto", &[("TERM", "dumb")], false),
        ("always", &[("NO_COLOR", "1")], true),
    ] {
        let args = ["jobs", "list", "--color", choice];
        let page = tokio::task::block_in_place(|| shown(program.home(), &args, 80, variables));
        assert_eq!(page.contains(green), is_coloured, "{choice} {variables:?}: {page:?}");
        assert_eq!(page.contains('\u{1b}'), is_coloured, "{choice} {variables:?}: {page:?}");
    }
    assert!(!program.print(&["jobs", "list"]).contains('\u{1b}'));
    assert!(program.print(&["jobs", "list", "--color", "always"]).contains(green));
}

/// Goal: a list that was cut ends in "…". Method: two rows, with limits of one and two.
#[tokio::test(flavor = "multi_thread")]
async fn cut_lists_end_in_an_ellipsis() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let relay = program.relay.url().to_owned();
    for words in ["one", "two"] {
        buy(&program, words).await;
        program.print(&["job", "submit", words, "--relay", &relay]);
        program.run(&["guest", "install", "/nowhere.wasm", "--slot", "pricing"]);
    }
    for list in [&["jobs", "list"][..], &["job", "list"], &["guest", "audit"]] {
        let page = program.print(&[list, &["--limit", "1"]].concat());
        assert!(page.ends_with("\n…\n"), "{list:?}: {page}");
        let rows = program.json(&[list, &["--limit", "1", "--json"]].concat());
        assert_eq!(rows.as_array().unwrap().len(), 1, "{list:?}");
        assert!(!program.print(list).contains('…'), "{list:?}");
    }
    let events = program.print(&["events", "--limit", "1"]);
    assert!(events.starts_with("…\n") && events.lines().count() == 2, "the oldest first: {events}");
    assert!(!program.print(&["events", "--limit", "1000"]).contains('…'));
}

/// Goal: a list can be watched. Method: a pipe, which gets a line for each change until it is
/// closed; a terminal, which is redrawn.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_can_be_watched() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let watch = |args: &[&str]| {
        let mut command = command(program.home(), args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = watch(&["jobs", "list", "--watch", "--json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let job = buy(&program, "one").await.job.to_hex();
    tokio::task::block_in_place(|| {
        let mut states = Vec::new();
        while states.last().map(String::as_str) != Some("completed") {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!(line["id"], job);
            states.push(line["status"].as_str().unwrap().to_owned());
        }
        drop(lines);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    });
    let mut child = watch(&["jobs", "list", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    tokio::task::block_in_place(|| {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(&job[..8]) && line.contains("completed"), "{line}");
        drop(lines);
        assert!(child.wait().unwrap().success());
    });
    let (mut screen, its) = terminal(80);
    let mut watch = command(program.home(), &["jobs", "list", "--watch"]);
    let _watching = Running(watch.stdout(its).spawn().unwrap());
    tokio::task::block_in_place(|| {
        let mut seen = Vec::new();
        // The second picture begins at the first line, too.
        while String::from_utf8_lossy(&seen).matches("\u{1b}[HJOB").count() < 2 {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        assert!(String::from_utf8_lossy(&seen).contains("completed"));
    });
}

/// Goal: a person who types only `pylon` sees where to begin. Method: the page, and its groups.
#[test]
fn bare_command_shows_where_to_begin() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let page = String::from_utf8(output.stderr).unwrap();
    for words in
        ["Begin with `pylon demo`", "Getting started:", "Running a node:", "Buying:", "Guests:"]
    {
        assert!(page.contains(words), "{words} in {page}");
    }
}
