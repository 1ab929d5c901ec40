//! The cache of compiled code: used if it is authentic, otherwise compiled again.

use super::granted;
use crate::component;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_sandbox::{CodeOrigin, Compilation, Config, InstallError, Sandbox, SignedPrecompiled};
use sha2::Digest as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn sandbox_of(path: &Path) -> Sandbox {
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    Sandbox::open(Config { cache: Some(dir), ..Config::default() }).unwrap()
}

fn digest(bytes: &[u8]) -> pylon_core::Digest {
    pylon_core::Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Where the code of a guest comes from after a start.
async fn start(path: &Path) -> CodeOrigin {
    let guest = sandbox_of(path)
        .load("pricing".parse().unwrap(), component("hostile_pricing"), granted())
        .await
        .unwrap();
    guest.code_origin()
}

/// The only compiled component in the cache.
fn code(path: &Path) -> PathBuf {
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    let mut code = files.filter(|file| file.file_name().unwrap() != "key");
    let one = code.next().unwrap();
    assert_eq!(code.next(), None);
    one
}

/// The second start uses the code of the first.
#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    assert_eq!(start(folder.path()).await, CodeOrigin::Cached);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(&folder.path().join("key")), 0o600);
    assert_eq!(mode(&code(folder.path())), 0o600);
}

/// A modified file is detected, compiled again and replaced.
#[tokio::test]
async fn modified_code_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    let path = code(folder.path());
    let good = std::fs::read(&path).unwrap();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("tag", flipped(0)),
        ("first byte of the code", flipped(32)),
        ("last byte", flipped(good.len() - 1)),
        ("cut", good[..good.len() / 2].to_vec()),
        ("shorter than a tag", good[..7].to_vec()),
        ("empty", Vec::new()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(start(folder.path()).await, CodeOrigin::Compiled, "{what}");
        assert_eq!(start(folder.path()).await, CodeOrigin::Cached, "{what}");
    }
}

/// With another or an invalid key, all cached code is invalid.
#[tokio::test]
async fn another_key_invalidates_all() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    for key in [&[9; 32][..], b"short"] {
        std::fs::write(folder.path().join("key"), key).unwrap();
        assert_eq!(start(folder.path()).await, CodeOrigin::Compiled, "{key:?}");
        assert_eq!(start(folder.path()).await, CodeOrigin::Cached, "{key:?}");
    }
}

/// Authentic code under the name of another component is not loaded.
#[tokio::test]
async fn a_tag_covers_the_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    let ours = code(folder.path());
    let name = ours.file_name().unwrap().to_str().unwrap().to_owned();
    sandbox_of(folder.path())
        .load("pricing".parse().unwrap(), component("token_pricing"), granted())
        .await
        .unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let other = files
        .into_iter()
        .find(|path| path.file_name().unwrap() != "key" && !path.ends_with(&name))
        .unwrap();
    std::fs::rename(other, ours).unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
}

/// Goal: the verified bytes are the ones that are loaded. Method: another thread keeps replacing
/// the file with authentic code of another component and with broken code; each load is the right
/// guest, from the cache or compiled again.
#[tokio::test]
async fn a_swapped_file_is_never_loaded() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    let ours = code(folder.path());
    let good = std::fs::read(&ours).unwrap();
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("key"), other.path().join("key")).unwrap();
    sandbox_of(other.path())
        .load("pricing".parse().unwrap(), component("token_pricing"), granted())
        .await
        .unwrap();
    let evil = std::fs::read(code(other.path())).unwrap();
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    let (sandbox, swapped) = (sandbox_of(folder.path()), folder.path().join("swapped.0"));
    let done = Arc::new(AtomicBool::new(false));
    let its_done = Arc::clone(&done);
    let swapping = std::thread::spawn(move || {
        while !its_done.load(Ordering::SeqCst) {
            for bytes in [&evil, &good, &broken] {
                std::fs::write(&swapped, bytes).unwrap();
                std::fs::rename(&swapped, &ours).unwrap();
            }
        }
    });
    let mut ways = Vec::new();
    while ways.len() < 10
        || !ways.contains(&CodeOrigin::Cached)
        || !ways.contains(&CodeOrigin::Compiled)
    {
        let guest = sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), granted())
            .await
            .unwrap();
        assert_eq!(guest.guest_ref().name, "hostile-pricing");
        ways.push(guest.code_origin());
    }
    done.store(true, Ordering::SeqCst);
    swapping.join().unwrap();
}

