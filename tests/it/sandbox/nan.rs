//! A number that is none has bits that differ from one processor to the next. What a policy answers must not.

use super::{component, context, job, load, sandbox, set, situation};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

const CANONICAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0000;

/// Goal: decisions are the same on every machine. Method: a policy that answers with such bits gives the canonical ones here; `describe` of the same
/// component, on an engine that leaves them as they are, shows that there was something to make canonical.
#[tokio::test]
async fn not_a_number_has_one_form() {
    let guest = load(&sandbox(), "pricing", "hostile_pricing", set("do", &["nan"])).await;
    let offer = guest.quote(&job(1), &context(), &situation()).value.unwrap().unwrap();
    assert_eq!(offer.max_work_ms, CANONICAL_NAN_BITS);
    assert_eq!(guest.about().summary, summary(true));
    assert_ne!(
        guest.about().summary,
        summary(false),
        "without it the bits leak: else this test sees nothing"
    );
}

/// Which bits `describe` found, on a bare engine.
fn summary(canonical: bool) -> String {
    let engine = Engine::new(Config::new().cranelift_nan_canonicalization(canonical)).unwrap();
    let component = Component::new(&engine, component("hostile_pricing")).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let describe = instance.get_func(&mut store, "describe").unwrap();
    let mut about = [Val::Bool(false)];
    describe.call(&mut store, &[], &mut about).unwrap();
    let Val::Record(fields) = &about[0] else { panic!("a record") };
    let Some((_, Val::String(summary))) = fields.iter().find(|(name, _)| name == "summary") else {
        panic!("a summary")
    };
    summary.clone()
}
