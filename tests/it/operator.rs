//! The operator's commands on the real program: start in the background, query, reload, back up,
//! stop.

use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::Delivered;
use pylon_tests::market::{TEST_TIMEOUT, text};
use pylon_tests::process::{command, run};
use pylon_tests::program::{PHRASE, Program, check_failure, said, started};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Buys one job and waits for its result.
async fn buy(program: &Program, words: &str) -> Delivered {
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text(words)]).await;
    customer.result(job).await
}

fn pid(program: &Program) -> u64 {
    program.json(&["status", "--json"])["daemon"]["pid"].as_u64().unwrap()
}

/// Goal: a node outlives the terminal that started it. Method: start, check process, log and
/// responses, start again, stop.
#[tokio::test(flavor = "multi_thread")]
async fn node_runs_in_the_background() {
    let program = Program::new(Script::Echo).await;
    let idle = program.run(&["status"]);
    assert_eq!((idle.status.code(), out(&idle).as_str()), (Some(1), "Daemon: Not running\n"));
    assert_eq!(out(&program.run(&["stop"])), "Daemon: Not running\n");
    let output = program.print(&["start"]);
    let id = pid(&program);
    let first = format!("pylon runs (PID {id}), log {}", program.state("logs/pylon.log").display());
    let npub = npub_of(program.provider());
    let relays =
        program.json(&["status", "--json"])["relays"][0]["url"].as_str().unwrap().to_owned();
    let rest = [
        format!("  identity  {npub}"),
        "  modes     provider, host".into(),
        "  backends  llama_cpp (default)".into(),
        format!("  relays    {relays}"),
        "  kinds     5050".into(),
        "  wallet    none: every job is free".into(),
    ];
    assert_eq!(output, format!("{first}\n{}\n", rest.join("\n")));
    // Only Linux shows the session of a process.
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))
        .unwrap_or_else(|_| format!("{id} (pylon) S 1 {id} {id} 0"));
    let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap();
    assert_eq!(session, id.to_string(), "a session of its own, away from the terminal");
    let log = fs::metadata(program.state("logs/pylon.log")).unwrap();
    assert_eq!(log.permissions().mode() & 0o777, 0o600);
    let page = program.print(&["status"]);
    for line in [
        &format!("Daemon: Running (PID: {id})"),
        "Modes:  provider, host",
        "  Available: llama_cpp (default)",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
    check_failure("a second", &program.run(&["start"]), &[&format!("PID {id}"), "stop it first"]);
    check_failure(
        "a second, in front",
        &program.run(&["start", "-f"]),
        &[&format!("PID {id}"), "stop it first"],
    );
    assert_eq!(program.print(&["stop"]), format!("stopped pylon (PID {id})\n"));
    assert!(fs::read_to_string(program.state("logs/pylon.log")).unwrap().contains("stopped"));
    assert_eq!(program.run(&["status"]).status.code(), Some(1));
}

/// Goal: a failed background start reports the reason in the terminal. Method: invalid settings.
#[tokio::test(flavor = "multi_thread")]
async fn failed_background_start_says_why() {
    let program = Program::new(Script::Echo).await;
    program.configure("relay = []");
    check_failure(
        "unknown key",
        &program.run(&["start"]),
        &["config.toml:", "did you mean `relays`"],
    );
    let elsewhere = program.home().join("other.toml");
    check_failure(
        "no such file",
        &program.run(&["start", "--config", elsewhere.to_str().unwrap()]),
        &["other.toml: no such file"],
    );
    program.configure("");
    let deep = program.home().join("x".repeat(100));
    fs::create_dir_all(deep.join(".config")).unwrap();
    fs::rename(program.home().join(".config/pylon"), deep.join(".config/pylon")).unwrap();
    for command in ["start", "status", "backends"] {
        let output = tokio::task::block_in_place(|| run(&deep, &[command]));
        check_failure("a long path", &output, &["pylon.sock is longer", "PYLON_HOME"]);
    }
    fs::rename(deep.join(".config/pylon"), program.home().join(".config/pylon")).unwrap();
    let file = program.home().join(".config/pylon/identity.mnemonic");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    check_failure("secrets for all", &program.run(&["start"]), &["chmod 600"]);
    let doctor = program.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(out(&doctor).contains("chmod 600"), "{}", out(&doctor));
}

