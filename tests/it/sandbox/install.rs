//! The steps of an installation in their order: each has its code, and early failures are not
//! compiled.

use super::{KIND, component, granted, load, sandbox, set};
use async_trait::async_trait;
use pylon_sandbox::{
    COMPONENT_BYTES_MAX, Capability, Compilation, Compiler, Config, EngineKind, Grants,
    InstallError, Sandbox, Setup, Slot,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Compiles nothing, and counts its calls.
#[derive(Default)]
struct CountingCompiler(AtomicUsize);

#[async_trait]
impl Compiler for CountingCompiler {
    async fn compile(&self, _: EngineKind, _: &[u8]) -> Result<Vec<u8>, String> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err("not here".into())
    }
}

fn slot(text: &str) -> Slot {
    text.parse().unwrap()
}

/// Goal: invalid components are refused before the compiler runs. Method: one component for each
/// step, and a compiler that counts its calls.
#[tokio::test]
async fn invalid_components_are_refused_before_they_are_compiled() {
    let compiler = Arc::new(CountingCompiler::default());
    let sandbox = Sandbox::open(Config {
        compilation: Compilation::With(Arc::clone(&compiler) as Arc<_>),
        ..Config::default()
    })
    .unwrap();
    let (good, handler) = (component("hostile_pricing"), slot("handler:5999"));
    let garbage: Vec<u8> = (0..200_u32 << 20).map(|place| (place ^ (place >> 7)) as u8).collect();
    let headed = [&b"\0asm\x0d\0\x01\0"[..], &garbage[..1 << 20]].concat();
    let mut lying = good.to_vec();
    lying[9] = 0xff;
    let of_the_future: Vec<u8> = good.to_vec();
    let of_the_future =
        replaced(of_the_future, b"pylon:provider/pricing@0.1.0", b"pylon:provider/pricing@0.2.0");
    for (what, slot, bytes, step) in [
        ("200 MB of garbage", slot("pricing"), &garbage[..], "size"),
        ("a byte too much", slot("pricing"), &garbage[..=COMPONENT_BYTES_MAX], "size"),
        ("garbage", slot("pricing"), &garbage[..1 << 20], "component"),
        ("garbage behind a header", slot("pricing"), &headed, "component"),
        ("nothing", slot("pricing"), b"", "component"),
        ("no WebAssembly", slot("pricing"), b"no", "component"),
        ("a core module", slot("pricing"), b"\0asm\x01\0\0\0", "component"),
        ("a truncated file", slot("pricing"), &good[..good.len() / 2], "component"),
        ("a byte too few", slot("pricing"), &good[..good.len() - 1], "component"),
        ("a section that lies about its size", slot("pricing"), &lying, "component"),
        ("a component without anything", slot("pricing"), b"\0asm\x0d\0\x01\0", "world"),
        ("two worlds", slot("pricing"), component("two_worlds"), "world"),
        ("another world", slot("pricing"), component("hostile_routing"), "world"),
        ("a policy for a handler", handler, good, "world"),
        ("a later contract", slot("pricing"), &of_the_future, "world"),
        ("a policy that imports", slot("pricing"), component("std_pricing"), "import"),
        ("an agent", handler, component("requests_agent"), "import"),
        ("files", handler, component("reads_files"), "import"),
    ] {
        let error = sandbox.load(slot, bytes, granted()).await.err().unwrap();
        assert_eq!(error.code(), step, "{what}: {error}");
        assert!(!error.to_string().contains('\n'), "{what}: {error}");
    }
    assert_eq!(compiler.0.load(Ordering::SeqCst), 0);
    assert_eq!(
        sandbox.load(slot("pricing"), good, granted()).await.err(),
        Some(InstallError::Compile("not here".into()))
    );
    assert_eq!(compiler.0.load(Ordering::SeqCst), 1);
}

