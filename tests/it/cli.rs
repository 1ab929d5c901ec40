//! The real program, as an operator runs it: its output, its files, and its exit code.

use pylon_tests::process::{command, run};
use pylon_tests::program::{PHRASE, check_failure, configure, said, started};
use pylon_tests::stub::{MODEL, Script, Stub};
use pylon_tests::terminal::terminal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

/// A port without a listener.
const NOWHERE: &str = "ws://127.0.0.1:9";

/// Goal: a new operator gets an identity once and keeps it. Method: run init twice and read the
/// file.
#[test]
fn init_creates_one_identity() {
    let home = tempfile::tempdir().unwrap();
    let first = run(home.path(), &["init"]);
    assert!(first.status.success(), "{}", said(&first));
    let file = home.path().join(".config/pylon/identity.mnemonic");
    let words = fs::read_to_string(&file).unwrap();
    assert_eq!(words.split_whitespace().count(), 12);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = String::from_utf8(first.stdout).unwrap();
    assert!(shown.contains(words.trim()) && shown.contains("npub1"), "{shown}");
    check_failure("again", &run(home.path(), &["init"]), &["identity exists"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), words);
}

/// Goal: the phrase is not visible while it is typed, and the terminal is restored afterwards.
/// Method: type it, and Ctrl-C, and read the screen.
#[test]
fn imported_phrase_is_not_echoed() {
    for (typed, code) in
        [(format!("{PHRASE}\n"), 0), ("legal winner\u{3}".into(), 1), ("legal winner\n".into(), 1)]
    {
        let home = tempfile::tempdir().unwrap();
        let (mut screen, its) = terminal(80);
        let mut command = command(home.path(), &["init", "--import"]);
        let mut child = command
            .stdin(its.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut prompt, mut stderr) = (Vec::new(), child.stderr.take().unwrap());
        while !prompt.ends_with(b"(it is not shown): ") {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            prompt.extend(byte);
        }
        screen.write_all(typed.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{typed:?}");
        assert_eq!(home.path().join(".config/pylon/identity.mnemonic").exists(), code == 0);
        screen.write_all(b"shown again\n").unwrap();
        let mut shown = Vec::new();
        while !shown.ends_with(b"again\r\n") {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        assert!(!String::from_utf8_lossy(&shown).contains("legal"), "{shown:?}");
        drop(its);
    }
}

/// Goal: each wrong home ends a start in one line that says what to do. Method: one wrong home a
/// row.
#[test]
fn failed_start_says_why_in_one_line() {
    let with_identity = || {
        let home = tempfile::tempdir().unwrap();
        assert!(run(home.path(), &["init"]).status.success());
        home
    };
    let start = |home: &Path| run(home, &["start", "-f"]);

    let bare = tempfile::tempdir().unwrap();
    check_failure("no mnemonic", &start(bare.path()), &["pylon init"]);

    let home = with_identity();
    configure(home.path(), "relay = []\n");
    check_failure(
        "unknown key",
        &start(home.path()),
        &["config.toml:1", "relay", "did you mean `relays`"],
    );
    configure(home.path(), "max_concurrent_jobs = \"many\"\n");
    check_failure("wrong type", &start(home.path()), &["config.toml:1"]);
    configure(home.path(), "[guests.pricing.settings]\nprice = \"1\"\n");
    check_failure(
        "unknown setting of a guest",
        &start(home.path()),
        &["token_pricing", "price", "expected one of `base-msat`"],
    );
    configure(home.path(), "[guests.\"pricing:5050\".settings]\nprice = \"1\"\n");
    check_failure(
        "unknown setting for one kind",
        &start(home.path()),
        &["token_pricing", "guests.pricing:5050", "expected one of"],
    );
    configure(home.path(), "[guests.\"handler:5051\"]\n");
    check_failure("a kind that is not served", &start(home.path()), &["handler:5051", "remove it"]);

    let home = with_identity();
    let file = home.path().join(".config/pylon/identity.mnemonic");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_failure("world-readable", &start(home.path()), &["chmod 600"]);

    let home = with_identity();
    fs::remove_dir_all(home.path().join(".openagents/pylon")).unwrap();
    fs::write(home.path().join(".openagents/pylon"), "in the way").unwrap();
    check_failure("no folder for state", &start(home.path()), &[".openagents/pylon", "PYLON_HOME"]);

    let home = with_identity();
    fs::create_dir_all(home.path().join(".openagents/pylon")).unwrap();
    fs::write(home.path().join(".openagents/pylon/pylon.db"), "this is not a database").unwrap();
    check_failure("no database", &start(home.path()), &["journal"]);

    let usage = run(home.path(), &["begin"]);
    assert_eq!(usage.status.code(), Some(2), "{}", said(&usage));
}

/// Goal: one node per home, and SIGTERM stops it in order. Method: a second start next to the
/// first, then the signal.
#[test]
fn second_node_on_one_home_is_refused() {
    let home = tempfile::tempdir().unwrap();
    assert!(run(home.path(), &["init"]).status.success());
    configure(home.path(), &format!("relays = [\"{NOWHERE}\"]\n"));
    let (mut node, mut log, _) = started(home.path(), None);
    check_failure(
        "second",
        &run(home.path(), &["start", "-f"]),
        &[&format!("PID {}", node.id()), "stop it first"],
    );
    node.terminate();
    let (mut line, mut last) = (String::new(), String::new());
    while log.read_line(&mut line).unwrap() > 0 {
        last = std::mem::take(&mut line);
    }
    assert!(last.contains("stopped"), "{last}");
    assert!(node.0.wait().unwrap().success());
    let (node, _log, _) = started(home.path(), None);
    drop(node);
}

/// The JSON lines of a demo, and the last one.
fn demo_lines(output: &Output) -> (Vec<Value>, Value) {
    assert!(output.status.success(), "{}", said(output));
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last().cloned().unwrap();
    (lines, last)
}

/// Checks each field of the summary that scripts may use.
fn check_summary(summary: &Value) {
    assert_eq!(
        (&summary["status"], &summary["settlement"], &summary["kind"]),
        (&"completed".into(), &"paid".into(), &5050.into())
    );
    for number in [
        "input_tokens",
        "output_tokens",
        "amount_msats",
        "earned_msats",
        "elapsed_ms",
        "node_overhead_us",
    ] {
        assert!(summary[number].as_u64().unwrap_or(0) > 0, "{number}: {summary}");
    }
    assert_eq!(summary["amount_msats"], summary["earned_msats"]);
    let guests = summary["guests"].as_array().unwrap();
    let slots: Vec<_> = guests.iter().map(|guest| guest["slot"].as_str().unwrap()).collect();
    assert_eq!(slots, ["routing", "pricing", "handler", "verification", "pricing"]);
    for guest in guests {
        assert!(
            guest["name"].is_string()
                && guest["digest"].as_str().unwrap().len() == 64
                && guest["wall_us"].is_u64(),
            "{guest}"
        );
        assert!(guest["fuel"].is_u64() != guest["cpu_us"].is_u64(), "{guest}");
    }
}

/// Goal: scripts can follow the demo. Method: three jobs on a stub backend, with JSON, and the home
/// kept.
#[tokio::test(flavor = "multi_thread")]
async fn demo_reports_every_step() {
    let (home, keep) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stub = Stub::start(Script::Reply("An answer of a few words.")).await;
    let (url, kept) = (stub.url(), keep.path().to_str().unwrap().to_owned());
    let args =
        ["demo", "--json", "--jobs", "3", "--backend", &url, "--keep", &kept].map(str::to_owned);
    let path = home.path().to_owned();
    let output =
        tokio::task::spawn_blocking(move || run(&path, &args.each_ref().map(String::as_str)))
            .await
            .unwrap();
    let (lines, summary) = demo_lines(&output);
    check_summary(&summary);
    assert_eq!((&summary["model"], &summary["total"]["completed"]), (&MODEL.into(), &3.into()));
    let steps = |step: &str| lines.iter().filter(|line| line["step"] == step).count();
    for step in ["request", "result", "paid", "earned", "summary"] {
        assert_eq!(steps(step), 3, "{step}");
    }
    assert_eq!(steps("guest"), 15);
    assert!(keep.path().join(".openagents/pylon/pylon.db").is_file());
    let path = keep.path().to_owned();
    let kept = move |args: &[&str]| String::from_utf8(run(&path, args).stdout).unwrap();
    tokio::task::spawn_blocking(move || {
        let earnings = kept(&["earnings", "--limit", "7"]);
        assert!(
            earnings.contains("Recent Earnings (last 7):\n") && !earnings.contains("Owed"),
            "{earnings}"
        );
        let jobs: Value = serde_json::from_str(&kept(&["jobs", "list", "--json"])).unwrap();
        for job in jobs.as_array().unwrap() {
            assert_eq!(
                (&job["settlement"], &job["invoicing"]),
                (&"paid".into(), &"paid".into()),
                "{job}"
            );
            let page = kept(&["jobs", "show", job["id"].as_str().unwrap()]);
            assert!(page.contains("Invoicing   paid\n"), "{page}");
        }
        assert_eq!(jobs.as_array().unwrap().len(), 3);
    })
    .await
    .unwrap();
}

/// Goal: a reader that closes the pipe ends a command without an error. Method: the demo, with a
/// reader that stops after the first line.
#[tokio::test(flavor = "multi_thread")]
async fn closed_output_ends_the_demo_without_an_error() {
    let home = tempfile::tempdir().unwrap();
    let stub = Stub::start(Script::Reply("An answer of a few words.")).await;
    let mut demo = command(home.path(), &["demo", "--jobs", "50", "--backend", &stub.url()]);
    let mut child = demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = tokio::task::block_in_place(|| {
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("llama_cpp with"), "the name that a node has for it: {line}");
        child.wait_with_output().unwrap()
    });
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
}

/// Goal: the demo without a model server says what to do. Method: no Python on `PATH`, and a
/// backend that does not exist.
#[test]
fn demo_without_a_server_says_what_to_install() {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path(), &["demo"]).env("PATH", home.path()).output().unwrap();
    check_failure("no Python", &output, &["Python 3.10", "--backend URL"]);
    check_failure(
        "no backend",
        &run(home.path(), &["demo", "--backend", "http://127.0.0.1:9"]),
        &["http://127.0.0.1:9"],
    );
}

/// Goal: the first command of the README. Method: the demo with its own llama.cpp server and model,
/// from the cache after the first run.
#[test]
fn real_demo_with_its_own_server() {
    let cache = std::env::var_os("PYLON_TEST_CACHE").map(Into::into);
    let cache: std::path::PathBuf = cache.unwrap_or_else(|| {
        Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/pylon-tests")
    });
    let (lines, summary) = demo_lines(&run(&cache.join("demo-home"), &["demo", "--json"]));
    check_summary(&summary);
    assert_eq!(summary["backend"], "llama_cpp");
    assert!(lines.iter().any(|line| line["step"] == "text"));
}
