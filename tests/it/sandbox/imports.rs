//! Not granted, not linked: what a component imports beyond its role is refused by name, before any of it runs.

use super::{KIND, component, load, sandbox};
use pylon_sandbox::{Grants, InstallError, Sandbox, Setup};

async fn refused(sandbox: &Sandbox, slot: &str, name: &str, setup: Setup) -> InstallError {
    sandbox.load(slot.parse().unwrap(), component(name), setup).await.err().unwrap()
}

/// A policy built with std imports what std imports, and that is too much.
#[tokio::test]
async fn a_policy_imports_nothing() {
    match refused(&sandbox(), "pricing", "std_pricing", Setup::default()).await {
        InstallError::Import(name) => assert!(name.starts_with("wasi:"), "{name}"),
        other => panic!("{other}"),
    }
}

/// Agents, files, and what was not asked for or not granted.
#[tokio::test]
async fn a_handler_imports_what_it_is_granted() {
    let sandbox = sandbox();
    let slot = format!("handler:{KIND}");
    let no_inference = Setup { grants: Grants { inference: false, ..Grants::all() }, withhold: true, ..Setup::default() };
    let all = || Setup { grants: Grants::all(), ..Setup::default() };
    for (name, setup, import) in [
        ("wants_agent", all(), "pylon:provider/agent@0.1.0"),
        ("reads_files", all(), "wasi:filesystem/"),
        ("undeclared", all(), "pylon:provider/progress@0.1.0"),
        ("hostile_handler", no_inference, "pylon:provider/inference@0.1.0"),
    ] {
        match refused(&sandbox, &slot, name, setup).await {
            InstallError::Import(refused) => assert!(refused.starts_with(import), "{name}: {refused}"),
            other => panic!("{name}: {other}"),
        }
    }
    load(&sandbox, &slot, "probe", Setup::default()).await;
}

/// What is no guest for the slot, each with the step that found out.
#[tokio::test]
async fn strangers_are_refused_at_the_door() {
    let sandbox = sandbox();
    let slot = "pricing".parse().unwrap();
    assert!(matches!(sandbox.load(slot, b"no", Setup::default()).await.err(), Some(InstallError::Compile(_))));
    let empty_module = b"\0asm\x01\0\0\0";
    assert!(matches!(sandbox.load(slot, empty_module, Setup::default()).await.err(), Some(InstallError::Compile(_))));
    let huge = vec![0; 40 << 20];
    assert_eq!(sandbox.load(slot, &huge, Setup::default()).await.err(), Some(InstallError::Size(40 << 20)));
    let routing = refused(&sandbox, "pricing", "hostile_routing", Setup::default()).await;
    assert!(matches!(routing, InstallError::World(..)), "{routing}");
    let other_kind = refused(&sandbox, "handler:5000", "probe", Setup::default()).await;
    assert_eq!(other_kind, InstallError::Slot("handler:5000".parse().unwrap()));
}
