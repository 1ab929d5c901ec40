//! Inspecting and signing a component: the output is right, and each wrong key, file and signature
//! is reported.

use super::guest;
use crate::component;
use pylon_tests::program::{PHRASE, check_failure, said};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The public key of `PHRASE`.
fn publisher() -> String {
    let keys = pylon_nostr::identity::keys(PHRASE).unwrap();
    pylon_nostr::identity::npub(&keys)
}

fn put(folder: &Path, name: &str, bytes: &[u8], mode: u32) {
    fs::write(folder.join(name), bytes).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
}

fn inspect(folder: &Path, file: &str) -> Value {
    let output = guest(folder, &["inspect", file, "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
}

/// Goal: an operator knows what a guest is and who published it. Method: inspect a shipped one
/// before it is signed, after, and with one byte changed.
#[test]
fn inspect_shows_the_publisher() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "mine.wasm", component("token_pricing"), 0o644);
    put(folder, "key", PHRASE.as_bytes(), 0o600);
    let facts = inspect(folder, "mine.wasm");
    assert_eq!(
        (&facts["world"], &facts["name"], &facts["publisher"]),
        (&"pricing-policy".into(), &"token_pricing".into(), &Value::Null)
    );
    assert_eq!(facts["settings"].as_array().unwrap().len(), 9);
    assert_eq!(facts["limits"]["fuel"], 11_000_000);
    assert!(
        facts["imports"].as_array().unwrap().iter().all(|import| import["types_only"] == true),
        "{facts}"
    );
    assert!(
        facts["exports"].as_array().unwrap().contains(&"pylon:provider/pricing@0.1.0".into()),
        "{facts}"
    );

    let signed = guest(folder, &["sign", "--key", "key", "mine.wasm", "--expires", "30"]);
    assert!(signed.status.success(), "{}", said(&signed));
    let facts = inspect(folder, "mine.wasm");
    assert_eq!(facts["publisher"]["npub"], publisher().as_str());
    assert!(facts["publisher"]["expires_at"].as_u64() > facts["publisher"]["signed_at"].as_u64());
    let page = String::from_utf8(guest(folder, &["inspect", "mine.wasm"]).stdout).unwrap();
    assert!(page.contains(&publisher()) && page.contains("base-msat = \"1000\""), "{page}");

    fs::copy(folder.join("mine.wasm.release.json"), folder.join("other.wasm.release.json"))
        .unwrap();
    put(folder, "other.wasm", component("preferred_routing"), 0o644);
    let facts = inspect(folder, "other.wasm");
    assert_eq!(facts["publisher"], Value::Null);
    assert!(
        facts["release_problem"].as_str().unwrap().contains("for another component"),
        "{facts}"
    );
    fs::write(folder.join("other.wasm.release.json"), "{").unwrap();
    assert!(
        inspect(folder, "other.wasm")["release_problem"]
            .as_str()
            .unwrap()
            .contains("not a signed event")
    );
}

/// Goal: a folder can be named instead of the component in it. Method: a folder with one, none and
/// two, by each command.
#[test]
fn folder_with_one_component_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "key", PHRASE.as_bytes(), 0o600);
    for name in ["one", "none", "two"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    for file in ["one/mine.wasm", "two/mine.wasm", "two/other.wasm"] {
        put(folder, file, component("token_pricing"), 0o644);
    }
    for args in [&["inspect"][..], &["sign", "--key", "key"], &["compile"]] {
        let on = |name| guest(folder, &[args, &[name]].concat());
        let done = on("one");
        assert!(
            done.status.success()
                && String::from_utf8_lossy(&done.stdout).contains("one/mine.wasm"),
            "{}",
            said(&done)
        );
        check_failure("none", &on("none"), &["none has no component", "`pylon guest build none`"]);
        check_failure("two", &on("two"), &["two has 2 components"]);
    }
    check_failure(
        "a name",
        &guest(folder, &["compile", "token_prising"]),
        &["the file token_prising does not exist", "did you mean `token_pricing`?"],
    );
    assert!(folder.join("one/mine.wasm.release.json").exists());
}

/// Goal: a key that others can read is not used, and the content of an invalid key file is not
/// printed. Method: one wrong key file a row.
#[test]
fn key_file_must_be_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "mine.wasm", component("token_pricing"), 0o644);
    let sign = |key: &str| guest(folder, &["sign", "--key", key, "mine.wasm"]);
    check_failure("nowhere", &sign("nowhere"), &["nowhere does not exist", "nsec"]);
    for (text, mode, words) in [
        (PHRASE, 0o644, "chmod 600"),
        ("legal winner", 0o600, "2 words"),
        ("secret", 0o600, "neither an nsec"),
        ("", 0o600, "neither an nsec"),
    ] {
        put(folder, "key", text.as_bytes(), mode);
        let output = sign("key");
        check_failure(text, &output, &["key", words]);
        assert!(text.is_empty() || !said(&output).contains(text), "{}", said(&output));
    }
    put(folder, "key", &[0xff; 9], 0o600);
    check_failure("no text", &sign("key"), &["is not a secret"]);
    assert!(!folder.join("mine.wasm.release.json").exists());
}

/// Goal: a component that no node would run is neither signed nor shown as runnable, and the reason
/// is given. Method: one wrong component a row.
#[test]
fn component_that_no_node_runs_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    put(folder, "key", PHRASE.as_bytes(), 0o600);
    let good = component("token_pricing");
    let rows: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "it is not WebAssembly"),
        ("garbage", &[0xa5; 4096], "it is not WebAssembly"),
        ("core module", b"\0asm\x01\0\0\0", "is a core module"),
        ("truncated", &good[..good.len() / 2], "is not a valid component"),
        ("no world", b"\0asm\x0d\0\x01\0", "exports none of the worlds"),
        ("describe loops", component("endless_describe"), "cannot describe itself: out of fuel"),
    ];
    for (what, bytes, words) in rows {
        put(folder, "bad.wasm", bytes, 0o644);
        check_failure(what, &guest(folder, &["inspect", "bad.wasm"]), &["bad.wasm", words]);
        check_failure(
            what,
            &guest(folder, &["sign", "--key", "key", "bad.wasm"]),
            &["bad.wasm", words],
        );
    }
    put(folder, "bad.wasm", component("requests_agent"), 0o644);
    let output = guest(folder, &["inspect", "bad.wasm", "--json"]);
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(facts["problem"].as_str().unwrap().contains("agent"), "{facts}");
    assert!(
        facts["imports"]
            .as_array()
            .unwrap()
            .iter()
            .any(|import| import["name"] == "pylon:provider/agent@0.1.0"),
        "{facts}"
    );
}
