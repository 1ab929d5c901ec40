//! A node without a compiler refuses all machine code but what is signed for it.

use super::install_steps::{NOW, OfflineSlots, sidecar};
use super::{guest, install};
use crate::component;
use nostr_sdk::prelude::Keys;
use pylon_core::Digest;
use pylon_core::slots::Lockdown;
use pylon_core::slots::SlotChange;
use pylon_nostr::precompiled_release::{PrecompiledClaim, sign};
use pylon_sandbox::{Role, Sandbox};
use pylon_slots::Config;
use pylon_tests::program::{PHRASE, said};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn locked_to(author: &Keys) -> Config {
    let trusted_publishers = vec![author.public_key().to_hex()];
    Config {
        lockdown: Lockdown { trusted_publishers, allow_compile: false, ..Lockdown::default() },
        ..Config::default()
    }
}

/// Machine code of a component for this machine, and a claim about it.
async fn compiled(bytes: &[u8]) -> (Vec<u8>, PrecompiledClaim) {
    let maker = Sandbox::open(pylon_sandbox::Config::default()).unwrap();
    let image = maker.precompile(bytes).await.unwrap();
    let (digest, size) = (Digest::of(&image), image.len() as u64);
    let claim = PrecompiledClaim {
        digest,
        size,
        component: Digest::of(bytes),
        engine: maker.engine_id(Role::Pricing),
    };
    (image, claim)
}

/// Goal: without a compiler, only machine code that a trusted publisher signed for this component
/// and this engine runs. Method: an image with one fault at a time, then the right one; and a
/// component with a fault of its own, which is reported first.
#[tokio::test(flavor = "multi_thread")]
async fn only_signed_images_run() {
    let author = Keys::generate();
    let offline = OfflineSlots::open(&locked_to(&author));
    let bytes = component("hostile_pricing");
    let path = offline.signed(&author, bytes);
    let at = || guest(&path, &[]);
    let why = offline.fails_at("precompiled", "pricing", at()).await;
    assert!(
        why.contains("compilation is disabled") && why.contains("pylon guest compile"),
        "{why}"
    );
    let (image, claim) = compiled(bytes).await;
    let name = path.file_name().unwrap().display();
    let place = format!("{name}.{}.cwasm in {}", claim.engine, path.parent().unwrap().display());
    assert!(why.contains(&format!("there is no file {place}: ")), "{why}");
    let file = path.with_file_name(format!(
        "{}.{}.cwasm",
        path.file_name().unwrap().display(),
        claim.engine
    ));
    std::fs::write(&file, &image).unwrap();
    let why = offline.fails_at("precompiled", "pricing", at()).await;
    assert!(why.contains(&format!("{place}: it is not signed")), "{why}");
    let flipped = {
        let mut flipped = image.clone();
        flipped[image.len() / 2] ^= 1;
        flipped
    };
    let signed =
        |keys: &Keys, claim: &PrecompiledClaim| sign(keys, claim, NOW.minus(60), None).unwrap();
    let good = signed(&author, &claim);
    for (what, image, release) in [
        ("is not among", &image, signed(&Keys::generate(), &claim)),
        ("changed since it was signed; get it again from its author", &flipped, good.clone()),
        (
            "compiled from another component",
            &image,
            signed(&author, &PrecompiledClaim { component: Digest::of(b"other"), ..claim.clone() }),
        ),
        (
            "for the engine other",
            &image,
            signed(&author, &PrecompiledClaim { engine: "other".into(), ..claim.clone() }),
        ),
        ("expired", &image, sign(&author, &claim, NOW.minus(60), Some(NOW)).unwrap()),
        ("signature", &image, good.replace(&format!("for {}", claim.engine), "for all")),
    ] {
        std::fs::write(&file, image).unwrap();
        std::fs::write(sidecar(&file, "release"), release).unwrap();
        let why = offline.fails_at("precompiled", "pricing", at()).await;
        assert!(why.contains(what) && why.contains(&place), "{what}: {why}");
    }
    offline.fails_at("component", "pricing", guest(offline.signed(&author, b"garbage"), &[])).await;
    offline
        .fails_at(
            "import",
            "pricing",
            guest(offline.signed(&author, component("std_pricing")), &[]),
        )
        .await;
    std::fs::write(sidecar(&file, "release"), good).unwrap();
    let status = offline.apply(install("pricing", at())).await.unwrap();
    assert_eq!((status.name.as_str(), status.revision), ("hostile-pricing", Some(1)));

    // Shipped guests need an image, too, which is in the node's folder.
    offline.fails_at("precompiled", "pricing", guest("token_pricing", &[])).await;
    let (image, claim) = compiled(component("token_pricing")).await;
    let file = offline
        .folder
        .path()
        .join(".openagents/pylon/guests")
        .join(format!("{}.{}.cwasm", claim.component, claim.engine));
    std::fs::write(&file, image).unwrap();
    std::fs::write(sidecar(&file, "release"), signed(&author, &claim)).unwrap();
    assert_eq!(
        offline.apply(install("pricing", guest("token_pricing", &[]))).await.unwrap().name,
        "token_pricing"
    );
    let back =
        offline.apply(SlotChange::Rollback { slot: "pricing".into(), to: None }).await.unwrap();
    assert_eq!(back.name, "hostile-pricing", "the folder has kept its image");
}

/// Goal: an operator sets up a node without a compiler by commands alone. Method: the images of all
/// shipped guests are compiled, signed and copied into the folder of a locked-down node; the doctor
/// loads them as a start would.
#[test]
fn node_without_a_compiler_is_set_up_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let pylon = |args: &[&str]| {
        let mut command = Command::new(pylon_tests::process::pylon());
        command.args(args).current_dir(home).env("PYLON_HOME", home).output().unwrap()
    };
    let well = |args: &[&str]| {
        let output = pylon(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    well(&["init"]);
    std::fs::write(home.join("key"), PHRASE).unwrap();
    std::fs::set_permissions(home.join("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = pylon_nostr::identity::keys(PHRASE).unwrap();
    let config = home.join(".config/pylon/config.toml");
    let locked = format!(
        "[lockdown]\nallow_compile = false\ntrusted_publishers = [\"{}\"]\n",
        key.public_key().to_hex()
    );
    std::fs::write(&config, locked).unwrap();
    let check = |name: &str| {
        let output = pylon(&["doctor", "--json"]);
        let page: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
        page["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["check"] == name)
            .unwrap()
            .to_string()
    };
    assert!(check("guests").contains("compilation is disabled"), "{}", check("guests"));
    assert!(
        check("lockdown").contains("only signed precompiled guests run"),
        "{}",
        check("lockdown")
    );
    let store = home.join(".openagents/pylon/guests");
    let place = format!(".cwasm in {}: ", store.display());
    assert!(check("guests").contains(&place), "the folder itself is named: {}", check("guests"));
    std::fs::create_dir_all(&store).unwrap();
    for name in ["preferred_routing", "token_pricing", "basic_verification", "text_generation"] {
        let made = well(&["guest", "compile", name]);
        let file = made.split_whitespace().next().unwrap();
        well(&["guest", "sign", "--key", "key", file]);
        for file in [file.to_owned(), format!("{file}.release.json")] {
            std::fs::rename(home.join(&file), store.join(&file)).unwrap();
        }
    }
    assert!(check("guests").contains("token_pricing"), "{}", check("guests"));
    assert!(
        !Path::new(&home.join(".openagents/pylon/cache/key")).exists(),
        "nothing was compiled, so nothing is kept"
    );
}
