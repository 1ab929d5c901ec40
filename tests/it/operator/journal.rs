//! The journal on disk: queries, retention, versions, backups and full disks.

use super::buy;
use pylon_tests::market::TEST_TIMEOUT;
use pylon_tests::program::{PHRASE, Program, check_failure, said};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

/// Goal: the journal can be read with and without a node, and is exact. Method: buy, query,
/// restart, buy again, stop, query.
#[tokio::test(flavor = "multi_thread")]
async fn journal_is_readable_with_and_without_a_node() {
    let program = Program::new(Script::Echo).await;
    assert_eq!(
        program.json(&["earnings", "--json"])["summary"]["job_count"],
        0,
        "before the first start"
    );
    assert_eq!(program.json(&["jobs", "list", "--json"]), json!([]));
    fs::rename(program.state("pylon.db"), program.state("away.db")).unwrap();
    for command in [&["jobs", "show", "ab"][..], &["backup", "copy.db"]] {
        check_failure("without a journal", &program.run(command), &["there is no pylon.db"]);
    }
    program.print(&["start"]);
    let first = buy(&program, "one").await.job.to_hex();
    let session = |program: &Program| program.json(&["status", "--json"])["stats"].clone();
    assert_eq!(program.json(&["status", "--json"])["refused"]["jobs"], 0);
    assert_eq!(
        session(&program),
        json!({"jobs_completed": 1, "earnings_msats": 0, "refund_due_msats": 0})
    );
    program.print(&["stop"]);
    program.print(&["start"]);
    assert_eq!(
        session(&program),
        json!({"jobs_completed": 0, "earnings_msats": 0, "refund_due_msats": 0}),
        "a session begins with the start"
    );
    let second = buy(&program, "two").await.job.to_hex();
    assert_eq!(session(&program)["jobs_completed"], 1);
    let check = |program: &Program| {
        let jobs = program.json(&["jobs", "list", "--json"]);
        let ids: Vec<_> =
            jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, [&second, &first], "the newest first");
        assert_eq!(
            program.json(&["jobs", "list", "--json", "--limit", "1"]).as_array().unwrap().len(),
            1
        );
        assert_eq!(program.json(&["jobs", "list", "--json", "--status", "failed"]), json!([]));
        assert_eq!(program.json(&["earnings", "--json"])["summary"]["job_count"], 2);
        let page = program.print(&["earnings"]);
        assert!(
            page.starts_with(
                "Pylon Earnings\n==============\n\nSummary:\n  Total earned: 0 sats (0 msats)\n  Jobs completed: 2\n"
            ),
            "{page}"
        );
    };
    check(&program);
    program.print(&["stop"]);
    check(&program);
    let job = program.json(&["jobs", "show", &first[..12], "--json"]);
    assert_eq!(job["id"], first);
    let columns = ["status", "delivery", "invoicing", "settlement"]
        .map(|column| job[column].as_str().unwrap());
    assert_eq!(columns, ["completed", "delivered", "none", "none"]);
    let asked: Vec<_> = job["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["function"].as_str().unwrap())
        .collect();
    assert_eq!(asked, ["rank", "quote", "run", "judge"]);
    let page = program.print(&["jobs", "show", &first.to_uppercase()]);
    assert!(
        page.contains("Settlement  none")
            && page.contains("rank")
            && page.contains("token_pricing"),
        "{page}"
    );
    check_failure(
        "no such job",
        &program.run(&["jobs", "show", "00000000"]),
        &["no job begins with 00000000"],
    );
    check_failure("no id", &program.run(&["jobs", "show", "xyz"]), &["hex digits"]);
    check_failure("too short", &program.run(&["jobs", "show", ""]), &["hex digits"]);
}

/// Goal: texts are kept for the configured time, and a purge is visible. Method: a job whose text
/// is kept, then a setting that keeps none.
#[tokio::test(flavor = "multi_thread")]
async fn texts_are_kept_for_the_configured_time() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let job = buy(&program, "canary-77aa, long enough to be worth a note where it can be found")
        .await
        .job
        .to_hex();
    let has_text = |program: &Program| {
        let copy = program.home().join("copy.db");
        let _ = fs::remove_file(&copy);
        program.print(&["backup", copy.to_str().unwrap()]);
        fs::read(&copy).unwrap().windows(11).any(|part| part == b"canary-77aa")
    };
    assert!(has_text(&program) && !program.print(&["jobs", "show", &job]).contains("purged"));
    assert_eq!(program.json(&["jobs", "show", &job, "--json"])["text_purged_at"], Value::Null);
    program.configure("[journal]\nkeep_text_days = 0");
    assert_eq!(program.json(&["reload", "--json"])["applied"], json!(["journal.keep_text_days"]));
    // The next commit purges earlier texts.
    let next = buy(&program, "another").await.job.to_hex();
    let purged = tokio::time::timeout(TEST_TIMEOUT, async {
        while program.json(&["jobs", "show", &next, "--json"])["text_purged_at"].is_null() {
            tokio::task::yield_now().await;
        }
    });
    purged.await.expect("delivered, and purged");
    let page = program.print(&["jobs", "show", &job]);
    assert!(page.contains("Text        purged 20") && page.contains("Tokens"), "{page}");
    let shown = program.json(&["jobs", "show", &job, "--json"]);
    assert!(
        shown["text_purged_at"].is_u64() && shown["usage"]["output_tokens"].as_u64().unwrap() > 0,
        "{shown}"
    );
    let marks: Vec<_> = shown["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text_purged_at"].is_u64())
        .collect();
    assert_eq!(marks, [false, false, true, true], "routing and pricing saw none of it");
}

