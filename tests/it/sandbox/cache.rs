//! Compiled code on disk: used when it is ours to the last bit, made again at any doubt.

use crate::component;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_sandbox::{Config, Loaded, Sandbox, Setup};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a fresh start finds.
async fn start(path: &Path) -> Loaded {
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    let sandbox = Sandbox::open(Config { cache: Some(dir), ..Config::default() }).unwrap();
    let guest = sandbox.load("pricing".parse().unwrap(), component("hostile_pricing"), Setup::default()).await.unwrap();
    guest.loaded()
}

/// The one compiled component.
fn code(path: &Path) -> PathBuf {
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    let mut code = files.filter(|file| file.file_name().unwrap() != "key");
    let one = code.next().unwrap();
    assert_eq!(code.next(), None);
    one
}

/// The second start takes what the first made.
#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, Loaded::Compiled);
    assert_eq!(start(folder.path()).await, Loaded::Cached);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(&folder.path().join("key")), 0o600);
    assert_eq!(mode(&code(folder.path())), 0o600);
}

/// Each way to spoil a file is noticed, answered by compiling, and repaired.
#[tokio::test]
async fn spoiled_code_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, Loaded::Compiled);
    let path = code(folder.path());
    let good = std::fs::read(&path).unwrap();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("seal", flipped(0)),
        ("first byte of the code", flipped(32)),
        ("last byte", flipped(good.len() - 1)),
        ("cut", good[..good.len() / 2].to_vec()),
        ("shorter than a seal", good[..7].to_vec()),
        ("empty", Vec::new()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(start(folder.path()).await, Loaded::Compiled, "{what}");
        assert_eq!(start(folder.path()).await, Loaded::Cached, "{what}");
    }
}

/// Without the key that sealed it nothing is believed, whether the key is another or broken.
#[tokio::test]
async fn another_key_voids_all() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, Loaded::Compiled);
    for key in [&[9; 32][..], b"short"] {
        std::fs::write(folder.path().join("key"), key).unwrap();
        assert_eq!(start(folder.path()).await, Loaded::Compiled, "{key:?}");
        assert_eq!(start(folder.path()).await, Loaded::Cached, "{key:?}");
    }
}

/// Sealed code under another component's name is not that component.
#[tokio::test]
async fn a_seal_covers_the_name() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(start(folder.path()).await, Loaded::Compiled);
    let ours = code(folder.path());
    let name = ours.file_name().unwrap().to_str().unwrap().to_owned();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let sandbox = Sandbox::open(Config { cache: Some(dir), ..Config::default() }).unwrap();
    sandbox.load("pricing".parse().unwrap(), component("token_pricing"), Setup::default()).await.unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let other = files.into_iter().find(|path| path.file_name().unwrap() != "key" && !path.ends_with(&name)).unwrap();
    std::fs::rename(other, ours).unwrap();
    assert_eq!(start(folder.path()).await, Loaded::Compiled);
}