/// Goal: files that a killed node leaves do not block the next start. Method: SIGKILL, check that
/// lock and socket are there, and start.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_killed_node_do_not_block_a_start() {
    let program = Program::new(Script::Echo).await;
    let (node, _log, _) = tokio::task::block_in_place(|| started(program.home(), None));
    let dead = pid(&program);
    drop(node);
    assert!(program.state("pylon.sock").exists() && program.state("pylon.lock").exists());
    assert_eq!(program.run(&["status"]).status.code(), Some(1));
    assert_eq!(out(&program.run(&["stop"])), "Daemon: Not running\n");
    program.print(&["start"]);
    assert_ne!(pid(&program), dead);
}

/// Goal: a host sells nothing. Method: the relay sees no connection; a customer's request stays
/// unanswered while the control socket responds.
#[tokio::test(flavor = "multi_thread")]
async fn host_mode_opens_no_relay() {
    let program = Program::new(Script::Echo).await;
    let output = program.print(&["start", "--mode", "host"]);
    for line in [
        "  modes     host\n",
        "  backends  llama_cpp (default)\n",
        "  relays    none: it serves this machine only",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    let log = fs::read_to_string(program.state("logs/pylon.log")).unwrap();
    assert!(
        log.contains("serving this machine only") && log.contains("llama_cpp (default)"),
        "{log}"
    );
    let status = program.json(&["status", "--json"]);
    assert_eq!(status["daemon"]["modes"], json!(["host"]));
    assert_eq!((&status["relays"], &status["kinds"]), (&json!([]), &json!([])));
    assert_eq!(status["backends"][0]["available"], true);
    let doctor = program.json(&["doctor", "--json"]);
    let presence: Vec<_> = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["check"] == "presence")
        .collect();
    assert!(
        presence.len() == 1 && presence[0]["state"] == "ok",
        "nothing is announced, and nothing should be: {presence:?}"
    );
    let events = program.print(&["events", "--json"]);
    assert!(events.contains("BackendAvailable") && !events.contains("Relay"), "{events}");
}

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
    for command in
        [&["earnings"][..], &["jobs", "list"], &["jobs", "show", "ab"], &["backup", "copy.db"]]
    {
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
    assert!(has_text(&program) && !program.print(&["jobs", "show", &job]).contains("no longer"));
    assert_eq!(program.json(&["jobs", "show", &job, "--json"])["text_gone_at"], Value::Null);
    program.configure("[journal]\nkeep_text_days = 0");
    assert_eq!(program.json(&["reload", "--json"])["applied"], json!(["journal.keep_text_days"]));
    // The next commit purges earlier texts.
    let next = buy(&program, "another").await.job.to_hex();
    let gone = tokio::time::timeout(TEST_TIMEOUT, async {
        while program.json(&["jobs", "show", &next, "--json"])["text_gone_at"].is_null() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("delivered, and let go");
    let page = program.print(&["jobs", "show", &job]);
    assert!(page.contains("text no longer kept since 20") && page.contains("Tokens"), "{page}");
    let shown = program.json(&["jobs", "show", &job, "--json"]);
    assert!(
        shown["text_gone_at"].is_u64() && shown["usage"]["output_tokens"].as_u64().unwrap() > 0,
        "{shown}"
    );
    let marks: Vec<_> = shown["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text_gone_at"].is_u64())
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
    check_failure("open to others", &backup(), &[".second.db.part is not private", "remove it"]);
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
    assert!(output.contains("The identity is not in it"), "{output}");
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

/// Goal: settings change without a restart where they can, and a mistake changes nothing. Method:
/// reload and SIGHUP with each kind of setting.
#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_settings() {
    let program = Program::new(Script::Echo).await;
    check_failure("no node", &program.run(&["reload"]), &["no node runs"]);
    program.print(&["start"]);
    assert_eq!(program.print(&["reload"]), "nothing has changed\n");
    program.configure("max_concurent_jobs = 2");
    check_failure(
        "a mistake",
        &program.run(&["reload"]),
        &["did you mean `max_concurrent_jobs`", "nothing was changed"],
    );
    program.configure("max_concurrent_jobs = 3\nmax_queued_jobs = 5\n[guests.pricing]\nsettings = { colour = \"red\" }");
    check_failure("of a guest", &program.run(&["reload"]), &["colour", "nothing was changed"]);
    program.configure("[guests.\"handler:5999\"]");
    check_failure(
        "a kind that is not served",
        &program.run(&["reload"]),
        &["handler:5999", "leave it out", "nothing was changed"],
    );
    for more in ["[guests.\"pricing:5050\"]\nsettings = { base-msat = \"7\" }", ""] {
        program.configure(more);
        let applied = program.json(&["reload", "--json"])["applied"].clone();
        assert_eq!(
            applied,
            json!(["guests.\"pricing:5050\".settings.base-msat"]),
            "put and taken away"
        );
    }
    program.configure("max_concurrent_jobs = 3\nmax_queued_jobs = 5\ndefault_model = \"other\"\n[guests.\"handler:5050\"]\nsettings = { system = \"Be brief.\" }");
    let applied = [
        "default_model",
        "guests.\"handler:5050\".settings.system",
        "max_concurrent_jobs",
        "max_queued_jobs",
    ];
    let warnings =
        ["`default_model`: no backend serves `other`; `pylon models` lists what there is"];
    assert_eq!(
        program.json(&["reload", "--json"]),
        json!({"applied": applied, "needs_restart": [], "warnings": warnings})
    );
    assert_eq!(program.print(&["reload"]), format!("warning: {}\n", warnings[0]));
    assert_eq!(
        program.json(&["models", "--json"])["models"][0]["default"],
        false,
        "another is preferred now"
    );
    assert_eq!(buy(&program, "still here").await.content, "still here");
    let config = fs::read_to_string(program.home().join(".config/pylon/config.toml")).unwrap();
    fs::write(
        program.home().join(".config/pylon/config.toml"),
        config.replace("relays = [", "relays = [\"ws://127.0.0.1:9\", "),
    )
    .unwrap();
    assert_eq!(
        program.json(&["reload", "--json"]),
        json!({"applied": ["relays"], "needs_restart": [], "warnings": warnings})
    );
    let relays = program.json(&["status", "--json"])["relays"].clone();
    assert_eq!(
        (&relays[0]["url"], &relays[0]["connected"]),
        (&json!("ws://127.0.0.1:9"), &json!(false)),
        "{relays}"
    );
    assert_eq!(relays[1]["connected"], true, "{relays}");
    let lockdown = "[lockdown]\nallow_compile = false\ntrusted_publishers = [\"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\"]";
    let words = "name = \"Another\"\ndescription = \"words\"\ncustomer_relays = true";
    program.configure(&format!("{words}\n[network]\nfetch_urls = true\n{lockdown}"));
    let reloaded = program.json(&["reload", "--json"]);
    let later = json!(["lockdown.allow_compile", "network.fetch_urls"]);
    assert_eq!(reloaded["needs_restart"], later);
    for setting in
        ["name", "description", "customer_relays", "relays", "lockdown.trusted_publishers"]
    {
        assert!(reloaded["applied"].as_array().unwrap().contains(&json!(setting)), "{reloaded}");
    }
    assert_eq!(
        program.json(&["reload", "--json"]),
        json!({"applied": [], "needs_restart": later, "warnings": []})
    );
}

/// Goal: SIGHUP is a reload. Method: send it to a node in the foreground and read its log.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_settings() {
    let program = Program::new(Script::Echo).await;
    let (node, mut log, _) = tokio::task::block_in_place(|| started(program.home(), None));
    for (config, expected) in [
        ("max_queued_jobs = 7", "applied=[\"max_queued_jobs\"]"),
        ("max_queued_jobs = 0", "nothing was changed"),
    ] {
        program.configure(config);
        node.signal(libc::SIGHUP);
        let mut line = String::new();
        while !line.contains("read again") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the log has ended");
        }
        assert!(line.contains(expected), "{line}");
    }
}