/// Goal: a database of another version is reported and not changed. Method: set its version number.
#[tokio::test(flavor = "multi_thread")]
async fn database_of_another_version_is_refused() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    program.print(&["stop"]);
    let path = program.state("pylon.db");
    let mut bytes = fs::read(&path).unwrap();
    // `user_version` in SQLite's header.
    for (version, words) in [(99_u32, "newer pylon"), (0, "update it with `pylon start`")] {
        bytes[60..64].copy_from_slice(&version.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        check_failure("another version", &program.run(&["earnings"]), &[words]);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

/// Files of a killed backup are removed, those of a running one are not.
fn left_by_another_backup(program: &Program, folder: &Path) {
    let (copy, part) = (folder.join("second.db"), folder.join(".second.db.part"));
    let backup = || program.run(&["backup", copy.to_str().unwrap()]);
    fs::write(folder.join(".second.db.part-journal"), [7; 4096]).unwrap();
    fs::write(&part, [7; 4096]).unwrap();
    check_failure(
        "open to others",
        &backup(),
        &[".second.db.part is accessible to other users", "remove it"],
    );
    fs::set_permissions(&part, fs::Permissions::from_mode(0o600)).unwrap();
    let other = fs::File::open(&part).unwrap();
    other.lock().unwrap();
    check_failure("running", &backup(), &["another backup"]);
    assert_eq!(fs::read(&part).unwrap(), [7; 4096]);
    drop(other);
    assert!(backup().status.success());
    assert!(fs::read(&copy).unwrap().starts_with(b"SQLite format 3"));
    fs::remove_file(copy).unwrap();
}

/// Goal: a backup is complete, private, never overwrites a file, and works while the node runs.
/// Method: back up a running node and open the copy.
#[tokio::test(flavor = "multi_thread")]
async fn backup_of_a_running_node_is_complete() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    let job = buy(&program, "keep me").await.job.to_hex();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let output = program.print(&["backup", copy.to_str().unwrap()]);
    assert!(output.contains("It does not contain the identity"), "{output}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&copy).unwrap();
    left_by_another_backup(&program, folder.path());
    check_failure(
        "again",
        &program.run(&["backup", copy.to_str().unwrap()]),
        &["exists", "nothing was changed"],
    );
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    program.print(&["stop"]);
    fs::copy(&copy, program.state("pylon.db")).unwrap();
    assert_eq!(program.json(&["jobs", "list", "--json"])[0]["id"], job);
    assert!(!before.windows(6).any(|part| part == b"legal "), "no word of the identity");
}

/// Runs commands in a mount namespace of their own; `None` if this user may not create one.
fn in_a_namespace(home: &Path, script: &str) -> Option<Output> {
    let program = pylon_tests::process::pylon();
    let mut command = std::process::Command::new("unshare");
    let whole = format!("home=$1 pylon=$2; {script}");
    command
        .args(["--mount", "sh", "-c", &whole, "sh"])
        .arg(home)
        .arg(program)
        .env("PYLON_HOME", home)
        .env_remove("RUST_LOG");
    let possible = std::process::Command::new("unshare")
        .args(["--mount", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        assert!(std::env::var_os("CI").is_none(), "this needs the right to mount");
        eprintln!(
            "SKIPPED: no right to mount here: a full disk and a read-only home were not tried"
        );
        return None;
    }
    Some(command.output().unwrap())
}

/// Goal: a full disk and a read-only home are reported in one line, and nothing is lost. Method:
/// mounts of that kind.
#[tokio::test(flavor = "multi_thread")]
async fn full_and_read_only_disks_are_reported() {
    let program = Program::new(Script::Echo).await;
    let check = |what: &str, script: &str, words: &[&str]| {
        if let Some(output) = tokio::task::block_in_place(|| in_a_namespace(program.home(), script))
        {
            check_failure(what, &output, words);
        }
    };
    let read_only = "mount --bind \"$home\" \"$home\" && mount -o remount,ro,bind \"$home\" &&";
    check(
        "init, read-only",
        &format!("{read_only} \"$pylon\" init --force"),
        &["cannot use", "make it writable"],
    );
    check(
        "start, read-only",
        &format!("{read_only} \"$pylon\" start -f"),
        &["cannot use", "PYLON_HOME"],
    );
    check(
        "start in the background, read-only",
        &format!("{read_only} \"$pylon\" start"),
        &["cannot use", "PYLON_HOME"],
    );
    let full = "state=\"$home/.openagents/pylon\" && mount -t tmpfs -o size=64k tmpfs \"$state\" && \
                { head -c 100000 /dev/zero >\"$state/full\" 2>/dev/null; true; } &&";
    check("start, full", &format!("{full} \"$pylon\" start -f"), &["No space left"]);
    assert_eq!(
        fs::read_to_string(program.home().join(".config/pylon/identity.mnemonic")).unwrap().trim(),
        PHRASE
    );
    program.print(&["start"]);
    buy(&program, "to be read").await;
    program.print(&["stop"]);
    let read = format!("{read_only} \"$pylon\" jobs list --json");
    if let Some(output) = tokio::task::block_in_place(|| in_a_namespace(program.home(), &read)) {
        assert!(output.status.success(), "jobs on a read-only disk: {}", said(&output));
        assert_eq!(
            serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["status"],
            "completed"
        );
    }
}
