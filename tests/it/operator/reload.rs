//! Reload of settings, by command and by SIGHUP.

use super::buy;
use pylon_tests::program::{Program, check_failure, started};
use pylon_tests::stub::Script;
use serde_json::{Value, json};
use std::fs;
use std::io::BufRead;

/// Goal: settings change without a restart where they can, and a mistake changes nothing. Method:
/// reload and SIGHUP with each kind of setting.
#[tokio::test(flavor = "multi_thread")]
async fn reload_applies_settings() {
    let program = Program::new(Script::Echo).await;
    check_failure("no node", &program.run(&["reload"]), &["no node runs"]);
    program.print(&["start"]);
    assert_eq!(program.print(&["reload"]), "no setting has changed\n");
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
        &["handler:5999", "remove it", "nothing was changed"],
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
    let again = program.json(&["reload", "--json"]);
    assert_eq!((&again["applied"], &again["needs_restart"]), (&json!([]), &later));
    for reloaded in [reloaded, again] {
        check_warning_of_next_start(&program, &reloaded);
    }
    program.print(&["stop"]);
    check_failure("as foretold", &program.run(&["start"]), &["compilation is disabled"]);
}

/// The guests would have to be compiled: the only warning says so in the words of `doctor`.
fn check_warning_of_next_start(program: &Program, reloaded: &Value) {
    let [warning] = reloaded["warnings"].as_array().unwrap().as_slice() else {
        panic!("{reloaded}")
    };
    let warning = warning.as_str().unwrap();
    assert!(
        warning.starts_with("the next start would fail: guests: ")
            && warning.contains("compilation is disabled"),
        "{warning}"
    );
    let doctor: Value = serde_json::from_slice(&program.run(&["doctor", "--json"]).stdout).unwrap();
    let checks = doctor["checks"].as_array().unwrap();
    let guests = checks.iter().find(|row| row["check"] == "guests").unwrap();
    assert!(warning.contains(guests["detail"].as_str().unwrap()), "doctor's words");
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
        while !line.contains("reload") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the log has ended");
        }
        assert!(line.contains(expected), "{line}");
    }
}
