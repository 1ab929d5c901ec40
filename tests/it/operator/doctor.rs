//! The doctor.

use pylon_tests::program::{Program, started};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
    let announced = found(&program.json(&["doctor", "--json"]), "announcement");
    let expected = format!("published on {} for kinds 5050", program.relay.url());
    assert_eq!(announced["detail"], expected, "right after the start");
    drop(node);
    let config = program.home().join(".config/pylon/config.toml");
    let whole = fs::read_to_string(&config).unwrap();
    fs::write(&config, whole.replace("relays = [", "relays = [\"ws://127.0.0.1:9\", ")).unwrap();
    let report = program.json(&["doctor", "--json"]);
    let dead = found(&report, "relay");
    assert_eq!((&dead["state"], &report["healthy"]), (&json!("warning"), &json!(true)), "{dead}");
    fs::write(&config, whole).unwrap();
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
    let identity = program.home().join(".config/pylon/identity.mnemonic");
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).unwrap();
    let page = String::from_utf8(program.run(&["doctor"]).stdout).unwrap();
    assert!(page.contains("chmod 600") && !page.contains("pylon init"), "one advice: {page}");
    broken("identity", "accessible to other users");
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    program.configure("max_queued_jobs = 0");
    broken("settings", "config.toml:3: `max_queued_jobs` is 0");
    program.configure("[guests.pricing]\nsettings = { colour = \"red\" }");
    broken("guests", "colour");
    program.configure("");
    program.stub.fail();
    broken("backend", "502");
    fs::write(&config, "relays = [\"ws://127.0.0.1:9\", \"ws://127.0.0.1:10\"]").unwrap();
    broken("relay", "ws://127.0.0.1:9");
    fs::write(
        program.state("pylon.db"),
        "a letter to a database, long enough to be taken for one by its length alone",
    )
    .unwrap();
    broken("database", "not a database");
    fs::remove_file(identity).unwrap();
    broken("identity", "pylon init");
}