/// Goal: events can be followed. Method: follow, buy, read; the follower ends with the node.
#[tokio::test(flavor = "multi_thread")]
async fn events_can_be_followed() {
    let program = Program::new(Script::Echo).await;
    check_failure("no node", &program.run(&["events"]), &["no node runs"]);
    program.print(&["start"]);
    let mut child = command(program.home(), &["events", "--follow", "--json", "--limit", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The follower is connected once it has seen an event: buy jobs until then.
    let (seen, mut waiting) = tokio::sync::mpsc::channel(64);
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            if seen.blocking_send(serde_json::from_str::<Value>(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    let mut customer = program.customer().await;
    let mut events = Vec::new();
    let mut turn = 0;
    while events.is_empty() {
        turn += 1;
        // The same request within one second would be the same event.
        let job = customer.ask(vec![text(&format!("follow me {turn}"))]).await;
        customer.result(job).await;
        while let Ok(event) = waiting.try_recv() {
            events.push(event);
        }
    }
    program.print(&["stop"]);
    assert!(
        tokio::task::block_in_place(|| child.wait()).unwrap().success(),
        "the end of the node is not an error"
    );
    while let Some(event) = waiting.recv().await {
        events.push(event);
    }
    reader.join().unwrap();
    assert!(
        events.iter().any(|event| event["event"] == "JobCompleted" && event["job_id"].is_string()),
        "{events:?}"
    );
}

/// Goal: a reader that closes the pipe is not an error. Method: close the pipe at once.
#[tokio::test(flavor = "multi_thread")]
async fn closed_pipe_ends_a_command_without_an_error() {
    let program = Program::new(Script::Echo).await;
    program.print(&["start"]);
    buy(&program, "one").await;
    for args in [
        &["jobs", "list"][..],
        &["status"],
        &["earnings"],
        &["events", "--follow"],
        &["doctor"],
        &["completions", "bash"],
    ] {
        let mut child = command(program.home(), args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}

/// Goal: a stop ends. Method: a job that never ends; a stop with timeout zero, and one that kills.
#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_no_longer_than_its_timeout() {
    let program = Program::new(Script::Wait).await;
    for args in [&["stop", "--timeout", "0"][..], &["stop", "--timeout", "0", "--force"]] {
        program.print(&["start"]);
        let mut customer = program.customer().await;
        let job = customer.ask(vec![text("for ever")]).await;
        customer.feedback(job, "processing").await;
        assert!(program.print(args).contains("pylon (PID"));
        assert_eq!(program.run(&["status"]).status.code(), Some(1));
    }
    assert_eq!(
        program.json(&["jobs", "list", "--json"]).as_array().unwrap().len(),
        2,
        "they continue after the next start"
    );
    program.print(&["start"]);
    let mut patient = command(program.home(), &["stop", "--timeout", "3600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut log, mut line) =
        (BufReader::new(fs::File::open(program.state("logs/pylon.log")).unwrap()), String::new());
    while !line.contains("at most 3600 s") {
        line.clear();
        log.read_line(&mut line).unwrap();
    }
    program.print(&["stop", "--timeout", "0"]);
    assert!(
        tokio::task::block_in_place(|| patient.wait()).unwrap().success(),
        "a second stop with a longer timeout ends, too"
    );
}

/// Goal: the doctor finds each fault, says what to do, and reports it in its exit code. Method: a
/// healthy node, then one fault at a time.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_each_fault() {
    let program = Program::new(Script::Echo).await;
    let found = |report: &Value, check: &str| {
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["check"] == check)
            .cloned()
            .unwrap_or_else(|| panic!("{report}"))
    };
    let well = program.json(&["doctor", "--json"]);
    assert_eq!(well["healthy"], true);
    for check in
        ["node", "identity", "settings", "backend", "wallet", "guests", "database", "disk", "relay"]
    {
        assert_eq!(found(&well, check)["state"], "ok", "{check}: {well}");
    }
    assert_eq!(found(&well, "clock")["state"], "warning", "this relay does not tell the time");
    assert_eq!(found(&well, "presence")["state"], "warning", "no node runs");
    let (node, ..) = tokio::task::block_in_place(|| started(program.home(), None));
    let readable = tokio::time::timeout(TEST_TIMEOUT, async {
        loop {
            let row = found(&program.json(&["doctor", "--json"]), "presence");
            if row["state"] == "ok" {
                return row;
            }
            tokio::task::yield_now().await;
        }
    });
    let readable = readable.await.expect("announced")["found"].as_str().unwrap().to_owned();
    assert_eq!(
        readable,
        format!("announcement readable on {}, for kinds 5050", program.relay.url())
    );
    drop(node);
    let relays = well["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == "relays")
        .unwrap();
    assert_eq!(relays["line"], 1);
    let broken = |check: &str, words: &str| {
        let output = program.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = found(&report, check);
        assert_eq!(
            (output.status.code(), &row["state"], &report["healthy"]),
            (Some(1), &json!("broken"), &json!(false)),
            "{row}"
        );
        assert!(row["found"].as_str().unwrap().contains(words) && row["todo"].is_string(), "{row}");
        assert_eq!(program.run(&["doctor"]).status.code(), Some(1));
    };
    program.configure("max_queued_jobs = 0");
    broken("settings", "config.toml:3: `max_queued_jobs` is 0");
    program.configure("[guests.pricing]\nsettings = { colour = \"red\" }");
    broken("guests", "colour");
    program.configure("");
    program.stub.fail();
    broken("backend", "503");
    let config = program.home().join(".config/pylon/config.toml");
    fs::write(&config, "relays = [\"ws://127.0.0.1:9\"]").unwrap();
    broken("relay", "ws://127.0.0.1:9");
    fs::write(
        program.state("pylon.db"),
        "a letter to a database, long enough to be taken for one by its length alone",
    )
    .unwrap();
    broken("database", "not a database");
    fs::remove_file(program.home().join(".config/pylon/identity.mnemonic")).unwrap();
    broken("identity", "pylon init");
}

/// Goal: an identity can be moved to this machine, and an invalid phrase is explained. Method:
/// import each kind, and replace one.
#[test]
fn identity_can_be_imported() {
    let home = tempfile::tempdir().unwrap();
    let import = |args: &[&str], words: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        fs::write(&file, words).unwrap();
        command(home.path(), args).stdin(fs::File::open(&file).unwrap()).output().unwrap()
    };
    let identity = home.path().join(".config/pylon/identity.mnemonic");
    let wrong = |words: &str, expected: &str| {
        let output = import(&["init", "--import"], words);
        check_failure(words, &output, &[expected, "nothing was changed"]);
        assert!(!said(&output).contains("winner") && !identity.exists());
    };
    wrong("", "0 words");
    wrong("legal winner", "2 words");
    wrong(&PHRASE.replace("yellow", "yelow"), "word 12 is not in the BIP-39 list");
    wrong(&PHRASE.replace("yellow", "winner"), "do not fit together");
    wrong(&"legal ".repeat(2000), "no recovery phrase");
    let output = import(&["init", "--import"], &format!("  {}\n", PHRASE.to_uppercase()));
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        !out(&output).contains("winner") && out(&output).contains("npub1"),
        "an imported phrase is not shown"
    );
    assert_eq!(fs::read_to_string(&identity).unwrap().trim(), PHRASE);
    let config = home.path().join(".config/pylon/config.toml");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&config, "max_queued_jobs = 9").unwrap();
    check_failure("again", &run(home.path(), &["init"]), &["identity exists", "--force"]);
    let replaced = run(home.path(), &["init", "--force"]);
    assert!(out(&replaced).contains("identity.mnemonic.old.1"), "{}", out(&replaced));
    let old = home.path().join(".config/pylon/identity.mnemonic.old.1");
    assert_eq!(fs::read_to_string(&old).unwrap().trim(), PHRASE);
    assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(fs::read_to_string(&identity).unwrap().trim(), PHRASE);
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        "max_queued_jobs = 9",
        "settings are never written over"
    );
}

/// Goal: shells and `man` are supported. Method: a script for each shell, and a page for each
/// command.
#[test]
fn completions_and_manual_are_generated() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(out(&run(home.path(), &["completions", shell])).contains("pylon"), "{shell}");
    }
    let pages = home.path().join("pages");
    assert!(run(home.path(), &["man", pages.to_str().unwrap()]).status.success());
    for page in ["pylon.1", "pylon-start.1", "pylon-jobs-list.1", "pylon-doctor.1"] {
        assert!(pages.join(page).is_file(), "{page}");
    }
    assert!(
        !fs::read_to_string(pages.join("pylon-start.1")).unwrap().contains("detached"),
        "what is ours alone is not shown"
    );
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
        assert!(output.status.success(), "books on a read-only disk: {}", said(&output));
        assert_eq!(
            serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["status"],
            "completed"
        );
    }
}
