//! The doctor.

use pylon_tests::market::TEST_TIMEOUT;
use pylon_tests::program::{Program, started};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;

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
    assert_eq!(found(&well, "announcement")["state"], "warning", "no node runs");
    let (node, ..) = tokio::task::block_in_place(|| started(program.home(), None));
    let readable = tokio::time::timeout(TEST_TIMEOUT, async {
        loop {
            let row = found(&program.json(&["doctor", "--json"]), "announcement");
            if row["state"] == "ok" {
                return row;
            }
            tokio::task::yield_now().await;
        }
    });
    let readable = readable.await.expect("announced")["detail"].as_str().unwrap().to_owned();
    assert_eq!(readable, format!("published on {} for kinds 5050", program.relay.url()));
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
        assert!(
            row["detail"].as_str().unwrap().contains(words) && row["hint"].is_string(),
            "{row}"
        );
        assert_eq!(program.run(&["doctor"]).status.code(), Some(1));
    };
    program.configure("max_queued_jobs = 0");
    broken("settings", "config.toml:3: `max_queued_jobs` is 0");
    program.configure("[guests.pricing]\nsettings = { colour = \"red\" }");
    broken("guests", "colour");
    program.configure("");
    program.stub.fail();
    broken("backend", "502");
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