/// Goal: an upgrade leaves no files behind. Method: files for other engines, and unfinished files,
/// next to a current one.
#[tokio::test]
async fn code_for_other_engines_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, CodeOrigin::Compiled);
    let ours = code(folder.path());
    let others = [format!("{}-{}", "0".repeat(64), "1".repeat(32)), "unknown".into()]
        .map(|name| folder.path().join(name));
    let unfinished = [("old.1-0", 7200), ("new.1-0", 0)].map(|(name, age)| {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age))
            .unwrap();
        path
    });
    others.iter().for_each(|path| std::fs::write(path, b"x").unwrap());
    assert_eq!(start(folder.path()).await, CodeOrigin::Cached);
    assert!(
        ours.exists() && unfinished[1].exists(),
        "the current file, and one that is being written"
    );
    assert!(!others.iter().chain(&unfinished[..1]).any(|path| path.exists()));
}

/// Goal: a node that does not compile runs cached and signed code only. Method: each way to load
/// code, with one bit or one word wrong.
#[tokio::test]
async fn a_node_without_a_compiler_runs_cached_and_signed_code() {
    let folder = tempfile::tempdir().unwrap();
    let maker = sandbox_of(folder.path());
    let (slot, bytes) = ("pricing".parse().unwrap(), component("hostile_pricing"));
    let image = maker.precompile(bytes).await.unwrap();
    let never = |cache| {
        Sandbox::open(Config { cache, compilation: Compilation::Disabled, ..Config::default() })
            .unwrap()
    };
    let refused = never(None).load(slot, bytes, granted()).await.err().unwrap();
    assert_eq!(refused.code(), "compile", "{refused}");
    maker.load(slot, bytes, granted()).await.unwrap();
    let kept = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    assert_eq!(
        never(Some(kept)).load(slot, bytes, granted()).await.unwrap().code_origin(),
        CodeOrigin::Cached
    );

    let component = pylon_core::Digest::from_bytes([7; 32]);
    let sandbox = never(None);
    let signed = |bytes| SignedPrecompiled { component, digest: digest(bytes), bytes };
    let guest = sandbox.load_precompiled(slot, signed(&image), granted()).await.unwrap();
    assert_eq!((guest.code_origin(), guest.guest_ref().digest), (CodeOrigin::Signed, component));
    let mut flipped = image.clone();
    flipped[image.len() / 2] ^= 1;
    let swapped = SignedPrecompiled { bytes: &flipped, ..signed(&image) };
    for (what, wrong, step) in [
        ("one bit", sandbox.load_precompiled(slot, swapped, granted()).await, "precompiled"),
        (
            "not compiled code",
            sandbox.load_precompiled(slot, signed(bytes), granted()).await,
            "precompiled",
        ),
        (
            "another engine",
            sandbox
                .load_precompiled("handler:5999".parse().unwrap(), signed(&image), granted())
                .await,
            "precompiled",
        ),
        (
            "another world",
            sandbox.load_precompiled("routing".parse().unwrap(), signed(&image), granted()).await,
            "world",
        ),
    ] {
        let error = wrong.err().unwrap();
        assert_eq!(error.code(), step, "{what}: {error}");
    }
    assert!(matches!(sandbox.precompile(bytes).await, Err(InstallError::Compile(_))));
}
