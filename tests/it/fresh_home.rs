//! A home on which nothing has run yet.

use pylon_tests::process::run;
use pylon_tests::program::said;
use serde_json::Value;
use std::fs;

/// Whether it has no element anywhere.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => true,
    }
}

/// Goal: before the first start each list is empty, which is no error, and nothing is created.
/// Method: every command that lists what is stored, as text and as JSON, on an empty folder.
#[test]
fn lists_are_empty_before_the_first_start() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["jobs", "list"][..],
        &["earnings"],
        &["events"],
        &["guest", "list"],
        &["guest", "list", "--history"],
        &["guest", "audit"],
        &["job", "list"],
    ] {
        let text = run(home.path(), args);
        assert!(text.status.success(), "{args:?}: {}", said(&text));
        let output = run(home.path(), &[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        // `events` prints one line of JSON for each event.
        let printed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> =
            serde_json::Deserializer::from_str(&printed).into_iter().map(Result::unwrap).collect();
        assert_eq!(lines.len(), usize::from(args != ["events"]), "{args:?}: {printed}");
        assert!(lines.iter().all(is_empty), "{args:?}: {printed}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "{args:?} created something");
    }
}
