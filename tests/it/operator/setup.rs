//! Before the first start: importing an identity, shell completions and the manual.

use super::out;
use pylon_tests::process::{command, run};
use pylon_tests::program::{PHRASE, check_failure, said};
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
    wrong(&PHRASE.replace("yellow", "winner"), "the checksum of the words is wrong");
    wrong(&"legal ".repeat(2000), "not a recovery phrase");
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
        "hidden options are not shown"
    );
}
