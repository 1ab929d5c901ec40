//! A number that is none has bits that differ from one processor to the next. What a policy answers
//! must not.

use super::{component, context, job, load, sandbox, set, situation};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

const CANONICAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

/// Goal: decisions are the same on every machine. Method: a policy answers with the bits of a NaN,
/// which are canonical. `describe` on an engine without canonicalization shows that they were not
/// before.
#[tokio::test]
async fn nan_is_canonical() {
    let guest = load(&sandbox(), "pricing", "hostile_pricing", set("do", &["nan"])).await;
    let offer = guest.quote(&job(1), &context(), &situation()).value.unwrap().unwrap();
    assert_eq!(offer.max_work_ms, CANONICAL_NAN_BITS);
    assert_eq!(guest.manifest().summary, summary(true));
    assert_ne!(
        guest.manifest().summary,
        summary(false),
        "without canonicalization the bits differ"
    );
}

/// The bits in the summary that `describe` returns, on an engine without a sandbox.
fn summary(canonical: bool) -> String {
    let engine = Engine::new(Config::new().cranelift_nan_canonicalization(canonical)).unwrap();
    let component = Component::new(&engine, component("hostile_pricing")).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let describe = instance.get_func(&mut store, "describe").unwrap();
    let mut manifest = [Val::Bool(false)];
    describe.call(&mut store, &[], &mut manifest).unwrap();
    let Val::Record(fields) = &manifest[0] else { panic!("a record") };
    let Some((_, Val::String(summary))) = fields.iter().find(|(name, _)| name == "summary") else {
        panic!("a summary")
    };
    summary.clone()
}