/// Goal: a component does not use more of the pool than is reserved for it. Method: for each limit,
/// a component at the limit, which fails at a later step, and one above it.
#[tokio::test]
async fn a_component_has_limits_of_the_pool() {
    let sandbox = sandbox();
    let of = |place: &str, module: &str, times: usize| {
        let export = if place.starts_with("handler") { "handler" } else { place };
        let instances = "(core instance (instantiate $m))".repeat(times);
        let text = format!(
            "(component (core module $m {module}) {instances} (instance $none) \
             (export \"pylon:provider/{export}@0.1.0\" (instance $none)))"
        );
        wat::parse_str(text).unwrap()
    };
    let (none, memory, table) = ("", "(memory 1)", "(table 1 funcref)");
    for (place, within, beyond, words) in [
        ("pricing", (none, 4), (none, 5), "core module instances"),
        ("handler:5999", (none, 64), (none, 65), "core module instances"),
        ("pricing", (memory, 1), (memory, 2), "linear memories"),
        ("handler:5999", (memory, 1), (memory, 2), "linear memories"),
        ("pricing", (table, 2), (table, 3), "tables"),
        ("handler:5999", (table, 2), (table, 3), "tables"),
        ("pricing", (table, 1), ("(table 1 funcref) (table 1 funcref)", 1), "tables count of 2"),
        ("pricing", (memory, 1), ("(memory 65535)", 1), "minimum byte size"),
        ("pricing", (table, 1), ("(table 10000000 funcref)", 1), "minimum element size"),
    ] {
        let error = async |(module, times)| {
            sandbox.load(slot(place), &of(place, module, times), granted()).await.err().unwrap()
        };
        let fits = error(within).await;
        assert_eq!(fits.code(), "world", "{place} {within:?}: {fits}");
        let refused = error(beyond).await;
        assert!(
            refused.code() == "compile" && refused.to_string().contains(words),
            "{place} {beyond:?}: {refused}"
        );
    }
}

/// Replaces all occurrences of `from`.
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    for place in 0..bytes.len() - from.len() {
        if bytes[place..].starts_with(from) {
            bytes[place..place + from.len()].copy_from_slice(to);
        }
    }
    bytes
}

/// Goal: the order of the steps. Method: a guest that fails several steps; fixing one shows the
/// next.
#[tokio::test]
async fn steps_have_an_order() {
    let sandbox = sandbox();
    let step = async |name: &str, place: &str, setup: Setup| match sandbox
        .load(slot(place), component(name), setup)
        .await
    {
        Ok(_) => "installed",
        Err(error) => error.code(),
    };
    let bare = |settings: &[(&str, &str)]| Setup {
        settings: settings.iter().map(|(name, value)| super::param(name, &[value])).collect(),
        ..Setup::default()
    };
    assert_eq!(step("busy_describe", "handler:5000", bare(&[("undo", "x")])).await, "describe");
    assert_eq!(step("hostile_handler", "handler:5000", bare(&[("undo", "x")])).await, "slot");
    assert_eq!(step("hostile_handler", "handler:5999", bare(&[("undo", "x")])).await, "setting");
    assert_eq!(step("hostile_handler", "handler:5999", bare(&[])).await, "grant");
    assert_eq!(step("hostile_handler", "handler:5999", granted()).await, "installed");
    assert_eq!(
        step("hostile_pricing", "pricing", bare(&[("tried", "trap"), ("undo", "x")])).await,
        "setting"
    );
    assert_eq!(step("hostile_pricing", "pricing", bare(&[("tried", "trap")])).await, "self-test");
    assert_eq!(step("hostile_pricing", "pricing", bare(&[])).await, "installed");
}

/// Goal: imports that are not granted are not linked. Method: a guest that requests two
/// capabilities and is granted one, and a guest that imports more than it requests.
#[tokio::test]
async fn a_handler_gets_requested_and_granted_capabilities() {
    let sandbox = sandbox();
    let place = slot("handler:5999");
    let some = |drop_ungranted| Setup {
        grants: Grants { progress: true, ..Grants::default() },
        drop_ungranted,
        ..Setup::default()
    };
    let refused = sandbox.load(place, component("hostile_handler"), some(false)).await.err();
    assert_eq!(refused, Some(InstallError::NotGranted(vec![Capability::Inference])));
    // The import is refused if the capability is dropped.
    let dropped = sandbox.load(place, component("hostile_handler"), some(true)).await.err();
    assert_eq!(dropped, Some(InstallError::Import("pylon:provider/inference@0.1.0".into())));
    let undeclared = sandbox.load(place, component("undeclared"), granted()).await.err();
    assert_eq!(undeclared, Some(InstallError::Import("pylon:provider/progress@0.1.0".into())));
    let shipped = slot("handler:5050");
    let grants = Grants { inference: true, progress: true, events: true, ..Grants::default() };
    let setup = Setup { grants, drop_ungranted: true, ..Setup::default() };
    let guest = sandbox.load(shipped, component("text_generation"), setup).await.unwrap();
    assert_eq!(guest.granted(), [Capability::Inference, Capability::Progress, Capability::Events]);
    load(&sandbox, &format!("handler:{KIND}"), "probe", Setup::default()).await;
}

#[tokio::test]
async fn an_invalid_setting_is_found() {
    let sandbox = sandbox();
    let error = sandbox
        .load(slot("pricing"), component("token_pricing"), set("base-msat", &["lots"]))
        .await
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "cannot use the value of its setting `base-msat`");
    assert_eq!(error.code(), "setting");
}
